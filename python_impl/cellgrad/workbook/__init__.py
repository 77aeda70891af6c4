"""Writing the workbook of a case: formulas, layout, style.

Nothing is computed here: every result is a formula, and the values that a viewer
sees are stored afterwards by a spreadsheet engine.
"""
