"""A pass over one worksheet: cells, rows, ranges and formulas, counted against its limits."""

from __future__ import annotations

import math
import re
from xml.parsers import expat

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, column_letters
from cellgrad_coursework.taking_in.precheck.archive import Archive
from cellgrad_coursework.taking_in.precheck.xml import MAX_ATTRIBUTES, MAX_DEPTH, Pass

MAX_CELLS = 200_000
MAX_ROWS = 120_000
MAX_FORMULAS = 50_000
MAX_FORMULA = 8_192
MAX_FORMULA_TEXT = 4_000_000
MAX_SHARED_TEXT = 4_000_000
MAX_NUMBER = 400
MAX_TEXT = 40_000
MAX_ARRAY_CELLS = 20_000
MAX_MERGES = 2_000
MAX_AREA = 100_000
MAX_RANGES = 5_000
MAX_FORMULA_AREA = 1 << 20
MAX_FORMULA_AREAS = 8 << 20
MAX_WHOLE_COLUMNS = 64
MAX_WHOLE_ROWS = 5_000
MAX_NESTING = 64
MAX_SIGNS = 32
SLACK_ROWS, SLACK_COLUMNS = 2_000, 200
"""How far beyond the handout's own cells a student may write."""

BEYOND = (8_000, 300)
"""The box of a sheet that a student added."""

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main "
_C, _F, _V, _T = f"{MAIN}c", f"{MAIN}f", f"{MAIN}v", f"{MAIN}t"
_ROW, _TABLE, _ROOT = f"{MAIN}row", f"{MAIN}sheetData", f"{MAIN}worksheet"
_TEXTS = {_F, _V, _T}
_SHRINK = "delete what is not needed"
_SHORTER = "write a shorter formula"
_DELETE = "delete what lies far away and save"

_COLUMNS = {column_letters(column): column for column in range(1, MAX_COLUMN + 1)}
_AREA = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})", re.IGNORECASE)
_WHOLE_COLUMNS = re.compile(r"(?<![\w$.])\$?([A-Z]{1,3}):\$?([A-Z]{1,3})(?![\w(.])", re.IGNORECASE)
_WHOLE_ROWS = re.compile(r"(?<![\w$.:])\$?(\d{1,7}):\$?(\d{1,7})(?![\w.:])")
_QUOTED = re.compile(r'"[^"]*"')
LINKED = re.compile(r"(?<![\w.)\]])\[(?:\d+|[^\[\]]*\.[^\[\]]*)\][^\[\]!]*!")
"""A reference into another workbook, ``[1]Sheet1!A1``; ``Table1[1]`` names a column of a table."""

_PROGRAM = re.compile(r"[\w.']\|'?[^'|]*'?!")
_SIGNS = re.compile(rf"(?:[-+@]\s*){{{MAX_SIGNS},}}")
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*", re.ASCII).fullmatch
_FETCHING = re.compile(
    r"\b(WEBSERVICE|FILTERXML|IMAGE|CALL|REGISTER(?:\.ID)?|EXEC|RTD|DDE"
    r"|IMPORT(?:DATA|FEED|HTML|RANGE|XML)|GOOGLE(?:FINANCE|TRANSLATE)|STOCKHISTORY|SQL\.REQUEST"
    r"|CUBE[A-Z]+|PY|COPILOT)\s*\(",
    re.IGNORECASE,
)
"""Functions that reach outside the sheet: never evaluated, shown to a person."""


