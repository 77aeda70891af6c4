"""The catalogue's name for a mistake: what each variant would compute in a cell of the key.

A variant's program runs with every quantity put right once it is recorded, so that each cell
shows the mistake that is made there, and nothing that follows from one made earlier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from cellgrad.case.givens import with_givens
from cellgrad.case.model import Case
from cellgrad.case.quantities import Key as QuantityKey
from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.catalogue import CONVENTION, MISTAKE, Variant, by_id, variants
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.grading.draws import Givens
from cellgrad_coursework.grading.key import Key, Values, equal

DRAWS = 6
"""So many draws tell mistakes apart, if they are chosen for it."""


class _Corrected(Program):
    """A program that goes on from other values than it computed."""

    go_on: Callable[[QuantityKey, Array], Array]
    """Returns what it goes on from in place of what it computed."""

    computed: dict[QuantityKey, Array]

    def keep(self, name: str, layer: int | None, value: Array) -> Array:
        """Record what was computed and return what stands in its place."""
        self.computed[name, layer] = value
        return type(self).go_on((name, layer), value)


def _computed(
    program: type[Program],
    case: Case,
    go_on: Callable[[QuantityKey, Array], Array],
    arithmetic: Any = None,
) -> dict[QuantityKey, Array]:
    """Return what a program computes in each quantity of the first step."""
    kind = type("Corrected", (_Corrected, program), {"go_on": staticmethod(go_on), "computed": {}})
    made = kind(case, arithmetic, keep={1}, last=1)
    with np.errstate(all="ignore"):
        made.run()
    return dict(made.computed)


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
    return _computed(program, case, right.get, arithmetic)


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

    def go_on(quantity: QuantityKey, value: Array) -> Array:
        student = np.array(value, dtype=np.float64)
        for index, number in mine.get(quantity, ()):
            student[index] = number
        return student

    return _computed(program, case, go_on)


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
        self._made: dict[Variant, dict[int, Values]] = {}
        """What each variant computes, by slot, where that is not right."""
        self._marks: set[tuple[object, ...]] = set()
        self._draws = telling(values[:, : len(drawn)])
        cases = [with_givens(case, drawn[n]) for n in self._draws]
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
        for slot in self.key.graded_slots:
            cell = self.key.cell(slot)
            quantity = cell.quantity, cell.layer
            made = np.array([number_at(table.get(quantity), cell.index) for table in tables])
            if np.isfinite(made).all() and not equal(made, values[slot, self._draws]).all():
                self._made.setdefault(variant, {})[slot] = made

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
        work: dict[int, Values | None] = {**dict.fromkeys(right), **wrong, **hidden}
        told: dict[Variant, Counter[tuple[str, bool]]] = {}

        def rank(variant: Variant, quantity: str) -> tuple[int, int, bool]:
            if variant not in told:
                told[variant] = Counter(self._told(self._made[variant], work))
            counts = told[variant]
            return counts[quantity, True], counts.total(), variant.first == quantity

        names = {}
        for slot, transplanted in wrong.items():
            quantity = self.key.cell(slot).quantity
            fits = [
                (rank(variant, quantity), variant) for variant, made in self._made.items()
                if slot in made and self._agrees(made[slot], transplanted)
            ]  # fmt: skip
            if fits:
                names[slot] = max(fits, key=itemgetter(0))[1]
        return names

    def _agrees(self, made: Values, transplanted: Values) -> bool:
        return bool(equal(made, transplanted[self._draws]).all())

    def _told(
        self, made: Mapping[int, Values], work: Mapping[int, Values | None]
    ) -> Iterator[tuple[str, bool]]:
        """Yield the quantity of every cell that is as a variant has it, and whether it is wrong.

        Args:
            made: what the variant computes, by slot, where that is not right.
            work: what the student's formulas make of the right values; None for right ones.
        """
        for slot, transplanted in work.items():
            if transplanted is None:
                if slot not in made:
                    yield self.key.cell(slot).quantity, False
            elif slot in made and self._agrees(made[slot], transplanted):
                yield self.key.cell(slot).quantity, True


def telling(values: Values, most: int = DRAWS) -> list[int]:
    """Return the draws, by number, that show most cells on both sides of 0, and at 0.

    Where every draw has the same sign, a missing absolute value looks like a wrong sign; where
    a node is always asleep, nothing shows at all.

    Args:
        values: the key's values, shape (slots, draws).
        most: how many draws.
    """
    views = np.concatenate((values > 0, values < 0, values == 0)).astype(np.float64)
    seen, chosen = np.zeros(len(views)), list[int]()
    while len(chosen) < min(most, views.shape[1]):
        worth = (1.0 / (1.0 + seen) ** 2) @ views
        worth[chosen] = -1.0
        chosen.append(int(np.argmax(worth)))
        seen += views[:, chosen[-1]]
    return chosen


def number_at(array: Array | None, index: tuple[int, ...]) -> float:
    """Return an element of a quantity; NaN where there is none."""
    if array is None:
        return float("nan")
    try:
        return float(np.asarray(array)[index])
    except (IndexError, TypeError, ValueError):
        return float("nan")
