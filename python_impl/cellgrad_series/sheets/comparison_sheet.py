"""The sheet of a comparison: E of several runs side by side, a row an update."""

from __future__ import annotations

from collections.abc import Callable

from cellgrad.workbook.canvas import Canvas
from cellgrad_series.parts.comparison import ComparisonShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.rows import Block, Rows

_FIRST = 7

ErrorOf = Callable[[str, int], str]
"""Gives the address of E of an update of a run."""


def write_comparison(canvas: Canvas, part: Part, title: str, error_of: ErrorOf) -> Rows:
    """Write the sheet; return where its columns stand."""
    shape = part.shape
    assert isinstance(shape, ComparisonShape)  # noqa: S101 - for the type checker
    canvas.text(1, 1, title, "title")
    canvas.text(2, 1, part.caption, "subtitle")
    canvas.heights({1: 24, 2: 17, _FIRST - 2: 16})
    (quantity,) = shape.quantities()
    rows = Rows(canvas, shape, None, _FIRST - 3, _FIRST, max(shape.updates))
    rows.numbers("update")
    rows.place(quantity, width=max(12, *(len(name) + 1 for name in shape.runs)))
    blocks = []
    for run, (name, updates) in enumerate(zip(shape.runs, shape.updates, strict=True)):
        column = rows.column(quantity.key, (run,))
        canvas.text(_FIRST - 1, column, name, "node")
        for update in range(updates):
            canvas.formula(_FIRST + update, column, f"={error_of(name, update)}", "error")
        blocks.append(Block(0, updates, run, 1))
    whole = len(set(shape.updates)) == 1
    rows.claim(quantity.key, "step", None if whole else blocks)
    canvas.sheet.freeze_panes = f"B{_FIRST}"
    canvas.print_on("portrait", rows=f"{_FIRST - 3}:{_FIRST - 1}")
    return rows
