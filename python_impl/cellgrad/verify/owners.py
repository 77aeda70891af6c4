"""Which claim owns which cell, sheet by sheet as grids of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.map_sheet import Claim

_NOBODY = -1


class Owners:
    """For every claimed cell, its claim's number.

    Args:
        claims: all of them, in order.
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._grids: dict[str, NDArray[np.int32]] = {}
        size: dict[str, tuple[int, int]] = {}
        for claim in claims:
            bottom, right = size.get(claim.cells.sheet, (0, 0))
            cells = claim.cells
            size[cells.sheet] = max(bottom, cells.bottom), max(right, cells.right)
        for sheet, (bottom, right) in size.items():
            self._grids[sheet] = np.full((bottom + 1, right + 1), _NOBODY, dtype=np.int32)

    def cells(self, area: Range) -> NDArray[np.int32]:
        """Return the owners of a rectangle, −1 for none; what is written to it is kept."""
        grid = self._grids[area.sheet]
        return grid[area.top : area.bottom + 1, area.left : area.right + 1]

    def of(self, sheet: str, cells: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the owners of many cells, given as rows of (row, column); −1 for none."""
        found = np.full(len(cells), _NOBODY, dtype=np.int32)
        grid = self._grids.get(sheet)
        if grid is not None and len(cells):
            inside = (cells[:, 0] < grid.shape[0]) & (cells[:, 1] < grid.shape[1])
            found[inside] = grid[cells[inside, 0], cells[inside, 1]]
        return found

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

    def __getitem__(self, place: Place) -> int:
        number = self.get(place)
        if number is None:
            raise KeyError(place)
        return number

    def reads_any(self, area: Range) -> bool:
        """Tell whether any cell of a rectangle is owned."""
        grid = self._grids.get(area.sheet)
        if grid is None:
            return False
        part = grid[area.top : area.bottom + 1, area.left : area.right + 1]
        return bool((part != _NOBODY).any())

    def items(self) -> Iterator[tuple[Place, int]]:
        """Yield every owned cell and its claim's number."""
        for sheet, grid in self._grids.items():
            for row, column in np.argwhere(grid != _NOBODY).tolist():
                yield (sheet, row, column), int(grid[row, column])
