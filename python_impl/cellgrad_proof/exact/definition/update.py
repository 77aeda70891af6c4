"""One update by the definitions of its quantities (Eq. 1 to 20), at 100 digits.

Every function takes complex numbers as well: what is defined as a derivative is found by a complex
step of E. Conditions look at the real part.
Source of the complex step: Squire and Trapp, "Using complex variables to estimate derivatives of
real functions", SIAM Review 40 (1998).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mpmath

from cellgrad.case.quantities import Index, Key, Parameter, Structure, all_parameters

Real = Any
"""A number of mpmath's (the library says nothing of its types), or a plain one."""

DIGITS = 100
_STEP = "1e-100"


def working_precision() -> AbstractContextManager[Any]:
    """Set the working precision, for the length of a ``with`` statement."""
    precision: AbstractContextManager[Any] = mpmath.workdps(DIGITS)
    return precision


def number(value: float) -> Real:
    """Return a double exactly."""
    return mpmath.mpf(value)


def derivative(function: Callable[[Real], Real], at: Real) -> Real:
    """Return f′(x) = Im f(x + ih) / h; nothing cancels, since nothing is subtracted."""
    step = mpmath.mpf(_STEP)
    moved = function(mpmath.mpc(at, step))
    return mpmath.im(moved) / step


Vector = list[Real]
Matrix = list[Vector]


@dataclass(slots=True)
class Parameters:
    """Weights ``weights[k][i][j]`` and biases ``biases[k][j]``, or None."""

    weights: list[Matrix]
    biases: list[Vector] | None

    def copy(self) -> Parameters:
        """Return parameters that can be changed without these."""
        biases = None if self.biases is None else [list(layer) for layer in self.biases]
        return Parameters([[list(row) for row in layer] for layer in self.weights], biases)

    def value(self, slot: Parameter) -> Real:
        """Return one weight or bias."""
        name, k, index = slot
        if name == "weights":
            return self.weights[k][index[0]][index[1]]
        assert self.biases is not None  # noqa: S101 - for the type checker
        return self.biases[k][index[0]]

    def put(self, slot: Parameter, value: Real) -> None:
        """Change one weight or bias."""
        name, k, index = slot
        if name == "weights":
            self.weights[k][index[0]][index[1]] = value
        elif self.biases is not None:
            self.biases[k][index[0]] = value


@dataclass(slots=True)
class Pass:
    """Pre- and post-activations of one sample, layer by layer; exponentials of a softmax."""

    pre: list[Vector] = field(default_factory=list)
    post: list[Vector] = field(default_factory=list)
    exponential: Vector = field(default_factory=list)


def activation(name: str, z: Real, slope: Real) -> Real:
    """Return fA(z)."""
    if name == "logistic":
        return 1 / (1 + mpmath.exp(-z))
    if name == "tanh":
        return mpmath.tanh(z)
    if name == "relu":
        return z if mpmath.re(z) > 0 else mpmath.mpf(0)
    if name == "leaky_relu":
        return z if mpmath.re(z) > 0 else slope * z
    if name == "unit_step":
        return mpmath.mpf(1 if mpmath.re(z) >= 0 else 0)
    return z


class Network:
    """A network without its parameters.

    Args:
        structure: nodes, activations, loss.
        slope: of a leaky ReLU below 0.
    """

    def __init__(self, structure: Structure, slope: Real) -> None:
        self.structure, self.slope = structure, slope
        self.sign = 1 if structure.error_sign == "output_minus_target" else -1

    def incoming_sum(self, parameters: Parameters, k: int, incoming: Vector) -> Vector:
        """Return the pre-activations of the nodes that weight layer k leads to (Eq. 1, 3)."""
        weights = parameters.weights[k]
        found = []
        for j in range(len(weights[0])):
            total = mpmath.mpf(0) if parameters.biases is None else parameters.biases[k][j]
            for i, value in enumerate(incoming):
                total += value * weights[i][j]
            found.append(total)
        return found

    def activated(self, k: int, pre: Vector) -> Vector:
        """Return the post-activations of a layer (Eq. 2, 4, 17)."""
        name = self.structure.activations[k]
        if name == "softmax":
            exponential = [mpmath.exp(z) for z in pre]
            total = sum(exponential)
            return [e / total for e in exponential]
        return [activation(name, z, self.slope) for z in pre]

    def forward(self, parameters: Parameters, incoming: Vector, first: int = 0) -> Pass:
        """Return the pass from what enters weight layer ``first`` to the outputs."""
        found = Pass()
        for k in range(first, self.structure.layers):
            pre = self.incoming_sum(parameters, k, incoming)
            if self.structure.activations[k] == "softmax":
                found.exponential = [mpmath.exp(z) for z in pre]
            incoming = self.activated(k, pre)
            found.pre.append(pre)
            found.post.append(incoming)
        return found

    def outputs(self, parameters: Parameters, post: Vector, layer: int) -> Vector:
        """Return the outputs, given the post-activations behind a weight layer."""
        passed = self.forward(parameters, post, layer + 1)
        return passed.post[-1] if passed.post else post

    def error(self, outputs: Vector, target: Vector) -> Real:
        """Return E of one sample (Eq. 6, 18, 20)."""
        loss = self.structure.loss
        pairs = list(zip(outputs, target, strict=True))
        if loss == "binary_cross_entropy":
            # a target of exactly 0 or 1 leaves one term, as 0 · LN(…) does
            return -sum(t * mpmath.log(y) + (1 - t) * mpmath.log(1 - y) for y, t in pairs)
        if loss == "categorical_cross_entropy":
            return -sum(t * mpmath.log(y) for y, t in pairs)
        if loss == "perceptron":
            return sum(abs(y - t) for y, t in pairs)
        squares = sum((y - t) * (y - t) for y, t in pairs)
        if loss == "half_squared_error":
            return squares / 2
        return squares if loss == "squared_error" else squares / len(pairs)


