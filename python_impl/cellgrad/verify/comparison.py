"""One draw: every computed cell against what the MLP makes of the same givens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cellgrad.case.quantities import Key, person_label, table
from cellgrad.case.structure import Structure
from cellgrad.compare.numbers import Gap, compare_block
from cellgrad.engines.interface import Block
from cellgrad.mlp.activations import Array
from cellgrad.verify import displays
from cellgrad.verify.cells import Bounds, Grid, Lookup
from cellgrad.verify.expected import Numbers
from cellgrad.verify.mismatch import Mismatch, with_layer
from cellgrad.verify.result import COMPUTED, Report
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.map_sheet import SHEET, Claim
from cellgrad.xlsx.values import CellError, Value


class Comparison:
    """Compares draws of one workbook and enters what disagrees in its report.

    Args:
        structure: the step.
        grids: the claims.
        report: where disagreements go.
    """

    def __init__(self, structure: Structure, grids: Sequence[Grid], report: Report) -> None:
        self.structure, self.grids, self.report = structure, grids, report
        self.displays = displays.Displays(structure)
        self._table = table(structure)
        self._unknown: set[int] = set()

    def compare(
        self,
        draw: int,
        blocks: Sequence[Block],
        givens: Mapping[Key, Array],
        numbers: Numbers,
        look: Lookup,
        bounds: Bounds,
    ) -> None:
        """Compare every computed cell of one draw.

        Args:
            draw: 0 for the file's own givens, else the number of the redraw.
            blocks: the values of the claims' cells.
            givens: what they were computed from.
            numbers: what the MLP makes of the givens.
            look: the same values by cell.
            bounds: asked where bits differ.
        """
        numbers = dict(numbers)
        numbers["result", None] = np.array(self.displays.results({**givens, **numbers}))
        for grid, block in zip(self.grids, blocks, strict=True):
            claim = grid.claim
            if claim.kind == "display" and claim.quantity != "result":
                self._displayed(draw, claim, block, {**givens, **numbers}, look, bounds)
            elif claim.kind in COMPUTED:
                self._computed(draw, grid, block, numbers.get(claim.key), bounds)

    def _computed(
        self, draw: int, grid: Grid, block: Block, wanted: Array | None, bounds: Bounds
    ) -> None:
        claim, cells = grid.claim, grid.claim.cells
        try:
            expected = None if wanted is None else grid.pick(wanted)
        except IndexError:
            expected = None
        if expected is None:
            self._no_quantity(claim)
            return

        def bound(row: int, column: int) -> float:
            return bounds.both((cells.sheet, cells.top + row, cells.left + column))

        result = compare_block(block, expected, bound)
        for row, column, share in result.within:
            place = (cells.sheet, cells.top + row, cells.left + column)
            self.report.inexact[claim.kind].add(place)
            if share > self.report.worst:
                self.report.worst = share
                self.report.worst_cell = f"{cells.sheet}!{a1(place[1], place[2])}"
        for gap in result.gaps:
            self.report.note(self._mismatch(draw, claim, gap))

    def _mismatch(self, draw: int, claim: Claim, gap: Gap) -> Mismatch:
        index = claim.rule.index(gap.row, gap.column)
        return Mismatch(
            claim.kind,
            claim.cells.sheet,
            a1(claim.cells.top + gap.row, claim.cells.left + gap.column),
            self._label(claim, index),
            with_layer(claim, index),
            claim.equation,
            _plain(gap.found),
            gap.expected,
            gap.bound,
            draw,
        )

    def _no_quantity(self, claim: Claim) -> None:
        if claim.row not in self._unknown:
            self._unknown.add(claim.row)
            problem = f"{claim.quantity!r} is no quantity of this step"
            self.report.note(Mismatch.of_map(f"{SHEET}!A{claim.row}", problem))

    def _displayed(
        self,
        draw: int,
        claim: Claim,
        block: Block,
        numbers: Numbers,
        look: Lookup,
        bounds: Bounds,
    ) -> None:
        for r, row in enumerate(block):
            for c, value in enumerate(row):
                line = claim.rule.index(r, c)
                problem = self._display_problem(claim, line, value, numbers, look, bounds)
                if problem:
                    self.report.note(
                        Mismatch(
                            "display",
                            claim.cells.sheet,
                            a1(claim.cells.top + r, claim.cells.left + c),
                            self._label(claim, line),
                            with_layer(claim, line),
                            claim.equation,
                            _plain(value),
                            draw=draw,
                            problem=problem,
                        )
                    )

    def _display_problem(
        self,
        claim: Claim,
        line: tuple[int, ...],
        value: Value,
        numbers: Numbers,
        look: Lookup,
        bounds: Bounds,
    ) -> str | None:
        name = claim.quantity
        if len(line) != 1:
            return "needs an index rule of one part"
        if name in ("working", "mark"):
            if line[0] >= len(self.displays.lines):
                return "lies beyond the lines of the step"
            decimals = int(numbers.get(("decimals", None), np.array(0.0)))
            if name == "working":
                return self.displays.text_problem(line[0], value, numbers, decimals)
            result = float(numbers["result", None][line])
            return displays.mark_problem(value, look.named("answer", line), result, decimals)
        if name == "gradient_agrees" and line[0] < len(numbers.get(("quotient_gap", None), ())):
            gap = float(numbers["quotient_gap", None][line])
            tolerance = float(numbers["tolerance", None])
            place = look.place("quotient_gap", line)

            def bound() -> float:
                return bounds.both(place) if place else 0.0

            return displays.agreement_problem(value, gap, tolerance, bound)
        return f"{name!r} is no display of this step"

    def _label(self, claim: Claim, index: tuple[int, ...]) -> str:
        if claim.kind == "step" and claim.key in self._table:
            return person_label(self.structure, self._table[claim.key], index)
        inner = ",".join(str(i + 1) for i in index)
        return f"{claim.label}[{inner}]" if inner else claim.label


def _plain(value: object) -> object:
    return str(value) if isinstance(value, CellError) else value
