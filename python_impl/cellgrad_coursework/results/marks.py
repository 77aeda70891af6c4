"""The graded cells of a sheet in the colours of their verdicts, a note on each, and a legend.

The handout says on its sheet which part of the network a colour stands for. In feedback a colour
is a verdict, so its words give way to the verdicts'. Only what the handout wrote is changed: a
student may have put anything in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cellgrad.workbook.canvas import KIND_COLOURS
from cellgrad.xlsx.addresses import Range, a1
from cellgrad.xlsx.editor import (
    MAIN,
    OFFICE,
    Parts,
    Patch,
    SheetTags,
    Tag,
    cell_text,
    prefix_of,
    tags,
    unescaped,
    whole_number,
)
from cellgrad_coursework.model import BLANK_MEANING, GIVEN_MEANING
from cellgrad_coursework.results.styles import Styles
from cellgrad_coursework.results.summary import MEANINGS, WORDS

MORE = "more on the sheet Feedback"
_OURS = {meaning for _, meaning in KIND_COLOURS.values()} | set(BLANK_MEANING.values())
_TEXT = re.compile(rb"<(?:\w+:)?t(?:\s[^>]*)?>([^<]*)</")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>([^<]*)</")
_TEXTS = ("s", "str", "inlineStr")
_TOP = 400
"""A legend stands in the first rows, if anywhere."""

AFTER_NOTES = (
    "legacyDrawingHF", "drawingHF", "picture", "oleObjects", "controls", "webPublishItems",
    "tableParts", "extLst", "AlternateContent",
)  # fmt: skip
"""What stands behind the drawing of notes on a sheet, in the order of the standard."""

_AUTHOR = "cellgrad"
_COMMENTS = "application/vnd.openxmlformats-officedocument.spreadsheetml.comments+xml"
_VML = "application/vnd.openxmlformats-officedocument.vmlDrawing"
_VML_HEAD = (
    '<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:'
    'office" xmlns:x="urn:schemas-microsoft-com:office:excel"><v:shapetype id="_x0000_t202" '
    'coordsize="21600,21600" o:spt="202" path="m,l,21600r21600,l21600,xe"><v:stroke '
    'joinstyle="miter"/><v:path gradientshapeok="t" o:connecttype="rect"/></v:shapetype>'
)
_SHAPE = (
    '<v:shape xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:'
    'office" xmlns:x="urn:schemas-microsoft-com:office:excel" id="_x0000_s{number}" '
    'type="#_x0000_t202" style="position:absolute;margin-left:60pt;margin-top:1pt;width:190pt;'
    'height:{height}pt;z-index:1;visibility:hidden" fillcolor="#ffffe1" o:insetmode="auto">'
    '<v:fill color2="#ffffe1"/><v:shadow on="t" color="black" obscured="t"/><v:path '
    'o:connecttype="none"/><v:textbox style="mso-direction-alt:auto"/><x:ClientData '
    'ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/><x:AutoFill>False</x:AutoFill>'
    "<x:Row>{row}</x:Row><x:Column>{column}</x:Column></x:ClientData></v:shape>"
)
_FIRST_SHAPE = 900_001


@dataclass(frozen=True, slots=True)
class Marked:
    """A cell to be coloured.

    Attributes:
        verdict: decides the colour.
        note: what the note on it says.
    """

    verdict: str
    note: str


Cells = Mapping[tuple[int, int], Marked]
"""By 1-based row and column."""


def mark_sheet(
    parts: Parts,
    part: str,
    styles: Styles,
    cells: Cells,
    texts: Sequence[str],
    verdicts: Sequence[str],
) -> None:
    """Colour cells of a sheet, put a note on each, and explain the colours.

    Args:
        parts: the file.
        part: the sheet's part.
        styles: the file's styles, to which some are added.
        cells: which cells.
        texts: the workbook's.
        verdicts: those that occur, in the order in which they are listed.

    Raises:
        WorkbookError: the sheet is damaged.
    """
    data = parts.read(part)
    sheet = _Sheet(data, "col", "sheetView", "cfRule")
    patch = Patch(data)
    _unselect(patch, sheet.found)
    sheet.colour(patch, styles, cells)
    sheet.uncover(patch, styles, cells)
    _explain_colours(patch, sheet.cells, styles, texts, verdicts)
    _add_notes(parts, part, sheet, patch, cells)
    parts.write(part, patch.done())


def unselect(parts: Parts, part: str) -> None:
    """Take the selection off a sheet: two selected sheets would be edited together."""
    data = parts.read(part)
    if b"tabSelected" not in data:
        return
    patch = Patch(data)
    _unselect(patch, tags(data, lambda name, _: name == "sheetView"))
    parts.write(part, patch.done())


def _unselect(patch: Patch, found: Iterable[Tag]) -> None:
    for tag in found:
        if tag.name == "sheetView" and "tabSelected" in tag.attributes:
            patch.set(tag, tabSelected=None)


class _Sheet(SheetTags):
    """A sheet on which cells are coloured."""

    def colour(self, patch: Patch, styles: Styles, cells: Cells) -> None:
        """Give cells a style like their own, in another colour; add those that are missing."""
        missing: dict[int, list[int]] = {}
        for (row, column), marked in sorted(cells.items()):
            tag = self.cells.get((row, column))
            if tag is None:
                missing.setdefault(row, []).append(column)
                continue
            style = styles.coloured(whole_number(tag.attributes.get("s"), 0), marked.verdict)
            patch.set(tag, s=str(style))
        for row, columns in missing.items():
            new = {}
            for column in columns:
                plain = self._style_of_column(column)
                style = styles.coloured(plain, cells[row, column].verdict)
                new[column] = text_cell(self.prefix, a1(row, column), style, "")
            self.add_cells(patch, row, new)

    def _style_of_column(self, column: int) -> int:
        for tag in self.found:
            if tag.name == "col":
                a = tag.attributes
                if whole_number(a.get("min"), 0) <= column <= whole_number(a.get("max"), 0):
                    return whole_number(a.get("style"), 0)
        return 0

    def uncover(self, patch: Patch, styles: Styles, cells: Cells) -> None:
        """Take away conditional formats that would hide the colours; others stay."""
        owners: dict[int, list[Tag]] = {}
        for tag in self.found:
            if tag.name == "cfRule" and tag.parent is not None:
                owners.setdefault(tag.parent.start, []).append(tag)
        for rules in owners.values():
            owner = rules[0].parent
            if owner is None or not _touches(owner.attributes.get("sqref", ""), cells):
                continue
            hiding = [rule for rule in rules if _hides(rule, styles)]
            if len(hiding) == len(rules):
                patch.replace(owner.start, owner.end, b"")
                continue
            for rule in hiding:
                patch.replace(rule.start, rule.end, b"")

    def before(self, names: tuple[str, ...]) -> int:
        """Return where to insert what stands before these elements of the sheet."""
        data = self.top.get("sheetData")
        start = self.root.inner if data is None else data.end
        places = [t.start for t in self.found if t.depth == 1 and t.name in names
                  and t.start >= start]  # fmt: skip
        return min(places, default=self.root.close)


def _add_notes(parts: Parts, part: str, sheet: _Sheet, patch: Patch, cells: Cells) -> None:
    """Put a note on each cell that has none of its own."""
    relations = parts.relations(part)
    drawing = sheet.top.get("legacyDrawing")
    notes = None if drawing is None else relations.get(drawing.attributes.get("id", ""))
    vml = notes.part if notes is not None and notes.kind == "vmlDrawing" else ""
    if drawing is not None and (not vml or not parts.has(vml)):
        return
    old = parts.read(vml) if vml else b""
    end = old.rfind(b"</xml>")
    if vml and end < 0:
        return
    comments = next((r.part for r in relations.values() if r.kind == "comments"), "")
    if comments and not parts.has(comments):
        return
    cells = {at: cells[at] for at in _without_note(parts, comments, cells)}
    if not cells:
        return
    _write_comments(parts, part, comments, cells)
    shapes = "".join(
        _SHAPE.format(
            number=_FIRST_SHAPE + place,
            row=row - 1,
            column=column - 1,
            height=30 + 12 * (len(marked.note) // 38),
        )
        for place, ((row, column), marked) in enumerate(sorted(cells.items()))
    )
    if vml:
        parts.write(vml, old[:end] + shapes.encode() + old[end:])
        return
    vml = parts.free("xl/drawings/feedbackNotes{}.vml")
    parts.write(vml, f"{_VML_HEAD}{shapes}</xml>".encode())
    parts.declare(vml, _VML)
    own = parts.relate(part, "vmlDrawing", vml)
    patch.insert(
        sheet.before(AFTER_NOTES),
        f'<{sheet.prefix}legacyDrawing xmlns:r="{OFFICE}" r:id="{own}"/>',
    )


def _without_note(parts: Parts, comments: str, cells: Cells) -> list[tuple[int, int]]:
    taken = set()
    if comments:
        for tag in tags(parts.read(comments), lambda name, _: name == "comment"):
            taken.add(tag.attributes.get("ref", ""))
    return [at for at in sorted(cells) if a1(*at) not in taken]


def _write_comments(parts: Parts, part: str, comments: str, cells: Cells) -> None:
    """Write the texts of notes, beside those of the student if there are any."""
    if not comments:
        texts = "".join(_comment("", at, marked, 0) for at, marked in sorted(cells.items()))
        name = parts.free("xl/feedbackComments{}.xml")
        parts.write(
            name,
            f'<comments xmlns="{MAIN}"><authors><author>{_AUTHOR}</author></authors>'
            f"<commentList>{texts}</commentList></comments>".encode(),
        )
        parts.declare(name, _COMMENTS)
        parts.relate(part, "comments", name)
        return
    data = parts.read(comments)
    elements = tags(data, lambda name, depth: depth <= 1 or name == "author")
    lists = {t.name: t for t in elements if t.depth == 1}
    if "authors" not in lists or "commentList" not in lists:
        return
    prefix, patch = prefix_of(data, elements[0]), Patch(data)
    author = sum(t.name == "author" for t in elements)
    patch.append(lists["authors"], f"<{prefix}author>{_AUTHOR}</{prefix}author>")
    texts = "".join(_comment(prefix, at, marked, author) for at, marked in sorted(cells.items()))
    patch.append(lists["commentList"], texts)
    parts.write(comments, patch.done())


def _comment(prefix: str, at: tuple[int, int], marked: Marked, author: int) -> str:
    p = prefix
    return (
        f'<{p}comment ref="{a1(*at)}" authorId="{author}"><{p}text><{p}r>'
        f'<{p}rPr><{p}sz val="9"/><{p}rFont val="Tahoma"/></{p}rPr><{p}t xml:space="preserve">'
        f"{cell_text(marked.note)}</{p}t></{p}r></{p}text></{p}comment>"
    )


def _touches(area: str, cells: Cells) -> bool:
    """Tell whether a conditional format covers one of some cells."""
    for text in area.split():
        try:
            part = Range.parse("", text.replace("$", ""))
        except ValueError:
            continue
        if any(part.contains(*at) for at in cells):
            return True
    return False


def _hides(rule: Tag, styles: Styles) -> bool:
    """Tell whether a conditional format paints over the colour of a cell."""
    if rule.attributes.get("type") == "colorScale":
        return True
    return whole_number(rule.attributes.get("dxfId"), -1) in styles.painting


# the legend


def _text_of(data: bytes, cell: Tag, texts: Sequence[str]) -> str:
    """Return the text of a cell; empty for anything else.

    Args:
        data: the sheet.
        cell: where the cell lies in it.
        texts: what the workbook keeps once for all its cells.
    """
    inner, kind = data[cell.inner : cell.close], cell.attributes.get("t", "")
    if kind == "inlineStr":
        return "".join(map(unescaped, _TEXT.findall(inner)))
    value = _VALUE.search(inner)
    if value is None or kind == "str":
        return "" if value is None else unescaped(value[1])
    place = whole_number(unescaped(value[1]), len(texts))
    return texts[place] if place < len(texts) else ""


def _explain_colours(
    patch: Patch,
    cells: Mapping[tuple[int, int], Tag],
    styles: Styles,
    texts: Sequence[str],
    verdicts: Sequence[str],
) -> None:
    """Write what the verdicts' colours mean where the handout says what its own mean."""
    data = patch.data
    said = {at: _text_of(data, tag, texts) for at, tag in cells.items()
            if at[0] <= _TOP and tag.attributes.get("t") in _TEXTS}  # fmt: skip
    first = next((at for at, text in said.items() if text == GIVEN_MEANING), None)
    if first is None or said.get((first[0], first[1] - 1)) != "given":
        return
    rows = []
    row, column = first
    while said.get((row + 1, column)) in _OURS and (row + 1, column - 1) in said:
        row += 1
        rows.append(row)
    plain = whole_number(cells[first[0], column - 1].attributes.get("s"))
    lines: list[tuple[str, str]] = [(verdict, _meaning(verdict)) for verdict in verdicts]
    if len(lines) > len(rows):
        lines = [*lines[: len(rows) - 1], ("", MORE)]
    for place, row in enumerate(rows):
        verdict, meaning = lines[place] if place < len(lines) else ("", "")
        box = styles.coloured(plain, verdict) if verdict else 0
        own = whole_number(cells[row, column].attributes.get("s"))
        for at, style, text in (
            ((row, column - 1), box, WORDS.get(verdict, "")),
            ((row, column), own, meaning),
        ):
            tag = cells[at]
            xml = text_cell(prefix_of(data, tag), a1(*at), style, text)
            patch.replace(tag.start, tag.end, xml.encode())


def _meaning(verdict: str) -> str:
    return "" if MEANINGS[verdict] == WORDS[verdict] else MEANINGS[verdict]


def text_cell(p: str, at: str, style: int, text: str) -> str:
    """Return a cell with a text of its own, or without any, as XML; ``p`` is the tags' prefix."""
    if not text:
        return f'<{p}c r="{at}" s="{style}"/>'
    inner = f'<{p}is><{p}t xml:space="preserve">{cell_text(text)}</{p}t></{p}is>'
    return f'<{p}c r="{at}" s="{style}" t="inlineStr">{inner}</{p}c>'
