"""Grading at scale: many files, all cores or a cluster, each file within limits.

A result is appended to a store as soon as it is there. A run that was killed goes on where
it was, and what comes out does not depend on the order, the number of processes, or how
often it was killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cellgrad.coursework.child import Assignment, Limits
from cellgrad.coursework.copying import Copying
from cellgrad.coursework.elsewhere import Elsewhere
from cellgrad.coursework.here import Here, Task
from cellgrad.coursework.intake import Intake, Submission
from cellgrad.coursework.judge import GRADER, Judged, failed
from cellgrad.coursework.matching import ByName, by_word
from cellgrad.coursework.model import Grade, Manifest, Student
from cellgrad.coursework.store import Codec, Store, head_of, key_of
from cellgrad.errors import InputError

FEEDBACK = "feedback"
_LATE = "late: "
_BEGUN = re.compile(
    r"\.(?:gradebook|cells|review|class|canvas|moodle)\.\w+\.(?:\w{8}|\d+\.part)", re.ASCII
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
    them. Feedback is written as they are judged.

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
    run = _Run(manifest, intake, output, students, settings or Settings())
    try:
        run.judge(progress or (lambda _done, _total: None))
        yield from run.grades()
    finally:
        run.store.close()


class _Run:
    def __init__(
        self,
        manifest: Manifest,
        intake: Intake,
        output: Path,
        students: tuple[Student, ...],
        settings: Settings,
    ) -> None:
        self.manifest, self.intake, self.output, self.settings = manifest, intake, output, settings
        roster = {one.student.id: one.student for one in manifest.handouts.values()}
        roster |= {student.id: student for student in students}
        self._roster = roster
        self._names = ByName(roster.values())
        self.store = Store(output, manifest)
        _tidy(output)
        self._codec = Codec(manifest, students)
        self._keys: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._done = 0
        self._progress: Progress = lambda _done, _total: None

    # judging

    def judge(self, progress: Progress) -> None:
        self._progress = progress
        assignment = Assignment.of(
            self.manifest, feedback=self.settings.feedback, grader=self.settings.grader,
            limits=self.settings.limits,
        )  # fmt: skip
        if self.settings.executor is None:
            Here(assignment, self._keep, self.settings.jobs or cores()).run(self._tasks())
        else:
            executor, width = self.settings.executor, self.settings.width
            Elsewhere(assignment, self._keep, executor, width).run(self._tasks())

    def _tasks(self) -> Iterator[Task]:
        """Read the files one at a time; yield those that have no result yet."""
        for submission in self.intake.submissions:
            named = self._names.word(submission.name)
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
        wanted = self.settings.feedback
        if not self.store.has(key, feedback=wanted):
            return False
        return not wanted or self._ended(submission.name).exists() or self._bare(key)

    def _bare(self, key: str) -> bool:
        """Tell whether a result is of a kind that has no feedback."""
        return bool(head_of(self.store.read(key))["problem"])

    def _ended(self, name: str) -> Path:
        """Return the file that is written last of a submission's feedback."""
        return self.output / FEEDBACK / f"{name.removesuffix('.xlsx')}.html"

    def _keep(self, task: Task, judged: Judged | str) -> None:
        """Keep a result: its feedback first, so that a result is never without."""
        if isinstance(judged, str):
            student = self._roster.get(by_word(task.named)[0])
            grade = failed(self.manifest, task.name, student, task.data, judged)
            judged = Judged(self._codec.encode(grade))
        if judged.page:
            page = self._ended(task.name)
            _write(page.parent / Path(task.name).name, judged.workbook)
            _write(page, judged.page)
        self.store.add(task.key, judged.grade, feedback=self.settings.feedback)
        self._step()

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
            order = (not problem, *submission.later)
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
            yield grade

    def _head(self, submission: Submission) -> tuple[str | None, bool, dict[str, Any]]:
        """Return whose a file is, whether it has a problem, and what is compared of it."""
        if submission.name not in self._keys:
            student = self._names.find(submission.name)
            return student.id if student else None, True, {}
        head = head_of(self.store.read(self._keys[submission.name]))
        return head["student"], head["problem"], head["evidence"]

    def _grade(self, submission: Submission) -> Grade:
        """Return the grade of a file, under its own name and with the roster's lateness."""
        name = submission.name
        if name not in self._keys:
            student = self._names.find(name)
            return failed(self.manifest, name, student, b"", self._problems[name])
        grade = self._codec.decode(self.store.read(self._keys[name]))
        grade.file = name
        if grade.student is not None:
            grade.student = self._roster.get(grade.student.id, grade.student)
        late = min(max(grade.student.late, 0.0), 1.0) if grade.student else 0.0
        points = sum(verdict.points for verdict in grade.verdicts)
        grade.notes = [line for line in grade.notes if not line.startswith(_LATE)]
        if late and not grade.problem:
            grade.notes.append(f"{_LATE}{late:.0%} taken off")
        return replace(grade, of=self.manifest.points, score=points * (1.0 - late))


def _tidy(output: Path) -> None:
    """Remove what a killed run had begun to write; nobody else is writing there."""
    begun = [path for path in output.glob(".*") if _BEGUN.fullmatch(path.name)]
    for path in (*begun, *(output / FEEDBACK).rglob(".*.part")):
        with contextlib.suppress(OSError):
            path.unlink()


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
        raise InputError(
            f"cannot be written ({error.strerror or error})",
            file=path,
            remedy="choose another place with -o, or make room",
        ) from error
