"""Conventions that an assignment accepts: the key in another form, for all cells at once.

A convention concerns the cells that it changes and those that read them. It is chosen for all of
them, never for one, and only if the student wrote something by it that the key would not have.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from cellgrad.case.givens import with_givens
from cellgrad.case.model import Case
from cellgrad.case.quantities import table
from cellgrad.errors import InputError
from cellgrad_audit.bugs.catalogue import CONVENTION, by_id
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.grading.draws import Givens
from cellgrad_coursework.grading.key import Key, Over, Standard, Values, bits_of, equal
from cellgrad_coursework.grading.naming import carried_values, number_at

Form = tuple[str, bool]
"""A convention's id, and whether it leaves E as the key has it (see ``Convention``)."""

_TOGETHER = 3
"""Up to so many conventions are tried in every combination; of more, those that show alone."""

_MOST = 5
"""No more conventions than this are tried together."""


class Convention:
    """One convention, or several at once, as another key.

    Some can be used with or without another E: whoever adds up gradients may still give the
    mean error. Where the loss is another one, its E goes with it.

    Args:
        key: the key.
        forms: the catalogue's entries, each in one of its forms.
        case: any case of the assignment.
        drawn: the draws.
        values: the key's values on the draws, shape (slots, draws).

    Attributes:
        forms: as given.
        ids: of the entries.
        values: the other key's values on the draws.
        changed: the graded cells' slots whose right formula is another one.
        concerned: the graded cells' slots that have another value, or read one that has.
            Nothing, where the handout has decided against it.
    """

    def __init__(
        self, key: Key, forms: Sequence[Form], case: Case, drawn: Sequence[Givens], values: Values
    ) -> None:
        self.key, self.forms = key, tuple(forms)
        self.ids = tuple(name for name, _ in forms)
        cases = [with_givens(case, givens) for givens in drawn]
        columns = [self._column(drawn_case, values[:, n]) for n, drawn_case in enumerate(cases)]
        self.values = np.stack(columns, axis=1)
        self.changed: frozenset[int] = frozenset()
        self.concerned: frozenset[int] = frozenset()
        if not self._decided(case, drawn):
            other = np.asarray(~equal(self.values, values).all(axis=1))
            different = bits_of(slot for slot in key.graded_slots if other[slot])
            self.concerned = frozenset(
                slot for slot in key.graded_slots
                if (key.graded_before(slot) | 1 << slot) & different
            )  # fmt: skip
            self.changed = frozenset(  # there the key's formula would be wrong
                slot for slot in self.concerned
                if not equal(key.over(slot, self.values), self.values[slot]).all()
            )  # fmt: skip

    def standard(self, case: Case, real: Values) -> Standard:
        """Return it as what a student's cells are judged by.

        Args:
            case: the student's.
            real: the key's values on their givens, shape (slots,).
        """
        values = np.concatenate((self.values, self._column(case, real)[:, None]), axis=1)
        return Standard(values, self._over(case))

    def _over(self, case: Case) -> Over:
        """Return what its formulas make of other values of the slots."""
        program, case = self._program(case)
        cells, first = self.key.manifest.cells, self.key.givens
        made: dict[bytes, dict[tuple[str, int | None], Values]] = {}

        def computed(values: Values) -> dict[tuple[str, int | None], Values]:
            mark = values.tobytes()
            if mark not in made:
                mine: dict[tuple[str, int | None], list[tuple[tuple[int, ...], float]]] = {}
                for slot, cell in enumerate(cells, first):
                    number = cell.index, float(values[slot])
                    mine.setdefault((cell.quantity, cell.layer), []).append(number)
                made[mark] = carried_values(program, case, mine)
            return made[mark]

        def over(slot: int, values: Values) -> Values:
            if slot not in self.changed:
                return self.key.over(slot, values)
            cell = self.key.cell(slot)
            arrays = [computed(column).get((cell.quantity, cell.layer)) for column in values.T]
            return np.array([number_at(array, cell.index) for array in arrays])

        return over

    def _run(self, case: Case) -> dict[tuple[str, int | None], Values]:
        program, case = self._program(case)
        with np.errstate(all="ignore"):
            return program(case).run().steps[0]

    def _program(self, case: Case) -> tuple[type[Program], Case]:
        """Return the program that follows it, and the case that this one is to run."""
        program: type[Program] = Program
        for name, leaves_error in self.forms:
            entry = by_id()[name]
            if entry.declare is not None and not leaves_error:
                case = entry.declare(case)
            else:
                program = type("Both", (entry.variants[0].program, program), {})
        return program, case

    def _column(self, case: Case, right: Values) -> Values:
        """Return the values of every slot on one set of givens."""
        key, column, numbers = self.key, right.copy(), self._run(case)
        for slot in key.graded_slots:
            cell = key.cell(slot)
            array = numbers.get((cell.quantity, cell.layer))
            if array is not None:
                column[slot] = float(np.asarray(array)[cell.index])
        for slot in key.order:  # what the handout computes follows by its own formulas
            if not key.is_graded(slot):
                column[slot] = key.over(slot, column[:, None])[0]
        return column

    def _decided(self, case: Case, drawn: Sequence[Givens]) -> bool:
        """Tell whether the handout has decided against it: it computes something by the key."""
        asked = {(cell.quantity, cell.layer) for cell in self.key.manifest.cells}
        for givens in drawn[:4]:
            given = with_givens(case, givens)
            here, there = Program(given).run().steps[0], self._run(given)
            for name, array in here.items():
                if name in asked or name not in there or name not in table(case.structure()):
                    continue
                if not equal(np.asarray(array), np.asarray(there[name])).all():
                    return True
        return False


