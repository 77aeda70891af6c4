"""The Step sheet: one training step with live formulas."""

from __future__ import annotations

from cellgrad.case.equations import general_equation, indices
from cellgrad.case.model import Case
from cellgrad.case.quantities import (
    ACTIVATION,
    FORWARD,
    Key,
    Quantity,
    Structure,
    layer_letter,
    node_name,
    table,
)
from cellgrad.workbook.canvas import (
    KIND_COLOURS,
    LABEL_WIDTH,
    VALUE_WIDTH,
    Canvas,
    show_tiny_numbers,
)
from cellgrad.workbook.formulas import Formulas, StepLayout
from cellgrad.xlsx.addresses import column_letters

ONE_PAGE_NODES = 6
"""Above this many nodes a layer, each panel is printed on its own page."""


def kind_of(name: str) -> str:
    """Return the kind, and so the colour, of a computed quantity's cells."""
    if name in FORWARD:
        return "forward" if name in ACTIVATION else "error"
    return "update" if name.startswith("new_") else "gradient"


class StepSheet:
    """Writes the Step sheet of a case."""

    def __init__(
        self, canvas: Canvas, case: Case, layout: StepLayout, title: str = "", caption: str = ""
    ) -> None:
        self.canvas, self.case, self.layout = canvas, case, layout
        self.title, self.caption = title or case.title, caption
        self.s: Structure = layout.structure
        self.table = table(self.s)
        self.formulas = Formulas(self.s, layout.at, layout.area)

    def write(self) -> None:
        """Write the header, the bands from the input to the output, and the error."""
        self._header()
        for k in range(self.s.layers):
            self._band(k)
        self._error()
        self._columns()
        self._print()

    # values

    def _given(self, key: Key, value: object) -> None:
        """Write a given: a number, or nested tuples of numbers."""
        quantity, place = self.table[key], self.layout.places[key]
        for index in indices(quantity.shape):
            number = value
            for i in index:
                number = number[i]  # type: ignore[index]
            self.canvas.number(*place.cell(index), number)  # type: ignore[arg-type]
        self.canvas.claim_quantity("given", quantity, place.cells, place.rule.text)

    def _computed(self, key: Key) -> Quantity:
        quantity, place = self.table[key], self.layout.places[key]
        kind = kind_of(quantity.name)
        for index in indices(quantity.shape):
            self.canvas.formula(*place.cell(index), self.formulas.of(key, index), kind)
        self.canvas.claim_quantity("step", quantity, place.cells, place.rule.text)
        show_tiny_numbers(self.canvas.sheet, place.cells.address)
        return quantity

    def _incoming(self, k: int) -> None:
        """Repeat the post-activations of the layer below as columns beside the weights."""
        place = self.layout.places["incoming", k]
        below = self.table["post_activation", k - 1]
        for index in indices(below.shape):
            source = self.layout.at(below.key, index)
            self.canvas.formula(*place.cell(index), f"={source}", "forward")
        self.canvas.claim(
            "step", below.key, below.label, place.cells, place.rule.text, below.equation
        )
        show_tiny_numbers(self.canvas.sheet, place.cells.address)

    # header

    def _header(self) -> None:
        lay, put = self.layout, self.canvas.text
        self.canvas.head(self.title, self.caption or self._subtitle())
        put(3, 1, "forward ↓", "panel")
        put(3, lay.backward_label, "backward ↑   each cell: ∂E / ∂(the cell at its left)", "panel")
        put(3, lay.update_label, "update →", "panel")
        put(2, lay.update_label, "learning rate LR", "block")
        self._given(("learning_rate", None), self.case.step_learning_rate())
        if self.s.leaky:
            put(2, lay.backward_label, "leaky slope", "block")
            self._given(("leaky_slope", None), self.case.network.leaky_slope)
        if self.s.decay:
            put(2, lay.backward + 1, "decay λ", "node")
            self._given(("weight_decay", None), self.case.optimizer.weight_decay)
        self.canvas.heights({3: 19})

    def _subtitle(self) -> str:
        shape = "-".join(str(n) for n in self.s.nodes)
        words = [shape, ", ".join(self.s.activations), self.s.loss.replace("_", " ")]
        words.append("one sample" if self.s.samples == 1 else f"{self.s.samples} samples")
        if self.s.samples > 1:
            words.append(self.s.update.replace("_", " "))
        return "  ·  ".join(words)

    # bands

    def _equation(self, row: int, column: int, quantity: Quantity) -> None:
        text = f"{quantity.equation}   {general_equation(self.s, quantity)}"
        self.canvas.text(row, column, text, "equation")
        self.canvas.heights({row: 13})

    def _block_names(self, row: int, column: int, label: str, k: int) -> None:
        """Name a matrix and its columns."""
        self.canvas.text(row, column, label, "block")
        start = column + 1 if column > 1 else self.layout.forward
        for j in range(self.s.nodes[k + 1]):
            self.canvas.text(row, start + j, f"→ {node_name(self.s, k + 1, j)}", "node")

    def _band(self, k: int) -> None:
        lay, s, put = self.layout, self.s, self.canvas.text
        matrix = lay.places["weights", k].cells.top
        names, equations = matrix - 1, matrix - 2
        weights = self.table["weights", k]
        put(equations, 1, f"{layer_letter(s, k)} → {layer_letter(s, k + 1)}", "heading")
        self._block_names(names, 1, weights.label, k)
        self._incoming_names(names, k)
        for panel, name in (
            (lay.backward_label, "weight_gradient"),
            (lay.update_label, "new_weights"),
        ):
            quantity = self.table[name, k]
            self._block_names(names, panel, quantity.label, k)
            self._equation(equations, panel, quantity)
        self.canvas.heights({equations: 17})
        for i in range(s.nodes[k]):
            for panel in (1, lay.backward_label, lay.update_label):
                put(matrix + i, panel, f"from {node_name(s, k, i)}", "source")
        if k == 0:
            self._given(("input", None), tuple(sample.input for sample in self.case.samples))
        else:
            self._incoming(k)
        self._given(("weights", k), self.case.network.weights[k])
        self._computed(("weight_gradient", k))
        self._computed(("new_weights", k))
        if s.biases:
            self._biases(k)
        outer = ("backpropagated_error", k) if k < s.layers - 1 else ("error_derivative", None)
        for key in (
            ("pre_activation", k),
            ("error_signal", k),
            ("exponential", k),
            ("exponential_sum", k),
            ("post_activation", k),
            outer,
            ("activation_derivative", k),
        ):
            if key in lay.places:
                self._rows(key)

    def _incoming_names(self, row: int, k: int) -> None:
        label = "input" if k == 0 else f"S_postA_{layer_letter(self.s, k)}"
        for sample in range(self.s.samples):
            text = label if self.s.samples == 1 else f"sample {sample + 1}"
            self.canvas.text(row, 2 + sample, text, "node")
        if self.s.samples > 1:
            self.canvas.text(row - 1, 2, f"{label} ↓", "equation")

    def _biases(self, k: int) -> None:
        lay, row = self.layout, self.layout.places["biases", k].cells.top
        self.canvas.text(row, 1, self.table["biases", k].label, "block")
        biases = self.case.network.biases
        self._given(("biases", k), biases[k] if biases else ())
        self._rows(("bias_gradient", k))
        if self.s.update_biases:
            self._rows(("new_biases", k))
        else:
            self.canvas.text(row, lay.update_label, "not updated", "block")

    def _rows(self, key: Key) -> None:
        """Write a block of one row a sample, its equation above, its label at the panel's left."""
        quantity, cells = self._computed(key), self.layout.places[key].cells
        row, panel = cells.top, 1 if cells.left == self.layout.forward else cells.left - 1
        self._equation(row - 1, panel, quantity)
        self._labels(quantity, panel)

    def _labels(self, quantity: Quantity, panel: int) -> None:
        """Name every row of a block."""
        cells = self.layout.places[quantity.key].cells
        for n, row in enumerate(range(cells.top, cells.bottom + 1), start=1):
            sample = f"  s{n}" if quantity.per_sample and self.s.samples > 1 else ""
            self.canvas.text(row, panel, f"{quantity.label}{sample}", "block")

    # error

    def _error(self) -> None:
        lay, put = self.layout, self.canvas.text
        top = lay.error_row
        put(top, 1, "error", "heading")
        put(top, lay.backward_label, "colours", "heading")
        for o in range(self.s.outputs):
            put(top, lay.forward + o, node_name(self.s, self.s.layers, o), "node")
        put(top + 1, 1, "given   the output that was wanted", "equation")
        self.canvas.heights({top: 17, top + 1: 13})
        self._labels(self.table["target", None], 1)
        self._given(("target", None), tuple(sample.target for sample in self.case.samples))
        for name in ("final_error", "sample_error", "penalty", "error"):
            if (name, None) in self.table:
                self._rows((name, None))

        for n, (kind, (_, meaning)) in enumerate(list(KIND_COLOURS.items())[:5]):
            put(top + n + 1, lay.backward_label, kind, f"legend {kind}")
            put(top + n + 1, lay.backward, meaning, "source")

    # look

    def _columns(self) -> None:
        lay = self.layout
        wide = dict.fromkeys(range(1, lay.last_column + 1), VALUE_WIDTH)
        for column in (1, lay.backward_label, lay.update_label):
            wide[column] = max(LABEL_WIDTH, 2 + max(len(q.label) for q in self.table.values()))
        for column in (lay.backward_label - 1, lay.update_label - 1):
            wide[column] = 2.5
        self.canvas.widths(wide)
        self.canvas.sheet.freeze_panes = "B4"

    def _print(self) -> None:
        lay = self.layout
        area = f"A1:{column_letters(lay.last_column)}{lay.last_row}"
        small = max(self.s.nodes) <= ONE_PAGE_NODES
        page = self.canvas.print_on("landscape", area=area, rows="1:3", tall=1 if small else 0)
        if not small:
            page.wide = 3
            page.column_breaks = [lay.backward_label - 1, lay.update_label - 1]
