"""What the cells of one sheet hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.values import Block, Value

Cell = tuple[int, int]
"""Row and column, from 1."""


@dataclass(slots=True)
class SheetCells:
    """The cells of one sheet, by 1-based (row, column).

    Attributes:
        values: constants, and the stored values of formulas.
        formulas: formula texts without the equals sign.
        arrays: for the first cell of each array formula the range that it fills.
        shared: for a cell that shares a formula the cell for which its text is written.
        problems: what is wrong with a cell, where its policy does not refuse the file for it.
    """

    values: dict[Cell, Value] = field(default_factory=dict)
    formulas: dict[Cell, str] = field(default_factory=dict)
    arrays: dict[Cell, Range] = field(default_factory=dict)
    shared: dict[Cell, Cell] = field(default_factory=dict)
    problems: dict[Cell, str] = field(default_factory=dict)

    def block(self, area: Range) -> Block:
        """Return the values of a rectangle, row by row."""
        columns = range(area.left, area.right + 1)
        return [
            [self.values.get((row, column)) for column in columns]
            for row in range(area.top, area.bottom + 1)
        ]

    def stores_results(self) -> bool:
        """Tell whether a value is stored beside any formula."""
        return any(cell in self.values for cell in self.formulas)
