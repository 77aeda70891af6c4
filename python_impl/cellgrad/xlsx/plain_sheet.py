"""Reading a large sheet of the plain form: many cells at a time.

A sheet that this project writes has rows and cells in one narrow form. Where the whole
table of a sheet has it, the table is read here; where anything departs from it in any
way, nothing is returned, and the general reader reads the sheet, or says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW
from cellgrad.xlsx.plain_cells import Numbers, Places, PlainFormulas, PlainValues, unescaped
from cellgrad.xlsx.plain_tags import (
    ROOM,
    Bytes,
    Tag,
    Tags,
    Words,
    read_tags,
    word_masks,
    words_at,
)

LARGE = 200_000
"""From so many bytes on, this reader pays."""

MAX_FORMULA_CHARACTERS = 8_192
MAX_INDEX_DIGITS = 9
"""Of the number of a shared text."""

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_OPENED, _CLOSED = b"<sheetData>", b"</sheetData>"
_ROOT = re.compile(
    rb'(?:<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")?(?: standalone="(?:yes|no)")? ?\?>'
    rb"\s*)?<worksheet\s"
)
_ROW = re.compile(rb'<row r="([1-9][0-9]{0,6})"((?: [a-zA-Z]+="[A-Za-z0-9 :.-]*")*) ?/?>')
_ROW_ATTRIBUTE = re.compile(rb' ([a-zA-Z]+)="')
_ROW_ATTRIBUTES = frozenset(
    b"spans s ht hidden customFormat customHeight outlineLevel collapsed thickTop thickBot".split()
)
_ADDRESS = len('<c r="')
_REST = re.compile(rb'"(?: s="[0-9]{1,6}")?(?: t="(n|s|str|inlineStr)")? ?/?>')
_REST_WORDS = 4
"""So many times eight bytes hold what follows a cell's address in its tag."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd and without a pattern: few different words have one sum."""

_ENTITIES = (b"&lt;", b"&gt;", b"&amp;", b"&quot;", b"&apos;")
_NUMBER_SIGNS = np.isin(np.arange(256), list(b"+-.0123456789Ee "))
_SPARSE = 16
"""The smallest rectangle from A1 on may have so many places for every cell, and …"""
_SMALL = 1_000_000
"""… so many besides."""


class _NotPlainError(Exception):
    """Something departs from the plain form."""


def read_plain(data: bytes, texts: Sequence[str]) -> tuple[PlainValues, PlainFormulas] | None:
    """Read a sheet whose table is of the plain form throughout.

    Args:
        data: the sheet's part, inflated; it declares no document type.
        texts: the workbook's shared texts.

    Returns:
        values and formulas of the cells, or None if anything departs from that form.
    """
    try:
        tags = _tags(_table(data))
        cells = _cells(tags)
        places = Places(cells.places)
        return _values(tags, cells, places, texts), _formulas(tags, cells, places)
    except (_NotPlainError, ET.ParseError, ValueError, LookupError):
        return None


def _demand(good: object) -> None:
    if not good:
        raise _NotPlainError


def _table(data: bytes) -> bytes:
    """Return the bytes of the table, once all that stands around it is well-formed XML.

    With the table cut out, the rest must hold exactly one table of exactly that place. So
    the cut began and ended outside of comments, and nothing of the table is elsewhere.
    """
    start, end = data.find(_OPENED), data.rfind(_CLOSED)
    _demand(_ROOT.match(data) and 0 <= start < end)
    rest = data[:start] + b"<sheetData/>" + data[end + len(_CLOSED) :]
    root = ET.fromstring(rest)  # noqa: S314 - refused where a document type is declared
    _demand(root.tag == f"{_MAIN}worksheet" and len(root.findall(f"{_MAIN}sheetData")) == 1)
    return data[start + len(_OPENED) : end]


