"""Every quantity of one update, by its definition: Eq. 1 to 20."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import mpmath

from cellgrad.case.structure import Structure
from cellgrad_proof.exact.definition.complex_step import Real, derivative
from cellgrad_proof.exact.definition.network import (
    Index,
    Network,
    Parameters,
    Pass,
    Slot,
    Vector,
    activation,
)

Key = tuple[str, int | None]
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
        self.gradient: dict[Slot, Real] = {}
        self.found: Found = {}

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
        self._forward()
        self._derivatives_of_samples()
        for slot in parameters_of(self.structure):
            self.gradient[slot] = slope = self._by_parameter(slot)
            kind = "weight_gradient" if slot[0] == "weights" else "bias_gradient"
            self._put(kind, *slot[1:], self.sign * slope)
        return self.found

    def forward_only(self) -> Found:
        """Return the quantities of the forward pass, and E."""
        self._forward()
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
        for slot in parameters_of(self.structure):
            if self.moves(slot):
                self._put(f"new_{slot[0]}", *slot[1:], after.value(slot))

    def moves(self, slot: Slot) -> bool:
        """Tell whether an update changes a parameter: biases may stay as they are."""
        return slot[0] == "weights" or self.structure.update_biases

    def _put(self, name: str, layer: int | None, index: Index, value: Real) -> None:
        self.found.setdefault((name, layer), {})[index] = value

    def _forward(self) -> None:
        self.found |= forward_quantities(self.network, self.passes, self.samples)
        self._put("error", None, (), self._joined([p.post[-1] for p in self.passes],
                                                  self.parameters))  # fmt: skip
        if self.structure.decay:
            self._put("penalty", None, (), self.penalty(self.parameters))

    def _derivatives_of_samples(self) -> None:
        """Enter fA′, ∂E/∂S_postA and S_ERROR of every sample and node."""
        s, last = self.structure, self.structure.layers - 1
        for n, passed in enumerate(self.passes):
            for k in range(s.layers):
                for j in range(s.nodes[k + 1]):
                    at = (n, j)
                    if k < last or not s.cancels:
                        function = partial(self._activation, s.activations[k])
                        slope = derivative(function, passed.pre[k][j])
                        self._put("activation_derivative", k, at, slope)
                        outer: Key = ("error_derivative", None)
                        if k < last:
                            outer = ("backpropagated_error", k)
                        self._put(*outer, at, self.sign * self._by_node(n, k, j, after=True))
                    if s.loss == "perceptron":
                        signal = passed.post[k][j] - self.samples[n][1][j]  # Eq. 20
                    else:
                        signal = self._by_node(n, k, j, after=False)
                    self._put("error_signal", k, at, self.sign * signal)

    def _activation(self, name: str, z: Real) -> Real:
        return activation(name, z, self.constants.slope)

    def _by_node(self, n: int, k: int, j: int, *, after: bool) -> Real:
        """Return ∂E_sample/∂S_postA (after the activation) or ∂E_sample/∂S_preA of a node."""
        passed, target = self.passes[n], self.samples[n][1]
        values = list(passed.post[k] if after else passed.pre[k])

        def error(moved: Real) -> Real:
            changed = [*values[:j], moved, *values[j + 1 :]]
            post = changed if after else self.network.activated(k, changed)
            return self.network.error(self.network.outputs(self.parameters, post, k), target)

        return derivative(error, values[j])

    def _by_parameter(self, slot: Slot) -> Real:
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

    def _perceptron(self, slot: Slot) -> Real:
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
    found: Found = {}

    def put(name: str, layer: int | None, index: Index, value: Real) -> None:
        found.setdefault((name, layer), {})[index] = value

    last = network.structure.layers - 1
    for n, (passed, (_, target)) in enumerate(zip(passes, samples, strict=True)):
        for k, (pre, post) in enumerate(zip(passed.pre, passed.post, strict=True)):
            for j, (z, a) in enumerate(zip(pre, post, strict=True)):
                put("pre_activation", k, (n, j), z)
                put("post_activation", k, (n, j), a)
        for j, value in enumerate(passed.exponential):
            put("exponential", last, (n, j), value)
        if passed.exponential:
            put("exponential_sum", last, (n,), sum(passed.exponential))
        for j, (y, t) in enumerate(zip(passed.post[-1], target, strict=True)):
            put("final_error", None, (n, j), network.sign * (y - t))
        put("sample_error", None, (n,), network.error(passed.post[-1], target))
    return found


def parameter_quantities(structure: Structure, parameters: Parameters, prefix: str = "") -> Found:
    """Return weights and biases as quantities whose names have a prefix."""
    found: Found = {}
    for slot in parameters_of(structure):
        found.setdefault((prefix + slot[0], slot[1]), {})[slot[2]] = parameters.value(slot)
    return found


def parameters_of(structure: Structure) -> Iterable[Slot]:
    """Yield every weight and bias: name, layer, index."""
    for k in range(structure.layers):
        n, m = structure.nodes[k : k + 2]
        for i in range(n):
            for j in range(m):
                yield "weights", k, (i, j)
        if structure.biases:
            for j in range(m):
                yield "biases", k, (j,)


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
