"""What all kinds of parts have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from typing import Any

from cellgrad.case.quantities import Structure
from cellgrad.described import Part as DescribedPart
from cellgrad.formula.references import names_of, tree_of
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.atlas import Atlas, Entry
from cellgrad_proof.proof.block import Block, Equals, Spec
from cellgrad_proof.proof.terms import Role, Term
from cellgrad_proof.proof.translate import Resolve, term_of

RoleOf = Callable[[Place, Entry], Role | None]
"""Gives the role of a claimed cell in a block, or None if it has none there."""

_MOST_HELPERS = 8
"""Helper cells may read helper cells, so deep."""


class Part(ABC):
    """A part of a workbook.

    Args:
        own: what the Map says of it.
        atlas: the workbook.
    """

    shape: Any

    def __init__(self, own: DescribedPart, atlas: Atlas) -> None:
        self.own, self.atlas, self.shape = own, atlas, own.shape
        self.name, self.facts, self.known = own.name, own.facts, own.known

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the part, and between them every cell that it computes."""

    def place(self, name: str, layer: int | None, index: tuple[int, ...]) -> Place | None:
        """Return where a number of this part stands."""
        return self.atlas.places.get((self.name, name, layer, index))

    # making blocks

    def block(self, spec: Spec, cells: Iterable[Place], role_of: RoleOf) -> Block:
        """Return a block of some cells, their formulas as terms over roles."""
        block = Block(spec)
        resolve = partial(self._resolved, role_of, {}, ())
        for place in cells:
            entry = self.atlas.cells[place]
            role = role_of(place, entry)
            if role is None or role not in spec.claims:
                continue
            block.places[role] = place
            formula = self.atlas.formula(place)
            if formula is None:
                block.unread[role] = "holds a number where a formula is claimed"
                continue
            try:
                block.formulas[role] = self._term(place[0], formula, resolve)
            except FormulaError as error:
                block.unread[role] = str(error)
            except RecursionError:
                block.unread[role] = "is nested too deeply"
        return block

    def _resolved(
        self, role_of: RoleOf, known: dict[Place, Term], inside: tuple[Place, ...], place: Place
    ) -> Term:
        """Return what a cell stands for in a formula; a helper's formula is put in its place."""
        if place not in known:
            known[place] = self._resolve(role_of, known, inside, place)
        return known[place]

    def _resolve(
        self, role_of: RoleOf, known: dict[Place, Term], inside: tuple[Place, ...], place: Place
    ) -> Term:
        entry = self.atlas.cells.get(place)
        if entry is not None:
            return terms.leaf(role_of(place, entry) or terms.elsewhere(place))
        formula = self.atlas.formula(place)
        if formula is None or place in inside or len(inside) > _MOST_HELPERS:
            return terms.leaf(terms.elsewhere(place))
        resolve = partial(self._resolved, role_of, known, (*inside, place))
        return self._term(place[0], formula, resolve)

    def _term(self, sheet: str, formula: str, resolve: Resolve) -> Term:
        book = self.atlas.book
        return term_of(tree_of(book, formula), sheet, names_of(book), resolve)

    def copies(self, wanted: dict[Place, tuple[Place | None, str]]) -> Iterator[Block]:
        """Yield a block of cells that must be copies of others.

        Args:
            wanted: for each cell the one that it copies, and what that is in words.
        """
        claims = {}
        for place, (source, says) in wanted.items():
            term = terms.leaf(terms.elsewhere(source or ("", 0, 0)))
            claims[terms.elsewhere(place)] = Equals(term, says)
        if claims:
            yield self.block(Spec(claims), wanted, lambda place, _: terms.elsewhere(place))

    def links(self, says: str = "") -> Iterator[Block]:
        """Yield a block of the givens that are claimed to be taken from elsewhere.

        Args:
            says: what they are, in words; by default their name where they come from.
        """
        wanted: dict[Place, tuple[Place | None, str]] = {}
        for place, entry in self.atlas.of_part(self.name):
            quantity = self.known.get((entry.name, entry.layer))
            if quantity is None or not quantity.given or entry.kind != "step":
                continue
            origin = self.own.origins.get(quantity.key)
            if origin is None:
                wanted[place] = None, says or "what it is taken from is not said"
                continue
            index = entry.at if origin.row is None else (origin.row, *entry.at)
            source = self.atlas.places.get((origin.part, *origin.key, index))
            wanted[place] = source, says or f"{origin.key[0]} of {origin.part}"
        yield from self.copies(wanted)

    def cells_by_row(self) -> tuple[dict[int, list[Place]], list[Place]]:
        """Return the cells that are computed: those of every row, and those outside of rows."""
        rows: dict[int, list[Place]] = defaultdict(list)
        others: list[Place] = []
        for place, entry in self.atlas.of_part(self.name):
            quantity = self.known.get((entry.name, entry.layer))
            if quantity is None or quantity.given:
                continue
            if quantity.per_row and entry.at:
                rows[entry.at[0]].append(place)
            else:
                others.append(place)
        return rows, others


def assumptions(structure: Structure, *names: str) -> dict[Role, Term]:
    """Return what is assumed of targets of these names: with softmax they sum to 1.

    The last target of each sample is then 1 minus the others.
    """
    if structure.loss != "categorical_cross_entropy":
        return {}
    assumed: dict[Role, Term] = {}
    last = structure.outputs - 1
    for name, n in product(names, range(structure.samples)):
        others = (terms.negative(terms.leaf(Role(name, None, (n, o)))) for o in range(last))
        assumed[Role(name, None, (n, last))] = terms.total((terms.ONE, *others))
    return assumed
