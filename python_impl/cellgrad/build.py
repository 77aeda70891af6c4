"""From a case to a finished workbook file: written here, calculated by an engine."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from cellgrad.case.model import Case
from cellgrad.engines.formualizer import store_values
from cellgrad.errors import WorkbookError
from cellgrad.files import write_atomically
from cellgrad.workbook import write_workbook
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import read_map
from cellgrad.xlsx.values import CellError

EXP_LIMIT = 700.0
"""EXP overflows to an error just above 709; near it a sheet cannot be trusted."""


def workbook_bytes(case: Case) -> bytes:
    """Return the .xlsx file of a case, with the values that the engine computed.

    Raises:
        CaseError: the case makes more than one update.
        WorkbookError: it does not fit a sheet, or a pre-activation comes near 700.
        EngineError: the engine refused it.
    """
    data = store_values(write_workbook(case))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "built.xlsx"
        path.write_bytes(data)
        _refuse_overflow(read_book(path))
    return data


def build(case: Case, output: Path) -> None:
    """Write the workbook of a case, whole or not at all.

    Raises:
        InputError: as ``workbook_bytes``, or the place cannot be written.
    """
    write_atomically(output, workbook_bytes(case))


def _refuse_overflow(book: Book) -> None:
    table = read_map(book)
    if table is None:
        return
    for claim in table.claims:
        if claim.quantity not in ("pre_activation", "pass_pre_activation"):
            continue
        cells = claim.cells
        values = book.sheets[cells.sheet].values
        for row in range(cells.top, cells.bottom + 1):
            for column in range(cells.left, cells.right + 1):
                value = values.get((row, column))
                bad = isinstance(value, CellError) or (
                    isinstance(value, float) and not abs(value) < EXP_LIMIT
                )
                if bad:
                    shown = value if isinstance(value, CellError) else f"{value:.6g}"
                    raise WorkbookError(
                        f"{claim.label} comes to {shown} at {cells.sheet}!{a1(row, column)}",
                        remedy=f"keep pre-activations below {EXP_LIMIT:.0f}: EXP overflows "
                        f"above {math.log(1.7976931348623157e308):.0f}",
                    )
