"""What the audit says of a program that makes every mistake on purpose, as a page."""
