"""A workbook with its own description, read from its Map once, for whoever checks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.facts import Facts
from cellgrad.case.structure import Structure
from cellgrad.described.parts import MAX_SCALARS, Part, StepShape, read_part
from cellgrad.errors import CaseError, WorkbookError
from cellgrad.packages import PackageMissingError
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import FORMAT, FORMAT_OF_PARTS, SHEET, Claim, read_map

Numbers = NDArray[np.floating[Any]]
_NOBODY = -1


class ClaimedCells:
    """A claim's cells, and which index of its quantity each of them has.

    Attributes:
        claim: the row of the Map.
        shape: how many rows and columns of cells.
        index: one array for each axis of the quantity, which spread over that shape.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.shape = (claim.cells.height, claim.cells.width)
        rows, columns = np.ogrid[: self.shape[0], : self.shape[1]]
        self.index = tuple(part.at(rows, columns) for part in claim.rule.parts)

    def pick(self, values: Numbers) -> Numbers:
        """Return the quantity's values where the cells show them; IndexError outside of it."""
        return np.broadcast_to(values[self.index], self.shape)

    def gather(self, values: Numbers, held: Numbers) -> None:
        """Put the cells' numbers, one for each of them, where they belong in the quantity."""
        index = tuple(np.broadcast_to(axis, self.shape) for axis in self.index)
        values[index] = held if index else held[0, 0]


