"""Comparing two sets of cells. Plain numbers and texts in; nothing is recomputed.

Two computed values agree when they differ by at most the sum of their bounds. Texts with numbers
in them are compared as numbers: how an engine writes a rounded number differs (0.00001 or 1E-05,
a comma or a point); what the number is does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_NUMBER = r"[-−]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?"

_DIGITS_15 = 1e-14
"""A number joined to a text shows 15 digits in some engines."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell in which two blocks are not the same to the last bit.

    Attributes:
        row: 0-based row in the block.
        column: 0-based column in the block.
        held: what the workbook holds (a number, a text, an error, nothing).
        expected: the number it is compared with.
        bound: the most by which they may differ.
    """

    row: int
    column: int
    held: object
    expected: float
    bound: float

    @property
    def gap(self) -> float:
        """By how much they differ; NaN where the workbook holds no number."""
        return abs(self.held - self.expected) if isinstance(self.held, float) else math.nan

    @property
    def allowed(self) -> bool:
        """Whether they differ by no more than the bound; an infinite one allows nothing."""
        return self.gap <= self.bound < math.inf


def differences(
    held: Sequence[Sequence[object]],
    expected: Sequence[Sequence[float]],
    bound: Callable[[int, int], float],
) -> Iterator[Difference]:
    """Yield the cells of two blocks of one shape whose bits differ.

    Args:
        held: values as an engine returned them.
        expected: numbers from the other route.
        bound: the sum of both sides' bounds at a 0-based place in the block.
    """
    for row, (left, right) in enumerate(zip(held, expected, strict=True)):
        if left == right and bool not in map(type, left):
            continue
        for column, (a, b) in enumerate(zip(left, right, strict=True)):
            if not (isinstance(a, float) and a == b):
                yield Difference(row, column, a, b, bound(row, column))


@lru_cache(maxsize=4096)
def _pattern(skeleton: tuple[str | None, ...]) -> re.Pattern[str]:
    pieces = (f"({_NUMBER})" if piece is None else re.escape(piece) for piece in skeleton)
    return re.compile("".join(pieces))


def numbers_in(text: str, skeleton: tuple[str | None, ...]) -> list[float] | None:
    """Return the numbers of a text that fits a skeleton, or None if it does not fit.

    Args:
        text: such as ``(0.5)(-0.25)``.
        skeleton: its fixed texts, with None where a number stands.
    """
    match = _pattern(skeleton).fullmatch(text)
    return None if match is None else [_read(part) for part in match.groups()]


def _read(text: str) -> float:
    return float(text.replace(",", ".").replace("−", "-"))


def shows(shown: float, value: float, decimals: int, slack: float) -> bool:
    """Tell whether a shown number is a value rounded to so many decimals.

    Args:
        shown: the number in the text.
        value: what it should be.
        decimals: how many decimals were asked for.
        slack: the error bound of the value.
    """
    unit = 10.0**-decimals
    if abs(shown - value) > unit / 2 * (1 + 1e-9) + slack + _DIGITS_15 * abs(value):
        return False
    units = shown / unit
    if not math.isfinite(units):
        return True  # so large a double has no decimals
    return abs(units - round(units)) < 1e-6 * max(1.0, abs(units) * 1e-8)


def say_the_same(one: str, other: str) -> bool:
    """Tell whether two texts are alike, their numbers compared as numbers."""
    if re.sub(_NUMBER, "#", one) != re.sub(_NUMBER, "#", other):
        return False
    pairs = zip(re.findall(_NUMBER, one), re.findall(_NUMBER, other), strict=True)
    return all(
        abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-9)
        for a, b in (map(_read, pair) for pair in pairs)
    )
