"""Values stored in a file against recalculated ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from cellgrad.engines.interface import Arithmetic, Values, as_values
from cellgrad.verify.cells import Bounds, Grid, HeldCells, Lookup
from cellgrad.verify.described import Described
from cellgrad.verify.mismatch import Mismatch
from cellgrad.verify.result import COMPUTED, Report, place_of
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.values import CellError, Value

_NUMBER = re.compile(r"[-−]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")
_DIGITS_15 = 0.5e-14
"""Half a unit of the 15th significant digit, at most: what some applications store."""


def has_stored_values(book: Book) -> bool:
    """Tell whether any formula of a workbook has a stored value."""
    return any(sheet.stores_results() for sheet in book.sheets.values())


def stored_blocks(described: Described, grids: Sequence[Grid]) -> list[Values | None]:
    """Return what a file stores of every claim whose cells are computed."""
    return [
        stored_block(described.book, grid)
        if grid.claim.kind in COMPUTED and grid.claim.cells.sheet in described.book.sheets
        else None
        for grid in grids
    ]


def compare_stored(
    described: Described,
    cells: Sequence[tuple[Grid, Values]],
    stored: Sequence[Values | None],
    bounds: Bounds,
    report: Report,
) -> None:
    """Hold the values stored in a file against the recalculated ones.

    Where cells follow from many updates, an engine that computes in another precision ends
    elsewhere than the one that stored the values, and both are right. There a stored value
    is held against what follows from the stored values that its own row starts from.

    Args:
        described: the workbook.
        cells: its claims, and the recalculated values of their cells.
        stored: what the file stores of the same cells, None where nothing is computed.
        bounds: asked where they differ.
        report: where disagreements and notes go.
    """
    book = described.book
    if not has_stored_values(book):
        report.notes.append("no values are stored in the file; they were recalculated")
        return
    without = 0
    found: dict[str, list[Mismatch]] = {}
    for (grid, block), kept in zip(cells, stored, strict=True):
        if kept is None or _same(block, kept):
            continue
        faults, lacking = _compare_block(grid.claim, block, kept, bounds)
        without += lacking
        if faults:
            found.setdefault(grid.claim.part, []).extend(faults)
    chained = [
        name for name in found if name in described.programs and described.programs[name].follows
    ]
    if chained:
        _judge_by_their_own(described, [grid for grid, _ in cells], chained, found)
    for faults in found.values():
        for fault in faults:
            where = place_of(fault)
            owner = None if where is None else described.owner.get(where)
            if where is not None and owner is not None:
                report.disagreeing[described.claims[owner].kind].add(where)
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
    described: Described,
    grids: Sequence[Grid],
    chained: Sequence[str],
    found: dict[str, list[Mismatch]],
) -> None:
    """Keep of the faults those that do not follow from the stored values before them."""
    blocks = [stored_block(described.book, grid) for grid in grids]
    look = Lookup(described, blocks)
    bounds = Bounds(described, look, Arithmetic(given_error=_DIGITS_15), drawn=False)
    of_part: dict[str, list[tuple[Grid, Values]]] = {name: [] for name in described.programs}
    for grid, block in zip(grids, blocks, strict=True):
        of_part[grid.claim.part].append((grid, block))
    held = {
        name: HeldCells(program.known, of_part[name])
        for name, program in described.programs.items()
    }
    for name in chained:
        program = described.programs[name]
        linked = program.linked(held.__getitem__)
        inputs = dict(held[name]) | {k: v for k, v in linked.items() if k in program.borrowed}
        numbers = {**program.numbers(inputs, held[name]), **linked}
        kept = []
        for fault in found[name]:
            place = place_of(fault)
            assert place is not None  # noqa: S101 - each stands in one cell
            claim = described.claims[described.owner[place]]
            index = claim.rule.index(place[1] - claim.cells.top, place[2] - claim.cells.left)
            value, wanted = look.value(place), float(numbers[claim.key][index])
            problem = stored_problem(value, wanted, partial(bounds.both, place))
            if problem:
                problem = problem.replace("recalculated", "what it starts from gives")
                kept.append(replace(fault, problem=problem))
        found[name] = kept


def stored_block(book: Book, grid: Grid) -> Values:
    """Return what a file stores of a claim's cells."""
    area = grid.claim.cells
    found = book.sheets[area.sheet].block(area)
    return as_values(found) if isinstance(found, list) else Values(found)


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
    if isinstance(held, str) and isinstance(value, str) and _same_text(held, value):
        return None
    if isinstance(held, CellError) and isinstance(value, CellError):
        return None
    return f"stored {_short(held)}, recalculated {_short(value)}"


def _same_text(one: str, other: str) -> bool:
    """Engines write the same rounded number as 0.00001 or 1E-05."""
    if one == other:
        return True
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(_close(a, b) for a, b in pairs)


def _close(a: str, b: str) -> bool:
    x, y = (float(text.replace(",", ".").replace("−", "-")) for text in (a, b))
    return abs(x - y) <= 1e-9 * max(abs(x), abs(y), 1e-9)


def _short(value: Value) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
