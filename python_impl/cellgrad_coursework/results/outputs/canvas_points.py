"""What Canvas gives for an assignment, as its own export of the gradebook says.

The export has a row of its own for it, which names no student: its first cell contains
``Points Possible``.
"""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

from cellgrad.files import read_limited
from cellgrad_coursework.model import Manifest
from cellgrad_coursework.results.outputs.text import one_line

_MAX_BYTES = 32 << 20
_ROWS = 20
"""The row of the points is the first or the second below the headings."""


def canvas_points(roster: Path, manifest: Manifest) -> float | None:
    """Return the points possible of an assignment's column in Canvas's export.

    Args:
        roster: the file; one that is no such export has none.
        manifest: the assignment.

    Raises:
        InputError: the file cannot be read.
    """
    if roster.suffix.lower() == ".xlsx":
        return None  # Canvas exports CSV alone
    text = read_limited(roster, _MAX_BYTES).decode("utf-8-sig", "replace")
    head = text[: text.find("\n")]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [row for row, _ in zip(reader, range(_ROWS), strict=False)]
    except csv.Error:
        return None
    wanted = column_of(rows[0], manifest) if rows else ""
    for row in rows[1:]:
        if wanted and "points possible" in row[0].casefold():
            place = [name.strip() for name in rows[0]].index(wanted)
            return _points(row[place]) if place < len(row) else None
    return None


def column_of(headings: list[str], manifest: Manifest) -> str:
    """Return the heading of an assignment's column in Canvas's export: ``Title (id)``.

    Empty where there is none.
    """
    own = {one_line(title).casefold() for title in (manifest.title, manifest.id)}
    for name in headings:
        match = re.fullmatch(r"(.+) \(\d+\)", name.strip())
        if match and one_line(match[1]).casefold() in own:
            return name.strip()
    return ""


def _points(text: str) -> float | None:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if value > 0 and math.isfinite(value) else None
