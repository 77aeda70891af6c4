"""One draw: every computed cell against what the MLP makes of the same givens."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from cellgrad.case.quantities import Index, Key
from cellgrad.compare import Difference, differences
from cellgrad.described import ClaimedCells
from cellgrad.engines import Values
from cellgrad.mlp.equations import Array
from cellgrad.verify.cells import Bounds, CellValues
from cellgrad.verify.program import Numbers, Program
from cellgrad.verify.result import COMPUTED, Mismatch, Report, with_layer
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.map_sheet import SHEET, Claim
from cellgrad.xlsx.sheet import CellError


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
        cells: CellValues,
        givens: Mapping[Key, Array],
        numbers: Numbers,
        bounds: Bounds,
    ) -> None:
        """Compare every computed cell of one draw.

        Args:
            draw: 0 for the file's own givens, else the number of the redraw.
            cells: what the workbook holds.
            givens: what it was computed from.
            numbers: what the MLP makes of the givens.
            bounds: asked where bits differ.
        """
        for own, block in cells.claims_of(self.program.name):
            claim = own.claim
            if claim.kind == "display" and claim.quantity != "result":
                self._compare_display(draw, own, block, {**givens, **numbers}, cells, bounds)
            elif claim.kind in COMPUTED:
                self._compare_numbers(draw, own, block, numbers.get(claim.key), bounds)

    def _compare_numbers(
        self, draw: int, own: ClaimedCells, block: Values, numbers: Array | None, bounds: Bounds
    ) -> None:
        claim, area = own.claim, own.claim.cells
        try:
            expected = None if numbers is None else own.pick(numbers)
        except IndexError:
            expected = None
        if expected is None:
            self._refuse_quantity(claim)
            return
        if block.array is not None and np.array_equal(block.array, expected):
            return

        def bound(row: int, column: int) -> float:
            return bounds.both((area.sheet, area.top + row, area.left + column))

        for one in differences(block.rows, expected.tolist(), bound):
            place = (area.sheet, area.top + one.row, area.left + one.column)
            if not one.allowed:
                nothing = isinstance(one.held, CellError) and math.isnan(one.expected)
                if not (nothing and claim.key in self.program.undefined):
                    index = claim.rule.index(one.row, one.column)
                    self._note(draw, claim, (one.row, one.column), index, one.held, gap=one)
                continue
            self.report.inexact[claim.kind].add(place)
            share = one.gap / one.bound
            if share > self.report.worst:
                self.report.worst = share
                self.report.worst_cell = f"{area.sheet}!{a1(place[1], place[2])}"

    def _refuse_quantity(self, claim: Claim) -> None:
        if claim.row not in self._unknown:
            self._unknown.add(claim.row)
            kind = "part" if self.program.name else "step"
            problem = f"{claim.quantity!r} is no quantity of this {kind}"
            self.report.note(Mismatch.of_map(f"{SHEET}!A{claim.row}", problem))

    def _compare_display(
        self,
        draw: int,
        own: ClaimedCells,
        block: Values,
        numbers: Numbers,
        cells: CellValues,
        bounds: Bounds,
    ) -> None:
        claim = own.claim
        for r, row in enumerate(block.rows):
            for c, value in enumerate(row):
                line = claim.rule.index(r, c)
                problem = self.program.display_problem(
                    claim, line, value, numbers, cells, bounds.both
                )
                if problem:
                    self._note(draw, claim, (r, c), line, value, problem=problem)

    def _note(
        self,
        draw: int,
        claim: Claim,
        at: tuple[int, int],
        index: Index,
        held: object,
        *,
        gap: Difference | None = None,
        problem: str = "",
    ) -> None:
        self.report.note(
            Mismatch(
                claim.kind,
                claim.cells.sheet,
                a1(claim.cells.top + at[0], claim.cells.left + at[1]),
                self._label(claim, index),
                with_layer(claim, index),
                claim.equation,
                str(held) if isinstance(held, CellError) else held,
                gap.expected if gap else None,
                gap.bound if gap else None,
                draw,
                problem,
            )
        )

    def _label(self, claim: Claim, index: Index) -> str:
        if claim.kind == "step" and claim.key in self.program.known:
            return self.program.label(claim.key, index)
        inner = ",".join(str(i + 1) for i in index)
        return f"{claim.label}[{inner}]" if inner else claim.label
