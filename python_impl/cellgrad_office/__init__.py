"""The real applications as engines: LibreOffice and Gnumeric."""
