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
    quantities,
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


class CheckSheet:
    """Writes the Check sheet."""

    def __init__(self, canvas: Canvas, layout: StepLayout) -> None:
        self.canvas, self.layout, self.s = canvas, layout, layout.structure
        self.table = table(self.s)
        self.parameters = checked_parameters(self.s)
        self.pass_head = _FIRST + len(self.parameters) + (2 if self.parameters else -3)
        self.pass_top = self.pass_head + 3
        self.pass_count = 1 + 2 * len(self.parameters)
        self.columns: dict[tuple[Key, Index], int] = {}
        self.last_column = _FIRST_PASS_COLUMN
        self._place_columns()

    def _place_columns(self) -> None:
        """Give every scalar of a forward pass its column."""
        for quantity in quantities(self.s):
            if quantity.name in FORWARD:
                for index in indices(quantity.shape):
                    self.columns[quantity.key, index] = self.last_column
                    self.last_column += 1
        self.last_column -= 1

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
        after = a1(self.pass_top, self.columns[("error", None), ()])
        rows = (
            (
                "error_before",
                "E before the step",
                f"={self.layout.at_from_elsewhere(('error', None), ())}",
            ),
            ("error_after", "E after the step", f"={after}"),
            ("error_change", "change of E", "=B5-B4"),
        )
        for row, (name, label, formula) in enumerate(rows, start=4):
            self.canvas.text(row, 1, label, "block")
            self.canvas.formula(row, 2, formula, "error")
            self.canvas.claim("check", (name, None), label, self.canvas.area(row, 2, 1, 1), "")

    def _comparison(self) -> None:
        self.canvas.given(given("epsilon", "ε"), EPSILON, 7, 1, 2)
        self.canvas.given(given("tolerance", "tolerance"), TOLERANCE, 8, 1, 2)
        self.canvas.text(10, 1, "gradient and central difference", "heading")
        heads = (
            "weight or bias",
            "its value",
            "gradient",
            "E at + ε",
            "E at − ε",
            "(E₊ − E₋) / 2ε",
            "gap",
            "✓ / ✗",
        )
        for column, text in enumerate(heads, start=1):
            self.canvas.text(_FIRST - 1, column, text, "head")
        error = column_letters(self.columns[("error", None), ()])
        for p, parameter in enumerate(self.parameters):
            row, plus = _FIRST + p, self.pass_top + 1 + 2 * p
            name, layer, index = parameter
            gradient = ("weight_gradient" if name == "weights" else "bias_gradient", layer)
            elsewhere = self.layout.at_from_elsewhere
            self.canvas.text(row, 1, self._label(parameter), "block")
            for column, formula, look in (
                (2, f"={elsewhere((name, layer), index)}", "given"),
                (3, f"={elsewhere(gradient, index)}", "gradient"),
                (4, f"={error}{plus}", "error"),
                (5, f"={error}{plus + 1}", "error"),
                (6, f"=(D{row}-E{row})/(2*$B$7)", "check"),
                (7, f"={self._sign()}C{row}-F{row}", "check"),
                (8, f'=IF(ABS(G{row})<=$B$8,"✓","✗")', "mark"),
            ):
                self.canvas.formula(row, column, formula, look)
        names = (
            "checked_value",
            "checked_gradient",
            "error_plus",
            "error_minus",
            "difference_quotient",
            "quotient_gap",
        )
        count = len(self.parameters)
        for column, (name, label) in enumerate(zip(names, heads[1:], strict=False), start=2):
            cells = self.canvas.area(_FIRST, column, count, 1)
            self.canvas.claim("check", (name, None), label, cells, "r")
        marks = self.canvas.area(_FIRST, 8, count, 1)
        self.canvas.claim("display", ("gradient_agrees", None), "✓ / ✗", marks, "r")
        colour_marks(self.canvas.sheet, marks.address)

    def _sign(self) -> str:
        """Where FE = target − output, the sheet's gradient is −∂E/∂w."""
        return "" if self.s.error_sign == "output_minus_target" else "-"

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
            source = a1(_FIRST + p, 2)
            for row, sign in ((top + 1 + 2 * p, "+"), (top + 2 + 2 * p, "−")):
                put(row, 1, f"{self._label(parameter)} {sign} ε", "block")
                operator = "+" if sign == "+" else "-"
                self.canvas.formula(row, 2, f"={source}{operator}$B$7", "given")
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
            if moved is None and name in ("weights", "biases"):
                new = (f"new_{name}", layer)
                return self.layout.at_from_elsewhere(new if new in self.table else key, index)
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
        for quantity in quantities(self.s):
            if quantity.name not in FORWARD:
                continue
            samples = range(self.s.samples) if quantity.per_sample else (None,)
            for sample in samples:
                first = () if sample is None else (sample, *(0 for _ in quantity.shape[1:]))
                width = quantity.shape[1] if len(quantity.shape) == 2 else 1
                cells = self.canvas.area(
                    self.pass_top, self.columns[quantity.key, first], self.pass_count, width
                )
                rule = "r" if sample is None else f"r, {sample}"
                if len(quantity.shape) == 2:
                    rule += ", c"
                self.canvas.claim(
                    "check",
                    (f"pass_{quantity.name}", quantity.layer),
                    quantity.label,
                    cells,
                    rule,
                    quantity.equation,
                )

    def _look(self) -> None:
        wide = dict.fromkeys(range(2, max(self.last_column, 8) + 1), 11.5)
        self.canvas.widths({1: 28, **wide})
        self.canvas.sheet.freeze_panes = "B3"
        last = self.pass_top + self.pass_count - 1
        area = f"A1:{column_letters(max(self.last_column, 8))}{last}"
        # too wide for one page: pages side by side, each row's name on all of them
        page = self.canvas.print_on("landscape", area=area)
        page.scale, page.order, page.title_columns = 64, "overThenDown", "A:B"
        page.row_breaks.append(self.pass_head - 1)
        show_tiny_numbers(self.canvas.sheet, f"B{_FIRST}:G{last}")
        show_tiny_numbers(self.canvas.sheet, "B4:B6")
