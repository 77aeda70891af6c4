"""A run: a block an update, its starting weights independent of the row above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from cellgrad.case.quantities import Structure
from cellgrad.described import Part as DescribedPart
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.atlas import Atlas, Entry
from cellgrad_proof.proof.block import Block, Claim, Equals, Spec, step_claims
from cellgrad_proof.proof.declared import Network, Update
from cellgrad_proof.proof.parts.part import Part, assumptions
from cellgrad_proof.proof.terms import Role, Term
from cellgrad_series.parts.run import EVALUATED, START, RunShape


class RunPart(Part):
    """A run."""

    shape: RunShape

    def __init__(self, own: DescribedPart, atlas: Atlas) -> None:
        super().__init__(own, atlas)
        self._specs: dict[int, Spec] = {}
        self._samples: dict[tuple[str, str], str] = {}
        """What samples are called here, by the part that holds them and their name there."""
        for name in self.shape.borrowed:
            origin = own.origins.get((name, None))
            self._samples[(origin.part, origin.key[0]) if origin else (own.name, name)] = name
        self.left = {f"new_{name}": name for name in ("weights", "biases")} | {
            name: f"last_{name}" for name in self.shape.state()
        }
        """What an update leaves, and what the next one calls it."""

    def blocks(self) -> Iterator[Block]:
        """Yield a block an update, and the links to starting weights of another run."""
        yield from self.links(f"the start of {self.facts.get('start of') or 'another run'}")
        rows, _ = self.cells_by_row()
        for update in range(self.shape.updates):
            yield self._row(update, rows.get(update, []))

    def _row(self, update: int, cells: list[Place]) -> Block:
        first, count = self.shape.batch(update)

        def role_of(place: Place, entry: Entry) -> Role | None:
            del place
            return self._role(entry, update, first)

        return self.block(self._spec(count), cells, role_of)

    def _role(self, entry: Entry, update: int, first: int) -> Role | None:
        """Return what a cell is, seen from the row of an update."""
        part, _, name, layer, index, _ = entry
        if (part, name) in self._samples and index:
            return Role(self._samples[part, name], None, (index[0] - first, *index[1:]))
        quantity = self.known.get((name, layer)) if part == self.name else None
        if quantity is None or len(index) != len(quantity.shape):
            return None
        role = Role(name, layer, index)
        if quantity.per_row == "update":
            return self._in_row(role, update)
        return self._start(role, update) if name.startswith(START) else role

    def _in_row(self, role: Role, update: int) -> Role | None:
        row, rest = role.at[0], role.at[1:]
        if row == update:
            return role._replace(at=rest)
        if row == update - 1 and role.name in self.left:
            return role._replace(name=self.left[role.name], at=rest)
        return None

    def _start(self, role: Role, update: int) -> Role | None:
        name = role.name.removeprefix(START)
        kept = name == "biases" and not self.shape.step.update_biases
        if update and not kept:
            return None
        return role._replace(name=name if name in ("weights", "biases") else f"last_{name}")

    def _spec(self, count: int) -> Spec:
        if count not in self._specs:
            s = self.shape.structure(count)
            self._specs[count] = Spec(self._claims(s), assumptions(s, "target", "sample_target"))
        return self._specs[count]

    def _claims(self, structure: Structure) -> dict[Role, Claim]:
        s = structure
        found: dict[Role, Claim] = {}
        for name, width in (("input", s.nodes[0]), ("target", s.outputs)):
            for at in product(range(s.samples), range(width)):
                source = terms.leaf(Role(f"sample_{name}", None, at))
                found[Role(name, None, at)] = Equals(source, "the sample of this update")
        found.update(step_claims(s))
        for role, term in Update(s, self.shape.rule).definitions():
            found[role] = Equals(term, "the declared update")
        if self.shape.step.samples > 1 and s.samples == 1:
            found.update(self._sample_error(s))
        found.update(self._evaluation())
        return found

    @staticmethod
    def _sample_error(structure: Structure) -> Iterator[tuple[Role, Claim]]:
        """A batch of one, the last of an epoch, has the columns of a full one."""
        for role, term in Network(structure).sample_errors():
            yield role, Equals(term, "the declared error")

    def _evaluation(self) -> Iterator[tuple[Role, Claim]]:
        """Yield the forward pass of the validation samples with the new weights."""
        count = self.shape.evaluated
        if not count:
            return
        moving = self.shape.step.update_biases

        def given(role: Role) -> Term:
            if role.name in ("input", "target"):
                return terms.leaf(role._replace(name=EVALUATED + role.name))
            if role.name == "weights" or (role.name == "biases" and moving):
                return terms.leaf(role._replace(name=f"new_{role.name}"))
            return terms.leaf(role)

        def role_of(role: Role) -> Role:
            return role._replace(name=EVALUATED + role.name)

        s = replace(self.shape.step, samples=count, update="batch_mean", decay=False)
        network = Network(s, given, role_of)
        for role, term in network.forward():
            yield role, Equals(term, "the declared forward pass, with the new weights")
        for role, term in network.sample_errors():
            yield role, Equals(term, "the declared error, with the new weights")
        parts = [terms.leaf(Role(f"{EVALUATED}sample_error", None, (n,))) for n in range(count)]
        mean = terms.quotient(terms.total(parts), terms.number(count))
        yield Role(f"{EVALUATED}error"), Equals(mean, "the mean of the samples' errors")
