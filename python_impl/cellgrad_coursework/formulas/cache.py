"""Formulas read once, however many cells and submissions hold the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cellgrad.formula.parse import parse
from cellgrad.formula.tree import (
    Area,
    Call,
    Cell,
    FormulaError,
    Name,
    Node,
    Spill,
    children,
    nodes,
    size,
    text_of,
)
from cellgrad_coursework.formulas.evaluate import SPECIAL
from cellgrad_coursework.formulas.functions import FUNCTIONS, refusal
from cellgrad_coursework.formulas.limits import MAX_NODES

MAX_KEPT = 500_000
"""Characters of formulas kept; beyond it everything is forgotten and read anew."""

Reference = Cell | Area | Spill | Name

_PLACES = frozenset({"ROW", "COLUMN", "ROWS", "COLUMNS"})
"""Functions that look at where cells are, and not at what they hold."""


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
    reads: tuple[Reference, ...] = ()
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
        formula = self._by_text.get(key)
        if formula is None:
            self._characters += len(text)
            if self._characters > MAX_KEPT:
                self._by_text.clear()
                self._by_relative.clear()
                self._characters = len(text)
            formula = self._by_text[key] = self._read(text, row, column)
        return formula

    def _read(self, text: str, row: int, column: int) -> Formula:
        try:
            tree = parse(text, row, column, ignore_case=True)
        except FormulaError as problem:
            return Formula(None, problem=str(problem))
        relative = text_of(tree)
        formula = self._by_relative.get(relative)
        if formula is None:
            formula = self._by_relative[relative] = _look_over(tree, relative)
        return formula


def _look_over(tree: Node, text: str) -> Formula:
    parts = size(tree)
    if parts > MAX_NODES:
        return Formula(None, problem="the formula has too many parts")
    calls = [node for node in nodes(tree) if isinstance(node, Call)]
    known = FUNCTIONS.keys() | SPECIAL.keys()
    problem = next((refusal(call.name) for call in calls if call.name not in known), "")
    array = isinstance(tree, Call) and tree.name in ("ARRAYFORMULA", "ARRAY_CONSTRAIN")
    local = {name for call in calls if call.name == "LET" for name in call.args[:-1:2]}
    reads = tuple(node for node in _references_read(tree) if node not in local)
    return Formula(tree, text, parts, reads, problem, array)


def _references_read(tree: Node) -> Iterator[Reference]:
    """Yield what stands for cells that are read: ``ROW(C10)`` reads nothing."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Reference):
            yield node
        parts = children(node)
        if isinstance(node, Call) and node.name in _PLACES:
            parts = tuple(part for part in parts if not isinstance(part, Reference))
        stack += reversed(parts)
