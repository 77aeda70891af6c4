"""Reading a sheet of the plain form with one regular expression: fast.

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
    SheetCells,
)

_OPENED, _CLOSED = b"<sheetData>", b"</sheetData>"
_ROOT = re.compile(
    rb'(?:<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")?(?: standalone="(?:yes|no)")? ?\?>'
    rb"\s*)?<worksheet\s"
)
_ITEM = re.compile(
    r'<c r="(?P<letters>[A-Z]{1,3})(?P<digits>[1-9][0-9]{0,6})"(?: s="[0-9]{1,6}")?'
    r'(?: t="(?P<kind>n|s|str|inlineStr)")? ?(?:/>|>'
    rf"(?:<f>(?P<formula>[^<\[]{{0,{MAX_FORMULA_CHARACTERS}}})</f>)?"
    rf"(?:<v ?>(?:(?P<number>[-+.0-9Ee]{{1,{MAX_NUMBER_CHARACTERS}}})|(?P<text>[^<]*))</v>"
    r'|(?P<empty><v ?/>)|<is><t(?: xml:space="preserve")?>(?P<inline>[^<]*)</t></is>)?</c>)'
    r'|<row r="(?P<row>[1-9][0-9]{0,6})"(?![^>]* (?P<twice>[a-zA-Z]+)=[^>]* (?P=twice)=)'
    r"(?: (?:spans|s|ht|hidden|customFormat|customHeight|outlineLevel|collapsed|thickTop|thickBot)"
    r'="[A-Za-z0-9 :.-]*")*(?:>|(?P<closed> ?/>))|</row>'
)
_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
_SIGNS = bytes({*b"\t\n", *range(0x20, 0x100)})


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
    try:
        cells, count = _read_table(_table(package, part), texts)
    except (_NotPlainError, WorkbookError, ValueError, LookupError):
        return None
    package.take("cells", count, sheet)
    return cells


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

    rest = data[:start] + b"<sheetData/>" + data[end + len(_CLOSED) :]
    package.parse(part, note, data=rest)
    table = data[start + len(_OPENED) : end]
    _demand(len(tables) == 1 and not table.translate(None, _SIGNS))
    text = table.decode()
    _demand(text.isascii() or not any(sign in text for sign in "\ufffe\uffff"))  # no signs of XML
    return text


def _read_table(table: str, texts: Sequence[str]) -> tuple[SheetCells, int]:
    """Return the cells, and how many there are, empty ones too."""
    _demand("]]>" not in table and not _ENTITY.search(table))
    cells = SheetCells()
    above = column = count = at = 0
    open_row = ""
    for match in _ITEM.finditer(table):
        if match.start() != at:
            raise _NotPlainError
        at = match.end()
        letters, digits, kind, formula, number, text, empty, inline, row, _, closed = match.groups()
        if row is not None:
            _demand(not open_row and above < int(row) <= MAX_ROW)
            above, column, open_row = int(row), 0, "" if closed else row
        elif letters is None:
            _demand(open_row)
            open_row = ""
        else:
            left, column, count = column, column_number(letters), count + 1
            if digits != open_row or not left < column <= MAX_COLUMN:
                raise _NotPlainError
            place = above, column
            if formula is not None:
                cells.formulas[place] = unescaped(formula)
            text = text if empty is None else ""
            value = _value(kind, number, text, inline, texts)
            if value is not None:
                cells.values[place] = value
    _demand(at == len(table) and not open_row)
    return cells, count


def _value(
    kind: str | None, number: str | None, text: str | None, inline: str | None, texts: Sequence[str]
) -> float | str | None:
    """Return what a cell holds: a number, a text, or nothing."""
    if kind is None or kind == "n":
        _demand(not text and inline is None)
        value = None if number is None else float(number)
        _demand(value is None or math.isfinite(value))
        return value
    if kind == "inlineStr":
        _demand(number is None and text is None)
        return None if inline is None else unescaped(inline)
    _demand(inline is None)
    if number is None and text is None:
        return None
    if kind == "s":
        _demand(number is not None and number.isdigit() and len(number) <= MAX_INDEX_DIGITS)
        return texts[int(number or "")]
    return unescaped(number or text or "")


def unescaped(text: str) -> str:
    """Return what stands for a text in XML without the named entities."""
    if "&" in text:
        for entity, sign in _ENTITIES:  # the ampersand comes last, or it would make new ones
            text = text.replace(entity, sign)
    return text
