"""Repeated mistakes: the same wrong formula, relative to its cell, again and again.

The first costs its points, the others do not: forgetting LR in twelve updates is one mistake.
Only mistakes are forgiven in this way, not empty gestures: a formula counts as one if the
catalogue names it, or if it is the right one but for a single slip; it must really work with
most of what the right one works with, and not merely copy one of its values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cellgrad.coursework.formulas.evaluate import place_of
from cellgrad.coursework.formulas.limits import FormulaProblemError
from cellgrad.coursework.formulas.tree import Node, Place
from cellgrad.coursework.key import Key, equal
from cellgrad.coursework.verdict import as_numbers
from cellgrad.coursework.world import StudentBook, Transplants

Values = NDArray[np.float64]

_FACTORS, _TERMS = ("*", "/"), ("+", "-")
_SIGNS = ("op", "sign")
_STEP = 2.0**-6
_MANY = 99


def pattern(book: StudentBook, slot: int) -> Node | None:
    """Return the student's formula in a slot, relative to its cell."""
    place = book.where[slot]
    formula = book.formula(place) if place is not None else None
    return formula.tree if formula is not None else None


def is_slip(
    book: StudentBook, slot: int, values: Values, transplanted: Values, *, named: bool
) -> bool:
    """Tell whether a wrong formula is a mistake that is charged only once.

    Args:
        book: the submission.
        slot: the cell.
        values: the key's values.
        transplanted: what the formula makes of them.
        named: whether the catalogue names the mistake.
    """
    if not np.isfinite(transplanted).any():
        return False
    if not named and _edits(book, slot) > 1:
        return False
    key = book.key
    reads = key.reads[slot]
    if any(equal(transplanted, values[other]).all() for other in reads):
        return False  # a mere copy, such as an unchanged weight
    felt = sum(_feels(book, slot, values, transplanted, other) for other in reads)
    return bool(2 * felt > len(reads))


def _feels(book: StudentBook, slot: int, values: Values, transplanted: Values, other: int) -> bool:
    """Tell whether a formula's value depends on a slot that the right formula reads."""
    moved = values.copy()
    moved[other] = moved[other] + _STEP
    for copied in book.key.order:  # copies of it in the handout move along
        if not book.key.is_graded(copied) and book.key.before[copied] >> other & 1:
            moved[copied] = book.key.over(copied, moved)
    if not book.key.is_graded(other) and other >= book.key.givens:  # it is a copy itself
        for source in book.key.reads[other]:
            moved[source] = moved[source] + _STEP
    try:
        found = as_numbers(Transplants(book, moved).of(slot), moved.shape[1])
    except FormulaProblemError:
        return False
    with np.errstate(all="ignore"):
        change = np.abs(found - transplanted)
    return bool((change > 1e-6 * _STEP).any())


def _edits(book: StudentBook, slot: int) -> int:
    """Return how many operands, or how many signs, the formula differs by from the right one."""
    place = book.where[slot]
    right = book.key.formulas[slot]
    tree = pattern(book, slot)
    if place is None or tree is None or right is None or right.tree is None:
        return _MANY
    mine = Counter(_parts(tree, place, book))
    key = Counter(_parts_of_key(right.tree, book.key.places[slot], book.key))
    extra, missing = mine - key, key - mine
    if any(part[0] == "op" and part[1] in _TERMS for part in extra) and any(
        part[0] == "op" and part[1] in _FACTORS for part in missing
    ):
        return _MANY  # a sum in place of a product is another formula
    return max(
        sum(n for part, n in parts.items() if (part[0] in _SIGNS) is signs)
        for parts in (extra, missing)
        for signs in (True, False)
    )


def _parts(tree: Node, at: Place, book: StudentBook) -> Iterator[Node]:
    for node in _leaves_and_signs(tree):
        if node[0] == "cell":
            try:
                place = place_of(node, at)
            except FormulaProblemError:
                place = ("", 0, 0)
            slot = book.slot_at.get(place)
            yield ("cell", place if slot is None else _source(book.key, slot))
        else:
            yield node


def _parts_of_key(tree: Node, at: Place, key: Key) -> Iterator[Node]:
    for node in _leaves_and_signs(tree):
        if node[0] == "cell":
            yield ("cell", _source(key, key.slot_at[place_of(node, at)]))
        else:
            yield node


def _source(key: Key, slot: int) -> int:
    """Return the cell that a copy in the handout copies."""
    while slot >= key.givens and not key.is_graded(slot):
        formula = key.formulas[slot]
        if formula is None or formula.tree is None or formula.tree[0] != "cell":
            break
        slot = key.reads[slot][0]
    return slot


def _leaves_and_signs(tree: Node) -> Iterator[Node]:
    stack = [tree]
    while stack:
        node = stack.pop()
        kind = node[0]
        if kind == "op":
            yield ("op", node[1])
            stack += (node[3], node[2])
        elif kind == "sign":
            yield ("sign", node[1])
            stack.append(node[2])
        elif kind == "percent":
            yield ("percent",)
            stack.append(node[1])
        elif kind == "call":
            yield ("call", node[1])
            stack += reversed(node[2])
        else:
            yield node
