"""The workbook of an audit: the implementation's numbers beside live formulas.

The right computation and the diagnosed mistake stand on sheets of their own, both from the
same givens; the sheet ``Audit`` compares them with the numbers that the target gave.
"""

from __future__ import annotations

import math

from cellgrad.case.model import Case
from cellgrad.engines.formualizer import store_values
from cellgrad.errors import printable
from cellgrad.workbook.canvas import STYLES, Canvas, colour_marks, show_tiny_numbers
from cellgrad.workbook.description import Book, Highlight
from cellgrad.workbook.guide import GuidePage, network_drawing
from cellgrad.workbook.serialise import file_of
from cellgrad.xlsx.addresses import a1
from cellgrad_audit.answer import Answer, Slot, Vector
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.hypothesis import Hypothesis
from cellgrad_audit.report import (
    bug,
    count_of,
    counts,
    explains,
    group_words,
    joined_words,
    listed_cells,
    mistakes,
    most_telling_case,
    one_line,
    origin_of,
    precision,
    repeat_command,
    verdict_sentence,
)
from cellgrad_audit.report.live import Live, LiveCase, Pair, live_case, right_program
from cellgrad_audit.report.sheets import LiveSheet, Places
from cellgrad_audit.result import Audit, Cell, Probed

MOST_ROWS = 5_000
"""So many numbers stand on the sheet; those that are wrong come before others are left out."""

AUDIT, GIVENS, RIGHT, MISTAKEN = "Audit", "Givens", "Right", "Mistaken"
_HEAD_ROW = 6
_FIRST_ROW = _HEAD_ROW + 1
_LONG = "0.000000000000"
_SMALL = "0.0E+00"
_RED, _PALE_RED = "C0392B", "F9D6CF"


def audit_workbook_bytes(audit: Audit) -> bytes:
    """Return the .xlsx file of an audit, with the values that the engine computed.

    Raises:
        WorkbookError: a formula is longer than a cell holds.
        EngineError: the engine refused it.
    """
    return store_values(_Writer(audit).write())


