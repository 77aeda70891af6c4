"""A training step: the equations in the order of the derivation.

Forward, then backward through the *old* weights, and only then the update.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from cellgrad.case.quantities import Structure
from cellgrad.errors import ShapeError
from cellgrad.mlp import activations as fa
from cellgrad.mlp import equations as eq
from cellgrad.mlp import losses
from cellgrad.mlp.activations import Array

Numbers = Sequence[Any] | Array

Results = dict[tuple[str, int | None], Array]
"""Arrays by code name and weight layer; None for what the whole step has once."""

_BACKWARD = (
    "activation_derivative",
    "error_derivative",
    "backpropagated_error",
    "error_signal",
    "weight_gradient",
    "bias_gradient",
    "new_weights",
    "new_biases",
)


def by_key(result: object, names: Iterable[str], last: int) -> Results:
    """Return the fields of a result that have a value; only the last layer has exponentials."""
    found: Results = {}
    for name in names:
        value = getattr(result, name)
        if isinstance(value, list):
            found |= {(name, k): array for k, array in enumerate(value) if array is not None}
        elif value is not None:
            found[name, last if name.startswith("exponential") else None] = np.asarray(value)
    return found


@dataclass(slots=True)
class Forward:
    """Every quantity of a forward pass; lists run over the weight layers.

    Shapes: (…, samples, nodes) for the per-node quantities, (…, samples) for
    ``sample_error`` and ``exponential_sum``, (…,) for ``error`` and ``penalty``.
    """

    pre_activation: list[Array] = field(default_factory=list)
    post_activation: list[Array] = field(default_factory=list)
    exponential: Array | None = None
    exponential_sum: Array | None = None
    final_error: Array = field(default_factory=lambda: np.empty(0))
    sample_error: Array = field(default_factory=lambda: np.empty(0))
    penalty: Array | None = None
    error: Array = field(default_factory=lambda: np.empty(0))

    def results(self) -> Results:
        """Return every quantity of the pass by name and layer."""
        return by_key(self, [one.name for one in fields(self)], len(self.pre_activation) - 1)


@dataclass(slots=True)
class Step:
    """Every quantity of one training step; lists run over the weight layers.

    Shapes: (samples, nodes) for the per-node quantities, (n, m) for weights and
    their gradients, (m,) for biases and theirs. A stack of steps has one more axis
    in front of all of them.
    """

    structure: Structure
    weights: list[Array]
    biases: list[Array] | None
    inputs: Array
    targets: Array
    learning_rate: Array
    leaky_slope: float
    weight_decay: Array
    forward: Forward
    activation_derivative: list[Array | None]
    error_derivative: Array | None
    backpropagated_error: list[Array | None]
    error_signal: list[Array]
    weight_gradient: list[Array]
    bias_gradient: list[Array] | None
    new_weights: list[Array]
    new_biases: list[Array] | None

    def results(self) -> Results:
        """Return every computed quantity by name and layer."""
        return self.forward.results() | by_key(self, _BACKWARD, self.structure.layers - 1)

    def givens(self) -> Results:
        """Return what the step was given by name and layer."""
        names = ("learning_rate", "leaky_slope", "weight_decay", "weights", "biases")
        own = by_key(self, names, self.structure.layers - 1)
        return {("input", None): self.inputs, ("target", None): self.targets, **own}

    @property
    def error(self) -> float:
        """E before the update."""
        return float(self.forward.error)

    @property
    def post_activation(self) -> list[Array]:
        """S_postA, layer by layer."""
        return self.forward.post_activation

    @property
    def pre_activation(self) -> list[Array]:
        """S_preA, layer by layer."""
        return self.forward.pre_activation

    def after(self) -> Forward:
        """Return a forward pass with the new weights."""
        biases = self.biases if self.new_biases is None else self.new_biases
        return forward_pass(self, self.new_weights, biases)


def forward_pass(step: Step, weights: list[Array], biases: list[Array] | None) -> Forward:
    """Eq. 1 to 6 with these weights, on the step's own samples.

    Args:
        step: where structure, samples and constants come from.
        weights: per layer, shape (…, n, m); leading axes stand for several networks.
        biases: per layer, shape (…, m), or None.
    """
    return forward(
        step.structure,
        weights,
        biases,
        step.inputs,
        step.targets,
        step.leaky_slope,
        step.weight_decay,
    )


def forward(
    structure: Structure,
    weights: list[Array],
    biases: list[Array] | None,
    inputs: Array,
    targets: Array,
    leaky_slope: float,
    weight_decay: Array,
) -> Forward:
    """Eq. 1 to 6 from arrays whose shapes are known to chain; leading axes are a stack.

    Args:
        structure: of the pass; ``samples`` is how many it covers.
        weights: per layer, shape (…, n, m).
        biases: per layer, shape (…, m), or None.
        inputs: shape (…, samples, nodes of the input layer).
        targets: shape (…, samples, outputs).
        leaky_slope: slope of a leaky ReLU below zero.
        weight_decay: λ of Eq. 16, a scalar.
    """
    result = Forward()
    incoming = inputs
    for k, name in enumerate(structure.activations):
        pre = eq.pre_activation(incoming, weights[k], None if biases is None else biases[k])
        if name == "softmax":
            result.exponential, result.exponential_sum, post = fa.softmax(pre)
        else:
            post = fa.function_of(name, leaky_slope)(pre)
        result.pre_activation.append(pre)
        result.post_activation.append(post)
        incoming = post
    if structure.error_sign == "output_minus_target":
        result.final_error = eq.final_error(incoming, targets)
    else:
        result.final_error = -eq.final_error(incoming, targets)
    result.sample_error = losses.sample_error(structure.loss, incoming, targets, result.final_error)
    result.error = _error_of_all(structure, result.sample_error)
    if structure.decay:
        decaying = biases if structure.decay_biases else None
        result.penalty = eq.penalty(weight_decay, weights, decaying)
        result.error = result.error + result.penalty
    return result


def _error_of_all(structure: Structure, sample_error: Array) -> Array:
    """Eq. 19: the sum of the samples' errors, or their mean."""
    total = sample_error[..., 0]
    for s in range(1, structure.samples):
        total = total + sample_error[..., s]
    return total / structure.samples if structure.update == "batch_mean" else total


