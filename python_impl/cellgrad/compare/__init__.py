"""Comparing two sets of cells. Plain numbers and texts in; nothing is recomputed."""
