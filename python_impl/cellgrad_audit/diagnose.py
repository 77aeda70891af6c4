"""Which mistake, or which two, reproduce the numbers of an implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cellgrad.case.model import Case
from cellgrad.case.quantities import table
from cellgrad_audit.answer import PARAMETERS, Answer, Slot, Vector
from cellgrad_audit.bugs import pairs
from cellgrad_audit.bugs.catalogue import (
    ALTERNATIVE,
    CONVENTION,
    MISTAKE,
    PRECISION,
    Variant,
    by_id,
    variants,
)
from cellgrad_audit.bugs.pairs import predicted
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.hypothesis import PRECISIONS, SPAN, Hypothesis, Reference
from cellgrad_audit.probes import probes
from cellgrad_audit.result import Diagnosis

_RANK = {CONVENTION: 0, MISTAKE: 1, PRECISION: 2, ALTERNATIVE: 3}
_NINE_DIGITS = 5e-9

_PAIR_NEAR = 2e-5
"""How near a projection must be for a pair to be tried: single precision stays inside."""

Progress = Callable[[str, int, int], None]
"""Called with what is tried, how many were tried, and how many there are."""

Chosen = tuple[tuple[Variant, ...], Hypothesis]
"""One or two mistakes, and what they predict together."""


def quietly(_what: str, _done: int, _total: int) -> None:
    """Tell nobody how it goes."""


@dataclass(slots=True)
class Finding:
    """What explains a set of answers.

    Attributes:
        precision: the precision in which it does.
        right: the right program explains everything.
        diagnoses: else what does, best first; empty where nothing does.
        reference: the right program held against the answers.
    """

    precision: str
    right: bool
    reference: Hypothesis
    diagnoses: list[Diagnosis] = field(default_factory=list)


def reference_for(
    answers: Sequence[Answer], beyond: Sequence[Variant], tolerance: float
) -> Hypothesis:
    """Return the right program for these answers.

    Args:
        answers: what is held against it.
        beyond: declared conventions that a case cannot state.
        tolerance: the user's own.
    """
    if not beyond:
        return Reference(Program, answers, tolerance)
    return Hypothesis(_with((), beyond), answers, tolerance)


def diagnose(
    answers: Sequence[Answer],
    beyond: Sequence[Variant] = (),
    tolerance: float = 0.0,
    progress: Progress = quietly,
    *,
    single: bool = True,
) -> Finding:
    """Find what explains every number of every answer.

    The right program is tried first, then other formulas for the same mathematics, single
    entries and pairs, each in double and then in single precision.

    Args:
        answers: usable answers, at least one.
        beyond: declared conventions that a case cannot state.
        tolerance: how far numbers may lie from a prediction beyond their bounds.
        progress: told how the search for pairs goes.
        single: whether the target may compute in single precision at all.
    """
    reference = reference_for(answers, beyond, tolerance)
    held = {
        v: Hypothesis(_with((v,), beyond), answers, tolerance)
        for v in variants()
        if v not in beyond
    }
    alternatives = {v: h for v, h in held.items() if by_id()[v.entry].kind == ALTERNATIVE}
    others = {v: h for v, h in held.items() if v not in alternatives}
    precisions = _possible_precisions(answers) if single else PRECISIONS[:1]
    for precision in precisions:
        if reference.explains_all(precision):
            return Finding(precision, right=True, reference=reference)
        for candidates in (alternatives, others):
            explaining: list[Chosen] = []
            for count, (variant, hypothesis) in enumerate(candidates.items()):
                progress("trying each entry", count, len(candidates))
                if hypothesis.explains_all(precision):
                    explaining.append(((variant,), hypothesis))
            if explaining:
                diagnoses = _ranked(explaining, reference, answers)
                return Finding(precision, right=False, reference=reference, diagnoses=diagnoses)
    likely_pairs = list(_candidates(answers, beyond, tolerance, progress))
    for precision in precisions:
        if explaining := [pair for pair in likely_pairs if pair[1].explains_all(precision)]:
            diagnoses = _ranked(explaining, reference, answers)
            return Finding(precision, right=False, reference=reference, diagnoses=diagnoses)
    return Finding(_likely_precision(answers), right=False, reference=reference)


def _with(chosen: Iterable[Variant], beyond: Sequence[Variant]) -> type[Program]:
    programs = tuple(v.program for v in (*chosen, *beyond))
    if len(programs) == 1:
        return programs[0]
    return type("".join(p.__name__ for p in programs), programs, {})


def diagnosis_of(
    chosen: tuple[Variant, ...],
    hypothesis: Hypothesis,
    reference: Hypothesis,
    answers: Sequence[Answer],
    explained: int,
    asked: int,
) -> Diagnosis:
    """Return the diagnosis of mistakes that explain so many of the numbers asked about."""
    return Diagnosis(
        variants=chosen,
        entries=tuple(by_id()[v.entry] for v in chosen),
        program=hypothesis.program,
        explained=explained,
        asked=asked,
        where=first_difference(hypothesis.program, reference.program, answers)
        or by_id()[chosen[0].entry].first,
    )


def _ranked(
    explaining: Sequence[Chosen],
    reference: Hypothesis,
    answers: Sequence[Answer],
) -> list[Diagnosis]:
    """Return one diagnosis for each set of entries, conventions first, with its ties."""
    by_entries: dict[tuple[str, ...], Chosen] = {}
    for chosen, hypothesis in explaining:
        by_entries.setdefault(tuple(sorted(v.entry for v in chosen)), (chosen, hypothesis))
    names = [_name(chosen) for chosen, _ in by_entries.values()]
    asked = sum(int(np.isfinite(x.values).sum()) for a in answers for x in a.numbers.values())
    diagnoses = []
    for chosen, hypothesis in by_entries.values():
        others = [h.program for _, h in by_entries.values() if h is not hypothesis]
        diagnoses.append(
            replace(
                diagnosis_of(chosen, hypothesis, reference, answers, asked, asked),
                ties=tuple(name for name in names if name != _name(chosen)),
                told_by=what_tells(hypothesis.program, others, answers, probes()),
            )
        )
    return sorted(diagnoses, key=lambda d: max(_RANK[entry.kind] for entry in d.entries))


def _name(chosen: tuple[Variant, ...]) -> str:
    return " + ".join(v.entry for v in chosen)


def _possible_precisions(answers: Sequence[Answer]) -> Sequence[str]:
    """Return the precisions that are tried.

    Single precision is not tried on printed numbers: its bound is wider than the digits that
    they show, and many a mistake would pass. Nor on long runs (whose bounds are wide) unless
    the numbers look like single precision.
    """
    printed = any(answer.is_printed for answer in answers)
    long = any(a.case.updates() > SPAN for a in answers)
    if printed or (long and _likely_precision(answers) == "float64"):
        return PRECISIONS[:1]
    return PRECISIONS


def _likely_precision(answers: Sequence[Answer]) -> str:
    """Return float32 where every final number is one of its numbers, or nine digits of one."""
    values = [
        x.values[np.isfinite(x.values)].ravel()
        for a in answers
        for slot, x in a.numbers.items()
        if slot.step == 0
    ]
    if not values or not sum(map(len, values)):
        return "float64"
    flat = np.concatenate(values)
    with np.errstate(over="ignore"):
        short = flat.astype(np.float32).astype(np.float64)
    return "float32" if np.all(np.abs(flat - short) <= _NINE_DIGITS * np.abs(flat)) else "float64"


MOST_UPDATES = 40
"""Pairs are tried one by one on cases of up to so many updates in all."""


def _candidates(
    answers: Sequence[Answer],
    beyond: Sequence[Variant],
    tolerance: float,
    progress: Progress,
) -> Iterator[Chosen]:
    """Yield the pairs worth trying.

    From the index for probes as shipped; on other cases the pairs of each entry's first
    variant, one by one. Printed numbers are explained each by itself instead.
    """
    known = {case.id: case for case in probes()}
    indexed = {
        a.case.id: projection
        for a in answers
        if known.get(a.case.id) == a.case and (projection := _projection(a)) is not None
    }
    if indexed and not beyond:
        near = max(_PAIR_NEAR, 20 * tolerance)
        for chosen in pairs.shipped_index().candidates(indexed, near):
            yield chosen, Hypothesis(pairs.combined(*chosen), answers, tolerance)
        return
    printed = any(answer.is_printed for answer in answers)
    if printed or sum(a.case.updates() for a in answers) > MOST_UPDATES:
        return
    everything = pairs.paired()
    shortest = min(range(len(answers)), key=lambda n: answers[n].case.updates())
    first = {v for v in everything if v == by_id()[v.entry].variants[0]}
    orders = [(i, j) for i, j in pairs.pairs() if everything[i] in first and everything[j] in first]
    for count, (i, j) in enumerate(orders):
        progress("trying pairs of mistakes", count, len(orders))
        chosen = (everything[i], everything[j])
        hypothesis = Hypothesis(_with(chosen, beyond), answers, tolerance)
        try:
            if all(mask.all() for mask in hypothesis.near(shortest).values()):
                yield chosen, hypothesis
        except (ArithmeticError, AttributeError, LookupError, ValueError):
            continue  # one mistake takes away what the other builds on


def _projection(answer: Answer) -> float | None:
    """Return the projection of an answer's final parameters; None where they are not all given."""
    network = answer.case.network
    kinds = PARAMETERS if network.biases is not None else PARAMETERS[:1]
    slots = [Slot(0, name, k) for name in kinds for k in range(len(network.weights))]
    if any(slot not in answer.numbers for slot in slots):
        return None
    parts = [answer.numbers[slot] for slot in slots]
    flat = np.concatenate([part.values.ravel() for part in parts])
    if not np.all(np.isfinite(flat)):
        return None
    return float(flat @ pairs.direction(len(flat)))


