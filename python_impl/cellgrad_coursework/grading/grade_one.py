"""Grading one submission: from the bytes of a file to a verdict on every cell.

Pure: no files, no clock, no chance. The same bytes give the same grade everywhere.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.errors import InputError
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, a1, parse_a1
from cellgrad_coursework.formulas.cache import Formulas
from cellgrad_coursework.grading.charging import Charge, Charger, best
from cellgrad_coursework.grading.conventions import Accepted, Convention
from cellgrad_coursework.grading.following import Over
from cellgrad_coursework.grading.key import Key, equal
from cellgrad_coursework.grading.messages import message, named, reason
from cellgrad_coursework.grading.naming import Mistakes
from cellgrad_coursework.grading.patterns import pattern
from cellgrad_coursework.grading.relocation import Moves, template_names
from cellgrad_coursework.grading.submission import Entry, Submission, read_submission
from cellgrad_coursework.grading.typed_id import HandoutFormulas, TypedIds
from cellgrad_coursework.grading.verdict import Finding, Judge, as_numbers
from cellgrad_coursework.grading.world import StudentBook, Transplants
from cellgrad_coursework.model import (
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    REVIEW,
    WRONG,
    CellVerdict,
    Grade,
    Handout,
    Manifest,
)
from cellgrad_coursework.secret import TOKEN

Values = NDArray[np.float64]

_TOKEN = re.compile(TOKEN.pattern.encode())
_TOKENS = 50
_KEPT = 64
"""So many students' key values are kept at hand."""

_FULL_PRECISION = 10
"""A typed number with so many significant digits was hardly worked out by hand."""

_SAME_GIVEN = 1e-9
_FORGED = 1e-6
_SHOWN = 8
_SOME = 50
"""A given that is the same in so many handouts is the same in all."""


