"""The Guide: the page that every workbook's is written on, and that of a single step.

What the workbook is, how to trace it, what the colours mean.
"""

from __future__ import annotations

from typing import Any

from cellgrad.case.equations import general_equation
from cellgrad.case.model import Case
from cellgrad.case.quantities import layer_letter, quantities
from cellgrad.workbook import style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.diagram import HEIGHT, Anchor
from cellgrad.workbook.layout import StepLayout

_DIAGRAM_ROW_HEIGHT = 16
_WIDE = 104


class GuidePage:
    """Writes from the top of a sheet downwards."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.row = 1

    def line(self, text: str, look: str, height: float) -> None:
        """Write a line of text."""
        self.canvas.text(self.row, 2, text, look)
        self.canvas.heights({self.row: height})
        self.row += 1

    def heading(self, text: str) -> None:
        """Write a heading, with room above."""
        self.row += 1
        self.line(text, "heading", 19)

    def paragraph(self, text: str) -> None:
        """Write text over both columns, in rows high enough for it."""
        self.canvas.text(self.row, 2, text, "wrapped")
        self.canvas.merge(self.row, 2, 3)
        self.canvas.heights({self.row: 14.5 * -(-len(text) // (_WIDE + 14)) + 3})
        self.row += 1

    def pair(
        self, name: str, text: str, look: str = "term", text_look: str = "wrapped", **own: Any
    ) -> None:
        """Write a name and what it means.

        Args:
            name: on the left.
            text: on the right.
            look: the style of the name.
            text_look: the style of the text.
            own: what the name has otherwise than its style.
        """
        self.canvas.text(self.row, 2, name, look, **own)
        self.canvas.text(self.row, 3, text, text_look)
        self.canvas.heights({self.row: 14.5 * -(-len(text) // (_WIDE - 18)) + 2})
        self.row += 1

    def picture(self) -> Anchor:
        """Leave room for the network's picture; return where it hangs."""
        anchor = Anchor(self.row - 1, 1)
        for _ in range(-(-(HEIGHT + 6) // _DIAGRAM_ROW_HEIGHT)):
            self.canvas.heights({self.row: _DIAGRAM_ROW_HEIGHT})
            self.row += 1
        return anchor

    def colours(self) -> None:
        """Write what the colours of the cells mean."""
        self.heading("Colours")
        for kind, (_, meaning) in style.KIND_COLOURS.items():
            self.pair(kind, meaning, kind, "source", horizontal="left", indent=1)

    def keys(self) -> None:
        """Write how a spreadsheet program shows what a formula reads."""
        self.pair("F2", "on a formula cell colours the cells it reads (Excel, LibreOffice).")
        self.pair("Ctrl + [", "jumps to the cells a formula reads; F5 and Enter jump back (Excel).")
        self.pair(
            "Evaluate Formula",
            "in Excel's Formulas tab works a formula out step by step; "
            "Trace Precedents draws arrows (LibreOffice: Tools, Detective).",
        )

    def excel(self) -> None:
        """Write what Excel asks of those who open the file."""
        self.heading("What Excel will ask")
        self.paragraph(
            "A downloaded file opens in Protected View: choose Enable Editing, or nothing "
            "recalculates. Excel recalculates the whole workbook when it opens it, and so offers "
            "to save it when you close it, even if you changed nothing. There are no macros and "
            "no links to other files."
        )

    def stored(self, what: str) -> None:
        """Write who stored the values that the file shows at first."""
        self.paragraph(
            f"{what}. The values that the file shows before it is recalculated were "
            "stored by a spreadsheet engine, not by the program that wrote the formulas."
        )

    def finish(self) -> None:
        """Set widths and the page."""
        self.canvas.widths({1: 3, 2: 24, 3: _WIDE - 24})
        self.canvas.print_on("portrait", area=f"A1:C{self.row - 1}")


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
