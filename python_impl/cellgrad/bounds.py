"""Running error bounds, carried through the formula graph operation by operation.

A computed value differs from the exact one (the same formulas on the exact binary
givens) by at most B. The bound belongs to the formula, not to a kind of network:
first order, u = 2⁻⁵³, EXP, LN and TANH within 2 ulp; a sum's terms may be added
in any order. It is carried within one step only (see reference/equations.md).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cellgrad.formula import COMPARISONS
from cellgrad.formula.algebra import Algebra
from cellgrad.formula.references import names_of, tree_of
from cellgrad.formula.tree import FormulaError, Node
from cellgrad.formula.work_out import WorkOut
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.book import Book

UNIT = 2.0**-53
_ULPS = 2
"""Of EXP, LN and TANH; an ulp is at most 2u·|v|."""

_NO_BOUND = (FormulaError, ArithmeticError, LookupError, TypeError, ValueError)
"""What a formula raises that is malformed, or outside the function set or its domain."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A computed value and the bound of its error."""

    value: float
    bound: float


class BoundedNumbers(Algebra[Bounded]):
    """Computed numbers, each with its bound.

    Args:
        cell: the value and the bound of a cell.
        given_error: relative error of a given as the engine holds it.
        snap: relative size below which the engine sets a difference to 0.
    """

    functions = frozenset(("IF", "SUM", "SUMPRODUCT", "MAX", "ABS", "SQRT", "EXP", "LN", "TANH"))
    most_cells = 2_000_000

    def __init__(
        self, cell: Callable[[Place], Bounded], given_error: float = 0.0, snap: float = 0.0
    ) -> None:
        self._cell, self.given_error, self.snap = cell, given_error, snap

    def cell(self, place: Place) -> Bounded:
        """Return the value and the bound of a cell."""
        return self._cell(place)

    def number(self, value: float) -> Bounded:
        """Return a constant, as the engine holds it."""
        return Bounded(value, self.given_error * abs(value))

    def negative(self, value: Bounded) -> Bounded:
        """Return −value: exact."""
        return Bounded(-value.value, value.bound)

    def sum(self, terms: Sequence[tuple[int, Bounded]]) -> Bounded:
        """γ(n−1) · Σ|term| covers every order of addition."""
        size = sum(abs(term.value) for _, term in terms)
        carried = sum(term.bound for _, term in terms)
        additions = len(terms) - 1
        gamma = additions * UNIT / (1 - additions * UNIT)
        snapped = self.snap * size if additions else 0.0
        value = sum(sign * term.value for sign, term in terms)
        return Bounded(value, carried + gamma * size + snapped)

    def product(self, factors: Sequence[Bounded]) -> Bounded:
        """Multiply from left to right."""
        left = factors[0]
        for right in factors[1:]:
            value = left.value * right.value
            bound = abs(left.value) * right.bound + abs(right.value) * left.bound
            left = Bounded(value, bound + left.bound * right.bound + UNIT * abs(value))
        return left

    def quotient(self, over: Bounded, under: Bounded) -> Bounded:
        """Divide; a ZeroDivisionError says that there is no bound."""
        value = over.value / under.value
        bound = (over.bound + abs(value) * under.bound) / abs(under.value)
        return Bounded(value, bound + UNIT * abs(value))

    def compare(self, sign: str, left: Bounded, right: Bounded) -> Bounded:
        """Compare the computed values."""
        return Bounded(float(COMPARISONS[sign](left.value, right.value)), 0.0)

    def decide(self, condition: Bounded) -> bool:
        """An IF goes the way that the computed value says."""
        return bool(condition.value)

    def largest(self, values: Sequence[Bounded]) -> Bounded:
        """Return the value that is largest as computed."""
        return max(values, key=lambda bounded: bounded.value)

    def function(self, name: str, value: Bounded) -> Bounded:
        """Return a function: the slope carries the bound on."""
        x = value.value
        ulps = _ULPS * 2 * UNIT
        match name:
            case "ABS":
                return Bounded(abs(x), value.bound)
            case "SQRT":
                root = math.sqrt(x)
                carried = value.bound / (2 * root) if root else math.sqrt(value.bound)
                return Bounded(root, carried + UNIT * root)
            case "EXP":
                power = math.exp(x)
                return Bounded(power, power * value.bound + ulps * power)
            case "LN":
                logarithm = math.log(x)
                carried = value.bound / abs(x)
                return Bounded(logarithm, carried + ulps * abs(logarithm))
            case "TANH":
                tangent = math.tanh(x)
                carried = (1 - tangent * tangent) * value.bound
                return Bounded(tangent, carried + ulps * abs(tangent))
        return super().function(name, value)