def training_step(
    weights: Sequence[Numbers],
    inputs: Numbers,
    targets: Numbers,
    *,
    activations: Sequence[str],
    biases: Sequence[Numbers] | None = None,
    loss: str = "half_squared_error",
    learning_rate: float = 1.0,
    update: str = "online",
    leaky_slope: float = 0.01,
    weight_decay: float = 0.0,
    update_biases: bool = True,
    error_sign: str = "output_minus_target",
    decay_biases: bool = False,
    dtype: type[np.floating] = np.float64,
) -> Step:
    """Compute one training step, every quantity kept.

    Args:
        weights: per layer, shape (n, m): from node i of a layer to node j of the next.
        inputs: shape (samples, nodes of the input layer).
        targets: shape (samples, outputs).
        activations: one a layer: logistic, tanh, relu, leaky_relu, identity,
            softmax (outputs only), unit_step (perceptron only).
        biases: per layer, shape (m,), or None.
        loss: half_squared_error, squared_error, mean_squared_error,
            binary_cross_entropy, categorical_cross_entropy or perceptron.
        learning_rate: LR.
        update: online (one sample), batch_sum or batch_mean.
        leaky_slope: slope of a leaky ReLU below zero.
        weight_decay: λ of Eq. 16.
        update_biases: False leaves the biases as they are.
        error_sign: target_minus_output flips FE and everything that follows from it.
        decay_biases: whether biases decay too.
        dtype: numpy.float64 or numpy.float32.

    Returns:
        the step, as arrays.

    Raises:
        ShapeError: the shapes do not chain.
        CaseError: a word is unknown, or activation and loss are not a permitted pair.

    Source: reference/equations.md.
    """
    w = [np.asarray(layer, dtype=dtype) for layer in weights]
    b = None if biases is None else [np.asarray(layer, dtype=dtype) for layer in biases]
    x, t = np.asarray(inputs, dtype=dtype), np.asarray(targets, dtype=dtype)
    _check_shapes(w, b, x, t)
    structure = Structure(
        nodes=(w[0].shape[0], *(layer.shape[1] for layer in w)),
        activations=tuple(activations),
        loss=loss,
        update=update,
        samples=x.shape[0],
        biases=b is not None,
        decay=weight_decay != 0,
        update_biases=update_biases,
        error_sign=error_sign,
        decay_biases=decay_biases,
    )
    rate = np.asarray(learning_rate, dtype=dtype)
    decay = np.asarray(weight_decay, dtype=dtype)

    return step_from(structure, w, b, x, t, rate, leaky_slope, decay)


