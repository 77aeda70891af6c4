"""Values stored in a file against recalculated ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from cellgrad.compare import say_the_same
from cellgrad.described import ClaimedCells
from cellgrad.engines import Arithmetic, Values, as_values
from cellgrad.verify.cells import Bounds, CellValues
from cellgrad.verify.program import Programs
from cellgrad.verify.result import COMPUTED, Mismatch, Report, place_of
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.sheet import CellError, Value

_DIGITS_15 = 0.5e-14
"""Half a unit of the 15th significant digit, at most: what some applications store."""


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
    without = 0
    by_part: dict[str, list[Mismatch]] = {}
    blocks = zip(cells.described.claims, cells.blocks, stored.blocks, strict=True)
    for claim, block, kept in blocks:
        if claim.kind not in COMPUTED or _same(block, kept):
            continue
        faults, lacking = _compare_block(claim, block, kept, bounds)
        without += lacking
        if faults:
            by_part.setdefault(claim.part, []).extend(faults)
    for name, faults in by_part.items():
        kept_faults = faults
        if programs[name].follows:
            kept_faults = _judge_by_their_own(stored, programs, name, faults)
        for fault in kept_faults:
            where = place_of(fault)
            claim_there = None if where is None else cells.described.claim_of(where)
            if where is not None and claim_there is not None:
                report.disagreeing[claim_there.kind].add(where)
            report.mismatches.append(fault)
    if without:
        report.notes.append(f"{without} formula cells have no stored value")


def _same(block: Values, kept: Values) -> bool:
    """Tell whether two blocks hold the same numbers, and nothing else."""
    return (
        block.array is not None
        and kept.array is not None
        and np.array_equal(block.array, kept.array)
    )


def _compare_block(
    claim: Claim, block: Values, kept: Values, bounds: Bounds
) -> tuple[list[Mismatch], int]:
    """Return how a claim's stored values contradict the others, and how many are not stored."""
    area, faults, without = claim.cells, [], 0
    for r, (row, held_row) in enumerate(zip(block.rows, kept.rows, strict=True)):
        if held_row == row and bool not in map(type, held_row):
            continue
        for c, (held, value) in enumerate(zip(held_row, row, strict=True)):
            cell = (area.top + r, area.left + c)
            if held == value and type(held) is type(value):
                continue
            if held is None and value not in (None, ""):
                without += 1
                continue
            problem = stored_problem(held, value, partial(bounds.both, (area.sheet, *cell)))
            if problem:
                faults.append(replace(Mismatch.at(claim, *cell, problem), kind="stored"))
    return faults, without


def _judge_by_their_own(
    stored: CellValues, programs: Programs, part: str, faults: list[Mismatch]
) -> list[Mismatch]:
    """Return the faults that do not follow from the stored values before them."""
    bounds = Bounds(stored, programs, Arithmetic(given_error=_DIGITS_15), drawn=False)
    program, held = programs[part], stored.held_by(part)
    linked = program.linked(stored.held_by)
    inputs = {**held, **{k: v for k, v in linked.items() if program.part.borrows(k)}}
    numbers = {**program.numbers(inputs, held), **linked}
    kept = []
    for fault in faults:
        place = place_of(fault)
        claim = None if place is None else stored.described.claim_of(place)
        assert place is not None and claim is not None  # noqa: S101, PT018 - a claimed cell
        index = claim.rule.index(place[1] - claim.cells.top, place[2] - claim.cells.left)
        value, wanted = stored.value(place), float(numbers[claim.key][index])
        problem = stored_problem(value, wanted, partial(bounds.both, place))
        if problem:
            problem = problem.replace("recalculated", "what it starts from gives")
            kept.append(replace(fault, problem=problem))
    return kept


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
