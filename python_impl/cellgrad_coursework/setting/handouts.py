"""Handouts as files: a student's workbook, one for everybody, the key, the worksheet to print."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from cellgrad.case.model import Case
from cellgrad.engines.formualizer import store_values
from cellgrad.workbook.canvas import STYLES, Canvas
from cellgrad.workbook.description import Book, Style
from cellgrad.workbook.formulas import SHEET as STEP
from cellgrad.workbook.formulas import StepLayout
from cellgrad.workbook.guide import Anchor, GuidePage, network_drawing
from cellgrad.workbook.serialise import file_of
from cellgrad.xlsx.addresses import a1
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.derivation import Constants, Derivation
from cellgrad_coursework.model import VALUE, Student
from cellgrad_coursework.setting import numbers_sheet, step_sheet
from cellgrad_coursework.setting.assignment import Assignment, Blank
from cellgrad_coursework.setting.givens import Plan, given_places
from cellgrad_coursework.setting.numbers_sheet import ANCHOR, NUMBERS, NumbersSheet

GUIDE, SCRATCH = "Guide", "Scratch"
TOKEN_NAME = "cellgrad_token"  # noqa: S105 - the name of a cell
"""The defined name of the cell that holds the workbook's own token."""

ID_NAME = "cellgrad_student_id"
"""The defined name of the cell that a student types their id into, where one file serves all."""

_SCRATCH_BOX = (500, 60)
_ROOM_ROWS, _ROOM_COLUMNS = 200, 60
_GUIDE_ROWS = 400
_SECONDS = 120
"""So long LibreOffice may take to print the worksheet."""

_STUDENT_ID = "student id"
_STYLES = STYLES | step_sheet.STYLES
_ONE_FILE_STYLES = {
    **_STYLES,
    # a text, so that zeros stay
    _STUDENT_ID: Style(
        12,
        bold=True,
        fill=step_sheet.EMPTY,
        line=("medium", step_sheet.EDGE),
        number_format="@",
        horizontal="left",
        indent=1,
        locked=False,
    ),
    **numbers_sheet.STYLES,
}


@dataclass(frozen=True, slots=True)
class OneFile:
    """The workbook for everybody, and what grading needs to know of it.

    Attributes:
        data: the file.
        derivation: how it derives the givens.
        box: the last row and column of the sheet that other handouts do not have.
    """

    data: bytes
    derivation: Derivation
    box: dict[str, tuple[int, int]]


def box_of(layout: StepLayout) -> dict[str, tuple[int, int]]:
    """Return, sheet by sheet, the last row and column that a submission may use.

    Rows may be inserted and helper cells may stand beside the calculation.
    """
    return {
        GUIDE: (_GUIDE_ROWS, _ROOM_COLUMNS),
        STEP: (layout.last_row + _ROOM_ROWS, layout.last_column + _ROOM_COLUMNS),
        SCRATCH: _SCRATCH_BOX,
    }


def handout_bytes(
    assignment: Assignment, student: Student, token: str, case: Case, layout: StepLayout
) -> bytes:
    """Return a student's workbook.

    What is blank is not written into it, nor calculated; the other formulas have the
    values that an engine gives them while the blanks are blank.
    """
    book = Book(assignment.title, _STYLES)
    guide, step, scratch = (Canvas(book, name) for name in (GUIDE, STEP, SCRATCH))
    _write_step(step, assignment, case, layout, _caption_of(student))
    anchor = _write_guide(guide, assignment, layout, _own_workbook(assignment, student, token))
    _write_scratch(scratch)
    return _finished(book, assignment, anchor)


def key_bytes(assignment: Assignment, student: Student, case: Case, layout: StepLayout) -> bytes:
    """Return the lecturer's workbook of a student: the same Step with every formula."""
    book, caption = Book(f"Answer key: {assignment.title}", _STYLES), _caption_of(student)
    canvas = Canvas(book, STEP)
    step_sheet.write_step(canvas, assignment, case, layout, caption=caption, solved=True)
    return store_values(file_of(book))


def worksheet_bytes(assignment: Assignment, case: Case, layout: StepLayout) -> bytes:
    """Return the sheet to print: the frames of Step alone, with room for everybody's numbers."""
    book = Book(assignment.title, _STYLES)
    canvas = Canvas(book, STEP)
    step_sheet.write_step(
        canvas,
        assignment,
        case,
        layout,
        caption="Name:                                             Id:",
        givens="room for your own numbers",
    )
    step_sheet.without_givens(canvas.sheet, layout)
    due = f"Due: {assignment.due}" if assignment.due else ""
    if canvas.sheet.page is not None:
        canvas.sheet.page.header = (assignment.course.replace("&", "&&"), due.replace("&", "&&"))
    return file_of(book)


