"""Which mistake, or which two, reproduce the numbers of an implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cellgrad_audit.answer import Answer
from cellgrad_audit.bugs import pairs
from cellgrad_audit.bugs.catalogue import by_id, variants
from cellgrad_audit.bugs.entry import ALTERNATIVE, CONVENTION, MISTAKE, PRECISION, Variant
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.hypothesis import PRECISIONS, Hypothesis
from cellgrad_audit.prediction import SPAN
from cellgrad_audit.probes import probes
from cellgrad_audit.reference import Reference
from cellgrad_audit.result import Diagnosis
from cellgrad_audit.telling import first_difference, told_by

_RANK = {CONVENTION: 0, MISTAKE: 1, PRECISION: 2, ALTERNATIVE: 3}
_NINE_DIGITS = 5e-9

_PAIR_NEAR = 2e-5
"""How near a projection must be for a pair to be tried: single precision stays inside."""

Progress = Callable[[str, int, int], None]
"""Called with what is tried, how many were tried, and how many there are."""


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
    progress: Progress | None = None,
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
            found = []
            for count, (variant, hypothesis) in enumerate(candidates.items()):
                if progress is not None:
                    progress("trying each entry", count, len(candidates))
                if hypothesis.explains_all(precision):
                    found.append(((variant,), hypothesis))
            if found:
                told = _ranked(found, reference, answers)
                return Finding(precision, right=False, reference=reference, diagnoses=told)
    for precision, found_pairs in _pairs(answers, beyond, tolerance, precisions, progress):
        told = _ranked(found_pairs, reference, answers)
        return Finding(precision, right=False, reference=reference, diagnoses=told)
    return Finding(_likely_precision(answers), right=False, reference=reference)


def _with(chosen: Iterable[Variant], beyond: Sequence[Variant]) -> type[Program]:
    programs = tuple(v.program for v in (*chosen, *beyond))
    if len(programs) == 1:
        return programs[0]
    return type("".join(p.__name__ for p in programs), programs, {})


def _ranked(
    found: Sequence[tuple[tuple[Variant, ...], Hypothesis]],
    reference: Hypothesis,
    answers: Sequence[Answer],
) -> list[Diagnosis]:
    """Return one diagnosis for each set of entries, conventions first, with its ties."""
    by_entries: dict[tuple[str, ...], tuple[tuple[Variant, ...], Hypothesis]] = {}
    for chosen, hypothesis in found:
        by_entries.setdefault(tuple(sorted(v.entry for v in chosen)), (chosen, hypothesis))
    names = [_name(chosen) for chosen, _ in by_entries.values()]
    asked = sum(int(np.isfinite(x.values).sum()) for a in answers for x in a.numbers.values())
    told = []
    for chosen, hypothesis in by_entries.values():
        others = [h.program for _, h in by_entries.values() if h is not hypothesis]
        told.append(
            Diagnosis(
                variants=chosen,
                entries=tuple(by_id()[v.entry] for v in chosen),
                program=hypothesis.program,
                explained=asked,
                asked=asked,
                where=first_difference(hypothesis.program, reference.program, answers)
                or by_id()[chosen[0].entry].first,
                ties=tuple(name for name in names if name != _name(chosen)),
                told_by=told_by(hypothesis.program, others, answers, probes()),
            )
        )
    return sorted(told, key=lambda d: max(_RANK[entry.kind] for entry in d.entries))


def _name(chosen: tuple[Variant, ...]) -> str:
    return " + ".join(v.entry for v in chosen)


def _possible_precisions(answers: Sequence[Answer]) -> Sequence[str]:
    """Return the precisions that are tried.

    Single precision is not tried on printed numbers: its bound is wider than the digits that
    they show, and many a mistake would pass. Nor on long runs (whose bounds are wide) unless
    the numbers look like single precision.
    """
    printed = any(np.any(x.half_units > 0) for a in answers for x in a.numbers.values())
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


def _pairs(
    answers: Sequence[Answer],
    beyond: Sequence[Variant],
    tolerance: float,
    precisions: Sequence[str],
    progress: Progress | None,
) -> Iterator[tuple[str, list[tuple[tuple[Variant, ...], Hypothesis]]]]:
    """Yield at most once: a precision, and the pairs that explain everything in it."""
    candidates = list(_candidates(answers, beyond, tolerance, progress))
    for precision in precisions:
        found: list[tuple[tuple[Variant, ...], Hypothesis]] = [
            (chosen, hypothesis)
            for chosen, hypothesis in candidates
            if hypothesis.explains_all(precision)
        ]
        if found:
            yield precision, found
            return


MOST_UPDATES = 40
"""Pairs are tried one by one on cases of up to so many updates in all."""


def _candidates(
    answers: Sequence[Answer],
    beyond: Sequence[Variant],
    tolerance: float,
    progress: Progress | None,
) -> Iterator[tuple[tuple[Variant, ...], Hypothesis]]:
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
    printed = any(np.any(x.half_units > 0) for a in answers for x in a.numbers.values())
    if printed or sum(a.case.updates() for a in answers) > MOST_UPDATES:
        return
    everything, shortest = (
        pairs.paired(),
        min(range(len(answers)), key=lambda n: answers[n].case.updates()),
    )
    first = {v for v in everything if v == by_id()[v.entry].variants[0]}
    orders = [(i, j) for i, j in pairs.pairs() if everything[i] in first and everything[j] in first]
    for count, (i, j) in enumerate(orders):
        if progress is not None:
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
    layers = range(len(answer.case.network.weights))
    slots = [(0, "weights", k) for k in layers]
    if answer.case.network.biases is not None:
        slots += [(0, "biases", k) for k in layers]
    if any(slot not in answer.numbers for slot in slots):
        return None
    parts = [answer.numbers[slot] for slot in slots]  # type: ignore[index]
    flat = np.concatenate([part.values.ravel() for part in parts])
    if not np.all(np.isfinite(flat)):
        return None
    return float(flat @ pairs.direction(len(flat)))
