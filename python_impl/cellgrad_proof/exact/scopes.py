"""Which cells belong to one computation, and where it starts.

A training step is one computation: every cell follows exactly from the givens. In a run each
row is one: it starts from the doubles that the row above holds, since an error carried over
many updates says nothing about any of them. So does what another part of the workbook takes
from a run. Read from the Map; a workbook without one is a single computation.
"""

from __future__ import annotations

from collections.abc import Hashable

from cellgrad.described.workbook import Owners
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.map_sheet import Claim, MapSheet, read_map

_BY_ROW = ("run", "comparison")
"""Kinds of parts whose rows start anew."""

GIVEN: Hashable = "given"
"""The scope of what a person sets: it may be typed as =1/3, and counts as the double it gives."""

WHOLE: Hashable = "whole"
"""The scope of everything, where a chain is followed from end to end."""


class Scopes:
    """The computation that each cell belongs to.

    Args:
        book: the workbook.
        chained: whether the whole workbook counts as one computation.
    """

    def __init__(self, book: Book, *, chained: bool = False) -> None:
        table = read_map(book) or MapSheet()
        self.chained, self.claims, self.parts = chained, table.claims, table.parts
        self._by_row = {name for name, facts in self.parts.items() if facts.get("kind") in _BY_ROW}
        self._known: dict[Place, Hashable] = {}
        self._owner = Owners(table.claims)

    def claim_of(self, place: Place) -> Claim | None:
        """Return what the Map says of a cell."""
        number = self._owner.get(place)
        return None if number is None else self.claims[number]

    def of(self, place: Place) -> Hashable:
        """Return the computation of a cell; equal for cells of the same one."""
        if place not in self._known:
            claim = self.claim_of(place)
            if claim is None:
                self._known[place] = WHOLE if self.chained else ""
            elif claim.kind in ("given", "answer"):
                self._known[place] = GIVEN
            elif self.chained:
                self._known[place] = WHOLE
            elif claim.part in self._by_row:
                self._known[place] = (claim.part, place[0], place[1])
            else:
                self._known[place] = claim.part
        return self._known[place]


class Outside:
    """The cells that do not belong to a computation: what it starts from.

    Args:
        scopes: of the workbook.
        scope: the computation.
    """

    def __init__(self, scopes: Scopes, scope: Hashable) -> None:
        self._scopes, self._scope = scopes, scope

    def __contains__(self, place: object) -> bool:
        assert isinstance(place, tuple)  # noqa: S101 - for the type checker
        return self._scopes.of(place) != self._scope
