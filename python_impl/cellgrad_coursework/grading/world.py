"""The worlds in which a student's formulas are evaluated.

*Own world*: the whole workbook of the student, stored values ignored, with the givens and the
handout's own formulas restored. *Transplanted*: one formula, reading the key's values wherever
it reads given or graded cells; the student's scratch cells are inlined, recursively, and so are
graded cells that depend on this one in the key: nothing is credited for being worked out from
its own consequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from cellgrad.formula.algebra import Grid
from cellgrad.formula.parse import parse
from cellgrad.formula.references import place_of, places_in, range_of
from cellgrad.formula.tree import Area, Cell, FormulaError, Name, Node, Spill
from cellgrad.xlsx.addresses import Place, Range
from cellgrad_coursework.formulas.cache import Formula, Formulas, Reference
from cellgrad_coursework.formulas.evaluate import evaluate, settled
from cellgrad_coursework.formulas.limits import MAX_AREA, MAX_REACHED, Budget
from cellgrad_coursework.formulas.values import Value
from cellgrad_coursework.grading.key import Key
from cellgrad_coursework.grading.submission import Entry, Submission

Values = NDArray[np.float64]

_ANCHOR = "anchor of "
"""The whole result of an array formula is kept under this and its sheet's name."""


class StudentBook:
    """A submission as formulas see it: which cells exist, what they read.

    Args:
        submission: the workbook.
        key: the key.
        formulas: where formulas are kept.
        where: where each slot lies in the submission; None for one that was not found.
    """

    def __init__(
        self, submission: Submission, key: Key, formulas: Formulas, where: list[Place | None]
    ) -> None:
        self.submission, self.key, self.formulas, self.where = submission, key, formulas, where
        self.slot_at = {place: slot for slot, place in enumerate(where) if place is not None}
        self.budget = Budget()
        self._reads: dict[Place, list[Place]] = {}
        self._formulas: dict[Place, Formula | None] = {}
        self._names: dict[str, Node | None] = {}
        self._reached = 0

    def entry(self, place: Place) -> Entry | None:
        """Return what a cell of the submission holds; None for nothing."""
        return self.submission.cells(place[0]).get((place[1], place[2]))

    def formula(self, place: Place) -> Formula | None:
        """Return the formula of a cell, or of the array formula that fills it."""
        try:
            return self._formulas[place]
        except KeyError:
            found = self._formulas[place] = self._formula_of(place)
            return found

    def _formula_of(self, place: Place) -> Formula | None:
        entry = self.entry(place)
        if entry is None:
            return None
        if entry.problem:
            return Formula(None, problem=entry.problem)
        if not entry.formula:
            return None
        if entry.anchor is not None:
            anchor = self.entry((place[0], *entry.anchor))
            if anchor is None or not anchor.formula or anchor.problem:
                return Formula(None, problem="the array formula that fills it was not found")
            return self.formulas.of(anchor.formula, *anchor.base)
        return self.formulas.of(entry.formula, *entry.base)

    def named(self, name: str) -> Node | None:
        """Return what a defined name stands for, parsed without a place."""
        if name not in self._names:
            text = self.submission.names.get(name)
            try:
                self._names[name] = (
                    parse(text.removeprefix("="), ignore_case=True) if text else None
                )
            except FormulaError:
                self._names[name] = None
        return self._names[name]

    def bounds(self, node: Area | Spill, at: Place) -> Range:
        """Return which cells an area means; whole columns end with the sheet's cells."""
        if isinstance(node, Spill):
            return self._spilled(place_of(node.corner, at))
        sheet = at[0] if node.sheet is None else node.sheet
        area = range_of(node, at, self.submission.box(sheet) if node.is_open else None)
        if area.height * area.width > MAX_AREA:
            raise FormulaError(f"a range has more than {MAX_AREA:,} cells")
        return area

    def _spilled(self, place: Place) -> Range:
        """Return the cells that the array formula in a cell fills, as the file says."""
        entry = self.entry(place)
        if entry is None or not entry.array or entry.fills is None:
            raise FormulaError("# stands behind a cell that fills no other")
        return Range(*place, *entry.fills)

    def reads(self, place: Place) -> list[Place]:
        """Return the cells that a cell reads directly, if they hold anything or are slots.

        Cells of the handout read what the key has them read.
        """
        found = self._reads.get(place)
        if found is None:
            self._reached += 1
            if self._reached > MAX_REACHED:
                raise FormulaError("the workbook has too many cells that read each other")
            slot = self.slot_at.get(place)
            if slot is None or self.key.is_graded(slot):
                found = list(dict.fromkeys(self._read_by(place)))
            else:
                places = (self.where[other] for other in self.key.reads[slot])
                found = [other for other in places if other is not None]
            self._reads[place] = found
        return found

    def _read_by(self, place: Place) -> Iterator[Place]:
        formula = self.formula(place)
        if formula is None or formula.tree is None:
            return
        entry = self.entry(place)
        if entry is not None and entry.anchor is not None:
            place = (place[0], *entry.anchor)
        try:
            yield from self._nodes_read(formula.reads, place, set())
        except FormulaError:
            return  # found again, and told, when the cell is evaluated

    def _nodes_read(self, reads: Iterable[Reference], at: Place, seen: set[str]) -> Iterator[Place]:
        """Yield the cells of some nodes; names that stand for names are followed once each."""
        for node in reads:
            if isinstance(node, Cell):
                other = place_of(node, at)
                if other in self.slot_at or self.entry(other) is not None:
                    yield other
            elif not isinstance(node, Name):
                yield from self._filled(self.bounds(node, at))
            elif node.name not in seen and self.named(node.name) is not None:
                seen.add(node.name)
                text = self.submission.names[node.name].removeprefix("=")
                yield from self._nodes_read(self.formulas.of(text, 0, 0).reads, (at[0], 0, 0), seen)

    def _filled(self, area: Range) -> Iterator[Place]:
        self.budget.spend(area.height * area.width)
        cells = self.submission.cells(area.sheet)
        for place in places_in(area):
            if place[1:] in cells or place in self.slot_at:
                yield place

    def groups(
        self, starts: Iterable[Place], stop: Callable[[Place], bool]
    ) -> Iterator[list[Place]]:
        """Yield the cells that some cells read, directly or not, each after what it reads.

        Cells that read each other in a circle come together.

        Args:
            starts: the cells to begin with; they come last.
            stop: where not to go on.
        """
        search = _Components(self, stop)
        for start in starts:
            if start not in search.number and not stop(start):
                yield from search.of(start)


