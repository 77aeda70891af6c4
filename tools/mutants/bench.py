"""All mutants of one workbook, and what prove says of each.

Cells whose formulas and neighbours read alike, seen from blocks of one pattern, are judged
once. Mutants that read themselves are refused by ``prove`` as circular references.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from cellgrad.described import describe
from cellgrad.formula.references import names_of, precedents
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, Range, a1
from cellgrad.xlsx.book import read_book
from cellgrad_proof.proof.declared import Block
from cellgrad_proof.proof.parts import create_part
from cellgrad_proof.proof.parts.part import Atlas, Part
from cellgrad_proof.proof.terms import ELSEWHERE, ONE, ZERO, Role, Term, number, term_of
from mutants.changes import CONSTANT, OWN, Change, changes, choices_of
from mutants.judge import MISSED, REFUTED, TESTED, Judge
from mutation import Node, references, render, together, tree_of

CAUGHT, EQUAL = "caught", "equal"


class Cell(NamedTuple):
    """A formula cell in its block.

    Attributes:
        place: where.
        role: what it is there.
        part: the part.
        judge: of its pattern.
        resolve: what a cell stands for, seen from this block.
    """

    place: Place
    role: Role
    part: Part
    judge: Judge
    resolve: Callable[[Place], Term]


class Outcome(NamedTuple):
    """What became of one change in every cell that is alike.

    Attributes:
        change: the change.
        verdict: CAUGHT, EQUAL or MISSED.
        why: why it changes nothing.
        tested: whether that is only known by the identity test.
    """

    change: Change
    verdict: str
    why: str = ""
    tested: bool = False


@dataclass(slots=True)
class Tally:
    """The score of one workbook.

    Attributes:
        workbook: its name.
        cells: how many formula cells were mutated.
        displays: how many formula cells show words, and are left to ``verify``.
        judgements: how many different formulas were judged.
        alike: how many groups of cells that are alike.
        seconds: how long it took.
        counts: by operator and verdict.
        circular: how many of the caught ones read themselves.
        tested: how many of the equal ones are known by the identity test.
        kinds: of equal mutants, by operator, reason and quantity: count and example.
        missed: the mutants that were missed, in words.
    """

    workbook: str
    cells: int = 0
    displays: int = 0
    judgements: int = 0
    alike: int = 0
    seconds: float = 0.0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    circular: int = 0
    tested: int = 0
    kinds: dict[tuple[str, str, str], list[Any]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)

    def total(self, verdict: str | None = None) -> int:
        """Return how many mutants there are of a verdict."""
        return sum(n for (_, said), n in self.counts.items() if verdict in (None, said))


class Bench:
    """One workbook on which mutants are tried.

    Args:
        path: the workbook.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.book = read_book(path)
        self.atlas = Atlas(describe(self.book, "prove"))
        self.known: dict[Any, tuple[list[Outcome], Cell]] = {}
        self._levels: dict[Place, int] = {}
        self._reads: dict[Place, list[Place]] = {}
        self._above: dict[tuple[Place, Place], bool] = {}

    # cells

    @cached_property
    def cells(self) -> list[Cell]:
        """Every formula cell of which something is proved: all that hold numbers."""
        views: dict[int, tuple[Block, Callable[[Place], Term]]] = {}
        making = Part.block

        def noted(part: Part, spec: Any, cells: Any, role_of: Any) -> Block:
            block = making(part, spec, cells, role_of)
            views[id(block)] = block, partial(part._resolved, role_of, {}, ())
            return block

        judges: dict[Any, Judge] = {}
        found: list[Cell] = []
        seen: set[Place] = set()
        with patch.object(Part, "block", noted):
            for own in self.atlas.described.parts.values():
                part = create_part(own, self.atlas)
                for block in part.blocks():
                    resolve = views[id(block)][1]
                    key = id(block.spec), tuple(block.formulas.items())
                    judge = judges.get(key)
                    if judge is None:
                        judge = judges[key] = Judge(block)
                    for role in block.formulas:
                        place = block.places[role]
                        if place not in seen:
                            seen.add(place)
                            found.append(Cell(place, role, part, judge, resolve))
        self.judges = list(judges.values())
        return found

    @cached_property
    def displays(self) -> int:
        """How many formula cells show words."""
        numbers = {cell.place for cell in self.cells}
        return sum(
            entry.kind == "display" and self.atlas.formula(place) is not None
            for place, entry in self.atlas.cells.items()
            if place not in numbers
        )

    def tree(self, place: Place) -> Node:
        """Return the formula of a cell."""
        return tree_of(self.book, place[0], self.atlas.formula(place))

    # references

    def choices(self, place: Place) -> list[tuple[Range | None, ...]]:
        """Return for each reference of a cell's formula what may stand there instead."""
        own = list(references(self.tree(place)))
        entry = self.atlas.cells[place]
        area = self.atlas.claims[entry.claim].cells
        down, across = place[1] - area.top, place[2] - area.left
        above = self._neighbour(place, 1, 0, len(own)) if down else None
        beside = self._neighbour(place, 0, 1, len(own)) if across else None
        found = []
        for n, read in enumerate(own):
            rows = 0 if above is None else _slip(read.top - above[n].top, down)
            columns = 0 if beside is None else _slip(read.left - beside[n].left, across)
            found.append(choices_of(read, (rows, columns), self._renewed(read)))
        return found

    def _neighbour(self, place: Place, up: int, left: int, count: int) -> list[Range] | None:
        other = place[0], place[1] - up, place[2] - left
        if self.atlas.formula(other) is None:
            return None
        found = list(references(self.tree(other)))
        return found if len(found) == count else None

    def _renewed(self, area: Range) -> Range | None:
        """Return the new weight or bias of an old one, or the other way round."""
        entry = self.atlas.cells.get((area.sheet, area.top, area.left))
        if entry is None or (area.height, area.width) != (1, 1):
            return None
        part, (name, layer, at) = entry.part, entry.role
        if name in ("weights", "biases"):
            others = [(f"new_{name}", at)]
        elif name in ("start_weights", "start_biases"):
            others = [(name.replace("start_", "new_"), (0, *at))]
        elif name in ("new_weights", "new_biases"):
            others = [(name[4:], at), (f"start_{name[4:]}", at[1:])]
            if at and at[0]:
                others.append((name, (at[0] - 1, *at[1:])))
        else:
            return None
        for other, index in others:
            place = self.atlas.places.get((part, Role(other, layer, index)))
            if place is not None:
                return Range(*place, *place[1:])
        return None

    # circles

    def reaches(self, start: Place, end: Place) -> bool:
        """Tell whether a cell reads another, directly or through others."""
        key = start, end
        if key not in self._above:
            self._above[key] = self._reaches(start, end)
        return self._above[key]

    def _reaches(self, start: Place, end: Place) -> bool:
        least, seen, stack = self._level(end), {start}, [start]
        while stack:
            top = stack.pop()
            if top == end:
                return True
            for read in self._read_by(top):
                if read not in seen and self._level(read) >= least:
                    seen.add(read)
                    stack.append(read)
        return False

    def _read_by(self, place: Place) -> list[Place]:
        if place not in self._reads:
            sheet = self.book.sheets.get(place[0])
            known = sheet is not None and place[1:] in sheet.formulas
            self._reads[place] = precedents(self.book, place) if known else []
        return self._reads[place]

    def _level(self, place: Place) -> int:
        stack = [place]
        while stack:
            top = stack[-1]
            below = self._read_by(top)
            missing = [read for read in below if read not in self._levels]
            if top in self._levels or not missing:
                stack.pop()
                self._levels.setdefault(
                    top, 1 + max((self._levels[read] for read in below), default=-1)
                )
            else:
                stack += missing
        return self._levels[place]

    def circular(self, place: Place, areas: Iterator[Range]) -> bool:
        """Tell whether a formula in a cell would read that cell."""
        return any(
            self.reaches((area.sheet, row, column), place)
            for area in areas
            for row in range(area.top, area.bottom + 1)
            for column in range(area.left, area.right + 1)
        )

    # judging

    def outcomes(self, cell: Cell) -> tuple[list[Outcome], list[tuple[Range | None, ...]]]:
        """Return what became of every change of a cell, circles left out."""
        choices = self.choices(cell.place)
        key = self._signature(cell, choices)
        if key not in self.known:
            tree = self.tree(cell.place)
            found = [self._judged(cell, change) for change in changes(tree, choices)]
            self.known[key] = found, cell
        return self.known[key][0], choices

    def _signature(self, cell: Cell, choices: list[tuple[Range | None, ...]]) -> Any:
        """Return what two cells must share to be judged as one."""
        elsewhere: dict[Term, Term] = {}

        def plain(place: Place) -> Term:
            term = cell.resolve(place)
            if term[0] == "leaf" and term[1].name == ELSEWHERE:
                if cell.role.name == ELSEWHERE:
                    return term
                return elsewhere.setdefault(term, ("elsewhere", len(elsewhere)))
            return term

        tree = self.tree(cell.place)
        ids: dict[Range, int] = {}
        for area, others in zip(references(tree), choices, strict=True):
            for one in (area, *others):
                if one is not None:
                    ids.setdefault(one, len(ids))
        shapes = tuple(
            (area.height, area.width, *(plain((area.sheet, row, column))
             for row in range(area.top, area.bottom + 1)
             for column in range(area.left, area.right + 1)))
            for area in ids
        )  # fmt: skip
        numbers = tuple(tuple(ids.get(one, -1) for one in others) for others in choices)
        return id(cell.judge), cell.role, _skeleton(tree, ids), numbers, shapes

    def term(self, cell: Cell, tree: Node) -> Term | None:
        """Return a formula as the block of a cell reads it; None where prove cannot use it."""
        try:
            return term_of(together(tree), cell.place[0], names_of(self.book), cell.resolve)
        except (FormulaError, RecursionError):
            return None

    def _judged(self, cell: Cell, change: Change) -> Outcome:
        term = self.term(cell, change.tree)
        if term is None:
            return Outcome(change, CAUGHT)
        verdict = cell.judge.verdict(cell.role, term)
        if verdict == REFUTED:
            return Outcome(change, CAUGHT)
        if verdict == MISSED:
            return Outcome(change, MISSED)
        why = _why(cell, change, self.tree(cell.place), partial(self.term, cell))
        return Outcome(change, EQUAL, why, verdict == TESTED)

    def own_value(self, cell: Cell) -> Outcome:
        """Return what became of the cell's value in place of its formula, as a formula."""
        value = self.book.sheets[cell.place[0]].values.get(cell.place[1:])
        tree = ("number", float(value)) if isinstance(value, (int, float)) else ("text", "")
        change = Change(OWN, tree)
        if not cell.judge.constant(cell.role):
            return Outcome(change, CAUGHT)
        return self._judged(cell, change)

    def tally(self, advance: Callable[[int], None] = lambda _: None) -> Tally:
        """Try every mutant of every formula cell."""
        start = time.perf_counter()
        tally = Tally(self.path.stem, len(self.cells), self.displays)
        for n, cell in enumerate(self.cells):
            found, choices = self.outcomes(cell)
            for outcome in found:
                self._count(tally, cell, outcome, choices)
            own = self.own_value(cell)
            if own.change.tree != self.tree(cell.place):
                self._count(tally, cell, own, choices)
            tally.counts[CONSTANT, CAUGHT] += 1  # "holds a number where a formula is claimed"
            if n % 256 == 0:
                advance(n)
        tally.alike = len(self.known)
        tally.judgements = sum(judge.judged for judge in self.judges)
        tally.seconds = time.perf_counter() - start
        return tally

    def changed(self, cell: Cell, change: Change, choices: list[tuple[Range | None, ...]]) -> Node:
        """Return the formula of a mutant in one of several cells that are alike."""
        if change.operator == OWN:
            return change.tree
        outcomes = self.known[self._signature(cell, choices)][0]
        n = next(n for n, outcome in enumerate(outcomes) if outcome.change is change)
        return changes(self.tree(cell.place), choices)[n].tree

    def _count(
        self,
        tally: Tally,
        cell: Cell,
        outcome: Outcome,
        choices: list[tuple[Range | None, ...]],
    ) -> None:
        change, verdict = outcome.change, outcome.verdict
        if verdict != CAUGHT and change.slot is not None:
            n, c = change.slot
            if self.circular(cell.place, iter([choices[n][c]])):
                verdict = CAUGHT
                tally.circular += 1
        tally.counts[change.operator, verdict] += 1
        if verdict == EQUAL:
            tally.tested += outcome.tested
            kind = change.operator, outcome.why, cell.role.name
            if kind not in tally.kinds:
                tally.kinds[kind] = [0, self.words(cell, self.changed(cell, change, choices))]
            tally.kinds[kind][0] += 1
        elif verdict == MISSED:
            changed = self.changed(cell, change, choices)
            tally.missed.append(f"{change.operator}: {self.words(cell, changed)}")

    def words(self, cell: Cell, tree: Node) -> str:
        """Return a mutant for people."""
        sheet, row, column = cell.place
        own, other = (_short(render(one, sheet)) for one in (self.tree(cell.place), tree))
        return f"{self.path.stem} {sheet}!{a1(row, column)} ={own} → ={other}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _slip(step: int, distance: int) -> int:
    """What moves with the row stays at the first one, what stays moves along."""
    if step == 0:
        return distance
    return -distance if step == 1 else 0


