"""Formulas read once, however many cells and submissions hold the same."""

from __future__ import annotations

from dataclasses import dataclass

from cellgrad.coursework.formulas.functions import FUNCTIONS, VOLATILE
from cellgrad.coursework.formulas.limits import FormulaProblemError
from cellgrad.coursework.formulas.parser import parse
from cellgrad.coursework.formulas.tree import Node, nodes

MAX_KEPT = 500_000
"""Characters of formulas kept; beyond it everything is forgotten and read anew."""

_POSITIONAL = ("ROW", "COLUMN", "SINGLE")


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A formula, read.

    Attributes:
        tree: relative to its cell; None where it cannot be read.
        reads: the ``cell``, ``area`` and ``name`` nodes in it.
        problem: why it is not evaluated, or empty.
        array: whether it may come to several values by its own words.
    """

    tree: Node | None
    reads: tuple[Node, ...] = ()
    problem: str = ""
    array: bool = False


class Formulas:
    """The formulas met so far, by text and cell, and by tree."""

    def __init__(self) -> None:
        self._by_text: dict[tuple[str, int, int], Formula] = {}
        self._by_tree: dict[Node, Formula] = {}
        self._characters = 0

    def of(self, text: str, row: int, column: int) -> Formula:
        """Return a formula (without its equals sign) that was written for a cell."""
        key = (text, row, column)
        found = self._by_text.get(key)
        if found is None:
            self._characters += len(text)
            if self._characters > MAX_KEPT:
                self._by_text.clear()
                self._by_tree.clear()
                self._characters = len(text)
            found = self._by_text[key] = self._read(text, row, column)
        return found

    def _read(self, text: str, row: int, column: int) -> Formula:
        try:
            tree = parse(text, row, column)
            found = self._by_tree.get(tree)
        except FormulaProblemError as problem:
            return Formula(None, problem=str(problem))
        except RecursionError:
            return Formula(None, problem="the formula is nested too deeply")
        if found is None:
            found = self._by_tree[tree] = _looked_over(tree)
        return found


def _looked_over(tree: Node) -> Formula:
    reads, problem = [], ""
    for node in nodes(tree):
        if node[0] in ("cell", "area", "name"):
            reads.append(node)
        elif node[0] == "call" and node[1] not in FUNCTIONS and node[1] not in _POSITIONAL:
            why = "may come out differently each time"
            if node[1] not in VOLATILE:
                why = "is not one that is evaluated here"
            problem = problem or f"the function {node[1][:40]} {why}"
    array = tree[0] == "call" and tree[1] in ("ARRAYFORMULA", "ARRAY_CONSTRAIN")
    return Formula(tree, tuple(reads), problem, array)
