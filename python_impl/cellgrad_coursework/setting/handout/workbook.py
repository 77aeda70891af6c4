"""A student's workbook as a file, and the lecturer's with the formulas in it."""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key
from cellgrad.engines.formualizer import store_values
from cellgrad.workbook import layout, style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Book
from cellgrad.workbook.diagram import network_drawing
from cellgrad.workbook.serialise import file_of
from cellgrad_coursework.model import Student
from cellgrad_coursework.setting.assignment import Assignment, Blank
from cellgrad_coursework.setting.handout import step
from cellgrad_coursework.setting.handout.container import without_triangles
from cellgrad_coursework.setting.handout.guide import own_workbook, write_guide
from cellgrad_coursework.setting.handout.step import HandoutStep

GUIDE, STEP, SCRATCH = "Guide", layout.SHEET, "Scratch"
SCRATCH_BOX = (500, 60)
ROOM_ROWS, ROOM_COLUMNS = 200, 60
_GUIDE_ROWS = 400


def box_of(place: layout.StepLayout) -> dict[str, tuple[int, int]]:
    """Return, sheet by sheet, the last row and column that a submission may use.

    Rows may be inserted and helper cells may stand beside the calculation.
    """
    return {
        GUIDE: (_GUIDE_ROWS, ROOM_COLUMNS),
        STEP: (place.last_row + ROOM_ROWS, place.last_column + ROOM_COLUMNS),
        SCRATCH: SCRATCH_BOX,
    }


def handout_bytes(
    assignment: Assignment, student: Student, token: str, case: Case, place: layout.StepLayout
) -> bytes:
    """Return a student's workbook.

    What is blank was never written into it, nor calculated; the other formulas have the
    values that an engine gives them while the blanks are blank.
    """
    book, canvases = book_of(assignment, (GUIDE, STEP, SCRATCH))
    sheet = HandoutStep(
        canvases[STEP],
        case,
        place,
        assignment.blank_of(),
        title=assignment.title,
        caption=caption_of(student),
        equations=assignment.show_equations,
    )
    sheet.write()
    if assignment.policy.feedback != "none":
        sheet.say_what_is_filled(assignment.policy.feedback)
    anchor, _ = write_guide(canvases[GUIDE], assignment, own_workbook(student, token), place)
    write_scratch(canvases[SCRATCH])
    for name in (GUIDE, STEP):
        canvases[name].sheet.protected = True
    book.drawing = network_drawing(assignment.structure, anchor)
    return store_values(without_triangles(file_of(book)))


def key_bytes(
    assignment: Assignment, student: Student, case: Case, place: layout.StepLayout
) -> bytes:
    """Return the lecturer's workbook of a student: the same Step with every formula."""
    book, canvases = book_of(assignment, (STEP,))
    nothing: Mapping[Key, Blank] = {}
    HandoutStep(
        canvases[STEP],
        case,
        place,
        nothing,
        title=f"Answer key: {assignment.title}",
        caption=caption_of(student),
    ).write()
    book.title = f"Answer key: {assignment.title}"
    return store_values(file_of(book))


def worksheet_bytes(assignment: Assignment, case: Case, place: layout.StepLayout) -> bytes:
    """Return the sheet to print: the frames of Step alone, with room for everybody's numbers."""
    book, canvases = book_of(assignment, (STEP,))
    HandoutStep(
        canvases[STEP],
        case,
        place,
        {blank.quantity.key: blank for blank in assignment.blanks},
        title=assignment.title,
        caption="Name:                                             Id:",
        equations=assignment.show_equations,
        givens=False,
    ).write()
    due = f"Due: {assignment.due}" if assignment.due else ""
    page = canvases[STEP].sheet.page
    if page is not None:
        page.header = (assignment.course.replace("&", "&&"), due.replace("&", "&&"))
    return file_of(book)


def caption_of(student: Student) -> str:
    """Return the line that says whose sheet it is."""
    return f"{student.name}  ·  {student.id}" if student.name else student.id


def book_of(assignment: Assignment, names: tuple[str, ...]) -> tuple[Book, dict[str, Canvas]]:
    """Return a new workbook with its styles, and a canvas for each of its sheets."""
    book = Book(assignment.title, style.STYLES | step.STYLES)
    return book, {name: Canvas(book, name) for name in names}


def write_scratch(canvas: Canvas) -> None:
    """Write the sheet that is the student's own."""
    canvas.text(1, 1, "Scratch", "title")
    canvas.text(
        2,
        1,
        "For helper cells and notes: this sheet is not locked, and nothing on it is graded. "
        "Formulas on Step may refer to it.",
        "subtitle",
    )
    canvas.heights({1: 24})
    canvas.sheet.grid_lines = True
