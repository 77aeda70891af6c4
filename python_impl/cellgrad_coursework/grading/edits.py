"""How far a wrong formula is from the right one: by how many operands and operators.

Formulas are compared by what they are made of, not by how they are written: sums over ranges are
written out, array formulas are taken cell by cell, and scratch cells give way to what they hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product as each_of
from typing import NamedTuple

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place
from cellgrad_coursework.formulas.evaluate import place_of
from cellgrad_coursework.formulas.tree import Node
from cellgrad_coursework.grading.key import Key
from cellgrad_coursework.grading.world import StudentBook

_FACTORS, _TERMS = ("*", "/"), ("+", "-")
_MANY = 99
_MOST_PARTS = 3000
"""A formula with more parts than this is no slip of the pen."""

_TWO = 2
_ROUNDS = frozenset({"ROUND", "ROUNDUP", "ROUNDDOWN", "TRUNC"})
_WHOLE = frozenset({"SUM", "SUMPRODUCT", "MAX", "MIN", "AVERAGE", "COUNT"})
"""Functions that make one number of whatever they read."""


def corner_of(book: StudentBook, place: Place) -> Place | None:
    """Return where the array formula stands that fills a cell; None for none."""
    entry = book.entry(place)
    if entry is None or not (entry.array or entry.anchor is not None):
        return None
    return place if entry.anchor is None else (place[0], *entry.anchor)


def count_edits(book: StudentBook, slot: int) -> int:
    """Return by how many operands and operators the formula differs from the right one.

    An operand that is dropped or added together with its own operator is one edit:
    ``w-g`` for ``w-LR*g``, but not ``w*g``. So is a range in place of another, ROUND with its
    digits, and a number in place of one that is given.
    """
    place, key = book.where[slot], book.key
    formula = book.formula(place) if place is not None else None
    right = key.formulas[slot]
    if place is None or formula is None or formula.tree is None:
        return _MANY
    if right is None or right.tree is None:
        return _MANY
    corner = corner_of(book, place)
    at = place if corner is None else corner
    start = _Part(formula.tree, "", at, None if corner is None else _step(place, corner))
    try:
        mine = _Reader(book, lambda other: _cell_in(book, other)).parts(start)
        there = _Reader(book, lambda other: _source(key, key.slot_at[other])).parts(
            _Part(right.tree, "", key.places[slot], None)
        )
    except (FormulaError, RecursionError):
        return _MANY
    extra, missing = mine.signs - there.signs, there.signs - mine.signs
    added, dropped = mine.operands - there.operands, there.operands - mine.operands
    of_one_range = _of_one_range(added, mine.ranges)
    most = _exchanged(added, dropped, key.givens)
    if _cells(mine) == 1 < _cells(there) and any(there.operands[each] for each in added):
        most += 1  # one cell that stands for all, such as x * x for x * y, is no slip of the pen
    if added.total() > dropped.total():
        _take_along(added, mine.own, extra)
    else:
        _take_along(dropped, there.own, missing)
    if any(extra[sign] for sign in _TERMS) and any(missing[sign] for sign in _FACTORS):
        return _MANY  # a sum in place of a product is another formula
    return most - max(of_one_range - 1, 0) + max(extra.total(), missing.total())


def _exchanged(added: Counter[object], dropped: Counter[object], givens: int) -> int:
    """Return how many operands stand in place of others, or of nothing.

    A function never stands in place of a cell, nor a number in place of one to be worked out.

    Args:
        added: what only the student's formula has.
        dropped: what only the right one has.
        givens: the number of givens; their slots come first.
    """
    calls, others = _split(added, "call")
    calls_dropped, others_dropped = _split(dropped, "call")
    numbers, _ = _split(added, "number")
    replaceable = _split(dropped, "number")[0] + sum(
        times for operand, times in dropped.items()
        if isinstance(operand, tuple) and operand[0] == "cell" and operand[1] in range(givens)
    )  # fmt: skip
    worked_out = max(min(numbers, others_dropped) - replaceable, 0)
    return max(calls, calls_dropped) + max(others, others_dropped) + worked_out


def _cells(parts: _Parts) -> int:
    """Return how many different cells a formula is made of."""
    return sum(isinstance(each, tuple) and each[0] == "cell" for each in parts.operands)


def _split(operands: Counter[object], kind: str) -> tuple[int, int]:
    """Return how many operands are of a kind, and how many are not."""
    found = sum(
        times for operand, times in operands.items()
        if isinstance(operand, tuple) and operand[0] == kind
    )  # fmt: skip
    return found, operands.total() - found


def _of_one_range(added: Counter[object], ranges: dict[object, Counter[int]]) -> int:
    """Return how many of the operands that were added come from one range."""
    count: Counter[int] = Counter()
    for operand, times in added.items():
        for range_, there in ranges.get(operand, Counter()).items():
            count[range_] += min(times, there)
    return max(count.values(), default=0)


@dataclass(slots=True)
class _Parts:
    """What a formula is made of.

    Attributes:
        operands: cells, numbers, functions.
        signs: operators.
        own: for each operand, the operators that join it to the rest.
        ranges: for each operand, the ranges that it comes from.
    """

    operands: Counter[object] = field(default_factory=Counter)
    signs: Counter[str] = field(default_factory=Counter)
    own: dict[object, set[str]] = field(default_factory=dict)
    ranges: dict[object, Counter[int]] = field(default_factory=dict)


def _take_along(
    operands: Counter[object], own: dict[object, set[str]], signs: Counter[str]
) -> None:
    """Take from the operators those that went, or came, with their operands."""
    for operand in sorted(operands.elements(), key=lambda each: len(own[each])):
        sign = next((sign for sign in sorted(own[operand]) if signs[sign] > 0), None)
        if sign is not None:
            signs[sign] -= 1


class _Part(NamedTuple):
    """A part of a formula.

    Attributes:
        node: the part.
        own: the operator that joins it to the rest.
        at: the cell in which it is written.
        element: which element of it is meant, as row and column from 0; None for its one value.
        range: by number, the range that it comes from; 0 for none.
    """

    node: Node
    own: str
    at: Place
    element: tuple[int, int] | None
    range: int = 0


class _Reader:
    """Takes formulas apart.

    Sums over ranges are written out, and what stands in scratch cells takes their place.

    Args:
        book: the submission.
        cell: what a cell stands for; a node of another formula is taken apart in its place.
    """

    def __init__(self, book: StudentBook, cell: Callable[[Place], object]) -> None:
        self._book, self._cell = book, cell
        self._found, self._stack, self._ranges = _Parts(), list[_Part](), 0

    def parts(self, start: _Part) -> _Parts:
        """Return what a formula is made of; signs of numbers belong to the numbers.

        Raises:
            FormulaError: there are too many parts.
        """
        self._stack.append(start)
        for _ in range(_MOST_PARTS):
            if not self._stack:
                return self._found
            self._take(self._stack.pop())
        raise FormulaError("the formula has too many parts")

    def _take(self, part: _Part) -> None:
        node, kind = part.node, part.node[0]
        if kind == "op":
            self._found.signs[node[1]] += 1
            self._push(part, node[3], node[1])
            self._push(part, node[2], node[1])
        elif kind in ("sign", "percent"):
            number = _number(node)
            if number is not None:
                self._operand(part, ("number", number))
                return
            sign = node[1] if kind == "sign" else "%"
            self._found.signs[sign] += sign != "+"
            self._push(part, node[2] if kind == "sign" else node[1], part.own)
        elif kind == "call":
            self._call(part)
        elif kind == "cell":
            self._reference(part, place_of(node, part.at))
        elif kind == "area" and part.element is not None:
            top, left, height, width = self._area(node, part.at)
            row = top + (part.element[0] if height > 1 else 0)
            column = left + (part.element[1] if width > 1 else 0)
            sheet = part.at[0] if node[1] is None else node[1]
            self._reference(part, (sheet, row, column))
        elif kind == "name" and self._book.named(node[1]) is not None:
            self._push(part._replace(at=(part.at[0], 1, 1)), self._book.named(node[1]), part.own)
        else:
            self._operand(part, node)

    def _push(self, part: _Part, node: Node | None, own: str) -> None:
        if node is not None:
            self._stack.append(part._replace(node=node, own=own))

    def _operand(self, part: _Part, operand: object) -> None:
        self._found.operands[operand] += 1
        self._found.own.setdefault(operand, set()).add(part.own)
        if part.range:
            self._found.ranges.setdefault(operand, Counter())[part.range] += 1

    def _reference(self, part: _Part, place: Place) -> None:
        book, stands = self._book, self._cell(place)
        formula = book.formula(place) if stands == place else None
        if formula is None or formula.tree is None:
            self._operand(part, ("cell", stands) if not _is_number(stands) else stands)
            return
        corner = corner_of(book, place)
        element = None if corner is None else _step(place, corner)
        at = place if corner is None else corner
        self._stack.append(_Part(formula.tree, part.own, at, element, part.range))

    def _area(self, node: Node, at: Place) -> tuple[int, int, int, int]:
        _, top, left, bottom, right = self._book.bounds(node, at)
        return top, left, bottom - top + 1, right - left + 1

    # functions of ranges

    def _call(self, part: _Part) -> None:
        name, args = part.node[1], part.node[2]
        if name in _ROUNDS and len(args) == _TWO and _number(args[1]) is not None:
            self._operand(part, ("call", name))
            self._push(part, args[0], "")
        elif name == "ARRAYFORMULA" and len(args) == 1:
            self._push(part, args[0], part.own)
        elif name == "TRANSPOSE" and len(args) == 1 and part.element is not None:
            row, column = part.element
            self._push(part._replace(element=(column, row)), args[0], part.own)
        elif name == "MMULT" and len(args) == _TWO:
            self._mmult(part, args)
        elif name in ("SUM", "SUMPRODUCT") and args:
            self._sum(part, args, product=name == "SUMPRODUCT")
        else:
            self._operand(part, ("call", name))
            for arg in reversed(args):
                self._push(part, arg, "")

    def _mmult(self, part: _Part, args: tuple[Node, ...]) -> None:
        row, column = part.element or (0, 0)
        _, terms = self._shape(args[0], part.at)
        marks = self._marked(part, args)
        self._join(terms, len(args))
        for n in range(terms):
            self._stack.append(_Part(args[0], "*", part.at, (row, n), marks[0]))
            self._stack.append(_Part(args[1], "*", part.at, (n, column), marks[1]))

    def _sum(self, part: _Part, args: tuple[Node, ...], *, product: bool) -> None:
        shapes = [self._shape(arg, part.at) for arg in args]
        marked = list(zip(args, self._marked(part, args), strict=True))
        groups = [(shapes[0], marked)] if product else [
            (shape, [one]) for shape, one in zip(shapes, marked, strict=True)
        ]  # fmt: skip
        terms = sum(height * width for (height, width), _ in groups)
        factors = len(args) if product else 1
        self._join(terms, factors)
        own = "*" if factors > 1 else "+" if terms > 1 else part.own
        for (height, width), factored in groups:
            for row, column in each_of(range(height), range(width)):
                for arg, mark in factored:
                    self._stack.append(_Part(arg, own, part.at, (row, column), mark))

    def _join(self, terms: int, factors: int) -> None:
        """Count the operators of a sum of products."""
        if terms * factors > _MOST_PARTS:
            raise FormulaError("the formula has too many parts")
        self._found.signs["+"] += terms - 1
        self._found.signs["*"] += terms * (factors - 1)

    def _marked(self, part: _Part, args: tuple[Node, ...]) -> list[int]:
        """Return a number for each argument that is a range of its own."""
        found = []
        for arg in args:
            inner = arg[2][0] if arg[:2] == ("call", "TRANSPOSE") and arg[2] else arg
            self._ranges += 1
            found.append(self._ranges if inner[0] == "area" else part.range)
        return found

    def _shape(self, node: Node, at: Place) -> tuple[int, int]:
        """Return how many rows and columns a part of a formula has."""
        kind = node[0]
        if kind == "area":
            return self._area(node, at)[2:]
        if kind == "name" and (named := self._book.named(node[1])) is not None:
            return self._shape(named, (at[0], 1, 1))
        parts: list[Node] = []
        if kind == "op":
            parts = [node[2], node[3]]
        elif kind in ("sign", "percent"):
            parts = [node[-1]]
        elif kind == "call" and node[1] not in _WHOLE:
            shapes = [self._shape(arg, at) for arg in node[2]]
            if node[1] == "MMULT" and len(shapes) == _TWO:
                return shapes[0][0], shapes[1][1]
            if node[1] == "TRANSPOSE" and shapes:
                return shapes[0][1], shapes[0][0]
            parts = list(node[2])
        sizes = [self._shape(each, at) for each in parts] or [(1, 1)]
        return max(height for height, _ in sizes), max(width for _, width in sizes)


def _step(place: Place, corner: Place) -> tuple[int, int]:
    return place[1] - corner[1], place[2] - corner[2]


def _number(node: Node) -> float | None:
    """Return the number that a node is, with its sign; None for anything else."""
    if node[0] == "number":
        return float(node[1])
    if node[0] not in ("sign", "percent"):
        return None
    inner = _number(node[-1])
    if inner is None:
        return None
    if node[0] == "percent":
        return inner / 100.0
    return -inner if node[1] == "-" else inner


def _is_number(stands: object) -> bool:
    return isinstance(stands, tuple) and stands[:1] == ("number",)


def _cell_in(book: StudentBook, place: Place) -> object:
    """Return what a cell of the submission stands for: a slot, a number, or itself."""
    slot = book.slot_at.get(place)
    if slot is not None:
        return _source(book.key, slot)
    entry = book.entry(place)
    if entry is not None and not entry.formula and isinstance(entry.value, float):
        return ("number", entry.value)
    return place


def _source(key: Key, slot: int) -> int:
    """Return the cell that a copy in the handout copies."""
    while slot >= key.givens and not key.is_graded(slot):
        formula = key.formulas[slot]
        if formula is None or formula.tree is None or formula.tree[0] != "cell":
            break
        slot = key.reads[slot][0]
    return slot
