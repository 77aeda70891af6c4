"""An audit from beginning to end: ask, compare, diagnose.

Printed numbers may mix explanations: each is explained by itself, then they are grouped. A long
run is looked at in two parts. Numbers of its first updates are held against every entry; those
of later ones first against what explained an early one, then against all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cellgrad.case.model import Case
from cellgrad_audit.answer import EARLY, Answer, Slot
from cellgrad_audit.bugs import catalogue
from cellgrad_audit.bugs.catalogue import Entry, Variant
from cellgrad_audit.diagnose import (
    Finding,
    Progress,
    diagnose,
    diagnosis_of,
    quietly,
    reference_for,
    remarks,
)
from cellgrad_audit.hypothesis import Hypothesis, Mask, Reference
from cellgrad_audit.probes import declare, not_exercised
from cellgrad_audit.result import (
    AGREES,
    ALTERNATIVE_FORMULA,
    BIT_IDENTICAL,
    CONVENTION,
    DIFFERS,
    FAILED,
    INCONCLUSIVE,
    KNOWN_BUG,
    RIGHT,
    UNKNOWN_DIFFERENCE,
    UNSUPPORTED,
    WITHIN_BOUND,
    Audit,
    Cell,
    Diagnosis,
    Group,
    Probed,
    cells_of,
)
from cellgrad_audit.targets import Target


def audit(
    target: Target,
    cases: Sequence[Case],
    *,
    declared: Sequence[str] = (),
    tolerance: float | None = None,
    progress: Progress = quietly,
) -> Audit:
    """Ask a target every case and say what explains its answers.

    Args:
        target: what is audited.
        cases: what it is asked; the shipped probes, or cases of the user's own.
        declared: ids of conventions that it is known to follow, beside the target's own.
        tolerance: how far its numbers may lie from the right ones beyond their bounds.
        progress: told how it goes.

    Raises:
        InputError: a declared convention is none.
    """
    ids = tuple(dict.fromkeys((*target.declared, *declared)))
    result = Audit(target.name, INCONCLUSIVE, declared=ids, tolerance=tolerance)
    stated = [declare(case, ids) for case in cases]
    beyond = stated[0][1] if stated else []
    for count, (case, _) in enumerate(stated):
        progress(f"asking {case.id}", count, len(stated))
        answer = target.answer(case)
        status = FAILED if answer.failure else UNSUPPORTED if answer.unsupported else DIFFERS
        result.probes.append(Probed(answer.case, answer, status))
    used = [probed for probed in result.probes if probed.status == DIFFERS]
    result.not_exercised = not_exercised([c for c, _ in stated], [p.case for p in used])
    if not used:
        return result
    answers = [probed.answer for probed in used]
    single = target.single_precision
    finding = diagnose(answers, beyond, tolerance or 0.0, progress, single=single)
    for n, probed in enumerate(used):
        probed.cells = cells_of(probed.answer, finding.reference, n, finding.precision)
        agrees = finding.reference.explains(n, finding.precision)
        probed.status = AGREES if agrees else DIFFERS
        probed.identical = agrees and _identical(probed.answer, finding.reference, n)
    result.precision, result.diagnoses = finding.precision, finding.diagnoses
    if not finding.right and not finding.diagnoses:
        _by_final_numbers(result, answers, beyond, progress)
    result.verdict = _verdict(used, finding, result.diagnoses)
    if result.verdict not in (BIT_IDENTICAL, WITHIN_BOUND):
        wrong = (cell for probed in used for cell in probed.cells if not cell.agrees)
        result.first_divergence = next(wrong, None)
    result.unseen = _unseen(answers, finding.reference)
    if result.verdict == UNKNOWN_DIFFERENCE:
        if len(answers) == 1 or any(answer.is_printed for answer in answers):
            _explain_apart(result, used, beyond, progress)
        if result.verdict == UNKNOWN_DIFFERENCE:
            result.notes += remarks(answers, finding.reference, finding.precision)
    return result


def add_report(result: Audit, target: Target) -> None:
    """Say of a workbook what no answer shows: addresses, typed numbers, what is refuted."""
    report_on = getattr(target, "report", None)
    if report_on is None:
        return
    report = report_on([probed.answer for probed in result.probes])
    result.notes += report.lines()
    if result.verdict in RIGHT and not report.agrees:
        result.verdict = UNKNOWN_DIFFERENCE


def _identical(answer: Answer, reference: Hypothesis, n: int) -> bool:
    values = reference.computed(n) if isinstance(reference, Reference) else reference.values(n)
    return all(
        bool(np.all(np.isnan(x.values) | (x.values == values[slot])))
        and not np.any(x.half_units > 0)
        for slot, x in answer.numbers.items()
        if slot in values  # of what the case lacks there are only nulls
    )


def _verdict(used: Sequence[Probed], finding: Finding, diagnoses: Sequence[Diagnosis]) -> str:
    if finding.right:
        return BIT_IDENTICAL if all(p.identical for p in used) else WITHIN_BOUND
    if not diagnoses:
        return UNKNOWN_DIFFERENCE
    kinds_of_entries = {entry.kind for entry in diagnoses[0].entries}
    if kinds_of_entries == {catalogue.ALTERNATIVE}:
        return ALTERNATIVE_FORMULA
    return CONVENTION if kinds_of_entries == {catalogue.CONVENTION} else KNOWN_BUG


def _by_final_numbers(
    result: Audit, answers: Sequence[Answer], beyond: Sequence[Variant], progress: Progress
) -> None:
    """Where a trace contradicts every entry, let the final weights and biases speak alone.

    A trace may be written down otherwise than it was calculated with: offering one must not
    make the answer poorer.
    """
    finals = [
        Answer(a.case, {s: x for s, x in a.numbers.items() if s.step == 0 and s.is_parameter})
        for a in answers
    ]
    if not all(f.numbers for f in finals) or all(
        len(f.numbers) == len(a.numbers) for f, a in zip(finals, answers, strict=True)
    ):
        return
    finding = diagnose(finals, beyond, result.tolerance or 0.0, progress)
    if finding.right:
        result.notes.append("the final weights are right; numbers of the trace are not")
    elif finding.diagnoses:
        result.diagnoses = finding.diagnoses
        names = " + ".join(entry.id for entry in finding.diagnoses[0].entries)
        result.notes.append(
            f"the final weights are those of {names} to the last digit; not every number of the "
            "trace is"
        )


def _unseen(answers: Sequence[Answer], reference: Hypothesis) -> list[str]:
    """Return the entries none of which variants would have changed any number.

    Of a long run its beginning decides: what shows later shows there, or is not looked for.
    """
    if any(len(answer.parts()) > 1 for answer in answers):
        answers = [answer.parts()[0] for answer in answers]
        reference = Hypothesis(reference.program, answers)

    def shows(entry: Entry) -> bool:
        hypotheses = (Hypothesis(v.program, answers) for v in entry.variants)
        return any(h.differs(n, reference) for h in hypotheses for n in range(len(answers)))

    looked_for = [
        e for e in catalogue.entries() if e.kind in (catalogue.MISTAKE, catalogue.CONVENTION)
    ]
    return [entry.id for entry in looked_for if not shows(entry)]


def _explain_apart(
    result: Audit, used: Sequence[Probed], beyond: Sequence[Variant], progress: Progress
) -> None:
    """Explain the numbers of each answer one by one, where nothing explains them together."""
    groups = []
    for probed in used:
        reference = reference_for([probed.answer], beyond, result.tolerance or 0.0)
        groups += group_by_explanation(probed.answer, reference, result.precision, progress)
    if not any(group.diagnosis for group in groups):
        return
    result.groups = groups
    result.diagnoses = [group.diagnosis for group in groups if group.diagnosis is not None]
    if all(group.right or group.diagnosis for group in groups):
        result.verdict = KNOWN_BUG


# printed numbers


LEAST_DIGITS = 5.0
"""Digits that the numbers of a group must show together: fewer could agree by chance."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A variant, and the numbers that follow from it and not from the right program."""

    variant: Variant
    hypothesis: Hypothesis
    mask: Mask


