"""Comparing every mapped cell with the right step, with its own numbers and drawn ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellgrad.bounds.running import UNIT, Running, bounds_of, values_of
from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, person_label
from cellgrad.engines.interface import Arithmetic
from cellgrad_audit.answer import Answer, Slot, Vector
from cellgrad_audit.bugs.arithmetic import Array, RunningBounds
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.foreign.target import WorkbookTarget, key_of

_UNIT = UNIT["float64"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that is not what it should be.

    Attributes:
        case: the id of the case.
        found: what the sheet gives.
        right: what it should be.
        bound: how far apart the two may lie.
    """

    case: str
    found: float
    right: float
    bound: float


@dataclass(slots=True)
class CellOutcome:
    """What was found of one mapped cell.

    Attributes:
        slot: what it holds.
        index: which of its numbers.
        place: its cell, such as ``Sheet1!B5``.
        label: its name for people, such as ``gradient_ItoH[1,3]``.
        equation: its number.
        formula: what stands there.
        typed: whether that is a number instead of a formula.
        asked: in how many cases it was compared.
        own: whether it differs with the file's own numbers.
        differences: where it differs.
    """

    slot: Slot
    index: Index
    place: str
    label: str
    equation: str
    formula: str
    typed: bool = False
    asked: int = 0
    own: bool = False
    differences: list[Difference] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether it is a formula that was right in every case."""
        return not self.typed and not self.differences

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        worst = max(self.differences, key=lambda d: abs(d.found - d.right), default=None)
        return {
            "cell": self.place,
            "quantity": self.slot.name,
            "layer": self.slot.layer,
            "index": list(self.index),
            "label": self.label,
            "equation": self.equation,
            "formula": self.formula,
            "typed": self.typed,
            "agrees": self.agrees,
            "asked": self.asked,
            "differs": len(self.differences),
            "differs_with_own_numbers": self.own,
            "found": None if worst is None else worst.found,
            "right": None if worst is None else worst.right,
        }


class Comparison:
    """Collects what becomes of every mapped cell.

    Args:
        target: the workbook.
    """

    def __init__(self, target: WorkbookTarget) -> None:
        self.target = target
        self.cells: dict[tuple[Slot, Index], CellOutcome] = {}
        self.failures: list[str] = []
        self._typed = {(typed.slot, typed.index) for typed in target.typed}
        self._own = target.cases()[0].id

    def add(self, answer: Answer) -> None:
        """Compare the answer to one case."""
        if answer.failure or answer.unsupported:
            self.failures.append(answer.failure or f"{answer.case.id}: {answer.unsupported}")
            return
        right = right_numbers(answer.case, self.target.calculation.arithmetic)
        for slot, numbers in answer.numbers.items():
            values, bounds = right[key_of(slot)]
            for index in np.ndindex(values.shape):
                outcome = self._outcome(slot, index)
                outcome.asked += 1
                found, wanted = float(numbers.values[index]), float(values[index])
                bound = float(bounds[index])
                if not abs(found - wanted) <= bound:
                    outcome.differences.append(Difference(answer.case.id, found, wanted, bound))
                    outcome.own |= answer.case.id == self._own

    def _outcome(self, slot: Slot, index: Index) -> CellOutcome:
        if (slot, index) not in self.cells:
            quantity = self.target.map.quantities[key_of(slot)]
            self.cells[slot, index] = CellOutcome(
                slot,
                index,
                self.target.place(slot, index),
                person_label(self.target.map.structure, quantity, index),
                quantity.equation,
                self.target.formula(slot, index),
                (slot, index) in self._typed,
            )
        return self.cells[slot, index]


def right_numbers(case: Case, arithmetic: Arithmetic) -> dict[Key, tuple[Vector, Vector]]:
    """Return every quantity of a step, and how far a correct calculation may lie from it.

    Both are calculated, and each may lie one bound from the exact value.

    Args:
        case: one step.
        arithmetic: how the engine departs from IEEE double.
    """
    record = Program(case, _Bounds(arithmetic)).run()
    # an engine that sets small differences to 0 errs by so much more at every addition
    wider = 2.0 + arithmetic.snap / _UNIT
    return {
        key: (values_of(array), wider * bounds_of(array))
        for key, array in ((key, _objects(value)) for key, value in record.steps[0].items())
    }


def _objects(value: Any) -> Array:
    return np.asarray(value, dtype=object)


class _Bounds(RunningBounds):
    """Bounds for an engine that may hold givens with an error of their own."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        super().__init__("float64")
        self._given = arithmetic.given_error

    def numbers(self, values: Any) -> Array:
        """Return given numbers as an array of objects."""
        if not self._given:
            return super().numbers(values)
        array = np.array(values, dtype=np.float64)
        found = [Running(v, self._given * abs(v), _UNIT, abs(v)) for v in array.ravel().tolist()]
        return self._array(found, array.shape)


def compared(target: WorkbookTarget, answers: Sequence[Answer]) -> Comparison:
    """Return what becomes of every cell in some answers."""
    found = Comparison(target)
    for answer in answers:
        found.add(answer)
    return found
