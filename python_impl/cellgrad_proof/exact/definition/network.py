"""The forward pass and E of one sample: Eq. 1 to 6, 17, 18 and 20.

Every function takes complex numbers as well, so that it can be differentiated by a complex
step; conditions look at the real part.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import mpmath

from cellgrad.case.structure import Structure
from cellgrad_proof.exact.definition.complex_step import Real

Vector = list[Real]
Matrix = list[Vector]

Index = tuple[int, ...]

Slot = tuple[str, int, Index]
"""A parameter: ``weights`` or ``biases``, layer, index."""


@dataclass(slots=True)
class Parameters:
    """Weights ``weights[k][i][j]`` and biases ``biases[k][j]``, or None."""

    weights: list[Matrix]
    biases: list[Vector] | None

    def copy(self) -> Parameters:
        """Return parameters that can be changed without these."""
        biases = None if self.biases is None else [list(layer) for layer in self.biases]
        return Parameters([[list(row) for row in layer] for layer in self.weights], biases)

    def value(self, slot: Slot) -> Real:
        """Return one weight or bias."""
        name, k, index = slot
        if name == "weights":
            return self.weights[k][index[0]][index[1]]
        assert self.biases is not None  # noqa: S101 - for the type checker
        return self.biases[k][index[0]]

    def put(self, slot: Slot, value: Real) -> None:
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
    real = mpmath.re(z)
    if name == "logistic":
        return 1 / (1 + mpmath.exp(-z))
    if name == "tanh":
        return mpmath.tanh(z)
    if name == "relu":
        return z if real > 0 else mpmath.mpf(0)
    if name == "leaky_relu":
        return z if real > 0 else slope * z
    if name == "unit_step":
        return mpmath.mpf(1 if real >= 0 else 0)
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
