"""What the catalogue says of cells: names for mistakes, and conventions that are accepted.

To name a mistake, a variant's program runs with every quantity put right once it is recorded, so
that each cell shows the mistake that is made there, and nothing that follows from one made earlier.

A convention is the key in another form, for all cells at once. It concerns the cells that it
changes and those that read them. It is chosen for all of them, never for one, and only if the
student wrote something by it that the key would not have.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from cellgrad.case.givens import with_givens
from cellgrad.case.model import Case
from cellgrad.case.quantities import Key as QuantityKey
from cellgrad.case.quantities import table
from cellgrad.errors import InputError
from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.catalogue import CONVENTION, Variant, by_id
from cellgrad_audit.bugs.pairs import paired
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.grading.key import Givens, Key, Over, Standard, Values, bits_of, equal

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
        for variant in paired():
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
        slots: dict[QuantityKey, list[int]] = {}
        for slot in self.key.graded_slots:
            cell = self.key.cell(slot)
            slots.setdefault((cell.quantity, cell.layer), []).append(slot)
        made: dict[bytes, dict[QuantityKey, Values]] = {}

        def computed(values: Values) -> dict[QuantityKey, Values]:
            def go_on(quantity: QuantityKey, value: Array) -> Array:
                student = np.array(value, dtype=np.float64)
                for slot in slots.get(quantity, ()):
                    student[self.key.cell(slot).index] = values[slot]
                return student

            mark = values.tobytes()
            if mark not in made:
                made[mark] = _computed(program, case, go_on)
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

    def concerning(self, convention: Convention, slot: int) -> str:
        """Return which of several conventions together concerns a slot; empty for none."""
        for form in convention.forms:
            alone = self._together((form,))
            if alone is not None and slot in alone.concerned:
                return form[0]
        return ""