def one_file(
    assignment: Assignment, plan: Plan, constants: Constants, layout: StepLayout
) -> OneFile:
    """Return the workbook for all.

    What differs from a student's own: the id is typed into the Guide, and the givens on Step
    are formulas that lead to the Numbers sheet.

    Args:
        assignment: what is handed out.
        plan: which givens are derived.
        constants: what makes them of an id.
        layout: where everything stands on Step.
    """
    book = Book(assignment.title, _ONE_FILE_STYLES)
    guide, step, own, scratch = (Canvas(book, name) for name in (GUIDE, STEP, NUMBERS, SCRATCH))
    typed = ""

    def ask_for_the_id(page: GuidePage) -> None:
        nonlocal typed
        page.pair("Your student id", "", vertical="center")
        page.canvas.blank(page.row - 1, 3, _STUDENT_ID)
        page.canvas.heights({page.row - 1: 24})
        typed = _name_last(page, ID_NAME)
        page.pair("Numbers", " ")
        page.canvas.formula(page.row - 1, 3, f"={NumbersSheet.status}", "wrapped")
        if assignment.due:
            page.pair("Due", assignment.due)
        page.paragraph(
            "Type your student id into the framed cell, as the course has it; capitals, blanks "
            "and leading zeros make no difference. Your own numbers then appear on Step: "
            "everybody has others. The sheet Numbers shows how they follow from the id. Hand in "
            "this file, under any name, with your id in it: it is recognised by it."
        )

    anchor = _write_guide(guide, assignment, layout, ask_for_the_id)
    sheet = NumbersSheet(own, plan, constants, typed)
    sheet.write()
    givens = [sheet.given(n) for n in range(len(plan.places))]
    at = [layout.places[name, k].cell(index) for name, k, index in plan.places]
    _write_step(step, assignment, plan.shape, layout, " ", dict(zip(at, givens, strict=True)))
    step.formula(2, 1, f"={NumbersSheet.status}", "subtitle")
    _write_scratch(scratch)
    number_of = {place: n for n, place in enumerate(given_places(assignment.structure))}
    derivation = Derivation(
        sheet=GUIDE,
        address=typed.rpartition("!")[2].replace("$", ""),
        name=ID_NAME,
        numbers=NUMBERS,
        anchor=ANCHOR,
        constants=constants,
        rules=plan.rules,
        derived=tuple(number_of[given] for given in plan.places),
        givens=tuple(givens),
        cells=tuple(sheet.cells),
    )
    corner = sheet.last_row + _ROOM_ROWS, sheet.last_column + _ROOM_COLUMNS
    return OneFile(_finished(book, assignment, anchor), derivation, {NUMBERS: corner})


def _write_step(
    canvas: Canvas,
    assignment: Assignment,
    case: Case,
    layout: StepLayout,
    caption: str,
    derived: dict[tuple[int, int], str] | None = None,
) -> None:
    """Write the Step sheet of an assignment; ``derived``: formulas of givens, by row and column."""
    blanks = assignment.blank_of()
    step_sheet.write_step(canvas, assignment, case, layout, caption=caption)
    if derived is not None:
        step_sheet.derive_givens(canvas.sheet, layout, blanks, derived)
    if assignment.policy.feedback != "none":
        step_sheet.say_what_is_filled(canvas, layout, blanks, assignment.policy.feedback)


def _caption_of(student: Student) -> str:
    """Return the line that says whose sheet it is."""
    return f"{student.name}  ·  {student.id}" if student.name else student.id


def _write_scratch(canvas: Canvas) -> None:
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


def _finished(book: Book, assignment: Assignment, anchor: Anchor) -> bytes:
    """Return the file: all but Scratch locked, with the picture and an engine's values."""
    for sheet in book.sheets:
        sheet.protected = sheet.title != SCRATCH
    book.drawing = network_drawing(assignment.structure, anchor)
    return store_values(file_of(book))


# the Guide: whose the workbook is, what to fill in, how, by when, how it is graded


def _write_guide(
    canvas: Canvas, assignment: Assignment, layout: StepLayout, whose: Callable[[GuidePage], None]
) -> Anchor:
    """Write the guide; return where the network's picture belongs.

    Args:
        canvas: the sheet.
        assignment: what is handed out.
        layout: where everything stands on Step.
        whose: writes whose workbook it is.
    """
    page = GuidePage(canvas)
    page.line(assignment.title, "title", 26)
    if assignment.course:
        page.line(assignment.course, "subtitle", 16)
    page.heading("Whose workbook this is")
    whose(page)
    for paragraph in assignment.instructions:
        page.paragraph(paragraph)
    page.heading("The network")
    anchor = page.picture()
    for line in _rules(assignment, layout).splitlines():
        name, _, text = line.partition(" :: ")
        if line.startswith("# "):
            page.heading(line.removeprefix("# "))
        elif text:
            page.pair(name, text)
        else:
            page.paragraph(line)
    _colours(page, assignment)
    page.heading("How to trace a cell")
    page.keys()
    if assignment.show_equations:
        page.equations(assignment.structure)
    page.excel()
    page.finish()
    return anchor


