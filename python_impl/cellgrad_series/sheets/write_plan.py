"""A workbook of several parts as plain data: its sheets, its charts described, its Guide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cellgrad.case.model import Case
from cellgrad.case.quantities import Facts, Structure
from cellgrad.described import StepShape
from cellgrad.workbook.canvas import STYLES, Canvas, write_map_of_parts
from cellgrad.workbook.description import Book, Line
from cellgrad.workbook.description import Chart as Drawing
from cellgrad.workbook.formulas import StepLayout
from cellgrad.workbook.guide import Anchor, GuidePage, network_drawing
from cellgrad.workbook.step_sheet import StepSheet
from cellgrad.xlsx import map_sheet
from cellgrad.xlsx.addresses import Range, a1
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.parts.run import EVALUATED, RunShape
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.parts.tables import ComparisonShape, FunctionShape, TableShape
from cellgrad_series.plan import Chart, Part, Plan, Reference, find_charted
from cellgrad_series.sheets.classification_sheet import ClassificationSheet
from cellgrad_series.sheets.rows import Link, Rows
from cellgrad_series.sheets.run_sheet import START_ROW, RunSheet, Samples
from cellgrad_series.sheets.tables import (
    SweepSheet,
    write_comparison,
    write_function,
    write_samples,
    write_table,
)


def describe_plan(plan: Plan) -> Book:
    """Return everything that the workbook of a plan holds.

    Raises:
        WorkbookError: a part is larger than a sheet holds.
    """
    return _Writer(plan).describe()


class _Writer:
    """Writes part after part; later ones refer to what earlier ones have written."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.book = Book(plan.title, STYLES)
        self.rows: dict[str, Rows] = {}
        self.runs: dict[str, RunSheet] = {}
        self.samples: dict[str, Samples] = {}

    def describe(self) -> Book:
        guide = Canvas(self.book, "Guide")
        for part in self.plan.parts:
            make: Callable[[Part, Any], None] = getattr(self, f"_{part.kind}")
            make(part, part.shape)
        if self.plan.charts:
            canvas = Canvas(self.book, CHARTS)
            write_charts(canvas, self.plan.charts, self._located, self.plan.title)
            # pictures first: they say what the sheets are about
            self.book.sheets.insert(1, self.book.sheets.pop())
        facts = {part.name: _facts(part) for part in self.plan.parts}
        own_map = Canvas(self.book, map_sheet.SHEET)
        write_map_of_parts(own_map, self.plan.id, facts)
        networks = (part.shape.pictured() for part in self.plan.parts)
        first = next((network for network in networks if network is not None), None)
        anchor = write_plan_guide(guide, self.plan, first)
        if first is not None and anchor is not None:
            self.book.drawing = network_drawing(first, anchor)
        return self.book

    def _canvas(self, part: Part) -> Canvas:
        """Return the sheet of a part, its title written."""
        canvas = Canvas(self.book, part.name, part.name)
        canvas.head(self._title(part), part.caption)
        return canvas

    def _title(self, part: Part) -> str:
        return f"{self.plan.title}:  {part.name}" if len(self.plan.parts) > 1 else self.plan.title

    def _written(self, part: Part, structure: Structure, prefix: str) -> Samples:
        """Write samples of a part on a sheet of their own."""
        unseen = prefix == EVALUATED
        sheet = part.validation_sheet if unseen else part.data_sheet
        canvas = Canvas(self.book, sheet, part.name)
        whose = f"{part.name} is not trained on" if unseen else part.name
        canvas.head(
            f"{self.plan.title}:  {sheet}",
            f"samples that {whose}" if unseen else f"samples of {whose}",
        )
        known = {quantity.name: quantity for quantity in part.shape.quantities() if quantity.given}
        one, other = known[f"{prefix}input"], known[f"{prefix}target"]
        samples = part.validation if unseen else part.samples
        rows = write_samples(canvas, part.shape, structure, (one, other), samples)
        return Samples(rows, one.key, other.key)

    # one method a kind of part

    def _step(self, part: Part, shape: StepShape) -> None:
        layout = StepLayout(shape.step, part.name)
        canvas, title = Canvas(self.book, part.name, part.name), self._title(part)
        StepSheet(canvas, _case_of(part), layout, title, part.caption).write()

    def _run(self, part: Part, shape: RunShape) -> None:
        name = part.name
        self.samples[name] = (
            self.samples[part.data] if part.data else self._written(part, shape.step, "sample_")
        )
        unseen = self._written(part, shape.step, EVALUATED) if shape.evaluated else None
        start = self.runs[part.start] if part.start else None
        sheet = RunSheet(
            self._canvas(part), shape, _case_of(part), self.samples[name], unseen, start
        )
        sheet.write()
        self.runs[name], self.rows[name] = sheet, sheet.rows

    def _classified(self, part: Part, shape: ClassificationShape | RuleShape) -> None:
        weights: Link | None = None
        if part.weights:
            weights = self.runs[part.weights].last_at
        elif part.start:
            weights = self.runs[part.start].started_at
        samples = self.samples[part.data] if part.data else None
        sheet = ClassificationSheet(self._canvas(part), part, shape, weights, samples)
        sheet.write()
        self.rows[part.name] = sheet.rows
        self.samples[part.name] = Samples(sheet.rows, ("input", None), ("target", None))

    _validation = _rule = _classified

    def _sweep(self, part: Part, shape: SweepShape) -> None:
        samples = self.samples[part.name] = self._written(part, shape.step, "")
        sheet = SweepSheet(self._canvas(part), part, shape, _case_of(part), samples)
        sheet.write()
        self.rows[part.name] = sheet.rows

    def _function(self, part: Part, shape: FunctionShape) -> None:
        self.rows[part.name] = write_function(self._canvas(part), part, shape)

    def _comparison(self, part: Part, shape: ComparisonShape) -> None:
        def error_of(run: str, update: int) -> str:
            return self.rows[run].from_elsewhere(update, ("error", None))

        self.rows[part.name] = write_comparison(self._canvas(part), shape, error_of)

    def _table(self, part: Part, shape: TableShape) -> None:
        self.rows[part.name] = write_table(self._canvas(part), part, shape)

    # charts

    def _located(self, reference: Reference) -> Range:
        """Return the cells of what a chart refers to."""
        part = self.plan.part(reference.part)
        key, index = find_charted(part, reference)
        if reference.quantity in ("surface", "boundary_x", "boundary_y"):
            for claim in self.book.claims:
                if claim.part == part.name and claim.key == key:
                    return claim.cells
        rows, run = self.rows[part.name], part.kind == "run"
        if run and key[0].startswith("sample_"):
            rows = self.samples[part.name].rows
        column = rows.column(key, index)
        first, last = reference.rows or (0, rows.count - 1)
        # what an update starts from are the new weights of the row above, or of the start
        parameter = run and reference.quantity in ("weights", "biases")
        top = START_ROW if parameter else rows.first_row
        return Range(rows.canvas.title, top + first, column, top + last, column)


