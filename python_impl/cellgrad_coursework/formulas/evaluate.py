"""A formula's tree evaluated on all draws at once; every cell it reads is asked of a world."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place
from cellgrad_coursework.formulas.functions import FUNCTIONS, RANGES, VOLATILE, divided, power
from cellgrad_coursework.formulas.limits import MAX_AREA, MAX_TEXT, Budget
from cellgrad_coursework.formulas.tree import Axis, Node, nodes, resolved
from cellgrad_coursework.formulas.values import (
    Area,
    Logical,
    Number,
    Value,
    elementwise,
    finite,
    number,
)

Bounds = tuple[str, int, int, int, int]
"""Sheet, first row, first column, last row, last column."""


class World(Protocol):
    """What a formula can read."""

    budget: Budget

    def cell(self, place: Place) -> Value:
        """Return the value of a cell."""

    def area(self, bounds: Bounds) -> Area:
        """Return the values of a rectangle."""

    def bounds(self, tree: Node, at: Place) -> Bounds:
        """Return which cells an ``area`` or ``spill`` node means in a formula at a place."""

    def named(self, name: str) -> Node | None:
        """Return what a defined name stands for, written for A1; None for nothing."""


def place_of(tree: Node, at: Place) -> Place:
    """Return which cell a ``cell`` node means in a formula at a place.

    Raises:
        FormulaError: it lies outside a sheet.
    """
    sheet = at[0] if tree[1] is None else tree[1]
    row, column = resolved(tree[2], at[1]), resolved(tree[3], at[2])
    if row < 1 or column < 1:
        raise FormulaError("a reference points outside the sheet (#REF!)")
    return sheet, row, column


def evaluate(tree: Node, at: Place, world: World, *, array: bool = False) -> Value:
    """Return what a formula comes to in a cell.

    Args:
        tree: the formula.
        at: the cell.
        world: what it reads.
        array: whether it is an array formula, which may come to a rectangle.

    Raises:
        FormulaError: it uses what is not evaluated; a person has to look.
    """
    found = _Evaluation(at, world, intersecting=False).value(tree)
    if isinstance(found, Area) and not array:
        if found.height == found.width == 1:
            return found.rows[0][0]  # type: ignore[no-any-return]
        found = _Evaluation(at, world, intersecting=True).value(tree)
        if isinstance(found, Area):
            raise FormulaError("the formula comes to several values in one cell")
    return found


class _Evaluation:
    """One formula in one cell.

    Args:
        at: the cell.
        world: what it reads.
        intersecting: whether a range where one value is meant stands for its cell in the
            formula's own row or column, as formulas that are no array formulas have it.
    """

    def __init__(self, at: Place, world: World, *, intersecting: bool) -> None:
        self.at, self.world, self.intersecting = at, world, intersecting
        self.naming = 0
        self.local: dict[str, Value] = {}

    def value(self, node: Node) -> Value:
        """Return what a node comes to."""
        return _READERS[node[0]](self, node)

    def cell(self, node: Node) -> Value:
        return self.world.cell(place_of(node, self.at))

    def literal(self, node: Node) -> Value:
        found: Value = node[1]
        return found

    def area(self, node: Node) -> Value:
        return self.world.area(self.world.bounds(node, self.at))

    def name(self, node: Node) -> Value:
        return self.named(node[1])

    def signed(self, node: Node) -> Value:
        operand = self.single(node[2])
        return operand if node[1] == "+" else self.each(lambda x: -number(x), operand)

    def percent(self, node: Node) -> Value:
        return self.each(lambda x: number(x) / 100.0, self.single(node[1]))

    def logical(self, node: Node) -> Value:
        return Logical(float(node[1]))

    def constants(self, node: Node) -> Value:
        return Area([[self.value(item) for item in row] for row in node[1]])

    def error(self, _: Node) -> Value:
        return float("nan")

    def missing(self, _: Node) -> Value:
        return None

    def each(self, function: Callable[..., Value], *args: Value) -> Value:
        """Apply a function of scalars; what rectangles cost is counted."""
        self.world.budget.spend(_spread(args))
        return elementwise(function, *args)

    def single(self, node: Node) -> Value:
        """Return an operand; where ranges intersect, the one cell that is meant."""
        if self.intersecting and node[0] in ("area", "name"):
            return self.intersected(node)
        return self.value(node)

    def intersected(self, node: Node) -> Value:
        if node[0] == "name":
            tree = None if node[1] in self.local else self.world.named(node[1])
            if tree is None or tree[0] != "area":
                return self.named(node[1])
            node = tree
            sheet, top, left, bottom, right = self.world.bounds(node, ("", 1, 1))
        else:
            sheet, top, left, bottom, right = self.world.bounds(node, self.at)
        _, row, column = self.at
        if left == right and top <= row <= bottom:
            return self.world.cell((sheet, row, left))
        if top == bottom and left <= column <= right:
            return self.world.cell((sheet, top, column))
        return float("nan")

    def named(self, name: str) -> Value:
        if name in self.local:
            return self.local[name]
        tree = self.world.named(name)
        if tree is None:
            raise FormulaError(f"the name {name!r} is not defined")
        self.naming += 1
        if self.naming > 16:
            raise FormulaError(f"the name {name!r} leads in a circle")
        self.world.budget.spend(sum(1 for _ in nodes(tree)))
        at, self.at = self.at, (self.at[0], 1, 1)
        local, self.local = self.local, {}
        try:
            return self.value(tree)
        finally:
            self.at, self.local = at, local
            self.naming -= 1

    def operation(self, node: Node) -> Value:
        """Return a chain of operations from left to right; sums can be long."""
        chain = []
        while node[0] == "op":
            chain.append(node)
            node = node[2]
        found = self.single(node)
        for link in reversed(chain):
            found = self.combined(link[1], found, self.single(link[3]))
        return found

    def combined(self, sign: str, left: Value, right: Value) -> Value:
        if type(left) is np.ndarray and type(right) is np.ndarray:  # the plain case, quickly
            plain = _PLAIN.get(sign)
            if plain is not None:
                return plain(left, right)
        return self.each(lambda a, b: _combined(sign, a, b), left, right)

    def call(self, node: Node) -> Value:
        name, args = node[1], node[2]
        if name in ("ROW", "COLUMN"):
            return self.position(name, args)
        if name in ("ROWS", "COLUMNS") and len(args) == 1:
            return self.extent(name, args[0])
        if name == "LET":
            return self.let(args)
        if name == "SINGLE" and len(args) == 1:
            one: Node = args[0]
            return self.intersected(one) if one[0] in ("area", "name") else self.value(one)
        function = FUNCTIONS.get(name)
        if function is None:
            why = "may come out differently each time" if name in VOLATILE else "is not evaluated"
            raise FormulaError(f"the function {name[:40]} {why}")
        read = self.value if name in RANGES else self.single
        found = [self.argument(read(arg), arg) for arg in args]
        self.world.budget.spend(_cost(name, found))
        return function(found)

    @staticmethod
    def argument(value: Value, node: Node) -> Value:
        """Return an argument; an only cell counts as a range for functions that skip texts."""
        single = isinstance(value, (str, Logical)) or value is None
        if single and node[0] in ("cell", "name"):
            return Area([[value]], reference=True)
        return value

    def position(self, name: str, args: Sequence[Node]) -> Value:
        axis = 1 if name == "ROW" else 2
        if not args:
            return float(self.at[axis])
        if len(args) == 1 and args[0][0] == "cell":
            return float(place_of(args[0], self.at)[axis])
        raise FormulaError(f"{name} of a range is not evaluated")

    def extent(self, name: str, node: Node) -> Value:
        """Return how many rows or columns a range has: what stands in it is not read."""
        if node[0] == "cell":
            return 1.0
        if node[0] in ("area", "spill"):
            _, top, left, bottom, right = self.world.bounds(node, self.at)
            return float(bottom - top + 1 if name == "ROWS" else right - left + 1)
        found = self.value(node)
        if not isinstance(found, Area):
            return 1.0
        return float(found.height if name == "ROWS" else found.width)

    def let(self, args: Sequence[Node]) -> Value:
        """Return what LET comes to: names for parts of a formula, then the formula."""
        if len(args) < 3 or len(args) % 2 == 0 or any(n[0] != "name" for n in args[:-1:2]):
            raise FormulaError("LET lacks a name, a value or a formula")
        before = self.local
        try:
            for name, value in zip(args[:-1:2], args[1::2], strict=True):
                self.local = {**self.local, name[1]: self.value(value)}
            return self.value(args[-1])
        finally:
            self.local = before


_READERS: dict[str, Callable[[_Evaluation, Node], Value]] = {
    "cell": _Evaluation.cell,
    "number": _Evaluation.literal,
    "text": _Evaluation.literal,
    "op": _Evaluation.operation,
    "call": _Evaluation.call,
    "sign": _Evaluation.signed,
    "area": _Evaluation.area,
    "spill": _Evaluation.area,
    "name": _Evaluation.name,
    "percent": _Evaluation.percent,
    "logical": _Evaluation.logical,
    "array": _Evaluation.constants,
    "error": _Evaluation.error,
    "missing": _Evaluation.missing,
}

_PLAIN: dict[str, Callable[..., Number]] = {
    "*": operator.mul,
    "+": operator.add,
    "-": operator.sub,
}


def _size(value: Value) -> int:
    return value.height * value.width if isinstance(value, Area) else 0


def _spread(args: Sequence[Value]) -> int:
    """Return how many elements rectangles have, also where a row meets a column.

    Raises:
        FormulaError: they would make a rectangle that is too large.
    """
    areas = [arg for arg in args if isinstance(arg, Area)]
    if not areas:
        return 0
    made = max(area.height for area in areas) * max(area.width for area in areas)
    if made > MAX_AREA:
        raise FormulaError(f"a rectangle has more than {MAX_AREA:,} elements")
    return max(made, sum(_size(area) for area in areas))


def _cost(name: str, args: Sequence[Value]) -> int:
    """Return how many elements a function works through."""
    cost = _spread(args)
    if name == "MMULT" and len(args) == 2 and isinstance(args[1], Area):
        cost += _size(args[0]) * args[1].width
    return cost


def _combined(sign: str, left: Value, right: Value) -> Value:
    if sign in _COMPARISONS:
        return _compared(sign, left, right)
    if sign == "&":
        if isinstance(left, str) and isinstance(right, str):
            joined = left + right
            return joined if len(joined) <= MAX_TEXT else float("nan")
        raise FormulaError("texts are joined with &")
    a, b = number(left), number(right)
    if sign == "+":
        return a + b
    if sign == "-":
        return a - b
    if sign == "*":
        return a * b
    return divided(a, b) if sign == "/" else power(a, b)


_COMPARISONS = {
    "=": np.equal,
    "<>": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}


def _compared(sign: str, left: Value, right: Value) -> Value:
    if isinstance(left, str) or isinstance(right, str):
        return Logical(float(_COMPARISONS[sign](_order(left, right), 0.0)))
    a, b = number(left), number(right)
    bad = np.isnan(a) | np.isnan(b)
    found = np.where(bad, np.nan, _COMPARISONS[sign](a, b))[()]
    return Logical(found if isinstance(found, np.ndarray) else float(found))


def _order(left: Value, right: Value) -> float:
    """Return 1, 0 or −1 where one side is a text: any text is larger than any number."""
    if isinstance(left, str) and isinstance(right, str):
        one, other = left.casefold(), right.casefold()
        return float((one > other) - (one < other))
    text, rest = (left, right) if isinstance(left, str) else (right, left)
    if rest is None and not text:
        return 0.0  # an empty cell equals an empty text
    return 1.0 if isinstance(left, str) else -1.0


def settled(value: Value, count: int) -> Value:
    """Return a cell's value as other cells read it: numbers as arrays of so many draws."""
    if isinstance(value, np.ndarray):
        return finite(value)
    if isinstance(value, float):
        return np.full(count, finite(value))
    if isinstance(value, Logical):
        return Logical(np.broadcast_to(np.asarray(value.data, np.float64), (count,)))
    return 0.0 * np.ones(count) if value is None else value


def axis_range(first: Axis, last: Axis, at: int, most: int) -> tuple[int, int]:
    """Return the first and last row or column of an area, in order.

    Raises:
        FormulaError: it lies outside a sheet.
    """
    if first is None:
        return 1, most
    a = resolved(first, at)
    b = max(a, most) if last is None else resolved(last, at)
    if a < 1 or b < 1:
        raise FormulaError("a reference points outside the sheet (#REF!)")
    return min(a, b), max(a, b)