def _tags(table: bytes) -> Tags:
    """Return the tags of a table that holds only signs and entities of the plain form."""
    if not table.isascii():
        table.decode()  # ValueError if it is no UTF-8
        _demand(not any(sign.encode() in table for sign in "\ufffe\uffff"))  # no signs of XML
    tags = read_tags(table)
    if tags is None:
        raise _NotPlainError
    signs = tags.signs
    breaks = np.count_nonzero(signs == ord("\n")) + np.count_nonzero(signs == ord("\t"))
    _demand(np.count_nonzero(signs < ord(" ")) == breaks + ROOM)
    entities = np.flatnonzero(signs == ord("&"))
    known = np.zeros(len(entities), dtype=bool)
    for entity in _ENTITIES:
        known |= words_at(signs, entities, len(entity)) == int.from_bytes(entity, "little")
    _demand(known.all())
    return tags


@dataclass(frozen=True)
class _Cells:
    """The n cells of a table.

    Attributes:
        tags: the numbers of their tags, shape (n,).
        places: row and column, shape (n, 2).
        types: which of ``kinds`` each is, shape (n,).
        kinds: types of cells that occur, as the file names them.
    """

    tags: Numbers
    places: Numbers
    types: Numbers
    kinds: list[str]

    def owners(self, tags: Numbers) -> Numbers:
        """Return the numbers of the cells in which some tags stand, given by their numbers."""
        return np.searchsorted(self.tags, tags) - 1

    def of_type(self, cells: Numbers, *kinds: str) -> NDArray[np.bool_]:
        """Return which of some cells, given by their numbers, are of one of some types."""
        wanted = np.array([kind in kinds for kind in self.kinds], dtype=bool)
        return wanted[self.types[cells]]


def _cells(tags: Tags) -> _Cells:
    """Return the cells, each in its row, in rising order."""
    numbers, digits = _rows(tags)
    cells = tags.of(Tag.CELL, Tag.EMPTY_CELL)
    _demand(len(cells))
    row = np.searchsorted(tags.of(Tag.ROW, Tag.EMPTY_ROW), cells) - 1
    columns, at = _columns(tags.signs, tags.starts[cells] + _ADDRESS)
    # after the letters stand the digits of the cell's row, and a quotation mark
    sizes = np.array([len(text) for text in digits])
    words = np.array([int.from_bytes(text + b'"', "little") for text in digits], dtype=np.uint64)
    found = words_at(tags.signs, at, 8) & word_masks(sizes + 1)[row]
    _demand((found == words[row]).all())
    places = np.stack((numbers[row], columns), axis=1)
    order = places[:, 0] * (MAX_COLUMN + 1) + places[:, 1]
    bottom, right = places.max(axis=0)
    _demand((order[1:] > order[:-1]).all() and bottom <= MAX_ROW and right <= MAX_COLUMN)
    _demand((bottom + 1) * (right + 1) <= _SPARSE * len(cells) + _SMALL)
    return _Cells(cells, places, *_types(tags, at + sizes[row], tags.ends[cells]))


def _rows(tags: Tags) -> tuple[Numbers, list[bytes]]:
    """Return the numbers of the rows, which rise, and the same as they are written."""
    found, plain = [], {b""}
    rows = tags.of(Tag.ROW, Tag.EMPTY_ROW)
    for start, end in zip(tags.starts[rows].tolist(), tags.ends[rows].tolist(), strict=True):
        match = _ROW.fullmatch(tags.data, start, end)
        if match is None:
            raise _NotPlainError
        if match[2] not in plain:
            names = _ROW_ATTRIBUTE.findall(match[2])
            _demand(len(set(names)) == len(names) and _ROW_ATTRIBUTES.issuperset(names))
            plain.add(match[2])
        found.append(match[1])
    numbers = np.array([int(text) for text in found])
    _demand((numbers[1:] > numbers[:-1]).all())
    return numbers, found


def _columns(signs: Bytes, starts: Numbers) -> tuple[Numbers, Numbers]:
    """Return the columns whose letters stand at some places, and what follows the letters."""
    columns, at = np.zeros(len(starts), dtype=np.int64), starts.copy()
    going = np.ones(len(starts), dtype=bool)
    for _ in range(3):
        letters = signs[at]
        going &= (letters >= ord("A")) & (letters <= ord("Z"))
        columns = np.where(going, columns * 26 + letters - (ord("A") - 1), columns)
        at += going
    _demand(columns.all())
    return columns, at


