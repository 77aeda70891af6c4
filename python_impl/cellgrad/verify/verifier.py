"""Verifying one workbook: recalculated, redrawn, and compared cell for cell."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from cellgrad.case.quantities import Key, quantities
from cellgrad.case.structure import Structure
from cellgrad.engines.interface import Block, Changes, Engine, OpenWorkbook
from cellgrad.errors import EngineError, WorkbookError
from cellgrad.mlp.activations import Array
from cellgrad.verify import redraw
from cellgrad.verify.cells import Bounds, Grid, Lookup
from cellgrad.verify.comparison import Comparison
from cellgrad.verify.coverage import Coverage
from cellgrad.verify.described import Described
from cellgrad.verify.expected import Numbers, all_numbers, step_of
from cellgrad.verify.givens import take_givens
from cellgrad.verify.result import COMPUTED, Report, place_of
from cellgrad.verify.stored import compare_stored, has_stored_values
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.formula import Place, find_cycle
from cellgrad.xlsx.values import CellError

DRAWS = 5
MAX_DRAWS = 200
MARK_DRAWS = 12
"""So many draws more, at most, to see the marks of the Check sheet told apart."""


class Verifier:
    """Verifies one described workbook; use one instance per engine.

    Args:
        described: the workbook.
        engine: recalculates it.
        redraw_engine: recalculates the redraws; the same unless the engine cannot.
        draws: the least number of redraws.
        max_draws: the most, however much is still unseen.
        stop_at_first: stop after the draw in which something disagreed.
    """

    def __init__(
        self,
        described: Described,
        engine: Engine,
        *,
        redraw_engine: Engine | None = None,
        draws: int = DRAWS,
        max_draws: int = MAX_DRAWS,
        stop_at_first: bool = False,
    ) -> None:
        self.described, self.engine = described, engine
        self.redraw_engine = redraw_engine or engine
        self.draws, self.max_draws, self.stop_at_first = draws, max_draws, stop_at_first
        self._looked_for_cycle = False
        self.report = Report(
            described.book.path,
            described.case,
            engine.name,
            engine.version(),
            mismatches=list(described.faults),
        )
        for claim in described.computed():
            self.report.totals[claim.kind] += claim.cells.height * claim.cells.width
        for fault in described.faults:
            place = place_of(fault)
            if fault.kind in COMPUTED and place is not None:
                self.report.disagreeing[fault.kind].add(place)

    def run(self) -> Report:
        """Recalculate, compare, redraw, compare again.

        Raises:
            WorkbookError: a given is no number, or the formulas run in a circle.
            EngineError: the engine failed or took too long.
        """
        structure = self.described.structure
        if structure is None or not self.described.computable:
            self._refuse_cycle()
            self.report.notes.append("not recalculated: the Map does not describe the whole step")
            return self.report
        self._prepare(structure)
        with self._open(self.engine) as book:
            if not self._own_givens(book, structure):
                return self._finish(structure)
            if self.redraw_engine is self.engine:
                self._redraws(book, structure)
                return self._finish(structure)
        with self._open(self.redraw_engine) as book:
            self.report.notes.append(f"redraws were recalculated by {self.redraw_engine.name}")
            self._redraws(book, structure)
        return self._finish(structure)

    def _prepare(self, structure: Structure) -> None:
        self.grids = [Grid(claim) for claim in self.described.claims]
        self.ranges = [claim.cells for claim in self.described.claims]
        self.comparison = Comparison(structure, self.grids, self.report)
        self.coverage = Coverage(self.described)
        self.overwritten: frozenset[Place] = frozenset(
            place
            for place, number in self.described.owner.items()
            if self.described.claims[number].kind in ("given", "answer")
        )

    def _open(self, engine: Engine) -> OpenWorkbook:
        try:
            return engine.open(self.described.book.path)
        except EngineError:
            self._refuse_cycle()
            raise

    def _refuse_cycle(self) -> None:
        """Refuse formulas that run in a circle; looked for once, when something went wrong."""
        cycle = None if self._looked_for_cycle else find_cycle(self.described.book)
        self._looked_for_cycle = True
        if cycle:
            shown = " → ".join(f"{sheet}!{a1(row, column)}" for sheet, row, column in cycle[:6])
            raise WorkbookError(
                f"a circular reference: {shown}",
                file=self.described.book.path,
                remedy="break the circle",
            )

    def _own_givens(self, book: OpenWorkbook, structure: Structure) -> bool:
        """Compare the file as it is; return whether redraws make sense."""
        path = self.described.book.path
        saved = self.engine.name == "saved"
        if saved and not has_stored_values(self.described.book):
            raise WorkbookError(
                "no values are stored in it",
                file=path,
                remedy="open it in a spreadsheet program and save it, or use another engine",
            )
        blocks = book.read(self.ranges)
        givens = take_givens(path, structure, self.grids, blocks)
        numbers = all_numbers(structure, step_of(structure, givens), givens)
        bounds = self._compare(0, blocks, givens, numbers)
        if not saved:
            compare_stored(self.described, blocks, bounds, self.report)
        return not (self.stop_at_first and self.report.mismatches)

    def _redraws(self, book: OpenWorkbook, structure: Structure) -> None:
        displays, tolerances = self.comparison.displays, redraw.Tolerances()
        least = self.draws + (redraw.SPECIAL if redraw.kinked(structure) else 0)
        for draw, drawn in enumerate(redraw.draws(structure), start=1):
            if draw > least and self.report.mismatches:
                break  # more draws would add nothing
            marked = tolerances.complete() or draw > least + MARK_DRAWS
            if draw > self.max_draws or (draw > least and marked and self.coverage.complete()):
                break
            givens, numbers = drawn.givens, drawn.numbers
            if ("quotient_gap", None) in numbers:
                gap, quotient = (
                    numbers[name, None] for name in ("quotient_gap", "difference_quotient")
                )
                givens["tolerance", None] = np.array(tolerances.next(gap, quotient))
            results = displays.results({**givens, **numbers})
            decimals = int(givens["decimals", None])
            givens["answer", None] = np.array(redraw.answers(results, draw, decimals))
            book.update(self._changes(givens))
            self._compare(draw, book.read(self.ranges), givens, numbers)
            self.report.draws = draw
            if self.stop_at_first and self.report.mismatches:
                break

    def _changes(self, givens: Mapping[Key, Array]) -> Changes:
        return [
            (grid.claim.cells, _with_blanks(grid.pick(givens[grid.claim.key])))
            for grid in self.grids
            if grid.claim.kind in ("given", "answer") and grid.claim.key in givens
        ]

    def _compare(
        self, draw: int, blocks: list[Block], givens: Mapping[Key, Array], numbers: Numbers
    ) -> Bounds:
        if any(isinstance(value, CellError) for block in blocks for row in block for value in row):
            self._refuse_cycle()
        engine = self.redraw_engine if draw else self.engine
        look = Lookup(self.described, blocks)
        overwritten = self.overwritten if draw else frozenset()
        bounds = Bounds(self.described, look, engine.arithmetic, overwritten)
        self.comparison.compare(draw, blocks, givens, numbers, look, bounds)
        self.coverage.observe(look.value)
        return bounds

    def _finish(self, structure: Structure) -> Report:
        report = self.report
        if not report.mismatches and not self.coverage.complete():
            missing = self.coverage.missing()
            sheet, row, column = missing[0]
            report.notes.append(
                f"after {report.draws} redraws {len(missing)} cells were still zero throughout or "
                f"had a branch not taken, the first {sheet}!{a1(row, column)}"
            )
        order = {quantity.key: n for n, quantity in enumerate(quantities(structure))}
        claims = self.described.claims
        report.sort(order, {place: claims[n].key for place, n in self.described.owner.items()})
        return report


def _with_blanks(rows: list[list[float]]) -> list[list[float | None]]:
    """Return the rows with nothing where there is no number."""
    return [[None if math.isnan(value) else value for value in row] for row in rows]
