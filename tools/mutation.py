"""Mutants of workbook formulas: how they are made, which are equivalent, and what verify says.

Formulas are changed as trees. Whether a mutant is equivalent is decided by algebra, never
by its being missed: both formulas are followed down to the givens and computed at random
points of a large prime field, EXP and its like standing for unknown functions there. Two
formulas that agree at every such point are the same function of the givens.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Self
from unittest.mock import patch

from cellgrad import described as describing
from cellgrad.described import Described
from cellgrad.engines import failures_of
from cellgrad.engines.formualizer import FormualizerEngine
from cellgrad.errors import WorkbookError
from cellgrad.formula import tree as typed
from cellgrad.formula.parse import parse as parse_formula
from cellgrad.formula.references import range_of
from cellgrad.verify.result import Report
from cellgrad.verify.verifier import DRAWS, Verifier
from cellgrad.xlsx.addresses import Place, Range, a1
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.sheet import SheetCells

# trees of single operations, which is what mutants change

Node = tuple
"""``("number", x)``, ``("text", s)``, ``("cells", Range)``, ``("op", sign, left, right)``,
``("sign", sign, operand)``, ``("call", name, args)``."""


def parse(formula: str, sheet: str) -> Node:
    """Return a formula that stands on a sheet, its chains taken apart into operations."""
    return _apart(parse_formula(formula), sheet)


def _apart(node: typed.Node, sheet: str) -> Node:
    match node:
        case typed.Number(value):
            return ("number", value)
        case typed.Text(value):
            return ("text", value)
        case typed.Cell() | typed.Area():
            return ("cells", range_of(node, (sheet, 0, 0)))
        case typed.Signed(sign, operand):
            return ("sign", sign, _apart(operand, sheet))
        case typed.Call(name, args):
            return ("call", name, tuple(_apart(arg, sheet) for arg in args))
        case typed.Chain(first, links):
            left = _apart(first, sheet)
            for sign, right in links:
                left = ("op", sign, left, _apart(right, sheet))
            return left
    raise typed.FormulaError(f"{node} stands in no formula of ours")


def together(node: Node) -> typed.Node:
    """Return the same as a tree of the package's."""
    kind = node[0]
    if kind == "number":
        return typed.Number(node[1])
    if kind == "text":
        return typed.Text(node[1])
    if kind == "cells":
        sheet, *sides = node[1]
        top, left, bottom, right = (typed.Axis(False, side) for side in sides)
        if (top, left) == (bottom, right):
            return typed.Cell(sheet, top, left)
        return typed.Area(sheet, top, left, bottom, right)
    if kind == "sign":
        return typed.Signed(node[1], together(node[2]))
    if kind == "call":
        return typed.Call(node[1], tuple(together(arg) for arg in node[2]))
    link, first = typed.Link(node[1], together(node[3])), together(node[2])
    if isinstance(first, typed.Chain) and _RANK[first.links[0].sign] == _RANK[node[1]]:
        return typed.Chain(first.first, (*first.links, link))
    return typed.Chain(first, (link,))


def tree_of(book: Book, sheet: str, formula: str) -> Node:
    """Return the tree of a formula of a workbook, parsed once."""
    key = (sheet, formula)
    if key not in book.trees:
        book.trees[key] = parse(formula, sheet)
    return book.trees[key]


def references(node: Node) -> Iterator[Range]:
    """Yield every range that a formula reads."""
    if node[0] == "cells":
        yield node[1]
    for part in node[2] if node[0] == "call" else node[2:]:
        yield from references(part)


# trees to texts

_RANK = {"=": 0, "<>": 0, "<": 0, ">": 0, "<=": 0, ">=": 0, "&": 1, "+": 2, "-": 2, "*": 3, "/": 3}
_UNARY, _ATOM = 5, 9


def render(node: Node, sheet: str) -> str:
    """Write a tree as a formula that stands on a sheet."""
    return _render(node, sheet)[0]


def _render(node: Node, sheet: str) -> tuple[str, int]:
    kind = node[0]
    if kind == "number":
        text = f"{node[1]:.17g}"
        return (text, _UNARY if text.startswith("-") else _ATOM)
    if kind == "text":
        return '"' + node[1].replace('"', '""') + '"', _ATOM
    if kind == "cells":
        area: Range = node[1]
        return (area.address if area.sheet == sheet else f"{area.sheet}!{area.address}"), _ATOM
    if kind == "sign":
        return node[1] + _wrapped(node[2], sheet, _ATOM), _UNARY
    if kind == "call":
        return f"{node[1]}({','.join(render(arg, sheet) for arg in node[2])})", _ATOM
    rank = _RANK[node[1]]
    return _wrapped(node[2], sheet, rank) + node[1] + _wrapped(node[3], sheet, rank + 1), rank


