"""A workbook as a student hands it in: its cells, read only where they are needed.

Unlike ``xlsx.read_book``, which refuses what programs would read differently, this takes a file
as it comes: array formulas keep their rectangle, and a cell that cannot be read spoils itself only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cellgrad.formula.parse import parse
from cellgrad.formula.references import place_of, places_in, range_of
from cellgrad.formula.tree import Area, Cell, FormulaError, Name, Node, Spill
from cellgrad.xlsx.addresses import Place, Range, parse_reference
from cellgrad.xlsx.book import Contents
from cellgrad.xlsx.sheet import Cell as At
from cellgrad.xlsx.sheet import SheetCells, Value
from cellgrad_coursework.formulas.evaluate import (
    MAX_AREA,
    MAX_REACHED,
    Budget,
    Formula,
    Formulas,
    Reference,
)
from cellgrad_coursework.grading.key import Key

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
    base: At = (0, 0)
    anchor: At | None = None
    fills: At | None = None
    array: bool = False
    problem: str = ""


Cells = dict[At, Entry]


class Submission:
    """A submitted workbook.

    Args:
        contents: what it consists of.
        sheets: the cells of its sheets.

    Raises:
        WorkbookError: it has no sheet.
    """

    def __init__(self, contents: Contents, sheets: Mapping[str, SheetCells]) -> None:
        self._sheets = {title.casefold(): cells for title, cells in sheets.items()}
        self.titles = self._sheets.keys()
        if not sheets:
            contents.package.refuse("it has no sheet", "save it again as .xlsx")
        self.names: dict[str, str] = {}
        for one in contents.names:
            key = one.name.casefold()
            if not one.local or key not in self.names:
                self.names[key] = one.text.strip()
        self._cells: dict[str, Cells] = {}
        self._boxes: dict[str, At] = {}

    def cells(self, sheet: str) -> Cells:
        """Return the cells of a sheet, named without case; none for one that is not there."""
        try:
            return self._cells[sheet]
        except KeyError:
            cells = entries_of(self._sheets[sheet]) if sheet in self._sheets else {}
            self._cells[sheet] = cells
            return cells

    def box(self, sheet: str) -> At:
        """Return the last row and the last column that hold anything."""
        if sheet not in self._boxes:
            cells = self.cells(sheet)
            self._boxes[sheet] = (
                max((row for row, _ in cells), default=1),
                max((column for _, column in cells), default=1),
            )
        return self._boxes[sheet]

    def name_range(self, name: str) -> Range | None:
        """Return the rectangle that a defined name stands for, if it is one."""
        return parse_reference(self.names.get(name.casefold(), ""))


def entries_of(sheet: SheetCells) -> Cells:
    """Return what each cell of a sheet holds; array formulas and spills reach all their cells."""
    cells: Cells = {}
    spilled: list[At] = []
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


def _fill(cells: Cells, anchor: At, area: Range) -> None:
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


def _find_anchors(cells: Cells, spilled: list[At]) -> None:
    """Give every cell of a spill the cell whose formula spills into it."""
    computed = set(spilled)
    for at in spilled:
        entry, anchor = cells[at], _anchor_of(cells, at, computed)
        if anchor is None:
            entry.formula, entry.problem = "", "the formula that fills it was not found"
        else:
            entry.anchor, entry.formula = anchor, cells[anchor].formula


def _anchor_of(cells: Cells, at: At, computed: set[At]) -> At | None:
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


def _may_spill(cells: Cells, at: At) -> bool:
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
    wrapped = False
    while "DUMMYFUNCTION" in plain.upper():
        match = _WRAPPED.fullmatch(plain)
        if match is None:
            break
        plain, wrapped = match[1].replace('""', '"').strip().removeprefix("="), True
    return plain.removeprefix("="), wrapped


class StudentBook:
    """A submission as formulas see it: which cells exist, what they read.

    Args:
        submission: the workbook.
        key: the key.
        formulas: where formulas are kept.
        where: where each slot lies in the submission; None for one that was not found.
    """

    def __init__(
        self, submission: Submission, key: Key, formulas: Formulas, where: list[Place | None]
    ) -> None:
        self.submission, self.key, self.formulas, self.where = submission, key, formulas, where
        self.slot_at = {place: slot for slot, place in enumerate(where) if place is not None}
        self.budget = Budget()
        self._reads: dict[Place, list[Place]] = {}
        self._formulas: dict[Place, Formula | None] = {}
        self._names: dict[str, Node | None] = {}
        self._reached = 0

    def entry(self, place: Place) -> Entry | None:
        """Return what a cell of the submission holds; None for nothing."""
        return self.submission.cells(place[0]).get((place[1], place[2]))

    def formula(self, place: Place) -> Formula | None:
        """Return the formula of a cell, or of the array formula that fills it."""
        try:
            return self._formulas[place]
        except KeyError:
            formula = self._formulas[place] = self._formula_of(place)
            return formula

    def _formula_of(self, place: Place) -> Formula | None:
        entry = self.entry(place)
        if entry is None:
            return None
        if entry.problem:
            return Formula(None, problem=entry.problem)
        if not entry.formula:
            return None
        if entry.anchor is not None:
            anchor = self.entry((place[0], *entry.anchor))
            if anchor is None or not anchor.formula or anchor.problem:
                return Formula(None, problem="the array formula that fills it was not found")
            return self.formulas.read(anchor.formula, *anchor.base)
        return self.formulas.read(entry.formula, *entry.base)

    def named(self, name: str) -> Node | None:
        """Return what a defined name stands for, parsed without a place."""
        if name not in self._names:
            text = self.submission.names.get(name)
            try:
                self._names[name] = (
                    parse(text.removeprefix("="), ignore_case=True) if text else None
                )
            except FormulaError:
                self._names[name] = None
        return self._names[name]

    def bounds(self, node: Area | Spill, at: Place) -> Range:
        """Return which cells an area means; whole columns end with the sheet's cells."""
        if isinstance(node, Spill):
            return self._spilled(place_of(node.corner, at))
        sheet = at[0] if node.sheet is None else node.sheet
        area = range_of(node, at, self.submission.box(sheet) if node.is_open else None)
        if area.height * area.width > MAX_AREA:
            raise FormulaError(f"a range has more than {MAX_AREA:,} cells")
        return area

    def _spilled(self, place: Place) -> Range:
        """Return the cells that the array formula in a cell fills, as the file says."""
        entry = self.entry(place)
        if entry is None or not entry.array or entry.fills is None:
            raise FormulaError("# stands behind a cell that fills no other")
        return Range(*place, *entry.fills)

    def reads(self, place: Place) -> list[Place]:
        """Return the cells that a cell reads directly, if they hold anything or are slots.

        Cells of the handout read what the key has them read.
        """
        places = self._reads.get(place)
        if places is None:
            self._reached += 1
            if self._reached > MAX_REACHED:
                raise FormulaError("the workbook has too many cells that read each other")
            slot = self.slot_at.get(place)
            if slot is None or self.key.is_graded(slot):
                places = list(dict.fromkeys(self._read_by(place)))
            else:
                moved = (self.where[other] for other in self.key.reads[slot])
                places = [other for other in moved if other is not None]
            self._reads[place] = places
        return places

    def _read_by(self, place: Place) -> Iterator[Place]:
        formula = self.formula(place)
        if formula is None or formula.tree is None:
            return
        entry = self.entry(place)
        if entry is not None and entry.anchor is not None:
            place = (place[0], *entry.anchor)
        try:
            yield from self._nodes_read(formula.reads, place, set())
        except FormulaError:
            return  # found again, and told, when the cell is evaluated

    def _nodes_read(self, nodes: Iterable[Reference], at: Place, seen: set[str]) -> Iterator[Place]:
        """Yield the cells of some nodes; names that stand for names are followed once each."""
        for node in nodes:
            if isinstance(node, Cell):
                other = place_of(node, at)
                if other in self.slot_at or self.entry(other) is not None:
                    yield other
            elif not isinstance(node, Name):
                yield from self._filled(self.bounds(node, at))
            elif node.name not in seen and self.named(node.name) is not None:
                seen.add(node.name)
                text = self.submission.names[node.name].removeprefix("=")
                reads = self.formulas.read(text, 0, 0).reads
                yield from self._nodes_read(reads, (at[0], 0, 0), seen)

    def _filled(self, area: Range) -> Iterator[Place]:
        self.budget.spend(area.height * area.width)
        cells = self.submission.cells(area.sheet)
        for place in places_in(area):
            if place[1:] in cells or place in self.slot_at:
                yield place

    def groups(
        self, starts: Iterable[Place], stop: Callable[[Place], bool]
    ) -> Iterator[list[Place]]:
        """Yield the cells that some cells read, directly or not, each after what it reads.

        Cells that read each other in a circle come together.

        Args:
            starts: the cells to begin with; they come last.
            stop: where not to go on.
        """
        search = _Components(self, stop)
        for start in starts:
            if start not in search.number and not stop(start):
                yield from search.groups_from(start)


