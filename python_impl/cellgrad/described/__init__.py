"""What a workbook says of itself: its parts, their links, and which cell is which number."""
