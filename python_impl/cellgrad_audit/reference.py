"""The right program held against answers: its numbers are certified, or the MLP's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from cellgrad.case.model import Case
from cellgrad.mlp import Update, training_run
from cellgrad.mlp.activations import Array
from cellgrad.mlp.step import Forward, forward
from cellgrad.verify.expected import step_numbers
from cellgrad_audit.answer import Slot, Vector
from cellgrad_audit.bugs.certified import certified_final
from cellgrad_audit.hypothesis import Hypothesis
from cellgrad_audit.prediction import bounds
from cellgrad_audit.probes import probes

_HALF_ULP = 2.0**-53
"""A certified value is the double nearest to the exact one."""

_AFTER = {"weights": "new_weights", "biases": "new_biases"}


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
        case, found = self.answers[n].case, {}
        shipped = {probe.id: probe for probe in probes()}
        final = certified_final(case.id) if shipped.get(case.id) == case else None
        for slot in self.answers[n].numbers:
            layers = getattr(final, slot.name, None) if slot.step == 0 else None
            if layers is not None and slot.layer is not None:
                found[slot] = layers[slot.layer]
        return found

    def theirs_and_ours(self, n: int, precision: str) -> dict[Slot, Vector]:
        """Return the target's bounds and those of the right numbers, added."""
        found = Hypothesis.theirs_and_ours(self, n, precision)
        certified = self._certified(n)
        if certified:
            answer = self.answers[n]
            theirs = bounds(self.program, answer.case, certified, precision)
            found |= {s: b + _HALF_ULP * np.abs(certified[s]) for s, b in theirs.items()}
        return found


def right_numbers(case: Case, slots: Iterable[Slot]) -> dict[Slot, Vector]:
    """Return what the MLP computes at each slot, in the order of evaluation of the definition.

    Args:
        case: the case.
        slots: what is asked for; one that the run does not have is missing from the answer.
    """
    asked = list(slots)
    needed = {slot.step for slot in asked}
    everything = any(slot.name == "epoch_errors" for slot in asked)
    kept: dict[int, Update] = {}
    errors: list[float] = []
    last: Update | None = None
    with np.errstate(all="ignore"):
        for number, update in enumerate(training_run(case), start=1):
            if number in needed:
                kept[number] = update
            if everything:
                errors.append(update.step.error)
            last = update
            if 0 not in needed and number >= max(needed):
                break
        final = _final(case, last) if last is not None and 0 in needed else None
    found = {}
    for slot in asked:
        value = _value(case, slot, kept, last, final, errors)
        if value is not None:
            found[slot] = np.asarray(value, dtype=np.float64)
    return found


def _value(
    case: Case,
    slot: Slot,
    kept: dict[int, Update],
    last: Update | None,
    final: Forward | None,
    errors: list[float],
) -> Array | None:
    if slot.name in _AFTER:
        return _layer(kept.get(slot.step) if slot.step else last, slot)
    if slot.step:
        update = kept.get(slot.step)
        table = {} if update is None else step_numbers(update.step)
        return table.get((slot.name, slot.layer))
    if slot.name == "epoch_errors":
        each = max(len(errors) // case.epochs, 1)
        return np.array(
            [math.fsum(errors[start : start + each]) for start in range(0, len(errors), each)]
        )
    if slot.name == "error":
        return None if final is None else final.error
    layers = getattr(final, slot.name, None)
    return None if layers is None or slot.layer is None else layers[slot.layer]


def _layer(update: Update | None, slot: Slot) -> Array | None:
    layers = None if update is None else getattr(update.after, slot.name)
    return None if layers is None or slot.layer is None else layers[slot.layer]


def _final(case: Case, last: Update) -> Forward:
    """Return a forward pass over all samples with the final parameters."""
    structure = replace(
        case.structure_of(case.batch()),
        samples=len(case.samples),
        update="batch_sum" if case.update == "online" else case.update,
    )
    return forward(
        structure,
        last.after.weights,
        last.after.biases,
        np.array([sample.input for sample in case.samples]),
        np.array([sample.target for sample in case.samples]),
        case.network.leaky_slope,
        np.array(case.optimizer.weight_decay),
    )
