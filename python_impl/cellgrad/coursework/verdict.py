"""What is to be said of each cell, by the first rule that fits; see the words in ``model``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cellgrad.coursework.dialects import typed_number
from cellgrad.coursework.formulas.limits import FormulaProblemError
from cellgrad.coursework.formulas.tree import Place
from cellgrad.coursework.formulas.values import Area, Logical, Value
from cellgrad.coursework.key import Key, equal
from cellgrad.coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VALUE,
    WRONG,
    GradedCell,
)
from cellgrad.coursework.submission import Entry
from cellgrad.coursework.world import Sight, StudentBook, Transplants

Values = NDArray[np.float64]

FEWEST_DECIMALS = 4
"""Typed values are compared to at least so many: fewer would pass an unchanged weight."""

_ROUNDING = 1e-12
_MANY = 8
"""A number that stands in more cells than this was not worked out."""


@dataclass(slots=True)
class Finding:
    """What was found of one graded cell.

    Attributes:
        verdict: one of the words in ``model``.
        value: what it comes to with the student's own givens; None for no number.
        transplanted: what its formula makes of the key's values; None where that was not asked.
        why: what else there is to say: why a person should look, ``circular``, ``right number``.
    """

    verdict: str
    value: float | None = None
    transplanted: Values | None = None
    why: str = ""


CIRCULAR, RIGHT_NUMBER, NO_NUMBER, NOT_FOUND = "circular", "right number", "no number", "not found"


@dataclass(slots=True)
class OwnWorld:
    """The student's whole workbook, evaluated with the givens restored.

    Attributes:
        values: of every graded cell, by slot.
        reached: for each cell, the slots that it reads, directly or not, as bits.
        circular: cells that read each other in a circle, and the slots in it, as bits.
        problems: graded cells that a person has to look at, by slot, and why.
        actual: with the real givens, as they stand, for typed values; by slot.
    """

    values: dict[int, Values] = field(default_factory=dict)
    reached: dict[Place, int] = field(default_factory=dict)
    circular: dict[Place, int] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    actual: dict[int, float] = field(default_factory=dict)


def as_numbers(value: Value, draws: int) -> Values:
    """Return a cell's value as numbers, NaN for what is none."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, float):
        return np.full(draws, value)
    if isinstance(value, Logical):
        return np.broadcast_to(np.asarray(value.data, np.float64), (draws,))
    if isinstance(value, Area):
        raise FormulaProblemError("the formula comes to several values in one cell")
    return np.full(draws, np.nan)


def is_blank(entry: Entry | None) -> bool:
    """Tell whether nothing stands in a cell."""
    if entry is None:
        return True
    empty = entry.value is None or (isinstance(entry.value, str) and not entry.value.strip())
    return empty and not entry.formula and not entry.problem