def group_by_explanation(
    answer: Answer, reference: Hypothesis, precision: str, progress: Progress = quietly
) -> list[Group]:
    """Return the numbers of one answer, grouped by what they follow from.

    Args:
        answer: printed numbers of one case.
        reference: the right program, held against this answer alone.
        precision: that the numbers were computed in.
        progress: told how many of how many entries were tried.
    """
    cells = cells_of(answer, reference, 0, precision)
    open_cells = {(cell.slot, cell.index): cell for cell in cells if not cell.agrees}
    groups = [Group(None, right=True, cells=tuple(c for c in cells if c.agrees))]
    chosen: list[Variant] = []
    for part in answer.parts():
        for explanation in _explanations(part, reference, precision, chosen, open_cells, progress):
            taken = tuple(
                cell for place, cell in open_cells.items() if _holds(explanation.mask, place)
            )
            for cell in taken:
                del open_cells[cell.slot, cell.index]
            if explanation.variant not in chosen:
                chosen.append(explanation.variant)
            diagnosis = diagnosis_of(
                (explanation.variant,),
                explanation.hypothesis,
                reference,
                [answer],
                len(taken),
                len(cells),
            )
            groups.append(Group(diagnosis, right=False, cells=taken))
    if open_cells:
        groups.append(Group(None, right=False, cells=tuple(open_cells.values())))
    return _merged([group for group in groups if group.cells])


