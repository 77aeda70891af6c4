"""Two ways to add up arrays: exactly in the order of the definition, or as fast as can be.

``Ordered`` runs every sum from left to right, one column of products at a time; what NumPy
does at once are the sums of *different* nodes and samples. Its exp, log and tanh are those
of ``math``. ``Blas`` leaves order and functions to NumPy and its matrix products.

Shapes: incoming (samples, n), weights (n, m), biases (m,), signal (samples, m).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cellgrad_series.kernels.plan import Array

_EXP_LIMIT = 709.782712893384  # the largest double whose exponential is finite


class Ordered:
    """What a pass needs beyond single operations: sums from left to right, ``math``'s functions."""

    @staticmethod
    def exponential(x: Array) -> Array:
        """Return EXP of every element; infinity where it overflows."""
        return _each(lambda v: math.inf if v > _EXP_LIMIT else math.exp(v), x)

    @staticmethod
    def logarithm(x: Array) -> Array:
        """Return LN of every element; minus infinity at 0."""
        return _each(lambda v: math.log(v) if v else -math.inf, x)

    def times_logarithm(self, factor: Array, x: Array) -> Array:
        """Return factor · LN x."""
        return factor * self.logarithm(x)

    @staticmethod
    def tanh(x: Array) -> Array:
        """Return TANH of every element."""
        return _each(math.tanh, x)

    @staticmethod
    def pre_activation(incoming: Array, weights: Array, biases: Array | None) -> Array:
        """Eq. 1 and 3: the bias first, then product after product."""
        total: Array = incoming[:, 0, None] * weights[0]
        if biases is not None:
            total = biases + total
        for i in range(1, weights.shape[0]):
            total += incoming[:, i, None] * weights[i]
        return total

    @staticmethod
    def backpropagated(signal: Array, weights: Array) -> Array:
        """Eq. 11, its sum: by index of the upper node."""
        total: Array = signal[:, 0, None] * weights[:, 0]
        for j in range(1, weights.shape[1]):
            total += signal[:, j, None] * weights[:, j]
        return total

    @staticmethod
    def weight_gradient(signal: Array, incoming: Array) -> Array:
        """Eq. 9, 12 and 19: sample after sample."""
        total: Array = signal[0] * incoming[0][:, None]
        for s in range(1, signal.shape[0]):
            total += signal[s] * incoming[s][:, None]
        return total

    @staticmethod
    def over_nodes(terms: Array) -> Array:
        """Return the sums over the last axis."""
        total: Array = terms[:, 0].copy()
        for o in range(1, terms.shape[1]):
            total += terms[:, o]
        return total

    @staticmethod
    def over_samples(terms: Array) -> Array:
        """Return the sums over the first axis."""
        total: Array = terms[0].copy()
        for s in range(1, terms.shape[0]):
            total += terms[s]
        return total

    @staticmethod
    def total(terms: Array) -> float:
        """Return the sum of a vector; Python's own ``sum`` compensates since 3.12."""
        first, *others = terms.tolist()
        total: float = first
        for term in others:
            total += term
        return total


class Blas(Ordered):
    """NumPy's own functions and matrix products: the order of sums is theirs."""

    @staticmethod
    def exponential(x: Array) -> Array:
        """Return EXP of every element."""
        return np.exp(x)

    @staticmethod
    def logarithm(x: Array) -> Array:
        """Return LN of every element."""
        return np.log(x)

    @staticmethod
    def tanh(x: Array) -> Array:
        """Return TANH of every element."""
        return np.tanh(x)

    @staticmethod
    def pre_activation(incoming: Array, weights: Array, biases: Array | None) -> Array:
        """Eq. 1 and 3."""
        total: Array = incoming @ weights
        if biases is not None:
            total += biases
        return total

    @staticmethod
    def backpropagated(signal: Array, weights: Array) -> Array:
        """Eq. 11, its sum."""
        total: Array = signal @ weights.T
        return total

    @staticmethod
    def weight_gradient(signal: Array, incoming: Array) -> Array:
        """Eq. 9, 12 and 19."""
        total: Array = incoming.T @ signal
        return total

    @staticmethod
    def over_nodes(terms: Array) -> Array:
        """Return the sums over the last axis."""
        return np.asarray(terms.sum(axis=-1))

    @staticmethod
    def over_samples(terms: Array) -> Array:
        """Return the sums over the first axis."""
        return np.asarray(terms.sum(axis=0))

    @staticmethod
    def total(terms: Array) -> float:
        """Return the sum of a vector."""
        return float(terms.sum())


def _each(function: Callable[[float], float], x: Array) -> Array:
    """Apply a scalar function to every element."""
    return np.array([function(value) for value in x.ravel().tolist()]).reshape(x.shape)
