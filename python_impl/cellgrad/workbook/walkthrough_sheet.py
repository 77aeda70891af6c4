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
_COLUMNS = (
    ("#", 4, "", ""),
    ("result", 22, "", ""),
    ("equation", 9, "", ""),
    ("in general", 40, "", ""),
    ("with the numbers", 56, "display", "working"),
    ("is", 11.5, "display", "result"),
    ("your answer", 11.5, "answer", "answer"),
    ("✓ / ✗", 6.5, "display", "mark"),
)
"""Of each column: its head, its width, and the kind and name of what is claimed in it."""
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
            twice = "Eq. 12 stands twice: with S_ERROR_H, and as the article prints it."
            put(3, _WORKING, twice, "subtitle")
        for column, (text, *_) in enumerate(_COLUMNS, start=1):
            put(_FIRST - 1, column, text, "head")

    def _text_formula(self, template: Template) -> str:
        """Join texts and rounded numbers; + 0 turns the −0 of some engines into 0."""
        parts = [] if isinstance(template[0], str) else ['""']
        for piece in template:
            if isinstance(piece, str):
                parts.append(f'"{piece}"')
            else:
                cell = self.layout.at_from_elsewhere(piece.key, piece.index)
                parts.append(f"(ROUND({cell},$C$3)+0)")
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
        mark = f'=IF(G{row}="","",IF(ROUND(G{row}-F{row},$C$3)=0,"✓","✗"))'
        self.canvas.formula(row, _MARK, mark, "mark")
        characters = sum(map(self._characters, line.written()))
        self.canvas.heights({row: 13.5 * max(1, -(-characters // _LINE_CHARACTERS)) + 2})

    def _characters(self, piece: str | Operand) -> float:
        """Guess how long a text or a number is when it is written out."""
        if isinstance(piece, str):
            return len(piece)
        return _GIVEN_CHARACTERS if self.layout.is_given(piece.key) else _NUMBER_CHARACTERS

    def _claims(self) -> None:
        for column, (label, _, kind, name) in enumerate(_COLUMNS, start=1):
            if kind:
                cells = self.canvas.area(_FIRST, column, len(self.lines), 1)
                defined_name = name if kind == "answer" else ""
                self.canvas.claim(kind, (name, None), label, cells, "r", "", defined_name)

    def _look(self) -> None:
        last = _FIRST + len(self.lines) - 1
        sheet = self.canvas.sheet
        # coloured without a style, so that an empty cell stays empty to every engine
        fill, _ = KIND_COLOURS["given"]
        sheet.highlights.append(Highlight(f"G{_FIRST}:G{last}", "TRUE", fill=fill))
        colour_marks(sheet, f"H{_FIRST}:H{last}")
        show_tiny_numbers(sheet, f"F{_FIRST}:F{last}")
        self.canvas.widths({n: width for n, (_, width, *_) in enumerate(_COLUMNS, start=1)})
        self.canvas.heights({5: 18})
        sheet.freeze_panes = f"C{_FIRST}"
        self.canvas.print_on("landscape", area=f"A1:H{last}", rows=f"{_FIRST - 1}:{_FIRST - 1}")
