"""The Map sheet: what each cell of a workbook claims to be.

A row claims a rectangle of cells. Its index rule says how a cell's place in the
rectangle becomes an index: ``r`` and ``c`` are the row and column counted from 0,
so ``0, c`` on ``B9:E9`` makes B9 index (0, 0) and E9 index (0, 3), and ``r, c//4, c%4`` reads
a 3 × 4 matrix from twelve cells of each row.

A workbook of several parts describes them one after another: a row ``part``, its words,
its claims.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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

FORMAT_OF_PARTS = "cellgrad-map/2"
"""Of a workbook with named parts."""

PART = "part"
"""The row that begins the description of a part of the workbook."""

_RULE = re.compile(
    r"(?P<sum>(?:\d{1,7}|\d{0,7}[rc])(?:\+(?:\d{1,7}|\d{0,7}[rc])){0,3})"
    r"(?://(?P<divisor>[1-9]\d{0,6}))?(?:%(?P<modulus>[1-9]\d{0,6}))?"
)


class IndexPart(NamedTuple):
    """How one part of an index follows from row r and column c of a rectangle.

    (by_row · r + by_column · c + constant) // divisor, then % modulus if that is not 0
    """

    by_row: int
    by_column: int
    constant: int
    divisor: int = 1
    modulus: int = 0

    def at(self, row: Any, column: Any) -> Any:
        """Return the part of the index at a 0-based place, or at arrays of places."""
        value = (self.by_row * row + self.by_column * column + self.constant) // self.divisor
        return value % self.modulus if self.modulus else value


@dataclass(frozen=True, slots=True)
class IndexRule:
    """How a cell's place in its rectangle becomes an index.

    Attributes:
        text: such as ``0, c`` or ``r, c//4, c%4``.
        parts: the same, read.
    """

    text: str
    parts: tuple[IndexPart, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Read the text once."""
        object.__setattr__(self, "parts", self._parsed())

    def _parsed(self) -> tuple[IndexPart, ...]:
        found = []
        for part in filter(None, (part.strip() for part in self.text.split(","))):
            match = _RULE.fullmatch(part)
            if match is None:
                raise ValueError(f"{part!r} is no part of an index rule")
            factors = {"r": 0, "c": 0, "": 0}
            for term in match["sum"].split("+"):
                letter = term[-1] if term[-1] in "rc" else ""
                number = term.removesuffix(letter) if letter else term
                factors[letter] += int(number or 1)
            found.append(
                IndexPart(
                    factors["r"],
                    factors["c"],
                    factors[""],
                    int(match["divisor"] or 1),
                    int(match["modulus"] or 0),
                )
            )
        return tuple(found)

    def index(self, row: int, column: int) -> tuple[int, ...]:
        """Return the index of the cell at a 0-based place in the rectangle."""
        return tuple(part.at(row, column) for part in self.parts)


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
        part: the part of the workbook that it belongs to; empty if there is but one.
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
    part: str = ""

    @property
    def key(self) -> tuple[str, int | None]:
        """Code name and layer."""
        return self.quantity, self.layer


@dataclass(slots=True)
class MapSheet:
    """What a workbook says of itself.

    Attributes:
        facts: the words above everything: format, case, and, where there is but one part,
            nodes, activations, loss, …
        parts: the words of each named part.
        claims: the rows of all tables.
        faults: rows that cannot be read, as (place, problem).
    """

    facts: dict[str, str] = field(default_factory=dict)
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
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
    result, part = MapSheet(), ""
    for row in sorted(rows):
        cells = rows[row]
        first = cells.get(1, "")
        if first in KINDS and 6 in cells:
            _read_row(result, row, cells, part)
        elif first and set(cells) == {1, 2}:
            if first == PART:
                part = cells[2]
                if part in result.parts:
                    result.faults.append((f"{SHEET}!A{row}", f"the part {part!r} stands twice"))
                result.parts[part] = {}
            else:
                (result.parts[part] if part else result.facts)[first] = cells[2]
    return result


def _as_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _read_row(result: MapSheet, row: int, cells: dict[int, str], part: str) -> None:
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
            part,
        )
    except ValueError as error:
        result.faults.append((place, f"this row cannot be read: {error}"))
        return
    result.claims.append(claim)
