"""What an audit shows: in the terminal, as JSON, as a page, as a workbook."""
