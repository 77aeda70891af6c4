"""The numbered equations of a training step, one function each.

Arrays may carry leading axes before the ones named here (a stack of networks);
sums run over the index in order, from left to right, bias first, because the
order of evaluation is part of the definition. All quantities are pure numbers.
Shapes are checked once, by ``training_step``: these functions raise ValueError
or IndexError, as NumPy does, where theirs do not chain.
Source: reference/equations.md, after Keim, article 10, and Stansbury's derivation.
"""

from __future__ import annotations

import numpy as np

from cellgrad.mlp.activations import Array


def against(scalar: Array, array: Array) -> Array:
    """Return a scalar a network so that it multiplies a whole array of each network."""
    scalar = np.asarray(scalar)
    return scalar.reshape(scalar.shape + (1,) * (array.ndim - scalar.ndim))


def pre_activation(incoming: Array, weights: Array, biases: Array | None) -> Array:
    """Eq. 1 and 3: what a node adds up.

    S_preA[j] = bias[j] + Σ_i incoming[i] · weight[i,j]

    Args:
        incoming: input, or post-activation of the layer below, shape (samples, n).
        weights: shape (n, m).
        biases: shape (m,), or None.

    Returns:
        S_preA, shape (samples, m).
    """
    total = incoming[..., 0, None] * weights[..., None, 0, :]
    if biases is not None:
        total = biases[..., None, :] + total
    for i in range(1, weights.shape[-2]):
        total = total + incoming[..., i, None] * weights[..., None, i, :]
    return total


def final_error(output: Array, target: Array) -> Array:
    """Eq. 5: how far the output is from what was wanted.

    FE[o] = S_postA,O[o] − target[o]

    Args:
        output: S_postA,O, shape (samples, outputs).
        target: shape (samples, outputs).

    Returns:
        FE, shape (samples, outputs).
    """
    return output - target


def output_error_signal(error_derivative: Array, activation_derivative: Array) -> Array:
    """Eq. 8: error signal of the output layer.

    S_ERROR,O[o] = FE[o] · fA′(S_preA,O[o])

    Args:
        error_derivative: ∂E/∂S_postA,O, which is FE for the half squared error,
            shape (samples, outputs).
        activation_derivative: fA′(S_preA,O), shape (samples, outputs).

    Returns:
        S_ERROR,O, shape (samples, outputs).
    """
    return error_derivative * activation_derivative


def backpropagated_error(error_signal_next: Array, weights_next: Array) -> Array:
    """Eq. 11, its sum: the error that flows back to a node.

    Σ_o S_ERROR,O[o] · weightHtoO[h,o]

    Args:
        error_signal_next: S_ERROR of the layer above, shape (samples, m).
        weights_next: the weights to that layer *before* their update, shape (n, m).

    Returns:
        ∂E/∂S_postA of the layer below, shape (samples, n).
    """
    total = error_signal_next[..., 0, None] * weights_next[..., None, :, 0]
    for o in range(1, weights_next.shape[-1]):
        total = total + error_signal_next[..., o, None] * weights_next[..., None, :, o]
    return total


def hidden_error_signal(backpropagated: Array, activation_derivative: Array) -> Array:
    """Eq. 11: error signal of a hidden layer.

    S_ERROR,H[h] = (Σ_o S_ERROR,O[o] · weightHtoO[h,o]) · fA′(S_preA,H[h])

    Args:
        backpropagated: the sum in brackets, shape (samples, hidden).
        activation_derivative: fA′(S_preA,H), shape (samples, hidden).

    Returns:
        S_ERROR,H, shape (samples, hidden).
    """
    return backpropagated * activation_derivative


def weight_gradient(error_signal: Array, incoming: Array) -> Array:
    """Eq. 9 and 12, summed over samples as in Eq. 19.

    gradient[i,j] = Σ_samples S_ERROR[j] · incoming[i]

    Args:
        error_signal: S_ERROR of the layer, shape (samples, m).
        incoming: what entered the layer, shape (samples, n).

    Returns:
        ∂E/∂weight, shape (n, m).
    """
    total = error_signal[..., 0, None, :] * incoming[..., 0, :, None]
    for s in range(1, error_signal.shape[-2]):
        total = total + error_signal[..., s, None, :] * incoming[..., s, :, None]
    return total


def bias_gradient(error_signal: Array) -> Array:
    """Eq. 14, summed over samples as in Eq. 19.

    bias gradient[j] = Σ_samples S_ERROR[j]

    Args:
        error_signal: S_ERROR of the layer, shape (samples, m).

    Returns:
        ∂E/∂bias, shape (m,).
    """
    total: Array = error_signal[..., 0, :]
    for s in range(1, error_signal.shape[-2]):
        total = total + error_signal[..., s, :]
    return total


def updated(value: Array, learning_rate: Array, gradient: Array) -> Array:
    """Eq. 10, 13 and 15: one step down the slope.

    weight ← weight − LR · gradient

    Args:
        value: a weight matrix (n, m) or a bias vector (m,), before the update.
        learning_rate: LR, a scalar; one a network where there is a stack of them.
        gradient: of the same shape as the value.

    Returns:
        the value after the update.
    """
    result: Array = value - against(learning_rate, gradient) * gradient
    return result


def updated_upwards(value: Array, learning_rate: Array, gradient: Array) -> Array:
    """Eq. 10, 13 and 15 by the convention FE = target − output.

    weight ← weight + LR · gradient, where the "gradient" is −∂E/∂weight

    Args:
        value: a weight matrix (n, m) or a bias vector (m,), before the update.
        learning_rate: LR, a scalar.
        gradient: of the same shape as the value.

    Returns:
        the value after the update.
    """
    result: Array = value + against(learning_rate, gradient) * gradient
    return result


def penalty(weight_decay: Array, weights: list[Array], biases: list[Array] | None = None) -> Array:
    """Eq. 16: what weight decay adds to the error.

    P = ½ · λ · Σ weight², over all weights, layer by layer; biases apart

    Args:
        weight_decay: λ, a scalar.
        weights: a layer each, shape (n, m).
        biases: a layer each, shape (m,), where by convention they decay too: their
            squares follow those of the weights.

    Returns:
        P, a scalar.
    """
    squares = [
        layer[..., i, j] * layer[..., i, j]
        for layer in weights
        for i in range(layer.shape[-2])
        for j in range(layer.shape[-1])
    ]
    squares += [
        layer[..., j] * layer[..., j] for layer in biases or () for j in range(layer.shape[-1])
    ]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    half: Array = 0.5 * weight_decay
    return half * total


def with_decay(gradient: Array, weight_decay: Array, parameter: Array) -> Array:
    """Eq. 16: what weight decay adds to the gradient.

    gradient + λ · weight

    Args:
        gradient: shape (n, m), or (m,) of biases that decay.
        weight_decay: λ, a scalar.
        parameter: the weights or biases, of the same shape.

    Returns:
        the gradient of E with its penalty, of the same shape.
    """
    return gradient + weight_decay * parameter
