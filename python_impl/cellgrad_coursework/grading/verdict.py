"""What is to be said of each cell, by the first rule that fits; see the words in ``model``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place
from cellgrad_coursework.formulas.tree import nodes
from cellgrad_coursework.formulas.values import Area, Logical, Value
from cellgrad_coursework.grading.dialects import typed_number
from cellgrad_coursework.grading.following import Over, TypedNumbers
from cellgrad_coursework.grading.key import Key, equal
from cellgrad_coursework.grading.submission import Entry
from cellgrad_coursework.grading.world import Sight, StudentBook, Transplants
from cellgrad_coursework.model import (
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

Values = NDArray[np.float64]

_TRIALS = 400
"""So many times it is tried whether a scratch cell stands for something else."""


@dataclass(slots=True)
class Finding:
    """What was found of one graded cell.

    Attributes:
        verdict: one of the words in ``model``.
        value: what it comes to with the student's own givens; None for no number.
        transplanted: what its formula makes of the key's values; None where that was not asked.
        why: what else there is to say: why a person should look, ``circular``, ``right number``.
        through: slots that a scratch cell stands for which it reads, as bits.
    """

    verdict: str
    value: float | None = None
    transplanted: Values | None = None
    why: str = ""
    through: int = 0


CIRCULAR, RIGHT_NUMBER, NO_NUMBER, NOT_FOUND = "circular", "right number", "no number", "not found"
LOST_GIVENS, HOLDS_ERROR = "lost givens", "holds an error"


@dataclass(slots=True)
class OwnWorld:
    """The student's whole workbook, evaluated with the givens restored.

    Attributes:
        values: of every graded cell, by slot.
        reached: for each cell, the slots that it reads, directly or not, as bits.
        circular: cells that read each other in a circle, and the slots in it, as bits.
        problems: graded cells that a person has to look at, by slot, and why.
        unknown: slots that could not be evaluated and stand as if they were right, as bits.
        typed: slots whose typed number is right and stands as the exact one, as bits.
        actual: with the real givens, as they stand, for typed values; by slot.
        known: of every cell that was evaluated, by place.
    """

    values: dict[int, Values] = field(default_factory=dict)
    reached: dict[Place, int] = field(default_factory=dict)
    circular: dict[Place, int] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    unknown: int = 0
    typed: int = 0
    actual: dict[int, float] = field(default_factory=dict)
    known: dict[Place, Value] = field(default_factory=dict)


def as_numbers(value: Value, draws: int) -> Values:
    """Return a cell's value as numbers, NaN for what is none."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, float):
        return np.full(draws, value)
    if isinstance(value, Logical):
        return np.broadcast_to(np.asarray(value.data, np.float64), (draws,))
    if isinstance(value, Area):
        raise FormulaError("the formula comes to several values in one cell")
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
        self.numbers = TypedNumbers(self.key, values[:, -1])
        self.own = self._own_world(values)
        self._worlds: list[tuple[Values, OwnWorld, NDArray[np.bool_]]] = []
        self._lost_givens = None in book.where[: self.key.givens]
        self._takes_values = any(cell.takes == VALUE for cell in self.cells)
        if self._takes_values:
            self._work_out_actual()
            self.numbers.see(self.own.actual, self._constants())

    def slot(self, number: int) -> int:
        """Return the slot of a graded cell by its number."""
        return self.key.givens + number

    def _constants(self) -> int:
        """Return the graded cells that read nothing, as bits."""
        found = 0
        for slot in range(self.key.givens, self.key.givens + self.key.graded):
            place = self.book.where[slot]
            if place is not None and not self.own.reached.get(place):
                found |= 1 << slot
        return found

    def _own_world(self, values: Values) -> OwnWorld:
        book, key, own = self.book, self.key, OwnWorld()
        sight = Sight(book, self.draws, self.values, (1 << key.givens) - 1)
        own.known = sight.known
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
            self._work_out(own, sight, group[0], values)
        return own

    def _work_out(self, own: OwnWorld, sight: Sight, place: Place, values: Values) -> None:
        slot = self.book.slot_at.get(place)
        graded = slot is not None and self.key.is_graded(slot)
        try:
            found = sight.work_out(place)
            value = as_numbers(found, self.draws) if graded else np.empty(0)
        except FormulaError as problem:
            if graded and slot is not None:
                own.problems[slot] = str(problem)
                # what follows goes on as if this were right, until a person has looked
                sight.problems.pop(place, None)
                sight.known[place] = values[slot]
                own.unknown |= 1 << slot
            return
        if graded and slot is not None:
            own.values[slot] = value
            cell = self.cells[slot - self.key.givens]
            if cell.takes == VALUE and self._typed(place) is not None:
                number = self._typed(place)
                if number is not None and self.numbers.right(slot, number, values):
                    sight.known[place] = values[slot]
                    own.typed |= 1 << slot

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
        # the handout's own cells too: typed values follow through its copies
        starts = [place for place in book.where[key.givens :] if place is not None]
        for group in book.groups(starts, sight.holds):
            for place in group:
                slot = book.slot_at.get(place)
                handed_out = slot is not None and slot >= key.givens + key.graded
                number = None if handed_out else self._typed(place)
                if place in own.circular:
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
                    own.actual[slot] = float(as_numbers(sight.known.get(place), 1)[0])

    # verdicts

    def finding(self, number: int, values: Values, over: Over | None = None) -> Finding:
        """Return what is to be said of a graded cell.

        Where givens cannot be found, nobody can tell whether a formula that is not right reads
        them: a person has to look.

        Args:
            number: of the cell.
            values: the key's values, or those of a convention that is accepted.
            over: the right formulas; the key's by default.
        """
        found = self._finding(number, values, over or self.key.over)
        place = self.book.where[self.slot(number)]
        formula = None if place is None else self.book.formula(place)
        if formula is None or found.verdict not in (HARDCODED, WRONG, EMBEDDED_CONSTANT):
            return found
        if self._lost_givens:
            return Finding(REVIEW, found.value, why=LOST_GIVENS)
        if not found.why and formula.tree is not None:
            error = any(node[0] == "error" for node in nodes(formula.tree))
            found.why = HOLDS_ERROR if error else ""
        return found

    def _finding(self, number: int, values: Values, over: Over) -> Finding:
        slot, cell = self.slot(number), self.cells[number]
        place = self.book.where[slot]
        if place is None:
            return Finding(REVIEW, why=NOT_FOUND)
        entry = self.book.entry(place)
        if entry is None or is_blank(entry):
            return Finding(BLANK)
        real = _real(self._world(values)[0].values.get(slot))
        if not entry.formula and not entry.problem:
            return self._of_constant(slot, cell, place, values, over=over)
        if slot in self.own.problems:
            return Finding(REVIEW, real, why=self.own.problems[slot])
        return self._of_formula(slot, cell, place, values, real, over=over)

    def filled_by(self, number: int, values: Values, over: Over | None = None) -> bool:
        """Tell whether what stands in a cell is right by itself among these values.

        Args:
            number: of the cell.
            values: the key's values, or those of a convention that is accepted.
            over: the right formulas; the key's by default.
        """
        slot = self.slot(number)
        place = self.book.where[slot]
        entry = None if place is None else self.book.entry(place)
        if place is None or entry is None or slot in self.own.problems:
            return False
        value = self.cells[number].takes == VALUE
        if entry.formula:
            found = self.transplanted(slot, values, self.own.circular.get(place, 0))
            if equal(found, values[slot]).all():
                return True
        typed = self.own.actual.get(slot, np.nan) if entry.formula else self._typed(place)
        if not value or typed is None:
            return False
        follows = self.numbers.follows
        return self.numbers.right(slot, typed, values) or (
            follows(slot, typed, values, over or self.key.over)
        )

    def transplanted(
        self,
        slot: int,
        values: Values,
        circle: int = 0,
        aliases: Mapping[Place, int] | None = None,
    ) -> Values:
        """Return what a formula makes of the key's values; NaN where that cannot be told."""
        try:
            return as_numbers(Transplants(self.book, values, aliases).of(slot, circle), self.draws)
        except FormulaError:
            return np.full(self.draws, np.nan)

    def _world(self, values: Values) -> tuple[OwnWorld, NDArray[np.bool_]]:
        """Return the own world, and of every graded cell whether it equals these values.

        A typed number that is right by a convention stands as the convention's exact one.
        """
        for known, own, agreeing in self._worlds:
            if known is values:
                return own, agreeing
        own = self.own
        if values is not self.values and self._takes_values:
            own = self._own_world(values)
        first, last = self.key.givens, self.key.givens + self.key.graded
        nothing = np.full(self.draws, np.nan)
        found = np.array([own.values.get(slot, nothing) for slot in range(first, last)])
        agreeing = np.asarray(equal(found, values[first:last]).all(axis=1))
        self._worlds.append((values, own, agreeing))
        return own, agreeing

    def _of_constant(
        self, slot: int, cell: GradedCell, place: Place, values: Values, *, over: Over
    ) -> Finding:
        number = self._typed(place)
        if number is None:
            return Finding(WRONG if cell.takes == VALUE else HARDCODED, why=NO_NUMBER)
        if cell.takes == VALUE or not self.key.reads[slot]:
            return self._of_typed(slot, number, values, over=over)
        right = self.numbers.right(slot, number, values)
        return Finding(HARDCODED, number, why=RIGHT_NUMBER if right else "")

    def _of_formula(
        self,
        slot: int,
        cell: GradedCell,
        place: Place,
        values: Values,
        real: float | None,
        *,
        over: Over,
    ) -> Finding:
        own, agreeing = self._world(values)
        reached = own.reached.get(place, 0)
        if not reached:
            if real is not None and (cell.takes == VALUE or not self.key.reads[slot]):
                return self._of_typed(slot, real, values, over=over)
            right = real is not None and self.numbers.right(slot, real, values)
            return Finding(HARDCODED, real, why=RIGHT_NUMBER if right else "")
        agrees = bool(agreeing[slot - self.key.givens])
        if agrees and not reached & (own.unknown | own.typed):
            return Finding(OK, real)
        circle = self.own.circular.get(place, 0)
        try:
            transplanted = as_numbers(Transplants(self.book, values).of(slot, circle), self.draws)
        except FormulaError as problem:
            return Finding(REVIEW, real, why=str(problem))
        found = self._of_transplanted(slot, transplanted, values, own, reached)
        if found.verdict in (WRONG, EMBEDDED_CONSTANT):
            found = self._through_stand_ins(slot, place, values, circle) or found
        if found.verdict == WRONG and circle and not np.isfinite(transplanted).any():
            found = Finding(WRONG, None, why=CIRCULAR)
        elif cell.takes == VALUE and real is not None and found.verdict not in (OK, OK_ECF):
            actual = self.own.actual.get(slot, real)
            as_typed = self._of_typed(slot, actual, values, over=over)
            found = as_typed if as_typed.verdict != WRONG else found
        return found

    def _of_transplanted(
        self, slot: int, transplanted: Values, values: Values, own: OwnWorld, reached: int
    ) -> Finding:
        """Return what the transplant tells.

        Where the own world goes on from a number that is not the student's, only the transplant
        counts: a cell that is worked out backwards from such a number would look right.
        """
        real = _real(own.values[slot])
        agrees, own_agrees = (
            equal(transplanted, values[slot]),
            equal(own.values[slot], values[slot]),
        )
        if agrees.all():
            follows = reached & own.unknown or not own_agrees.all()
            return Finding(OK_ECF if follows else OK, real, transplanted)
        lent = reached & (own.unknown | own.typed)
        with_these_numbers = agrees[-1] or (own_agrees[-1] and not lent)
        verdict = EMBEDDED_CONSTANT if with_these_numbers else WRONG
        return Finding(verdict, real, transplanted)

    # typed values

    def _of_typed(self, slot: int, number: float, values: Values, *, over: Over) -> Finding:
        """Return the better of what is right and what follows from the student's values."""
        if self.numbers.right(slot, number, values):
            return Finding(OK, number)
        if self.numbers.follows(slot, number, values, over):
            return Finding(OK_ECF, number)
        return Finding(WRONG, number)

    # scratch cells that stand for graded ones

    def _through_stand_ins(
        self, slot: int, place: Place, values: Values, circle: int
    ) -> Finding | None:
        """Return a finding if a formula follows from scratch cells that equal graded ones.

        Whoever works out a graded cell in a scratch cell, and goes on from there, goes on from
        the graded cell.
        """
        aliases, through = {}, 0
        for scratch in self._scratch(slot, place):
            other = self._stands_for(scratch, slot)
            if other is not None:
                aliases[scratch], through = other, through | 1 << other
        found = self._right_over(slot, values, aliases, circle) if aliases else None
        if found is None:
            return None
        return Finding(OK_ECF, _real(self.own.values.get(slot)), found, through=through)

    def shared(self, findings: list[Finding], values: Values) -> list[Finding]:
        """Return findings in which one wrong scratch cell is one mistake.

        Where several cells are right but for the same scratch cell, which stands for something
        that the right formulas read, the first is wrong and the others follow from it.

        Args:
            findings: of every graded cell.
            values: the key's values, or those of a convention that is accepted.
        """
        found, first = list(findings), dict[tuple[Place, int], int]()
        trials = _TRIALS
        for scratch, numbers in self._readers(findings).items():
            for number in numbers if len(numbers) > 1 else ():
                if found[number].verdict != WRONG:
                    continue
                slot = self.slot(number)
                for other in self._sources(slot)[:trials]:
                    trials -= 1
                    right = self._right_over(slot, values, {scratch: other})
                    if right is None:
                        continue
                    before = first.setdefault((scratch, other), number)
                    if before != number:
                        through = 1 << self.slot(before)
                        found[number] = Finding(OK_ECF, found[number].value, right, through=through)
                    break
        return found

    def _readers(self, findings: list[Finding]) -> dict[Place, list[int]]:
        """Return the scratch cells that wrong formulas read, and which."""
        readers = dict[Place, list[int]]()
        for number, finding in enumerate(findings):
            place = self.book.where[self.slot(number)]
            if finding.verdict != WRONG or finding.transplanted is None or place is None:
                continue
            scratches = self._scratch(self.slot(number), place)
            for scratch in scratches if place not in self.own.circular else ():
                if self._varied(scratch) is not None:
                    readers.setdefault(scratch, []).append(number)
        return readers

    def _sources(self, slot: int) -> list[int]:
        """Return the givens and graded cells that the right formula of a slot reads."""
        key, found, stack = self.key, set[int](), list(self.key.reads[slot])
        while stack:
            other = stack.pop()
            if other < key.givens or key.is_graded(other):
                found.add(other)
            else:
                stack += key.reads[other]
        return sorted(found)

    def _right_over(
        self, slot: int, values: Values, aliases: Mapping[Place, int], circle: int = 0
    ) -> Values | None:
        """Return what a formula makes of the key's values if that is right; None if it is not."""
        found = self.transplanted(slot, values, circle, aliases)
        return found if equal(found, values[slot]).all() else None

    def _scratch(self, slot: int, place: Place) -> Iterator[Place]:
        """Yield the scratch cells that a cell reads, directly or through others.

        They are worked out from something, and not from what comes after the cell itself.
        """
        seen, stack, later = set[Place](), [place], self.key.after[slot] | 1 << slot
        while stack:
            for other in self.book.reads(stack.pop()):
                reached = self.own.reached.get(other, 0)
                if other in seen or other in self.book.slot_at or not reached or reached & later:
                    continue
                seen.add(other)
                stack.append(other)
                yield other

    def _varied(self, scratch: Place) -> Values | None:
        """Return what a scratch cell comes to, if it is a number that is not always the same."""
        value = self.own.known.get(scratch)
        if not isinstance(value, np.ndarray) or not np.isfinite(value).all():
            return None
        return value if np.ptp(value[:-1]) else None

    def _stands_for(self, scratch: Place, slot: int) -> int | None:
        """Return the graded cell that a scratch cell equals, as the formula of a slot reads it."""
        value, key = self._varied(scratch), self.key
        if value is None:
            return None
        near, before = key.graded_before(slot), key.before[slot]
        found = [
            other for other, own in self.own.values.items()
            if other != slot and not key.after[slot] >> other & 1 and equal(value, own).all()
        ]  # fmt: skip
        return max(found, key=lambda o: (near >> o & 1, before >> o & 1, -o), default=None)


def _real(values: Values | None) -> float | None:
    if values is None or not np.isfinite(values[-1]):
        return None
    return float(values[-1])
