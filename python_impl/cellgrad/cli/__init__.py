"""The command line: arguments in, exit codes out. Every command's work lives elsewhere."""
