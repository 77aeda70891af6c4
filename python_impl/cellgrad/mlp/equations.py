"""The numbered equations of a training step, one function each.

Arrays may carry leading axes before the ones named here (a stack of networks);
sums run over the index in order, from left to right, bias first, because the
order of evaluation is part of the definition. All quantities are pure numbers.
Shapes are checked once, by ``training_step``: these functions raise ValueError
or IndexError, as NumPy does, where theirs do not chain.

exp and tanh come from the platform's mathematical library through ``math``:
NumPy's own vectorised versions differ from it in the last bit, and a training
step that can be reproduced bit by bit needs one definition.
Source: reference/equations.md, after Keim, article 10, and Stansbury's derivation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_EXP_LIMIT = 709.782712893384  # the largest double whose exponential is finite


def sum_in_order(terms: Array) -> Array:
    """Return the sum over the last axis, from left to right."""
    total: Array = terms[..., 0]
    for n in range(1, terms.shape[-1]):
        total = total + terms[..., n]
    return total


# forward


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


# activation functions fA and their derivatives fA′, both of the pre-activation


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


def leaky_relu(pre_activation: Array, slope: float) -> Array:
    """X where x > 0, else slope · x."""
    return np.where(pre_activation > 0, pre_activation, slope * pre_activation).astype(
        pre_activation.dtype
    )


def leaky_relu_derivative(pre_activation: Array, slope: float) -> Array:
    """1 where x > 0, else slope."""
    return np.where(pre_activation > 0, 1, slope).astype(pre_activation.dtype)


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
    total = sum_in_order(powers)
    return powers, total, powers / total[..., None]


def function_of(name: str, slope: float) -> Callable[[Array], Array]:
    """Return fA by its name in the case format (softmax apart)."""
    return {
        "logistic": logistic,
        "tanh": tanh,
        "relu": relu,
        "leaky_relu": lambda x: leaky_relu(x, slope),
        "identity": identity,
        "unit_step": unit_step,
    }[name]


def derivative_of(name: str, slope: float) -> Callable[[Array], Array]:
    """Return fA′ by the name of fA in the case format."""
    return {
        "logistic": logistic_derivative,
        "tanh": tanh_derivative,
        "relu": relu_derivative,
        "leaky_relu": lambda x: leaky_relu_derivative(x, slope),
        "identity": identity_derivative,
    }[name]


# the error, and losses E: every sum runs over the outputs from left to right


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


def sample_error(loss: str, output: Array, target: Array, final_error: Array) -> Array:
    """Eq. 6, 18 and 20: E of each sample, shape (…, samples).

    Args:
        loss: its name in the case format.
        output: S_postA,O, shape (…, samples, outputs).
        target: of the same shape.
        final_error: FE, of the same shape.
    """
    match loss:
        case "perceptron":  # how many outputs are wrong: Σ |FE|
            return sum_in_order(np.abs(final_error))
        case "binary_cross_entropy":  # −Σ (t · LN y + (1 − t) · LN(1 − y)), in one sum
            terms = np.stack(
                [
                    target * natural_logarithm(output),
                    (1 - target) * natural_logarithm(1 - output),
                ],
                axis=-1,
            )
            return -sum_in_order(terms.reshape(*terms.shape[:-2], -1))
        case "categorical_cross_entropy":  # −Σ t · LN y, for targets that sum to 1
            return -sum_in_order(target * natural_logarithm(output))
    squares = sum_in_order(final_error * final_error)
    if loss == "half_squared_error":  # ½ Σ FE²
        return np.asarray(0.5 * squares)
    # Σ FE², or Σ FE² / outputs
    return squares if loss == "squared_error" else np.asarray(squares / final_error.shape[-1])


def error_derivative(loss: str, final_error: Array) -> Array:
    """∂E/∂S_postA,O of the squared losses: FE, 2·FE or 2·FE / outputs."""
    if loss == "half_squared_error":
        return final_error.copy()
    doubled: Array = 2 * final_error
    return doubled if loss == "squared_error" else np.asarray(doubled / final_error.shape[-1])


# backward


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


# weight decay


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
    flat = [layer.reshape(*layer.shape[:-2], -1) for layer in weights] + (biases or [])
    squares = [layer * layer for layer in flat]
    half: Array = 0.5 * weight_decay
    return half * sum_in_order(np.concatenate(squares, axis=-1))


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


# updates: weights, and what an optimiser remembers


def against(scalar: Array, array: Array) -> Array:
    """Return a scalar a network so that it multiplies a whole array of each network."""
    scalar = np.asarray(scalar)
    return scalar.reshape(scalar.shape + (1,) * (array.ndim - scalar.ndim))


def updated(value: Array, learning_rate: Array, gradient: Array) -> Array:
    """Eq. 10, 13 and 15: one step down the slope.

    weight ← weight − LR · gradient

    Args:
        value: a weight matrix (n, m) or a bias vector (m,), before the update.
        learning_rate: LR, a scalar; one a network where there is a stack of them. It has a
            minus sign where FE = target − output: the "gradient" is −∂E/∂weight then.
        gradient: of the same shape as the value.

    Returns:
        the value after the update.
    """
    result: Array = value - against(learning_rate, gradient) * gradient
    return result


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
        learning_rate: LR, with a minus sign where FE = target − output.
        first: m̂, the corrected first moment.
        second: ŝ, the corrected second moment.
        epsilon: ε, added outside the root.
    """
    return value - against(learning_rate, first) * first / (np.sqrt(second) + epsilon)
