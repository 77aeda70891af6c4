"""Reading a sheet of the plain form with one regular expression, many cells at a time.

A sheet that this project writes has rows and cells in one narrow form. Where a whole sheet has
it, it is read here; where anything departs from it in any way, nothing is returned, and
``sheet`` reads it, or says what is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, column_number
from cellgrad.xlsx.package import Package
from cellgrad.xlsx.sheet import (
    MAIN,
    MAX_FORMULA_CHARACTERS,
    MAX_INDEX_DIGITS,
    MAX_NUMBER_CHARACTERS,
    Cell,
    SheetCells,
)

_OPENED, _CLOSED = b"<sheetData>", b"</sheetData>"
_ROOT = re.compile(
    rb'(?:<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")?(?: standalone="(?:yes|no)")? ?\?>'
    rb"\s*)?<worksheet\s"
)
_ROW = re.compile(r'<row r="([1-9][0-9]{0,6})"((?: [a-zA-Z]+="[A-Za-z0-9 :.-]*")*)(>| ?/>)')
_ROW_ATTRIBUTE = re.compile(r' ([a-zA-Z]+)="')
_ROW_ATTRIBUTES = frozenset(
    (
        "spans", "s", "ht", "hidden", "customFormat", "customHeight", "outlineLevel", "collapsed",
        "thickTop", "thickBot",
    )
)  # fmt: skip
_CELL = re.compile(
    r'<c r="([A-Z]{1,3})([1-9][0-9]{0,6})"(?: s="[0-9]{1,6}")?(?: t="(n|s|str|inlineStr)")? ?'
    r"(?:/>|>(?:<f>([^<]*)</f>)?"
    r'(?:<v ?>([^<]*)</v>|(<v ?/>)|<is><t(?: xml:space="preserve")?>([^<]*)</t></is>)?</c>)'
)
_GROUPS = _CELL.groups + 1
_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
_SIGNS = bytes({*b"\t\n", *range(0x20, 0x100)})
_NUMERIC = frozenset((None, "n"))
_NUMBERS = re.compile(r"[-+.0-9Ee ]*")


class _NotPlainError(Exception):
    """Something departs from the plain form."""


def _demand(good: object) -> None:
    if not good:
        raise _NotPlainError


def read_plain(package: Package, sheet: str, part: str, texts: Sequence[str]) -> SheetCells | None:
    """Return the cells of a sheet of the plain form; None if anything departs from that form.

    Raises:
        WorkbookError: there are too many cells.
    """
    reading = _Table(texts)
    try:
        table = _table(package, part)
        _demand("]]>" not in table and not _ENTITY.search(table))
        reading.read(table)
    except (_NotPlainError, WorkbookError, ValueError, LookupError):
        return None
    package.take("cells", reading.count, sheet)
    return reading.cells


def _table(package: Package, part: str) -> str:
    """Return the table, once all that stands around it is well-formed XML.

    With the table cut out, the rest must hold exactly one table of exactly that place. So
    the cut began and ended outside of comments, and nothing of the table is elsewhere.
    """
    data = package.read(part)
    start, end = data.find(_OPENED), data.rfind(_CLOSED)
    _demand(_ROOT.match(data) and 0 <= start < end)
    tables = []

    def note(depth: int, tag: str, _: dict[str, str]) -> None:
        _demand(depth > 1 or tag == f"{MAIN}worksheet")
        if depth == 2 and tag == f"{MAIN}sheetData":
            tables.append(tag)

    package.parse_bytes(part, data[:start] + b"<sheetData/>" + data[end + len(_CLOSED) :], note)
    table = data[start + len(_OPENED) : end]
    _demand(len(tables) == 1 and not table.translate(None, _SIGNS))
    text = table.decode()
    _demand(text.isascii() or not any(sign in text for sign in "\ufffe\uffff"))  # no signs of XML
    return text


class _Table:
    """Reads a table row by row.

    Attributes:
        cells: what was read.
        count: how many cells there were, empty ones too.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self.cells, self.count = SheetCells(), 0
        self._plain_attributes = {""}

    def read(self, table: str) -> None:
        """Read the cells; every departure from the plain form is an error."""
        above = 0
        pieces = table.split("</row>")
        for n, piece in enumerate(pieces, 1):
            at, row = 0, None
            while (row := _ROW.match(piece, at)) is not None:
                number = int(row[1])
                _demand(above < number <= MAX_ROW)
                self._check_attributes(row[2])
                above, at = number, row.end()
                if row[3] == ">":
                    break
            if row is None:  # behind the last row, or behind one that is closed twice
                _demand(n == len(pieces) and at == len(piece))
            else:
                _demand(n < len(pieces))
                self._read_row(number, row[1], piece[at:])

    def _check_attributes(self, text: str) -> None:
        if text not in self._plain_attributes:
            names = _ROW_ATTRIBUTE.findall(text)
            _demand(len(set(names)) == len(names) and _ROW_ATTRIBUTES.issuperset(names))
            self._plain_attributes.add(text)

    def _read_row(self, row: int, digits: str, text: str) -> None:
        pieces = _CELL.split(text)
        letters, kinds, formulas, held, none, inline = (
            pieces[n::_GROUPS] for n in (1, 3, 4, 5, 6, 7)
        )
        _demand(not any(pieces[::_GROUPS]))
        if not letters:
            return
        _demand(set(pieces[2::_GROUPS]) == {digits})
        columns = list(map(column_number, letters))
        _demand(columns == sorted(set(columns)) and columns[-1] <= MAX_COLUMN)
        places = [(row, column) for column in columns]
        self.count += len(places)
        if "[" in text or len(text) > MAX_FORMULA_CHARACTERS:
            _demand(not any("[" in one for one in formulas if one))
            _demand(max(len(one or "") for one in formulas) <= MAX_FORMULA_CHARACTERS)
        written = zip(places, formulas, strict=True)
        self.cells.formulas.update(
            [(place, _plain(one)) for place, one in written if one is not None]
        )
        if any(inline) or not _NUMERIC.issuperset(kinds):
            held = [
                self._number_text(place, kind or "n", value, string, empty=nothing is not None)
                for place, kind, value, nothing, string in zip(
                    places, kinds, held, none, inline, strict=True
                )
            ]
        self._add_numbers([item for item in zip(places, held, strict=True) if item[1]])

    def _number_text(
        self, place: Cell, kind: str, value: str | None, string: str | None, *, empty: bool
    ) -> str | None:
        """Return what is written of a number; add what is none."""
        _demand((string is None) or kind == "inlineStr")
        if kind == "n" or (value is None and string is None and not empty):
            return value
        text = value or ""
        if kind == "s":
            _demand(text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_DIGITS)
            self.cells.values[place] = self._texts[int(text)]
        else:
            _demand(kind == "str" or string is not None)
            self.cells.values[place] = _plain(text if string is None else string)
        return None

    def _add_numbers(self, numbers: list[tuple[Cell, str]]) -> None:
        if not numbers:
            return
        texts = [text for _, text in numbers]
        joined = " ".join(texts)
        _demand(joined.count(" ") == len(texts) - 1 and _NUMBERS.fullmatch(joined))
        _demand(len(max(texts, key=len)) <= MAX_NUMBER_CHARACTERS)
        held = list(map(float, texts))
        _demand(max(held) < math.inf and min(held) > -math.inf)
        places = [place for place, _ in numbers]
        self.cells.values.update(zip(places, held, strict=True))


def _plain(text: str) -> str:
    """Return what stands for a text in XML without the named entities."""
    if "&" in text:
        for entity, sign in _ENTITIES:  # the ampersand comes last, or it would make new ones
            text = text.replace(entity, sign)
    return text
