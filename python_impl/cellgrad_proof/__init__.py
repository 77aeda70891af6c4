"""What is certain of a workbook, read out of the workbook's own formulas."""
