"""The Step sheet of a handout: as everywhere, but what is to be filled in was never written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key, Quantity, quantities
from cellgrad.case.structure import Structure
from cellgrad.workbook import style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Highlight, Style
from cellgrad.workbook.layout import StepLayout
from cellgrad.workbook.step_sheet import StepSheet, kind_of
from cellgrad.xlsx.addresses import a1, column_letters
from cellgrad_coursework.model import VALUE
from cellgrad_coursework.setting.assignment import Blank

BLANK, TYPED = "blank", "blank typed"
EDGE, EMPTY = "C77700", "FFF7E6"
_WRONG = "C0392B"
_LEGEND = 5
"""So many lines of colours are on every Step sheet."""

NUMBER = "0.000000_."
"""Six decimals, so that small numbers stand below each other; a little off the frame.

One section only: in a format with conditions some programs leave the minus out.
"""

_WIDE = "0.00_."
"""For numbers from 100 on, which the column would not hold otherwise."""

_TINY = 0.00001
"""Below it, six decimals would hide a number's digits."""

GIVEN_MEANING = "your own numbers: leave them as they are"
BLANK_MEANING = {BLANK: "to be filled in with a formula", TYPED: "to be filled in with a number"}


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


def kinds_on(structure: Structure, blanks: Collection[Key]) -> set[str]:
    """Return the kinds of cells, and so the colours, of a sheet with these blanks."""
    shown = {"forward"} if structure.layers > 1 else set[str]()
    computed = (quantity for quantity in quantities(structure) if not quantity.given)
    return {"given"} | shown | {kind_of(q.name) for q in computed if q.key not in blanks}


class HandoutStep(StepSheet):
    """Writes the Step sheet of a handout.

    Args:
        canvas: the sheet.
        case: the student's numbers.
        layout: where everything stands.
        blanks: what is to be filled in.
        caption: the line below the title.
        equations: whether the equations are shown.
        givens: whether the givens are; a printed worksheet has room for them instead.
    """

    def __init__(
        self,
        canvas: Canvas,
        case: Case,
        layout: StepLayout,
        blanks: Mapping[Key, Blank],
        *,
        title: str,
        caption: str,
        equations: bool = True,
        givens: bool = True,
    ) -> None:
        super().__init__(canvas, case, layout, title, caption)
        self.blanks, self.equations, self.givens = blanks, equations, givens

    def write(self) -> None:
        """Write the sheet, and what the new colours mean."""
        super().write()
        lay, put = self.layout, self.canvas.text
        row, used = lay.error_row + 1, kinds_on(self.s, self.blanks)
        given = GIVEN_MEANING if self.givens else "room for your own numbers"
        for n in range(_LEGEND):
            for column in (lay.backward_label, lay.backward):
                self.canvas.sheet.cells.pop((row + n, column), None)
        for kind, (_, words) in style.KIND_COLOURS.items():
            if kind in used:
                put(row, lay.backward_label, kind, f"legend {kind}")
                put(row, lay.backward, given if kind == "given" else words, "source")
                row += 1
        looks = {TYPED if blank.takes == VALUE else BLANK for blank in self.blanks.values()}
        for look, meaning in BLANK_MEANING.items():
            if look in looks:
                put(row, lay.backward_label, "blank", f"legend {look}")
                put(row, lay.backward, meaning, "source")
                row += 1
        last = max(row - 1, lay.last_row)
        if self.canvas.sheet.page is not None:
            self.canvas.sheet.page.area = f"A1:{column_letters(lay.last_column)}{last}"

    def _given(self, key: Key, value: object) -> None:
        if self.givens:
            super()._given(key, value)
            return
        quantity, place = self.table[key], self.layout.places[key]
        for index in product(*(range(size) for size in quantity.shape)):
            self.canvas.blank(*place.cell(index), "given")

    def _incoming(self, k: int) -> None:
        if self.givens:
            super()._incoming(k)
            return
        place = self.layout.places["incoming", k]
        for index in product(range(self.s.samples), range(self.s.nodes[k])):
            self.canvas.blank(*place.cell(index), "forward")

    def _computed(self, key: Key) -> Quantity:
        """Leave the cells of a blank empty; nothing of their formula is ever written."""
        if key not in self.blanks:
            return super()._computed(key)
        quantity, place = self.table[key], self.layout.places[key]
        look = TYPED if self.blanks[key].takes == VALUE else BLANK
        for index in product(*(range(size) for size in quantity.shape)):
            self.canvas.blank(*place.cell(index), look)
        self.canvas.claim(
            "answer",
            key,
            quantity.label,
            place.cells,
            place.rule.text,
            quantity.equation,
            quantity.defined_name,
        )
        sheet, area, first = self.canvas.sheet, place.cells.address, a1(*place.cells[1:3])
        style.show_tiny_numbers(sheet, area, first, _TINY)
        large = f"AND(ISNUMBER({first}),ABS({first})>=100)"
        sheet.highlights.append(Highlight(area, large, number_format=_WIDE))
        return quantity

    def _equation(self, row: int, column: int, quantity: Quantity) -> None:
        if self.equations:
            super()._equation(row, column, quantity)
        else:
            self.canvas.heights({row: 13})

    # what the handout may say while it is filled in: never a word on right or wrong

    def say_what_is_filled(self, feedback: str) -> None:
        """Count and mark what is filled in; with ``number``, also what is no number."""
        areas = [self.layout.places[key].cells for key in self.blanks]
        total = sum(area.height * area.width for area in areas)
        highlights = self.canvas.sheet.highlights
        for area in areas:
            first = a1(area.top, area.left)
            if feedback == "number":
                no_number = f"AND(NOT(ISBLANK({first})),NOT(ISNUMBER({first})))"
                highlights.append(Highlight(area.address, no_number, color=_WRONG, bold=True))
            highlights.append(Highlight(area.address, f"NOT(ISBLANK({first}))", fill="FFFFFF"))
        count = "COUNT" if feedback == "number" else "COUNTA"
        words = "numbers" if feedback == "number" else "filled in"
        parts = "+".join(f"{count}({area.address})" for area in areas)
        self.canvas.formula(
            1, self.layout.update_label, f'="{words}: "&({parts})&" of {total}"', "block"
        )
