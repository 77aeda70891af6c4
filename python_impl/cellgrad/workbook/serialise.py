"""A described workbook as a file: the only module that has openpyxl write."""

from __future__ import annotations

import io
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

from cellgrad.workbook.container import finish
from cellgrad.workbook.description import Book, Chart, Highlight, Page, Sheet, Style
from cellgrad.workbook.style import FONT, TINY
from cellgrad.xlsx.addresses import column_letters

Draw = Callable[[Chart, Workbook], ChartBase]


def file_of(book: Book, draw: Draw | None = None) -> bytes:
    """Return the .xlsx file of a workbook, the same bytes every time: no values yet.

    Args:
        book: the workbook.
        draw: makes its charts, where it has any.
    """
    return finish(_saved(_workbook(book, draw)), book.drawing)


def _saved(made: Workbook) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


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