class Grader:
    """Grades submissions of one assignment.

    Args:
        manifest: the assignment.

    Raises:
        InputError: the manifest cannot be used.
    """

    def __init__(self, manifest: Manifest) -> None:
        if not manifest.handouts:
            raise InputError("the manifest has no handouts", remedy="run cellgrad assign again")
        self.manifest = manifest
        self.formulas = Formulas()
        self.key = Key(manifest, self.formulas)
        self._example: Case = next(iter(manifest.handouts.values())).case
        self._drawn, givens = self.key.drawn(self._example)
        self._values = self.key.values(givens)
        self._names = template_names(manifest.names or _names_of(manifest))
        self._cell_names = [given.name for given in manifest.givens]
        self._cell_names += [cell.name for cell in manifest.cells]
        self._cell_names += [""] * len(manifest.fixed)
        self._accepted = Accepted(self.key, self._example, self._drawn, self._values)
        self._kept: OrderedDict[str, Values] = OrderedDict()
        self._typed: TypedIds | None = None
        self._handed_out: HandoutFormulas | None = None
        if manifest.one_file is not None:
            self._typed = TypedIds(manifest, manifest.one_file)
            self._handed_out = HandoutFormulas(manifest.one_file, self.formulas)

    @cached_property
    def _mistakes(self) -> Mistakes:
        """The catalogue's mistakes in these cells; made when the first wrong cell is met."""
        return Mistakes(self.key, self._example, self._drawn, self._values)

    @cached_property
    def _by_givens(self) -> dict[str, str]:
        """Tokens by the hash of their givens."""
        found: dict[str, str] = {}
        for token, handout in self.manifest.handouts.items():
            found.setdefault(_hash(self.key.given_values(handout.case)), token)
        return found

    @cached_property
    def _with_shared(self) -> Values | None:
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

    def key_values(self, token: str) -> dict[str, float]:
        """Return the right number of every graded cell of a student, by ``Sheet!A1``.

        Args:
            token: of their handout.
        """
        values = self._values_of(self.manifest.handouts[token])[:, -1]
        return {
            f"{cell.sheet}!{cell.address}": float(values[self.key.givens + n])
            for n, cell in enumerate(self.manifest.cells)
        }

    def _values_of(self, handout: Handout) -> Values:
        """Return the key's values on the draws and on a student's givens."""
        found = self._kept.get(handout.token)
        if found is None:
            real = self.key.values(self.key.given_values(handout.case)[:, None])
            found = np.concatenate((self._values, real), axis=1)
            self._kept[handout.token] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def grade(self, data: bytes, file: str, token: str = "") -> Grade:
        """Return what is to be said of a submission; whatever it is, nothing is raised.

        Args:
            data: the file.
            file: its name, for the report.
            token: whose handout it is, where that is known from elsewhere; by default it is
                the workbook's own token, and if that is missing, its givens, that tell.
        """
        grade = Grade(file, hashlib.sha256(data).hexdigest(), None, "", of=self.manifest.points)
        try:
            with np.errstate(all="ignore"):
                self._grade(data, grade, token)
        except InputError as error:
            grade.verdicts.clear()
            grade.problem = error.problem + (f"; {error.remedy}" if error.remedy else "")
        except FormulaError as problem:
            grade.verdicts.clear()
            grade.problem = f"it cannot be evaluated: {problem}"
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            # a file that nobody thought of: it is one row for a person, not the end of the batch
            grade.verdicts.clear()
            grade.problem = f"it could not be graded ({type(error).__name__}); look at it by hand"
        return grade

    def _grade(self, data: bytes, grade: Grade, token: str) -> None:
        submission = read_submission(data, grade.file)
        if isinstance(submission, str):
            grade.problem = submission
            return
        handout = self._handout(submission, grade, token)
        if handout is None:
            why = "its token and its numbers are no one's"
            if self._typed is not None:
                why = self._typed.of(submission).words()
            grade.problem = f"it cannot be told whose it is: {why}"
            return
        _One(self, submission, handout, grade).run()

    # whose it is

    def _handout(self, submission: Submission, grade: Grade, token: str) -> Handout | None:
        handouts = self.manifest.handouts
        own = self._tokens(submission)
        grade.token = own[0] if own else ""
        if len(own) > 1:
            grade.review.append(f"it holds the tokens of several handouts: {', '.join(own)}")
        if token in handouts:
            if own and token not in own:
                what = "token" if self._typed is None else "student id"
                grade.review.append(f"its {what} is another student's than its file name says")
            return handouts[token]
        if own:
            return handouts[own[0]]
        found = self._by_givens.get(_hash(self._givens_in(submission)))
        if found is not None:
            why = "its token is missing"
            if self._typed is not None:
                why = self._typed.of(submission).words()
            grade.notes.append(f"{why}; it was known by its numbers")
            return handouts[found]
        return None

    def _tokens(self, submission: Submission) -> list[str]:
        """Return the tokens of this assignment that stand in the workbook.

        Where one file serves all, it is the one of the student whose id is typed in it.
        """
        if self._typed is not None:
            return [token] if (token := self._typed.of(submission).token) else []
        found: dict[str, None] = {}
        for name in submission.package.names:
            if name.lower().endswith((".xml", ".rels")):
                data = submission.package.read(name)
                if b"CG-" not in data:
                    continue
                for match in islice(_TOKEN.finditer(data), _TOKENS):
                    text = match[0].decode()
                    if text in self.manifest.handouts:
                        found[text] = None
        return list(found)

    def _changed(self, submission: Submission) -> list[str]:
        """Return the cells that givens follow from and that were changed."""
        told = self._handed_out
        return told.changed(submission, told.renamed(submission)) if told else []

    def _shows_own(self, submission: Submission, handout: Handout) -> bool:
        """Tell whether a submission shows its student's numbers: not so with another id."""
        return self._typed is None or self._typed.of(submission).token == handout.token

    def places(self, submission: Submission) -> list[Place | None]:
        """Return where every slot lies in a submission."""
        moves = Moves(self._names, submission)
        if moves.none:
            return list(self.key.places)
        found: list[Place | None] = []
        taken: set[Place] = set()
        for place, name in zip(self.key.places, self._cell_names, strict=True):
            now = moves.to(place, name)
            if now in taken:  # one cell never stands for two
                now = None
            if now is not None:
                taken.add(now)
            found.append(now)
        return found

    def _givens_in(
        self,
        submission: Submission,
        where: list[Place | None] | None = None,
        own: Values | None = None,
    ) -> Values:
        """Return the numbers in the givens' cells; ``own`` where they follow from the id."""
        places = (where or self.places(submission))[: self.key.givens]
        renamed = self._handed_out.renamed(submission) if self._handed_out else {}
        found = []
        for n, place in enumerate(places):
            entry = None
            if place is not None:
                entry = submission.cells(place[0]).get((place[1], place[2]))
            follows = self._handed_out and self._handed_out.is_given(n, entry, renamed)
            if follows:
                found.append(np.nan if own is None else float(own[n]))
            elif follows is False and entry is not None and entry.formula:
                found.append(np.nan)  # what a formula of the student's comes to is not trusted
            else:
                found.append(_as_number(entry))
        return np.array(found)


