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
from collections import Counter, defaultdict
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
        texts = filter(None, (text.strip() for text in self.text.split(",")))
        object.__setattr__(self, "parts", tuple(_index_part(text) for text in texts))

    def index(self, row: int, column: int) -> tuple[int, ...]:
        """Return the index of the cell at a 0-based place in the rectangle."""
        return tuple(part.at(row, column) for part in self.parts)


def _index_part(text: str) -> IndexPart:
    match = _RULE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no part of an index rule")
    factors = Counter[str]()
    for term in match["sum"].split("+"):
        letter = term.lstrip("0123456789")
        factors[letter] += int(term.removesuffix(letter) or 1)
    divisor, modulus = int(match["divisor"] or 1), int(match["modulus"] or 0)
    return IndexPart(factors["r"], factors["c"], factors[""], divisor, modulus)


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
    rows: dict[int, dict[int, str]] = defaultdict(dict)
    for (row, column), value in book.sheets[SHEET].values.items():
        if value is not None:
            rows[row][column] = _as_text(value)
    table, part = MapSheet(), ""
    for row, cells in sorted(rows.items()):
        first, place = cells.get(1, ""), f"{SHEET}!A{row}"
        if first in KINDS and 6 in cells:
            try:
                table.claims.append(_claim(row, cells, part))
            except ValueError as error:
                table.faults.append((place, f"this row cannot be read: {error}"))
        elif first and set(cells) == {1, 2}:
            if first == PART:
                part = cells[2]
                if part in table.parts:
                    table.faults.append((place, f"the part {part!r} stands twice"))
                table.parts[part] = {}
            else:
                (table.parts[part] if part else table.facts)[first] = cells[2]
    return table


def _as_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _claim(row: int, cells: dict[int, str], part: str) -> Claim:
    kind, quantity, layer, label, sheet, area, rule, equation, name = (
        cells.get(column, "") for column in range(1, len(COLUMNS) + 1)
    )
    index = IndexRule(rule)
    if index.parts and not quantity:
        raise ValueError("the quantity is missing")
    of_layer, cells_of = int(layer) if layer else None, Range.parse(sheet, area)
    return Claim(kind, quantity, of_layer, label, cells_of, index, equation, name, row, part)
