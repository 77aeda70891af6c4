"""A described workbook as a file: the only module that has openpyxl write.

The same workbook gives the same bytes, whenever and wherever it is written.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from copy import copy
from typing import Any

from openpyxl import Workbook
from openpyxl.chart._chart import ChartBase
from openpyxl.formatting.rule import ColorScaleRule, FormulaRule, Rule
from openpyxl.styles import (
    Alignment,
    Border,
    Font,
    NamedStyle,
    PatternFill,
    Protection,
    Side,
)
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.styles.numbers import NumberFormat
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.workbook.properties import CalcProperties
from openpyxl.worksheet.pagebreak import Break, ColBreak
from openpyxl.worksheet.worksheet import Worksheet

from cellgrad.files import zip_entry
from cellgrad.workbook.canvas import FONT, TINY
from cellgrad.workbook.description import Book, Chart, Highlight, Page, Sheet, Style
from cellgrad.xlsx.addresses import column_letters

_W3C_DATE = "2026-01-01T00:00:00Z"
_DRAWING_TYPE = "application/vnd.openxmlformats-officedocument.drawing+xml"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

_QUIET = (
    '<ignoredErrors><ignoredError sqref="A1:XFD1048576" numberStoredAsText="1" formula="1" '
    'formulaRange="1" emptyCellReference="1"/></ignoredErrors>'
)
"""Keeps Excel from flagging matrices of like formulas as inconsistent."""


def _finished(data: bytes, drawing: str | None) -> bytes:
    """Fix every date, put the drawing on the first sheet, quiet Excel's green triangles.

    Args:
        data: a workbook as openpyxl saved it.
        drawing: the DrawingML part for the first sheet, if it has one.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    core = parts["docProps/core.xml"].decode()
    core = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", _W3C_DATE, core)
    parts["docProps/core.xml"] = core.encode()
    link = f'<drawing xmlns:r="{_OFFICE}" r:id="rId1"/>'
    sheets = [name for name in parts if name.startswith("xl/worksheets/sheet")]
    locked = any(b"<sheetProtection" in parts[name] for name in sheets)
    quiet = _QUIET.replace('"/>', '" unlockedFormula="1"/>') if locked else _QUIET
    for name in sheets:
        own = link if name.endswith("/sheet1.xml") and drawing else ""
        parts[name] = _quietened(parts[name], quiet, own)
    if drawing:
        _add_drawing(parts, drawing)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            # locked ones are handed out by the hundred: these are to be written fast
            new.writestr(zip_entry(name), content, compresslevel=6 if locked else 9)
    return buffer.getvalue()


def _quietened(sheet: bytes, quiet: str, link: str) -> bytes:
    """Add what comes last on a sheet; ignored errors stand before any drawing."""
    own = re.search(rb"<drawing [^>]*/>", sheet)
    if own is not None:
        return sheet.replace(own[0], quiet.encode() + own[0])
    return sheet.replace(b"</worksheet>", f"{quiet}{link}</worksheet>".encode())


def _add_drawing(parts: dict[str, bytes], drawing: str) -> None:
    number = 1 + sum(name.startswith("xl/drawings/drawing") for name in parts)
    part = f"/xl/drawings/drawing{number}.xml"
    parts[part[1:]] = drawing.encode()
    parts["xl/worksheets/_rels/sheet1.xml.rels"] = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships '
        f'xmlns="{_RELATIONS}"><Relationship Id="rId1" Type="{_OFFICE}/drawing" '
        f'Target="{part}"/></Relationships>'
    ).encode()
    types = parts["[Content_Types].xml"].decode()
    override = f'<Override PartName="{part}" ContentType="{_DRAWING_TYPE}"/>'
    parts["[Content_Types].xml"] = types.replace("</Types>", f"{override}</Types>").encode()


Draw = Callable[[Chart, Workbook], ChartBase]


def file_of(book: Book, draw: Draw | None = None) -> bytes:
    """Return the .xlsx file of a workbook, the same bytes every time: no values yet.

    Args:
        book: the workbook.
        draw: makes its charts, where it has any.
    """
    buffer = io.BytesIO()
    _workbook(book, draw).save(buffer)
    return _finished(buffer.getvalue(), book.drawing)


def _workbook(book: Book, draw: Draw | None) -> Workbook:
    made = Workbook()
    made.remove(made.active)
    for name, style in book.styles.items():
        made.add_named_style(_named_style(name, style))
    for sheet in book.sheets:
        made.create_sheet(sheet.title)
    for sheet in book.sheets:
        own = made[sheet.title]
        _cells(own, sheet)
        _look(own, sheet)
        if sheet.page is not None:
            _print(own, sheet.page)
        for chart in sheet.charts:
            assert draw is not None  # noqa: S101 - who describes charts can draw them
            own.add_chart(draw(chart, made), chart.cell)
    for name, reference in book.names.items():
        made.defined_names[name] = DefinedName(name, attr_text=reference)
    made.properties.title, made.properties.creator = book.title, "cellgrad"
    made.calculation = CalcProperties(fullCalcOnLoad=True)
    made.active = 0
    return made


