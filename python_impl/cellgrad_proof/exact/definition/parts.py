"""Every kind of part, from its description in the Map to its quantities."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from cellgrad.case.equations import walkthrough_lines
from cellgrad.case.quantities import checked_parameters
from cellgrad.case.structure import Structure
from cellgrad_proof.exact.definition import tables
from cellgrad_proof.exact.definition.complex_step import Real, number
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.network import Index, Network, Parameters
from cellgrad_proof.exact.definition.run import run_quantities
from cellgrad_proof.exact.definition.update import (
    Found,
    Key,
    Update,
    add_row,
    evaluated,
    forward_quantities,
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
        computed["swept", None] = tables.column(list(values))
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
        return found | tables.rule(outputs, targets)
    limit = held.scalar(part, "limit", 0.5)
    found |= tables.classification(outputs, targets, limit)
    if held.has(part, "boundary_x"):
        line = held.vector(part, ("boundary_x", None))
        found["boundary_y", None] = tables.boundary(parameters, line)
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
    return tables.function(name, x, held.scalar(part, "epsilon"))


def _table(held: Holdings, part: str) -> Found:
    return tables.statistics(held.matrix(part, ("measured", None)))


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
