"""The last touch to a handout's file: what openpyxl cannot write, and nothing left over."""

from __future__ import annotations

import io
import zipfile

from cellgrad.files import zip_entry

_QUIET, _QUIETER = b'emptyCellReference="1"/>', b'emptyCellReference="1" unlockedFormula="1"/>'


def without_triangles(data: bytes) -> bytes:
    """Return the file with Excel told not to flag every formula in an unlocked cell.

    Args:
        data: a workbook as the writer finished it; its parts keep their order.
    """
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name.startswith("xl/worksheets/sheet"):
                content = content.replace(_QUIET, _QUIETER)
            new.writestr(zip_entry(name), content, compresslevel=6)
    return buffer.getvalue()
