"""How much of a submission is looked at: a short formula can ask for endless work.

Counts, not seconds, so that a submission gets the same grade on every machine.
"""

from __future__ import annotations

from cellgrad.formula.tree import FormulaError

MAX_NODES = 4_000
"""Of a formula's tree."""

MAX_TEXT = 32_767
"""Characters of a text, as in Excel."""

MAX_AREA = 20_000
"""Cells of one range."""

MAX_WORK = 1_000_000
"""Parts of formulas evaluated, cells read, and elements of rectangles worked through, in one
submission."""

MAX_REACHED = 20_000
"""Cells of a submission that graded cells read, directly or not."""


class Budget:
    """What may still be done for one submission."""

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def spend(self, count: int) -> None:
        """Count work.

        Raises:
            FormulaError: it is too much.
        """
        self.left -= count
        if self.left < 0:
            raise FormulaError("the workbook asks for too many calculations")
