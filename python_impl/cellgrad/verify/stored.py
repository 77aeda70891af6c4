"""Values stored in a file against recalculated ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from cellgrad.engines.interface import Block
from cellgrad.verify.cells import Bounds
from cellgrad.verify.described import Described
from cellgrad.verify.mismatch import Mismatch
from cellgrad.verify.result import COMPUTED, Report
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.values import CellError, Value

_NUMBER = re.compile(r"[-−]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")
_DIGITS_15 = 0.5e-14
"""Half a unit of the 15th significant digit, at most: what some applications store."""


def has_stored_values(book: Book) -> bool:
    """Tell whether any formula of a workbook has a stored value."""
    return any(cell in sheet.values for sheet in book.sheets.values() for cell in sheet.formulas)


def compare_stored(
    described: Described, blocks: Sequence[Block], bounds: Bounds, report: Report
) -> None:
    """Hold the values stored in a file against the recalculated ones.

    Args:
        described: the workbook.
        blocks: the recalculated values of its claims' cells.
        bounds: asked where they differ.
        report: where disagreements and notes go.
    """
    book = described.book
    if not has_stored_values(book):
        report.notes.append("no values are stored in the file; they were recalculated")
        return
    without = 0
    for claim, block in zip(described.claims, blocks, strict=True):
        if claim.kind not in COMPUTED or claim.cells.sheet not in book.sheets:
            continue
        cells, stored = claim.cells, book.sheets[claim.cells.sheet].values
        for r, row in enumerate(block):
            for c, value in enumerate(row):
                cell = (cells.top + r, cells.left + c)
                held = stored.get(cell)
                if held == value and type(held) is type(value):
                    continue
                if held is None and value not in (None, ""):
                    without += 1
                    continue
                place = (cells.sheet, *cell)
                problem = stored_problem(held, value, partial(bounds.both, place))
                if problem:
                    report.disagreeing[claim.kind].add(place)
                    fault = Mismatch.at(claim, *cell, problem)
                    report.mismatches.append(replace(fault, kind="stored"))
    if without:
        report.notes.append(f"{without} formula cells have no stored value")


def stored_problem(held: Value, value: Value, bound: Callable[[], float]) -> str | None:
    """Return how a stored value contradicts the recalculated one, or None.

    Args:
        held: what the file stores.
        value: what the engine recalculated.
        bound: the most by which two computed values may differ here.
    """
    if isinstance(held, float) and isinstance(value, float):
        if abs(held - value) <= _DIGITS_15 * abs(value) + bound():
            return None
        return f"stored {held:.17g}, recalculated {value:.17g}"
    if (held in (None, "")) and (value in (None, "")):
        return None
    if isinstance(held, str) and isinstance(value, str) and _same_text(held, value):
        return None
    if isinstance(held, CellError) and isinstance(value, CellError):
        return None
    return f"stored {_short(held)}, recalculated {_short(value)}"


def _same_text(one: str, other: str) -> bool:
    """Engines write the same rounded number as 0.00001 or 1E-05."""
    if one == other:
        return True
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(_close(a, b) for a, b in pairs)


def _close(a: str, b: str) -> bool:
    x, y = (float(text.replace(",", ".").replace("−", "-")) for text in (a, b))
    return abs(x - y) <= 1e-9 * max(abs(x), abs(y), 1e-9)


def _short(value: Value) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004
