"""The sheets of a workbook of several parts."""