def _wrapped(node: Node, sheet: str, least: int) -> str:
    text, rank = _render(node, sheet)
    return text if rank >= least else f"({text})"


# operators


@dataclass(frozen=True, slots=True)
class Mutant:
    """One formula cell, changed.

    Attributes:
        place: which cell.
        operator: the name of the change.
        formula: what stands there instead; None where a constant does.
        constant: that constant.
    """

    place: Place
    operator: str
    formula: str | None
    constant: float | str | None = None

    @property
    def cell(self) -> str:
        """The cell as people write it."""
        return f"{self.place[0]}!{a1(*self.place[1:])}"

    def __str__(self) -> str:
        held = repr(self.constant) if self.formula is None else f"={self.formula}"
        return f"{self.cell} {self.operator}: {held}"


_SWAPS = {"*": "/", "/": "*", "+": "*"}
_TURNED = {">": "<", "<": ">", ">=": "<", "<=": ">", "=": "<>", "<>": "="}
_OTHER_SIDE = {">": ">=", ">=": ">"}
_SHIFTS = (
    ("row shifted", 1, 0), ("row shifted", -1, 0),
    ("column shifted", 0, 1), ("column shifted", 0, -1),
)  # fmt: skip
OPERATORS = (
    "sign flipped", "row shifted", "column shifted", "part dropped", "operator swapped",
    "comparison turned", "kink moved",
    "constant cell", "own value", "constant added", "old and new exchanged",
)  # fmt: skip


def _at_each_node(node: Node, change) -> Iterator[tuple[str, Node]]:
    """Yield (operator, tree) for every change of every node, one at a time."""
    yield from change(node)
    kind = node[0]
    if kind == "op":
        for name, left in _at_each_node(node[2], change):
            yield name, ("op", node[1], left, node[3])
        for name, right in _at_each_node(node[3], change):
            yield name, ("op", node[1], node[2], right)
    elif kind == "sign":
        for name, inner in _at_each_node(node[2], change):
            yield name, ("sign", node[1], inner)
    elif kind == "call":
        for n, arg in enumerate(node[2]):
            for name, changed in _at_each_node(arg, change):
                yield name, ("call", node[1], (*node[2][:n], changed, *node[2][n + 1 :]))


def _changes_of(node: Node, renewed: dict[Place, Place]) -> Iterator[tuple[str, Node]]:
    """Yield the changes of one node."""
    if node[0] == "op":
        yield from _operations(*node[1:])
    elif node[0] == "sign":
        yield "sign flipped", node[2]
    elif node[0] == "cells":
        yield from _references(node[1], renewed)


def _operations(sign: str, left: Node, right: Node) -> Iterator[tuple[str, Node]]:
    if sign in "+-":
        yield "sign flipped", ("op", "-" if sign == "+" else "+", left, right)
    if sign in "+-*/&":
        yield "part dropped", left
        yield "part dropped", ("sign", "-", right) if sign == "-" else right
    if sign in _SWAPS:
        yield "operator swapped", ("op", _SWAPS[sign], left, right)
    if sign in _TURNED:
        yield "comparison turned", ("op", _TURNED[sign], left, right)
    if sign in _OTHER_SIDE and right == ("number", 0.0):
        yield "kink moved", ("op", _OTHER_SIDE[sign], left, right)


def _references(area: Range, renewed: dict[Place, Place]) -> Iterator[tuple[str, Node]]:
    for name, down, across in _SHIFTS:
        top, left = area.top + down, area.left + across
        if top >= 1 and left >= 1:
            bottom, right = area.bottom + down, area.right + across
            yield name, ("cells", Range(area.sheet, top, left, bottom, right))
    other = renewed.get((area.sheet, area.top, area.left))
    if other is not None:
        yield "old and new exchanged", ("cells", Range(*other, *other[1:]))


