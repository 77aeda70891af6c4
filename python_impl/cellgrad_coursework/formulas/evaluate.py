"""Formulas read once, and evaluated on all draws at once in a world of cells.

How much of a submission is looked at is limited by counts, not seconds, so that a submission gets
the same grade on every machine: a short formula can ask for endless work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cellgrad.formula.algebra import Algebra, Grid
from cellgrad.formula.parse import parse
from cellgrad.formula.references import place_of, range_of
from cellgrad.formula.tree import (
    Area,
    Call,
    Cell,
    FormulaError,
    Name,
    Node,
    Spill,
    children,
    nodes,
    size,
    text_of,
)
from cellgrad.formula.work_out import Ranges, WorkOut
from cellgrad.xlsx.addresses import Place, Range
from cellgrad_coursework.formulas.functions import (
    COMPARE,
    FUNCTIONS,
    TAKE_RANGES,
    Logical,
    Value,
    divided,
    finite,
    number,
    power,
    refusal,
)

MAX_NODES = 4_000
"""Of a formula's tree."""

MAX_TEXT = 32_767
"""Characters of a text, as in Excel."""

MAX_AREA = 20_000
"""Cells of one range."""

MAX_WORK = 1_000_000
"""Parts of formulas evaluated, cells read, and elements of rectangles worked through, in one
submission."""

MAX_REACHED = 20_000
"""Cells of a submission that graded cells read, directly or not."""


class Budget:
    """What may still be done for one submission."""

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def spend(self, count: int) -> None:
        """Count work.

        Raises:
            FormulaError: it is too much.
        """
        self.left -= count
        if self.left < 0:
            raise FormulaError("the workbook asks for too many calculations")


class World(Algebra[Value]):
    """What formulas read, and how they calculate: the handout's own cells, unless it says more.

    Values are numbers on many draws, with truth values, texts, and empty cells (None) among them.

    Args:
        budget: on which the work counts; a whole one by default.
    """

    most_cells = MAX_AREA

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()

    def bounds(self, node: Area | Spill, at: Place) -> Range:
        """Return which cells an area, or what a cell spills, means in a formula at a place."""
        if isinstance(node, Spill):
            raise FormulaError("a spilled range")
        return range_of(node, at)

    def named(self, name: str) -> Node | None:
        """Return what a defined name stands for, parsed without a place; None for nothing."""
        del name
        return None

    def spend(self, count: int) -> None:
        """Count work on the submission's budget."""
        self.budget.spend(count)

    def number(self, value: float) -> Value:
        """Return a number, the same on every draw."""
        return value

    def text(self, value: str) -> Value:
        """Return a text."""
        return value

    def truth(self, value: bool) -> Value:  # noqa: FBT001 - TRUE or FALSE is what it is about
        """Return TRUE or FALSE."""
        return Logical(float(value))

    def error(self, code: str) -> Value:
        """Return an error."""
        del code
        return float("nan")

    def missing(self) -> Value:
        """Return nothing for an argument that is left out."""
        return None

    def negative(self, value: Value) -> Value:
        """Return −value."""
        return -number(value)

    def sum(self, terms: Sequence[tuple[int, Value]]) -> Value:
        """Add from left to right."""
        total = number(terms[0][1])
        for sign, term in terms[1:]:
            total = total + number(term) if sign > 0 else total - number(term)
        return total

    def product(self, factors: Sequence[Value]) -> Value:
        """Multiply two factors."""
        left, right = factors
        return number(left) * number(right)

    def quotient(self, over: Value, under: Value) -> Value:
        """Divide; an error where the divisor is 0."""
        return divided(number(over), number(under))

    def power(self, base: Value, exponent: Value) -> Value:
        """Raise to a power."""
        return power(number(base), number(exponent))

    def join(self, left: Value, right: Value) -> Value:
        """Join two texts."""
        if not (isinstance(left, str) and isinstance(right, str)):
            raise FormulaError("texts are joined with &")
        joined = left + right
        return joined if len(joined) <= MAX_TEXT else float("nan")

    def compare(self, sign: str, left: Value, right: Value) -> Value:
        """Compare numbers on each draw; texts without their case."""
        if isinstance(left, str) or isinstance(right, str):
            return Logical(float(COMPARE[sign](_order(left, right), 0.0)))
        a, b = number(left), number(right)
        result = np.where(np.isnan(a) | np.isnan(b), np.nan, COMPARE[sign](a, b))[()]
        return Logical(result if isinstance(result, np.ndarray) else float(result))


