"""Every file of a graded assignment: gradebooks, the tidy tables, the class page, the list."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from cellgrad.errors import InputError
from cellgrad.files import make_folder, write_atomically
from cellgrad_coursework.model import Grade, Manifest, Student
from cellgrad_coursework.results.class_page import class_page
from cellgrad_coursework.results.feedback.summary import plain_number
from cellgrad_coursework.results.outputs import gradebook, tidy
from cellgrad_coursework.results.outputs.canvas import canvas_csv
from cellgrad_coursework.results.outputs.gradescope import gradescope_results
from cellgrad_coursework.results.outputs.moodle import moodle_csv, without_identifier
from cellgrad_coursework.results.outputs.prairielearn import prairielearn_results
from cellgrad_coursework.results.outputs.spool import Spool, write_pieces
from cellgrad_coursework.results.record import (
    EXCUSED,
    GRADED,
    MISSING,
    Record,
    excused,
    places_of,
    record_of,
)
from cellgrad_coursework.roster import safe_name

SCHEMA = "cellgrad-gradebook/1"
FORMATS = ("tidy", "canvas", "moodle", "gradescope", "prairielearn")
"""What may be asked for beside the gradebook, the class page and the list for review."""

USUAL = ("tidy", "canvas", "moodle")
"""What is written unless something else is asked for."""

_BOM = b"\xef\xbb\xbf"
"""So that spreadsheet programs read the lecturer's own tables as UTF-8."""


