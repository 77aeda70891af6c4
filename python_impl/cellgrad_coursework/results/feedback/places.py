"""Where the graded cells of a submitted workbook lie: rows may have been inserted since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import parse_reference
from cellgrad_coursework.model import GradedCell

Place = tuple[str, int, int]
"""Sheet, row, column."""


def places(
    cells: Iterable[GradedCell], before: Mapping[str, str], now: Mapping[str, str]
) -> dict[tuple[str, str], Place]:
    """Return where each graded cell lies now, by its sheet and address in the handout.

    Args:
        cells: the graded cells.
        before: the handout's defined names and what they refer to.
        now: those of the submitted workbook, in lower case.
    """
    found = {}
    for cell in cells:
        row, column = parse_a1(cell.address)
        here = parse_reference(before.get(cell.name, ""))
        there = parse_reference(now.get(cell.name.casefold(), ""))
        place = (cell.sheet, row, column)
        if (
            here is not None
            and there is not None
            and here.contains(row, column)
            and (here.height, here.width) == (there.height, there.width)
        ):
            place = (there.sheet, row - here.top + there.top, column - here.left + there.left)
        found[cell.sheet, cell.address] = place
    return found
