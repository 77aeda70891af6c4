"""Where everything stands on the Step sheet, and the formulas as texts.

Down on the left (forward), up in the middle (backward), across to the right (update). A layer is
a band of rows; a weight matrix, its gradient and its new value stand side by side in the same
shape.

The order of evaluation is part of the definition (bias first, then products by index from
left to right). Source: reference/equations.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
        return super().total(terms) if area is None else f"SUM({area})"

    def products(self, pairs: list[tuple[Scalar, Scalar]], first: str = "") -> str:
        """Σ of products, written out or as SUMPRODUCT of two lines of cells."""
        one, two = self._line([a for a, _ in pairs]), self._line([b for _, b in pairs])
        text = super().products(pairs) if None in (one, two) else f"SUMPRODUCT({one},{two})"
        return f"{first}+{text}" if first else text

    def squares(self, scalars: list[Scalar]) -> str:
        """Σ of squares, written out or as a SUMPRODUCT a layer."""
        if len(scalars) <= WRITTEN_OUT or self.area is None:
            return super().products([(scalar, scalar) for scalar in scalars])
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


class StepLayout:
    """Rows, columns and placements for one structure.

    Raises:
        WorkbookError: the network is larger than a sheet.
    """

    def __init__(self, structure: Structure, sheet: str = SHEET) -> None:
        self.structure, self.sheet = structure, sheet
        self.places: dict[Key, Placement] = {}
        self._table = table(structure)
        width = max(MIN_WIDTH, *structure.nodes[1:])
        self.forward = 2 + structure.samples
        self.backward_label = self.forward + width + 1
        self.backward = self.backward_label + 1
        self.update_label = self.backward + width + 1
        self.update = self.update_label + 1
        self.last_column = self.update_label + width
        row = FIRST_BAND_ROW
        for k in range(structure.layers):
            row = self._band(k, row)
        self.error_row = row
        self.last_row = self._error_block(row)
        for count, what, most in (
            (self.last_column, "columns", MAX_COLUMN),
            (self.last_row, "rows", MAX_ROW),
        ):
            if count > most:
                raise WorkbookError(
                    f"this network needs {count:,} {what}, a sheet has {most:,}",
                    remedy="take fewer nodes a layer or fewer samples",
                )
        # LR heads the panel that uses it, λ and the slope the middle one; always in view
        self._place(("learning_rate", None), 2, self.update, "")
        self._place(("leaky_slope", None), 2, self.backward, "")
        self._place(("weight_decay", None), 2, self.backward + 2, "")

    def _place(self, key: Key, row: int, column: int, rule: str) -> int:
        """Place a quantity; return how many rows it takes, one below it included.

        Those are none where the step has no such quantity.
        """
        name, k = key
        if name == "incoming" and k is not None:
            shape: tuple[int, ...] = (self.structure.samples, self.structure.nodes[k])
        elif key in self._table:
            shape = self._table[key].shape
        else:
            return 0
        sizes = dict(zip(rule.split(", "), shape, strict=False))
        height, width = sizes.get("r", 1), sizes.get("c", 1)
        cells = Range(self.sheet, row, column, row + height - 1, column + width - 1)
        self.places[key] = Placement(cells, IndexRule(rule))
        return height + 1

    def _band(self, k: int, top: int) -> int:
        """Lay out a layer; each block of rows has a row for its equation above it."""
        row, panels = top + 2, (self.forward, self.backward, self.update)
        self._place(("input", None) if k == 0 else ("incoming", k), row, 2, "c, r")
        for names, rule in (
            (("weights", "weight_gradient", "new_weights"), "r, c"),
            (("biases", "bias_gradient", "new_biases"), "c"),
        ):
            row += max(
                self._place((name, k), row, column, rule)
                for name, column in zip(names, panels, strict=True)
            )
        output = k == self.structure.layers - 1
        outer: Key = ("error_derivative", None) if output else ("backpropagated_error", k)
        for name, rule, backward in (
            ("pre_activation", "r, c", ("error_signal", k)),
            ("exponential", "r, c", None),
            ("exponential_sum", "r", None),
            ("post_activation", "r, c", outer),
            (None, "", ("activation_derivative", k)),
        ):
            row += max(
                self._place((name, k), row, self.forward, rule) if name else 0,
                self._place(backward, row, self.backward, "r, c") if backward else 0,
            )
        return row

    def _error_block(self, top: int) -> int:
        """Lay out the error below the bands; return its last row."""
        row = top + 2
        for name, rule in (
            ("target", "r, c"),
            ("final_error", "r, c"),
            ("sample_error", "r"),
            ("penalty", ""),
            ("error", ""),
        ):
            row += self._place((name, None), row, self.forward, rule)
        return row - 2

    def is_given(self, key: Key) -> bool:
        """Tell whether a person sets this quantity."""
        return self._table[key].given

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
