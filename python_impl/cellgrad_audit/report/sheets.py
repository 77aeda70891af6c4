"""A live computation laid out on a sheet: an update a band, forward, backward, update in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import cast

from cellgrad.case.model import Case
from cellgrad.case.quantities import FORWARD
from cellgrad.workbook.canvas import Canvas, show_tiny_numbers
from cellgrad.xlsx.addresses import a1, quoted
from cellgrad_audit.report.expression import written
from cellgrad_audit.report.live import GIVEN, Block, Live, LiveCell, nodes_of
from cellgrad_series.sheets.rows import kind_of

_BACKWARD = (
    "error_derivative",
    "activation_derivative",
    "backpropagated_error",
    "error_signal",
    "weight_gradient",
    "bias_gradient",
)
_PANELS = ("forward ↓", "backward ↑", "update →")
_FIRST_ROW = 4
_NAME_WIDTH, _VALUE_WIDTH, _GAP_WIDTH = 13.0, 10.2, 2.5
_RED = "C0392B"


class Places:
    """Where every cell of every sheet stands."""

    def __init__(self) -> None:
        self.of: dict[LiveCell, tuple[str, int, int]] = {}

    def seen_from(self, sheet: str, cell: LiveCell) -> str:
        """Return the address of a cell as a formula on a sheet writes it."""
        where, row, column = self.of[cell]
        address = a1(row, column)
        return address if where == sheet else f"{quoted(where)}!{address}"


def panel_of(block: Block) -> int:
    """Return in which of the three panels a quantity stands."""
    name = block.key[0]
    if name in FORWARD or name == "epoch_errors":
        return 0
    return 1 if name in _BACKWARD else 2


class LiveSheet:
    """Writes the blocks of a computation.

    Args:
        canvas: the sheet.
        case: for the names of nodes.
        places: where all cells stand; those of this sheet are added.
        marked: the cells that get a red frame.
    """

    def __init__(
        self, canvas: Canvas, case: Case, places: Places, marked: frozenset[LiveCell] = frozenset()
    ) -> None:
        self.canvas, self.case, self.places, self.marked = canvas, case, places, marked
        self.row = _FIRST_ROW
        self.breaks: list[int] = []
        self.waiting: list[tuple[LiveCell, int, int, str]] = []

    def head(self, title: str, caption: str) -> None:
        """Write what stands above everything."""
        self.canvas.text(1, 1, title, "title")
        self.canvas.text(2, 1, caption, "subtitle")
        self.canvas.heights({1: 24, 2: 17})

    def givens(self, blocks: Sequence[Block]) -> None:
        """Write the givens: single numbers first, then samples, then a layer after the other."""
        width = max(_width(block) for block in blocks)
        groups: dict[int, list[Block]] = {0: [], 1: []}
        for block in blocks:
            groups[int(block.key[0] in ("weights", "biases"))].append(block)
        self._columns([width, width])
        self._band([groups[0], groups[1]], [1, width + 3])
        self._finish(1, "landscape")

    def computation(self, live: Live) -> None:
        """Write every update below the other, with its three panels."""
        panels = [
            max((_width(b) for b in live.blocks if panel_of(b) == n), default=1) for n in range(3)
        ]
        starts = [1 + sum(panels[:n]) + 2 * n for n in range(3)]
        self._columns(panels)
        blocks = sorted(live.blocks, key=lambda block: block.update or 10**9)
        for update, group in groupby(blocks, key=lambda block: block.update):
            if self.row > _FIRST_ROW:
                self.breaks.append(self.row - 1)
            own = list(group)
            self._update_title(live, update)
            for start, name in zip(starts, _PANELS, strict=True):
                if update:
                    self.canvas.text(self.row, start, name, "panel")
            self.row += 1
            own_panels = [[b for b in own if panel_of(b) == n] for n in range(3)]
            own_panels[2].sort(key=_parameter_order)
            self._band(own_panels, starts)
        self._finish(len({block.update for block in blocks}), "portrait")

    def _update_title(self, live: Live, update: int) -> None:
        many = len({block.update for block in live.blocks if block.update}) > 1
        if not update:
            self.canvas.text(
                self.row, 1, "After the run: a forward pass over all samples", "heading"
            )
        elif many:
            self.canvas.text(self.row, 1, f"Update {update}", "heading")
        else:
            return
        self.canvas.heights({self.row: 20})
        self.row += 1

    def _columns(self, widths: Iterable[int]) -> None:
        column, all_widths = 1, {}
        for width in widths:
            all_widths[column] = _NAME_WIDTH
            all_widths |= {column + 1 + n: _VALUE_WIDTH for n in range(width)}
            all_widths[column + width + 1] = _GAP_WIDTH
            column += width + 2
        self.canvas.widths(all_widths)

    def _band(self, panels: Sequence[Sequence[Block]], starts: Sequence[int]) -> None:
        """Write panels side by side; they end together."""
        top = self.row
        bottoms = [top]
        for blocks, start in zip(panels, starts, strict=True):
            row = top
            for block in blocks:
                row = self._block(block, row, start)
            bottoms.append(row)
        self.row = max(bottoms) + 1

    def _block(self, block: Block, row: int, start: int) -> int:
        """Write a quantity; return the row below it and a gap."""
        put = self.canvas.text
        put(row, start, block.label, "block")
        rows, columns = nodes_of(self.case, block)
        if not block.cells.shape:
            if block.equation:
                put(row, start + 2, block.equation, "source")
            self._cell(cast("LiveCell", block.cells[()]), row, start + 1)
            return row + 2
        if block.equation:
            put(row, start + _label_columns(block.label), block.equation, "equation")
        for n, name in enumerate(columns):
            put(row + 1, start + 1 + n, name, "node")
        cells = block.cells.reshape(len(rows), len(columns))
        for r, name in enumerate(rows):
            if name:
                put(row + 2 + r, start, name, "node")
            for c in range(len(columns)):
                self._cell(cells[r, c], row + 2 + r, start + 1 + c)
        if block.update != GIVEN:
            numbers = self.canvas.area(row + 2, start + 1, len(rows), len(columns))
            show_tiny_numbers(self.canvas.sheet, numbers.address)
        return row + 3 + len(rows)

    def _cell(self, cell: LiveCell, row: int, column: int) -> None:
        name = cell.block.key[0]
        look = "given" if cell.block.update == GIVEN else _look(name)
        self.places.of[cell] = (self.canvas.title, row, column)
        if cell.formula is None:
            self.canvas.number(row, column, cell.value, look)
        else:  # it may read what is placed later
            self.waiting.append((cell, row, column, look))

    def _write(self, cell: LiveCell, row: int, column: int, look: str) -> None:
        if cell.formula is None:
            return
        text = written(cell.formula, lambda other: self.places.seen_from(self.canvas.title, other))
        own = {"line": ("medium", _RED), "bold": True, "color": _RED} if cell in self.marked else {}
        self.canvas.formula(row, column, f"={text}", look, **own)

    def _finish(self, tall: int, orientation: str) -> None:
        for waiting in self.waiting:
            self._write(*waiting)
        self.canvas.print_on(orientation, tall=tall).row_breaks = self.breaks
        self.canvas.sheet.freeze_panes = f"A{_FIRST_ROW}"


def _parameter_order(block: Block) -> tuple[int, bool]:
    """Layers from the top, weights before biases: the same in every program."""
    name, layer = block.key
    return -(layer or 0), "bias" in name


def _look(name: str) -> str:
    if " of " in name:  # what the optimiser remembers
        return "update"
    return {"part": "check", "epoch_errors": "error"}.get(name) or kind_of(name)


def _width(block: Block) -> int:
    """Return how many columns of numbers a block takes."""
    return max(block.cells.shape[-1] if block.cells.shape else 1, 3)


def _label_columns(label: str) -> int:
    """Return how many columns a block's name runs over."""
    left = len(label) * 1.15 - _NAME_WIDTH
    return 1 + max(-(-int(left) // int(_VALUE_WIDTH)), 0) if left > 0 else 1
