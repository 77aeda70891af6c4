"""Formulas evaluated in enclosures, cell by cell."""

from __future__ import annotations

from collections.abc import Callable

from flint import fmpq

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.formula import Node, tree_of
from cellgrad.xlsx.values import Value
from cellgrad_proof.exact import enclosures
from cellgrad_proof.exact.enclosures import FUNCTIONS, OPERATORS, Arithmetic, Number
from cellgrad_proof.exact.scopes import Scopes

ANSWERS: dict[str, Callable[[int], bool]] = {
    ">": lambda sign: sign > 0,
    "<": lambda sign: sign < 0,
    ">=": lambda sign: sign >= 0,
    "<=": lambda sign: sign <= 0,
    "=": lambda sign: sign == 0,
    "<>": lambda sign: sign != 0,
}
"""What a comparison says, by the sign of the difference."""

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
        self._arithmetic = Arithmetic()
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
            self._known[top] = self._value(tree_of(self.book, top[0], formula))
        except _NeededError as needed:
            if needed.place in stack:
                self._failed[needed.place] = CellFailedError("a circular reference")
            stack.append(needed.place)
        except CellFailedError as error:
            self._failed[top] = error
        except ZeroDivisionError:
            self._failed[top] = CellFailedError("a division by 0")
        except (FormulaError, ValueError, RecursionError) as error:
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

    def _cells(self, node: Node) -> list[Result]:
        if node[0] != "cells":
            return [self._value(node)]
        area: Range = node[1]
        return [
            self._cell((area.sheet, row, column))
            for row in range(area.top, area.bottom + 1)
            for column in range(area.left, area.right + 1)
        ]

    def _value(self, node: Node) -> Result:
        kind = node[0]
        if kind == "number":
            return enclosures.exactly(node[1])
        if kind == "text":
            return str(node[1])
        if kind == "cells":
            area: Range = node[1]
            if area.height * area.width != 1:
                raise FormulaError("a range where one cell is meant")
            return self._cell((area.sheet, area.top, area.left))
        if kind == "sign":
            return self._signed(node)
        if kind == "op":
            return self._operation(node)
        return self._call(node[1], node[2])

    def _number(self, node: Node) -> Number:
        value = self._value(node)
        if isinstance(value, str):
            raise CellFailedError("a text where a number is meant")
        return value

    def _signed(self, node: Node) -> Number:
        inner = self._number(node[2])
        if node[1] not in ("-", "+"):
            raise FormulaError(f"{node[1]!r} is outside the function set")
        return self._arithmetic.call("negative", inner) if node[1] == "-" else inner

    def _operation(self, node: Node) -> Result:
        sign = node[1]
        if sign in OPERATORS:
            # from left to right without recursion: a sum can be long
            chain: list[tuple[str, Node]] = []
            while node[0] == "op" and node[1] in OPERATORS:
                chain.append((node[1], node[3]))
                node = node[2]
            value = self._number(node)
            for operator, right in reversed(chain):
                value = self._arithmetic.operate(operator, value, self._number(right))
            return value
        if sign == "&":
            self._value(node[2])
            self._value(node[3])
            return SOME_TEXT
        if sign in ANSWERS:
            return fmpq(int(self._compared(sign, self._value(node[2]), self._value(node[3]))))
        raise FormulaError(f"{sign!r} is outside the function set")

    def _compared(self, sign: str, left: Result, right: Result) -> bool:
        if isinstance(left, str) or isinstance(right, str):
            left, right = ("" if side is _EMPTY else side for side in (left, right))
            if SOME_TEXT in (left, right) or sign not in ("=", "<>"):
                raise CellFailedError("a comparison of texts")
            return (left == right) == (sign == "=")
        return ANSWERS[sign](self._arithmetic.compare(left, right))

    def _call(self, name: str, args: tuple[Node, ...]) -> Result:
        if name == "IF":
            chosen = enclosures.sign(self._number(args[0])) != 0
            return self._value(args[1] if chosen else args[2])
        if name == "ROUND":
            decimals = self._number(args[1])
            if not (isinstance(decimals, fmpq) and decimals.q == 1):
                raise FormulaError("ROUND to a number of decimals that is not whole")
            return enclosures.rounded(self._number(args[0]), int(decimals.p))
        if name in FUNCTIONS and len(args) == 1:
            return self._arithmetic.call(name, self._number(args[0]))
        return self._gathered(name, args)

    def _gathered(self, name: str, args: tuple[Node, ...]) -> Number:
        """Return a function of any number of arguments."""
        if name == "AND":
            return fmpq(int(all(enclosures.sign(self._number(arg)) for arg in args)))
        if name == "SUMPRODUCT":
            columns = [_all_numbers(self._cells(arg)) for arg in args]
            return self._total([self._product(factors) for factors in zip(*columns, strict=True)])
        if name not in ("SUM", "MAX"):
            raise FormulaError(f"{name} is outside the function set")
        values = [cell for arg in args for cell in _numeric(self._cells(arg))]
        return self._total(values) if name == "SUM" else _largest(values)

    def _total(self, values: list[Number]) -> Number:
        total: Number = fmpq(0)
        for value in values:
            total = self._arithmetic.operate("+", total, value)
        return total

    def _product(self, factors: tuple[Number, ...]) -> Number:
        product: Number = fmpq(1)
        for factor in factors:
            product = self._arithmetic.operate("*", product, factor)
        return product


def _plain(value: Value) -> Result:
    """Return what a cell holds as a formula reads it; an empty cell is 0."""
    if value is None:
        return _EMPTY
    if isinstance(value, (bool, float)):
        return enclosures.exactly(float(value))
    if isinstance(value, str):
        return value
    raise CellFailedError(f"reads the error {value}")


def _numeric(values: list[Result]) -> list[Number]:
    return [value for value in values if not isinstance(value, str)]


def _all_numbers(values: list[Result]) -> list[Number]:
    found = _numeric(values)
    if len(found) != len(values):
        raise CellFailedError("a text where a number is meant")
    return found


def _largest(values: list[Number]) -> Number:
    largest = values[0]
    for value in values[1:]:
        largest = enclosures.larger(value, largest)
    return largest
