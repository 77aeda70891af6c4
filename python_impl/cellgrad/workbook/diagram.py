"""The network as a picture of native shapes: crisp at any size, no image file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from cellgrad.case.quantities import layer_letter, node_name
from cellgrad.case.structure import Structure

_POINT = 12_700
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"
_MAIN = "http://schemas.openxmlformats.org/drawingml/2006/main"

WIDTH, HEIGHT = 470, 215
_NODE, _CAPTION = 30, 24
_MOST = 6
_FILLS = {"I": "FFF3C4", "H": "D6E9FA", "O": "FBD9D3"}


@dataclass(frozen=True, slots=True)
class Anchor:
    """The 0-based cell at which the picture's top left corner hangs."""

    row: int
    column: int


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

    def node(self, x: float, y: float, text: str, fill: str) -> None:
        self._shape(
            x - _NODE / 2, y - _NODE / 2, _NODE, _NODE, text, f"node {text}", "ellipse", fill, 800
        )

    def label(self, x: float, y: float, width: float, text: str, size: int = 900) -> None:
        self._shape(
            x - width / 2, y - _CAPTION / 2, width, _CAPTION, text, "label", "rect", "", size
        )

    def _shape(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        text: str,
        name: str,
        form: str,
        fill: str,
        size: int,
    ) -> None:
        look = (
            f'<a:solidFill><a:srgbClr val="{fill}"/></a:solidFill>'
            '<a:ln w="9525"><a:solidFill><a:srgbClr val="66727F"/></a:solidFill></a:ln>'
            if fill
            else "<a:noFill/><a:ln><a:noFill/></a:ln>"
        )
        self.xml.append(
            f'<xdr:sp macro="" textlink="">{self._head("sp", name)}<xdr:spPr>'
            f"<a:xfrm>{_at(x, y, width, height)}</a:xfrm>"
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
                shapes.label(x, y, _NODE, "⋮", 1400)
            else:
                shapes.node(x, y, node_name(structure, layer, node), _FILLS[letter[0]])
        x = column[0][0]
        what = {"I": "input", "H": "hidden", "O": "output"}[letter[0]]
        shapes.label(x, _CAPTION / 2, 90, f"{what} layer {letter}")
        function = "" if layer == 0 else structure.activations[layer - 1].replace("_", " ")
        bias = " + bias" if structure.biases and layer else ""
        shapes.label(x, HEIGHT - _CAPTION / 2, 90, f"{function}{bias}", 800)
    for k in range(structure.layers):
        x = (places[k][0][0] + places[k + 1][0][0]) / 2
        name = f"weight_{layer_letter(structure, k)}to{layer_letter(structure, k + 1)}"
        shapes.label(x, HEIGHT - _CAPTION / 2, 90, name, 800)
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
