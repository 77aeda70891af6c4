"""Auditing somebody else's workbook, by a map from quantities to ranges of its sheets.

The map says where the givens and the computed numbers of a training step stand
(``map_file``). The workbook's own formulas are recalculated with its own numbers and with
drawn ones, and every mapped cell is compared (``target``, ``comparison``); the formulas are
also read as terms and the gradients proved to be derivatives, or refuted (``proof``).
``locate`` proposes the map.
"""
