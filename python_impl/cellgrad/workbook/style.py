"""The look: one colour a kind of cell, one font, numbers that show enough digits."""

from __future__ import annotations

from openpyxl import Workbook
from openpyxl.formatting.rule import ColorScaleRule, FormulaRule
from openpyxl.styles import (
    Alignment,
    Border,
    Font,
    NamedStyle,
    PatternFill,
    Side,
)
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.styles.numbers import NumberFormat
from openpyxl.worksheet.worksheet import Worksheet

FONT = "Calibri"
INK, GREY, RULE = "1F2933", "66727F", "B8C2CC"

KIND_COLOURS = {
    "given": ("FFF3C4", "a number you may change"),
    "forward": ("D6E9FA", "forward pass"),
    "error": ("FBD9D3", "error"),
    "gradient": ("D9F0DA", "gradient and error signal: derivatives of E"),
    "update": ("E6DDF5", "updated weight or bias"),
    "check": ("E8ECEF", "check"),
}

NUMBER = "0.0?????"
TINY = "0.00E+00"
LABEL_WIDTH, VALUE_WIDTH = 17.5, 9.7


def register(book: Workbook) -> None:
    """Add the named styles to a workbook."""
    thin = Side(style="thin", color=RULE)
    box = Border(left=thin, right=thin, top=thin, bottom=thin)
    for kind, (colour, _) in KIND_COLOURS.items():
        style = NamedStyle(
            name=kind,
            font=Font(name=FONT, size=10, color=INK),
            fill=PatternFill("solid", fgColor=colour),
            border=box,
            number_format=NUMBER,
            alignment=Alignment(horizontal="right", vertical="center"),
        )
        book.add_named_style(style)
        look = NamedStyle(
            name=f"legend {kind}",
            font=Font(name=FONT, size=9, color=INK),
            fill=style.fill,
            border=box,
            alignment=Alignment(horizontal="left", vertical="center", indent=1),
        )
        book.add_named_style(look)
    texts = {
        "plain": (Font(name=FONT, size=10, color=INK), Alignment(vertical="center")),
        "title": (Font(name=FONT, size=15, bold=True, color=INK), Alignment(vertical="center")),
        "subtitle": (Font(name=FONT, size=10, color=GREY), Alignment(vertical="center")),
        "heading": (Font(name=FONT, size=11, bold=True, color=INK), Alignment(vertical="center")),
        "panel": (
            Font(name=FONT, size=12, bold=True, color="1C4E80"),
            Alignment(vertical="center"),
        ),
        "block": (Font(name=FONT, size=10, bold=True, color=INK), Alignment(vertical="center")),
        "node": (
            Font(name=FONT, size=9, color=GREY),
            Alignment(horizontal="right", vertical="center"),
        ),
        "source": (
            Font(name=FONT, size=9, color=GREY),
            Alignment(horizontal="left", vertical="center", indent=1),
        ),
        "equation": (
            Font(name=FONT, size=8.5, italic=True, color=GREY),
            Alignment(vertical="bottom"),
        ),
        "equation wrapped": (
            Font(name=FONT, size=8.5, italic=True, color=GREY),
            Alignment(vertical="top", wrap_text=True),
        ),
        "wrapped": (
            Font(name=FONT, size=10.5, color=INK),
            Alignment(vertical="top", wrap_text=True),
        ),
        "term": (
            Font(name=FONT, size=10.5, bold=True, color=INK),
            Alignment(vertical="top"),
        ),
        "head": (
            Font(name=FONT, size=9.5, bold=True, color=INK),
            Alignment(vertical="center", wrap_text=True),
        ),
        "working": (
            Font(name=FONT, size=10, color=INK),
            Alignment(vertical="center", wrap_text=True),
        ),
        "term right": (
            Font(name=FONT, size=10, bold=True, color=INK),
            Alignment(horizontal="right", vertical="center"),
        ),
        "count": (
            Font(name=FONT, size=9, color=GREY),
            Alignment(horizontal="left", vertical="center"),
        ),
        "mark": (
            Font(name=FONT, size=11, bold=True, color=INK),
            Alignment(horizontal="center", vertical="center"),
        ),
    }
    for name, (font, alignment) in texts.items():
        book.add_named_style(NamedStyle(name=name, font=font, alignment=alignment))


def show_tiny_numbers(sheet: Worksheet, cells: str, first: str, below: float = 0.001) -> None:
    """Switch to powers of ten where six decimals would hide a number's digits."""
    limit = f"{below:.6f}".rstrip("0")
    _show_as(sheet, cells, f"AND({first}<>0,ABS({first})<{limit})", 170, TINY)


def show_large_numbers(sheet: Worksheet, cells: str, first: str, number_format: str) -> None:
    """Switch to another format from 100 on, where six decimals would not fit the column."""
    _show_as(sheet, cells, f"AND(ISNUMBER({first}),ABS({first})>=100)", 171, number_format)


def _show_as(sheet: Worksheet, cells: str, condition: str, number: int, code: str) -> None:
    look = DifferentialStyle(numFmt=NumberFormat(numFmtId=number, formatCode=code))
    rule = FormulaRule(formula=[condition])
    rule.dxf = look
    sheet.conditional_formatting.add(cells, rule)


def colour_marks(sheet: Worksheet, cells: str, first: str) -> None:
    """Show a tick green and a cross red."""
    for mark, colour in (("✓", "1E7B34"), ("✗", "C0392B")):
        sheet.conditional_formatting.add(
            cells, FormulaRule(formula=[f'{first}="{mark}"'], font=Font(color=colour, bold=True))
        )


def show_heights(sheet: Worksheet, cells: str) -> None:
    """Colour numbers by their size, low green to high red, like a map of heights."""
    sheet.conditional_formatting.add(
        cells,
        ColorScaleRule(
            start_type="min",
            start_color="8CC79A",
            mid_type="percentile",
            mid_value=50,
            mid_color="FFF3C4",
            end_type="max",
            end_color="E59A8C",
        ),
    )


def tint(sheet: Worksheet, cells: str, kind: str) -> None:
    """Colour cells without styling them, so that an empty one stays empty to every engine."""
    fill = PatternFill("solid", bgColor=KIND_COLOURS[kind][0])
    sheet.conditional_formatting.add(cells, FormulaRule(formula=["TRUE"], fill=fill))


def colour_wrong(sheet: Worksheet, cells: str, first: str) -> None:
    """Show a 0 that counts as wrong in red."""
    fill = PatternFill("solid", bgColor="F4B8AE")
    sheet.conditional_formatting.add(
        cells,
        FormulaRule(formula=[f"{first}=0"], font=Font(color="C0392B", bold=True), fill=fill),
    )