# where two programs part

_LEAST = 1e-9
_MOST_UPDATES = 50
"""Records of longer runs are not compared; their beginnings are."""


def first_difference(
    program: type[Program], other: type[Program], answers: Sequence[Answer]
) -> str:
    """Return the first quantity that differs on one of the cases, as ``S_ERROR_H (Eq. 11)``."""
    for answer in answers:
        slot = first_parting(program, other, answer.case)
        if slot is not None:
            return name_for_people(answer.case, slot)
    return ""


def first_parting(program: type[Program], other: type[Program], case: Case) -> Slot | None:
    """Return the first slot, in the order of the flow, in which two programs differ."""
    last = min(case.updates(), _MOST_UPDATES)
    with np.errstate(all="ignore"):
        mine, theirs = (p(case, last=last).run() for p in (program, other))
    order = {key: n for n, key in enumerate(table(case.structure_of(case.batch())))}
    for number, (a, b) in enumerate(zip(mine.steps, theirs.steps, strict=False), start=1):
        keys = sorted(set(a) | set(b), key=lambda key: order.get(key, len(order)))
        for key in keys:
            # what only one of them has is another way to write it down, not another number
            if key in a and key in b and not _same(a[key], b[key]):
                return Slot(number, *key)
    for k, (w, v) in enumerate(zip(mine.weights, theirs.weights, strict=True)):
        if not _same(w, v):
            return Slot(0, "weights", k)
    return None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):
        return bool(np.all((np.abs(a - b) <= _LEAST * (1 + np.abs(b))) | (a == b)))


