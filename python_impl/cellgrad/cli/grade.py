"""``cellgrad grade``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellgrad.coursework.intake import Intake
from cellgrad.coursework.manifest_file import read_manifest
from cellgrad.coursework.model import Grade, Student
from cellgrad.coursework.outputs import USUAL, write_all
from cellgrad.coursework.roster import read_roster
from cellgrad.coursework.runner import FEEDBACK, Settings, grade_all
from cellgrad.errors import InputError, printable


@dataclass(slots=True)
class _Counts:
    """What the last lines say."""

    files: int = 0
    graded: int = 0
    unreadable: int = 0
    nobodys: int = 0
    superseded: int = 0
    review: int = 0
    copying: int = 0


def grade_command(
    submissions: Path,
    assignment_dir: Path,
    output: Path,
    *,
    formats: Collection[str] = USUAL,
    scheduler: str | None = None,
    jobs: int | None = None,
    feedback: bool = True,
    roster: Path | None = None,
) -> int:
    """Grade what was handed in; return the exit code.

    Args:
        submissions: a folder, a zip, or one workbook.
        assignment_dir: what ``cellgrad assign`` wrote.
        output: the folder to write.
        formats: which gradebooks.
        scheduler: the address of a Dask scheduler; None for this machine.
        jobs: how many processes; None for all cores.
        feedback: whether feedback is written for each student.
        roster: a newer roster, such as one with a column of lateness.

    Raises:
        InputError: an input cannot be read, or the output cannot be written.
    """
    manifest = read_manifest(assignment_dir)
    newer = tuple(read_roster(roster)) if roster is not None else ()
    students = newer or tuple(handout.student for handout in manifest.handouts.values())
    _make(output)
    counts = _Counts()
    with (
        closing(Intake(submissions, leave_out=output)) as intake,
        _executor(scheduler) as (executor, width),
        progress_bar(len(intake.submissions)) as progress,
    ):
        if not intake.submissions:
            raise InputError(
                "holds no submissions", file=submissions, remedy="name the folder of submissions"
            )
        settings = Settings(feedback=feedback, jobs=jobs, executor=executor, width=width)
        grades = grade_all(manifest, intake, output, newer, settings, progress)
        remarks = write_all(output, manifest, _counted(grades, counts), students, formats)
    _say(counts, output, students, remarks, feedback=feedback)
    return 0


def _make(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be made ({error.strerror or error})",
            file=output,
            remedy="choose another place with -o",
        ) from error


def _counted(grades: Iterable[Grade], counts: _Counts) -> Iterator[Grade]:
    for grade in grades:
        counts.files += 1
        counts.unreadable += bool(grade.problem)
        counts.graded += not grade.problem
        counts.nobodys += grade.student is None
        counts.superseded += bool(grade.superseded)
        counts.review += bool(grade.review)
        counts.copying += bool(grade.copying)
        yield grade


def _say(
    counts: _Counts,
    output: Path,
    students: Collection[Student],
    remarks: Iterable[str],
    *,
    feedback: bool,
) -> None:
    lines = [f"{counts.files:,} files, {counts.graded:,} graded, {len(students):,} students"]
    for count, what in (
        (counts.unreadable, "could not be read"),
        (counts.nobodys, "belong to nobody on the roster"),
        (counts.superseded, "do not count: the student handed in another one later"),
        (counts.review, "need a look by a person"),
        (counts.copying, "show potential copying; the evidence is in review.csv"),
    ):
        if count:
            lines.append(f"{count:,} {what}")
    lines += remarks
    lines.append(f"start with {output / 'class.html'} and {output / 'gradebook.csv'}")
    if feedback:
        lines.append(f"feedback for the students is in {output / FEEDBACK}")
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


@contextmanager
def _executor(address: str | None) -> Iterator[tuple[Executor | None, int | None]]:
    """Connect with a Dask scheduler, if one is named."""
    if address is None:
        yield None, None
        return
    try:
        import distributed  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(
            "needs Dask, which is not installed",
            place="--scheduler",
            remedy="pip install 'cellgrad[dask]'",
        ) from error
    try:
        connect: Any = distributed.Client  # it carries no types
        client = connect(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"no scheduler answers at {address}",
            place="--scheduler",
            remedy="start one with: dask scheduler",
        ) from error
    with client:
        width = sum(client.nthreads().values())
        if not width:
            raise InputError(
                f"the scheduler at {address} has no workers",
                place="--scheduler",
                remedy=f"start one with: dask worker {address}",
            )
        # pure=True would merge the submissions that are alike
        yield client.get_executor(pure=False), width


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int, int], None] | None]:
    """Show on a terminal how many files are done, how fast, and how long it will take."""
    if not sys.stderr.isatty() or not total:
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - start-up time
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class Rate(ProgressColumn):
        """Files a second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.0f}/s" if speed else "", style="progress.data.speed")

    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), Rate(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("grading", total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)
