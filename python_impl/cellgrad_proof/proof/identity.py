"""The identity test: claims decided at random points of a prime field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof.adjoints import Adjoints
from cellgrad_proof.proof.block import Block, Derivative
from cellgrad_proof.proof.evaluation import UndefinedError, evaluate
from cellgrad_proof.proof.residues import PRIME, Degrees, Residues
from cellgrad_proof.proof.terms import Adjoint, Leaf, Role, Term, leaves, number, product

LIMIT = 2.0**-120
"""Trials are repeated until the probability of passing something wrong is below this: then it
is below 2⁻¹⁰⁰ in a workbook of a million different blocks."""

_MOST_TRIALS = 40


class IdentityTest:
    """Decides claims of one block.

    Every role has the value of what it must be, derivatives those of reverse mode on the
    block's own formulas; then each cell's formula is worked out of these values and must have
    the value that the cell must have.

    Args:
        block: the cells.
        adjoints: reverse mode on its formulas.
    """

    def __init__(self, block: Block, adjoints: Adjoints) -> None:
        self.block, self.adjoints = block, adjoints
        self.error_bound = 1.0
        self.assumed = bool(block.spec.assumed)

    def problems(self, roles: list[Role]) -> dict[Role, str]:
        """Return what is wrong with each of some cells; nothing where it is right."""
        found = dict.fromkeys(roles, "")
        self.error_bound = 1.0
        per_trial = self._bound_of_a_trial(roles)
        for _ in range(_MOST_TRIALS):
            point = Residues()
            for role in roles:
                found[role] = found[role] or self._problem(role, point)
            self.error_bound *= per_trial(point.symbols)
            if self.error_bound < LIMIT or all(found.values()):
                return found
        return {role: text or "is too large for the identity test" for role, text in found.items()}

    def _problem(self, role: Role, point: Residues) -> str:
        try:
            self._settle(role, point)
            for read in leaves(self.block.formulas[role]):
                self._settle(read, point)
            value = evaluate(self.block.formulas[role], point)
        except UndefinedError as error:
            return f"has no value in general: {error}"
        except FormulaError as error:
            return str(error)
        except RecursionError:
            return "is nested too deeply"
        return "" if value == point.known[role] else _DIFFERENT[self._kind(role)]

    def _kind(self, role: Role) -> bool:
        return isinstance(self.block.spec.claims[role], Derivative)

    def _bound_of_a_trial(self, roles: list[Role]) -> Callable[[int], float]:
        """Return the bound, given how many random symbols were drawn besides the leaves.

        Two arguments that differ may meet in one symbol, and then each of the roles may pass.
        """
        degrees, largest = Degrees(), 1
        for role in roles:
            try:
                for read in (role, *leaves(self.block.formulas[role])):
                    self._settle(read, degrees)
                own = evaluate(self.block.formulas[role], degrees)
            except (FormulaError, UndefinedError, RecursionError):
                continue  # it will not pass
            largest = max(largest, sum(own) + sum(degrees.known[role]))
        degree = max(largest, 2 * degrees.largest)
        return lambda symbols: min(1.0, degree * (len(roles) + symbols * symbols) / PRIME)

    # values

    def _settle(self, leaf: Leaf, algebra: Any) -> None:
        """Work out a leaf and all that it follows from; without recursion, chains are long."""
        stack = [leaf]
        while stack:
            top = stack[-1]
            if top in algebra.known:
                stack.pop()
                continue
            term = self._meaning(top)
            if term is None:
                algebra.known[top] = self._free(top, algebra)
                continue
            missing = [read for read in leaves(term) if read not in algebra.known]
            if missing:
                stack += missing
                if len(stack) > 10 * (len(self.block.formulas) + 1_000):
                    raise UndefinedError("it follows from itself")
            else:
                algebra.known[top] = evaluate(term, algebra)

    def _meaning(self, leaf: Leaf) -> Term | None:
        if isinstance(leaf, Adjoint):
            return self.adjoints.one_step(leaf.of, leaf.by)
        spec = self.block.spec
        if leaf in spec.assumed and leaf not in spec.claims:
            return spec.assumed[leaf]
        claim = spec.claims.get(leaf)
        if claim is None:
            return None
        if isinstance(claim, Derivative):
            return product(number(claim.sign), ("leaf", Adjoint(claim.of, claim.by)))
        return claim.term

    @staticmethod
    def _free(leaf: Leaf, algebra: Any) -> Any:
        return algebra.drawn("given", leaf) if isinstance(algebra, Residues) else (1, 0)


_DIFFERENT = {
    True: "is not this derivative",
    False: "is not what is declared",
}
