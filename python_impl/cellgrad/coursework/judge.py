"""One submitted file, from its bytes to a grade and feedback; what a child process runs."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from typing import Any

from cellgrad.coursework.intake import hint_of
from cellgrad.coursework.matching import by_word, tokens_of
from cellgrad.coursework.model import Grade, Handout, Manifest, Student
from cellgrad.coursework.precheck import check
from cellgrad.coursework.store import Codec
from cellgrad.errors import InputError

GRADER = "cellgrad.coursework.grade_one:Grader"
"""Who gives the verdicts, as ``module:name``; tests put a misbehaving one in its place."""

TOO_LONG = "took too long"
TOO_MUCH = "needed too much memory"
BROKE = "broke the process that read it"


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
        if feedback:  # what is imported now is not imported within a file's limits
            self._write = importlib.import_module("cellgrad.coursework.feedback")

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
            tokens = tokens_of(data, self._manifest.handouts)
            grade = self._graded(name, own if certain or not tokens else None, tokens, data)
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

    def _graded(self, name: str, own: Handout | None, tokens: list[str], data: bytes) -> Grade:
        """Grade with the numbers of the workbook's own token, and say whose it is.

        Who handed it in is who its name says, where it says so outright: a workbook of
        somebody else does not become theirs, and neither does it count for them.
        """
        handouts = self._manifest.handouts
        handout = handouts[tokens[0]] if tokens else own
        grade: Grade = self._grader.grade(data, name, handout.token if handout else "")
        grade.token = tokens[0] if tokens else ""
        found = grade.student or (handout.student if handout else None)
        grade.student = own.student if own else found
        if grade.student is None:
            return grade
        if not tokens and own is not None:
            grade.notes.append("its token is missing; it was matched by its name")
        if found is not None and found.id != grade.student.id:
            grade.evidence["workbook_of"] = found.id
        others = {handouts[token].student.id for token in tokens} - {grade.student.id}
        if others:
            grade.evidence["tokens_of"] = sorted(others)
        return grade

    def _with_feedback(self, grade: Grade, data: bytes) -> Judged:
        workbook = page = b""
        if self._feedback and not grade.problem:
            try:
                workbook = self._write.workbook_bytes(self._manifest, grade, data)
                page = self._write.page(self._manifest, grade).encode("utf-8", "replace")
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - the grade stands all the same
                grade.review.append(f"no feedback could be written ({type(error).__name__})")
        return Judged(self._codec.encode(grade), workbook, page)

    def _failed(self, name: str, own: Handout | None, data: bytes, problem: str) -> Grade:
        return failed(self._manifest, name, own.student if own else None, data, problem)


def failed(
    manifest: Manifest, name: str, student: Student | None, data: bytes, problem: str
) -> Grade:
    """Return the grade of a file that cannot be graded: a row, with the reason."""
    sha256 = hashlib.sha256(data).hexdigest() if data else ""
    return Grade(name, sha256, student, "", of=manifest.points, problem=problem)
