"""The Guide: the page that every workbook's is written on, and that of a single step.

What the workbook is, how to trace it, what the colours mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from cellgrad.case.equations import general_equation
from cellgrad.case.model import Case
from cellgrad.case.quantities import Structure, layer_letter, node_name, quantities
from cellgrad.workbook.canvas import KIND_COLOURS, Canvas
from cellgrad.workbook.formulas import StepLayout

_POINT = 12_700
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"
_MAIN = "http://schemas.openxmlformats.org/drawingml/2006/main"

WIDTH, HEIGHT = 470, 215
_NODE, _CAPTION = 30, 24
_MOST = 6
_FILLS = {"I": "FFF3C4", "H": "D6E9FA", "O": "FBD9D3"}

_DIAGRAM_ROW_HEIGHT = 16
_WIDE = 104


@dataclass(frozen=True, slots=True)
class Anchor:
    """The 0-based cell at which the picture's top left corner hangs."""

    row: int
    column: int


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
        for kind, (_, meaning) in KIND_COLOURS.items():
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

    def equations(self, structure: Structure) -> None:
        """Write the equation of every quantity that a step computes."""
        self.heading("The equations of this step")
        for quantity in quantities(structure):
            if not quantity.given:
                text = general_equation(structure, quantity)
                if "=" not in text:
                    text = f"{quantity.label} = {text}"
                self.pair(quantity.equation, text)

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
    page.equations(s)
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


# the network as a picture of native shapes: crisp at any size, no image file


