"""The claimed cells of a workbook: which index each has, and which claim owns it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.map_sheet import Claim

Numbers = NDArray[np.floating[Any]]
_NOBODY = -1


class ClaimedCells:
    """A claim's cells, and which index of its quantity each of them has.

    Attributes:
        claim: the row of the Map.
        shape: how many rows and columns of cells.
        index: one array for each axis of the quantity, which spread over that shape.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.shape = (claim.cells.height, claim.cells.width)
        rows, columns = np.ogrid[: self.shape[0], : self.shape[1]]
        self.index = tuple(part.at(rows, columns) for part in claim.rule.parts)

    def pick(self, values: Numbers) -> Numbers:
        """Return the quantity's values where the cells show them; IndexError outside of it."""
        return np.broadcast_to(values[self.index], self.shape)

    def gather(self, values: Numbers, held: Numbers) -> None:
        """Put the cells' numbers, one for each of them, where they belong in the quantity."""
        index = tuple(np.broadcast_to(axis, self.shape) for axis in self.index)
        values[index] = held if index else held[0, 0]


class Owners:
    """For every claimed cell, its claim's number: a grid a sheet.

    Args:
        claims: all of them, in order; of two that claim a cell the later one owns it.

    Attributes:
        twice: the cells that were claimed before, as (later claim, cell, earlier claim).
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.twice: list[tuple[int, Place, int]] = []
        self._grids: dict[str, NDArray[np.int32]] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for claim in claims:
            sheet, *_, bottom, right = claim.cells
            below, beyond = sizes.get(sheet, (0, 0))
            sizes[sheet] = max(bottom, below), max(right, beyond)
        for sheet, (bottom, right) in sizes.items():
            self._grids[sheet] = np.full((bottom + 1, right + 1), _NOBODY, dtype=np.int32)
        for number, claim in enumerate(claims):
            self._enter(number, claim.cells)

    def _enter(self, number: int, area: Range) -> None:
        cells = self._cells(area)
        for row, column in np.argwhere(cells != _NOBODY).tolist():
            place = (area.sheet, area.top + row, area.left + column)
            self.twice.append((number, place, int(cells[row, column])))
        cells[...] = number

    def _cells(self, area: Range) -> NDArray[np.int32]:
        grid = self._grids[area.sheet]
        return grid[area.top : area.bottom + 1, area.left : area.right + 1]

    def are_claimed(self, sheet: str, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of many cells are owned, given as rows of (row, column)."""
        claimed = np.zeros(len(cells), dtype=bool)
        grid = self._grids.get(sheet)
        if grid is not None and len(cells):
            inside = (cells[:, 0] < grid.shape[0]) & (cells[:, 1] < grid.shape[1])
            claimed[inside] = grid[cells[inside, 0], cells[inside, 1]] != _NOBODY
        return claimed

    def marked(self, sheet: str, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a grid of all rows and columns up to the last claimed ones, some cells marked.

        Args:
            sheet: whose claims.
            cells: which to mark, as rows of (row, column); those beyond the grid are left out.
        """
        grid = self._grids.get(sheet)
        rows, columns = (1, 1) if grid is None else grid.shape
        found = np.zeros((rows, columns), dtype=bool)
        inside = (cells[:, 0] < rows) & (cells[:, 1] < columns)
        found[cells[inside, 0], cells[inside, 1]] = True
        return found

    def get(self, place: Place) -> int | None:
        """Return the number of the claim that owns a cell, or None."""
        sheet, row, column = place
        grid = self._grids.get(sheet)
        if grid is None or row >= grid.shape[0] or column >= grid.shape[1]:
            return None
        number = int(grid[row, column])
        return None if number == _NOBODY else number

    def own_any(self, area: Range) -> bool:
        """Tell whether any cell of a rectangle is owned."""
        return area.sheet in self._grids and bool((self._cells(area) != _NOBODY).any())

    def items(self) -> Iterator[tuple[Place, int]]:
        """Yield every owned cell and its claim's number."""
        for sheet, grid in self._grids.items():
            for row, column in np.argwhere(grid != _NOBODY).tolist():
                yield (sheet, row, column), int(grid[row, column])
