"""The worlds in which a student's formulas are evaluated.

*Own world*: the whole workbook of the student, stored values ignored, with the givens and the
handout's own formulas restored. *Transplanted*: one formula, reading the key's values wherever
it reads given or graded cells; the student's scratch cells are inlined, recursively, and so are
graded cells that depend on this one in the key: nothing is credited for being worked out from
its own consequences.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import numpy as np

from cellgrad.formula.algebra import Grid
from cellgrad.formula.tree import Area, FormulaError, Node, Spill
from cellgrad.xlsx.addresses import Place, Range
from cellgrad_coursework.formulas.evaluate import Formula, World, evaluate, settled
from cellgrad_coursework.formulas.functions import Logical, Value
from cellgrad_coursework.grading.book import Entry, StudentBook
from cellgrad_coursework.grading.following import TypedNumbers, typed_in
from cellgrad_coursework.grading.key import Standard, Values, bits_of
from cellgrad_coursework.model import VALUE

_ANCHOR = "anchor of "
"""The whole result of an array formula is kept under this and its sheet's name."""


class Sight(World):
    """What a formula of the student reads in one world.

    Args:
        book: the workbook.
        draws: how many draws each value has.
        slots: values by slot, shape (slots, draws).
        held: for which slots they hold, as bits.
        aliases: scratch cells that stand for slots.
    """

    def __init__(
        self,
        book: StudentBook,
        draws: int,
        slots: Values,
        held: int,
        aliases: Mapping[Place, int] | None = None,
    ) -> None:
        super().__init__(book.budget)
        self.book, self.draws, self.slots, self.held = book, draws, slots, held
        self.slot_at = {**book.slot_at, **aliases} if aliases else book.slot_at
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
        if slot is not None and self.held >> slot & 1:
            row: Values = self.slots[slot]
            return row
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
        element: Value = whole.rows[row][column]
        return element

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


class _AsHandedOut(World):
    """Cells by their places in the handout, wherever they lie in the submission now."""

    def __init__(self, sight: Sight) -> None:
        super().__init__(sight.budget)
        self.sight = sight

    def cell(self, place: Place) -> Value:
        """Return the value of a cell of the handout."""
        sight, book = self.sight, self.sight.book
        slot = book.key.slot_at.get(place)
        if slot is None:
            return None
        if sight.held >> slot & 1:  # wherever it went
            row: Values = sight.slots[slot]
            return row
        now = book.where[slot]
        return None if now is None else sight.cell(now)


