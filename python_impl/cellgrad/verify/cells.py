"""What the claimed cells hold at one time, and how far each may err."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cellgrad.case.quantities import Index
from cellgrad.described import ClaimedCells, Described
from cellgrad.engines import Arithmetic, Values
from cellgrad.errors import WorkbookError
from cellgrad.mlp.equations import Array
from cellgrad.verify.program import Numbers, Programs
from cellgrad.xlsx.addresses import Place, a1
from cellgrad.xlsx.sheet import CellError, Value

if TYPE_CHECKING:  # imported where bits differ: start-up time
    from cellgrad.bounds import ErrorBounds


class CellValues:
    """What the claimed cells hold at one time: as recalculated, redrawn, or stored.

    Args:
        described: the workbook.
        cells: its claims' cells.
        blocks: what they hold, in the same order.
    """

    def __init__(
        self, described: Described, cells: Sequence[ClaimedCells], blocks: Sequence[Values]
    ) -> None:
        self.described, self.blocks = described, blocks
        self._of_part: dict[str, list[tuple[ClaimedCells, Values]]] = {}
        for own, block in zip(cells, blocks, strict=True):
            self._of_part.setdefault(own.claim.part, []).append((own, block))
        self._held: dict[str, Numbers] = {}
        self._places: dict[str, dict[int, Place]] = {}

    def claims_of(self, part: str) -> Sequence[tuple[ClaimedCells, Values]]:
        """Return the claims of a part, and what their cells hold."""
        return self._of_part.get(part, ())

    def held_by(self, part: str) -> Numbers:
        """Return what the cells of a part hold, by quantity; NaN for what is no number."""
        if part not in self._held:
            whose = self.described.parts[part]
            claims = [one for one in self.claims_of(part) if whose.claims(one[0].claim)]
            empty = {key: np.full(q.shape, np.nan) for key, q in whose.known.items()}
            self._held[part] = empty | self._gathered(part, claims)
        return self._held[part]

    def givens_of(self, part: str) -> Numbers:
        """Return every given of a part.

        Raises:
            WorkbookError: one is no number.
        """
        known = self.described.parts[part].known
        givens = [
            (cells, block)
            for cells, block in self.claims_of(part)
            if cells.claim.kind == "given" and (cells.claim.key in known or not cells.index)
        ]
        for cells, block in givens:
            if block.array is None:
                self._refuse_others_than_numbers(cells, block)
        return self._gathered(part, givens)

    def _gathered(self, part: str, claims: Iterable[tuple[ClaimedCells, Values]]) -> Numbers:
        """Return what claims hold, each number where it belongs in its quantity."""
        known, numbers = self.described.parts[part].known, Numbers()
        for cells, block in claims:
            key = cells.claim.key
            if key not in numbers:
                numbers[key] = np.full(known[key].shape if key in known else (), np.nan)
            cells.gather(numbers[key], _numbers(block))
        return numbers

    def _refuse_others_than_numbers(self, cells: ClaimedCells, block: Values) -> None:
        for r, row in enumerate(block.rows):
            for c, value in enumerate(row):
                if isinstance(value, float):
                    continue
                what = "it is empty" if value is None else f"it holds {str(value)[:40]!r}"
                area = cells.claim.cells
                raise WorkbookError(
                    f"{cells.claim.label} should be a number, but {what}",
                    file=self.described.book.path,
                    place=f"{area.sheet}!{a1(area.top + r, area.left + c)}",
                    remedy="type a number",
                )

    def hold_an_error(self) -> bool:
        """Tell whether any cell holds an error."""
        blocks = (block.rows for block in self.blocks if block.array is None)
        return any(isinstance(value, CellError) for rows in blocks for row in rows for value in row)

    def value(self, place: Place) -> Value:
        """Return what a cell holds; unclaimed cells as the file stores them."""
        number = self.described.owner.get(place)
        if number is None:
            sheet = self.described.book.sheets.get(place[0])
            return sheet.values.get(place[1:]) if sheet else None
        cells = self.described.claims[number].cells
        return self.blocks[number].at(place[1] - cells.top, place[2] - cells.left)

    def number(self, place: Place) -> float:
        """Return a cell's number; 0 for everything else, as in arithmetic on a sheet."""
        value = self.value(place)
        return value if isinstance(value, float) else 0.0

    def place(self, quantity: str, index: Index) -> Place | None:
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


def _numbers(block: Values) -> Array:
    """Return the numbers of a block; NaN for what is none."""
    if block.array is not None:
        return block.array
    return np.array([[v if isinstance(v, float) else np.nan for v in row] for row in block.rows])


class Bounds:
    """The bounds of both routes, computed only when asked for.

    Args:
        cells: the values of the draw.
        programs: what the parts compute, and from where.
        arithmetic: how the engine's arithmetic departs from IEEE double.
        drawn: whether the draw overwrote the givens with numbers.
    """

    def __init__(
        self, cells: CellValues, programs: Programs, arithmetic: Arithmetic, *, drawn: bool
    ) -> None:
        self._cells, self._programs = cells, programs
        self._arithmetic, self._drawn = arithmetic, drawn
        self._pairs: dict[object, tuple[ErrorBounds, ErrorBounds]] = {}

    def both(self, place: Place) -> float:
        """Return B of the engine's value plus B of the MLP's; 0 where there is no formula."""
        from cellgrad.formula.tree import FormulaError  # noqa: PLC0415 - start-up time

        claim = self._cells.described.claim_of(place)
        mode = "" if claim is None else self._programs[claim.part].exact_beside(claim.key)
        row = place[:2] if mode == "rows" else None
        if (mode, row) not in self._pairs:
            self._pairs[mode, row] = self._both_sides(row, links=mode == "links")
        ours, engines = self._pairs[mode, row]
        try:
            return ours.of(place) + engines.of(place)
        except (FormulaError, KeyError):
            return 0.0

    def _both_sides(
        self, row: tuple[str, int] | None, *, links: bool
    ) -> tuple[ErrorBounds, ErrorBounds]:
        from cellgrad.bounds import ErrorBounds  # noqa: PLC0415 - start-up time

        cells, arithmetic = self._cells, self._arithmetic
        exact = partial(self._is_exact, row=row, links=links)
        ours = ErrorBounds(cells.described.book, cells.number, constant=exact)
        if arithmetic == Arithmetic():
            return ours, ours
        return ours, ErrorBounds(
            cells.described.book,
            cells.number,
            given_error=arithmetic.given_error,
            snap=arithmetic.snap,
            constant=exact,
        )

    def _is_exact(self, place: Place, *, row: tuple[str, int] | None, links: bool) -> bool:
        """Tell whether a bound starts from a cell.

        Args:
            place: the cell.
            row: of a sheet whose other rows count as exact; None if none do.
            links: whether a cell that copies another part's counts as exact.
        """
        if row is not None and place[0] == row[0] and place[1] != row[1]:
            return True
        described = self._cells.described
        claim = described.claim_of(place)
        if claim is None:
            return False
        if claim.kind in ("given", "answer"):
            return self._drawn
        if not links or claim.kind != "step":
            return False
        quantity = described.parts[claim.part].known.get(claim.key)
        return quantity is not None and quantity.given
