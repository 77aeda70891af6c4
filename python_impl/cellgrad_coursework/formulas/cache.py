"""Formulas read once, however many cells and submissions hold the same."""

from __future__ import annotations

from dataclasses import dataclass

from cellgrad.formula.tree import FormulaError
from cellgrad_coursework.formulas.functions import FUNCTIONS, VOLATILE
from cellgrad_coursework.formulas.parser import parse
from cellgrad_coursework.formulas.tree import PLACES, REFERENCES, Node, nodes, text_of

MAX_KEPT = 500_000
"""Characters of formulas kept; beyond it everything is forgotten and read anew."""

_BY_NODE = PLACES | {"SINGLE", "LET"}
"""Functions of what is written in their brackets, rather than of its value."""


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A formula, read.

    Attributes:
        tree: relative to its cell; None where it cannot be read.
        text: the same as text: equal for equal formulas.
        size: how many parts it has.
        reads: the nodes in it whose cells it reads.
        problem: why it is not evaluated, or empty.
        array: whether it may come to several values by its own words.
    """

    tree: Node | None
    text: str = ""
    size: int = 0
    reads: tuple[Node, ...] = ()
    problem: str = ""
    array: bool = False


class Formulas:
    """The formulas met so far, by their text and cell, and by their relative text."""

    def __init__(self) -> None:
        self._by_text: dict[tuple[str, int, int], Formula] = {}
        self._by_relative: dict[str, Formula] = {}
        self._characters = 0

    def of(self, text: str, row: int, column: int) -> Formula:
        """Return a formula (without its equals sign) that was written for a cell."""
        key = (text, row, column)
        found = self._by_text.get(key)
        if found is None:
            self._characters += len(text)
            if self._characters > MAX_KEPT:
                self._by_text.clear()
                self._by_relative.clear()
                self._characters = len(text)
            found = self._by_text[key] = self._read(text, row, column)
        return found

    def _read(self, text: str, row: int, column: int) -> Formula:
        try:
            tree = parse(text, row, column)
            relative = text_of(tree)
        except FormulaError as problem:
            return Formula(None, problem=str(problem))
        except RecursionError:
            return Formula(None, problem="the formula is nested too deeply")
        found = self._by_relative.get(relative)
        if found is None:
            found = self._by_relative[relative] = _looked_over(tree, relative)
        return found


def _looked_over(tree: Node, text: str) -> Formula:
    size, problem, local = 0, "", set[Node]()
    for node in nodes(tree):
        size += 1
        if node[0] == "call" and node[1] == "LET":
            local |= set(node[2][:-1:2])  # names that stand for no cells
        if node[0] == "call" and node[1] not in FUNCTIONS and node[1] not in _BY_NODE:
            why = "may come out differently each time"
            if node[1] not in VOLATILE:
                why = "is not one that is evaluated here"
            problem = problem or f"the function {node[1][:40]} {why}"
    array = tree[0] == "call" and tree[1] in ("ARRAYFORMULA", "ARRAY_CONSTRAIN")
    found = (node for node in nodes(tree, read=True) if node[0] in REFERENCES)
    reads = tuple(node for node in found if node[0] != "name" or node not in local)
    return Formula(tree, text, size, reads, problem, array)
