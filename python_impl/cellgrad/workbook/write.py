"""The whole workbook of a case: as plain data, and as a file without stored values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cellgrad.case.model import Case
from cellgrad.case.quantities import Structure, structure_facts
from cellgrad.workbook import check_sheet, walkthrough_sheet
from cellgrad.workbook.canvas import STYLES, Canvas
from cellgrad.workbook.description import Book
from cellgrad.workbook.formulas import SHEET as STEP
from cellgrad.workbook.formulas import StepLayout
from cellgrad.workbook.guide import network_drawing, write_guide
from cellgrad.workbook.step_sheet import StepSheet
from cellgrad.xlsx.map_sheet import COLUMNS, FORMAT, FORMAT_OF_PARTS, PART, SHEET, Claim

_WIDTHS = (15, 26, 7, 24, 13, 14, 9, 9, 24)


def describe_workbook(case: Case) -> Book:
    """Return everything that the workbook of a case's training step holds.

    Args:
        case: a case that makes one update.

    Raises:
        CaseError: the case makes more than one update.
        WorkbookError: the network is larger than a sheet holds.
    """
    structure = case.structure()
    layout = StepLayout(structure)
    book = Book(case.title, STYLES)
    names = ("Guide", STEP, walkthrough_sheet.SHEET, check_sheet.SHEET, SHEET)
    guide, step, walkthrough, check, own_map = (Canvas(book, name) for name in names)
    StepSheet(step, case, layout).write()
    walkthrough_sheet.WalkthroughSheet(walkthrough, layout).write()
    check_sheet.CheckSheet(check, layout).write()
    write_map(own_map, case, structure, book.claims)
    anchor = write_guide(guide, case, layout)
    book.drawing = network_drawing(structure, anchor)
    return book


# the Map: what every formula cell of the workbook is


def write_map(canvas: Canvas, case: Case, structure: Structure, claims: Sequence[Claim]) -> None:
    """Write the Map of a single step: its words, then one row a claimed rectangle."""
    facts = {"format": FORMAT, "case": case.id, **structure_facts(structure)}
    row = _facts(canvas, _head(canvas), facts) + 1
    canvas.sheet.freeze_panes = f"A{row + 1}"
    _finish(canvas, _table(canvas, row, claims))


def write_map_of_parts(
    canvas: Canvas, plan_id: str, parts: Mapping[str, Mapping[str, str]], claims: Sequence[Claim]
) -> None:
    """Write the Map of a workbook of parts: of each its words, then its claims.

    Args:
        canvas: the sheet.
        plan_id: the workbook's name for programs.
        parts: the words of every part, by its name.
        claims: all claims; each names its part.
    """
    row = _facts(canvas, _head(canvas), {"format": FORMAT_OF_PARTS, "case": plan_id})
    for name, facts in parts.items():
        row = _facts(canvas, row + 1, {PART: name, **facts}) + 1
        row = _table(canvas, row, [claim for claim in claims if claim.part == name]) + 1
    _finish(canvas, row)


def _head(canvas: Canvas) -> int:
    canvas.text(1, 1, "What every cell is", "title")
    canvas.text(
        2,
        1,
        "Read by programs; r and c count rows and columns of a rectangle from 0. "
        "Every formula cell of this workbook is claimed once.",
        "subtitle",
    )
    return 4


def _facts(canvas: Canvas, row: int, facts: Mapping[str, str]) -> int:
    for name, value in facts.items():
        canvas.text(row, 1, name, "block")
        canvas.text(row, 2, value)
        row += 1
    return row


def _table(canvas: Canvas, row: int, claims: Sequence[Claim]) -> int:
    """Write the heads into a row and the claims below; return the last row."""
    for column, name in enumerate(COLUMNS, start=1):
        canvas.text(row, column, name, "head")
    for claim in claims:
        row += 1
        values = (
            claim.kind,
            claim.quantity,
            "" if claim.layer is None else str(claim.layer),
            claim.label,
            claim.cells.sheet,
            claim.cells.address,
            claim.rule.text,
            claim.equation,
            claim.defined_name,
        )
        for column, value in enumerate(values, start=1):
            if value:
                canvas.text(row, column, value)
    return row


def _finish(canvas: Canvas, last_row: int) -> None:
    canvas.widths(dict(zip(range(1, 10), _WIDTHS, strict=True)))
    # an empty cell as print area: the Map is never printed
    canvas.print_on("portrait", area=f"K{last_row + 2}")
