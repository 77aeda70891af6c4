"""The Guide of a handout: whose it is, what to fill in, how, by when, how it is graded."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from cellgrad.case.equations import general_equation
from cellgrad.case.quantities import quantities
from cellgrad.workbook.canvas import KIND_COLOURS, Canvas
from cellgrad.workbook.formulas import StepLayout
from cellgrad.workbook.guide import Anchor, GuidePage
from cellgrad.xlsx.addresses import a1
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.model import BLANK_MEANING, GIVEN_MEANING, VALUE, Student
from cellgrad_coursework.setting.assignment import Assignment, Blank
from cellgrad_coursework.setting.step_sheet import (
    kinds_on,
    looks_of,
)

TOKEN_NAME = "cellgrad_token"  # noqa: S105 - the name of a cell
"""The defined name of the cell that holds the workbook's own token."""


def write_guide(
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
        _equations(page, assignment)
    page.excel()
    page.finish()
    return anchor


def own_workbook(
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


def _rules(assignment: Assignment, layout: StepLayout) -> str:
    """Return what to fill in, how, and how it is graded: headings, paragraphs, pairs."""
    source = files("cellgrad_coursework.setting") / "templates" / "guide.txt.jinja"
    environment = Environment(  # noqa: S701 - a text, no HTML
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {"points": _points, "percent": "{:.0%}".format}
    takes = {blank.takes for blank in assignment.blanks}
    return environment.from_string(source.read_text("utf-8")).render(
        total=sum(blank.points * math.prod(blank.quantity.shape) for blank in assignment.blanks),
        blanks=[(b.quantity.label, _worth(b), _takes(b)) for b in assignment.blanks],
        first=layout.at(("weights", 0), (0, 0)),
        target_first=assignment.structure.error_sign == "target_minus_output",
        accepted=[by_id()[name].title for name in assignment.policy.conventions],
        policy=assignment.policy,
        formulas=takes != {VALUE},
        typed=VALUE in takes,
    )


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
    blanks = assignment.blank_of()
    used = kinds_on(assignment.structure, blanks)
    shown = {kind: words for kind, (_, words) in KIND_COLOURS.items() if kind in used}
    shown["given"] = GIVEN_MEANING
    for kind, meaning in shown.items():
        page.pair(kind, meaning, f"legend {kind}", "source")
    for look in looks_of(blanks):
        page.pair("blank", BLANK_MEANING[look], f"legend {look}", "source")


def _equations(page: GuidePage, assignment: Assignment) -> None:
    page.heading("The equations of this step")
    for quantity in quantities(assignment.structure):
        if not quantity.given:
            text = general_equation(assignment.structure, quantity)
            if "=" not in text:
                text = f"{quantity.label} = {text}"
            page.pair(quantity.equation, text)
