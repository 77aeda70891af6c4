"""New givens at random, so that formulas are checked as functions, not at one point.

Every number is a multiple of a power of two with few digits: exact in double, in
15 decimal digits, and in engines that parse in extended precision.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import Key, Quantity, Structure, quantities
from cellgrad.described import Described
from cellgrad.engines import Values
from cellgrad.formula import COMPARISONS
from cellgrad.mlp import Step
from cellgrad.mlp.equations import Array
from cellgrad.mlp.step import Results, all_numbers, step_of
from cellgrad.xlsx.addresses import Place, parse_a1

if TYPE_CHECKING:
    from cellgrad.verify.cells import CellValues

GRID = 1024
WIDE = 16
"""Above this fan-in, weights are drawn smaller, so that nodes do not saturate."""


def number(rng: random.Random, low: float, high: float) -> float:
    """Return a number strictly between two."""
    return rng.randint(int(low * GRID) + 1, int(high * GRID) - 1) / GRID


def signed(rng: random.Random, reach: float) -> float:
    """Return a number in (−reach, reach) that is neither 0 nor near it."""
    return rng.choice((-1.0, 1.0)) * rng.randint(GRID // 32, GRID) / GRID * reach


def array(rng: random.Random, shape: Sequence[int], reach: float) -> Array:
    """Return an array of signed numbers."""
    count = int(np.prod(shape))
    return np.array([signed(rng, reach) for _ in range(count)]).reshape(tuple(shape))


def weights_reach(fan_in: int) -> float:
    """Return how far weights may reach from so many nodes."""
    return 2.0 if fan_in <= WIDE else max(0.125, 2.0 ** -round(np.log2(fan_in) / 2 - 2))


CALM = 30.0
"""Drawn pre-activations of networks with exponentials stay below this."""

LARGE = 1e6
"""Those of other networks stay below this."""


def calm_limit(activations: Iterable[str]) -> float:
    """Return below what pre-activations should stay, for no exponential to come near overflow."""
    return CALM if {"logistic", "softmax"} & set(activations) else LARGE


def targets(rng: random.Random, loss: str, samples: int, outputs: int) -> Array:
    """Return targets inside a loss's domain, shape (samples, outputs)."""
    shape = (samples, outputs)
    if loss == "categorical_cross_entropy":
        return np.array([_shares(rng, outputs) for _ in range(samples)])
    if loss == "perceptron":
        draw = [float(rng.randint(0, 1)) for _ in range(samples * outputs)]
    elif loss == "binary_cross_entropy":
        draw = [number(rng, 0.0, 1.0) for _ in range(samples * outputs)]
    else:
        draw = [signed(rng, 2.0) for _ in range(samples * outputs)]
    return np.array(draw).reshape(shape)


def _shares(rng: random.Random, count: int) -> list[float]:
    """Positive numbers on the grid that sum to 1 exactly."""
    if count == 1:
        return [1.0]
    grid = GRID * count
    cuts = sorted(rng.sample(range(1, grid), count - 1))
    edges = [0, *cuts, grid]
    # a power of two keeps the shares exact
    if count & (count - 1):
        scale = 1 << (grid - 1).bit_length()
        cuts = sorted(rng.sample(range(1, scale), count - 1))
        edges, grid = [0, *cuts, scale], scale
    return [(b - a) / grid for a, b in itertools.pairwise(edges)]


@dataclass(slots=True)
class Drawn:
    """One redraw.

    Attributes:
        givens: what is written into the workbook.
        step: what the MLP makes of it.
        numbers: every number that the workbook should then hold.
    """

    givens: dict[Key, Array]
    step: Step
    numbers: Results

    @classmethod
    def of(cls, structure: Structure, givens: dict[Key, Array]) -> Drawn:
        """Compute the step that the givens describe, once for all who ask."""
        step = step_of(structure, givens)
        return cls(givens, step, all_numbers(step, givens))


_KINKED = {"relu", "leaky_relu", "unit_step"}
_POOL = 12
_AWAKE = 3
_OFTEN = 3
SPECIAL = 1 + _AWAKE
"""So many draws of a network with kinks are special ones, beside those at random."""
_CLEAR = 1e-6
"""A tolerance keeps at least half of this from the gaps on both sides."""


