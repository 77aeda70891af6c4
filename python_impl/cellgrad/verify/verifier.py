"""Verifying one workbook: recalculated, redrawn, and compared cell for cell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from cellgrad.case.quantities import Key
from cellgrad.described import Described
from cellgrad.engines import (
    Changes,
    Engine,
    OpenWorkbook,
    Values,
)
from cellgrad.errors import EngineError, WorkbookError
from cellgrad.mlp.equations import Array
from cellgrad.verify.cells import Bounds, CellValues
from cellgrad.verify.comparison import Comparison, compare_stored, has_stored_values, stored_blocks
from cellgrad.verify.faults import Faults
from cellgrad.verify.program import Numbers, Program
from cellgrad.verify.redraw import Coverage
from cellgrad.verify.result import COMPUTED, Report, place_of
from cellgrad.xlsx.addresses import Place, a1

DRAWS = 5
MAX_DRAWS = 200
MANY_CELLS = 100_000
MANY_CELLS_DRAWS = 10
"""A workbook of so many cells is redrawn at most so often; what stayed unseen is said."""
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
        faults = Faults(described)
        self.programs, self.cells = faults.programs, faults.cells
        self.computable = faults.computable
        self.report = Report(
            described.book.path,
            described.case,
            engine.name,
            engine.version(),
            mismatches=faults.mismatches,
        )
        for claim in described.claims:
            if claim.kind in COMPUTED:
                self.report.totals[claim.kind] += claim.cells.height * claim.cells.width
        if self.report.cells > MANY_CELLS:
            self.max_draws = min(self.max_draws, MANY_CELLS_DRAWS)
        for fault in faults.mismatches:
            place = place_of(fault)
            if fault.kind in COMPUTED and place is not None:
                self.report.disagreeing[fault.kind].add(place)

    def run(self) -> Report:
        """Recalculate, compare, redraw, compare again.

        Raises:
            WorkbookError: a given is no number, or the formulas run in a circle.
            EngineError: the engine failed or took too long.
        """
        if not self.computable:
            self._refuse_cycle()
            self.report.notes.append("not recalculated: the Map does not describe the whole of it")
            return self.report
        self._prepare()
        with self._open(self.engine) as book:
            if not self._own_givens(book):
                return self._finish()
            if self.redraw_engine is self.engine:
                self._redraws(book)
                return self._finish()
        with self._open(self.redraw_engine) as book:
            self.report.notes.append(f"redraws were recalculated by {self.redraw_engine.name}")
            self._redraws(book)
        return self._finish()

    def _prepare(self) -> None:
        self.ranges = [claim.cells for claim in self.described.claims]
        self.comparisons = {
            name: Comparison(program, self.report) for name, program in self.programs.items()
        }
        self.coverage = Coverage(self.described)
        # while an engine in another process is still calculating
        self.stored = self._values(stored_blocks(self.described.book, self.cells))

    def _values(self, blocks: Sequence[Values]) -> CellValues:
        return CellValues(self.described, self.cells, blocks)

    def _open(self, engine: Engine) -> OpenWorkbook:
        try:
            return engine.open(self.described.book.path)
        except EngineError:
            self._refuse_cycle()
            raise

    def _refuse_cycle(self) -> None:
        """Refuse formulas that run in a circle; looked for once, when something went wrong."""
        from cellgrad.formula.references import find_cycle  # noqa: PLC0415 - start-up time

        cycle = None if self._looked_for_cycle else find_cycle(self.described.book)
        self._looked_for_cycle = True
        if cycle:
            shown = " → ".join(f"{sheet}!{a1(row, column)}" for sheet, row, column in cycle[:6])
            raise WorkbookError(
                f"a circular reference: {shown}",
                file=self.described.book.path,
                remedy="break the circle",
            )

    def _own_givens(self, book: OpenWorkbook) -> bool:
        """Compare the file as it is; return whether redraws make sense."""
        path = self.described.book.path
        saved = self.engine.name == "saved"
        if saved and not has_stored_values(self.described.book):
            raise WorkbookError(
                "no values are stored in it",
                file=path,
                remedy="open it in a spreadsheet program and save it, or use another engine",
            )
        cells = self._values(book.read_values(self.ranges))
        bounds = self._compare(0, cells, {name: cells.givens_of(name) for name in self.programs})
        if not saved:
            compare_stored(cells, self.stored, self.programs, bounds, self.report)
        return not (self.stop_at_first and self.report.mismatches)

    def _redraws(self, book: OpenWorkbook) -> None:
        programs = self.programs.values()
        least = self.draws + max(program.extra_draws for program in programs)
        for draw in itertools.count(1):
            if draw > least and self.report.mismatches:
                break  # more draws would add nothing
            settled = all(p.settled() for p in programs) or draw > least + MARK_DRAWS
            if draw > self.max_draws or (draw > least and settled and self.coverage.complete()):
                break
            givens: dict[str, Numbers] = {}
            for name, program in self.programs.items():
                givens[name] = program.draw(draw, program.drawn_from(givens))
            book.update(self._changes(givens))
            self._compare(draw, self._values(book.read_values(self.ranges)), givens)
            self.report.draws = draw
            if self.stop_at_first and self.report.mismatches:
                break

    def _changes(self, givens: Mapping[str, Mapping[Key, Array]]) -> Changes:
        changes = []
        for own in self.cells:
            claim = own.claim
            if claim.kind in ("given", "answer") and claim.key in givens[claim.part]:
                drawn = own.pick(givens[claim.part][claim.key]).tolist()
                changes.append((claim.cells, _with_blanks(drawn)))
        return changes

    def _compare(self, draw: int, cells: CellValues, givens: Mapping[str, Numbers]) -> Bounds:
        """Compare every part with what the MLP makes of its givens.

        What a part takes from another is taken from the other's cells, and the copies
        must be exact; so each part is judged by what it really starts from.
        """
        if cells.hold_an_error():
            self._refuse_cycle()
        engine = self.redraw_engine if draw else self.engine
        bounds = Bounds(cells, self.programs, engine.arithmetic, drawn=draw > 0)
        for name, program in self.programs.items():
            held = cells.held_by(name)
            linked = program.linked(cells.held_by)
            copied = {key for key in linked if not program.part.borrows(key)}
            own = linked | {key: held[key] for key in copied}
            inputs = {**givens[name], **own} if own else givens[name]
            if not draw:
                self._check_domain(program, inputs)
            numbers = program.numbers(inputs, held) | {key: linked[key] for key in copied}
            self.comparisons[name].compare(draw, cells, inputs, numbers, bounds)
        self.coverage.observe(cells)
        return bounds

    def _check_domain(self, program: Program, inputs: Mapping[Key, Array]) -> None:
        """Refuse givens that a part cannot be computed from."""
        problem = program.domain_problem(inputs)
        if problem:
            place = f"part {program.name}" if program.name else ""
            path = self.described.book.path
            raise WorkbookError(problem, file=path, place=place, remedy="change the givens")

    def _finish(self) -> Report:
        report = self.report
        if not report.mismatches and not self.coverage.complete():
            missing = self.coverage.missing()
            sheet, row, column = missing[0]
            report.notes.append(
                f"after {report.draws} redraws {len(missing)} cells were still zero throughout or "
                f"had a branch not taken, the first {sheet}!{a1(row, column)}"
            )
        order: dict[tuple[str, Key], int] = {}
        for name, program in self.programs.items():
            order |= {(name, key): len(order) + n for n, key in enumerate(program.known)}

        def rank(place: Place) -> int:
            claim = self.described.claim_of(place)
            return len(order) if claim is None else order.get((claim.part, claim.key), len(order))

        report.sort(rank)
        return report


def _with_blanks(rows: list[list[float]]) -> list[list[float | None]]:
    """Return the rows with nothing where there is no number."""
    return [[None if math.isnan(value) else value for value in row] for row in rows]
