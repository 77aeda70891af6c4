"""The Guide sheet: what the workbook is, how to trace it, what the colours mean."""

from __future__ import annotations

from cellgrad.case.equations import general_equation
from cellgrad.case.model import Case
from cellgrad.case.quantities import layer_letter, quantities
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.diagram import Anchor
from cellgrad.workbook.guide_page import GuidePage
from cellgrad.workbook.layout import StepLayout


def write_guide(canvas: Canvas, case: Case, layout: StepLayout) -> Anchor:
    """Write the guide; return where the network's picture belongs."""
    page, s = GuidePage(canvas), layout.structure
    page.line(case.title, "title", 26)
    page.paragraph(
        "This workbook computes one training step of a small neural network, every number by "
        "a formula that you can read. Change any yellow number and everything follows. "
        "The sheets: Step is the calculation; Walkthrough goes through it line by line and "
        "checks your own answers; Check confirms every gradient by moving the weights; "
        "Map tells programs what each cell is."
    )
    page.heading("The network")
    anchor = page.picture()
    page.colours()
    _tracing(page, layout)
    page.heading("The equations of this step")
    for quantity in quantities(s):
        if not quantity.given:
            text = general_equation(s, quantity)
            if "=" not in text:
                text = f"{quantity.label} = {text}"
            page.pair(quantity.equation, text)
    page.excel()
    page.heading("Where the numbers come from")
    for paragraph in case.source.paragraphs():
        page.paragraph(paragraph)
    page.stored(f"Case {case.id}")
    page.finish()
    return anchor


def _tracing(page: GuidePage, lay: StepLayout) -> None:
    s = lay.structure
    page.heading("How to trace it")
    page.paragraph(
        "On Step the calculation runs down on the left (forward), up in the middle (backward) "
        "and across to the right (update). A weight, its gradient and its new value stand in "
        "the same row, at the same place of their panels."
    )
    weight, gradient, new = (
        lay.at((name, 0), (0, 0)) for name in ("weights", "weight_gradient", "new_weights")
    )
    first = f"{layer_letter(s, 0)}·1 to {layer_letter(s, 1)}·1"
    page.pair(
        "Follow one weight",
        f"From {first}: Step!{weight} is the weight, Step!{gradient} "
        f"its gradient, Step!{new} its new value.",
    )
    page.keys()
    if s.layers > 1 and s.differentiable:
        page.pair(
            "Watch for",
            "the error flows back through the old output weights; the new "
            "ones in the right panel are read by nothing but the check of E.",
        )
