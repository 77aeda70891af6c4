"""The cells of a large sheet as arrays; texts and formulas are made when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.values import Value

Cell = tuple[int, int]
"""Row and column, from 1."""

Numbers = NDArray[np.int64]

_ENTITIES = ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&apos;", b"'"))
_NOWHERE = -1


def unescaped(text: bytes) -> str:
    """Return what stands for a text in XML without the named entities."""
    if b"&" in text:
        for entity, sign in _ENTITIES:
            text = text.replace(entity, sign)
        text = text.replace(b"&amp;", b"&")  # the last, or it would make new entities
    return text.decode()


class Places:
    """Where the n cells of a sheet stand.

    Args:
        cells: (row, column) from 1, shape (n, 2), in the order of reading.
    """

    def __init__(self, cells: Numbers) -> None:
        self.cells = cells
        bottom, right = cells.max(axis=0) if len(cells) else (0, 0)
        self._grid = np.full((bottom + 1, right + 1), _NOWHERE, dtype=np.int32)
        self._grid[cells[:, 0], cells[:, 1]] = np.arange(len(cells))

    def number(self, cell: object) -> int:
        """Return the number of a cell, from 0 to n − 1; −1 if there is none."""
        if not isinstance(cell, tuple):
            return _NOWHERE
        row, column = cell
        bottom, right = self._grid.shape
        return int(self._grid[row, column]) if 0 < row < bottom and 0 < column < right else _NOWHERE

    def block(self, area: Range) -> NDArray[np.int32] | None:
        """Return the numbers of a rectangle's cells; None if it goes beyond all of them."""
        bottom, right = self._grid.shape
        if area.bottom >= bottom or area.right >= right:
            return None
        return self._grid[area.top : area.bottom + 1, area.left : area.right + 1]

    def at(self, cells: Numbers) -> NDArray[np.int32]:
        """Return the numbers of cells that all exist, given as (row, column), shape (m, 2)."""
        return self._grid[cells[:, 0], cells[:, 1]]


@dataclass(frozen=True)
class PlainValues(Mapping[Cell, Value]):
    """The values of a sheet's cells.

    Attributes:
        places: where the n cells stand.
        held: whether each cell holds anything, shape (n,).
        numbers: what it holds, shape (n,); NaN where that is a text.
        texts: the texts, by the number of the cell.
    """

    places: Places
    held: NDArray[np.bool_]
    numbers: NDArray[np.float64]
    texts: Mapping[int, str]

    def __getitem__(self, cell: Cell) -> Value:
        number = self.places.number(cell)
        if number < 0 or not self.held[number]:
            raise KeyError(cell)
        text = self.texts.get(number)
        return float(self.numbers[number]) if text is None else text

    def __iter__(self) -> Iterator[Cell]:
        return map(tuple, self.places.cells[self.held].tolist())

    def __len__(self) -> int:
        return int(np.count_nonzero(self.held))

    def at(self, cells: Numbers) -> NDArray[np.bool_]:
        """Return whether each of some cells of this sheet, shape (m, 2), holds anything."""
        return self.held[self.places.at(cells)]

    def numbers_in(self, area: Range) -> NDArray[np.float64] | None:
        """Return the values of a rectangle, or None if not all of them are numbers."""
        block = self.places.block(area)
        if block is None or (block < 0).any():
            return None
        found = self.numbers[block]
        return None if np.isnan(found).any() else found


@dataclass(frozen=True)
class PlainFormulas(Mapping[Cell, str]):
    """The formulas of a sheet.

    Attributes:
        where: where the n cells of the sheet stand.
        order: of each of the m formulas, the number of its cell; rising, shape (m,).
        starts: where its text begins in ``data``, shape (m,).
        ends: where it ends, shape (m,).
        data: the sheet's bytes, all of whose entities are named ones.
    """

    where: Places
    order: Numbers
    starts: Numbers
    ends: Numbers
    data: bytes

    def __getitem__(self, cell: Cell) -> str:
        number = self.where.number(cell)
        found = int(np.searchsorted(self.order, number))
        if number < 0 or found == len(self.order) or self.order[found] != number:
            raise KeyError(cell)
        return self._text(found)

    def __iter__(self) -> Iterator[Cell]:
        return map(tuple, self.places().tolist())

    def __len__(self) -> int:
        return len(self.order)

    def _text(self, found: int) -> str:
        return unescaped(self.data[self.starts[found] : self.ends[found]])

    def places(self) -> Numbers:
        """Return the (row, column) of every formula, shape (m, 2)."""
        return self.where.cells[self.order]

    def containing(self, words: Sequence[str]) -> Iterator[tuple[Cell, str]]:
        """Yield the formulas that contain one of some words of plain ASCII, and their cells."""
        if not len(self.order):
            return
        signs = np.frombuffer(self.data, dtype=np.uint8)
        hits = np.zeros(len(self.order), dtype=bool)
        for word in words:
            spots = _spots(signs, word.encode())
            owners = np.searchsorted(self.starts, spots, side="right") - 1
            inside = (owners >= 0) & (spots + len(word) <= self.ends[owners])
            hits[owners[inside]] = True
        cells = self.places()
        for found in np.flatnonzero(hits).tolist():
            row, column = cells[found].tolist()
            yield (row, column), self._text(found)


def _spots(signs: NDArray[np.uint8], word: bytes) -> Numbers:
    """Return where a word begins in many bytes."""
    size = len(signs) - len(word) + 1
    found = np.ones(size, dtype=bool)
    for n, sign in enumerate(word):
        found &= signs[n : size + n] == sign
    return np.flatnonzero(found)
