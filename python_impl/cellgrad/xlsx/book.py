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
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, Range, a1, column_letters, parse_a1
from cellgrad.xlsx.cells import Cell, SheetCells
from cellgrad.xlsx.package import Package, open_package, too_marked
from cellgrad.xlsx.plain_cells import PlainFormulas, PlainValues
from cellgrad.xlsx.plain_sheet import (
    LARGE,
    MAX_FORMULA_CHARACTERS,
    MAX_INDEX_DIGITS,
    read_plain,
)
from cellgrad.xlsx.values import CellError, Value

__all__ = ["Book", "Cell", "SheetCells", "parse_reference", "read_book"]

MAX_CELLS = 2_000_000
MAX_ARRAY_CELLS = 200_000
MAX_SHARED_CHARACTERS = 10_000_000
MAX_NUMBER_CHARACTERS = 400
"""Some engines write the smallest doubles without an exponent: 324 zeros and the digits."""

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_PACKAGE = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_SAVE_AGAIN = "save it again in a spreadsheet program"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"

_QUOTED = re.compile(r'"[^"]*"')
_LINK = re.compile(r"\[[^\[\]]*\]")
_LINKED_NAME = re.compile(r"\[(?:\d+|[^\[\]]*\.[^\[\]]*)\]")
_NUMERIC = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII).fullmatch
_ROW_DIGITS = 7

_ROW, _C, _V, _F, _IS, _T, _R = (f"{_MAIN}{tag}" for tag in ("row", "c", "v", "f", "is", "t", "r"))
_COLUMNS = {column_letters(column): column for column in range(1, 703)}
"""A to ZZ; what lies beyond is read the long way."""


@dataclass(slots=True)
class Book:
    """A whole workbook.

    Attributes:
        path: where it was read from.
        sheets: the cells, sheet by sheet in the workbook's order.
        names: defined names of the whole workbook and what they refer to.
        trees: formulas parsed so far, by text.
    """

    path: Path
    sheets: dict[str, SheetCells]
    names: dict[str, str]
    trees: dict[Any, Any] = field(default_factory=dict, repr=False)

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
    root = _rooted(package, "xl/workbook.xml", "workbook")
    relations = _relations(package)
    texts = _shared_strings(package, relations)
    limits = _Limits(package)
    sheets: dict[str, SheetCells] = {}
    seen: set[str] = set()
    for sheet in root.iter(f"{_MAIN}sheet"):
        name, relation = sheet.get("name", ""), relations.get(sheet.get(_RELATION, ""))
        if relation is None:
            package.refuse("the sheet has no part in the file", _SAVE_AGAIN, name)
        if name.casefold() in seen:
            package.refuse("two sheets of the same name", "rename one of them", name)
        seen.add(name.casefold())
        if relation[0] == "worksheet":
            sheets[name] = _SheetReader(package, name, texts, limits).read(relation[1])
    return Book(path, sheets, _names(package, root))


def _rooted(package: Package, part: str, tag: str) -> ET.Element:
    """Return a part whose root has this tag; another dialect would only look empty."""
    root = package.xml(part)
    if root.tag.startswith(_STRICT):
        package.refuse("is in the strict Open XML format", "save it as plain .xlsx")
    if root.tag != f"{_MAIN}{tag}":
        package.refuse(f"{part} holds no {tag}", _SAVE_AGAIN)
    return root


def _names(package: Package, root: ET.Element) -> dict[str, str]:
    found = {}
    for item in root.iter(f"{_MAIN}definedName"):
        name, text = item.get("name", ""), item.text or ""
        if "[" in text and _LINKED_NAME.search(_QUOTED.sub("", text)):
            package.refuse("a defined name links to another workbook", "break the link", name)
        if item.get("localSheetId") is None:
            found[name] = text
    return found


