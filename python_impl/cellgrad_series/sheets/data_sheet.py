"""A sheet of samples: a row each, inputs and targets as numbers that a person may change."""

from __future__ import annotations

from collections.abc import Sequence

from cellgrad.case.model import Sample
from cellgrad.case.quantities import Quantity
from cellgrad.case.structure import Structure
from cellgrad.described.parts import Shape
from cellgrad.workbook.canvas import Canvas
from cellgrad_series.sheets.rows import Rows

FIRST_ROW = 7


def write_samples(
    canvas: Canvas,
    shape: Shape,
    structure: Structure,
    quantities: tuple[Quantity, Quantity],
    samples: Sequence[Sample],
    title: str,
    caption: str,
) -> Rows:
    """Write the samples as givens; return where they stand.

    Args:
        canvas: the sheet.
        shape: the part that they belong to.
        structure: for the names of nodes.
        quantities: of the inputs and of the targets.
        samples: the numbers.
        title: above everything.
        caption: below it.
    """
    canvas.text(1, 1, title, "title")
    canvas.text(2, 1, caption, "subtitle")
    canvas.heights({1: 24, 2: 17})
    rows = Rows(canvas, shape, structure, FIRST_ROW - 3, FIRST_ROW, len(samples))
    rows.numbers("sample")
    for quantity, part in zip(quantities, ("input", "target"), strict=True):
        rows.place(quantity, look="given")
        for n, sample in enumerate(samples):
            for i, value in enumerate(getattr(sample, part)):
                canvas.number(FIRST_ROW + n, rows.column(quantity.key, (i,)), value)
        rows.claim(quantity.key, "given")
    canvas.sheet.freeze_panes = f"B{FIRST_ROW}"
    canvas.print_on("portrait", rows=f"{FIRST_ROW - 3}:{FIRST_ROW - 1}")
    return rows
