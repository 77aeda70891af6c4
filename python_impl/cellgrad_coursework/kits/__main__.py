"""``python -m cellgrad_coursework.kits``: what the scripts of the kits run, and writing a kit.

One student's submission in, a platform's results out.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellgrad.errors import CellgradError, InputError, printable
from cellgrad.files import read_limited, write_atomically
from cellgrad_coursework.kits import KINDS, write_kit
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.model import Grade, Manifest
from cellgrad_coursework.results.autograders import (
    classroom_results,
    gradescope_results,
    markdown,
    prairielearn_results,
)
from cellgrad_coursework.results.gradebooks import one_line
from cellgrad_coursework.results.write import json_bytes
from cellgrad_coursework.running.runner import Settings, grade_all
from cellgrad_coursework.taking_in.intake import Intake

_MOST = 64 << 20


@dataclass(frozen=True, slots=True)
class Platform:
    """Where a platform lays things, below a root, and what it reads.

    Attributes:
        root: the usual root.
        variable: the environment variable that names another.
        manifest: the folder of the assignment's manifest.
        submission: the folder of what was handed in.
        about: a JSON document about the submission.
        results: makes its results.json.
    """

    root: str
    variable: str
    manifest: str
    submission: str
    about: str
    results: Callable[[Grade], dict[str, Any]]


PLATFORMS = {
    "gradescope": Platform(
        "/autograder",
        "CELLGRAD_AUTOGRADER",
        "source",
        "submission",
        "submission_metadata.json",
        gradescope_results,
    ),
    "prairielearn": Platform(
        "/grade", "CELLGRAD_GRADE", "tests", "student", "data/data.json", prairielearn_results
    ),
}


def run_platform(kind: str) -> int:
    """Grade what lies where a platform lays it; return the exit code.

    Raises:
        InputError: the kit is incomplete, or the results cannot be written.
    """
    platform = PLATFORMS[kind]
    root = Path(os.environ.get(platform.variable) or platform.root)
    results = root / "results"
    results.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(root / platform.manifest)

    def write(grade: Grade) -> None:
        write_atomically(results / "results.json", json_bytes(platform.results(grade)))

    # whatever becomes of this process, there is a result, and it costs the student nothing
    write(nothing_graded(manifest, "grading did not finish; tell your lecturer"))
    about = _document(root / platform.about)
    if _no_files(about):
        grade = nothing_graded(manifest, "no file was handed in")
    else:
        grade = grade_folder(manifest, root / platform.submission)
    _compare_account(grade, about)
    write(grade)
    # standard output is for lecturers: the platforms keep it from students
    for line in (*grade.review, *grade.notes, *grade.copying):
        sys.stdout.write(one_line(line) + "\n")
    return 0


def run_git(arguments: list[str]) -> int:
    """Grade a repository of a classroom; return the exit code: 0 whenever there is a grade.

    Args:
        arguments: the folder of the manifest, and the repository (by default, this one).

    Raises:
        InputError: there is no manifest, or a file cannot be written.
    """
    if not 1 <= len(arguments) <= 2:
        raise InputError("git takes a manifest and a repository", remedy="git MANIFEST [FOLDER]")
    manifest = read_manifest(Path(arguments[0]))
    grade = grade_folder(manifest, Path(arguments[1] if len(arguments) > 1 else "."))
    text = markdown(manifest.title, grade)
    sys.stdout.write(text)
    _append("GITHUB_STEP_SUMMARY", text)
    document = json.dumps(classroom_results(grade), allow_nan=False)
    _append("GITHUB_OUTPUT", f"result={base64.b64encode(document.encode()).decode()}\n")
    place = os.environ.get("CELLGRAD_RESULTS")
    if place:
        write_atomically(Path(place), f"{document}\n".encode())
    return 2 if grade.problem else 0


def grade_folder(manifest: Manifest, folder: Path) -> Grade:
    """Return the grade of the workbook in a folder, read in a child process within limits.

    Of several workbooks the one that would count in a course counts here.

    Args:
        manifest: the assignment.
        folder: what the student handed in.
    """
    try:
        intake = Intake(folder)
        with tempfile.TemporaryDirectory() as scratch:
            settings = Settings(feedback=False, jobs=1)
            grades = list(grade_all(manifest, intake, Path(scratch), settings=settings))
    except InputError as error:
        return nothing_graded(manifest, error.problem)
    counting = [grade for grade in grades if not grade.superseded]
    if not counting:
        return nothing_graded(manifest, "no .xlsx workbook was handed in")
    return min(counting, key=lambda grade: (bool(grade.problem), grade.file))


def nothing_graded(manifest: Manifest, problem: str) -> Grade:
    """Return the grade where there is no workbook."""
    return Grade("", "", None, "", of=manifest.points, problem=problem)


def _document(path: Path) -> dict[str, Any]:
    """Return what a platform says of a submission; nothing where that cannot be read."""
    try:
        document = json.loads(read_limited(path, _MOST))
    except (InputError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _no_files(about: dict[str, Any]) -> bool:
    """Tell whether a platform says that no file was handed in."""
    answers = about.get("submitted_answers")
    return isinstance(answers, dict) and answers.get("_files") == []


def _compare_account(grade: Grade, about: dict[str, Any]) -> None:
    """Note where a workbook was made out to somebody else than who handed it in."""
    listed = about.get("users", [])
    users = [user for user in listed if isinstance(user, dict)] if isinstance(listed, list) else []
    emails = {str(user.get("email", "")).strip().casefold() for user in users} - {""}
    student = grade.student
    if student is None or not student.email or not emails:
        return
    if student.email.strip().casefold() not in emails:
        grade.copying.append(
            f"the workbook was made out to {student.name or student.id} ({student.email}), "
            f"and was handed in by {', '.join(sorted(emails))}"
        )


def _append(variable: str, text: str) -> None:
    """Append to a file that the workflow names in an environment variable."""
    place = os.environ.get(variable)
    if not place:
        return
    try:
        with Path(place).open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})", file=place, place=variable
        ) from error


def main(arguments: list[str]) -> int:
    """Run a kit, or write one; return the exit code, 2 with one line where that cannot be."""
    kind, *rest = arguments or [""]
    try:
        if kind in PLATFORMS and not rest:
            return run_platform(kind)
        if kind == "git":
            return run_git(rest)
        if kind == "write" and len(rest) == 3:
            output = Path(rest[2])
            write_kit(rest[0], Path(rest[1]), output)
            said = f"wrote {output}: its README.md says what to do with it"
            sys.stdout.write(printable(said) + "\n")
            return 0
    except (CellgradError, OSError) as error:
        line = error.line() if isinstance(error, InputError) else str(error)
        sys.stderr.write(f"cellgrad: {printable(' '.join(line.split()))}\n")
        return 2
    sys.stderr.write(f"cellgrad: use: write {'|'.join(KINDS)} ASSIGNMENT-FOLDER NEW-FOLDER\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
