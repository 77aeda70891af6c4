"""What a program, right or mistaken, would answer, and whether that is what was answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key
from cellgrad.mlp import Update, training_run
from cellgrad.mlp.run import final_pass
from cellgrad.mlp.step import by_key
from cellgrad_audit.answer import Answer, Slot, Vector
from cellgrad_audit.bugs.arithmetic import (
    UNIT,
    Arithmetic,
    Array,
    Doubles,
    Running,
    RunningBounds,
    bounds_of,
    each,
    total,
)
from cellgrad_audit.bugs.program import Program, Record, Turn
from cellgrad_audit.probes import certified_final, probes

SPAN = 5
"""Updates over which a bound is carried, at most (reference/equations.md)."""


def predicted(program: type[Program], case: Case, slots: Iterable[Slot]) -> dict[Slot, Vector]:
    """Return what a program computes at each slot; a slot that it does not reach is missing."""
    return _run(program, case, Doubles(), list(slots))


def bounds(
    program: type[Program], case: Case, slots: Iterable[Slot], precision: str
) -> dict[Slot, Vector]:
    """Return B of each number: how far a correct evaluation of this program may lie.

    Beyond ``SPAN`` updates bounds are not carried on (they would explode while real gaps do
    not): every span starts anew from its own values, and the bounds of the spans so far
    are taken together, as many as there were.
    """

    def spans(slot: Slot) -> int:
        updates = program.reported_update(slot.step) if slot.step else case.updates()
        return max(-(-updates // SPAN), 1)

    spanned = type(program.__name__, (_Spans, program), {})
    numbers = _run(spanned, case, RunningBounds(precision), list(slots))
    return {slot: bounds_of(values) * spans(slot) for slot, values in numbers.items()}


def values_at(
    slots: Iterable[Slot], case: Case, record: Record, reported_update: Callable[[int], int] = int
) -> dict[Slot, Array]:
    """Return what stands at each slot of a run; what the run does not have is missing.

    Args:
        slots: what is asked for.
        case: whose run it is.
        record: what the run left.
        reported_update: which update's quantities are reported as those of an update.
    """
    tables = dict(zip(record.numbers, record.steps, strict=True))
    values: dict[Slot, Array] = {}
    for slot in slots:
        value: Any = None
        if slot.step:
            value = tables.get(reported_update(slot.step), {}).get(slot.key)
        elif slot.name == "epoch_errors":
            value = epoch_errors(case, record)
        elif slot.is_parameter:
            layers = record.weights if slot.name == "weights" else record.biases
            value = None if layers is None or slot.layer is None else layers[slot.layer]
        else:
            value = record.final.get((slot.name, slot.layer))
        if value is not None:
            values[slot] = np.asarray(value)
    return values


def _run(
    program: type[Program], case: Case, arithmetic: Arithmetic, slots: list[Slot]
) -> dict[Slot, Array]:
    """Run a program as far as the slots need it, keeping what they need."""
    steps = {program.reported_update(slot.step) for slot in slots if slot.step}
    keep: set[int] | bool = steps
    if any(slot.name == "epoch_errors" for slot in slots):
        keep = True
    elif any(slot.step == 0 and not slot.is_parameter for slot in slots):
        keep = steps | {0}
    last = None if any(slot.step == 0 for slot in slots) else max(steps, default=0)
    with np.errstate(all="ignore"):
        record = program(case, arithmetic, keep=keep, last=last).run()
        return values_at(slots, case, record, program.reported_update)


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
        unit = UNIT[arithmetic.precision]

        def fresh(number: Any) -> Running:
            value = number.value if isinstance(number, Running) else float(number)
            return Running(value, 0.0, unit, abs(value))

        return each(fresh, values)


def epoch_errors(case: Case, record: Record) -> Array | None:
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


PRECISIONS = ("float64", "float32")
_NEAR = 1e-3
"""A number that lies farther from a prediction than this, relative to its size, is not it:
no need for the bound. (Bounds over a few updates are far below, in either precision.)"""

_WIDEST = {"float64": 1e-7, "float32": 1e-3}
"""A bound wider than this, relative to the number, counts as this: a mistaken run may leave
all bounds behind, and what it then reproduces it reproduces far better than they say."""

Mask = dict[Slot, "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]"]


@dataclass(slots=True)
class Hypothesis:
    """A program, and what it predicts of the answers at hand.

    Attributes:
        program: the program.
        answers: the answers that it is held against.
        tolerance: how far a number may lie from a prediction beyond its bound.
    """

    program: type[Program]
    answers: Sequence[Answer]
    tolerance: float = 0.0
    _early: dict[int, Hypothesis] = field(default_factory=dict)
    _values: dict[int, dict[Slot, Vector]] = field(default_factory=dict)
    _bounds: dict[tuple[int, str], dict[Slot, Vector]] = field(default_factory=dict)

    def values(self, n: int) -> dict[Slot, Vector]:
        """Return the predictions for answer n."""
        if n not in self._values:
            answer = self.answers[n]
            self._values[n] = predicted(self.program, answer.case, answer.numbers)
        return self._values[n]

    def bounds(self, n: int, precision: str) -> dict[Slot, Vector]:
        """Return by how much the numbers of answer n may differ from the predictions.

        Both sides' error bounds: the target's, in its precision, and that of the prediction,
        which is computed in double precision.
        """
        if (n, precision) not in self._bounds:
            self._bounds[n, precision] = self.theirs_and_ours(n, precision)
        return self._bounds[n, precision]

    def theirs_and_ours(self, n: int, precision: str) -> dict[Slot, Vector]:
        """Return the target's bounds and those of the predictions, added."""
        answer = self.answers[n]
        theirs = bounds(self.program, answer.case, answer.numbers, precision)
        if precision == "float64":
            return {slot: 2 * bound for slot, bound in theirs.items()}
        ours = bounds(self.program, answer.case, answer.numbers, "float64")
        return {slot: bound + ours[slot] for slot, bound in theirs.items()}

    def limits(self, n: int, precision: str) -> dict[Slot, Vector]:
        """Return the bounds as far as they count, with the user's tolerance."""
        values = self.values(n)
        with np.errstate(all="ignore"):
            return {
                slot: np.fmin(bound, _WIDEST[precision] * (1 + np.abs(values[slot])))
                + self.tolerance
                for slot, bound in self.bounds(n, precision).items()
                if slot in values
            }

    def near(self, n: int) -> Mask:
        """Return which numbers of answer n lie near the predictions; NaN counts as near."""
        near, values = {}, self.values(n)
        for slot, numbers in self.answers[n].numbers.items():
            if slot not in values or values[slot].shape != numbers.values.shape:
                near[slot] = np.isnan(numbers.values)
                continue
            gap = np.abs(numbers.values - values[slot]) - numbers.half_units
            allowed = max(self.tolerance, _NEAR) + _NEAR * np.abs(values[slot])
            near[slot] = np.isnan(numbers.values) | (gap <= allowed)
        return near

    def matches(self, n: int, precision: str) -> Mask:
        """Return which numbers of answer n follow from the program; NaN counts as following."""
        near = self.near(n)
        if not any(mask.any() for mask in near.values()):
            return near
        values, limits = self.values(n), self.limits(n, precision)
        for slot, numbers in self.answers[n].numbers.items():
            if slot not in values or values[slot].shape != numbers.values.shape:
                continue
            with np.errstate(all="ignore"):
                gap = np.abs(numbers.values - values[slot])
            half = numbers.half_units
            # half a unit of the last place, which the decimal itself misses by a rounding
            rounding = np.where(half > 0, 2.0**-52 * np.abs(np.nan_to_num(numbers.values)), 0.0)
            limit = limits[slot] + (half + rounding)
            near[slot] &= np.isnan(numbers.values) | (gap <= limit)
        return near

    def explains(self, n: int, precision: str) -> bool:
        """Whether every number of answer n follows; a long run's beginning is tried first."""
        parts = self.answers[n].parts()
        if len(parts) > 1:
            if n not in self._early:
                self._early[n] = type(self)(self.program, parts[:1], self.tolerance)
            if not self._early[n].explains(0, precision):
                return False
        if not all(mask.all() for mask in self.near(n).values()):
            return False
        return all(mask.all() for mask in self.matches(n, precision).values())

    def explains_all(self, precision: str) -> bool:
        """Whether every number of every answer follows."""
        return all(self.explains(n, precision) for n in range(len(self.answers)))

    def differs(self, n: int, other: Hypothesis, least: float = 1e-12) -> bool:
        """Whether it predicts anything else for answer n than another program does."""
        mine, theirs = self.values(n), other.values(n)
        if set(mine) != set(theirs):
            return True
        return any(not _same(mine[slot], theirs[slot], least) for slot in mine)


