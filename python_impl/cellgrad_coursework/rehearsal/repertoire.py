"""The catalogue's mistakes that students of an assignment can make, cell by cell.

A mistake counts if it shows: if its formula comes to other numbers than the right one, on random
givens and on the student's own, and is nothing that an accepted convention would have there.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cellgrad.case.model import Case
from cellgrad.errors import InputError
from cellgrad.workbook.formulas import Formulas
from cellgrad.workbook.layout import StepLayout
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.grading.conventions import Accepted, Convention
from cellgrad_coursework.grading.draws import Givens
from cellgrad_coursework.grading.key import equal
from cellgrad_coursework.rehearsal.calculated import Sheet, Values
from cellgrad_coursework.rehearsal.mistaken_formulas import mistaken_formulas

_SHOWS = 1e-6
"""A mistake that makes no larger difference is none that a student could be taught from."""

_TRIED = 12
"""So many places of a mistake are tried in a workbook."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake of the catalogue in one graded cell.

    Attributes:
        cell: the number of the graded cell.
        entry: the catalogue's id.
        name: which variant.
        formula: what is written, without its equals sign.
    """

    cell: int
    entry: str
    name: str
    formula: str


class Repertoire:
    """What can go wrong in an assignment.

    Args:
        sheet: the right formulas.
        case: any case of the assignment.
        drawn: random givens.
        right: the key's table on them.
        rng: in which order mistakes are made.
    """

    def __init__(
        self,
        sheet: Sheet,
        case: Case,
        drawn: Sequence[Givens],
        right: Values,
        rng: random.Random,
    ) -> None:
        self.sheet, self.right, self._random = sheet, right, rng
        accepted = Accepted(sheet.key, case, drawn, right)
        self.conventions = accepted.single
        self._otherwise = [*accepted.single, *accepted.used(lambda *_: True)]
        self._case = case
        self._of: dict[str, list[Mistake]] = defaultdict(list)
        self._in: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for each in mistaken_formulas(sheet.key.manifest, case):
            mistake = Mistake(each.cell, each.variant.entry, each.variant.name, each.formula)
            self._of[mistake.entry].append(mistake)
            self._in[mistake.cell][mistake.formula].add(mistake.entry)
        self._next = sorted(self._of)
        rng.shuffle(self._next)
        self._values: dict[tuple[int, str], Values | None] = {}

    def next(self, fits: Callable[[Mistake], bool]) -> Mistake | None:
        """Return a mistake that fits; the entry that was made longest ago comes first."""
        for entry in self._next:
            places = [each for each in self._of[entry] if fits(each)]
            self._random.shuffle(places)
            found = next((each for each in places[:_TRIED] if self.shows(each)), None)
            if found is not None:
                self._next.remove(entry)
                self._next.append(entry)
                return found
        return None

    def all_of(self, entry: str, name: str) -> list[Mistake]:
        """Return a mistake in all the cells where it shows."""
        return [each for each in self._of[entry] if each.name == name and self.shows(each)]

    def alike(self, mistake: Mistake) -> frozenset[str]:
        """Return the entries whose formulas come to the same in the cell, its own among them."""
        mine, found = self._on_draws(mistake.cell, mistake.formula), {mistake.entry}
        for formula, entries in self._in[mistake.cell].items():
            theirs = self._on_draws(mistake.cell, formula)
            if mine is not None and theirs is not None and equal(mine, theirs).all():
                found |= entries
        return frozenset(found)

    def shows(self, mistake: Mistake) -> bool:
        """Tell whether a mistake makes a difference on random givens, and is no convention."""
        key = self.sheet.key
        slot = key.givens + mistake.cell
        if any(key.after[slot] >> n & 1 for n in self.sheet.reads(slot, mistake.formula)):
            return False  # it would go round in a circle
        found = self._on_draws(mistake.cell, mistake.formula)
        if found is None or not np.isfinite(found).all() or equal(found, self.right[slot]).all():
            return False
        return not any(
            self.is_by(convention, slot, mistake.formula) for convention in self._otherwise
        )

    def is_by(self, convention: Convention, slot: int, formula: str) -> bool:
        """Tell whether a formula is what a convention has in a slot."""
        found = self.sheet.comes_to(slot, formula, convention.values)
        return found is not None and bool(equal(found, convention.values[slot]).all())

    def by_convention(self, convention: Convention) -> dict[int, str] | None:
        """Return what a convention writes into the slots that it changes; None if unknown."""
        key, found = self.sheet.key, dict[int, str]()
        for slot in sorted(convention.changed):
            cell = slot - key.givens
            formulas = [*self._in[cell], *self._declared(convention, cell)]
            text = next((each for each in formulas if self.is_by(convention, slot, each)), None)
            if text is None:
                return None
            found[slot] = text
        return found or None

    def _declared(self, convention: Convention, number: int) -> list[str]:
        """Return the right formula of a cell where the case itself says the convention."""
        case, cell = self._case, self.sheet.key.manifest.cells[number]
        for name in convention.ids:
            declare = by_id()[name].declare
            case = declare(case) if declare is not None else case
        place = StepLayout(self._case.structure())
        formulas = Formulas(case.structure(), place.at, place.area)
        try:
            return [formulas.of((cell.quantity, cell.layer), cell.index)[1:]]
        except (LookupError, ValueError, InputError):
            return []  # then it has no such quantity

    def _on_draws(self, cell: int, formula: str) -> Values | None:
        place = cell, formula
        if place not in self._values:
            slot = self.sheet.key.givens + cell
            self._values[place] = self.sheet.comes_to(slot, formula, self.right)
        return self._values[place]


def shows_in(number: float, right: float) -> bool:
    """Tell whether a mistake makes another number: a factor of 1 can be forgotten."""
    return bool(abs(number - right) > _SHOWS * max(1.0, abs(right)))
