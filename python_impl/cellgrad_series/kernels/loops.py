"""What numba compiles: training of any network as loops over flat arrays, or written out.

One element at a time, every sum in the order of the definition: this is the readable form
of the compiled kernel, and the one for networks too large to be written out. No fast
mathematics, no fused multiply-add; exp, log and tanh are the platform's own.
Source: reference/equations.md.

Flat arrays: the parameter vector as in ``plan``; ``z``, ``a`` and ``d`` hold S_preA, S_postA
and S_ERROR of every node, the input layer's first, ``node_starts`` says where a layer
begins. Sums start from −0.0, the one number whose sum with any other is that other, its
sign included.

numba keeps on disk only what it compiled of functions that stand in a file. A written-out
network stands in none; so it is compiled as a part of ``_training``, which does, in a
specialisation of its own: the digest of its source is the type of the first argument.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numba.extending
import numpy as np
from numpy.typing import NDArray

from cellgrad_series.kernels.plan import Array, Plan, State

Integers = NDArray[np.int64]
_njit: Any = numba.njit  # typed in some versions of numba only
_Function = TypeVar("_Function", bound=Callable[..., Any])

# Words as numbers: what numba keeps on disk must not depend on another file's order of them.
_ACTIVATIONS = ("logistic", "tanh", "relu", "leaky_relu", "identity", "softmax", "unit_step")
_LOGISTIC, _TANH, _RELU, _LEAKY, _IDENTITY, _SOFTMAX, _UNIT_STEP = range(7)
_LOSSES = (
    "half_squared_error", "squared_error", "mean_squared_error", "binary_cross_entropy",
    "categorical_cross_entropy", "perceptron",
)  # fmt: skip
_HALF, _SQUARED, _MEAN, _BINARY, _CATEGORICAL, _PERCEPTRON = range(6)
_OPTIMIZERS = ("sgd", "momentum", "rate_in_velocity", "adam")
_SGD, _MOMENTUM, _RATE_IN_VELOCITY, _ADAM = range(4)
_DECAY, _MU, _BETA1, _BETA2, _EPSILON = range(5)


class _Net(NamedTuple):
    """Where everything stands in the flat arrays, in a form that numba takes."""

    nodes: Integers
    activations: Integers
    weight_starts: Integers
    bias_starts: Integers
    node_starts: Integers
    slope: float


def compiled(function: _Function) -> _Function:
    """Let numba compile a function when it is first called, and keep the result on disk."""
    options = {"error_model": "numpy"}  # division by zero as IEEE 754 has it
    try:
        return cast("_Function", _njit(cache=True, **options)(function))
    except RuntimeError:  # no folder to keep it in
        return cast("_Function", _njit(**options)(function))


@compiled
def _activation(name: int, z: float, slope: float) -> float:  # noqa: PLR0911 - one a word
    """Eq. 2, 4 and 20; of a softmax only the exponential."""
    if name == _LOGISTIC:
        return 1 / (1 + math.exp(-z))
    if name == _TANH:
        return math.tanh(z)
    if name == _RELU:
        return z if z > 0 else 0.0
    if name == _LEAKY:
        return z if z > 0 else slope * z
    if name == _SOFTMAX:
        return math.exp(z)
    if name == _UNIT_STEP:
        return 1.0 if z >= 0 else 0.0
    return z


@compiled
def _derivative(name: int, z: float, a: float, slope: float) -> float:
    """Eq. 7."""
    if name == _LOGISTIC:
        return a * (1 - a)
    if name == _TANH:
        return 1 - a * a
    if name == _RELU:
        return 1.0 if z > 0 else 0.0
    if name == _LEAKY:
        return 1.0 if z > 0 else slope
    return 1.0


@compiled
def _forward(net: _Net, parameters: Array, z: Array, a: Array) -> None:
    """Eq. 1 to 4 and 17."""
    nodes, activations, weight_starts, bias_starts, node_starts, slope = net
    for k in range(len(activations)):
        n, m, here = nodes[k], nodes[k + 1], node_starts[k + 1]
        incoming, pre, post = a[node_starts[k] :], z[here : here + m], a[here : here + m]
        if len(bias_starts):
            pre[:] = parameters[bias_starts[k] : bias_starts[k] + m]
        else:
            pre[:] = -0.0
        for i in range(n):
            row = weight_starts[k] + i * m
            weights, x = parameters[row : row + m], incoming[i]
            for j in range(m):
                pre[j] += x * weights[j]
        for j in range(m):
            post[j] = _activation(activations[k], pre[j], slope)
        if activations[k] == _SOFTMAX:
            total = -0.0
            for j in range(m):
                total += post[j]
            for j in range(m):
                post[j] = post[j] / total


@compiled
def _error(loss: int, y: Array, t: Array) -> float:
    """Eq. 6, 18 and 20: E of one sample."""
    total = -0.0
    for o in range(len(y)):
        fe = y[o] - t[o]  # its sign makes no difference here
        if loss == _BINARY:
            total += t[o] * math.log(y[o])
            total += (1 - t[o]) * math.log(1 - y[o])
        elif loss == _CATEGORICAL:
            total += t[o] * math.log(y[o])
        elif loss == _PERCEPTRON:
            total += abs(fe)
        else:
            total += fe * fe
    if loss == _HALF:
        return 0.5 * total
    if loss == _MEAN:
        return total / len(y)
    return -total if loss in (_BINARY, _CATEGORICAL) else total


@compiled
def _output_signal(loss: int, fe: float, outputs: int, derivative: float) -> float:
    """Eq. 8, 18 and 20."""
    if loss == _HALF:
        return fe * derivative
    if loss == _SQUARED:
        return 2 * fe * derivative
    if loss == _MEAN:
        return 2 * fe / outputs * derivative
    return fe


@compiled
def _backward(net: _Net, parameters: Array, z: Array, a: Array, d: Array) -> None:
    """Eq. 11, from the output's signals down, through the weights as they are."""
    nodes, activations, weight_starts, _, node_starts, slope = net
    for k in range(len(activations) - 1, 0, -1):
        m, above = nodes[k + 1], d[node_starts[k + 1] :]
        for i in range(nodes[k]):
            row = weight_starts[k] + i * m
            weights, at = parameters[row : row + m], node_starts[k] + i
            total = -0.0
            for j in range(m):
                total += above[j] * weights[j]
            d[at] = total * _derivative(activations[k - 1], z[at], a[at], slope)


