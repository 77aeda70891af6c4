"""What can be said of numbers that no entry explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellgrad.case.quantities import layer_letter
from cellgrad_audit.answer import Answer, Slot, Vector
from cellgrad_audit.bugs.catalogue import by_id, variants
from cellgrad_audit.bugs.entry import ALTERNATIVE, PRECISION
from cellgrad_audit.hypothesis import Hypothesis

_CLOSE = 1e-6
_SEVERAL = 3
"""A pattern of fewer numbers says nothing."""


def remarks(answers: Sequence[Answer], reference: Hypothesis, precision: str) -> list[str]:
    """Return lines on the pattern of the updates, and on entries that explain some probes."""
    return [*_patterns(answers, reference), *_partly(answers, reference, precision)]


def _patterns(answers: Sequence[Answer], reference: Hypothesis) -> list[str]:
    """Say of each layer whether it never moves, or by which factor its updates are off."""
    lines = []
    for n, answer in enumerate(answers):
        for slot, numbers in answer.numbers.items():
            if slot.step != 0 or slot.name not in ("weights", "biases"):
                continue
            text = _pattern(answer, slot, numbers.values, reference.values(n).get(slot))
            if text:
                lines.append(f"{answer.case.id}: {_layer(answer, slot)} {text}")
    return lines


def _pattern(answer: Answer, slot: Slot, found: Vector, right: Vector | None) -> str:
    network = answer.case.network
    given = network.weights if slot.name == "weights" else network.biases
    if right is None or given is None or slot.layer is None or np.isnan(found).any():
        return ""
    start = np.array(given[slot.layer])
    theirs, ours = found - start, right - start
    if np.array_equal(found, right) or not np.abs(ours).max():
        return ""
    if not np.abs(theirs).max():
        return "never move"
    if theirs.size < _SEVERAL:
        return ""  # one number is always a multiple of another
    ratio = float((theirs.ravel() @ ours.ravel()) / (ours.ravel() @ ours.ravel()))
    if (
        abs(ratio - 1) > _CLOSE
        and np.abs(theirs - ratio * ours).max() <= _CLOSE * np.abs(ours).max()
    ):
        return f"move {ratio:.6g} times as far as they should, all alike"
    return ""


def _layer(answer: Answer, slot: Slot) -> str:
    structure = answer.case.structure_of(answer.case.batch())
    k = slot.layer or 0
    if slot.name == "biases":
        return f"bias_{layer_letter(structure, k + 1)}"
    return f"weight_{layer_letter(structure, k)}to{layer_letter(structure, k + 1)}"


def _partly(answers: Sequence[Answer], reference: Hypothesis, precision: str) -> list[str]:
    """Name entries that explain some of the wrong probes, and say which they do not."""
    wrong = [n for n in range(len(answers)) if not reference.explains(n, precision)]
    if len(wrong) < 2:
        return []
    best: list[tuple[int, str]] = []
    for variant in variants():
        entry = by_id()[variant.entry]
        if entry.kind in (ALTERNATIVE, PRECISION):
            continue
        hypothesis = Hypothesis(variant.program, answers, reference.tolerance)
        explained = [
            n
            for n in wrong
            if hypothesis.differs(n, reference) and hypothesis.explains(n, precision)
        ]
        if explained:
            names = ", ".join(answers[n].case.id for n in explained)
            rest = ", ".join(answers[n].case.id for n in wrong if n not in explained)
            best.append((len(explained), f"{entry.id} explains {names}, but not {rest}"))
    most = max((count for count, _ in best), default=0)
    return list(dict.fromkeys(line for count, line in best if count == most))[:3]
