"""A handout's file with cells filled in, as text: nothing else in it is touched."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape, unescape

from cellgrad_coursework.rehearsal.calculated import Content

REFERENCE = re.compile(r"(?<![\w$.!'])(\$?)([A-Z]{1,3})(\$?)(\d+)(?![\w(.])")

_BOOK = "xl/workbook.xml"
_FROM = 4
"""The row above which rows are inserted."""


def filled_in(
    data: bytes,
    contents: Mapping[tuple[str, str], Content],
    texts: Mapping[tuple[str, str], str],
    rows: int = 0,
) -> bytes:
    """Return a handout with contents in its cells, as a student would save it.

    Args:
        data: the handout.
        contents: formulas, numbers or nothing, by sheet and address.
        texts: texts, by sheet and address.
        rows: so many rows are inserted near the top of the sheets with contents.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    inside: dict[str, dict[str, str]] = {}
    for (sheet, address), text in texts.items():
        inside.setdefault(sheet, {})[address] = f"<is><t>{escape(text)}</t></is>"
    for (sheet, address), content in contents.items():
        inside.setdefault(sheet, {})[address] = _inside(content)
    # our own handouts number the parts of their sheets in order
    names = re.findall(r'<sheet [^>]*?name="([^"]*)"', parts[_BOOK].decode())
    moving = {sheet for sheet, _ in contents} if rows else set()
    for number, sheet in enumerate(map(unescape, names), start=1):
        part = f"xl/worksheets/sheet{number}.xml"
        if sheet in inside:
            parts[part] = _filled(parts[part].decode(), inside[sheet]).encode()
        if sheet in moving:
            parts[part] = _moved(parts[part].decode(), rows).encode()
            parts[_BOOK] = _moved_names(parts[_BOOK].decode(), sheet, rows).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, part_data in parts.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            archive.writestr(entry, part_data, zipfile.ZIP_DEFLATED, 1)
    return buffer.getvalue()


def _inside(content: Content) -> str:
    if content is None:
        return ""
    return f"<v>{content!r}</v>" if isinstance(content, float) else f"<f>{escape(content)}</f>"


def _filled(text: str, cells: Mapping[str, str]) -> str:
    """Return a sheet with other contents in some of its cells."""

    def cell(match: re.Match[str]) -> str:
        address = match["r"]
        if address not in cells:
            return match[0]
        attributes = re.sub(r'\s+t="[^"]*"', "", match["a"])
        kind = ' t="inlineStr"' if cells[address].startswith("<is>") else ""
        return f'<c r="{address}"{attributes}{kind}>{cells[address]}</c>'

    return re.sub(
        r'<c r="(?P<r>[A-Z]+\d+)"(?P<a>[^>]*?)(?:/>|>.*?</c>)', cell, text, flags=re.DOTALL
    )


def _moved(text: str, rows: int) -> str:
    """Return a sheet with rows inserted near its top, as a spreadsheet program would."""

    def formula(match: re.Match[str]) -> str:
        moved = REFERENCE.sub(lambda m: f"{m[1]}{m[2]}{m[3]}{_down(m[4], rows)}", match[2])
        return match[1] + moved + match[3]

    for element in ("conditionalFormatting", "dataValidations"):
        text = re.sub(f"<{element}.*?</{element}>", "", text, flags=re.DOTALL)
    text = re.sub(r'<row r="(\d+)"', lambda m: f'<row r="{_down(m[1], rows)}"', text)
    text = re.sub(r'<c r="([A-Z]+)(\d+)"', lambda m: f'<c r="{m[1]}{_down(m[2], rows)}"', text)
    text = re.sub(r"(<f[^>]*>)([^<]*)(</f>)", formula, text)
    return re.sub(r'(<mergeCell ref=")([^"]*)(")', formula, text)


def _down(row: str, rows: int) -> str:
    return str(int(row) + rows) if int(row) >= _FROM else row


def _moved_names(text: str, sheet: str, rows: int) -> str:
    """Return the workbook's part with the defined names moved along."""

    def name(match: re.Match[str]) -> str:
        if not match[2].startswith((f"{sheet}!", f"'{sheet}'!")):
            return match[0]
        moved = re.sub(r"(\$[A-Z]+\$)(\d+)", lambda m: m[1] + _down(m[2], rows), match[2])
        return match[1] + moved + match[3]

    return re.sub(r"(<definedName [^>]*>)([^<]*)(</definedName>)", name, text)
