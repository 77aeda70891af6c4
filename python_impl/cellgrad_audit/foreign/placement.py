"""Where each number of a quantity stands on somebody else's sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from cellgrad.case.quantities import Index, Key
from cellgrad.errors import InputError
from cellgrad.xlsx.addresses import Place, Range, a1
from cellgrad_audit.answer import Vector


@dataclass(frozen=True, slots=True)
class Placement:
    """The cells of one quantity.

    Attributes:
        shape: of the quantity, samples first where it has them.
        pieces: ranges; read row by row, one after the other, they hold every number once.
        axes: the order of the quantity's axes in which they are read.
    """

    shape: tuple[int, ...]
    pieces: tuple[Range, ...]
    axes: tuple[int, ...]

    def cells(self) -> Iterator[tuple[Index, Place]]:
        """Yield every index of the quantity and its cell, in the order of the sheet."""
        sheet = (
            (piece.sheet, row, column)
            for piece in self.pieces
            for row in range(piece.top, piece.bottom + 1)
            for column in range(piece.left, piece.right + 1)
        )
        sizes = [range(self.shape[axis]) for axis in self.axes]
        for index, place in zip(product(*sizes), sheet, strict=True):
            found = [0] * len(self.shape)
            for axis, number in zip(self.axes, index, strict=True):
                found[axis] = number
            yield tuple(found), place

    def gathered(self, blocks: Sequence[Vector]) -> Vector:
        """Return the quantity from the numbers of its pieces."""
        flat = np.concatenate([block.ravel() for block in blocks])
        read = flat.reshape([self.shape[axis] for axis in self.axes])
        return read.transpose([self.axes.index(n) for n in range(len(self.axes))]).copy()

    def shared(self) -> dict[Index, Index]:
        """Return for every number in a cell that holds an earlier one which that is."""
        first: dict[Place, Index] = {}
        found = {}
        for index, place in self.cells():
            if first.setdefault(place, index) != index:
                found[index] = first[place]
        return found

    def scattered(self, values: Vector) -> list[tuple[Range, list[list[float | str | None]]]]:
        """Return what to write into its pieces for the quantity to have these values."""
        flat = values.reshape(self.shape).transpose(self.axes).ravel().tolist()
        found, start = [], 0
        for piece in self.pieces:
            rows: list[list[float | str | None]] = []
            for _ in range(piece.height):
                rows.append(list(flat[start : start + piece.width]))
                start += piece.width
            found.append((piece, rows))
        return found


def joined(given: Mapping[Key, Placement], numbers: Mapping[Key, Any]) -> dict[Key, Vector]:
    """Return drawn numbers in which those that share a cell are the same.

    Args:
        given: where givens stand.
        numbers: what was drawn.
    """
    found = dict(numbers)
    for key, where in given.items():
        shared = where.shared()
        if shared:
            found[key] = found[key].copy()
            for index, first in shared.items():
                found[key][index] = found[key][first]
    return found


def place_of(place: Place) -> str:
    """Return a cell for people: ``Sheet1!B5``."""
    return f"{place[0]}!{a1(*place[1:])}"


def placement(
    shape: tuple[int, ...],
    pieces: Sequence[Range],
    *,
    flipped: bool,
    flag: str,
    key: str,
) -> Placement:
    """Return where a quantity stands, after a check that it fits.

    Args:
        shape: of the quantity.
        pieces: its ranges.
        flipped: whether the sheet has rows and columns the other way round.
        flag: what says so in a map, for messages.
        key: the place in the map, for messages.

    Raises:
        InputError: the ranges do not hold so many cells, or not in this form.
    """
    flipped = flipped and len(shape) == 2
    axes = (1, 0) if flipped else tuple(range(len(shape)))
    wanted = int(np.prod(shape))
    count = sum(piece.height * piece.width for piece in pieces)
    if count != wanted:
        raise InputError(
            f"{' + '.join(piece.address for piece in pieces)[:100]} holds {count} cells,"
            f" {_words(shape)} takes {wanted}",
            place=key,
            remedy="correct the range, or [network] nodes",
        )
    if len(pieces) == 1 and len(shape) == 2 and 1 not in shape:
        rows, columns = (shape[axis] for axis in axes)
        area = pieces[0]
        if (area.height, area.width) != (rows, columns):
            lying = (area.height, area.width) == (columns, rows)
            raise InputError(
                f"{area.address} is {area.height} × {area.width}, not {rows} × {columns}",
                place=key,
                remedy=f"say {flag}" if lying else "correct the range",
            )
    return Placement(shape, tuple(pieces), axes)


def _words(shape: tuple[int, ...]) -> str:
    return f"a quantity of shape {' × '.join(map(str, shape))}" if shape else "a single number"
