"""What spreadsheet programs write differently for the same formula."""

from __future__ import annotations

import re

_WRAPPED = re.compile(
    r'\s*IFERROR\s*\(\s*__xludf\.DUMMYFUNCTION\s*\(\s*"((?:[^"]|"")*)"\s*\)\s*(?:,.*)?\)\s*',
    re.IGNORECASE | re.DOTALL,
)
SPILLED = '"COMPUTED_VALUE"'
"""What Google Sheets writes into the cells that an array formula fills."""


def unwrapped(text: str) -> tuple[str, bool]:
    """Return a formula as its author wrote it, without its equals sign.

    Google Sheets exports formulas that Excel does not know inside ``IFERROR(…, value)``.

    Args:
        text: as the file has it.

    Returns:
        the formula, and whether it was wrapped: then it may fill several cells.
    """
    plain = text.strip()
    found = False
    while "DUMMYFUNCTION" in plain.upper():
        match = _WRAPPED.fullmatch(plain)
        if match is None:
            break
        plain, found = match[1].replace('""', '"').strip().removeprefix("="), True
    return plain.removeprefix("="), found


def typed_number(text: str) -> float | None:
    """Return the number that a person typed into a cell that took it for a text."""
    plain = text.translate(_TYPED).strip()
    if "," in plain and "." not in plain:
        plain = plain.replace(",", ".")
    percent = plain.endswith("%")
    plain = plain.removesuffix("%")
    if not _NUMBER.fullmatch(plain):
        return None
    return float(plain) / 100.0 if percent else float(plain)


_TYPED = str.maketrans({"−": "-", "–": "-", "‑": "-", " ": "", "\u00a0": "", "\u202f": ""})
"""Signs that people take for a minus, and blanks between digits."""


_NUMBER = re.compile(r"[-+]?(?:\d{1,30}\.?\d{0,40}|\.\d{1,40})(?:[eE][-+]?\d{1,2})?", re.ASCII)
