"""Every kind of part, from its description in the Map to its quantities."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import mpmath

from cellgrad.case.equations import walkthrough_lines
from cellgrad.case.quantities import checked_parameters
from cellgrad.case.structure import Structure
from cellgrad_proof.exact.definition.complex_step import Real, derivative, number
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.network import (
    Index,
    Matrix,
    Network,
    Parameters,
    Vector,
    activation,
)
from cellgrad_proof.exact.definition.run import run_quantities
from cellgrad_proof.exact.definition.update import (
    Found,
    Key,
    Update,
    add_row,
    evaluated,
    forward_quantities,
    grid,
    parameter_quantities,
    sample_quantities,
)
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.parts.tables import ComparisonShape


def quantities_of(held: Holdings, part: str) -> Found:
    """Return every quantity of a part by its definition.

    Raises:
        CaseError: the Map does not describe it.
        KeyError: a given is missing.
    """
    return _KINDS[held.parts[part].kind](held, part)


def _step(held: Holdings, part: str) -> Found:
    structure: Structure = held.parts[part].shape.step
    update = Update(
        structure,
        held.parameters(part, structure),
        held.samples(part),
        held.constants(part),
    )
    found = update.quantities()
    after = update.new_parameters(held.scalar(part, "learning_rate"))
    if not held.whole:
        return found
    epsilon = held.scalar(part, "epsilon") if held.has(part, "epsilon") else None
    found |= _check(update, after, epsilon)
    lines = enumerate(walkthrough_lines(structure))
    found["result", None] = {(n,): found[line.quantity.key][line.index] for n, line in lines}
    return found


def _check(update: Update, after: Parameters, epsilon: Real | None) -> Found:
    """Return every number of the Check sheet: E with a parameter moved, and after the step.

    Args:
        update: with its quantities computed.
        after: the parameters after it.
        epsilon: by how much a parameter is moved; None where nothing is differentiated.
    """
    found: Found = {}

    def put(name: str, index: Index, value: Real) -> None:
        found.setdefault((name, None), {})[index] = value

    before, later = update.error(update.parameters), update.error(after)
    put("error_before", (), before)
    put("error_after", (), later)
    put("error_change", (), later - before)
    _enter_pass(found, update, after, 0)
    if epsilon is None:
        return found
    for p, slot in enumerate(checked_parameters(update.structure)):
        value = update.parameters.value(slot)
        errors = []
        for side, sign in enumerate((1, -1)):
            moved = update.parameters.copy()
            moved.put(slot, value + sign * epsilon)
            put("moved_value", (2 * p + side,), value + sign * epsilon)
            _enter_pass(found, update, moved, 1 + 2 * p + side)
            errors.append(update.error(moved))
        slope = update.gradient[slot]
        quotient = (errors[0] - errors[1]) / (2 * epsilon)
        put("checked_value", (p,), value)
        put("checked_gradient", (p,), update.sign * slope)
        put("error_plus", (p,), errors[0])
        put("error_minus", (p,), errors[1])
        put("difference_quotient", (p,), quotient)
        put("quotient_gap", (p,), slope - quotient)
    return found


def _enter_pass(found: Found, update: Update, parameters: Parameters, number: int) -> None:
    """Enter a complete forward pass with other parameters."""
    passes = [update.network.forward(parameters, x) for x, _ in update.samples]
    quantities = forward_quantities(update.network, passes, update.samples)
    quantities["error", None] = {(): update.error(parameters)}
    quantities["penalty", None] = {(): update.penalty(parameters)}
    add_row(found, number, quantities, "pass_")


def _sweep(held: Holdings, part: str) -> Found:
    shape: SweepShape = held.parts[part].shape
    axes = [held.vector(part, ("axis", n)) for n in range(len(shape.counts))]
    # the doubles themselves: what is moved is copied, not computed
    fixed = held.parameters(part, shape.step)
    samples, constants = held.samples(part), held.constants(part)
    found: Found = {}
    for row, values in enumerate(product(*axes)):
        parameters = fixed.copy()
        for slot, value in zip(shape.swept, values, strict=True):
            parameters.put(slot, value)
        update = Update(shape.step, parameters, samples, constants)
        computed = update.quantities() if shape.backward else update.forward_only()
        computed["swept", None] = column(list(values))
        add_row(found, row, computed)
        if len(axes) > 1:
            at: Index = divmod(row, shape.counts[1])
            found.setdefault(("surface", None), {})[at] = computed["error", None][()]
    return found


def _classified(held: Holdings, part: str) -> Found:
    structure: Structure = held.parts[part].shape.network
    parameters, samples = held.parameters(part, structure), held.samples(part)
    network = Network(structure, held.constants(part).slope)
    found = evaluated(network, parameters, samples)
    found |= parameter_quantities(structure, parameters) | sample_quantities(samples)
    outputs = [network.forward(parameters, x).post[-1] for x, _ in samples]
    targets = [t for _, t in samples]
    if held.parts[part].kind == "rule":
        return found | rule(outputs, targets)
    limit = held.scalar(part, "limit", 0.5)
    found |= classification(outputs, targets, limit)
    if held.has(part, "boundary_x"):
        line = held.vector(part, ("boundary_x", None))
        found["boundary_y", None] = boundary(parameters, line)
    return found


def _comparison(held: Holdings, part: str) -> Found:
    found: dict[Index, object] = {}
    shape: ComparisonShape = held.parts[part].shape
    for n, run in enumerate(shape.runs):
        errors = held.values(run, ("error", None))
        found |= {(row, n): number(value) for (row,), value in errors.items()}
    key: Key = ("error", None)
    return {key: found}


def _function(held: Holdings, part: str) -> Found:
    name = held.parts[part].shape.activation
    x = held.vector(part, ("x", None))
    return function(name, x, held.scalar(part, "epsilon"))


def _table(held: Holdings, part: str) -> Found:
    return statistics(held.matrix(part, ("measured", None)))


_KINDS: dict[str, Callable[[Holdings, str], Found]] = {
    "step": _step,
    "run": run_quantities,
    "sweep": _sweep,
    "validation": _classified,
    "rule": _classified,
    "comparison": _comparison,
    "function": _function,
    "table": _table,
}


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