class _Components:
    """Tarjan's strongly connected components, without recursion: chains can be long."""

    def __init__(self, book: StudentBook, stop: Callable[[Place], bool]) -> None:
        self.book, self.stop = book, stop
        self.number: dict[Place, int] = {}
        self._low: dict[Place, int] = {}
        self._open: list[Place] = []
        self._is_open: set[Place] = set()
        self._path: list[tuple[Place, Iterator[Place]]] = []

    def groups_from(self, start: Place) -> Iterator[list[Place]]:
        """Yield the groups that a cell reaches, its own last."""
        self._enter(start)
        while self._path:
            place, others = self._path[-1]
            if self._goes_on(place, others):
                continue
            self._path.pop()
            if self._path:
                above = self._path[-1][0]
                self._low[above] = min(self._low[above], self._low[place])
            if self._low[place] == self.number[place]:
                yield self._closed(place)

    def _enter(self, place: Place) -> None:
        self.number[place] = self._low[place] = len(self.number)
        self._open.append(place)
        self._is_open.add(place)
        self._path.append((place, iter(self.book.reads(place))))

    def _goes_on(self, place: Place, others: Iterator[Place]) -> bool:
        """Enter the next cell that has not been seen; tell whether there was one."""
        for other in others:
            if other in self._is_open:
                self._low[place] = min(self._low[place], self.number[other])
            elif other not in self.number and not self.stop(other):
                self._enter(other)
                return True
        return False

    def _closed(self, place: Place) -> list[Place]:
        group = []
        while True:
            group.append(self._open.pop())
            self._is_open.discard(group[-1])
            if group[-1] == place:
                return group
