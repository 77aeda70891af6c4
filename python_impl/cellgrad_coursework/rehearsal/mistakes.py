"""The catalogue's mistakes as formulas, and which of them students of an assignment can make.

A variant's program runs on formulas instead of numbers, each quantity put right once it is
recorded, so that its own arithmetic spells out the wrong formula in the handout's addresses. A
mistake counts if it shows: if its formula makes other numbers than the right one, on random
givens and on the student's own, and is nothing that an accepted convention would have there.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.givens import givens_of, with_givens
from cellgrad.case.model import Case
from cellgrad.case.quantities import Key as QuantityKey
from cellgrad.case.quantities import table
from cellgrad.errors import InputError
from cellgrad.workbook.formulas import Formulas, StepLayout
from cellgrad.xlsx.addresses import a1
from cellgrad_audit.bugs.catalogue import Variant, by_id
from cellgrad_audit.bugs.pairs import paired
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.report import expression as formula_of
from cellgrad_audit.report.expression import Expression, NotLiveError, Reference, written
from cellgrad_audit.report.expression import Formulas as FormulaArithmetic
from cellgrad_coursework.grading.catalogue import Accepted, Convention, local_values
from cellgrad_coursework.grading.key import Givens, Values, equal
from cellgrad_coursework.model import Manifest
from cellgrad_coursework.rehearsal.calculated import Sheet

_FIRST = 1_000.0
"""Givens are marked by numbers from here on: no number of a network looks like these."""

_SHOWS = 1e-6
"""A mistake that makes no larger difference is none that a student could be taught from."""

_TRIED = 12
"""So many places of a mistake are tried in a workbook."""

Symbols = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake of the catalogue in one graded cell.

    Attributes:
        cell: the number of the graded cell in the manifest.
        variant: which mistake.
        formula: what is written, without its equals sign.
    """

    cell: int
    variant: Variant
    formula: str

    @property
    def entry(self) -> str:
        """The catalogue's id."""
        return self.variant.entry


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
        self._of_entry: dict[str, list[Mistake]] = defaultdict(list)
        self._in_cell: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for mistake in mistakes_of(sheet.key.manifest, case):
            self._of_entry[mistake.entry].append(mistake)
            self._in_cell[mistake.cell][mistake.formula].add(mistake.entry)
        self._next = sorted(self._of_entry)
        rng.shuffle(self._next)
        self._values: dict[tuple[int, str], Values | None] = {}

    def next(self, fits: Callable[[Mistake], bool]) -> Mistake | None:
        """Return a mistake that fits; the entry that was made longest ago comes first."""
        for entry in self._next:
            places = [each for each in self._of_entry[entry] if fits(each)]
            self._random.shuffle(places)
            mistake = next((each for each in places[:_TRIED] if self.shows(each)), None)
            if mistake is not None:
                self._next.remove(entry)
                self._next.append(entry)
                return mistake
        return None

    def all_of(self, entry: str) -> list[Mistake]:
        """Return a mistake, in the first way to make it, in all the cells where it shows."""
        of_entry = self._of_entry[entry]
        return [each for each in of_entry if not each.variant.name and self.shows(each)]

    def alike(self, mistake: Mistake) -> frozenset[str]:
        """Return the entries whose formulas make the same numbers, its own among them."""
        mine, entries = self._on_draws(mistake.cell, mistake.formula), {mistake.entry}
        for formula, others in self._in_cell[mistake.cell].items():
            theirs = self._on_draws(mistake.cell, formula)
            if mine is not None and theirs is not None and equal(mine, theirs).all():
                entries |= others
        return frozenset(entries)

    def shows(self, mistake: Mistake) -> bool:
        """Tell whether a mistake makes a difference on random givens, and is no convention."""
        key = self.sheet.key
        slot = key.givens + mistake.cell
        if any(key.after[slot] >> n & 1 for n in self.sheet.reads(slot, mistake.formula)):
            return False  # it would go round in a circle
        values = self._on_draws(mistake.cell, mistake.formula)
        if values is None or not np.isfinite(values).all():
            return False
        return not equal(values, self.right[slot]).all() and not any(
            self.is_by(convention, slot, mistake.formula) for convention in self._otherwise
        )

    def is_by(self, convention: Convention, slot: int, formula: str) -> bool:
        """Tell whether a formula is what a convention has in a slot."""
        values = self.sheet.comes_to(slot, formula, convention.values)
        return values is not None and bool(equal(values, convention.values[slot]).all())

    def by_convention(self, convention: Convention) -> dict[int, str] | None:
        """Return what a convention writes into the slots that it changes; None if unknown."""
        key, written_in = self.sheet.key, dict[int, str]()
        for slot in sorted(convention.changed):
            cell = slot - key.givens
            formulas = [*self._in_cell[cell], *self._declared(convention, cell)]
            text = next((each for each in formulas if self.is_by(convention, slot, each)), None)
            if text is None:
                return None
            written_in[slot] = text
        return written_in or None

    def _declared(self, convention: Convention, number: int) -> list[str]:
        """Return the right formula of a cell where the case itself says the convention."""
        case, cell = self._case, self.sheet.key.manifest.cells[number]
        for name in convention.ids:
            declare = by_id()[name].declare
            case = declare(case) if declare is not None else case
        layout = StepLayout(self._case.structure())
        formulas = Formulas(case.structure(), layout.at, layout.area)
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


