"""From the words of the Map to parts."""

from __future__ import annotations

import math

from cellgrad.case import facts as words
from cellgrad.case.facts import Facts
from cellgrad.case.quantities import quantities
from cellgrad.errors import CaseError
from cellgrad_proof.proof.atlas import Atlas
from cellgrad_proof.proof.parts.classification import ClassificationPart, Source
from cellgrad_proof.proof.parts.part import Part
from cellgrad_proof.proof.parts.run import RunPart, Samples
from cellgrad_proof.proof.parts.step import StepPart
from cellgrad_proof.proof.parts.sweep import SweepPart
from cellgrad_proof.proof.parts.tables import (
    ComparisonPart,
    RowsPart,
    function_claims,
    table_claims,
)
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.parts.comparison import ComparisonShape
from cellgrad_series.parts.function import FunctionShape
from cellgrad_series.parts.run import START, RunShape
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.parts.table import TableShape

_MOST_NODES = 20_000
_RAGGED = 3
"""Where the last batch is smaller, so many times fewer cells than numbers at most."""

_SPARE = 1_000


def create_part(name: str, atlas: Atlas, earlier: dict[str, Part]) -> Part:
    """Return a part of a workbook.

    Args:
        name: the part.
        atlas: the workbook.
        earlier: the parts that stand above it.

    Raises:
        CaseError: a word is missing or unknown, or the parts do not go together.
        ValueError: the same.
    """
    facts = atlas.parts[name]
    kind = words.word(facts, "kind")
    if "nodes" in facts:
        _refuse_giants(facts)
    if kind == "step":
        structure = words.structure_from(facts)
        _refuse_more_than_claimed(
            name, atlas, sum(math.prod(q.shape) for q in quantities(structure))
        )
        return StepPart(name, atlas, facts, structure)
    part = _shaped(name, atlas, earlier, kind)
    if part is None:
        raise CaseError(f"{kind!r} is no kind of part")
    return part


def _shaped(name: str, atlas: Atlas, earlier: dict[str, Part], kind: str) -> Part | None:
    facts = atlas.parts[name]
    shapes = {
        "run": RunShape,
        "sweep": SweepShape,
        "validation": ClassificationShape,
        "rule": RuleShape,
        "function": FunctionShape,
        "table": TableShape,
        "comparison": ComparisonShape,
    }
    if kind not in shapes:
        return None
    shape = shapes[kind].from_facts(facts)  # type: ignore[attr-defined]
    _refuse_more_than_claimed(name, atlas, sum(math.prod(q.shape) for q in shape.quantities()))
    if isinstance(shape, RunShape):
        return _run(name, atlas, earlier, shape)
    if isinstance(shape, ClassificationShape | RuleShape):
        return ClassificationPart(name, atlas, facts, shape, _sources(name, atlas, earlier))
    if isinstance(shape, SweepShape):
        return SweepPart(name, atlas, facts, shape)
    if isinstance(shape, ComparisonShape):
        return ComparisonPart(name, atlas, facts, shape)
    claims = function_claims(shape) if kind == "function" else table_claims(shape)
    return RowsPart(name, atlas, facts, shape, shape.rows, claims)


def _refuse_giants(facts: Facts) -> None:
    s = words.structure_from(facts)
    if sum(s.nodes) + s.samples > _MOST_NODES:
        raise CaseError("the network is larger than any sheet")


def _refuse_more_than_claimed(name: str, atlas: Atlas, numbers: int) -> None:
    """Every number needs a cell; a Map that describes far more is not gone through."""
    if numbers > _RAGGED * len(atlas.places) + _SPARE:
        raise CaseError(f"the part {name!r} holds more numbers than the Map claims cells")


def _earlier_run(name: str, earlier: dict[str, Part]) -> RunPart:
    part = earlier.get(name)
    if not isinstance(part, RunPart):
        raise CaseError(f"{name!r} is no run that stands above")
    return part


def _run(name: str, atlas: Atlas, earlier: dict[str, Part], shape: RunShape) -> RunPart:
    facts = atlas.parts[name]
    start, data = facts.get("start of", ""), facts.get("data of", "")
    if start:
        _earlier_run(start, earlier)
    samples = _samples(data, earlier) if data else (name, "sample_input", "sample_target")
    return RunPart(name, atlas, facts, shape, start, samples)


def _samples(name: str, earlier: dict[str, Part]) -> Samples:
    """Return the part that holds samples, and their names there."""
    part = earlier.get(name)
    if isinstance(part, RunPart):
        return part.samples
    if isinstance(part, ClassificationPart | SweepPart):
        return name, "input", "target"
    raise CaseError(f"{name!r} is no part with samples that stands above")


def _sources(name: str, atlas: Atlas, earlier: dict[str, Part]) -> dict[str, Source]:
    facts = atlas.parts[name]
    found: dict[str, Source] = {}
    for word, prefix in (("weights of", "new_"), ("start of", START)):
        part = facts.get(word, "")
        if part:
            run = _earlier_run(part, earlier)
            last = run.shape.updates - 1
            moves = run.shape.step.update_biases or prefix == START
            row = last if prefix == "new_" else None
            found["weights"] = (part, f"{prefix}weights", row)
            found["biases"] = (part, f"{prefix if moves else START}biases", row if moves else None)
    data = facts.get("data of", "")
    if data:
        holder, inputs, targets = _samples(data, earlier)
        found["input"], found["target"] = (holder, inputs, None), (holder, targets, None)
    return found
