"""A workbook of several parts, as bytes, without stored values."""

from __future__ import annotations

from collections.abc import Callable

from cellgrad.case.facts import Facts, structure_facts
from cellgrad.case.quantities import Index, Key
from cellgrad.case.structure import Structure
from cellgrad.workbook import style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Book
from cellgrad.workbook.diagram import network_drawing
from cellgrad.workbook.layout import StepLayout
from cellgrad.workbook.map_writer import write_map_of_parts
from cellgrad.workbook.serialise import file_of
from cellgrad.workbook.step_sheet import StepSheet
from cellgrad.xlsx import map_sheet
from cellgrad.xlsx.addresses import Range, quoted
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.parts.run import EVALUATED, RunShape
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.plan import Part, Plan, Reference
from cellgrad_series.read_plan import charted
from cellgrad_series.sheets.charts import SHEET as CHARTS
from cellgrad_series.sheets.charts import write_charts
from cellgrad_series.sheets.classification_sheet import ClassificationSheet
from cellgrad_series.sheets.comparison_sheet import write_comparison
from cellgrad_series.sheets.data_sheet import write_samples
from cellgrad_series.sheets.draw_chart import draw
from cellgrad_series.sheets.function_sheet import write_function
from cellgrad_series.sheets.plan_guide import write_plan_guide
from cellgrad_series.sheets.rows import Rows
from cellgrad_series.sheets.run_sheet import FIRST_ROW, START_ROW, RunSheet, Samples
from cellgrad_series.sheets.sweep_sheet import SweepSheet
from cellgrad_series.sheets.table_sheet import write_table


def write_plan(plan: Plan) -> bytes:
    """Return the .xlsx file of a plan: formulas, no values yet.

    Raises:
        WorkbookError: a part is larger than a sheet holds.
    """
    return file_of(describe_plan(plan), draw)


def describe_plan(plan: Plan) -> Book:
    """Return everything that the workbook of a plan holds.

    Raises:
        WorkbookError: a part is larger than a sheet holds.
    """
    return _Writer(plan).describe()


