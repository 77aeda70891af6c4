"""Cell addresses: A1 notation and rectangles of cells."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

MAX_ROW = 1_048_576
MAX_COLUMN = 16_384

Place = tuple[str, int, int]
"""Sheet, row, column; the last two from 1."""

_PLAIN_SHEET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIKE_A_CELL = re.compile(r"(?i)(?:[a-z]{1,3}\d+|r\d*(?:c\d*)?|c\d*)$|true$|false$")
_A1 = re.compile(r"\$?([A-Za-z]{1,3})\$?([1-9][0-9]{0,6})")


@cache
def column_letters(column: int) -> str:
    """Return the letters of a 1-based column: 1 → A, 27 → AA."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


@cache
def column_number(letters: str) -> int:
    """Return the 1-based column of its letters: A → 1, AA → 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def a1(row: int, column: int, *, absolute: bool = False) -> str:
    """Return the A1 address of a 1-based row and column."""
    if absolute:
        return f"${column_letters(column)}${row}"
    return f"{column_letters(column)}{row}"


def parse_a1(text: str) -> tuple[int, int]:
    """Return (row, column), 1-based, of an A1 address; ValueError if it is none."""
    match = _A1.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no cell address")
    row, column = int(match[2]), column_number(match[1])
    if row > MAX_ROW or column > MAX_COLUMN:
        raise ValueError(f"{text!r} lies outside a sheet")
    return row, column


def place_text(place: Place) -> str:
    """Return a cell for people: ``Step!B5``."""
    return f"{place[0]}!{a1(*place[1:])}"


def quoted(sheet: str) -> str:
    """Return a sheet's name as formulas write it: in quotes, unless it is a plain word."""
    if _PLAIN_SHEET.fullmatch(sheet) and not _LIKE_A_CELL.match(sheet):
        return sheet
    return "'" + sheet.replace("'", "''") + "'"


class Range(NamedTuple):
    """A rectangle of cells on one sheet; 1-based, both corners included."""

    sheet: str
    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def parse(cls, sheet: str, text: str) -> Range:
        """Read ``B5:E8`` or ``B5``; ValueError if it is neither."""
        first, _, last = text.partition(":")
        top, left = parse_a1(first)
        bottom, right = parse_a1(last) if last else (top, left)
        if bottom < top or right < left:
            raise ValueError(f"{text!r} is no rectangle from top left to bottom right")
        return cls(sheet, top, left, bottom, right)

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top + 1

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left + 1

    @property
    def address(self) -> str:
        """The A1 address without the sheet: ``B5`` or ``B5:E8``."""
        first, last = a1(self.top, self.left), a1(self.bottom, self.right)
        return first if first == last else f"{first}:{last}"

    @property
    def absolute(self) -> str:
        """The same as defined names have it: ``$B$5`` or ``$B$5:$E$8``."""
        first, last = (a1(*at, absolute=True) for at in (self[1:3], self[3:5]))
        return first if first == last else f"{first}:{last}"

    def contains(self, row: int, column: int) -> bool:
        """Tell whether a cell of the same sheet lies inside."""
        return self.top <= row <= self.bottom and self.left <= column <= self.right

    def __str__(self) -> str:
        return f"{self.sheet}!{self.address}"


def parse_reference(text: str) -> Range | None:
    """Read ``Step!$B$5:$E$8`` or ``'a sheet'!A1``; None if it is anything else."""
    sheet, bang, area = text.strip().lstrip("=").rpartition("!")
    if not bang:
        return None
    if sheet.startswith("'") and sheet.endswith("'"):
        sheet = sheet[1:-1].replace("''", "'")
    try:
        return Range.parse(sheet, area.replace("$", ""))
    except ValueError:
        return None
