"""Gradebooks: the lecturer's own, a row a cell, and a table of columns for Canvas and Moodle.

Canvas's importer wants ``Student`` and ``ID`` first and ``Section`` last of the columns about the
student, takes a column as ``Title (id)`` for the assignment with that id, reads the points
possible from the row whose first cell contains ``Points Possible``, and finds a student by
Canvas id, then SIS id, then login, then name. An empty grade changes nothing; ``EX`` excuses.

Moodle's importer looks for three headings in the language of its site: in English ``Identifier``
(``Participant N``), ``Grade`` and ``Last modified (grade)``; in UTF-8 with commas. It skips an
empty grade, one above the maximum, and one that was changed in Moodle after the date in the
worksheet. Moodle writes - for no date; an empty date means the same to it, and no spreadsheet
program takes it for a formula.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import Any

from cellgrad_coursework.model import VERDICTS, Grade, Manifest, Student
from cellgrad_coursework.results.summary import (
    COLUMNS,
    EXCUSED,
    GRADED,
    Record,
    moodle_identifier,
    roster_column,
)
from cellgrad_coursework.roster import Worksheet, csv_rows, maximum, worksheet_of

_ROWS = 20
"""Canvas's row of the points is the first or the second below the headings."""


# columns over a record, and how a file holds their texts and numbers

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet program may take for the start of a formula (the last four: full width)."""

_INVISIBLE = {code: None for code in range(32) if chr(code) not in "\t\r\n"} | {127: None}

Field = str | float | int | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        value: gives the field of a record; a float is a number of points.
        matched: whether a program matches the field, so that it stays as it is.
    """

    name: str
    value: Callable[[Any], Field]
    matched: bool = False


def table(columns: Sequence[Column], records: Iterable[Any]) -> Iterator[str]:
    """Yield the lines of a CSV file: the headings, then a line for each record."""
    yield csv_line(column.name for column in columns)
    for record in records:
        fields = [(column.value(record), column.matched) for column in columns]
        yield csv_text(
            [[number(f) if isinstance(f, float) else _text(f, matched=m) for f, m in fields]]
        )


def csv_line(fields: Iterable[Field], matched: Iterable[bool] | None = None) -> str:
    """Return a line of a CSV file.

    Args:
        fields: texts are disarmed; numbers are written in full.
        matched: which fields are ids that a program matches, and stay as they are.
    """
    flags = repeat(False) if matched is None else matched
    return csv_text(
        [[_text(field, matched=flag) for field, flag in zip(fields, flags, strict=False)]]
    )


def _text(value: Field, *, matched: bool = False) -> str:
    if isinstance(value, str):
        return visible(value) if matched else disarmed(value)
    return "" if value is None else repr(value)


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return lines of a CSV file whose fields are already texts, and disarmed."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


@lru_cache(maxsize=20_000)
def disarmed(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula: led by an apostrophe."""
    text = text.translate(_INVISIBLE)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def visible(text: str) -> str:
    """Return a text without what cannot be seen."""
    return text.translate(_INVISIBLE)


def number(value: float | None) -> str:
    """Return a number of points, free of the noise of binary sums; nothing for None."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{round(value, 6) + 0.0:.10g}"


def one_line(text: str) -> str:
    """Return a text without control characters and line breaks."""
    return " ".join(visible(text).split())


# the lecturer's own


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6) + 0.0


def _count(verdict: str, record: Record) -> int | None:
    """Count the cells with this verdict."""
    return record.codes.count(VERDICTS.index(verdict)) if record.status == GRADED else None


def _percent(record: Record) -> float | None:
    if record.score is None or not record.grade.of:
        return None
    return round(100 * record.score / record.grade.of, 2)


def _look_at(record: Record) -> str:
    return "; ".join(f"{kind}: {reason}" for kind, reason in record.reasons)


OWN = (
    Column("student", lambda r: r.who.id, matched=True),  # empty for a file that is nobody's
    Column("name", lambda r: r.who.name),
    Column("email", lambda r: r.who.email),
    Column("section", lambda r: r.who.section),
    Column("status", lambda r: r.status),
    # lateness included; empty where there is nothing to count
    Column("score", lambda r: _rounded(r.score)),
    Column("of", lambda r: _rounded(r.grade.of)),
    Column("percent", _percent),
    # before anything is taken off for lateness
    Column("points", lambda r: _rounded(r.points)),
    # points of cells that a person has to look at; they are not in the score yet
    Column("open", lambda r: _rounded(r.open) if r.status == GRADED else None),
    # the share taken off, 0 to 1
    Column("late", lambda r: _rounded(r.who.late)),
    # mistakes that nothing before them explains, and cells that follow from one
    Column("root_causes", lambda r: r.roots),
    Column("consequences", lambda r: r.consequences),
    *(Column(name, partial(_count, verdict)) for verdict, name in COLUMNS.items()),
    Column("first_mistake", lambda r: r.first),
    # no where the student handed in another file that counts
    Column("counts", lambda r: "yes" if r.counting else "no"),
    Column("file", lambda r: r.grade.file),
    Column("sha256", lambda r: r.grade.sha256, matched=True),
    Column("look_at", _look_at),
)

