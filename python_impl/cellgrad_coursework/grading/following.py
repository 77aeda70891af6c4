"""Typed numbers: which are right, and which follow from the student's own earlier numbers.

A number is right to the decimals that are asked for. It follows if the right formula makes it of
what the student typed before, as far as rounding can tell: whoever goes on from the rounded
numbers, and whoever rounds only what is written down, both follow.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np

from cellgrad_coursework.grading.book import Entry
from cellgrad_coursework.grading.key import Key, Over, Standard, Values, slots_of
from cellgrad_coursework.model import VALUE

FEWEST_DECIMALS = 4
"""Typed values are compared to at least so many: fewer would pass an unchanged weight."""

ROUNDING = 1e-12
_MANY = 8
"""A number that stands in more cells than this was not worked out."""

_TINY, _BELOW = 10.0, 4.0
"""A number of at most so many tolerances is empty where the right one is so many times as large."""

_CLEAR = 10.0
"""An update that is followed through moves the weight by more than so many tolerances."""

_SECOND_ORDER = 1.001
"""What rounding does is added up by its slopes; this is for what they leave out."""

_TYPED = str.maketrans({"−": "-", "–": "-", "‑": "-", " ": "", "\u00a0": "", "\u202f": ""})
"""Signs that people take for a minus, and blanks between digits."""

_NUMBER = re.compile(r"[-+]?(?:\d{1,30}\.?\d{0,40}|\.\d{1,40})(?:[eE][-+]?\d{1,2})?", re.ASCII)


def typed_number(text: str) -> float | None:
    """Return the number that a person typed into a cell that took it for a text."""
    plain = text.translate(_TYPED).strip()
    if "," in plain and "." not in plain:
        plain = plain.replace(",", ".")
    percent = plain.endswith("%")
    plain = plain.removesuffix("%")
    if not _NUMBER.fullmatch(plain):
        return None
    return float(plain) / 100.0 if percent else float(plain)


def typed_in(entry: Entry | None) -> float | None:
    """Return the number that was typed into a cell; None for a formula or none."""
    if entry is None or entry.formula or entry.problem or isinstance(entry.value, bool):
        return None
    if isinstance(entry.value, float):
        return entry.value
    return typed_number(entry.value) if isinstance(entry.value, str) else None


class TypedNumbers:
    """The typed numbers of one submission.

    Args:
        key: the key.
        real: the key's values on the student's givens, shape (slots,).
    """

    def __init__(self, key: Key, real: Values) -> None:
        self._key, self._givens = key, real[: key.givens]
        self._cells = key.manifest.cells
        self._actual: Mapping[int, float] = {}
        self._typed = 0
        self._standing: Counter[float] = Counter()
        asked = [cell.decimals for cell in self._cells if cell.takes == VALUE]
        self._decimals = max(FEWEST_DECIMALS, min(asked, default=FEWEST_DECIMALS))
        self._drifts: dict[Standard, Values] = {}

    def see(self, actual: Mapping[int, float], typed: int) -> None:
        """Learn what there is to follow from.

        Args:
            actual: what the student's cells come to, as they stand, by slot.
            typed: the graded cells' slots that read nothing, as bits.
        """
        self._actual, self._typed = actual, typed
        self._standing.update(map(self._rounded, actual.values()))

    def tolerance(self, slot: int) -> float:
        """Return how far a typed value may be from the right one."""
        decimals = max(self._key.cell(slot).decimals, FEWEST_DECIMALS)
        return float(0.5 * 10.0**-decimals + ROUNDING)

    def right(self, slot: int, number: float, values: Values) -> bool:
        """Tell whether a typed number is the right one, to the decimals that are asked for."""
        return self._near(slot, number, float(values[slot, -1]), self.tolerance(slot))

    def _near(self, slot: int, number: float, right: float, most: float) -> bool:
        if not abs(number - right) <= most:
            return False
        old = self._before_update(slot)
        if old is None or abs(old - right) <= ROUNDING:
            return True
        return abs(number - right) < abs(number - old)  # an unchanged weight never passes

    def _before_update(self, slot: int) -> float | None:
        """Return the weight or bias that an updated one starts from; None for other cells."""
        cell = self._key.cell(slot)
        if not cell.quantity.startswith("new_"):
            return None
        for other, given in enumerate(self._key.manifest.givens):
            if (given.quantity, given.layer, given.index) == (
                cell.quantity.removeprefix("new_"), cell.layer, cell.index,
            ):  # fmt: skip
                return float(self._givens[other])
        return None

    def follows(self, slot: int, number: float, standard: Standard) -> bool:
        """Tell whether a typed number follows from the student's values.

        An update that hardly moves the weight never does; nor what starts from an empty gesture,
        unless it lies as near to the right number as rounding at every step leaves it.

        Args:
            slot: the cell.
            number: what was typed.
            standard: the right values and formulas.
        """
        values, over = standard.values, standard.over
        key, small = self._key, self.tolerance(slot)
        table = np.full((key.slots, 1), np.nan)
        table[: key.givens, 0] = self._givens
        for other, value in self._actual.items():
            table[other, 0] = value
        if not np.isfinite(table[list(key.reads[slot]), 0]).all():
            return False
        follows = float(over(slot, table)[0])
        if not np.isfinite(follows):
            return False
        if not abs(number - follows) <= small:
            give = {other: self._give(other, table) for other in key.reads[slot]}
            small += self._moved(slot, table, give, over)
        if not self._near(slot, number, follows, small):
            return False
        old = self._before_update(slot)
        if old is not None and abs(follows - old) <= _CLEAR * self.tolerance(slot):
            return False
        if not self._is_gesture(slot, number, follows, small, values):
            return True
        return bool(abs(number - values[slot, -1]) <= self._drift(standard)[slot])

    def _is_gesture(
        self, slot: int, number: float, follows: float, small: float, values: Values
    ) -> bool:
        """Tell whether a number follows from what was not worked out.

        An early 0 would make all that follows trivially 0: where a value that it starts from
        is 0, or it comes to 0 itself, and the right one is not, nothing is credited; neither is
        a number that was typed all over the sheet, nor what follows from one.
        """
        key, actual = self._key, self._actual
        if self._stands_everywhere(number) or self._reads_what_stands_everywhere(slot, values):
            return True
        for other in {*key.reads[slot], *slots_of(key.graded_before(slot))}:
            tiny, value = ROUNDING, actual.get(other, float(values[other, -1]))
            if key.is_graded(other) and self._takes_value(other):
                tiny = self.tolerance(other)
            if _is_empty(value, float(values[other, -1]), tiny):
                return True
        return _is_empty(follows, float(values[slot, -1]), small)

    # rounding

    def _takes_value(self, slot: int) -> bool:
        return self._key.cell(slot).takes == VALUE

    def _give(self, slot: int, table: Values) -> float:
        """Return how far the number that a student went on from may be from what stands."""
        key = self._key
        if slot < key.givens:
            return 0.0
        if key.is_graded(slot):
            typed = self._typed >> slot & 1 and self._takes_value(slot)
            return self.tolerance(slot) if typed else 0.0
        give = {other: self._give(other, table) for other in key.reads[slot]}
        return self._moved(slot, table, give, key.over)

    def _moved(self, slot: int, table: Values, give: Mapping[int, float], over: Over) -> float:
        """Return how far a cell moves at most while those that it reads move a little.

        Args:
            slot: the cell.
            table: a value of every slot, shape (slots, 1).
            give: how far each may move.
            over: the right formulas.
        """
        moving = [(other, by) for other, by in give.items() if by > 0]
        if not moving:
            return 0.0
        columns = np.repeat(table, 1 + 2 * len(moving), axis=1)
        for n, (other, by) in enumerate(moving):
            columns[other, 1 + 2 * n] += by
            columns[other, 2 + 2 * n] -= by
        moved = over(slot, columns)
        steps = np.nan_to_num(np.abs(moved[1:] - moved[0]), nan=0.0, posinf=0.0)
        return float(_SECOND_ORDER * steps.reshape(-1, 2).max(axis=1).sum())

    def _drift(self, standard: Standard) -> Values:
        """Return how far rounding at every step can move each right number, by slot."""
        if standard in self._drifts:
            return self._drifts[standard]
        key, real = self._key, standard.values[:, -1:]
        drift = np.zeros(key.slots)
        for slot in key.order:
            formula = standard.over if key.is_graded(slot) else key.over
            give = {other: float(drift[other]) for other in key.reads[slot]}
            drift[slot] = self._moved(slot, real, give, formula)
            if key.is_graded(slot) and self._takes_value(slot):
                drift[slot] += self.tolerance(slot)
        self._drifts[standard] = drift
        return drift

    # empty gestures

    def _stands_everywhere(self, number: float) -> bool:
        return self._standing[self._rounded(number)] > max(_MANY, len(self._cells) // 4)

    def _rounded(self, number: float) -> float:
        """Return a number as it is told from others: not by digits that nobody asked for."""
        return round(number, self._decimals)

    def _reads_what_stands_everywhere(self, slot: int, values: Values) -> bool:
        """Tell whether the right formula reads a wrong number that was typed all over the sheet."""
        for other in slots_of(self._key.graded_before(slot)):
            number = self._actual.get(other)
            if number is None or not self._typed >> other & 1:
                continue
            if self._stands_everywhere(number) and not self.right(other, number, values):
                return True
        return False


def _is_empty(value: float, right: float, tolerance: float) -> bool:
    """Tell whether a number is as good as 0 where the right one is not."""
    if abs(right) <= tolerance:
        return False
    small = abs(value) <= _TINY * tolerance and _BELOW * abs(value) <= abs(right)
    return abs(value) <= tolerance or small
