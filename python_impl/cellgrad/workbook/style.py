"""The look: one colour a kind of cell, one font, numbers that show enough digits."""

from __future__ import annotations

from dataclasses import replace

from cellgrad.workbook.description import Highlight, Sheet, Style

FONT = "Calibri"
GREY, RULE = "66727F", "B8C2CC"

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


def _kinds() -> dict[str, Style]:
    styles = {}
    for kind, (fill, _) in KIND_COLOURS.items():
        number = Style(fill=fill, line=("thin", RULE), number_format=NUMBER, horizontal="right")
        styles[kind] = number
        styles[f"legend {kind}"] = replace(
            number, size=9, number_format="General", horizontal="left", indent=1
        )
    return styles


STYLES = {
    **_kinds(),
    "plain": Style(),
    "title": Style(15, bold=True),
    "subtitle": Style(color=GREY),
    "heading": Style(11, bold=True),
    "panel": Style(12, bold=True, color="1C4E80"),
    "block": Style(bold=True),
    "node": Style(9, color=GREY, horizontal="right"),
    "source": Style(9, color=GREY, horizontal="left", indent=1),
    "equation": Style(8.5, italic=True, color=GREY, vertical="bottom"),
    "equation wrapped": Style(8.5, italic=True, color=GREY, vertical="top", wrap=True),
    "wrapped": Style(10.5, vertical="top", wrap=True),
    "term": Style(10.5, bold=True, vertical="top"),
    "head": Style(9.5, bold=True, wrap=True),
    "working": Style(wrap=True),
    "term right": Style(bold=True, horizontal="right"),
    "count": Style(9, color=GREY, horizontal="left"),
    "mark": Style(11, bold=True, horizontal="center"),
}
"""Every workbook's styles, by name."""


def show_tiny_numbers(sheet: Sheet, cells: str, first: str, below: float = 0.001) -> None:
    """Switch to powers of ten where six decimals would hide a number's digits."""
    limit = f"{below:.6f}".rstrip("0")
    condition = f"AND({first}<>0,ABS({first})<{limit})"
    sheet.highlights.append(Highlight(cells, condition, number_format=TINY))


def colour_marks(sheet: Sheet, cells: str, first: str) -> None:
    """Show a tick green and a cross red."""
    for mark, colour in (("✓", "1E7B34"), ("✗", "C0392B")):
        sheet.highlights.append(Highlight(cells, f'{first}="{mark}"', color=colour, bold=True))


def tint(sheet: Sheet, cells: str, kind: str) -> None:
    """Colour cells without styling them, so that an empty one stays empty to every engine."""
    sheet.highlights.append(Highlight(cells, "TRUE", fill=KIND_COLOURS[kind][0]))