class _Writer:
    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        title = f"Audit of {printable(audit.target)}"[:200]
        self.book = Book(title, STYLES)
        self.probed = most_telling_case(audit)
        self.live = LiveCase(None, None, "")
        if self.probed is not None:
            self.live = live_case(audit, self.probed, list(self.probed.answer.numbers))

    def write(self) -> bytes:
        guide = Canvas(self.book, "Guide")
        sheet = Canvas(self.book, AUDIT) if self.probed is not None else None
        places = Places()
        if self.live.pair is not None and self.probed is not None:
            self._live(self.live.pair, self.probed.case, places)
        if sheet is not None and self.probed is not None:
            _AuditSheet(sheet, self.audit, self.probed, self.live, places).write()
        self.book.drawing = self._guide(guide)
        return file_of(self.book)

    def _live(self, pair: Pair, case: Case, places: Places) -> None:
        title = _cut(printable(case.title), 70)
        computations = [live for live in (pair.right, pair.wrong) if live is not None]
        canvas = Canvas(self.book, GIVENS)
        sheet = LiveSheet(canvas, case, places)
        sheet.head(f"Givens: {title}", "Change a yellow number: Right and Mistaken both follow.")
        sheet.givens(pair.givens.blocks_read_by(computations))
        sheet = LiveSheet(Canvas(self.book, RIGHT), case, places)
        sheet.head(f"Right: {title}", "The computation as the derivation has it.")
        sheet.computation(pair.right)
        if pair.wrong is not None and self.live.diagnosis is not None:
            canvas = Canvas(self.book, MISTAKEN)
            sheet = LiveSheet(canvas, case, places, pair.parted)
            sheet.head(
                f"Mistaken: {bug(self.live.diagnosis)}",
                "The same computation with the mistake; a red frame: this formula is another one "
                f"than on the sheet {RIGHT}."
                if pair.parted
                else "Every formula is a right one: other updates are made, or reported.",
            )
            sheet.computation(pair.wrong)

    # the Guide

    def _guide(self, canvas: Canvas) -> str | None:
        page, audit = GuidePage(canvas), self.audit
        page.line(f"Audit of {_cut(printable(audit.target), 80)}", "title", 26)
        page.paragraph(one_line(verdict_sentence(audit)))
        self._mistakes(page)
        self._sheets(page)
        drawing = None
        if self.probed is not None and self.live.pair is not None:
            case = self.probed.case
            page.heading(f"The network of {printable(case.id)}")
            drawing = network_drawing(case.structure_of(case.batch()), page.picture())
        page.heading("How far this reaches")
        for name, text in self._scope():
            page.pair(name, text)
        page.colours()
        page.heading("How to look at a formula")
        page.keys()
        page.excel()
        page.finish()
        return drawing

    def _mistakes(self, page: GuidePage) -> None:
        if self.live.diagnosis is None:
            return
        for entry, variant in mistakes(self.live.diagnosis):
            page.heading(entry.title)
            page.pair("wrong" if entry.kind == "mistake" else "as it is", entry.wrong)
            page.pair("right", entry.right)
            if variant.name:
                page.pair("which", variant.name)
            page.pair("why it is made", entry.why)
            page.pair("what to do", entry.fix)
        page.pair("explains", f"{explains(self.live.diagnosis)} that were compared")
        if self.live.diagnosis.ties:
            page.pair("cannot be told from", joined_words(self.live.diagnosis.ties))

    def _sheets(self, page: GuidePage) -> None:
        if self.probed is None:
            return
        page.heading("What to look at")
        words = (
            "a row for every number that the implementation gave: the right one, its own, the gap"
        )
        if self.live.pair is not None and self.live.pair.wrong is not None:
            words += ", and the mistaken formula's, which gives the same"
        page.pair(AUDIT, f"{words}. Red where they part.")
        if self.live.pair is not None:
            page.pair(GIVENS, "what the case gives; change a number and both computations follow")
            page.pair(RIGHT, "the right computation, live, an update below the other")
            if self.live.pair.wrong is not None:
                page.pair(MISTAKEN, "the same with the mistake; red frames show where it is made")
        if self.live.why_not:
            page.pair(
                "not live", f"{self.live.why_not}: the numbers stand there as they were computed"
            )
        page.paragraph(
            "The implementation's numbers are typed in, as it gave them; everything beside them "
            "is computed here. After a given is changed they belong to the old one."
        )

    def _scope(self) -> list[tuple[str, str]]:
        audit, lines = self.audit, []
        if self.probed is not None:
            where = origin_of(self.probed.case, audit.declared)
            file = f"reference/probes/{where.file}, " if where.file else ""
            lines.append(
                ("this case", f"{printable(self.probed.case.id)}: {file}SHA-256 {where.sha256}")
            )
        cells = [counts(p) for p in audit.probes if p.cells]
        cases, numbers = (
            count_of(len(cells), "case"),
            count_of(sum(c.cells for c in cells), "number"),
        )
        agree = sum(c.agree for c in cells)
        lines.append(("all cases", f"{cases} gave {numbers}, {agree:,} of them right"))
        lines.append(("precision", precision(audit)))
        if audit.tolerance is not None:
            lines.append(("tolerance", f"{audit.tolerance:g}"))
        if audit.declared:
            lines.append(("declared", joined_words(audit.declared)))
        if audit.not_exercised:
            lines.append(("not exercised", ", ".join(audit.not_exercised)))
        lines.append(("to repeat", _cut(repeat_command(audit), 300)))
        return lines


