"""The key: the right formulas, what each reads, and what they come to on the draws.

A slot is a cell of the handout that the manifest describes: a given, a graded cell, or a cell
that the handout computes itself. Slots are numbered; sets of them are bits of an int.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.givens import Array, givens_of
from cellgrad.case.model import Case
from cellgrad.case.quantities import Key as QuantityKey
from cellgrad.errors import InputError
from cellgrad.formula.references import places_in, range_of
from cellgrad.formula.tree import FormulaError, Name, Spill
from cellgrad.xlsx.addresses import Place, parse_a1
from cellgrad_coursework.formulas.evaluate import Formula, Formulas, World, evaluate, settled
from cellgrad_coursework.formulas.functions import Value
from cellgrad_coursework.model import GivenCell, GradedCell, Manifest

Values = NDArray[np.float64]
Givens = dict[QuantityKey, Array]

ABSOLUTE, RELATIVE = 1e-12, 1e-9
"""Within ABSOLUTE + RELATIVE · max(|a|, |b|) two values are the same but for rounding."""

Over = Callable[[int, Values], Values]
"""What the right formula of a slot makes of given values of all slots."""


@dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """What cells are judged by: the key, or a convention that is accepted in its place.

    Attributes:
        values: the right values on the draws and, last, on a student's givens, shape
            (slots, draws).
        over: the right formulas.
    """

    values: Values
    over: Over


def bits_of(slots: Iterable[int]) -> int:
    """Return a set of slots as bits."""
    bits = 0
    for slot in slots:
        bits |= 1 << slot
    return bits


def slots_of(bits: int) -> Iterator[int]:
    """Yield the slots that bits stand for, the first first."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1


