"""Decimal digits, nearest doubles and units of the last place, from an enclosure.

The unit of the last place (ulp) is that of the double nearest to the exact value.
"""

from __future__ import annotations

import math

from flint import fmpq

from cellgrad_proof.exact.enclosures import Number, UndecidedError, ends, exactly

DIGITS = 50
"""So many significant digits are certified."""

_PLAIN = range(-7, 21)
"""Decimal exponents that are written without an E."""

_HALF = fmpq(1, 2)
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
    return max(0.0, agreed_digits(distance(found, exact), exact))


def agreed_digits(gap: fmpq, exact: fmpq) -> float:
    """Return −log10(gap / |exact|): infinite for no gap, 0 where the exact value is 0."""
    if not gap:
        return math.inf
    if not exact:
        return 0.0
    share = gap / exact
    # logarithms of whole numbers do not underflow
    return math.log10(int(share.q)) - math.log10(abs(int(share.p)))
