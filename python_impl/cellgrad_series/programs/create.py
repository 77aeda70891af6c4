"""From the words of the Map to what the parts of the series should compute."""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad.case import facts as words
from cellgrad.case.quantities import Key
from cellgrad.errors import CaseError
from cellgrad.verify.programs.program import Program
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.parts.comparison import ComparisonShape
from cellgrad_series.parts.function import FunctionShape
from cellgrad_series.parts.run import RunShape
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.parts.table import TableShape
from cellgrad_series.programs.classification import ClassificationProgram, Source
from cellgrad_series.programs.comparison import ComparisonProgram
from cellgrad_series.programs.function import FunctionProgram
from cellgrad_series.programs.run import RunProgram
from cellgrad_series.programs.sweep import SweepProgram
from cellgrad_series.programs.table import TableProgram

Programs = dict[str, Program]


def sweep(name: str, facts: Mapping[str, str], _: Programs) -> SweepProgram:
    """Return what a sweep should compute; CaseError as ``create_program``."""
    return SweepProgram(name, SweepShape.from_facts(facts))


def function(name: str, facts: Mapping[str, str], _: Programs) -> FunctionProgram:
    """Return what a table of a function should compute; CaseError as ``create_program``."""
    return FunctionProgram(name, FunctionShape.from_facts(facts))


def table(name: str, facts: Mapping[str, str], _: Programs) -> TableProgram:
    """Return what a table of numbers should compute; CaseError as ``create_program``."""
    return TableProgram(name, TableShape.from_facts(facts))


def comparison(name: str, facts: Mapping[str, str], earlier: Programs) -> ComparisonProgram:
    """Return what a comparison of runs should compute; CaseError as ``create_program``."""
    shape = ComparisonShape.from_facts(facts)
    for run, updates in zip(shape.runs, shape.updates, strict=True):
        if _earlier_run(run, earlier).shape.updates != updates:
            raise CaseError(f"the run {run!r} does not make {updates} updates")
    return ComparisonProgram(name, shape)


def _earlier_run(name: str, earlier: Programs) -> RunProgram:
    program = earlier.get(name)
    if not isinstance(program, RunProgram):
        raise CaseError(f"{name!r} is no run that stands above")
    return program


def run(name: str, facts: Mapping[str, str], earlier: Programs) -> RunProgram:
    """Return what a run should compute; CaseError as ``create_program``."""
    shape = RunShape.from_facts(facts)
    start = facts.get("start of", "")
    if start:
        other = _earlier_run(start, earlier).shape.step
        if (other.nodes, other.biases) != (shape.step.nodes, shape.step.biases):
            raise CaseError(f"{start!r} is another network")
    data = facts.get("data of", "")
    own = shape.quantities()[:2]
    wanted = tuple(quantity.shape for quantity in own)
    return RunProgram(name, shape, start, _samples(data, earlier, wanted) if data else None)


def _samples(
    name: str, earlier: Programs, wanted: tuple[tuple[int, ...], ...]
) -> tuple[str, Key, Key]:
    """Return the part that holds samples, and their names there."""
    program = earlier.get(name)
    if isinstance(program, RunProgram) and program.data:
        name = program.data[0]
        program = earlier.get(name)
    keys: tuple[Key, Key] = (("sample_input", None), ("sample_target", None))
    if isinstance(program, ClassificationProgram | SweepProgram):
        keys = (("input", None), ("target", None))
    elif not isinstance(program, RunProgram):
        raise CaseError(f"{name!r} is no part with samples that stands above")
    if tuple(program.known[key].shape for key in keys) != wanted:
        raise CaseError(f"the samples of {name!r} do not fit")
    return name, *keys


def classification(name: str, facts: Mapping[str, str], earlier: Programs) -> ClassificationProgram:
    """Return what a classification, or a rule should compute; CaseError as ``create_program``."""
    rule = words.word(facts, "kind") == "rule"
    shape = RuleShape.from_facts(facts) if rule else ClassificationShape.from_facts(facts)
    s = shape.network
    sources: list[Source] = []
    for word, prefix, row in (("weights of", "new_", -1), ("start of", "start_", None)):
        part = facts.get(word, "")
        if not part:
            continue
        run = _earlier_run(part, earlier)
        if (run.shape.step.nodes, run.shape.step.biases) != (s.nodes, s.biases):
            raise CaseError(f"{part!r} is another network")
        names: dict[Key, Key] = {("weights", k): (f"{prefix}weights", k) for k in range(s.layers)}
        sources.append((part, names, row))
        if s.biases:
            moving = prefix == "start_" or run.shape.step.update_biases
            there = f"{prefix}biases" if moving else "start_biases"
            biases: dict[Key, Key] = {("biases", k): (there, k) for k in range(s.layers)}
            sources.append((part, biases, row if moving else None))
    data = facts.get("data of", "")
    if data:
        wanted = ((shape.samples, s.nodes[0]), (shape.samples, s.outputs))
        part, inputs, targets = _samples(data, earlier, wanted)
        sources.append((part, {("input", None): inputs, ("target", None): targets}, None))
    return ClassificationProgram(name, shape, sources)
