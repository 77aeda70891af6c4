"""Workbooks of several parts, training runs and the kernels that train."""
