"""A run: a block an update, its starting weights independent of the row above."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from cellgrad.case.structure import Structure
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.atlas import Atlas, Entry
from cellgrad_proof.proof.block import Block, Claim, Equals, Spec, step_claims
from cellgrad_proof.proof.declared import Network, Update
from cellgrad_proof.proof.parts.part import CATEGORICAL, Part, targets_sum_to_one
from cellgrad_proof.proof.terms import Role, Term
from cellgrad_series.parts.run import EVALUATED, START, RunShape

Samples = tuple[str, str, str]
"""The part that holds samples, and the names of their inputs and targets there."""


class RunPart(Part):
    """A run.

    Args:
        name: the part.
        atlas: the workbook.
        facts: what the Map says of it.
        shape: the run.
        start: the part whose starting weights it copies, or empty.
        samples: where its training samples stand.
    """

    def __init__(
        self,
        name: str,
        atlas: Atlas,
        facts: dict[str, str],
        shape: RunShape,
        start: str,
        samples: Samples,
    ) -> None:
        super().__init__(name, atlas, facts, shape.quantities())
        self.shape, self.start, self.samples = shape, start, samples
        self._specs: dict[int, Spec] = {}
        self.left = {f"new_{name}": name for name in ("weights", "biases")} | {
            name: f"last_{name}" for name in shape.state()
        }
        """What an update leaves, and what the next one calls it."""

    def blocks(self) -> Iterator[Block]:
        """Yield a block an update, and the links to starting weights of another run."""
        rows: dict[int, list[Place]] = defaultdict(list)
        links: dict[Place, tuple[Place | None, str]] = {}
        for place, entry in self.atlas.of_part(self.name):
            quantity = self.known.get((entry.name, entry.layer))
            if quantity is None or (quantity.per_row and not entry.at):
                continue
            if not quantity.given:
                rows[entry.at[0]].append(place)
            elif entry.kind == "step":
                source = self.atlas.places.get((self.start, *entry[2:5]))
                links[place] = (source, f"the start of {self.start or 'another run'}")
        yield from self.copies(links)
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
        holder, *names = self.samples
        if part == holder and name in names and index:
            own = "sample_input" if name == names[0] else "sample_target"
            return Role(own, None, (index[0] - first, *index[1:]))
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
            self._specs[count] = Spec(self._claims(s), self._assumed(s))
        return self._specs[count]

    @staticmethod
    def _assumed(structure: Structure) -> dict[Role, Term]:
        if structure.loss != CATEGORICAL:
            return {}
        return targets_sum_to_one(structure.samples, structure.outputs, "target", "sample_target")

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
