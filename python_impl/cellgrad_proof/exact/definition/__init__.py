"""Every kind of part, from its description in the Map to its quantities, by their definitions.

``quantities_of`` begins here; ``update`` has one update, ``holdings`` what it starts from.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import Protocol

import mpmath

from cellgrad.case.equations import walkthrough_lines
from cellgrad.case.quantities import (
    Index,
    Key,
    Structure,
    UpdateRule,
    checked_parameters,
)
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.update import (
    Found,
    Matrix,
    Network,
    Parameters,
    Real,
    Update,
    Vector,
    activation,
    add_row,
    derivative,
    evaluated,
    forward_quantities,
    grid,
    number,
    parameter_quantities,
    sample_quantities,
)
from cellgrad_series.parts.run import EVALUATED, START, RunShape
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.parts.tables import ComparisonShape


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
    found: Found = defaultdict(dict)
    before, later = update.error(update.parameters), update.error(after)
    found["error_before", None][()] = before
    found["error_after", None][()] = later
    found["error_change", None][()] = later - before
    _enter_pass(found, update, after, 0)
    if epsilon is None:
        return found
    for p, slot in enumerate(checked_parameters(update.structure)):
        value = update.parameters.value(slot)
        errors = []
        for side, sign in enumerate((1, -1)):
            moved = update.parameters.copy()
            moved.put(slot, value + sign * epsilon)
            found["moved_value", None][2 * p + side,] = value + sign * epsilon
            _enter_pass(found, update, moved, 1 + 2 * p + side)
            errors.append(update.error(moved))
        slope = update.gradient[slot]
        quotient = (errors[0] - errors[1]) / (2 * epsilon)
        found["checked_value", None][p,] = value
        found["checked_gradient", None][p,] = update.sign * slope
        found["error_plus", None][p,] = errors[0]
        found["error_minus", None][p,] = errors[1]
        found["difference_quotient", None][p,] = quotient
        found["quotient_gap", None][p,] = slope - quotient
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
        correct = [int(y[0] == t[0]) for y, t in zip(outputs, targets, strict=True)]
        return found | {("correct", None): column(correct), ("right", None): {(): sum(correct)}}
    found |= classification(outputs, targets, held.scalar(part, "limit", 0.5))
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
    """Return value, derivative and central difference of an activation function."""
    x, epsilon = held.vector(part, ("x", None)), held.scalar(part, "epsilon")
    value = partial(activation, held.parts[part].shape.activation, slope=0)
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


def _table(held: Holdings, part: str) -> Found:
    """Return mean, spread, best and worst of each row."""
    measured = held.matrix(part, ("measured", None))
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


def column(values: Vector) -> dict[Index, Real]:
    """Return a list by index."""
    return {(n,): value for n, value in enumerate(values)}


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


class Kept(Protocol):
    """Gives what an optimiser has kept of earlier updates, by quantity, layer and index."""

    def __call__(self, name: str, layer: int | None = None, index: Index = ()) -> Real:
        """Return one number."""


def optimised(
    update: Update, rule: UpdateRule, kept: Kept, rate: Real, given: Mapping[str, Real]
) -> Parameters:
    """Return the parameters after an update (Eq. 10, 13, 15, 21 to 24), and enter all of it.

    Args:
        update: with its quantities computed.
        rule: how gradients become updates.
        kept: what earlier updates left.
        rate: the learning rate.
        given: ``momentum``, ``beta1``, ``beta2``, ``adam_epsilon``.
    """
    if rule.plain:
        return update.new_parameters(rate)
    after, found, adam = update.parameters.copy(), update.found, rule.optimizer == "adam"
    for beta in ("beta1", "beta2") if adam else ():
        found[f"{beta}_power", None] = {(): kept(f"{beta}_power") * given[beta]}
    for slot, slope in update.gradient.items():
        if not update.moves(slot):
            continue
        kind, k, index = slot
        prefix, g = "" if kind == "weights" else "bias_", update.sign * slope
        if adam:
            rest1, rest2 = 1 - given["beta1"], 1 - given["beta2"]
            first, second = f"{prefix}first_moment", f"{prefix}second_moment"
            mean = _moment(found, kept, given["beta1"], (first, k), index, rest1 * g)
            square = _moment(found, kept, given["beta2"], (second, k), index, rest2 * g * g)
            change = rate * (mean / (mpmath.sqrt(square) + given["adam_epsilon"]))
        else:
            old = given["momentum"] * kept(f"{prefix}velocity", k, index)
            velocity = old + rate * g if rule.rate_in_velocity else old + g
            found[f"{prefix}velocity", k][index] = velocity
            change = velocity if rule.rate_in_velocity else rate * velocity
        after.put(slot, after.value(slot) - update.sign * change)
    update.enter_new(after)
    return after


def _moment(found: Found, kept: Kept, beta: Real, key: Key, index: Index, added: Real) -> Real:
    """Enter a mean of gradients or of their squares, and return it corrected (Eq. 22, 23)."""
    name, k = key
    power = found["beta1_power" if "first" in name else "beta2_power", None][()]
    found[key][index] = moment = beta * kept(name, k, index) + added
    corrected = moment / (1 - power)
    found[re.sub("(first|second)", r"corrected_\1", name), k][index] = corrected
    return corrected


class Rows:
    """The rows of a run, each from the doubles that the row above holds."""

    def __init__(self, held: Holdings, part: str) -> None:
        self.held, self.part = held, part
        self.shape: RunShape = held.parts[part].shape
        self.samples = held.samples(part, "sample_")
        self.unseen = held.samples(part, EVALUATED) if self.shape.evaluated else []

    def started(self) -> Found:
        """Return the parameters before the first update."""
        return parameter_quantities(self.shape.step, self._start(), START)

    def _start(self) -> Parameters:
        return self.held.parameters(self.part, self.shape.step, START)

    def row(self, row: int) -> Found:
        """Return the quantities of one update."""
        first, count = self.shape.batch(row)
        structure = self.shape.structure(count)
        if row:
            parameters = self.held.parameters(self.part, structure, "new_", (row - 1,))
            if structure.biases and not structure.update_biases:
                parameters.biases = self._start().biases
        else:
            parameters = self._start()
        batch = self.samples[first : first + count]
        update = Update(structure, parameters, batch, self.held.constants(self.part))
        found = update.quantities()
        rates = self.held.values(self.part, ("learning_rate", None))
        rate = number(rates[row,] if self.shape.scheduled else rates[()])
        names = ("momentum", "beta1", "beta2", "adam_epsilon")
        given = {name: self.held.scalar(self.part, name) for name in names}
        after = optimised(update, self.shape.rule, partial(self._kept, row), rate, given)
        found |= sample_quantities(batch)
        if self.unseen:
            network = Network(self.shape.step, self.held.constants(self.part).slope)
            seen = evaluated(network, after, self.unseen)
            found |= {(EVALUATED + name, k): values for (name, k), values in seen.items()}
        return found

    def _kept(self, row: int, name: str, layer: int | None = None, index: Index = ()) -> Real:
        """Return what the row above holds, or of the first row what the run starts from."""
        if row:
            return number(self.held.values(self.part, (name, layer))[row - 1, *index])
        return number(self.held.values(self.part, (START + name, layer))[index])


class Carried(Holdings):
    """Holdings whose rows hold what was computed, in full precision: a run from end to end.

    Args:
        held: the givens.
    """

    def __init__(self, held: Holdings) -> None:
        self._held = held
        self.parts, self.whole = held.parts, held.whole
        self._rows: Found = {}

    def own_values(self, part: str, key: Key) -> Mapping[Index, Real]:
        """Return the numbers of a quantity."""
        return self._rows[key] if key in self._rows else self._held.own_values(part, key)

    def holds(self, part: str, key: Key) -> bool:
        """Tell whether there is such a quantity."""
        return key in self._rows or self._held.holds(part, key)

    def keep(self, row: int, found: Found) -> None:
        """Keep what a row came to, for the next to start from."""
        add_row(self._rows, row, found)


def run_quantities(held: Holdings, part: str, *, chained: bool = False) -> Found:
    """Return every quantity of a run, with an axis of updates in front.

    Args:
        held: givens, and what each row leaves to the next.
        part: the run.
        chained: start each row from what the one above came to, in full precision.
    """
    carried = Carried(held)
    rows = Rows(carried if chained else held, part)
    found: Found = {}
    for row in range(rows.shape.updates):
        computed = rows.row(row)
        if chained:
            carried.keep(
                row, {key: v for key, v in computed.items() if key[0] not in ("input", "target")}
            )
        add_row(found, row, computed)
    return found | rows.started()


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


def quantities_of(held: Holdings, part: str) -> Found:
    """Return every quantity of a part by its definition.

    Raises:
        CaseError: the Map does not describe it.
        KeyError: a given is missing.
    """
    return _KINDS[held.parts[part].kind](held, part)