def step_from(
    structure: Structure,
    weights: list[Array],
    biases: list[Array] | None,
    inputs: Array,
    targets: Array,
    learning_rate: Array,
    leaky_slope: float,
    weight_decay: Array,
) -> Step:
    """Compute a step, or a stack of steps at once, from arrays whose shapes are known to chain.

    Args:
        structure: of every step of the stack.
        weights: per layer, shape (…, n, m); leading axes stand for several steps.
        biases: per layer, shape (…, m), or None.
        inputs: shape (…, samples, nodes of the input layer).
        targets: shape (…, samples, outputs).
        learning_rate: LR, shape () or (…,).
        leaky_slope: slope of a leaky ReLU below zero.
        weight_decay: λ of Eq. 16, a scalar.
    """
    minus = structure.error_sign == "output_minus_target"
    passed = forward(structure, weights, biases, inputs, targets, leaky_slope, weight_decay)
    derivative, dloss, sums, signal = _backward(structure, weights, passed, leaky_slope)
    incoming = [inputs, *passed.post_activation[:-1]]
    gradient = [eq.weight_gradient(signal[k], incoming[k]) for k in range(structure.layers)]
    gradient_b = None if biases is None else [eq.bias_gradient(delta) for delta in signal]
    if structure.update == "batch_mean":
        gradient = [g / structure.samples for g in gradient]
        gradient_b = None if gradient_b is None else [g / structure.samples for g in gradient_b]
    towards = weight_decay if minus else -weight_decay
    if structure.decay:
        gradient = [eq.with_decay(g, towards, weights[k]) for k, g in enumerate(gradient)]
    if structure.decay_biases and biases is not None and gradient_b is not None:
        gradient_b = [eq.with_decay(g, towards, biases[k]) for k, g in enumerate(gradient_b)]

    move = eq.updated if minus else eq.updated_upwards
    new_w = [move(w, learning_rate, g) for w, g in zip(weights, gradient, strict=True)]
    new_b = None
    if biases is not None and gradient_b is not None and structure.update_biases:
        new_b = [move(b, learning_rate, g) for b, g in zip(biases, gradient_b, strict=True)]
    return Step(
        structure=structure,
        weights=weights,
        biases=biases,
        inputs=inputs,
        targets=targets,
        learning_rate=learning_rate,
        leaky_slope=leaky_slope,
        weight_decay=weight_decay,
        forward=passed,
        activation_derivative=derivative,
        error_derivative=dloss,
        backpropagated_error=sums,
        error_signal=signal,
        weight_gradient=gradient,
        bias_gradient=gradient_b,
        new_weights=new_w,
        new_biases=new_b,
    )


def _backward(
    structure: Structure, weights: list[Array], passed: Forward, leaky_slope: float
) -> tuple[list[Array | None], Array | None, list[Array | None], list[Array]]:
    """Eq. 7, 8 and 11, from the output layer down, through the weights before the update."""
    layers = structure.layers
    derivative: list[Array | None] = [None] * layers
    sums: list[Array | None] = [None] * layers
    signal: list[Array] = [np.empty(0)] * layers
    dloss: Array | None = None
    for k in reversed(range(layers)):
        if k == layers - 1 and structure.cancels:
            signal[k] = passed.final_error.copy()
            continue
        slope = fa.derivative_of(structure.activations[k], leaky_slope)(passed.pre_activation[k])
        derivative[k] = slope
        if k == layers - 1:
            dloss = losses.error_derivative(structure.loss, passed.final_error)
            signal[k] = eq.output_error_signal(dloss, slope)
        else:
            flowing_back = eq.backpropagated_error(signal[k + 1], weights[k + 1])
            sums[k] = flowing_back
            signal[k] = eq.hidden_error_signal(flowing_back, slope)
    return derivative, dloss, sums, signal


def _check_shapes(
    weights: list[Array], biases: list[Array] | None, inputs: Array, targets: Array
) -> None:
    if not weights:
        raise ShapeError("a network needs at least one layer of weights")
    width = None
    for k, layer in enumerate(weights):
        if layer.ndim != 2 or (width is not None and layer.shape[0] != width):
            raise ShapeError(f"weights[{k}] has shape {layer.shape}, expected ({width}, …)")
        width = layer.shape[1]
    expected = (inputs.shape[0] if inputs.ndim else 0, weights[0].shape[0])
    if inputs.shape != expected:
        raise ShapeError(f"inputs have shape {inputs.shape}, expected (samples, {expected[1]})")
    if targets.shape != (inputs.shape[0], width):
        raise ShapeError(
            f"targets have shape {targets.shape}, expected ({inputs.shape[0]}, {width})"
        )
    if biases is not None and [b.shape for b in biases] != [w.shape[1:] for w in weights]:
        raise ShapeError("biases need one value for every node of every layer but the input layer")
