"""Have the redraws seen every branch, and every step cell away from zero?"""

from __future__ import annotations

import re
from collections.abc import Callable

from cellgrad.certify.bounds import Branches
from cellgrad.verify.described import Described
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.formula import FormulaError, Node, Place, parse
from cellgrad.xlsx.values import Value

_SIMPLE = re.compile(
    r"(?:IF\((?:(\w+)!)?([A-Z]{1,3}\d+)(>=?)0,|MAX\(0,(?:(\w+)!)?([A-Z]{1,3}\d+)\))"
)
_BRANCHING = re.compile(r"\b(?:IF|MAX)\(")

Lookup = Callable[[Place], Value]


class Coverage:
    """Follows the branches of IF and MAX, and the zeros of the step, over the draws."""

    def __init__(self, described: Described) -> None:
        self.described = described
        self.simple: dict[Place, tuple[Place, bool]] = {}
        self.general: dict[Place, Node] = {}
        self.zero: set[Place] = set()
        self.seen: dict[Place, set[bool]] = {}
        for claim in described.claims:
            cells = claim.cells
            if claim.kind not in ("step", "check"):
                continue
            formulas = described.book.sheets[cells.sheet].formulas
            for row in range(cells.top, cells.bottom + 1):
                for column in range(cells.left, cells.right + 1):
                    place = (cells.sheet, row, column)
                    if claim.kind == "step":
                        self.zero.add(place)
                    formula = formulas.get((row, column), "")
                    if "IF(" in formula or "MAX(" in formula:
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

    def observe(self, lookup: Lookup) -> None:
        """Note what one draw's values show."""
        self.zero = {place for place in self.zero if lookup(place) == 0}
        for place, (target, at_zero) in self.simple.items():
            value = lookup(target)
            if isinstance(value, float):
                self.seen[place].add(value > 0 or (at_zero and value == 0))
        if self.general:
            branches = Branches(self.described.book, _number_lookup(lookup))
            for place, node in self.general.items():
                self.seen[place] |= branches.of_formula(node)

    def complete(self) -> bool:
        """Tell whether nothing is left to see."""
        return not self.zero and all(len(sides) == 2 for sides in self.seen.values())  # noqa: PLR2004

    def missing(self) -> list[Place]:
        """Return the cells of which something was not seen."""
        one_sided = {place for place, sides in self.seen.items() if len(sides) < 2}  # noqa: PLR2004
        return sorted(self.zero | one_sided)


def _number_lookup(lookup: Lookup) -> Callable[[Place], float]:
    def number(place: Place) -> float:
        value = lookup(place)
        return value if isinstance(value, float) else 0.0

    return number
