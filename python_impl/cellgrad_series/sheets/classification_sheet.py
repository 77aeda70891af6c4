"""The sheet of a classification, or of a rule: a row a sample, and the counts above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cellgrad.case.model import Sample
from cellgrad.case.quantities import Index, Key, Quantity
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Highlight
from cellgrad.workbook.formulas import Formulas, added
from cellgrad.xlsx.addresses import a1
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.parameters_block import Link, ParametersBlock
from cellgrad_series.sheets.rows import Rows, indices, kind_of

SampleLink = Callable[[str, int, int], str]
"""Gives the address of ``input`` or ``target`` of a sample, by sample and node."""

_TOP = 4
_COUNTS = 12
"""The weights begin right of the columns for the counts."""


class ClassificationSheet:
    """Writes the sheet of a classification or of a rule.

    Args:
        canvas: the sheet.
        part: its numbers.
        title: above everything.
        weights: where its weights stand, if not here.
        samples: where its samples stand, if not here.
    """

    def __init__(
        self,
        canvas: Canvas,
        part: Part,
        title: str,
        weights: Link | None = None,
        samples: SampleLink | None = None,
    ) -> None:
        assert isinstance(part.shape, ClassificationShape | RuleShape)  # noqa: S101
        self.canvas, self.part, self.title = canvas, part, title
        self.shape: ClassificationShape | RuleShape = part.shape
        self.weights, self.samples = weights, samples
        self.s = self.shape.network
        self.n = self.shape.samples
        self.quantities = {quantity.key: quantity for quantity in self.shape.quantities()}
        self.rule = isinstance(self.shape, RuleShape)
        classes = 0 if isinstance(self.shape, RuleShape) else self.shape.classes
        left = 5 if self.rule else max(_COUNTS, classes + 7)
        self.block = ParametersBlock(canvas, self.s, self.quantities, _TOP, left)
        counts_end = _TOP + 3 if self.rule else _TOP + max(6, classes + 3)
        first = max(self.block.last_row, counts_end) + 5
        self.rows = Rows(canvas, self.shape, self.s, first - 3, first, self.n, gap=False)
        self.singles: dict[str, str] = {}

    def write(self) -> None:
        """Write head, weights, samples, their classes, and the counts."""
        put = self.canvas.text
        put(1, 1, self.title, "title")
        put(2, 1, self.part.caption, "subtitle")
        self.canvas.heights({1: 24, 2: 17, self.rows.label_row + 1: 36})
        network = self.part.case.network if self.part.case else None
        self.block.write(network, self.weights)
        self.rows.numbers("sample")
        for n, name in enumerate(self.part.constants):
            self._constant(name, _TOP + 3 + n, 1)
        for quantity in self.quantities.values():
            if quantity.per_row == "sample":
                width = 8.5 if quantity.name in ("is_target", "is_called") else 10.2
                self.rows.place(quantity, width=width)
        for sample in range(self.n):
            self._row(sample)
        for key, quantity in self.quantities.items():
            if quantity.per_row == "sample":
                linked = self.samples is not None
                given = quantity.given and not linked
                self.rows.claim(key, "given" if given else "step")
        if self.rule:
            self._single("right", _TOP, 1, f"of {self.n}")
        else:
            self._counts()
        self._marks()
        self.canvas.sheet.freeze_panes = f"B{self.rows.first_row}"
        self.canvas.print_on("landscape", rows=f"{self.rows.label_row}:{self.rows.first_row - 1}")

    def _row(self, sample: int) -> None:
        samples: tuple[Sample, ...] = self.part.samples

        def at(key: Key, index: Index) -> str:
            name, layer = key
            if name == "incoming":
                return self.rows.at(sample, ("post_activation", (layer or 0) - 1), index[1:])
            if name in ("weights", "biases"):
                return self.block.at(key, index)
            if name == "leaky_slope":
                return self.singles[name]
            rest = index[1:] if self.quantities[key].per_row == "sample" else index
            return self.rows.at(sample, key, rest)

        formulas = Formulas(replace(self.s, samples=max(self.n, 2)), at)
        row = self.rows.first_row + sample
        for key, quantity in self.quantities.items():
            if quantity.per_row != "sample":
                continue
            for rest in indices(quantity.shape[1:]):
                place = (row, self.rows.column(key, rest))
                if quantity.given:
                    if self.samples is not None:
                        text = f"={self.samples(key[0], sample, rest[0])}"
                        self.canvas.formula(*place, text, "given")
                    else:
                        number = getattr(samples[sample], key[0])[rest[0]]
                        self.canvas.number(*place, number)
                    continue
                own: Callable[[int, Index], str] | None = getattr(self, f"_{key[0]}", None)
                text = (
                    "=" + own(sample, rest)
                    if own is not None
                    else formulas.of(key, (sample, *rest))
                )
                self.canvas.formula(*place, text, self._kind(quantity))

    @staticmethod
    def _kind(quantity: Quantity) -> str:
        kind = kind_of(quantity.name)
        return "check" if kind == "gradient" else kind

    # one method a column

    def _outputs(self, sample: int, name: str) -> list[str]:
        key: Key = ("target", None) if name == "target" else ("post_activation", self.s.layers - 1)
        return [self.rows.at(sample, key, (o,)) for o in range(self.s.outputs)]

    def _class_of(self, cells: list[str]) -> str:
        """One output: 1 above the limit; several: the first of the largest."""
        if len(cells) == 1:
            return f"IF({cells[0]}>{self.singles['limit']},1,0)"
        largest = f"MAX({','.join(cells)})"
        text = str(len(cells))
        for n in reversed(range(len(cells) - 1)):
            text = f"IF({cells[n]}={largest},{n + 1},{text})"
        return text

    def _target_class(self, sample: int, _: Index) -> str:
        return self._class_of(self._outputs(sample, "target"))

    def _class(self, sample: int, _: Index) -> str:
        return self._class_of(self._outputs(sample, "output"))

    def _correct(self, sample: int, _: Index) -> str:
        if self.rule:
            one, other = self._outputs(sample, "target")[0], self._outputs(sample, "output")[0]
        else:
            one = self.rows.at(sample, ("target_class", None), ())
            other = self.rows.at(sample, ("class", None), ())
        return f"IF({one}={other},1,0)"

    def _is(self, sample: int, name: str, number: int) -> str:
        first = 0 if self.s.outputs == 1 else 1
        return f"IF({self.rows.at(sample, (name, None), ())}={number + first},1,0)"

    def _is_target(self, sample: int, rest: Index) -> str:
        return self._is(sample, "target_class", rest[0])

    def _is_called(self, sample: int, rest: Index) -> str:
        return self._is(sample, "class", rest[0])

    # counts

    def _column(self, key: Key, rest: Index) -> str:
        column, first = self.rows.column(key, rest), self.rows.first_row
        top, bottom = a1(first, column), a1(first + self.n - 1, column)
        return f"{top}:{bottom}"

    def _total(self, name: str) -> str:
        if self.n <= 16:
            return added([self.rows.at(n, (name, None), ()) for n in range(self.n)])
        return f"SUM({self._column((name, None), ())})"

    def _constant(self, name: str, row: int, column: int) -> None:
        quantity = self.quantities[name, None]
        self.canvas.text(row, column, quantity.label, "block")
        self.canvas.number(row, column + 2, self.part.constants[name])
        cells = self.canvas.area(row, column + 2, 1, 1)
        self.canvas.claim("given", quantity.key, quantity.label, cells, "", "",
                          quantity.defined_name)  # fmt: skip
        self.singles[name] = a1(row, column + 2, absolute=True)

    def _single(self, name: str, row: int, column: int, after: str = "") -> None:
        quantity = self.quantities[name, None]
        self.canvas.text(row, column, quantity.label, "block")
        if name == "accuracy":
            text = f"{self.singles['right']}/{self.n}"
        elif name == "right":
            text = self._total("correct")
        else:
            text = f"({self._total('sample_error')})/{self.n}"
        own = {"accuracy": "0.0%", "right": "0"}.get(name)
        place, look = (row, column + 2), "error" if name == "error" else "check"
        if own is None:
            self.canvas.formula(*place, f"={text}", look)
        else:
            self.canvas.formula(*place, f"={text}", look, number_format=own)
        if after:
            self.canvas.text(row, column + 3, after, "source")
        cells = self.canvas.area(row, column + 2, 1, 1)
        self.canvas.claim("step", quantity.key, quantity.label, cells, "", quantity.equation,
                          quantity.defined_name)  # fmt: skip
        self.singles[name] = a1(row, column + 2)

    def _counts(self) -> None:
        assert isinstance(self.shape, ClassificationShape)  # noqa: S101 - for the type checker
        self._single("right", _TOP, 1, f"of {self.n}")
        self._single("accuracy", _TOP + 1, 1)
        self._single("error", _TOP + 2, 1)
        classes, put = self.shape.classes, self.canvas.text
        first = 0 if self.s.outputs == 1 else 1
        top, left = _TOP + 1, 9
        put(_TOP, 7, "confusion", "block")
        put(_TOP, left, "taken for", "source")
        for c in range(classes):
            put(top, left + c, f"class {c + first}", "node")
            put(top + 1 + c, 7, f"is class {c + first}", "source")
        for t, p in indices((classes, classes)):
            one, other = (
                self._column((name, None), (n,)) for name, n in (("is_target", t), ("is_called", p))
            )
            text = f"=SUMPRODUCT({one},{other})"
            self.canvas.formula(top + 1 + t, left + p, text, "check", number_format="0")
        quantity = self.quantities["confusion", None]
        cells = self.canvas.area(top + 1, left, classes, classes)
        self.canvas.claim("step", quantity.key, quantity.label, cells, "r, c", "",
                          quantity.defined_name)  # fmt: skip
        if self.shape.boundary:
            self._boundary()

    def _boundary(self) -> None:
        """Two points of the line S_preA = 0, for the chart."""
        put, row = self.canvas.text, self.block.last_row + 1
        left = self.block.left
        x, y = self.quantities["boundary_x", None], self.quantities["boundary_y", None]
        put(row, left, x.label, "source")
        put(row + 1, left, y.label, "source")
        bias = f"{self.block.at(('biases', 0), (0,))}+" if self.s.biases else ""
        w1, w2 = (self.block.at(("weights", 0), (i, 0)) for i in (0, 1))
        for n, value in enumerate(self.part.values[0]):
            self.canvas.number(row, left + 2 + n, value)
            place = a1(row, left + 2 + n)
            self.canvas.formula(row + 1, left + 2 + n, f"=-({bias}{w1}*{place})/{w2}", "check")
        for quantity, at, kind in ((x, row, "given"), (y, row + 1, "step")):
            cells = self.canvas.area(at, left + 2, 1, 2)
            self.canvas.claim(kind, quantity.key, quantity.label, cells, "c", "",
                              quantity.defined_name)  # fmt: skip
        self.singles["boundary_x"] = f"{a1(row, left + 2)}:{a1(row, left + 3)}"
        self.singles["boundary_y"] = f"{a1(row + 1, left + 2)}:{a1(row + 1, left + 3)}"

    def _marks(self) -> None:
        """Whole numbers look whole; what is wrong is seen at once."""
        for name in ("target_class", "class", "correct", "is_target", "is_called"):
            if (name, None) in self.rows.groups:
                _, left, right = self.rows.groups[name, None]
                for row in range(self.rows.first_row, self.rows.first_row + self.n):
                    for column in range(left, right + 1):
                        self.canvas.sheet.cells[row, column].own = {"number_format": "0"}
        cells = self.rows.cells(("correct", None))
        self.canvas.sheet.highlights.append(
            Highlight(
                cells.address,
                f"{a1(cells.top, cells.left)}=0",
                color="C0392B",
                bold=True,
                fill="F4B8AE",
            )
        )