@dataclass(slots=True)
class _One:
    """The grading of one submission."""

    grader: Grader
    submission: Submission
    handout: Handout
    grade: Grade
    book: StudentBook = field(init=False)
    judge: Judge = field(init=False)
    charger: Charger = field(init=False)
    values: Values = field(init=False)

    def run(self) -> None:
        grader, key = self.grader, self.grader.key
        self.grade.student = self.handout.student
        where = grader.places(self.submission)
        self.book = StudentBook(self.submission, key, grader.formulas, where)
        self.values = grader._values_of(self.handout)  # noqa: SLF001 - two halves of one thing
        self.judge = Judge(self.book, self.values)
        findings = [self.judge.finding(n, self.values) for n in range(key.graded)]
        self.charger = Charger(self.judge, grader.manifest.policy, lambda: grader._mistakes)  # noqa: SLF001
        self._verdicts(*self._conventions(findings))
        untampered = self._givens(where)
        untouched = self._fixed()
        if untampered and untouched and grader._shows_own(self.submission, self.handout):  # noqa: SLF001
            self._forged()
        if not self.handout.checked:
            self.grade.notes.append(
                "came late to the course: whether these numbers tell every mistake apart was "
                "not looked at"
            )
        late = min(max(self.handout.student.late, 0.0), 1.0)
        self.grade.score = sum(v.points for v in self.grade.verdicts) * (1.0 - late)
        if late:
            self.grade.notes.append(f"late: {late:.0%} taken off")
        self._evidence()

    # points

    def _conventions(
        self, findings: list[Finding]
    ) -> tuple[Convention | None, list[Finding], list[Charge]]:
        """Judge by a convention that the student used where that serves them better.

        Returns:
            the convention, or None for the key; its findings; what they cost.
        """
        key, judge = self.grader.key, self.judge
        accepted = self.grader._accepted  # noqa: SLF001 - two halves of one thing
        candidates: dict[Convention, tuple[list[Finding], Values]] = {}
        if accepted.single and not all(finding.verdict == OK for finding in findings):
            by_key: dict[int, bool] = {}
            values: dict[Convention, Values] = {}
            over: dict[Convention, Over] = {}

            def wrote(convention: Convention, slot: int) -> bool:
                number = slot - key.givens
                if number not in by_key:
                    by_key[number] = judge.filled_by(number, self.values)
                if by_key[number]:
                    return False
                if convention not in values:
                    values[convention] = convention.with_real(self.handout.case, self.values[:, -1])
                    over[convention] = convention.over(self.handout.case)
                return judge.filled_by(number, values[convention], over[convention])

            for convention in accepted.used(wrote):
                found = list(findings)
                for slot in convention.concerned:
                    number = slot - key.givens
                    found[number] = judge.finding(number, values[convention], over[convention])
                found = judge.shared(found, values[convention])
                candidates[convention] = found, values[convention]
        return best(self.charger, judge.shared(findings, self.values), candidates, self.values)

    def _verdicts(
        self, convention: Convention | None, findings: list[Finding], charges: list[Charge]
    ) -> None:
        grader, cells = self.grader, self.grader.manifest.cells
        look_at: dict[str, list[str]] = {}

        def address(number: int | None) -> str:
            return "" if number is None else cells[number].address

        for n, (cell, finding, charge) in enumerate(zip(cells, findings, charges, strict=True)):
            slot = grader.key.givens + n
            place = self.book.where[slot]
            said = message(
                cell, finding, bug=charge.bug, cause=address(charge.cause),
                unsettled=charge.unsettled, repeats=address(charge.repeats),
                forgiven=charge.forgiven, deviates=charge.deviates,
                convention=grader._accepted.of(convention, slot) if convention else "",  # noqa: SLF001
            )  # fmt: skip
            self.grade.verdicts.append(
                CellVerdict(
                    cell,
                    finding.verdict,
                    charge.points,
                    self._formula(place),
                    finding.value,
                    float(self.values[slot, -1]),
                    charge.bug,
                    address(charge.cause),
                    address(charge.repeats),
                    said,
                )
            )
            if finding.verdict == REVIEW:
                followers = self.charger.followers(n, findings)
                look_at.setdefault(reason(finding.why), []).append(named(cell.address, followers))
        self.grade.review += _by_reason(look_at)
        for name in convention.ids if convention else ():
            self.grade.notes.append(f"judged by the convention {name}")

    def _entry(self, place: Place | None) -> Entry | None:
        return None if place is None else self.book.entry(place)

    def _formula(self, place: Place | None) -> str:
        """Return what the student wrote, as text."""
        entry = self._entry(place)
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

    # what else was seen

    def _givens(self, where: list[Place | None]) -> bool:
        """Compare the givens in the file with the student's own; return whether none changed."""
        grader, key = self.grader, self.grader.key
        own = self.values[: key.givens, -1]
        inside = grader._givens_in(self.submission, where, own)  # noqa: SLF001
        changed = [
            n for n in range(key.givens)
            if where[n] is not None
            and not abs(inside[n] - own[n]) <= _SAME_GIVEN * max(1.0, abs(own[n]))
        ]  # fmt: skip
        self.grade.evidence["givens"] = _hash(inside)
        self.grade.evidence["own_givens"] = _hash(own)
        cells = [key.manifest.givens[n].address for n in changed]
        cells += grader._changed(self.submission)  # noqa: SLF001
        lost = [key.manifest.givens[n].address for n in range(key.givens) if where[n] is None]
        if lost:
            self.grade.notes.append(f"given numbers were moved and cannot be found: {_some(lost)}")
        if not cells:
            return not lost
        other = grader._by_givens.get(_hash(inside))  # noqa: SLF001
        if 2 * len(changed) > key.givens:
            self.grade.evidence["givens_of"] = ""
        if other is not None and other != self.handout.token:
            whose = grader.manifest.handouts[other].student.id
            self.grade.evidence["givens_of"] = whose
            self.grade.copying.append(f"the givens in the file are those of {whose}")
        self.grade.notes.append(
            f"givens were changed in {_some(cells)}; graded with the handout's own"
        )
        return False

    def _forged(self) -> None:
        """Compare stored values with what the formulas come to."""
        key, own, forged = self.grader.key, self.judge.own, []
        unknown = sum(1 << slot for slot in own.problems)
        for n, cell in enumerate(key.manifest.cells):
            slot = key.givens + n
            place = self.book.where[slot]
            entry = self._entry(place)
            if place is None or entry is None or not entry.formula or slot not in own.values:
                continue
            if own.reached.get(place, 0) & unknown or own.circular:
                continue  # what a person looks at, and what iterates, is not known here
            stored, value = entry.value, own.actual.get(slot, float(own.values[slot][-1]))
            if isinstance(stored, bool) or not isinstance(stored, float):
                continue
            if not abs(stored - value) <= _FORGED * max(1.0, abs(value)):
                forged.append(cell.address)
        if forged:
            self.grade.notes.append(
                f"stored values differ from what the formulas come to in {_some(forged)}; "
                "the formulas were graded"
            )

    def _fixed(self) -> bool:
        """Note formulas of the handout that were changed; return whether none were."""
        key, changed = self.grader.key, []
        moved = self.book.where != key.places  # then a formula's own references move too
        for n, cell in enumerate(key.manifest.fixed):
            slot = key.givens + key.graded + n
            place, right = self.book.where[slot], key.formulas[slot]
            formula = self.book.formula(place) if place is not None else None
            if right is None or formula is right or place is None:
                continue
            if formula is None or (not moved and formula.text != right.text):
                changed.append(cell.address)
        if changed:
            self.grade.notes.append(
                f"formulas of the handout were changed in {_some(changed)}; restored"
            )
        return not changed

    def _evidence(self) -> None:
        """Keep what is compared between submissions."""
        unusual, kinds, typed = {}, {}, {}
        for verdict in self.grade.verdicts:
            where = f"{verdict.cell.sheet}!{verdict.cell.address}"
            if verdict.verdict in (WRONG, EMBEDDED_CONSTANT, HARDCODED) and verdict.formula[:1] == (
                "="
            ):
                slot = self.grader.key.slot_at[
                    (verdict.cell.sheet.casefold(), *parse_a1(verdict.cell.address))
                ]
                text = pattern(self.book, slot)
                if text and not verdict.bug and not self._shared_number(verdict, slot):
                    unusual[where] = text[:400]
                    kinds[where] = verdict.cell.quantity
            elif verdict.formula and verdict.formula[0] != "=" and verdict.value is not None:
                digits = verdict.formula.lower().partition("e")[0].strip("-0.").replace(".", "")
                if len(digits) >= _FULL_PRECISION:
                    typed[where] = verdict.value
        self.grade.evidence["formulas"] = unusual
        self.grade.evidence["kinds"] = kinds
        self.grade.evidence["typed"] = typed

    def _shared_number(self, verdict: CellVerdict, slot: int) -> bool:
        """Tell whether all that is odd is a number that everybody was given, written out.

        Such a formula is right as long as that given stays what it is for all.
        """
        if verdict.verdict != EMBEDDED_CONSTANT:
            return False
        values = self.grader._with_shared  # noqa: SLF001 - two halves of one thing
        if values is None:
            return False
        try:
            found = as_numbers(Transplants(self.book, values).of(slot), values.shape[1])
        except FormulaError:
            return False
        return bool(equal(found, values[slot]).all())


