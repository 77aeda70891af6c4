"""From the words of the Map to what the parts should compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cellgrad.case import facts as words
from cellgrad.case.quantities import Key
from cellgrad.errors import CaseError
from cellgrad.verify.programs.program import Program
from cellgrad.verify.programs.step import StepProgram
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


def create_program(name: str, facts: Mapping[str, str], earlier: Programs) -> Program:
    """Return what a part should compute.

    Args:
        name: the part.
        facts: its words in the Map.
        earlier: the parts that stand above it.

    Raises:
        CaseError: a word is missing or unknown, or the parts do not go together.
    """
    kind = words.word(facts, "kind")
    if kind not in _KINDS:
        raise CaseError(f"{kind!r} is no kind of part")
    return _KINDS[kind](name, facts, earlier)


def _step(name: str, facts: Mapping[str, str], _: Programs) -> StepProgram:
    return StepProgram(name, words.structure_from(facts), helped=False)


def _sweep(name: str, facts: Mapping[str, str], _: Programs) -> SweepProgram:
    return SweepProgram(name, SweepShape.from_facts(facts))


def _function(name: str, facts: Mapping[str, str], _: Programs) -> FunctionProgram:
    return FunctionProgram(name, FunctionShape.from_facts(facts))


def _table(name: str, facts: Mapping[str, str], _: Programs) -> TableProgram:
    return TableProgram(name, TableShape.from_facts(facts))


def _comparison(name: str, facts: Mapping[str, str], earlier: Programs) -> ComparisonProgram:
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


def _run(name: str, facts: Mapping[str, str], earlier: Programs) -> RunProgram:
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


def _classification(
    name: str, facts: Mapping[str, str], earlier: Programs
) -> ClassificationProgram:
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


_KINDS: dict[str, Callable[[str, Mapping[str, str], Programs], Program]] = {
    "step": _step,
    "run": _run,
    "validation": _classification,
    "rule": _classification,
    "sweep": _sweep,
    "function": _function,
    "comparison": _comparison,
    "table": _table,
}
