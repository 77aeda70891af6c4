"""Have the redraws seen every branch, and every step cell away from zero?"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from cellgrad.certify.bounds import Branches
from cellgrad.engines.interface import Values
from cellgrad.verify.cells import Lookup
from cellgrad.verify.described import Described
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.formula import FormulaError, Node, Place, parse

_SIMPLE = re.compile(
    r"(?:IF\((?:(\w+)!)?([A-Z]{1,3}\d+)(>=?)0,|MAX\(0,(?:(\w+)!)?([A-Z]{1,3}\d+)\))"
)
_BRANCHING = re.compile(r"\b(?:IF|MAX)\(")


class Coverage:
    """Follows the branches of IF and MAX, and the zeros of the step, over the draws."""

    def __init__(self, described: Described) -> None:
        self.described = described
        self.simple: dict[Place, tuple[Place, bool]] = {}
        self.general: dict[Place, Node] = {}
        self.zero: dict[int, NDArray[np.bool_]] = {}
        self.seen: dict[Place, set[bool]] = {}
        for number, claim in enumerate(described.claims):
            if claim.kind == "step":
                self.zero[number] = np.ones((claim.cells.height, claim.cells.width), dtype=bool)
        for sheet, cells in described.book.sheets.items():
            for cell, formula in cells.formulas_with("IF(", "MAX("):
                place = (sheet, *cell)
                owner = described.owner.get(place)
                if owner is not None and described.claims[owner].kind in ("step", "check"):
                    self._add_branch(place, formula)

    def _add_branch(self, place: Place, formula: str) -> None:
        match = _SIMPLE.match(formula)
        try:
            if match and len(_BRANCHING.findall(formula)) == 1:
                sheet = match[1] or match[4] or place[0]
                target = (sheet, *parse_a1(match[2] or match[5]))
                self.simple[place] = (target, match[3] == ">=")
            else:
                self.general[place] = parse(formula, place[0], self.described.book.names)
        except (FormulaError, ValueError):  # the comparison will report such a formula
            return
        self.seen[place] = set()

    def observe(self, look: Lookup) -> None:
        """Note what one draw's values show."""
        for number, zero in self.zero.items():
            if zero.any():
                zero &= _zeros(look.blocks[number])
        for place, (target, at_zero) in self.simple.items():
            value = look.value(target)
            if isinstance(value, float):
                self.seen[place].add(value > 0 or (at_zero and value == 0))
        if self.general:
            branches = Branches(self.described.book, look.number)
            for place, node in self.general.items():
                self.seen[place] |= branches.of_formula(node)

    def complete(self) -> bool:
        """Tell whether nothing is left to see."""
        return not any(zero.any() for zero in self.zero.values()) and all(
            len(sides) == 2  # noqa: PLR2004
            for sides in self.seen.values()
        )

    def missing(self) -> list[Place]:
        """Return the cells of which something was not seen."""
        found = {place for place, sides in self.seen.items() if len(sides) < 2}  # noqa: PLR2004
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
