"""The cells of a workbook by what its Map says they are, and how a part is cut into blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from cellgrad.case.quantities import Structure
from cellgrad.described import Described
from cellgrad.described import Part as DescribedPart
from cellgrad.errors import WorkbookError
from cellgrad.formula.references import names_of, tree_of
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, a1
from cellgrad.xlsx.map_sheet import SHEET
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.declared import Block, Equals, Spec
from cellgrad_proof.proof.terms import Resolve, Role, Term

MOST_CELLS = 2_000_000
"""A Map that claims more is not believed."""

MOST_FAULTS = 1_000

COPY = "copy"
"""The first word of a name whose number is computed in an earlier cell of the Map."""

_MOST_HELPERS = 8
"""Helper cells may read helper cells, so deep."""


class Entry(NamedTuple):
    """What the Map says of one cell.

    Attributes:
        part: the part; empty where there is but one.
        role: the quantity, its weight layer (if any), and which of its numbers.
        kind: given, answer, step, check or display.
        claim: the number of the row of the Map.
        place: the cell.
    """

    part: str
    role: Role
    kind: str
    claim: int
    place: Place


class MapFault(NamedTuple):
    """Something wrong with the Map itself.

    Attributes:
        sheet: where.
        cell: its address; empty if it concerns the whole.
        problem: what.
    """

    sheet: str
    cell: str
    problem: str


class Atlas:
    """A workbook's own description, cell by cell.

    Args:
        described: what its Map says.

    Attributes:
        book: formulas and values.
        claims: the rows of the Map.
        cells: what each claimed cell is.
        places: where each number of each part stands.
        faults: what is wrong with the Map.

    Raises:
        WorkbookError: the Map claims more cells than a workbook holds.
    """

    def __init__(self, described: Described) -> None:
        self.described, self.book, self.claims = described, described.book, described.claims
        self.cells: dict[Place, Entry] = {}
        self.places: dict[tuple[str, Role], Place] = {}
        self.faults: list[MapFault] = []
        self._by_part: dict[str, list[Entry]] = {}
        for place, problem in described.unread:
            self.fault(SHEET, place.partition("!")[2], problem)
        self._enter_cells()

    def of_part(self, part: str) -> list[Entry]:
        """Return the claimed cells of a part."""
        if not self._by_part:
            for entry in self.cells.values():
                self._by_part.setdefault(entry.part, []).append(entry)
        return self._by_part.get(part, [])

    def fault(self, sheet: str, cell: str, problem: str) -> None:
        """Note something wrong with the Map."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(MapFault(sheet, cell, problem))

    def formula(self, place: Place) -> str | None:
        """Return the formula of a cell, if it holds one."""
        sheet = self.book.sheets.get(place[0])
        return None if sheet is None else sheet.formulas.get(place[1:])

    def unclaimed(self) -> Iterator[Place]:
        """Yield the formula cells that no row of the Map claims."""
        for sheet, cells in self.book.sheets.items():
            for row, column in cells.formulas:
                if (sheet, row, column) not in self.cells:
                    yield sheet, row, column

    def _enter_cells(self) -> None:
        """Enter every claimed cell; one claimed twice, or one number in two cells, is a fault."""
        left = MOST_CELLS
        for number, claim in enumerate(self.claims):
            area, index = claim.cells, claim.rule.index
            left -= area.height * area.width
            if left < 0:
                raise WorkbookError(
                    "claims more cells than a workbook holds",
                    file=self.book.path,
                    place=f"{SHEET}!A{claim.row}",
                )
            if claim.part not in self.described.names:
                problem = f"claims cells of a part that is not described: {claim.part!r}"
                self.fault(SHEET, f"A{claim.row}", problem)
                continue
            for r, c in product(range(area.height), range(area.width)):
                place = (area.sheet, area.top + r, area.left + c)
                role = Role(*claim.key, index(r, c))
                if place in self.cells:
                    self.fault(area.sheet, a1(*place[1:]), "is claimed twice")
                if (claim.part, role) in self.places and claim.kind == "step":
                    role = self._as_copy(claim.part, role)
                elif (claim.part, role) in self.places and claim.quantity:
                    problem = f"is claimed as {claim.label or claim.quantity}, as another cell is"
                    self.fault(area.sheet, a1(*place[1:]), problem)
                self.cells[place] = Entry(claim.part, role, claim.kind, number, place)
                self.places[claim.part, role] = place

    def _as_copy(self, part: str, role: Role) -> Role:
        """Name a further cell of a number that has one: incoming values stand beside weights."""
        count = 1
        while (part, copy := role._replace(name=f"{COPY} {count} {role.name}")) in self.places:
            count += 1
        return copy


