"""Slips: wrong formulas that are charged once, however often they are repeated.

Forgetting LR in twelve updates is one mistake (``charging`` says of how many mistakes the repeats
are forgiven). Only mistakes are forgiven in this way, not empty gestures: a formula counts as one
if the catalogue names it, or if it is the right one but for a single slip; it must work with
something that the right one works with, and not merely copy one of its values.

How far a formula is from the right one is counted in operands and operators, by what it is made
of and not by how it is written: sums over ranges are written out, array formulas are taken cell
by cell, and scratch cells give way to what they hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product as each_of
from typing import NamedTuple

import numpy as np

from cellgrad.formula.references import place_of
from cellgrad.formula.tree import (
    Area,
    Call,
    Cell,
    Chain,
    Constants,
    FormulaError,
    Name,
    Node,
    Number,
    Percent,
    Signed,
    children,
)
from cellgrad.xlsx.addresses import Place, Range, a1
from cellgrad_coursework.grading.book import StudentBook
from cellgrad_coursework.grading.key import Key, Values, equal
from cellgrad_coursework.grading.world import transplanted

_FACTORS, _TERMS = ("*", "/"), ("+", "-")
_MANY = 99
_MOST_PARTS = 3000
"""A formula with more parts than this is no slip of the pen."""

_ROUNDS = frozenset({"ROUND", "ROUNDUP", "ROUNDDOWN", "TRUNC"})


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
    try:
        start = _part_in(book, place, formula.tree)
        mine = _Reader(book, lambda other: _cell_in(book, other)).parts(start)
        there = _Reader(book, lambda other: _Source(_source(key, key.slot_at[other]))).parts(
            _Part(right.tree, "", key.places[slot], None)
        )
    except FormulaError:
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
    calls, others = _split(added, _Function)
    calls_dropped, others_dropped = _split(dropped, _Function)
    numbers, _ = _split(added, Number)
    replaceable = _split(dropped, Number)[0] + sum(
        times
        for operand, times in dropped.items()
        if isinstance(operand, _Source) and operand.slot in range(givens)
    )
    worked_out = max(min(numbers, others_dropped) - replaceable, 0)
    return max(calls, calls_dropped) + max(others, others_dropped) + worked_out


def _cells(parts: _Parts) -> int:
    """Return how many different cells a formula is made of."""
    return sum(isinstance(each, _Source) for each in parts.operands)


def _split(operands: Counter[object], kind: type) -> tuple[int, int]:
    """Return how many operands are of a kind, and how many are not."""
    count = sum(times for operand, times in operands.items() if isinstance(operand, kind))
    return count, operands.total() - count


def _of_one_range(added: Counter[object], ranges: dict[object, Counter[int]]) -> int:
    """Return how many of the operands that were added come from one range."""
    count: Counter[int] = Counter()
    for operand, times in added.items():
        for range_, there in ranges.get(operand, Counter()).items():
            count[range_] += min(times, there)
    return max(count.values(), default=0)


@dataclass(frozen=True, slots=True)
class _Source:
    """An operand that is a cell: by its slot in the key, or by its place."""

    slot: int | Place


@dataclass(frozen=True, slots=True)
class _Function:
    """An operand that is a function."""

    name: str


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


def _part_in(book: StudentBook, place: Place, tree: Node, own: str = "", range_: int = 0) -> _Part:
    """Return the formula of a cell, or the element that an array formula has there."""
    corner = corner_of(book, place)
    if corner is None:
        return _Part(tree, own, place, None, range_)
    return _Part(tree, own, corner, (place[1] - corner[1], place[2] - corner[2]), range_)


class _Reader:
    """Takes formulas apart.

    Sums over ranges are written out, and what stands in scratch cells takes their place.

    Args:
        book: the submission.
        stands_for: what a cell stands for: a number, or the cell that it copies; a formula in a
            cell that stands for itself is taken apart in its place.
    """

    def __init__(self, book: StudentBook, stands_for: Callable[[Place], _Source | Number]) -> None:
        self._book, self._stands_for = book, stands_for
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
        number = _number(part.node)
        if number is not None:
            self._operand(part, Number(number))
            return
        match part.node:
            case Chain(first, links):
                self._found.signs.update(sign for sign, _ in links)
                for sign, operand in reversed(links):
                    self._push(part, operand, sign)
                self._push(part, first, links[0].sign)
            case Signed(sign, operand):
                self._found.signs[sign] += sign != "+"
                self._push(part, operand, part.own)
            case Percent(operand):
                self._found.signs["%"] += 1
                self._push(part, operand, part.own)
            case Call(name, args):
                self._call(part, name, args)
            case Cell():
                self._reference(part, place_of(part.node, part.at))
            case Area() if part.element is not None:
                self._reference(part, _element(self._book.bounds(part.node, part.at), part.element))
            case Name(name) if (named := self._book.named(name)) is not None:
                self._push(part._replace(at=(part.at[0], 0, 0)), named, part.own)
            case _:
                self._operand(part, part.node)

    def _push(self, part: _Part, node: Node, own: str) -> None:
        self._stack.append(part._replace(node=node, own=own))

    def _operand(self, part: _Part, operand: object) -> None:
        self._found.operands[operand] += 1
        self._found.own.setdefault(operand, set()).add(part.own)
        if part.range:
            self._found.ranges.setdefault(operand, Counter())[part.range] += 1

    def _reference(self, part: _Part, place: Place) -> None:
        book, stands = self._book, self._stands_for(place)
        formula = book.formula(place) if stands == _Source(place) else None
        if formula is None or formula.tree is None:
            self._operand(part, stands)
            return
        self._stack.append(_part_in(book, place, formula.tree, part.own, part.range))

    # functions of ranges

    def _call(self, part: _Part, name: str, args: tuple[Node, ...]) -> None:
        if name in _ROUNDS and len(args) == 2 and _number(args[1]) is not None:
            self._operand(part, _Function(name))
            self._push(part, args[0], "")
        elif name == "ARRAYFORMULA" and len(args) == 1:
            self._push(part, args[0], part.own)
        elif name == "TRANSPOSE" and len(args) == 1 and part.element is not None:
            row, column = part.element
            self._push(part._replace(element=(column, row)), args[0], part.own)
        elif name == "MMULT" and len(args) == 2:
            self._mmult(part, args)
        elif name in ("SUM", "SUMPRODUCT") and args:
            self._sum(part, args, product=name == "SUMPRODUCT")
        else:
            self._operand(part, _Function(name))
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
        marks = []
        for arg in args:
            inner = arg
            if isinstance(arg, Call) and arg.name == "TRANSPOSE" and arg.args:
                inner = arg.args[0]
            self._ranges += 1
            marks.append(self._ranges if isinstance(inner, Area) else part.range)
        return marks

    def _shape(self, node: Node, at: Place) -> tuple[int, int]:
        """Return how many rows and columns a part of a formula has."""
        match node:
            case Area():
                area = self._book.bounds(node, at)
                return area.height, area.width
            case Name(name) if (named := self._book.named(name)) is not None:
                return self._shape(named, (at[0], 0, 0))
            case Constants() | Call("SUM" | "SUMPRODUCT" | "MAX" | "MIN" | "AVERAGE" | "COUNT"):
                return 1, 1  # one number of whatever is read
        shapes = [self._shape(part, at) for part in children(node)] or [(1, 1)]
        match node:
            case Call("MMULT", (_, _)):
                return shapes[0][0], shapes[1][1]
            case Call("TRANSPOSE", (_, *_)):
                return shapes[0][1], shapes[0][0]
        return max(height for height, _ in shapes), max(width for _, width in shapes)


def _element(area: Range, element: tuple[int, int]) -> Place:
    """Return a cell of a rectangle; one row or column serves for all."""
    row, column = element
    return (
        area.sheet,
        area.top + (row if area.height > 1 else 0),
        area.left + (column if area.width > 1 else 0),
    )


def _number(node: Node) -> float | None:
    """Return the number that a node is, with its sign; None for anything else."""
    match node:
        case Number(value):
            return value
        case Percent(operand):
            inner = _number(operand)
            return None if inner is None else inner / 100.0
        case Signed(sign, operand):
            inner = _number(operand)
            return inner if inner is None or sign == "+" else -inner
    return None


def _cell_in(book: StudentBook, place: Place) -> _Source | Number:
    """Return what a cell of the submission stands for: a slot, a number, or itself."""
    slot = book.slot_at.get(place)
    if slot is not None:
        return _Source(_source(book.key, slot))
    entry = book.entry(place)
    if entry is not None and not entry.formula and isinstance(entry.value, float):
        return Number(entry.value)
    return _Source(place)


def _source(key: Key, slot: int) -> int:
    """Return the cell that a copy in the handout copies."""
    while slot >= key.givens and not key.is_graded(slot):
        formula = key.formulas[slot]
        if formula is None or not isinstance(formula.tree, Cell):
            break
        slot = key.reads[slot][0]
    return slot


_STEP = 2.0**-6


def pattern(book: StudentBook, slot: int) -> str:
    """Return the student's formula in a slot as text, relative to its cell; empty for none."""
    place = book.where[slot]
    formula = book.formula(place) if place is not None else None
    return formula.text if formula is not None else ""


