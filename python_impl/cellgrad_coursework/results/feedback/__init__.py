"""What a student gets back: their own workbook with the feedback in it, and a page."""

from cellgrad_coursework.results.feedback.workbook import workbook_bytes
from cellgrad_coursework.results.pages import student_page

__all__ = ["student_page", "workbook_bytes"]
