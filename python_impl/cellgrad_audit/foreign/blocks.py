"""Rectangular blocks of numbers and of formulas on a sheet, and the labels near them."""

from __future__ import annotations

from dataclasses import dataclass

from cellgrad.xlsx.addresses import Place, Range
from cellgrad_audit.foreign.following import Formulas
from cellgrad_audit.foreign.layers import label_near

MOST_BLOCKS = 60


@dataclass(frozen=True, slots=True)
class Cluster:
    """A rectangle of cells of one kind.

    Attributes:
        area: where.
        typed: whether they are typed numbers; formulas otherwise.
        label: the text nearest to it.
    """

    area: Range
    typed: bool
    label: str


def blocks_of(formulas: Formulas) -> list[Cluster]:
    """Return the blocks of a workbook in the order of reading, the first of them."""
    found: list[Cluster] = []
    for name, sheet in formulas.foreign.book.sheets.items():
        kinds: dict[tuple[int, int], bool] = {}
        for at, value in sheet.values.items():
            if isinstance(value, float) and at not in sheet.formulas:
                kinds[at] = True
        for at in sheet.formulas:
            kinds[at] = False
        left = set(kinds)
        for at in sorted(kinds):
            if at not in left:
                continue
            area = _grown(name, at, kinds, left)
            place: Place = (name, area.top, area.left)
            found.append(Cluster(area, kinds[at], label_near(formulas, place)))
            if len(found) >= MOST_BLOCKS:
                return found
    return found


def _grown(
    sheet: str, at: tuple[int, int], kinds: dict[tuple[int, int], bool], left: set[tuple[int, int]]
) -> Range:
    """Return the largest rectangle of one kind from a corner on: first right, then down."""
    row, column = at
    kind = kinds[at]
    right = column
    while (row, right + 1) in left and kinds[row, right + 1] == kind:
        right += 1
    bottom = row
    while all(
        (bottom + 1, c) in left and kinds[bottom + 1, c] == kind for c in range(column, right + 1)
    ):
        bottom += 1
    for r in range(row, bottom + 1):
        for c in range(column, right + 1):
            left.discard((r, c))
    return Range(sheet, row, column, bottom, right)


def describe(block: Cluster) -> str:
    """Return a block on one line."""
    kind = "numbers" if block.typed else "formulas"
    label = "".join(c for c in block.label if c.isprintable())[:40]
    near = f", near {label!r}" if label else ""
    return f"{block.area}: {block.area.height} × {block.area.width} {kind}{near}"
