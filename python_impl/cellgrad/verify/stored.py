"""Values stored in a file against recalculated ones."""

from __future__ import annotations

import re
from collections.abc import Callable

from cellgrad.xlsx.values import CellError, Value

_NUMBER = re.compile(r"[-−]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")
_DIGITS_15 = 0.5e-14
"""Half a unit of the 15th significant digit, at most: what some applications store."""


def stored_problem(held: Value, value: Value, bound: Callable[[], float]) -> str | None:
    """Return how a stored value contradicts the recalculated one, or None.

    Args:
        held: what the file stores.
        value: what the engine recalculated.
        bound: the most by which two computed values may differ here.
    """
    if isinstance(held, float) and isinstance(value, float):
        if abs(held - value) <= _DIGITS_15 * abs(value) + bound():
            return None
        return f"stored {held:.17g}, recalculated {value:.17g}"
    if (held in (None, "")) and (value in (None, "")):
        return None
    if isinstance(held, str) and isinstance(value, str) and _same_text(held, value):
        return None
    if isinstance(held, CellError) and isinstance(value, CellError):
        return None
    return f"stored {_short(held)}, recalculated {_short(value)}"


def _same_text(one: str, other: str) -> bool:
    """Engines write the same rounded number as 0.00001 or 1E-05."""
    if one == other:
        return True
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(_close(a, b) for a, b in pairs)


def _close(a: str, b: str) -> bool:
    x, y = (float(text.replace(",", ".").replace("−", "-")) for text in (a, b))
    return abs(x - y) <= 1e-9 * max(abs(x), abs(y), 1e-9)


def _short(value: Value) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004