def _same(a: Vector, b: Vector, least: float) -> bool:
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):
        close = np.abs(a - b) <= least * (1 + np.abs(b))
    return bool(np.all(close | (np.isnan(a) & np.isnan(b)) | (a == b)))


_HALF_ULP = 2.0**-53
"""A certified value is the double nearest to the exact one."""


@dataclass(slots=True)
class Reference(Hypothesis):
    """The right program.

    Final weights and biases of the shipped probes are certified: the doubles nearest to the
    exact values. All other numbers are those of the MLP.
    """

    _computed: dict[int, dict[Slot, Vector]] = field(default_factory=dict)

    def values(self, n: int) -> dict[Slot, Vector]:
        """Return the right numbers for answer n."""
        if n not in self._values:
            self._values[n] = {**self.computed(n), **self._certified(n)}
        return self._values[n]

    def computed(self, n: int) -> dict[Slot, Vector]:
        """Return the MLP's numbers for answer n, in the definition's order of evaluation."""
        if n not in self._computed:
            answer = self.answers[n]
            self._computed[n] = right_numbers(answer.case, answer.numbers)
        return self._computed[n]

    def _certified(self, n: int) -> dict[Slot, Vector]:
        case = self.answers[n].case
        shipped = {probe.id: probe for probe in probes()}
        final = (certified_final(case.id) if shipped.get(case.id) == case else None) or {}
        finals = (slot for slot in self.answers[n].numbers if not slot.step)
        return {slot: final[slot[1:]] for slot in finals if slot[1:] in final}

    def theirs_and_ours(self, n: int, precision: str) -> dict[Slot, Vector]:
        """Return the target's bounds and those of the right numbers, added."""
        both = Hypothesis.theirs_and_ours(self, n, precision)
        certified = self._certified(n)
        if certified:
            answer = self.answers[n]
            theirs = bounds(self.program, answer.case, certified, precision)
            both |= {s: b + _HALF_ULP * np.abs(certified[s]) for s, b in theirs.items()}
        return both


