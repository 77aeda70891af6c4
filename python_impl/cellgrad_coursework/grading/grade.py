"""Grading one workbook: a verdict on every cell, of the key, a student's givens and the file.

Pure: no files, no clock, no chance, and nothing of rosters or platforms. The same workbook gets
the same verdicts everywhere. The stages: read (``book``), find the cells again
(``relocation``), recalculate (``world``), judge each cell given its precedents (``verdict``),
choose a convention and name the mistakes (``catalogue``), charge each once and say it
(``charging``), and note what else was seen (here and in ``relocation``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from cellgrad.case.model import Case
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, a1
from cellgrad_coursework.formulas.evaluate import Formulas
from cellgrad_coursework.grading.book import StudentBook, Submission
from cellgrad_coursework.grading.catalogue import Accepted, Convention, Mistakes
from cellgrad_coursework.grading.charging import Account, message, named, reason
from cellgrad_coursework.grading.key import Givens, Key, Standard, Values, bits_of, equal
from cellgrad_coursework.grading.relocation import Template, note_changes, some_of
from cellgrad_coursework.grading.slips import pattern
from cellgrad_coursework.grading.verdict import Findings, Judge
from cellgrad_coursework.grading.world import transplanted
from cellgrad_coursework.model import (
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    REVIEW,
    WRONG,
    CellVerdict,
    Handout,
    Manifest,
    Remarks,
)

_KEPT = 64
"""So many students' key values are kept at hand."""

_FULL_PRECISION = 10
"""A typed number with so many significant digits was hardly worked out by hand."""

_FORGED = 1e-6
_MOST_REASONS = 8
_SOME = 50
"""A given that is the same in so many handouts is the same in all."""


class AssignmentKey:
    """All that grading knows of an assignment, made once for all its submissions.

    Args:
        manifest: the assignment.
        draws: its draws, where they are known.

    Raises:
        InputError: the manifest cannot be used.
    """

    def __init__(self, manifest: Manifest, draws: Sequence[Givens] = ()) -> None:
        if not draws:
            from cellgrad_coursework.grading.draws import draws_of  # noqa: PLC0415 - start-up time

            draws = draws_of(manifest)
        self.manifest, self._drawn = manifest, draws
        self.formulas = Formulas()
        self.key = Key(manifest, self.formulas)
        self._template = Template(manifest)
        self._example: Case = next(iter(manifest.handouts.values())).case
        self._values = self.key.values(self.key.drawn(draws))
        self.accepted = Accepted(self.key, self._example, self._drawn, self._values)
        self._kept: OrderedDict[str, Values] = OrderedDict()

    @cached_property
    def mistakes(self) -> Mistakes:
        """The catalogue's mistakes in these cells; made when the first wrong cell is met."""
        return Mistakes(self.key, self._example, self._drawn, self._values)

    @cached_property
    def with_shared(self) -> Values | None:
        """The key's values on the draws, but for the givens that are everybody's; None if none.

        Numbers drawn for each student agree by chance in a few handouts, never in many.
        """
        some = list(islice(self.manifest.handouts.values(), _SOME))
        own = np.stack([self.key.given_values(handout.case) for handout in some])
        shared = (own == own[0]).all(axis=0)
        if not shared.any():
            return None
        givens = np.where(shared[:, None], own[0][:, None], self._values[: self.key.givens])
        return self.key.values(givens)

    def values_of(self, handout: Handout) -> Values:
        """Return the key's values on the draws and, last, on a student's givens."""
        values = self._kept.get(handout.token)
        if values is None:
            real = self.key.values(self.key.given_values(handout.case)[:, None])
            values = self._kept[handout.token] = np.concatenate((self._values, real), axis=1)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return values

    def book(self, submission: Submission) -> StudentBook:
        """Return a submission with its cells found again.

        Raises:
            InputError: it is damaged.
        """
        where = self._template.places_in(submission)
        return StudentBook(submission, self.key, self.formulas, where)


