"""Training by arrays: a batch at once, a layer after the other, in one of two arithmetics.

``Ordered`` runs every sum from left to right, one column of products at a time; what NumPy
does at once are the sums of *different* nodes and samples. Its exp, log and tanh are those
of ``math``: it is exact and suits wide layers. ``Blas`` leaves order and functions to NumPy
and its matrix products: the vectorised kernel, for large batches. Arithmetic is that of
IEEE 754 throughout: an overflow is an infinity, and 0/0 is no number, never an error.

Shapes: incoming (samples, n), weights (n, m), biases (m,), signal (samples, m).
Source: reference/equations.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cellgrad_series.kernels.plan import Array, Plan, State

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


def run(plan: Plan, state: State, count: int, arithmetic: Ordered) -> Array:
    """Make some updates.

    Args:
        plan: the run.
        state: where it stands; changed in place.
        count: how many updates.
        arithmetic: how to add up.

    Returns:
        E before each update, shape (count,).

    Raises:
        CaseError: the case gives no learning rate for one of them.
    """
    rates = plan.rates_of(state.updates, count).tolist()
    errors = np.empty(count)
    with np.errstate(all="ignore"):
        for u, chosen in enumerate(plan.batches(state.updates, count)):
            errors[u], gradient = _error_and_gradient(plan, state, chosen, arithmetic)
            _move(plan, state, gradient, rates[u])
    state.updates += count
    return errors


class Vectorised:
    """Training by NumPy's matrix products: fast for large batches, held to an error bound."""

    name = "vectorised"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def run(self, state: State, count: int) -> Array:
        """Make some updates; return E before each of them, shape (count,).

        Raises:
            CaseError: the case gives no learning rate for one of them.
        """
        return run(self._plan, state, count, Blas())


def outputs(plan: Plan, parameters: Array, inputs: Array, arithmetic: Ordered) -> Array:
    """Return the outputs of a forward pass, shape (samples, outputs)."""
    with np.errstate(all="ignore"):
        return _forward(plan, parameters, inputs, arithmetic)[1][-1]


def _error_and_gradient(
    plan: Plan, state: State, chosen: slice, arithmetic: Ordered
) -> tuple[float, Array]:
    """Return E of a batch, and its gradient without the penalty's part."""
    parameters, targets = state.parameters, plan.targets[chosen]
    pres, posts = _forward(plan, parameters, plan.inputs[chosen], arithmetic)
    output, size = posts[-1], len(targets)
    final_error = targets - output if plan.upwards else output - targets
    signals = _signals(plan, parameters, pres, posts, final_error, arithmetic)
    gradient = np.empty(plan.size)
    for k, into in enumerate(plan.weights_of(gradient)):
        into[:] = arithmetic.weight_gradient(signals[k], posts[k])
    for k, bias in enumerate(plan.biases_of(gradient) or ()):
        bias[:] = arithmetic.over_samples(signals[k])
    each = sample_errors(plan.structure.loss, output, targets, final_error, arithmetic)
    error = arithmetic.total(each)
    if plan.mean:
        gradient /= size
        error /= size
    if plan.decayed:
        squares = parameters[: plan.decayed] * parameters[: plan.decayed]
        error += 0.5 * plan.decay * arithmetic.total(squares)
    return error, gradient


def _forward(
    plan: Plan, parameters: Array, inputs: Array, arithmetic: Ordered
) -> tuple[list[Array], list[Array]]:
    """Return every layer's pre-activations; the inputs and every layer's post-activations."""
    weights, biases = plan.weights_of(parameters), plan.biases_of(parameters)
    pres: list[Array] = []
    posts = [inputs]
    for k, name in enumerate(plan.structure.activations):
        bias = None if biases is None else biases[k]
        pres.append(arithmetic.pre_activation(posts[-1], weights[k], bias))
        posts.append(_activation(name, pres[-1], plan.slope, arithmetic))
    return pres, posts


def _activation(name: str, z: Array, slope: float, arithmetic: Ordered) -> Array:
    """Eq. 2, 4 and 17."""
    if name == "logistic":
        return 1 / (1 + arithmetic.exponential(-z))
    if name == "tanh":
        return arithmetic.tanh(z)
    if name == "softmax":
        powers = arithmetic.exponential(z)
        return powers / arithmetic.over_nodes(powers)[:, None]
    if name == "identity":
        return z
    if name == "unit_step":
        return np.where(z >= 0, 1.0, 0.0)
    return np.where(z > 0, z, 0.0 if name == "relu" else slope * z)