class Totals:
    """What all sheets of a file hold together."""

    def __init__(self) -> None:
        self.cells = self.rows = self.formula_text = self.shared_text = self.array_cells = 0
        self.area = self.merges = self.ranges = 0
        self.formulas: list[tuple[str, str, str]] = []

    def reasons(self, archive: Archive) -> list[str]:
        """Judge the formulas of all sheets; return why a person should look at them.

        Raises:
            WorkbookError: a formula reaches into another file, or over far too many cells.
        """
        text = "\n".join([formula for _, _, formula in self.formulas])
        if "[" in text or "|" in text:
            self._refuse_links(archive)
        if ":" in text:
            self._refuse_areas(archive)
        if _SIGNS.search(text) or any(
            text.count("(") + text.count("{") > MAX_NESTING for _, _, text in self.formulas
        ):
            self._refuse_nesting(archive)
        if not _FETCHING.search(text):
            return []
        found = []
        for sheet, cell, formula in self.formulas:
            match = _FETCHING.search(_QUOTED.sub("", formula))
            if match:
                found.append(f"{sheet}!{cell} uses {match[1].upper()}, which is never calculated")
        return found[:20]

    def _refuse_links(self, archive: Archive) -> None:
        for sheet, cell, formula in self.formulas:
            plain = _QUOTED.sub("", formula)
            if LINKED.search(plain):
                archive.refuse(
                    "a formula links to another workbook", "break the link", f"{sheet}!{cell}"
                )
            if _PROGRAM.search(plain):
                archive.refuse("a formula calls another program", "delete it", f"{sheet}!{cell}")

    def _refuse_areas(self, archive: Archive) -> None:
        total = 0
        for sheet, cell, formula in self.formulas:
            if ":" not in formula:
                continue
            area = area_of(formula)
            total += area
            if area > MAX_FORMULA_AREA or total > MAX_FORMULA_AREAS:
                archive.refuse(
                    "a formula over far too many cells",
                    "name only the cells that it needs",
                    f"{sheet}!{cell}",
                )

    def _refuse_nesting(self, archive: Archive) -> None:
        for sheet, cell, formula in self.formulas:
            if nesting_of(formula) > MAX_NESTING or _SIGNS.search(_QUOTED.sub("", formula)):
                archive.refuse("a formula nested too deeply", _SHORTER, f"{sheet}!{cell}")


def area_of(formula: str) -> int:
    """Return how many cells the ranges of a formula name; more than allowed for absurd ones."""
    area = 0
    for left, top, right, bottom in _AREA.findall(formula):
        columns = _COLUMNS.get(right.upper(), MAX_COLUMN) - _COLUMNS.get(left.upper(), 1)
        area += (abs(int(bottom) - int(top)) + 1) * (abs(columns) + 1)
    for left, right in _WHOLE_COLUMNS.findall(formula):
        columns = _COLUMNS.get(right.upper(), MAX_COLUMN) - _COLUMNS.get(left.upper(), 1)
        area += 1_000 if abs(columns) < MAX_WHOLE_COLUMNS else MAX_FORMULA_AREA + 1
    for top, bottom in _WHOLE_ROWS.findall(formula):
        rows = abs(int(bottom) - int(top))
        area += 1_000 if rows < MAX_WHOLE_ROWS else MAX_FORMULA_AREA + 1
    return area


def nesting_of(formula: str) -> int:
    """Return how deeply the parentheses and braces of a formula are nested."""
    depth = deepest = 0
    for sign in formula:
        if sign in "({":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in ")}":
            depth -= 1
    return deepest