Found = dict[Key, dict[Index, Real]]
"""Values by quantity and index."""

Sample = tuple[Vector, Vector]
"""Input and target."""


@dataclass(slots=True)
class Constants:
    """What a person sets once."""

    slope: Real
    decay: Real


class Update:
    """One update of a network, on the samples that it covers.

    Args:
        structure: of the update.
        parameters: from which it starts.
        samples: that it covers.
        constants: slope and weight decay.
    """

    def __init__(
        self,
        structure: Structure,
        parameters: Parameters,
        samples: list[Sample],
        constants: Constants,
    ) -> None:
        self.structure, self.parameters, self.samples = structure, parameters, samples
        self.constants = constants
        self.network = Network(structure, constants.slope)
        self.sign = self.network.sign
        self.passes = [self.network.forward(parameters, x) for x, _ in samples]
        self.gradient: dict[Parameter, Real] = {}
        self.found: Found = defaultdict(dict)

    # E

    def error(self, parameters: Parameters) -> Real:
        """Return E of the update, a function of the parameters (Eq. 6, 16, 19)."""
        outputs = [self.network.forward(parameters, x).post[-1] for x, _ in self.samples]
        return self._joined(outputs, parameters)

    def _joined(self, outputs: list[Vector], parameters: Parameters) -> Real:
        total = sum(
            self.network.error(y, t) for y, (_, t) in zip(outputs, self.samples, strict=True)
        )
        if self.structure.update == "batch_mean":
            total = total / len(self.samples)
        return total + self.penalty(parameters)

    def penalty(self, parameters: Parameters) -> Real:
        """Return P (Eq. 16)."""
        if not self.structure.decay:
            return mpmath.mpf(0)
        squares = sum(w * w for layer in parameters.weights for row in layer for w in row)
        if self.structure.decay_biases and parameters.biases is not None:
            squares += sum(b * b for layer in parameters.biases for b in layer)
        return self.constants.decay * squares / 2

    # quantities

    def quantities(self) -> Found:
        """Return every quantity up to the gradients."""
        self.forward_only()
        self._derivatives_of_samples()
        for slot in all_parameters(self.structure):
            self.gradient[slot] = slope = self._by_parameter(slot)
            kind = "weight_gradient" if slot[0] == "weights" else "bias_gradient"
            self.found[kind, slot[1]][slot[2]] = self.sign * slope
        return self.found

    def new_parameters(self, rate: Real) -> Parameters:
        """Return the parameters after plain descent (Eq. 10, 13, 15), and enter them."""
        after = self.parameters.copy()
        for slot, slope in self.gradient.items():
            if self.moves(slot):
                after.put(slot, self.parameters.value(slot) - rate * slope)
        self.enter_new(after)
        return after

    def enter_new(self, after: Parameters) -> None:
        """Enter parameters as the new ones."""
        for slot in all_parameters(self.structure):
            if self.moves(slot):
                self.found[f"new_{slot[0]}", slot[1]][slot[2]] = after.value(slot)

    def moves(self, slot: Parameter) -> bool:
        """Tell whether an update changes a parameter: biases may stay as they are."""
        return slot[0] == "weights" or self.structure.update_biases

    def forward_only(self) -> Found:
        """Return the quantities of the forward pass, and E."""
        self.found |= forward_quantities(self.network, self.passes, self.samples)
        outputs = [passed.post[-1] for passed in self.passes]
        self.found["error", None][()] = self._joined(outputs, self.parameters)
        if self.structure.decay:
            self.found["penalty", None][()] = self.penalty(self.parameters)
        return self.found

    def _derivatives_of_samples(self) -> None:
        """Enter fA′, ∂E/∂S_postA and S_ERROR of every sample and node."""
        s, last = self.structure, self.structure.layers - 1
        for n, passed in enumerate(self.passes):
            for k in range(s.layers):
                for j in range(s.nodes[k + 1]):
                    at = (n, j)
                    if k < last or not s.cancels:
                        function = partial(activation, s.activations[k], slope=self.constants.slope)
                        slope = derivative(function, passed.pre[k][j])
                        self.found["activation_derivative", k][at] = slope
                        outer: Key = ("error_derivative", None)
                        if k < last:
                            outer = ("backpropagated_error", k)
                        self.found[outer][at] = self.sign * self._by_node(n, k, j, after=True)
                    if s.loss == "perceptron":
                        signal = passed.post[k][j] - self.samples[n][1][j]  # Eq. 20
                    else:
                        signal = self._by_node(n, k, j, after=False)
                    self.found["error_signal", k][at] = self.sign * signal

    def _by_node(self, n: int, k: int, j: int, *, after: bool) -> Real:
        """Return ∂E_sample/∂S_postA (after the activation) or ∂E_sample/∂S_preA of a node."""
        passed, target = self.passes[n], self.samples[n][1]
        values = list(passed.post[k] if after else passed.pre[k])

        def error(moved: Real) -> Real:
            changed = [*values[:j], moved, *values[j + 1 :]]
            post = changed if after else self.network.activated(k, changed)
            return self.network.error(self.network.outputs(self.parameters, post, k), target)

        return derivative(error, values[j])

    def _by_parameter(self, slot: Parameter) -> Real:
        if self.structure.loss == "perceptron":
            return self._perceptron(slot)
        k = slot[1]
        moved = self.parameters.copy()

        def error(value: Real) -> Real:
            moved.put(slot, value)
            # what lies before the parameter does not depend on it
            outputs = []
            for (x, _), passed in zip(self.samples, self.passes, strict=True):
                incoming = passed.post[k - 1] if k else x
                outputs.append(self.network.forward(moved, incoming, k).post[-1])
            return self._joined(outputs, moved)

        return derivative(error, self.parameters.value(slot))

    def _perceptron(self, slot: Parameter) -> Real:
        """Return what the perceptron rule uses in place of a derivative (Eq. 20)."""
        name, k, index = slot
        terms = [
            (passed.post[k][index[-1]] - t[index[-1]]) * (x[index[0]] if name == "weights" else 1)
            for (x, t), passed in zip(self.samples, self.passes, strict=True)
        ]
        total = sum(terms)
        if self.structure.update == "batch_mean":
            total = total / len(terms)
        decays = self.structure.decay if name == "weights" else self.structure.decay_biases
        return total + self.constants.decay * self.parameters.value(slot) if decays else total


