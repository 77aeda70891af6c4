"""A training step, with its Check and its Walkthrough where it has them."""

from __future__ import annotations

from collections.abc import Iterator

from cellgrad.case.equations import walkthrough_lines
from cellgrad.case.quantities import Structure, UpdateRule, checked_parameters
from cellgrad.described import StepShape
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.atlas import COPY, Entry
from cellgrad_proof.proof.block import Block, Claim, Equals, Spec, step_claims
from cellgrad_proof.proof.declared import Network, Update
from cellgrad_proof.proof.parts.part import Part, assumptions
from cellgrad_proof.proof.terms import Role, Term

_PASSED = "a complete forward pass"


class StepPart(Part):
    """A training step."""

    shape: StepShape

    def blocks(self) -> Iterator[Block]:
        """Yield one block of everything."""
        s = self.shape.step
        claims = step_claims(s)
        for role, term in Update(s, UpdateRule()).definitions():
            claims[role] = Equals(term, "the declared update")
        if not self.name:
            claims.update(_check(s))
            claims.update(_results(s))
        claims.update(self._copies())
        places = (place for place, _ in self.atlas.of_part(self.name))
        yield self.block(Spec(claims, assumptions(s, "target")), places, self._role)

    def _copies(self) -> Iterator[tuple[Role, Claim]]:
        """Yield the cells that repeat a number, beside the weights that it meets."""
        for _, entry in self.atlas.of_part(self.name):
            first, _, rest = entry.name.partition(" ")
            if first == COPY:
                source = Role(rest.partition(" ")[2], entry.layer, entry.at)
                yield Role(*entry[2:5]), Equals(terms.leaf(source), "a copy")

    def _role(self, place: Place, entry: Entry) -> Role | None:
        del place
        return Role(*entry[2:5]) if entry.part == self.name else None


def _results(structure: Structure) -> Iterator[tuple[Role, Claim]]:
    """Yield the numbers of the Walkthrough: each is that of its line."""
    for n, line in enumerate(walkthrough_lines(structure)):
        source = Role(line.quantity.name, line.quantity.layer, line.index)
        yield Role("result", None, (n,)), Equals(terms.leaf(source), "the line's own result")


def _check(structure: Structure) -> Iterator[tuple[Role, Claim]]:
    """Yield what the Check sheet claims: forward passes, and quotients of their errors."""
    yield from _pass(structure, 0, None, ())
    before, after = terms.leaf(Role("error")), terms.leaf(Role("pass_error", None, (0,)))
    yield Role("error_before"), Equals(before)
    yield Role("error_after"), Equals(after)
    yield (
        Role("error_change"),
        Equals(terms.difference(terms.leaf(Role("error_after")), terms.leaf(Role("error_before")))),
    )
    epsilon = terms.leaf(Role("epsilon"))
    sign = terms.ONE if structure.error_sign == "output_minus_target" else terms.MINUS_ONE
    for p, (name, layer, index) in enumerate(checked_parameters(structure)):
        parameter = Role(name, layer, index)
        gradient = "weight_gradient" if name == "weights" else "bias_gradient"

        def read(what: str, at: int = p) -> Term:
            return terms.leaf(Role(what, None, (at,)))

        upper, lower = 1 + 2 * p, 2 + 2 * p
        yield from _pass(structure, upper, parameter, (2 * p,))
        yield from _pass(structure, lower, parameter, (2 * p + 1,))
        value = read("checked_value")
        found = {
            "checked_value": terms.leaf(parameter),
            "checked_gradient": terms.leaf(Role(gradient, layer, index)),
            "error_plus": terms.leaf(Role("pass_error", None, (upper,))),
            "error_minus": terms.leaf(Role("pass_error", None, (lower,))),
            "difference_quotient": terms.quotient(
                terms.difference(read("error_plus"), read("error_minus")),
                terms.product(terms.number(2), epsilon),
            ),
            "quotient_gap": terms.difference(
                terms.product(sign, read("checked_gradient")), read("difference_quotient")
            ),
        }
        for what, term in found.items():
            yield Role(what, None, (p,)), Equals(term)
        yield Role("moved_value", None, (2 * p,)), Equals(terms.total((value, epsilon)))
        yield Role("moved_value", None, (2 * p + 1,)), Equals(terms.difference(value, epsilon))


def _pass(
    structure: Structure, row: int, moved: Role | None, at: tuple[int, ...]
) -> Iterator[tuple[Role, Claim]]:
    """Yield a forward pass: with one parameter moved, or with all of them new."""

    def given(role: Role) -> Term:
        if moved is not None and role == moved:
            return terms.leaf(Role("moved_value", None, at))
        updated = role.name == "weights" or (role.name == "biases" and structure.update_biases)
        if moved is None and updated:
            return terms.leaf(role._replace(name=f"new_{role.name}"))
        return terms.leaf(role)

    def role_of(role: Role) -> Role:
        return Role(f"pass_{role.name}", role.layer, (row, *role.at))

    network = Network(structure, given, role_of)
    for role, term in network.forward():
        yield role, Equals(term, _PASSED)
    for role, term in network.error():
        yield role, Equals(term, _PASSED)
