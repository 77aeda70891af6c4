"""Every number of an answer beside what it should be, in the order of the flow."""

from __future__ import annotations

import math

import numpy as np

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key, Quantity, label_with_index, table
from cellgrad.case.structure import Structure
from cellgrad_audit.answer import Answer, Slot
from cellgrad_audit.hypothesis import Hypothesis
from cellgrad_audit.result import Cell

MOST = 20_000
"""Cells that agree are listed up to here, cells that do not likewise."""

ALL_DIGITS = 17.0

_AFTER = {"weights": "new_weights", "biases": "new_biases"}


def cells_of(answer: Answer, right: Hypothesis, n: int, precision: str) -> list[Cell]:
    """Return the numbers of answer n as cells; null ones are left out."""
    values, allowed = right.values(n), right.bounds(n, precision)
    good: list[Cell] = []
    bad: list[Cell] = []
    for slot in in_flow(answer):
        numbers = answer.numbers[slot]
        if slot not in values or values[slot].shape != numbers.values.shape:
            continue
        limits = allowed[slot] + numbers.half_units * (1 + 2.0**-50) + right.tolerance
        name = _Names(answer.case, slot)
        for index, found in np.ndenumerate(numbers.values):
            if math.isnan(found):
                continue
            wanted, bound = float(values[slot][index]), float(limits[index])
            kept = good if abs(found - wanted) <= bound else bad
            if len(kept) < MOST:
                digits = _digits(float(found), wanted)
                label = name.label(index)
                kept.append(
                    Cell(slot, index, label, name.equation, float(found), wanted, bound, digits)
                )
    order = {slot: place for place, slot in enumerate(in_flow(answer))}
    return sorted([*good, *bad], key=lambda cell: (order[cell.slot], cell.index))


def in_flow(answer: Answer) -> list[Slot]:
    """Return the slots of an answer in the order in which a run computes them."""
    order = _order(answer.case.structure_of(answer.case.batch()))

    def place(slot: Slot) -> tuple[float, int, int]:
        key = (_AFTER.get(slot.name, slot.name), slot.layer)
        late = slot.step == 0
        forward_pass = late and slot.name not in _AFTER
        return (math.inf if late else slot.step, int(forward_pass), order.get(key, len(order)))

    return sorted(answer.numbers, key=place)


def _order(structure: Structure) -> dict[Key, int]:
    return {key: n for n, key in enumerate(table(structure))}


class _Names:
    """What the numbers of a slot are called."""

    def __init__(self, case: Case, slot: Slot) -> None:
        self.case, self.slot = case, slot
        structure = case.structure_of(case.batch())
        quantities = table(structure)
        key = (_AFTER.get(slot.name, slot.name), slot.layer)
        self.quantity: Quantity | None = quantities.get(key)
        if self.quantity is None and slot.name == "biases":  # frozen: they stay what they were
            self.quantity = quantities.get(("biases", slot.layer))
        self.equation = "" if self.quantity is None else self.quantity.equation

    def label(self, index: tuple[int, ...]) -> str:
        """Return a number's name for people, with its update where there are several."""
        slot = self.slot
        if self.quantity is None:
            name = slot.name + (f"[{','.join(str(i + 1) for i in index)}]" if index else "")
        else:
            samples = len(self.case.samples) if slot.step == 0 else self.case.batch()
            name = label_with_index(self.quantity, index, name_sample=samples > 1)
        if slot.step == 0:
            return name if slot.name in (*_AFTER, "epoch_errors") else f"{name} after the run"
        return f"{name} of update {slot.step}" if self.case.updates() > 1 else name


def _digits(found: float, right: float) -> float:
    """Return how many decimal digits of a number are correct."""
    if found == right:
        return ALL_DIGITS
    if not math.isfinite(found) or not right:
        return 0.0
    return min(max(-math.log10(abs(found - right) / abs(right)), 0.0), ALL_DIGITS)
