"""Have the redraws seen every branch, and every step cell away from zero?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellgrad.bounds.formulas import Branches
from cellgrad.described.workbook import Described
from cellgrad.engines.interface import Values
from cellgrad.formula.references import ranges_read_by, tree_of
from cellgrad.formula.tree import FormulaError, Node
from cellgrad.verify.cells import CellValues
from cellgrad.verify.conditions import Condition, Conditions, read_condition
from cellgrad.xlsx.addresses import Place


class Coverage:
    """Follows the branches of IF and MAX, and the zeros of the step, over the draws."""

    def __init__(self, described: Described) -> None:
        self.described = described
        self.general: dict[Place, Node] = {}
        self.zero: dict[int, NDArray[np.bool_]] = {}
        self.seen: dict[Place, set[bool]] = {}
        for number, claim in enumerate(described.claims):
            if claim.kind == "step":
                self.zero[number] = np.ones((claim.cells.height, claim.cells.width), dtype=bool)
        simple: list[Condition] = []
        for sheet, own in described.book.sheets.items():
            for cell, formula in own.formulas.items():
                if "IF(" not in formula and "MAX(" not in formula:
                    continue
                place = (sheet, *cell)
                owner = described.claim_of(place)
                if owner is not None and owner.kind in ("step", "check"):
                    self._add_branch(place, formula, simple)
        self.simple = Conditions(described, simple)

    def _add_branch(self, place: Place, formula: str, simple: list[Condition]) -> None:
        try:
            condition = read_condition(place, formula)
            if condition is not None:
                simple.append(condition)
                return
            ranges_read_by(self.described.book, place)  # refuses what cannot be told
            self.general[place] = tree_of(self.described.book, formula)
        except (FormulaError, ValueError):  # the comparison will report such a formula
            return
        self.seen[place] = set()

    def observe(self, cells: CellValues) -> None:
        """Note what one draw's values show."""
        for number in self.zero:
            if self.zero[number].any():
                self.zero[number] &= _zeros(cells.blocks[number])
        self.simple.observe(cells)
        if self.general:
            branches = Branches(self.described.book, cells.number)
            for place, node in self.general.items():
                self.seen[place] |= branches.taken_by(node, place[0])

    def complete(self) -> bool:
        """Tell whether nothing is left to see."""
        return (
            not any(zero.any() for zero in self.zero.values())
            and all(len(sides) == 2 for sides in self.seen.values())
            and self.simple.complete()
        )

    def missing(self) -> list[Place]:
        """Return the cells of which something was not seen."""
        found = {place for place, sides in self.seen.items() if len(sides) < 2}
        found |= set(self.simple.missing())
        for number, zero in self.zero.items():
            cells = self.described.claims[number].cells
            found |= {
                (cells.sheet, cells.top + row, cells.left + column)
                for row, column in np.argwhere(zero).tolist()
            }
        return sorted(found)


def _zeros(held: Values) -> NDArray[np.bool_]:
    """Return which cells hold the number 0."""
    if held.array is not None:
        found: NDArray[np.bool_] = held.array == 0
        return found
    return np.array([[value == 0 for value in row] for row in held.rows])
