"""Autograder kits: folders that grade one submission where a platform runs them."""
