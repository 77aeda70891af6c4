"""The cells of one sheet, and the questions that are asked about all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.plain_cells import Cell, PlainFormulas, PlainValues
from cellgrad.xlsx.values import Block, Value

__all__ = ["Cell", "SheetCells"]


@dataclass(slots=True)
class SheetCells:
    """The cells of one sheet, by 1-based (row, column).

    Attributes:
        values: constants, and the stored values of formulas.
        formulas: formula texts without the equals sign; shared formulas are spelled out.
    """

    values: Mapping[Cell, Value] = field(default_factory=dict)
    formulas: Mapping[Cell, str] = field(default_factory=dict)

    def formula_places(self) -> NDArray[np.int64]:
        """Return where formulas stand: (row, column) a line, shape (formulas, 2)."""
        if isinstance(self.formulas, PlainFormulas):
            return self.formulas.places()
        return np.array(list(self.formulas), dtype=np.int64).reshape(-1, 2)

    def formulas_with(self, *words: str) -> Iterator[tuple[Cell, str]]:
        """Yield the formulas that contain one of some words of plain ASCII, and their cells."""
        if isinstance(self.formulas, PlainFormulas):
            yield from self.formulas.containing(words)
            return
        for cell, formula in self.formulas.items():
            if any(word in formula for word in words):
                yield cell, formula

    def stores_results(self) -> bool:
        """Tell whether a value is stored beside any formula."""
        if isinstance(self.formulas, PlainFormulas) and isinstance(self.values, PlainValues):
            return bool(self.values.at(self.formulas.places()).any())
        return any(cell in self.values for cell in self.formulas)

    def block(self, area: Range) -> NDArray[np.float64] | Block:
        """Return the values of a rectangle: an array if it is known to hold only numbers.

        Returns:
            numbers of shape (height, width), or the values row by row.
        """
        if isinstance(self.values, PlainValues):
            numbers = self.values.numbers_in(area)
            if numbers is not None:
                return numbers
        return [
            [self.values.get((row, column)) for column in range(area.left, area.right + 1)]
            for row in range(area.top, area.bottom + 1)
        ]
