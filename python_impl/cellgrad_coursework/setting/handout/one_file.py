"""The one workbook that is handed to everybody where files cannot be individual.

What differs from a student's own: the id is typed into the Guide, and the givens on Step are
formulas that lead to the Numbers sheet.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from cellgrad.case.quantities import Key, Quantity
from cellgrad.engines.formualizer import store_values
from cellgrad.workbook import style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Highlight, Style
from cellgrad.workbook.diagram import network_drawing
from cellgrad.workbook.guide_page import GuidePage
from cellgrad.workbook.layout import StepLayout
from cellgrad.workbook.serialise import file_of
from cellgrad.workbook.step_sheet import kind_of
from cellgrad.xlsx.addresses import a1
from cellgrad_coursework.derivation import Constants, Derivation
from cellgrad_coursework.setting.assignment import Assignment
from cellgrad_coursework.setting.givens import Plan
from cellgrad_coursework.setting.handout import numbers
from cellgrad_coursework.setting.handout.cells import given_cells
from cellgrad_coursework.setting.handout.container import without_triangles
from cellgrad_coursework.setting.handout.guide import ID_NAME, name_last, write_guide
from cellgrad_coursework.setting.handout.numbers import ANCHOR, NUMBERS, NumbersSheet
from cellgrad_coursework.setting.handout.step import EDGE, EMPTY, HandoutStep
from cellgrad_coursework.setting.handout.workbook import (
    GUIDE,
    ROOM_COLUMNS,
    ROOM_ROWS,
    SCRATCH,
    STEP,
    book_of,
    write_scratch,
)

STUDENT_ID = "student id"


@dataclass(frozen=True, slots=True)
class OneFile:
    """The workbook, and what grading needs to know of it.

    Attributes:
        data: the file.
        derivation: how it derives the givens.
        box: the last row and column of the sheet that other handouts do not have.
    """

    data: bytes
    derivation: Derivation
    box: dict[str, tuple[int, int]]


def one_file(
    assignment: Assignment, plan: Plan, constants: Constants, place: StepLayout
) -> OneFile:
    """Return the workbook for all.

    Args:
        assignment: what is handed out.
        plan: which givens are derived.
        constants: what makes them of an id.
        place: where everything stands on Step.
    """
    book, canvases = book_of(assignment, (GUIDE, STEP, NUMBERS, SCRATCH))
    book.styles |= _STYLES
    who = _Who()
    anchor, _ = write_guide(canvases[GUIDE], assignment, who.write, place)
    sheet = NumbersSheet(canvases[NUMBERS], plan, constants, who.typed)
    sheet.write()
    canvases[GUIDE].formula(*who.status, f"={sheet.status}", "wrapped")
    step = OneFileStep(canvases[STEP], assignment, place, plan, sheet)
    step.write()
    if assignment.policy.feedback != "none":
        step.say_what_is_filled(assignment.policy.feedback)
    write_scratch(canvases[SCRATCH])
    for name in (GUIDE, STEP, NUMBERS):
        canvases[name].sheet.protected = True
    book.drawing = network_drawing(assignment.structure, anchor)
    data = store_values(without_triangles(file_of(book)))
    cells = given_cells(assignment, place)
    number_of = {(cell.quantity, cell.layer, cell.index): n for n, cell in enumerate(cells)}
    derivation = Derivation(
        sheet=GUIDE,
        address=who.typed.rpartition("!")[2].replace("$", ""),
        name=ID_NAME,
        numbers=NUMBERS,
        anchor=ANCHOR,
        constants=constants,
        rules=plan.rules,
        derived=tuple(number_of[given] for given in plan.places),
        givens=tuple(sheet.given(n) for n in range(len(plan.places))),
        cells=tuple(sheet.cells),
    )
    corner = sheet.last_row + ROOM_ROWS, sheet.last_column + ROOM_COLUMNS
    return OneFile(data, derivation, {NUMBERS: corner})


_STYLES = {
    STUDENT_ID: Style(
        12,
        bold=True,
        fill=EMPTY,
        line=("medium", EDGE),
        number_format="@",
        horizontal="left",
        indent=1,
        locked=False,
    ),
    **numbers.STYLES,
}
"""The cell that the id is typed into is a text, so that zeros stay."""


class _Who:
    """Writes the part of the Guide that asks for the id.

    Attributes:
        typed: the cell that the id is typed into, as formulas refer to it.
        status: row and column of the cell that says whose numbers are shown.
    """

    def __init__(self) -> None:
        self.typed, self.status = "", (0, 0)

    def write(self, page: GuidePage, assignment: Assignment) -> None:
        """Write it."""
        page.heading("Whose workbook this is")
        page.pair("Your student id", "", vertical="center")
        page.canvas.blank(page.row - 1, 3, STUDENT_ID)
        page.canvas.heights({page.row - 1: 24})
        self.typed = name_last(page, ID_NAME)
        page.pair("Numbers", " ")
        self.status = page.row - 1, 3
        if assignment.due:
            page.pair("Due", assignment.due)
        page.paragraph(
            "Type your student id into the framed cell, as the course has it; capitals, blanks "
            "and leading zeros make no difference. Your own numbers then appear on Step: "
            "everybody has others. The sheet Numbers shows how they follow from the id. Hand in "
            "this file, under any name, with your id in it: it is recognised by it."
        )


class OneFileStep(HandoutStep):
    """Writes the Step sheet with formulas where each student has their own givens.

    Args:
        canvas: the sheet.
        assignment: what is handed out.
        layout: where everything stands.
        plan: which givens are derived.
        sheet: where they are derived.
    """

    def __init__(
        self,
        canvas: Canvas,
        assignment: Assignment,
        layout: StepLayout,
        plan: Plan,
        sheet: NumbersSheet,
    ) -> None:
        super().__init__(
            canvas,
            plan.shape,
            layout,
            assignment.blank_of(),
            title=assignment.title,
            caption=" ",
            equations=assignment.show_equations,
        )
        self._formula_of = {given: sheet.given(n) for n, given in enumerate(plan.places)}
        self._status = sheet.status
        name, layer, index = plan.places[0]
        self._any = a1(*layout.places[name, layer].cell(index), absolute=True)

    def write(self) -> None:
        """Write the sheet, and whose numbers it shows."""
        super().write()
        self.canvas.formula(2, 1, f"={self._status}", "subtitle")

    def _given(self, key: Key, value: object) -> None:
        super()._given(key, value)
        for index in product(*(range(size) for size in self.table[key].shape)):
            formula = self._formula_of.get((*key, index))
            if formula is not None:
                row, column = self.layout.places[key].cell(index)
                self.canvas.formula(row, column, f"={formula}", "given")

    def _computed(self, key: Key) -> Quantity:
        colour = EMPTY if key in self.blanks else style.KIND_COLOURS[kind_of(key[0])][0]
        self._hide_errors(key, colour)
        return super()._computed(key)

    def _incoming(self, k: int) -> None:
        self._hide_errors(("incoming", k), style.KIND_COLOURS["forward"][0])
        super()._incoming(k)

    def _hide_errors(self, key: Key, colour: str) -> None:
        """Show nothing where there are no numbers to calculate with yet."""
        area = self.layout.places[key].cells
        first = a1(area.top, area.left)
        condition = f'AND({self._any}="",ISERROR({first}))'
        self.canvas.sheet.highlights.append(
            Highlight(area.address, condition, color=colour, fill=colour, stop=True)
        )