class _Writer:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.book = Book(plan.title, style.STYLES)
        self.facts: dict[str, Facts] = {}
        self.rows: dict[str, Rows] = {}
        self.runs: dict[str, RunSheet] = {}
        self.samples: dict[str, Samples] = {}
        self.classifications: dict[str, ClassificationSheet] = {}
        self.steps: dict[str, StepLayout] = {}

    def describe(self) -> Book:
        guide = Canvas(self.book, "Guide")
        for part in self.plan.parts:
            make: Callable[[Part], None] = getattr(self, f"_{part.kind}")
            make(part)
            self.facts[part.name] = _facts(part)
        if self.plan.charts:
            canvas = Canvas(self.book, CHARTS)
            write_charts(canvas, self.plan.charts, self._located, self.plan.title)
            # pictures first: they say what the sheets are about
            self.book.sheets.insert(1, self.book.sheets.pop())
        pictured = _pictured(self.plan)
        own_map = Canvas(self.book, map_sheet.SHEET)
        write_map_of_parts(own_map, self.plan.id, self.facts, self.book.claims)
        anchor = write_plan_guide(guide, self.plan, pictured)
        if pictured is not None and anchor is not None:
            self.book.drawing = network_drawing(pictured, anchor)
        return self.book

    def _canvas(self, sheet: str, part: Part) -> Canvas:
        return Canvas(self.book, sheet, part.name)

    def _title(self, part: Part) -> str:
        return f"{self.plan.title}:  {part.name}" if len(self.plan.parts) > 1 else self.plan.title

    # one method a kind of part

    def _step(self, part: Part) -> None:
        assert isinstance(part.shape, Structure)  # noqa: S101 - for the type checker
        assert part.case is not None  # noqa: S101 - for the type checker
        layout = StepLayout(part.shape, part.name)
        self.steps[part.name] = layout
        canvas = self._canvas(part.name, part)
        StepSheet(canvas, part.case, layout, self._title(part), part.caption).write()

    def _own_samples(self, part: Part, structure: Structure) -> None:
        """Write a part's samples on a sheet of their own."""
        keys = ("input", "target") if part.kind == "sweep" else ("sample_input", "sample_target")
        self.samples[part.name] = self._written(part, structure, part.data_sheet, keys)

    def _written(
        self, part: Part, structure: Structure, sheet: str, names: tuple[str, str]
    ) -> Samples:
        assert not isinstance(part.shape, Structure)  # noqa: S101 - for the type checker
        known = {quantity.name: quantity for quantity in part.shape.quantities() if quantity.given}
        one, other = (known[name] for name in names)
        unseen = names[0].startswith(EVALUATED)
        rows = write_samples(
            self._canvas(sheet, part),
            part.shape,
            structure,
            (one, other),
            part.validation if unseen else part.samples,
            f"{self.plan.title}:  {sheet}",
            f"samples that {part.name} is not trained on" if unseen else f"samples of {part.name}",
        )
        return Samples(rows, one.key, other.key)

    def _run(self, part: Part) -> None:
        shape = part.shape
        assert isinstance(shape, RunShape)  # noqa: S101 - for the type checker
        if not part.data:
            self._own_samples(part, shape.step)
        else:
            self.samples[part.name] = self.samples[part.data]
        unseen = None
        if shape.evaluated:
            names = (f"{EVALUATED}input", f"{EVALUATED}target")
            unseen = self._written(part, shape.step, part.validation_sheet, names)
        sheet = RunSheet(
            self._canvas(part.name, part),
            part,
            self._title(part),
            self.samples[part.name],
            unseen,
            self.runs[part.start] if part.start else None,
        )
        sheet.write()
        self.runs[part.name], self.rows[part.name] = sheet, sheet.rows

    def _classified(self, part: Part) -> None:
        weights: Callable[[Key, Index], str] | None = None
        if part.weights:
            weights = self.runs[part.weights].last_at
        elif part.start:
            run = self.runs[part.start]

            def weights(key: Key, index: Index) -> str:
                return run.started_at((f"start_{key[0]}", key[1]), index)

        link = None
        if part.data:
            samples = self.samples[part.data]

            def link(name: str, sample: int, node: int) -> str:
                return samples.at((name, None), sample, node)

        sheet = ClassificationSheet(
            self._canvas(part.name, part), part, self._title(part), weights, link
        )
        sheet.write()
        self.classifications[part.name], self.rows[part.name] = sheet, sheet.rows
        self.samples[part.name] = Samples(sheet.rows, ("input", None), ("target", None))

    _validation = _rule = _classified

    def _sweep(self, part: Part) -> None:
        assert isinstance(part.shape, SweepShape)  # noqa: S101 - for the type checker
        self._own_samples(part, part.shape.step)
        sheet = SweepSheet(
            self._canvas(part.name, part), part, self._title(part), self.samples[part.name]
        )
        sheet.write()
        self.rows[part.name] = sheet.rows

    def _function(self, part: Part) -> None:
        canvas = self._canvas(part.name, part)
        self.rows[part.name] = write_function(canvas, part, self._title(part))

    def _comparison(self, part: Part) -> None:
        def error_of(run: str, update: int) -> str:
            return f"{quoted(run)}!{self.rows[run].at(update, ('error', None), ())}"

        canvas = self._canvas(part.name, part)
        self.rows[part.name] = write_comparison(canvas, part, self._title(part), error_of)

    def _table(self, part: Part) -> None:
        canvas = self._canvas(part.name, part)
        self.rows[part.name] = write_table(canvas, part, self._title(part))

    # charts

    def _located(self, reference: Reference) -> Range:
        """Return the cells of what a chart refers to."""
        part = self.plan.part(reference.part)
        key, index = charted(part, reference)
        for claim in self.book.claims:
            whole = claim.part == part.name and claim.key == key
            if whole and reference.quantity in ("surface", "boundary_x", "boundary_y"):
                return claim.cells
        rows = self.rows[part.name]
        if part.kind == "run" and key[0].startswith("sample_"):
            rows = self.samples[part.name].rows
        column = rows.column(key, index)
        first, last = reference.rows or (0, rows.count - 1)
        top = rows.first_row
        if part.kind == "run" and reference.quantity in ("weights", "biases"):
            top = START_ROW  # what an update starts from are the new weights of the row above
            assert top == FIRST_ROW - 1  # noqa: S101 - the layout that this relies on
        return Range(rows.canvas.title, top + first, column, top + last, column)


def _pictured(plan: Plan) -> Structure | None:
    """Return the first network of the plan; it stands for all in the Guide's picture."""
    for part in plan.parts:
        shape = part.shape
        if isinstance(shape, Structure):
            return shape
        if isinstance(shape, RunShape | SweepShape):
            return shape.step
        if isinstance(shape, ClassificationShape | RuleShape):
            return shape.network
    return None


def _facts(part: Part) -> Facts:
    """Return the words of a part: what it is, where it takes numbers from, and its shape."""
    shape = part.shape
    found: Facts = {"kind": part.kind}
    for name in ("start", "data", "weights"):
        if getattr(part, name):
            found[f"{name} of"] = getattr(part, name)
    if isinstance(shape, Structure):
        return found | structure_facts(shape)
    return found | shape.facts()
