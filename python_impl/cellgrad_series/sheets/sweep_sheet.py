"""The sheet of a sweep: a row a value, or a combination of two values, of what is moved."""

from __future__ import annotations

from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Highlight
from cellgrad.workbook.formulas import Formulas
from cellgrad.xlsx.addresses import a1
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.parameters_block import ParametersBlock
from cellgrad_series.sheets.rows import Rows, indices, kind_of
from cellgrad_series.sheets.run_sheet import Samples

_TOP = 4


class SweepSheet:
    """Writes the sheet of a sweep.

    Args:
        canvas: the sheet.
        part: its numbers.
        title: above everything.
        samples: where the samples stand.
    """

    def __init__(self, canvas: Canvas, part: Part, title: str, samples: Samples) -> None:
        assert isinstance(part.shape, SweepShape)  # noqa: S101 - for the type checker
        assert part.case is not None  # noqa: S101 - for the type checker
        self.canvas, self.part, self.title, self.samples = canvas, part, title, samples
        self.shape: SweepShape = part.shape
        self.case: Case = part.case
        self.s = self.shape.step
        self.quantities = {quantity.key: quantity for quantity in self.shape.quantities()}
        self.block = ParametersBlock(canvas, self.s, self.quantities, _TOP, 3)
        top = self.block.last_row + 2
        self.surface_top = top + 2
        if len(self.shape.counts) > 1:
            top = self.surface_top + self.shape.counts[0] + 1
        self.rows = Rows(canvas, self.shape, self.s, top + 1, top + 4, self.shape.rows, gap=False)
        self.constants: dict[str, str] = {}

    def write(self) -> None:
        """Write the head, the weights as they are, the surface if there is one, and the rows."""
        self.canvas.text(1, 1, self.title, "title")
        self.canvas.text(2, 1, self.part.caption, "subtitle")
        self.canvas.heights({1: 24, 2: 17, self.rows.label_row + 1: 36})
        self.block.write(self.case.network, None)
        self._constants()
        self.rows.numbers("row")
        two = len(self.shape.counts) > 1
        for key, quantity in self.quantities.items():
            if quantity.per_row == "row" and not (two and key[0] == "axis"):
                self.rows.place(quantity, look="given" if key[0] == "axis" else "")
        if two:
            self._surface()
        else:
            for row, value in enumerate(self.part.values[0]):
                place = (self.rows.first_row + row, self.rows.column(("axis", 0), ()))
                self.canvas.number(*place, value)
        for row in range(self.shape.rows):
            self._row(row)
        for key in self.rows.groups:
            self.rows.claim(key, "given" if key[0] == "axis" else "step")
        # an empty line to the left of nothing: the heads stay in sight of one parameter only
        self.canvas.sheet.freeze_panes = None if two else f"B{self.rows.first_row}"
        self.canvas.print_on("landscape", rows=f"{self.rows.label_row}:{self.rows.first_row - 1}")

    def _constants(self) -> None:
        values = {
            "leaky_slope": self.case.network.leaky_slope,
            "weight_decay": self.case.optimizer.weight_decay,
        }
        column = self.block.left + 2 + sum(n + 4 for n in self.s.nodes[1:])
        row = _TOP
        for name, value in values.items():
            if (name, None) in self.quantities:
                quantity = self.quantities[name, None]
                self.canvas.text(row, column, quantity.label, "block")
                self.canvas.number(row, column + 2, value)
                cells = self.canvas.area(row, column + 2, 1, 1)
                self.canvas.claim("given", quantity.key, quantity.label, cells, "", "",
                                  quantity.defined_name)  # fmt: skip
                self.constants[name] = a1(row, column + 2, absolute=True)
                row += 1

    def _axis(self, n: int, value: int) -> tuple[int, int]:
        """Return where a value of one of two parameters stands, at the surface's edge."""
        if n == 0:
            return self.surface_top + 1 + value, 3
        return self.surface_top, 5 + value

    def _surface(self) -> None:
        put = self.canvas.text
        one, two = (self.quantities["axis", n] for n in (0, 1))
        put(self.surface_top - 1, 3, f"E   down: {one.label}, across: {two.label}", "block")
        for n, quantity in ((0, one), (1, two)):
            for value, number in enumerate(self.part.values[n]):
                self.canvas.number(*self._axis(n, value), number)
            top, left = self._axis(n, 0)
            down = self.shape.counts[n] if n == 0 else 1
            across = self.shape.counts[n] if n else 1
            self.canvas.claim(
                "given", ("axis", n), quantity.label, self.canvas.area(top, left, down, across),
                "r" if n == 0 else "c", "", quantity.defined_name,
            )  # fmt: skip
        for i, j in indices(self.shape.counts):
            source = self.rows.at(i * self.shape.counts[1] + j, ("error", None), ())
            place = (self.surface_top + 1 + i, 5 + j)
            self.canvas.formula(*place, f"={source}", "error")
        quantity = self.quantities["surface", None]
        cells = self.canvas.area(self.surface_top + 1, 5, *self.shape.counts)
        self.canvas.claim("step", quantity.key, quantity.label, cells, "r, c", "",
                          quantity.defined_name)  # fmt: skip
        heights = ("8CC79A", "FFF3C4", "E59A8C")  # low green, high red, like a map
        self.canvas.sheet.highlights.append(Highlight(cells.address, scale=heights))

    def _row(self, row: int) -> None:
        values = self._values(row)

        def at(key: Key, index: Index) -> str:
            name, layer = key
            if name in self.constants:
                return self.constants[name]
            if name in ("input", "target"):
                return self.samples.at(key, *index)
            if name == "incoming":
                return self.rows.at(row, ("post_activation", (layer or 0) - 1), index)
            if name in ("weights", "biases"):
                return values.get((name, layer, index)) or self.block.at(key, index)
            return self.rows.at(row, key, index)

        formulas = Formulas(self.s, at)
        number = self.rows.first_row + row
        for key, (quantity, _, _) in self.rows.groups.items():
            if key[0] == "axis":
                continue
            for rest in indices(quantity.shape[1:]):
                if key[0] == "swept":
                    step = (row // self.shape.counts[1], row % self.shape.counts[1])[rest[0]]
                    text = f"={a1(*self._axis(rest[0], step))}"
                else:
                    text = formulas.of(key, rest)
                kind = "given" if key[0] == "swept" else kind_of(key[0])
                self.canvas.formula(number, self.rows.column(key, rest), text, kind)

    def _values(self, row: int) -> dict[object, str]:
        """Return where each moved parameter of a row stands."""
        two = len(self.shape.swept) > 1
        return {
            parameter: self.rows.at(row, *((("swept", None), (n,)) if two else (("axis", 0), ())))
            for n, parameter in enumerate(self.shape.swept)
        }
