"""The offline grading worksheet as Moodle imports it.

The importer looks for three headings in the language of its site: in English ``Identifier``
(``Participant N``), ``Grade`` and ``Last modified (grade)``; in UTF-8 with commas. It skips an
empty grade, one above the maximum, and one that was changed in Moodle after the date in the
worksheet. Moodle writes - for no date; an empty date means the same to it, and no spreadsheet
program takes it for a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cellgrad_coursework.model import Manifest, Student
from cellgrad_coursework.moodle_worksheet import Worksheet, maximum, worksheet_of
from cellgrad_coursework.results.outputs.text import csv_line, number
from cellgrad_coursework.results.record import Record, column, moodle_identifier

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
    """Yield the lines of the worksheet; whoever has no identifier is left out.

    Where the roster is a worksheet, its own headings, columns and identifiers are written and
    only the grades are new.
    """
    kept = [r for r in records if r.student is not None and r.counting and moodle_identifier(r)]
    sheet = next(filter(None, (worksheet_of(r.student) for r in kept if r.student)), None)
    if sheet is not None:
        yield from _as_the_roster(sheet, manifest, kept)
        return
    yield csv_line(COLUMNS)
    for record in kept:
        student = record.student or Student("")
        most = maximum(column(student, "Maximum Grade")) or manifest.points
        yield csv_line(
            [
                moodle_identifier(record),
                student.name or column(student, "Full name"),
                student.email or column(student, "Email address"),
                number(_scaled(record, manifest, most)),
                number(most),
                column(student, "Last modified (grade)").removeprefix("-"),
            ],
            _RAW,
        )


def without_identifier(records: Iterable[Record]) -> int:
    """Return how many students the worksheet leaves out."""
    return sum(r.student is not None and r.counting and not moodle_identifier(r) for r in records)


def _as_the_roster(sheet: Worksheet, manifest: Manifest, kept: list[Record]) -> Iterator[str]:
    ids = [place in (sheet.identifier, sheet.grade) for place in range(len(sheet.headings))]
    yield csv_line(sheet.headings)
    for record in kept:
        row = None if record.student is None else sheet.row(record.student)
        if row is None:  # known by the name of a downloaded file alone
            row = [""] * len(sheet.headings)
            row[sheet.identifier] = sheet.word + moodle_identifier(record).split()[-1]
        most = sheet.most(row) or manifest.points
        row = ["" if value == "-" else value for value in row]
        row[sheet.grade] = number(_scaled(record, manifest, most))
        yield csv_line(row, ids)


def _scaled(record: Record, manifest: Manifest, most: float) -> float | None:
    share = most / manifest.points if manifest.points else 1.0
    score = record.lms_score
    return None if score is None else min(max(score * share, 0.0), most)
