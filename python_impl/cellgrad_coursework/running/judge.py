"""One submitted file, from its bytes to a grade and feedback; what a child process runs."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from typing import Any

from cellgrad.errors import InputError
from cellgrad_coursework.grading.submission import read_submission
from cellgrad_coursework.grading.typed_id import Typed, TypedIds
from cellgrad_coursework.model import VALUE, Grade, Handout, Manifest, Student
from cellgrad_coursework.running.store import Codec
from cellgrad_coursework.taking_in.intake import hint_of
from cellgrad_coursework.taking_in.matching import OTHER_ASSIGNMENT, by_word, holds_token, tokens_of
from cellgrad_coursework.taking_in.precheck import check

GRADER = "cellgrad_coursework.grading.grade_one:Grader"
"""Who gives the verdicts, as ``module:name``; tests put a misbehaving one in its place."""

TOO_LONG = "took too long"
TOO_MUCH = "needed too much memory"
BROKE = "broke the process that read it"

_TRIED = 3
"""So many tokens of a file are tried for whose numbers it has."""


_MISSING = "its token is missing"
_OLDER = "its token is none of this assignment's, but its numbers are"


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of a file.

    Attributes:
        grade: the grade as JSON.
        workbook: the feedback workbook, or nothing.
        page: the feedback page, or nothing.
    """

    grade: bytes
    workbook: bytes = b""
    page: bytes = b""


