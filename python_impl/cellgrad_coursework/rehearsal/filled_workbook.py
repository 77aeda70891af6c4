"""A handout's file with cells filled in, as text: nothing else in it is touched."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import unescape

REFERENCE = re.compile(r"(?<![\w$.!'])(\$?)([A-Z]{1,3})(\$?)(\d+)(?![\w(.])")


def parts_of(data: bytes) -> dict[str, bytes]:
    """Return the parts of a workbook file by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: Mapping[str, bytes]) -> bytes:
    """Return parts as a workbook file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 1)
    return buffer.getvalue()


def sheet_of(data: bytes, sheet: str) -> tuple[str, str]:
    """Return the name and the text of a sheet's part: our own handouts number them in order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = re.findall(r'<sheet [^>]*?name="([^"]*)"', archive.read("xl/workbook.xml").decode())
        place = [unescape(name) for name in names].index(sheet)
        part = f"xl/worksheets/sheet{place + 1}.xml"
        return part, archive.read(part).decode()


def filled(text: str, cells: Mapping[str, str]) -> str:
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


_FROM = 4
"""The row above which rows are inserted."""


def moved(text: str, rows: int) -> str:
    """Return a sheet with rows inserted near its top, as a spreadsheet program would."""
    text = re.sub(r"<conditionalFormatting.*?</conditionalFormatting>", "", text, flags=re.DOTALL)
    text = re.sub(r"<dataValidations.*?</dataValidations>", "", text, flags=re.DOTALL)
    text = re.sub(r'<row r="(\d+)"', lambda m: f'<row r="{_down(m[1], rows)}"', text)
    text = re.sub(r'<c r="([A-Z]+)(\d+)"', lambda m: f'<c r="{m[1]}{_down(m[2], rows)}"', text)
    text = re.sub(
        r"(<f[^>]*>)([^<]*)(</f>)", lambda m: m[1] + _moved_formula(m[2], rows) + m[3], text
    )
    return re.sub(
        r'(<mergeCell ref=")([^"]*)"', lambda m: f'{m[1]}{_moved_formula(m[2], rows)}"', text
    )


def _down(row: str, rows: int) -> str:
    return str(int(row) + rows) if int(row) >= _FROM else row


def _moved_formula(formula: str, rows: int) -> str:
    return REFERENCE.sub(
        lambda match: f"{match[1]}{match[2]}{match[3]}{_down(match[4], rows)}", formula
    )


def moved_names(text: str, sheet: str, rows: int) -> str:
    """Return the workbook's part with the defined names moved along."""

    def name(match: re.Match[str]) -> str:
        if not match[2].startswith((f"{sheet}!", f"'{sheet}'!")):
            return match[0]
        moved = re.sub(r"(\$[A-Z]+\$)(\d+)", lambda m: m[1] + _down(m[2], rows), match[2])
        return match[1] + moved + match[3]

    return re.sub(r"(<definedName [^>]*>)([^<]*)(</definedName>)", name, text)
