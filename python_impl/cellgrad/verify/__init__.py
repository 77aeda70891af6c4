"""Does the MLP agree with every cell of a workbook, and does the workbook with itself?"""
