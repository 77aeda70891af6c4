"""The .xlsx container: the same bytes whenever the same case is written."""

from __future__ import annotations

import io
import re
import zipfile

_DATE = (2026, 1, 1, 0, 0, 0)
_W3C_DATE = "2026-01-01T00:00:00Z"
_DRAWING_TYPE = "application/vnd.openxmlformats-officedocument.drawing+xml"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

_QUIET = (
    '<ignoredErrors><ignoredError sqref="A1:XFD1048576" numberStoredAsText="1" formula="1" '
    'formulaRange="1" emptyCellReference="1"/></ignoredErrors>'
)
"""Keeps Excel from flagging matrices of like formulas as inconsistent."""


def finish(data: bytes, drawing: str | None) -> bytes:
    """Fix every date, put the drawing on the first sheet, quiet Excel's green triangles.

    Args:
        data: a workbook as openpyxl saved it.
        drawing: the DrawingML part for the first sheet, if it has one.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    core = parts["docProps/core.xml"].decode()
    core = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", _W3C_DATE, core)
    parts["docProps/core.xml"] = core.encode()
    link = f'<drawing xmlns:r="{_OFFICE}" r:id="rId1"/>'
    for name, content in parts.items():
        if name.startswith("xl/worksheets/sheet"):
            own = link if name.endswith("/sheet1.xml") and drawing else ""
            parts[name] = _quietened(content, own)
    if drawing:
        _add_drawing(parts, drawing)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3  # the same on every system
            new.writestr(info, content, compresslevel=9)
    return buffer.getvalue()


def _quietened(sheet: bytes, link: str) -> bytes:
    """Add what comes last on a sheet; ignored errors stand before any drawing."""
    own = re.search(rb"<drawing [^>]*/>", sheet)
    if own is not None:
        return sheet.replace(own[0], _QUIET.encode() + own[0])
    return sheet.replace(b"</worksheet>", f"{_QUIET}{link}</worksheet>".encode())


def _add_drawing(parts: dict[str, bytes], drawing: str) -> None:
    number = 1 + sum(name.startswith("xl/drawings/drawing") for name in parts)
    part = f"/xl/drawings/drawing{number}.xml"
    parts[part[1:]] = drawing.encode()
    parts["xl/worksheets/_rels/sheet1.xml.rels"] = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships '
        f'xmlns="{_RELATIONS}"><Relationship Id="rId1" Type="{_OFFICE}/drawing" '
        f'Target="{part}"/></Relationships>'
    ).encode()
    types = parts["[Content_Types].xml"].decode()
    override = f'<Override PartName="{part}" ContentType="{_DRAWING_TYPE}"/>'
    parts["[Content_Types].xml"] = types.replace("</Types>", f"{override}</Types>").encode()
