"""Conventions that an assignment accepts: the key in another form, for a whole group of cells.

A group is what hangs together: cells that a convention changes, or whose formulas read such
cells. The convention is chosen for the group, never for one cell in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cellgrad.bugs.catalogue import by_id
from cellgrad.bugs.entry import CONVENTION
from cellgrad.bugs.program import Program
from cellgrad.case.model import Case
from cellgrad.case.quantities import table
from cellgrad.coursework.draws import Givens, case_with
from cellgrad.coursework.key import Key, equal
from cellgrad.errors import InputError

Values = NDArray[np.float64]

_TOGETHER = 3
"""Up to so many conventions are tried in every combination; more, one at a time."""


class Convention:
    """One convention, or several at once, as another key.

    Args:
        key: the key.
        ids: the catalogue's entries.
        case: any case of the assignment.
        drawn: the draws.
        values: the key's values on the draws, shape (slots, draws).

    Attributes:
        ids: as given.
        groups: the groups of cells that it concerns, as sets of graded cells' slots.
        values: the other key's values on the draws.
    """

    def __init__(
        self, key: Key, ids: Sequence[str], case: Case, drawn: Sequence[Givens], values: Values
    ) -> None:
        self.key, self.ids = key, tuple(ids)
        self.values = np.stack(
            [self._column(case_with(case, givens), values[:, n]) for n, givens in enumerate(drawn)],
            axis=1,
        )
        changed = np.asarray(~equal(self.values, values).all(axis=1))
        self.groups = [] if self._decided(case, drawn) else self._grouped(changed)

    def with_real(self, case: Case, real: Values) -> Values:
        """Return its values on the draws and on the givens of a student.

        Args:
            case: the student's.
            real: the key's values on their givens, shape (slots,).
        """
        return np.concatenate((self.values, self._column(case, real)[:, None]), axis=1)

    def _run(self, case: Case) -> dict[tuple[str, int | None], Values]:
        program: type[Program] = Program
        for name in self.ids:
            entry = by_id()[name]
            if entry.declare is not None:
                case = entry.declare(case)
            else:
                program = type("Both", (entry.variants[0].program, program), {})
        with np.errstate(all="ignore"):
            return program(case).run().steps[0]

    def _column(self, case: Case, right: Values) -> Values:
        """Return the values of every slot on one set of givens."""
        key, found, numbers = self.key, right.copy(), self._run(case)
        for n, cell in enumerate(key.manifest.cells):
            array = numbers.get((cell.quantity, cell.layer))
            if array is not None:
                found[key.givens + n] = float(np.asarray(array)[cell.index])
        for slot in key.order:  # what the handout computes follows by its own formulas
            if not key.is_graded(slot):
                found[slot] = key.over(slot, found[:, None])[0]
        return found

    def _decided(self, case: Case, drawn: Sequence[Givens]) -> bool:
        """Tell whether the handout has decided against it: it computes something by the key."""
        asked = {(cell.quantity, cell.layer) for cell in self.key.manifest.cells}
        for givens in drawn[:4]:
            given = case_with(case, givens)
            here, there = Program(given).run().steps[0], self._run(given)
            for name, array in here.items():
                if name in asked or name not in there or name not in table(case.structure()):
                    continue
                if not equal(np.asarray(array), np.asarray(there[name])).all():
                    return True
        return False

    def _grouped(self, changed: NDArray[np.bool_]) -> list[frozenset[int]]:
        key = self.key
        graded = range(key.givens, key.givens + key.graded)
        owner = {slot: slot for slot in graded}

        def root(slot: int) -> int:
            while owner[slot] != slot:
                slot = owner[slot]
            return slot

        concerned: set[int] = set()
        first_reader: dict[int, int] = {}
        for slot in graded:
            before = [other for other in graded if key.graded_before(slot) >> other & 1]
            if not changed[slot] and not changed[before].any():
                continue
            concerned.add(slot)
            for other in before:
                if changed[other]:
                    owner[root(slot)] = root(other)
                elif changed[slot]:  # E and its derivative both begin with FE
                    owner[root(slot)] = root(first_reader.setdefault(other, slot))
        groups: dict[int, set[int]] = {}
        for slot in concerned:
            groups.setdefault(root(slot), set()).add(slot)
        return [frozenset(group) for group in groups.values()]


def conventions_of(
    key: Key, case: Case, drawn: Sequence[Givens], values: Values
) -> list[Convention]:
    """Return the conventions that an assignment accepts, and their combinations.

    Raises:
        InputError: the policy names one that is not in the catalogue.
    """
    ids = key.manifest.policy.conventions
    for name in ids:
        if name not in by_id() or by_id()[name].kind != CONVENTION:
            known = ", ".join(i for i, entry in by_id().items() if entry.kind == CONVENTION)
            raise InputError(f"{name!r} is no convention of the catalogue", remedy=f"use {known}")
    most = len(ids) if len(ids) <= _TOGETHER else 1
    found = []
    for count in range(1, most + 1):
        for chosen in itertools.combinations(ids, count):
            try:
                convention = Convention(key, chosen, case, drawn, values)
            except (InputError, TypeError, KeyError, IndexError, ValueError):
                continue  # it has no meaning for this network, or not together with another
            if convention.groups:
                found.append(convention)
    return found


def best_for_groups(
    conventions: Iterable[Convention], points: Callable[[Convention | None, int], float]
) -> dict[int, Convention]:
    """Choose, group by group, the convention that serves the student better than the key.

    Args:
        conventions: those that are accepted.
        points: what a slot earns under a convention; under None, by the key.

    Returns:
        the convention of each slot that is judged by one.
    """
    chosen: dict[int, tuple[float, Convention]] = {}
    for convention in conventions:
        for group in convention.groups:
            gain = sum(points(convention, slot) - points(None, slot) for slot in group)
            better = all(slot not in chosen or gain > chosen[slot][0] for slot in group)
            if gain > 0 and better:
                for slot in group:
                    chosen[slot] = (gain, convention)
    return {slot: convention for slot, (_, convention) in chosen.items()}
