"""The Check sheet: every gradient beside its central difference, live, without Python."""

from __future__ import annotations

from cellgrad.case.equations import indices
from cellgrad.case.quantities import (
    FORWARD,
    Index,
    Key,
    Parameter,
    checked_parameters,
    given,
    node_name,
    person_label,
    table,
)
from cellgrad.workbook.canvas import Canvas, colour_marks, show_tiny_numbers
from cellgrad.workbook.formulas import Formulas, StepLayout
from cellgrad.xlsx.addresses import a1, column_letters

SHEET = "Check"
EPSILON = 0.00001
TOLERANCE = 0.00000001
_FIRST = 12
_FIRST_PASS_COLUMN = 3

_COMPARISON = (
    ("its value", "checked_value", "given", "={value}"),
    ("gradient", "checked_gradient", "gradient", "={gradient}"),
    ("E at + ε", "error_plus", "error", "={error}{plus}"),
    ("E at − ε", "error_minus", "error", "={error}{minus}"),
    ("(E₊ − E₋) / 2ε", "difference_quotient", "check", "=(D{row}-E{row})/(2*$B$7)"),
    ("gap", "quotient_gap", "check", "={sign}C{row}-F{row}"),
    ("✓ / ✗", "gradient_agrees", "mark", '=IF(ABS(G{row})<=$B$8,"✓","✗")'),
)
"""Of each column from B on: its head, the quantity, the look, the formula."""


