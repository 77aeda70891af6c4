"""What a program, right or mistaken, would answer: values by slot, and their error bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from cellgrad.bounds.running import UNIT, Running, bounds_of
from cellgrad.case.model import Case
from cellgrad_audit.answer import Slot, Vector
from cellgrad_audit.bugs.arithmetic import Array, Doubles, RunningBounds, total
from cellgrad_audit.bugs.program import Program, Record, Turn

SPAN = 5
"""Updates over which a bound is carried, at most (reference/equations.md)."""

_AFTER = {"weights": "new_weights", "biases": "new_biases"}


def predicted(program: type[Program], case: Case, slots: Iterable[Slot]) -> dict[Slot, Vector]:
    """Return what a program computes at each slot; a slot that it does not reach is missing."""
    asked = list(slots)
    with np.errstate(all="ignore"):
        record = program(case, Doubles(), keep=_kept(program, asked), last=_last(program, asked))
        return _by_slot(program, case, record.run(), asked)


def bounds(
    program: type[Program], case: Case, slots: Iterable[Slot], precision: str
) -> dict[Slot, Vector]:
    """Return B of each number: how far a correct evaluation of this program may lie.

    Beyond ``SPAN`` updates bounds are not carried on (they would explode while real gaps do
    not): every span starts anew from its own values, and the bounds of the spans so far
    are taken together, as many as there were.
    """
    asked = list(slots)
    spanned = type(program.__name__, (_Spans, program), {})
    with np.errstate(all="ignore"):
        runner = spanned(
            case,
            RunningBounds(precision),
            keep=_kept(program, asked),
            last=_last(program, asked),
        )
        found = _by_slot(program, case, runner.run(), asked)
    return {slot: bounds_of(values) * _spans(program, case, slot) for slot, values in found.items()}


class _Spans(Program):
    """Starts the bounds anew after every span."""

    def update(self, turn: Turn) -> None:
        if turn.number and turn.number % SPAN == 0:
            self.weights = [self._anew(layer) for layer in self.weights]
            self.biases = None if self.biases is None else [self._anew(b) for b in self.biases]
            self.remembered = {key: self._anew(v) for key, v in self.remembered.items()}
        super().update(turn)

    def _anew(self, values: Array) -> Array:
        arithmetic = self.math
        if not isinstance(arithmetic, RunningBounds):
            raise TypeError("bounds need numbers that carry them")
        unit, fresh = UNIT[arithmetic.precision], np.empty(values.size, dtype=object)
        for place, number in enumerate(values.ravel()):
            value = number.value if isinstance(number, Running) else float(number)
            fresh[place] = Running(value, 0.0, unit, abs(value))
        return fresh.reshape(values.shape)


def _spans(program: type[Program], case: Case, slot: Slot) -> int:
    updates = program.shown(slot.step) if slot.step else case.updates()
    return max(-(-updates // SPAN), 1)


def _kept(program: type[Program], slots: list[Slot]) -> set[int] | bool:
    if any(slot.name == "epoch_errors" for slot in slots):
        return True
    needed = {program.shown(slot.step) for slot in slots if slot.step}
    if any(slot.step == 0 and slot.name not in _AFTER for slot in slots):
        needed.add(0)
    return needed


def _last(program: type[Program], slots: list[Slot]) -> int | None:
    """Return the last update that is needed; None where the whole run is."""
    if any(slot.step == 0 for slot in slots):
        return None
    return max((program.shown(slot.step) for slot in slots), default=0)


def _by_slot(
    program: type[Program], case: Case, record: Record, slots: list[Slot]
) -> dict[Slot, Array]:
    tables = dict(zip(record.numbers, record.steps, strict=True))
    found = {}
    for slot in slots:
        value = None
        if slot.step:
            table = tables.get(program.shown(slot.step), {})
            value = table.get((_AFTER.get(slot.name, slot.name), slot.layer))
        elif slot.name == "epoch_errors":
            value = _epoch_errors(case, record)
        elif slot.name in _AFTER:
            layers = record.weights if slot.name == "weights" else record.biases
            value = None if layers is None or slot.layer is None else layers[slot.layer]
        else:
            value = record.final.get((slot.name, slot.layer))
        if value is not None:
            found[slot] = np.asarray(value)
    return found


def _epoch_errors(case: Case, record: Record) -> Array | None:
    """Return E summed over the updates of each epoch."""
    errors = [table["error", None] for table in record.steps]
    each = len(errors) // case.epochs
    if not each or len(errors) % case.epochs:
        return None
    sums = [errors[start : start + each] for start in range(0, len(errors), each)]
    if np.asarray(errors[0]).dtype != object:
        return np.array([math.fsum(map(float, part)) for part in sums])
    array = np.empty(len(sums), dtype=object)
    array[:] = [total(part) for part in sums]
    return array
