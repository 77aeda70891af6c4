"""Numbers under which a mistake would pass unseen, or an unchanged weight would.

A mistake of the catalogue *shows* in a cell if it makes a difference there in exact
arithmetic: if its value differs beyond rounding with these numbers or with some close by.
Where it shows, the key must lie ten tolerances away from it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.givens import givens_of
from cellgrad.case.model import Case, Sample
from cellgrad.case.quantities import Key, Quantity, table
from cellgrad.errors import InputError
from cellgrad_audit.bugs.catalogue import Variant
from cellgrad_audit.bugs.pairs import paired
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.grading.key import ABSOLUTE, RELATIVE, Values
from cellgrad_coursework.model import VALUE
from cellgrad_coursework.secret import Stream
from cellgrad_coursework.setting.assignment import Assignment
from cellgrad_coursework.setting.givens import draw_case, why_unfit

AWAY = 10.0
"""How many tolerances a mistake must lie away."""

_GENERIC, _GENERIC_TRIES = 5, 1_000
_NEARBY = 3
_NEARBY_SIZE = 2.0**-10
_ROUNDING = 1e-12
_ROUNDING_OF_ONE = 8e-15


@dataclass(frozen=True, slots=True)
class Unseen:
    """A mistake that these numbers would let pass in a cell of a quantity.

    Attributes:
        mistake: its id in the catalogue; empty where the weight would not change.
        key: the quantity.
    """

    mistake: str
    key: Key

    def words(self) -> str:
        """Return it in words, without the cell."""
        name, layer = self.key
        where = name if layer is None else f"{name}, layer {layer + 1}"
        if not self.mistake:
            return f"an unchanged weight or bias would pass ({where})"
        return f"{self.mistake} would pass ({where})"


class Discrimination:
    """Judges the numbers of one assignment.

    Args:
        assignment: the assignment.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        blanks = assignment.blank_of()
        quantities: dict[Key, Quantity] = table(assignment.structure)
        self.keys = [key for key in quantities if key in blanks]
        self._shapes = {key: quantities[key].shape for key in self.keys}
        sizes = [int(np.prod(self._shapes[key], dtype=int)) for key in self.keys]
        self._starts = np.cumsum([0, *sizes])
        typed = [blanks[key].takes == VALUE for key in self.keys]
        half = [0.5 * 10.0 ** -blanks[key].decimals for key in self.keys]
        self._typed = np.repeat(np.array(typed, dtype=bool), sizes)
        self._half = np.repeat(np.array(half), sizes)
        accepted = set(assignment.policy.conventions)
        fitting = [variant for variant in paired() if variant.entry not in accepted]
        self._mistakes = self._relevant(fitting, generic_sets(assignment))

    @property
    def mistakes(self) -> list[str]:
        """The ids of the mistakes that show in some graded cell, in the order of the flow."""
        return list(dict.fromkeys(variant.entry for variant, _ in self._mistakes))

    def why_not(self, case: Case) -> str:
        """Return why these numbers will not do; nothing where they will."""
        unfit = why_unfit(case)
        unseen = None if unfit else self.unseen(case)
        return unfit if unseen is None else unseen.words()

    def unseen(self, case: Case) -> Unseen | None:
        """Return a mistake that these numbers would let pass; None where there is none."""
        with np.errstate(all="ignore"):
            right = self._values(Program, case)
            if right is None:
                return None
            return self._unchanged(case, right) or self._too_close(case, right)

    def _unchanged(self, case: Case, right: Values) -> Unseen | None:
        givens = {(f"new_{name}", k): values for (name, k), values in givens_of(case).items()}
        old = self._flat(givens)
        near = np.abs(right - old) <= AWAY * self._tolerance(right, old)
        return self._first("", near)

    def _too_close(self, case: Case, right: Values) -> Unseen | None:
        nearby: list[tuple[Case, Values]] = []
        for variant, shows in self._mistakes:
            wrong = self._values(variant.program, case)
            if wrong is None:
                continue
            gap = np.abs(wrong - right)
            near = shows & (gap <= AWAY * self._tolerance(right, wrong))
            same = near & ~_differ(right, wrong)
            if same.any():
                if not nearby:
                    nearby = self._nearby(case)
                near &= ~same | self._shows(variant, nearby)
            unseen = self._first(variant.entry, near)
            if unseen is not None:
                return unseen
        return None

    def _nearby(self, case: Case) -> list[tuple[Case, Values]]:
        cases = nearby_cases(case, samples=self.assignment.samples is None)
        valued = [(other, self._values(Program, other)) for other in cases]
        return [(other, values) for other, values in valued if values is not None]

    def _shows(self, variant: Variant, sets: Sequence[tuple[Case, Values]]) -> NDArray[np.bool_]:
        shows = np.zeros(self._starts[-1], dtype=bool)
        for case, right in sets:
            wrong = self._values(variant.program, case)
            if wrong is not None:
                shows |= _differ(right, wrong)
        return shows

    def _relevant(
        self, candidates: Sequence[Variant], sets: Sequence[Case]
    ) -> list[tuple[Variant, NDArray[np.bool_]]]:
        """Return the mistakes that show somewhere, each once, and where they do."""
        relevant, seen = [], set()
        with np.errstate(all="ignore"):
            rights = [(case, self._values(Program, case)) for case in sets]
            for variant in candidates:
                shows = np.zeros(self._starts[-1], dtype=bool)
                prediction = b""
                for case, right in rights:
                    wrong = self._values(variant.program, case)
                    if wrong is None or right is None:
                        break
                    shows |= _differ(right, wrong)
                    prediction += np.round(wrong, 9).tobytes()
                if shows.any() and prediction not in seen:
                    seen.add(prediction)
                    relevant.append((variant, shows))
        return relevant

    def _tolerance(self, right: Values, other: Values) -> Values:
        largest = np.maximum(np.abs(right), np.abs(other))
        return np.where(self._typed, self._half, ABSOLUTE + RELATIVE * largest)

    def _values(self, program: type[Program], case: Case) -> Values | None:
        """Return all graded cells as a program has them; None where it makes no step of it."""
        try:
            steps = program(case, keep={1}, last=1).run().steps
        except (IndexError, ValueError, KeyError, TypeError, ZeroDivisionError):
            return None  # a mistake about several samples or updates, where there is but one
        return self._flat(steps[0]) if steps else None

    def _flat(self, values: Mapping[Key, Values]) -> Values:
        """Return the graded cells in one row; what is missing or of another shape is nan."""
        flat = np.full(self._starts[-1], np.nan)
        for key, start in zip(self.keys, self._starts, strict=False):
            if key in values and np.shape(values[key]) == self._shapes[key]:
                part = np.ravel(values[key])
                flat[start : start + len(part)] = part
        return flat

    def _first(self, mistake: str, near: NDArray[np.bool_]) -> Unseen | None:
        """Return what is too near in the first cell where it is; None where it nowhere is."""
        if not near.any():
            return None
        place = int(np.flatnonzero(near)[0])
        number = int(np.searchsorted(self._starts, place, side="right")) - 1
        return Unseen(mistake, self.keys[number])


