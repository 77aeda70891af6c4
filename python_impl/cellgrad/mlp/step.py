"""A training step: the equations in the order of the derivation.

Forward, then backward through the *old* weights, and only then the update.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from cellgrad.case.quantities import Key, Parameter, Structure, checked_parameters
from cellgrad.errors import ShapeError
from cellgrad.mlp import equations as eq
from cellgrad.mlp.equations import Array

Numbers = Sequence[Any] | Array

Results = dict[Key, Array]

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


def by_key(
    last: int = 0, **values: Sequence[Array | None] | Array | float | None
) -> dict[Key, Array]:
    """Return values by name and layer; only the last layer has exponentials."""
    found: dict[Key, Array] = {}
    for name, value in values.items():
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
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return by_key(len(self.pre_activation) - 1, **values)


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
        return self.forward.results() | by_key(**{name: getattr(self, name) for name in _BACKWARD})

    def givens(self) -> Results:
        """Return what the step was given by name and layer."""
        return by_key(
            input=self.inputs,
            target=self.targets,
            learning_rate=self.learning_rate,
            leaky_slope=self.leaky_slope,
            weight_decay=self.weight_decay,
            weights=self.weights,
            biases=self.biases,
        )

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

    @property
    def minus(self) -> bool:
        """Whether FE is output − target, and updates are subtracted."""
        return self.structure.error_sign == "output_minus_target"

    @property
    def rate_down(self) -> Array:
        """LR, with a minus sign where gradients lead down the slope already."""
        return self.learning_rate if self.minus else -self.learning_rate

    @property
    def biases_after(self) -> list[Array] | None:
        """The biases after the step, which may leave them as they are."""
        return self.biases if self.new_biases is None else self.new_biases

    def after(self) -> Forward:
        """Return a forward pass with the new weights, on the step's own samples."""
        parameters = by_key(weights=self.new_weights, biases=self.biases_after)
        return forward(self.structure, self.givens() | parameters)


def _slope(givens: Mapping[Key, Array]) -> float:
    """Return the slope of leaky ReLUs, as a number that takes on the arrays' precision."""
    return float(givens.get(("leaky_slope", None), np.array(0.01)))


def forward(structure: Structure, givens: Mapping[Key, Array]) -> Forward:
    """Eq. 1 to 6 from arrays whose shapes are known to chain; leading axes are a stack.

    Args:
        structure: of the pass; ``samples`` is how many it covers.
        givens: ``weights`` (…, n, m) and ``biases`` (…, m) of each layer, ``input`` and ``target``
            (…, samples, nodes), and where the structure needs them the scalars ``leaky_slope``
            and ``weight_decay``.
    """
    result = Forward()
    incoming, targets = givens["input", None], givens["target", None]
    layers = range(structure.layers)
    weights = [givens["weights", k] for k in layers]
    biases = [givens["biases", k] for k in layers] if structure.biases else None
    for k, name in enumerate(structure.activations):
        pre = eq.pre_activation(incoming, weights[k], None if biases is None else biases[k])
        if name == "softmax":
            result.exponential, result.exponential_sum, post = eq.softmax(pre)
        else:
            post = eq.function_of(name, _slope(givens))(pre)
        result.pre_activation.append(pre)
        result.post_activation.append(post)
        incoming = post
    if structure.error_sign == "output_minus_target":
        result.final_error = eq.final_error(incoming, targets)
    else:
        result.final_error = -eq.final_error(incoming, targets)
    result.sample_error = eq.sample_error(structure.loss, incoming, targets, result.final_error)
    result.error = eq.sum_in_order(result.sample_error)  # Eq. 19
    if structure.update == "batch_mean":
        result.error = result.error / structure.samples
    if structure.decay:
        decaying = biases if structure.decay_biases else None
        result.penalty = eq.penalty(givens["weight_decay", None], weights, decaying)
        result.error = result.error + result.penalty
    return result


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
    return step_of(
        structure,
        by_key(
            input=x,
            target=t,
            learning_rate=np.asarray(learning_rate, dtype=dtype),
            leaky_slope=leaky_slope,
            weight_decay=np.asarray(weight_decay, dtype=dtype),
            weights=w,
            biases=b,
        ),
    )


