"""A sheet to write on: texts, exact numbers, formulas, and what they claim to be."""

from __future__ import annotations

import re

from openpyxl import Workbook
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.worksheet import Worksheet

from cellgrad.case.quantities import Key
from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import Range, a1, column_letters, quoted
from cellgrad.xlsx.map_sheet import Claim, IndexRule

MAX_FORMULA = 8_192


def name_of(part: str) -> str:
    """Return a part's name as the beginning of a defined name; it must not look like a cell."""
    return "_" * part[0].isdigit() + re.sub("[^A-Za-z0-9]", "_", part)


class Canvas:
    """One sheet of the workbook being written.

    Args:
        book: the workbook.
        title: the sheet's name.
        claims: the list that every sheet's claims are added to.
        part: the part of the workbook that the sheet belongs to; its name stands before
            defined names, which are the whole workbook's.
    """

    def __init__(self, book: Workbook, title: str, claims: list[Claim], part: str = "") -> None:
        self.book, self.title, self.claims, self.part = book, title, claims, part
        self.prefix = f"{name_of(part)}_" if part else ""
        self.sheet: Worksheet = book.create_sheet(title)
        self.sheet.sheet_view.showGridLines = False

    def text(self, row: int, column: int, text: str, style: str = "plain") -> None:
        """Write a text; one that begins with an equals sign stays a text."""
        cell = self.sheet.cell(row, column)
        cell.value = text
        cell.data_type = "s"
        cell.style = style

    def number(self, row: int, column: int, value: float, style: str = "given") -> None:
        """Write a number with every bit (openpyxl's own way keeps 16 digits)."""
        cell = self.sheet.cell(row, column)
        exact = float(value)
        cell.value = str(int(exact)) if exact.is_integer() and abs(exact) < 1e15 else repr(exact)
        cell.data_type = "n"
        cell.style = style

    def formula(self, row: int, column: int, formula: str, style: str) -> None:
        """Write a formula.

        Raises:
            WorkbookError: it is longer than a spreadsheet program accepts.
        """
        if len(formula) > MAX_FORMULA:
            raise WorkbookError(
                f"{self.title}!{a1(row, column)} would need a formula of {len(formula):,} "
                f"characters, a cell holds {MAX_FORMULA:,}",
                remedy="take fewer nodes a layer or fewer samples",
            )
        cell = self.sheet.cell(row, column)
        cell.value = formula
        cell.style = style

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
        self.claims.append(
            Claim(
                kind,
                key[0],
                key[1],
                label,
                cells,
                IndexRule(rule),
                equation,
                defined_name,
                part=self.part,
            )
        )
        if defined_name:
            area = f"{a1(cells.top, cells.left, absolute=True)}"
            if (cells.height, cells.width) != (1, 1):
                area += f":{a1(cells.bottom, cells.right, absolute=True)}"
            reference = f"{quoted(self.title)}!{area}"
            self.book.defined_names[defined_name] = DefinedName(defined_name, attr_text=reference)

    def area(self, top: int, left: int, height: int, width: int) -> Range:
        """Return a rectangle of this sheet."""
        return Range(self.title, top, left, top + height - 1, left + width - 1)

    def widths(self, widths: dict[int, float]) -> None:
        """Set column widths, in characters."""
        for column, width in widths.items():
            self.sheet.column_dimensions[column_letters(column)].width = width

    def heights(self, heights: dict[int, float]) -> None:
        """Set row heights, in points."""
        for row, height in heights.items():
            self.sheet.row_dimensions[row].height = height

    def print_on(self, orientation: str, *, area: str = "", rows: str = "", tall: int = 0) -> None:
        """Fit the sheet to the page's width (and to ``tall`` pages in height)."""
        page = self.sheet.page_setup
        page.orientation = orientation
        page.paperSize = 9  # A4; Excel and LibreOffice scale it to Letter where that is set
        page.fitToWidth, page.fitToHeight = 1, tall
        self.sheet.sheet_properties.pageSetUpPr.fitToPage = True
        margins = self.sheet.page_margins
        margins.left = margins.right = 0.4
        margins.top, margins.bottom = 0.5, 0.75
        margins.footer = 0.35
        self.sheet.oddFooter.left.text = "&A"
        self.sheet.oddFooter.right.text = "&P / &N"
        if area:
            self.sheet.print_area = area
        if rows:
            self.sheet.print_title_rows = rows
