"""Texts and numbers as the files of a gradebook hold them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet program may take for the start of a formula (the last four: full width)."""

_INVISIBLE = {code: None for code in range(32) if chr(code) not in "\t\r\n"} | {127: None}

Field = str | float | int | None


@lru_cache(maxsize=20_000)
def disarmed(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula: led by an apostrophe."""
    text = text.translate(_INVISIBLE)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def visible(text: str) -> str:
    """Return an id that a program matches: as it is, but for what cannot be seen."""
    return text.translate(_INVISIBLE)


def number(value: float | None) -> str:
    """Return a number of points, free of the noise of binary sums; nothing for None."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{round(value, 6) + 0.0:.10g}"


def csv_line(fields: Iterable[Field], raw: Sequence[bool] | None = None) -> str:
    """Return a line of a CSV file.

    Args:
        fields: texts are disarmed; numbers are written in full.
        raw: which fields are ids that a program matches, and stay as they are.
    """
    cells = []
    for place, value in enumerate(fields):
        if isinstance(value, str):
            exempt = raw is not None and raw[place]
            cells.append(visible(value) if exempt else disarmed(value))
        elif value is None:
            cells.append("")
        else:
            cells.append(repr(value))
    return csv_text([cells])


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return lines of a CSV file whose fields are already texts, and disarmed."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def one_line(text: str) -> str:
    """Return a text without control characters and line breaks."""
    return " ".join(text.translate(_INVISIBLE).split())
