"""Whether a program, right or mistaken, reproduces an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cellgrad_audit.answer import Answer, Slot, Vector
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.prediction import bounds, predicted

PRECISIONS = ("float64", "float32")
_NEAR = 1e-3
"""A number that lies farther from a prediction than this, relative to its size, is not it:
no need for the bound. (Bounds over a few updates are far below, in either precision.)"""

_WIDEST = {"float64": 1e-7, "float32": 1e-3}
"""A bound wider than this, relative to the number, counts as this: a mistaken run may leave
all bounds behind, and what it then reproduces it reproduces far better than they say."""

Mask = dict[Slot, "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]"]


@dataclass(slots=True)
class Hypothesis:
    """A program, and what it predicts of the answers at hand.

    Attributes:
        program: the program.
        answers: the answers that it is held against.
        tolerance: how far a number may lie from a prediction beyond its bound.
    """

    program: type[Program]
    answers: Sequence[Answer]
    tolerance: float = 0.0
    _early: dict[int, Hypothesis] = field(default_factory=dict)
    _values: dict[int, dict[Slot, Vector]] = field(default_factory=dict)
    _bounds: dict[tuple[int, str], dict[Slot, Vector]] = field(default_factory=dict)

    def values(self, n: int) -> dict[Slot, Vector]:
        """Return the predictions for answer n."""
        if n not in self._values:
            answer = self.answers[n]
            self._values[n] = predicted(self.program, answer.case, answer.numbers)
        return self._values[n]

    def bounds(self, n: int, precision: str) -> dict[Slot, Vector]:
        """Return by how much the numbers of answer n may differ from the predictions.

        Both sides' error bounds: the target's, in its precision, and that of the prediction,
        which is computed in double precision.
        """
        if (n, precision) not in self._bounds:
            self._bounds[n, precision] = self.theirs_and_ours(n, precision)
        return self._bounds[n, precision]

    def theirs_and_ours(self, n: int, precision: str) -> dict[Slot, Vector]:
        """Return the target's bounds and those of the predictions, added."""
        answer = self.answers[n]
        theirs = bounds(self.program, answer.case, answer.numbers, precision)
        if precision == "float64":
            return {slot: 2 * bound for slot, bound in theirs.items()}
        ours = bounds(self.program, answer.case, answer.numbers, "float64")
        return {slot: bound + ours[slot] for slot, bound in theirs.items()}

    def near(self, n: int) -> Mask:
        """Return which numbers of answer n lie near the predictions; NaN counts as near."""
        found, values = {}, self.values(n)
        for slot, numbers in self.answers[n].numbers.items():
            if slot not in values or values[slot].shape != numbers.values.shape:
                found[slot] = np.isnan(numbers.values)
                continue
            gap = np.abs(numbers.values - values[slot]) - numbers.half_units
            allowed = max(self.tolerance, _NEAR) + _NEAR * np.abs(values[slot])
            found[slot] = np.isnan(numbers.values) | (gap <= allowed)
        return found

    def matches(self, n: int, precision: str) -> Mask:
        """Return which numbers of answer n follow from the program; NaN counts as following."""
        near = self.near(n)
        if not any(mask.any() for mask in near.values()):
            return near
        values, allowed = self.values(n), self.bounds(n, precision)
        for slot, numbers in self.answers[n].numbers.items():
            if slot not in values or values[slot].shape != numbers.values.shape:
                continue
            with np.errstate(all="ignore"):
                gap = np.abs(numbers.values - values[slot])
                widest = _WIDEST[precision] * (1 + np.abs(values[slot]))
                limit = np.fmin(allowed[slot], widest) + self.tolerance
            limit += _printed(numbers.half_units, numbers.values)
            near[slot] &= np.isnan(numbers.values) | (gap <= limit)
        return near

    def explains(self, n: int, precision: str) -> bool:
        """Whether every number of answer n follows; a long run's beginning is tried first."""
        parts = self.answers[n].parts()
        if len(parts) > 1:
            if n not in self._early:
                self._early[n] = type(self)(self.program, parts[:1], self.tolerance)
            if not self._early[n].explains(0, precision):
                return False
        if not all(mask.all() for mask in self.near(n).values()):
            return False
        return all(mask.all() for mask in self.matches(n, precision).values())

    def explains_all(self, precision: str) -> bool:
        """Whether every number of every answer follows."""
        return all(self.explains(n, precision) for n in range(len(self.answers)))

    def differs(self, n: int, other: Hypothesis, least: float = 1e-12) -> bool:
        """Whether it predicts anything else for answer n than another program does."""
        mine, theirs = self.values(n), other.values(n)
        if set(mine) != set(theirs):
            return True
        return any(not _same(mine[slot], theirs[slot], least) for slot in mine)


def _printed(half_units: Vector, values: Vector) -> Vector:
    """Half a unit of the last place, which the decimal literal itself misses by a rounding."""
    return half_units + np.where(half_units > 0, 2.0**-52 * np.abs(np.nan_to_num(values)), 0.0)


def _same(a: Vector, b: Vector, least: float) -> bool:
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):
        close = np.abs(a - b) <= least * (1 + np.abs(b))
    return bool(np.all(close | (np.isnan(a) & np.isnan(b)) | (a == b)))
