"""Storing values in a workbook file by patching the ``<v>`` elements of its formula cells.

For sheets that the engine's own writer does not take. Everything but the values
and their types stays as it is. Meant for files of this project's own writer,
whose formula cells all have the same plain form.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from xml.sax.saxutils import escape

from cellgrad.errors import EngineError
from cellgrad.xlsx.addresses import Range, parse_a1
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.values import Block, CellError, Value

_CELL = re.compile(
    r'<c r="(?P<at>[A-Z]{1,3}[0-9]+)"(?P<style> s="[0-9]+")?>'
    r"<f>(?P<formula>[^<]*)</f>(?:<v ?/>|<v></v>)</c>"
)

Read = Callable[[list[Range]], list[Block]]


def patch_values(data: bytes, book: Book, read: Read) -> bytes:
    """Return the file with the value of every formula stored beside it.

    Args:
        data: the bytes of the .xlsx file.
        book: its cells and formulas.
        read: returns the calculated values of ranges.

    Raises:
        EngineError: a formula cell has another form than this writer's.
    """
    parts = {f"xl/worksheets/sheet{n}.xml": name for n, name in enumerate(book.sheets, start=1)}
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            content = old.read(info)
            name = parts.get(info.filename)
            if name is not None and book.sheets[name].formulas:
                content = _patched(content.decode(), name, book, read).encode()
            new.writestr(info, content, compresslevel=9)
    return buffer.getvalue()


def _patched(xml: str, sheet: str, book: Book, read: Read) -> str:
    cells = book.sheets[sheet].formulas
    bottom, right = max(row for row, _ in cells), max(column for _, column in cells)
    block = read([Range(sheet, 1, 1, bottom, right)])[0]
    done = 0

    def with_value(match: re.Match[str]) -> str:
        nonlocal done
        done += 1
        row, column = parse_a1(match["at"])
        kind, text = _stored(block[row - 1][column - 1])
        head = f'<c r="{match["at"]}"{match["style"] or ""}{kind}><f>{match["formula"]}</f>'
        return f"{head}<v>{text}</v></c>"

    patched = _CELL.sub(with_value, xml)
    if done != len(cells):
        raise EngineError(f"{len(cells) - done} formula cells of {sheet} cannot be given a value")
    return patched


def _stored(value: Value) -> tuple[str, str]:
    """Return a value's type attribute and its text."""
    if isinstance(value, bool):
        return ' t="b"', str(int(value))
    if isinstance(value, float):
        return "", repr(value)
    if isinstance(value, CellError):
        return ' t="e"', escape(value.code)
    return ' t="str"', escape(value or "")
