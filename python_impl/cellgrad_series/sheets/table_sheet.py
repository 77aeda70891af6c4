"""The sheet of a table: numbers from elsewhere, with mean, spread, best and worst of each row."""

from __future__ import annotations

from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.formulas import added
from cellgrad_series.parts.table import TableShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.rows import Rows

_FIRST = 7


def write_table(canvas: Canvas, part: Part, title: str) -> Rows:
    """Write the sheet; return where its columns stand."""
    shape = part.shape
    assert isinstance(shape, TableShape)  # noqa: S101 - for the type checker
    canvas.text(1, 1, title, "title")
    canvas.text(2, 1, part.caption, "subtitle")
    canvas.heights({1: 24, 2: 17, _FIRST - 2: 48})
    rows = Rows(canvas, shape, None, _FIRST - 3, _FIRST, shape.rows)
    rows.numbers("row")
    for quantity in shape.quantities():
        rows.place(quantity, look="given" if quantity.given else "", width=9)
    counts, *measured = part.values
    what, each = part.headings
    canvas.text(_FIRST - 3, rows.column(("count", None), ()), what, "block")
    canvas.widths({rows.column(("count", None), ()): max(9, len(what) + 1)})
    for column in range(shape.columns):
        place = (_FIRST - 1, rows.column(("measured", None), (column,)))
        canvas.text(*place, f"{each} {column + 1}", "node")
    for n in range(shape.rows):
        canvas.number(_FIRST + n, rows.column(("count", None), ()), counts[n])
        cells = [rows.at(n, ("measured", None), (c,)) for c in range(shape.columns)]
        for column, number in enumerate(measured[n]):
            canvas.number(_FIRST + n, rows.column(("measured", None), (column,)), number)
        mean = rows.at(n, ("mean", None), ())
        squares = added([f"({cell}-{mean})*({cell}-{mean})" for cell in cells])
        texts = {
            "mean": f"({added(cells)})/{shape.columns}",
            "spread": f"SQRT(({squares})/{shape.columns - 1})",
            "best": f"MAX({','.join(cells)})",
            "worst": f"-MAX({','.join(f'-{cell}' for cell in cells)})",
        }
        for name, text in texts.items():
            canvas.formula(_FIRST + n, rows.column((name, None), ()), f"={text}", "check")
    for quantity in shape.quantities():
        rows.claim(quantity.key, "given" if quantity.given else "step")
    canvas.sheet.freeze_panes = f"B{_FIRST}"
    canvas.print_on("landscape", rows=f"{_FIRST - 3}:{_FIRST - 1}")
    return rows
