"""The claimed cells: which index each has, what each holds in one draw, how far it may err."""

from __future__ import annotations

import numpy as np

from cellgrad.certify.bounds import ErrorBounds
from cellgrad.engines.interface import Arithmetic, Block
from cellgrad.mlp.activations import Array
from cellgrad.verify.described import Described
from cellgrad.xlsx.formula import FormulaError, Place
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.values import Value


class Grid:
    """A claim's cells, and which index of its quantity each of them has."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        rows, columns = np.ogrid[: claim.cells.height, : claim.cells.width]
        self.index = tuple(part.at(rows, columns) for part in claim.rule.parts)
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


class Lookup:
    """The values of one draw, by cell."""

    def __init__(self, described: Described, blocks: list[Block]) -> None:
        self.described, self.blocks = described, blocks
        self._places: dict[str, dict[int, Place]] = {}

    def value(self, place: Place) -> Value:
        """Return what a cell holds; unclaimed cells as the file stores them."""
        number = self.described.owner.get(place)
        if number is None:
            sheet = self.described.book.sheets.get(place[0])
            return sheet.values.get(place[1:]) if sheet else None
        cells = self.described.claims[number].cells
        return self.blocks[number][place[1] - cells.top][place[2] - cells.left]

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


class Bounds:
    """The bounds of both routes, computed only when asked for.

    Args:
        described: whose formulas.
        look: the values of the draw.
        arithmetic: how the engine's arithmetic departs from IEEE double.
        constant: cells that the draw overwrote with numbers.
    """

    def __init__(
        self,
        described: Described,
        look: Lookup,
        arithmetic: Arithmetic,
        constant: frozenset[Place] = frozenset(),
    ) -> None:
        self._ours = ErrorBounds(described.book, look.number, constant=constant)
        self._engines = ErrorBounds(
            described.book,
            look.number,
            given_error=arithmetic.given_error,
            snap=arithmetic.snap,
            constant=constant,
        )

    def both(self, place: Place) -> float:
        """Return B of the engine's value plus B of the MLP's; 0 where there is no formula."""
        try:
            return self._ours.of(place) + self._engines.of(place)
        except (FormulaError, KeyError):
            return 0.0