def _types(tags: Tags, starts: Numbers, ends: Numbers) -> tuple[Numbers, list[str]]:
    """Return the type of each cell, by what follows the addresses in their tags."""
    sizes = ends - starts
    longest = int(sizes.max())
    _demand(longest <= 8 * _REST_WORDS)
    words: list[Words] = []
    for part in range(0, longest, 8):
        masks = word_masks(np.arange(longest + 1) - part)
        words.append(words_at(tags.signs, starts + part, 8) & masks[sizes])
    sums = np.zeros(len(starts), dtype=np.uint64)
    for word in words:
        sums = sums * _FACTOR + word
    known = np.unique(sums)
    numbers = np.searchsorted(known, sums)
    examples = np.zeros(len(known), dtype=np.int64)
    examples[numbers] = np.arange(len(numbers))
    # two cells of one sum must have the same bytes too
    _demand(all((word == word[examples[numbers]]).all() for word in words))
    kinds = []
    for start, end in zip(starts[examples].tolist(), ends[examples].tolist(), strict=True):
        match = _REST.fullmatch(tags.data, start, end)
        if match is None:
            raise _NotPlainError
        kinds.append((match[1] or b"n").decode())
    return numbers, kinds


def _formulas(tags: Tags, cells: _Cells, places: Places) -> PlainFormulas:
    """Return the formulas: none too long, and none that may link to another workbook."""
    found = tags.of(Tag.FORMULA)
    starts, ends = tags.ends[found], tags.starts[found + 1]
    _demand((ends - starts <= MAX_FORMULA_CHARACTERS).all())
    brackets = np.flatnonzero(tags.signs == ord("["))
    if len(brackets) and len(found):
        before = np.searchsorted(starts, brackets, side="right") - 1
        _demand(((before < 0) | (brackets >= ends[before])).all())
    return PlainFormulas(places, cells.owners(found), starts, ends, tags.data)


def _values(tags: Tags, cells: _Cells, places: Places, texts: Sequence[str]) -> PlainValues:
    """Return the values: numbers, shared texts, texts."""
    held, inline, none = tags.of(Tag.VALUE), tags.of(Tag.TEXT), tags.of(Tag.NO_VALUE)
    owners, none = cells.owners(held), cells.owners(none)
    _demand(cells.of_type(cells.owners(inline), "inlineStr").all())
    _demand(cells.of_type(owners, "n", "s", "str").all() and cells.of_type(none, "n").all())
    starts, ends = tags.ends[held], tags.starts[held + 1]
    numeric = cells.of_type(owners, "n") & (ends > starts)
    numbers = np.full(len(cells.tags), np.nan)
    numbers[owners[numeric]] = _floats(tags.signs, starts[numeric], ends[numeric])
    found = dict(_texts(tags, held[cells.of_type(owners, "str")], cells))
    found.update(_texts(tags, inline, cells))
    for number, text in _texts(tags, held[cells.of_type(owners, "s")], cells):
        _demand(text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_DIGITS)
        found[number] = texts[int(text)]  # LookupError if it is missing
    filled = ~np.isnan(numbers)
    filled[list(found)] = True
    return PlainValues(places, filled, numbers, found)


def _texts(tags: Tags, opening: Numbers, cells: _Cells) -> list[tuple[int, str]]:
    """Return the cells' numbers and the texts that follow some tags."""
    starts, ends = tags.ends[opening].tolist(), tags.starts[opening + 1].tolist()
    return [
        (number, unescaped(tags.data[start:end]))
        for number, start, end in zip(cells.owners(opening).tolist(), starts, ends, strict=True)
    ]


def _floats(signs: Bytes, starts: Numbers, ends: Numbers) -> NDArray[np.float64]:
    """Return the numbers that are written at some places, each as Python reads it."""
    if not len(starts):
        return np.zeros(0)
    sizes = ends - starts
    width = int(sizes.max()) + 1
    _demand(width < ROOM)
    windows = np.lib.stride_tricks.sliding_window_view(signs, width)[starts]
    beyond = np.arange(width) >= sizes[:, None]
    windows[beyond] = ord(" ")
    blanks = np.count_nonzero(windows == ord(" "))
    _demand(blanks == np.count_nonzero(beyond) and _NUMBER_SIGNS[windows].all())
    found = np.array(list(map(float, windows.tobytes().split())))
    _demand(np.isfinite(found).all())
    return found
