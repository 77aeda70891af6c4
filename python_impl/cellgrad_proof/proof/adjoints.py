"""Reverse mode on the formulas of a block: how one cell acts on another, path by path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.block import Derivative
from cellgrad_proof.proof.calculus import derivative
from cellgrad_proof.proof.terms import ONE, Adjoint, Role, Term


class Adjoints:
    """The chain rule along a block's own formulas.

    Args:
        formulas: what stands in the cells; none reads itself, directly or through others.
        claimed: the cells that are claimed to be derivatives.
    """

    def __init__(self, formulas: Mapping[Role, Term], claimed: Mapping[Role, Derivative]) -> None:
        self.formulas = formulas
        self.cells = {(claim.of, claim.by): (role, claim.sign) for role, claim in claimed.items()}
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