def _relations(package: Package) -> dict[str, tuple[str, str]]:
    """Return the kind and the place of each part of the workbook, by id."""
    found = {}
    for relation in package.xml("xl/_rels/workbook.xml.rels").iter(f"{_PACKAGE}Relationship"):
        target, kind = relation.get("Target", ""), relation.get("Type", "").rpartition("/")[2]
        path = target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)
        found[relation.get("Id", "")] = (kind, posixpath.normpath(path))
    return found


def _shared_strings(package: Package, relations: dict[str, tuple[str, str]]) -> list[str]:
    for kind, part in relations.values():
        if kind == "sharedStrings":
            root = _rooted(package, part, "sst")
            return [_text_of(item) for item in root.findall(f"{_MAIN}si")]
    return []


def _text_of(item: ET.Element) -> str:
    """Return the text of a rich or plain string, phonetic hints left out."""
    parts = []
    for node in item:
        if node.tag == _T:
            parts.append(node.text or "")
        elif node.tag == _R:
            parts += [run.text or "" for run in node if run.tag == _T]
    return "".join(parts)


class _Limits:
    """What may still be read of a workbook: a short file can stand for a very long one."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.left = {
            "cells": MAX_CELLS,
            "cells in array formulas": MAX_ARRAY_CELLS,
            "characters in shared formulas": MAX_SHARED_CHARACTERS,
        }

    def take(self, what: str, count: int, place: str) -> None:
        """Count what was read.

        Raises:
            WorkbookError: it is too much.
        """
        self.left[what] -= count
        if self.left[what] < 0:
            self.package.refuse(f"too many {what}", "use a smaller workbook", place)


class _SheetReader:
    """Reads one sheet's XML."""

    def __init__(self, package: Package, sheet: str, texts: list[str], limits: _Limits) -> None:
        self.package, self.sheet, self.texts, self.limits = package, sheet, texts, limits
        self.values: dict[Cell, Value] = {}
        self.formulas: dict[Cell, str] = {}
        self.masters: dict[str, tuple[str, Cell]] = {}

    def read(self, part: str) -> SheetCells:
        """Return the cells of the sheet.

        Raises:
            WorkbookError: it is damaged, or not safe to read.
        """
        plain = self._plain(part)
        if plain is None:
            self._read_any(part)
            return SheetCells(self.values, self.formulas)
        self.limits.take("cells", len(plain[0].places.cells), self.sheet)
        return SheetCells(*plain)

    def _plain(self, part: str) -> tuple[PlainValues, PlainFormulas] | None:
        """Return the cells of a large sheet that is of the plain form throughout."""
        data = self.package.read(part)
        if len(data) < LARGE or too_marked(data):
            return None
        return read_plain(data, self.texts)

    def _read_any(self, part: str) -> None:
        tables = _rooted(self.package, part, "worksheet").findall(f"{_MAIN}sheetData")
        if len(tables) > 1:
            self._refuse_disorder()
        row = 0
        for row_node in tables[0] if tables else ():
            if row_node.tag != _ROW:
                continue
            above, row = row, self._row(row_node.get("r"), row + 1)
            if row <= above:
                self._refuse_disorder()
            tail, column = str(row), 0
            for node in row_node:
                if node.tag != _C:
                    continue
                address, before = node.get("r"), column
                if address and address.endswith(tail) and address[: -len(tail)] in _COLUMNS:
                    column = _COLUMNS[address[: -len(tail)]]  # the plain case, quickly
                else:
                    column = self._column(address, row, column + 1)
                if column <= before:
                    self._refuse_disorder()
                self._cell(node, (row, column))
            self.limits.take("cells", len(row_node), self.sheet)

    def _refuse_disorder(self) -> NoReturn:
        """Refuse what different programs would read differently."""
        self.package.refuse("a cell stands twice, or not in its place", _SAVE_AGAIN, self.sheet)

    def _row(self, text: str | None, default: int) -> int:
        if text is None:
            text = str(default)
        plain = text.isascii() and text.isdigit() and len(text) <= _ROW_DIGITS
        if not plain or not 0 < int(text) <= MAX_ROW:
            self.package.refuse(f"row {text[:20]!r} lies outside a sheet", place=self.sheet)
        return int(text)

    def _column(self, text: str | None, row: int, default: int) -> int:
        if text is None:
            if default > MAX_COLUMN:
                self.package.refuse("a row is too long", place=self.sheet)
            return default
        try:
            found, column = parse_a1(text[:20])
        except ValueError as error:
            self.package.refuse(str(error), place=self.sheet)
        if found != row:
            self._refuse_disorder()
        return column

    def _cell(self, node: ET.Element, cell: Cell) -> None:
        kind = node.get("t", "n")
        value: Value = None
        calculated = False
        for part in node:
            tag = part.tag
            if tag == _V:
                value = self._value(kind, part.text or "", cell)
            elif tag == _F:
                if calculated:
                    self._refuse_disorder()
                calculated = True
                self._formula(part, cell)
            elif tag == _IS:
                value = _text_of(part)
        if value is not None:
            self.values[cell] = value

    def _value(self, kind: str, text: str, cell: Cell) -> Value:
        if kind == "n":
            return self._float(text, cell) if text else None
        if kind == "s":
            plain = text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_DIGITS
            if plain and int(text) < len(self.texts):
                return self.texts[int(text)]
            self.package.refuse("refers to a text that is missing", place=self._at(cell))
        if kind == "b":
            return text == "1"
        if kind == "e":
            return CellError(text)
        return text

    def _float(self, text: str, cell: Cell) -> float:
        plain = len(text) <= MAX_NUMBER_CHARACTERS and _NUMERIC(text)
        number = float(text) if plain else math.nan
        if not math.isfinite(number):
            self.package.refuse(f"{text[:20]!r} is no number", place=self._at(cell))
        return number

    def _formula(self, node: ET.Element, cell: Cell) -> None:
        text, kind = node.text or "", node.get("t")
        if len(text) > MAX_FORMULA_CHARACTERS:
            most = f"{MAX_FORMULA_CHARACTERS:,}"
            self.package.refuse(f"a formula of more than {most} characters", place=self._at(cell))
        if kind == "shared":
            text = self._shared(node, text, cell)
        elif kind == "array":
            self._array(node, text)
        if "[" in text and _LINK.search(_QUOTED.sub("", text)):
            self.package.refuse(
                "a formula links to another workbook", "break the link", self._at(cell)
            )
        self.formulas[cell] = text

    def _shared(self, node: ET.Element, text: str, cell: Cell) -> str:
        group = node.get("si", "")
        if text:
            self.masters[group] = (text, cell)
            return text
        if group not in self.masters:
            self.package.refuse("a shared formula is missing", place=self._at(cell))
        from openpyxl.formula.tokenizer import TokenizerError  # noqa: PLC0415 - rarely needed
        from openpyxl.formula.translate import Translator, TranslatorError  # noqa: PLC0415

        master, origin = self.masters[group]
        self.limits.take("characters in shared formulas", len(master), self._at(cell))
        try:
            moved = Translator(f"={master}", origin=a1(*origin)).translate_formula(a1(*cell))
        except (TokenizerError, TranslatorError, ValueError, IndexError) as error:
            self.package.refuse(f"a shared formula cannot be read ({error})", place=self._at(cell))
        return str(moved)[1:]

    def _array(self, node: ET.Element, text: str) -> None:
        """Give every cell of an array formula its anchor's formula."""
        try:
            area = Range.parse(self.sheet, node.get("ref", ""))
        except ValueError as error:
            self.package.refuse(str(error), place=self.sheet)
        self.limits.take("cells in array formulas", area.height * area.width, str(area))
        for row in range(area.top, area.bottom + 1):
            for column in range(area.left, area.right + 1):
                self.formulas[row, column] = text

    def _at(self, cell: Cell) -> str:
        return f"{self.sheet}!{a1(*cell)}"
