"""Terms at a random point of a prime field, and the degree of what is computed there.

Two different rational functions of degree D agree at a random point with a probability of
at most D / p (Schwartz and Zippel). Each function of an argument not met before (EXP, LN,
TANH, SQRT, a condition) is one more independent random number: EXP(−z) the inverse of EXP(z),
TANH(−z) the opposite of TANH(z). A condition is one such number wherever it stands, so that n
conditions need no 2ⁿ cases: what is equal for every number is equal for 0 and 1. That c · c = c
is not used here; the exact proof, which comes first, tries the signs themselves where it must.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

from cellgrad_proof.proof.evaluation import UndefinedError
from cellgrad_proof.proof.terms import Leaf

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