class Judge:
    """Grades the files of one assignment.

    Args:
        manifest: the assignment.
        feedback: whether to write feedback too.
        grader: who gives the verdicts.
    """

    def __init__(self, manifest: Manifest, *, feedback: bool, grader: str = GRADER) -> None:
        module, _, name = grader.partition(":")
        self._grader: Any = getattr(importlib.import_module(module), name)(manifest)
        self._manifest, self._feedback = manifest, feedback
        self._codec = Codec(manifest)
        self._by_student = {one.student.id: one for one in manifest.handouts.values()}
        told = manifest.one_file
        self._typed = TypedIds(manifest, told) if told is not None else None
        self._takes_values = any(cell.takes == VALUE for cell in manifest.cells)
        if feedback:  # what is imported now is not imported within a file's limits
            self._write = importlib.import_module("cellgrad_coursework.results.feedback")

    def judge(self, name: str, named: str, data: bytes) -> Judged:
        """Judge a file.

        Args:
            name: what it is called.
            named: whose it is by its name, as ``ByName.word`` says it.
            data: the file.
        """
        named, certain = by_word(named)
        own = self._by_student.get(named)
        try:
            reasons = check(data, self._manifest.box)
            typed = self._typed_in(data, name)
            if typed is None:
                tokens = tokens_of(data, self._manifest.handouts)
            else:
                tokens = [typed.token] if typed.token else []
            grade = self._graded(name, own, tokens, data, typed, certain=certain)
            if not tokens and holds_token(data):
                if not _fits(grade):
                    return Judged(self._codec.encode(self._failed(name, own, data,
                                                                  OTHER_ASSIGNMENT)))  # fmt: skip
                grade.notes = [note.replace(_MISSING, _OLDER) for note in grade.notes]
        except InputError as error:
            return Judged(self._codec.encode(self._failed(name, own, data, error.line())))
        except RecursionError:
            problem = "its formulas are nested too deeply"
            return Judged(self._codec.encode(self._failed(name, own, data, problem)))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - nobody else's grade may hang on this file
            problem = f"could not be graded ({type(error).__name__}); look at it yourself"
            return Judged(self._codec.encode(self._failed(name, own, data, problem)))
        grade.review += reasons
        if hint_of(name).late:
            grade.notes.append("its name says that it was handed in late")
        return self._with_feedback(grade, data)

    def _typed_in(self, data: bytes, name: str) -> Typed | None:
        """Return what stands where the id is typed; None where everybody has their own file."""
        if self._typed is None:
            return None
        submission = read_submission(data, name)
        return Typed() if isinstance(submission, str) else self._typed.of(submission)

    def _graded(
        self,
        name: str,
        own: Handout | None,
        tokens: list[str],
        data: bytes,
        typed: Typed | None = None,
        *,
        certain: bool,
    ) -> Grade:
        """Grade with the numbers of the workbook's own token, and say whose it is.

        Who handed it in is who its name says, where it says so outright: a workbook of
        somebody else does not become theirs, and neither does it count for them.
        """
        handouts = self._manifest.handouts
        grade, handout = self._by_numbers(name, own, tokens, data, certain=certain)
        grade.token = handout.token if tokens and handout else ""
        if not certain and (tokens or handout is None):
            own = None  # the name was only a guess
        found = grade.student or (handout.student if handout else None)
        grade.student = own.student if own else found
        if grade.student is None:
            return grade
        if not tokens and own is not None:
            why = _MISSING if typed is None else typed.words()
            grade.notes.append(f"{why}; it was matched by its name")
            if typed is not None and typed.text and self._takes_values:
                grade.review.append("its typed numbers may belong to the id that is typed in it")
        if found is not None and found.id != grade.student.id:
            grade.evidence["workbook_of"] = found.id
            if typed is not None:
                grade.evidence["typed_id"] = True
        others = {handouts[token].student.id for token in tokens} - {grade.student.id}
        if others:
            grade.evidence["tokens_of"] = sorted(others)
        return grade

    def _by_numbers(
        self, name: str, own: Handout | None, tokens: list[str], data: bytes, *, certain: bool
    ) -> tuple[Grade, Handout | None]:
        """Grade, and return the handout whose numbers were taken; None if they told by themselves.

        Of several tokens that one counts whose numbers the file has. Without a token, numbers
        that are somebody's tell more than a name that only may be theirs.
        """
        handouts = self._manifest.handouts
        tried = [handouts[token] for token in tokens[:_TRIED]]
        if certain and own is not None and own.token in tokens:
            tried = [own, *(one for one in tried if one is not own)]
        if not tried and (own is None or not certain):
            grade: Grade = self._grader.grade(data, name, "")
            if own is None or grade.student is not None:
                return grade, None
        if not tried and own is not None:
            tried = [own]
        grades = []
        for handout in tried:
            grade = self._grader.grade(data, name, handout.token)
            if "givens_of" not in grade.evidence:
                return grade, handout
            grades.append(grade)
        return grades[0], tried[0]

    def _with_feedback(self, grade: Grade, data: bytes) -> Judged:
        workbook = page = b""
        if self._feedback and not grade.problem:
            # who handed it in may be another than whose numbers it was graded with
            late = min(max(grade.student.late, 0.0), 1.0) if grade.student else 0.0
            grade.score = sum(v.points for v in grade.verdicts) * (1.0 - late)
            try:
                workbook = self._write.workbook_bytes(self._manifest, grade, data)
                page = self._write.student_page(self._manifest, grade).encode("utf-8", "replace")
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - the grade stands all the same
                grade.review.append(f"no feedback could be written ({type(error).__name__})")
        return Judged(self._codec.encode(grade), workbook, page)

    def _failed(self, name: str, own: Handout | None, data: bytes, problem: str) -> Grade:
        return failed(self._manifest, name, own.student if own else None, data, problem)


def _fits(grade: Grade) -> bool:
    """Tell whether a file has all the numbers that it was graded with."""
    own = grade.evidence.get("own_givens")
    return not grade.problem and grade.evidence.get("givens") == own


def failed(
    manifest: Manifest, name: str, student: Student | None, data: bytes, problem: str
) -> Grade:
    """Return the grade of a file that cannot be graded: a row, with the reason."""
    sha256 = hashlib.sha256(data).hexdigest() if data else ""
    return Grade(name, sha256, student, "", of=manifest.points, problem=problem)
