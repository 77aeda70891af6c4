"""The Step sheet of a handout: the whole sheet as it is everywhere, and what is taken out of it.

Everything happens in the description of the workbook; what is taken out never reaches a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key, Structure, quantities
from cellgrad.workbook.canvas import KIND_COLOURS, Canvas, show_tiny_numbers
from cellgrad.workbook.description import Cell, Highlight, Sheet, Style
from cellgrad.workbook.formulas import StepLayout
from cellgrad.workbook.step_sheet import StepSheet, kind_of
from cellgrad.xlsx.addresses import Range, a1, column_letters
from cellgrad_coursework.model import BLANK_MEANING, GIVEN_MEANING, VALUE
from cellgrad_coursework.setting.assignment import Assignment, Blank

BLANK, TYPED = "blank", "blank typed"
EDGE, EMPTY = "C77700", "FFF7E6"

NUMBER = "0.000000_."
"""Six decimals, so that small numbers stand below each other; a little off the frame.

One section only: in a format with conditions some programs leave the minus out.
"""

_WIDE = "0.00_."
"""For numbers from 100 on, which the column would not hold otherwise."""

_TINY = 0.00001
"""Below it, six decimals would hide a number's digits."""

_WRONG = "C0392B"
_LEGEND = 5
"""So many lines of colours are on every Step sheet."""

Blanks = Mapping[Key, Blank]


def _styles() -> dict[str, Style]:
    styles = {}
    for name, line in ((BLANK, "medium"), (TYPED, "mediumDashed")):
        frame: tuple[str, str] = (line, EDGE)
        styles[name] = Style(
            fill=EMPTY, line=frame, number_format=NUMBER, horizontal="right", locked=False
        )
        styles[f"legend {name}"] = Style(9, fill=EMPTY, line=frame, horizontal="left", indent=1)
    return styles


STYLES = _styles()
"""The styles of what is to be filled in: unlocked, framed."""


def write_step(
    canvas: Canvas,
    assignment: Assignment,
    case: Case,
    layout: StepLayout,
    *,
    caption: str,
    givens: str = GIVEN_MEANING,
    solved: bool = False,
) -> None:
    """Write the Step sheet of a handout, or of its key.

    Args:
        canvas: the sheet.
        assignment: what is handed out.
        case: the student's numbers.
        layout: where everything stands.
        caption: the line below the title.
        givens: what the legend says of given numbers.
        solved: whether everything is filled in.
    """
    title, blanks = assignment.title, assignment.blank_of()
    if solved:
        title, blanks = f"Answer key: {title}", {}
    StepSheet(canvas, case, layout, title, caption).write()
    sheet = canvas.sheet
    for key, blank in blanks.items():
        area = layout.places[key].cells
        _empty(sheet, area, look_of(blank))
        numbers = Sheet("")
        show_tiny_numbers(numbers, area.address, _TINY)
        large = f"AND(ISNUMBER({a1(area.top, area.left)}),ABS({a1(area.top, area.left)})>=100)"
        wide = Highlight(area.address, large, number_format=_WIDE)
        _replace_highlights(sheet, area, [*numbers.highlights, wide])
    if not (solved or assignment.show_equations):
        for at, cell in list(sheet.cells.items()):
            if cell.style == "equation" and cell.content.startswith("Eq."):
                del sheet.cells[at]
    _explain_colours(canvas, layout, blanks, givens)


def without_givens(sheet: Sheet, layout: StepLayout) -> None:
    """Leave room for everybody's numbers in place of one student's."""
    for key, place in layout.places.items():
        if key[0] == "incoming":
            _empty(sheet, place.cells, "forward")
            _replace_highlights(sheet, place.cells, [])
        elif layout.is_given(key):
            _empty(sheet, place.cells, "given")