def name_for_people(case: Case, slot: Slot) -> str:
    """Return a slot's name for people, with its equation and, past the first, its update."""
    quantity = table(case.structure_of(case.batch())).get((slot.name, slot.layer))
    if quantity is None:
        return slot.name
    text = f"{quantity.label} ({quantity.equation})" if quantity.equation else quantity.label
    return text if slot.step <= 1 else f"{text} of update {slot.step}"


def what_tells(
    program: type[Program],
    others: Sequence[type[Program]],
    answers: Sequence[Answer],
    probes: Sequence[Case],
) -> str:
    """Return what would tell a program from others that answer alike: a trace, or a probe."""
    if not others:
        return ""
    parts = []
    for answer in answers:
        slots = [first_parting(program, other, answer.case) for other in others]
        if all(slot is not None for slot in slots):
            names = {name_for_people(answer.case, slot) for slot in slots if slot is not None}
            parts.append(f"a trace of {' and '.join(sorted(names))} on {answer.case.id}")
            break
    ran = {answer.case.id for answer in answers}
    for case in probes:
        if case.id not in ran and all(_apart(program, other, case) for other in others):
            parts.append(f"the probe {case.id}")
            break
    return ", or ".join(parts) or "nothing that a run shows: the mathematics is the same"


def _apart(program: type[Program], other: type[Program], case: Case) -> bool:
    mine, theirs = predicted(program, [case]), predicted(other, [case])
    return mine.shape != theirs.shape or not _same(mine, theirs)


