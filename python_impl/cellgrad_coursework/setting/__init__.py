"""Setting an assignment: from a lecturer's TOML file and a roster to everybody's workbook."""
