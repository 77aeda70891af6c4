"""One draw: every computed cell against what the MLP makes of the same givens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cellgrad.case.quantities import Key
from cellgrad.compare.numbers import Gap, compare_block
from cellgrad.engines.interface import Values
from cellgrad.mlp.activations import Array
from cellgrad.verify.cells import Bounds, Grid, Lookup
from cellgrad.verify.mismatch import Mismatch, with_layer
from cellgrad.verify.programs.program import Numbers, Program
from cellgrad.verify.result import COMPUTED, Report
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.map_sheet import SHEET, Claim
from cellgrad.xlsx.values import CellError


class Comparison:
    """Compares draws of one part of a workbook and enters what disagrees in its report.

    Args:
        program: what the part should hold.
        report: where disagreements go.
    """

    def __init__(self, program: Program, report: Report) -> None:
        self.program, self.report = program, report
        self._unknown: set[int] = set()

    def compare(
        self,
        draw: int,
        cells: Sequence[tuple[Grid, Values]],
        givens: Mapping[Key, Array],
        numbers: Numbers,
        look: Lookup,
        bounds: Bounds,
    ) -> None:
        """Compare every computed cell of one draw.

        Args:
            draw: 0 for the file's own givens, else the number of the redraw.
            cells: the part's claims, and the values of their cells.
            givens: what they were computed from.
            numbers: what the MLP makes of the givens.
            look: the same values by cell.
            bounds: asked where bits differ.
        """
        for grid, block in cells:
            claim = grid.claim
            if claim.kind == "display" and claim.quantity != "result":
                self._displayed(draw, claim, block, {**givens, **numbers}, look, bounds)
            elif claim.kind in COMPUTED:
                self._computed(draw, grid, block, numbers.get(claim.key), bounds)

    def _computed(
        self, draw: int, grid: Grid, block: Values, wanted: Array | None, bounds: Bounds
    ) -> None:
        claim, cells = grid.claim, grid.claim.cells
        try:
            expected = None if wanted is None else grid.pick(wanted)
        except IndexError:
            expected = None
        if expected is None:
            self._no_quantity(claim)
            return

        if block.array is not None and np.array_equal(block.array, expected):
            return

        def bound(row: int, column: int) -> float:
            return bounds.both((cells.sheet, cells.top + row, cells.left + column))

        result = compare_block(block.rows, expected.tolist(), bound)
        for row, column, share in result.within:
            place = (cells.sheet, cells.top + row, cells.left + column)
            self.report.inexact[claim.kind].add(place)
            if share > self.report.worst:
                self.report.worst = share
                self.report.worst_cell = f"{cells.sheet}!{a1(place[1], place[2])}"
        for gap in result.gaps:
            if self._neither(claim.key, gap):
                continue
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

    def _neither(self, key: Key, gap: Gap) -> bool:
        """Tell whether both routes find no value where there may be none."""
        nothing = isinstance(gap.found, CellError) and math.isnan(gap.expected)
        return nothing and key in self.program.undefined

    def _no_quantity(self, claim: Claim) -> None:
        if claim.row not in self._unknown:
            self._unknown.add(claim.row)
            problem = f"{claim.quantity!r} is no quantity of this {self._kind()}"
            self.report.note(Mismatch.of_map(f"{SHEET}!A{claim.row}", problem))

    def _kind(self) -> str:
        return "part" if self.program.name else "step"

    def _displayed(
        self,
        draw: int,
        claim: Claim,
        block: Values,
        numbers: Numbers,
        look: Lookup,
        bounds: Bounds,
    ) -> None:
        for r, row in enumerate(block.rows):
            for c, value in enumerate(row):
                line = claim.rule.index(r, c)
                problem = self.program.display_problem(
                    claim, line, value, numbers, look, bounds.both
                )
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

    def _label(self, claim: Claim, index: tuple[int, ...]) -> str:
        if claim.kind == "step" and claim.key in self.program.known:
            return self.program.label(claim.key, index)
        inner = ",".join(str(i + 1) for i in index)
        return f"{claim.label}[{inner}]" if inner else claim.label


def _plain(value: object) -> object:
    return str(value) if isinstance(value, CellError) else value
