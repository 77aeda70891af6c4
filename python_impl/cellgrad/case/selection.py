"""Which rows the Check and Walkthrough sheets show of a large network."""

from __future__ import annotations

from typing import TypeVar

from cellgrad.case.structure import Structure

MAX_CHECKED = 18
MAX_LINES = 160

_T = TypeVar("_T")

Parameter = tuple[str, int, tuple[int, ...]]


def evenly(items: list[_T], most: int) -> list[_T]:
    """Return at most that many items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(n * (len(items) - 1) / (most - 1))] for n in range(most)]


def all_parameters(structure: Structure) -> list[Parameter]:
    """Return every weight and bias, layer by layer, weights first."""
    found: list[Parameter] = []
    for k in range(structure.layers):
        n, m = structure.nodes[k : k + 2]
        found += [("weights", k, (i, j)) for i in range(n) for j in range(m)]
        if structure.biases:
            found += [("biases", k, (j,)) for j in range(m)]
    return found


def checked_parameters(structure: Structure) -> list[Parameter]:
    """Return the parameters whose gradients the Check sheet confirms."""
    if not structure.differentiable:
        return []
    return evenly(all_parameters(structure), MAX_CHECKED)
