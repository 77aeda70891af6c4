"""``cellgrad grade``."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cellgrad.cli.progress import progress_bar
from cellgrad.errors import InputError, printable
from cellgrad.files import shortened
from cellgrad_coursework.identity import OTHER_ASSIGNMENT
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.model import Student
from cellgrad_coursework.results.gradebooks import canvas_points
from cellgrad_coursework.results.summary import Record, counted, open_points
from cellgrad_coursework.results.write import MOODLE_ZIP, USUAL, Written, check_formats, write_all
from cellgrad_coursework.roster import read_roster
from cellgrad_coursework.running.returned import FEEDBACK
from cellgrad_coursework.running.runner import Settings, grade_all
from cellgrad_coursework.running.store import check_results, claim_results
from cellgrad_coursework.taking_in.intake import Intake

_NAMED = 3
"""So many files that could not be read are named on the terminal."""

_LONG = 70


def grade_command(
    submissions: Path,
    assignment_dir: Path,
    output: Path,
    *,
    formats: Collection[str] = (),
    scheduler: str | None = None,
    jobs: int | None = None,
    feedback: bool = True,
    roster: Path | None = None,
) -> int:
    """Grade what was handed in; return the exit code: every submission has a row.

    Args:
        submissions: a folder, a zip, or one workbook.
        assignment_dir: what ``cellgrad assign`` wrote.
        output: the folder to write.
        formats: which gradebooks; one may hold several, with commas; empty for the usual.
        scheduler: the address of a Dask scheduler; None for this machine.
        jobs: how many processes; None for all cores.
        feedback: whether feedback is written for each student.
        roster: a newer roster, such as one with a column of lateness.

    Raises:
        InputError: an input cannot be read, or the output cannot be written.
    """
    words = [word.strip() for text in formats for word in text.split(",")]
    formats = list(dict.fromkeys(filter(None, words))) if formats else USUAL
    check_formats(formats)
    manifest = read_manifest(assignment_dir)
    newer = tuple(read_roster(roster)) if roster is not None else ()
    students = newer or tuple(handout.student for handout in manifest.handouts.values())
    points = None if roster is None else canvas_points(roster, manifest)
    check_results(output, submissions, assignment_dir, manifest)
    with (
        closing(Intake(submissions)) as intake,
        _executor(scheduler) as (executor, width),
    ):
        if not intake.submissions:
            raise InputError(
                "holds no submissions", file=submissions, remedy="name the folder of submissions"
            )
        claim_results(output, manifest)
        settings = Settings(feedback=feedback, jobs=jobs, executor=executor, width=width)
        with progress_bar("grading", len(intake.submissions), unit="files") as bar:
            grades = grade_all(manifest, intake, output, newer, settings, bar.show)
            written = write_all(output, manifest, grades, students, formats, points)
    _say(written, output, students, feedback=feedback)
    return 0


def _say(written: Written, output: Path, students: Collection[Student], *, feedback: bool) -> None:
    files = [record for record in written.records if record.grade.file]
    graded = sum(not record.grade.problem for record in files)
    lines = [
        f"{counted(len(files), 'file')}, {graded:,} graded, {counted(len(students), 'student')}"
    ]
    others = sum(map(_of_another, files))
    if others:
        verb = "is" if others == 1 else "are"
        workbooks = counted(others + graded, "workbook")
        lines.append(f"{others:,} of {workbooks} {verb} of another assignment")
        if others > graded:
            lines[-1] += ": name the folder that they were handed out from with --assignment"
    unreadable = sorted(r.grade.file for r in files if r.grade.problem and not _of_another(r))
    if unreadable:
        lines.append(f"{len(unreadable):,} could not be read; review.csv says why:")
        lines += [f"  {shortened(name, _LONG)}" for name in unreadable[:_NAMED]]
        if len(unreadable) > _NAMED:
            lines.append(f"  and {len(unreadable) - _NAMED:,} more")
    lines += _what_to_look_at(files)
    lines += written.remarks
    lines.append(f"start with {output / 'class.html'} and {output / 'gradebook.csv'}")
    if feedback and graded:
        lines.append(f"feedback for the students is in {output / FEEDBACK}")
        if (output / MOODLE_ZIP).is_file():
            lines.append(
                f"{output / MOODLE_ZIP} is for Moodle: Upload multiple feedback files in a zip"
            )
    sys.stdout.write("".join(f"{line}\n" for line in _fitted(map(printable, lines))))


def _of_another(record: Record) -> bool:
    """Tell whether a file was made out for another assignment."""
    return record.grade.problem == OTHER_ASSIGNMENT


def _what_to_look_at(files: Sequence[Record]) -> Iterator[str]:
    """Yield how many files a person should look at, and why."""
    latest = [record for record in files if not record.grade.superseded]
    nobodys = [r for r in files if r.grade.student is None and not _of_another(r)]
    unsure, held = sum(bool(r.grade.review) for r in latest), sum(r.held for r in latest)
    copied = sum(bool(r.grade.copying) for r in files)
    later = "not count: the student handed in another one later"
    evidence = "potential copying; the evidence is in review.csv"
    for count, one, several, what in (
        (len(nobodys), "belongs", "belong", "to nobody on the roster"),
        (len(files) - len(latest), "does", "do", later),
        (unsure, "needs", "need", "a look by a person"),
        (copied, "shows", "show", evidence),
        (held, "is another student's workbook: no grade of it",
         "are another student's workbooks: no grades of them", "in the files for an LMS"),
    ):  # fmt: skip
        if count:
            yield f"{count:,} {one if count == 1 else several} {what}"
    provisional = sum(bool(r.open) for r in latest)
    if provisional:
        verb = "grade is" if provisional == 1 else "grades are"
        left = sum(r.open for r in latest)
        yield f"{provisional:,} {verb} provisional: {open_points(left)} until somebody has looked"


def _fitted(lines: Iterable[str]) -> Iterator[str]:
    """Break lines that are wider than the terminal; whoever reads from a pipe gets them whole."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in lines:
        if not width or len(line) <= width:
            yield line
            continue
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        yield from textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )


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
