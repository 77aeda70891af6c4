"""The claimed cells: which index each has, what each holds in one draw, how far it may err."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

import numpy as np

from cellgrad.bounds.formulas import ErrorBounds
from cellgrad.case.quantities import Key, Quantity
from cellgrad.engines.interface import Arithmetic, Values
from cellgrad.formula.tree import FormulaError
from cellgrad.mlp.activations import Array
from cellgrad.verify.described import Described
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.values import Value


class Grid:
    """A claim's cells, and which index of its quantity each of them has."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        rows, columns = np.ogrid[: claim.cells.height, : claim.cells.width]
        self.index = tuple(part.at(rows, columns) for part in claim.rule.parts)
        self.shape = (claim.cells.height, claim.cells.width)

    def pick(self, values: Array) -> Array:
        """Return the quantity's values where the cells show them."""
        return np.broadcast_to(values[self.index], self.shape)

    def gather(self, values: Array, held: Values) -> None:
        """Put the cells' values where they belong in the quantity; NaN for what is no number."""
        found = held.array
        if found is None:
            found = np.array(
                [[v if isinstance(v, float) else np.nan for v in row] for row in held.rows]
            )
        index = tuple(np.broadcast_to(part, self.shape) for part in self.index)
        values[index] = found if index else found[0, 0]


class HeldCells(Mapping[Key, Array]):
    """What the cells of a part hold in one draw, gathered when asked for.

    Args:
        known: the part's quantities.
        grids: its claims, and the values of their cells.
    """

    def __init__(self, known: Mapping[Key, Quantity], grids: Sequence[tuple[Grid, Values]]) -> None:
        self._known, self._grids = known, grids
        self._found: dict[Key, Array] = {}

    def __getitem__(self, key: Key) -> Array:
        if key not in self._found:
            values = np.full(self._known[key].shape, np.nan)
            for grid, block in self._grids:
                if grid.claim.key == key:
                    grid.gather(values, block)
            self._found[key] = values
        return self._found[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Lookup:
    """The values of one draw, by cell."""

    def __init__(self, described: Described, blocks: Sequence[Values]) -> None:
        self.described, self.blocks = described, blocks
        self._places: dict[str, dict[int, Place]] = {}

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
        """Return what the cell holds that claims a quantity at an index of one part."""
        place = self.place(quantity, index)
        return None if place is None else self.value(place)


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
        number = self.described.owner.get(place)
        if number is None:
            return False
        claim = self.described.claims[number]
        if claim.kind in ("given", "answer"):
            return self.drawn
        if not self.links or claim.kind != "step":
            return False
        program = self.described.programs.get(claim.part)
        quantity = program.known.get(claim.key) if program else None
        return quantity is not None and quantity.given


class Bounds:
    """The bounds of both routes, computed only when asked for.

    Args:
        described: whose formulas.
        look: the values of the draw.
        arithmetic: how the engine's arithmetic departs from IEEE double.
        drawn: whether the draw overwrote the givens with numbers.
    """

    def __init__(
        self, described: Described, look: Lookup, arithmetic: Arithmetic, *, drawn: bool
    ) -> None:
        self._described, self._look = described, look
        self._arithmetic, self._drawn = arithmetic, drawn
        self._pairs: dict[object, tuple[ErrorBounds, ErrorBounds]] = {}

    def both(self, place: Place) -> float:
        """Return B of the engine's value plus B of the MLP's; 0 where there is no formula."""
        ours, engines = self._pair(place)
        try:
            return ours.of(place) + engines.of(place)
        except (FormulaError, KeyError):
            return 0.0

    def _pair(self, place: Place) -> tuple[ErrorBounds, ErrorBounds]:
        number = self._described.owner.get(place)
        claim = None if number is None else self._described.claims[number]
        program = None if claim is None else self._described.programs.get(claim.part)
        mode = program.exact_beside(claim, place) if program and claim else None
        row = (place[0], place[1]) if mode == "rows" else None
        key: object = (mode, row)
        if key not in self._pairs:
            exact = _Exact(self._described, drawn=self._drawn, links=mode == "links", row=row)
            self._pairs[key] = self._made(exact)
        return self._pairs[key]

    def _made(self, exact: Container[Place]) -> tuple[ErrorBounds, ErrorBounds]:
        book, number = self._described.book, self._look.number
        return (
            ErrorBounds(book, number, constant=exact),
            ErrorBounds(
                book,
                number,
                given_error=self._arithmetic.given_error,
                snap=self._arithmetic.snap,
                constant=exact,
            ),
        )