def _skeleton(node: Node, ids: dict[Range, int]) -> Any:
    kind = node[0]
    if kind == "cells":
        return ids[node[1]]
    if kind == "op":
        return node[1], _skeleton(node[2], ids), _skeleton(node[3], ids)
    if kind == "sign":
        return node[1], _skeleton(node[2], ids)
    if kind == "call":
        return node[1], tuple(_skeleton(arg, ids) for arg in node[2])
    return node


def _why(cell: Cell, change: Change, own: Node, term: Callable[[Node], Term | None]) -> str:
    """Return what kind of equality it is, in words."""
    judge = cell.judge
    if change.operator == OWN:
        return "the claim itself is this constant"
    if change.operator == "kink moved":
        return "both branches are the same at 0"
    if change.slot is not None:
        n = change.slot[0]
        before = list(references(own))[n]
        after = list(references(change.tree))[n]
        if before.height * before.width == after.height * after.width == 1:
            values = [judge.value(term(("cells", area)) or ZERO) for area in (before, after)]
            if values[0] == values[1]:
                return "the other cell is proved to hold the same function"
        return "what is read instead cancels or is multiplied away"
    dropped = _dropped(own, change.tree)
    if dropped is not None:
        value = judge.value(term(dropped) or number(2))
        for constant, name in ((ONE, "1"), (ZERO, "0")):
            if value == judge.value(constant):
                return f"what is dropped or turned is the constant {name}"
        return "a 0/1 value squared, or a part that the rest implies"
    if judge.value(term(own) or ONE) == 0:
        return "what is turned is the constant 0"
    return "the same function by algebra"