def as_numbers(value: Value, draws: int) -> Values:
    """Return a cell's value as numbers, NaN for what is none."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Logical):
        return np.broadcast_to(np.asarray(value.data, np.float64), (draws,))
    return np.full(draws, np.nan)


def transplanted(
    book: StudentBook,
    slot: int,
    values: Values,
    circle: int = 0,
    aliases: Mapping[Place, int] | None = None,
) -> Values:
    """Return what the student's formula in a slot makes of the key's values, as numbers.

    Args:
        book: the workbook.
        slot: the cell.
        values: the key's, shape (slots, draws).
        circle: slots that it reads in a circle, as bits: of these, only such as come before it
            in the key take the key's values.
        aliases: scratch cells that stand for slots.

    Raises:
        FormulaError: a person has to look at it.
    """
    key, draws, place = book.key, values.shape[1], book.where[slot]
    if place is None:
        return np.full(draws, np.nan)
    inlined = key.after[slot] | 1 << slot | circle & ~key.before[slot]
    sight = Sight(book, draws, values, (1 << key.slots) - 1 & ~inlined, aliases)
    value: Value = None
    for group in book.groups([place], sight.holds):
        if len(group) > 1 or group[0] in book.reads(group[0]):
            return np.full(draws, np.nan)
        value = sight.work_out(group[0])
    return as_numbers(value, draws)


class OwnWorld:
    """The student's whole workbook, evaluated with the givens restored.

    Args:
        book: the workbook.
        standard: whose exact numbers right typed ones stand for.
        numbers: tells which typed numbers are right.

    Attributes:
        values: of every graded cell, by slot.
        reached: for each cell, the slots that it reads, directly or not, as bits.
        circular: cells that read each other in a circle, and the slots in it, as bits.
        problems: graded cells that a person has to look at, by slot, and why.
        unknown: slots that could not be evaluated and stand as if they were right, as bits.
        typed: slots whose typed number is right and stands as the exact one, as bits.
        known: of every cell that was evaluated, by place.
    """

    def __init__(self, book: StudentBook, standard: Standard, numbers: TypedNumbers) -> None:
        self._book, self._standard, self._numbers = book, standard, numbers
        self.values: dict[int, Values] = {}
        self.reached: dict[Place, int] = {}
        self.circular: dict[Place, int] = {}
        self.problems: dict[int, str] = {}
        self.unknown = self.typed = 0
        key, draws = book.key, standard.values.shape[1]
        sight = Sight(book, draws, standard.values, (1 << key.givens) - 1)
        self.known = sight.known
        nothing = np.full(draws, np.nan)
        starts = [place for place in map(book.where.__getitem__, key.graded_slots) if place]
        for group in book.groups(starts, sight.holds):
            bits = 0
            for other in (other for place in group for other in book.reads(place)):
                slot = book.slot_at.get(other)
                bits |= self.reached.get(other, 0) | (0 if slot is None else 1 << slot)
            self.reached.update(dict.fromkeys(group, bits))
            if len(group) > 1 or group[0] in book.reads(group[0]):
                slots = {place: book.slot_at[place] for place in group if place in book.slot_at}
                self.circular.update(dict.fromkeys(group, bits_of(slots.values())))
                self.known.update(dict.fromkeys(group, nothing))
                self.values.update({s: nothing for s in slots.values() if key.is_graded(s)})
            else:
                self._work_out(sight, group[0])

    def _work_out(self, sight: Sight, place: Place) -> None:
        slot, key = self._book.slot_at.get(place), self._book.key
        if slot is None or not key.is_graded(slot):
            with contextlib.suppress(FormulaError):
                sight.work_out(place)
            return
        right = self._standard.values[slot]
        try:
            self.values[slot] = as_numbers(sight.work_out(place), sight.draws)
        except FormulaError as problem:
            self.problems[slot] = str(problem)
            # what follows goes on as if this were right, until a person has looked
            sight.problems.pop(place, None)
            sight.known[place] = right
            self.unknown |= 1 << slot
            return
        number = typed_in(self._book.entry(place))
        if key.cell(slot).takes != VALUE or number is None:
            return
        if self._numbers.right(slot, number, self._standard.values):
            sight.known[place] = right
            self.typed |= 1 << slot

    def as_it_stands(self) -> dict[int, float]:
        """Return what slots come to with the real givens alone, typed values as they stand."""
        book, key = self._book, self._book.key
        sight = Sight(book, 1, self._standard.values[:, -1:], (1 << key.givens) - 1)
        actual: dict[int, float] = {}
        # the handout's own cells too: typed values follow through its copies
        starts = [place for place in book.where[key.givens :] if place is not None]
        for place in (place for group in book.groups(starts, sight.holds) for place in group):
            slot = book.slot_at.get(place)
            handed_out = slot is not None and slot >= key.givens + key.graded
            number = None if handed_out else typed_in(book.entry(place))
            if place in self.circular:
                sight.known[place] = np.full(1, np.nan)
            elif number is not None:
                sight.known[place] = np.full(1, number)
            else:
                try:
                    sight.work_out(place)
                except FormulaError:
                    sight.problems.pop(place, None)
                    sight.known[place] = np.full(1, np.nan)
            if slot is not None and slot >= key.givens:
                actual[slot] = float(as_numbers(sight.known.get(place), 1)[0])
        return actual
