"""Two computed values agree when they differ by at most the sum of their bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Bound = Callable[[int, int], float]
"""The sum of both sides' bounds at a 0-based place in the block."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One cell in which two blocks do not agree.

    Attributes:
        row: 0-based row in the block.
        column: 0-based column in the block.
        found: what the workbook holds (a number, a text, an error, nothing).
        expected: the number it is compared with.
        bound: the most by which they may differ.
    """

    row: int
    column: int
    found: object
    expected: float
    bound: float


@dataclass(slots=True)
class Comparison:
    """The result of comparing one block.

    Attributes:
        within: places that differ by no more than their bounds, with the gap's share of it.
        gaps: places that do not agree.
    """

    within: list[tuple[int, int, float]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


def compare_block(
    found: Sequence[Sequence[object]], expected: Sequence[Sequence[float]], bound: Bound
) -> Comparison:
    """Compare two blocks of the same shape, cell by cell.

    Args:
        found: values as an engine returned them.
        expected: numbers from the other route.
        bound: asked only where the bits differ.
    """
    result = Comparison()
    for row, (left, right) in enumerate(zip(found, expected, strict=True)):
        if left == right and bool not in map(type, left):
            continue
        for column, (a, b) in enumerate(zip(left, right, strict=True)):
            if isinstance(a, float) and a == b:
                continue
            limit = bound(row, column)
            gap = abs(a - b) if isinstance(a, float) else math.nan
            if gap <= limit < math.inf:
                result.within.append((row, column, gap / limit))
            else:
                result.gaps.append(Gap(row, column, a, b, limit))
    return result