def _some(addresses: Sequence[str]) -> str:
    """Return the first of many addresses, and how many more there are."""
    more = len(addresses) - _SHOWN
    return ", ".join(addresses[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _by_reason(look_at: dict[str, list[str]]) -> list[str]:
    """Return a line for each reason why a person should look at cells, naming the cells."""
    lines = [f"{why}: {_some(cells)}" for why, cells in look_at.items()]
    if len(lines) <= _SHOWN:
        return lines
    rest = [cell for cells in list(look_at.values())[_SHOWN:] for cell in cells]
    return [*lines[:_SHOWN], f"{len(lines) - _SHOWN} more reasons: {_some(rest)}"]


def _as_number(entry: Entry | None) -> float:
    value = entry.value if entry is not None else None
    return value if isinstance(value, float) else float("nan")


def _hash(givens: Values) -> str:
    """Return a short hash of givens, the same after a program has rounded them to 15 digits."""
    text = ",".join(f"{value:.10g}" for value in givens.tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _names_of(manifest: Manifest) -> dict[str, str]:
    """Return the rectangles around cells of one name, where the manifest does not give them."""
    corners: dict[str, list[tuple[str, int, int]]] = {}
    named = [(given.name, given.sheet, given.address) for given in manifest.givens]
    named += [(cell.name, cell.sheet, cell.address) for cell in manifest.cells]
    for name, sheet, address in named:
        if name:
            corners.setdefault(name, []).append((sheet, *parse_a1(address)))
    found = {}
    for name, cells in corners.items():
        rows, columns = [row for _, row, _ in cells], [column for _, _, column in cells]
        first = a1(min(rows), min(columns), absolute=True)
        last = a1(max(rows), max(columns), absolute=True)
        sheet = cells[0][0].replace("'", "''")
        found[name] = f"'{sheet}'!{first}:{last}"
    return found
