"""The sheet of a classification, or of a rule: a row a sample, and the counts above."""

from __future__ import annotations

from dataclasses import replace

from cellgrad.case.equations import indices
from cellgrad.case.quantities import Index, Key, Quantity
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Highlight
from cellgrad.workbook.formulas import WRITTEN_OUT, Formulas, join_sum
from cellgrad.xlsx.addresses import a1
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.plan import Part
from cellgrad_series.sheets.rows import Link, ParametersBlock, Rows, kind_of
from cellgrad_series.sheets.run_sheet import Samples

_TOP = 4
_COUNTS = 12
"""The weights begin right of the columns for the counts."""

_WHOLE = ("target_class", "class", "correct", "is_target", "is_called")
"""What is shown as a whole number."""


class ClassificationSheet:
    """Writes the sheet of a classification or of a rule.

    Args:
        canvas: the sheet.
        part: its numbers.
        shape: its shape.
        weights: where its weights stand, if not here.
        samples: where its samples stand, if not here.
    """

    def __init__(
        self,
        canvas: Canvas,
        part: Part,
        shape: ClassificationShape | RuleShape,
        weights: Link | None = None,
        samples: Samples | None = None,
    ) -> None:
        self.canvas, self.part, self.shape = canvas, part, shape
        self.weights, self.samples = weights, samples
        self.s, self.n = shape.network, shape.samples
        self.quantities = {quantity.key: quantity for quantity in shape.quantities()}
        self.columns = [q for q in self.quantities.values() if q.per_row == "sample"]
        self.rule = isinstance(shape, RuleShape)
        self.classes = shape.classes if isinstance(shape, ClassificationShape) else 0
        self.first_class = 0 if self.s.outputs == 1 else 1
        left = 5 if self.rule else max(_COUNTS, self.classes + 7)
        self.block = ParametersBlock(canvas, self.s, self.quantities, _TOP, left)
        counts_end = _TOP + 3 if self.rule else _TOP + max(6, self.classes + 3)
        first = max(self.block.last_row, counts_end) + 5
        self.rows = Rows(canvas, shape, self.s, first - 3, first, self.n, gap=False)
        self.singles: dict[str, str] = {}

    def write(self) -> None:
        """Write weights, samples, their classes, and the counts."""
        self.canvas.heights({self.rows.label_row + 1: 36})
        self.block.write(self.part.case.network if self.part.case else None, self.weights)
        self.rows.numbers("sample")
        for n, (name, value) in enumerate(self.part.constants.items()):
            quantity = self.quantities[name, None]
            self.singles[name] = self.canvas.given(
                quantity, value, _TOP + 3 + n, 1, 3, number_format=""
            )
        for quantity in self.columns:
            self.rows.place(quantity, width=8.5 if quantity.name.startswith("is_") else 10.2)
        for sample in range(self.n):
            self._row(sample)
        for quantity in self.columns:
            self.rows.claim(quantity.key, "step" if self.samples is not None else "")
        self._single("right", _TOP, f"={self._total('correct')}", "check", number_format="0")
        self.canvas.text(_TOP, 4, f"of {self.n}", "source")
        if not self.rule:
            self._counts()
        cells = self.rows.cells(("correct", None))
        wrong = f"{a1(cells.top, cells.left)}=0"  # seen at once
        self.canvas.sheet.highlights.append(
            Highlight(cells.address, wrong, color="C0392B", bold=True, fill="F4B8AE")
        )
        self.rows.finish("landscape")

    def _row(self, sample: int) -> None:
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
        for quantity in self.columns:
            key, name = quantity.key, quantity.name
            kind = kind_of(name)
            look = "check" if kind == "gradient" else kind
            for rest in indices(quantity.shape[1:]):
                if not quantity.given:
                    text = self._own(sample, name, rest) or formulas.right_side(
                        key, (sample, *rest)
                    )
                    own = {"number_format": "0"} if name in _WHOLE else {}
                    self.rows.formula(sample, key, rest, text, look, **own)
                elif self.samples is not None:
                    self.rows.formula(sample, key, rest, self.samples.at(key, sample, *rest))
                else:
                    number = getattr(self.part.samples[sample], name)[rest[0]]
                    self.rows.number(sample, key, rest, number)

    def _own(self, sample: int, name: str, rest: Index) -> str:
        """Return the formula of what no step has, without its equals sign; else nothing."""

        def cells(key: Key) -> list[str]:
            return [self.rows.at(sample, key, (o,)) for o in range(self.s.outputs)]

        target, output = ("target", None), ("post_activation", self.s.layers - 1)
        if name in ("target_class", "class"):
            return self._class_of(cells(target if name == "target_class" else output))
        classes = "target_class", "class"
        if name == "correct":
            if self.rule:
                one, other = cells(target)[0], cells(output)[0]
            else:
                one, other = (self.rows.at(sample, (which, None)) for which in classes)
            return f"IF({one}={other},1,0)"
        if name in ("is_target", "is_called"):
            one = self.rows.at(sample, (classes[name == "is_called"], None))
            return f"IF({one}={rest[0] + self.first_class},1,0)"
        return ""

    def _class_of(self, cells: list[str]) -> str:
        """One output: 1 above the limit; several: the first of the largest."""
        if len(cells) == 1:
            return f"IF({cells[0]}>{self.singles['limit']},1,0)"
        largest = f"MAX({','.join(cells)})"
        text = str(len(cells))
        for n in reversed(range(len(cells) - 1)):
            text = f"IF({cells[n]}={largest},{n + 1},{text})"
        return text

    # counts

    def _column(self, key: Key, rest: Index) -> str:
        return f"{self.rows.at(0, key, rest)}:{self.rows.at(self.n - 1, key, rest)}"

    def _total(self, name: str) -> str:
        if self.n <= WRITTEN_OUT:
            return join_sum([self.rows.at(n, (name, None)) for n in range(self.n)])
        return f"SUM({self._column((name, None), ())})"

    def _single(self, name: str, row: int, formula: str, look: str, **own: str) -> None:
        quantity = self.quantities[name, None]
        self.canvas.text(row, 1, quantity.label, "block")
        self.canvas.formula(row, 3, formula, look, **own)
        self.canvas.claim_quantity("step", quantity, self.canvas.area(row, 3, 1, 1))

    def _counts(self) -> None:
        right = a1(_TOP, 3)
        self._single("accuracy", _TOP + 1, f"={right}/{self.n}", "check", number_format="0.0%")
        self._single("error", _TOP + 2, f"=({self._total('sample_error')})/{self.n}", "error")
        put, first = self.canvas.text, self.first_class
        top, left = _TOP + 1, 9
        put(_TOP, 7, "confusion", "block")
        put(_TOP, left, "taken for", "source")
        for c in range(self.classes):
            put(top, left + c, f"class {c + first}", "node")
            put(top + 1 + c, 7, f"is class {c + first}", "source")
        for t, p in indices((self.classes, self.classes)):
            one, other = (
                self._column((name, None), (n,)) for name, n in (("is_target", t), ("is_called", p))
            )
            text = f"=SUMPRODUCT({one},{other})"
            self.canvas.formula(top + 1 + t, left + p, text, "check", number_format="0")
        cells = self.canvas.area(top + 1, left, self.classes, self.classes)
        self.canvas.claim_quantity("step", self.quantities["confusion", None], cells, "r, c")
        if ("boundary_x", None) in self.quantities:
            self._boundary()

    def _boundary(self) -> None:
        """Two points of the line S_preA = 0, for the chart."""
        row, left = self.block.last_row + 1, self.block.left
        bias = f"{self.block.at(('biases', 0), (0,))}+" if self.s.biases else ""
        w1, w2 = (self.block.at(("weights", 0), (i, 0)) for i in (0, 1))
        for n, value in enumerate(self.part.values[0]):
            self.canvas.number(row, left + 2 + n, value)
            place = a1(row, left + 2 + n)
            self.canvas.formula(row + 1, left + 2 + n, f"=-({bias}{w1}*{place})/{w2}", "check")
        for name, at, kind in (("boundary_x", row, "given"), ("boundary_y", row + 1, "step")):
            quantity: Quantity = self.quantities[name, None]
            self.canvas.text(at, left, quantity.label, "source")
            self.canvas.claim_quantity(kind, quantity, self.canvas.area(at, left + 2, 1, 2), "c")