class _Shapes:
    """Collects shapes; coordinates in points from the picture's top left corner."""

    def __init__(self) -> None:
        self.xml: list[str] = []

    def _head(self, tag: str, name: str) -> str:
        number = len(self.xml) + 3
        inner = "cNvCxnSpPr" if tag == "cxnSp" else "cNvSpPr"
        return (
            f'<xdr:nv{tag[0].upper()}{tag[1:]}Pr><xdr:cNvPr id="{number}" name={quoteattr(name)}/>'
            f"<xdr:{inner}/></xdr:nv{tag[0].upper()}{tag[1:]}Pr>"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        top, flip = min(y1, y2), ' flipV="1"' if y2 < y1 else ""
        self.xml.append(
            f'<xdr:cxnSp macro="">{self._head("cxnSp", "weight")}<xdr:spPr>'
            f"<a:xfrm{flip}>{_at(x1, top, x2 - x1, abs(y2 - y1))}</a:xfrm>"
            '<a:prstGeom prst="line"><a:avLst/></a:prstGeom>'
            '<a:ln w="9525"><a:solidFill><a:srgbClr val="9AA7B4"/></a:solidFill></a:ln>'
            "</xdr:spPr></xdr:cxnSp>"
        )

    def text(
        self, x: float, y: float, width: float, text: str, size: int = 900, fill: str = ""
    ) -> None:
        """Write a text around a point: a label, or in a circle of a colour a node's name."""
        height, name, form = _CAPTION, "label", "rect"
        if fill:
            height, name, form = _NODE, f"node {text}", "ellipse"
        look = (
            f'<a:solidFill><a:srgbClr val="{fill}"/></a:solidFill>'
            '<a:ln w="9525"><a:solidFill><a:srgbClr val="66727F"/></a:solidFill></a:ln>'
            if fill
            else "<a:noFill/><a:ln><a:noFill/></a:ln>"
        )
        self.xml.append(
            f'<xdr:sp macro="" textlink="">{self._head("sp", name)}<xdr:spPr>'
            f"<a:xfrm>{_at(x - width / 2, y - height / 2, width, height)}</a:xfrm>"
            f'<a:prstGeom prst="{form}"><a:avLst/></a:prstGeom>{look}</xdr:spPr>'
            '<xdr:txBody><a:bodyPr wrap="none" lIns="0" tIns="0" rIns="0" bIns="0" anchor="ctr"/>'
            f'<a:p><a:pPr algn="ctr"/><a:r><a:rPr lang="en-GB" sz="{size}">'
            '<a:solidFill><a:srgbClr val="1F2933"/></a:solidFill><a:latin typeface="Calibri"/>'
            f"</a:rPr><a:t>{escape(text)}</a:t></a:r></a:p></xdr:txBody></xdr:sp>"
        )


def _at(x: float, y: float, width: float, height: float) -> str:
    x, y, width, height = (round(value * _POINT) for value in (x, y, width, height))
    return f'<a:off x="{x}" y="{y}"/><a:ext cx="{width}" cy="{height}"/>'


def _shown(count: int) -> list[int | None]:
    """Return the nodes to draw; None stands for those left out."""
    if count <= _MOST:
        return list(range(count))
    return [*range(_MOST - 2), None, count - 1]


def network_drawing(structure: Structure, anchor: Anchor) -> str:
    """Return the DrawingML part with this network's nodes and weights.

    Large layers show their first nodes and the last, with dots between.
    """
    shapes = _Shapes()
    places = _positions(structure)
    for left, right in pairwise(places):
        for x1, y1, here in left:
            for x2, y2, there in right:
                if here is not None and there is not None:
                    shapes.line(x1 + _NODE / 2, y1, x2 - _NODE / 2, y2)
    for layer, column in enumerate(places):
        letter = layer_letter(structure, layer)
        for x, y, node in column:
            if node is None:
                shapes.text(x, y, _NODE, "⋮", 1400)
            else:
                name = node_name(structure, layer, node)
                shapes.text(x, y, _NODE, name, 800, _FILLS[letter[0]])
        x = column[0][0]
        what = {"I": "input", "H": "hidden", "O": "output"}[letter[0]]
        shapes.text(x, _CAPTION / 2, 90, f"{what} layer {letter}")
        function = "" if layer == 0 else structure.activations[layer - 1].replace("_", " ")
        bias = " + bias" if structure.biases and layer else ""
        shapes.text(x, HEIGHT - _CAPTION / 2, 90, f"{function}{bias}", 800)
    for k in range(structure.layers):
        x = (places[k][0][0] + places[k + 1][0][0]) / 2
        name = f"weight_{layer_letter(structure, k)}to{layer_letter(structure, k + 1)}"
        shapes.text(x, HEIGHT - _CAPTION / 2, 90, name, 800)
    return _document("".join(shapes.xml), anchor, structure)


def _positions(structure: Structure) -> list[list[tuple[float, float, int | None]]]:
    columns = []
    step = (WIDTH - 100) / max(structure.layers, 1)
    inner = HEIGHT - 2 * _CAPTION
    for layer, count in enumerate(structure.nodes):
        nodes = _shown(count)
        gap = inner / len(nodes)
        columns.append(
            [(50 + layer * step, _CAPTION + gap * (n + 0.5), node) for n, node in enumerate(nodes)]
        )
    return columns


def _document(shapes: str, anchor: Anchor, structure: Structure) -> str:
    size = f'cx="{WIDTH * _POINT}" cy="{HEIGHT * _POINT}"'
    words = "A network of " + "-".join(str(n) for n in structure.nodes) + " nodes"
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        f'<xdr:wsDr xmlns:xdr="{_DRAWING}" xmlns:a="{_MAIN}"><xdr:oneCellAnchor>'
        f"<xdr:from><xdr:col>{anchor.column}</xdr:col><xdr:colOff>0</xdr:colOff>"
        f"<xdr:row>{anchor.row}</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:from><xdr:ext {size}/>"
        f'<xdr:grpSp><xdr:nvGrpSpPr><xdr:cNvPr id="2" name="network" descr={quoteattr(words)}/>'
        "<xdr:cNvGrpSpPr/></xdr:nvGrpSpPr><xdr:grpSpPr><a:xfrm>"
        f'<a:off x="0" y="0"/><a:ext {size}/><a:chOff x="0" y="0"/><a:chExt {size}/>'
        f"</a:xfrm></xdr:grpSpPr>{shapes}</xdr:grpSp><xdr:clientData/></xdr:oneCellAnchor></xdr:wsDr>"
    )