# what can be said of numbers that no entry explains

_CLOSE = 1e-6
_SEVERAL = 3
"""A pattern of fewer numbers says nothing."""


def remarks(answers: Sequence[Answer], reference: Hypothesis, precision: str) -> list[str]:
    """Return lines on the pattern of the updates, and on entries that explain some probes."""
    return [*_patterns(answers, reference), *_partly(answers, reference, precision)]


def _patterns(answers: Sequence[Answer], reference: Hypothesis) -> list[str]:
    """Say of each layer whether it never moves, or by which factor its updates are off."""
    lines = []
    for n, answer in enumerate(answers):
        for slot, numbers in answer.numbers.items():
            if slot.step or not slot.is_parameter:
                continue
            text = _pattern(answer, slot, numbers.values, reference.values(n).get(slot))
            if text:
                name = table(answer.case.structure_of(answer.case.batch()))[slot[1:]].label
                lines.append(f"{answer.case.id}: {name} {text}")
    return lines


def _pattern(answer: Answer, slot: Slot, found: Vector, right: Vector | None) -> str:
    network = answer.case.network
    given = network.weights if slot.name == "weights" else network.biases
    if right is None or given is None or slot.layer is None or np.isnan(found).any():
        return ""
    start = np.array(given[slot.layer])
    theirs, ours = found - start, right - start
    if np.array_equal(found, right) or not np.abs(ours).max():
        return ""
    if not np.abs(theirs).max():
        return "never move"
    if theirs.size < _SEVERAL:
        return ""  # one number is always a multiple of another
    ratio = float((theirs.ravel() @ ours.ravel()) / (ours.ravel() @ ours.ravel()))
    if (
        abs(ratio - 1) > _CLOSE
        and np.abs(theirs - ratio * ours).max() <= _CLOSE * np.abs(ours).max()
    ):
        return f"move {ratio:.6g} times as far as they should, all alike"
    return ""


def _partly(answers: Sequence[Answer], reference: Hypothesis, precision: str) -> list[str]:
    """Name entries that explain some of the wrong probes, and say which they do not."""
    wrong = [n for n in range(len(answers)) if not reference.explains(n, precision)]
    if len(wrong) < 2:
        return []
    best: list[tuple[int, str]] = []
    for variant in variants():
        entry = by_id()[variant.entry]
        if entry.kind in (ALTERNATIVE, PRECISION):
            continue
        hypothesis = Hypothesis(variant.program, answers, reference.tolerance)
        explained = [
            n
            for n in wrong
            if hypothesis.differs(n, reference) and hypothesis.explains(n, precision)
        ]
        if explained:
            names = ", ".join(answers[n].case.id for n in explained)
            rest = ", ".join(answers[n].case.id for n in wrong if n not in explained)
            best.append((len(explained), f"{entry.id} explains {names}, but not {rest}"))
    most = max((count for count, _ in best), default=0)
    return list(dict.fromkeys(line for count, line in best if count == most))[:3]
