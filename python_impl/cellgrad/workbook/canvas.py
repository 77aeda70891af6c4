"""A sheet to write on: texts, exact numbers, formulas, what they claim to be, and the look.

One colour a kind of cell, one font, numbers that show enough digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cellgrad.case.quantities import Key, Quantity
from cellgrad.errors import WorkbookError
from cellgrad.workbook.description import Book, Cell, Highlight, Page, Sheet, Style
from cellgrad.xlsx.addresses import Range, a1, quoted
from cellgrad.xlsx.map_sheet import COLUMNS, FORMAT, FORMAT_OF_PARTS, PART, Claim, IndexRule

MAX_FORMULA = 8_192

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


def name_of(part: str) -> str:
    """Return a part's name as the beginning of a defined name; it must not look like a cell."""
    return "_" * part[0].isdigit() + re.sub("[^A-Za-z0-9]", "_", part)


class Canvas:
    """One sheet of the workbook being written.

    Args:
        book: the workbook.
        title: the sheet's name.
        part: the part of the workbook that the sheet belongs to; its name stands before
            defined names, which are the whole workbook's.
    """

    def __init__(self, book: Book, title: str, part: str = "") -> None:
        self.book, self.title, self.part = book, title, part
        self.prefix = f"{name_of(part)}_" if part else ""
        self.sheet = Sheet(title)
        book.sheets.append(self.sheet)

    def text(self, row: int, column: int, text: str, style: str = "plain", **own: object) -> None:
        """Write a text; one that begins with an equals sign stays a text."""
        self.sheet.cells[row, column] = Cell("text", text, style, own or None)

    def number(
        self, row: int, column: int, value: float, style: str = "given", number_format: str = ""
    ) -> None:
        """Write a number with every bit."""
        exact = float(value)
        digits = str(int(exact)) if exact.is_integer() and abs(exact) < 1e15 else repr(exact)
        own = {"number_format": number_format} if number_format else None
        self.sheet.cells[row, column] = Cell("number", digits, style, own)

    def formula(self, row: int, column: int, formula: str, style: str, **own: object) -> None:
        """Write a formula.

        Args:
            row: counted from 1.
            column: counted from 1.
            formula: with its equals sign.
            style: the name of its style.
            own: what the cell has otherwise than its style, by the names of ``Style``.

        Raises:
            WorkbookError: it is longer than a spreadsheet program accepts.
        """
        if len(formula) > MAX_FORMULA:
            raise WorkbookError(
                f"{self.title}!{a1(row, column)} would need a formula of {len(formula):,} "
                f"characters, a cell holds {MAX_FORMULA:,}",
                remedy="take fewer nodes a layer or fewer samples",
            )
        self.sheet.cells[row, column] = Cell("formula", formula, style, own or None)

    def blank(self, row: int, column: int, style: str) -> None:
        """Give a cell a look and nothing else."""
        self.sheet.cells[row, column] = Cell("blank", "", style)

    def head(self, title: str, caption: str) -> None:
        """Write the sheet's title, and the line below it."""
        self.text(1, 1, title, "title")
        self.text(2, 1, caption, "subtitle")
        self.heights({1: 24, 2: 17})

    def given(
        self,
        quantity: Quantity,
        value: float,
        row: int,
        label: int,
        column: int,
        *,
        look: str = "block",
        number_format: str = "General",
    ) -> str:
        """Write a single given, its label in another column; return its address."""
        self.text(row, label, quantity.label, look)
        self.number(row, column, value, number_format=number_format)
        self.claim_quantity("given", quantity, self.area(row, column, 1, 1))
        return a1(row, column, absolute=True)

    def claim_quantity(self, kind: str, quantity: Quantity, cells: Range, rule: str = "") -> None:
        """Enter the rectangle of a quantity in the Map, and give it its defined name."""
        self.claim(
            kind,
            quantity.key,
            quantity.label,
            cells,
            rule,
            quantity.equation,
            quantity.defined_name,
        )

    def claim(
        self,
        kind: str,
        key: Key,
        label: str,
        cells: Range,
        rule: str,
        equation: str = "",
        defined_name: str = "",
    ) -> None:
        """Enter a rectangle in the Map, and give it its defined name."""
        defined_name = self.prefix + defined_name if defined_name else ""
        index_rule = IndexRule(rule)
        self.book.claims.append(
            Claim(kind, *key, label, cells, index_rule, equation, defined_name, part=self.part)
        )
        if defined_name:
            self.book.names[defined_name] = f"{quoted(self.title)}!{cells.absolute}"

    def area(self, top: int, left: int, height: int, width: int) -> Range:
        """Return a rectangle of this sheet."""
        return Range(self.title, top, left, top + height - 1, left + width - 1)

    def merge(self, row: int, first: int, last: int) -> None:
        """Make one cell of several columns of a row."""
        self.sheet.merged.append(self.area(row, first, 1, last - first + 1))

    def widths(self, widths: dict[int, float]) -> None:
        """Set column widths, in characters."""
        self.sheet.widths |= widths

    def heights(self, heights: dict[int, float]) -> None:
        """Set row heights, in points."""
        self.sheet.heights |= heights

    def print_on(self, orientation: str, *, area: str = "", rows: str = "", tall: int = 0) -> Page:
        """Fit the sheet to the page's width (and to ``tall`` pages in height)."""
        self.sheet.page = Page(orientation, area, rows, tall=tall)
        return self.sheet.page