class _Components:
    """Tarjan's strongly connected components, without recursion: chains can be long."""

    def __init__(self, book: StudentBook, stop: Callable[[Place], bool]) -> None:
        self.book, self.stop = book, stop
        self.number: dict[Place, int] = {}
        self._low: dict[Place, int] = {}
        self._open: list[Place] = []
        self._is_open: set[Place] = set()
        self._path: list[tuple[Place, Iterator[Place]]] = []

    def of(self, start: Place) -> Iterator[list[Place]]:
        """Yield the groups that a cell reaches, its own last."""
        self._enter(start)
        while self._path:
            place, others = self._path[-1]
            if self._goes_on(place, others):
                continue
            self._path.pop()
            if self._path:
                above = self._path[-1][0]
                self._low[above] = min(self._low[above], self._low[place])
            if self._low[place] == self.number[place]:
                yield self._closed(place)

    def _enter(self, place: Place) -> None:
        self.number[place] = self._low[place] = len(self.number)
        self._open.append(place)
        self._is_open.add(place)
        self._path.append((place, iter(self.book.reads(place))))

    def _goes_on(self, place: Place, others: Iterator[Place]) -> bool:
        """Enter the next cell that has not been seen; tell whether there was one."""
        for other in others:
            if other in self._is_open:
                self._low[place] = min(self._low[place], self.number[other])
            elif other not in self.number and not self.stop(other):
                self._enter(other)
                return True
        return False

    def _closed(self, place: Place) -> list[Place]:
        group = []
        while True:
            group.append(self._open.pop())
            self._is_open.discard(group[-1])
            if group[-1] == place:
                return group