def forward_quantities(network: Network, passes: list[Pass], samples: list[Sample]) -> Found:
    """Return the quantities of forward passes, with a sample axis in front."""
    found: Found = defaultdict(dict)
    last = network.structure.layers - 1
    for n, (passed, (_, target)) in enumerate(zip(passes, samples, strict=True)):
        for k, (pre, post) in enumerate(zip(passed.pre, passed.post, strict=True)):
            for j, (z, a) in enumerate(zip(pre, post, strict=True)):
                found["pre_activation", k][n, j] = z
                found["post_activation", k][n, j] = a
        for j, value in enumerate(passed.exponential):
            found["exponential", last][n, j] = value
        if passed.exponential:
            found["exponential_sum", last][n,] = sum(passed.exponential)
        for j, (y, t) in enumerate(zip(passed.post[-1], target, strict=True)):
            found["final_error", None][n, j] = network.sign * (y - t)
        found["sample_error", None][n,] = network.error(passed.post[-1], target)
    return found


def parameter_quantities(structure: Structure, parameters: Parameters, prefix: str = "") -> Found:
    """Return weights and biases as quantities whose names have a prefix."""
    found: Found = defaultdict(dict)
    for slot in all_parameters(structure):
        name, layer, index = slot
        found[prefix + name, layer][index] = parameters.value(slot)
    return found


def sample_quantities(samples: list[Sample]) -> Found:
    """Return inputs and targets as quantities."""
    inputs, targets = ([sample[side] for sample in samples] for side in range(2))
    return {("input", None): grid(inputs), ("target", None): grid(targets)}


def grid(rows: Sequence[Sequence[Real]]) -> dict[Index, Real]:
    """Return a list of lists by index."""
    return {(n, c): value for n, row in enumerate(rows) for c, value in enumerate(row)}


def evaluated(network: Network, parameters: Parameters, samples: list[Sample]) -> Found:
    """Return the quantities of samples on which nothing is updated, and their mean E."""
    passes = [network.forward(parameters, x) for x, _ in samples]
    found = forward_quantities(network, passes, samples)
    found["error", None] = {(): sum(found["sample_error", None].values()) / len(samples)}
    return found


def add_row(table: Found, row: int, quantities: Found, prefix: str = "") -> None:
    """Enter quantities as one row of a table, an axis of rows in front."""
    for (name, layer), values in quantities.items():
        kept = table.setdefault((prefix + name, layer), {})
        kept.update({(row, *index): value for index, value in values.items()})
