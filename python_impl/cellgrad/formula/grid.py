"""Rectangles of values: what ranges and arrays give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cellgrad.formula.tree import FormulaError

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Grid(Generic[T]):
    """A rectangle of values, row by row."""

    rows: list[list[T]]

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.rows[0]) if self.rows else 0

    @property
    def size(self) -> int:
        """Number of values."""
        return self.height * self.width

    def values(self) -> Iterator[T]:
        """Yield every value, row by row."""
        for row in self.rows:
            yield from row


def broadcast(function: Callable[..., Any], *values: Any) -> Any:
    """Apply a function of single values place by place; one row or column serves for all.

    Args:
        function: the function.
        *values: its arguments: single values and rectangles.

    Raises:
        FormulaError: the rectangles do not fit.
    """
    grids = [value for value in values if isinstance(value, Grid)]
    if not grids:
        return function(*values)
    height, width = max(grid.height for grid in grids), max(grid.width for grid in grids)
    for grid in grids:
        if grid.height not in (1, height) or grid.width not in (1, width):
            raise FormulaError("ranges of different shapes are combined")
    return Grid(
        [
            [function(*(_picked(value, row, column) for value in values))
             for column in range(width)]
            for row in range(height)
        ]
    )  # fmt: skip


def work_of(values: Sequence[Any]) -> tuple[int, int]:
    """Return how many elements rectangles make together, and how many are worked through."""
    grids = [value for value in values if isinstance(value, Grid)]
    if not grids:
        return 0, 0
    made = max(grid.height for grid in grids) * max(grid.width for grid in grids)
    return made, max(made, sum(grid.size for grid in grids))


def _picked(value: Any, row: int, column: int) -> Any:
    if not isinstance(value, Grid):
        return value
    return value.rows[row if value.height > 1 else 0][column if value.width > 1 else 0]
