"""Every mutant of every formula cell of a workbook, judged by ``cellgrad prove``, locally."""
