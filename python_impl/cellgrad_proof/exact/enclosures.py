"""Numbers that are known exactly, or enclosed between two bounds.

A number stays a fraction (``fmpq``) as long as only + − · / and comparisons made it, so that
a sum which is exactly 0 is known to be 0. A transcendental function turns it into a ball
(``arb``): midpoint and radius, rounded outwards at the precision in force. Whatever a ball
cannot decide is refused (``UndecidedError``), never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any

from flint import arb, ctx, fmpq, fmpz

Number = fmpq | arb

BITS = 320
"""Working precision to begin with: 96 decimal digits."""

MOST_BITS = 5_120
"""Where nothing is decided with so many, nothing will be."""

_MOST_FRACTION_BITS = 1 << 14
"""A longer fraction becomes a ball: exactness no longer pays."""

_HALF = fmpq(1, 2)


class UndecidedError(Exception):
    """A comparison or a rounding that the enclosure is too wide for."""


def precision(bits: int) -> AbstractContextManager[Any]:
    """Set the working precision of balls, for the length of a ``with`` statement."""
    working: AbstractContextManager[Any] = ctx.workprec(bits)
    return working


def exactly(value: float) -> fmpq:
    """Return a double as the fraction that it is."""
    return fmpq(*value.as_integer_ratio())


def _kept(value: Number) -> Number:
    if isinstance(value, fmpq) and value.height_bits() > _MOST_FRACTION_BITS:
        return arb(value)
    return value


def add(left: Number, right: Number) -> Number:
    """Return a sum."""
    return _kept(left + right)


def subtract(left: Number, right: Number) -> Number:
    """Return a difference."""
    return _kept(left - right)


def multiply(left: Number, right: Number) -> Number:
    """Return a product."""
    return _kept(left * right)


def divide(left: Number, right: Number) -> Number:
    """Return a quotient.

    Raises:
        ZeroDivisionError: the divisor is 0.
        UndecidedError: it may be 0.
    """
    if sign(right) == 0:
        raise ZeroDivisionError
    return _kept(left / right)


def sign(value: Number) -> int:
    """Return −1, 0 or 1.

    Raises:
        UndecidedError: the enclosure holds 0 and other numbers.
    """
    if value > 0:
        return 1
    if value < 0:
        return -1
    if value == 0:
        return 0
    raise UndecidedError


def larger(left: Number, right: Number) -> Number:
    """Return the larger of two numbers; an enclosure of it where they overlap."""
    if left is right or left > right:
        return left
    # the object itself where it is decided: what was computed once stays recognisable
    return right if right >= left else arb(left).max(arb(right))


def exponential(value: Number) -> Number:
    """Return e to a power."""
    return fmpq(1) if value == 0 else arb(value).exp()


def logarithm(value: Number) -> Number:
    """Return the natural logarithm.

    Raises:
        ValueError: the number is not positive.
        UndecidedError: it may be either.
    """
    if sign(value) <= 0:
        raise ValueError("LN of a number that is not positive")
    return fmpq(0) if value == 1 else arb(value).log()


def hyperbolic_tangent(value: Number) -> Number:
    """Return tanh."""
    return fmpq(0) if value == 0 else arb(value).tanh()


def square_root(value: Number) -> Number:
    """Return the square root.

    Raises:
        ValueError: the number is negative.
        UndecidedError: it may be.
    """
    if sign(value) < 0:
        raise ValueError("SQRT of a negative number")
    if isinstance(value, fmpq):
        above, below = value.p.isqrt(), value.q.isqrt()
        if above * above == value.p and below * below == value.q:
            return fmpq(above, below)
    return arb(value).sqrt()


def rounded(value: Number, decimals: int) -> Number:
    """Return ROUND(value, decimals): halves go away from 0.

    Raises:
        UndecidedError: both neighbours are possible.
    """
    scale = fmpq(10) ** decimals
    direction = sign(value)
    lifted = add(multiply(multiply(value, fmpq(direction)), scale), _HALF)
    return fmpq(direction * _floor(lifted)) / scale


def _floor(value: Number) -> fmpz:
    if isinstance(value, fmpq):
        return value.floor()
    whole = value.floor().unique_fmpz()
    if whole is None:
        raise UndecidedError
    return whole


def ends(value: Number) -> tuple[fmpq, fmpq]:
    """Return the lower and the upper end of an enclosure; the same object if it is exact."""
    if isinstance(value, fmpq):
        return value, value
    # not value.lower(), which rounds to whatever precision is in force
    middle = _fraction(value.mid())
    if value.is_exact():
        return middle, middle
    radius = _fraction(value.rad())
    return middle - radius, middle + radius


def _fraction(exact: arb) -> fmpq:
    mantissa, exponent = (int(part) for part in exact.man_exp())
    return fmpq(mantissa << exponent) if exponent >= 0 else fmpq(mantissa, 1 << -exponent)


OPERATORS: dict[str, Callable[[Number, Number], Number]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
}

FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    "EXP": exponential,
    "LN": logarithm,
    "TANH": hyperbolic_tangent,
    "SQRT": square_root,
    "ABS": lambda value: multiply(value, fmpq(sign(value))),
    "negative": lambda value: -value,
}
"""The spreadsheet functions of one number, and the sign before one."""


class Arithmetic:
    """Operations that know what they have computed before.

    The same operation on the same operands gives the same object, and an object minus itself
    is exactly 0. So E₊ − E₋ is known to be 0 where the weight that was moved is multiplied by
    an input of 0, whatever exponentials E is made of: no width of a ball could tell.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Number, Number, Number]] = {}

    def operate(self, operator: str, left: Number, right: Number) -> Number:
        """Return left + right, left − right, left · right or left / right."""
        if isinstance(left, fmpq) and isinstance(right, fmpq):
            return OPERATORS[operator](left, right)
        if operator == "-" and left is right:
            return fmpq(0)
        key = (operator, _name(left), _name(right))
        if key not in self._known:
            # the operands are kept too: another object must not take over their identity
            self._known[key] = (OPERATORS[operator](left, right), left, right)
        return self._known[key][0]

    def call(self, function: str, value: Number) -> Number:
        """Return a function of one number."""
        key = (function, _name(value))
        if key not in self._known:
            self._known[key] = (FUNCTIONS[function](value), value, value)
        return self._known[key][0]

    def compare(self, left: Number, right: Number) -> int:
        """Return the sign of left − right.

        Raises:
            UndecidedError: as ``sign``.
        """
        return 0 if left is right else sign(self.operate("-", left, right))


def _name(value: Number) -> Hashable:
    return value if isinstance(value, fmpq) else id(value)
