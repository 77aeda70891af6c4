"""What an optimiser remembers from one update to the next, one function an equation.

Every value is taken at the same place of arrays of one shape: a weight matrix (n, m) or a
bias vector (m,), with leading axes for a stack of updates. Scalars that differ
from update to update (LR, the powers of β) have these leading axes alone.
Source: reference/equations.md, Eq. 21 to 24.
"""

from __future__ import annotations

import numpy as np

from cellgrad.mlp.activations import Array
from cellgrad.mlp.equations import against


def velocity(last: Array, momentum: Array, gradient: Array) -> Array:
    """Eq. 21: v ← μ · v + gradient."""
    result: Array = momentum * last + gradient
    return result


def velocity_with_rate(
    last: Array, momentum: Array, learning_rate: Array, gradient: Array
) -> Array:
    """Eq. 21 where the velocity holds the learning rate: v ← μ · v + LR · gradient."""
    result: Array = momentum * last + against(learning_rate, gradient) * gradient
    return result


def first_moment(last: Array, beta1: Array, gradient: Array) -> Array:
    """Eq. 22: m ← β1 · m + (1 − β1) · gradient."""
    result: Array = beta1 * last + (1 - beta1) * gradient
    return result


def second_moment(last: Array, beta2: Array, gradient: Array) -> Array:
    """Eq. 22: s ← β2 · s + (1 − β2) · gradient · gradient."""
    result: Array = beta2 * last + (1 - beta2) * gradient * gradient
    return result


def power(last: Array, beta: Array) -> Array:
    """Eq. 23: βᵗ ← βᵗ⁻¹ · β, 1 before the first update."""
    result: Array = last * beta
    return result


def corrected(moment: Array, beta_power: Array) -> Array:
    """Eq. 23: a moment that began at 0, corrected: moment / (1 − βᵗ)."""
    result: Array = moment / against(1 - beta_power, moment)
    return result


def adam_updated(
    value: Array, learning_rate: Array, first: Array, second: Array, epsilon: Array
) -> Array:
    """Eq. 24: weight ← weight − LR · m̂ / (√ŝ + ε), the product first.

    Args:
        value: weights or biases before the update.
        learning_rate: LR.
        first: m̂, the corrected first moment.
        second: ŝ, the corrected second moment.
        epsilon: ε, added outside the root.
    """
    return value - _adam_change(learning_rate, first, second, epsilon)


def adam_updated_upwards(
    value: Array, learning_rate: Array, first: Array, second: Array, epsilon: Array
) -> Array:
    """Eq. 24 where FE = target − output: the change is added."""
    return value + _adam_change(learning_rate, first, second, epsilon)


def _adam_change(learning_rate: Array, first: Array, second: Array, epsilon: Array) -> Array:
    change: Array = against(learning_rate, first) * first / (np.sqrt(second) + epsilon)
    return change
