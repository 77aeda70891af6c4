"""The Guide sheet: what the workbook is, how to trace it, what the colours mean."""

from __future__ import annotations

from openpyxl.styles import Alignment

from cellgrad.case.lines import general_equation
from cellgrad.case.model import Case
from cellgrad.case.quantities import layer_letter, quantities
from cellgrad.workbook import style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.diagram import HEIGHT, Anchor
from cellgrad.workbook.layout import StepLayout

_DIAGRAM_ROW_HEIGHT = 16
_WIDE = 104


def write_guide(canvas: Canvas, case: Case, layout: StepLayout) -> Anchor:
    """Write the guide; return where the network's picture belongs."""
    return _Guide(canvas, case, layout).write()


class _Guide:
    def __init__(self, canvas: Canvas, case: Case, layout: StepLayout) -> None:
        self.canvas, self.case, self.layout, self.s = canvas, case, layout, layout.structure
        self.row = 1

    def write(self) -> Anchor:
        self._line(self.case.title, "title", 26)
        self._paragraph(
            "This workbook computes one training step of a small neural network, every number by "
            "a formula that you can read. Change any yellow number and everything follows. "
            "The sheets: Step is the calculation; Walkthrough goes through it line by line and "
            "checks your own answers; Check confirms every gradient by moving the weights; "
            "Map tells programs what each cell is."
        )
        self._heading("The network")
        anchor = Anchor(self.row - 1, 1)
        for _ in range(-(-(HEIGHT + 6) // _DIAGRAM_ROW_HEIGHT)):
            self.canvas.heights({self.row: _DIAGRAM_ROW_HEIGHT})
            self.row += 1
        self._colours()
        self._tracing()
        self._equations()
        self._excel()
        self._provenance()
        self.canvas.widths({1: 3, 2: 24, 3: _WIDE - 24})
        self.canvas.print_on("portrait", area=f"A1:C{self.row - 1}")
        return anchor

    def _line(self, text: str, look: str, height: float) -> None:
        self.canvas.text(self.row, 2, text, look)
        self.canvas.heights({self.row: height})
        self.row += 1

    def _heading(self, text: str) -> None:
        self.row += 1
        self._line(text, "heading", 19)

    def _paragraph(self, text: str) -> None:
        """Write text over both columns, in rows high enough for it."""
        self.canvas.text(self.row, 2, text, "wrapped")
        self.canvas.sheet.merge_cells(
            start_row=self.row, start_column=2, end_row=self.row, end_column=3
        )
        self.canvas.heights({self.row: 14.5 * -(-len(text) // (_WIDE + 14)) + 3})
        self.row += 1

    def _pair(self, name: str, text: str, look: str = "term") -> None:
        self.canvas.text(self.row, 2, name, look)
        self.canvas.text(self.row, 3, text, "wrapped")
        self.canvas.heights({self.row: 14.5 * -(-len(text) // (_WIDE - 18)) + 2})
        self.row += 1

    def _colours(self) -> None:
        self._heading("Colours")
        for kind, (_, meaning) in style.KIND_COLOURS.items():
            self._pair(kind, meaning, kind)
            self.canvas.sheet.cell(self.row - 1, 3).style = "source"
            self.canvas.sheet.cell(self.row - 1, 2).alignment = Alignment(
                horizontal="left", indent=1
            )

    def _tracing(self) -> None:
        s, lay = self.s, self.layout
        self._heading("How to trace it")
        self._paragraph(
            "On Step the calculation runs down on the left (forward), up in the middle (backward) "
            "and across to the right (update). A weight, its gradient and its new value stand in "
            "the same row, at the same place of their panels."
        )
        weight, gradient, new = (
            lay.at((name, 0), (0, 0)) for name in ("weights", "weight_gradient", "new_weights")
        )
        first = f"{layer_letter(s, 0)}·1 to {layer_letter(s, 1)}·1"
        self._pair(
            "Follow one weight",
            f"From {first}: Step!{weight} is the weight, Step!{gradient} "
            f"its gradient, Step!{new} its new value.",
        )
        self._pair("F2", "on a formula cell colours the cells it reads (Excel, LibreOffice).")
        self._pair(
            "Ctrl + [", "jumps to the cells a formula reads; F5 and Enter jump back (Excel)."
        )
        self._pair(
            "Evaluate Formula",
            "in Excel's Formulas tab works a formula out step by step; "
            "Trace Precedents draws arrows (LibreOffice: Tools, Detective).",
        )
        if s.layers > 1 and s.differentiable:
            self._pair(
                "Watch for",
                "the error flows back through the old output weights; the new "
                "ones in the right panel are read by nothing but the check of E.",
            )

    def _equations(self) -> None:
        self._heading("The equations of this step")
        for quantity in quantities(self.s):
            if not quantity.given:
                text = general_equation(self.s, quantity)
                if "=" not in text:
                    text = f"{quantity.label} = {text}"
                self._pair(quantity.equation, text)

    def _excel(self) -> None:
        self._heading("What Excel will ask")
        self._paragraph(
            "A downloaded file opens in Protected View: choose Enable Editing, or nothing "
            "recalculates. Excel recalculates the whole workbook when it opens it, and so offers "
            "to save it when you close it, even if you changed nothing. There are no macros and "
            "no links to other files."
        )

    def _provenance(self) -> None:
        self._heading("Where the numbers come from")
        source = self.case.source
        parts = [part for part in (source.author, source.title, source.year, source.url) if part]
        self._paragraph(", ".join(parts) or "Numbers made for this workbook.")
        if source.note:
            self._paragraph(source.note)
        self._paragraph(
            f"Case {self.case.id}. The values that the file shows before it is recalculated were "
            "stored by a spreadsheet engine, not by the program that wrote the formulas."
        )
