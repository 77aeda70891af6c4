"""Autograder kits: folders that grade one submission where a platform runs them."""

from cellgrad_coursework.kits.write import KINDS, write_kit

__all__ = ["KINDS", "write_kit"]