REVIEW = (
    Column("student", lambda line: line[0].who.id, matched=True),
    Column("name", lambda line: line[0].who.name),
    Column("file", lambda line: line[0].grade.file),
    Column("kind", itemgetter(1)),
    Column("reason", itemgetter(2)),
)
"""What a person looks at: a line for each reason of a record."""


def review_csv(records: Iterable[Record]) -> Iterator[str]:
    """Yield the lines of the list for manual review."""
    lines = ((record, kind, reason) for record in records for kind, reason in record.reasons)
    return table(REVIEW, lines)


# a row a cell: what every other file could be made from again

_SUBMISSION = ("assignment", "student", "file", "status")
_CELL = (
    Column("sheet", lambda cell: cell.sheet),  # where the cell lies in the handout
    Column("cell", lambda cell: cell.address),
    Column("label", lambda cell: cell.label),
    Column("quantity", lambda cell: cell.quantity),
    Column("layer", lambda cell: cell.layer),  # from 0; empty where the quantity has none
    Column("index", lambda cell: ",".join(map(str, cell.index))),  # 0-based, such as 1,0
    Column("equation", lambda cell: cell.equation),
    Column("takes", lambda cell: cell.takes),
    Column("max_points", lambda cell: cell.points),
)
"""What is said of a cell whatever a student did in it, behind its place in the flow."""

_TOLD = (
    Column("verdict", lambda told: told.verdict),
    # before anything is taken off for lateness
    Column("points", lambda told: told.points),
    Column("formula", lambda told: told.formula),
    # what the formula makes of the student's own givens, and the number of the key
    Column("value", lambda told: _finite(told.value)),
    Column("right", lambda told: _finite(told.right)),
    # id of the catalogue entry that makes this mistake; empty where none does
    Column("mistake", lambda told: told.bug),
    # addresses: whose mistake it follows from, and where the same mistake was charged
    Column("cause", lambda told: told.cause),
    Column("repeats", lambda told: told.repeats),
    # what the student is told; of a row without a cell, the reason
    Column("message", lambda told: told.message),
)

CELLS = (*_SUBMISSION, "number", *(column.name for column in (*_CELL, *_TOLD)))
_MATCHED = [name == "student" for name in CELLS]
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class CellRows:
    """Writes the rows of submissions; what every submission has in common is written once."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        about = [{"number": n} | row_of(_CELL, cell) for n, cell in enumerate(manifest.cells, 1)]
        self._texts = [
            [*map(_text, list(each.values())[:-1]), number(cell.points)]
            for each, cell in zip(about, manifest.cells, strict=True)
        ]
        self._objects = [_JSON(each)[1:-1] for each in about]

    def graded(self, grade: Grade) -> tuple[str, str]:
        """Return the rows of a graded submission: lines of CSV, and objects of JSON."""
        student = grade.student.id if grade.student else ""
        values = (self._manifest.id, student, grade.file, "graded")
        left = [disarmed(values[0]), visible(student), disarmed(grade.file), "graded"]
        opening = _JSON(dict(zip(_SUBMISSION, values, strict=True)))[:-1]
        lines, objects = [], []
        for place, verdict in enumerate(grade.verdicts):
            told = row_of(_TOLD, verdict)
            cells = [*map(_text, told.values())]
            cells[1] = number(verdict.points)
            lines.append([*left, *self._texts[place], *cells])
            objects.append(f"{opening}, {self._objects[place]}, {_JSON(told)[1:]}")
        return csv_text(lines), ",\n  ".join(objects)

    def without_cells(self, record: Record) -> tuple[str, str]:
        """Return the row of a submission without cells: unreadable, missing or excused."""
        reason = {"missing": "nothing was handed in", "excused": "excused by the roster"}
        row = dict.fromkeys(CELLS) | {
            "assignment": self._manifest.id,
            "student": record.who.id,
            "file": record.grade.file,
            "status": record.status,
            "message": record.grade.problem or reason.get(record.status, ""),
        }
        return csv_line(row.values(), _MATCHED), _JSON(row)


def row_of(columns: Iterable[Column], record: Any) -> dict[str, Any]:
    """Return the fields of a record, by their columns."""
    return {column.name: column.value(record) for column in columns}


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


# Canvas


def canvas_csv(
    manifest: Manifest, records: Iterable[Record], possible: float | None = None
) -> Iterator[str]:
    """Yield the lines of the file for Canvas; of each student the submission that counts.

    Args:
        manifest: the assignment.
        records: of each submission, and of each student who handed nothing in.
        possible: the points that Canvas gives for it; None for those of the assignment.
    """
    kept = [r for r in records if r.counts]
    most = manifest.points if possible is None else possible
    share = most / manifest.points if manifest.points else 1.0

    def grade(record: Record) -> str:
        score = None if record.lms_score is None else record.lms_score * share
        return "EX" if record.status == EXCUSED else number(score)

    def own_id(name: str, record: Record) -> str:
        known = _canvas_id(record.who)
        return roster_column(record.who, name) or ("" if known else record.who.id)

    columns = (
        Column("Student", lambda r: roster_column(r.who, "Student") or r.who.name),
        Column("ID", lambda r: _canvas_id(r.who), matched=True),
        Column("SIS User ID", partial(own_id, "SIS User ID"), matched=True),
        Column("SIS Login ID", partial(own_id, "SIS Login ID"), matched=True),
        Column("Section", lambda r: r.who.section or roster_column(r.who, "Section")),
        Column(_canvas_title(manifest, kept), grade, matched=True),
    )
    headings, *lines = table(columns, kept)
    yield headings
    yield csv_line(["    Points Possible", "", "", "", "", number(most)], [True] * len(columns))
    yield from lines


def _canvas_id(student: Student) -> str:
    """Return Canvas's own id, where the roster is an export of its gradebook."""
    columns = dict(student.other)
    return columns.get("ID", "").strip() if "Student" in columns else ""


