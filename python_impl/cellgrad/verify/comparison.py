"""Recalculated cells against what the MLP makes of the same givens, and against stored values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np

from cellgrad.case.quantities import Key
from cellgrad.compare import differences, say_the_same
from cellgrad.described import ClaimedCells
from cellgrad.engines import Arithmetic, Values, as_values
from cellgrad.mlp.equations import Array
from cellgrad.verify.cells import Bounds, CellValues
from cellgrad.verify.program import Numbers, Program, Programs
from cellgrad.verify.result import COMPUTED, Mismatch, Report
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.map_sheet import SHEET, Claim
from cellgrad.xlsx.sheet import CellError, Value

_DIGITS_15 = 0.5e-14
"""Half a unit of the 15th significant digit, at most: what some applications store."""


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
            cell = (area.top + one.row, area.left + one.column)
            if one.allowed:
                self.report.inexact[claim.kind].add((area.sheet, *cell))
                if one.gap / one.bound > self.report.worst:
                    self.report.worst = one.gap / one.bound
                    self.report.worst_cell = f"{area.sheet}!{a1(*cell)}"
                continue
            nothing = isinstance(one.held, CellError) and math.isnan(one.expected)
            if not (nothing and claim.key in self.program.undefined):
                fault = self._mismatch(draw, claim, cell, one.held)
                self.report.note(replace(fault, python=one.expected, bound=one.bound))

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
                    cell = (claim.cells.top + r, claim.cells.left + c)
                    self.report.note(self._mismatch(draw, claim, cell, value, problem))

    def _mismatch(
        self, draw: int, claim: Claim, cell: tuple[int, int], held: object, problem: str = ""
    ) -> Mismatch:
        """Return a disagreement of one cell, in one draw."""
        index = claim.rule.index(cell[0] - claim.cells.top, cell[1] - claim.cells.left)
        inner = ",".join(str(i + 1) for i in index)
        label = f"{claim.label}[{inner}]" if inner else claim.label
        if claim.kind == "step" and claim.key in self.program.known:
            label = self.program.label(claim.key, index)
        held = str(held) if isinstance(held, CellError) else held
        fault = Mismatch.at(claim, *cell, problem)
        return replace(fault, quantity=label, workbook=held, draw=draw)


# values stored in the file against recalculated ones


def has_stored_values(book: Book) -> bool:
    """Tell whether any formula of a workbook has a stored value."""
    return any(sheet.stores_results() for sheet in book.sheets.values())


def stored_blocks(book: Book, cells: Sequence[ClaimedCells]) -> list[Values]:
    """Return what a file stores of every claim's cells."""
    areas = [own.claim.cells for own in cells]
    return [as_values(book.sheets[area.sheet].block(area)) for area in areas]


def compare_stored(
    cells: CellValues, stored: CellValues, programs: Programs, bounds: Bounds, report: Report
) -> None:
    """Hold the values stored in a file against the recalculated ones.

    Where cells follow from many updates, an engine that computes in another precision ends
    elsewhere than the one that stored the values, and both are right. There a stored value
    is held against what follows from the stored values that its own row starts from.

    Args:
        cells: the recalculated values.
        stored: what the file stores.
        programs: what each part should compute.
        bounds: asked where they differ.
        report: where disagreements and notes go.
    """
    if not has_stored_values(cells.described.book):
        report.notes.append("no values are stored in the file; they were recalculated")
        return
    own_bounds = Bounds(stored, programs, Arithmetic(given_error=_DIGITS_15), drawn=False)
    follow = cache(partial(_what_follows, stored, programs))
    without = 0
    for claim, block, kept in zip(cells.described.claims, cells.blocks, stored.blocks, strict=True):
        if claim.kind not in COMPUTED:
            continue
        for r, c, held, value in _unlike(kept, block):
            if held is None and value not in (None, ""):
                without += 1
                continue
            place = (claim.cells.sheet, claim.cells.top + r, claim.cells.left + c)
            problem = stored_problem(held, value, partial(bounds.both, place))
            if problem and programs[claim.part].follows:
                wanted = float(follow(claim.part)[claim.key][claim.rule.index(r, c)])
                problem = stored_problem(held, wanted, partial(own_bounds.both, place))
                problem = problem and problem.replace("recalculated", "what it starts from gives")
            if problem:
                report.disagreeing[claim.kind].add(place)
                fault = Mismatch.at(claim, *place[1:], problem)
                report.mismatches.append(replace(fault, kind="stored"))
    if without:
        report.notes.append(f"{without} formula cells have no stored value")


def _unlike(kept: Values, block: Values) -> Iterator[tuple[int, int, Value, Value]]:
    """Yield the cells in which two blocks differ, and what each of them holds there."""
    if block.array is not None and kept.array is not None and (block.array == kept.array).all():
        return
    for r, (held_row, row) in enumerate(zip(kept.rows, block.rows, strict=True)):
        if held_row == row and bool not in map(type, held_row):
            continue
        for c, (held, value) in enumerate(zip(held_row, row, strict=True)):
            if held != value or type(held) is not type(value):
                yield r, c, held, value


def _what_follows(stored: CellValues, programs: Programs, part: str) -> Numbers:
    """Return what a part's numbers should be, each row from the stored ones that it starts from."""
    program, held = programs[part], stored.held_by(part)
    linked = program.linked(stored.held_by)
    borrowed = {key: values for key, values in linked.items() if program.part.borrows(key)}
    return program.numbers({**held, **borrowed}, held) | linked


def stored_problem(held: Value, value: Value, bound: Callable[[], float]) -> str | None:
    """Return how a stored value contradicts the recalculated one, or None.

    Args:
        held: what the file stores.
        value: what the engine recalculated.
        bound: the most by which two computed values may differ here.
    """
    if isinstance(held, float) and isinstance(value, float):
        if abs(held - value) <= _DIGITS_15 * abs(value) + bound():
            return None
        return f"stored {held:.17g}, recalculated {value:.17g}"
    if (held in (None, "")) and (value in (None, "")):
        return None
    if isinstance(held, str) and isinstance(value, str) and say_the_same(held, value):
        return None
    if isinstance(held, CellError) and isinstance(value, CellError):
        return None
    return f"stored {_short(held)}, recalculated {_short(value)}"


def _short(value: Value) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