def _order(left: Value, right: Value) -> float:
    """Return 1, 0 or −1 where one side is a text: any text is larger than any number."""
    if isinstance(left, str) and isinstance(right, str):
        one, other = left.casefold(), right.casefold()
        return float((one > other) - (one < other))
    text, rest = (left, right) if isinstance(left, str) else (right, left)
    if rest is None and not text:
        return 0.0  # an empty cell equals an empty text
    return 1.0 if isinstance(left, str) else -1.0


def evaluate(tree: Node, at: Place, world: World, *, array: bool = False) -> Value:
    """Return the value of a formula in a cell.

    Args:
        tree: the formula.
        at: the cell.
        world: what it reads.
        array: whether it is an array formula, which may come to a rectangle.

    Raises:
        FormulaError: it uses what is not evaluated; a person has to look.
    """
    value = _Evaluation(world, at, "whole").value(tree)
    if not isinstance(value, Grid) or array:
        return value
    if value.size == 1:
        only: Value = value.rows[0][0]
        return only
    value = _Evaluation(world, at, "intersected").value(tree)
    if isinstance(value, Grid):
        raise FormulaError("the formula comes to several values in one cell")
    return value


class _Evaluation(WorkOut[Value]):
    """One formula in one cell, with the functions that look at places and names.

    Args:
        world: what it reads.
        at: the cell.
        ranges: what a range means where one value is meant.
    """

    def __init__(self, world: World, at: Place, ranges: Ranges) -> None:
        super().__init__(world, at, world.named, ranges=ranges)
        self._world = world
        self._local: dict[str, Value] = {}

    def range_of(self, node: Cell | Area | Spill) -> Range:
        """Return the cells that a reference means."""
        return (
            range_of(node, self.at) if isinstance(node, Cell) else self._world.bounds(node, self.at)
        )

    def reference(self, node: Node) -> Range | None:
        """Return the cells that a part of a formula stands for; LET's names stand for none."""
        if isinstance(node, Name) and node.name in self._local:
            return None
        return super().reference(node)

    def name(self, name: str) -> Value:
        """Return the value of one of LET's names, or of a defined name."""
        if name in self._local:
            return self._local[name]
        tree = self.named(name)
        if tree is None:
            raise FormulaError(f"the name {name!r} is not defined")
        self.algebra.spend(size(tree))
        local, self._local = self._local, {}
        try:
            return super().name(name)
        finally:
            self._local = local

    def call(self, name: str, args: Sequence[Node]) -> Value:
        """Return the value of a function."""
        if name in SPECIAL:
            return self._special(name, args)
        function = FUNCTIONS.get(name)
        if function is None:
            raise FormulaError(refusal(name))
        read = self.value if name in TAKE_RANGES else self.operand
        values = [_as_argument(read(arg), arg) for arg in args]
        self.count(values)
        if name == "MMULT" and len(values) == 2:
            left, right = values
            if isinstance(left, Grid) and isinstance(right, Grid):
                self.algebra.spend(left.size * right.width)
        return function(values)

    def _special(self, name: str, args: Sequence[Node]) -> Value:
        """Return a function of what is written in its brackets, rather than of its value."""
        match name:
            case "ROW" | "COLUMN":
                _, row, column = self._place(args)
                return float(row if name == "ROW" else column)
            case "ROWS" | "COLUMNS":
                height, width = self._extent(args)
                return float(height if name == "ROWS" else width)
            case "LET":
                return self._let(args)
        if len(args) != 1:
            raise FormulaError(refusal(name))
        return self.intersected(args[0])  # SINGLE: the cell in the formula's own row or column

    def _place(self, args: Sequence[Node]) -> Place:
        if not args:
            return self.at
        if len(args) == 1 and isinstance(args[0], Cell):
            return place_of(args[0], self.at)
        raise FormulaError("the row or column of a range is not evaluated")

    def _extent(self, args: Sequence[Node]) -> tuple[int, int]:
        """Return how many rows and columns a range has: what stands in it is not read."""
        if len(args) != 1:
            raise FormulaError("ROWS or COLUMNS of several ranges")
        if isinstance(args[0], Cell | Area | Spill):
            area = self.range_of(args[0])
            return area.height, area.width
        value = self.value(args[0])
        return (value.height, value.width) if isinstance(value, Grid) else (1, 1)

    def _let(self, args: Sequence[Node]) -> Value:
        """Return LET: names for parts of a formula, then the formula."""
        if len(args) < 3 or len(args) % 2 == 0:
            raise FormulaError("LET lacks a name, a value or a formula")
        before = self._local
        try:
            for name, value in zip(args[:-1:2], args[1::2], strict=True):
                if not isinstance(name, Name):
                    raise FormulaError("LET lacks a name, a value or a formula")
                self._local = {**self._local, name.name: self.value(value)}
            return self.value(args[-1])
        finally:
            self._local = before


