"""Steps and runs: one block of everything, or a block an update."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

from cellgrad.case.equations import walkthrough_lines
from cellgrad.case.quantities import Structure, UpdateRule, checked_parameters
from cellgrad.described import Part as DescribedPart
from cellgrad.described import StepShape
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.declared import (
    GRADIENT_OF,
    Block,
    Claim,
    Equals,
    Network,
    Spec,
    step_claims,
    update_claims,
)
from cellgrad_proof.proof.parts.part import COPY, Atlas, Entry, Part, assumptions
from cellgrad_proof.proof.terms import Role, Term
from cellgrad_series.parts.run import EVALUATED, START, RunShape

Claims = Iterator[tuple[Role, Claim]]

_PASSED = "a complete forward pass"


class StepPart(Part):
    """A training step, with its Check and its Walkthrough where it has them."""

    shape: StepShape

    def blocks(self) -> Iterator[Block]:
        """Yield one block of everything."""
        s = self.shape.step
        claims = step_claims(s)
        claims.update(update_claims(s, UpdateRule()))
        if not self.name:
            claims.update(_check(s))
            claims.update(_results(s))
        claims.update(self._copies())
        cells = self.atlas.of_part(self.name)
        yield self.block(Spec(claims, assumptions(s, "target")), cells, self.own_role)

    def _copies(self) -> Claims:
        """Yield the cells that repeat a number, beside the weights that it meets."""
        for entry in self.atlas.of_part(self.name):
            first, _, rest = entry.role.name.partition(" ")
            if first == COPY:
                source = entry.role._replace(name=rest.partition(" ")[2])
                yield entry.role, Equals(terms.leaf(source), "a copy")


def _results(structure: Structure) -> Claims:
    """Yield the numbers of the Walkthrough: each is that of its line."""
    for n, line in enumerate(walkthrough_lines(structure)):
        source = Role(line.quantity.name, line.quantity.layer, line.index)
        yield Role("result", None, (n,)), Equals(terms.leaf(source), "the line's own result")


def _check(structure: Structure) -> Claims:
    """Yield what the Check sheet claims: forward passes, and quotients of their errors."""
    yield from _pass(structure, 0, None, ())
    before, after = terms.leaf(Role("error_before")), terms.leaf(Role("error_after"))
    yield Role("error_before"), Equals(terms.leaf(Role("error")))
    yield Role("error_after"), Equals(terms.leaf(Role("pass_error", None, (0,))))
    yield Role("error_change"), Equals(terms.difference(after, before))
    epsilon = terms.leaf(Role("epsilon"))
    sign = terms.ONE if structure.error_sign == "output_minus_target" else terms.MINUS_ONE
    for p, (name, layer, index) in enumerate(checked_parameters(structure)):
        parameter = Role(name, layer, index)

        def read(what: str, at: int = p) -> Term:
            return terms.leaf(Role(what, None, (at,)))

        upper, lower = 1 + 2 * p, 2 + 2 * p
        yield from _pass(structure, upper, parameter, (2 * p,))
        yield from _pass(structure, lower, parameter, (2 * p + 1,))
        value = read("checked_value")
        expected = {
            "checked_value": terms.leaf(parameter),
            "checked_gradient": terms.leaf(Role(GRADIENT_OF[name], layer, index)),
            "error_plus": read("pass_error", upper),
            "error_minus": read("pass_error", lower),
            "difference_quotient": terms.quotient(
                terms.difference(read("error_plus"), read("error_minus")),
                terms.product(terms.number(2), epsilon),
            ),
            "quotient_gap": terms.difference(
                terms.product(sign, read("checked_gradient")), read("difference_quotient")
            ),
        }
        for what, term in expected.items():
            yield Role(what, None, (p,)), Equals(term)
        yield Role("moved_value", None, (2 * p,)), Equals(terms.total((value, epsilon)))
        yield Role("moved_value", None, (2 * p + 1,)), Equals(terms.difference(value, epsilon))


def _pass(structure: Structure, row: int, moved: Role | None, at: tuple[int, ...]) -> Claims:
    """Yield a forward pass: with one parameter moved, or with all of them new."""

    def given(role: Role) -> Term:
        if role == moved:
            return terms.leaf(Role("moved_value", None, at))
        return terms.leaf(role if moved else _updated(role, structure))

    def role_of(role: Role) -> Role:
        return Role(f"pass_{role.name}", role.layer, (row, *role.at))

    network = Network(structure, given, role_of)
    for role, term in (*network.forward(), *network.error()):
        yield role, Equals(term, _PASSED)


def _updated(role: Role, structure: Structure) -> Role:
    """Return the role of a number after the update, which a parameter may change."""
    if role.name == "weights" or (role.name == "biases" and structure.update_biases):
        return role._replace(name=f"new_{role.name}")
    return role


class RunPart(Part):
    """A run: a block an update, its starting weights independent of the row above."""

    shape: RunShape

    def __init__(self, own: DescribedPart, atlas: Atlas) -> None:
        super().__init__(own, atlas)
        self._spec = cache(self._spec_of)
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
        yield from self.row_blocks(
            self.shape.updates, lambda update: self._spec(self.shape.batch(update)[1])
        )

    def role_in_row(self, row: int, entry: Entry) -> Role | None:
        """Return what a cell is, seen from the row of an update."""
        name, layer, index = role = entry.role
        if (entry.part, name) in self._samples and index:
            first, _ = self.shape.batch(row)
            return Role(self._samples[entry.part, name], None, (index[0] - first, *index[1:]))
        quantity = self.known.get((name, layer)) if entry.part == self.name else None
        if quantity is None or len(index) != len(quantity.shape):
            return None
        if quantity.per_row == "update":
            return self._in_update(role, row)
        return self._start(role, row) if name.startswith(START) else role

    def _in_update(self, role: Role, update: int) -> Role | None:
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

    def _spec_of(self, count: int) -> Spec:
        """Return what must hold in an update of so many samples."""
        s = self.shape.structure(count)
        claims: dict[Role, Claim] = {}
        for name, width in (("input", s.nodes[0]), ("target", s.outputs)):
            for at in product(range(s.samples), range(width)):
                source = terms.leaf(Role(f"sample_{name}", None, at))
                claims[Role(name, None, at)] = Equals(source, "the sample of this update")
        claims.update(step_claims(s))
        claims.update(update_claims(s, self.shape.rule))
        if self.shape.step.samples > 1 and s.samples == 1:
            # a batch of one, the last of an epoch, has the columns of a full one
            for role, term in Network(s).sample_errors():
                claims[role] = Equals(term, "the declared error")
        if self.shape.evaluated:
            claims.update(self._evaluation())
        return Spec(claims, assumptions(s, "target", "sample_target"))

    def _evaluation(self) -> Claims:
        """Yield the forward pass of the validation samples with the new weights."""
        count = self.shape.evaluated

        def role_of(role: Role) -> Role:
            return role._replace(name=EVALUATED + role.name)

        def given(role: Role) -> Term:
            if role.name in ("input", "target"):
                return terms.leaf(role_of(role))
            return terms.leaf(_updated(role, self.shape.step))

        s = replace(self.shape.step, samples=count, update="batch_mean", decay=False)
        network = Network(s, given, role_of)
        for role, term in network.forward():
            yield role, Equals(term, "the declared forward pass, with the new weights")
        for role, term in network.sample_errors():
            yield role, Equals(term, "the declared error, with the new weights")
        errors = terms.total(terms.leaf(role) for role, _ in network.sample_errors())
        mean = terms.quotient(errors, terms.number(count))
        yield Role(f"{EVALUATED}error"), Equals(mean, "the mean of the samples' errors")
