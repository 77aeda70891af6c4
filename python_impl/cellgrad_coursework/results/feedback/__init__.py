"""What a student gets back: their own workbook with the feedback in it, and a page."""

from cellgrad_coursework.results.feedback.student_page import page
from cellgrad_coursework.results.feedback.workbook import workbook_bytes

__all__ = ["page", "workbook_bytes"]
