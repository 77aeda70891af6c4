"""A block: cells by their roles, and what each of them must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cellgrad.case.quantities import Structure
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof.declared import Named, Network, as_leaf, indices
from cellgrad_proof.proof.terms import Role, Term


@dataclass(frozen=True, slots=True)
class Equals:
    """The claim that a cell is a term: a definition, or a copy.

    Attributes:
        term: what it must be.
        says: what that is, in words.
    """

    term: Term
    says: str = "what is declared"


@dataclass(frozen=True, slots=True)
class Derivative:
    """The claim that a cell is a derivative.

    Attributes:
        of: of what.
        by: by what, the rest held.
        sign: 1, or −1 where FE = target − output flips every sign.
    """

    of: Role
    by: Role
    sign: int = 1


Claim = Equals | Derivative


@dataclass(frozen=True, slots=True)
class Spec:
    """What must hold in every block of one shape.

    Attributes:
        claims: by role.
        assumed: roles, and the terms by which they may be replaced: targets that sum to 1.
    """

    claims: Mapping[Role, Claim]
    assumed: Mapping[Role, Term] = field(default_factory=dict)


@dataclass(slots=True)
class Block:
    """Cells of a workbook that are decided together.

    Attributes:
        spec: what must hold.
        formulas: what stands in the cells.
        places: where they stand.
        unread: cells whose formulas cannot be used, and why.
    """

    spec: Spec
    formulas: dict[Role, Term] = field(default_factory=dict)
    places: dict[Role, Place] = field(default_factory=dict)
    unread: dict[Role, str] = field(default_factory=dict)


def gradients(structure: Structure, read: Named = as_leaf) -> Iterator[tuple[Role, Claim]]:
    """Yield what the backward pass of a differentiable step claims: derivatives, no equations.

    Args:
        structure: the step.
        read: how weights and biases are read; each must be a leaf.
    """
    s = structure
    sign = 1 if s.error_sign == "output_minus_target" else -1
    last = s.layers - 1
    for k in range(s.layers):
        cancels = k == last and s.cancels
        for n, j in indices(s.samples, s.nodes[k + 1]):
            of = Role("sample_error", None, (n,)) if s.samples > 1 else Role("error")
            pre, post = (Role(name, k, (n, j)) for name in ("pre_activation", "post_activation"))
            if not cancels:
                yield Role("activation_derivative", k, (n, j)), Derivative(post, pre)
                outer = (
                    Role("error_derivative", None, (n, j))
                    if k == last
                    else Role("backpropagated_error", k, (n, j))
                )
                yield outer, Derivative(of, post, sign)
            yield Role("error_signal", k, (n, j)), Derivative(of, pre, sign)
        for name, parameter, shape in (
            ("weight_gradient", "weights", s.nodes[k : k + 2]),
            ("bias_gradient", "biases", s.nodes[k + 1 : k + 2]),
        ):
            if parameter == "biases" and not s.biases:
                continue
            for at in indices(*shape):
                by = read(Role(parameter, k, at))
                yield Role(name, k, at), Derivative(Role("error"), by[1], sign)


def step_claims(structure: Structure, read: Named = as_leaf) -> dict[Role, Claim]:
    """Return what a step claims, all but its update.

    Args:
        structure: the step.
        read: how givens are read.
    """
    network = Network(structure, read)
    found: dict[Role, Claim] = {}
    for role, term in network.forward():
        found[role] = Equals(term, "the declared forward pass")
    for role, term in network.error():
        found[role] = Equals(term, "the declared error")
    if structure.differentiable:
        found.update(gradients(structure, read))
    else:
        for role, term in network.perceptron_rule():
            found[role] = Equals(term, "the perceptron rule")
    return found
