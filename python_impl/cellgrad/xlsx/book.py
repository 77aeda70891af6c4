"""A workbook as it lies in its file: cells, formulas, stored values, defined names.

Read straight from the XML, since reading dominates a fast verification. Nothing
is calculated here.
"""

from __future__ import annotations

import math
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, Range, a1, column_letters, parse_a1
from cellgrad.xlsx.package import Package, open_package
from cellgrad.xlsx.values import CellError, Value

MAX_CELLS = 5_000_000
MAX_ARRAY_CELLS = 1_000_000
MAX_NUMBER_CHARACTERS = 400
"""Some engines write the smallest doubles without an exponent: 324 zeros and the digits."""

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_PACKAGE = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"

_QUOTED = re.compile(r'"[^"]*"')
_LINK = re.compile(r"\[[^\]]*\]")

_ROW, _C, _V, _F, _IS, _T, _R = (f"{_MAIN}{tag}" for tag in ("row", "c", "v", "f", "is", "t", "r"))
_COLUMNS = {column_letters(column): column for column in range(1, 703)}
"""A to ZZ; what lies beyond is read the long way."""

Cell = tuple[int, int]


@dataclass(slots=True)
class SheetCells:
    """The cells of one sheet, by 1-based (row, column).

    Attributes:
        values: constants, and the stored values of formulas.
        formulas: formula texts without the equals sign; shared formulas are spelled out.
    """

    values: dict[Cell, Value] = field(default_factory=dict)
    formulas: dict[Cell, str] = field(default_factory=dict)


@dataclass(slots=True)
class Book:
    """A whole workbook.

    Attributes:
        path: where it was read from.
        sheets: the cells, sheet by sheet in the workbook's order.
        names: defined names of the whole workbook and what they refer to.
        trees: formulas parsed so far, by sheet and text.
    """

    path: Path
    sheets: dict[str, SheetCells]
    names: dict[str, str]
    trees: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    def name_range(self, name: str) -> Range | None:
        """Return the rectangle that a defined name stands for, if it is one."""
        return parse_reference(self.names.get(name, ""))


def parse_reference(text: str) -> Range | None:
    """Read ``Step!$B$5:$E$8`` or ``'a sheet'!A1``; None if it is anything else."""
    sheet, bang, area = text.strip().lstrip("=").rpartition("!")
    if not bang:
        return None
    if sheet.startswith("'") and sheet.endswith("'"):
        sheet = sheet[1:-1].replace("''", "'")
    try:
        return Range.parse(sheet, area.replace("$", ""))
    except ValueError:
        return None


def read_book(path: Path) -> Book:
    """Read a workbook.

    Raises:
        WorkbookError: no workbook, damaged, or not safe to read.
    """
    package = open_package(path)
    root = package.xml("xl/workbook.xml")
    if root.tag.startswith(_STRICT):
        package.refuse("is in the strict Open XML format", "save it as plain .xlsx")
    targets = _relations(package)
    texts = _shared_strings(package)
    sheets: dict[str, SheetCells] = {}
    for sheet in root.iter(f"{_MAIN}sheet"):
        name, target = sheet.get("name", ""), targets.get(sheet.get(_RELATION, ""), "")
        if target.startswith("xl/worksheets/"):
            sheets[name] = _SheetReader(package, name, texts).read(target)
    names = {
        item.get("name", ""): item.text or ""
        for item in root.iter(f"{_MAIN}definedName")
        if item.get("localSheetId") is None
    }
    return Book(path, sheets, names)


def _relations(package: Package) -> dict[str, str]:
    found = {}
    for relation in package.xml("xl/_rels/workbook.xml.rels").iter(f"{_PACKAGE}Relationship"):
        target = relation.get("Target", "")
        path = target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)
        found[relation.get("Id", "")] = posixpath.normpath(path)
    return found


def _shared_strings(package: Package) -> list[str]:
    if "xl/sharedStrings.xml" not in package.names:
        return []
    root = package.xml("xl/sharedStrings.xml")
    return [_text_of(item) for item in root.findall(f"{_MAIN}si")]


def _text_of(item: ET.Element) -> str:
    """Return the text of a rich or plain string, phonetic hints left out."""
    parts = []
    for node in item:
        if node.tag == _T:
            parts.append(node.text or "")
        elif node.tag == _R:
            parts += [run.text or "" for run in node if run.tag == _T]
    return "".join(parts)


