"""Texts with numbers in them, compared as numbers.

How an engine writes a rounded number differs (0.00001 or 1E-05, a comma or a
point); what the number is does not.
"""

from __future__ import annotations

import re
from functools import lru_cache

_NUMBER = r"([-−]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)"


_DIGITS_15 = 1e-14
"""A number joined to a text shows 15 digits in some engines."""


@lru_cache(maxsize=4096)
def _pattern(skeleton: tuple[str | None, ...]) -> re.Pattern[str]:
    return re.compile("".join(_NUMBER if piece is None else re.escape(piece) for piece in skeleton))


def numbers_in(text: str, skeleton: tuple[str | None, ...]) -> list[float] | None:
    """Return the numbers of a text that fits a skeleton, or None if it does not fit.

    Args:
        text: such as ``(0.5)(-0.25)``.
        skeleton: its fixed texts, with None where a number stands.
    """
    match = _pattern(skeleton).fullmatch(text)
    if match is None:
        return None
    return [float(part.replace(",", ".").replace("−", "-")) for part in match.groups()]


def shows(shown: float, value: float, decimals: int, slack: float) -> bool:
    """Tell whether a shown number is a value rounded to so many decimals.

    Args:
        shown: the number in the text.
        value: what it should be.
        decimals: how many decimals were asked for.
        slack: the error bound of the value.
    """
    unit = 10.0**-decimals
    if abs(shown - value) > unit / 2 * (1 + 1e-9) + slack + _DIGITS_15 * abs(value):
        return False
    return abs(shown / unit - round(shown / unit)) < 1e-6 * max(1.0, abs(shown / unit) * 1e-8)
