"""An audit from beginning to end: ask, compare, diagnose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellgrad.case.model import Case
from cellgrad_audit.answer import Answer
from cellgrad_audit.bugs import catalogue
from cellgrad_audit.bugs.catalogue import Entry, Variant
from cellgrad_audit.diagnose import Finding, Progress, diagnose, quietly, reference_for, remarks
from cellgrad_audit.hypothesis import Hypothesis, Reference
from cellgrad_audit.printed import group_by_explanation
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
    Diagnosis,
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
    single = getattr(target, "single_precision", True)
    finding = diagnose(answers, beyond, tolerance or 0.0, progress, single=single)
    _judge_probes(used, finding)
    result.precision, result.diagnoses = finding.precision, finding.diagnoses
    if not finding.right and not finding.diagnoses:
        _by_final_numbers(result, answers, beyond, progress)
    result.verdict = _verdict(used, finding, result.diagnoses)
    _first_divergence(result, used)
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


def _judge_probes(used: Sequence[Probed], finding: Finding) -> None:
    for n, probed in enumerate(used):
        probed.cells = cells_of(probed.answer, finding.reference, n, finding.precision)
        agrees = finding.reference.explains(n, finding.precision)
        probed.status = AGREES if agrees else DIFFERS
        probed.identical = agrees and _identical(probed.answer, finding.reference, n)


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


def _first_divergence(result: Audit, used: Sequence[Probed]) -> None:
    if result.verdict not in (BIT_IDENTICAL, WITHIN_BOUND):
        wrong = (cell for probed in used for cell in probed.cells if not cell.agrees)
        result.first_divergence = next(wrong, None)


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