def draw_given(rng: random.Random, quantity: Quantity, loss: str, shrink: float) -> Array:
    """Return one given of a step at random, weights made smaller by a power of two."""
    if quantity.name == "target":
        return targets(rng, loss, *quantity.shape)
    if quantity.name == "learning_rate":
        return np.array(number(rng, 0.125, 2.0))
    if quantity.name in ("leaky_slope", "weight_decay"):
        return np.array(number(rng, 0.0625, 0.5))
    reach = weights_reach(quantity.shape[0]) * shrink if quantity.name == "weights" else 2.0
    return array(rng, quantity.shape, reach)


def are_calm(numbers: Results, activations: Iterable[str]) -> bool:
    """Tell whether no pre-activation brings an exponential near overflow."""
    pre = [array for (name, _), array in numbers.items() if name == "pre_activation"]
    return max(float(np.abs(array).max()) for array in pre) < calm_limit(activations)


def redraw(structure: Structure, draw: int, shrink: float = 1.0) -> dict[Key, Array]:
    """Return givens for one redraw; the same arguments give the same draw.

    Args:
        structure: what is to be drawn.
        draw: its number.
        shrink: a power of two by which weights are made smaller.
    """
    # not for secrets: the point is that a draw can be repeated
    rng = random.Random(f"cellgrad {structure.nodes} {structure.loss} {draw}")  # noqa: S311
    found: dict[Key, Array] = {}
    for quantity in quantities(structure):
        if quantity.given:
            found[quantity.key] = draw_given(rng, quantity, structure.loss, shrink)
    # a large ε: gaps become more than rounding, and kinks are stepped over
    reach = 2 if kinked(structure) else 0
    found["epsilon", None] = np.array(2.0 ** (reach - rng.randint(0, 3)))
    found["tolerance", None] = np.array(-1.0)
    found["decimals", None] = np.array(float(rng.randint(3, 8)))
    return found


def kinked(structure: Structure) -> bool:
    """Tell whether an activation has a kink, and nodes that can be asleep."""
    return bool(_KINKED & set(structure.activations))


def calm_redraw(structure: Structure, draw: int, *, awake: bool = False) -> Drawn:
    """Redraw, with smaller weights if need be, so that no exponential comes near overflow.

    Where there are exponentials, the forward passes of the Check sheet are held to it too.

    Args:
        structure: what is to be drawn.
        draw: its number.
        awake: inputs, weights and biases positive and LR small, so that no node is
            asleep before or after the update.
    """
    exponentials = not {"logistic", "softmax"}.isdisjoint(structure.activations)
    shrink = 1.0
    while True:
        givens = redraw(structure, draw, shrink)
        if awake:
            for key in givens:
                if key[0] in ("input", "weights", "biases"):
                    givens[key] = np.abs(givens[key])
            givens["learning_rate", None] = givens["learning_rate", None] / GRID
            if not exponentials:  # so far that every moved weight puts its node asleep
                givens["epsilon", None] = np.array(64.0)
        drawn = Drawn.of(structure, givens)
        names = {"pre_activation"} | ({"pass_pre_activation"} if exponentials else set())
        pre = [array for (name, _), array in drawn.numbers.items() if name in names]
        if max(float(np.abs(array).max()) for array in pre) < CALM:
            return drawn
        shrink /= 2


def on_the_kink(structure: Structure) -> Drawn:
    """Redraw with weights and biases of 0: every pre-activation lies on the kink."""
    givens = redraw(structure, 0)
    for key in givens:
        if key[0] in ("weights", "biases"):
            givens[key] = np.zeros_like(givens[key])
    return Drawn.of(structure, givens)


