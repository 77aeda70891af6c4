"""Where everything stands on the Step sheet, and the formulas as texts.

Down on the left (forward), up in the middle (backward), across to the right (update). A layer is
a band of rows; a weight matrix, its gradient and its new value stand side by side in the same
shape.

The order of evaluation is part of the definition (bias first, then products by index from
left to right). Source: reference/equations.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby

from cellgrad.case.equations import FORMULA, Equations, Scalar
from cellgrad.case.quantities import Index, Key, Structure, table
from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, Range, a1, quoted
from cellgrad.xlsx.map_sheet import IndexRule

SHEET = "Step"
MIN_WIDTH = 4
FIRST_BAND_ROW = 4

WRITTEN_OUT = 16
"""Sums of up to this many terms are written out: traceable and reproducible bit by bit."""

Reference = Callable[[Key, Index], str]
"""Gives the address of a scalar."""

Area = Callable[[Key, Index, Index], str | None]
"""Gives the address of the line of cells between two indices; None where they are no line."""


def join_sum(terms: list[str], most: int = WRITTEN_OUT) -> str:
    """Join terms to a sum; a long one in groups, since engines limit how deep formulas nest."""
    if len(terms) <= most:
        return "+".join(terms)
    groups = [terms[n : n + WRITTEN_OUT] for n in range(0, len(terms), WRITTEN_OUT)]
    return "+".join(f"({'+'.join(group)})" for group in groups)


class Formulas(Equations):
    """Writes the formula of any scalar of the step.

    Args:
        structure: the step.
        at: where each scalar stands.
        area: where a row or column of scalars stands, for long sums; None spells
            every sum out.
    """

    notation = FORMULA
    signs = ("+", "-")
    most = WRITTEN_OUT
    """A sum of more terms is written in groups, or as a function of an area."""

    def __init__(self, structure: Structure, at: Reference, area: Area | None = None) -> None:
        super().__init__(structure)
        self._at, self.area = at, area

    def of(self, key: Key, index: Index) -> str:
        """Return the formula of one scalar, with its equals sign."""
        return "=" + self.right_side(key, index)

    def operand(self, key: Key, index: Index) -> str:
        """Return the address of a scalar."""
        return self._at(key, index)

    def sum_of(self, terms: list[str], *, an_output: int = 0) -> str:  # noqa: ARG002
        """Return the sum, a long one in groups."""
        return join_sum(terms, self.most)

    def _line(self, terms: list[Scalar]) -> str | None:
        """Return the area of a long line of cells; None where they are few, or no line."""
        if len(terms) <= WRITTEN_OUT or self.area is None:
            return None
        return self.area(terms[0][0], terms[0][1], terms[-1][1])

    def total(self, terms: list[Scalar]) -> str:
        """Σ of cells, written out or as SUM of a line of them."""
        area = self._line(terms)
        return (
            self.sum_of([self.operand(*term) for term in terms]) if area is None else f"SUM({area})"
        )

    def products(self, pairs: list[tuple[Scalar, Scalar]], first: str = "") -> str:
        """Σ of products, written out or as SUMPRODUCT of two lines of cells."""
        one, two = self._line([a for a, _ in pairs]), self._line([b for _, b in pairs])
        if one is not None and two is not None:
            text = f"SUMPRODUCT({one},{two})"
        else:
            text = self.sum_of([f"{self.operand(*a)}*{self.operand(*b)}" for a, b in pairs])
        return f"{first}+{text}" if first else text

    def squares(self, scalars: list[Scalar]) -> str:
        """Σ of squares, written out or as a SUMPRODUCT a layer."""
        if len(scalars) <= WRITTEN_OUT or self.area is None:
            return self.sum_of(
                [f"{self.operand(*scalar)}*{self.operand(*scalar)}" for scalar in scalars]
            )
        parts = []
        for key, layer in groupby(scalars, key=lambda scalar: scalar[0]):
            corners = [index for _, index in layer]
            area = self.area(key, corners[0], corners[-1])
            parts.append(f"SUMPRODUCT({area},{area})")
        return "+".join(parts)


# the places


@dataclass(frozen=True, slots=True)
class Placement:
    """The cells of one quantity.

    Attributes:
        cells: the rectangle.
        rule: which cell has which index.
    """

    cells: Range
    rule: IndexRule

    def cell(self, index: Index) -> tuple[int, int]:
        """Return (row, column) of the scalar at an index."""
        row, column = self.cells.top, self.cells.left
        for value, part in zip(index, self.rule.parts, strict=True):
            row += part.by_row * (value - part.constant)
            column += part.by_column * (value - part.constant)
        return row, column


@dataclass(slots=True)
class StepLayout:
    """Rows, columns and placements for one structure.

    Raises:
        WorkbookError: the network is larger than a sheet.
    """

    structure: Structure
    sheet: str = SHEET
    width: int = 0
    forward: int = 0
    backward_label: int = 0
    update_label: int = 0
    error_row: int = 0
    last_row: int = 0
    last_column: int = 0
    places: dict[Key, Placement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Lay out columns, then bands from top to bottom, then the error."""
        s = self.structure
        self.width = max(MIN_WIDTH, *s.nodes[1:])
        self.forward = 2 + s.samples
        self.backward_label = self.forward + self.width + 1
        self.update_label = self.backward_label + 1 + self.width + 1
        self.last_column = self.update_label + self.width
        if self.last_column > MAX_COLUMN:
            raise WorkbookError(
                f"this network needs {self.last_column:,} columns, a sheet has {MAX_COLUMN:,}",
                remedy="take fewer nodes a layer or fewer samples",
            )
        row = FIRST_BAND_ROW
        for k in range(s.layers):
            row = self._band(k, row)
        self._error_block(row)
        if self.last_row > MAX_ROW:
            raise WorkbookError(
                f"this network needs {self.last_row:,} rows, a sheet has {MAX_ROW:,}",
                remedy="take fewer nodes a layer or fewer samples",
            )
        self._constants()

    @property
    def backward(self) -> int:
        """First value column of the middle panel."""
        return self.backward_label + 1

    @property
    def update(self) -> int:
        """First value column of the right panel."""
        return self.update_label + 1

    def _place(self, key: Key, row: int, column: int, height: int, width: int, rule: str) -> None:
        cells = Range(self.sheet, row, column, row + height - 1, column + width - 1)
        self.places[key] = Placement(cells, IndexRule(rule))

    def _band(self, k: int, top: int) -> int:
        """Lay out a layer; each block of rows has a row for its equation above it."""
        s = self.structure
        n, m, samples = s.nodes[k], s.nodes[k + 1], s.samples
        fwd, back, new = self.forward, self.backward, self.update
        row = top + 2
        self._place(("input", None) if k == 0 else ("incoming", k), row, 2, n, samples, "c, r")
        self._place(("weights", k), row, fwd, n, m, "r, c")
        self._place(("weight_gradient", k), row, back, n, m, "r, c")
        self._place(("new_weights", k), row, new, n, m, "r, c")
        row += n + 1
        if s.biases:
            self._place(("biases", k), row, fwd, 1, m, "c")
            self._place(("bias_gradient", k), row, back, 1, m, "c")
            self._place(("new_biases", k), row, new, 1, m, "c")
            row += 2
        output = k == s.layers - 1
        blocks: list[tuple[str, Key | None]] = [("pre_activation", ("error_signal", k))]
        if s.activations[k] == "softmax":
            blocks += [("exponential", None), ("exponential_sum", None)]
        if output and s.cancels:
            blocks += [("post_activation", None)]
        else:
            outer: Key = ("error_derivative", None) if output else ("backpropagated_error", k)
            blocks += [("post_activation", outer), ("", ("activation_derivative", k))]
        for name, backward in blocks:
            if name:
                width, rule = (1, "r") if name == "exponential_sum" else (m, "r, c")
                self._place((name, k), row, fwd, samples, width, rule)
            if backward is not None:
                self._place(backward, row, back, samples, m, "r, c")
            row += samples + 1
        return row

    def _error_block(self, top: int) -> None:
        s, fwd = self.structure, self.forward
        self.error_row = top
        row = top + 2
        self._place(("target", None), row, fwd, s.samples, s.outputs, "r, c")
        row += s.samples + 1
        self._place(("final_error", None), row, fwd, s.samples, s.outputs, "r, c")
        row += s.samples + 1
        if s.samples > 1:
            self._place(("sample_error", None), row, fwd, s.samples, 1, "r")
            row += s.samples + 1
        if s.decay:
            self._place(("penalty", None), row, fwd, 1, 1, "")
            row += 2
        self._place(("error", None), row, fwd, 1, 1, "")
        self.last_row = row

    def _constants(self) -> None:
        """LR heads the panel that uses it, λ and the slope the middle one; always in view."""
        self._place(("learning_rate", None), 2, self.update, 1, 1, "")
        if self.structure.leaky:
            self._place(("leaky_slope", None), 2, self.backward, 1, 1, "")
        if self.structure.decay:
            self._place(("weight_decay", None), 2, self.backward + 2, 1, 1, "")
        wanted = table(self.structure)
        for key in list(self.places):
            if key not in wanted and key[0] != "incoming":
                del self.places[key]

    def is_given(self, key: Key) -> bool:
        """Tell whether a person sets this quantity."""
        return table(self.structure)[key].given

    def at(self, key: Key, index: Index) -> str:
        """Return the address of a scalar; constants are absolute."""
        return a1(*self.places[key].cell(index), absolute=not index)

    def at_from_elsewhere(self, key: Key, index: Index) -> str:
        """Return the address of a scalar for formulas on other sheets."""
        return f"{quoted(self.sheet)}!{a1(*self.places[key].cell(index))}"

    def area(self, key: Key, first: Index, last: Index) -> str | None:
        """Return the address of the rectangle between two scalars."""
        place = self.places[key]
        (top, left), (bottom, right) = place.cell(first), place.cell(last)
        return f"{a1(top, left)}:{a1(bottom, right)}"
