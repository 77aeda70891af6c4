"""Grading at scale: many files, all cores or a cluster, each file within limits.

A result is appended to a store as soon as it is there. A run that was killed goes on where
it was, and what comes out does not depend on the order, the number of processes, or how
often it was killed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cellgrad.errors import InputError
from cellgrad_coursework.grader import failed
from cellgrad_coursework.identity import Claim, Names, enrolled
from cellgrad_coursework.model import Grade, Manifest, Student
from cellgrad_coursework.results.write import write_feedback_zip
from cellgrad_coursework.running.child import Assignment
from cellgrad_coursework.running.judge import GRADER, Judged, Limits
from cellgrad_coursework.running.pool import Task, judge_all
from cellgrad_coursework.running.returned import Returned, ReturnNames
from cellgrad_coursework.running.store import (
    Codec,
    Store,
    digest_of,
    head_of,
    key_of,
    unwritable,
)
from cellgrad_coursework.taking_in.copying import Copying
from cellgrad_coursework.taking_in.intake import Intake, Submission

FEEDBACK = "feedback"
_BEGUN = re.compile(
    r"\.(?:gradebook|cells|review|class|canvas|moodle|feedback)\.\w+\.(?:\w{8}|\d+\.part)", re.ASCII
)
"""A file of the output that was not yet whole, beside its place."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run goes.

    Attributes:
        feedback: whether feedback is written.
        jobs: how many processes; None for all cores.
        executor: who runs them; None for processes of this machine.
        width: how many files the executor works on at once, where it does not say.
        limits: what one file may take.
        grader: who gives the verdicts.
    """

    feedback: bool = True
    jobs: int | None = None
    executor: Executor | None = None
    width: int | None = None
    limits: Limits = field(default_factory=Limits)
    grader: str = GRADER


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def grade_all(
    manifest: Manifest,
    intake: Intake,
    output: Path,
    students: tuple[Student, ...] = (),
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Iterator[Grade]:
    """Grade everything that was handed in, and yield the grades in the order of the files.

    All files are judged before the first grade is yielded: potential copying is between
    them. Feedback is written as they are judged, with the roster's lateness in it; where that
    has changed since, it is written again. What no submission has any more is removed.

    Args:
        manifest: the assignment.
        intake: what was handed in.
        output: the folder of the results so far, and of the feedback.
        students: the roster, where it is newer than the assignment's.
        settings: how the run goes.
        progress: told how many files are done, of how many.

    Raises:
        InputError: the output cannot be written.
        CellgradError: the processes that grade could not be started.
    """
    manifest = enrolled(manifest, students)
    run = _Run(manifest, intake, output, students, settings or Settings())
    try:
        run.judge(progress or (lambda _done, _total: None))
        yield from run.grades()
    finally:
        run.close()


class _Run:
    def __init__(
        self,
        manifest: Manifest,
        intake: Intake,
        output: Path,
        students: tuple[Student, ...],
        settings: Settings,
    ) -> None:
        roster = {one.student.id: one.student for one in manifest.handouts.values()}
        roster |= {student.id: student for student in students}
        self._roster = roster
        manifest = replace(manifest, handouts={
            token: replace(one, student=roster[one.student.id])
            for token, one in manifest.handouts.items()
        })  # fmt: skip
        self.manifest, self.intake, self.output, self.settings = manifest, intake, output, settings
        names = Names(roster.values())
        self._claims = {one.name: names.claim(one.name) for one in intake.submissions}
        returned = (one.name for one in intake.submissions if settings.feedback and not one.problem)
        self._return = ReturnNames(returned)
        self._not_returned: dict[str, str] = {}
        self._hands: dict[str, str] = {}
        self._several_hands: set[str] = set()
        self.store = Store(output, manifest)
        self._digest = digest_of(manifest)
        self._returned = Returned(output, output / FEEDBACK) if settings.feedback else None
        _tidy(output)
        self._codec = Codec(manifest, students)
        self._keys: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._done = 0
        self._progress: Progress = lambda _done, _total: None

    # judging

    def judge(self, progress: Progress) -> None:
        self._progress = progress
        settings = self.settings
        assignment = Assignment.of(
            self.manifest, feedback=settings.feedback, grader=settings.grader,
            limits=settings.limits,
        )  # fmt: skip
        judge_all(
            self._tasks(), assignment, self._keep, jobs=settings.jobs or cores(),
            executor=settings.executor, width=settings.width,
        )  # fmt: skip
        self._hand_back()

    def close(self) -> None:
        """Let others write."""
        self.store.close()
        if self._returned is not None:
            self._returned.close()

    def _tasks(self) -> Iterator[Task]:
        """Read the files one at a time; yield those that have no result yet."""
        for submission in self.intake.submissions:
            named = str(self._claims[submission.name])
            try:
                data = self.intake.read(submission)
            except InputError as error:
                self._problems[submission.name] = error.line()
                self._step()
                continue
            key = key_of(hashlib.sha256(data).hexdigest(), named)
            self._keys[submission.name] = key
            if self._has(submission, key):
                self._step()
            else:
                yield Task(key, submission.name, named, data)

    def _has(self, submission: Submission, key: str) -> bool:
        """Tell whether a result is there, and its feedback under this very name."""
        if not self.store.has(key, feedback=self.settings.feedback):
            return False
        if self._returned is None:
            return True
        head = head_of(self.store.read(key))
        return bool(head["problem"]) or self._is_returned(submission.name, key, head)

    def _is_returned(self, name: str, key: str, head: dict[str, Any]) -> bool:
        """Tell whether the feedback on a submission is there, and says what is so today."""
        workbook = self._return.workbook(name)
        if self._returned is None or self._returned.made(workbook) != self._made(key, head):
            return False
        files = (self.output / FEEDBACK / file for file in (workbook, self._return.page(name)))
        return all(os.path.isfile(file) for file in files)  # noqa: PTH113 - it never raises

    def _made(self, key: str, head: dict[str, Any]) -> str:
        """Return a hash of what feedback is made of: the result, and what the roster says."""
        student = self._roster.get(head["student"])
        told = () if student is None else (student.id, student.name, student.late)
        text = repr((self._digest, key, told))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]

    def _keep(self, task: Task, judged: Judged | str) -> None:
        """Keep a result: its feedback first, so that a result is never without."""
        if isinstance(judged, str):
            student = self._roster.get(Claim.parse(task.named).student)
            grade = failed(self.manifest, task.name, student, task.data, judged)
            judged = Judged(self._codec.encode(grade))
        if judged.page:
            self._give_back(task, judged)
        self.store.add(task.key, judged.grade, feedback=self.settings.feedback)
        self._step()

    def _give_back(self, task: Task, judged: Judged) -> None:
        """Write feedback; what the disk does not take under this name costs nobody else theirs."""
        if self._returned is None:
            return
        name = task.name
        workbook, page = self._return.workbook(name), self._return.page(name)
        try:
            (self.output / FEEDBACK).mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(self.output / FEEDBACK, error) from error
        try:
            self._returned.note(workbook, page, "")
            _write(self.output / FEEDBACK / workbook, judged.workbook)
            _write(self.output / FEEDBACK / page, judged.page)
            self._returned.note(workbook, page, self._made(task.key, head_of(judged.grade)))
        except _NameRefusedError as error:
            self._not_returned[name] = f"its feedback could not be written: {error}"

    def _hand_back(self) -> None:
        """Remove the feedback that no submission has any more, and pack what goes to Moodle."""
        if self._returned is None:
            return
        names, packed = [], []
        for name, key in self._keys.items():
            head = head_of(self.store.read(key))
            if not head["problem"] and self._is_returned(name, key, head):
                names.append(name)
                if "workbook_of" not in head["evidence"]:  # a person looks at those first
                    packed.append(name)
        self._returned.keep({self._return.workbook(name) for name in names})
        files = [
            file
            for name in packed
            for file in (self._return.workbook(name), self._return.page(name))
        ]
        write_feedback_zip(self.output, self.output / FEEDBACK, files)

    def _step(self) -> None:
        self._done += 1
        self._progress(self._done, len(self.intake.submissions))

    # what comes out

    def grades(self) -> Iterator[Grade]:
        copying = Copying()
        latest: dict[str, tuple[tuple[object, ...], str]] = {}
        for submission in self.intake.submissions:
            student, problem, evidence = self._head(submission)
            if student is None:
                continue
            if not problem:
                copying.add(submission.name, student, evidence)
                self._note_hand(submission, student)
            order = (not problem, self._standing(submission, evidence), *submission.later)
            if student not in latest or order > latest[student][0]:
                latest[student] = order, submission.name
        if copying.needs_keys:
            for submission in self.intake.submissions:
                copying.add_key(self._grade(submission))
        found = copying.found()
        for submission in self.intake.submissions:
            grade = self._grade(submission)
            grade.copying += found.get(grade.file, [])
            if grade.student is not None:
                counting = latest[grade.student.id][1]
                grade.superseded = "" if counting == grade.file else counting
                self._say_whose(grade, submission)
            yield grade

    def _standing(self, submission: Submission, evidence: dict[str, Any]) -> int:
        """Return how well a file's name and its contents agree on whose it is.

        Where they do not, it never takes the place of a file of this student where they do:
        with a name or a token anybody could replace another's work.
        """
        told = self._claims[submission.name].certain
        others = "givens_of" in evidence and (not told or evidence["givens_of"])
        if "workbook_of" in evidence or others:
            return 0
        return 2 if told or not submission.hint.platform else 1

    def _note_hand(self, submission: Submission, student: str) -> None:
        """Remember whose files were handed in by several people, as the platform says."""
        hint = submission.hint
        if hint.platform:
            hand = f"{hint.platform} {hint.user}"
            if self._hands.setdefault(student, hand) != hand:
                self._several_hands.add(student)

    def _say_whose(self, grade: Grade, submission: Submission) -> None:
        """Say who handed a file in, where that may not be whose it seems to be."""
        hint, student = submission.hint, grade.student
        if student is None:
            return
        hand = f"handed in by {hint.name} ({hint.platform} {hint.user})" if hint.platform else ""
        if hand and student.id in self._several_hands:
            grade.review.append(f"{hand}, and other files of {student.id} by somebody else")
        if "givens_of" in grade.evidence and not self._claims[submission.name].certain:
            lines = grade.copying if grade.evidence["givens_of"] else grade.review
            by = hand or "its name does not say who handed it in"
            lines.append(f"its numbers are not those of {student.id}; {by}")

    def _head(self, submission: Submission) -> tuple[str | None, bool, dict[str, Any]]:
        """Return whose a file is, whether it has a problem, and what is compared of it."""
        if submission.name not in self._keys:
            return self._claims[submission.name].student or None, True, {}
        head = head_of(self.store.read(self._keys[submission.name]))
        return head["student"], head["problem"], head["evidence"]

    def _grade(self, submission: Submission) -> Grade:
        """Return the grade of a file, under its own name and with the roster's lateness."""
        name = submission.name
        if name not in self._keys:
            student = self._roster.get(self._claims[name].student)
            return failed(self.manifest, name, student, b"", self._problems[name])
        grade = self._codec.decode(self.store.read(self._keys[name]))
        grade.file = name
        if grade.student is not None:
            grade.student = self._roster.get(grade.student.id, grade.student)
        if name in self._not_returned:
            grade.review.append(self._not_returned[name])
        grade.of = self.manifest.points
        grade.take_off_lateness()
        return grade


def _tidy(output: Path) -> None:
    """Remove what a killed run had begun to write; nobody else is writing there."""
    begun = [path for path in output.glob(".*") if _BEGUN.fullmatch(path.name)]
    for path in (*begun, *(output / FEEDBACK).rglob(".*.part")):
        with contextlib.suppress(OSError):
            path.unlink()


class _NameRefusedError(Exception):
    """A file cannot be written because of what it is called, or of what lies in its place."""


_OF_THE_NAME = {
    errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.EINVAL,
    errno.EILSEQ, errno.ELOOP, errno.ENOTEMPTY,
}  # fmt: skip


def _write(path: Path, data: bytes) -> None:
    """Write beside the target, then rename; a lost file is written again by the next run."""
    beside = path.with_name(f".{path.name[:40]}.{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if error.errno in _OF_THE_NAME:
            raise _NameRefusedError(error.strerror or str(error)) from error
        raise unwritable(path, error) from error
    except ValueError as error:  # a name in no encoding
        raise _NameRefusedError("this disk does not know its characters") from error
