"""From a case or a plan to a finished workbook file: written here, calculated by an engine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cellgrad.case.model import Case, read_case
from cellgrad.case.quantities import structure_facts
from cellgrad.engines.formualizer import FormualizerEngine, store_values
from cellgrad.errors import WorkbookError
from cellgrad.files import write_atomically
from cellgrad.shipped import load
from cellgrad.workbook import check_sheet, walkthrough_sheet
from cellgrad.workbook.canvas import STYLES, Canvas, write_map
from cellgrad.workbook.description import Book
from cellgrad.workbook.formulas import SHEET as STEP
from cellgrad.workbook.formulas import StepLayout
from cellgrad.workbook.guide import network_drawing, write_guide
from cellgrad.workbook.serialise import Draw, file_of
from cellgrad.workbook.step_sheet import StepSheet
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.map_sheet import SHEET as MAP
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.sheet import CellError

EXP_LIMIT = 700.0
"""EXP overflows to an error just above 709; near it a sheet cannot be trusted."""


_EXPONENTS = ("pre_activation", "pass_pre_activation", "validation_pre_activation")


class Plan(Protocol):
    """A workbook of several parts, as the series describes it."""

    @property
    def id(self) -> str:
        """Its name for programs."""


def described_workbook(source: Case | Plan) -> tuple[Book, Draw | None]:
    """Return what the workbook of a case or a plan holds, and what draws its charts.

    A case with a single plain update becomes the workbook of a training step; every other
    case one with a row an update.

    Raises:
        CaseError: what is put together does not fit.
        WorkbookError: it does not fit a sheet.
        PackageMissingError: it has several parts or updates, and the series is not installed.
    """
    if isinstance(source, Case) and source.is_step():
        return describe_step(source), None
    needs = "a workbook with a row an update, or of several parts, needs"
    plan = source
    if isinstance(source, Case):
        plan = load("cellgrad_series.plan:plan_of_case", needs)(source)
    describe = load("cellgrad_series.sheets.write_plan:describe_plan", needs)
    return describe(plan), load("cellgrad_series.sheets.draw_chart:draw", needs)


def describe_step(case: Case) -> Book:
    """Return everything that the workbook of a case's training step holds.

    Raises:
        CaseError: the case makes more than one update.
        WorkbookError: the network is larger than a sheet holds.
    """
    structure = case.structure()
    layout = StepLayout(structure)
    book = Book(case.title, STYLES)
    names = ("Guide", STEP, walkthrough_sheet.SHEET, check_sheet.SHEET, MAP)
    guide, step, walkthrough, check, own_map = (Canvas(book, name) for name in names)
    StepSheet(step, case, layout).write()
    walkthrough_sheet.WalkthroughSheet(walkthrough, layout).write()
    check_sheet.CheckSheet(check, layout).write()
    write_map(own_map, case.id, structure_facts(structure))
    book.drawing = network_drawing(structure, write_guide(guide, case, layout))
    return book


def workbook_bytes(source: Case | Plan) -> bytes:
    """Return the .xlsx file of a case or a plan, with the values that the engine computed.

    Raises:
        InputError: as ``described_workbook``, a pre-activation comes near 700, or the engine
            refused it.
    """
    book, draw = described_workbook(source)
    data = store_values(file_of(book, draw))
    _refuse_overflow(data, [claim for claim in book.claims if claim.quantity in _EXPONENTS])
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


def _refuse_overflow(data: bytes, claims: Sequence[Claim]) -> None:
    if not claims:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "built.xlsx"
        path.write_bytes(data)
        with FormualizerEngine().open(path) as workbook:
            blocks = workbook.read([claim.cells for claim in claims])
    for claim, rows in zip(claims, blocks, strict=True):
        for row, values in enumerate(rows, claim.cells.top):
            for column, value in enumerate(values, claim.cells.left):
                if isinstance(value, float) and not abs(value) < EXP_LIMIT:
                    shown = f"{value:.6g}"
                elif isinstance(value, CellError):
                    shown = value.code
                else:
                    continue
                raise WorkbookError(
                    f"{claim.label} comes to {shown} at {claim.cells.sheet}!{a1(row, column)}",
                    remedy=f"keep pre-activations below {EXP_LIMIT:.0f}: EXP overflows above 709",
                )
