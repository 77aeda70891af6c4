"""What a formula comes to on n draws at once.

A number is a float, or an array of shape (n,); NaN stands for an error. ``Logical`` is TRUE or
FALSE on each draw, a text is a str, an empty cell is None, a rectangle is a ``Grid``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.formula.algebra import Grid, broadcast
from cellgrad.formula.tree import FormulaError

Number = float | NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Logical:
    """TRUE (1), FALSE (0) or an error (NaN) on each draw."""

    data: Number


Value = Number | Logical | str | None | Grid[Any]


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
    if isinstance(value, Grid):
        if value.size == 1:
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
    """Apply a function of single values, over rectangles where an argument is one."""
    result: Value = broadcast(function, *args)
    return result
