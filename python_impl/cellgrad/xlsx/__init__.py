"""Reading an .xlsx file as it lies on disk: addresses, parts, cells, formulas, names.

This room knows spreadsheets and nothing of neural networks.
"""