def mutants_of(
    place: Place, formula: str, value: object, book: Book, renewed: dict[Place, Place]
) -> list[Mutant]:
    """Return every mutant of one formula cell, each once.

    Args:
        place: the cell.
        formula: what stands there.
        value: what it computes.
        book: the workbook.
        renewed: for the cell of every old weight or bias its new one, and back.
    """
    sheet = place[0]
    tree = parse(formula, sheet)
    own = render(tree, sheet)
    found = [(name, render(changed, sheet)) for name, changed in
             _at_each_node(tree, lambda node: _changes_of(node, renewed))]  # fmt: skip
    if isinstance(value, float):
        found.append(("sign flipped", render(("sign", "-", tree), sheet)))
        found.append(("constant added", render(("op", "+", tree, ("number", 0.001)), sheet)))
        found.append(("own value", f"{value:.17g}"))
    else:
        quoted = str(value).replace('"', '""')
        found.append(("constant added", render(("op", "&", tree, ("text", "x")), sheet)))
        found.append(("own value", f'"{quoted}"'))
    result = [Mutant(place, "constant cell", None, value)]
    seen = {own}
    for name, text in found:
        if text not in seen:
            seen.add(text)
            result.append(Mutant(place, name, text))
    return result


# equivalence

_IDLE = re.compile(r'[+-]0(?![\d.])|""&')
_PRIME = (1 << 61) - 1
_POINTS = 64


class _Broken(Exception):  # noqa: N818 - a signal, no error
    """An error value."""


def _number(x: float) -> int:
    exact = Fraction(x)
    return exact.numerator * pow(exact.denominator, -1, _PRIME) % _PRIME


class _Point:
    """All cells at one random point of the field; MAX, EXP, … are unknown functions there."""

    def __init__(self, algebra: Algebra, number: int) -> None:
        self.algebra, self.number = algebra, number
        self.known: dict[Place, object] = {}

    def oracle(self, *what: object) -> int:
        """Return the same random element for the same question."""
        digest = hashlib.blake2b(repr((self.number, what)).encode(), digest_size=16).digest()
        return int.from_bytes(digest) % _PRIME

    def cell(self, place: Place) -> object:
        if place not in self.known:
            self.known[place] = self._cell(place)
        return self.known[place]

    def _cell(self, place: Place) -> object:
        algebra = self.algebra
        if place in algebra.free:
            return self.oracle("given", place)
        formula = algebra.formula(place)
        if formula is not None:
            return self.value(tree_of(algebra.book, place[0], formula))
        sheet = algebra.book.sheets.get(place[0], SheetCells())
        held = sheet.values.get(place[1:])
        if isinstance(held, float):
            return _number(held)
        return held if held is None else ("text", (str(held),))

    def value(self, node: Node) -> object:
        """Return a field element, a text with numbers in it, None, or ``("error",)``."""
        try:
            return self._value(node)
        except _Broken:
            return ("error",)

    def _value(self, node: Node) -> object:
        kind = node[0]
        if kind == "number":
            return _number(node[1])
        if kind == "text":
            return ("text", (node[1],) if node[1] else ())
        if kind == "cells":
            area: Range = node[1]
            held = self.cell((area.sheet, area.top, area.left))
            if held == ("error",):
                raise _Broken
            return held
        if kind == "sign":
            return -self._count(node[2]) % _PRIME
        if kind == "call":
            return self._call(node[1], node[2])
        return self._operation(node[1], node[2], node[3])

    def _count(self, node: Node) -> int:
        value = self._value(node)
        if value is None:
            return 0
        if isinstance(value, int):
            return value
        return self._read_as_number(*value[1])

    @staticmethod
    def _read_as_number(*pieces: object) -> int:
        """A text of one number counts as that number."""
        if len(pieces) == 1 and isinstance(pieces[0], int):
            return pieces[0]
        with contextlib.suppress(ValueError, IndexError, TypeError):
            return _number(float(pieces[0]))
        raise _Broken

    def _operation(self, sign: str, left: Node, right: Node) -> object:
        if sign == "&":
            return self._joined(self._value(left), self._value(right))
        if sign in _TURNED:
            return self.oracle(sign, self._plain(left), self._plain(right))
        a, b = self._count(left), self._count(right)
        if sign == "+":
            return (a + b) % _PRIME
        if sign == "-":
            return (a - b) % _PRIME
        if sign == "*":
            return a * b % _PRIME
        if b == 0:
            raise _Broken
        return a * pow(b, -1, _PRIME) % _PRIME

    def _plain(self, node: Node) -> object:
        value = self._value(node)
        return ("text", ()) if value is None else value

    @staticmethod
    def _joined(*values: object) -> object:
        pieces: list[object] = []
        for value in values:
            more = () if value is None else ((value,) if isinstance(value, int) else value[1])
            for piece in more:
                if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
                    pieces[-1] += piece
                else:
                    pieces.append(piece)
        return ("text", tuple(pieces))

    def _call(self, name: str, args: tuple[Node, ...]) -> object:
        if name == "IF":
            return self._value(args[1 if self._count(args[0]) & 1 else 2])
        values = [self._count(arg) for arg in args]
        if name == "ROUND" and values[0] in (0, 1):
            return values[0]  # however many decimals, 0 or more, are asked for
        if name == "MAX":
            values.sort()
        return self.oracle(name, *values)


