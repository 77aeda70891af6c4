"""Losses E and their derivatives by the output's post-activation.

Every sum runs over the outputs from left to right.
Source: reference/equations.md, Eq. 6, 18, 20 and "Other losses".
"""

from __future__ import annotations

import numpy as np

from cellgrad.mlp.activations import Array, natural_logarithm


def _sum_over_outputs(terms: Array) -> Array:
    total: Array = terms[..., 0]
    for o in range(1, terms.shape[-1]):
        total = total + terms[..., o]
    return total


def half_squared_error(final_error: Array) -> Array:
    """Eq. 6: E = ½ Σ FE²."""
    total: Array = 0.5 * _sum_over_outputs(final_error * final_error)
    return total


def squared_error(final_error: Array) -> Array:
    """E = Σ FE²."""
    return _sum_over_outputs(final_error * final_error)


def mean_squared_error(final_error: Array) -> Array:
    """E = Σ FE² / outputs."""
    mean: Array = _sum_over_outputs(final_error * final_error) / final_error.shape[-1]
    return mean


def binary_cross_entropy(output: Array, target: Array) -> Array:
    """Eq. 18: E = −Σ (t · LN y + (1 − t) · LN(1 − y)), two terms an output, in one sum."""
    terms = np.stack(
        [target * natural_logarithm(output), (1 - target) * natural_logarithm(1 - output)], axis=-1
    )
    return -_sum_over_outputs(terms.reshape(*terms.shape[:-2], -1))


def categorical_cross_entropy(output: Array, target: Array) -> Array:
    """Eq. 18: E = −Σ t · LN y, for targets that sum to 1."""
    return -_sum_over_outputs(target * natural_logarithm(output))


def wrong_outputs(final_error: Array) -> Array:
    """Eq. 20: the perceptron's E counts wrong outputs, Σ |FE|."""
    return _sum_over_outputs(np.abs(final_error))


def sample_error(loss: str, output: Array, target: Array, final_error: Array) -> Array:
    """E of each sample, shape (…, samples), by the loss's name in the case format."""
    if loss == "binary_cross_entropy":
        return binary_cross_entropy(output, target)
    if loss == "categorical_cross_entropy":
        return categorical_cross_entropy(output, target)
    return {
        "half_squared_error": half_squared_error,
        "squared_error": squared_error,
        "mean_squared_error": mean_squared_error,
        "perceptron": wrong_outputs,
    }[loss](final_error)


def error_derivative(loss: str, final_error: Array) -> Array:
    """∂E/∂S_postA,O of the squared losses: FE, 2·FE or 2·FE / outputs."""
    if loss == "half_squared_error":
        return final_error.copy()
    if loss == "squared_error":
        doubled: Array = 2 * final_error
        return doubled
    mean: Array = 2 * final_error / final_error.shape[-1]
    return mean
