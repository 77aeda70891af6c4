"""Error bounds of floating-point formulas."""