@lru_cache(maxsize=32)
def judge_of(assignment: Assignment) -> Discrimination:
    """Return the judge of an assignment's numbers, made once."""
    return Discrimination(assignment)


def _differ(right: Values, wrong: Values) -> NDArray[np.bool_]:
    """Tell where two values differ by more than rounding, or are none."""
    largest = np.maximum(np.abs(right), np.abs(wrong))
    near: NDArray[np.bool_] = np.abs(wrong - right) <= _ROUNDING_OF_ONE + _ROUNDING * largest
    return ~near


def generic_sets(assignment: Assignment) -> list[Case]:
    """Return sets of numbers without any pattern, the same whenever they are asked for.

    Raises:
        InputError: of a thousand sets of numbers none is fit.
    """
    sets: list[Case] = []
    reasons: Counter[str] = Counter()
    for number in range(_GENERIC_TRIES):
        case = draw_case(assignment, Stream(f"generic {number}".encode()))
        reason = why_unfit(case)
        reasons[reason] += 1
        if not reason:
            sets += nearby_cases(case, samples=assignment.samples is None)[:1]
        if len(sets) == _GENERIC:
            break
    if not sets:
        fixed = assignment.samples is not None
        raise InputError(
            f"no fit numbers were sets: mostly, {reasons.most_common(1)[0][0]}",
            place="training.samples" if fixed else "network",
            remedy="let samples be drawn" if fixed else "take a smaller network",
        )
    return sets


def nearby_cases(case: Case, *, samples: bool) -> list[Case]:
    """Return cases whose numbers lie close by, none of them round.

    Args:
        case: the case.
        samples: whether inputs and targets move too, or only the network.
    """
    drawing = random.Random(1)  # noqa: S311 - no secret: any numbers close by do

    def moved(value: float) -> float:
        return value * (1.0 + _NEARBY_SIZE * drawing.uniform(0.3, 1.0) * drawing.choice((-1, 1)))

    cases = []
    for _ in range(_NEARBY):
        weights = tuple(
            tuple(tuple(map(moved, row)) for row in layer) for layer in case.network.weights
        )
        biases = case.network.biases and tuple(
            tuple(map(moved, layer)) for layer in case.network.biases
        )
        around = case.samples
        if samples:
            around = tuple(
                Sample(tuple(map(moved, s.input)), _moved_target(case.loss, s.target, moved))
                for s in case.samples
            )
        network = replace(case.network, weights=weights, biases=biases)
        cases.append(replace(case, network=network, samples=around))
    return cases


def _moved_target(
    loss: str, target: Sequence[float], moved: Callable[[float], float]
) -> tuple[float, ...]:
    if loss == "perceptron":
        return tuple(target)
    values = tuple(map(moved, target))
    total = sum(values) if loss == "categorical_cross_entropy" else 1.0
    return tuple(value / total for value in values)
