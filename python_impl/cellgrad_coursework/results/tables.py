"""Tables: columns over a record, and how a file holds their texts and numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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
    matched = [column.matched for column in columns]
    for record in records:
        fields = [column.value(record) for column in columns]
        numbers = [isinstance(field, float) for field in fields]
        texts = [number(field) if isinstance(field, float) else field for field in fields]
        exempt = [one or other for one, other in zip(matched, numbers, strict=True)]
        yield csv_line(texts, exempt)


def csv_line(fields: Iterable[Field], matched: Sequence[bool] | None = None) -> str:
    """Return a line of a CSV file.

    Args:
        fields: texts are disarmed; numbers are written in full.
        matched: which fields are ids that a program matches, and stay as they are.
    """
    cells = []
    for place, value in enumerate(fields):
        if isinstance(value, str):
            exempt = matched is not None and matched[place]
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
