"""The offline grading worksheet as Moodle imports it.

The importer wants the columns ``Identifier`` (``Participant N``), ``Grade`` and
``Last modified (grade)``, in UTF-8 with commas. It skips an empty grade, one above the maximum,
and one that was changed in Moodle after the date in the worksheet. Moodle writes - for no date;
an empty date means the same to it, and no spreadsheet program takes it for a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cellgrad.coursework.model import Manifest
from cellgrad.coursework.outputs.text import csv_line, number
from cellgrad.coursework.record import Record, column, moodle_identifier

COLUMNS = (
    "Identifier",
    "Full name",
    "Email address",
    "Grade",
    "Maximum Grade",
    "Last modified (grade)",
)
_RAW = (True, False, False, True, True, False)


def moodle_csv(manifest: Manifest, records: Iterable[Record]) -> Iterator[str]:
    """Yield the lines of the worksheet; whoever has no identifier is left out."""
    yield csv_line(COLUMNS)
    for record in records:
        student, identifier = record.student, moodle_identifier(record)
        if student is None or not record.counting or not identifier:
            continue
        most = _number(column(student, "Maximum Grade")) or manifest.points
        share = most / manifest.points if manifest.points else 1.0
        grade = None if record.score is None else min(max(record.score * share, 0.0), most)
        yield csv_line(
            [
                identifier,
                student.name or column(student, "Full name"),
                student.email or column(student, "Email address"),
                number(grade),
                number(most),
                column(student, "Last modified (grade)").removeprefix("-"),
            ],
            _RAW,
        )


def without_identifier(records: Iterable[Record]) -> int:
    """Return how many students the worksheet leaves out."""
    return sum(r.student is not None and r.counting and not moodle_identifier(r) for r in records)


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < 1e9 else None  # noqa: PLR2004 - no grade is larger
