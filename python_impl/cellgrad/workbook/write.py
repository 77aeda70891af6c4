"""The whole workbook of a case: as plain data, and as a file without stored values."""

from __future__ import annotations

from cellgrad.case.model import Case
from cellgrad.workbook import check_sheet, layout, style, walkthrough_sheet
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Book
from cellgrad.workbook.diagram import network_drawing
from cellgrad.workbook.guide import write_guide
from cellgrad.workbook.map_writer import write_map
from cellgrad.workbook.serialise import file_of
from cellgrad.workbook.step_sheet import StepSheet
from cellgrad.xlsx import map_sheet


def describe_workbook(case: Case) -> Book:
    """Return everything that the workbook of a case's training step holds.

    Args:
        case: a case that makes one update.

    Raises:
        CaseError: the case makes more than one update.
        WorkbookError: the network is larger than a sheet holds.
    """
    structure = case.structure()
    place = layout.StepLayout(structure)
    book = Book(case.title, style.STYLES)
    names = ("Guide", layout.SHEET, walkthrough_sheet.SHEET, check_sheet.SHEET, map_sheet.SHEET)
    guide, step, walkthrough, check, own_map = (Canvas(book, name) for name in names)
    StepSheet(step, case, place).write()
    walkthrough_sheet.WalkthroughSheet(walkthrough, place).write()
    check_sheet.CheckSheet(check, place).write()
    write_map(own_map, case, structure, book.claims)
    anchor = write_guide(guide, case, place)
    book.drawing = network_drawing(structure, anchor)
    return book


def write_workbook(case: Case) -> bytes:
    """Return the .xlsx file of a case's training step: formulas, no values yet.

    Raises:
        CaseError: the case makes more than one update.
        WorkbookError: the network is larger than a sheet holds.
    """
    return file_of(describe_workbook(case))
