"""Colours and fonts that are added to the styles of somebody else's workbook."""

from __future__ import annotations

from cellgrad.errors import WorkbookError
from cellgrad.workbook.canvas import FONT, GREY
from cellgrad.workbook.description import INK
from cellgrad.xlsx.editor import MAIN, Patch, Tag, prefix_of, tags, with_attributes
from cellgrad_coursework.results.summary import COLOURS

EMPTY = (
    f'<styleSheet xmlns="{MAIN}"><fonts count="1"><font/></fonts><fills count="2">'
    '<fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/>'
    '</fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/>'
    '</cellStyleXfs><cellXfs count="1"><xf xfId="0"/></cellXfs></styleSheet>'
).encode()
"""The styles of a workbook that has none."""

_ITEMS = {"fonts": "font", "fills": "fill", "borders": "border", "cellXfs": "xf"}
_DEPTH = 3
"""Lists stand at 1, their items at 2, and what a conditional format changes at 3."""


class Styles:
    """The styles of a workbook, to which some are added.

    Attributes:
        painting: ids of the conditional formats that paint over a cell's colour.

    Raises:
        WorkbookError: they are damaged.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        elements = tags(data, lambda _, depth: depth <= _DEPTH)
        self._root = elements[0]
        self._prefix = prefix_of(data, self._root)
        self._lists: dict[str, Tag] = {t.name: t for t in elements if t.depth == 1}
        missing = [name for name in ("fonts", "fills", "cellXfs") if name not in self._lists]
        if missing:
            raise WorkbookError(f"the workbook's styles have no {missing[0]}")
        self._count = {
            name: sum(
                t.name == _ITEMS[name] and t.parent is self._lists.get(name) for t in elements
            )
            for name in _ITEMS
        }
        own = self._lists["cellXfs"]
        self._formats = [t for t in elements if t.parent is own and t.name == "xf"]
        self._new: dict[str, list[str]] = {name: [] for name in _ITEMS}
        self._fills: dict[str, int] = {}
        self._coloured: dict[tuple[int, str], int] = {}
        formats = [t for t in elements if t.parent is self._lists.get("dxfs") and t.name == "dxf"]
        painted = {id(t.parent) for t in elements if t.depth == _DEPTH and t.name == "fill"}
        self.painting = {place for place, t in enumerate(formats) if id(t) in painted}

    def _add(self, name: str, xml: str) -> int:
        self._new[name].append(xml)
        return self._count[name] + len(self._new[name]) - 1

    def fill(self, colour: str) -> int:
        """Return the id of a plain fill."""
        if colour not in self._fills:
            p = self._prefix
            self._fills[colour] = self._add(
                "fills",
                f'<{p}fill><{p}patternFill patternType="solid"><{p}fgColor rgb="FF{colour}"/>'
                f'<{p}bgColor indexed="64"/></{p}patternFill></{p}fill>',
            )
        return self._fills[colour]

    def coloured(self, style: int, verdict: str) -> int:
        """Return the id of a style like another, in the colour of a verdict."""
        key = (style, verdict)
        if key not in self._coloured:
            changes = {"fillId": str(self.fill(COLOURS[verdict])), "applyFill": "1"}
            if 0 <= style < len(self._formats):
                old = self._formats[style]
                first = with_attributes(self._data[old.start : old.inner], changes)
                xml = (first + self._data[old.inner : old.end]).decode()
            else:
                xml = (
                    f'<{self._prefix}xf numFmtId="0" fontId="0" fillId="{changes["fillId"]}" '
                    'borderId="0" xfId="0" applyFill="1"/>'
                )
            self._coloured[key] = self._add("cellXfs", xml)
        return self._coloured[key]

    def font(self, *, size: float = 10, bold: bool = False, grey: bool = False) -> int:
        """Return the id of a new font."""
        p, colour = self._prefix, GREY if grey else INK
        weight = f"<{p}b/>" if bold else ""
        return self._add(
            "fonts",
            f'<{p}font>{weight}<{p}sz val="{size:g}"/><{p}color rgb="FF{colour}"/>'
            f'<{p}name val="{FONT}"/><{p}family val="2"/></{p}font>',
        )

    def line(self) -> int:
        """Return the id of a border: a hairline below."""
        p = self._prefix
        return self._add(
            "borders",
            f"<{p}border><{p}left/><{p}right/><{p}top/>"
            f'<{p}bottom style="thin"><{p}color rgb="FFD7DDE3"/></{p}bottom><{p}diagonal/>'
            f"</{p}border>",
        )

    def format(
        self, font: int, *, fill: int = 0, border: int = 0, align: str = "", quoted: bool = False
    ) -> int:
        """Return the id of a new style of cells.

        Args:
            font: id of its font.
            fill: id of its fill.
            border: id of its border.
            align: attributes of its alignment.
            quoted: whether a text stays a text when it is typed again.
        """
        p = self._prefix
        quote = ' quotePrefix="1"' if quoted else ""
        inner = f"<{p}alignment {align}/>" if align else ""
        return self._add(
            "cellXfs",
            f'<{p}xf numFmtId="0" fontId="{font}" fillId="{fill}" borderId="{border}" xfId="0" '
            f'applyFont="1" applyFill="1" applyBorder="1" applyAlignment="1"{quote}>'
            f"{inner}</{p}xf>",
        )

    def done(self) -> bytes:
        """Return the styles with everything that was added."""
        patch = Patch(self._data)
        for name, items in self._new.items():
            if not items:
                continue
            own = self._lists.get(name)
            if own is not None:
                count = str(self._count[name] + len(items))
                first = self._data[own.start : own.inner]
                if own.empty:
                    p = self._prefix
                    whole = f'<{p}{name} count="{count}">{"".join(items)}</{p}{name}>'
                    patch.replace(own.start, own.end, whole.encode())
                else:
                    patch.replace(own.start, own.inner, with_attributes(first, {"count": count}))
                    patch.insert(own.close, "".join(items))
                continue
            p = self._prefix
            whole = f'<{p}{name} count="{len(items)}">{"".join(items)}</{p}{name}>'
            patch.insert(self._lists["fills"].end, whole)  # only borders may be missing
        return patch.done()
