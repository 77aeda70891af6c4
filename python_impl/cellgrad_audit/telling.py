"""Where two programs part: the first quantity that differs, and what would tell them apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellgrad.case.model import Case
from cellgrad.case.quantities import table
from cellgrad_audit.answer import Answer, Slot
from cellgrad_audit.bugs.distances import predicted
from cellgrad_audit.bugs.program import Program

_LEAST = 1e-9
_MOST_UPDATES = 50
"""Records of longer runs are not compared; their beginnings are."""


def first_difference(
    program: type[Program], other: type[Program], answers: Sequence[Answer]
) -> str:
    """Return the first quantity that differs on one of the cases, as ``S_ERROR_H (Eq. 11)``."""
    for answer in answers:
        found = parting(program, other, answer.case)
        if found is not None:
            return named(answer.case, found)
    return ""


def parting(program: type[Program], other: type[Program], case: Case) -> Slot | None:
    """Return the first slot, in the order of the flow, in which two programs differ."""
    last = min(case.updates(), _MOST_UPDATES)
    with np.errstate(all="ignore"):
        mine, theirs = (p(case, last=last).run() for p in (program, other))
    order = {key: n for n, key in enumerate(table(case.structure_of(case.batch())))}
    for number, (a, b) in enumerate(zip(mine.steps, theirs.steps, strict=False), start=1):
        keys = sorted(set(a) | set(b), key=lambda key: order.get(key, len(order)))
        for key in keys:
            # what only one of them has is another way to write it down, not another number
            if key in a and key in b and not _same(a[key], b[key]):
                return Slot(number, *key)
    for k, (w, v) in enumerate(zip(mine.weights, theirs.weights, strict=True)):
        if not _same(w, v):
            return Slot(0, "weights", k)
    return None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):
        return bool(np.all((np.abs(a - b) <= _LEAST * (1 + np.abs(b))) | (a == b)))


def named(case: Case, slot: Slot) -> str:
    """Return a slot's name for people, with its equation and, past the first, its update."""
    quantity = table(case.structure_of(case.batch())).get((slot.name, slot.layer))
    if quantity is None:
        return slot.name
    text = f"{quantity.label} ({quantity.equation})" if quantity.equation else quantity.label
    return text if slot.step <= 1 else f"{text} of update {slot.step}"


def told_by(
    program: type[Program],
    others: Sequence[type[Program]],
    answers: Sequence[Answer],
    probes: Sequence[Case],
) -> str:
    """Return what would tell a program from others that answer alike: a trace, or a probe."""
    if not others:
        return ""
    parts = []
    for answer in answers:
        slots = [parting(program, other, answer.case) for other in others]
        if all(slot is not None for slot in slots):
            quantities = sorted({named(answer.case, slot) for slot in slots if slot is not None})
            parts.append(f"a trace of {' and '.join(quantities)} on {answer.case.id}")
            break
    ran = {answer.case.id for answer in answers}
    for case in probes:
        if case.id not in ran and all(_apart(program, other, case) for other in others):
            parts.append(f"the probe {case.id}")
            break
    return ", or ".join(parts) or "nothing that a run shows: the mathematics is the same"


def _apart(program: type[Program], other: type[Program], case: Case) -> bool:
    mine, theirs = predicted(program, [case]), predicted(other, [case])
    return mine.shape != theirs.shape or not _same(mine, theirs)
