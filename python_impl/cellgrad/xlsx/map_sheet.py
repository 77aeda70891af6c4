"""The Map sheet: what each cell of a workbook claims to be.

A row claims a rectangle of cells. Its index rule says how a cell's place in the
rectangle becomes an index: ``r`` and ``c`` are the row and column counted from 0,
so ``0, c`` on ``B9:E9`` makes B9 index (0, 0) and E9 index (0, 3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.book import Book

SHEET = "Map"
FORMAT = "cellgrad-map/1"
KINDS = ("given", "answer", "step", "check", "display")
COLUMNS = (
    "kind",
    "quantity",
    "layer",
    "name on the sheet",
    "sheet",
    "cells",
    "index",
    "equation",
    "defined name",
)

_PART = re.compile(r"\d{1,7}|[rc](\+\d{1,7})?")


@dataclass(frozen=True, slots=True)
class IndexRule:
    """How a cell's place in its rectangle becomes an index.

    Attributes:
        text: such as ``0, c``.
        parts: the same as (factor of r, factor of c, constant).
    """

    text: str
    parts: tuple[tuple[int, int, int], ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Read the text once."""
        object.__setattr__(self, "parts", self._parsed())

    def _parsed(self) -> tuple[tuple[int, int, int], ...]:
        found = []
        for part in filter(None, (part.strip() for part in self.text.split(","))):
            if not _PART.fullmatch(part):
                raise ValueError(f"{part!r} is no part of an index rule")
            base, _, plus = part.partition("+")
            if base in "rc":
                found.append((int(base == "r"), int(base == "c"), int(plus or 0)))
            else:
                found.append((0, 0, int(base)))
        return tuple(found)

    def index(self, row: int, column: int) -> tuple[int, ...]:
        """Return the index of the cell at a 0-based place in the rectangle."""
        return tuple(a * row + b * column + n for a, b, n in self.parts)


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of the Map.

    Attributes:
        kind: one of KINDS.
        quantity: the code name of what the cells hold.
        layer: its weight layer, or None.
        label: what the sheet calls it.
        cells: where it stands.
        rule: which cell has which index.
        equation: such as ``Eq. 11``.
        defined_name: the defined name for the same cells, or empty.
        row: the row of the Map, for messages.
    """

    kind: str
    quantity: str
    layer: int | None
    label: str
    cells: Range
    rule: IndexRule
    equation: str = ""
    defined_name: str = ""
    row: int = 0

    @property
    def key(self) -> tuple[str, int | None]:
        """Code name and layer."""
        return self.quantity, self.layer


@dataclass(slots=True)
class MapSheet:
    """What a workbook says of itself.

    Attributes:
        facts: the words above the table: nodes, activations, loss, …
        claims: the rows of the table.
        faults: rows that cannot be read, as (place, problem).
    """

    facts: dict[str, str] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)


def read_map(book: Book) -> MapSheet | None:
    """Return the Map of a workbook, or None if it has no such sheet."""
    if SHEET not in book.sheets:
        return None
    values = book.sheets[SHEET].values
    rows: dict[int, dict[int, str]] = {}
    for (row, column), value in values.items():
        if value is not None:
            rows.setdefault(row, {})[column] = _as_text(value)
    result = MapSheet()
    for row in sorted(rows):
        cells = rows[row]
        first = cells.get(1, "")
        if first in KINDS and 6 in cells:  # noqa: PLR2004 - the column of the cells
            _read_row(result, row, cells)
        elif first and set(cells) == {1, 2}:
            result.facts[first] = cells[2]
    return result


def _as_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _read_row(result: MapSheet, row: int, cells: dict[int, str]) -> None:
    kind, quantity, layer, label, sheet, area, rule, equation, name = (
        cells.get(column, "") for column in range(1, len(COLUMNS) + 1)
    )
    place = f"{SHEET}!A{row}"
    try:
        index = IndexRule(rule)
        if index.parts and not quantity:
            raise ValueError("the quantity is missing")  # noqa: TRY301
        claim = Claim(
            kind,
            quantity,
            int(layer) if layer else None,
            label,
            Range.parse(sheet, area),
            index,
            equation,
            name,
            row,
        )
    except ValueError as error:
        result.faults.append((place, f"this row cannot be read: {error}"))
        return
    result.claims.append(claim)