def _canvas_title(manifest: Manifest, records: list[Record]) -> str:
    """Return the assignment's column as the roster's export names it, with its id."""
    for record in records:
        if title := _canvas_column([name for name, _ in record.who.other], manifest):
            return title
    return one_line(manifest.title) or manifest.id


def _canvas_column(headings: list[str], manifest: Manifest) -> str:
    """Return the heading of an assignment's column in Canvas's export: ``Title (id)``.

    Empty where there is none.
    """
    own = {one_line(title).casefold() for title in (manifest.title, manifest.id)}
    for name in headings:
        match = re.fullmatch(r"(.+) \(\d+\)", name.strip())
        if match and one_line(match[1]).casefold() in own:
            return name.strip()
    return ""


def canvas_points(roster: Path, manifest: Manifest) -> float | None:
    """Return the points possible of an assignment's column in Canvas's export.

    The export has a row of its own for it, which names no student.

    Args:
        roster: the file; one that is no such export has none.
        manifest: the assignment.

    Raises:
        InputError: the file cannot be read.
    """
    if roster.suffix.lower() == ".xlsx":
        return None  # Canvas exports CSV alone
    rows = [cells for _, cells in csv_rows(roster)[:_ROWS]]
    title = _canvas_column(rows[0], manifest) if rows else ""
    for row in rows[1:]:
        if title and "points possible" in row[0].casefold():
            place = [name.strip() for name in rows[0]].index(title)
            return maximum(row[place]) if place < len(row) else None
    return None


# Moodle


def moodle_csv(manifest: Manifest, records: Iterable[Record]) -> Iterator[str]:
    """Yield the lines of the worksheet; whoever has no identifier is left out.

    Where the roster is a worksheet, its own headings, columns and identifiers are written and
    only the grades are new.
    """
    kept = [r for r in records if r.counts and moodle_identifier(r)]
    sheet = next(filter(None, (worksheet_of(r.who) for r in kept)), None)
    if sheet is not None:
        return _as_the_roster(sheet, manifest, kept)

    def most(record: Record) -> float:
        return maximum(roster_column(record.who, "Maximum Grade")) or manifest.points

    def date(record: Record) -> str:
        return roster_column(record.who, "Last modified (grade)").removeprefix("-")

    columns = (
        Column("Identifier", moodle_identifier, matched=True),
        Column("Full name", lambda r: r.who.name or roster_column(r.who, "Full name")),
        Column("Email address", lambda r: r.who.email or roster_column(r.who, "Email address")),
        Column("Grade", lambda r: number(_scaled(r, manifest, most(r))), matched=True),
        Column("Maximum Grade", most),
        Column("Last modified (grade)", date),
    )
    return table(columns, kept)


def without_identifier(records: Iterable[Record]) -> int:
    """Return how many students the worksheet leaves out."""
    return sum(r.counts and not moodle_identifier(r) for r in records)


def _as_the_roster(sheet: Worksheet, manifest: Manifest, kept: list[Record]) -> Iterator[str]:
    rows = []
    for record in kept:
        row = sheet.row(record.who)
        if row is None:  # known by the name of a downloaded file alone
            row = [""] * len(sheet.headings)
            row[sheet.identifier] = sheet.word + moodle_identifier(record).split()[-1]
        most = sheet.most(row) or manifest.points
        row = ["" if value == "-" else value for value in row]
        row[sheet.grade] = number(_scaled(record, manifest, most))
        rows.append(row)
    columns = [
        Column(name, itemgetter(place), matched=place in (sheet.identifier, sheet.grade))
        for place, name in enumerate(sheet.headings)
    ]
    return table(columns, rows)


def _scaled(record: Record, manifest: Manifest, most: float) -> float | None:
    share = most / manifest.points if manifest.points else 1.0
    score = record.lms_score
    return None if score is None else min(max(score * share, 0.0), most)
