"""From outputs to classes: who is called what, and how often that is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellgrad.mlp.activations import Array


def classes(outputs: Array, limit: float) -> Array:
    """Return the class that each row of outputs, or of targets, stands for.

    One output: 1 where it is above the limit, else 0. Several: the number, counted from
    1, of the largest; of equal ones, the first.

    Args:
        outputs: shape (samples, outputs).
        limit: with one output, what class 1 must exceed.

    Returns:
        the classes as numbers, shape (samples,).
    """
    if outputs.shape[-1] == 1:
        above: Array = np.where(outputs[..., 0] > limit, 1.0, 0.0)
        return above
    largest: Array = np.argmax(outputs, axis=-1) + 1.0
    return largest


def membership(numbers: Array, count: int, first: int) -> Array:
    """Return 1 where a sample is of a class, else 0, shape (samples, classes).

    Args:
        numbers: the class of every sample.
        count: how many classes there are.
        first: the number of the first: 0 with one output, else 1.
    """
    return np.where(numbers[:, None] == np.arange(first, first + count)[None, :], 1.0, 0.0)


def confusion(targets: Array, called: Array) -> Array:
    """Return how many samples of a class are called what, from their memberships.

    Args:
        targets: shape (samples, classes).
        called: shape (samples, classes).

    Returns:
        counts, shape (classes, classes): rows are classes, columns what they are called.
    """
    counts: NDArray[np.floating] = np.einsum("st,sp->tp", targets, called)
    return counts