def _own_workbook(
    assignment: Assignment, student: Student, token: str
) -> Callable[[GuidePage], None]:
    """Return what writes whose workbook it is: a student's, known by its token."""

    def write(page: GuidePage) -> None:
        if student.name:
            page.pair("Name", student.name)
        page.pair("Id", student.id)
        if assignment.due:
            page.pair("Due", assignment.due)
        page.pair("Workbook", token)
        _name_last(page, TOKEN_NAME)
        page.paragraph(
            "The numbers in it are your own: everybody has others. Hand in this file, under any "
            "name, and leave the line Workbook above as it is: your file is recognised by it."
        )

    return write


def _name_last(page: GuidePage, name: str) -> str:
    """Give the text of the last pair a defined name; return its cell as formulas refer to it."""
    reference = f"{page.canvas.title}!{a1(page.row - 1, 3, absolute=True)}"
    page.canvas.book.names[name] = reference
    return reference


def _rules(assignment: Assignment, layout: StepLayout) -> str:
    """Return what to fill in, how, and how it is graded: headings, paragraphs, pairs."""
    takes = {blank.takes for blank in assignment.blanks}
    return text_from(
        "guide.txt.jinja",
        total=sum(blank.points * math.prod(blank.quantity.shape) for blank in assignment.blanks),
        blanks=[(b.quantity.label, _worth(b), _takes(b)) for b in assignment.blanks],
        first=layout.at(("weights", 0), (0, 0)),
        target_first=assignment.structure.error_sign == "target_minus_output",
        accepted=[by_id()[name].title for name in assignment.policy.conventions],
        policy=assignment.policy,
        formulas=takes != {VALUE},
        typed=VALUE in takes,
    )


def text_from(template: str, **values: Any) -> str:
    """Return a text for people that a template makes of values."""
    source = files("cellgrad_coursework.setting") / "templates" / template
    environment = Environment(  # noqa: S701 - a text, no HTML
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.filters |= {"points": _points, "percent": "{:.0%}".format}
    return environment.from_string(source.read_text("utf-8")).render(values)


def _points(points: float) -> str:
    text = f"{points:.4g}"
    return f"{text} point" + "s" * (text != "1")


def _worth(blank: Blank) -> str:
    cells = math.prod(blank.quantity.shape)
    if cells == 1:
        return f"1 cell, {_points(blank.points)}"
    if blank.together is not None:
        return f"{cells} cells, {_points(blank.together)} together"
    return f"{cells} cells, {_points(blank.points)} each"


def _takes(blank: Blank) -> str:
    if blank.takes == VALUE:
        return f"a number with {blank.decimals} decimals (a formula is as good)"
    return "a formula"


def _colours(page: GuidePage, assignment: Assignment) -> None:
    page.heading("Colours")
    for name, look, meaning in step_sheet.legend(assignment.structure, assignment.blank_of()):
        page.pair(name, meaning, f"legend {look}", "source")


# the worksheet, printed where LibreOffice is installed


def worksheet_pdf(assignment: Assignment, case: Case, layout: StepLayout) -> bytes | str:
    """Return the worksheet as a PDF, or in one line why there is none."""
    program = _libreoffice()
    if program is None:
        return "no printable worksheet: LibreOffice is not installed"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "worksheet.xlsx"
        source.write_bytes(worksheet_bytes(assignment, case, layout))
        profile = (folder / "profile").as_uri()
        command = [
            program, f"-env:UserInstallation={profile}", "--headless", "--norestore",
            "--convert-to", "pdf", "--outdir", str(folder), str(source),
        ]  # fmt: skip
        try:
            if not _ended(command):
                return f"no printable worksheet: LibreOffice took more than {_SECONDS} seconds"
            return _undated((folder / "worksheet.pdf").read_bytes())
        except OSError:
            return "no printable worksheet: LibreOffice could not print it"


def _undated(pdf: bytes) -> bytes:
    """Return a PDF without its date and chance ids; lengths stay, for its table of places."""
    pdf = re.sub(rb"(/CreationDate\(D:)\d{14}", rb"\g<1>20260101000000", pdf)
    for what in (rb"/ID \[ <[0-9A-F]{32}>\s*<[0-9A-F]{32}>", rb"/DocChecksum /[0-9A-F]{32}"):
        pdf = re.sub(what, lambda match: re.sub(rb"[0-9A-F]{32}", b"0" * 32, match[0]), pdf)
    return pdf


def _ended(command: list[str]) -> bool:
    """Run a program and tell whether it ended by itself; its children end with it."""
    process = subprocess.Popen(  # noqa: S603 - a program of the machine, our own file
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(_SECONDS)
    except BaseException as stopped:
        if sys.platform == "win32":
            process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not isinstance(stopped, subprocess.TimeoutExpired):
            raise
        return False
    return True


def _libreoffice() -> str | None:
    told = os.environ.get("CELLGRAD_LIBREOFFICE")
    if told:
        return told if Path(told).is_file() else None
    usual = (
        "/Applications/LibreOffice.app/Contents/MacOS/soffice",
        r"C:\Program Files\LibreOffice\program\soffice.exe",
        r"C:\Program Files (x86)\LibreOffice\program\soffice.exe",
    )
    program = shutil.which("soffice") or shutil.which("libreoffice")
    return program or next((place for place in usual if Path(place).is_file()), None)
