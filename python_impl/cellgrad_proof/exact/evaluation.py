"""Formulas evaluated in enclosures, cell by cell, each within its computation.

A training step is one computation: every cell follows exactly from the givens. In a run each
row is one: it starts from the doubles that the row above holds, since an error carried over
many updates says nothing about any of them. So does what another part of the workbook takes
from a run. Read from the Map; a workbook without one is a single computation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

from flint import fmpq

from cellgrad.described import Owners
from cellgrad.formula import COMPARISONS
from cellgrad.formula.algebra import Algebra
from cellgrad.formula.references import names_of, tree_of
from cellgrad.formula.tree import FormulaError
from cellgrad.formula.work_out import WorkOut
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.map_sheet import Claim, MapSheet, read_map
from cellgrad.xlsx.sheet import Value
from cellgrad_proof.exact import enclosures
from cellgrad_proof.exact.enclosures import Number

Result = Number | str
"""What a formula comes to: a number, or a text (whose characters do not matter)."""

SOME_TEXT = "a text"

_EMPTY = fmpq(0)
"""This very object stands for an empty cell: it is 0, and equal to an empty text."""


class CellFailedError(Exception):
    """A cell that has no value: it shows an error, or cannot be evaluated."""


class _NeededError(Exception):
    """A precedent must be known first; a signal, no error."""

    def __init__(self, place: Place) -> None:
        self.place = place


class Enclosures(Algebra[Result]):
    """Enclosures, and texts.

    The same operation on the same operands gives the same object, and an object minus itself
    is exactly 0. So E₊ − E₋ is known to be 0 where the weight that was moved is multiplied by
    an input of 0, whatever exponentials E is made of: no width of a ball could tell.

    Args:
        cell: what a cell holds.
    """

    functions = frozenset(
        ("IF", "AND", "SUM", "SUMPRODUCT", "MAX", "ROUND", "EXP", "LN", "TANH", "SQRT", "ABS")
    )
    most_cells = 2_000_000

    def __init__(self, cell: Callable[[Place], Result]) -> None:
        self._cell = cell
        self._known: dict[Hashable, tuple[Number, tuple[Number, ...]]] = {}

    def _operate(self, operation: str, left: Result, right: Result) -> Number:
        """Return left + right, left − right, left · right or left / right."""
        one, other = _number(left), _number(right)
        if isinstance(one, fmpq) and isinstance(other, fmpq):
            return enclosures.operate(operation, one, other)
        if operation == "-" and one is other:
            return fmpq(0)
        return self._once(partial(enclosures.operate, operation), operation, one, other)

    def _once(self, function: Callable[..., Number], name: str, *operands: Number) -> Number:
        """Return a function of operands, worked out the first time."""
        key = (name, *(value if isinstance(value, fmpq) else id(value) for value in operands))
        if key not in self._known:
            # the operands are kept too: another object must not take over their identity
            self._known[key] = function(*operands), operands
        return self._known[key][0]

    def cell(self, place: Place) -> Result:
        """Return what a cell holds."""
        return self._cell(place)

    def counts(self, place: Place) -> bool:
        """Tell whether a cell holds a number: SUM and MAX pass texts over."""
        return not isinstance(self._cell(place), str)

    def number(self, value: float) -> Result:
        """Return a constant, exactly."""
        return enclosures.exactly(value)

    def text(self, value: str) -> Result:
        """Return a text as it is."""
        return value

    def negative(self, value: Result) -> Result:
        """Return −value."""
        return self.function("negative", value)

    def sum(self, terms: Sequence[tuple[int, Result]]) -> Result:
        """Add from left to right."""
        total = _number(terms[0][1])
        for sign, term in terms[1:]:
            total = self._operate("-" if sign < 0 else "+", total, term)
        return total

    def product(self, factors: Sequence[Result]) -> Result:
        """Multiply from left to right."""
        product = _number(factors[0])
        for factor in factors[1:]:
            product = self._operate("*", product, factor)
        return product

    def quotient(self, over: Result, under: Result) -> Result:
        """Divide; a ZeroDivisionError says that there is no value."""
        return self._operate("/", over, under)

    def join(self, left: Result, right: Result) -> Result:
        """Return a text, whose characters do not matter."""
        del left, right
        return SOME_TEXT

    def compare(self, sign: str, left: Result, right: Result) -> Result:
        """Compare two numbers, or whether two texts are the same."""
        if isinstance(left, str) or isinstance(right, str):
            left, right = ("" if side is _EMPTY else side for side in (left, right))
            if SOME_TEXT in (left, right) or sign not in ("=", "<>"):
                raise CellFailedError("a comparison of texts")
            return fmpq(int((left == right) == (sign == "=")))
        gap = 0 if left is right else enclosures.sign(self._operate("-", left, right))
        return fmpq(int(COMPARISONS[sign](gap, 0)))

    def decide(self, condition: Result) -> bool:
        """An IF goes the way that its condition says."""
        return enclosures.sign(_number(condition)) != 0

    def every(self, conditions: Sequence[Result]) -> Result:
        """Return 1 if no condition is 0."""
        return fmpq(int(all(self.decide(condition) for condition in conditions)))

    def round(self, value: Result, digits: Result) -> Result:
        """Return ROUND to a whole number of decimals."""
        decimals = _number(digits)
        if not (isinstance(decimals, fmpq) and decimals.q == 1):
            raise FormulaError("ROUND to a number of decimals that is not whole")
        return enclosures.rounded(_number(value), int(decimals.p))

    def largest(self, values: Sequence[Result]) -> Result:
        """Return the largest value, or an enclosure of it where they overlap."""
        largest = _number(values[0])
        for value in values[1:]:
            largest = enclosures.larger(_number(value), largest)
        return largest

    def function(self, name: str, value: Result) -> Result:
        """Return a function of one number."""
        return self._once(enclosures.FUNCTIONS[name], name, _number(value))


class Evaluation:
    """The exact values of a workbook's cells, at one precision.

    Args:
        book: the formulas.
        scopes: which cells are one computation.
        held: what a cell holds: givens, and the formula cells that a computation starts from.
        bits: the working precision.
    """

    def __init__(
        self, book: Book, scopes: Scopes, held: Callable[[Place], Value], bits: int
    ) -> None:
        self.book, self.scopes, self.held, self.bits = book, scopes, held, bits
        self._enclosures, self._named = Enclosures(self._cell), names_of(book)
        self._known: dict[Place, Result] = {}
        self._failed: dict[Place, CellFailedError] = {}
        self._at: Place = ("", 0, 0)

    def of(self, place: Place) -> Result:
        """Return the value of a cell that holds a formula.

        Raises:
            CellFailedError: it has none.
            UndecidedError: this precision does not tell.
        """
        with enclosures.precision(self.bits):
            stack = [place]
            while stack:
                top = stack[-1]
                if top in self._known or top in self._failed:
                    stack.pop()
                    continue
                self._step(top, stack)
        if place in self._failed:
            raise self._failed[place]
        return self._known[place]

    def _step(self, top: Place, stack: list[Place]) -> None:
        formula = self.book.sheets[top[0]].formulas[top[1:]]
        self._at = top
        try:
            work_out = WorkOut(self._enclosures, (top[0], 0, 0), self._named)
            self._known[top] = work_out.one(tree_of(self.book, formula))
        except _NeededError as needed:
            if needed.place in stack:
                self._failed[needed.place] = CellFailedError("a circular reference")
            stack.append(needed.place)
        except CellFailedError as error:
            self._failed[top] = error
        except ZeroDivisionError:
            self._failed[top] = CellFailedError("a division by 0")
        except (FormulaError, ValueError) as error:
            self._failed[top] = CellFailedError(str(error) or type(error).__name__)

    def _cell(self, place: Place) -> Result:
        sheet = self.book.sheets.get(place[0])
        if sheet is None:
            raise CellFailedError(f"there is no sheet {place[0]!r}")
        same = self.scopes.of(place) == self.scopes.of(self._at)
        if same and place[1:] in sheet.formulas:
            if place in self._failed:
                raise CellFailedError("reads a cell that has no value")
            if place not in self._known:
                raise _NeededError(place)
            return self._known[place]
        return _plain(self.held(place))


def _plain(value: Value) -> Result:
    """Return what a cell holds as a formula reads it; an empty cell is 0."""
    if value is None:
        return _EMPTY
    if isinstance(value, (bool, float)):
        return enclosures.exactly(float(value))
    if isinstance(value, str):
        return value
    raise CellFailedError(f"reads the error {value}")


def _number(value: Result) -> Number:
    if isinstance(value, str):
        raise CellFailedError("a text where a number is meant")
    return value


_BY_ROW = ("run", "comparison")
"""Kinds of parts whose rows start anew."""

GIVEN: Hashable = "given"
"""The scope of what a person sets: it may be typed as =1/3, and counts as the double it gives."""

WHOLE: Hashable = "whole"
"""The scope of everything, where a chain is followed from end to end."""


class Scopes:
    """The computation that each cell belongs to.

    Args:
        book: the workbook.
        chained: whether the whole workbook counts as one computation.
    """

    def __init__(self, book: Book, *, chained: bool = False) -> None:
        table = read_map(book) or MapSheet()
        self.chained, self.claims, self.parts = chained, table.claims, table.parts
        self._by_row = {name for name, facts in self.parts.items() if facts.get("kind") in _BY_ROW}
        self._known: dict[Place, Hashable] = {}
        self._owner = Owners(table.claims)

    def claim_of(self, place: Place) -> Claim | None:
        """Return what the Map says of a cell."""
        number = self._owner.get(place)
        return None if number is None else self.claims[number]

    def of(self, place: Place) -> Hashable:
        """Return the computation of a cell; equal for cells of the same one."""
        if place not in self._known:
            claim = self.claim_of(place)
            if claim is None:
                self._known[place] = WHOLE if self.chained else ""
            elif claim.kind in ("given", "answer"):
                self._known[place] = GIVEN
            elif self.chained:
                self._known[place] = WHOLE
            elif claim.part in self._by_row:
                self._known[place] = (claim.part, place[0], place[1])
            else:
                self._known[place] = claim.part
        return self._known[place]


class Outside:
    """The cells that do not belong to a computation: what it starts from.

    Args:
        scopes: of the workbook.
        scope: the computation.
    """

    def __init__(self, scopes: Scopes, scope: Hashable) -> None:
        self._scopes, self._scope = scopes, scope

    def __contains__(self, place: object) -> bool:
        assert isinstance(place, tuple)  # noqa: S101 - for the type checker
        return self._scopes.of(place) != self._scope