@compiled
def _add_gradient(net: _Net, a: Array, d: Array, gradient: Array) -> None:
    """Eq. 9, 12, 14 and 19: add one sample's gradient to its batch's."""
    nodes, _, weight_starts, bias_starts, node_starts, _ = net
    for k in range(len(weight_starts)):
        n, m, here = nodes[k], nodes[k + 1], node_starts[k + 1]
        incoming, signal = a[node_starts[k] :], d[here : here + m]
        for i in range(n):
            row = weight_starts[k] + i * m
            into, x = gradient[row : row + m], incoming[i]
            for j in range(m):
                into[j] += signal[j] * x
        if len(bias_starts):
            into = gradient[bias_starts[k] : bias_starts[k] + m]
            for j in range(m):
                into[j] += signal[j]


@compiled
def _move(
    optimizer: int,
    upwards: bool,  # noqa: FBT001 - numba calls by position
    rate: float,
    constants: Array,
    gradient: Array,
    parameters: Array,
    first: Array,
    second: Array,
    powers: Array,
) -> None:
    """Eq. 10, 13 and 15, or what the optimiser makes of the gradient."""
    if optimizer == _ADAM:
        powers[0] = powers[0] * constants[_BETA1]
        powers[1] = powers[1] * constants[_BETA2]
    gap1, gap2 = 1 - powers[0], 1 - powers[1]
    for p in range(len(gradient)):
        g = gradient[p]
        if optimizer == _SGD:
            change = rate * g
        elif optimizer == _MOMENTUM:
            first[p] = constants[_MU] * first[p] + g
            change = rate * first[p]
        elif optimizer == _RATE_IN_VELOCITY:
            first[p] = constants[_MU] * first[p] + rate * g
            change = first[p]
        else:
            first[p] = constants[_BETA1] * first[p] + (1 - constants[_BETA1]) * g
            second[p] = constants[_BETA2] * second[p] + (1 - constants[_BETA2]) * g * g
            root = math.sqrt(second[p] / gap2) + constants[_EPSILON]
            change = rate * (first[p] / gap1) / root
        parameters[p] = parameters[p] + change if upwards else parameters[p] - change