def check_formats(formats: Collection[str]) -> None:
    """Refuse a format that there is not.

    Raises:
        InputError: there is one among them.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise InputError(
            f"{unknown[0]!r} is no format of a gradebook",
            place="--format",
            remedy=f"choose from {', '.join(FORMATS)}",
        )


def write_all(
    folder: Path,
    manifest: Manifest,
    grades: Iterable[Grade],
    students: Iterable[Student],
    formats: Collection[str] = USUAL,
    canvas_points: float | None = None,
) -> list[str]:
    """Write every file about a graded assignment; the order of the grades does not matter.

    Args:
        folder: where to; it is made.
        manifest: the assignment.
        grades: one for each submission, read one at a time.
        students: the roster; those who handed nothing in get a row too.
        formats: which of FORMATS.
        canvas_points: what Canvas gives for the assignment, where that is known.

    Returns:
        What the lecturer should know, one line each.

    Raises:
        InputError: a format is unknown, or the place cannot be written.
    """
    check_formats(formats)
    make_folder(folder)
    places, rows = places_of(manifest), tidy.TidyRows(manifest)
    roster = list(students)
    known = {student.id: student for student in roster}
    with Spool() as csv, Spool() as lines:
        records = []
        for given in grades:
            grade = given if given.of else replace(given, of=manifest.points)
            record = record_of(grade, places)
            record.student = _as_in_the_roster(grade.student, known)
            records.append(record)
            if "tidy" in formats:
                _spool(csv, lines, rows, tidy.bare_row(manifest, record), (grade, record))
            _write_results(folder, grade, formats)
        records = _with_the_roster(manifest, records, roster)
        for record in records:
            if record.status in (MISSING, EXCUSED) and not record.file:
                bare = tidy.bare_row(manifest, record)
                csv.add(record.key, tidy.csv_row(bare))
                lines.add(record.key, tidy.json_row(bare))
        if "tidy" in formats:
            write_pieces(folder / "cells.csv", _cells_csv(csv))
            write_pieces(folder / "gradebook.json", _document(manifest, records, lines))
    _write(folder / "gradebook.csv", gradebook.gradebook_csv(records), _BOM)
    _write(folder / "review.csv", gradebook.review_csv(records), _BOM)
    write_atomically(folder / "class.html", class_page(manifest, records).encode())
    remarks = []
    if "canvas" in formats:
        _write(folder / "canvas.csv", canvas_csv(manifest, records, canvas_points))
        if canvas_points is not None and canvas_points != manifest.points:
            remarks.append(
                f"canvas.csv: scaled from {plain_number(manifest.points)} points to the "
                f"{plain_number(canvas_points)} that Canvas gives"
            )
    left = without_identifier(records)
    # without a single identifier there is nothing to write, and who has no Moodle asks for none
    if "moodle" in formats and (left < len(roster) or set(formats) != set(USUAL)):
        _write(folder / "moodle.csv", moodle_csv(manifest, records))
        if left:
            remarks.append(
                f"moodle.csv leaves out {left} without an identifier: use Moodle's grading "
                "worksheet as the roster"
            )
    return remarks


def file_name(grade: Grade) -> str:
    """Return a name for the files about a submission that no other submission has."""
    own = grade.student.id if grade.student else Path(grade.file).stem
    plain = safe_name(own).encode("utf-8", "ignore")[:120].decode("utf-8", "ignore")
    # ids differ by more than case; other names may not
    if grade.student and plain == own and grade.file == f"{own}.xlsx":
        return plain
    mark = hashlib.sha256(f"{own}\0{grade.file}\0{grade.sha256}".encode("utf-8", "replace"))
    return f"{plain}-{mark.hexdigest()[:8]}"


def _spool(
    csv: Spool, lines: Spool, rows: tidy.TidyRows, bare: dict[str, Any], made: tuple[Grade, Record]
) -> None:
    """Keep the rows of a submission until all are there."""
    grade, record = made
    table, objects = (
        rows.of(grade) if record.status == GRADED else (tidy.csv_row(bare), tidy.json_row(bare))
    )
    csv.add(record.key, table)
    lines.add(record.key, objects)


def _as_in_the_roster(student: Student | None, roster: dict[str, Student]) -> Student | None:
    """Return a student with what the roster says now; lateness is already in the score."""
    if student is None or student.id not in roster:
        return student
    return replace(roster[student.id], late=student.late)


def _with_the_roster(
    manifest: Manifest, records: list[Record], students: Iterable[Student]
) -> list[Record]:
    """Add who handed nothing in, choose between several files of one student, and sort."""
    best: dict[str, Record] = {}
    for record in records:
        if record.student is None or record.superseded:
            continue
        other = best.get(record.student.id)
        if other is None or record.better > other.better:
            best[record.student.id] = record
    for record in records:
        if record.student is not None:
            record.counting = best.get(record.student.id) is record
    records += [
        Record(student, MISSING, of=manifest.points)
        for student in {s.id: s for s in students}.values()
        if student.id not in best
    ]
    for record in records:
        if record.student is not None and excused(record.student):
            record.status, record.score, record.points = EXCUSED, None, None
    return sorted(records, key=lambda record: record.key)


def _cells_csv(spool: Spool) -> Iterator[bytes]:
    yield _BOM + tidy.header().encode()
    yield from spool.pieces()


def _document(manifest: Manifest, records: list[Record], lines: Spool) -> Iterator[bytes]:
    """Yield the JSON document, a row a line."""
    about = {
        "schema": SCHEMA,
        "assignment": {
            "id": manifest.id,
            "title": manifest.title,
            "version": manifest.version,
            "points": manifest.points,
        },
    }
    head = json.dumps(about, ensure_ascii=False, allow_nan=False)[:-1]
    yield f'{head},\n "submissions": [\n  '.encode("utf-8", "replace")
    rows = [_submission(record) for record in records]
    yield ",\n  ".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows).encode(
        "utf-8", "replace"
    )
    yield b'\n ],\n "cells": [\n  '
    comma = b""
    for piece in lines.pieces():
        yield comma + piece
        comma = b",\n  "
    yield b"\n ]}\n"


def _submission(record: Record) -> dict[str, Any]:
    row = gradebook.row(record)
    del row["look_at"]
    row["counts"] = record.counting
    row["problem"] = record.problem
    row["look_at"] = [{"kind": kind, "reason": reason} for kind, reason in record.reasons]
    return row


def _write_results(folder: Path, grade: Grade, formats: Collection[str]) -> None:
    """Write the results.json of an autograder for one submission, under a name of its own."""
    makers = {"gradescope": gradescope_results, "prairielearn": prairielearn_results}
    for name, results in makers.items():
        if name in formats:
            make_folder(folder / name)
            write_atomically(folder / name / f"{file_name(grade)}.json", json_bytes(results(grade)))


def json_bytes(document: dict[str, Any]) -> bytes:
    """Return a JSON document as a file holds it."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return f"{text}\n".encode("utf-8", "replace")


def _write(path: Path, lines: Iterable[str], start: bytes = b"") -> None:
    write_atomically(path, start + "".join(lines).encode("utf-8", "replace"))