class ErrorBounds:
    """The error bound of any cell, for one set of computed values.

    Args:
        book: the formulas.
        value_at: the computed value of a cell (0 for an empty one).
        given_error: relative error of a given as the engine holds it.
        snap: relative size below which the engine sets a difference to 0.
        constant: tells whether a cell's formula is ignored: the present draw overwrote it, or
            what it holds is where the computation starts.
    """

    def __init__(
        self,
        book: Book,
        value_at: Callable[[Place], float],
        *,
        given_error: float = 0.0,
        snap: float = 0.0,
        constant: Callable[[Place], bool] = lambda _: False,
    ) -> None:
        self.book, self.value_at, self.constant = book, value_at, constant
        self._numbers = BoundedNumbers(self._cell, given_error, snap)
        self._named = names_of(book)
        self._known: dict[Place, float] = {}

    def of(self, place: Place) -> float:
        """Return B of a cell; infinite where its formula is outside the function set."""
        stack = [place]
        while stack:
            top = stack[-1]
            if top in self._known:
                stack.pop()
                continue
            try:
                self._known[top] = self._compute(top)
            except _Unknown as needed:
                if needed.place in stack:  # a circular reference has no bound
                    self._known[needed.place] = math.inf
                stack.append(needed.place)
            except _NO_BOUND:
                self._known[top] = math.inf
        return self._known[place]

    def _compute(self, place: Place) -> float:
        sheet, row, column = place
        formula = self.book.sheets[sheet].formulas.get((row, column))
        if formula is None or self.constant(place):
            return self._numbers.given_error * abs(self.value_at(place))
        work_out = WorkOut(self._numbers, (sheet, 0, 0), self._named)
        return work_out.one(tree_of(self.book, formula)).bound

    def _cell(self, place: Place) -> Bounded:
        if place not in self._known:
            raise _Unknown(place)
        return Bounded(self.value_at(place), self._known[place])


class _Unknown(Exception):  # noqa: N818 - a signal, no error
    """The bound of a precedent is needed first."""

    def __init__(self, place: Place) -> None:
        self.place = place


def branches_taken(
    book: Book, tree: Node, sheet: str, value_at: Callable[[Place], float]
) -> set[bool]:
    """Return which sides the IFs and MAXs of a formula take: the first (True), another (False).

    Args:
        book: where the formula stands.
        tree: of the formula.
        sheet: on which it stands.
        value_at: the computed value of a cell.
    """
    branches = _Branches(lambda place: Bounded(value_at(place), 0.0))
    with contextlib.suppress(*_NO_BOUND):
        WorkOut(branches, (sheet, 0, 0), names_of(book)).one(tree)
    return branches.taken


class _Branches(BoundedNumbers):
    """Notes which way IFs and MAXs go."""

    def __init__(self, cell: Callable[[Place], Bounded]) -> None:
        super().__init__(cell)
        self.taken: set[bool] = set()

    def decide(self, condition: Bounded) -> bool:
        """Note which way an IF goes."""
        self.taken.add(bool(condition.value))
        return bool(condition.value)

    def largest(self, values: Sequence[Bounded]) -> Bounded:
        """Note whether the first value is the largest."""
        self.taken.add(values[0].value == max(value.value for value in values))
        return super().largest(values)
