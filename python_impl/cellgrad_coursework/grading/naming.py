"""The catalogue's name for a mistake: what each variant would compute in a cell of the key.

A variant's program runs with every quantity put right once it is recorded, so that each cell
shows the mistake that is made there, and nothing that follows from one made earlier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key as QuantityKey
from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.catalogue import by_id, variants
from cellgrad_audit.bugs.entry import CONVENTION, MISTAKE, Variant
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.grading.draws import Givens, case_with
from cellgrad_coursework.grading.key import Key, equal

Values = NDArray[np.float64]

DRAWS = 6
"""So many draws tell mistakes apart, if they are chosen for it."""


class _PutRight(Program):
    """A program that goes on from the right values, whatever it computed."""

    right: Mapping[QuantityKey, Array]
    """What the right program computes."""

    computed: dict[QuantityKey, Array]

    def keep(self, name: str, layer: int | None, value: Array) -> Array:
        """Record what was computed and return what is right."""
        self.computed[name, layer] = value
        return self.right.get((name, layer), value)


def local_values(
    program: type[Program], case: Case, right: Mapping[QuantityKey, Array], arithmetic: Any = None
) -> dict[QuantityKey, Array]:
    """Return what a program computes in each quantity from right precedents.

    Args:
        program: the program.
        case: the case.
        right: what the right program computes.
        arithmetic: what it calculates with; doubles by default.
    """
    kind = type("PutRight", (_PutRight, program), {"right": right, "computed": {}})
    made = kind(case, arithmetic, keep={1}, last=1)
    with np.errstate(all="ignore"):
        made.run()
    return dict(made.computed)


class _Carried(Program):
    """A program that goes on from a student's values, whatever it computed."""

    mine: Mapping[QuantityKey, Sequence[tuple[tuple[int, ...], float]]]
    """The student's: by quantity, where and what."""

    computed: dict[QuantityKey, Array]

    def keep(self, name: str, layer: int | None, value: Array) -> Array:
        """Record what was computed and return what the student has."""
        self.computed[name, layer] = value
        found = np.array(value, dtype=np.float64)
        for index, number in self.mine.get((name, layer), ()):
            found[index] = number
        return found


def carried_values(
    program: type[Program],
    case: Case,
    mine: Mapping[QuantityKey, Sequence[tuple[tuple[int, ...], float]]],
) -> dict[QuantityKey, Array]:
    """Return what a program computes in each quantity from a student's precedents.

    Args:
        program: the program.
        case: the case.
        mine: the student's values: by quantity, where and what.
    """
    kind = type("Carried", (_Carried, program), {"mine": mine, "computed": {}})
    made = kind(case, keep={1}, last=1)
    with np.errstate(all="ignore"):
        made.run()
    return dict(made.computed)


@dataclass(frozen=True, slots=True)
class Named:
    """A variant that makes a difference in a cell, and what it computes there."""

    variant: Variant
    values: Values