class Sight:
    """What a formula of the student reads in one world.

    Args:
        book: the workbook.
        draws: how many draws each value has.
        known: values by place that are already there.
        slots: values by slot, shape (slots, draws), and for which slots they hold, as bits.
        aliases: scratch cells that stand for slots.
    """

    def __init__(
        self,
        book: StudentBook,
        draws: int,
        slots: Values | None = None,
        held: int = 0,
        aliases: Mapping[Place, int] | None = None,
    ) -> None:
        self.book, self.draws, self.slots, self.held = book, draws, slots, held
        self.slot_at = {**book.slot_at, **aliases} if aliases else book.slot_at
        self.budget = book.budget
        self.known: dict[Place, Value] = {}
        self.problems: dict[Place, str] = {}

    def holds(self, place: Place) -> bool:
        """Tell whether a cell's value is one of the slots that are given here."""
        slot = self.slot_at.get(place)
        return slot is not None and bool(self.held >> slot & 1)

    def cell(self, place: Place) -> Value:
        """Return the value of a cell.

        Raises:
            FormulaError: it could not be evaluated.
        """
        slot = self.slot_at.get(place)
        if slot is not None and self.held >> slot & 1 and self.slots is not None:
            found: Values = self.slots[slot]
            return found
        try:
            return self.known[place]
        except KeyError:
            pass
        if place in self.problems:
            raise FormulaError(self.problems[place])
        entry = self.book.entry(place)
        if entry is None:
            return None if place[0] in self.book.submission.titles else np.full(self.draws, np.nan)
        if entry.formula or entry.problem:
            raise FormulaError(entry.problem or "a cell is read before it is known")
        value = self._constant(entry)
        self.known[place] = value
        return value

    def _constant(self, entry: Entry) -> Value:
        value = entry.value
        if isinstance(value, bool):
            return settled(float(value), self.draws)
        if isinstance(value, float):
            return np.full(self.draws, value)
        if value is None or isinstance(value, str):
            return value
        return np.full(self.draws, np.nan)

    def bounds(self, node: Area | Spill, at: Place) -> Range:
        """Return which cells an area means."""
        return self.book.bounds(node, at)

    def named(self, name: str) -> Node | None:
        """Return what a defined name stands for."""
        return self.book.named(name)

    def work_out(self, place: Place) -> Value:
        """Evaluate a cell whose precedents are known, and keep its value.

        Raises:
            FormulaError: a person has to look at it.
        """
        try:
            value = self._value(place)
        except FormulaError as problem:
            self.problems[place] = str(problem)
            raise
        self.known[place] = value
        return value

    def _value(self, place: Place) -> Value:
        slot = self.book.slot_at.get(place)
        if slot is not None and slot >= self.book.key.givens + self.book.key.graded:
            return self._fixed(slot)
        formula, entry = self.book.formula(place), self.book.entry(place)
        if formula is None or entry is None:
            self.known.pop(place, None)
            return self.cell(place)
        if formula.problem or formula.tree is None:
            raise FormulaError(formula.problem)
        self.budget.spend(formula.size)
        if entry.anchor is None and not (entry.array or formula.array):
            return settled(evaluate(formula.tree, place, self), self.draws)
        anchor = (place[0], *entry.anchor) if entry.anchor is not None else place
        return settled(self._element(self._array(formula, anchor), place, anchor), self.draws)

    @staticmethod
    def _element(whole: Value, place: Place, anchor: Place) -> Value:
        """Return what an array formula puts into one cell; a single line fills all others."""
        if not isinstance(whole, Grid):
            return whole
        row = place[1] - anchor[1] if whole.height > 1 else 0
        column = place[2] - anchor[2] if whole.width > 1 else 0
        if row >= whole.height or column >= whole.width:
            return float("nan")
        found: Value = whole.rows[row][column]
        return found

    def _fixed(self, slot: int) -> Value:
        """Return what a cell of the handout comes to, by the handout's own formula."""
        key = self.book.key
        formula = key.formulas[slot]
        if formula is None or formula.tree is None:
            return None
        return settled(evaluate(formula.tree, key.places[slot], _AsHandedOut(self)), self.draws)

    def _array(self, formula: Formula, anchor: Place) -> Value:
        """Return all that an array formula comes to, worked out once."""
        kept = (_ANCHOR + anchor[0], anchor[1], anchor[2])
        if kept not in self.known and formula.tree is not None:
            self.known[kept] = evaluate(formula.tree, anchor, self, array=True)
        return self.known[kept]


class _AsHandedOut:
    """Cells by their places in the handout, wherever they lie in the submission now."""

    def __init__(self, sight: Sight) -> None:
        self.sight, self.budget = sight, sight.budget

    def cell(self, place: Place) -> Value:
        """Return the value of a cell of the handout."""
        sight, book = self.sight, self.sight.book
        slot = book.key.slot_at.get(place)
        if slot is None:
            return None
        if sight.held >> slot & 1 and sight.slots is not None:  # wherever it went
            found: Values = sight.slots[slot]
            return found
        now = book.where[slot]
        return None if now is None else sight.cell(now)

    def bounds(self, node: Area | Spill, at: Place) -> Range:
        """Return which cells an area means."""
        return self.sight.book.bounds(node, at)

    def named(self, name: str) -> Node | None:
        """Return nothing: the handout's own formulas use no names."""
        del name
        return None


class Transplants:
    """A student's formulas among the key's values.

    Args:
        book: the workbook.
        values: the key's, shape (slots, draws).
        aliases: scratch cells that stand for slots.
    """

    def __init__(
        self, book: StudentBook, values: Values, aliases: Mapping[Place, int] | None = None
    ) -> None:
        self.book, self.values, self.aliases = book, values, aliases
        self._all = (1 << book.key.slots) - 1

    def of(self, slot: int, circle: int = 0) -> Value:
        """Return what the student's formula in a slot makes of the key's values.

        Args:
            slot: the cell.
            circle: slots that it reads in a circle, as bits: of these, only such as come
                before it in the key take the key's values.

        Raises:
            FormulaError: a person has to look at it.
        """
        book, key = self.book, self.book.key
        place = book.where[slot]
        if place is None:
            return None
        inlined = key.after[slot] | 1 << slot | circle & ~key.before[slot]
        held = self._all & ~inlined
        sight = Sight(book, self.values.shape[1], self.values, held, self.aliases)
        value: Value = None
        for group in book.groups([place], sight.holds):
            if len(group) > 1 or group[0] in book.reads(group[0]):
                return np.full(self.values.shape[1], np.nan)
            value = sight.work_out(group[0])
        return value
