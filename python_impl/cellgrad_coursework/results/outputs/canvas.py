"""The gradebook as Canvas imports it.

The importer wants ``Student`` and ``ID`` first and ``Section`` last of the columns about the
student, takes a column as ``Title (id)`` for the assignment with that id, reads the points
possible from the row whose first cell contains ``Points Possible``, and finds a student by
Canvas id, then SIS id, then login, then name. An empty grade changes nothing; ``EX`` excuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cellgrad_coursework.model import Manifest, Student
from cellgrad_coursework.results.outputs.canvas_points import column_of
from cellgrad_coursework.results.outputs.text import csv_line, number, one_line
from cellgrad_coursework.results.record import EXCUSED, Record, column

ABOUT = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_RAW = (False, True, True, True, False, True)


def canvas_csv(
    manifest: Manifest, records: Iterable[Record], possible: float | None = None
) -> Iterator[str]:
    """Yield the lines of the file; of each student the submission that counts.

    Args:
        manifest: the assignment.
        records: of each submission, and of each student who handed nothing in.
        possible: the points that Canvas gives for it; None for those of the assignment.
    """
    kept = [r for r in records if r.student is not None and r.counting]
    yield csv_line([*ABOUT, _title(manifest, kept)])
    most = manifest.points if possible is None else possible
    share = most / manifest.points if manifest.points else 1.0
    yield csv_line(["    Points Possible", "", "", "", "", number(most)], _RAW)
    for record in kept:
        student = record.student
        if student is None:
            continue
        known = _canvas_id(student)
        ids = (
            known,
            column(student, "SIS User ID") or ("" if known else student.id),
            column(student, "SIS Login ID") or ("" if known else student.id),
        )
        score = None if record.lms_score is None else record.lms_score * share
        grade = "EX" if record.status == EXCUSED else number(score)
        name = column(student, "Student") or student.name
        yield csv_line([name, *ids, student.section or column(student, "Section"), grade], _RAW)


def _canvas_id(student: Student) -> str:
    """Return Canvas's own id, where the roster is an export of its gradebook."""
    columns = dict(student.other)
    return columns.get("ID", "").strip() if "Student" in columns else ""


def _title(manifest: Manifest, records: list[Record]) -> str:
    """Return the assignment's column as the roster's export names it, with its id."""
    for record in records:
        headings = [name for name, _ in record.student.other] if record.student else []
        if found := column_of(headings, manifest):
            return found
    return one_line(manifest.title) or manifest.id