class Judge:
    """Judges the graded cells of one submission.

    Args:
        book: the submission.
        values: the key's values, shape (slots, draws); the last draw is the real givens.
    """

    def __init__(self, book: StudentBook, values: Values) -> None:
        self.book, self.values = book, values
        self.key: Key = book.key
        self.cells = self.key.manifest.cells
        self.draws = values.shape[1]
        self.own = self._own_world()
        self._agreeing: list[tuple[Values, NDArray[np.bool_]]] = []
        if any(cell.takes == VALUE for cell in self.cells):
            self._work_out_actual()

    def slot(self, number: int) -> int:
        """Return the slot of a graded cell by its number."""
        return self.key.givens + number

    def _own_world(self) -> OwnWorld:
        book, key, own = self.book, self.key, OwnWorld()
        sight = Sight(book, self.draws, self.values, (1 << key.givens) - 1)
        starts = [p for p in book.where[key.givens : key.givens + key.graded] if p is not None]
        for group in book.groups(starts, sight.holds):
            bits = 0
            for place in group:
                for other in book.reads(place):
                    slot = book.slot_at.get(other)
                    bits |= own.reached.get(other, 0) | (0 if slot is None else 1 << slot)
            for place in group:
                own.reached[place] = bits
            if len(group) > 1 or group[0] in book.reads(group[0]):
                slots = [book.slot_at[place] for place in group if place in book.slot_at]
                circle = sum(1 << slot for slot in slots)
                for place in group:
                    own.circular[place] = circle
                    sight.known[place] = np.full(self.draws, np.nan)
                    self._note(own, place, np.full(self.draws, np.nan))
                continue
            self._work_out(own, sight, group[0])
        return own

    def _work_out(self, own: OwnWorld, sight: Sight, place: Place) -> None:
        slot = self.book.slot_at.get(place)
        graded = slot is not None and self.key.is_graded(slot)
        try:
            found = sight.work_out(place)
            value = as_numbers(found, self.draws) if graded else np.empty(0)
        except FormulaProblemError as problem:
            if graded and slot is not None:
                own.problems[slot] = str(problem)
                # what follows is judged as if this were right, until a person has looked
                sight.problems.pop(place, None)
                sight.known[place] = self.values[slot]
            return
        if graded and slot is not None:
            own.values[slot] = value
            cell = self.cells[slot - self.key.givens]
            if cell.takes == VALUE and self._typed(place) is not None:
                number = self._typed(place)
                if number is not None and self.typed_right(slot, number, self.values):
                    sight.known[place] = self.values[slot]

    def _note(self, own: OwnWorld, place: Place, value: Values) -> None:
        slot = self.book.slot_at.get(place)
        if slot is not None and self.key.is_graded(slot):
            own.values[slot] = value

    def _typed(self, place: Place) -> float | None:
        """Return the number that was typed into a cell; None for a formula or none."""
        entry = self.book.entry(place)
        if entry is None or entry.formula or entry.problem or isinstance(entry.value, bool):
            return None
        if isinstance(entry.value, float):
            return entry.value
        return typed_number(entry.value) if isinstance(entry.value, str) else None

    def _work_out_actual(self) -> None:
        """Evaluate with the real givens alone, typed values as they stand."""
        book, key, own = self.book, self.key, self.own
        sight = Sight(book, 1, self.values[:, -1:], (1 << key.givens) - 1)
        starts = [p for p in book.where[key.givens : key.givens + key.graded] if p is not None]
        for group in book.groups(starts, sight.holds):
            for place in group:
                slot = book.slot_at.get(place)
                number = self._typed(place)
                if place in own.circular:
                    sight.known[place] = np.full(1, np.nan)
                elif number is not None:
                    sight.known[place] = np.full(1, number)
                else:
                    try:
                        sight.work_out(place)
                    except FormulaProblemError:
                        sight.problems.pop(place, None)
                        sight.known[place] = np.full(1, np.nan)
                if slot is not None and slot >= key.givens:
                    own.actual[slot] = float(as_numbers(sight.known.get(place), 1)[0])

    # verdicts

    def finding(self, number: int, values: Values, *, follow: bool = True) -> Finding:
        """Return what is to be said of a graded cell.

        Args:
            number: of the cell.
            values: the key's values, or those of a convention that is accepted.
            follow: whether a typed value may follow from the student's earlier values.
        """
        slot, cell = self.slot(number), self.cells[number]
        place = self.book.where[slot]
        if place is None:
            return Finding(REVIEW, why=NOT_FOUND)
        entry = self.book.entry(place)
        if entry is None or is_blank(entry):
            return Finding(BLANK)
        own = self.own.values.get(slot)
        real = _real(own)
        if not entry.formula and not entry.problem:
            return self._of_constant(slot, cell, place, values, follow=follow)
        if slot in self.own.problems:
            return Finding(REVIEW, real, why=self.own.problems[slot])
        return self._of_formula(slot, cell, place, values, real, follow=follow)

    def _agrees(self, values: Values) -> NDArray[np.bool_]:
        """Tell of every graded cell whether its own world equals these values on all draws."""
        for known, agreeing in self._agreeing:
            if known is values:
                return agreeing
        first, last = self.key.givens, self.key.givens + self.key.graded
        nothing = np.full(self.draws, np.nan)
        own = np.array([self.own.values.get(slot, nothing) for slot in range(first, last)])
        self._agreeing.append((values, np.asarray(equal(own, values[first:last]).all(axis=1))))
        return self._agreeing[-1][1]

    def _of_constant(
        self, slot: int, cell: GradedCell, place: Place, values: Values, *, follow: bool
    ) -> Finding:
        number = self._typed(place)
        if number is None:
            return Finding(WRONG if cell.takes == VALUE else HARDCODED, why=NO_NUMBER)
        if cell.takes == VALUE or not self.key.reads[slot]:
            return self._of_typed(slot, number, values, follow=follow)
        right = self.typed_right(slot, number, values)
        return Finding(HARDCODED, number, why=RIGHT_NUMBER if right else "")

    def _of_formula(
        self,
        slot: int,
        cell: GradedCell,
        place: Place,
        values: Values,
        real: float | None,
        *,
        follow: bool,
    ) -> Finding:
        if not self.own.reached.get(place):
            if real is not None and (cell.takes == VALUE or not self.key.reads[slot]):
                return self._of_typed(slot, real, values, follow=follow)
            right = real is not None and self.typed_right(slot, real, values)
            return Finding(HARDCODED, real, why=RIGHT_NUMBER if right else "")
        if self._agrees(values)[slot - self.key.givens]:
            return Finding(OK, real)
        circle = self.own.circular.get(place, 0)
        try:
            transplanted = as_numbers(Transplants(self.book, values).of(slot, circle), self.draws)
        except FormulaProblemError as problem:
            return Finding(REVIEW, real, why=str(problem))
        found = self._of_transplanted(slot, transplanted, values, real)
        if found.verdict == WRONG and circle and not np.isfinite(transplanted).any():
            found = Finding(WRONG, None, why=CIRCULAR)
        elif cell.takes == VALUE and real is not None and found.verdict != OK_ECF:
            actual = self.own.actual.get(slot, real)
            as_typed = self._of_typed(slot, actual, values, follow=follow)
            found = as_typed if as_typed.verdict != WRONG else found
        return found

    def _of_transplanted(
        self, slot: int, transplanted: Values, values: Values, real: float | None
    ) -> Finding:
        agrees = equal(transplanted, values[slot])
        if agrees.all():
            return Finding(OK_ECF, real, transplanted)
        own = self.own.values[slot]
        with_these_numbers = agrees[-1] or equal(own, values[slot])[-1]
        verdict = EMBEDDED_CONSTANT if with_these_numbers else WRONG
        return Finding(verdict, real, transplanted)

    # typed values

    def _of_typed(self, slot: int, number: float, values: Values, *, follow: bool) -> Finding:
        """Return the better of what is right and what follows from the student's values."""
        if self.typed_right(slot, number, values):
            return Finding(OK, number)
        if follow and self._follows(slot, number):
            return Finding(OK_ECF, number)
        return Finding(WRONG, number)

    def tolerance(self, slot: int) -> float:
        """Return how far a typed value may be from the right one."""
        cell = self.cells[slot - self.key.givens]
        return float(0.5 * 10.0 ** -max(cell.decimals, FEWEST_DECIMALS) + _ROUNDING)

    def typed_right(self, slot: int, number: float, values: Values) -> bool:
        """Tell whether a typed number is the key's, to the decimals that are asked for."""
        return self._near(slot, number, float(values[slot, -1]))

    def _near(self, slot: int, number: float, right: float) -> bool:
        if not abs(number - right) <= self.tolerance(slot):
            return False
        old = self._before_update(slot)
        if old is None or abs(old - right) <= _ROUNDING:
            return True
        return abs(number - right) < abs(number - old)  # an unchanged weight never passes

    def _before_update(self, slot: int) -> float | None:
        """Return the weight or bias that an updated one starts from; None for other cells."""
        cell = self.cells[slot - self.key.givens]
        if not cell.quantity.startswith("new_"):
            return None
        for other, given in enumerate(self.key.manifest.givens):
            if (given.quantity, given.layer, given.index) == (
                cell.quantity.removeprefix("new_"), cell.layer, cell.index,
            ):  # fmt: skip
                return float(self.values[other, -1])
        return None

    def _follows(self, slot: int, number: float) -> bool:
        """Tell whether a typed number follows, by the key's formula, from the student's values.

        An early 0 would make all that follows trivially 0: where a value that it starts from
        is 0, or it comes to 0 itself, and the key's is not, nothing is credited; neither is a
        number that was typed all over the sheet.
        """
        key, actual = self.key, self.own.actual
        everywhere = max(_MANY, len(self.cells) // 4)
        if sum(value == number for value in actual.values()) > everywhere:
            return False
        table = self.values[:, -1:].copy()
        for other in key.reads[slot]:
            if other >= key.givens:
                table[other, 0] = actual.get(other, np.nan)
        if not np.isfinite(table[list(key.reads[slot]), 0]).all():
            return False
        for other in key.reads[slot]:
            small = _ROUNDING
            if key.is_graded(other) and self.cells[other - key.givens].takes == VALUE:
                small = self.tolerance(other)
            if abs(table[other, 0]) <= small < abs(self.values[other, -1]):
                return False
        follows = float(key.over(slot, table)[0])
        small = self.tolerance(slot)
        if not np.isfinite(follows) or abs(follows) <= small < abs(self.values[slot, -1]):
            return False
        return self._near(slot, number, follows)


def _real(values: Values | None) -> float | None:
    if values is None or not np.isfinite(values[-1]):
        return None
    return float(values[-1])
