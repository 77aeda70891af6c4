"""Terms that differ in nothing but the order of their operands: the quickest proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from cellgrad_proof.proof.terms import MINUS_ONE, Leaf, Term, operands

Source = Callable[[Leaf], Leaf]
"""Gives the leaf that a leaf is a copy of; itself if it is none."""


def unordered(term: Term, source: Source) -> Any:
    """Return a form that is the same for terms that differ in order, or in copies, only.

    Sums of sums are flat in it, and so are products of products; a factor −1 counts as a sign.
    """
    kind = term[0]
    if kind == "leaf":
        return ("leaf", source(term[1]))
    if kind == "number":
        return term
    if kind in ("sum", "product"):
        parts = Counter(unordered(part, source) for part in _flat(kind, term))
        if kind == "product":
            negative = parts.pop(MINUS_ONE, 0) % 2
            if negative:
                parts[MINUS_ONE] = 1
        if parts.total() == 1:
            return next(iter(parts))
        return (kind, frozenset(parts.items()))
    head = term[:2] if kind in ("call", "compare") else term[:1]
    return (*head, *(unordered(part, source) for part in operands(term)))


def _flat(kind: str, term: Term) -> list[Term]:
    found: list[Term] = []
    stack = [term]
    while stack:
        top = stack.pop()
        if top[0] == kind:
            stack += top[1]
        else:
            found.append(top)
    return found
