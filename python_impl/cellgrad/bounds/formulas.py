"""Running error bounds, carried through the formula graph operation by operation.

A computed value differs from the exact one (the same formulas on the exact binary
givens) by at most B. The bound belongs to the formula, not to a kind of network:
first order, u = 2⁻⁵³, EXP, LN and TANH within 2 ulp; a sum's terms may be added
in any order. It is carried within one step only (see reference/equations.md).
"""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Container
from dataclasses import dataclass

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.formula import Node, tree_of

UNIT = 2.0**-53
_ULPS = 2
"""Error of EXP, LN and TANH, in units of the last place; an ulp is at most 2u·|v|."""

_NO_BOUND = (FormulaError, ArithmeticError, LookupError, TypeError, ValueError)
"""What a formula raises that is malformed, or outside the function set or its domain."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    "<>": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Bounded:
    """A computed value and the bound of its error."""

    value: float
    bound: float


class ErrorBounds:
    """The error bound of any cell, for one set of computed values.

    Args:
        book: the formulas.
        value_at: the computed value of a cell (0 for an empty one).
        given_error: relative error of a given as the engine holds it.
        snap: relative size below which the engine sets a difference to 0.
        constant: cells whose formulas are ignored: the present draw overwrote them, or
            what they hold is where the computation starts.
    """

    def __init__(
        self,
        book: Book,
        value_at: Callable[[Place], float],
        *,
        given_error: float = 0.0,
        snap: float = 0.0,
        constant: Container[Place] = frozenset(),
    ) -> None:
        self.book, self.value_at, self.constant = book, value_at, constant
        self.given_error, self.snap = given_error, snap
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
        if formula is None or place in self.constant:
            return self.given_error * abs(self.value_at(place))
        return self._evaluate(tree_of(self.book, sheet, formula)).bound

    def _cell(self, place: Place) -> Bounded:
        if place not in self._known:
            raise _Unknown(place)
        return Bounded(self.value_at(place), self._known[place])

    def _cells(self, area: Range) -> list[Bounded]:
        return [
            self._cell((area.sheet, row, column))
            for row in range(area.top, area.bottom + 1)
            for column in range(area.left, area.right + 1)
        ]

    def _evaluate(self, node: Node) -> Bounded:
        kind = node[0]
        if kind == "number":
            return Bounded(node[1], self.given_error * abs(node[1]))
        if kind == "cells":
            area: Range = node[1]
            return self._cell((area.sheet, area.top, area.left))
        if kind == "sign":
            inner = self._evaluate(node[2])
            return Bounded(-inner.value, inner.bound) if node[1] == "-" else inner
        if kind == "op":
            return self._operation(node)
        if kind == "call":
            return self._call(node[1], node[2])
        raise FormulaError("a text has no error bound")

    def _operation(self, node: Node) -> Bounded:
        sign = node[1]
        if sign in "+-":
            return self._sum(_terms(node))
        left, right = self._evaluate(node[2]), self._evaluate(node[3])
        if sign == "*":
            return _product(left, right)
        if sign == "/":
            value = left.value / right.value
            bound = (left.bound + abs(value) * right.bound) / abs(right.value)
            return Bounded(value, bound + UNIT * abs(value))
        if sign in _COMPARE:
            return Bounded(float(_COMPARE[sign](left.value, right.value)), 0.0)
        raise FormulaError(f"{sign!r} has no error bound here")

    def _sum(self, terms: list[tuple[int, Node]]) -> Bounded:
        """γ(n−1) · Σ|term| covers every order of addition."""
        parts = [(sign, self._evaluate(term)) for sign, term in terms]
        return self._added([Bounded(sign * part.value, part.bound) for sign, part in parts])

    def _added(self, parts: list[Bounded]) -> Bounded:
        size = sum(abs(part.value) for part in parts)
        carried = sum(part.bound for part in parts)
        additions = len(parts) - 1
        gamma = additions * UNIT / (1 - additions * UNIT)
        snapped = self.snap * size if additions else 0.0
        return Bounded(sum(part.value for part in parts), carried + gamma * size + snapped)

    def _call(self, name: str, args: tuple[Node, ...]) -> Bounded:
        if name == "IF":
            chosen = self._evaluate(args[0]).value
            return self._evaluate(args[1] if chosen else args[2])
        if name == "SUM":
            return self._added([cell for arg in args for cell in self._listed(arg)])
        if name == "SUMPRODUCT":
            columns = [self._listed(arg) for arg in args]
            products = [_product(*pair) for pair in zip(*columns, strict=True)]
            return self._added(products)
        if name == "MAX":
            values = [cell for arg in args for cell in self._listed(arg)]
            return max(values, key=lambda part: part.value)
        return self._function(name, self._evaluate(args[0]))

    def _listed(self, node: Node) -> list[Bounded]:
        return self._cells(node[1]) if node[0] == "cells" else [self._evaluate(node)]

    @staticmethod
    def _function(name: str, x: Bounded) -> Bounded:
        if name == "ABS":
            return Bounded(abs(x.value), x.bound)
        if name == "SQRT":
            value = math.sqrt(x.value)
            carried = x.bound / (2 * value) if value else math.sqrt(x.bound)
            return Bounded(value, carried + UNIT * value)
        ulps = _ULPS * 2 * UNIT
        if name == "EXP":
            value = math.exp(x.value)
            return Bounded(value, value * x.bound + ulps * value)
        if name == "LN":
            value = math.log(x.value)
            return Bounded(value, x.bound / abs(x.value) + ulps * abs(value))
        if name == "TANH":
            value = math.tanh(x.value)
            return Bounded(value, (1 - value * value) * x.bound + ulps * abs(value))
        raise FormulaError(f"{name} has no error bound here")


class _Unknown(Exception):  # noqa: N818 - a signal, no error
    """The bound of a precedent is needed first."""

    def __init__(self, place: Place) -> None:
        self.place = place


def _product(left: Bounded, right: Bounded) -> Bounded:
    value = left.value * right.value
    bound = abs(left.value) * right.bound + abs(right.value) * left.bound
    return Bounded(value, bound + left.bound * right.bound + UNIT * abs(value))


def _terms(node: Node) -> list[tuple[int, Node]]:
    """Return the terms of a chain of + and −, with their signs."""
    found: list[tuple[int, Node]] = []
    while node[0] == "op" and node[1] in "+-":
        found.append((-1 if node[1] == "-" else 1, node[3]))
        node = node[2]
    return [(1, node), *reversed(found)]


class Branches(ErrorBounds):
    """Which way the IFs and MAXs of a formula go, for one set of computed values."""

    def __init__(self, book: Book, value_at: Callable[[Place], float]) -> None:
        super().__init__(book, value_at)
        self.taken: set[bool] = set()

    def of_formula(self, node: Node) -> set[bool]:
        """Return the sides that a formula takes: the first (True), another (False), or both."""
        self.taken = set()
        with contextlib.suppress(*_NO_BOUND):
            self._evaluate(node)
        return self.taken

    def _cell(self, place: Place) -> Bounded:
        return Bounded(self.value_at(place), 0.0)

    def _call(self, name: str, args: tuple[Node, ...]) -> Bounded:
        if name == "IF":
            self.taken.add(bool(self._evaluate(args[0]).value))
        elif name == "MAX":
            values = [part.value for arg in args for part in self._listed(arg)]
            self.taken.add(values[0] == max(values))
        return super()._call(name, args)
