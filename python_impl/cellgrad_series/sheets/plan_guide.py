"""The Guide of a workbook of parts: what it shows, what to try, what each sheet is."""

from __future__ import annotations

from cellgrad.case.quantities import Structure
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.guide import Anchor, GuidePage
from cellgrad_series.parts.run import RunShape
from cellgrad_series.plan import Plan

_WHAT = {
    "step": "one training step",
    "run": "training, a row an update",
    "validation": "samples classified, and counted",
    "rule": "samples, and the rule that made their targets",
    "sweep": "E as weights are moved",
    "function": "a function and its slope",
    "comparison": "E of several runs side by side",
    "table": "numbers measured elsewhere, and what they come to",
}


def write_plan_guide(canvas: Canvas, plan: Plan, pictured: Structure | None) -> Anchor | None:
    """Write the guide; return where the network's picture belongs, if there is one."""
    page = GuidePage(canvas)
    page.line(plan.title, "title", 26)
    if plan.number:
        page.paragraph(
            f"Our workbook for the topic of part {plan.number} of Robert Keim\u2019s series on "
            "neural networks: a companion, not a copy. Every number is computed by a formula that "
            "you can read; change any yellow one and everything follows."
        )
    for paragraph in plan.about:
        page.paragraph(paragraph)
    anchor = None
    if pictured is not None:
        page.heading("The network")
        anchor = page.picture()
    _sheets(page, plan)
    if plan.tries:
        page.heading("Try it")
        for text in plan.tries:
            page.paragraph(f"•  {text}")
    page.colours()
    page.heading("How to trace it")
    if any(isinstance(part.shape, RunShape) for part in plan.parts):
        page.paragraph(
            "On a sheet of updates, read a row from left to right: the sample, the forward pass, "
            "the error, the error signals from the output back, the gradients, the new weights. "
            "The row marked start holds what the first update starts from; every other update "
            "starts from the new weights of the row above it."
        )
    page.keys()
    page.excel()
    page.heading("Where the numbers come from")
    for paragraph in plan.source or ("Numbers made for this workbook.",):
        page.paragraph(paragraph)
    page.stored(f"Workbook {plan.id}")
    page.finish()
    return anchor


def _sheets(page: GuidePage, plan: Plan) -> None:
    page.heading("The sheets")
    for part in plan.parts:
        page.pair(part.name, part.caption or _WHAT[part.kind])
        for sheet, what in (
            (part.data_sheet, f"the samples of {part.name}"),
            (part.validation_sheet, f"samples that {part.name} is not trained on"),
        ):
            if sheet:
                page.pair(sheet, what)
    if plan.charts:
        page.pair("Charts", "pictures, drawn from the cells by your spreadsheet program")
    page.pair("Map", "tells programs what each cell is")
