"""The atlas of a workbook: which cell its Map says is which number of which part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cellgrad.described import Described
from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import Place, a1
from cellgrad.xlsx.map_sheet import SHEET

MOST_CELLS = 2_000_000
"""A Map that claims more is not believed."""

MOST_FAULTS = 1_000

COPY = "copy"
"""The first word of a name whose number is computed in an earlier cell of the Map."""


class Entry(NamedTuple):
    """What the Map says of one cell.

    Attributes:
        part: the part; empty where there is but one.
        kind: given, answer, step, check or display.
        name: the code name of the quantity.
        layer: its weight layer, or None.
        at: which of its numbers.
        claim: the number of the row of the Map.
    """

    part: str
    kind: str
    name: str
    layer: int | None
    at: tuple[int, ...]
    claim: int

    @property
    def key(self) -> Key:
        """Return that by which the cell is found."""
        return self.part, self.name, self.layer, self.at


Key = tuple[str, str, int | None, tuple[int, ...]]
"""Part, code name, layer, index."""


class MapFault(NamedTuple):
    """Something wrong with the Map itself.

    Attributes:
        sheet: where.
        cell: its address; empty if it concerns the whole.
        problem: what.
    """

    sheet: str
    cell: str
    problem: str


class Atlas:
    """A workbook's own description, cell by cell.

    Args:
        described: what its Map says.

    Attributes:
        book: formulas and values.
        claims: the rows of the Map.
        cells: what each claimed cell is.
        places: where each number stands.
        faults: what is wrong with the Map.

    Raises:
        WorkbookError: the Map claims more cells than a workbook holds.
    """

    def __init__(self, described: Described) -> None:
        self.described, self.book, self.claims = described, described.book, described.claims
        self.cells: dict[Place, Entry] = {}
        self.places: dict[Key, Place] = {}
        self.faults: list[MapFault] = []
        self._by_part: dict[str, list[tuple[Place, Entry]]] = {}
        for place, problem in described.unread:
            self.fault(SHEET, place.partition("!")[2], problem)
        _enter(self)

    def of_part(self, part: str) -> list[tuple[Place, Entry]]:
        """Return the claimed cells of a part."""
        if not self._by_part:
            for place, entry in self.cells.items():
                self._by_part.setdefault(entry.part, []).append((place, entry))
        return self._by_part.get(part, [])

    def fault(self, sheet: str, cell: str, problem: str) -> None:
        """Note something wrong with the Map."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(MapFault(sheet, cell, problem))

    def formula(self, place: Place) -> str | None:
        """Return the formula of a cell, if it holds one."""
        sheet = self.book.sheets.get(place[0])
        return None if sheet is None else sheet.formulas.get(place[1:])

    def unclaimed(self) -> Iterator[Place]:
        """Yield the formula cells that no row of the Map claims."""
        for sheet, cells in self.book.sheets.items():
            for row, column in cells.formulas:
                if (sheet, row, column) not in self.cells:
                    yield sheet, row, column


def _enter(atlas: Atlas) -> None:
    """Enter every claimed cell; one claimed twice, or one number in two cells, is a fault."""
    left = MOST_CELLS
    for number, claim in enumerate(atlas.claims):
        area, index = claim.cells, claim.rule.index
        left -= area.height * area.width
        if left < 0:
            raise WorkbookError(
                "claims more cells than a workbook holds",
                file=atlas.book.path,
                place=f"{SHEET}!A{claim.row}",
            )
        if claim.part not in atlas.described.names:
            problem = f"claims cells of a part that is not described: {claim.part!r}"
            atlas.fault(SHEET, f"A{claim.row}", problem)
            continue
        for r in range(area.height):
            for c in range(area.width):
                place = (area.sheet, area.top + r, area.left + c)
                entry = Entry(claim.part, claim.kind, *claim.key, index(r, c), number)
                if place in atlas.cells:
                    atlas.fault(area.sheet, a1(*place[1:]), "is claimed twice")
                if entry.key in atlas.places and claim.kind == "step":
                    entry = _as_copy(atlas, entry)
                elif entry.key in atlas.places and claim.quantity:
                    problem = f"is claimed as {claim.label or claim.quantity}, as another cell is"
                    atlas.fault(area.sheet, a1(*place[1:]), problem)
                atlas.cells[place] = entry
                atlas.places[entry.key] = place


def _as_copy(atlas: Atlas, entry: Entry) -> Entry:
    """Name a further cell of a number that has one: incoming values stand beside weights."""
    count = 1
    while (copy := entry._replace(name=f"{COPY} {count} {entry.name}")).key in atlas.places:
        count += 1
    return copy
