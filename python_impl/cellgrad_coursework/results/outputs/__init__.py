"""Gradebooks and tables of a graded assignment, in the formats that others import."""

from cellgrad_coursework.results.outputs.write import (
    FORMATS,
    USUAL,
    check_formats,
    file_name,
    write_all,
)

__all__ = ["FORMATS", "USUAL", "check_formats", "file_name", "write_all"]