RoleOf = Callable[[Entry], Role | None]
"""Gives the role of a claimed cell in a block, or None if it has none there."""


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

    def place(self, role: Role) -> Place | None:
        """Return where a number of this part stands."""
        return self.atlas.places.get((self.name, role))

    # which cell is what

    def own_role(self, entry: Entry) -> Role | None:
        """Return what a cell of this part is."""
        return entry.role if entry.part == self.name else None

    def role_in_row(self, row: int, entry: Entry) -> Role | None:
        """Return what a cell is, seen from a row: the index of the row is left out."""
        if entry.part != self.name:
            return None
        role = entry.role
        quantity = self.known.get((role.name, role.layer))
        if quantity is None or not quantity.per_row:
            return role
        return role._replace(at=role.at[1:]) if role.at[:1] == (row,) else None

    # making blocks

    def block(self, spec: Spec, cells: Iterable[Entry], role_of: RoleOf) -> Block:
        """Return a block of some cells, their formulas as terms over roles."""
        block = Block(spec)
        resolve = partial(self._resolved, role_of, {}, ())
        for entry in cells:
            role = role_of(entry)
            if role is None or role not in spec.claims:
                continue
            block.places[role] = entry.place
            formula = self.atlas.formula(entry.place)
            if formula is None:
                block.unread[role] = "holds a number where a formula is claimed"
                continue
            try:
                block.formulas[role] = self._term(entry.place[0], formula, resolve)
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
            entry, formula = self.atlas.cells.get(place), self.atlas.formula(place)
            if entry is not None:
                known[place] = terms.leaf(role_of(entry) or terms.elsewhere(place))
            elif formula is None or place in inside or len(inside) > _MOST_HELPERS:
                known[place] = terms.leaf(terms.elsewhere(place))
            else:
                resolve = partial(self._resolved, role_of, known, (*inside, place))
                known[place] = self._term(place[0], formula, resolve)
        return known[place]

    def _term(self, sheet: str, formula: str, resolve: Resolve) -> Term:
        book = self.atlas.book
        return terms.term_of(tree_of(book, formula), sheet, names_of(book), resolve)

    def row_blocks(self, rows: int, spec_of: Callable[[int], Spec]) -> Iterator[Block]:
        """Yield a block a row.

        Args:
            rows: how many.
            spec_of: gives what must hold in a row.
        """
        cells: dict[int, list[Entry]] = defaultdict(list)
        for entry in self.computed():
            if self.in_rows(entry):
                cells[entry.role.at[0]].append(entry)
        for row in range(rows):
            yield self.block(spec_of(row), cells[row], partial(self.role_in_row, row))

    def computed(self) -> Iterator[Entry]:
        """Yield the cells whose numbers this part computes."""
        for entry in self.atlas.of_part(self.name):
            quantity = self.known.get((entry.role.name, entry.role.layer))
            if quantity is not None and not quantity.given:
                yield entry

    def in_rows(self, entry: Entry) -> bool:
        """Tell whether a computed number stands once in every row."""
        role = entry.role
        return bool(self.known[role.name, role.layer].per_row and role.at)

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
            cells = [self.atlas.cells[place] for place in wanted]
            yield self.block(Spec(claims), cells, lambda entry: terms.elsewhere(entry.place))

    def links(self, says: str = "") -> Iterator[Block]:
        """Yield a block of the givens that are claimed to be taken from elsewhere.

        Args:
            says: what they are, in words; by default their name where they come from.
        """
        wanted: dict[Place, tuple[Place | None, str]] = {}
        for entry in self.atlas.of_part(self.name):
            name, layer, at = entry.role
            quantity = self.known.get((name, layer))
            if quantity is None or not quantity.given or entry.kind != "step":
                continue
            origin = self.own.origins.get(quantity.key)
            if origin is None:
                wanted[entry.place] = None, says or "what it is taken from is not said"
                continue
            role = Role(*origin.key, at if origin.row is None else (origin.row, *at))
            source = self.atlas.places.get((origin.part, role))
            wanted[entry.place] = source, says or f"{origin.key[0]} of {origin.part}"
        yield from self.copies(wanted)


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