class Algebra:
    """Decides whether a formula is the same function of the givens as the cell's own.

    Args:
        described: the workbook as it should be.
    """

    def __init__(self, described: Described) -> None:
        self.book = described.book
        self.free = {
            (area.sheet, row, column)
            for claim in described.claims
            for area in [claim.cells]
            for row in range(area.top, area.bottom + 1)
            for column in range(area.left, area.right + 1)
            if claim.kind in ("given", "answer")
        }
        self._points = [_Point(self, n) for n in range(_POINTS)]
        self._known: dict[Place, int] = {}
        self._numbers: dict[Place, int] = {}
        self._bits: dict[Mutant, tuple[int, int]] = {}

    def formula(self, place: Place) -> str | None:
        """Return the formula of a cell."""
        sheet = self.book.sheets.get(place[0])
        return None if sheet is None else sheet.formulas.get(place[1:])

    def _below(self, place: Place) -> int:
        """Return every formula cell that a cell reads, itself included, as bits."""
        if place not in self._known:
            text = self.formula(place)
            own = 0 if text is None else 1 << self._numbers.setdefault(place, len(self._numbers))
            read = 0 if text is None else self._read_by(tree_of(self.book, place[0], text))
            self._known[place] = own | read
        return self._known[place]

    def _read_by(self, tree: Node) -> int:
        found = 0
        for area in references(tree):
            for row in range(area.top, area.bottom + 1):
                for column in range(area.left, area.right + 1):
                    found |= self._below((area.sheet, row, column))
        return found

    def bits(self, mutant: Mutant) -> tuple[int, int]:
        """Return the cell's own bit, and the bits of every formula cell that the mutant reads."""
        if mutant not in self._bits:
            self._below(mutant.place)
            read = 0 if mutant.formula is None else self._read_by(self._tree(mutant))
            self._bits[mutant] = 1 << self._numbers[mutant.place], read
        return self._bits[mutant]

    def _tree(self, mutant: Mutant) -> Node:
        return parse(mutant.formula, mutant.place[0])

    def depth(self, place: Place) -> int:
        """Return how many formula cells a cell reads, directly and through others."""
        return self._below(place).bit_count()

    def circular(self, mutant: Mutant) -> bool:
        """Tell whether a mutant reads itself."""
        own, reads = self.bits(mutant)
        return bool(own & reads)

    def equivalent(self, mutant: Mutant) -> str | None:
        """Return why a mutant changes nothing, or None if it changes something."""
        if mutant.formula is None or self.circular(mutant):
            return None
        tree = self._tree(mutant)
        if mutant.operator == "kink moved":
            return self._meet_at_zero(tree)
        for point in self._points:
            value = point.value(tree)
            if value == ("error",) or value != point.cell(mutant.place):
                return None
        return self._reason(mutant, tree)

    def _meet_at_zero(self, tree: Node) -> str | None:
        """Both branches of IF(x > 0, …, …) are the same at x = 0, where alone it matters."""
        if tree[:2] != ("call", "IF"):
            return None
        condition, above, below = tree[2]
        area: Range = condition[2][1]
        for number in range(_POINTS):
            point = _Point(self, number)
            point.known[area.sheet, area.top, area.left] = 0
            if point.value(above) != point.value(below):
                return None
        return "both branches are the same at 0"

    def _reason(self, mutant: Mutant, tree: Node) -> str:
        own = tree_of(self.book, mutant.place[0], self.formula(mutant.place))
        pairs = [
            (one, other)
            for one, other in zip(references(own), references(tree), strict=False)
            if one != other
        ]
        if "shifted" in mutant.operator and len(pairs) == 1:
            one, other = ((area.sheet, area.top, area.left) for area in pairs[0])
            if all(point.cell(one) == point.cell(other) for point in self._points):
                return "the other cell holds the same function of the givens"
        texts = (render(node, mutant.place[0]) for node in (own, tree))
        if len({_IDLE.sub("", text) for text in texts}) == 1:
            return "adding 0, or joining an empty text, only decides how −0 is shown"
        return "the same function of the givens by algebra"


