"""Classifications and rules: a block a sample, and one for the counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cellgrad.described import Part as DescribedPart
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.atlas import Atlas, Entry
from cellgrad_proof.proof.block import Block, Claim, Equals, Spec
from cellgrad_proof.proof.declared import Network
from cellgrad_proof.proof.parts.part import Part
from cellgrad_proof.proof.terms import ONE, ZERO, Role, Term
from cellgrad_series.parts.classification import ClassificationShape, RuleShape


class ClassificationPart(Part):
    """A classification or a rule."""

    shape: ClassificationShape | RuleShape

    def __init__(self, own: DescribedPart, atlas: Atlas) -> None:
        super().__init__(own, atlas)
        self.s = replace(self.shape.network, samples=1, update="online")

    def blocks(self) -> Iterator[Block]:
        """Yield the links, a block a sample, and the counts."""
        yield from self.links()
        rows, counts = self.cells_by_row()
        spec = Spec(self._of_sample())
        for row in range(self.shape.samples):
            yield self._row(row, rows.get(row, []), spec)
        yield self.block(Spec(self._counts()), counts, self._role)

    def _role(self, place: Place, entry: Entry) -> Role | None:
        del place
        return Role(*entry[2:5]) if entry.part == self.name else None

    def _row(self, row: int, cells: list[Place], spec: Spec) -> Block:
        def role_of(place: Place, entry: Entry) -> Role | None:
            role = self._role(place, entry)
            if role is None:
                return None
            quantity = self.known.get((role.name, role.layer))
            if quantity is None or not quantity.per_row:
                return role
            return role._replace(at=role.at[1:]) if role.at[:1] == (row,) else None

        return self.block(spec, cells, role_of)

    def _of_sample(self) -> dict[Role, Claim]:
        """Return what each sample's row claims, the axis of the samples left out."""

        def flat(role: Role) -> Role:
            sampled = role.name not in ("weights", "biases", "leaky_slope")
            return role._replace(at=role.at[1:]) if sampled else role

        network = Network(self.s, lambda role: terms.leaf(flat(role)), flat)
        found: dict[Role, Claim] = {}
        for role, term in (*network.forward(), *network.sample_errors()):
            if (role.name, role.layer) in self.known:
                found[role] = Equals(term, "the declared forward pass")
        for role, term in self._classes():
            found[role] = Equals(term, "its definition")
        return found

    def _classes(self) -> Iterator[tuple[Role, Term]]:
        last = self.s.layers - 1
        outputs, targets = (
            [terms.leaf(Role(name, layer, (o,))) for o in range(self.s.outputs)]
            for name, layer in (("post_activation", last), ("target", None))
        )
        if isinstance(self.shape, RuleShape):
            yield Role("correct"), _is(targets[0], outputs[0])
            return
        target, called = terms.leaf(Role("target_class")), terms.leaf(Role("class"))
        yield Role("target_class"), _class_of(targets)
        yield Role("class"), _class_of(outputs)
        yield Role("correct"), _is(target, called)
        first = 0 if self.s.outputs == 1 else 1
        for n in range(self.shape.classes):
            yield Role("is_target", None, (n,)), _is(target, terms.number(n + first))
            yield Role("is_called", None, (n,)), _is(called, terms.number(n + first))

    def _counts(self) -> dict[Role, Claim]:
        n = self.shape.samples

        def read(name: str, *index: int) -> Term:
            return terms.leaf(Role(name, None, index))

        right = terms.total(read("correct", row) for row in range(n))
        found: dict[Role, Term] = {Role("right"): right}
        if isinstance(self.shape, ClassificationShape):
            found[Role("accuracy")] = terms.quotient(right, terms.number(n))
            errors = terms.total(read("sample_error", row) for row in range(n))
            found[Role("error")] = terms.quotient(errors, terms.number(n))
            for t in range(self.shape.classes):
                for c in range(self.shape.classes):
                    found[Role("confusion", None, (t, c))] = terms.total(
                        terms.product(read("is_target", row, t), read("is_called", row, c))
                        for row in range(n)
                    )
            if self.shape.boundary:
                found.update(self._boundary())
        return {role: Equals(term, "its definition") for role, term in found.items()}

    def _boundary(self) -> Iterator[tuple[Role, Term]]:
        """Yield where S_preA = 0: x2 = −(bias + w1 · x1) / w2."""
        one, two = (terms.leaf(Role("weights", 0, (i, 0))) for i in (0, 1))
        bias = terms.leaf(Role("biases", 0, (0,))) if self.s.biases else ZERO
        for n in range(2):
            place = terms.leaf(Role("boundary_x", None, (n,)))
            over = terms.negative(terms.total((bias, terms.product(one, place))))
            yield Role("boundary_y", None, (n,)), terms.quotient(over, two)


def _is(one: Term, other: Term) -> Term:
    return terms.choice(terms.compare("=", one, other), ONE, ZERO)


def _class_of(outputs: list[Term]) -> Term:
    """One output: 1 above the limit; several: the first of the largest."""
    if len(outputs) == 1:
        return terms.choice(terms.compare(">", outputs[0], terms.leaf(Role("limit"))), ONE, ZERO)
    largest = terms.call("MAX", *outputs)
    result = terms.number(len(outputs))
    for n in reversed(range(len(outputs) - 1)):
        here = terms.compare("=", outputs[n], largest)
        result = terms.choice(here, terms.number(n + 1), result)
    return result