def filled_with(book: StudentBook, slot: int) -> str:
    """Return where the array formula stands that fills a slot; empty for none."""
    place = book.where[slot]
    corner = corner_of(book, place) if place is not None else None
    return "" if corner is None else f"{corner[0]}!{a1(corner[1], corner[2])}"


def is_slip(
    book: StudentBook,
    slot: int,
    values: Values,
    made: Values,
    *,
    known: bool,
    besides: int = 0,
) -> bool:
    """Tell whether a wrong formula is a mistake that is charged only once.

    Args:
        book: the submission.
        slot: the cell.
        values: the key's values.
        made: what the formula makes of them.
        known: whether the mistake is known as one: the catalogue names it, or it is one in
            another cell that the same array formula fills.
        besides: how many edits are no slip: those that a convention makes.
    """
    if not np.isfinite(made).any():
        return False
    key = book.key
    if any(equal(made, values[other]).all() for other in key.reads[slot]):
        return False  # a mere copy, such as an unchanged weight
    if not known and count_edits(book, slot) > 1 + besides:
        return False
    if _feels(book, slot, values, made, set(key.reads[slot])):
        return True
    if not known:
        return False
    # the same arithmetic with something earlier, such as S_preA in place of S_postA
    before = {other for other in range(key.slots) if key.before[slot] >> other & 1}
    copies = any(equal(made, values[other]).all() for other in before)
    return not copies and _feels(book, slot, values, made, before)


def _feels(book: StudentBook, slot: int, values: Values, made: Values, others: set[int]) -> bool:
    """Tell whether a formula's value depends on one of some slots."""
    key, moved = book.key, values.copy()
    sources = key.sources(others)  # what the handout computes moves with what it reads
    for n, other in enumerate(sorted(sources)):  # by different steps: a - a stays what it is
        moved[other] = moved[other] + _STEP * (1.0 + n / 7.0)
    for copied in key.order:
        if not key.is_graded(copied) and any(key.before[copied] >> o & 1 for o in sources):
            moved[copied] = key.over(copied, moved)
    try:
        moved_too = transplanted(book, slot, moved)
    except FormulaError:
        return False
    with np.errstate(all="ignore"):
        change = np.abs(moved_too - made)
    return bool((change[:-1] > 1e-6 * _STEP).any())  # on the draws: the real givens are known
