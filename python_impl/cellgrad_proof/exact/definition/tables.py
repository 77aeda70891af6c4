"""Classes, counts, decision lines, tables of functions and of measured numbers."""

from __future__ import annotations

import mpmath

from cellgrad_proof.exact.definition.complex_step import Real, derivative
from cellgrad_proof.exact.definition.network import Index, Matrix, Parameters, Vector, activation
from cellgrad_proof.exact.definition.update import Found, grid


def column(values: Vector) -> dict[Index, Real]:
    """Return a list by index."""
    return {(n,): value for n, value in enumerate(values)}


def rule(outputs: Matrix, targets: Matrix) -> Found:
    """Return which targets are as a rule says, and how many."""
    correct = [int(y[0] == t[0]) for y, t in zip(outputs, targets, strict=True)]
    return {("correct", None): column(correct), ("right", None): {(): sum(correct)}}


def classification(outputs: Matrix, targets: Matrix, limit: Real) -> Found:
    """Return classes, the confusion table and the accuracy."""
    single = len(targets[0]) == 1
    names = [0, 1] if single else list(range(1, len(targets[0]) + 1))

    def called(values: Vector) -> int:
        if single:
            return int(values[0] > limit)
        return 1 + values.index(max(values))

    wanted, found = [called(t) for t in targets], [called(y) for y in outputs]
    correct = [int(a == b) for a, b in zip(wanted, found, strict=True)]
    pairs = list(zip(wanted, found, strict=True))
    return {
        ("target_class", None): column(wanted),
        ("class", None): column(found),
        ("correct", None): column(correct),
        ("is_target", None): grid([[int(a == name) for name in names] for a in wanted]),
        ("is_called", None): grid([[int(b == name) for name in names] for b in found]),
        ("confusion", None): grid([[pairs.count((a, b)) for b in names] for a in names]),
        ("right", None): {(): sum(correct)},
        ("accuracy", None): {(): mpmath.mpf(sum(correct)) / len(correct)},
    }


def boundary(parameters: Parameters, line: Vector) -> dict[Index, Real]:
    """Return where S_preA is 0, for both ends of a line over two inputs."""
    (w1,), (w2,) = parameters.weights[0]
    bias = 0 if parameters.biases is None else parameters.biases[0][0]
    if w2 == 0:
        return {}
    return column([-(bias + w1 * x) / w2 for x in line])


def function(name: str, x: Vector, epsilon: Real) -> Found:
    """Return value, derivative and central difference of an activation function."""

    def value(z: Real) -> Real:
        return activation(name, z, 0)

    slopes = [derivative(value, z) for z in x]
    above, below = ([value(z + side * epsilon) for z in x] for side in (1, -1))
    quotients = [(a - b) / (2 * epsilon) for a, b in zip(above, below, strict=True)]
    return {
        ("value", None): column([value(z) for z in x]),
        ("derivative", None): column(slopes),
        ("value_above", None): column(above),
        ("value_below", None): column(below),
        ("quotient", None): column(quotients),
        ("gap", None): column([s - q for s, q in zip(slopes, quotients, strict=True)]),
        ("step", None): column([int(z >= 0) for z in x]),
    }


def statistics(measured: Matrix) -> Found:
    """Return mean, spread, best and worst of each row."""
    means = [sum(row) / len(row) for row in measured]
    spreads = [
        mpmath.sqrt(sum((value - mean) ** 2 for value in row) / (len(row) - 1))
        for row, mean in zip(measured, means, strict=True)
    ]
    return {
        ("mean", None): column(means),
        ("spread", None): column(spreads),
        ("best", None): column([max(row) for row in measured]),
        ("worst", None): column([min(row) for row in measured]),
    }