# mistakes as formulas


class _Spelling(FormulaArithmetic):
    """The arithmetic whose numbers are formulas in the handout's addresses.

    Args:
        addresses: of the givens, by the numbers that mark them.
    """

    def __init__(self, addresses: Mapping[float, str]) -> None:
        super().__init__(self)
        self.addresses = addresses

    def given(self, value: float) -> Expression | None:
        """Return the address of a marked given."""
        address = self.addresses.get(value)
        return None if address is None else Reference(address, self)

    def aside(self, expression: Expression) -> Expression:
        """Refuse: a student has one cell for it."""
        raise NotLiveError(f"the formula grows too long: {expression.size} references")

    def rounded(self, x: Symbols, to: Callable[[float], float]) -> Symbols:
        """Refuse: a formula does not round as another format does."""
        del x, to
        raise NotLiveError("no formula rounds like this")


def mistakes_of(manifest: Manifest, case: Case) -> Iterator[Mistake]:
    """Yield what each mistake writes into each cell, where it is made there.

    Some are no mistakes in their cell, or come to the same as another: what a formula is
    worth is for the grader to say.

    Args:
        manifest: the assignment.
        case: any case of it.
    """
    marked, addresses = _marked(manifest, case)
    spelling = _Spelling(addresses)
    right = _right(manifest, case, spelling)
    usual = _spelled(Program, marked, right, spelling)
    for variant in paired():
        spelled = _spelled(variant.program, marked, right, spelling)
        for n, cell in enumerate(manifest.cells):
            key = (cell.quantity, cell.layer)
            text, plain = (_formula_at(each.get(key), cell.index) for each in (spelled, usual))
            if text and text != plain:
                yield Mistake(n, variant, text)


def _formula_at(array: Symbols | None, index: tuple[int, ...]) -> str:
    try:
        value = None if array is None else np.asarray(array, dtype=object)[index]
    except IndexError:
        return ""
    if isinstance(value, float | int):
        value = formula_of.expression(value)
    return written(value, str) if isinstance(value, Expression) else ""


def _spelled(
    program: type[Program], case: Case, right: Mapping[QuantityKey, Symbols], spelling: _Spelling
) -> dict[QuantityKey, Symbols]:
    try:
        return local_values(program, case, right, spelling)
    except (NotLiveError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
        return {}  # it has no meaning for this network, or is no formula


def _marked(manifest: Manifest, case: Case) -> tuple[Case, dict[float, str]]:
    """Return the case with a mark in place of each given, and the addresses by mark."""
    marks, addresses = givens_of(case), dict[float, str]()
    for n, given in enumerate(manifest.givens):
        marks[given.quantity, given.layer][given.index] = _FIRST + n + 0.5
        addresses[_FIRST + n + 0.5] = given.address
    return with_givens(case, marks), addresses


def _right(manifest: Manifest, case: Case, spelling: _Spelling) -> dict[QuantityKey, Symbols]:
    """Return the cells' addresses in place of the quantities that they hold."""
    known = {(cell.sheet, cell.address) for cell in manifest.cells}
    known |= {(cell.sheet, cell.address) for cell in manifest.fixed}
    layout, quantities = StepLayout(case.structure()), table(case.structure())
    right: dict[QuantityKey, Symbols] = {}
    for key, array in Program(case).run().steps[0].items():
        if key not in quantities:
            continue
        addresses = {
            index: a1(*layout.places[key].cell(index))
            for index in np.ndindex(quantities[key].shape)
        }
        if all((layout.sheet, address) in known for address in addresses.values()):
            right[key] = np.empty(np.shape(array), dtype=object)
            for index, address in addresses.items():
                right[key][index] = Reference(address, spelling)
    return right
