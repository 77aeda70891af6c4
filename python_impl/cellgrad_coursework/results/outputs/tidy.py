"""One row a cell: what every other file could be made from again."""

from __future__ import annotations

import json
import math
from typing import Any

from cellgrad_coursework.model import CellVerdict, Grade, GradedCell, Manifest
from cellgrad_coursework.results.outputs.text import csv_line, csv_text, disarmed, number, visible
from cellgrad_coursework.results.record import Record

COLUMNS = {
    "assignment": "the assignment's id",
    "student": "the student's id; empty where it could not be told",
    "file": "the submitted file",
    "status": "graded, unreadable, other assignment, missing (nothing handed in) or excused",
    "number": "the cell's place in the flow, from 1; empty for a row without a cell",
    "sheet": "where the cell lies in the handout",
    "cell": "its address there",
    "label": "its name for people",
    "quantity": "its quantity's code name",
    "layer": "the weight layer, from 0; empty where the quantity has none",
    "index": "its 0-based place in the quantity, such as 1,0",
    "equation": "the equation's number",
    "takes": "formula or value",
    "max_points": "what it is worth",
    "verdict": "ok, ok-ecf, wrong, embedded-constant, hardcoded, blank or review",
    "points": "what it earns, before anything is taken off for lateness",
    "formula": "what the student wrote, as text",
    "value": "what it comes to with the student's own givens",
    "right": "the number of the key",
    "mistake": "id of the catalogue entry that makes this mistake; empty where none does",
    "cause": "the address of the cell whose mistake it follows from; empty for a root",
    "repeats": "the address of the cell with the same mistake that was charged",
    "message": "what the student is told; of a row without a cell, the reason",
}

_IDS = [name == "student" for name in COLUMNS]
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class TidyRows:
    """Writes the rows of submissions; what every submission has in common is written once."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._about = [_about(place, cell) for place, cell in enumerate(manifest.cells)]
        self._texts = [
            [disarmed(_text(value)) for value in about.values()] for about in self._about
        ]
        for texts, cell in zip(self._texts, manifest.cells, strict=True):
            texts[-1] = number(cell.points)
        self._objects = [_JSON(about)[1:-1] for about in self._about]

    def of(self, grade: Grade) -> tuple[str, str]:
        """Return the rows of a graded submission: lines of CSV, and objects of JSON."""
        student = grade.student.id if grade.student else ""
        head = {"assignment": self._manifest.id, "student": student, "file": grade.file,
                "status": "graded"}  # fmt: skip
        left = [disarmed(self._manifest.id), visible(student), disarmed(grade.file), "graded"]
        opening, lines, objects = _JSON(head)[:-1], [], []
        for place, verdict in enumerate(grade.verdicts):
            told = _told(verdict)
            cells = [disarmed(v) if isinstance(v, str) else _text(v) for v in told.values()]
            cells[1] = number(verdict.points)
            lines.append([*left, *self._texts[place], *cells])
            objects.append(f"{opening}, {self._objects[place]}, {_JSON(told)[1:]}")
        return csv_text(lines), ",\n  ".join(objects)


def _about(place: int, cell: GradedCell) -> dict[str, Any]:
    """Return what is said of a cell whatever a student did in it."""
    return {
        "number": place + 1,
        "sheet": cell.sheet,
        "cell": cell.address,
        "label": cell.label,
        "quantity": cell.quantity,
        "layer": cell.layer,
        "index": ",".join(map(str, cell.index)),
        "equation": cell.equation,
        "takes": cell.takes,
        "max_points": cell.points,
    }


def _told(verdict: CellVerdict) -> dict[str, Any]:
    """Return what is said of a cell of one student."""
    return {
        "verdict": verdict.verdict,
        "points": verdict.points,
        "formula": verdict.formula,
        "value": _finite(verdict.value),
        "right": _finite(verdict.right),
        "mistake": verdict.bug,
        "cause": verdict.cause,
        "repeats": verdict.repeats,
        "message": verdict.message,
    }


def bare_row(manifest: Manifest, record: Record) -> dict[str, Any]:
    """Return the row of a submission without cells: unreadable, missing or excused."""
    reason = {"missing": "nothing was handed in", "excused": "excused by the roster"}
    return dict.fromkeys(COLUMNS) | {
        "assignment": manifest.id,
        "student": record.student.id if record.student else "",
        "file": record.file,
        "status": record.status,
        "message": record.problem or reason.get(record.status, ""),
    }


def csv_row(cells: dict[str, Any]) -> str:
    """Return a row without a cell as a line of the CSV file."""
    return csv_line([cells[name] for name in COLUMNS], _IDS)


def json_row(cells: dict[str, Any]) -> str:
    """Return a row without a cell as an object of the JSON file."""
    return _JSON(cells)


def header() -> str:
    """Return the first line of the CSV file."""
    return csv_line(COLUMNS)


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None
