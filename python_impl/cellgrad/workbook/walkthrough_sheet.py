"""The Walkthrough sheet: one line a scalar result, with room for your own answer."""

from __future__ import annotations

from cellgrad.case.lines import Line, Template, all_lines, general_equation, walkthrough_lines
from cellgrad.case.quantities import person_label
from cellgrad.workbook import style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.layout import StepLayout

SHEET = "Walkthrough"
DECIMALS = 6
_FIRST = 6
_NUMBER, _LABEL, _EQUATION, _GENERAL, _WORKING, _RESULT, _ANSWER, _MARK, _ARTICLE = range(1, 10)
_WORKING_WIDTH = 62


class WalkthroughSheet:
    """Writes the Walkthrough sheet."""

    def __init__(self, canvas: Canvas, layout: StepLayout) -> None:
        self.canvas, self.layout, self.s = canvas, layout, layout.structure
        self.lines = walkthrough_lines(self.s)
        self.article = any(line.article for line in self.lines)
        self.last_column = _ARTICLE if self.article else _MARK

    def write(self) -> None:
        """Write the head, the lines and their claims."""
        self._head()
        for n, line in enumerate(self.lines):
            self._line(_FIRST + n, n, line)
        self._claims()
        self._look()

    def _head(self) -> None:
        put = self.canvas.text
        put(1, 1, "Walk through the step", "title")
        total = len(all_lines(self.s))
        shown = len(self.lines)
        which = (
            f"All {total} results of the step"
            if shown == total
            else f"{shown} of the step's {total:,} results, evenly spread"
        )
        put(
            2, 1,
            f"{which}, in the order in which a person computes them. "
            "Work one out, type it under “your answer”, and see.",
            "subtitle",
        )  # fmt: skip
        put(3, _LABEL, "decimals asked for", "block")
        self.canvas.number(3, _EQUATION, DECIMALS)
        self.canvas.claim(
            "given", ("decimals", None), "decimals asked for",
            self.canvas.area(3, _EQUATION, 1, 1), "", "", "decimals",
        )  # fmt: skip
        heads = ("#", "result", "equation", "in general", "with the numbers", "is", "your answer",
                 "✓ / ✗", "Eq. 12 as the article prints it")  # fmt: skip
        for column, text in enumerate(heads[: self.last_column], start=1):
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
        self.canvas.number(row, _NUMBER, n + 1, "node")
        self.canvas.sheet.cell(row, _NUMBER).number_format = "0"
        put(row, _LABEL, person_label(self.s, quantity, line.index), "block")
        put(row, _EQUATION, quantity.equation)
        put(row, _GENERAL, general_equation(self.s, quantity), "working")
        self.canvas.formula(row, _WORKING, self._text_formula(line.working), "working")
        source = self.layout.at_from_elsewhere(quantity.key, line.index)
        self.canvas.formula(row, _RESULT, f"={source}", "check")
        answer, result = f"G{row}", f"F{row}"
        self.canvas.formula(
            row, _MARK, f'=IF({answer}="","",IF(ROUND({answer}-{result},$C$3)=0,"✓","✗"))', "mark"
        )
        if line.article:
            self.canvas.formula(row, _ARTICLE, self._text_formula(line.article), "working")
        terms = sum(not isinstance(piece, str) for piece in line.working)
        characters = terms * 11 + 6
        lines = max(1, -(-characters // _WORKING_WIDTH))
        self.canvas.heights({row: 15.0 * lines + 1})

    def _claims(self) -> None:
        count = len(self.lines)
        for kind, name, label, column in (
            ("display", "working", "with the numbers", _WORKING),
            ("display", "result", "is", _RESULT),
            ("answer", "answer", "your answer", _ANSWER),
            ("display", "mark", "✓ / ✗", _MARK),
        ):
            cells = self.canvas.area(_FIRST, column, count, 1)
            self.canvas.claim(kind, (name, None), label, cells, "r")
        start = 0
        while start < count:
            if self.lines[start].article is None:
                start += 1
                continue
            end = start
            while end < count and self.lines[end].article is not None:
                end += 1
            cells = self.canvas.area(_FIRST + start, _ARTICLE, end - start, 1)
            rule = f"r+{start}" if start else "r"
            self.canvas.claim("display", ("article", None), "Eq. 12 as printed", cells, rule, "Eq. 12")
            start = end

    def _look(self) -> None:
        last = _FIRST + len(self.lines) - 1
        sheet = self.canvas.sheet
        style.tint(sheet, f"G{_FIRST}:G{last}", "given")
        style.colour_marks(sheet, f"H{_FIRST}:H{last}", f"H{_FIRST}")
        style.show_tiny_numbers(sheet, f"F{_FIRST}:F{last}", f"F{_FIRST}")
        widths = {1: 5, 2: 24, 3: 10, 4: 44, 5: _WORKING_WIDTH, 6: 13, 7: 13, 8: 7, 9: 46}
        self.canvas.widths({c: w for c, w in widths.items() if c <= self.last_column})
        self.canvas.heights({1: 24, 2: 17, 5: 18})
        sheet.freeze_panes = f"C{_FIRST}"
        letter = "I" if self.article else "H"
        self.canvas.print_on("landscape", area=f"A1:{letter}{last}", rows=f"{_FIRST - 1}:{_FIRST - 1}")
