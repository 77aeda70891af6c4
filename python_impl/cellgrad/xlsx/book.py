"""A workbook as it lies in its file: cells, formulas, stored values, defined names.

Read straight from the XML, since reading dominates a fast verification. Nothing
is calculated here.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cellgrad.xlsx.addresses import Range, a1, parse_reference
from cellgrad.xlsx.package import SAVE, WORKBOOK, Package, open_package
from cellgrad.xlsx.plain import read_plain
from cellgrad.xlsx.sheet import MAIN, Cell, SheetCells, SheetReader, StringText, Watch, refuse_root

_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships id"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships Relationship"
_SHEET, _NAME = f"{MAIN}sheet", f"{MAIN}definedName"
_SI = f"{MAIN}si"
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(slots=True)
class Book:
    """A whole workbook.

    Attributes:
        path: where it was read from.
        sheets: the cells, sheet by sheet in the workbook's order; shared formulas are spelled
            out, and every cell of an array formula has its text.
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


def read_book(path: Path) -> Book:
    """Read a workbook.

    Raises:
        WorkbookError: no workbook, damaged, or not safe to read.
    """
    contents = Contents(open_package(path))
    sheets = {name: read_sheet(contents, name) for name in contents.sheets}
    names = {name.name: name.text for name in contents.names if not name.local}
    return Book(path, sheets, names)


def read_sheet(contents: Contents, name: str) -> SheetCells:
    """Read the cells of one sheet; shared and array formulas are spelled out.

    Raises:
        WorkbookError: it is damaged, or not safe to read.
    """
    package, part = contents.package, contents.sheets[name]
    cells = read_plain(package, name, part, contents.texts)
    if cells is None:
        cells = SheetReader(package, name, contents.texts).read(part)
    return _spelled_out(package, name, cells)


class Relation(NamedTuple):
    """What a part refers to: the last word of its type, and another part."""

    kind: str
    part: str


class DefinedName(NamedTuple):
    """A name, what it refers to, and whether it holds on one sheet only."""

    name: str
    text: str
    local: bool


class Contents:
    """What a workbook says that it consists of.

    Args:
        package: its file.
        watch: what else is looked at in the workbook's part.

    Attributes:
        package: its file.
        relations: what it refers to, by id.
        tabs: what each sheet of whatever kind is, by its name in the workbook's order.
        names: the defined names.
        texts: what it keeps once for all its cells; phonetic hints are left out.

    Raises:
        WorkbookError: it is damaged, or not safe to read.
    """

    def __init__(self, package: Package, watch: Watch | None = None) -> None:
        self.package, self._watch = package, watch or {}
        self.relations: dict[str, Relation] = {}
        self.names: list[DefinedName] = []
        self._name: dict[str, str] = {}
        self._text: list[str] | None = None
        self._listed: dict[str, str] = {}
        self._seen: set[str] = set()
        package.parse(WORKBOOK, self._start, self._end, self._characters)
        package.parse("xl/_rels/workbook.xml.rels", self._relation)
        self.tabs = {name: self._relation_of(name) for name in self._listed}
        self.texts = self._read_texts()

    @property
    def sheets(self) -> dict[str, str]:
        """The part of every worksheet, by the sheet's name in the workbook's order."""
        return {name: tab.part for name, tab in self.tabs.items() if tab.kind == "worksheet"}

    def _relation(self, _depth: int, tag: str, attributes: dict[str, str]) -> None:
        if tag == _PACKAGE:
            target = posixpath.join("/xl", attributes.get("Target", ""))
            kind = attributes.get("Type", "").rpartition("/")[2]
            part = posixpath.normpath(target).lstrip("/")
            self.relations[attributes.get("Id", "")] = Relation(kind, part)

    def _start(self, depth: int, tag: str, attributes: dict[str, str]) -> None:
        if depth == 1:
            refuse_root(self.package, WORKBOOK, tag, "workbook")
        elif tag == _SHEET:
            self._list(attributes)
        elif tag == _NAME:
            self.package.take("defined names", 1)
            self._name, self._text = attributes, []
        if tag in self._watch:
            self._watch[tag](attributes)

    def _list(self, attributes: dict[str, str]) -> None:
        name = attributes.get("name", "")
        self.package.take("sheets", 1)
        if name.casefold() in self._seen:
            self.package.refuse("two sheets of the same name", "rename one of them", name)
        self._seen.add(name.casefold())
        self._listed[name] = attributes.get(_RELATION, "")

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, _depth: int, tag: str) -> None:
        if self._text is None or tag != _NAME:
            return
        name, text, self._text = self._name.get("name", ""), "".join(self._text), None
        policy = self.package.policy
        if "link" in policy.fatal and policy.name_link.search(_QUOTED.sub("", text)):
            self.package.refuse("a defined name links to another workbook", "break the link", name)
        self.names.append(DefinedName(name, text, "localSheetId" in self._name))

    def _relation_of(self, sheet: str) -> Relation:
        if self._listed[sheet] not in self.relations:
            self.package.refuse("the sheet has no part in the file", SAVE, sheet)
        return self.relations[self._listed[sheet]]

    def part_of_kind(self, kind: str) -> str:
        """Return the first part of some kind that the workbook refers to, or nothing."""
        return next((part for other, part in self.relations.values() if other == kind), "")

    def _read_texts(self) -> list[str]:
        part, package = self.part_of_kind("sharedStrings"), self.package
        if not part or (part not in package.names and "text" not in package.policy.fatal):
            return []
        texts: list[list[str]] = []
        string = StringText()

        def start(depth: int, tag: str, _: dict[str, str]) -> None:
            if depth == 1:
                refuse_root(package, part, tag, "sst")
            elif depth == 2 and tag == _SI:
                package.take("texts", 1)
                texts.append([])
            string.start(depth - 2, tag)

        def end(_depth: int, _tag: str) -> None:
            string.goes_on = False

        def characters(text: str) -> None:
            if string.goes_on and texts:
                texts[-1].append(text)

        package.parse(part, start, end, characters)
        return ["".join(pieces) for pieces in texts]


def _spelled_out(package: Package, sheet: str, cells: SheetCells) -> SheetCells:
    """Give every cell of a shared or of an array formula its own text.

    Raises:
        WorkbookError: a shared formula cannot be moved to its cell.
    """
    if not cells.arrays and not cells.shared:
        return cells
    formulas: dict[Cell, str] = {}
    for cell, text in cells.formulas.items():
        if cell in cells.arrays:
            _, top, left, bottom, right = cells.arrays[cell]
            for row in range(top, bottom + 1):
                formulas |= {(row, column): text for column in range(left, right + 1)}
        master = cells.shared.get(cell)
        formulas[cell] = text if master is None else _moved(package, sheet, text, master, cell)
    cells.formulas = formulas
    return cells


def _moved(package: Package, sheet: str, text: str, origin: Cell, cell: Cell) -> str:
    """Return a formula as it reads in another cell."""
    from openpyxl.formula.tokenizer import TokenizerError  # noqa: PLC0415 - rarely needed
    from openpyxl.formula.translate import Translator, TranslatorError  # noqa: PLC0415

    try:
        moved = Translator(f"={text}", origin=a1(*origin)).translate_formula(a1(*cell))
    except (TokenizerError, TranslatorError, ValueError, IndexError) as error:
        problem = f"a shared formula cannot be read ({error})"
        package.refuse(problem, place=f"{sheet}!{a1(*cell)}")
    return str(moved)[1:]
