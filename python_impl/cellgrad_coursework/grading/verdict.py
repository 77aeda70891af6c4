"""What is to be said of each cell, by the first rule that fits; see the words in ``model``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellgrad.formula.tree import ErrorValue, FormulaError, nodes
from cellgrad.xlsx.addresses import Place
from cellgrad_coursework.grading.book import Entry, StudentBook
from cellgrad_coursework.grading.following import TypedNumbers, typed_in
from cellgrad_coursework.grading.key import Key, Standard, Values, bits_of, equal
from cellgrad_coursework.grading.world import OwnWorld, transplanted
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VALUE,
    WRONG,
)

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


Findings = dict[int, Finding]
"""Of every graded cell, by slot, in the order of the flow."""

CIRCULAR, RIGHT_NUMBER, NO_NUMBER, NOT_FOUND = "circular", "right number", "no number", "not found"
LOST_GIVENS, HOLDS_ERROR = "lost givens", "holds an error"


def _is_blank(entry: Entry) -> bool:
    empty = entry.value is None or (isinstance(entry.value, str) and not entry.value.strip())
    return empty and not entry.formula and not entry.problem


@dataclass(frozen=True, slots=True)
class _Cell:
    """A graded cell that holds something."""

    slot: int
    place: Place
    entry: Entry
    takes_value: bool


class Judge:
    """Judges the graded cells of one submission.

    Args:
        book: the submission.
        standard: the key.
    """

    def __init__(self, book: StudentBook, standard: Standard) -> None:
        self.book, self.standard = book, standard
        self.key: Key = book.key
        self.draws = standard.values.shape[1]
        self.numbers = TypedNumbers(self.key, standard.values[:, -1])
        self.own = OwnWorld(book, standard, self.numbers)
        self.actual: dict[int, float] = {}
        self._worlds: dict[Standard, tuple[OwnWorld, NDArray[np.bool_]]] = {}
        self._lost_givens = None in book.where[: self.key.givens]
        self._takes_values = any(cell.takes == VALUE for cell in self.key.manifest.cells)
        if self._takes_values:
            self.actual = self.own.as_it_stands()
            constants = (s for s in self.key.graded_slots if book.where[s] and not self.reached(s))
            self.numbers.see(self.actual, bits_of(constants))

    def reached(self, slot: int) -> int:
        """Return the slots that a graded cell reads, directly or not, as bits."""
        place = self.book.where[slot]
        return 0 if place is None else self.own.reached.get(place, 0)

    # verdicts

    def finding(self, slot: int, standard: Standard) -> Finding:
        """Return what is to be said of a graded cell.

        Where givens cannot be found, nobody can tell whether a formula that is not right reads
        them: a person has to look.

        Args:
            slot: of the cell.
            standard: the key, or a convention that is accepted.
        """
        finding = self._finding(slot, standard)
        place = self.book.where[slot]
        formula = None if place is None else self.book.formula(place)
        if formula is None or finding.verdict not in (HARDCODED, WRONG, EMBEDDED_CONSTANT):
            return finding
        if self._lost_givens:
            return Finding(REVIEW, finding.value, why=LOST_GIVENS)
        if not finding.why and formula.tree is not None:
            error = any(isinstance(node, ErrorValue) for node in nodes(formula.tree))
            finding.why = HOLDS_ERROR if error else ""
        return finding

    def _finding(self, slot: int, standard: Standard) -> Finding:
        place = self.book.where[slot]
        if place is None:
            return Finding(REVIEW, why=NOT_FOUND)
        entry = self.book.entry(place)
        if entry is None or _is_blank(entry):
            return Finding(BLANK)
        cell = _Cell(slot, place, entry, self.key.cell(slot).takes == VALUE)
        real = _real(self._world(standard)[0].values.get(slot))
        if not entry.formula and not entry.problem:
            return self._of_constant(cell, standard)
        if slot in self.own.problems:
            return Finding(REVIEW, real, why=self.own.problems[slot])
        return self._of_formula(cell, real, standard)

    def filled_by(self, slot: int, standard: Standard) -> bool:
        """Tell whether what stands in a cell is right by itself among a standard's values."""
        place = self.book.where[slot]
        entry = None if place is None else self.book.entry(place)
        if place is None or entry is None or slot in self.own.problems:
            return False
        if entry.formula:
            made = self.transplanted(slot, standard.values, self.own.circular.get(place, 0))
            if equal(made, standard.values[slot]).all():
                return True
        typed = self.actual.get(slot, np.nan) if entry.formula else typed_in(entry)
        if self.key.cell(slot).takes != VALUE or typed is None:
            return False
        return self._of_typed(slot, typed, standard).verdict != WRONG

    def transplanted(
        self,
        slot: int,
        values: Values,
        circle: int = 0,
        aliases: Mapping[Place, int] | None = None,
    ) -> Values:
        """Return what a formula makes of the key's values; NaN where that cannot be told."""
        try:
            return transplanted(self.book, slot, values, circle, aliases)
        except FormulaError:
            return np.full(self.draws, np.nan)

    def _world(self, standard: Standard) -> tuple[OwnWorld, NDArray[np.bool_]]:
        """Return the own world, and of every graded cell whether it equals these values.

        A typed number that is right by a convention stands as the convention's exact one.
        """
        if standard not in self._worlds:
            own, slots = self.own, self.key.graded_slots
            if standard is not self.standard and self._takes_values:
                own = OwnWorld(self.book, standard, self.numbers)
            nothing = np.full(self.draws, np.nan)
            made = np.array([own.values.get(slot, nothing) for slot in slots])
            agreeing = equal(made, standard.values[slots.start : slots.stop]).all(axis=1)
            self._worlds[standard] = own, np.asarray(agreeing)
        return self._worlds[standard]

    def _of_constant(self, cell: _Cell, standard: Standard) -> Finding:
        number = typed_in(cell.entry)
        if number is None:
            return Finding(WRONG if cell.takes_value else HARDCODED, why=NO_NUMBER)
        return self._of_number(cell, number, standard)

    def _of_number(self, cell: _Cell, number: float | None, standard: Standard) -> Finding:
        """Return what is to be said of a number that was typed, or that reads nothing."""
        if number is None:
            return Finding(HARDCODED)
        if cell.takes_value or not self.key.reads[cell.slot]:
            return self._of_typed(cell.slot, number, standard)
        right = self.numbers.right(cell.slot, number, standard.values)
        return Finding(HARDCODED, number, why=RIGHT_NUMBER if right else "")

    def _of_typed(self, slot: int, number: float, standard: Standard) -> Finding:
        """Return the better of what is right and what follows from the student's values."""
        if self.numbers.right(slot, number, standard.values):
            return Finding(OK, number)
        follows = self.numbers.follows(slot, number, standard)
        return Finding(OK_ECF if follows else WRONG, number)

    def _of_formula(self, cell: _Cell, real: float | None, standard: Standard) -> Finding:
        slot, (own, agreeing) = cell.slot, self._world(standard)
        reached = own.reached.get(cell.place, 0)
        if not reached:
            return self._of_number(cell, real, standard)
        if agreeing[slot - self.key.givens] and not reached & (own.unknown | own.typed):
            return Finding(OK, real)
        circle = self.own.circular.get(cell.place, 0)
        try:
            made = transplanted(self.book, slot, standard.values, circle)
        except FormulaError as problem:
            return Finding(REVIEW, real, why=str(problem))
        finding = self._of_transplanted(slot, made, standard, own, reached)
        if finding.verdict in (WRONG, EMBEDDED_CONSTANT):
            finding = self._through_stand_ins(cell, standard.values, circle) or finding
        if finding.verdict == WRONG and circle and not np.isfinite(made).any():
            return Finding(WRONG, None, why=CIRCULAR)
        if cell.takes_value and real is not None and finding.verdict not in (OK, OK_ECF):
            typed = self._of_typed(slot, self.actual.get(slot, real), standard)
            return typed if typed.verdict != WRONG else finding
        return finding

    def _of_transplanted(
        self, slot: int, made: Values, standard: Standard, own: OwnWorld, reached: int
    ) -> Finding:
        """Return what the transplant tells.

        Where the own world goes on from a number that is not the student's, only the transplant
        counts: a cell that is worked out backwards from such a number would look right.
        """
        real, right = _real(own.values[slot]), standard.values[slot]
        agrees, own_agrees = equal(made, right), equal(own.values[slot], right)
        if agrees.all():
            follows = reached & own.unknown or not own_agrees.all()
            return Finding(OK_ECF if follows else OK, real, made)
        lent = reached & (own.unknown | own.typed)
        with_these_numbers = agrees[-1] or (own_agrees[-1] and not lent)
        return Finding(EMBEDDED_CONSTANT if with_these_numbers else WRONG, real, made)

    # scratch cells that stand for graded ones

    def _through_stand_ins(self, cell: _Cell, values: Values, circle: int) -> Finding | None:
        """Return a finding if a formula follows from scratch cells that equal graded ones.

        Whoever works out a graded cell in a scratch cell, and goes on from there, goes on from
        the graded cell.
        """
        slot, aliases = cell.slot, dict[Place, int]()
        for scratch in self._scratch(slot, cell.place):
            other = self._stands_for(scratch, slot)
            if other is not None:
                aliases[scratch] = other
        made = self._right_over(slot, values, aliases, circle) if aliases else None
        if made is None:
            return None
        real, through = _real(self.own.values.get(slot)), bits_of(aliases.values())
        return Finding(OK_ECF, real, made, through=through)

    def shared(self, findings: Findings, values: Values) -> Findings:
        """Return findings in which one wrong scratch cell is one mistake.

        Where several cells are right but for the same scratch cell, which stands for something
        that the right formulas read, the first is wrong and the others follow from it.

        Args:
            findings: of every graded cell.
            values: the key's values, or those of a convention that is accepted.
        """
        settled, first = dict(findings), dict[tuple[Place, int], int]()
        trials = _TRIALS
        for scratch, slots in self._readers(findings).items():
            for slot in slots if len(slots) > 1 else ():
                if settled[slot].verdict != WRONG:
                    continue
                for other in sorted(self.key.sources(self.key.reads[slot]))[:trials]:
                    trials -= 1
                    made = self._right_over(slot, values, {scratch: other})
                    if made is None:
                        continue
                    before = first.setdefault((scratch, other), slot)
                    if before != slot:
                        value = settled[slot].value
                        settled[slot] = Finding(OK_ECF, value, made, through=1 << before)
                    break
        return settled

    def _readers(self, findings: Findings) -> dict[Place, list[int]]:
        """Return the scratch cells that wrong formulas read, and which."""
        readers = dict[Place, list[int]]()
        for slot, finding in findings.items():
            place = self.book.where[slot]
            if finding.verdict != WRONG or finding.transplanted is None or place is None:
                continue
            if place not in self.own.circular:
                for scratch in self._scratch(slot, place):
                    if self._varied(scratch) is not None:
                        readers.setdefault(scratch, []).append(slot)
        return readers

    def _right_over(
        self, slot: int, values: Values, aliases: Mapping[Place, int], circle: int = 0
    ) -> Values | None:
        """Return what a formula makes of the key's values if that is right; None if it is not."""
        made = self.transplanted(slot, values, circle, aliases)
        return made if equal(made, values[slot]).all() else None

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
        equals = [
            other for other, own in self.own.values.items()
            if other != slot and not key.after[slot] >> other & 1 and equal(value, own).all()
        ]  # fmt: skip
        return max(equals, key=lambda o: (near >> o & 1, before >> o & 1, -o), default=None)


def _real(values: Values | None) -> float | None:
    if values is None or not np.isfinite(values[-1]):
        return None
    return float(values[-1])