def show_tiny_numbers(sheet: Sheet, cells: str, below: float = 0.001) -> None:
    """Switch to powers of ten where six decimals would hide a number's digits."""
    first, limit = cells.partition(":")[0], f"{below:.6f}".rstrip("0")
    condition = f"AND({first}<>0,ABS({first})<{limit})"
    sheet.highlights.append(Highlight(cells, condition, number_format=TINY))


def colour_marks(sheet: Sheet, cells: str) -> None:
    """Show a tick green and a cross red."""
    first = cells.partition(":")[0]
    for mark, colour in (("✓", "1E7B34"), ("✗", "C0392B")):
        sheet.highlights.append(Highlight(cells, f'{first}="{mark}"', color=colour, bold=True))


# the Map: what every formula cell of the workbook is

_WIDTHS = (15, 26, 7, 24, 13, 14, 9, 9, 24)


def write_map(canvas: Canvas, case_id: str, facts: Mapping[str, str]) -> None:
    """Write the Map of a single step: its words, then one row a claimed rectangle."""
    head = {"format": FORMAT, "case": case_id, **facts}
    row = _facts(canvas, _head(canvas), head) + 1
    canvas.sheet.freeze_panes = f"A{row + 1}"
    _finish(canvas, _table(canvas, row, canvas.book.claims))


def write_map_of_parts(
    canvas: Canvas, plan_id: str, parts: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the Map of a workbook of parts: of each its words, then its claims.

    Args:
        canvas: the sheet.
        plan_id: the workbook's name for programs.
        parts: the words of every part, by its name.
    """
    row = _facts(canvas, _head(canvas), {"format": FORMAT_OF_PARTS, "case": plan_id})
    for name, facts in parts.items():
        row = _facts(canvas, row + 1, {PART: name, **facts}) + 1
        row = _table(canvas, row, [claim for claim in canvas.book.claims if claim.part == name]) + 1
    _finish(canvas, row)


def _head(canvas: Canvas) -> int:
    caption = (
        "Read by programs; r and c count rows and columns of a rectangle from 0. "
        "Every formula cell of this workbook is claimed once."
    )
    canvas.text(1, 1, "What every cell is", "title")
    canvas.text(2, 1, caption, "subtitle")
    return 4


def _facts(canvas: Canvas, row: int, facts: Mapping[str, str]) -> int:
    for name, value in facts.items():
        canvas.text(row, 1, name, "block")
        canvas.text(row, 2, value)
        row += 1
    return row


def _table(canvas: Canvas, row: int, claims: Sequence[Claim]) -> int:
    """Write the heads into a row and the claims below; return the last row."""
    for column, name in enumerate(COLUMNS, start=1):
        canvas.text(row, column, name, "head")
    for claim in claims:
        row += 1
        values = (
            claim.kind,
            claim.quantity,
            "" if claim.layer is None else str(claim.layer),
            claim.label,
            claim.cells.sheet,
            claim.cells.address,
            claim.rule.text,
            claim.equation,
            claim.defined_name,
        )
        for column, value in enumerate(values, start=1):
            if value:
                canvas.text(row, column, value)
    return row


def _finish(canvas: Canvas, last_row: int) -> None:
    canvas.widths(dict(zip(range(1, 10), _WIDTHS, strict=True)))
    # an empty cell as print area: the Map is never printed
    canvas.print_on("portrait", area=f"K{last_row + 2}")
