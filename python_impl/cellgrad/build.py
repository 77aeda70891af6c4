"""From a case or a plan to a finished workbook file: written here, calculated by an engine."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Protocol

from cellgrad.case.model import Case
from cellgrad.case.read import read_case
from cellgrad.engines.formualizer import store_values
from cellgrad.errors import WorkbookError
from cellgrad.files import write_atomically
from cellgrad.packages import load
from cellgrad.workbook import write_workbook
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import read_map
from cellgrad.xlsx.values import CellError

EXP_LIMIT = 700.0
"""EXP overflows to an error just above 709; near it a sheet cannot be trusted."""


_EXPONENTS = ("pre_activation", "pass_pre_activation", "validation_pre_activation")


class Plan(Protocol):
    """A workbook of several parts, as the series describes it."""

    @property
    def id(self) -> str:
        """Its name for programs."""


def workbook_bytes(source: Case | Plan) -> bytes:
    """Return the .xlsx file of a case or a plan, with the values that the engine computed.

    A case with a single plain update becomes the workbook of a training step; every other
    case one with a row an update.

    Raises:
        CaseError: what is put together does not fit.
        WorkbookError: it does not fit a sheet, or a pre-activation comes near 700.
        EngineError: the engine refused it.
        PackageMissingError: it has several parts or updates, and the series is not installed.
    """
    data = store_values(_written(source))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "built.xlsx"
        path.write_bytes(data)
        _refuse_overflow(read_book(path))
    return data


def _written(source: Case | Plan) -> bytes:
    if isinstance(source, Case) and source.is_step():
        return write_workbook(source)
    needs = "a workbook with a row an update, or of several parts, needs"
    plan = source
    if isinstance(source, Case):
        plan = load("cellgrad_series.plan:plan_of_case", needs)(source)
    data: bytes = load("cellgrad_series.sheets.write_plan:write_plan", needs)(plan)
    return data


def build(source: Case | Plan, output: Path) -> None:
    """Write the workbook of a case or a plan, whole or not at all.

    Raises:
        InputError: as ``workbook_bytes``, or the place cannot be written.
    """
    write_atomically(output, workbook_bytes(source))


def read_source(path: Path) -> Case | Plan:
    """Read a case file (.json) or a book description (.toml).

    Raises:
        InputError: it is neither, or cannot be used.
    """
    if path.suffix.lower() != ".toml":
        return read_case(path)
    plan: Plan = load("cellgrad_series.read_plan:read_plan", "a book (.toml) needs")(path)
    return plan


def _refuse_overflow(book: Book) -> None:
    table = read_map(book)
    if table is None:
        return
    for claim in table.claims:
        if claim.quantity not in _EXPONENTS:
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
