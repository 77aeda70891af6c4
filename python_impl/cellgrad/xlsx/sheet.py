"""What a sheet's cells hold, and one pass that counts against the policy and reads them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, Range, a1, column_letters, parse_a1
from cellgrad.xlsx.package import SAVE, Package

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main "
STRICT = "http://purl.oclc.org/ooxml/"
MAX_FORMULA_CHARACTERS = 8_192
MAX_NUMBER_CHARACTERS = 400
"""Some engines write the smallest doubles without an exponent: 324 zeros and the digits."""

MAX_INDEX_DIGITS = 9
"""Of the number of a shared text."""

FAULTS = {
    "number": "it holds something that is no number",
    "shared": "it refers to a shared formula that is missing",
    "table": "it is filled by a data table",
    "text": "it refers to a text that is missing",
}
"""What can be wrong with a single cell."""

_PATH = tuple(f"{MAIN}{tag}" for tag in ("worksheet", "sheetData", "row", "c"))
_ROOT, _TABLE, _ROW, _CELL = 1, 2, 3, 4
_V, _F, _IS, _T, _R = (f"{MAIN}{tag}" for tag in ("v", "f", "is", "t", "r"))
_COLUMNS = {column_letters(column): column for column in range(1, 703)}
"""A to ZZ; what lies beyond is read the long way."""

_QUOTED = re.compile(r'"[^"]*"')
_ROW_DIGITS = 7
_SHORTER = "write a shorter formula"

Watch = Mapping[str, Callable[[dict[str, str]], object]]
"""What to do with the attributes of tags that are no cells, by the tag's name."""


@dataclass(frozen=True, slots=True)
class CellError:
    """An error value, such as ``#DIV/0!``."""

    code: str

    def __str__(self) -> str:
        return self.code


Value = float | str | bool | CellError | None
"""Numbers are always float; an empty cell is None."""

Block = list[list[Value]]
"""The values of a rectangle of cells, row by row."""

Cell = tuple[int, int]
"""Row and column, from 1."""


@dataclass(slots=True)
class SheetCells:
    """The cells of one sheet, by 1-based (row, column).

    Attributes:
        values: constants, and the stored values of formulas.
        formulas: formula texts without the equals sign.
        arrays: for the first cell of each array formula the range that it fills.
        shared: for a cell that shares a formula the cell for which its text is written.
        problems: what is wrong with a cell, where its policy does not refuse the file for it.
    """

    values: dict[Cell, Value] = field(default_factory=dict)
    formulas: dict[Cell, str] = field(default_factory=dict)
    arrays: dict[Cell, Range] = field(default_factory=dict)
    shared: dict[Cell, Cell] = field(default_factory=dict)
    problems: dict[Cell, str] = field(default_factory=dict)

    def block(self, area: Range) -> Block:
        """Return the values of a rectangle, row by row."""
        columns = range(area.left, area.right + 1)
        return [
            [self.values.get((row, column)) for column in columns]
            for row in range(area.top, area.bottom + 1)
        ]

    def stores_results(self) -> bool:
        """Tell whether a value is stored beside any formula."""
        return any(cell in self.values for cell in self.formulas)


class StringText:
    """Follows the tags of a string: its text is its own, or that of its runs, no phonetic hint."""

    def __init__(self) -> None:
        self.goes_on = self._in_run = False

    def start(self, level: int, tag: str) -> None:
        """Follow a tag, so many levels below that of the string."""
        self.goes_on = tag == _T and (level == 1 or (level == 2 and self._in_run))
        if level <= 1:
            self._in_run = level == 1 and tag == _R