def step_of(structure: Structure, givens: Mapping[Key, Array]) -> Step:
    """Compute a step, or a stack of steps at once, from arrays whose shapes are known to chain.

    Args:
        structure: of every step of the stack.
        givens: as for ``forward``, and ``learning_rate``, of shape () or (…,).
    """
    minus = structure.error_sign == "output_minus_target"
    layers = range(structure.layers)
    weights = [givens["weights", k] for k in layers]
    biases = [givens["biases", k] for k in layers] if structure.biases else None
    rate = givens["learning_rate", None]
    decay = givens.get(("weight_decay", None), np.zeros((), rate.dtype))
    passed = forward(structure, givens)
    derivative, dloss, sums, signal = _backward(structure, weights, passed, _slope(givens))
    incoming = [givens["input", None], *passed.post_activation[:-1]]
    towards, down = (decay, rate) if minus else (-decay, -rate)

    def update(
        parameters: list[Array], gradients: list[Array], *, decays: bool
    ) -> tuple[list[Array], list[Array]]:
        """Return the gradients, averaged and with decay where it is so, and the new values."""
        if structure.update == "batch_mean":
            gradients = [g / structure.samples for g in gradients]
        if decays:
            gradients = [
                eq.with_decay(g, towards, p) for p, g in zip(parameters, gradients, strict=True)
            ]
        new = [eq.updated(p, down, g) for p, g in zip(parameters, gradients, strict=True)]
        return gradients, new

    gradients = [eq.weight_gradient(delta, a) for delta, a in zip(signal, incoming, strict=True)]
    gradients, new_weights = update(weights, gradients, decays=structure.decay)
    bias_gradients = new_biases = None
    if biases is not None:
        bias_gradients = [eq.bias_gradient(delta) for delta in signal]
        bias_gradients, new_biases = update(biases, bias_gradients, decays=structure.decay_biases)
    return Step(
        structure=structure,
        weights=weights,
        biases=biases,
        inputs=givens["input", None],
        targets=givens["target", None],
        learning_rate=rate,
        leaky_slope=_slope(givens),
        weight_decay=decay,
        forward=passed,
        activation_derivative=derivative,
        error_derivative=dloss,
        backpropagated_error=sums,
        error_signal=signal,
        weight_gradient=gradients,
        bias_gradient=bias_gradients,
        new_weights=new_weights,
        new_biases=new_biases if structure.update_biases else None,
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
        slope = eq.derivative_of(structure.activations[k], leaky_slope)(passed.pre_activation[k])
        derivative[k] = slope
        if k == layers - 1:
            dloss = eq.error_derivative(structure.loss, passed.final_error)
            signal[k] = eq.output_error_signal(dloss, slope)
        else:
            flowing_back = eq.backpropagated_error(signal[k + 1], weights[k + 1])
            sums[k] = flowing_back
            signal[k] = eq.hidden_error_signal(flowing_back, slope)
    return derivative, dloss, sums, signal


@dataclass(slots=True)
class CentralDifferences:
    """Forward passes with one parameter moved up and down by ε, and their quotients.

    Attributes:
        moved: the moved parameter's value, shape (parameters, 2): + ε, then − ε.
        passes: the forward passes, leading axes (parameters, 2).
        quotient: (E₊ − E₋) / (2ε), shape (parameters,).
    """

    moved: Array
    passes: Forward
    quotient: Array


def central_differences(
    step: Step, parameters: Sequence[Parameter], epsilon: float
) -> CentralDifferences:
    """Move each parameter by ± ε and measure how E follows: its gradient once more.

    Nothing of the backward pass is used: two complete forward passes a parameter.

    Args:
        step: the step whose gradients are to be checked.
        parameters: which weights and biases to move.
        epsilon: how far.
    """
    count = len(parameters)
    stacks = {
        key: np.broadcast_to(array, (count, 2, *array.shape)).copy()
        for key, array in step.givens().items()
        if key[0] in ("weights", "biases")
    }
    moved = np.empty((count, 2), dtype=step.inputs.dtype)
    for p, (kind, layer, index) in enumerate(parameters):
        stack = stacks[kind, layer]
        value = stack[(p, 0, *index)]
        moved[p] = value + epsilon, value - epsilon
        stack[(p, 0, *index)], stack[(p, 1, *index)] = moved[p]
    passes = forward(step.structure, step.givens() | stacks)
    quotient = (passes.error[:, 0] - passes.error[:, 1]) / (2 * epsilon)
    return CentralDifferences(moved, passes, quotient)


def all_numbers(step: Step, givens: Mapping[Key, Array]) -> Results:
    """Return every number of a step, and of its check by passes with other parameters.

    Args:
        step: the step.
        givens: its givens; ``epsilon`` among them asks for central differences.
    """
    after, structure = step.after(), step.structure
    numbers: Results = {
        **step.results(),
        ("error_before", None): step.forward.error,
        ("error_after", None): after.error,
        ("error_change", None): after.error - step.forward.error,
    }
    passes = {key: values[None] for key, values in after.results().items()}
    parameters = checked_parameters(structure)
    if parameters and ("epsilon", None) in givens:
        moved = central_differences(step, parameters, float(givens["epsilon", None]))
        sources = step.givens() | step.results()
        value, gradient = (
            np.array([sources[names[kind], k][index] for kind, k, index in parameters])
            for names in (
                {"weights": "weights", "biases": "biases"},
                {"weights": "weight_gradient", "biases": "bias_gradient"},
            )
        )
        numbers |= {
            ("checked_value", None): value,
            ("checked_gradient", None): gradient,
            ("error_plus", None): moved.passes.error[:, 0],
            ("error_minus", None): moved.passes.error[:, 1],
            ("difference_quotient", None): moved.quotient,
            ("quotient_gap", None): (gradient if step.minus else -gradient) - moved.quotient,
            ("moved_value", None): moved.moved.reshape(-1),
        }
        # the pass with the new weights, and below it those with a moved parameter
        for key, values in moved.passes.results().items():
            shape = after.results()[key].shape
            stack = np.broadcast_to(values, (*moved.moved.shape, *shape)).reshape(-1, *shape)
            passes[key] = np.concatenate([passes[key], stack])
    return numbers | {(f"pass_{name}", k): values for (name, k), values in passes.items()}


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
