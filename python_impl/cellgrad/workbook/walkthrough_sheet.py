"""The Walkthrough sheet: one line a scalar result, with room for your own answer."""

from __future__ import annotations

from cellgrad.case.equations import (
    Line,
    Operand,
    Template,
    all_lines,
    general_equation,
    walkthrough_lines,
)
from cellgrad.case.quantities import given, person_label
from cellgrad.workbook.canvas import KIND_COLOURS, Canvas, colour_marks, show_tiny_numbers
from cellgrad.workbook.description import Highlight
from cellgrad.workbook.formulas import StepLayout

SHEET = "Walkthrough"
DECIMALS = 6
_FIRST = 6
_NUMBER, _LABEL, _EQUATION, _GENERAL, _WORKING, _RESULT, _ANSWER, _MARK = range(1, 9)
_WORKING_WIDTH = 56
_LINE_CHARACTERS = 74
_GIVEN_CHARACTERS, _NUMBER_CHARACTERS = 5, 8.5


class WalkthroughSheet:
    """Writes the Walkthrough sheet."""

    def __init__(self, canvas: Canvas, layout: StepLayout) -> None:
        self.canvas, self.layout, self.s = canvas, layout, layout.structure
        self.lines = walkthrough_lines(self.s)

    def write(self) -> None:
        """Write the head, the lines and their claims."""
        self._head()
        for n, line in enumerate(self.lines):
            self._line(_FIRST + n, n, line)
        self._claims()
        self._look()

    def _head(self) -> None:
        put, total, shown = self.canvas.text, len(all_lines(self.s)), len(self.lines)
        which = (
            f"All {total} results of the step"
            if shown == total
            else f"{shown} of the step's {total:,} results, evenly spread"
        )
        self.canvas.head(
            "Walk through the step",
            f"{which}, in the order in which a person computes them. "
            "Work one out, type it under “your answer”, and see.",
        )
        decimals = given("decimals", "decimals asked for")
        self.canvas.given(decimals, DECIMALS, 3, _LABEL, _EQUATION, number_format="0")
        if any(line.article for line in self.lines):
            put(
                3,
                _WORKING,
                "Eq. 12 stands twice: with S_ERROR_H, and as the article prints it.",
                "subtitle",
            )
        heads = (
            "#",
            "result",
            "equation",
            "in general",
            "with the numbers",
            "is",
            "your answer",
            "✓ / ✗",
        )
        for column, text in enumerate(heads, start=1):
            put(_FIRST - 1, column, text, "head")

    def _text_formula(self, template: Template) -> str:
        """Join texts and rounded numbers; + 0 turns the −0 of some engines into 0."""
        parts = []
        for piece in template:
            if isinstance(piece, str):
                parts.append(f'"{piece}"')
            else:
                cell = self.layout.at_from_elsewhere(piece.key, piece.index)
                parts.append(f"(ROUND({cell},$C$3)+0)")
        if not isinstance(template[0], str):
            parts.insert(0, '""')
        return "=" + "&".join(parts)

    def _line(self, row: int, n: int, line: Line) -> None:
        put, quantity = self.canvas.text, line.quantity
        self.canvas.number(row, _NUMBER, n + 1, "node", "0")
        put(row, _LABEL, person_label(self.s, quantity, line.index), "block")
        put(row, _EQUATION, quantity.equation)
        put(row, _GENERAL, general_equation(self.s, quantity), "working")
        self.canvas.formula(row, _WORKING, self._text_formula(line.written()), "working")
        source = self.layout.at_from_elsewhere(quantity.key, line.index)
        self.canvas.formula(row, _RESULT, f"={source}", "check")
        answer, result = f"G{row}", f"F{row}"
        self.canvas.formula(
            row, _MARK, f'=IF({answer}="","",IF(ROUND({answer}-{result},$C$3)=0,"✓","✗"))', "mark"
        )
        characters = sum(
            len(piece) if isinstance(piece, str) else self._characters(piece)
            for piece in line.written()
        )
        self.canvas.heights({row: 13.5 * max(1, -(-characters // _LINE_CHARACTERS)) + 2})

    def _characters(self, operand: Operand) -> float:
        """Guess how long a number is when it is written out."""
        given = self.layout.is_given(operand.key)
        return _GIVEN_CHARACTERS if given else _NUMBER_CHARACTERS

    def _claims(self) -> None:
        count = len(self.lines)
        for kind, name, label, column, defined_name in (
            ("display", "working", "with the numbers", _WORKING, ""),
            ("display", "result", "is", _RESULT, ""),
            ("answer", "answer", "your answer", _ANSWER, "answer"),
            ("display", "mark", "✓ / ✗", _MARK, ""),
        ):
            cells = self.canvas.area(_FIRST, column, count, 1)
            self.canvas.claim(kind, (name, None), label, cells, "r", "", defined_name)

    def _look(self) -> None:
        last = _FIRST + len(self.lines) - 1
        sheet = self.canvas.sheet
        # coloured without a style, so that an empty cell stays empty to every engine
        fill, _ = KIND_COLOURS["given"]
        sheet.highlights.append(Highlight(f"G{_FIRST}:G{last}", "TRUE", fill=fill))
        colour_marks(sheet, f"H{_FIRST}:H{last}")
        show_tiny_numbers(sheet, f"F{_FIRST}:F{last}")
        widths = {1: 4, 2: 22, 3: 9, 4: 40, 5: _WORKING_WIDTH, 6: 11.5, 7: 11.5, 8: 6.5}
        self.canvas.widths(widths)
        self.canvas.heights({5: 18})
        sheet.freeze_panes = f"C{_FIRST}"
        self.canvas.print_on("landscape", area=f"A1:H{last}", rows=f"{_FIRST - 1}:{_FIRST - 1}")
