"""E of each sample from its outputs and targets, for reports: no derivative, no update.

Source: reference/equations.md, Eq. 6, "Other losses" and the perceptron rule, in
the order of evaluation given there. Where an output has reached 0 or 1 exactly, a
term 0 · LN(0) counts as 0, its limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sample_errors(loss: str, outputs: Floats, targets: Floats) -> Floats:
    """Return E of each sample, without the penalty of weight decay.

    Args:
        loss: a name of the case format.
        outputs: (samples, outputs).
        targets: the same shape.

    Returns:
        (samples,); infinite where an output is infinitely wrong.
    """
    y, t = outputs.T, targets.T
    with np.errstate(all="ignore"):
        if loss == "categorical_cross_entropy":
            return -_left_to_right(_times_ln(b, a) for a, b in zip(y, t, strict=True))
        if loss == "binary_cross_entropy":
            pairs = zip(y, t, strict=True)
            return -_left_to_right(
                term for a, b in pairs for term in (_times_ln(b, a), _times_ln(1 - b, 1 - a))
            )
        errors = y - t
        if loss == "perceptron":
            return _left_to_right(np.abs(error) for error in errors)
        squares = _left_to_right(error * error for error in errors)
        if loss == "half_squared_error":
            return 0.5 * squares
        return squares / len(errors) if loss == "mean_squared_error" else squares


def _left_to_right(terms: Iterable[Floats]) -> Floats:
    first, *others = terms
    for term in others:
        first = first + term
    return first


def _times_ln(factor: Floats, x: Floats) -> Floats:
    logarithms = [math.log(value) if value > 0 else -math.inf for value in x.tolist()]
    return np.where(factor == 0, 0.0, factor * np.array(logarithms))


def penalty(parameters: Iterable[Floats], weight_decay: float) -> float:
    """Return P = ½ · λ · Σ w² over the parameters that decay (Eq. 16)."""
    total = 0.0
    for array in parameters:
        for value in array.ravel().tolist():
            total += value * value
    return (0.5 * weight_decay) * total
