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

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.coursework.conventions import Convention, best_for_groups, conventions_of
from cellgrad.coursework.formulas.cache import Formulas
from cellgrad.coursework.formulas.limits import FormulaProblemError
from cellgrad.coursework.formulas.tree import Node, Place, text_of
from cellgrad.coursework.key import Key
from cellgrad.coursework.messages import message, reason
from cellgrad.coursework.model import (
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    WRONG,
    CellVerdict,
    Grade,
    Handout,
    Manifest,
)
from cellgrad.coursework.naming import Mistakes
from cellgrad.coursework.patterns import is_slip, pattern
from cellgrad.coursework.relocation import Moves, template_names
from cellgrad.coursework.submission import Entry, Submission, read_submission
from cellgrad.coursework.verdict import RIGHT_NUMBER, Finding, Judge
from cellgrad.coursework.world import StudentBook
from cellgrad.errors import InputError
from cellgrad.xlsx.addresses import a1, parse_a1

Values = NDArray[np.float64]

_TOKEN = re.compile(rb"CG-(?:[A-Z2-9]{4}-){3}[A-Z2-9]{4}")
_TOKENS = 50
_KEPT = 64
"""So many students' key values are kept at hand."""

_FULL_PRECISION = 10
"""A typed number with so many significant digits was hardly worked out by hand."""