class SheetPass(Pass):
    """One worksheet.

    Args:
        archive: whose part it is.
        name: the part's name.
        sheet: the sheet's name.
        box: its last row and column; the slack is added here.
        totals: what all sheets hold together; added to.
    """

    def __init__(
        self, archive: Archive, name: str, sheet: str, box: tuple[int, int], totals: Totals
    ) -> None:
        super().__init__(archive, name)
        self.sheet, self.totals = sheet, totals
        self._last_row = min(box[0] + SLACK_ROWS, MAX_ROW)
        self._last_column = min(box[1] + SLACK_COLUMNS, MAX_COLUMN)
        self._row = self._column = 0
        self._tail, self._address, self._kind = "0", "", "n"
        self._texts: list[str] | None = None
        self._shared: dict[str, int] = {}
        self._group: str | None = None
        self._tables = self._calculated = 0
        self._looks = {
            _C: self._cell,
            _F: self._formula,
            _ROW: self._begin_row,
            _TABLE: self._table,
            f"{MAIN}mergeCell": self._merge,
            f"{MAIN}hyperlink": self._link,
            f"{MAIN}col": self._columns,
            f"{MAIN}conditionalFormatting": self._ranges,
            f"{MAIN}dataValidation": self._ranges,
            f"{MAIN}oleObject": self._object,
            f"{MAIN}control": self._object,
        }

    def listen(self, parser: expat.XMLParserType) -> None:
        """Read texts, too."""
        super().listen(parser)
        parser.CharacterDataHandler = self._characters

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Count an element and look at it; in one go, since a sheet has thousands."""
        self._depth += 1
        self._tags += 1
        if self._depth > MAX_DEPTH or len(attributes) > MAX_ATTRIBUTES:
            self._depth -= 1
            super().start(tag, attributes)
        if tag in _TEXTS:
            self._texts = []
            if tag != _F:
                return
        look = self._looks.get(tag)
        if look is not None:
            look(attributes)
        elif self._tags == 1 and tag != _ROOT:
            self.refuse(f"{self.name} holds no worksheet")

    def _characters(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(text)

    def end(self, tag: str) -> None:
        """Look at the text of a value or a formula."""
        self._depth -= 1
        if tag not in _TEXTS or self._texts is None:
            return
        texts, self._texts = self._texts, None
        text = texts[0] if len(texts) == 1 else "".join(texts)
        if tag == _F:
            self._formula_text(text)
        elif tag == _V and self._kind == "n" and text:
            self._number(text)
        elif len(text) > MAX_TEXT:
            self._refuse_cell("a text that is longer than a cell holds")

    # cells

    def _table(self, _: dict[str, str]) -> None:
        self._tables += 1
        if self._tables > 1:
            self.refuse("the sheet has two tables of cells", place=self.sheet)

    def _begin_row(self, attributes: dict[str, str]) -> None:
        self.totals.rows += 1
        if self.totals.rows > MAX_ROWS:
            self.refuse(f"more than {MAX_ROWS:,} rows", _SHRINK)
        text = attributes.get("r")
        row = self._row + 1 if text is None else self._whole(text, MAX_ROW, "row")
        if row <= self._row:
            self.refuse("a row stands twice, or not in its place", place=self.sheet)
        self._row, self._column, self._tail = row, 0, str(row)

    def _cell(self, attributes: dict[str, str]) -> None:
        totals = self.totals
        totals.cells += 1
        if totals.cells > MAX_CELLS:
            self.refuse(f"more than {MAX_CELLS:,} cells", _SHRINK)
        address = attributes.get("r")
        if address is None:
            column = self._column + 1
            address = f"{column_letters(min(column, MAX_COLUMN))}{self._tail}"
        else:
            column = self._at(address)
        self._address, self._kind, self._calculated = address, attributes.get("t", "n"), 0
        if column <= self._column:
            self._refuse_cell("a cell stands twice, or not in its place")
        self._column = column
        if self._row > self._last_row or column > self._last_column:
            self._refuse_cell("a cell far outside the handout", _DELETE)

    def _at(self, address: str) -> int:
        """Return a cell's column; its row must be the one that it stands in."""
        tail = self._tail
        letters = address[: -len(tail)]
        if letters not in _COLUMNS or not address.endswith(tail):
            self.refuse(f"{address[:20]!r} is no cell of its row", place=self.sheet)
        return _COLUMNS[letters]

    def _number(self, text: str) -> None:
        if len(text) > MAX_NUMBER or not _NUMBER(text) or not math.isfinite(float(text)):
            self._refuse_cell(f"{text[:20]!r} is no number", "type it again")

    # formulas

    def _formula(self, attributes: dict[str, str]) -> None:
        self._calculated += 1
        if self._calculated > 1:
            self._refuse_cell("a cell with two formulas")
        kind = attributes.get("t", "normal")
        self._group = attributes.get("si", "") if kind == "shared" else None
        if kind == "array":
            self.totals.array_cells += self._area(attributes.get("ref", ""))
            if self.totals.array_cells > MAX_ARRAY_CELLS:
                self._refuse_cell("array formulas over too many cells", _SHORTER)
        elif kind == "dataTable":
            self._refuse_cell("a what-if table", "write formulas instead")
        elif "ref" in attributes and self._area(attributes["ref"]) > MAX_CELLS:
            self._refuse_cell("a shared formula over too many cells", _SHORTER)

    def _formula_text(self, text: str) -> None:
        totals, length = self.totals, len(text)
        if length > MAX_FORMULA:
            self._refuse_cell(f"a formula of more than {MAX_FORMULA:,} characters", _SHORTER)
        if self._group is not None:
            if text:
                self._shared[self._group] = length
            totals.shared_text += self._shared.get(self._group, 0)
        totals.formula_text += length
        totals.formulas.append((self.sheet, self._address, text))
        if len(totals.formulas) > MAX_FORMULAS:
            self.refuse(f"more than {MAX_FORMULAS:,} formulas", _SHRINK)
        if totals.formula_text > MAX_FORMULA_TEXT or totals.shared_text > MAX_SHARED_TEXT:
            self._refuse_cell("too much text in formulas", _SHRINK)

    # ranges

    def _merge(self, attributes: dict[str, str]) -> None:
        self.totals.merges += 1
        if self.totals.merges > MAX_MERGES:
            self.refuse(f"more than {MAX_MERGES:,} merged ranges", _SHRINK)
        self._add_area(attributes, "merged cells")

    def _link(self, attributes: dict[str, str]) -> None:
        self._add_range(1)
        self._add_area(attributes, "hyperlinks")

    def _add_area(self, attributes: dict[str, str], what: str) -> None:
        self.totals.area += self._area(attributes.get("ref", ""))
        if self.totals.area > MAX_AREA:
            self.refuse(f"{what} over more than {MAX_AREA:,} cells", _SHRINK, self.sheet)

    def _ranges(self, attributes: dict[str, str]) -> None:
        self._add_range(attributes.get("sqref", "").count(" ") + 1)

    def _add_range(self, count: int) -> None:
        self.totals.ranges += count
        if self.totals.ranges > MAX_RANGES:
            self.refuse(f"more than {MAX_RANGES:,} formatted or linked ranges", _SHRINK)

    def _columns(self, attributes: dict[str, str]) -> None:
        for end in ("min", "max"):
            self._whole(attributes.get(end, "1"), MAX_COLUMN, "column")

    def _object(self, _: dict[str, str]) -> None:
        self.refuse("holds an embedded object", "delete it and save", self.sheet)

    def _area(self, text: str) -> int:
        """Return how many cells a range has."""
        first, _, last = text.replace("$", "").partition(":")
        (top, left), (bottom, right) = self._corner(first), self._corner(last or first)
        return (abs(bottom - top) + 1) * (abs(right - left) + 1)

    def _corner(self, text: str) -> tuple[int, int]:
        letters = text.rstrip("0123456789")
        if letters not in _COLUMNS:
            self.refuse(f"{text[:20]!r} is no cell", place=self.sheet)
        return self._whole(text[len(letters) :], MAX_ROW, "row"), _COLUMNS[letters]

    def _whole(self, text: str, most: int, what: str) -> int:
        plain = text.isascii() and text.isdigit() and len(text) <= 7
        if not plain or not 0 < int(text) <= most:
            self.refuse(f"{what} {text[:20]!r} lies outside a sheet", place=self.sheet)
        return int(text)

    def _refuse_cell(self, problem: str, remedy: str = "") -> None:
        self.refuse(problem, remedy or "save it again in a spreadsheet program",
                    f"{self.sheet}!{self._address}")  # fmt: skip