class _AuditSheet:
    """Writes the sheet that compares: a row a number."""

    def __init__(
        self, canvas: Canvas, audit: Audit, probed: Probed, live: LiveCase, places: Places
    ) -> None:
        self.canvas, self.audit, self.probed, self.places = canvas, audit, probed, places
        self.diagnosis = live.diagnosis
        self.right = None if live.pair is None else live.pair.right
        self.wrong = None if live.pair is None else live.pair.wrong
        program = right_program(probed.case, audit.declared)
        self.right_bounds = self._bounds(program, self.right)
        mistaken = None if self.diagnosis is None else self.diagnosis.program
        self.wrong_bounds = self._bounds(mistaken, self.wrong)
        self.mistaken = self.wrong is not None
        self.grouped = {
            id(cell): group_words(group) for group in audit.groups for cell in group.cells
        }

    def write(self) -> None:
        put, canvas = self.canvas.text, self.canvas
        rows = listed_cells(self.probed.cells, MOST_ROWS, MOST_ROWS)
        put(
            1,
            1,
            f"{_cut(printable(self.audit.target), 60)} on {printable(self.probed.case.id)}",
            "title",
        )
        put(2, 1, _cut(one_line(verdict_sentence(self.audit)), 130), "subtitle")
        left = len(self.probed.cells) - len(rows)
        if left > 0:
            put(3, 1, f"{left:,} further numbers are left out here.", "subtitle")
        heads = ["number", "equation", "right", "given", "gap", "rounding\nexplains", "right?"]
        panels = [(3, "the right formula"), (4, "the implementation"), (5, "compared")]
        if self.mistaken and self.diagnosis is not None:
            heads += ["", "mistaken", "gap", "rounding\nexplains", "the same?"]
            panels.append((9, f"the mistaken formula: {bug(self.diagnosis)}"))
        if self.grouped:
            heads += ["", "follows from"]
        for column, head in panels:
            put(_HEAD_ROW - 1, column, head, "block" if column != 9 else "panel")
        for n, head in enumerate(heads, start=1):
            put(_HEAD_ROW, n, head, "head")
        canvas.heights({1: 24, 2: 17, _HEAD_ROW: 28})
        for n, row in enumerate(rows):
            self._row(_FIRST_ROW + n, row)
        self._look(_FIRST_ROW, _FIRST_ROW + len(rows) - 1)
        self._totals(_FIRST_ROW, _FIRST_ROW + len(rows) - 1)

    def _bounds(self, program: type[Program] | None, live: Live | None) -> dict[Slot, Vector]:
        """Return how far the numbers that are live may lie from what a program computes."""
        if program is None or live is None:
            return {}
        whole = self.probed.answer
        written = {slot: x for slot, x in whole.numbers.items() if live.cells_at(slot) is not None}
        answer = Answer(whole.case, written)
        hypothesis = Hypothesis(program, [answer], self.audit.tolerance or 0.0)
        limits = {}
        for slot, limit in hypothesis.limits(0, self.audit.precision).items():
            printed = answer.numbers[slot].half_units
            if limit.shape == printed.shape:
                limits[slot] = limit + printed * (1 + 2.0**-50)
        return limits

    def _row(self, row: int, cell: Cell) -> None:
        canvas = self.canvas
        right = None if self.right is None else self.right.cell(cell.slot, cell.index)
        wrong = None if self.wrong is None else self.wrong.cell(cell.slot, cell.index)
        canvas.text(row, 1, cell.label, "plain")
        canvas.text(row, 2, cell.equation, "source")
        if right is None:
            self._typed(row, 3, cell.right, "check")
        else:
            where = self.places.seen_from(canvas.title, right)
            canvas.formula(row, 3, f"={where}", "forward")
        self._typed(row, 4, cell.found, "given")
        # a certified value that is typed in is nearer to the exact one than a computed one
        bound = cell.bound if right is None else _bound_of(self.right_bounds, cell)
        self._compared(row, 3, 5, bound, "✗")
        if wrong is not None:
            where = self.places.seen_from(canvas.title, wrong)
            canvas.formula(row, 9, f"={where}", "error")
            self._compared(row, 9, 10, _bound_of(self.wrong_bounds, cell), "–")
        if id(cell) in self.grouped:
            canvas.text(row, self._group_column(), self.grouped[id(cell)], "plain")

    def _group_column(self) -> int:
        return 14 if self.mistaken else 9

    def _typed(self, row: int, column: int, value: float, look: str) -> None:
        if math.isfinite(value):
            self.canvas.number(row, column, value, look)
        else:
            self.canvas.text(row, column, "infinite" if value > 0 else "−infinite", "plain")

    def _compared(
        self, row: int, against: int, column: int, bound: float | None, otherwise: str
    ) -> None:
        """Write the gap to another column, what explains it, and the mark, all live."""
        canvas = self.canvas
        ours, theirs = a1(row, 4), a1(row, against)
        if canvas.sheet.cells[row, 4].kind != "number" or bound is None:
            canvas.text(row, column + 2, otherwise, "mark")
            return
        canvas.formula(row, column, f"={ours}-{theirs}", "check")
        if not math.isfinite(bound):
            canvas.text(row, column + 2, otherwise, "mark")
            return
        canvas.number(row, column + 1, bound, "check")
        gap, limit = a1(row, column), a1(row, column + 1)
        canvas.formula(row, column + 2, f'=IF(ABS({gap})<={limit},"✓","{otherwise}")', "mark")

    def _look(self, first: int, last: int) -> None:
        canvas, sheet = self.canvas, self.canvas.sheet
        widths: dict[int, float] = {1: 40, 2: 9, 3: 18, 4: 18, 5: 11, 6: 11, 7: 8}
        if self.mistaken:
            widths |= {8: 2.5, 9: 18, 10: 11, 11: 11, 12: 11}
        if self.grouped:
            widths |= {self._group_column() - 1: 2.5, self._group_column(): 34}
        canvas.widths(widths)
        numbers = [3, 4, *([9] if self.mistaken else [])]
        gaps = [5, 6, *([10, 11] if self.mistaken else [])]
        shapes = dict.fromkeys(numbers, _LONG) | dict.fromkeys(gaps, _SMALL)
        for row in range(first, last + 1):
            for column, shape in shapes.items():
                if (row, column) in sheet.cells:
                    sheet.cells[row, column].own = {"number_format": shape}
        for column in numbers:
            cells = canvas.area(first, column, last - first + 1, 1).address
            show_tiny_numbers(sheet, cells)
        marks = [7, *([12] if self.mistaken else [])]
        for column in marks:
            cells = canvas.area(first, column, last - first + 1, 1).address
            colour_marks(sheet, cells)
        wrong = f'$G{first}="✗"'
        sheet.highlights.append(
            Highlight(f"D{first}:E{last}", wrong, color=_RED, bold=True, fill=_PALE_RED)
        )
        sheet.freeze_panes = f"B{first}"
        canvas.print_on("landscape", rows=f"{_HEAD_ROW - 1}:{_HEAD_ROW}")

    def _totals(self, first: int, last: int) -> None:
        """Count live how many numbers are right, and how many the mistake reproduces."""
        canvas = self.canvas
        rows = last - first + 1
        canvas.text(4, 6, "of them right", "term right")
        canvas.formula(4, 7, f'=SUMPRODUCT((G{first}:G{last}="✓")*1)', "count")
        canvas.text(4, 4, count_of(rows, "number"), "term right")
        if self.mistaken:
            canvas.text(4, 11, "reproduced", "term right")
            canvas.formula(4, 12, f'=SUMPRODUCT((L{first}:L{last}="✓")*1)', "count")


def _bound_of(bounds: dict[Slot, Vector], cell: Cell) -> float | None:
    bound = bounds.get(cell.slot)
    if bound is None or len(cell.index) != bound.ndim:
        return None
    return float(bound[cell.index])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