def _font(style: Style) -> Font:
    return Font(
        name=FONT,
        size=style.size,
        bold=style.bold or None,
        italic=style.italic or None,
        color=style.color,
    )


def _border(style: Style) -> Border:
    if style.line is None:
        return Border()
    side = Side(style=style.line[0], color=style.line[1])
    return Border(left=side, right=side, top=side, bottom=side)


def _alignment(style: Style) -> Alignment:
    return Alignment(
        horizontal=style.horizontal,
        vertical=style.vertical,
        indent=style.indent,
        wrap_text=style.wrap or None,
    )


def _named_style(name: str, style: Style) -> NamedStyle:
    return NamedStyle(
        name=name,
        font=_font(style),
        fill=PatternFill("solid", fgColor=style.fill) if style.fill else PatternFill(),
        border=_border(style),
        number_format=style.number_format,
        alignment=_alignment(style),
        protection=Protection(locked=style.locked),
    )


_PARTS: dict[str, tuple[tuple[str, ...], Callable[[Style], Any]]] = {
    "number_format": (("number_format",), lambda style: style.number_format),
    "alignment": (("horizontal", "vertical", "indent", "wrap"), _alignment),
    "border": (("line",), _border),
    "font": (("size", "bold", "italic", "color"), _font),
}
"""The parts of a look that a cell may have of its own, and what they are made of."""


def _cells(made: Worksheet, sheet: Sheet) -> None:
    looks: dict[str, Any] = {}
    for (row, column), described in sheet.cells.items():
        cell = made.cell(row, column)
        if described.kind != "blank":
            cell.value = described.content
        if described.kind != "formula":
            cell.data_type = "s" if described.kind == "text" else "n"
        name = described.style
        if name in looks:
            cell._style = copy(looks[name])  # noqa: SLF001 - by name takes a search each
        else:
            cell.style = name
            looks[name] = copy(cell._style)  # noqa: SLF001
        if described.own:
            _own_look(cell, described.own)
    for area in sheet.merged:
        made.merge_cells(area.address)


def _own_look(cell: Any, own: dict[str, Any]) -> None:
    style = Style(**{"vertical": None, **own})
    for attribute, (names, make) in _PARTS.items():
        if not own.keys().isdisjoint(names):
            setattr(cell, attribute, make(style))


def _look(made: Worksheet, sheet: Sheet) -> None:
    made.sheet_view.showGridLines = sheet.grid_lines
    for column, width in sheet.widths.items():
        made.column_dimensions[column_letters(column)].width = width
    for row, height in sheet.heights.items():
        made.row_dimensions[row].height = height
    for highlight in sheet.highlights:
        made.conditional_formatting.add(highlight.cells, _rule(highlight))
    if sheet.freeze_panes:
        made.freeze_panes = sheet.freeze_panes
    if sheet.protected:
        made.protection.sheet = True
        for name in ("formatColumns", "formatRows", "formatCells"):
            setattr(made.protection, name, False)  # False: it is allowed


def _rule(highlight: Highlight) -> Rule:
    if highlight.scale is not None:
        low, middle, high = highlight.scale
        return ColorScaleRule(
            start_type="min",
            start_color=low,
            mid_type="percentile",
            mid_value=50,
            mid_color=middle,
            end_type="max",
            end_color=high,
        )
    font = None
    if highlight.color:
        font = Font(color=highlight.color, bold=highlight.bold or None)
    fill = PatternFill("solid", bgColor=highlight.fill) if highlight.fill else None
    rule = FormulaRule(
        formula=[highlight.condition], font=font, fill=fill, stopIfTrue=highlight.stop or None
    )
    if highlight.number_format:
        number = 170 if highlight.number_format == TINY else 171
        rule.dxf = DifferentialStyle(
            numFmt=NumberFormat(numFmtId=number, formatCode=highlight.number_format)
        )
    return rule


def _print(made: Worksheet, page: Page) -> None:
    setup = made.page_setup
    setup.orientation = page.orientation
    setup.paperSize = 9  # A4; Excel and LibreOffice scale it to Letter where that is set
    setup.fitToWidth, setup.fitToHeight = page.wide, page.tall
    setup.scale, setup.pageOrder = page.scale, page.order
    made.sheet_properties.pageSetUpPr.fitToPage = page.scale is None
    margins = made.page_margins
    margins.left = margins.right = 0.4
    margins.top, margins.bottom = 0.5, 0.75
    margins.footer = 0.35
    made.oddFooter.left.text = "&A"
    made.oddFooter.right.text = "&P / &N"
    if page.header is not None:
        margins.header = 0.25
        left, right = page.header
        made.oddHeader.left.text, made.oddHeader.right.text = left or None, right or None
    if page.area:
        made.print_area = page.area
    if page.title_rows:
        made.print_title_rows = page.title_rows
    if page.title_columns:
        made.print_title_cols = page.title_columns
    for row in page.row_breaks:
        made.row_breaks.append(Break(id=row))
    if page.column_breaks:
        made.col_breaks = ColBreak()
    for column in page.column_breaks:
        made.col_breaks.append(Break(id=column))
