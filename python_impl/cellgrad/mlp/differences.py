"""The gradients once more, by central finite differences.

Nothing of the backward pass is used: two complete forward passes a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellgrad.mlp.activations import Array
from cellgrad.mlp.step import Forward, Step, forward_pass

Parameter = tuple[str, int, tuple[int, ...]]
"""``("weights", k, (i, j))`` or ``("biases", k, (j,))``."""


@dataclass(slots=True)
class CentralDifferences:
    """Forward passes with one parameter moved up and down by ε, and their quotients.

    Attributes:
        moved: the moved parameter's value, shape (parameters, 2): + ε, then − ε.
        passes: the forward passes, leading axes (parameters, 2).
        quotient: (E₊ − E₋) / (2ε), shape (parameters,).
    """

    moved: Array
    passes: Forward
    quotient: Array


def central_differences(
    step: Step, parameters: Sequence[Parameter], epsilon: float
) -> CentralDifferences:
    """Move each parameter by ± ε and measure how E follows.

    Args:
        step: the step whose gradients are to be checked.
        parameters: which weights and biases to move.
        epsilon: how far.
    """
    count = len(parameters)
    weights = [np.broadcast_to(w, (count, 2, *w.shape)).copy() for w in step.weights]
    biases = None
    if step.biases is not None:
        biases = [np.broadcast_to(b, (count, 2, *b.shape)).copy() for b in step.biases]
    moved = np.empty((count, 2), dtype=step.inputs.dtype)
    for p, (kind, layer, index) in enumerate(parameters):
        stack = (weights if kind == "weights" or biases is None else biases)[layer]
        value = stack[(p, 0, *index)]
        moved[p] = value + epsilon, value - epsilon
        stack[(p, 0, *index)], stack[(p, 1, *index)] = moved[p]
    passes = forward_pass(step, weights, biases)
    quotient = (passes.error[:, 0] - passes.error[:, 1]) / (2 * epsilon)
    return CentralDifferences(moved, passes, quotient)
