"""What was handed in, whose it is, and what one submission shares with another."""