@compiled
def _run(
    net: _Net,
    loss: int,
    optimizer: int,
    decayed: int,
    moved: int,
    batch: int,
    mean: bool,  # noqa: FBT001
    upwards: bool,  # noqa: FBT001 - numba calls by position
    constants: Array,
    inputs: Array,
    targets: Array,
    parameters: Array,
    first: Array,
    second: Array,
    powers: Array,
    sample: int,
    rates: Array,
    errors: Array,
) -> None:
    nodes, activations, _, _, node_starts, slope = net
    decay = constants[_DECAY]
    z, a, d = np.empty(nodes.sum()), np.empty(nodes.sum()), np.empty(nodes.sum())
    gradient = np.empty(len(parameters))
    outputs, start = nodes[-1], node_starts[-1]
    for u in range(len(rates)):
        gradient[:] = -0.0
        error = -0.0
        last = min(sample + batch, len(inputs))
        size = last - sample
        for s in range(sample, last):
            a[: nodes[0]] = inputs[s]
            _forward(net, parameters, z, a)
            y, t = a[start:], targets[s]
            error += _error(loss, y, t)
            for o in range(outputs):
                fe = t[o] - y[o] if upwards else y[o] - t[o]
                derivative = _derivative(activations[-1], z[start + o], y[o], slope)
                d[start + o] = _output_signal(loss, fe, outputs, derivative)
            _backward(net, parameters, z, a, d)
            _add_gradient(net, a, d, gradient)
        if mean:
            error /= size
            for p in range(moved):
                gradient[p] /= size
        if decayed:
            total = -0.0
            for p in range(decayed):
                total += parameters[p] * parameters[p]
                part = decay * parameters[p]
                gradient[p] = gradient[p] - part if upwards else gradient[p] + part
            error += 0.5 * decay * total
        errors[u] = error
        _move(
            optimizer, upwards, rates[u], constants, gradient[:moved],
            parameters, first, second, powers,
        )  # fmt: skip
        sample = last if last < len(inputs) else 0


def run(plan: Plan, state: State, rates: Array) -> Array:
    """Make as many updates as there are learning rates.

    Args:
        plan: the run.
        state: where it stands; changed in place, but for its count of updates.
        rates: shape (count,).

    Returns:
        E before each update, shape (count,).
    """
    errors = np.empty(len(rates))
    structure, constants = plan.structure, plan.constants
    net = _Net(
        _integers(plan.nodes),
        _integers([_ACTIVATIONS.index(name) for name in structure.activations]),
        _integers(plan.weight_starts),
        _integers(plan.bias_starts),
        _integers(np.cumsum([0, *plan.nodes[:-1]])),
        plan.slope,
    )
    _run(
        net,
        _LOSSES.index(structure.loss),
        _OPTIMIZERS.index(plan.optimizer),
        plan.decayed,
        plan.moved,
        plan.batch,
        plan.mean,
        plan.upwards,
        np.array(
            [
                plan.decay,
                constants.momentum,
                constants.beta1,
                constants.beta2,
                constants.epsilon,
            ]
        ),
        plan.inputs,
        plan.targets,
        state.parameters,
        state.first,
        state.second,
        state.powers,
        state.updates % plan.updates_per_epoch * plan.batch,
        rates,
        errors,
    )
    return errors


def _integers(values: Any) -> Integers:
    return np.array(values, dtype=np.int64)


_types: Any = numba.types  # typed in some versions of numba only
_FUNCTIONS = {"exp": math.exp, "log": math.log, "tanh": math.tanh, "sqrt": math.sqrt}
_sources: dict[str, str] = {}


def compiled_source(source: str) -> Callable[..., None]:
    """Return the function of a source that ``straight.for_numba`` wrote, compiled.

    Args:
        source: defines ``run(digest, state, rows, first, batch, rates, constants, errors)``.

    Returns:
        that function without its first argument.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()
    _sources[digest] = source
    vector, matrix, whole = _types.float64[::1], _types.float64[:, ::1], _types.int64
    given = (vector, matrix, whole, whole, vector, vector, vector)
    entry: Any = _training
    return partial(entry.compile((_types.literal(digest), *given)), digest)


def _written_out(  # numba calls what ``_implementation`` returns in its place
    digest: str, state: Any, rows: Any, first: Any, batch: Any, rates: Any, constants: Any,
    errors: Any,
) -> None: ...  # fmt: skip


def _implementation(digest: Any, *_: Any) -> Callable[..., None] | None:
    if not isinstance(digest, _types.StringLiteral):
        return None
    names: dict[str, Any] = dict(_FUNCTIONS)
    exec(_sources[digest.literal_value], names)  # noqa: S102 - of straight's own words only
    run: Callable[..., None] = names["run"]
    return run


numba.extending.overload(  # not strict: the signatures need not be written alike
    _written_out, jit_options={"error_model": "numpy"}, strict=False, prefer_literal=True
)(_implementation)


@compiled
def _training(
    digest: str, state: Any, rows: Any, first: Any, batch: Any, rates: Any, constants: Any,
    errors: Any,
) -> None:  # fmt: skip
    _written_out(digest, state, rows, first, batch, rates, constants, errors)