class Owners:
    """For every claimed cell, its claim's number: a grid a sheet.

    Args:
        claims: all of them, in order; of two that claim a cell the later one owns it.

    Attributes:
        twice: the cells that were claimed before, as (later claim, cell, earlier claim).
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.twice: list[tuple[int, Place, int]] = []
        self._grids: dict[str, NDArray[np.int32]] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for claim in claims:
            sheet, *_, bottom, right = claim.cells
            below, beyond = sizes.get(sheet, (0, 0))
            sizes[sheet] = max(bottom, below), max(right, beyond)
        for sheet, (bottom, right) in sizes.items():
            self._grids[sheet] = np.full((bottom + 1, right + 1), _NOBODY, dtype=np.int32)
        for number, claim in enumerate(claims):
            self._enter(number, claim.cells)

    def _enter(self, number: int, area: Range) -> None:
        cells = self._cells(area)
        for row, column in np.argwhere(cells != _NOBODY).tolist():
            place = (area.sheet, area.top + row, area.left + column)
            self.twice.append((number, place, int(cells[row, column])))
        cells[...] = number

    def _cells(self, area: Range) -> NDArray[np.int32]:
        grid = self._grids[area.sheet]
        return grid[area.top : area.bottom + 1, area.left : area.right + 1]

    def are_claimed(self, sheet: str, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of many cells are owned, given as rows of (row, column)."""
        claimed = np.zeros(len(cells), dtype=bool)
        grid = self._grids.get(sheet)
        if grid is not None and len(cells):
            inside = (cells[:, 0] < grid.shape[0]) & (cells[:, 1] < grid.shape[1])
            claimed[inside] = grid[cells[inside, 0], cells[inside, 1]] != _NOBODY
        return claimed

    def marked(self, sheet: str, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a grid of all rows and columns up to the last claimed ones, some cells marked.

        Args:
            sheet: whose claims.
            cells: which to mark, as rows of (row, column); those beyond the grid are left out.
        """
        grid = self._grids.get(sheet)
        rows, columns = (1, 1) if grid is None else grid.shape
        found = np.zeros((rows, columns), dtype=bool)
        inside = (cells[:, 0] < rows) & (cells[:, 1] < columns)
        found[cells[inside, 0], cells[inside, 1]] = True
        return found

    def get(self, place: Place) -> int | None:
        """Return the number of the claim that owns a cell, or None."""
        sheet, row, column = place
        grid = self._grids.get(sheet)
        if grid is None or row >= grid.shape[0] or column >= grid.shape[1]:
            return None
        number = int(grid[row, column])
        return None if number == _NOBODY else number

    def own_any(self, area: Range) -> bool:
        """Tell whether any cell of a rectangle is owned."""
        return area.sheet in self._grids and bool((self._cells(area) != _NOBODY).any())


@dataclass(slots=True)
class Described:
    """A workbook with its own description.

    Attributes:
        book: cells, formulas, names.
        facts: the words of the whole workbook.
        single: whether it is that of a single step, whose part has no name.
        names: of all parts that are described, in their order.
        parts: what each computes, as far down as they can be used.
        unusable: the first part that cannot be used and why, if there is one.
        claims: the rows of the Map.
        unread: rows of the Map that cannot be read, as (place, problem).
        owner: for every claimed cell, its claim's number.
    """

    book: Book
    facts: Facts
    single: bool
    names: tuple[str, ...]
    claims: list[Claim]
    unread: list[tuple[str, str]]
    owner: Owners
    parts: dict[str, Part] = field(default_factory=dict)
    unusable: tuple[str, str] | None = None

    @property
    def case(self) -> str:
        """The id of the case or the plan it was built from."""
        return self.facts.get("case", self.book.path.stem)

    @property
    def structure(self) -> Structure | None:
        """The structure of the step, where the workbook is that of a single one."""
        part = self.parts.get("")
        return part.shape.step if part and isinstance(part.shape, StepShape) else None

    def claim_of(self, place: Place) -> Claim | None:
        """Return the claim that owns a cell."""
        number = self.owner.get(place)
        return None if number is None else self.claims[number]


def describe(workbook: Path | Book, command: str = "verify") -> Described:
    """Read a workbook and everything it says of itself.

    Args:
        workbook: the file, or the book read from it.
        command: who asks, for messages.

    Raises:
        WorkbookError: no workbook, not safe to read, or one without a Map.
        PackageMissingError: the package that knows a kind of part is not here.
    """
    book = read_book(workbook) if isinstance(workbook, Path) else workbook
    table = read_map(book)
    if table is None or not (table.claims or table.facts):
        raise WorkbookError(
            f"has no sheet {SHEET!r} that says what its cells are",
            file=book.path,
            remedy=f"{command} takes workbooks written by cellgrad build",
        )
    known = FORMAT_OF_PARTS if table.parts else FORMAT
    if table.facts.get("format", known) not in (FORMAT, FORMAT_OF_PARTS):
        raise WorkbookError(
            f"says format {table.facts['format']!r}, this version reads {known!r}",
            file=book.path,
            place=SHEET,
            remedy="use the version of cellgrad that wrote it",
        )
    _refuse_too_many_cells(book, table.claims)
    single = not table.parts and table.facts.get("format") != FORMAT_OF_PARTS
    parts = {"": {**table.facts, "kind": "step"}} if single else table.parts
    described = Described(
        book,
        table.facts,
        single,
        tuple(parts),
        table.claims,
        table.faults,
        Owners(table.claims),
    )
    _read_parts(described, parts)
    return described


def _read_parts(described: Described, parts: dict[str, Facts]) -> None:
    for name, facts in parts.items():
        try:
            described.parts[name] = read_part(name, facts, described.parts)
        except (ValueError, CaseError) as error:
            problem = error.problem if isinstance(error, CaseError) else str(error)
            described.unusable = name, problem
            return
        except PackageMissingError as error:
            raise error.within(described.book.path) from error


def _refuse_too_many_cells(book: Book, claims: list[Claim]) -> None:
    """Refuse claims of more cells than a workbook holds, before they are gone through."""
    cells = 0
    boxes: dict[str, tuple[int, int]] = {}
    for claim in claims:
        area = claim.cells
        cells += area.height * area.width
        bottom, right = boxes.get(area.sheet, (0, 0))
        boxes[area.sheet] = max(bottom, area.bottom), max(right, area.right)
        room = sum((bottom + 1) * (right + 1) for bottom, right in boxes.values())
        if cells > MAX_SCALARS or room > 10 * MAX_SCALARS:
            raise WorkbookError(
                "claims more cells than a workbook holds",
                file=book.path,
                place=f"{SHEET}!A{claim.row}",
            )
