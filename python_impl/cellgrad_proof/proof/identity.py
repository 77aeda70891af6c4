"""The identity test: claims decided at random points of a prime field."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof.declared import Block, Derivative
from cellgrad_proof.proof.derivatives import Adjoints
from cellgrad_proof.proof.terms import (
    Adjoint,
    Leaf,
    Role,
    Term,
    UndefinedError,
    evaluate,
    leaves,
    number,
    product,
)

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
        if value == point.known[role]:
            return ""
        derived = isinstance(self.block.spec.claims[role], Derivative)
        return "is not this derivative" if derived else "is not what is declared"

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
                algebra.known[top] = algebra.free(top)
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


PRIME = (1 << 61) - 1

_SYSTEM = random.SystemRandom()


class Residues:
    """A random point: the arithmetic of integers modulo PRIME.

    Attributes:
        known: the residues of roles, entered by whoever works out a term.
    """

    def __init__(self) -> None:
        self.known: dict[Leaf, int] = {}
        self._drawn: dict[Any, int] = {}
        self._cut: dict[int, int] = {}
        """Of MAX(0, x): the condition that x is positive."""

    @property
    def symbols(self) -> int:
        """How many random numbers were drawn."""
        return len(self._drawn)

    def free(self, leaf: Leaf) -> int:
        """Return a random number for a role that follows from nothing."""
        return self.drawn("given", leaf)

    def drawn(self, *what: Any) -> int:
        """Return a random number, the same for the same question."""
        if what not in self._drawn:
            self._drawn[what] = _SYSTEM.randrange(1, PRIME)
        return self._drawn[what]

    def number(self, value: Fraction) -> int:
        """Return a constant."""
        if value.denominator == 1:
            return value.numerator % PRIME
        return self.divide(value.numerator % PRIME, value.denominator % PRIME)

    def leaf(self, role: Leaf) -> int:
        """Return what a role was given here."""
        return self.known[role]

    def add(self, parts: list[int]) -> int:
        """Return a sum."""
        return sum(parts) % PRIME

    def multiply(self, parts: list[int]) -> int:
        """Return a product."""
        result = 1
        for part in parts:
            result = result * part % PRIME
        return result

    def divide(self, over: int, under: int) -> int:
        """Return a quotient; UndefinedError if the divisor is 0."""
        if under == 0:
            raise UndefinedError("a division by 0")
        return over * pow(under, -1, PRIME) % PRIME

    def call(self, name: str, args: list[int]) -> int:
        """Return a function."""
        if name == "MAX":
            return self._largest(args)
        x, opposite = args[0], -args[0] % PRIME
        if name == "EXP":
            if x == 0:
                return 1
            value = self.drawn("EXP", min(x, opposite))
            return value if x < opposite else pow(value, -1, PRIME)
        if name == "TANH":
            value = self.drawn("TANH", min(x, opposite)) if x else 0
            return value if x < opposite else -value % PRIME
        return self.drawn(name, x)

    def _largest(self, args: list[int]) -> int:
        if len(args) == 2 and 0 in args:
            x = args[1] if args[0] == 0 else args[0]
            condition = self.positive(x)
            result = x * condition % PRIME
            self._cut.setdefault(result, condition)
            return result
        return self.drawn("MAX", *sorted(args))

    def positive(self, value: int) -> int:
        """Return the random number that stands for a condition."""
        if value == 0:
            return 0
        if value in self._cut:
            return self._cut[value]
        return self.drawn("positive", value)


Degree = tuple[int, int]
"""Of a fraction: of what stands over the line, and under it."""


class Degrees:
    """The arithmetic of degrees: an upper bound for those of the computed fraction."""

    def __init__(self) -> None:
        self.known: dict[Leaf, Degree] = {}
        self.largest = 1
        """Of any argument of a function."""

    def free(self, leaf: Leaf) -> Degree:
        """Return the degree of a role that follows from nothing."""
        del leaf
        return 1, 0

    def number(self, value: Fraction) -> Degree:
        """Return the degree of a constant."""
        del value
        return 0, 0

    def leaf(self, role: Leaf) -> Degree:
        """Return the degree of a role."""
        return self.known[role]

    def add(self, parts: list[Degree]) -> Degree:
        """Return the degree over a common denominator."""
        under = sum(part[1] for part in parts)
        return max((over + under - own for over, own in parts), default=0), under

    def multiply(self, parts: list[Degree]) -> Degree:
        """Return the degree of a product."""
        return sum(over for over, _ in parts), sum(under for _, under in parts)

    def divide(self, over: Degree, under: Degree) -> Degree:
        """Return the degree of a quotient."""
        return over[0] + under[1], over[1] + under[0]

    def call(self, name: str, args: list[Degree]) -> Degree:
        """A function is a new symbol, or its inverse; MAX(0, z) is z times one."""
        self._note(*args)
        if name == "MAX":
            return max(over for over, _ in args) + 1, max(under for _, under in args)
        return 1, 1

    def positive(self, value: Degree) -> Degree:
        """A condition is a new symbol."""
        self._note(value)
        return 1, 0

    def _note(self, *args: Degree) -> None:
        self.largest = max(self.largest, *(sum(arg) for arg in args))