class Mistakes:
    """The catalogue's mistakes in the graded cells of an assignment.

    Args:
        key: the key.
        case: any case of the assignment.
        drawn: the draws; a few that tell most are used.
        values: the key's values on them, shape (slots, draws).
    """

    def __init__(self, key: Key, case: Case, drawn: Sequence[Givens], values: Values) -> None:
        self.key = key
        self.by_slot: dict[int, list[Named]] = {}
        self._variants: dict[Variant, dict[int, Values]] = {}
        self._marks: set[tuple[object, ...]] = set()
        self._draws = telling(values[:, : len(drawn)])
        cases = [case_with(case, drawn[n]) for n in self._draws]
        rights = [Program(each).run().steps[0] for each in cases]
        kinds = {MISTAKE, CONVENTION}
        for variant in variants():
            if by_id()[variant.entry].kind in kinds:
                self._note(variant, cases, rights, values)

    def _note(
        self,
        variant: Variant,
        cases: Sequence[Case],
        rights: Sequence[Mapping[QuantityKey, Array]],
        values: Values,
    ) -> None:
        tables = []
        for case, right in zip(cases, rights, strict=True):
            try:
                tables.append(local_values(variant.program, case, right))
            except (ArithmeticError, ValueError, IndexError, KeyError, TypeError, AttributeError):
                return  # it has no meaning for this network
        if self._seen(variant, tables, rights):
            return
        for n, cell in enumerate(self.key.manifest.cells):
            name, slot = (cell.quantity, cell.layer), self.key.givens + n
            found = np.array([number_at(table.get(name), cell.index) for table in tables])
            if np.isfinite(found).all() and not equal(found, values[slot, self._draws]).all():
                self.by_slot.setdefault(slot, []).append(Named(variant, found))

    def _seen(
        self,
        variant: Variant,
        tables: Sequence[Mapping[QuantityKey, Array]],
        rights: Sequence[Mapping[QuantityKey, Array]],
    ) -> bool:
        """Tell whether a variant shows nothing on any draw, or only what another has shown."""
        shown = [
            (n, name, np.asarray(array).tobytes())
            for n, (table, right) in enumerate(zip(tables, rights, strict=True))
            for name, array in table.items()
            if name in right
            and np.shape(array) == np.shape(right[name])
            and not equal(np.asarray(array), np.asarray(right[name])).all()
        ]
        mark = (variant.first, *shown)
        seen = not shown or mark in self._marks
        self._marks.add(mark)
        return seen

    def names(
        self, wrong: Mapping[int, Values], right: Iterable[int], hidden: Mapping[int, Values]
    ) -> dict[int, Variant]:
        """Return for each wrong cell the variant that computes what its formula computes.

        Of several it is the one that tells most of the student's wrong cells of the same
        quantity; then the one that tells most of all cells, wrong and right; then one that
        begins in this quantity.

        Args:
            wrong: by slot, what the student's formulas make of the right values.
            right: the slots whose formulas are right.
            hidden: the same as ``wrong`` for formulas that are wrong only where an earlier
                mistake is put right.
        """
        telling = _Telling(self, {**wrong, **hidden}, frozenset(right))
        found = {}
        for slot, transplanted in wrong.items():
            fits = [
                named.variant for named in self.by_slot.get(slot, ())
                if self._agrees(named.values, transplanted)
            ]  # fmt: skip
            if fits:
                found[slot] = max(fits, key=lambda each: telling.rank(each, self._quantity(slot)))
        return found

    def _quantity(self, slot: int) -> str:
        return self.key.manifest.cells[slot - self.key.givens].quantity

    def _agrees(self, made: Values, transplanted: Values) -> bool:
        return bool(equal(made, transplanted[self._draws]).all())

    def tells(
        self, variant: Variant, slots: Iterable[int], wrong: Mapping[int, Values]
    ) -> Iterator[tuple[str, bool]]:
        """Yield the quantity of every cell that is as a variant has it, and whether it is wrong.

        Args:
            variant: the variant.
            slots: the cells.
            wrong: by slot, what the student's wrong formulas make of the right values.
        """
        made = self._by_variant().get(variant, {})
        for slot in slots:
            if slot in wrong:
                if slot in made and self._agrees(made[slot], wrong[slot]):
                    yield self._quantity(slot), True
            elif slot not in made:
                yield self._quantity(slot), False

    def _by_variant(self) -> dict[Variant, dict[int, Values]]:
        if not self._variants:
            for slot, kinds in self.by_slot.items():
                for named in kinds:
                    self._variants.setdefault(named.variant, {})[slot] = named.values
        return self._variants


class _Telling:
    """How much of a student's work a variant explains.

    Args:
        mistakes: the catalogue's mistakes.
        wrong: by slot, what the student's wrong formulas make of the right values.
        right: the slots whose formulas are right.
    """

    def __init__(
        self, mistakes: Mistakes, wrong: Mapping[int, Values], right: frozenset[int]
    ) -> None:
        self._mistakes, self._wrong, self._slots = mistakes, wrong, sorted({*wrong, *right})
        self._told: dict[Variant, Counter[tuple[str, bool]]] = {}

    def rank(self, variant: Variant, quantity: str) -> tuple[int, int, bool]:
        """Return how well a variant explains a mistake in a quantity: the larger, the better."""
        told = self._told.get(variant)
        if told is None:
            told = Counter(self._mistakes.tells(variant, self._slots, self._wrong))
            self._told[variant] = told
        return told[quantity, True], told.total(), variant.first == quantity


def telling(values: Values, most: int = DRAWS) -> list[int]:
    """Return the draws, by number, that show most cells on both sides of 0, and at 0.

    Where every draw has the same sign, a missing absolute value looks like a wrong sign; where
    a node is always asleep, nothing shows at all.

    Args:
        values: the key's values, shape (slots, draws).
        most: how many draws.
    """
    views = np.concatenate((values > 0, values < 0, values == 0)).astype(np.float64)
    seen, found = np.zeros(len(views)), list[int]()
    while len(found) < min(most, views.shape[1]):
        worth = (1.0 / (1.0 + seen) ** 2) @ views
        worth[found] = -1.0
        found.append(int(np.argmax(worth)))
        seen += views[:, found[-1]]
    return found


def number_at(array: Array | None, index: tuple[int, ...]) -> float:
    """Return an element of a quantity; NaN where there is none."""
    if array is None:
        return float("nan")
    try:
        return float(np.asarray(array)[index])
    except (IndexError, TypeError, ValueError):
        return float("nan")
