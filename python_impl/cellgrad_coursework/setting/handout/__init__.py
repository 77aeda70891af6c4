"""A student's workbook: the steps of one's own numbers, with blanks."""
