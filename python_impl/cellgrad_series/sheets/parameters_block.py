"""Weights and biases above a table of rows: a matrix a layer, given or taken from a run."""

from __future__ import annotations

from collections.abc import Callable

from cellgrad.case.model import Network
from cellgrad.case.quantities import Index, Key, Quantity, node_name
from cellgrad.case.structure import Structure
from cellgrad.workbook.canvas import Canvas
from cellgrad.xlsx.addresses import a1
from cellgrad_series.sheets.rows import indices

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
        self.matrix: dict[int, int] = {}
        column = left
        for k in range(structure.layers):
            self.matrix[k] = column + 2
            column += structure.nodes[k + 1] + 4
        self.bias_row = {k: top + 2 + structure.nodes[k] for k in range(structure.layers)}
        self.last_row = max(self.bias_row.values()) if structure.biases else max(
            self.bias_row.values()
        ) - 1  # fmt: skip

    def write(self, network: Network | None, link: Link | None) -> None:
        """Write the numbers, or formulas that take them from elsewhere."""
        for k in range(self.s.layers):
            self._matrix(k, network, link)

    def _matrix(self, k: int, network: Network | None, link: Link | None) -> None:
        put, s, column = self.canvas.text, self.s, self.matrix[k]
        quantity = self.quantities["weights", k]
        put(self.top, column - 2, quantity.label, "block")
        for j in range(s.nodes[k + 1]):
            put(self.top + 1, column + j, f"→ {node_name(s, k + 1, j)}", "node")
        for i in range(s.nodes[k]):
            put(self.top + 2 + i, column - 2, f"from {node_name(s, k, i)}", "source")
        self._numbers(quantity, None if network is None else network.weights[k], link)
        if s.biases:
            bias = self.quantities["biases", k]
            put(self.bias_row[k], column - 2, bias.label, "source")
            values = None if network is None or network.biases is None else network.biases[k]
            self._numbers(bias, values, link)

    def _numbers(self, quantity: Quantity, values: object, link: Link | None) -> None:
        key = quantity.key
        for index in indices(quantity.shape):
            place = self._place(key, index)
            if link is not None:
                self.canvas.formula(*place, f"={link(key, index)}", "given")
                continue
            number = values
            for i in index:
                number = number[i]  # type: ignore[index]
            self.canvas.number(*place, number)  # type: ignore[arg-type]
        top, left = self._place(key, tuple(0 for _ in quantity.shape))
        bottom, right = self._place(key, tuple(n - 1 for n in quantity.shape))
        cells = self.canvas.area(top, left, bottom - top + 1, right - left + 1)
        rule = "r, c" if len(quantity.shape) == 2 else "c"
        kind = "given" if link is None else "step"
        self.canvas.claim(kind, key, quantity.label, cells, rule, "", quantity.defined_name)

    def _place(self, key: Key, index: Index) -> tuple[int, int]:
        k = key[1] or 0
        if key[0] == "biases":
            return self.bias_row[k], self.matrix[k] + index[0]
        return self.top + 2 + index[0], self.matrix[k] + index[1]

    def at(self, key: Key, index: Index) -> str:
        """Return the address of a weight or bias; it is absolute."""
        return a1(*self._place(key, index), absolute=True)
