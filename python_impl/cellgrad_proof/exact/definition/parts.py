"""Every kind of part, from its description in the Map to its quantities."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from cellgrad.case.facts import structure_from
from cellgrad.case.lines import walkthrough_lines
from cellgrad_proof.exact.definition import tables
from cellgrad_proof.exact.definition.check import check_quantities
from cellgrad_proof.exact.definition.complex_step import number
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.network import Network, Parameters
from cellgrad_proof.exact.definition.rows import run_quantities, samples_of
from cellgrad_proof.exact.definition.update import (
    Found,
    Index,
    Key,
    Update,
    forward_quantities,
    parameters_of,
)
from cellgrad_series.parts.run import START, RunShape
from cellgrad_series.parts.sweep import SweepShape


def quantities_of(held: Holdings, part: str) -> Found:
    """Return every quantity of a part by its definition.

    Raises:
        CaseError: the Map does not describe it.
        KeyError: a given is missing.
    """
    kind = held.facts[part].get("kind", "step")
    return _KINDS[kind](held, part)


def _step(held: Holdings, part: str) -> Found:
    structure = structure_from(held.facts[part])
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
    shape = SweepShape.from_facts(held.facts[part])
    axes = [held.vector(part, ("axis", n)) for n in range(len(shape.counts))]
    # the doubles themselves: what is moved is copied, not computed
    fixed = held.parameters(part, shape.step)
    samples, constants = held.samples(part), held.constants(part)
    found: Found = {}
    for row, values in enumerate(product(*axes)):
        parameters = fixed.copy()
        for (name, layer, index), value in zip(shape.swept, values, strict=True):
            if name == "weights":
                parameters.weights[layer][index[0]][index[1]] = value
            elif parameters.biases is not None:
                parameters.biases[layer][index[0]] = value
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
    facts = held.facts[part]
    structure = structure_from(facts)
    parameters = _taken(held, part)
    samples = samples_of(held, part)
    network = Network(structure, held.constants(part).slope)
    sign = 1 if structure.error_sign == "output_minus_target" else -1
    passes = [network.forward(parameters, x) for x, _ in samples]
    found = forward_quantities(network, passes, [t for _, t in samples], sign)
    for name, k, index in parameters_of(structure):
        value = parameters.weights[k][index[0]][index[1]] if name == "weights" else 0
        if name == "biases" and parameters.biases is not None:
            value = parameters.biases[k][index[0]]
        found.setdefault((name, k), {})[index] = value
    for n, (x, t) in enumerate(samples):
        found.setdefault(("input", None), {}).update({(n, c): v for c, v in enumerate(x)})
        found.setdefault(("target", None), {}).update({(n, c): v for c, v in enumerate(t)})
    outputs = [passed.post[-1] for passed in passes]
    targets = [t for _, t in samples]
    if facts["kind"] == "rule":
        return found | tables.rule(outputs, targets)
    limit = held.scalar(part, "limit", 0.5)
    found |= tables.classification(outputs, targets, limit)
    errors = found["sample_error", None].values()
    found["error", None] = {(): sum(errors) / len(samples)}
    if held.has(part, "boundary_x"):
        line = held.vector(part, ("boundary_x", None))
        found["boundary_y", None] = tables.boundary(parameters, line)
    return found


def _taken(held: Holdings, part: str) -> Parameters:
    """Return a part's own parameters, or those of the run from which it takes them."""
    facts = held.facts[part]
    structure = structure_from(facts)
    for word, prefix in (("weights of", "new_"), ("start of", START)):
        run = facts.get(word, "")
        if not run:
            continue
        shape = RunShape.from_facts(held.facts[run])
        origin = held.facts[run].get("start of", "") or run
        start = held.parameters(origin, shape.step, START)
        if prefix == START:
            return start
        last = held.parameters(run, shape.step, prefix, (shape.updates - 1,))
        if not shape.step.update_biases:
            last.biases = start.biases
        return last
    return held.parameters(part, structure)


def _comparison(held: Holdings, part: str) -> Found:
    found: dict[Index, object] = {}
    for n, run in enumerate(held.facts[part]["runs"].split(";")):
        errors = held.values(run.strip(), ("error", None))
        found |= {(row, n): number(value) for (row,), value in errors.items()}
    key: Key = ("error", None)
    return {key: found}


def _function(held: Holdings, part: str) -> Found:
    name = held.facts[part]["activation"]
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
