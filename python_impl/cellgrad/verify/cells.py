"""What the claimed cells hold at one time, and how far each may err."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellgrad.case.quantities import Index, Key
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
        self._held: dict[str, PartCells] = {}
        self._places: dict[str, dict[int, Place]] = {}

    def claims_of(self, part: str) -> Sequence[tuple[ClaimedCells, Values]]:
        """Return the claims of a part, and what their cells hold."""
        return self._of_part.get(part, ())

    def held_by(self, part: str) -> PartCells:
        """Return what the cells of a part hold, by quantity."""
        if part not in self._held:
            known = self.described.parts[part].known
            shapes = {key: quantity.shape for key, quantity in known.items()}
            self._held[part] = PartCells(shapes, self.claims_of(part))
        return self._held[part]

    def givens_of(self, part: str) -> Numbers:
        """Return every given of a part.

        Raises:
            WorkbookError: one is no number.
        """
        known = self.described.parts[part].known
        found: Numbers = {}
        for cells, block in self.claims_of(part):
            claim = cells.claim
            quantity = known.get(claim.key)
            if claim.kind != "given" or (quantity is None and cells.index):
                continue
            if block.array is None:
                self._refuse_others_than_numbers(cells, block)
            values = found.setdefault(claim.key, np.zeros(quantity.shape if quantity else ()))
            cells.gather(values, _numbers(block))
        return found

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

    def named(self, quantity: str, index: Index) -> Value:
        """Return what the cell holds that claims a quantity at an index of one part."""
        place = self.place(quantity, index)
        return None if place is None else self.value(place)


class PartCells(Mapping[Key, Array]):
    """What the cells of a part hold, by quantity, gathered when asked for.

    Args:
        shapes: of the part's quantities.
        cells: its claims, and the values of their cells.
    """

    def __init__(
        self,
        shapes: Mapping[Key, tuple[int, ...]],
        cells: Sequence[tuple[ClaimedCells, Values]],
    ) -> None:
        self._shapes, self._cells = shapes, cells
        self._gathered: dict[Key, Array] = {}

    def __getitem__(self, key: Key) -> Array:
        if key not in self._gathered:
            values = np.full(self._shapes[key], np.nan)
            for cells, block in self._cells:
                if cells.claim.key == key:
                    cells.gather(values, _numbers(block))
            self._gathered[key] = values
        return self._gathered[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def _numbers(block: Values) -> Array:
    """Return the numbers of a block; NaN for what is none."""
    if block.array is not None:
        return block.array
    return np.array([[v if isinstance(v, float) else np.nan for v in row] for row in block.rows])


class _Exact:
    """The cells from which a bound starts, for one cell or for one row of a sheet.

    Args:
        described: the workbook.
        drawn: whether the givens were overwritten by a draw.
        links: whether a cell that copies another part's counts as exact.
        row: of a sheet whose other rows count as exact; None if none do.
    """

    def __init__(
        self, described: Described, *, drawn: bool, links: bool, row: tuple[str, int] | None
    ) -> None:
        self.described, self.drawn, self.links, self.row = described, drawn, links, row

    def __contains__(self, place: object) -> bool:
        assert isinstance(place, tuple)  # noqa: S101 - for the type checker
        if self.row is not None and place[0] == self.row[0] and place[1] != self.row[1]:
            return True
        claim = self.described.claim_of(place)
        if claim is None:
            return False
        if claim.kind in ("given", "answer"):
            return self.drawn
        if not self.links or claim.kind != "step":
            return False
        quantity = self.described.parts[claim.part].known.get(claim.key)
        return quantity is not None and quantity.given


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

        ours, engines = self._pair(place)
        try:
            return ours.of(place) + engines.of(place)
        except (FormulaError, KeyError):
            return 0.0

    def _pair(self, place: Place) -> tuple[ErrorBounds, ErrorBounds]:
        claim = self._cells.described.claim_of(place)
        mode = "" if claim is None else self._programs[claim.part].exact_beside(claim.key)
        row = (place[0], place[1]) if mode == "rows" else None
        key = (mode, row)
        if key not in self._pairs:
            self._pairs[key] = self._created(row, links=mode == "links")
        return self._pairs[key]

    def _created(
        self, row: tuple[str, int] | None, *, links: bool
    ) -> tuple[ErrorBounds, ErrorBounds]:
        from cellgrad.bounds import ErrorBounds  # noqa: PLC0415 - start-up time

        described = self._cells.described
        exact = _Exact(described, drawn=self._drawn, links=links, row=row)
        ours = ErrorBounds(described.book, self._cells.number, constant=exact)
        if self._arithmetic == Arithmetic():
            return ours, ours
        engines = ErrorBounds(
            described.book,
            self._cells.number,
            given_error=self._arithmetic.given_error,
            snap=self._arithmetic.snap,
            constant=exact,
        )
        return ours, engines