def draws(structure: Structure) -> Iterator[Drawn]:
    """Yield redraws without end.

    Where an activation has a kink, most draws leave some node on one side of it. There the
    first draw lies on the kink, in the next three every node is awake, and from then on
    each draw is the one, among a pool, in which the MLP shows most that is new: what
    was really seen is still judged by the workbook's own cells.
    """
    numbers = itertools.count(1)
    if not kinked(structure):
        for n in numbers:
            yield calm_redraw(structure, n)
    yield on_the_kink(structure)
    for _ in range(_AWAKE):
        yield calm_redraw(structure, next(numbers), awake=True)
    seen: NDArray[np.int_] | int = 0
    pool = [calm_redraw(structure, next(numbers)) for _ in range(_POOL)]
    views = [_view(drawn) for drawn in pool]
    while True:
        fresh = [int(np.sum(view & (seen < _OFTEN))) for view in views]
        best = fresh.index(max(fresh))
        seen = seen + views[best]
        yield pool[best]
        pool[best] = calm_redraw(structure, next(numbers))
        views[best] = _view(pool[best])


def _view(drawn: Drawn) -> NDArray[np.bool_]:
    """Return which branches a step takes, which of its numbers are not 0, and which gaps."""
    above = [pre > 0 for pre in drawn.step.pre_activation]
    sides = np.concatenate([array.ravel() for array in above])
    unlike = np.concatenate([(a[:, 1:] != a[:, :-1]).ravel() for a in above])
    rest = np.concatenate([array.ravel() for array in drawn.step.results().values()])
    gaps = np.abs(drawn.numbers.get(("quotient_gap", None), np.empty(0)))
    return np.concatenate([sides, ~sides, unlike, rest != 0, gaps > _CLEAR])


class Tolerances:
    """Tolerances that tell the gaps of the Check sheet apart, one a draw.

    The first lies below every gap and the fifth above, so that every mark is seen both
    ways. Each of the others lies between as many as possible of the pairs that none has lain
    between yet: a gap and the next line's, a gap and the quotient beside it.
    """

    def __init__(self) -> None:
        self.draw = 0
        self.apart: NDArray[np.bool_] | None = None
        self.separable: NDArray[np.bool_] | None = None

    def complete(self) -> bool:
        """Tell whether every two neighbouring gaps that can be told apart have been."""
        if self.separable is None:
            return True
        if self.apart is None:
            return not self.separable.any()
        return not (self.separable & ~self.apart[: self.separable.size]).any()

    def next(self, gap: Array, quotient: Array) -> float:
        """Return the tolerance of the next draw.

        Args:
            gap: of every line of the Check sheet.
            quotient: of every line.
        """
        self.draw += 1
        sizes, others = np.abs(gap), np.abs(quotient)
        values = np.unique(np.concatenate([sizes, others]))
        differ = np.abs(np.diff(sizes)) > 2 * _CLEAR * np.maximum(1.0, sizes[1:])
        self.separable = differ if self.separable is None else self.separable | differ
        if self.draw == 1 or not values.size:
            return -1.0
        if self.draw == 5:
            return 2.0 ** math.ceil(math.log2(float(values[-1]) + 1))
        best, most = -1.0, None
        for low, high in itertools.pairwise(values.tolist()):
            between = _short((low + high) / 2)
            if not low < between < high or high - low < _CLEAR * max(1.0, high):
                continue
            small = sizes <= low
            now = np.concatenate([small[1:] != small[:-1], small != (others <= low)])
            new = now if self.apart is None else now & ~self.apart
            if most is None or new.sum() > most.sum():
                best, most = between, new
        if most is not None:
            self.apart = most if self.apart is None else self.apart | most
        return best


def answers(results: list[float], draw: int, decimals: int) -> list[float]:
    """Return an answer for every line.

    In the first three draws it is in turn none (NaN), a right one and a wrong one,
    neighbours unlike; from then on a right one, since that shows most of what can be wrong.

    A right answer lies where the *rounded* result would make it wrong, and a wrong one
    where that would make it right.
    """
    unit = 10.0**-decimals
    found = []
    for n, result in enumerate(results):
        away = math.copysign(unit, result / unit - round(result / unit))
        turn = (n + draw) % 3 if draw <= 3 else 1
        found.append((math.nan, result + 0.45 * away, result - 0.55 * away)[turn])
    return found


def _short(x: float) -> float:
    """Round to 12 binary digits."""
    mantissa, exponent = math.frexp(x)
    return math.ldexp(round(mantissa * 4096) / 4096, exponent)


