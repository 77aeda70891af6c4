"""Sheets of rows without a network's equations: samples, a function, runs compared, a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cellgrad.case.equations import FORMS, FORMULA
from cellgrad.case.model import Sample
from cellgrad.case.quantities import Quantity, Structure
from cellgrad.described import Shape
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.formulas import join_sum
from cellgrad_series.parts.tables import ComparisonShape, FunctionShape, TableShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.rows import Block, Rows

_LABEL_ROW = 4

ErrorOf = Callable[[str, int], str]
"""Gives the address of E of an update of a run."""


def write_samples(
    canvas: Canvas,
    shape: Shape,
    structure: Structure,
    quantities: tuple[Quantity, Quantity],
    samples: Sequence[Sample],
) -> Rows:
    """Write samples as givens that a person may change; return where they stand.

    Args:
        canvas: the sheet.
        shape: the part that they belong to.
        structure: for the names of nodes.
        quantities: of the inputs and of the targets.
        samples: the numbers.
    """
    rows = Rows(canvas, shape, structure, _LABEL_ROW, _LABEL_ROW + 3, len(samples))
    rows.numbers("sample")
    for quantity, part in zip(quantities, ("input", "target"), strict=True):
        rows.place(quantity)
        for n, sample in enumerate(samples):
            for i, value in enumerate(getattr(sample, part)):
                rows.number(n, quantity.key, (i,), value)
        rows.claim(quantity.key)
    rows.finish("portrait")
    return rows


def write_function(canvas: Canvas, part: Part, shape: FunctionShape) -> Rows:
    """Write a function's value, its derivative, the central difference, the unit step."""
    epsilon, *columns = shape.quantities()
    moved = canvas.given(epsilon, part.constants["epsilon"], 4, 1, 3)
    rows = Rows(canvas, shape, None, _LABEL_ROW + 2, _LABEL_ROW + 5, shape.rows)
    canvas.heights({rows.label_row + 1: 36})
    rows.numbers("row")
    for quantity in columns:
        rows.place(quantity)
    value_of, slope_of, step_of = (
        FORMS[name][FORMULA].format
        for name in (shape.activation, f"{shape.activation} derivative", "unit_step")
    )
    for n, x in enumerate(part.values[0]):
        cell = {quantity.name: rows.at(n, quantity.key) for quantity in columns}
        rows.number(n, ("x", None), (), x)
        for name, text, look in (
            ("value", value_of(z=cell["x"]), "forward"),
            ("derivative", slope_of(a=cell["value"]), "gradient"),
            ("value_above", value_of(z=f"({cell['x']}+{moved})"), "forward"),
            ("value_below", value_of(z=f"({cell['x']}-{moved})"), "forward"),
            ("quotient", f"({cell['value_above']}-{cell['value_below']})/(2*{moved})", "check"),
            ("gap", f"{cell['derivative']}-{cell['quotient']}", "check"),
            ("step", step_of(z=cell["x"]), "forward"),
        ):
            rows.formula(n, (name, None), (), text, look)
    rows.claim_all()
    rows.finish("portrait")
    return rows


def write_comparison(canvas: Canvas, shape: ComparisonShape, error_of: ErrorOf) -> Rows:
    """Write E of several runs side by side, a row an update."""
    rows = Rows(canvas, shape, None, _LABEL_ROW, _LABEL_ROW + 3, max(shape.updates))
    canvas.heights({rows.label_row + 1: 16})
    (quantity,) = shape.quantities()
    rows.numbers("update")
    rows.place(quantity, width=max(12, *(len(name) + 1 for name in shape.runs)))
    blocks = []
    for run, (name, updates) in enumerate(zip(shape.runs, shape.updates, strict=True)):
        canvas.text(rows.first_row - 1, rows.column(quantity.key, (run,)), name, "node")
        for update in range(updates):
            rows.formula(update, quantity.key, (run,), error_of(name, update))
        blocks.append(Block(0, updates, run, 1))
    whole = len(set(shape.updates)) == 1
    rows.claim(quantity.key, blocks=None if whole else blocks)
    rows.finish("portrait")
    return rows


def write_table(canvas: Canvas, part: Part, shape: TableShape) -> Rows:
    """Write numbers from elsewhere, with mean, spread, best and worst of each row."""
    rows = Rows(canvas, shape, None, _LABEL_ROW, _LABEL_ROW + 3, shape.rows)
    canvas.heights({rows.label_row + 1: 48})
    rows.numbers("row")
    for quantity in shape.quantities():
        rows.place(quantity, width=9)
    counts, *measured = part.values
    what, each = part.headings
    first = rows.column(("count", None), ())
    canvas.text(rows.label_row, first, what, "block")
    canvas.widths({first: max(9, len(what) + 1)})
    for column in range(shape.columns):
        place = (rows.first_row - 1, rows.column(("measured", None), (column,)))
        canvas.text(*place, f"{each} {column + 1}", "node")
    for n in range(shape.rows):
        rows.number(n, ("count", None), (), counts[n])
        for column, number in enumerate(measured[n]):
            rows.number(n, ("measured", None), (column,), number)
        cells = [rows.at(n, ("measured", None), (c,)) for c in range(shape.columns)]
        mean = rows.at(n, ("mean", None))
        squares = join_sum([f"({cell}-{mean})*({cell}-{mean})" for cell in cells])
        for name, text in (
            ("mean", f"({join_sum(cells)})/{shape.columns}"),
            ("spread", f"SQRT(({squares})/{shape.columns - 1})"),
            ("best", f"MAX({','.join(cells)})"),
            ("worst", f"-MAX({','.join(f'-{cell}' for cell in cells)})"),
        ):
            rows.formula(n, (name, None), (), text, "check")
    rows.claim_all()
    rows.finish("landscape")
    return rows