@dataclass(slots=True)
class Graded:
    """What is said of one workbook.

    Attributes:
        verdicts: of every graded cell, in the order of the flow.
        remarks: what else was seen.
        evidence: what is compared with other submissions; see ``taking_in.copying``.
    """

    verdicts: list[CellVerdict] = field(default_factory=list)
    remarks: Remarks = field(default_factory=Remarks)
    evidence: dict[str, Any] = field(default_factory=dict)


def grade_workbook(
    assignment: AssignmentKey, handout: Handout, book: StudentBook, *, shows_own: bool = True
) -> Graded:
    """Grade a workbook with the givens of a handout.

    Args:
        assignment: the key.
        handout: whose givens.
        book: the workbook.
        shows_own: whether the values stored in it were worked out from these givens; where
            they were not, nothing is made of it that they differ.

    Raises:
        InputError: it is damaged.
        FormulaError: it asks for too much.
    """
    with np.errstate(all="ignore"):
        return _Grading(assignment, handout, book).run(shows_own=shows_own)


class _Grading:
    """The grading of one workbook."""

    def __init__(self, assignment: AssignmentKey, handout: Handout, book: StudentBook) -> None:
        self.assignment, self.key, self.book = assignment, assignment.key, book
        self.case = handout.case
        self.standard = Standard(assignment.values_of(handout), self.key.over)
        self.judge = Judge(book, self.standard)
        self.graded = Graded()

    def run(self, *, shows_own: bool) -> Graded:
        findings = {slot: self.judge.finding(slot, self.standard) for slot in self.key.graded_slots}
        accounts = [self._account(findings, self.standard)]
        if any(finding.verdict != OK for finding in findings.values()):
            accounts += self._by_conventions(findings)
        self._say(max(accounts, key=lambda account: account.rank))
        own = self.standard.values[: self.key.givens, -1]
        if note_changes(self.book, own, self.graded.remarks) and shows_own:
            self._note_forged()
        self._keep_evidence()
        return self.graded

    # points

    def _account(
        self, findings: Findings, standard: Standard, convention: Convention | None = None
    ) -> Account:
        findings = self.judge.shared(findings, standard.values)
        mistakes = lambda: self.assignment.mistakes  # noqa: E731 - made when they are asked for
        return Account(self.judge, findings, standard, mistakes, convention)

    def _by_conventions(self, findings: Findings) -> Iterator[Account]:
        """Yield what the findings cost by each convention that the student used."""
        judge, real = self.judge, self.standard.values[:, -1]
        standards: dict[Convention, Standard] = {}
        by_key: dict[int, bool] = {}

        def wrote(convention: Convention, slot: int) -> bool:
            if slot not in by_key:
                by_key[slot] = judge.filled_by(slot, self.standard)
            if by_key[slot]:
                return False
            if convention not in standards:
                standards[convention] = convention.standard(self.case, real)
            return judge.filled_by(slot, standards[convention])

        for convention in self.assignment.accepted.used(wrote):
            standard = standards[convention]
            others = {slot: judge.finding(slot, standard) for slot in convention.concerned}
            yield self._account(findings | others, standard, convention)

    def _say(self, account: Account) -> None:
        """Put verdicts into words."""
        accepted, convention = self.assignment.accepted, account.convention
        look_at: dict[str, list[str]] = {}

        def address(slot: int | None) -> str:
            return "" if slot is None else self.key.cell(slot).address

        for slot, finding in account.findings.items():
            cell, charge = self.key.cell(slot), account.charges[slot]
            by = accepted.concerning(convention, slot) if convention else ""
            said = message(cell, finding, charge, address, by)
            self.graded.verdicts.append(
                CellVerdict(
                    cell,
                    finding.verdict,
                    charge.points,
                    _written(self.book, self.book.where[slot]),
                    finding.value,
                    float(self.standard.values[slot, -1]),
                    charge.bug,
                    address(charge.cause),
                    address(charge.repeats),
                    said,
                )
            )
            if finding.verdict == REVIEW:
                shown = named(cell.address, account.followers(slot))
                look_at.setdefault(reason(finding.why), []).append(shown)
        self.graded.remarks.review += _by_reason(look_at)
        for name in convention.ids if convention else ():
            self.graded.remarks.notes.append(f"judged by the convention {name}")

    # what else was seen

    def _note_forged(self) -> None:
        """Compare stored values with what the formulas come to."""
        own, forged = self.judge.own, []
        unknown = bits_of(own.problems)
        for slot, cell in enumerate(self.assignment.manifest.cells, self.key.givens):
            place = self.book.where[slot]
            entry = None if place is None else self.book.entry(place)
            if place is None or entry is None or not entry.formula or slot not in own.values:
                continue
            if own.reached.get(place, 0) & unknown or own.circular:
                continue  # what a person looks at, and what iterates, is not known here
            stored, value = entry.value, self.judge.actual.get(slot, float(own.values[slot][-1]))
            if not isinstance(stored, float):
                continue
            if not abs(stored - value) <= _FORGED * max(1.0, abs(value)):
                forged.append(cell.address)
        if forged:
            self.graded.remarks.notes.append(
                f"stored values differ from what the formulas come to in {some_of(forged)}; "
                "the formulas were graded"
            )

    def _keep_evidence(self) -> None:
        """Keep what is compared between submissions."""
        unusual, kinds, typed = {}, {}, {}
        for slot, verdict in enumerate(self.graded.verdicts, self.key.givens):
            cell, where = verdict.cell, f"{verdict.cell.sheet}!{verdict.cell.address}"
            if verdict.formula.startswith("="):
                if verdict.verdict in (WRONG, EMBEDDED_CONSTANT, HARDCODED):
                    text = pattern(self.book, slot)
                    if text and not verdict.bug and not self._shared_number(verdict, slot):
                        unusual[where], kinds[where] = text[:400], cell.quantity
            elif verdict.formula and verdict.value is not None:
                digits = verdict.formula.lower().partition("e")[0].strip("-0.").replace(".", "")
                if len(digits) >= _FULL_PRECISION:
                    typed[where] = verdict.value
        self.graded.evidence = {"formulas": unusual, "kinds": kinds, "typed": typed}

    def _shared_number(self, verdict: CellVerdict, slot: int) -> bool:
        """Tell whether all that is odd is a number that everybody was given, written out.

        Such a formula is right as long as that given stays what it is for all.
        """
        values = self.assignment.with_shared if verdict.verdict == EMBEDDED_CONSTANT else None
        if values is None:
            return False
        try:
            made = transplanted(self.book, slot, values)
        except FormulaError:
            return False
        return bool(equal(made, values[slot]).all())


def _written(book: StudentBook, place: Place | None) -> str:
    """Return what the student wrote into a cell, as text."""
    entry = None if place is None else book.entry(place)
    if entry is None or place is None:
        return ""
    if entry.formula:
        base = entry.anchor or (place[1], place[2])
        if entry.anchor is not None or entry.base == base:
            return f"={entry.formula}"
        return f"={entry.formula} (as written for {a1(*entry.base)})"
    if isinstance(entry.value, float):
        return repr(entry.value)
    return "" if entry.value is None else str(entry.value)


def _by_reason(look_at: dict[str, list[str]]) -> list[str]:
    """Return a line for each reason why a person should look at cells, naming the cells."""
    lines = [f"{why}: {some_of(cells)}" for why, cells in look_at.items()]
    if len(lines) <= _MOST_REASONS:
        return lines
    rest = [cell for cells in list(look_at.values())[_MOST_REASONS:] for cell in cells]
    more = f"{len(lines) - _MOST_REASONS} more reasons: {some_of(rest)}"
    return [*lines[:_MOST_REASONS], more]