def _derivative(name: str, z: Array, post: Array, slope: float) -> Array | float:
    """Eq. 7; logistic and tanh have theirs from the post-activation."""
    if name == "logistic":
        return post * (1 - post)
    if name == "tanh":
        return 1 - post * post
    if name == "identity":
        return 1.0
    return np.where(z > 0, 1.0, 0.0 if name == "relu" else slope)


def _signals(
    plan: Plan,
    parameters: Array,
    pres: list[Array],
    posts: list[Array],
    final_error: Array,
    arithmetic: Ordered,
) -> list[Array]:
    """Eq. 8, 11, 18 and 20: S_ERROR, layer by layer, through the weights as they are."""
    names, weights = plan.structure.activations, plan.weights_of(parameters)
    signal = final_error
    if not plan.structure.cancels:
        flowing = _error_derivative(plan.structure.loss, final_error)
        signal = flowing * _derivative(names[-1], pres[-1], posts[-1], plan.slope)
    signals = [signal]
    for k in range(plan.layers - 2, -1, -1):
        flowing = arithmetic.backpropagated(signals[0], weights[k + 1])
        slope = _derivative(names[k], pres[k], posts[k + 1], plan.slope)
        signals.insert(0, flowing * slope)
    return signals


def _error_derivative(loss: str, final_error: Array) -> Array:
    """∂E/∂S_postA_O of the squared losses."""
    if loss == "half_squared_error":
        return final_error
    doubled = 2 * final_error
    return doubled / final_error.shape[1] if loss == "mean_squared_error" else doubled


def sample_errors(
    loss: str, output: Array, target: Array, final_error: Array, arithmetic: Ordered
) -> Array:
    """Eq. 6, 18 and 20: E of each sample, shape (samples,)."""
    if loss == "binary_cross_entropy":
        terms = np.empty((len(output), 2 * output.shape[1]))  # two an output, in one sum
        terms[:, 0::2] = arithmetic.times_logarithm(target, output)
        terms[:, 1::2] = arithmetic.times_logarithm(1 - target, 1 - output)
        return -arithmetic.over_nodes(terms)
    if loss == "categorical_cross_entropy":
        return -arithmetic.over_nodes(arithmetic.times_logarithm(target, output))
    if loss == "perceptron":
        return arithmetic.over_nodes(np.abs(final_error))
    total = arithmetic.over_nodes(final_error * final_error)
    if loss == "squared_error":
        return total
    return 0.5 * total if loss == "half_squared_error" else total / output.shape[1]


def _move(plan: Plan, state: State, gradient: Array, rate: float) -> None:
    """Eq. 16, then what the optimiser makes of a gradient.

    Args:
        plan: the run.
        state: where it stands; changed in place, but for its count of updates.
        gradient: of the error without its penalty, shape (size,); changed in place.
        rate: the learning rate.
    """
    decayed, moved = plan.decayed, plan.moved
    if decayed and plan.upwards:
        gradient[:decayed] -= plan.decay * state.parameters[:decayed]
    elif decayed:
        gradient[:decayed] += plan.decay * state.parameters[:decayed]
    change = _change(plan, state, gradient[:moved], rate)
    if plan.upwards:
        state.parameters[:moved] += change
    else:
        state.parameters[:moved] -= change


def _change(plan: Plan, state: State, gradient: Array, rate: float) -> Array:
    constants = plan.constants
    if plan.optimizer == "sgd":
        return rate * gradient
    if plan.optimizer == "rate_in_velocity":
        state.first[:] = constants.momentum * state.first + rate * gradient
        return state.first
    if plan.optimizer == "momentum":
        state.first[:] = constants.momentum * state.first + gradient
        return rate * state.first
    beta1, beta2 = constants.beta1, constants.beta2
    state.first[:] = beta1 * state.first + (1 - beta1) * gradient
    state.second[:] = beta2 * state.second + (1 - beta2) * gradient * gradient
    state.powers *= (beta1, beta2)
    first, second = state.first / (1 - state.powers[0]), state.second / (1 - state.powers[1])
    change: Array = rate * first / (np.sqrt(second) + constants.epsilon)
    return change