def right_numbers(case: Case, slots: Iterable[Slot]) -> dict[Slot, Vector]:
    """Return what the MLP computes at each slot, in the order of evaluation of the definition.

    Args:
        case: the case.
        slots: what is asked for; one that the run does not have is missing from the answer.
    """
    asked = list(slots)
    needed = {slot.step for slot in asked}
    epochs = any(slot.name == "epoch_errors" for slot in asked)
    record, last = Record(), None
    with np.errstate(all="ignore"):
        for number, update in enumerate(training_run(case), start=1):
            if number in needed or epochs:
                record.numbers.append(number)
                record.steps.append(
                    _table(update)
                    if number in needed
                    else {("error", None): np.asarray(update.step.error)}
                )
            last = update
            if 0 not in needed and number >= max(needed):
                break
        if last is not None and 0 in needed:
            record.weights, record.biases = last.step.new_weights, last.step.biases_after
            record.final = final_pass(case, last).results()
    return {
        slot: np.asarray(value, dtype=np.float64)
        for slot, value in values_at(asked, case, record).items()
    }


def _table(update: Update) -> dict[Key, Array]:
    """Return the quantities of an update, frozen biases too."""
    step = update.step
    return step.results() | by_key(new_weights=step.new_weights, new_biases=step.biases_after)
