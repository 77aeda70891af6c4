"""The gradebook as Canvas imports it.

The importer wants ``Student`` and ``ID`` first and ``Section`` last of the columns about the
student, takes a column as ``Title (id)`` for the assignment with that id, reads the points
possible from the row whose first cell contains ``Points Possible``, and finds a student by
Canvas id, then SIS id, then login, then name. An empty grade changes nothing; ``EX`` excuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cellgrad.coursework.model import Manifest, Student
from cellgrad.coursework.outputs.text import csv_line, number, one_line
from cellgrad.coursework.record import EXCUSED, Record, column

ABOUT = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_RAW = (False, True, True, True, False, True)


def canvas_csv(manifest: Manifest, records: Iterable[Record]) -> Iterator[str]:
    """Yield the lines of the file; of each student the submission that counts."""
    kept = [r for r in records if r.student is not None and r.counting]
    yield csv_line([*ABOUT, _title(manifest, kept)])
    points = number(manifest.points)
    yield csv_line(["    Points Possible", "", "", "", "", points], _RAW)
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
        grade = "EX" if record.status == EXCUSED else number(record.score)
        name = column(student, "Student") or student.name
        yield csv_line([name, *ids, student.section or column(student, "Section"), grade], _RAW)


def _canvas_id(student: Student) -> str:
    """Return Canvas's own id, where the roster is an export of its gradebook."""
    columns = dict(student.other)
    return columns.get("ID", "").strip() if "Student" in columns else ""


def _title(manifest: Manifest, records: list[Record]) -> str:
    """Return the assignment's column as the roster's export names it, with its id."""
    own = {one_line(title).casefold() for title in (manifest.title, manifest.id)}
    for record in records:
        for name, _ in record.student.other if record.student else ():
            match = re.fullmatch(r"(.+) \(\d+\)", name.strip())
            if match and one_line(match[1]).casefold() in own:
                return name.strip()
    return one_line(manifest.title) or manifest.id
