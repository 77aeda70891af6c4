"""One row a cell: what every other file could be made from again."""

from __future__ import annotations

import json
import math
from typing import Any

from cellgrad_coursework.model import CellVerdict, Grade, GradedCell, Manifest
from cellgrad_coursework.results.record import Record
from cellgrad_coursework.results.tables import (
    Column,
    csv_line,
    csv_text,
    disarmed,
    number,
    visible,
)

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

_VERDICT = (
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

COLUMNS = (*_SUBMISSION, "number", *(column.name for column in (*_CELL, *_VERDICT)))
_MATCHED = [name == "student" for name in COLUMNS]
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class CellRows:
    """Writes the rows of submissions; what every submission has in common is written once."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        about = [_about(place, cell) for place, cell in enumerate(manifest.cells)]
        self._texts = [
            [*(disarmed(_text(value)) for value in list(each.values())[:-1]), number(cell.points)]
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
            told = _told(verdict)
            cells = [disarmed(v) if isinstance(v, str) else _text(v) for v in told.values()]
            cells[1] = number(verdict.points)
            lines.append([*left, *self._texts[place], *cells])
            objects.append(f"{opening}, {self._objects[place]}, {_JSON(told)[1:]}")
        return csv_text(lines), ",\n  ".join(objects)

    def without_cells(self, record: Record) -> tuple[str, str]:
        """Return the row of a submission without cells: unreadable, missing or excused."""
        reason = {"missing": "nothing was handed in", "excused": "excused by the roster"}
        row = dict.fromkeys(COLUMNS) | {
            "assignment": self._manifest.id,
            "student": record.who.id,
            "file": record.file,
            "status": record.status,
            "message": record.problem or reason.get(record.status, ""),
        }
        return csv_line(row.values(), _MATCHED), _JSON(row)


def _about(place: int, cell: GradedCell) -> dict[str, Any]:
    return {"number": place + 1, **{column.name: column.value(cell) for column in _CELL}}


def _told(verdict: CellVerdict) -> dict[str, Any]:
    return {column.name: column.value(verdict) for column in _VERDICT}


def header() -> str:
    """Return the first line of the CSV file."""
    return csv_line(COLUMNS)


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None
