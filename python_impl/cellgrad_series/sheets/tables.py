"""Sheets of rows that stand alone: samples, a function, runs compared, a table, a sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cellgrad.case.equations import FORMS, FORMULA, indices
from cellgrad.case.model import Case, Sample
from cellgrad.case.quantities import Index, Key, Quantity, Structure
from cellgrad.described import Shape
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Highlight
from cellgrad.workbook.formulas import Formulas, join_sum
from cellgrad.xlsx.addresses import a1
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.parts.tables import ComparisonShape, FunctionShape, TableShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.rows import Block, ParametersBlock, Rows
from cellgrad_series.sheets.run_sheet import Samples

_LABEL_ROW = 4

ErrorOf = Callable[[str, int], str]
"""Gives the address of E of an update of a run."""


def write_samples(
    canvas: Canvas,
    shape: Shape,
    structure: Structure,
    quantities: tuple[Quantity, Quantity],
    samples: Sequence[Sample],
) -> Rows:
    """Write samples as givens that a person may change; return where they stand.

    Args:
        canvas: the sheet.
        shape: the part that they belong to.
        structure: for the names of nodes.
        quantities: of the inputs and of the targets.
        samples: the numbers.
    """
    rows = Rows(canvas, shape, structure, _LABEL_ROW, _LABEL_ROW + 3, len(samples))
    rows.numbers("sample")
    for quantity, part in zip(quantities, ("input", "target"), strict=True):
        rows.place(quantity)
        for n, sample in enumerate(samples):
            for i, value in enumerate(getattr(sample, part)):
                rows.number(n, quantity.key, (i,), value)
        rows.claim(quantity.key)
    rows.finish("portrait")
    return rows


def write_function(canvas: Canvas, part: Part, shape: FunctionShape) -> Rows:
    """Write a function's value, its derivative, the central difference, the unit step."""
    epsilon, *columns = shape.quantities()
    moved = canvas.given(epsilon, part.constants["epsilon"], 4, 1, 3)
    rows = Rows(canvas, shape, None, _LABEL_ROW + 2, _LABEL_ROW + 5, shape.rows)
    canvas.heights({rows.label_row + 1: 36})
    rows.numbers("row")
    for quantity in columns:
        rows.place(quantity)
    value_of, slope_of, step_of = (
        FORMS[name][FORMULA].format
        for name in (shape.activation, f"{shape.activation} derivative", "unit_step")
    )
    for n, x in enumerate(part.values[0]):
        cell = {quantity.name: rows.at(n, quantity.key) for quantity in columns}
        rows.number(n, ("x", None), (), x)
        for name, text, look in (
            ("value", value_of(z=cell["x"]), "forward"),
            ("derivative", slope_of(a=cell["value"]), "gradient"),
            ("value_above", value_of(z=f"({cell['x']}+{moved})"), "forward"),
            ("value_below", value_of(z=f"({cell['x']}-{moved})"), "forward"),
            ("quotient", f"({cell['value_above']}-{cell['value_below']})/(2*{moved})", "check"),
            ("gap", f"{cell['derivative']}-{cell['quotient']}", "check"),
            ("step", step_of(z=cell["x"]), "forward"),
        ):
            rows.formula(n, (name, None), (), text, look)
    rows.claim_all()
    rows.finish("portrait")
    return rows


def write_comparison(canvas: Canvas, shape: ComparisonShape, error_of: ErrorOf) -> Rows:
    """Write E of several runs side by side, a row an update."""
    rows = Rows(canvas, shape, None, _LABEL_ROW, _LABEL_ROW + 3, max(shape.updates))
    canvas.heights({rows.label_row + 1: 16})
    (quantity,) = shape.quantities()
    rows.numbers("update")
    rows.place(quantity, width=max(12, *(len(name) + 1 for name in shape.runs)))
    blocks = []
    for run, (name, updates) in enumerate(zip(shape.runs, shape.updates, strict=True)):
        canvas.text(rows.first_row - 1, rows.column(quantity.key, (run,)), name, "node")
        for update in range(updates):
            rows.formula(update, quantity.key, (run,), error_of(name, update))
        blocks.append(Block(0, updates, run, 1))
    whole = len(set(shape.updates)) == 1
    rows.claim(quantity.key, blocks=None if whole else blocks)
    rows.finish("portrait")
    return rows


def write_table(canvas: Canvas, part: Part, shape: TableShape) -> Rows:
    """Write numbers from elsewhere, with mean, spread, best and worst of each row."""
    rows = Rows(canvas, shape, None, _LABEL_ROW, _LABEL_ROW + 3, shape.rows)
    canvas.heights({rows.label_row + 1: 48})
    rows.numbers("row")
    for quantity in shape.quantities():
        rows.place(quantity, width=9)
    counts, *measured = part.values
    what, each = part.headings
    first = rows.column(("count", None), ())
    canvas.text(rows.label_row, first, what, "block")
    canvas.widths({first: max(9, len(what) + 1)})
    for column in range(shape.columns):
        place = (rows.first_row - 1, rows.column(("measured", None), (column,)))
        canvas.text(*place, f"{each} {column + 1}", "node")
    for n in range(shape.rows):
        rows.number(n, ("count", None), (), counts[n])
        for column, number in enumerate(measured[n]):
            rows.number(n, ("measured", None), (column,), number)
        cells = [rows.at(n, ("measured", None), (c,)) for c in range(shape.columns)]
        mean = rows.at(n, ("mean", None))
        squares = join_sum([f"({cell}-{mean})*({cell}-{mean})" for cell in cells])
        for name, text in (
            ("mean", f"({join_sum(cells)})/{shape.columns}"),
            ("spread", f"SQRT(({squares})/{shape.columns - 1})"),
            ("best", f"MAX({','.join(cells)})"),
            ("worst", f"-MAX({','.join(f'-{cell}' for cell in cells)})"),
        ):
            rows.formula(n, (name, None), (), text, "check")
    rows.claim_all()
    rows.finish("landscape")
    return rows


