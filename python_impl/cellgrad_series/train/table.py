"""A table of numbers on a sheet, as a person makes one: found, not prescribed.

Blank rows may stand anywhere, a title and a row of headings above the numbers; the
table may begin in any column. Rows of texts above the first other row are titles,
and the last of them holds the headings, unless it is a single text above several
columns. A text that looks like a number is a number gone wrong, never a heading.

Which columns are the inputs and which the output.

A column is named by its heading, its letters (``A``) or its position (``1`` is
column A); ``A-C``, ``A:C`` and ``1-3`` are ranges. Where nothing is chosen, the
columns headed output, target, expected, class or label are the output, or else the
last ones; all others are inputs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cellgrad.errors import InputError
from cellgrad.xlsx.addresses import a1, column_letters, column_number
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.sheet import CellError, SheetCells, Value

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

    def name_of(self, column: int) -> str:
        """Return a column as a person would call it: its letters, and its heading if it has one."""
        heading = self.headings.get(column, "")
        return column_letters(column) + (f" ({shorten(heading)})" if heading else "")

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
        return f"{shorten(text)!r} is stored as a text, no number", "turn it into a number"
    return (
        f"{shorten(text)!r} is a text, no number",
        "write a number, or choose other columns with --inputs and --output",
    )


def looks_like_a_number(text: str) -> bool:
    """Tell whether a text was meant as a number: ``0.5``, ``0,5``, ``−1 000``, ``12 %``."""
    return _NUMBER_LIKE.fullmatch(text.strip()) is not None


def shorten(text: str) -> str:
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
    known = ", ".join(shorten(repr(sheet)) for sheet in list(book.sheets)[:8])
    raise InputError(
        f"no sheet {shorten(name)!r}", file=book.path, place=option, remedy=f"it has {known}"
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


_OUTPUT = re.compile(
    r"(?:(?:target|expected|desired)[\s_.-]*)?(?:output|target|expected|class|label)s?[\s_.-]*\d*"
)
_COUNTER = re.compile(r"#|no\.?|nr\.?|n|id|i|index|row|number|sample|sample[\s_-]*(?:no\.?|id|#)")
_RANGE = re.compile(r"([A-Za-z]{1,3}|[0-9]{1,5})\s*[-–:]\s*([A-Za-z]{1,3}|[0-9]{1,5})")
_SINGLE = re.compile(r"[A-Za-z]{1,3}|[0-9]{1,5}")
_NUMBERED = re.compile(r"(.*?)[\s_.\-\[\](){}]*[0-9]+[\])}]*")
_CHOOSE = "choose the columns with --inputs and --output"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The columns of the inputs and of the outputs, in their order, 1-based."""

    inputs: list[int]
    outputs: list[int]


def choose(table: Table, inputs: str | None, outputs: str | None, wanted: int) -> Chosen:
    """Choose the columns of a table.

    Args:
        table: the table.
        inputs: what ``--inputs`` says, if anything.
        outputs: what ``--output`` says, if anything.
        wanted: the network's outputs.

    Raises:
        InputError: a column is missing or ambiguous, or cannot be chosen safely.
    """
    chosen_inputs = None if inputs is None else _named(table, inputs, "--inputs")
    chosen = None if outputs is None else _named(table, outputs, "--output")
    if chosen_inputs is None:
        _check_headings(table)
    if chosen is None:
        chosen = _default_outputs(table, chosen_inputs or [], wanted)
    if chosen_inputs is None:
        chosen_inputs = [column for column in table.columns() if column not in chosen]
        if not chosen_inputs:
            raise table.error("holds no columns for the inputs", _CHOOSE)
        _refuse_counter(table, chosen_inputs[0])
    both = set(chosen_inputs) & set(chosen)
    if both:
        raise table.error(
            f"column {table.name_of(min(both))} is chosen as input and as output", _CHOOSE
        )
    return Chosen(chosen_inputs, chosen)


def choose_like(table: Table, first: Table, chosen: Chosen) -> Chosen:
    """Return the columns of a second table that go with those of the first.

    By their headings, in any order, where both have headings; else by position.

    Raises:
        InputError: a heading is missing or stands twice, or no choice is safe.
    """
    if not (table.headings and first.headings):
        return choose(table, None, None, len(chosen.outputs))
    columns = sorted(chosen.inputs + chosen.outputs)
    if [_key(table.headings.get(c, "")) for c in columns] == [
        _key(first.headings.get(c, "")) for c in columns
    ]:
        return chosen
    return Chosen(
        [_heading_of(table, first.headings[column], first) for column in chosen.inputs],
        [_heading_of(table, first.headings[column], first) for column in chosen.outputs],
    )


def _key(heading: str) -> str:
    return heading.casefold()


