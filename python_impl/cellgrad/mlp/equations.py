"""The numbered equations of a training step, one function each.

Arrays may carry leading axes before the ones named here (a stack of networks);
sums run over the index in order, from left to right, bias first, because the
order of evaluation is part of the definition.
Source: reference/equations.md; Keim, article 10; Stansbury's derivation.
"""

from __future__ import annotations

from cellgrad.mlp.activations import Array


def pre_activation(incoming: Array, weights: Array, biases: Array | None) -> Array:
    """Eq. 1 and 3: S_preA[j] = bias[j] + Σ_i incoming[i] · weight[i,j].

    Args:
        incoming: input or post-activation of the layer below, shape (samples, n).
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
    """Eq. 5: FE[o] = S_postA,O[o] − target[o], shape (samples, outputs)."""
    return output - target


def output_error_signal(error_derivative: Array, activation_derivative: Array) -> Array:
    """Eq. 8: S_ERROR,O[o] = FE[o] · fA′(S_preA,O[o]), shape (samples, outputs)."""
    return error_derivative * activation_derivative


def backpropagated_error(error_signal_next: Array, weights_next: Array) -> Array:
    """Eq. 11, the sum: Σ_o S_ERROR,O[o] · weightHtoO[h,o].

    Args:
        error_signal_next: S_ERROR of the layer above, shape (samples, m).
        weights_next: the weights to that layer *before* their update, shape (n, m).

    Returns:
        the error that flows back to each node below, shape (samples, n).
    """
    total = error_signal_next[..., 0, None] * weights_next[..., None, :, 0]
    for o in range(1, weights_next.shape[-1]):
        total = total + error_signal_next[..., o, None] * weights_next[..., None, :, o]
    return total


def hidden_error_signal(backpropagated: Array, activation_derivative: Array) -> Array:
    """Eq. 11: S_ERROR,H[h] = (the back-propagated sum) · fA′(S_preA,H[h])."""
    return backpropagated * activation_derivative


def weight_gradient(error_signal: Array, incoming: Array) -> Array:
    """Eq. 9, 12 and 19: gradient[i,j] = Σ_samples S_ERROR[j] · incoming[i].

    Args:
        error_signal: S_ERROR of the layer, shape (samples, m).
        incoming: what entered the layer, shape (samples, n).

    Returns:
        the summed gradient, shape (n, m).
    """
    total = error_signal[0, None, :] * incoming[0, :, None]
    for s in range(1, error_signal.shape[0]):
        total = total + error_signal[s, None, :] * incoming[s, :, None]
    return total


def bias_gradient(error_signal: Array) -> Array:
    """Eq. 14 and 19: the bias gradient is S_ERROR of the node, summed over samples."""
    total: Array = error_signal[0]
    for s in range(1, error_signal.shape[0]):
        total = total + error_signal[s]
    return total


def updated(value: Array, learning_rate: Array, gradient: Array) -> Array:
    """Eq. 10, 13 and 15: value − LR · gradient."""
    result: Array = value - learning_rate * gradient
    return result


def updated_upwards(value: Array, learning_rate: Array, gradient: Array) -> Array:
    """Eq. 10, 13 and 15 where FE = target − output: value + LR · gradient."""
    result: Array = value + learning_rate * gradient
    return result


def penalty(weight_decay: Array, weights: list[Array]) -> Array:
    """Eq. 16: P = ½ · λ · Σ w², over all weights in order, biases apart."""
    squares = [
        layer[..., i, j] * layer[..., i, j]
        for layer in weights
        for i in range(layer.shape[-2])
        for j in range(layer.shape[-1])
    ]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    half: Array = 0.5 * weight_decay
    return half * total


def with_decay(gradient: Array, weight_decay: Array, weights: Array) -> Array:
    """Eq. 16: gradient + λ · w."""
    return gradient + weight_decay * weights
