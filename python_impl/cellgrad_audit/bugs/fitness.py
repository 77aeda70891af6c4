"""Which cases are degenerate: numbers under which different mistakes look alike."""

from __future__ import annotations

import numpy as np

from cellgrad.case.model import Case
from cellgrad_audit.bugs.program import Program

GRID = 64
LARGEST = 30.0
SMALLEST = 1 / 64
CLEAR = 1e-3
"""A pre-activation or an error below this is too close to 0 to decide anything."""


def unfit(case: Case) -> list[str]:
    """Return why a case is no probe, one reason a line; nothing where it is fit.

    Source: the degenerate choices are listed in reference/bugs.md.
    """
    return [*_numbers(case), *_sizes(case), *_values(case)]


def _numbers(case: Case) -> list[str]:
    network = case.network
    weights = [np.array(layer) for layer in network.weights]
    biases = [np.array(layer) for layer in network.biases or ()]
    samples = [np.array([*s.input, *s.target]) for s in case.samples]
    reasons = []
    if any(np.any(a * GRID != np.rint(a * GRID)) for a in (*weights, *biases, *samples)):
        reasons.append("a number is no multiple of 1/64")
    flat = np.concatenate([w.ravel() for w in weights])
    if len(np.unique(np.abs(flat))) < min(len(flat), GRID) * 0.6:
        reasons.append("too many equal weights: mistaken indices hide")
    for k, layer in enumerate(weights):
        if any(len(set(row)) < len(row) for row in (*layer.tolist(), *layer.T.tolist())):
            reasons.append(f"equal weights in one row or column of layer {k}")
        if not layer.any():
            reasons.append(f"all weights of layer {k} are 0")
    inputs = np.array([s.input for s in case.samples])
    if np.any(np.abs(inputs) == 1) or np.any(np.abs(inputs) < SMALLEST):
        reasons.append("an input of 1 or 0: a missing factor hides")
    if case.loss != "categorical_cross_entropy" and any(
        t in (0.0, 1.0) for s in case.samples for t in s.target
    ):
        reasons.append("a target of exactly 0 or 1")
    rates = case.learning_rate if isinstance(case.learning_rate, tuple) else (case.learning_rate,)
    if any(rate in (0.5, 1.0, 2.0) for rate in rates):
        reasons.append("a learning rate of ½, 1 or 2: other factors hide behind it")
    return reasons


def _sizes(case: Case) -> list[str]:
    reasons = []
    if case.network.nodes[-1] == 2:
        reasons.append("two outputs: a mean over them is a half")
    if len(case.samples) == 2:
        reasons.append("two samples: a mean over them is a half")
    return reasons


def _values(case: Case) -> list[str]:
    with np.errstate(all="ignore"):
        record = Program(case).run()
    reasons, errors = [], []
    for table in record.steps:
        for (name, _), values in table.items():
            if name == "pre_activation":
                if not np.all(np.abs(values) < LARGEST):
                    reasons.append("a pre-activation of 30 or more")
                if np.any(np.abs(values) < CLEAR):
                    reasons.append("a pre-activation of 0, or nearly")
            if name == "final_error":
                errors.append(values.ravel())
    every = np.concatenate(errors)
    if np.any(np.abs(every) < CLEAR):
        reasons.append("an error of 0, or nearly")
    if every.max() < 0 or every.min() > 0:
        reasons.append("all errors have one sign")
    return reasons