def _case_of(part: Part) -> Case:
    assert part.case is not None  # noqa: S101 - parts with a network have one
    return part.case


def _facts(part: Part) -> Facts:
    """Return the words of a part: what it is, where it takes numbers from, and its shape."""
    links = {f"{name} of": getattr(part, name) for name in ("start", "data", "weights")}
    return {
        "kind": part.kind,
        **{word: name for word, name in links.items() if name},
        **part.shape.facts(),
    }


CHARTS = "Charts"
COLOURS = ("1C4E80", "C0392B", "2E8B57", "8E5BB5", "D98E04", "5C6770", "17A2B8", "A0522D")
_ROWS_A_CHART, _COLUMNS_A_CHART = 20, 8
_COLUMN = 12.0

Locate = Callable[[Reference], Range]
"""Gives the cells of what a chart refers to: one column or row."""


def write_charts(canvas: Canvas, charts: Sequence[Chart], locate: Locate, title: str) -> None:
    """Put the charts on their sheet, two side by side."""
    canvas.head(title, "Drawn from the cells of the other sheets: they follow every change.")
    for n, chart in enumerate(charts):
        surface = chart.kind == "surface"
        drawing = Drawing(
            "line" if surface else chart.kind,
            a1(4 + n // 2 * _ROWS_A_CHART, 1 + n % 2 * _COLUMNS_A_CHART),
            chart.title,
            chart.x_title,
            chart.y_title,
            chart.log_y,
            tuple(_slices(chart, locate) if surface else _lines(chart, locate)),
        )
        canvas.sheet.charts.append(drawing)
    canvas.widths(dict.fromkeys(range(1, 2 * _COLUMNS_A_CHART + 1), _COLUMN))
    canvas.print_on("landscape")


def _lines(chart: Chart, locate: Locate) -> list[Line]:
    """Return what is drawn: each series, its numbers, and those along the horizontal axis."""
    lines = []
    for n, one in enumerate(chart.series):
        x = one.x or chart.x
        along = None if x is None else locate(x)
        points = chart.points if one.points is None else one.points
        lines.append(Line(one.label, locate(one.y), along, COLOURS[n % len(COLOURS)], points))
    return lines


def _slices(chart: Chart, locate: Locate) -> list[Line]:
    """A surface as lines, one for each value of the first parameter; the second is above them."""
    area = locate(chart.series[0].y)
    values = Range(area.sheet, area.top - 1, area.left, area.top - 1, area.right)
    return [
        Line(
            "",
            Range(area.sheet, area.top + n, area.left, area.top + n, area.right),
            values,
            _between(n, area.height),
            chart.points,
        )
        for n in range(area.height)
    ]


def _between(n: int, count: int) -> str:
    """Return a colour from blue to red."""
    share = n / max(count - 1, 1)
    low, high = (0x1C, 0x4E, 0x80), (0xC0, 0x39, 0x2B)
    return "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(low, high, strict=True))


_WHAT = {
    "step": "one training step",
    "run": "training, a row an update",
    "validation": "samples classified, and counted",
    "rule": "samples, and the rule that made their targets",
    "sweep": "E as weights are moved",
    "function": "a function and its slope",
    "comparison": "E of several runs side by side",
    "table": "numbers measured elsewhere, and what they come to",
}


def write_plan_guide(canvas: Canvas, plan: Plan, pictured: Structure | None) -> Anchor | None:
    """Write the guide; return where the network's picture belongs, if there is one."""
    page = GuidePage(canvas)
    page.line(plan.title, "title", 26)
    if plan.number:
        page.paragraph(
            f"Our workbook for the topic of part {plan.number} of Robert Keim\u2019s series on "
            "neural networks: a companion, not a copy. Every number is computed by a formula that "
            "you can read; change any yellow one and everything follows."
        )
    for paragraph in plan.about:
        page.paragraph(paragraph)
    anchor = None
    if pictured is not None:
        page.heading("The network")
        anchor = page.picture()
    _sheets(page, plan)
    if plan.tries:
        page.heading("Try it")
        for text in plan.tries:
            page.paragraph(f"•  {text}")
    page.colours()
    page.heading("How to trace it")
    if any(isinstance(part.shape, RunShape) for part in plan.parts):
        page.paragraph(
            "On a sheet of updates, read a row from left to right: the sample, the forward pass, "
            "the error, the error signals from the output back, the gradients, the new weights. "
            "The row marked start holds what the first update starts from; every other update "
            "starts from the new weights of the row above it."
        )
    page.keys()
    page.excel()
    page.heading("Where the numbers come from")
    for paragraph in plan.source or ("Numbers made for this workbook.",):
        page.paragraph(paragraph)
    page.stored(f"Workbook {plan.id}")
    page.finish()
    return anchor


def _sheets(page: GuidePage, plan: Plan) -> None:
    page.heading("The sheets")
    for part in plan.parts:
        page.pair(part.name, part.caption or _WHAT[part.kind])
        for sheet, what in (
            (part.data_sheet, f"the samples of {part.name}"),
            (part.validation_sheet, f"samples that {part.name} is not trained on"),
        ):
            if sheet:
                page.pair(sheet, what)
    if plan.charts:
        page.pair("Charts", "pictures, drawn from the cells by your spreadsheet program")
    page.pair("Map", "tells programs what each cell is")
