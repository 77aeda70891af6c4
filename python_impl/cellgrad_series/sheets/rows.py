"""A sheet of rows: each an update, a sample or a value; weights may stand above them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cellgrad.case.equations import indices
from cellgrad.case.model import Network
from cellgrad.case.quantities import Index, Key, Quantity, Structure, node_name
from cellgrad.described import Shape
from cellgrad.errors import WorkbookError
from cellgrad.workbook.canvas import Canvas, show_tiny_numbers
from cellgrad.workbook.description import Page
from cellgrad.workbook.step_sheet import kind_of as kind_on_step
from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, Range, a1, quoted
from cellgrad_series.parts.equations import part_equation
from cellgrad_series.parts.run import EVALUATED

WIDTH, GAP = 10.2, 1.6


def kind_of(name: str) -> str:
    """Return the colour of a quantity's cells."""
    return "given" if name in ("input", "target") else kind_on_step(name.removeprefix(EVALUATED))


@dataclass(frozen=True, slots=True)
class Block:
    """Part of a quantity's rectangle, counted from its top left corner."""

    row: int
    rows: int
    column: int
    columns: int


@dataclass(slots=True)
class Rows:
    """Groups of columns, and where each scalar of a row stands.

    Attributes:
        canvas: the sheet.
        shape: whose quantities they are.
        structure: for the names of nodes; None where there are none.
        label_row: the row of the groups' names; the equations and the single columns'
            names stand in the two rows below.
        first_row: of the numbers.
        count: how many rows of numbers there are.
        gap: whether a narrow empty column stands before each group.
        last_column: the last one used.
    """

    canvas: Canvas
    shape: Shape
    structure: Structure | None
    label_row: int
    first_row: int
    count: int
    gap: bool = True
    last_column: int = 1
    columns: dict[tuple[Key, Index], int] = field(default_factory=dict)
    groups: dict[Key, tuple[Quantity, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse more rows than a sheet has."""
        if self.first_row + self.count - 1 > MAX_ROW:
            raise WorkbookError(
                f"{self.count:,} rows, a sheet has {MAX_ROW:,}", remedy="take fewer updates"
            )

    def place(self, quantity: Quantity, *, width: float = WIDTH) -> None:
        """Give a quantity its columns, and write their heads.

        Raises:
            WorkbookError: the sheet is not wide enough.
        """
        rest = indices(quantity.shape[1:])
        start = self.last_column + (2 if self.gap else 1)
        self.last_column = start + len(rest) - 1
        if self.last_column > MAX_COLUMN:
            raise WorkbookError(
                f"a row would need more than {MAX_COLUMN:,} columns",
                remedy="take fewer nodes a layer or fewer samples a batch",
            )
        for n, index in enumerate(rest):
            self.columns[quantity.key, index] = start + n
        self.groups[quantity.key] = (quantity, start, self.last_column)
        self._head(quantity, rest, start, width)
        cells = self.cells(quantity.key)
        given = quantity.given and quantity.per_row != "update"
        if not given and kind_of(quantity.name) != "given":
            show_tiny_numbers(self.canvas.sheet, cells.address)

    def _head(self, quantity: Quantity, rest: list[Index], start: int, width: float) -> None:
        put, row = self.canvas.text, self.label_row
        put(row, start, quantity.label, "block")
        equation = part_equation(self.shape, quantity)
        if equation:
            put(row + 1, start, equation, "equation wrapped")
        if len(rest) > 1:
            self.canvas.merge(row + 1, start, self.last_column)
        for n, index in enumerate(rest):
            put(row + 2, start + n, self._name(quantity, index), "node")
        longest = max(len(quantity.label) + 1, min(len(equation) // 3 + 4, 16))
        single = max(width, min(longest, 24)) if len(rest) == 1 else width
        if len(rest) == 2:
            single = max(width, longest / 2 + 1)
        widths = {start + n: single for n in range(len(rest))}
        self.canvas.widths({start - 1: GAP, **widths} if self.gap else widths)

    def _name(self, quantity: Quantity, index: Index) -> str:
        """Return what a column shows of its quantity: sample and node, or the two nodes."""
        s, k = self.structure, quantity.layer
        if s is None or not index:
            return ""
        if quantity.name.endswith(("weights", "weight_gradient", "velocity", "moment")) and (
            len(index) == 2 and not quantity.per_sample
        ):
            i, j = index
            return f"{node_name(s, k or 0, i)}→{node_name(s, (k or 0) + 1, j)}"
        parts = []
        if quantity.per_sample:
            if s.samples > 1 or quantity.name.startswith(EVALUATED):
                parts.append(f"s{index[0] + 1}")
            index = index[1:]
        if index:
            parts.append(self._node(s, quantity, index[0]))
        return " ".join(parts)

    @staticmethod
    def _node(s: Structure, quantity: Quantity, n: int) -> str:
        if quantity.name == "swept":
            return str(n + 1)
        if quantity.name in ("is_target", "is_called"):
            return f"class {n + (s.outputs > 1)}"
        k = quantity.layer
        layer = 0 if quantity.name.endswith("input") else s.layers if k is None else k + 1
        return node_name(s, layer, n)

    def column(self, key: Key, rest: Index) -> int:
        """Return the column of a scalar."""
        return self.columns[key, rest]

    def at(self, row: int, key: Key, rest: Index = ()) -> str:
        """Return the address of a scalar of a row, counted from 0."""
        return a1(self.first_row + row, self.columns[key, rest])

    def from_elsewhere(self, row: int, key: Key, rest: Index = ()) -> str:
        """Return the address of a scalar for formulas on other sheets."""
        return f"{quoted(self.canvas.title)}!{self.at(row, key, rest)}"

    def cells(self, key: Key) -> Range:
        """Return the rectangle of a quantity: all rows of its columns."""
        _, left, right = self.groups[key]
        return self.canvas.area(self.first_row, left, self.count, right - left + 1)

    # writing

    def number(self, row: int, key: Key, rest: Index, value: float) -> None:
        """Write a given of a row, counted from 0."""
        self.canvas.number(self.first_row + row, self.columns[key, rest], value)

    def formula(
        self, row: int, key: Key, rest: Index, text: str, look: str = "", **own: object
    ) -> None:
        """Write the formula of a scalar of a row, counted from 0; the text has no equals sign."""
        row, column = self.first_row + row, self.columns[key, rest]
        self.canvas.formula(row, column, f"={text}", look or kind_of(key[0]), **own)

    def claim(self, key: Key, kind: str = "", blocks: list[Block] | None = None) -> None:
        """Enter a quantity in the Map.

        Args:
            key: which.
            kind: of the claim; ``given`` or ``step`` as the quantity is, if it is not said.
            blocks: the parts of its rectangle that are written; None: all of it.
        """
        quantity, left, _ = self.groups[key]
        rest = quantity.shape[1:]
        for block in blocks or [Block(0, self.count, 0, len(indices(rest)))]:
            cells = self.canvas.area(
                self.first_row + block.row, left + block.column, block.rows, block.columns
            )
            self.canvas.claim(
                kind or ("given" if quantity.given else "step"),
                key,
                quantity.label,
                cells,
                index_rule(rest, block),
                quantity.equation,
                quantity.defined_name if blocks is None else "",
            )

    def claim_all(self) -> None:
        """Enter every quantity in the Map."""
        for key in self.groups:
            self.claim(key)

    def numbers(self, heading: str) -> None:
        """Number the rows in the first column, from 1."""
        self.canvas.text(self.label_row, 1, heading, "block")
        for n in range(self.count):
            self.canvas.number(self.first_row + n, 1, n + 1, "count")
        self.canvas.widths({1: 9})

    def finish(self, orientation: str) -> Page:
        """Keep the heads in sight and on every page; return how it is printed."""
        self.canvas.sheet.freeze_panes = f"B{self.first_row}"
        return self.canvas.print_on(orientation, rows=f"{self.label_row}:{self.first_row - 1}")


def index_rule(rest: tuple[int, ...], block: Block) -> str:
    """Return the rule by which the cells of a block have their indices."""
    first = f"r+{block.row}" if block.row else "r"
    column = f"c+{block.column}" if block.column else "c"
    if not rest:
        return first
    if len(rest) == 1:
        return f"{first}, {column}"
    inner = len(indices(rest[1:]))
    if block.columns == inner and len(rest) == 2:
        return f"{first}, {block.column // inner}, c"
    return f"{first}, {column}//{inner}, {column}%{inner}"


Link = Callable[[Key, Index], str]
"""Gives the address of a weight or bias of a run."""


class ParametersBlock:
    """Writes the weight matrices of a network side by side, each with its biases below.

    Args:
        canvas: the sheet.
        structure: the network.
        quantities: of its weights and biases.
        top: the first row.
        left: the first column.
    """

    def __init__(
        self,
        canvas: Canvas,
        structure: Structure,
        quantities: dict[Key, Quantity],
        top: int,
        left: int,
    ) -> None:
        self.canvas, self.s, self.quantities = canvas, structure, quantities
        self.top, self.left = top, left
        self.end = left
        self.matrix: dict[int, int] = {}
        for k in range(structure.layers):
            self.matrix[k] = self.end + 2
            self.end += structure.nodes[k + 1] + 4
        self.last_row = top + 1 + max(structure.nodes[:-1]) + structure.biases

    def write(self, network: Network | None, link: Link | None) -> None:
        """Write the numbers, or formulas that take them from elsewhere."""
        put, s = self.canvas.text, self.s
        for k, column in self.matrix.items():
            quantity = self.quantities["weights", k]
            put(self.top, column - 2, quantity.label, "block")
            for j in range(s.nodes[k + 1]):
                put(self.top + 1, column + j, f"→ {node_name(s, k + 1, j)}", "node")
            for i in range(s.nodes[k]):
                put(self.top + 2 + i, column - 2, f"from {node_name(s, k, i)}", "source")
            self._numbers(quantity, network and network.weights[k], link)
            if s.biases:
                bias = self.quantities["biases", k]
                put(self._place(bias.key, (0,))[0], column - 2, bias.label, "source")
                self._numbers(bias, network and network.biases and network.biases[k], link)

    def _numbers(self, quantity: Quantity, values: Any, link: Link | None) -> None:
        key, every = quantity.key, indices(quantity.shape)
        for index in every:
            place = self._place(key, index)
            if link is not None:
                self.canvas.formula(*place, f"={link(key, index)}", "given")
                continue
            number = values
            for i in index:
                number = number[i]
            self.canvas.number(*place, number)
        (top, left), (bottom, right) = (self._place(key, index) for index in (every[0], every[-1]))
        cells = self.canvas.area(top, left, bottom - top + 1, right - left + 1)
        rule = "r, c" if len(quantity.shape) == 2 else "c"
        self.canvas.claim_quantity("given" if link is None else "step", quantity, cells, rule)

    def _place(self, key: Key, index: Index) -> tuple[int, int]:
        k = key[1] or 0
        row = self.s.nodes[k] if key[0] == "biases" else index[0]
        return self.top + 2 + row, self.matrix[k] + index[-1]

    def at(self, key: Key, index: Index) -> str:
        """Return the address of a weight or bias; it is absolute."""
        return a1(*self._place(key, index), absolute=True)
