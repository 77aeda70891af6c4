"""The Guide of a handout: whose it is, what to fill in, how, by when, how it is graded."""

from __future__ import annotations

import math
from collections.abc import Callable

from cellgrad.case.equations import general_equation
from cellgrad.case.quantities import quantities
from cellgrad.workbook import style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.diagram import Anchor
from cellgrad.workbook.guide_page import GuidePage
from cellgrad.workbook.layout import StepLayout
from cellgrad.xlsx.addresses import a1
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.model import VALUE, Student
from cellgrad_coursework.setting.assignment import Assignment, Blank
from cellgrad_coursework.setting.handout.step import (
    BLANK,
    BLANK_MEANING,
    GIVEN_MEANING,
    TYPED,
    kinds_on,
)

TOKEN_NAME = "cellgrad_token"  # noqa: S105 - the name of a cell
"""The defined name of the cell that holds the workbook's own token."""


ID_NAME = "cellgrad_student_id"
"""The defined name of the cell that a student types their id into, where one file serves all."""

Who = Callable[[GuidePage, Assignment], None]
"""Writes whose workbook it is."""


def write_guide(
    canvas: Canvas, assignment: Assignment, who: Who, layout: StepLayout
) -> tuple[Anchor, int]:
    """Write the guide; return where the network's picture belongs, and the last row."""
    page = GuidePage(canvas)
    page.line(assignment.title, "title", 26)
    if assignment.course:
        page.line(assignment.course, "subtitle", 16)
    who(page, assignment)
    for paragraph in assignment.instructions:
        page.paragraph(paragraph)
    page.heading("The network")
    anchor = page.picture()
    _what(page, assignment)
    _how(page, assignment, layout)
    _graded(page, assignment)
    _colours(page, assignment)
    page.heading("How to trace a cell")
    page.keys()
    if assignment.show_equations:
        page.heading("The equations of this step")
        for quantity in quantities(assignment.structure):
            if not quantity.given:
                text = general_equation(assignment.structure, quantity)
                if "=" not in text:
                    text = f"{quantity.label} = {text}"
                page.pair(quantity.equation, text)
    page.excel()
    page.finish()
    return anchor, page.row


def own_workbook(student: Student, token: str) -> Who:
    """Return what writes whose workbook it is: a student's, known by its token."""

    def write(page: GuidePage, assignment: Assignment) -> None:
        page.heading("Whose workbook this is")
        if student.name:
            page.pair("Name", student.name)
        page.pair("Id", student.id)
        if assignment.due:
            page.pair("Due", assignment.due)
        page.pair("Workbook", token)
        name_last(page, TOKEN_NAME)
        page.paragraph(
            "The numbers in it are your own: everybody has others. Hand in this file, under any "
            "name, and leave the line Workbook above as it is: your file is recognised by it."
        )

    return write


def name_last(page: GuidePage, name: str) -> str:
    """Give the text of the last pair a defined name; return its cell as formulas refer to it."""
    reference = f"{page.canvas.title}!{a1(page.row - 1, 3, absolute=True)}"
    page.canvas.book.names[name] = reference
    return reference


def _points(points: float) -> str:
    text = f"{points:.4g}"
    return f"{text} point" + "s" * (text != "1")


def _what(page: GuidePage, assignment: Assignment) -> None:
    total = sum(blank.points * math.prod(blank.quantity.shape) for blank in assignment.blanks)
    page.heading(f"What to fill in on Step: the framed cells, {_points(total)} in all")
    for blank in assignment.blanks:
        cells = math.prod(blank.quantity.shape)
        each = f"1 cell, {_points(blank.points)}"
        if cells > 1 and blank.together is not None:
            each = f"{cells} cells, {_points(blank.together)} together"
        elif cells > 1:
            each = f"{cells} cells, {_points(blank.points)} each"
        page.pair(blank.quantity.label, f"{each}: {_takes(blank)}")


def _takes(blank: Blank) -> str:
    if blank.takes == VALUE:
        return f"a number with {blank.decimals} decimals (a formula is as good)"
    return "a formula"


def _how(page: GuidePage, assignment: Assignment, layout: StepLayout) -> None:
    s = assignment.structure
    page.heading("How")
    page.paragraph(
        "On Step the calculation runs down on the left (forward), up in the middle (backward) "
        "and across to the right (update). A weight, its gradient and its new value stand in "
        "the same row, at the same place of their panels."
    )
    first = layout.at(("weights", 0), (0, 0))
    page.pair(
        "Formulas",
        f"begin with = and refer to cells, such as ={first}*2. Write them as you like: any "
        "formula that computes the right quantity from your numbers counts.",
    )
    page.pair(
        "Helper cells",
        "may stand on Scratch, or on sheets that you add; formulas may refer to them.",
    )
    page.pair(
        "Locked cells",
        "are protected without a password, against slips of the hand. Given numbers that were "
        "changed are noticed, and put back for grading.",
    )
    if s.error_sign == "target_minus_output":
        page.pair("Sign", "in this assignment FE = target − output, as the equations show.")
    names = [by_id()[name].title for name in assignment.policy.conventions]
    if names:
        page.pair("Also accepted", "if used throughout: " + "; ".join(names) + ".")


def _graded(page: GuidePage, assignment: Assignment) -> None:
    policy = assignment.policy
    page.heading("How it is graded")
    page.paragraph(
        "Your formulas are read and calculated again, with your numbers and with others; the "
        "values that the file shows are not read. So a cell counts for the formula in it."
    )
    off = f", less {policy.ecf_penalty:.0%}" if policy.ecf_penalty else " in full"
    page.pair(
        "After a mistake",
        f"what follows correctly from a wrong cell counts{off}: one mistake costs one cell.",
    )
    if policy.forgiven:
        several = policy.forgiven > 1
        which = f"up to {policy.forgiven} different mistakes" if several else "one mistake"
        page.pair(
            "The same mistake",
            f"made in several cells is charged once. That holds for {which}, the first in the "
            "order of the calculation; repeats of others cost points.",
        )
    if any(blank.takes != VALUE for blank in assignment.blanks):
        credit = (
            f"earns {policy.hardcoded_credit:.0%}" if policy.hardcoded_credit else "earns nothing"
        )
        page.pair("A typed number", f"where a formula is asked for {credit}.")
        credit = (
            f"earns {policy.embedded_credit:.0%}" if policy.embedded_credit else "earns nothing"
        )
        page.pair("A number inside", f"a formula, in place of a cell that holds it, {credit}.")
    if any(blank.takes == VALUE for blank in assignment.blanks):
        page.pair("Typed answers", "count if they are right to the last decimal asked for.")


def _colours(page: GuidePage, assignment: Assignment) -> None:
    page.heading("Colours")
    used = kinds_on(assignment.structure, assignment.blank_of())
    shown = {kind: words for kind, (_, words) in style.KIND_COLOURS.items() if kind in used}
    shown["given"] = GIVEN_MEANING
    for kind, meaning in shown.items():
        page.pair(kind, meaning, f"legend {kind}", "source")
    takes = {TYPED if blank.takes == VALUE else BLANK for blank in assignment.blanks}
    for look in (BLANK, TYPED):
        if look in takes:
            page.pair("blank", BLANK_MEANING[look], f"legend {look}", "source")
