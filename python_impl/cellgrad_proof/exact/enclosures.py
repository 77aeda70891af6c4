"""Numbers that are known exactly, or enclosed between two bounds; their decimal digits.

A number stays a fraction (``fmpq``) as long as only + − · / and comparisons made it, so that
a sum which is exactly 0 is known to be 0. A transcendental function turns it into a ball
(``arb``): midpoint and radius, rounded outwards at the precision in force. Whatever a ball
cannot decide is refused (``UndecidedError``), never guessed.

The unit of the last place (ulp) is that of the double nearest to the exact value.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
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


def divide(left: Number, right: Number) -> Number:
    """Return a quotient.

    Raises:
        ZeroDivisionError: the divisor is 0.
        UndecidedError: it may be 0.
    """
    if sign(right) == 0:
        raise ZeroDivisionError
    return left / right


def operate(operation: str, left: Number, right: Number) -> Number:
    """Return left + right, left − right, left · right or left / right."""
    return _kept(_OPERATIONS[operation](left, right))


_OPERATIONS: dict[str, Callable[[Number, Number], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
}


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


def logarithm(value: Number) -> Number:
    """Return the natural logarithm.

    Raises:
        ValueError: the number is not positive.
        UndecidedError: it may be either.
    """
    if sign(value) <= 0:
        raise ValueError("LN of a number that is not positive")
    return fmpq(0) if value == 1 else arb(value).log()


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
    lifted = value * direction * scale + _HALF
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


FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    "EXP": lambda value: fmpq(1) if value == 0 else arb(value).exp(),
    "LN": logarithm,
    "TANH": lambda value: fmpq(0) if value == 0 else arb(value).tanh(),
    "SQRT": square_root,
    "ABS": lambda value: value * sign(value),
    "negative": lambda value: -value,
}
"""The spreadsheet functions of one number, and the sign before one."""


DIGITS = 50
"""So many significant digits are certified."""

_PLAIN = range(-7, 21)
"""Decimal exponents that are written without an E."""

_ZERO = fmpq(0)


def nearest(value: Number) -> float:
    """Return the double nearest to a number.

    Raises:
        UndecidedError: the enclosure lies on both sides of a tie.
        OverflowError: no double is as large.
    """
    low, high = ends(value)
    found = _nearest(low)
    if low is not high and _nearest(high) != found:
        raise UndecidedError
    return found


def _nearest(value: fmpq) -> float:
    return int(value.p) / int(value.q)  # Python rounds this division to the nearest double


def decimal(value: Number, digits: int = DIGITS) -> str:
    """Return a number rounded to so many significant digits; fewer where it is exact.

    Raises:
        UndecidedError: the enclosure does not decide the last digit.
    """
    low, high = ends(value)
    if low is high:
        return _written(*_rounded(low, digits))
    if low <= _ZERO <= high:
        raise UndecidedError
    found = _rounded(low, digits)
    if _rounded(high, digits) != found:
        raise UndecidedError
    return _written(*found)


def _rounded(value: fmpq, digits: int) -> tuple[int, int]:
    """Return (whole, exponent): value ≈ whole · 10^exponent, with so many digits; ties to even."""
    if not value:
        return 0, 0
    minus = value < _ZERO
    size = -value if minus else value
    exponent = _magnitude(size) - digits + 1
    lifted = size * fmpq(10) ** -exponent + _HALF
    whole = int(lifted.floor())
    if lifted.q == 1 and whole % 2:  # a tie
        whole -= 1
    if whole == 10**digits:
        whole, exponent = whole // 10, exponent + 1
    return -whole if minus else whole, exponent


def _magnitude(value: fmpq) -> int:
    """Return the exponent of the first decimal digit of a positive number."""
    guess = len(str(int(value.p))) - len(str(int(value.q)))
    return guess if value >= fmpq(10) ** guess else guess - 1


def _written(whole: int, exponent: int) -> str:
    if not whole:
        return "0"
    text = str(abs(whole))
    kept = text.rstrip("0")
    minus = "-" if whole < 0 else ""
    magnitude = exponent + len(text) - 1
    if magnitude not in _PLAIN:
        tail = f".{kept[1:]}" if len(kept) > 1 else ""
        return f"{minus}{kept[0]}{tail}e{magnitude}"
    if magnitude < 0:
        return f"{minus}0.{'0' * (-magnitude - 1)}{kept}"
    padded = kept.ljust(magnitude + 1, "0")
    head, tail = padded[: magnitude + 1], padded[magnitude + 1 :]
    return f"{minus}{head}.{tail}" if tail else f"{minus}{head}"


def is_narrow(value: Number) -> bool:
    """Tell whether an enclosure is narrower than 10⁻⁵⁰ of its value (or exact)."""
    low, high = ends(value)
    if low is high:
        return True
    if low <= _ZERO <= high:
        return False
    smaller = low if low > _ZERO else -high
    return (high - low) * fmpq(10) ** DIGITS < smaller


def middle(value: Number) -> fmpq:
    """Return the middle of an enclosure."""
    low, high = ends(value)
    return low if low is high else (low + high) * _HALF


def distance(found: float, exact: fmpq) -> fmpq:
    """Return how far a double is from an exact value."""
    gap = exactly(found) - exact
    return -gap if gap < _ZERO else gap


def ratio(over: fmpq, under: fmpq) -> float:
    """Return a quotient of two numbers that are not negative as a double."""
    share = over / under
    return int(share.p) / int(share.q)


def ulps(found: float, exact: fmpq) -> float:
    """Return how many units of the last place a double is away from an exact value.

    Infinite where the exact value is 0 and the double is not: 0 has no last place.
    """
    if not math.isfinite(found):
        return math.inf
    gap = distance(found, exact)
    if not gap:
        return 0.0
    double = _nearest(exact)
    return ratio(gap, exactly(math.ulp(double))) if double else math.inf


def correct_digits(found: float, exact: fmpq) -> float:
    """Return −log10 of the relative error: infinite if there is none, never below 0."""
    if not math.isfinite(found):
        return 0.0
    return max(0.0, digits_of_share(distance(found, exact), exact))


def digits_of_share(gap: fmpq, exact: fmpq) -> float:
    """Return −log10(gap / |exact|): infinite for no gap, 0 where the exact value is 0."""
    if not gap:
        return math.inf
    if not exact:
        return 0.0
    share = gap / exact
    # logarithms of whole numbers do not underflow
    return math.log10(int(share.q)) - math.log10(abs(int(share.p)))
