"""What comes out: feedback for students, gradebooks and a page for the lecturer."""
