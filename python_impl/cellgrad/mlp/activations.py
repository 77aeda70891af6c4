"""Activation functions fA and their derivatives fA′, both of the *pre*-activation.

exp and tanh come from the platform's mathematical library through ``math``:
NumPy's own vectorised versions differ from it in the last bit, and a training
step that can be reproduced bit by bit needs one definition.
Source: reference/equations.md, Eq. 2, 7 and "Other activations".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_EXP_LIMIT = 709.782712893384  # the largest double whose exponential is finite


def _exp(x: float) -> float:
    return math.exp(x) if x <= _EXP_LIMIT else math.inf


def _each(function: Callable[[float], float], x: Array) -> Array:
    """Apply a scalar function to every element, keeping shape and precision."""
    values = [function(value) for value in x.ravel().tolist()]
    return np.array(values, dtype=x.dtype).reshape(x.shape)


def exponential(pre_activation: Array) -> Array:
    """EXP of every element; infinity where it overflows."""
    return _each(_exp, pre_activation)


def natural_logarithm(x: Array) -> Array:
    """LN of every element; minus infinity at 0."""
    return _each(lambda value: math.log(value) if value > 0 else -math.inf, x)


def logistic(pre_activation: Array) -> Array:
    """Eq. 2: fA(x) = 1 / (1 + e^−x)."""
    return 1 / (1 + exponential(-pre_activation))


def logistic_derivative(pre_activation: Array) -> Array:
    """Eq. 7: fA′(x) = fA(x) · (1 − fA(x))."""
    s = logistic(pre_activation)
    return s * (1 - s)


def tanh(pre_activation: Array) -> Array:
    """Hyperbolic tangent."""
    return _each(math.tanh, pre_activation)


def tanh_derivative(pre_activation: Array) -> Array:
    """1 − tanh(x) · tanh(x)."""
    t = tanh(pre_activation)
    return 1 - t * t


def relu(pre_activation: Array) -> Array:
    """Rectified linear unit: max(0, x)."""
    return np.where(pre_activation > 0, pre_activation, 0).astype(pre_activation.dtype)


def relu_derivative(pre_activation: Array) -> Array:
    """1 where x > 0, else 0; at 0 it is 0."""
    return (pre_activation > 0).astype(pre_activation.dtype)


def identity(pre_activation: Array) -> Array:
    """The pre-activation itself."""
    return pre_activation.copy()


def identity_derivative(pre_activation: Array) -> Array:
    """1 everywhere."""
    return np.ones_like(pre_activation)


def leaky_relu(slope: float) -> Callable[[Array], Array]:
    """Return the function x where x > 0, else slope · x."""

    def function(pre_activation: Array) -> Array:
        return np.where(pre_activation > 0, pre_activation, slope * pre_activation).astype(
            pre_activation.dtype
        )

    return function


def leaky_relu_derivative(slope: float) -> Callable[[Array], Array]:
    """Return the function 1 where x > 0, else slope."""

    def derivative(pre_activation: Array) -> Array:
        return np.where(pre_activation > 0, 1, slope).astype(pre_activation.dtype)

    return derivative


def unit_step(pre_activation: Array) -> Array:
    """1 where x ≥ 0, else 0. It has no useful derivative: see Eq. 20."""
    return (pre_activation >= 0).astype(pre_activation.dtype)


def softmax(pre_activation: Array) -> tuple[Array, Array, Array]:
    """Eq. 17: each exponential over the sum of all.

    Args:
        pre_activation: S_preA,O, shape (…, outputs).

    Returns:
        the exponentials (…, outputs), their sum from left to right (…,), and
        the quotients (…, outputs).
    """
    powers = exponential(pre_activation)
    total = powers[..., 0]
    for o in range(1, powers.shape[-1]):
        total = total + powers[..., o]
    return powers, total, powers / total[..., None]


def function_of(name: str, slope: float) -> Callable[[Array], Array]:
    """Return fA by its name in the case format (softmax apart)."""
    return {
        "logistic": logistic,
        "tanh": tanh,
        "relu": relu,
        "leaky_relu": leaky_relu(slope),
        "identity": identity,
        "unit_step": unit_step,
    }[name]


def derivative_of(name: str, slope: float) -> Callable[[Array], Array]:
    """Return fA′ by the name of fA in the case format."""
    return {
        "logistic": logistic_derivative,
        "tanh": tanh_derivative,
        "relu": relu_derivative,
        "leaky_relu": leaky_relu_derivative(slope),
        "identity": identity_derivative,
    }[name]