_TOP = 4
_HEIGHTS = ("8CC79A", "FFF3C4", "E59A8C")
"""Low green, high red, like a map."""


class SweepSheet:
    """Writes the sheet of a sweep.

    Args:
        canvas: the sheet.
        part: its numbers.
        shape: its shape.
        case: its network.
        samples: where the samples stand.
    """

    def __init__(
        self, canvas: Canvas, part: Part, shape: SweepShape, case: Case, samples: Samples
    ) -> None:
        self.canvas, self.part, self.samples = canvas, part, samples
        self.shape, self.case, self.s = shape, case, shape.step
        self.two = len(shape.counts) > 1
        self.quantities = {quantity.key: quantity for quantity in shape.quantities()}
        self.block = ParametersBlock(canvas, self.s, self.quantities, _TOP, 3)
        top = self.block.last_row + 2
        self.surface_top = top + 2
        if self.two:
            top = self.surface_top + shape.counts[0] + 1
        self.rows = Rows(canvas, shape, self.s, top + 1, top + 4, shape.rows, gap=False)
        self.constants: dict[str, str] = {}

    def write(self) -> None:
        """Write the weights as they are, the surface if there is one, and the rows."""
        self.canvas.heights({self.rows.label_row + 1: 36})
        self.block.write(self.case.network, None)
        self._constants()
        self.rows.numbers("row")
        for key, quantity in self.quantities.items():
            if quantity.per_row == "row" and not (self.two and key[0] == "axis"):
                self.rows.place(quantity)
        if self.two:
            self._surface()
        else:
            for row, value in enumerate(self.part.values[0]):
                self.rows.number(row, ("axis", 0), (), value)
        for row in range(self.shape.rows):
            self._row(row)
        self.rows.claim_all()
        self.rows.finish("landscape")
        if self.two:
            self.canvas.sheet.freeze_panes = None  # the heads stand too low to stay in sight

    def _constants(self) -> None:
        values = {
            "leaky_slope": self.case.network.leaky_slope,
            "weight_decay": self.case.optimizer.weight_decay,
        }
        column = self.block.end + 2
        for name, value in values.items():
            if (name, None) in self.quantities:
                self.constants[name] = self.canvas.given(
                    self.quantities[name, None],
                    value,
                    _TOP + len(self.constants),
                    column,
                    column + 2,
                    number_format="",
                )

    def _axis(self, n: int, value: int) -> tuple[int, int]:
        """Return where a value of one of two parameters stands, at the surface's edge."""
        if n == 0:
            return self.surface_top + 1 + value, 3
        return self.surface_top, 5 + value

    def _surface(self) -> None:
        one, two = (self.quantities["axis", n] for n in (0, 1))
        title = f"E   down: {one.label}, across: {two.label}"
        self.canvas.text(self.surface_top - 1, 3, title, "block")
        down, across = self.shape.counts
        for n, quantity, size, rule in ((0, one, (down, 1), "r"), (1, two, (1, across), "c")):
            for value, number in enumerate(self.part.values[n]):
                self.canvas.number(*self._axis(n, value), number)
            cells = self.canvas.area(*self._axis(n, 0), *size)
            self.canvas.claim_quantity("given", quantity, cells, rule)
        for i, j in indices(self.shape.counts):
            source = self.rows.at(i * across + j, ("error", None))
            self.canvas.formula(self.surface_top + 1 + i, 5 + j, f"={source}", "error")
        cells = self.canvas.area(self.surface_top + 1, 5, down, across)
        self.canvas.claim_quantity("step", self.quantities["surface", None], cells, "r, c")
        self.canvas.sheet.highlights.append(Highlight(cells.address, scale=_HEIGHTS))

    def _row(self, row: int) -> None:
        moved = {
            parameter: self.rows.at(row, ("swept", None), (n,))
            if self.two
            else self.rows.at(row, ("axis", 0))
            for n, parameter in enumerate(self.shape.swept)
        }

        def at(key: Key, index: Index) -> str:
            name, layer = key
            if name in self.constants:
                return self.constants[name]
            if name in ("input", "target"):
                return self.samples.at(key, *index)
            if name == "incoming":
                return self.rows.at(row, ("post_activation", (layer or 0) - 1), index)
            if name in ("weights", "biases"):
                return moved.get((name, layer or 0, index)) or self.block.at(key, index)
            return self.rows.at(row, key, index)

        formulas = Formulas(self.s, at)
        for key, (quantity, _, _) in self.rows.groups.items():
            if key[0] == "axis":
                continue
            for rest in indices(quantity.shape[1:]):
                if key[0] == "swept":
                    steps = divmod(row, self.shape.counts[1])
                    text = a1(*self._axis(rest[0], steps[rest[0]]))
                    self.rows.formula(row, key, rest, text, "given")
                else:
                    self.rows.formula(row, key, rest, formulas.right_side(key, rest))
