"""Numbers written as text: what they say, and how finely they say it.

A hexadecimal float is given in full. A decimal is a number that was printed: it stands for
everything that rounds to it, half a unit of its last decimal either way.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

HEXADECIMAL = re.compile(
    r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
)
DECIMAL = re.compile(r"[+-]?(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
_LEAST = 5e-324
_LONGEST_EXPONENT = 12


@dataclass(frozen=True, slots=True)
class Printed:
    """A number that was written as text.

    Attributes:
        value: the nearest double.
        half_unit: half a unit of the last decimal shown; 0 for a number given in full.
        digits: how many significant digits are shown, leading zeros aside; 0 likewise.
    """

    value: float
    half_unit: float
    digits: int


def printed(text: str) -> Printed:
    """Return what a text says, a decimal or a hexadecimal float.

    Raises:
        ValueError: it is no number, or one beyond the range of a double; the message says
            which, as half a sentence.
    """
    if HEXADECIMAL.fullmatch(text):
        return Printed(_hexadecimal(text), 0.0, 0)
    found = DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError("is no number")
    whole, fraction, only_fraction, exponent = found.groups()
    decimals = only_fraction if whole is None else fraction
    if exponent is not None and len(exponent.lstrip("+-0")) > _LONGEST_EXPONENT:
        raise ValueError("has an exponent too large to be meant")
    last = int(exponent or "0") - len(decimals)
    value, half = float(text), float(f"5e{last - 1}")
    if not (math.isfinite(value) and math.isfinite(half)):
        raise ValueError("is beyond the range of a double")
    shown = ((whole or "") + decimals).lstrip("0")
    return Printed(value, max(half, _LEAST), len(shown))


def _hexadecimal(text: str) -> float:
    exponent = re.split("[pP]", text)[1:]
    if exponent and len(exponent[0].lstrip("+-0")) > _LONGEST_EXPONENT:
        raise ValueError("has an exponent too large to be meant")
    try:
        return float.fromhex(text)
    except OverflowError as error:
        raise ValueError("is beyond the range of a double") from error


def half_unit_at(value: float, digits: int) -> float:
    """Return half a unit of the last of so many significant digits of a number."""
    if not value:
        return _LEAST
    first = math.floor(math.log10(abs(value)))
    return max(float(f"5e{first - digits}"), _LEAST)
