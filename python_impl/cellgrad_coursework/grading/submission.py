"""A workbook as a student hands it in: its cells, read only where they are needed.

Unlike ``xlsx.book``, which refuses what programs would read differently, this takes a file as
it comes: array formulas keep their rectangle, and a cell that cannot be read spoils itself only.
"""

from __future__ import annotations

import math
import posixpath
import re
from dataclasses import dataclass
from typing import NoReturn
from xml.etree import ElementTree as ET

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, Range, column_number
from cellgrad.xlsx.book import parse_reference
from cellgrad.xlsx.package import Package
from cellgrad.xlsx.values import CellError
from cellgrad_coursework.grading.dialects import SPILLED, unwrapped

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_PACKAGE = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_DATA, _ROW, _C, _V, _F, _IS, _SI, _T, _R = (
    f"{_MAIN}{tag}" for tag in ("sheetData", "row", "c", "v", "f", "is", "si", "t", "r")
)
_A1 = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d{1,30}\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?", re.ASCII)
_MAX_NUMBER = 400
_MAX_ARRAY = 10_000
_MAX_CELLS = 200_000

Corner = tuple[int, int]
Raw = float | str | bool | CellError | None


@dataclass(slots=True)
class Entry:
    """What one cell holds.

    Attributes:
        value: a constant, or what the file stores beside a formula.
        formula: without its equals sign, as its author wrote it; empty for a constant.
        base: the cell that the text is written for (another one in shared formulas).
        anchor: the first cell of the array formula or spill that fills this cell.
        fills: of such a first cell, the last row and column that it fills.
        array: whether the formula may come to several values.
        problem: why the cell cannot be read.
    """

    value: Raw = None
    formula: str = ""
    base: tuple[int, int] = (0, 0)
    anchor: tuple[int, int] | None = None
    fills: tuple[int, int] | None = None
    array: bool = False
    problem: str = ""


Cells = dict[tuple[int, int], Entry]


class Submission:
    """A submitted workbook.

    Args:
        package: the file.

    Raises:
        WorkbookError: it is no workbook.
    """

    def __init__(self, package: Package) -> None:
        self.package = package
        self._relations = self._read_relations()
        root = self._rooted("xl/workbook.xml")
        self._parts: dict[str, str] = {}
        self.titles: dict[str, str] = {}
        for sheet in root.iter(f"{_MAIN}sheet"):
            title = sheet.get("name", "")
            kind, part = self._relations.get(sheet.get(_RELATION, ""), ("", ""))
            key = title.casefold()
            if kind == "worksheet" and key not in self._parts:
                self._parts[key], self.titles[key] = part, title
        if not self._parts:
            self.package.refuse("it has no sheet", "save it again as .xlsx")
        self.names: dict[str, str] = {}
        for item in root.iter(f"{_MAIN}definedName"):
            key = item.get("name", "").casefold()
            if item.get("localSheetId") is None or key not in self.names:
                self.names[key] = (item.text or "").strip()
        self._cells: dict[str, Cells] = {}
        self._boxes: dict[str, tuple[int, int]] = {}
        self._texts: list[str] | None = None
        self._left = _MAX_CELLS

    def _rooted(self, part: str) -> ET.Element:
        root = self.package.xml(part)
        if not root.tag.startswith(_MAIN):
            self.package.refuse(
                f"{part} is in another format than plain .xlsx", "save it as Excel workbook (.xlsx)"
            )
        return root

    def _read_relations(self) -> dict[str, tuple[str, str]]:
        found = {}
        for relation in self.package.xml("xl/_rels/workbook.xml.rels").iter(
            f"{_PACKAGE}Relationship"
        ):
            target, kind = relation.get("Target", ""), relation.get("Type", "").rpartition("/")[2]
            path = target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)
            found[relation.get("Id", "")] = (kind, posixpath.normpath(path))
        return found

    def texts(self) -> list[str]:
        """Return the workbook's shared texts."""
        if self._texts is None:
            self._texts = []
            for kind, part in self._relations.values():
                if kind == "sharedStrings" and part in self.package.names:
                    self._texts = [_text_of(item) for item in self._rooted(part).findall(_SI)]
        return self._texts

    def sheets(self) -> list[str]:
        """Return the sheets' names as keys (without case), in the order of the workbook."""
        return list(self._parts)

    def cells(self, sheet: str) -> Cells:
        """Return the cells of a sheet, named as in ``sheets``; none for a sheet that is not there.

        Raises:
            WorkbookError: the sheet is damaged or too large.
        """
        try:
            return self._cells[sheet]
        except KeyError:
            pass
        found = self._read(self._parts[sheet]) if sheet in self._parts else {}
        self._cells[sheet] = found
        self._boxes[sheet] = (
            max((row for row, _ in found), default=1),
            max((column for _, column in found), default=1),
        )
        return found

    def box(self, sheet: str) -> tuple[int, int]:
        """Return the last row and the last column that hold anything."""
        self.cells(sheet)
        return self._boxes[sheet]

    def name_range(self, name: str) -> Range | None:
        """Return the rectangle that a defined name stands for, if it is one."""
        return parse_reference(self.names.get(name.casefold(), ""))

    def _read(self, part: str) -> Cells:
        data = self._rooted(part).find(_DATA)
        reader = _SheetReader(self)
        return reader.read(data) if data is not None else {}

    def take(self, count: int) -> None:
        """Count cells that are read.

        Raises:
            WorkbookError: they are too many.
        """
        self._left -= count
        if self._left < 0:
            self.package.refuse(f"it has more than {_MAX_CELLS:,} cells")