# have the draws shown everything?

_BRANCHING = re.compile(r"\b(?:IF|MAX)\(")
_CELL = r"(?:(\w+)!)?(\$?[A-Z]{1,3}\$?\d{1,7})"
_CONDITION = re.compile(rf"IF\({_CELL}(=|<>|[<>]=?)(?:{_CELL}|(\d{{1,15}})),|MAX\(0,{_CELL}\)")
Sides = Callable[["CellValues"], set[bool]]
"""Which sides a formula with branches takes: the first (True), another (False), or both."""


class Coverage:
    """Follows the branches of IF and MAX, and the zeros of the step, over the draws."""

    def __init__(self, described: Described) -> None:
        self.described = described
        self.zero = {
            number: np.ones((claim.cells.height, claim.cells.width), dtype=bool)
            for number, claim in enumerate(described.claims)
            if claim.kind == "step"
        }
        self._sides: dict[Place, Sides] = {}
        """The formulas of which not every branch was taken."""
        self._taken: dict[Place, set[bool]] = {}
        for sheet, own in described.book.sheets.items():
            for cell, formula in own.formulas.items():
                if "IF(" not in formula and "MAX(" not in formula:
                    continue
                place = (sheet, *cell)
                owner = described.claim_of(place)
                if owner is not None and owner.kind in ("step", "check"):
                    sides = _read_condition(sheet, formula) or self._read_branches(place, formula)
                    if sides is not None:
                        self._sides[place], self._taken[place] = sides, set()

    def _read_branches(self, place: Place, formula: str) -> Sides | None:
        """Return how to tell the branches of a formula; None if the comparison will report it."""
        from cellgrad.bounds import branches_taken  # noqa: PLC0415 - start-up time
        from cellgrad.formula.references import ranges_read_by, tree_of  # noqa: PLC0415
        from cellgrad.formula.tree import FormulaError  # noqa: PLC0415

        book = self.described.book
        try:
            ranges_read_by(book, place)  # refuses what cannot be told
            tree = tree_of(book, formula)
        except (FormulaError, ValueError):
            return None
        return lambda cells: branches_taken(book, tree, place[0], cells.number)

    def observe(self, cells: CellValues) -> None:
        """Note what one draw's values show."""
        for number in self.zero:
            if self.zero[number].any():
                self.zero[number] &= _zeros(cells.blocks[number])
        for place, sides in list(self._sides.items()):
            self._taken[place] |= sides(cells)
            if len(self._taken[place]) == 2:
                del self._sides[place]

    def complete(self) -> bool:
        """Tell whether nothing is left to see."""
        return not self._sides and not any(zero.any() for zero in self.zero.values())

    def missing(self) -> list[Place]:
        """Return the cells of which something was not seen."""
        places = set(self._sides)
        for number, zero in self.zero.items():
            cells = self.described.claims[number].cells
            places |= {
                (cells.sheet, cells.top + row, cells.left + column)
                for row, column in np.argwhere(zero).tolist()
            }
        return sorted(places)


def _zeros(held: Values) -> NDArray[np.bool_]:
    """Return which cells hold the number 0."""
    if held.array is not None:
        zeros: NDArray[np.bool_] = held.array == 0
        return zeros
    return np.array([[value == 0 for value in row] for row in held.rows])


def _read_condition(sheet: str, formula: str) -> Sides | None:
    """Return how to tell the side of a formula with a single branching, and a simple one."""
    match = _CONDITION.match(formula)
    if match is None or len(_BRANCHING.findall(formula)) > 1:
        return None
    left_sheet, left, sign, right_sheet, right, number, maximum_sheet, maximum = match.groups()
    answer, limit = COMPARISONS[sign or ">"], float(number or 0)
    try:
        one = (left_sheet or maximum_sheet or sheet, *parse_a1((left or maximum).replace("$", "")))
        other = right and (right_sheet or sheet, *parse_a1(right.replace("$", "")))
    except ValueError:
        return None
    return lambda cells: {answer(cells.number(one), cells.number(other) if other else limit)}