class Key:
    """The right formulas of an assignment.

    Args:
        manifest: the assignment.
        formulas: where formulas are kept.

    Attributes:
        places: where each slot lies in the handout: givens, graded cells, fixed cells.
        slot_at: the same, the other way round.
        givens: the number of givens; the graded cells' slots begin here.
        graded: the number of graded cells.
        graded_slots: their slots, in the order of the flow.
        reads: for each slot, the slots that its formula reads, directly.
        before: for each slot, the slots that it depends on, as bits.
        after: for each slot, the slots that depend on it, as bits.

    Raises:
        InputError: the manifest's formulas cannot be used.
    """

    def __init__(self, manifest: Manifest, formulas: Formulas) -> None:
        self.manifest = manifest
        cells: list[tuple[str, str]] = [
            *((given.sheet, given.address) for given in manifest.givens),
            *((cell.sheet, cell.address) for cell in manifest.cells),
            *((cell.sheet, cell.address) for cell in manifest.fixed),
        ]
        self.places: list[Place] = [(s.casefold(), *parse_a1(a)) for s, a in cells]
        self.slot_at = {place: slot for slot, place in enumerate(self.places)}
        self.givens, self.graded = len(manifest.givens), len(manifest.cells)
        self.slots = len(self.places)
        self.graded_slots = range(self.givens, self.givens + self.graded)
        texts = [cell.formula for cell in manifest.cells]
        texts += [cell.formula for cell in manifest.fixed]
        self.formulas: list[Formula | None] = [None] * self.givens
        self.reads: list[tuple[int, ...]] = [()] * self.givens
        for place, text in zip(self.places[self.givens :], texts, strict=True):
            formula = formulas.read(text, place[1], place[2])
            self.formulas.append(formula)
            self.reads.append(self._slots_read(formula, place))
        self.order = self._ordered()
        self._connect()

    def is_graded(self, slot: int) -> bool:
        """Tell whether a slot is a graded cell."""
        return slot in self.graded_slots

    def cell(self, slot: int) -> GradedCell:
        """Return the graded cell of a slot."""
        return self.manifest.cells[slot - self.givens]

    def _refuse(self, place: Place, problem: str) -> InputError:
        return InputError(
            f"the key's formula in {place[0]}!R{place[1]}C{place[2]} cannot be used: {problem}",
            remedy="write the assignment again with cellgrad assign",
        )

    def _slots_read(self, formula: Formula, place: Place) -> tuple[int, ...]:
        if formula.problem:
            raise self._refuse(place, formula.problem)
        slots: dict[int, None] = {}
        for node in formula.reads:
            if isinstance(node, Name):
                raise self._refuse(place, "it uses a defined name")
            if isinstance(node, Spill):
                raise self._refuse(place, "it reads a spilled range")
            for read in places_in(range_of(node, place)):
                slot = self.slot_at.get(read)
                if slot is None:
                    raise self._refuse(place, "it reads a cell that is not described")
                slots[slot] = None
        return tuple(slots)

    def _ordered(self) -> list[int]:
        """Return the slots with formulas, each after what it reads."""
        try:
            order = TopologicalSorter(dict(enumerate(self.reads))).static_order()
            return [slot for slot in order if slot >= self.givens]
        except CycleError as error:
            raise self._refuse(self.places[error.args[1][0]], "it reads itself") from error

    def _connect(self) -> None:
        self.before, self.after = [0] * self.slots, [0] * self.slots
        for slot in self.order:
            for other in self.reads[slot]:
                self.before[slot] |= self.before[other] | 1 << other
        for slot in self.order:
            for other in slots_of(self.before[slot]):
                self.after[other] |= 1 << slot

    def sources(self, slots: Iterable[int]) -> set[int]:
        """Return givens and graded cells: of other cells of the handout, those that they read."""
        sources, stack = set[int](), list(slots)
        while stack:
            slot = stack.pop()
            if slot < self.givens or self.is_graded(slot):
                sources.add(slot)
            else:
                stack += self.reads[slot]
        return sources

    def graded_before(self, slot: int) -> int:
        """Return the graded cells that a slot reads, through cells of the handout, as bits."""
        return bits_of(filter(self.is_graded, self.sources(self.reads[slot])))

    def values(self, givens: Values) -> Values:
        """Return what every slot comes to.

        Args:
            givens: shape (givens, draws).

        Returns:
            shape (slots, draws).
        """
        values = np.empty((self.slots, givens.shape[1]))
        values[: self.givens] = givens
        world = _Template(self, values)
        with np.errstate(all="ignore"):
            for slot in self.order:
                values[slot] = self.one(slot, world)
        return values

    def one(self, slot: int, world: _Template) -> Values:
        """Return what a slot's formula comes to in a world.

        Raises:
            InputError: it comes to no number.
        """
        formula, place = self.formulas[slot], self.places[slot]
        try:
            value = evaluate(formula.tree, place, world) if formula and formula.tree else None
        except FormulaError as problem:
            raise self._refuse(place, str(problem)) from problem
        result = settled(value, world.values.shape[1])
        if not isinstance(result, np.ndarray):
            raise self._refuse(place, "it comes to no number")
        return result

    def over(self, slot: int, values: Values) -> Values:
        """Return what a slot's formula makes of given values of all slots, shape (draws,)."""
        with np.errstate(all="ignore"):
            return self.one(slot, _Template(self, values))

    def given_values(self, case: Case) -> Values:
        """Return the givens of a case, shape (givens,)."""
        givens = givens_of(case)
        return np.array([_of(givens, given) for given in self.manifest.givens])

    def drawn(self, draws: Sequence[Givens]) -> Values:
        """Return the givens of draws by slot, shape (givens, draws)."""
        table = [[_of(givens, given) for givens in draws] for given in self.manifest.givens]
        return np.array(table).reshape(self.givens, len(draws))


def _of(givens: Givens, given: GivenCell) -> float:
    return float(givens[given.quantity, given.layer][given.index])


class _Template(World):
    """The slots of the key.

    Args:
        key: the key.
        values: of every slot, shape (slots, draws).
    """

    def __init__(self, key: Key, values: Values) -> None:
        super().__init__()
        self.key, self.values = key, values

    def cell(self, place: Place) -> Value:
        """Return the value of a slot."""
        slot = self.key.slot_at.get(place)
        return None if slot is None else self.values[slot]


def equal(a: Values, b: Values) -> NDArray[np.bool_]:
    """Tell where two formulas' values are the same but for rounding; errors never are."""
    size = np.maximum(np.abs(a), np.abs(b))
    good: NDArray[np.bool_] = (np.abs(a - b) <= ABSOLUTE + RELATIVE * size) & (size < np.inf)
    return good


def given_number(case: Case, given: GivenCell) -> float:
    """Return what a cell of the givens holds in a case."""
    return _of(givens_of(case), given)
