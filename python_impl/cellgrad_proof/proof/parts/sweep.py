"""A sweep: a block a row, with the moved parameters in place of the given ones."""

from __future__ import annotations

from collections.abc import Iterator

from cellgrad.described import Part as DescribedPart
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.atlas import Atlas, Entry
from cellgrad_proof.proof.block import Block, Claim, Equals, Spec, step_claims
from cellgrad_proof.proof.parts.part import Part, assumptions
from cellgrad_proof.proof.terms import Role, Term
from cellgrad_series.parts.sweep import SweepShape


class SweepPart(Part):
    """A sweep."""

    shape: SweepShape

    def __init__(self, own: DescribedPart, atlas: Atlas) -> None:
        super().__init__(own, atlas)
        self.two = len(self.shape.counts) > 1

    def blocks(self) -> Iterator[Block]:
        """Yield a block a row, and the surface."""
        rows, _ = self.cells_by_row()
        spec = self._spec()
        for row in range(self.shape.rows):
            yield self._row(row, rows.get(row, []), spec)
        yield from self._surface()

    def _row(self, row: int, cells: list[Place], spec: Spec) -> Block:
        values = (row // self.shape.counts[-1], row % self.shape.counts[-1])
        own = values if self.two else (row,)

        def role_of(place: Place, entry: Entry) -> Role | None:
            del place
            part, _, name, layer, index, _ = entry
            quantity = self.known.get((name, layer)) if part == self.name else None
            if quantity is None or len(index) != len(quantity.shape):
                return None
            if name == "axis" and layer is not None:
                return Role("axis", layer) if index == (own[layer],) else None
            if quantity.per_row == "row":
                return Role(name, layer, index[1:]) if index[0] == row else None
            return None if name == "surface" else Role(name, layer, index)

        return self.block(spec, cells, role_of)

    def _spec(self) -> Spec:
        s, swept = self.shape.step, self.shape.swept
        moved = {
            Role(*parameter): Role("swept", None, (n,)) if self.two else Role("axis", n)
            for n, parameter in enumerate(swept)
        }

        def read(role: Role) -> Term:
            return terms.leaf(moved.get(role, role))

        every = step_claims(s, read)
        claims: dict[Role, Claim] = {
            role: claim for role, claim in every.items() if (role.name, role.layer) in self.known
        }
        if self.two:
            for n in range(len(swept)):
                axis = terms.leaf(Role("axis", n))
                claims[Role("swept", None, (n,))] = Equals(axis, "the value of this row")
        return Spec(claims, assumptions(s, "target"))

    def _surface(self) -> Iterator[Block]:
        if not self.two:
            return
        wanted: dict[Place, tuple[Place | None, str]] = {}
        for place, entry in self.atlas.of_part(self.name):
            if entry.name == "surface" and len(entry.at) == 2:
                row = entry.at[0] * self.shape.counts[1] + entry.at[1]
                wanted[place] = (self.place("error", None, (row,)), "E of its combination")
        yield from self.copies(wanted)
