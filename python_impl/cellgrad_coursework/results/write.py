"""Every file of a graded assignment: gradebooks, the rows of cells, the class page, the list."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

from cellgrad.errors import InputError
from cellgrad.files import make_folder, unwritable, whole_file, write_atomically, zip_entry
from cellgrad_coursework.identity import hint_of
from cellgrad_coursework.model import Grade, Manifest, Student
from cellgrad_coursework.results import gradebooks
from cellgrad_coursework.results.autograders import gradescope_results, prairielearn_results
from cellgrad_coursework.results.pages import class_page
from cellgrad_coursework.results.summary import (
    EXCUSED,
    GRADED,
    MISSING,
    Record,
    is_excused,
    places_of,
    plain_number,
    record_of,
)
from cellgrad_coursework.roster import safe_name

SCHEMA = "cellgrad-gradebook/1"
FORMATS = ("tidy", "canvas", "moodle", "gradescope", "prairielearn")
"""What may be asked for beside the gradebook, the class page and the list for review."""

USUAL = ("tidy", "canvas", "moodle")
"""What is written unless something else is asked for."""

MOODLE_ZIP = "feedback.zip"
_BOM = b"\xef\xbb\xbf"
"""So that spreadsheet programs read the lecturer's own tables as UTF-8."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of.

    Attributes:
        records: of each submission, and of each student who handed nothing in, sorted.
        remarks: what the lecturer should know, a line each.
    """

    records: list[Record]
    remarks: list[str]


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
) -> Written:
    """Write every file about a graded assignment; the order of the grades does not matter.

    Args:
        folder: where to; it is made.
        manifest: the assignment.
        grades: one for each submission, read one at a time.
        students: the roster; those who handed nothing in get a row too.
        formats: which of FORMATS.
        canvas_points: what Canvas gives for the assignment, where that is known.

    Raises:
        InputError: a format is unknown, or the place cannot be written.
    """
    check_formats(formats)
    make_folder(folder)
    places, rows = places_of(manifest), gradebooks.CellRows(manifest)
    roster = list(students)
    known = {student.id: student for student in roster}
    with _Pieces() as csv, _Pieces() as lines:
        records = []
        for given in grades:
            grade = given if given.of else replace(given, of=manifest.points)
            record = record_of(grade, places)
            record.grade.student = _as_in_the_roster(grade.student, known)
            records.append(record)
            if "tidy" in formats:
                graded = record.status == GRADED
                table, objects = rows.graded(grade) if graded else rows.without_cells(record)
                csv.add(record.key, table)
                lines.add(record.key, objects)
            _write_results(folder, grade, formats)
        records = _with_the_roster(manifest, records, roster)
        for record in records:
            if record.status in (MISSING, EXCUSED) and not record.grade.file:
                table, objects = rows.without_cells(record)
                csv.add(record.key, table)
                lines.add(record.key, objects)
        if "tidy" in formats:
            start = _BOM + gradebooks.csv_line(gradebooks.CELLS).encode()
            _write_pieces(folder / "cells.csv", [start], csv.pieces())
            _write_pieces(folder / "gradebook.json", _document(manifest, records, lines))
    _write(folder / "gradebook.csv", gradebooks.table(gradebooks.OWN, records), _BOM)
    _write(folder / "review.csv", gradebooks.review_csv(records), _BOM)
    write_atomically(folder / "class.html", class_page(manifest, records).encode())
    remarks = []
    if "canvas" in formats:
        lines_of_canvas = gradebooks.canvas_csv(manifest, records, canvas_points)
        _write(folder / "canvas.csv", lines_of_canvas)
        if canvas_points is not None and canvas_points != manifest.points:
            remarks.append(
                f"canvas.csv: scaled from {plain_number(manifest.points)} points to the "
                f"{plain_number(canvas_points)} that Canvas gives"
            )
    left = gradebooks.without_identifier(records)
    # without a single identifier there is nothing to write, and who has no Moodle asks for none
    if "moodle" in formats and (left < len(roster) or set(formats) != set(USUAL)):
        _write(folder / "moodle.csv", gradebooks.moodle_csv(manifest, records))
        if left:
            remarks.append(
                f"moodle.csv leaves out {left} without an identifier: use Moodle's grading "
                "worksheet as the roster"
            )
    return Written(records, remarks)


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
        if record.grade.student is not None and not record.grade.superseded:
            other = best.setdefault(record.who.id, record)
            if record.better > other.better:
                best[record.who.id] = record
    for record in records:
        if record.grade.student is not None:
            record.counting = best.get(record.who.id) is record
    records += [
        Record(Grade("", "", student, "", of=manifest.points), MISSING)
        for student in {s.id: s for s in students}.values()
        if student.id not in best
    ]
    for record in records:
        if is_excused(record.who):
            record.status, record.score, record.points = EXCUSED, None, None
            record.roots = record.consequences = None
    return sorted(records, key=lambda record: record.key)


class _Pieces:
    """Texts that come in any order and are written in one: on disk, so that memory stays flat."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._index: list[tuple[tuple[str, ...], int, int]] = []
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, key: tuple[str, ...], piece: str) -> None:
        """Keep a text under a key by which it is sorted."""
        data = piece.encode("utf-8", "replace")
        self._file.write(data)
        self._index.append((key, self._end, len(data)))
        self._end += len(data)

    def pieces(self) -> Iterator[bytes]:
        """Yield the texts, sorted by their keys."""
        for _, start, length in sorted(self._index):
            self._file.seek(start)
            yield self._file.read(length)
        self._file.seek(self._end)


