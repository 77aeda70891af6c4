"""The whole workbook of a case, as bytes, without stored values."""

from __future__ import annotations

import io

from openpyxl import Workbook
from openpyxl.workbook.properties import CalcProperties

from cellgrad.case.model import Case
from cellgrad.workbook import check_sheet, guide_sheet, layout, style, walkthrough_sheet
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.container import finish
from cellgrad.workbook.diagram import network_drawing
from cellgrad.workbook.map_writer import write_map
from cellgrad.workbook.step_sheet import StepSheet
from cellgrad.xlsx import map_sheet
from cellgrad.xlsx.map_sheet import Claim


def write_workbook(case: Case) -> bytes:
    """Return the .xlsx file of a case's training step: formulas, no values yet.

    Args:
        case: a case that makes one update.

    Raises:
        CaseError: the case makes more than one update.
        WorkbookError: the network is larger than a sheet holds.
    """
    structure = case.structure()
    place = layout.StepLayout(structure)
    book = Workbook()
    book.remove(book.active)
    style.register(book)
    claims: list[Claim] = []
    names = ("Guide", layout.SHEET, walkthrough_sheet.SHEET, check_sheet.SHEET, map_sheet.SHEET)
    canvases = {name: Canvas(book, name, claims) for name in names}
    StepSheet(canvases[layout.SHEET], case, place).write()
    walkthrough_sheet.WalkthroughSheet(canvases[walkthrough_sheet.SHEET], place).write()
    check_sheet.CheckSheet(canvases[check_sheet.SHEET], place).write()
    write_map(canvases[map_sheet.SHEET], case, structure, claims)
    anchor = guide_sheet.write_guide(canvases["Guide"], case, place)
    book.properties.title = case.title
    book.properties.creator = "cellgrad"
    book.calculation = CalcProperties(fullCalcOnLoad=True)
    book.active = 0
    buffer = io.BytesIO()
    book.save(buffer)
    return finish(buffer.getvalue(), network_drawing(structure, anchor))
