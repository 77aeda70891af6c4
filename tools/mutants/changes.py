"""The mutants of one formula, as trees.

The changes of operations are those of ``mutation``; the changes of references know the
cell's neighbours, so that a reference that lost or won its ``$`` can be made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, Range
from mutation import Node, _at_each_node, _operations

SLIPPED, CUT = "$ slipped", "range cut"
ROW, COLUMN = "row shifted", "column shifted"
EXCHANGED = "old and new exchanged"
CONSTANT, OWN = "number for formula", "own value"

OPERATORS = (
    "sign flipped", "part dropped", "operator swapped", "branches exchanged",
    "comparison turned", "kink moved", ROW, COLUMN, SLIPPED, CUT, EXCHANGED,
    "constant added", OWN, CONSTANT,
)  # fmt: skip

CHOICES = (SLIPPED, SLIPPED, ROW, ROW, COLUMN, COLUMN, EXCHANGED, CUT, CUT)
"""What may stand in place of a reference: by which operator."""


class Change(NamedTuple):
    """One mutant, apart from where it stands.

    Attributes:
        operator: the name of the change.
        tree: what stands there instead.
        slot: which reference was replaced by which of its choices; None for another change.
    """

    operator: str
    tree: Node
    slot: tuple[int, int] | None = None


def moved(area: Range, down: int, across: int) -> Range | None:
    """Return a range further down and to the right, or None outside a sheet."""
    there = Range(
        area.sheet, area.top + down, area.left + across, area.bottom + down, area.right + across
    )
    inside = there.top >= 1 and there.left >= 1
    return there if inside and there.bottom <= MAX_ROW and there.right <= MAX_COLUMN else None


def choices_of(
    area: Range, slips: tuple[int, int], renewed: Range | None
) -> tuple[Range | None, ...]:
    """Return what may stand in place of a reference, in the order of ``CHOICES``.

    Args:
        area: the reference.
        slips: by how many rows it is moved if it slips along its column, and by how many
            columns if along its row; 0 where it cannot.
        renewed: the new weight of an old one, or the other way round.
    """
    down, across = slips
    return (
        moved(area, down, 0) if down else None,
        moved(area, 0, across) if across else None,
        moved(area, 1, 0),
        moved(area, -1, 0),
        moved(area, 0, 1),
        moved(area, 0, -1),
        renewed,
        area._replace(bottom=area.bottom - 1) if area.height > 1 else None,
        area._replace(right=area.right - 1) if area.width > 1 else None,
    )


def changes(tree: Node, choices: Sequence[tuple[Range | None, ...]]) -> list[Change]:
    """Return every mutant of a formula, each once.

    Args:
        tree: the formula.
        choices: for each of its references, as they are read, what may stand there instead.
    """
    count = iter(range(len(choices)))

    def change(node: Node) -> Iterator[tuple[tuple[str, tuple[int, int] | None], Node]]:
        if node[0] == "cells":
            n = next(count)
            for c, area in enumerate(choices[n]):
                if area is not None:
                    yield (CHOICES[c], (n, c)), ("cells", area)
            return
        for name, changed in _changes_of(node):
            yield (name, None), changed

    found = [Change(name, changed, slot) for (name, slot), changed in _at_each_node(tree, change)]
    found.append(Change("sign flipped", ("sign", "-", tree)))
    found.append(Change("constant added", ("op", "+", tree, ("number", 0.001))))
    seen, result = {tree}, []
    for item in found:
        if item.tree not in seen:
            seen.add(item.tree)
            result.append(item)
    return result


def _changes_of(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the changes of a node that is no reference."""
    if node[0] == "op":
        yield from _operations(*node[1:])
    elif node[0] == "sign":
        yield "sign flipped", node[2]
    elif node[0] == "call":
        yield from _calls(node[1], node[2])


_OTHER = {"SUM": "MAX", "MAX": "SUM", "SUMPRODUCT": "SUM", "EXP": "TANH", "TANH": "EXP"}


def _calls(name: str, args: tuple[Node, ...]) -> Iterator[tuple[str, Node]]:
    if name == "IF" and len(args) == 3:
        yield "branches exchanged", ("call", name, (args[0], args[2], args[1]))
        yield "part dropped", args[1]
        yield "part dropped", args[2]
        return
    if len(args) > 1:
        for n in range(len(args)):
            yield "part dropped", ("call", name, (*args[:n], *args[n + 1 :]))
    elif name not in ("SUM", "SUMPRODUCT"):
        yield "part dropped", args[0]
    if name in _OTHER:
        yield "operator swapped", ("call", _OTHER[name], args)