class SheetReader:
    """Reads one sheet.

    Args:
        package: the file; its policy says which faults are fatal.
        sheet: what the sheet is called.
        texts: the workbook's shared texts.
        box: the last row and column that may hold a cell.
        watch: what else is looked at.
    """

    def __init__(
        self, package: Package, sheet: str, texts: Sequence[str],
        box: tuple[int, int] = (MAX_ROW, MAX_COLUMN), watch: Watch | None = None,
    ) -> None:  # fmt: skip
        self._package, self._sheet, self._texts = package, sheet, texts
        self._policy = package.policy
        self._bottom, self._right = box
        self._watch = watch or {}
        self._cells = SheetCells()
        self._masters: dict[str, Cell] = {}
        self._tables = self._level = self._count = self._row = self._column = 0
        self._tail = "0"
        self._kind, self._formulas = "n", 0
        self._attributes: dict[str, str] = {}
        self._value: Value = None
        self._name = self._part = ""
        self._text: list[str] = []
        self._string, self._listening = StringText(), False

    def read(self, part: str) -> SheetCells:
        """Return the cells of the sheet.

        Raises:
            WorkbookError: it is damaged, or not safe to read.
        """
        self._name = part
        self._package.parse(part, self._start, self._end, self._characters)
        return self._cells

    # the way to a cell

    def _start(self, depth: int, tag: str, attributes: dict[str, str]) -> None:
        level = self._level
        if level == _CELL:
            self._start_inside(depth, tag, attributes)
        elif depth == level + 1 and tag == _PATH[level]:
            self._level = depth
            if depth == _CELL:
                self._begin_cell(attributes)
            elif depth == _ROW:
                self._begin_row(attributes)
            elif depth == _TABLE:
                self._tables += 1
                if self._tables > 1:
                    self._refuse("two tables of cells: a cell stands twice", SAVE, self._sheet)
        elif depth == _ROOT:
            refuse_root(self._package, self._name, tag, "worksheet")
        elif tag in self._watch:
            self._watch[tag](attributes)

    def _end(self, depth: int, _tag: str) -> None:
        if depth > _CELL:
            self._end_inside(depth)
        elif depth == self._level:
            self._level -= 1
            if depth == _CELL:
                self._end_cell()
            elif depth == _ROW:
                self._package.take("cells", self._count, self._sheet)

    def _begin_row(self, attributes: dict[str, str]) -> None:
        text = attributes.get("r")
        row = self._row + 1 if text is None else self._whole(text)
        if row <= self._row:
            self._refuse("a row stands twice, or not in its place", SAVE, self._sheet)
        self._package.take("rows", 1, self._sheet)
        self._row, self._column, self._count, self._tail = row, 0, 0, str(row)

    def _whole(self, text: str) -> int:
        plain = text.isascii() and text.isdigit() and len(text) <= _ROW_DIGITS
        if not plain or not 0 < int(text) <= MAX_ROW:
            self._refuse(f"row {text[:20]!r} lies outside a sheet", SAVE, self._sheet)
        return int(text)

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        address = attributes.get("r")
        if address is None:
            column = self._column + 1
        else:
            column = _COLUMNS.get(address[: -len(self._tail)], 0)  # the plain case, quickly
            if not column or not address.endswith(self._tail):
                column = self._column_of(address)
        if column <= self._column:
            place = self._place(column)
            self._refuse("a cell stands twice, or not in its place", SAVE, place)
        self._column = column
        if self._row > self._bottom or column > self._right:
            if column > MAX_COLUMN:
                self._refuse("a row is too long", SAVE, self._sheet)
            self._refuse("a cell far outside the handout", "delete what lies far away and save")
        self._count += 1
        self._kind, self._formulas, self._value = attributes.get("t", "n"), 0, None

    def _column_of(self, address: str) -> int:
        try:
            row, column = parse_a1(address[:20])
        except ValueError:
            row, column = 0, 0
        if row != self._row:
            problem = f"{address[:20]!r} is no cell of its row, or not in its place"
            self._refuse(problem, SAVE, self._sheet)
        return column

    def _place(self, column: int) -> str:
        return f"{self._sheet}!{a1(self._row, min(column, MAX_COLUMN))}"

    def _refuse(self, problem: str, remedy: str = SAVE, place: str = "") -> NoReturn:
        """Refuse the file; what different programs would read differently, too."""
        self._package.refuse(problem, remedy, place or self._place(self._column))

    def _fault(self, kind: str, problem: str, remedy: str = SAVE) -> None:
        """Refuse the file for what is wrong with one cell, or note it: the policy says which."""
        if kind in self._policy.fatal:
            self._refuse(problem, remedy)
        self._cells.problems[self._row, self._column] = FAULTS[kind]

    # what stands in a cell

    def _start_inside(self, depth: int, tag: str, attributes: dict[str, str]) -> None:
        self._listening = False  # what stands behind a tag within a text is no part of it
        if depth == _CELL + 1:
            self._part, self._text = tag, []
            self._listening = tag in (_V, _F)
            if tag == _F:
                self._attributes = attributes
        elif self._part == _IS:
            self._string.start(depth - _CELL - 1, tag)
            self._listening = self._string.goes_on

    def _characters(self, text: str) -> None:
        if self._listening:
            self._text.append(text)

    def _end_inside(self, depth: int) -> None:
        self._listening = False
        if depth > _CELL + 1 or self._level != _CELL:
            return
        if self._part == _V:
            self._value = self._value_of("".join(self._text))
        elif self._part == _F:
            self._formula("".join(self._text))
        elif self._part == _IS:
            self._value = self._checked("".join(self._text))

    def _end_cell(self) -> None:
        if self._value is not None:
            self._cells.values[self._row, self._column] = self._value

    def _value_of(self, text: str) -> Value:
        kind = self._kind
        if kind == "n":
            return self._number(text) if text else None
        if kind == "s":
            plain = text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_DIGITS
            if plain and int(text) < len(self._texts):
                return self._texts[int(text)]
            self._fault("text", "refers to a text that is missing")
            return None
        if kind == "b":
            return text.strip() == "1"
        return CellError(text[:20]) if kind == "e" else self._checked(text)

    def _checked(self, text: str) -> str:
        if len(text) > self._policy.cell_characters:
            self._refuse("a text that is longer than a cell holds")
        return text

    def _number(self, text: str) -> float | None:
        plain = len(text) <= MAX_NUMBER_CHARACTERS and self._policy.number.fullmatch(text)
        number = float(text) if plain else math.nan
        if math.isfinite(number):
            return number
        self._fault("number", f"{text[:20]!r} is no number", "type it again")
        return None

    # formulas

    def _formula(self, text: str) -> None:
        self._formulas += 1
        if self._formulas > 1:
            self._refuse("a cell stands twice: it has two formulas")
        if len(text) > MAX_FORMULA_CHARACTERS:
            most = f"{MAX_FORMULA_CHARACTERS:,}"
            self._refuse(f"a formula of more than {most} characters", _SHORTER)
        cell, place = (self._row, self._column), self._place(self._column)
        kind, group = self._attributes.get("t"), self._attributes.get("si", "")
        formula = text
        if kind == "shared" and text:
            self._masters[group] = cell
        elif kind == "shared":
            if group not in self._masters:
                self._fault("shared", "a shared formula is missing")
                return
            formula = self._cells.formulas[self._masters[group]]
            self._package.take("characters in shared formulas", len(formula), place)
            self._cells.shared[cell] = self._masters[group]
        elif kind == "array":
            self._fill(cell)
        elif kind == "dataTable":
            self._fault("table", "a what-if table", "write formulas instead")
        self._package.take("formulas", 1, place)
        self._package.take("characters in formulas", len(text), place)
        linked = "[" in text and self._policy.link.search(_QUOTED.sub("", text))
        if linked and "link" in self._policy.fatal:
            self._refuse("a formula links to another workbook", "break the link")
        self._cells.formulas[cell] = formula

    def _fill(self, cell: Cell) -> None:
        """Note which cells an array formula fills."""
        try:
            area = Range.parse(self._sheet, self._attributes.get("ref", ""))
        except ValueError as error:
            if "array" in self._policy.fatal:
                self._refuse(str(error), SAVE, self._sheet)
            area = Range(self._sheet, *cell, *cell)
        self._package.take("cells in array formulas", area.height * area.width, str(area))
        self._cells.arrays[cell] = area


def refuse_root(package: Package, part: str, tag: str, wanted: str) -> None:
    """Refuse a part of another kind; another dialect would only look empty.

    Raises:
        WorkbookError: always, unless the tag is the wanted one.
    """
    if tag == MAIN + wanted:
        return
    if tag.startswith(STRICT):
        package.refuse("is in the strict Open XML format", "save it as plain .xlsx")
    package.refuse(f"{part} holds no {wanted}", SAVE)
