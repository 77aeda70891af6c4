"""Repeated mistakes: the same wrong formula, relative to its cell, again and again.

The first costs its points, the others do not (``charging`` says of how many mistakes):
forgetting LR in twelve updates is one mistake. Only mistakes are forgiven in this way, not
empty gestures: a formula counts as one if the catalogue names it, or if it is the right one but
for a single slip; it must work with something that the right one works with, and not merely
copy one of its values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import a1
from cellgrad_coursework.grading.edits import corner_of, count_edits
from cellgrad_coursework.grading.key import equal
from cellgrad_coursework.grading.verdict import as_numbers
from cellgrad_coursework.grading.world import StudentBook, Transplants

Values = NDArray[np.float64]

_STEP = 2.0**-6


def pattern(book: StudentBook, slot: int) -> str:
    """Return the student's formula in a slot as text, relative to its cell; empty for none."""
    place = book.where[slot]
    formula = book.formula(place) if place is not None else None
    return formula.text if formula is not None else ""


def filled_with(book: StudentBook, slot: int) -> str:
    """Return where the array formula stands that fills a slot; empty for none."""
    place = book.where[slot]
    corner = corner_of(book, place) if place is not None else None
    return "" if corner is None else f"{corner[0]}!{a1(corner[1], corner[2])}"


def is_slip(
    book: StudentBook,
    slot: int,
    values: Values,
    transplanted: Values,
    *,
    known: bool,
    besides: int = 0,
) -> bool:
    """Tell whether a wrong formula is a mistake that is charged only once.

    Args:
        book: the submission.
        slot: the cell.
        values: the key's values.
        transplanted: what the formula makes of them.
        known: whether the mistake is known as one: the catalogue names it, or it is one in
            another cell that the same array formula fills.
        besides: how many edits are no slip: those that a convention makes.
    """
    if not np.isfinite(transplanted).any():
        return False
    key = book.key
    if any(equal(transplanted, values[other]).all() for other in key.reads[slot]):
        return False  # a mere copy, such as an unchanged weight
    if not known and count_edits(book, slot) > 1 + besides:
        return False
    if _feels(book, slot, values, transplanted, set(key.reads[slot])):
        return True
    if not known:
        return False
    # the same arithmetic with something earlier, such as S_preA in place of S_postA
    before = {other for other in range(key.slots) if key.before[slot] >> other & 1}
    copies = any(equal(transplanted, values[other]).all() for other in before)
    return not copies and _feels(book, slot, values, transplanted, before)


def _feels(
    book: StudentBook, slot: int, values: Values, transplanted: Values, others: set[int]
) -> bool:
    """Tell whether a formula's value depends on one of some slots."""
    key, moved = book.key, values.copy()
    sources = key.sources(others)  # what the handout computes moves with what it reads
    for n, other in enumerate(sorted(sources)):  # by different steps: a - a stays what it is
        moved[other] = moved[other] + _STEP * (1.0 + n / 7.0)
    for copied in key.order:
        if not key.is_graded(copied) and any(key.before[copied] >> o & 1 for o in sources):
            moved[copied] = key.over(copied, moved)
    try:
        made = as_numbers(Transplants(book, moved).of(slot), moved.shape[1])
    except FormulaError:
        return False
    with np.errstate(all="ignore"):
        change = np.abs(made - transplanted)
    return bool((change[:-1] > 1e-6 * _STEP).any())  # on the draws: the real givens are known