def _dropped(own: Node, other: Node) -> Node | None:
    """Return the operand in which two trees differ by an operation left out or turned."""
    if own[0] == "op":
        if other in (own[2], own[3]):
            return own[3] if other == own[2] else own[2]
        if other[0] == "op" and own[2:] == other[2:]:
            return own[3]
        if other[0] == "op" and own[1] == other[1]:
            n = 2 if own[3] == other[3] else 3
            return _dropped(own[n], other[n])
    if own[0] == other[0] == "call" and own[1] == other[1]:
        if len(own[2]) == len(other[2]):
            pairs = [(a, b) for a, b in zip(own[2], other[2], strict=True) if a != b]
            return _dropped(*pairs[0]) if len(pairs) == 1 else None
        return None
    if own[0] == other[0] == "sign":
        return _dropped(own[2], other[2])
    return None


def groups(tallies: list[Tally]) -> dict[tuple[str, str, str], list[Any]]:
    """Return the kinds of equal mutants of several workbooks."""
    found: dict[tuple[str, str, str], list[Any]] = defaultdict(lambda: [0, ""])
    for tally in tallies:
        for kind, (count, example) in tally.kinds.items():
            found[kind][0] += count
            found[kind][1] = found[kind][1] or example
    return found


__all__ = ["CAUGHT", "EQUAL", "MISSED", "Bench", "Tally", "groups"]