# verifying


class _Changed:
    """An engine that already has the workbook open, with mutants in it."""

    name = FormualizerEngine.name
    arithmetic = FormualizerEngine.arithmetic

    def __init__(self, bench: Bench, mutants: Sequence[Mutant]) -> None:
        self.bench, self.mutants = bench, mutants

    def version(self) -> str:
        return "in process"

    def open(self, path: Path) -> Self:
        with failures_of(self.name, path, "load"):
            self.bench.set(self.mutants)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bench.restore(self.mutants)

    def read(self, ranges):
        return self.bench.opened.read(ranges)

    def read_values(self, ranges):
        return self.bench.opened.read_values(ranges)

    def update(self, changes) -> None:
        self.bench.touched = True
        self.bench.opened.update(changes)


class Bench:
    """One workbook on which mutants are tried.

    Its stored values are left out: they would give away almost every mutant. Mutants of
    which none reads another, directly or through other cells, are tried together: then each
    of them computes what it would compute alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = FormualizerEngine()
        self.book = _without_stored_values(read_book(path))
        self.described = self._describe(self.book)
        self._load()
        self.renewed = _renewed(self.described)
        givens = [
            claim.cells for claim in self.described.claims if claim.kind in ("given", "answer")
        ]
        self.original = list(zip(givens, self.opened.read(givens), strict=True))
        self.values = {
            place: self.opened.read([Range(place[0], *place[1:], *place[1:])])[0][0][0]
            for place in self.places()
        }
        self.algebra = Algebra(self.described)

    def _load(self) -> None:
        self.opened = self.engine.open(self.path)
        self.touched = False

    def _describe(self, book: Book) -> Described:
        with patch.object(describing, "read_book", lambda _: book):
            return describing.describe(self.path)

    def places(self, sheet: str | None = None) -> list[Place]:
        """Return every formula cell, or every one of a sheet."""
        return [
            (name, row, column)
            for name, cells in self.book.sheets.items()
            for row, column in cells.formulas
            if sheet in (None, name)
        ]

    def mutants(self, sheet: str | None = None) -> list[Mutant]:
        """Return the mutants of every formula cell, or of every one of a sheet."""
        return [
            mutant
            for place in self.places(sheet)
            for mutant in mutants_of(
                place, self.algebra.formula(place), self.values[place], self.book, self.renewed
            )
        ]

    def set(self, mutants: Sequence[Mutant]) -> None:
        """Put mutants into the open workbook."""
        workbook = self.opened._workbook
        for mutant in mutants:
            if mutant.formula is None:
                workbook.set_value(*mutant.place, mutant.constant)
            else:
                workbook.set_formula(*mutant.place, f"={mutant.formula}")
        workbook.evaluate_all()

    def restore(self, mutants: Sequence[Mutant]) -> None:
        """Put the formulas and the givens back."""
        for mutant in mutants:
            own = self.algebra.formula(mutant.place)
            self.opened._workbook.set_formula(*mutant.place, f"={own}")
        if self.touched:
            self.opened.update(self.original)
            self.touched = False

    def mutated(self, mutants: Sequence[Mutant]) -> Described:
        """Return what describe makes of the workbook with these mutants in it."""
        sheets = {
            name: SheetCells(dict(cells.values), dict(cells.formulas))
            for name, cells in self.book.sheets.items()
        }
        for mutant in mutants:
            cells, at = sheets[mutant.place[0]], mutant.place[1:]
            if mutant.formula is None:
                del cells.formulas[at]
                cells.values[at] = mutant.constant
            else:
                cells.formulas[at] = mutant.formula
        trees = dict(self.book.trees)
        return self._describe(Book(self.path, sheets, self.book.names, trees))

    def report(self, mutants: Sequence[Mutant], **options: object) -> Report:
        """Verify the workbook with these mutants in it.

        Raises:
            WorkbookError: a mutant runs in a circle.
        """
        return Verifier(self.mutated(mutants), _Changed(self, mutants), **options).run()

    def named(self, mutants: Sequence[Mutant], **options: object) -> set[str]:
        """Return the cells that verify names, as ``Step!B5``."""
        try:
            found = self.report(mutants, **options).mismatches
        except WorkbookError as error:
            self._load()
            circle = "a circular reference: "
            if not error.problem.startswith(circle):
                raise
            return set(error.problem.removeprefix(circle).split(" → "))
        return {f"{item.sheet}!{item.cell}" for item in found}

    def score(self, mutants: Sequence[Mutant]) -> Score:
        """Try mutants: first with the file's own givens only, and with redraws what is left.

        What then is left, and what runs in a circle, is tried alone.
        """
        score = Score(self.path.stem, list(mutants))
        alone = [mutant for mutant in mutants if self.algebra.circular(mutant)]
        left = [mutant for mutant in mutants if not self.algebra.circular(mutant)]
        for draws in (0, DRAWS):
            rest = []
            for batch in self._batches(left):
                named = self.named(batch, draws=draws, max_draws=draws)
                rest += [mutant for mutant in batch if mutant.cell not in named]
            left = rest
        for mutant in left:
            reason = self.algebra.equivalent(mutant)
            if reason is None:
                alone.append(mutant)
            else:
                score.equivalent[mutant] = reason
        score.survivors = [m for m in alone if m.cell not in self.named([m], stop_at_first=True)]
        return score

    def _batches(self, mutants: Sequence[Mutant]) -> list[list[Mutant]]:
        """Share mutants among batches in which no cell reads another."""
        batches: list[_Batch] = []
        for mutant in sorted(mutants, key=lambda m: self.algebra.depth(m.place)):
            own, reads = self.algebra.bits(mutant)
            for batch in batches:
                if not (own & batch.read or reads & batch.own or own & batch.own):
                    break
            else:
                batch = _Batch()
                batches.append(batch)
            batch.mutants.append(mutant)
            batch.own |= own
            batch.read |= reads
        return [batch.mutants for batch in batches]


@dataclass(slots=True)
class _Batch:
    mutants: list[Mutant] = field(default_factory=list)
    own: int = 0
    read: int = 0


def _without_stored_values(book: Book) -> Book:
    sheets = {
        name: replace(
            cells, values={at: v for at, v in cells.values.items() if at not in cells.formulas}
        )
        for name, cells in book.sheets.items()
    }
    return replace(book, sheets=sheets)


def _renewed(described: Described) -> dict[Place, Place]:
    """Return for the cell of every old weight or bias its new one, and back."""
    at: dict[tuple[object, ...], Place] = {}
    for claim in described.claims:
        cells = claim.cells
        for r in range(cells.height):
            for c in range(cells.width):
                key = (*claim.key, claim.rule.index(r, c))
                at[key] = (cells.sheet, cells.top + r, cells.left + c)
    found = {}
    for (name, layer, index), place in at.items():
        new = at.get((f"new_{name}", layer, index))
        if name in ("weights", "biases") and new is not None:
            found[place], found[new] = new, place
    return found


# what came of it


@dataclass(slots=True)
class Score:
    """What verify said of the mutants of one workbook.

    Attributes:
        workbook: its name.
        mutants: all of them.
        equivalent: those that change nothing, and why.
        survivors: those that change something, and that verify did not name.
    """

    workbook: str
    mutants: list[Mutant]
    equivalent: dict[Mutant, str] = field(default_factory=dict)
    survivors: list[Mutant] = field(default_factory=list)

    def table(self) -> str:
        """Return operators, and how many mutants were made, named and equivalent."""
        every = Counter(mutant.operator for mutant in self.mutants)
        same = Counter(mutant.operator for mutant in self.equivalent)
        missed = Counter(mutant.operator for mutant in self.survivors)
        lines = [f"{self.workbook:28} {'mutants':>8} {'named':>8} {'equivalent':>11} {'missed':>7}"]
        for name in (*OPERATORS, "all"):
            made, equal, left = (
                count.total() if name == "all" else count[name] for count in (every, same, missed)
            )
            lines.append(f"  {name:26} {made:8,} {made - equal - left:8,} {equal:11,} {left:7,}")
        reasons = Counter((mutant.operator, why) for mutant, why in self.equivalent.items())
        for (name, why), count in sorted(reasons.items()):
            example = next(
                m for m, reason in self.equivalent.items() if (m.operator, reason) == (name, why)
            )
            lines.append(f"  equivalent, {count:,} × {name}: {why}, such as {example}"[:200])
        lines += [f"  missed: {mutant}" for mutant in self.survivors]
        return "\n".join(lines)