_SAME_GIVEN = 1e-9
_FORGED = 1e-6
_SHOWN = 8


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
        self._conventions = (
            conventions_of(self.key, self._example, self._drawn, self._values)
            if manifest.policy.conventions
            else []
        )
        self._kept: OrderedDict[str, Values] = OrderedDict()

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
        except FormulaProblemError as problem:
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
            grade.problem = "it cannot be told whose it is: its token and its numbers are no one's"
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
                grade.review.append("its token is another student's than its file name says")
            return handouts[token]
        if own:
            return handouts[own[0]]
        found = self._by_givens.get(_hash(self._givens_in(submission)))
        if found is not None:
            grade.notes.append("its token is missing; it was known by its numbers")
            return handouts[found]
        return None

    def _tokens(self, submission: Submission) -> list[str]:
        """Return the tokens of this assignment that stand in the workbook."""
        found: dict[str, None] = {}
        for name in submission.package.names:
            if name.lower().endswith((".xml", ".rels")):
                data = submission.package.read(name)
                if b"CG-" not in data:
                    continue
                for match in _TOKEN.findall(data)[:_TOKENS]:
                    text = match.decode()
                    if text in self.manifest.handouts:
                        found[text] = None
        return list(found)

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

    def _givens_in(self, submission: Submission, where: list[Place | None] | None = None) -> Values:
        places = (where or self.places(submission))[: self.key.givens]
        found = []
        for place in places:
            entry = None
            if place is not None:
                entry = submission.cells(place[0]).get((place[1], place[2]))
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
    values: Values = field(init=False)

    def run(self) -> None:
        grader, key = self.grader, self.grader.key
        self.grade.student = self.handout.student
        where = grader.places(self.submission)
        self.book = StudentBook(self.submission, key, grader.formulas, where)
        self.values = grader._values_of(self.handout)  # noqa: SLF001 - two halves of one thing
        self.judge = Judge(self.book, self.values)
        findings = [self.judge.finding(n, self.values) for n in range(key.graded)]
        by_convention = self._conventions(findings)
        self._verdicts(findings, by_convention)
        untampered = self._givens(where)
        untouched = self._fixed()
        if untampered and untouched:
            self._forged()
        late = min(max(self.handout.student.late, 0.0), 1.0)
        self.grade.score = sum(v.points for v in self.grade.verdicts) * (1.0 - late)
        if late:
            self.grade.notes.append(f"late: {late:.0%} taken off")
        self._evidence()

    # points

    def _share(self, finding: Finding) -> float:
        """Return the share of a cell's points that a verdict earns."""
        policy = self.grader.manifest.policy
        if finding.verdict == OK:
            return 1.0
        if finding.verdict == OK_ECF:
            return max(0.0, 1.0 - policy.ecf_penalty)
        if finding.verdict == HARDCODED and finding.why == RIGHT_NUMBER:
            return policy.hardcoded_credit
        return policy.embedded_credit if finding.verdict == EMBEDDED_CONSTANT else 0.0

    def _conventions(self, findings: list[Finding]) -> dict[int, str]:
        """Judge groups of cells by a convention where that serves the student better.

        Returns:
            the convention of each slot that is judged by one.
        """
        grader, key = self.grader, self.grader.key
        conventions = grader._conventions  # noqa: SLF001 - two halves of one thing
        if not conventions or all(f.verdict == OK for f in findings):
            return {}
        found: dict[tuple[Convention | None, int], Finding] = {}
        for n, finding in enumerate(findings):
            found[None, key.givens + n] = finding
        for convention in conventions:
            values = convention.with_real(self.handout.case, self.values[:, -1])
            for group in convention.groups:
                for slot in group:
                    number = slot - key.givens
                    found[convention, slot] = self.judge.finding(number, values, follow=False)

        def points(convention: Convention | None, slot: int) -> float:
            cell = key.manifest.cells[slot - key.givens]
            return self._share(found[convention, slot]) * cell.points

        chosen = best_for_groups(conventions, points)
        for slot, convention in chosen.items():
            findings[slot - key.givens] = found[convention, slot]
        return {slot: convention.ids[0] for slot, convention in chosen.items()}

    def _verdicts(self, findings: list[Finding], by_convention: dict[int, str]) -> None:
        grader, key = self.grader, self.grader.key
        roots = 0
        for n, finding in enumerate(findings):
            if finding.verdict not in (OK, OK_ECF):
                roots |= 1 << key.givens + n
        charged: dict[tuple[str, Node | str], str] = {}
        for n, (cell, finding) in enumerate(zip(key.manifest.cells, findings, strict=True)):
            slot = key.givens + n
            place = self.book.where[slot]
            bug, repeats, cause = "", "", ""
            points = self._share(finding) * cell.points
            if finding.verdict in (WRONG, EMBEDDED_CONSTANT):
                bug, repeats = self._mistake(slot, finding, charged)
                if repeats and not grader.manifest.policy.charge_repeats:
                    points = cell.points
            elif finding.verdict == OK_ECF and place is not None:
                cause = self._cause(place, roots)
            said = message(
                cell, finding, bug=bug, cause=cause, repeats=repeats,
                convention=by_convention.get(slot, ""),
            )  # fmt: skip
            self.grade.verdicts.append(
                CellVerdict(
                    cell,
                    finding.verdict,
                    points,
                    self._formula(place),
                    finding.value,
                    float(self.values[slot, -1]),
                    bug,
                    cause,
                    repeats,
                    said,
                )
            )
            if finding.verdict == REVIEW:
                self.grade.review.append(f"{cell.address} ({cell.label}): {reason(finding.why)}")
        for convention in dict.fromkeys(by_convention.values()):
            self.grade.notes.append(f"judged by the convention {convention}")

    def _mistake(
        self, slot: int, finding: Finding, charged: dict[tuple[str, Node | str], str]
    ) -> tuple[str, str]:
        """Return the catalogue's name for a mistake, and where the same was charged already."""
        transplanted = finding.transplanted
        if transplanted is None:
            return "", ""
        cell = self.grader.manifest.cells[slot - self.grader.key.givens]
        named = self.grader._mistakes.name(slot, transplanted)  # noqa: SLF001
        names: list[tuple[str, Node | str]] = []
        tree = pattern(self.book, slot)
        if tree is not None:
            names.append((cell.quantity, tree))
        if named is not None:
            names.append((cell.quantity, f"{named.entry} {named.name}"))
        repeats = next((charged[name] for name in names if name in charged), "")
        slip = is_slip(self.book, slot, self.values, transplanted, named=named is not None)
        if not slip:
            return named.entry if named else "", ""
        for name in names:
            charged.setdefault(name, repeats or cell.address)
        return named.entry if named else "", repeats

    def _cause(self, place: Place, roots: int) -> str:
        """Return the address of the first mistake, in the order of the flow, that a cell reads."""
        key = self.grader.key
        bits = self.judge.own.reached.get(place, 0) & roots
        if not bits:
            return ""
        first = (bits & -bits).bit_length() - 1
        return key.manifest.cells[first - key.givens].address

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
        inside = grader._givens_in(self.submission, where)  # noqa: SLF001
        own = self.values[: key.givens, -1]
        changed = [
            n for n in range(key.givens)
            if not abs(inside[n] - own[n]) <= _SAME_GIVEN * max(1.0, abs(own[n]))
        ]  # fmt: skip
        self.grade.evidence["givens"] = _hash(inside)
        self.grade.evidence["own_givens"] = _hash(own)
        if not changed:
            return True
        cells = [key.manifest.givens[n].address for n in changed]
        other = grader._by_givens.get(_hash(inside))  # noqa: SLF001
        if other is not None and other != self.handout.token:
            whose = grader.manifest.handouts[other].student.id
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
        for n, cell in enumerate(key.manifest.fixed):
            slot = key.givens + key.graded + n
            place, right = self.book.where[slot], key.formulas[slot]
            formula = self.book.formula(place) if place is not None else None
            if right is None or formula is right or place is None:
                continue
            moved = place != key.places[slot]
            if formula is None or (not moved and formula.tree != right.tree):
                changed.append(cell.address)
        if changed:
            self.grade.notes.append(
                f"formulas of the handout were changed in {_some(changed)}; restored"
            )
        return not changed

    def _evidence(self) -> None:
        """Keep what is compared between submissions."""
        unusual, typed = {}, {}
        for verdict in self.grade.verdicts:
            where = f"{verdict.cell.sheet}!{verdict.cell.address}"
            if verdict.verdict in (WRONG, EMBEDDED_CONSTANT, HARDCODED) and verdict.formula[:1] == (
                "="
            ):
                slot = self.grader.key.slot_at[
                    (verdict.cell.sheet.casefold(), *parse_a1(verdict.cell.address))
                ]
                tree = pattern(self.book, slot)
                if tree is not None and not verdict.bug:
                    unusual[where] = text_of(tree)[:400]
            elif verdict.formula and verdict.formula[0] != "=" and verdict.value is not None:
                digits = verdict.formula.lower().partition("e")[0].strip("-0.").replace(".", "")
                if len(digits) >= _FULL_PRECISION:
                    typed[where] = verdict.value
        self.grade.evidence["formulas"] = unusual
        self.grade.evidence["typed"] = typed


def _some(addresses: Sequence[str]) -> str:
    """Return the first of many addresses, and how many more there are."""
    more = len(addresses) - _SHOWN
    return ", ".join(addresses[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


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
