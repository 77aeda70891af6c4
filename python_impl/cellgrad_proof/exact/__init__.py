"""Every computed cell of a workbook, certified to 50 digits.

Two routes that share neither code nor an arithmetic library:

- ``certify`` evaluates the workbook's formulas, cell by cell, in rational numbers as long as
  no transcendental function occurs and in ball arithmetic (python-flint) afterwards. Every
  result is an enclosure: rounding is accounted for, not estimated.
- ``definition`` says what each quantity *is*, from the numbered equations alone, and works it
  out at 100 digits with mpmath. No formula of the workbook and no equation of the backward
  pass is used: what is defined as a derivative is found by a complex step of E.

``vectors`` counts the digits in which they agree. Cells of a training run are certified row
by row, each from the doubles that its own row starts from.
"""