class _SheetReader:
    """Reads one sheet's XML."""

    def __init__(self, package: Package, sheet: str, texts: list[str]) -> None:
        self.package, self.sheet, self.texts = package, sheet, texts
        self.cells = SheetCells()
        self.masters: dict[str, tuple[str, Cell]] = {}

    def read(self, part: str) -> SheetCells:
        root = self.package.xml(part)
        row = count = 0
        data = root.find(f"{_MAIN}sheetData")
        for row_node in data if data is not None else ():
            if row_node.tag != _ROW:
                continue
            row = self._number(row_node.get("r"), row + 1, MAX_ROW)
            tail, column = str(row), 0
            for node in row_node:
                if node.tag != _C:
                    continue
                address = node.get("r")
                if address and address.endswith(tail) and address[: -len(tail)] in _COLUMNS:
                    column = _COLUMNS[address[: -len(tail)]]  # the plain case, quickly
                    cell = (row, column)
                else:
                    cell = self._address(address, row, column + 1)
                    column = cell[1]
                self._cell(node, cell)
                count += 1
            if count > MAX_CELLS:
                self.package.refuse(f"more than {MAX_CELLS:,} cells", place=self.sheet)
        return self.cells

    def _number(self, text: str | None, default: int, most: int) -> int:
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 8 or not 0 < int(text) <= most:  # noqa: PLR2004
            self.package.refuse(f"row {text[:20]!r} lies outside a sheet", place=self.sheet)
        return int(text)

    def _address(self, text: str | None, row: int, column: int) -> Cell:
        if text is None:
            if column > MAX_COLUMN:
                self.package.refuse("a row is too long", place=self.sheet)
            return row, column
        try:
            return parse_a1(text)
        except ValueError as error:
            self.package.refuse(str(error), place=self.sheet)

    def _cell(self, node: ET.Element, cell: Cell) -> None:
        kind = node.get("t", "n")
        value: Value = None
        for part in node:
            tag = part.tag
            if tag == _V:
                value = self._value(kind, part.text or "", cell)
            elif tag == _F:
                self._formula(part, cell)
            elif tag == _IS:
                value = _text_of(part)
        if value is not None:
            self.cells.values[cell] = value

    def _value(self, kind: str, text: str, cell: Cell) -> Value:
        if kind == "n":
            return self._float(text, cell) if text else None
        if kind == "s":
            if text.isdigit() and len(text) < 10 and int(text) < len(self.texts):  # noqa: PLR2004
                return self.texts[int(text)]
            self.package.refuse("refers to a text that is missing", place=self._at(cell))
        if kind == "b":
            return text == "1"
        if kind == "e":
            return CellError(text)
        return text

    def _float(self, text: str, cell: Cell) -> float:
        try:
            if len(text) > MAX_NUMBER_CHARACTERS or "_" in text:
                raise ValueError  # noqa: TRY301
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.package.refuse(f"{text[:20]!r} is no number", place=self._at(cell))
        return number

    def _formula(self, node: ET.Element, cell: Cell) -> None:
        text, kind = node.text or "", node.get("t")
        if kind == "shared":
            text = self._shared(node, text, cell)
        elif kind == "array":
            self._array(node, text)
        if "[" in text and _LINK.search(_QUOTED.sub("", text)):
            self.package.refuse(
                "a formula links to another workbook", "break the link", self._at(cell)
            )
        self.cells.formulas[cell] = text

    def _shared(self, node: ET.Element, text: str, cell: Cell) -> str:
        group = node.get("si", "")
        if text:
            self.masters[group] = (text, cell)
            return text
        if group not in self.masters:
            self.package.refuse("a shared formula is missing", place=self._at(cell))
        from openpyxl.formula.translate import Translator  # noqa: PLC0415 - rarely needed

        master, origin = self.masters[group]
        moved = Translator(f"={master}", origin=a1(*origin)).translate_formula(a1(*cell))
        return str(moved)[1:]

    def _array(self, node: ET.Element, text: str) -> None:
        """Give every cell of an array formula its anchor's formula."""
        try:
            area = Range.parse(self.sheet, node.get("ref", ""))
        except ValueError as error:
            self.package.refuse(str(error), place=self.sheet)
        if area.height * area.width > MAX_ARRAY_CELLS:
            self.package.refuse("an array formula covers too many cells", place=str(area))
        for row in range(area.top, area.bottom + 1):
            for column in range(area.left, area.right + 1):
                self.cells.formulas[row, column] = text

    def _at(self, cell: Cell) -> str:
        return f"{self.sheet}!{a1(*cell)}"
