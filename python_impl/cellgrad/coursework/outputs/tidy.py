"""One row a cell: what every other file could be made from again."""

from __future__ import annotations

import json
import math
from typing import Any

from cellgrad.coursework.model import CellVerdict, Grade, Manifest
from cellgrad.coursework.outputs.text import csv_line, number
from cellgrad.coursework.record import Record

COLUMNS = {
    "assignment": "the assignment's id",
    "student": "the student's id; empty where it could not be told",
    "file": "the submitted file",
    "sha256": "of the file",
    "status": "graded, unreadable, missing (nothing handed in) or excused",
    "number": "the cell's place in the flow, from 1; empty for a row without a cell",
    "sheet": "where the cell lies in the handout",
    "cell": "its address there",
    "label": "its name for people",
    "quantity": "its quantity's code name",
    "layer": "the weight layer, from 0; empty where the quantity has none",
    "index": "its 0-based place in the quantity, such as 1,0",
    "equation": "the equation's number",
    "takes": "formula or value",
    "verdict": "ok, ok-ecf, wrong, embedded-constant, hardcoded, blank or review",
    "points": "what it earns, before anything is taken off for lateness",
    "max_points": "what it is worth",
    "formula": "what the student wrote, as text",
    "value": "what it comes to with the student's own givens",
    "right": "the number of the key",
    "mistake": "id of the catalogue entry that makes this mistake; empty where none does",
    "cause": "the address of the cell whose mistake it follows from; empty for a root",
    "repeats": "the address of the cell with the same mistake that was charged",
    "message": "what the student is told; of a row without a cell, the reason",
}

_IDS = [name in ("student", "sha256") for name in COLUMNS]


def row(manifest: Manifest, grade: Grade, place: int, verdict: CellVerdict) -> dict[str, Any]:
    """Return the row of one cell."""
    cell = verdict.cell
    return {
        "assignment": manifest.id,
        "student": grade.student.id if grade.student else "",
        "file": grade.file,
        "sha256": grade.sha256,
        "status": "graded",
        "number": place + 1,
        "sheet": cell.sheet,
        "cell": cell.address,
        "label": cell.label,
        "quantity": cell.quantity,
        "layer": cell.layer,
        "index": ",".join(map(str, cell.index)),
        "equation": cell.equation,
        "takes": cell.takes,
        "verdict": verdict.verdict,
        "points": verdict.points,
        "max_points": cell.points,
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
        "sha256": record.sha256,
        "status": record.status,
        "message": record.problem or reason.get(record.status, ""),
    }


def csv_row(cells: dict[str, Any]) -> str:
    """Return a row as a line of the CSV file."""
    fields = [
        _Points(cells[name]) if name in ("points", "max_points") else cells[name]
        for name in COLUMNS
    ]
    return csv_line(fields, _IDS)


def json_row(cells: dict[str, Any]) -> str:
    """Return a row as an object of the JSON file, on a line of its own."""
    return json.dumps(cells, ensure_ascii=False, allow_nan=False)


def header() -> str:
    """Return the first line of the CSV file."""
    return csv_line(COLUMNS)


class _Points(float):
    """A number of points: written without the noise of binary sums."""

    def __new__(cls, value: float | None) -> _Points | None:  # type: ignore[misc]
        """Return it, or None for none."""
        return None if value is None else super().__new__(cls, value)

    def __repr__(self) -> str:
        return number(float(self))


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None
