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
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cellgrad.errors import InputError
from cellgrad_coursework.derivation import canonical, givens_of
from cellgrad_coursework.identity import (
    Claim,
    Names,
    hint_of,
    natural,
    say_who_handed_in,
    standing_of,
)
from cellgrad_coursework.model import Grade, Handout, Manifest, Student
from cellgrad_coursework.results.write import write_feedback_zip
from cellgrad_coursework.running.judge import GRADER, Codec, Judged, Limits, failed, head_of
from cellgrad_coursework.running.pool import Task, assignment_of, judge_all
from cellgrad_coursework.running.returned import FEEDBACK, Feedback
from cellgrad_coursework.running.store import Store, digest_of, key_of
from cellgrad_coursework.secret import token_from
from cellgrad_coursework.setting.givens import with_scalars
from cellgrad_coursework.taking_in.copying import Copying
from cellgrad_coursework.taking_in.intake import Intake, Submission

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


def enrolled(manifest: Manifest, students: Iterable[Student]) -> Manifest:
    """Return a manifest with those students of a newer roster who are not in it.

    Where one file serves all, their numbers follow from it; whether they tell every mistake
    apart was not looked at. Ids that cannot be typed, or that are taken, are left out.
    """
    told = manifest.one_file
    if told is None:
        return manifest
    handouts = dict(manifest.handouts)
    known = {one.student.id for one in handouts.values()}
    taken = {canonical(student_id) for student_id in known}
    example = next(iter(handouts.values()))
    derived = (manifest.givens[n] for n in told.derived)
    places = [(given.quantity, given.layer, given.index) for given in derived]
    for student in students:
        try:
            plain = canonical(student.id)
        except ValueError:
            continue
        too_long = len("".join(student.id.split())) > told.constants.rows
        if too_long or student.id in known or plain in taken:
            continue
        taken.add(plain)
        numbers = givens_of(told.constants, told.rules, plain)
        digest = hashlib.sha256(f"{manifest.version}\0{plain}".encode()).digest()
        token = token_from(int.from_bytes(digest, "big"))
        case = with_scalars(example.case, places, numbers)
        handouts[token] = Handout(student, token, case, example.file, checked=False)
    return replace(manifest, handouts=handouts)


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
        self._not_returned: dict[str, str] = {}
        self._hands: dict[str, set[str]] = {}
        """Of each student: who handed their files in, as the platform says."""

        self.store = Store(output, manifest)
        self._digest = digest_of(manifest)
        names_of = (one.name for one in intake.submissions if not one.problem)
        self._feedback = Feedback(output, names_of) if settings.feedback else None
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
        assignment = assignment_of(
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
        if self._feedback is not None:
            self._feedback.close()

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
        return self._feedback is None or self._is_returned(submission.name, key) is not False

    def _is_returned(self, name: str, key: str) -> bool | None:
        """Tell whether the feedback on a submission is there, and says what is so today.

        Returns:
            None where there is to be none.
        """
        head = head_of(self.store.read(key))
        if head["problem"] or self._feedback is None:
            return None
        return self._feedback.is_there(name, self._made(key, head))

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
        if judged.page and self._feedback is not None:
            made = self._made(task.key, head_of(judged.grade))
            problem = self._feedback.write(task.name, made, judged.workbook, judged.page)
            if problem:  # what the disk does not take costs nobody else theirs
                self._not_returned[task.name] = problem
        self.store.add(task.key, judged.grade, feedback=self.settings.feedback)
        self._step()

    def _hand_back(self) -> None:
        """Remove the feedback that no submission has any more, and pack what goes to Moodle."""
        if self._feedback is None:
            return
        names = [name for name, key in self._keys.items() if self._is_returned(name, key)]
        self._feedback.keep(names)
        packed = [
            file
            for name in names
            if "workbook_of" not in self._head(name)[2]  # a person looks at those first
            for file in self._feedback.files(name)
        ]
        write_feedback_zip(self.output, self._feedback.folder, packed)

    def _step(self) -> None:
        self._done += 1
        self._progress(self._done, len(self.intake.submissions))

    # what comes out

    def grades(self) -> Iterator[Grade]:
        copying = Copying()
        latest: dict[str, tuple[tuple[object, ...], str]] = {}
        for submission in self.intake.submissions:
            name = submission.name
            student, problem, evidence = self._head(name)
            if student is None:
                continue
            hint = hint_of(name)
            if not problem:
                copying.add(name, student, evidence)
                if hint.platform:
                    self._hands.setdefault(student, set()).add(f"{hint.platform} {hint.user}")
            standing = standing_of(hint, self._claims[name], evidence)
            order = (not problem, standing, hint.order, submission.when, natural(name))
            if student not in latest or order > latest[student][0]:
                latest[student] = order, name
        if copying.needs_keys:
            for submission in self.intake.submissions:
                copying.add_key(self._grade(submission))
        shared = copying.lines_by_file()
        for submission in self.intake.submissions:
            grade = self._grade(submission)
            grade.copying += shared.get(grade.file, [])
            if grade.student is not None:
                counting = latest[grade.student.id][1]
                grade.superseded = "" if counting == grade.file else counting
                several = len(self._hands.get(grade.student.id, ())) > 1
                say_who_handed_in(grade, self._claims[grade.file], by_several=several)
            yield grade

    def _head(self, name: str) -> tuple[str | None, bool, dict[str, Any]]:
        """Return whose a file is, whether it has a problem, and what is compared of it."""
        if name not in self._keys:
            return self._claims[name].student or None, True, {}
        head = head_of(self.store.read(self._keys[name]))
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