def derive_givens(
    sheet: Sheet, layout: StepLayout, blanks: Blanks, formulas: Mapping[tuple[int, int], str]
) -> None:
    """Put formulas in the place of givens, and show no errors before there are numbers.

    Args:
        sheet: the Step sheet.
        layout: where everything stands.
        blanks: what is to be filled in.
        formulas: of the givens, by row and column; the first is empty where there are none yet.
    """
    for at, formula in formulas.items():
        sheet.cells[at] = Cell("formula", f"={formula}", "given")
    first_given = a1(*next(iter(formulas)), absolute=True)
    for key, place in layout.places.items():
        if key[0] == "incoming" or not layout.is_given(key):
            area = place.cells
            kind = "forward" if key[0] == "incoming" else kind_of(key[0])
            colour = EMPTY if key in blanks else KIND_COLOURS[kind][0]
            no_numbers = f'AND({first_given}="",ISERROR({a1(area.top, area.left)}))'
            hidden = Highlight(area.address, no_numbers, color=colour, fill=colour, stop=True)
            own = [each for each in sheet.highlights if each.cells == area.address]
            _replace_highlights(sheet, area, [hidden, *own])


def say_what_is_filled(canvas: Canvas, layout: StepLayout, blanks: Blanks, feedback: str) -> None:
    """Count and mark what is filled in; with ``number``, also what is no number.

    Never a word on right or wrong.
    """
    areas = [layout.places[key].cells for key in blanks]
    total = sum(area.height * area.width for area in areas)
    highlights = canvas.sheet.highlights
    for area in areas:
        first = a1(area.top, area.left)
        if feedback == "number":
            no_number = f"AND(NOT(ISBLANK({first})),NOT(ISNUMBER({first})))"
            highlights.append(Highlight(area.address, no_number, color=_WRONG, bold=True))
        highlights.append(Highlight(area.address, f"NOT(ISBLANK({first}))", fill="FFFFFF"))
    count = "COUNT" if feedback == "number" else "COUNTA"
    words = "numbers" if feedback == "number" else "filled in"
    parts = "+".join(f"{count}({area.address})" for area in areas)
    canvas.formula(1, layout.update_label, f'="{words}: "&({parts})&" of {total}"', "block")


def look_of(blank: Blank) -> str:
    """Return the style of what is to be filled in."""
    return TYPED if blank.takes == VALUE else BLANK


def legend(
    structure: Structure, blanks: Blanks, givens: str = GIVEN_MEANING
) -> list[tuple[str, str, str]]:
    """Return the name, the look and the meaning of each kind of cells on a sheet.

    Args:
        structure: the training step.
        blanks: what is to be filled in.
        givens: what is said of given numbers.
    """
    computed = (quantity for quantity in quantities(structure) if not quantity.given)
    used = {"given"} | {kind_of(q.name) for q in computed if q.key not in blanks}
    if structure.layers > 1:
        used.add("forward")
    lines = [
        (kind, kind, givens if kind == "given" else words)
        for kind, (_, words) in KIND_COLOURS.items()
        if kind in used
    ]
    looks = set(map(look_of, blanks.values()))
    return lines + [("blank", look, BLANK_MEANING[look]) for look in BLANK_MEANING if look in looks]


def _explain_colours(canvas: Canvas, layout: StepLayout, blanks: Blanks, givens: str) -> None:
    first = row = layout.error_row + 1
    for n in range(_LEGEND):
        for column in (layout.backward_label, layout.backward):
            canvas.sheet.cells.pop((first + n, column), None)
    lines = legend(layout.structure, blanks, givens)
    for row, (name, look, meaning) in enumerate(lines, start=first):
        canvas.text(row, layout.backward_label, name, f"legend {look}")
        canvas.text(row, layout.backward, meaning, "source")
    if canvas.sheet.page is not None:
        last = max(row, layout.last_row)
        canvas.sheet.page.area = f"A1:{column_letters(layout.last_column)}{last}"


def _positions(area: Range) -> Iterator[tuple[int, int]]:
    return product(range(area.top, area.bottom + 1), range(area.left, area.right + 1))


def _empty(sheet: Sheet, area: Range, look: str) -> None:
    for at in _positions(area):
        sheet.cells[at] = Cell("blank", "", look)


def _replace_highlights(sheet: Sheet, area: Range, highlights: list[Highlight]) -> None:
    """Put others in the place of an area's highlights."""
    own = [n for n, each in enumerate(sheet.highlights) if each.cells == area.address]
    if own:
        sheet.highlights[own[0] : own[-1] + 1] = highlights
