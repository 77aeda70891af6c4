"""Terms as exact fractions of polynomials with whole coefficients.

Every leaf and every function of an argument not met before (EXP, LN, TANH, SQRT, a condition)
is one indeterminate; so what is equal here is equal for all values of the leaves. The
polynomials are SymPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from sympy.polys.domains import ZZ
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyRing

from cellgrad_proof.proof.terms import Leaf, Term, UndefinedError, evaluate

Polynomial = Any
"""SymPy's PolyElement, which carries no types."""

Element = tuple[Polynomial, Polynomial]
"""Over and under the line; the sign of the part under it is free."""

MOST_TERMS = 4_000
"""A polynomial of more terms is given up; the identity test decides then."""

_MOST_PRODUCTS = 40_000
"""So many products of terms are formed for one product of polynomials, at most."""

_ROOMS = (8, 16, 32, 64, 128, 256, 512)
"""Rings of so many indeterminates are made, each once."""

Sign = int
"""−1, 0 or 1."""


@cache
def _ring(room: int) -> Any:
    """Return the ring of polynomials in so many indeterminates."""
    return PolyRing([f"x{n}" for n in range(room)], ZZ, lex)


class Exact:
    """Fractions of polynomials.

    Args:
        room: how many indeterminates may be needed.
        meaning: gives the term by which a leaf is replaced, or None if it stays as it is.
        signs: the signs of leaves, where they are assumed; one that is 0 is replaced by 0.
    """

    def __init__(
        self,
        room: int,
        meaning: Callable[[Leaf], Term | None] = lambda _: None,
        signs: Mapping[Leaf, Sign] | None = None,
    ) -> None:
        fitting = [size for size in _ROOMS if size >= room]
        if not fitting:
            raise UndefinedError("more indeterminates than are handled")
        self._ring = _ring(fitting[0])
        self._left = iter(self._ring.gens)
        self._one, self._zero = self._ring.one, self._ring.zero
        self._meaning, self._signs = meaning, signs or {}
        self._leaves: dict[Leaf, Element] = {}
        self._calls: dict[str, list[tuple[tuple[Element, ...], Element]]] = {}
        self._conditions: list[tuple[Element, Element]] = []
        self.compared: dict[Leaf, None] = {}
        """The leaves whose signs decide something."""

    def _symbol(self) -> Element:
        symbol = next(self._left, None)
        if symbol is None:
            raise UndefinedError("more indeterminates than are handled")
        return symbol, self._one

    def number(self, value: Fraction) -> Element:
        """Return a constant."""
        return self._ring(value.numerator), self._ring(value.denominator)

    def leaf(self, role: Leaf) -> Element:
        """Return what a role stands for: an indeterminate, or its meaning."""
        if role not in self._leaves:
            self._leaves[role] = self._of_leaf(role)
        return self._leaves[role]

    def _of_leaf(self, role: Leaf) -> Element:
        if self._signs.get(role) == 0:
            return self._zero, self._one
        meaning = self._meaning(role)
        return self._symbol() if meaning is None else evaluate(meaning, self)

    def _fraction(self, over: Polynomial, under: Polynomial) -> Element:
        """Return a fraction, shortened where that is cheap."""
        if len(over) > MOST_TERMS or len(under) > MOST_TERMS:
            raise UndefinedError("polynomials longer than are handled")
        if not over:
            return self._zero, self._one
        if len(under) == 1 and under != self._one:
            common = under.gcd(over)
            if common != self._one:
                return over.exquo(common), under.exquo(common)
        return over, under

    def add(self, parts: list[Element]) -> Element:
        """Return a sum over a common denominator."""
        if not parts:
            return self._zero, self._one
        over, under = parts[0]
        for other, below in parts[1:]:
            if below == under:
                over = over + other
            elif below == self._one:
                over = over + _times(other, under)
            else:
                over = _times(over, below) + _times(other, under)
                under = _times(under, below)
        return self._fraction(over, under)

    def multiply(self, parts: list[Element]) -> Element:
        """Return a product."""
        over, under = self._one, self._one
        for other, below in parts:
            over = _times(over, other)
            under = _times(under, below)
        return self._fraction(over, under)

    def divide(self, over: Element, under: Element) -> Element:
        """Return a quotient; UndefinedError if the divisor is 0."""
        if not under[0]:
            raise UndefinedError("a division by 0")
        return self.multiply([over, (under[1], under[0])])

    def same(self, one: Element, other: Element) -> bool:
        """Tell whether two fractions are the same function."""
        return bool(_times(one[0], other[1]) == _times(other[0], one[1]))

    def call(self, name: str, args: list[Element]) -> Element:
        """Return a function."""
        if name == "MAX":
            return self._largest(args)
        x = args[0]
        if name in ("EXP", "TANH") and not x[0]:
            return (self._one if name == "EXP" else self._zero), self._one
        opposite = (-x[0], x[1])
        for known, value in self._calls.setdefault(name, []):
            if self.same(known[0], x):
                return value
            if name == "EXP" and self.same(known[0], opposite):
                return value[1], value[0]
            if name == "TANH" and self.same(known[0], opposite):
                return -value[0], value[1]
        self._calls[name].append(((x,), self._symbol()))
        return self._calls[name][-1][1]

    def _largest(self, args: list[Element]) -> Element:
        zero = [arg for arg in args if not arg[0]]
        if len(args) == 2 and zero:
            x = args[0] if args[1] is zero[0] else args[1]
            return self.multiply([x, self.positive(x)])
        for known, value in self._calls.setdefault("MAX", []):
            if self._same_set(known, args):
                return value
        self._calls["MAX"].append((tuple(args), self._symbol()))
        return self._calls["MAX"][-1][1]

    def _same_set(self, known: tuple[Element, ...], args: list[Element]) -> bool:
        left = list(args)
        for one in known:
            match = next((n for n, other in enumerate(left) if self.same(one, other)), None)
            if match is None:
                return False
            del left[match]
        return not left

    def positive(self, value: Element) -> Element:
        """Return the indeterminate of a condition; a number where it is decided."""
        over, under = value
        if not over:
            return self._zero, self._one
        if over.is_ground and under.is_ground:
            return (self._one if over.LC * under.LC > 0 else self._zero), self._one
        for role, symbol in self._leaves.items():
            for side in (1, -1):
                if self.same(value, (side * symbol[0], symbol[1])):
                    self.compared.setdefault(role)
                    if role in self._signs:
                        held = self._signs[role] == side
                        return (self._one if held else self._zero), self._one
        for known, condition in self._conditions:
            if self.same(known, value) or self.same(self.multiply([known, condition]), value):
                return condition  # MAX(0, x) is positive where x is
        self._conditions.append((value, self._symbol()))
        return self._conditions[-1][1]


def _times(one: Polynomial, other: Polynomial) -> Polynomial:
    """Return a product; UndefinedError if it would be long."""
    if len(one) * len(other) > _MOST_PRODUCTS:
        raise UndefinedError("polynomials longer than are handled")
    return one * other