class CheckSheet:
    """Writes the Check sheet."""

    def __init__(self, canvas: Canvas, layout: StepLayout) -> None:
        self.canvas, self.layout, self.s = canvas, layout, layout.structure
        self.table = table(self.s)
        self.parameters = checked_parameters(self.s)
        self.pass_head = _FIRST + len(self.parameters) + (2 if self.parameters else -3)
        self.pass_top = self.pass_head + 3
        self.pass_count = 1 + 2 * len(self.parameters)
        self.computed = [q for q in self.table.values() if q.name in FORWARD]
        scalars = [(q.key, index) for q in self.computed for index in indices(q.shape)]
        self.columns = {scalar: n for n, scalar in enumerate(scalars, _FIRST_PASS_COLUMN)}
        self.error = column_letters(self.columns[("error", None), ()])

    def write(self) -> None:
        """Write the error before and after, the comparison, and the forward passes."""
        self._head()
        self._passes()
        self._error_before_and_after()
        if self.parameters:
            self._comparison()
        self._look()

    def _head(self) -> None:
        count, total = len(self.parameters), self.s.parameters
        which = (
            f"all {total} weights and biases"
            if count == total
            else f"{count} of {total:,} weights and biases, evenly spread,"
        )
        text = (
            f"Here {which} are moved up and down by ε, one at a time; each row further down "
            "is a complete forward pass."
        )
        if not self.parameters:
            text = "A unit step has no derivative: there is nothing to differentiate."
        self.canvas.head("Check: does E really follow these gradients?", text)

    def _error_before_and_after(self) -> None:
        before = self.layout.at_from_elsewhere(("error", None), ())
        for row, name, label, formula in (
            (4, "error_before", "E before the step", f"={before}"),
            (5, "error_after", "E after the step", f"={self.error}{self.pass_top}"),
            (6, "error_change", "change of E", "=B5-B4"),
        ):
            self.canvas.text(row, 1, label, "block")
            self.canvas.formula(row, 2, formula, "error")
            self.canvas.claim("check", (name, None), label, self.canvas.area(row, 2, 1, 1), "")

    def _comparison(self) -> None:
        put, elsewhere = self.canvas.text, self.layout.at_from_elsewhere
        self.canvas.given(given("epsilon", "ε"), EPSILON, 7, 1, 2)
        self.canvas.given(given("tolerance", "tolerance"), TOLERANCE, 8, 1, 2)
        put(10, 1, "gradient and central difference", "heading")
        put(_FIRST - 1, 1, "weight or bias", "head")
        for p, parameter in enumerate(self.parameters):
            put(_FIRST + p, 1, self._label(parameter), "block")
        for column, (head, quantity, look, formula) in enumerate(_COMPARISON, start=2):
            put(_FIRST - 1, column, head, "head")
            for p, (name, layer, index) in enumerate(self.parameters):
                row, plus = _FIRST + p, self.pass_top + 1 + 2 * p
                gradient = "weight_gradient" if name == "weights" else "bias_gradient"
                written = formula.format(
                    row=row,
                    value=elsewhere((name, layer), index),
                    gradient=elsewhere((gradient, layer), index),
                    error=self.error,
                    plus=plus,
                    minus=plus + 1,
                    # where FE = target − output, the sheet's gradient is −∂E/∂w
                    sign="" if self.s.error_sign == "output_minus_target" else "-",
                )
                self.canvas.formula(row, column, written, look)
            cells = self.canvas.area(_FIRST, column, len(self.parameters), 1)
            kind = "display" if look == "mark" else "check"
            self.canvas.claim(kind, (quantity, None), head, cells, "r")
        colour_marks(self.canvas.sheet, cells.address)

    def _label(self, parameter: Parameter) -> str:
        name, layer, index = parameter
        return person_label(self.s, self.table[name, layer], index)

    # forward passes

    def _passes(self) -> None:
        put, top = self.canvas.text, self.pass_top
        put(self.pass_head, 1, "complete forward passes", "heading")
        put(top - 1, 1, "pass", "head")
        put(top - 1, 2, "moved value", "head")
        self._pass_heads()
        put(top, 1, "with the new weights", "block")
        self._pass_row(top, None)
        for p, parameter in enumerate(self.parameters):
            for row, sign, operator in ((top + 1 + 2 * p, "+", "+"), (top + 2 + 2 * p, "−", "-")):
                put(row, 1, f"{self._label(parameter)} {sign} ε", "block")
                self.canvas.formula(row, 2, f"={a1(_FIRST + p, 2)}{operator}$B$7", "given")
                self._pass_row(row, parameter)
        self._pass_claims()

    def _pass_heads(self) -> None:
        for (key, index), column in self.columns.items():
            quantity = self.table[key]
            if not any(index):
                self.canvas.text(self.pass_top - 2, column, quantity.label, "block")
            parts = []
            if quantity.per_sample and self.s.samples > 1:
                parts.append(f"s{index[0] + 1}")
            if len(index) == 2:
                layer = self.s.layers if key[1] is None else key[1] + 1
                parts.append(node_name(self.s, layer, index[1]))
            self.canvas.text(self.pass_top - 1, column, "  ".join(parts), "node")

    def _pass_row(self, row: int, moved: Parameter | None) -> None:
        """Write one forward pass: with the new weights, or with one parameter moved."""

        def at(key: Key, index: Index) -> str:
            name, layer = key
            if name == "incoming":
                key = ("post_activation", layer - 1)  # type: ignore[operator]
            if (key, index) in self.columns:
                return a1(row, self.columns[key, index])
            if moved is None and (f"new_{name}", layer) in self.table:
                key = (f"new_{name}", layer)
            if moved == (name, layer, index):
                return f"$B{row}"
            return self.layout.at_from_elsewhere(key, index)

        formulas = Formulas(self.s, at)
        for (key, index), column in self.columns.items():
            kind = "forward" if key[1] is not None else "error"
            self.canvas.formula(row, column, formulas.of(key, index), kind)

    def _pass_claims(self) -> None:
        if self.parameters:
            cells = self.canvas.area(self.pass_top + 1, 2, 2 * len(self.parameters), 1)
            self.canvas.claim("check", ("moved_value", None), "moved value", cells, "r")
        for quantity in self.computed:
            for sample in range(quantity.shape[0] if quantity.per_sample else 1):
                rest = quantity.shape[1:]
                first = (sample, *(0 for _ in rest)) if quantity.per_sample else ()
                cells = self.canvas.area(
                    self.pass_top,
                    self.columns[quantity.key, first],
                    self.pass_count,
                    *(rest or (1,)),
                )
                rule = "r" + f", {sample}" * quantity.per_sample + ", c" * len(rest)
                key = (f"pass_{quantity.name}", quantity.layer)
                self.canvas.claim("check", key, quantity.label, cells, rule, quantity.equation)

    def _look(self) -> None:
        last_column = max(_FIRST_PASS_COLUMN + len(self.columns) - 1, 8)
        self.canvas.widths({1: 28, **dict.fromkeys(range(2, last_column + 1), 11.5)})
        self.canvas.sheet.freeze_panes = "B3"
        last = self.pass_top + self.pass_count - 1
        # too wide for one page: pages side by side, each row's name on all of them
        page = self.canvas.print_on("landscape", area=f"A1:{column_letters(last_column)}{last}")
        page.scale, page.order, page.title_columns = 64, "overThenDown", "A:B"
        page.row_breaks.append(self.pass_head - 1)
        show_tiny_numbers(self.canvas.sheet, f"B{_FIRST}:G{last}")
        show_tiny_numbers(self.canvas.sheet, "B4:B6")