class Accepted:
    """The conventions that an assignment accepts.

    Args:
        key: the key.
        case: any case of the assignment.
        drawn: the draws.
        values: the key's values on them.

    Attributes:
        single: those that mean something for this network, each in its forms, in the order of
            the policy.

    Raises:
        InputError: the policy names one that is not in the catalogue.
    """

    def __init__(self, key: Key, case: Case, drawn: Sequence[Givens], values: Values) -> None:
        self._key, self._case, self._drawn, self._values = key, case, drawn, values
        self._made: dict[tuple[Form, ...], Convention | None] = {}
        ids = key.manifest.policy.conventions
        for name in ids:
            if name not in by_id() or by_id()[name].kind != CONVENTION:
                known = ", ".join(i for i, entry in by_id().items() if entry.kind == CONVENTION)
                raise InputError(
                    f"{name!r} is no convention of the catalogue", remedy=f"use {known}"
                )
        self.single = [convention for name in ids for convention in self._forms_of(name)]

    def _forms_of(self, name: str) -> Iterator[Convention]:
        plain = self._together(((name, False),))
        if plain is not None:
            yield plain
        declare = by_id()[name].declare
        if declare is None or plain is None or declare(self._case).loss != self._case.loss:
            return
        other = self._together(((name, True),))
        if other is not None and not equal(other.values, plain.values).all():
            yield other

    def _together(self, forms: tuple[Form, ...]) -> Convention | None:
        """Return conventions as one, made once; None where they have no meaning."""
        if forms not in self._made:
            try:
                convention = Convention(self._key, forms, self._case, self._drawn, self._values)
            except (InputError, TypeError, KeyError, IndexError, ValueError):
                # it has no meaning for this network, or not together with another
                self._made[forms] = None
            else:
                self._made[forms] = convention if convention.concerned else None
        return self._made[forms]

    def used(self, wrote: Callable[[Convention, int], bool]) -> Iterator[Convention]:
        """Yield the conventions, and combinations of them, that a student used.

        Args:
            wrote: tells whether a slot is filled in as a convention has it, and not as the key.
        """

        def shows(convention: Convention, alone: Convention) -> bool:
            return any(wrote(convention, slot) for slot in sorted(alone.changed))

        pool = self.single
        if len(pool) > _TOGETHER:
            pool = [alone for alone in pool if shows(alone, alone)][:_MOST]
        for count in range(1, len(pool) + 1):
            for parts in itertools.combinations(pool, count):
                forms = tuple(alone.forms[0] for alone in parts)
                if len(dict(forms)) < count:
                    continue  # two forms of one convention
                together = self._together(forms)
                if together is not None and all(shows(together, alone) for alone in parts):
                    yield together

    def of(self, convention: Convention, slot: int) -> str:
        """Return which of several conventions together concerns a slot; empty for none."""
        for form in convention.forms:
            alone = self._together((form,))
            if alone is not None and slot in alone.concerned:
                return form[0]
        return ""