def _text_of(item: ET.Element) -> str:
    parts = []
    for node in item:
        if node.tag == _T:
            parts.append(node.text or "")
        elif node.tag == _R:
            parts += [run.text or "" for run in node if run.tag == _T]
    return "".join(parts)


class _SheetReader:
    """Reads one sheet's table."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.cells: Cells = {}
        self.masters: dict[str, tuple[str, tuple[int, int], bool]] = {}
        self.arrays: list[tuple[tuple[int, int], Range]] = []
        self.spilled: list[tuple[int, int]] = []

    def read(self, data: ET.Element) -> Cells:
        row = 0
        for line in data:
            if line.tag != _ROW:
                continue
            row = self._number(line.get("r"), row + 1)
            self.submission.take(len(line))
            column = 0
            for node in line:
                if node.tag != _C:
                    continue
                address = node.get("r")
                at = (row, column + 1) if address is None else self._corner(address)
                column = at[1]
                entry = self._entry(node, at)
                if entry is not None:
                    if at in self.cells:
                        self._refuse()
                    self.cells[at] = entry
        self._spread()
        return self.cells

    def _corner(self, address: str) -> Corner:
        match = _A1.fullmatch(address)
        if match is None:
            self._refuse()
        row, column = int(match[2]), column_number(match[1])
        if row > MAX_ROW or column > MAX_COLUMN:
            self._refuse()
        return row, column

    def _refuse(self) -> NoReturn:
        self.submission.package.refuse(
            "a cell stands twice, or not in its place", "save it again in a spreadsheet program"
        )

    def _number(self, text: str | None, default: int) -> int:
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 8 and 0 < int(text) <= MAX_ROW):
            self._refuse()
        return int(text)

    def _entry(self, node: ET.Element, at: tuple[int, int]) -> Entry | None:
        entry = Entry()
        kind = node.get("t", "n")
        for part in node:
            tag = part.tag
            if tag == _V:
                entry.value = self._value(kind, part.text or "", entry)
            elif tag == _F:
                self._formula(part, at, entry)
            elif tag == _IS:
                entry.value = _text_of(part)
        if entry.value is None and not entry.formula and not entry.problem:
            return None
        return entry

    def _value(self, kind: str, text: str, entry: Entry) -> Raw:
        if kind == "n":
            return self._number_in(text, entry)
        if kind == "s":
            return self._shared_text(text, entry)
        if kind == "b":
            return text.strip() == "1"
        return CellError(text[:20]) if kind == "e" else text

    def _number_in(self, text: str, entry: Entry) -> Raw:
        if not text:
            return None
        if len(text) <= _MAX_NUMBER and _NUMBER.fullmatch(text.strip()):
            found = float(text)
            if math.isfinite(found):
                return found
        entry.problem = "it holds something that is no number"
        return None

    def _shared_text(self, text: str, entry: Entry) -> Raw:
        texts = self.submission.texts()
        if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(texts):
            return texts[int(text)]
        entry.problem = "it refers to a text that is missing"
        return None

    def _formula(self, node: ET.Element, at: tuple[int, int], entry: Entry) -> None:
        text, kind = (node.text or "").strip(), node.get("t")
        entry.base = at
        if kind == "shared":
            group = node.get("si", "")
            if text:
                plain, wrapped = unwrapped(text)
                self.masters[group] = (plain, at, wrapped)
            if group not in self.masters:
                entry.problem = "it refers to a shared formula that is missing"
                return
            entry.formula, entry.base, entry.array = self.masters[group]
        elif kind == "dataTable":
            entry.problem = "it is filled by a data table"
        elif text:
            entry.formula, entry.array = unwrapped(text)
            if entry.formula == SPILLED:
                self.spilled.append(at)
        if kind == "array" and entry.formula:
            entry.array = True
            try:
                area = Range.parse("", (node.get("ref") or "").replace("$", ""))
            except ValueError:
                return
            if area.height * area.width <= _MAX_ARRAY:
                self.arrays.append((at, area))

    def _spread(self) -> None:
        """Give every cell of an array formula, or of a spill, its anchor."""
        for anchor, area in self.arrays:
            formula = self.cells[anchor].formula
            self.cells[anchor].fills = area.bottom, area.right
            for row in range(area.top, area.bottom + 1):
                for column in range(area.left, area.right + 1):
                    entry = self.cells.setdefault((row, column), Entry())
                    if (row, column) != anchor and entry.formula in ("", formula):
                        entry.anchor, entry.formula = anchor, formula
        computed = set(self.spilled)
        for at in self.spilled:
            entry = self.cells[at]
            found = self._spilling(at, computed)
            if found is None:
                entry.formula, entry.problem = "", "the formula that fills it was not found"
            else:
                entry.anchor, entry.formula = found, self.cells[found].formula

    def _spilling(self, at: tuple[int, int], computed: set[tuple[int, int]]) -> Corner | None:
        """Return the first cell of a spill: above, or at the left of its first row."""
        row, column = at
        while (row, column) in computed:
            row -= 1
        if self._may_spill((row, column)):
            return row, column
        row += 1
        while (row, column) in computed:
            column -= 1
        return (row, column) if self._may_spill((row, column)) else None

    def _may_spill(self, at: tuple[int, int]) -> bool:
        entry = self.cells.get(at)
        return entry is not None and entry.array and bool(entry.formula)
