"""What a formula comes to on n draws at once.

A number is a float, or an array of shape (n,); NaN stands for an error. ``Logical`` is TRUE or
FALSE on each draw, a text is a str, an empty cell is None, a rectangle is an ``Area``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.formula.tree import FormulaError

Number = float | NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Logical:
    """TRUE (1), FALSE (0) or an error (NaN) on each draw."""

    data: Number


@dataclass(slots=True, eq=False)
class Area:
    """A rectangle of values, row by row.

    Attributes:
        rows: the values.
        reference: whether these are cells, whose texts functions skip, and not results.
    """

    rows: list[list[Any]]
    reference: bool = False

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.rows[0]) if self.rows else 0

    def values(self) -> Iterator[Any]:
        """Yield every value, row by row."""
        for row in self.rows:
            yield from row


Value = Number | Logical | str | Area | None


def number(value: Value) -> Number:
    """Return a value as arithmetic takes it: an empty cell is 0, a text that is none an error."""
    kind = type(value)
    if kind is np.ndarray or kind is float:
        return value  # type: ignore[return-value]
    if value is None:
        return 0.0
    if isinstance(value, Logical):
        return value.data
    if isinstance(value, str):
        return number_of_text(value)
    if isinstance(value, Area):
        if value.height == value.width == 1:
            return number(value.rows[0][0])
        raise FormulaError("a range stands where one value is meant")
    return float(value)


def number_of_text(text: str) -> float:
    """Return the number that a text stands for in arithmetic; NaN for none."""
    plain = text.strip()
    if len(plain) > 40 or not plain.isascii() or "_" in plain:
        return math.nan
    try:
        found = float(plain)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def finite(value: Number) -> Number:
    """Return a number with an error wherever it is not finite."""
    if isinstance(value, np.ndarray):
        good = np.isfinite(value)
        return value if good.all() else np.where(good, value, np.nan)
    return value if math.isfinite(value) else math.nan


def elementwise(function: Callable[..., Value], *args: Value) -> Value:
    """Apply a function of scalars, over rectangles where an argument is one."""
    areas = [arg for arg in args if isinstance(arg, Area)]
    if not areas:
        return function(*args)
    height = max(area.height for area in areas)
    width = max(area.width for area in areas)
    for area in areas:
        if area.height not in (1, height) or area.width not in (1, width):
            raise FormulaError("ranges of different shapes are combined")
    return Area(
        [
            [function(*(_picked(arg, r, c) for arg in args)) for c in range(width)]
            for r in range(height)
        ]
    )


def _picked(arg: Value, row: int, column: int) -> Value:
    if not isinstance(arg, Area):
        return arg
    found: Value = arg.rows[row if arg.height > 1 else 0][column if arg.width > 1 else 0]
    return found