SPECIAL = frozenset({"ROW", "COLUMN", "ROWS", "COLUMNS", "LET", "SINGLE"})
"""Functions of what is written in their brackets, rather than of its value."""


def _as_argument(value: Value, node: Node) -> Value:
    """Return an argument; an only cell counts as a range for functions that skip texts."""
    skipped = value is None or isinstance(value, (str, Logical))
    return Grid([[value]]) if skipped and isinstance(node, Cell | Name) else value


def settled(value: Value, count: int) -> Value:
    """Return a cell's value as other cells read it: numbers as arrays of so many draws."""
    if isinstance(value, np.ndarray):
        return finite(value)
    if isinstance(value, float):
        return np.full(count, finite(value))
    if isinstance(value, Logical):
        return Logical(np.broadcast_to(np.asarray(value.data, np.float64), (count,)))
    return 0.0 * np.ones(count) if value is None else value


MAX_KEPT = 500_000
"""Characters of formulas kept; beyond it everything is forgotten and read anew."""

Reference = Cell | Area | Spill | Name

_PLACES = frozenset({"ROW", "COLUMN", "ROWS", "COLUMNS"})
"""Functions that look at where cells are, and not at what they hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A formula, read.

    Attributes:
        tree: relative to its cell; None where it cannot be read.
        text: the same as text: equal for equal formulas.
        size: how many parts it has.
        reads: the nodes in it whose cells it reads.
        problem: why it is not evaluated, or empty.
        array: whether it may come to several values by its own words.
    """

    tree: Node | None
    text: str = ""
    size: int = 0
    reads: tuple[Reference, ...] = ()
    problem: str = ""
    array: bool = False


class Formulas:
    """The formulas met so far, by their text and cell, and by their relative text."""

    def __init__(self) -> None:
        self._by_text: dict[tuple[str, int, int], Formula] = {}
        self._by_relative: dict[str, Formula] = {}
        self._characters = 0

    def read(self, text: str, row: int, column: int) -> Formula:
        """Return a formula (without its equals sign) that was written for a cell."""
        key = (text, row, column)
        formula = self._by_text.get(key)
        if formula is None:
            self._characters += len(text)
            if self._characters > MAX_KEPT:
                self._by_text.clear()
                self._by_relative.clear()
                self._characters = len(text)
            formula = self._by_text[key] = self._parsed(text, row, column)
        return formula

    def _parsed(self, text: str, row: int, column: int) -> Formula:
        try:
            tree = parse(text, row, column, ignore_case=True)
        except FormulaError as problem:
            return Formula(None, problem=str(problem))
        relative = text_of(tree)
        formula = self._by_relative.get(relative)
        if formula is None:
            formula = self._by_relative[relative] = _look_over(tree, relative)
        return formula


def _look_over(tree: Node, text: str) -> Formula:
    parts = size(tree)
    if parts > MAX_NODES:
        return Formula(None, problem="the formula has too many parts")
    calls = [node for node in nodes(tree) if isinstance(node, Call)]
    known = FUNCTIONS.keys() | SPECIAL
    problem = next((refusal(call.name) for call in calls if call.name not in known), "")
    array = isinstance(tree, Call) and tree.name in ("ARRAYFORMULA", "ARRAY_CONSTRAIN")
    local = {name for call in calls if call.name == "LET" for name in call.args[:-1:2]}
    reads = tuple(node for node in _references_read(tree) if node not in local)
    return Formula(tree, text, parts, reads, problem, array)


def _references_read(tree: Node) -> Iterator[Reference]:
    """Yield what stands for cells that are read: ``ROW(C10)`` reads nothing."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Reference):
            yield node
        parts = children(node)
        if isinstance(node, Call) and node.name in _PLACES:
            parts = tuple(part for part in parts if not isinstance(part, Reference))
        stack += reversed(parts)
