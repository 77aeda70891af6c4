"""Grading one workbook: from its bytes to a verdict and points for every cell."""
