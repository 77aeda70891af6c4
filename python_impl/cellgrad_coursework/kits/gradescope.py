"""What run_autograder of the Gradescope kit runs: /autograder/submission in, results.json out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from cellgrad.files import read_limited, write_atomically
from cellgrad_coursework.kits.one import grade_folder, nothing
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.model import Grade
from cellgrad_coursework.results.outputs.gradescope import gradescope_results
from cellgrad_coursework.results.outputs.text import one_line
from cellgrad_coursework.results.outputs.write import json_bytes

ROOT = "CELLGRAD_AUTOGRADER"
"""The environment variable that names another folder than /autograder."""

_MOST = 4 << 20


def run() -> int:
    """Grade the submission; return the exit code.

    Raises:
        InputError: the kit is incomplete, or the results cannot be written.
    """
    root = Path(os.environ.get(ROOT) or "/autograder")
    results = root / "results"
    results.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(root / "source")
    # whatever becomes of this process, there is a result
    unfinished = nothing(manifest, "grading did not finish; tell your lecturer")
    write_atomically(results / "results.json", json_bytes(gradescope_results(unfinished)))
    grade = grade_folder(manifest, root / "submission")
    _compare_account(grade, _users(root / "submission_metadata.json"))
    write_atomically(results / "results.json", json_bytes(gradescope_results(grade)))
    # standard output is for lecturers: the platform keeps it from students
    for line in (*grade.review, *grade.notes, *grade.copying):
        sys.stdout.write(one_line(line) + "\n")
    return 0


def _users(path: Path) -> list[dict[str, Any]]:
    """Return who handed it in, as the platform says; nobody where it does not."""
    if not path.is_file():
        return []
    try:
        document = json.loads(read_limited(path, _MOST))
        return [user for user in document.get("users", []) if isinstance(user, dict)]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []


def _compare_account(grade: Grade, users: list[dict[str, Any]]) -> None:
    """Note where a workbook was made out to somebody else than who handed it in."""
    emails = {str(user.get("email", "")).strip().casefold() for user in users} - {""}
    student = grade.student
    if student is None or not student.email or not emails:
        return
    if student.email.strip().casefold() not in emails:
        grade.copying.append(
            f"the workbook was made out to {student.name or student.id} ({student.email}), "
            f"and was handed in by {', '.join(sorted(emails))}"
        )