def _heading_of(table: Table, heading: str, first: Table) -> int:
    found = [c for c, text in table.headings.items() if _key(text) == _key(heading)]
    if len(found) == 1:
        return found[0]
    problem = "stands twice" if found else f"is missing, which {first.path.name} has"
    raise table.error(
        f"the heading {shorten(heading)!r} {problem}",
        _CHOOSE if found else f"it has {_headings(table)}; rename one, or {_CHOOSE}",
        (table.heading_row, min(table.headings)),
    )


def _headings(table: Table) -> str:
    shown = ", ".join(shorten(text) for text in list(table.headings.values())[:8])
    return shown + (", …" if len(table.headings) > 8 else "")


def _named(table: Table, text: str, option: str) -> list[int]:
    """Return the columns that an option names.

    Raises:
        InputError: one is missing, ambiguous or named twice.
    """
    found: list[int] = []
    for part in text.split(","):
        if not part.strip():
            raise InputError(f"{text!r} names an empty column", place=option, remedy="see --help")
        found += _column(table, part.strip(), option)
    for column in found:
        if found.count(column) > 1:
            raise table.error(
                f"{option} names column {table.name_of(column)} twice", "name it once"
            )
    return found


def _column(table: Table, name: str, option: str) -> list[int]:
    by_heading = [c for c, text in table.headings.items() if _key(text) == _key(name)]
    if len(by_heading) > 1:
        where = " and ".join(column_letters(column) for column in by_heading)
        raise table.error(
            f"{option}: {shorten(name)!r} is the heading of {where}", "use the letters"
        )
    by_place = _by_place(name)
    used = table.columns()
    if by_heading and by_place and by_place[0] in used and by_place != by_heading:
        raise table.error(
            f"{option}: {shorten(name)!r} is the heading of column {column_letters(by_heading[0])} "
            f"and the letter of another",
            "use positions: 1 is column A",
        )
    if by_heading:
        return by_heading
    if by_place and all(column in used for column in by_place):
        return by_place
    headed = f"its headings are {_headings(table)}; " if table.headings else "it has no headings; "
    raise table.error(
        f"{option}: there is no column {shorten(name)!r}",
        f"{headed}columns {column_letters(used[0])} to {column_letters(used[-1])} are used",
    )


def _by_place(name: str) -> list[int]:
    """Return what letters, a position or a range stand for; nothing if it is neither."""
    if _SINGLE.fullmatch(name):
        return [_place(name)]
    match = _RANGE.fullmatch(name)
    if match is None:
        return []
    return list(range(_place(match[1]), _place(match[2]) + 1))


def _place(text: str) -> int:
    return int(text) if text.isdigit() else column_number(text)


def _check_headings(table: Table) -> None:
    """Refuse to leave out, or take in, a column without a heading in silence."""
    if not table.headings:
        return
    for column in table.columns():
        if column not in table.headings:
            row = next(row for row, cells in table.rows.items() if column in cells)
            raise table.error(
                f"a value below a blank heading ({column_letters(column)}{table.heading_row})",
                f"give the column a heading, or {_CHOOSE}",
                (row, column),
            )


def _default_outputs(table: Table, inputs: list[int], wanted: int) -> list[int]:
    columns = [column for column in table.columns() if column not in inputs]
    if len(columns) < wanted + (not inputs):
        what = f"{wanted} output columns" if wanted > 1 else "an output column"
        raise table.error(
            f"{counted(len(table.columns()), 'column')}, too few for the inputs and {what}",
            f"add the column, or {_CHOOSE}",
        )
    named = [c for c in columns if _OUTPUT.fullmatch(_key(table.headings.get(c, "")))]
    if len(named) == wanted:
        return named
    if named:
        which = " and ".join(table.name_of(column) for column in named[:4])
        raise table.error(
            f"{which} could be the output{'s' if wanted > 1 else ''}, {wanted} is wanted", _CHOOSE
        )
    last = columns[-wanted:]
    if not inputs and wanted == 1 and _continues(table, columns):
        raise table.error(
            f"there is no output column: {table.name_of(last[0])} looks like one more input",
            "head it output, or " + _CHOOSE,
        )
    return last


def _continues(table: Table, columns: list[int]) -> bool:
    """Tell whether the last heading carries on a series such as x1, x2, x3."""
    stems = [_NUMBERED.fullmatch(_key(table.headings.get(c, ""))) for c in columns[-2:]]
    return all(stems) and len({stem[1] for stem in stems if stem}) == 1


def _refuse_counter(table: Table, column: int) -> None:
    """A column that counts the samples is no input; nor is one left out unasked."""
    if not _COUNTER.fullmatch(_key(table.headings.get(column, ""))):
        return
    values = [cells.get(column) for cells in table.rows.values()]
    if values in ([float(n) for n in range(len(values))], [n + 1.0 for n in range(len(values))]):
        raise table.error(
            f"column {table.name_of(column)} only counts the rows",
            f"delete it, or {_CHOOSE}",
            (table.heading_row, column),
        )