def _document(manifest: Manifest, records: list[Record], lines: _Pieces) -> Iterator[bytes]:
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
    row = gradebooks.row_of(gradebooks.OWN, record)
    del row["look_at"]
    row["counts"] = record.counting
    row["problem"] = record.grade.problem
    row["look_at"] = [{"kind": kind, "reason": reason} for kind, reason in record.reasons]
    return row


# autograders, and the feedback for Moodle


def _write_results(folder: Path, grade: Grade, formats: Collection[str]) -> None:
    """Write the results.json of an autograder for one submission, under a name of its own."""
    makers = {"gradescope": gradescope_results, "prairielearn": prairielearn_results}
    for name, results in makers.items():
        if name in formats:
            make_folder(folder / name)
            path = folder / name / f"{file_name(grade)}.json"
            write_atomically(path, json_bytes(results(grade)))


def file_name(grade: Grade) -> str:
    """Return a name for the files about a submission that no other submission has."""
    own = grade.student.id if grade.student else Path(grade.file).stem
    plain = safe_name(own).encode("utf-8", "ignore")[:120].decode("utf-8", "ignore")
    # ids differ by more than case; other names may not
    if grade.student and plain == own and grade.file == f"{own}.xlsx":
        return plain
    mark = hashlib.sha256(f"{own}\0{grade.file}\0{grade.sha256}".encode("utf-8", "replace"))
    return f"{plain}-{mark.hexdigest()[:8]}"


def write_feedback_zip(output: Path, feedback: Path, files: Iterable[str]) -> bool:
    """Write the feedback as Moodle takes it: *Upload multiple feedback files in a zip*.

    The importer finds a participant by the part of a path that is named as in its own download,
    ``Name_N_assignsubmission_file``; what stands behind it is the name of the file. The zip is
    written whole or not at all; the same files give the same bytes.

    Args:
        output: the folder of the results.
        feedback: the folder of the feedback.
        files: what lies in it, with ``/``; what did not come from Moodle is left out.

    Returns:
        Whether there is one; an older one is removed where there is none.

    Raises:
        InputError: it cannot be written.
    """
    places = {place: file for file in sorted(files) if (place := _place_in_moodle(file))}
    path = output / MOODLE_ZIP
    if not places:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error
        return False
    with whole_file(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        for place, file in places.items():
            loose = not file.lower().endswith(".xlsx")  # those are packed already
            archive.writestr(zip_entry(place, packed=loose), (feedback / file).read_bytes())
    return True


def _place_in_moodle(path: str) -> str:
    """Return where a file lies in Moodle's own layout; empty if it came from elsewhere."""
    parts = PurePosixPath(path).parts
    for place, part in enumerate(parts):
        if hint_of(part).platform == "moodle":
            return "/".join(parts[place:])
    return ""


def json_bytes(document: dict[str, Any]) -> bytes:
    """Return a JSON document as a file holds it."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return f"{text}\n".encode("utf-8", "replace")


def _write(path: Path, lines: Iterable[str], start: bytes = b"") -> None:
    write_atomically(path, start + "".join(lines).encode("utf-8", "replace"))


def _write_pieces(path: Path, *pieces: Iterable[bytes]) -> None:
    """Write a file of many pieces, whole or not at all."""
    with whole_file(path) as beside, beside.open("wb") as file:
        for some in pieces:
            file.writelines(some)
        file.flush()
        os.fsync(file.fileno())
