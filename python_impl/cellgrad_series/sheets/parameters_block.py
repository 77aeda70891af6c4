"""Weights and biases above a table of rows: a matrix a layer, given or taken from a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cellgrad.case.equations import indices
from cellgrad.case.model import Network
from cellgrad.case.quantities import Index, Key, Quantity, node_name
from cellgrad.case.structure import Structure
from cellgrad.workbook.canvas import Canvas
from cellgrad.xlsx.addresses import a1

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
