"""Have the redraws seen every branch, and every step cell away from zero?"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellgrad.described import Described
from cellgrad.engines import Values
from cellgrad.verify.cells import CellValues
from cellgrad.xlsx.addresses import Place, parse_a1

if TYPE_CHECKING:  # most conditions are simple, and read without it: start-up time
    from cellgrad.formula.tree import Node

_ONE_BRANCHING = re.compile(r"\b(?:IF|MAX)\(")
_OF_ZERO = re.compile(
    r"(?:IF\((?:(\w+)!)?([A-Z]{1,3}\d+)(>=?)0,|MAX\(0,(?:(\w+)!)?([A-Z]{1,3}\d+)\))"
)
_CELL = r"\$?[A-Z]{1,3}\$?\d{1,7}"
_OF_TWO = re.compile(rf"IF\(({_CELL})(=|<>|[<>]=?)(?:({_CELL})|(\d{{1,15}})),\d,\d\)")
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    "<>": operator.ne,
}


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
        except ValueError:  # the comparison will report such a formula
            return
        if condition is not None:
            simple.append(condition)
            return
        from cellgrad.formula.references import ranges_read_by, tree_of  # noqa: PLC0415
        from cellgrad.formula.tree import FormulaError  # noqa: PLC0415

        try:
            ranges_read_by(self.described.book, place)  # refuses what cannot be told
            self.general[place] = tree_of(self.described.book, formula)
        except (FormulaError, ValueError):
            return
        self.seen[place] = set()

    def observe(self, cells: CellValues) -> None:
        """Note what one draw's values show."""
        for number in self.zero:
            if self.zero[number].any():
                self.zero[number] &= _zeros(cells.blocks[number])
        self.simple.observe(cells)
        if self.general:
            from cellgrad.bounds import Branches  # noqa: PLC0415

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


class Condition(NamedTuple):
    """One condition of a formula.

    Attributes:
        place: where the formula stands.
        left: the cell on the left of the sign.
        sign: a key of the table of signs.
        right: the cell or the number on its right.
        blank_counts: whether a cell without a number counts as 0, or tells nothing.
    """

    place: Place
    left: Place
    sign: str
    right: Place | float
    blank_counts: bool


def read_condition(place: Place, formula: str) -> Condition | None:
    """Return the condition of a formula that has but one, and a simple one; else None.

    Raises:
        ValueError: a reference lies outside a sheet.
    """
    match = _OF_TWO.fullmatch(formula)
    if match:
        left, right = (match[n].replace("$", "") if match[n] else "" for n in (1, 3))
        other = (place[0], *parse_a1(right)) if right else float(match[4])
        return Condition(place, (place[0], *parse_a1(left)), match[2], other, True)
    match = _OF_ZERO.match(formula)
    if match and len(_ONE_BRANCHING.findall(formula)) == 1:
        sheet = match[1] or match[4] or place[0]
        left = match[2] or match[5]
        return Condition(place, (sheet, *parse_a1(left)), match[3] or ">", 0.0, False)
    return None


class Conditions:
    """Follows n simple conditions over the draws.

    Args:
        described: the workbook.
        found: its simple conditions.
    """

    def __init__(self, described: Described, found: Sequence[Condition]) -> None:
        self.places = [condition.place for condition in found]
        self._seen = np.zeros((len(found), 2), dtype=bool)
        self._blank_counts = np.array([c.blank_counts for c in found], dtype=bool)
        self._left = _Operands(described, [condition.left for condition in found])
        self._right = _Operands(described, [condition.right for condition in found])
        signs = np.array([condition.sign for condition in found])
        self._signs = {sign: np.flatnonzero(signs == sign) for sign in _SIGNS}

    def observe(self, cells: CellValues) -> None:
        """Note what one draw's values show."""
        left, right = self._left.numbers(cells), self._right.numbers(cells)
        told = self._blank_counts | ~np.isnan(left)
        left, right = (np.where(np.isnan(side), 0.0, side) for side in (left, right))
        true = np.zeros(len(told), dtype=bool)
        for sign, numbers in self._signs.items():
            true[numbers] = _SIGNS[sign](left[numbers], right[numbers])
        self._seen |= np.stack((told & ~true, told & true), axis=1)

    def missing(self) -> list[Place]:
        """Return the formulas of which a branch was not taken."""
        return [self.places[n] for n in np.flatnonzero(~self._seen.all(axis=1)).tolist()]

    def complete(self) -> bool:
        """Tell whether every branch was taken."""
        return bool(self._seen.all())


class _Operands:
    """Cells and numbers, n of them, whose values are taken from many draws."""

    def __init__(self, described: Described, operands: Sequence[Place | float]) -> None:
        self._constant = np.zeros(len(operands))
        self._unclaimed: list[tuple[int, Place]] = []
        by_claim: dict[int, list[tuple[int, int, int]]] = {}
        for n, operand in enumerate(operands):
            if isinstance(operand, float):
                self._constant[n] = operand
                continue
            owner = described.owner.get(operand)
            if owner is None:
                self._unclaimed.append((n, operand))
                continue
            cells = described.claims[owner].cells
            line = (n, operand[1] - cells.top, operand[2] - cells.left)
            by_claim.setdefault(owner, []).append(line)
        self._by_claim = {owner: np.array(lines).T for owner, lines in by_claim.items()}

    def numbers(self, cells: CellValues) -> NDArray[np.float64]:
        """Return the values in one draw, shape (n,); NaN for what is no number."""
        found = self._constant.copy()
        for owner, (numbers, rows, columns) in self._by_claim.items():
            block = cells.blocks[owner]
            if block.array is not None:
                found[numbers] = block.array[rows, columns]
                continue
            for n, row, column in zip(numbers, rows, columns, strict=True):
                value = block.at(row, column)
                found[n] = value if isinstance(value, float) else np.nan
        for n, place in self._unclaimed:
            value = cells.value(place)
            found[n] = value if isinstance(value, float) else np.nan
        return found
