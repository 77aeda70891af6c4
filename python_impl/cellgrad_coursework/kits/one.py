"""Grades what one student handed in: a folder with a workbook in it, as a platform lays it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cellgrad.errors import InputError
from cellgrad_coursework.model import Grade, Manifest
from cellgrad_coursework.running.runner import Settings, grade_all
from cellgrad_coursework.taking_in.intake import Intake


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
        return nothing(manifest, error.problem)
    counting = [grade for grade in grades if not grade.superseded]
    if not counting:
        return nothing(manifest, "no .xlsx workbook was handed in")
    return min(counting, key=lambda grade: (bool(grade.problem), grade.file))


def nothing(manifest: Manifest, problem: str) -> Grade:
    """Return the grade where there is no workbook."""
    return Grade("", "", None, "", of=manifest.points, problem=problem)
