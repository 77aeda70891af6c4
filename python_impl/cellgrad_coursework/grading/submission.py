"""A workbook as a student hands it in: its cells, read only where they are needed.

Unlike ``xlsx.read_book``, which refuses what programs would read differently, this takes a file
as it comes: array formulas keep their rectangle, and a cell that cannot be read spoils itself only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cellgrad.xlsx.addresses import Range, parse_reference
from cellgrad.xlsx.book import Contents
from cellgrad.xlsx.sheet import Cell, SheetCells, SheetReader, Value

_MAX_ARRAY = 10_000
_WRAPPED = re.compile(
    r'\s*IFERROR\s*\(\s*__xludf\.DUMMYFUNCTION\s*\(\s*"((?:[^"]|"")*)"\s*\)\s*(?:,.*)?\)\s*',
    re.IGNORECASE | re.DOTALL,
)
SPILLED = '"COMPUTED_VALUE"'
"""What Google Sheets writes into the cells that an array formula fills."""


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

    value: Value = None
    formula: str = ""
    base: Cell = (0, 0)
    anchor: Cell | None = None
    fills: Cell | None = None
    array: bool = False
    problem: str = ""


Cells = dict[Cell, Entry]


class Submission:
    """A submitted workbook.

    Args:
        contents: what it consists of.
        sheets: the cells of its sheets, where they were read already.

    Raises:
        WorkbookError: it has no sheet.
    """

    def __init__(self, contents: Contents, sheets: Mapping[str, SheetCells] | None = None) -> None:
        self.package = contents.package
        self._contents, self._read = contents, dict(sheets or {})
        self.titles = {title.casefold(): title for title in contents.sheets}
        if not self.titles:
            self.package.refuse("it has no sheet", "save it again as .xlsx")
        self.names: dict[str, str] = {}
        for one in contents.names:
            key = one.name.casefold()
            if not one.local or key not in self.names:
                self.names[key] = one.text.strip()
        self._cells: dict[str, Cells] = {}
        self._boxes: dict[str, Cell] = {}

    def sheets(self) -> list[str]:
        """Return the sheets' names as keys (without case), in the order of the workbook."""
        return list(self.titles)

    def cells(self, sheet: str) -> Cells:
        """Return the cells of a sheet, named as in ``sheets``; none for a sheet that is not there.

        Raises:
            WorkbookError: the sheet is damaged or too large.
        """
        try:
            return self._cells[sheet]
        except KeyError:
            pass
        cells = entries_of(self._sheet(self.titles[sheet])) if sheet in self.titles else {}
        self._cells[sheet] = cells
        self._boxes[sheet] = (
            max((row for row, _ in cells), default=1),
            max((column for _, column in cells), default=1),
        )
        return cells

    def _sheet(self, title: str) -> SheetCells:
        if title not in self._read:
            part = self._contents.sheets[title]
            self._read[title] = SheetReader(self.package, title, self._contents.texts).read(part)
        return self._read[title]

    def box(self, sheet: str) -> Cell:
        """Return the last row and the last column that hold anything."""
        self.cells(sheet)
        return self._boxes[sheet]

    def name_range(self, name: str) -> Range | None:
        """Return the rectangle that a defined name stands for, if it is one."""
        return parse_reference(self.names.get(name.casefold(), ""))


def entries_of(sheet: SheetCells) -> Cells:
    """Return what each cell of a sheet holds; array formulas and spills reach all their cells."""
    cells: Cells = {}
    spilled: list[Cell] = []
    for at in sorted(sheet.values.keys() | sheet.formulas.keys() | sheet.problems.keys()):
        entry = Entry(sheet.values.get(at), problem=sheet.problems.get(at, ""))
        if at in sheet.formulas:
            entry.base = sheet.shared.get(at, at)
            entry.formula, entry.array = unwrapped(sheet.formulas[at])
            if entry.formula == SPILLED:
                spilled.append(at)
        if entry.value is not None or entry.formula or entry.problem:
            cells[at] = entry
    for anchor, area in sheet.arrays.items():
        if anchor in cells and cells[anchor].formula:
            _fill(cells, anchor, area)
    _find_anchors(cells, spilled)
    return cells


def _fill(cells: Cells, anchor: Cell, area: Range) -> None:
    """Give every cell of an array formula its anchor."""
    first = cells[anchor]
    first.array = True
    if area.height * area.width > _MAX_ARRAY:
        return
    first.fills = area.bottom, area.right
    for row in range(area.top, area.bottom + 1):
        for column in range(area.left, area.right + 1):
            entry = cells.setdefault((row, column), Entry())
            if (row, column) != anchor and entry.formula in ("", first.formula):
                entry.anchor, entry.formula = anchor, first.formula


def _find_anchors(cells: Cells, spilled: list[Cell]) -> None:
    """Give every cell of a spill the cell whose formula spills into it."""
    computed = set(spilled)
    for at in spilled:
        entry, anchor = cells[at], _anchor_of(cells, at, computed)
        if anchor is None:
            entry.formula, entry.problem = "", "the formula that fills it was not found"
        else:
            entry.anchor, entry.formula = anchor, cells[anchor].formula


def _anchor_of(cells: Cells, at: Cell, computed: set[Cell]) -> Cell | None:
    """Return the first cell of a spill: above, or at the left of its first row."""
    row, column = at
    while (row, column) in computed:
        row -= 1
    if _may_spill(cells, (row, column)):
        return row, column
    row += 1
    while (row, column) in computed:
        column -= 1
    return (row, column) if _may_spill(cells, (row, column)) else None


def _may_spill(cells: Cells, at: Cell) -> bool:
    entry = cells.get(at)
    return entry is not None and entry.array and bool(entry.formula)


def unwrapped(text: str) -> tuple[str, bool]:
    """Return a formula as its author wrote it, without its equals sign.

    Google Sheets exports formulas that Excel does not know inside ``IFERROR(…, value)``.

    Args:
        text: as the file has it.

    Returns:
        the formula, and whether it was wrapped: then it may fill several cells.
    """
    plain = text.strip()
    found = False
    while "DUMMYFUNCTION" in plain.upper():
        match = _WRAPPED.fullmatch(plain)
        if match is None:
            break
        plain, found = match[1].replace('""', '"').strip().removeprefix("="), True
    return plain.removeprefix("="), found
