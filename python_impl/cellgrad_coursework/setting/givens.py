"""A student's own numbers: pleasant to type, drawn from a stream, of a fit shape.

Whether they tell mistakes apart is judged elsewhere (discriminate).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case, Matrix, Network, Sample, Vector
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.secret import Stream
from cellgrad_coursework.setting.assignment import DYADIC, Assignment

LARGEST = 6.0
"""Beyond this a pre-activation is flat, and every derivative vanishes."""

CLEAR = 0.02
"""A pre-activation or an error below this is too close to 0 to decide anything."""

_TRIES = 60
_FULL_LAYER = 40
_SIXTEENTHS, _FEW = 16, 6


class _Numbers:
    """The numbers of a style: a magnitude is one of some whole numbers over a base."""

    def __init__(self, stream: Stream, style: str) -> None:
        self.stream = stream
        self.base = _SIXTEENTHS if style == DYADIC else 100
        self.lowest, self.highest = (2, 15) if style == DYADIC else (11, 98)

    def between(self, low: int, high: int) -> int:
        return low + self.stream.below(high - low + 1)

    def sign(self, negative_of_four: int) -> int:
        return -1 if self.stream.below(4) < negative_of_four else 1

    def value(self, number: int) -> float:
        return number / self.base

    def distinct(self, taken: Iterable[int], high: int, negative_of_four: int) -> int:
        """Return a number whose magnitude is not taken, if one is left."""
        used = {abs(number) for number in taken}
        for _ in range(_TRIES):
            number = self.between(self.lowest, high)
            if number not in used:
                break
        return number * self.sign(negative_of_four)

    def weight_limit(self, fan_in: int) -> int:
        """Return the largest magnitude of a weight: sixteenths need room above 1."""
        if self.base == _SIXTEENTHS and fan_in <= _FEW:
            return 23
        return self.highest


def drawn(assignment: Assignment, stream: Stream) -> Case:
    """Return a case with numbers of the stream; it may be unfit."""
    numbers = _Numbers(stream, assignment.style)
    s = assignment.structure
    samples = assignment.samples
    inputs = (
        [sample.input for sample in samples]
        if samples is not None
        else _inputs(numbers, s.samples, s.nodes[0])
    )
    weights: list[Matrix] = []
    biases: list[Vector] = []
    incoming = np.array(inputs)
    for k in range(s.layers):
        w, b = _layer(numbers, s.nodes[k], s.nodes[k + 1], bias=s.biases)
        if s.activations[k] == "relu":
            incoming = _awaken(incoming, w, b)
        else:
            incoming = _rough(s.activations[k], incoming @ np.array(w) + np.array(b))
        weights.append(tuple(tuple(row) for row in w))
        biases.append(tuple(b))
    network = Network(
        s.nodes,
        s.activations,
        tuple(weights),
        tuple(biases) if s.biases else None,
        assignment.leaky_slope,
    )
    if samples is None:
        targets = [_target(numbers, s.activations[-1], s.loss, s.outputs) for _ in inputs]
        samples = tuple(Sample(tuple(i), t) for i, t in zip(inputs, targets, strict=True))
    return assignment.case(network, samples)


def _inputs(numbers: _Numbers, samples: int, nodes: int) -> list[Vector]:
    found: list[list[int]] = []
    for _ in range(samples):
        row: list[int] = []
        for column in range(nodes):
            above = [other[column] for other in found]
            row.append(numbers.distinct([*row, *above], numbers.highest - 1, 1))
        found.append(row)
    return [tuple(numbers.value(number) for number in row) for row in found]


def _layer(
    numbers: _Numbers, n: int, m: int, *, bias: bool
) -> tuple[list[list[float]], list[float]]:
    limit = numbers.weight_limit(n)
    rows: list[list[int]] = []
    every: list[int] = []
    for i in range(n):
        row: list[int] = []
        for j in range(m):
            near = [*row, *(rows[above][j] for above in range(i))]
            row.append(numbers.distinct(every if n * m <= _FULL_LAYER else near, limit, 2))
            every.append(row[-1])
        rows.append(row)
    shifts: list[int] = []
    for _ in range(m if bias else 0):
        shifts.append(numbers.distinct(shifts, numbers.highest, 2))
    weights = [[numbers.value(number) for number in row] for row in rows]
    return weights, [numbers.value(number) for number in shifts] or [0.0] * m


def _awaken(
    incoming: NDArray[np.float64], weights: list[list[float]], biases: list[float]
) -> NDArray[np.float64]:
    """Turn a node's weights round where it would be silent in every sample; return fA."""
    pre = incoming @ np.array(weights) + np.array(biases)
    for j in range(len(biases)):
        if pre[:, j].max() <= 0:
            for row in weights:
                row[j] = -row[j]
            biases[j] = -biases[j] if biases[j] else 0.0
            pre[:, j] = -pre[:, j]
    return np.asarray(np.maximum(pre, 0.0))


def _rough(activation: str, pre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return fA, good enough to see which nodes of the next layer are silent."""
    if activation == "logistic":
        return np.asarray(1.0 / (1.0 + np.exp(-pre)))
    if activation == "tanh":
        return np.asarray(np.tanh(pre))
    return np.asarray(np.where(pre > 0, pre, 0.01 * pre) if activation == "leaky_relu" else pre)


def _target(numbers: _Numbers, activation: str, loss: str, outputs: int) -> Vector:
    base = numbers.base
    if loss == "perceptron":
        return tuple(float(numbers.stream.below(2)) for _ in range(outputs))
    if loss == "categorical_cross_entropy":
        return _shares(numbers, outputs)
    if activation == "tanh":
        low, high, negative = base // 16, base - base // 16, 2
    elif activation in ("identity", "leaky_relu"):
        low, high, negative = numbers.lowest, base + base // 2, 1
    elif activation == "relu":
        low, high, negative = numbers.lowest, base + base // 2, 0
    else:
        low, high, negative = base // 16, base - base // 16, 0
    return tuple(
        numbers.value(numbers.between(low, high) * numbers.sign(negative)) for _ in range(outputs)
    )


def _shares(numbers: _Numbers, outputs: int) -> Vector:
    """Return targets that sum to 1: shares of the base, one of them the largest."""
    if outputs * 3 > numbers.base:
        one = numbers.stream.below(outputs)
        return tuple(float(o == one) for o in range(outputs))
    smallest = max(1, numbers.base // (6 * outputs))
    left = numbers.base - smallest * outputs
    cuts = sorted(numbers.stream.below(left + 1) for _ in range(outputs - 1))
    parts = [b - a for a, b in zip([0, *cuts], [*cuts, left], strict=True)]
    return tuple(numbers.value(smallest + part) for part in parts)


def unfit(case: Case) -> str:
    """Return why these numbers make a poor exercise, or nothing.

    Source: the degenerate choices of reference/bugs.md, as far as they depend on what is
    drawn.
    """
    with np.errstate(all="ignore"):
        table = Program(case, keep={1}, last=1).run().steps[0]
    for (name, _), values in table.items():
        if not np.all(np.isfinite(values)):
            return "a number is not finite"
        if name == "pre_activation":
            if np.abs(values).max() > LARGEST:
                return f"a pre-activation beyond {LARGEST:g}"
            if np.abs(values).min() < CLEAR:
                return "a pre-activation of 0, or nearly"
        if name == "final_error":
            steps = case.loss == "perceptron"
            if steps and not np.all(np.abs(values).max(axis=0) > 0):
                return "an output with nothing to learn"
            if not steps and np.abs(values).min() < CLEAR:
                return "an error of 0, or nearly"
    return ""
