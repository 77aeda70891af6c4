"""The catalogue's name for a mistake: what each variant would compute in a cell of the key.

A variant's program runs with every quantity put right once it is recorded, so that each cell
shows the mistake that is made there, and nothing that follows from one made earlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.bugs.arithmetic import Array
from cellgrad.bugs.catalogue import by_id, variants
from cellgrad.bugs.entry import CONVENTION, MISTAKE, Variant
from cellgrad.bugs.program import Program
from cellgrad.case.model import Case
from cellgrad.case.quantities import Key as QuantityKey
from cellgrad.coursework.draws import Givens, case_with
from cellgrad.coursework.key import Key, equal

Values = NDArray[np.float64]

DRAWS = 4
"""So many draws tell mistakes apart."""


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
        drawn: the draws; the first few are used.
        values: the key's values on them, shape (slots, draws).
    """

    def __init__(self, key: Key, case: Case, drawn: Sequence[Givens], values: Values) -> None:
        self.key = key
        self.by_slot: dict[int, list[Named]] = {}
        self._marks: set[tuple[object, ...]] = set()
        cases = [case_with(case, givens) for givens in drawn[:DRAWS]]
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
            if len(tables) == 1 and self._seen(variant, tables[0], right):
                return
        for n, cell in enumerate(self.key.manifest.cells):
            name, slot = (cell.quantity, cell.layer), self.key.givens + n
            found = np.array([_at(table.get(name), cell.index) for table in tables])
            if np.isfinite(found).all() and not equal(found, values[slot, : len(found)]).all():
                self.by_slot.setdefault(slot, []).append(Named(variant, found))

    def _seen(
        self,
        variant: Variant,
        table: Mapping[QuantityKey, Array],
        right: Mapping[QuantityKey, Array],
    ) -> bool:
        """Tell whether a variant shows nothing on a draw, or only what another has shown."""
        shown = [
            (name, np.asarray(array).tobytes())
            for name, array in table.items()
            if name in right
            and np.shape(array) == np.shape(right[name])
            and not equal(np.asarray(array), np.asarray(right[name])).all()
        ]
        mark = (variant.first, *shown)
        seen = not shown or mark in self._marks
        self._marks.add(mark)
        return seen

    def name(self, slot: int, transplanted: Values) -> Variant | None:
        """Return the variant that computes what a student's formula computes, if one does."""
        best: Variant | None = None
        quantity = self.key.manifest.cells[slot - self.key.givens].quantity
        for named in self.by_slot.get(slot, ()):
            if equal(named.values, transplanted[: len(named.values)]).all():
                if named.variant.first == quantity:
                    return named.variant
                best = best or named.variant
        return best


def _at(array: Array | None, index: tuple[int, ...]) -> float:
    if array is None:
        return float("nan")
    try:
        return float(np.asarray(array)[index])
    except (IndexError, TypeError, ValueError):
        return float("nan")
