"""What an evaluator of formulas says of its numbers; the work-out does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

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
