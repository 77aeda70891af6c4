"""Every kind of part, from its description in the Map to its quantities."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from cellgrad_series.parts.comparison import ComparisonShape

from cellgrad.case.lines import walkthrough_lines
from cellgrad.case.structure import Structure
from cellgrad_proof.exact.definition import tables
from cellgrad_proof.exact.definition.check import check_quantities
from cellgrad_proof.exact.definition.complex_step import number
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.network import Index, Network
from cellgrad_proof.exact.definition.rows import run_quantities
from cellgrad_proof.exact.definition.update import (
    Found,
    Key,
    Update,
    forward_quantities,
    parameter_quantities,
)
from cellgrad_series.parts.sweep import SweepShape


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
    found |= check_quantities(update, after, epsilon)
    lines = enumerate(walkthrough_lines(structure))
    found["result", None] = {(n,): found[line.quantity.key][line.index] for n, line in lines}
    return found


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
        for key, inner in computed.items():
            kept = found.setdefault(key, {})
            kept.update({(row, *index): value for index, value in inner.items()})
        kept = found.setdefault(("swept", None), {})
        kept.update({(row, n): value for n, value in enumerate(values)})
        if len(axes) > 1:
            at: Index = divmod(row, shape.counts[1])
            found.setdefault(("surface", None), {})[at] = computed["error", None][()]
    return found


def _classified(held: Holdings, part: str) -> Found:
    structure: Structure = held.parts[part].shape.network
    parameters, samples = held.parameters(part, structure), held.samples(part)
    network = Network(structure, held.constants(part).slope)
    sign = 1 if structure.error_sign == "output_minus_target" else -1
    passes = [network.forward(parameters, x) for x, _ in samples]
    found = forward_quantities(network, passes, [t for _, t in samples], sign)
    found |= parameter_quantities(structure, parameters)
    for n, (x, t) in enumerate(samples):
        found.setdefault(("input", None), {}).update({(n, c): v for c, v in enumerate(x)})
        found.setdefault(("target", None), {}).update({(n, c): v for c, v in enumerate(t)})
    outputs = [passed.post[-1] for passed in passes]
    targets = [t for _, t in samples]
    if held.parts[part].kind == "rule":
        return found | tables.rule(outputs, targets)
    limit = held.scalar(part, "limit", 0.5)
    found |= tables.classification(outputs, targets, limit)
    errors = found["sample_error", None].values()
    found["error", None] = {(): sum(errors) / len(samples)}
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
