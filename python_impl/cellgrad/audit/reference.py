"""The right numbers of a case: certified where they are, else from the MLP."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from cellgrad.audit.answer import Slot, Vector
from cellgrad.case.model import Case
from cellgrad.mlp import Update, training_run
from cellgrad.mlp.step import Forward, forward
from cellgrad.verify.expected import step_numbers

_AFTER = {"weights": "new_weights", "biases": "new_biases"}


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
) -> Vector | None:
    if slot.step:
        update = kept.get(slot.step)
        if update is None:
            return None
        if slot.name in _AFTER:
            return _layer(update, slot)
        return step_numbers(update.step).get((slot.name, slot.layer))
    if slot.name == "epoch_errors":
        each = max(len(errors) // case.epochs, 1)
        return np.array(
            [math.fsum(errors[start : start + each]) for start in range(0, len(errors), each)]
        )
    if slot.name in _AFTER:
        return None if last is None else _layer(last, slot)
    if final is None:
        return None
    if slot.name == "error":
        return np.asarray(final.error)
    layers = getattr(final, slot.name, None)
    return None if layers is None or slot.layer is None else layers[slot.layer]


def _layer(update: Update, slot: Slot) -> Vector | None:
    layers = getattr(update.after, slot.name)
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
