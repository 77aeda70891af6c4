"""A table of numbers on a sheet, as a person makes one: found, not prescribed.

Blank rows may stand anywhere, a title and a row of headings above the numbers; the
table may begin in any column. Rows of texts above the first other row are titles,
and the last of them holds the headings, unless it is a single text above several
columns. A text that looks like a number is a number gone wrong, never a heading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cellgrad.errors import InputError
from cellgrad.xlsx.addresses import a1, column_letters
from cellgrad.xlsx.book import Book, SheetCells
from cellgrad.xlsx.values import CellError, Value

_NUMBER_LIKE = re.compile(r"[-+−]?\s*[0-9][0-9\s.,'’]*(?:[eE][-+]?[0-9]+)?\s*%?")
_SHOWN = 30


class Uncalculated:
    """A formula whose value was never stored."""


UNCALCULATED = Uncalculated()

Content = float | str | bool | CellError | Uncalculated
"""What a cell can hold that is not blank."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a sheet that hold data.

    Attributes:
        path: the file.
        sheet: the sheet's name.
        rows: what the cells of each row hold, by row and column, blank ones left out.
        headings: the headings by column; empty without a row of headings.
        heading_row: where they stand; 0 without.
    """

    path: Path
    sheet: str
    rows: dict[int, dict[int, Content]]
    headings: dict[int, str]
    heading_row: int

    def error(
        self, problem: str, remedy: str = "", cell: tuple[int, int] | None = None
    ) -> InputError:
        """Return an error that names the file and the sheet, and the cell if there is one."""
        place = self.sheet if cell is None else f"{self.sheet}!{a1(*cell)}"
        return InputError(problem, file=self.path, place=place, remedy=remedy)

    def columns(self) -> list[int]:
        """Return the columns that hold a heading or anything below."""
        used = set(self.headings)
        for row in self.rows.values():
            used.update(row)
        return sorted(used)

    def named(self, column: int) -> str:
        """Return a column as a person would call it: its letters, and its heading if it has one."""
        heading = self.headings.get(column, "")
        return column_letters(column) + (f" ({short(heading)})" if heading else "")

    def numbers(self, columns: list[int]) -> dict[int, list[float]]:
        """Return the numbers in these columns, by row; rows blank in all of them are left out.

        Raises:
            InputError: a cell is blank or holds no number; it is named.
        """
        found: dict[int, list[float]] = {}
        for row, cells in self.rows.items():
            if any(column in cells for column in columns):
                found[row] = [self._number(cells, (row, column)) for column in columns]
        if not found:
            raise self.error(
                "holds no row of numbers in the chosen columns", "choose other columns"
            )
        return found

    def _number(self, cells: dict[int, Content], cell: tuple[int, int]) -> float:
        content = cells.get(cell[1])
        if isinstance(content, float):
            return content
        problem, remedy = _what_is_wrong(content)
        raise self.error(problem, remedy, cell)


def _what_is_wrong(content: Content | None) -> tuple[str, str]:
    if content is None:
        return "blank, in a row of numbers", "fill it in, or delete the whole row"
    if isinstance(content, Uncalculated):
        return (
            "a formula without a stored value",
            "open the file in a spreadsheet program and save it",
        )
    if isinstance(content, bool):
        return f"the logical value {str(content).upper()}, no number", "write 1 or 0"
    if isinstance(content, CellError):
        return f"the error {content}, no number", "repair the formula"
    text = str(content)
    if looks_like_a_number(text):
        return f"{short(text)!r} is stored as a text, no number", "turn it into a number"
    return (
        f"{short(text)!r} is a text, no number",
        "write a number, or choose other columns with --inputs and --output",
    )


def looks_like_a_number(text: str) -> bool:
    """Tell whether a text was meant as a number: ``0.5``, ``0,5``, ``−1 000``, ``12 %``."""
    return _NUMBER_LIKE.fullmatch(text.strip()) is not None


def short(text: str) -> str:
    """Return a text cut to what fits a message."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def counted(count: int, word: str) -> str:
    """Return a number and what it counts: ``1 column``, ``2 columns``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def find_table(book: Book, name: str | None, option: str) -> Table:
    """Return the table of a sheet.

    Args:
        book: the workbook.
        name: the sheet; by default the first that holds a number.
        option: the option that names the sheet, for messages.

    Raises:
        InputError: there is no such sheet, or no number on it.
    """
    sheet = _first_with_numbers(book, option) if name is None else _called(book, name, option)
    rows = _rows(book.sheets[sheet])
    titles = []
    for row, cells in rows.items():
        if not all(isinstance(c, str) and not looks_like_a_number(c) for c in cells.values()):
            break
        titles.append(row)
    data = {row: cells for row, cells in rows.items() if row not in set(titles)}
    if not data:
        raise InputError("holds no numbers", file=book.path, place=sheet, remedy=f"use {option}")
    first = next(iter(data.values()))
    heading_row = titles[-1] if titles else 0
    if heading_row and len(rows[heading_row]) == 1 < len(first):
        heading_row = 0  # a title
    headings = rows[heading_row] if heading_row else {}
    named = {column: " ".join(str(text).split()) for column, text in headings.items()}
    return Table(book.path, sheet, data, named, heading_row)


def _called(book: Book, name: str, option: str) -> str:
    """Spreadsheet programs do not tell capital letters in a sheet's name from small ones."""
    for sheet in book.sheets:
        if sheet.casefold() == name.casefold():
            return sheet
    known = ", ".join(short(repr(sheet)) for sheet in list(book.sheets)[:8])
    raise InputError(
        f"no sheet {short(name)!r}", file=book.path, place=option, remedy=f"it has {known}"
    )


def _first_with_numbers(book: Book, option: str) -> str:
    for sheet, cells in book.sheets.items():
        if any(type(value) is float for value in cells.values.values()):
            return sheet
    for sheet, cells in book.sheets.items():
        if cells.values or cells.formulas:
            return sheet  # what is wrong with its cells is said cell by cell
    raise InputError("no sheet holds anything", file=book.path, remedy=f"see also {option}")


def _rows(cells: SheetCells) -> dict[int, dict[int, Content]]:
    """Return what is not blank, row by row, from left to right."""
    found: dict[tuple[int, int], Content] = {
        cell: UNCALCULATED for cell in cells.formulas if cell not in cells.values
    }
    found |= {
        cell: value
        for cell, value in cells.values.items()
        if value is not None and not _blank(value)
    }
    rows: dict[int, dict[int, Content]] = {}
    for (row, column), content in sorted(found.items(), key=lambda item: item[0]):
        rows.setdefault(row, {})[column] = content
    return rows


def _blank(value: Value) -> bool:
    return isinstance(value, str) and not value.strip()
