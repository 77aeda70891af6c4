"""Verifying one workbook: recalculated, redrawn, and compared cell for cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cellgrad.case.quantities import Key, person_label, quantities, table
from cellgrad.case.structure import Structure
from cellgrad.certify.bounds import ErrorBounds
from cellgrad.compare.numbers import compare_block
from cellgrad.engines.interface import Changes, Engine, OpenWorkbook
from cellgrad.errors import EngineError, WorkbookError
from cellgrad.mlp.activations import Array
from cellgrad.verify import displays, redraw
from cellgrad.verify.coverage import Coverage
from cellgrad.verify.described import Described
from cellgrad.verify.expected import Numbers, check_numbers, step_numbers, step_of
from cellgrad.verify.mismatch import Mismatch, with_layer
from cellgrad.verify.stored import stored_problem
from cellgrad.xlsx.addresses import a1, parse_a1
from cellgrad.xlsx.formula import FormulaError, Place, find_cycle
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.values import Block, CellError, Value

DRAWS = 5
MAX_DRAWS = 200
COMPUTED = ("step", "check", "display")
MAX_DECIMALS = 12


@dataclass(slots=True)
class Report:
    """What verifying one workbook in one engine showed.

    Attributes:
        path: the workbook.
        case: the id of its case.
        engine: the engine's name.
        engine_version: the engine's own version.
        totals: cells asked about, by kind.
        disagreeing: cells that disagree in any draw, by kind.
        inexact: cells that agree, but not to the last bit in every draw, by kind.
        worst: the largest gap as a share of its bound, and its cell.
        mismatches: every disagreement, in the order of the flow.
        draws: how many redraws were made.
        notes: what a reader should know beside the verdict.
    """

    path: Path
    case: str
    engine: str
    engine_version: str
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COMPUTED, 0))
    disagreeing: dict[str, set[Place]] = field(
        default_factory=lambda: {kind: set() for kind in COMPUTED}
    )
    inexact: dict[str, set[Place]] = field(
        default_factory=lambda: {kind: set() for kind in COMPUTED}
    )
    worst: float = 0.0
    worst_cell: str = ""
    mismatches: list[Mismatch] = field(default_factory=list)
    draws: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every cell agrees."""
        return not self.mismatches

    @property
    def cells(self) -> int:
        """How many computed cells were asked about."""
        return sum(self.totals.values())

    @property
    def within_bound(self) -> int:
        """How many agree within their bounds, but not bit for bit in every draw."""
        return sum(len(self.inexact[kind] - self.disagreeing[kind]) for kind in COMPUTED)

    @property
    def bit_identical(self) -> int:
        """How many agree to the last bit in every draw."""
        bad = sum(len(self.disagreeing[kind] | self.inexact[kind]) for kind in COMPUTED)
        return self.cells - bad

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Return (agreeing, asked about) by kind."""
        return {
            kind: (self.totals[kind] - len(self.disagreeing[kind]), self.totals[kind])
            for kind in COMPUTED
        }


class _Grid:
    """A claim's cells, and which index of its quantity each of them has."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        rows, columns = np.ogrid[: claim.cells.height, : claim.cells.width]
        self.index = tuple(a * rows + b * columns + n for a, b, n in claim.rule.parts)
        self.shape = (claim.cells.height, claim.cells.width)

    def pick(self, values: Array) -> list[list[float]]:
        """Return the quantity's values where the cells show them."""
        picked = np.broadcast_to(values[self.index], self.shape)
        return picked.tolist()  # type: ignore[no-any-return]

    def gather(self, values: Array, block: Block) -> None:
        """Put the cells' values where they belong in the quantity."""
        for r, row in enumerate(block):
            for c, value in enumerate(row):
                if isinstance(value, float):
                    values[self.claim.rule.index(r, c)] = value


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
            if fault.kind in COMPUTED and fault.cell and ":" not in fault.cell:
                self._disagree(fault)
        self._reported: set[Place] = set()

    def _disagree(self, fault: Mismatch) -> None:
        self.report.disagreeing[fault.kind].add((fault.sheet, *parse_a1(fault.cell)))

    def run(self) -> Report:
        """Recalculate, compare, redraw, compare again.

        Raises:
            WorkbookError: a given is no number, or the formulas run in a circle.
            EngineError: the engine failed or took too long.
        """
        structure = self.described.structure
        if structure is None or self._hopeless():
            self.report.notes.append("not recalculated: the Map does not describe the whole step")
            return self.report
        self._prepare(structure)
        with self._open(self.engine) as book:
            if not self._first(book, structure):
                return self._finish(structure)
            if self.redraw_engine is self.engine:
                self._redraws(book, structure)
                return self._finish(structure)
        with self._open(self.redraw_engine) as book:
            self.report.notes.append(f"redraws were recalculated by {self.redraw_engine.name}")
            self._redraws(book, structure)
        return self._finish(structure)

    def _hopeless(self) -> bool:
        """Whether the givens or the Map are too broken to compute anything."""
        return any(
            fault.kind in ("map", "given")
            or "lies outside" in fault.problem
            or "claimed twice" in fault.problem
            or "no row of the Map" in fault.problem
            for fault in self.described.faults
        )

    def _prepare(self, structure: Structure) -> None:
        self.grids = [_Grid(claim) for claim in self.described.claims]
        self.ranges = [claim.cells for claim in self.described.claims]
        self.displays = displays.Displays(structure)
        self.table = table(structure)
        self.coverage = Coverage(self.described)
        self.constants = frozenset(
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
        cycle = find_cycle(self.described.book)
        if cycle:
            shown = " → ".join(f"{sheet}!{a1(row, column)}" for sheet, row, column in cycle[:6])
            raise WorkbookError(
                f"a circular reference: {shown}",
                file=self.described.book.path,
                remedy="break the circle",
            )

    # draws

    def _first(self, book: OpenWorkbook, structure: Structure) -> bool:
        """Compare the file as it is; return whether redraws make sense."""
        blocks = book.read(self.ranges)
        if self.engine.name == "saved" and not self._has_stored_values():
            raise WorkbookError(
                "no values are stored in it",
                file=self.described.book.path,
                remedy="open it in a spreadsheet program and save it, or use another engine",
            )
        if any(isinstance(v, CellError) for block in blocks for row in block for v in row):
            self._refuse_cycle()
        givens = self._givens(structure, blocks)
        self._compare(structure, 0, blocks, givens)
        if self.engine.name != "saved":
            self._compare_stored(blocks)
        return not (self.stop_at_first and self.report.mismatches)

    def _redraws(self, book: OpenWorkbook, structure: Structure) -> None:
        for draw, (givens, step) in enumerate(redraw.draws(structure), start=1):
            if draw > self.max_draws or (draw > self.draws and self.coverage.complete()):
                break
            results = self.displays.results({**givens, **step_numbers(step)})
            decimals = int(givens["decimals", None])
            givens["answer", None] = np.array(redraw.answers(results, draw, decimals))
            book.update(self._changes(givens))
            self._compare(structure, draw, book.read(self.ranges), givens)
            self.report.draws = draw
            if self.stop_at_first and self.report.mismatches:
                break

    def _changes(self, givens: Mapping[Key, Array]) -> Changes:
        return [
            (grid.claim.cells, grid.pick(givens[grid.claim.key]))
            for grid in self.grids
            if grid.claim.kind in ("given", "answer") and grid.claim.key in givens
        ]

    def _givens(self, structure: Structure, blocks: list[Block]) -> dict[Key, Array]:
        """Take the givens from the workbook's own cells."""
        shapes: dict[Key, tuple[int, ...]] = {
            quantity.key: quantity.shape for quantity in quantities(structure) if quantity.given
        }
        found: dict[Key, Array] = {}
        for grid, block in zip(self.grids, blocks, strict=True):
            claim = grid.claim
            if claim.kind != "given":
                continue
            for r, row in enumerate(block):
                for c, value in enumerate(row):
                    if not isinstance(value, float):
                        self._refuse_given(claim, r, c, value)
            values = found.setdefault(claim.key, np.zeros(shapes.get(claim.key, ())))
            grid.gather(values, block)
        self._check_domain(structure, found)
        return found

    def _refuse_given(self, claim: Claim, r: int, c: int, value: Value) -> None:
        what = "it is empty" if value is None else f"it holds {str(value)[:40]!r}"
        raise WorkbookError(
            f"{claim.label} should be a number, but {what}",
            file=self.described.book.path,
            place=f"{claim.cells.sheet}!{a1(claim.cells.top + r, claim.cells.left + c)}",
            remedy="type a number",
        )

    def _check_domain(self, structure: Structure, givens: Mapping[Key, Array]) -> None:
        target = givens["target", None]
        problem = ""
        if structure.loss == "categorical_cross_entropy" and (
            np.any(target < 0) or np.any(np.abs(target.sum(axis=1) - 1) > 1e-12)  # noqa: PLR2004
        ):
            problem = "the targets of a sample must be shares that sum to 1"
        if structure.loss == "binary_cross_entropy" and (np.any(target < 0) or np.any(target > 1)):
            problem = "targets must lie between 0 and 1"
        decimals = float(givens.get(("decimals", None), np.array(0.0)))
        if decimals != int(decimals) or not 0 <= decimals <= MAX_DECIMALS:
            problem = f"the decimals asked for must be a whole number from 0 to {MAX_DECIMALS}"
        if float(givens.get(("epsilon", None), np.array(1.0))) == 0:
            problem = "ε must not be 0"
        if problem:
            raise WorkbookError(problem, file=self.described.book.path, remedy="change the givens")

    # comparing

    def _compare(
        self, structure: Structure, draw: int, blocks: list[Block], givens: Mapping[Key, Array]
    ) -> None:
        step = step_of(structure, givens)
        epsilon = givens.get(("epsilon", None))
        numbers: Numbers = {
            **step_numbers(step),
            **check_numbers(structure, step, None if epsilon is None else float(epsilon)),
        }
        everything = {**givens, **numbers}
        everything["result", None] = np.array(self.displays.results(everything))
        look = _Lookup(self.described, blocks)
        bounds = self._bounds(look, draw)
        for grid, block in zip(self.grids, blocks, strict=True):
            claim = grid.claim
            if claim.kind == "display" and claim.quantity != "result":
                self._compare_display(draw, claim, block, everything, look, bounds)
            elif claim.kind in COMPUTED:
                wanted = self._wanted(claim, numbers, everything)
                if wanted is None:
                    self._unknown(claim)
                    continue
                self._compare_numbers(structure, draw, grid, block, wanted, bounds)
        self.coverage.observe(look.value)

    def _wanted(self, claim: Claim, numbers: Numbers, everything: Numbers) -> Array | None:
        return everything.get(claim.key) if claim.quantity == "result" else numbers.get(claim.key)

    def _unknown(self, claim: Claim) -> None:
        if ("map", claim.row, 0) not in self._reported:
            self._reported.add(("map", claim.row, 0))
            self._note(
                Mismatch.of_map(
                    f"Map!A{claim.row}", f"{claim.quantity!r} is no quantity of this step"
                )
            )

    def _bounds(self, look: _Lookup, draw: int) -> _Bounds:
        engine = self.engine if draw == 0 else self.redraw_engine
        constant = self.constants if draw else frozenset()
        return _Bounds(self.described, look, engine, constant)

    def _compare_numbers(
        self,
        structure: Structure,
        draw: int,
        grid: _Grid,
        block: Block,
        wanted: Array,
        bounds: _Bounds,
    ) -> None:
        claim = grid.claim
        cells = claim.cells
        try:
            expected = grid.pick(wanted)
        except IndexError:
            self._unknown(claim)
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
            index = claim.rule.index(gap.row, gap.column)
            self._note(
                Mismatch(
                    claim.kind,
                    cells.sheet,
                    a1(cells.top + gap.row, cells.left + gap.column),
                    self._label(structure, claim, index),
                    with_layer(claim, index),
                    claim.equation,
                    _plain(gap.found),
                    gap.expected,
                    gap.bound,
                    draw,
                )
            )

    def _compare_display(
        self,
        draw: int,
        claim: Claim,
        block: Block,
        numbers: Numbers,
        look: _Lookup,
        bounds: _Bounds,
    ) -> None:
        decimals = int(numbers.get(("decimals", None), np.array(0.0)))
        for r, row in enumerate(block):
            for c, value in enumerate(row):
                line = claim.rule.index(r, c)
                problem = self._display_problem(claim, line, value, numbers, decimals, look, bounds)
                if problem:
                    at = Mismatch.at(claim, claim.cells.top + r, claim.cells.left + c, problem)
                    self._note(
                        Mismatch(
                            "display",
                            at.sheet,
                            at.cell,
                            f"{claim.label}[{line[0] + 1}]",
                            at.index,
                            claim.equation,
                            _plain(value),
                            None,
                            None,
                            draw,
                            problem,
                        )
                    )

    def _display_problem(
        self,
        claim: Claim,
        line: tuple[int, ...],
        value: Value,
        numbers: Numbers,
        decimals: int,
        look: _Lookup,
        bounds: _Bounds,
    ) -> str | None:
        name = claim.quantity
        if len(line) != 1:
            return "needs an index rule of one part"
        if name == "working":
            if line[0] >= len(self.displays.lines):
                return "lies beyond the lines of the step"
            return self.displays.text_problem(line[0], value, numbers, decimals)
        if name == "mark":
            result = float(numbers["result", None][line])
            return displays.mark_problem(value, look.named("answer", line), result, decimals)
        if name == "gradient_agrees" and ("quotient_gap", None) in numbers:
            gap = float(numbers["quotient_gap", None][line])
            tolerance = float(numbers["tolerance", None])
            place = look.place("quotient_gap", line)

            def bound() -> float:
                return bounds.both(place) if place else 0.0

            return displays.agreement_problem(value, gap, tolerance, bound)
        return f"{name!r} is no display of this step"

    def _note(self, mismatch: Mismatch) -> None:
        if mismatch.kind in COMPUTED:
            place = (mismatch.sheet, *parse_a1(mismatch.cell))
            self.report.disagreeing[mismatch.kind].add(place)
            if place in self._reported:
                return
            self._reported.add(place)
        self.report.mismatches.append(mismatch)

    def _label(self, structure: Structure, claim: Claim, index: tuple[int, ...]) -> str:
        if claim.kind == "step" and claim.key in self.table:
            return person_label(structure, self.table[claim.key], index)
        inner = ",".join(str(i + 1) for i in index)
        return f"{claim.label}[{inner}]" if inner else claim.label

    # stored values

    def _has_stored_values(self) -> bool:
        book = self.described.book
        return any(
            cell in book.sheets[sheet].values
            for sheet in book.sheets
            for cell in book.sheets[sheet].formulas
        )

    def _compare_stored(self, blocks: list[Block]) -> None:
        """Hold the values stored in the file against the recalculated ones."""
        book = self.described.book
        if not self._has_stored_values():
            self.report.notes.append("no values are stored in the file; they were recalculated")
            return
        look = _Lookup(self.described, blocks)
        bounds = self._bounds(look, 0)
        without = 0
        for claim, block in zip(self.described.claims, blocks, strict=True):
            if claim.kind not in COMPUTED or claim.cells.sheet not in book.sheets:
                continue
            cells, stored = claim.cells, book.sheets[claim.cells.sheet].values
            for r, row in enumerate(block):
                for c, value in enumerate(row):
                    cell = (cells.top + r, cells.left + c)
                    held = stored.get(cell)
                    if held == value and type(held) is type(value):
                        continue
                    if held is None and value not in (None, ""):
                        without += 1
                        continue
                    place = (cells.sheet, *cell)
                    problem = stored_problem(held, value, lambda p=place: bounds.both(p))  # type: ignore[misc]
                    if problem:
                        self._note_stored(claim, cell, problem, place)
        if without:
            self.report.notes.append(f"{without} formula cells have no stored value")

    def _note_stored(self, claim: Claim, cell: tuple[int, int], problem: str, place: Place) -> None:
        self.report.disagreeing[claim.kind].add(place)
        at = Mismatch.at(claim, *cell, problem)
        self.report.mismatches.append(
            Mismatch(
                "stored", at.sheet, at.cell, at.quantity, at.index, at.equation, problem=problem
            )
        )

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
        rank = {
            "map": 0,
            "formula": 1,
            "given": 2,
            "step": 3,
            "check": 4,
            "display": 5,
            "stored": 6,
        }

        def place_in_flow(mismatch: Mismatch) -> tuple[int, int, int]:
            number = self._claim_number(mismatch)
            key = self.described.claims[number].key if number is not None else ("", None)
            return (mismatch.draw, rank.get(mismatch.kind, 9), order.get(key, len(order)))

        report.mismatches.sort(key=place_in_flow)
        return report

    def _claim_number(self, mismatch: Mismatch) -> int | None:
        try:
            return self.described.owner.get((mismatch.sheet, *parse_a1(mismatch.cell)))
        except ValueError:
            return None


class _Lookup:
    """The values of one draw, by cell."""

    def __init__(self, described: Described, blocks: list[Block]) -> None:
        self.described, self.blocks = described, blocks
        self._places: dict[str, dict[int, Place]] = {}

    def value(self, place: Place) -> Value:
        number = self.described.owner.get(place)
        if number is None:
            sheet = self.described.book.sheets.get(place[0])
            return sheet.values.get(place[1:]) if sheet else None
        cells = self.described.claims[number].cells
        return self.blocks[number][place[1] - cells.top][place[2] - cells.left]

    def number(self, place: Place) -> float:
        value = self.value(place)
        return value if isinstance(value, float) else 0.0

    def place(self, quantity: str, index: tuple[int, ...]) -> Place | None:
        """Return the cell that claims a quantity of the workbook at an index of one part."""
        if quantity not in self._places:
            self._places[quantity] = {
                claim.rule.index(r, 0)[0]: (
                    claim.cells.sheet,
                    claim.cells.top + r,
                    claim.cells.left,
                )
                for claim in self.described.claims
                if claim.quantity == quantity and len(claim.rule.parts) == 1
                for r in range(claim.cells.height)
            }
        return self._places[quantity].get(index[0])

    def named(self, quantity: str, index: tuple[int, ...]) -> Value:
        place = self.place(quantity, index)
        return None if place is None else self.value(place)


class _Bounds:
    """The bounds of both routes, computed only when asked for."""

    def __init__(
        self, described: Described, look: _Lookup, engine: Engine, constant: frozenset[Place]
    ) -> None:
        arithmetic = engine.arithmetic
        self._ours = ErrorBounds(described.book, look.number, constant=constant)
        self._engines = ErrorBounds(
            described.book,
            look.number,
            given_error=arithmetic.given_error,
            snap=arithmetic.snap,
            constant=constant,
        )

    def both(self, place: Place) -> float:
        """Return B of the engine's value plus B of the MLP's."""
        try:
            return self._ours.of(place) + self._engines.of(place)
        except (FormulaError, KeyError):
            return 0.0


def _plain(value: object) -> object:
    return str(value) if isinstance(value, CellError) else value


def faults_of(reports: Sequence[Report]) -> Iterator[Mismatch]:
    """Yield every mismatch of several reports."""
    for report in reports:
        yield from report.mismatches
