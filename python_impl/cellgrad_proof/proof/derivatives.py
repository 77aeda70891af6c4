"""Derivatives of terms, rule by rule.

Where a function has a kink its derivative is that of the branch which the formula itself takes
there; MAX(0, z) counts as IF(z > 0, z, 0), so that ReLU′(0) = 0. A condition is constant on
either side.
Source: reference/equations.md, "Other activation functions".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.declared import Claim, Derivative
from cellgrad_proof.proof.terms import ONE, ZERO, Adjoint, Leaf, Role, Term


def derivative(term: Term, by: Leaf) -> Term:  # noqa: PLR0911 - a kind of term each
    """Return the derivative of a term by one of its leaves, the others held.

    Raises:
        FormulaError: it has none that is known.
    """
    kind = term[0]
    if kind == "leaf":
        return ONE if term[1] == by else ZERO
    if kind == "sum":
        return terms.total(derivative(part, by) for part in term[1])
    if kind == "product":
        return _of_product(term[1], by)
    if kind == "quotient":
        return _of_quotient(term[1], term[2], by)
    if kind == "call":
        return _of_call(term, by)
    if kind == "if":
        return terms.choice(term[1], derivative(term[2], by), derivative(term[3], by))
    return ZERO  # numbers, and conditions


def _of_product(factors: tuple[Term, ...], by: Leaf) -> Term:
    found = []
    for n, factor in enumerate(factors):
        slope = derivative(factor, by)
        if slope != ZERO:
            found.append(terms.product(slope, *factors[:n], *factors[n + 1 :]))
    if len(found) > 1 and all(term == found[0] for term in found):
        return terms.product(terms.number(len(found)), found[0])  # such as 2 · FE
    return terms.total(found)


def _of_quotient(over: Term, under: Term, by: Leaf) -> Term:
    first, second = derivative(over, by), derivative(under, by)
    if second == ZERO:
        return terms.quotient(first, under)
    carried = terms.difference(terms.product(first, under), terms.product(over, second))
    return terms.quotient(carried, terms.product(under, under))


def _of_call(term: Term, by: Leaf) -> Term:
    name, args = term[1], term[2]
    if name == "MAX":
        return _of_largest(args, by)
    x = args[0]
    inner = derivative(x, by)
    if inner == ZERO:
        return ZERO
    if name == "EXP":
        outer = term
    elif name == "TANH":
        outer = terms.difference(ONE, terms.product(term, term))
    elif name == "LN":
        outer = terms.quotient(ONE, x)
    elif name == "SQRT":
        outer = terms.quotient(ONE, terms.product(terms.number(2), term))
    elif name == "ABS":
        outer = terms.choice(terms.compare(">", x, ZERO), ONE, terms.MINUS_ONE)
    else:
        raise FormulaError(f"{name} has no derivative here")
    return terms.product(inner, outer)


def _of_largest(args: tuple[Term, ...], by: Leaf) -> Term:
    slopes = [derivative(arg, by) for arg in args]
    if all(slope == ZERO for slope in slopes):
        return ZERO
    constant = [n for n, slope in enumerate(slopes) if slope == ZERO]
    if len(args) != 2 or not constant:
        raise FormulaError("MAX of several numbers that move has no derivative here")
    moving = 1 - constant[0]
    return terms.choice(terms.compare(">", args[moving], args[constant[0]]), slopes[moving], ZERO)


class Adjoints:
    """The chain rule along a block's own formulas.

    Args:
        formulas: what stands in the cells; none reads itself, directly or through others.
        claims: what is claimed of cells; those that must be derivatives name them.
    """

    def __init__(self, formulas: Mapping[Role, Term], claims: Mapping[Role, Claim]) -> None:
        self.formulas = formulas
        self.cells = {
            (claim.of, claim.by): (role, claim.sign)
            for role, claim in claims.items()
            if isinstance(claim, Derivative)
        }
        self.readers: dict[Role, list[Role]] = defaultdict(list)
        for role, term in formulas.items():
            for read in dict.fromkeys(terms.leaves(term)):
                if isinstance(read, Role):
                    self.readers[read].append(role)
        self.cone = cache(self._cone)
        self.slope = cache(self._slope)

    def _cone(self, of: Role, cut: str = "") -> frozenset[Role]:
        """Return every role that a role depends on, paths through roles of a name left out."""
        found, stack = {of}, [of]
        while stack:
            term = self.formulas.get(stack.pop())
            for read in () if term is None else terms.leaves(term):
                if isinstance(read, Role) and read not in found and read.name != cut:
                    found.add(read)
                    stack.append(read)
        return frozenset(found)

    def _slope(self, of: Role, by: Role) -> Term:
        """Return how the formula of a role changes with a role that it reads."""
        return derivative(self.formulas[of], by)

    def one_step(self, of: Role, by: Role) -> Term:
        """Return ∂of/∂by by the formulas that read ``by`` directly.

        Raises:
            FormulaError: one of them has no derivative.
        """
        if of == by:
            return ONE
        cone = self.cone(of)
        return terms.total(
            terms.product(terms.leaf(Adjoint(of, reader)), self.slope(reader, by))
            for reader in self.readers.get(by, ())
            if reader in cone
        )

    def in_cells(self, of: Role, by: Role) -> Term:
        """Return ∂of/∂by with other derivatives named by the cells claimed to hold them.

        Raises:
            FormulaError: a formula on the way has no derivative.
        """
        return self._without_adjoints(self.one_step(of, by), 0)

    def _without_adjoints(self, term: Term, depth: int) -> Term:
        if depth > len(self.formulas):
            raise FormulaError("the formulas run in a circle")
        parts = term[1] if term[0] == "sum" else (term,)
        return terms.total(self._part(part, depth) for part in parts)

    def _part(self, part: Term, depth: int) -> Term:
        factors = part[1] if part[0] == "product" else (part,)
        return terms.product(*(self._factor(factor, depth) for factor in factors))

    def _factor(self, factor: Term, depth: int) -> Term:
        if factor[0] != "leaf" or not isinstance(factor[1], Adjoint):
            return factor
        of, by = factor[1]
        if of == by:
            return ONE
        if (of, by) in self.cells:
            role, sign = self.cells[of, by]
            return terms.product(terms.number(sign), terms.leaf(role))
        samples = self._samples_between(of, by)
        if samples:
            found = []
            for sample in samples:
                outer, inner = terms.leaf(Adjoint(of, sample)), terms.leaf(Adjoint(sample, by))
                found.append(terms.product(outer, inner))
            return self._without_adjoints(terms.total(found), depth + 1)
        return self._without_adjoints(self.one_step(of, by), depth + 1)

    def _samples_between(self, of: Role, by: Role) -> list[Role]:
        """Return the sample errors through which alone ``by`` acts on E."""
        if of.name != "error" or by.name == "sample_error" or by in self.cone(of, "sample_error"):
            return []
        cone = self.cone(of)
        return [
            role
            for role in self.formulas
            if role.name == "sample_error" and role in cone and by in self.cone(role)
        ]
