"""What an evaluator of formulas says of its numbers, and rectangles of them.

The work-out does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place

T = TypeVar("T")


class Algebra(Generic[T]):
    """An arithmetic in which formulas can be worked out: what each operation gives.

    A subclass says what a cell and a number are, and overrides the operations that it knows;
    any other is refused. Ranges, arrays and broadcasting are the work-out's affair: here a
    value is always one number (or text).

    Attributes:
        functions: the names of the functions that formulas may use.
        most_cells: the largest rectangle that is read or made.
        most_links: so many operators of one precedence in a row at most; sums excepted, which
            are of any number of terms.
    """

    functions: frozenset[str] = frozenset()
    most_cells = 20_000
    most_links = 8_192

    def cell(self, place: Place) -> T:
        """Return what a cell holds."""
        raise NotImplementedError

    def number(self, value: float) -> T:
        """Return a number that is written in the formula."""
        raise NotImplementedError

    def text(self, value: str) -> T:
        """Return a text that is written in the formula."""
        raise FormulaError(f"the text {value[:40]!r} is no number")

    def truth(self, value: bool) -> T:  # noqa: FBT001 - TRUE or FALSE is what it is about
        """Return TRUE or FALSE as it is written in the formula."""
        return self.number(float(value))

    def error(self, code: str) -> T:
        """Return an error that is written in the formula."""
        raise FormulaError(f"{code} is no number")

    def missing(self) -> T:
        """Return an argument that is left out."""
        raise FormulaError("an argument is left out")

    def counts(self, place: Place) -> bool:
        """Tell whether SUM and its kin count a cell of a range; texts they pass over."""
        del place
        return True

    def negative(self, value: T) -> T:
        """Return −value."""
        return self.product((self.number(-1.0), value))

    def sum(self, terms: Sequence[tuple[int, T]]) -> T:
        """Return the sum of terms, each with its sign, 1 or −1."""
        raise _unknown("a sum")

    def product(self, factors: Sequence[T]) -> T:
        """Return the product of one factor or more."""
        raise _unknown("a product")

    def quotient(self, over: T, under: T) -> T:
        """Return over / under."""
        raise _unknown("a quotient")

    def power(self, base: T, exponent: T) -> T:
        """Return base ^ exponent."""
        raise _unknown("a power")

    def compare(self, sign: str, left: T, right: T) -> T:
        """Return whether ``left sign right`` holds; the sign is =, <>, <, >, <= or >=."""
        raise _unknown(sign)

    def join(self, left: T, right: T) -> T:
        """Return two texts as one: ``left & right``."""
        raise _unknown("&")

    def function(self, name: str, value: T) -> T:
        """Return a function of one number, such as EXP."""
        raise _unknown(name)

    def round(self, value: T, digits: T) -> T:
        """Return ROUND(value, digits)."""
        raise _unknown("ROUND")

    def largest(self, values: Sequence[T]) -> T:
        """Return the largest of one value or more."""
        raise _unknown("MAX")

    def every(self, conditions: Sequence[T]) -> T:
        """Return whether all of one condition or more hold."""
        raise _unknown("AND")

    def decide(self, condition: T) -> bool | None:
        """Tell which way an IF goes; None where both ways are worked out for a ``choice``."""
        del condition
        return None

    def choice(self, condition: T, yes: T, no: T) -> T:
        """Return IF(condition, yes, no)."""
        raise _unknown("IF")

    def check_size(self, count: int) -> None:
        """Refuse a rectangle that is too large.

        Raises:
            FormulaError: it is.
        """
        if count > self.most_cells:
            raise FormulaError(f"a rectangle has more than {self.most_cells:,} elements")

    def spend(self, count: int) -> None:
        """Count work: cells read, or elements of rectangles worked out.

        Raises:
            FormulaError: it is too much.
        """


def _unknown(what: str) -> FormulaError:
    return FormulaError(f"{what} is outside the function set")


# rectangles: what ranges and arrays give


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