def _explanations(
    part: Answer,
    reference: Hypothesis,
    precision: str,
    chosen: Sequence[Variant],
    open_cells: dict[tuple[Slot, tuple[int, ...]], Cell],
    progress: Progress,
) -> Iterator[Explanation]:
    """Yield variants that explain numbers still open, the one that explains most first."""
    places = [place for place in open_cells if place[0] in part.numbers]
    if not places:
        return
    slots = {slot for slot, _ in places}
    asked = Answer(part.case, {s: x for s, x in part.numbers.items() if s in slots})
    late = any(slot.step == 0 or slot.step > EARLY for slot in asked.numbers) and (
        asked.case.updates() > EARLY
    )
    order = _likely_first(chosen) if late else list(_candidates())
    kept: list[Explanation] = []
    for count, variant in enumerate(order):
        progress("explaining each number", count, len(order))
        hypothesis = Hypothesis(variant.program, [asked], reference.tolerance)
        explanation = Explanation(variant, hypothesis, hypothesis.matches(0, precision))
        hits = [p for p in places if p in open_cells and _holds(explanation.mask, p)]
        if _digits_shown(hits, open_cells, asked) < LEAST_DIGITS:
            continue
        if late:  # a run of thousands of updates for each: what explains some is taken at once
            yield explanation
            if not any(p in open_cells for p in places):
                return
        else:
            kept.append(explanation)
    yield from _greedy(kept, places, open_cells, asked, part, precision)


def _greedy(
    explanations: list[Explanation],
    places: list[tuple[Slot, tuple[int, ...]]],
    open_cells: dict[tuple[Slot, tuple[int, ...]], Cell],
    asked: Answer,
    part: Answer,
    precision: str,
) -> Iterator[Explanation]:
    """Yield the explanation of most numbers, then that of most of the rest, and so on."""
    others: dict[Variant, int] = {}

    def agreeing(explanation: Explanation) -> int:
        """Return how many numbers of the part follow, those of the right program included."""
        if explanation.variant not in others:
            whole = Hypothesis(
                explanation.variant.program, [part], explanation.hypothesis.tolerance
            )
            others[explanation.variant] = sum(
                int(mask.sum()) for mask in whole.matches(0, precision).values()
            )
        return others[explanation.variant]

    def preferred(explanation: Explanation) -> tuple[bool, int]:
        """Return what comes first among equals: mistakes before roundings, then who agrees more."""
        rounding = catalogue.by_id()[explanation.variant.entry].kind == catalogue.PRECISION
        return (not rounding, agreeing(explanation))

    while explanations:
        still = [p for p in places if p in open_cells]
        scored = [(sum(_holds(e.mask, p) for p in still), n) for n, e in enumerate(explanations)]
        most = max(count for count, _ in scored)
        if not most:
            return
        best = max((explanations[n] for count, n in scored if count == most), key=preferred)
        hits = [p for p in still if _holds(best.mask, p)]
        explanations.remove(best)
        if _digits_shown(hits, open_cells, asked) >= LEAST_DIGITS:
            yield best


def _candidates() -> Iterator[Variant]:
    return (
        v for v in catalogue.variants() if catalogue.by_id()[v.entry].kind != catalogue.ALTERNATIVE
    )


def _likely_first(chosen: Sequence[Variant]) -> list[Variant]:
    """Return every candidate, those that explained an early number first, then other counts."""
    counted = [v for v in _candidates() if v.entry == "step-count-off-by-one"]
    first = [*chosen, *(v for v in counted if v not in chosen)]
    return [*first, *(v for v in _candidates() if v not in first)]


def _holds(mask: Mask, place: tuple[Slot, tuple[int, ...]]) -> bool:
    slot, index = place
    return slot in mask and bool(mask[slot][index])


def _digits_shown(
    places: Sequence[tuple[Slot, tuple[int, ...]]],
    cells: dict[tuple[Slot, tuple[int, ...]], Cell],
    answer: Answer,
) -> float:
    """Return how many digits these numbers show together, as far as they differ from the right."""
    shown = 0.0
    for slot, index in places:
        cell = cells[slot, index]
        half = float(answer.numbers[slot].half_units[index])
        size = max(abs(cell.found), abs(cell.right))
        shown += 15.0 if not half else max(math.log10(max(size / (2 * half), 1.0)), 0.3)
    return shown


def _merged(groups: list[Group]) -> list[Group]:
    """Return one group for each entry, whatever part its numbers come from."""
    merged: dict[tuple[bool, str], Group] = {}
    for group in groups:
        before = merged.setdefault((group.right, _entry_of(group)), group)
        if before is not group:
            cells = (*before.cells, *group.cells)
            diagnosis = before.diagnosis and replace(before.diagnosis, explained=len(cells))
            merged[group.right, _entry_of(group)] = Group(diagnosis, group.right, cells)
    return list(merged.values())


def _entry_of(group: Group) -> str:
    return "" if group.diagnosis is None else group.diagnosis.entries[0].id
