"""New givens at random, so that formulas are checked as functions, not at one point.

Every number is a multiple of a power of two with few digits: exact in double, in
15 decimal digits, and in engines that parse in extended precision.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import Key, quantities
from cellgrad.case.structure import Structure
from cellgrad.mlp import Step
from cellgrad.mlp.activations import Array
from cellgrad.verify.expected import step_numbers, step_of

Drawn = tuple[dict[Key, Array], Step]

_GRID = 1024
_KINKED = {"relu", "leaky_relu", "unit_step"}
_POOL = 12
CALM = 30.0
"""Redrawn pre-activations stay below this."""
_WIDE = 16
"""Above this fan-in, weights are drawn smaller, so that nodes do not saturate."""


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
        if not quantity.given:
            continue
        if quantity.name == "target":
            found[quantity.key] = _targets(structure, rng)
        elif quantity.name == "learning_rate":
            found[quantity.key] = np.array(_number(rng, 0.125, 2.0))
        elif quantity.name in ("leaky_slope", "weight_decay"):
            found[quantity.key] = np.array(_number(rng, 0.0625, 0.5))
        else:
            reach = 2.0
            if quantity.name == "weights" and quantity.shape[0] > _WIDE:
                reach = max(0.125, 2.0 ** -round(np.log2(quantity.shape[0]) / 2 - 2))
            if quantity.name == "weights":
                reach *= shrink
            count = int(np.prod(quantity.shape))
            values = [_signed(rng, reach) for _ in range(count)]
            found[quantity.key] = np.array(values).reshape(quantity.shape)
    found["epsilon", None] = np.array(2.0 ** -rng.randint(14, 18))
    found["tolerance", None] = np.array(2.0 ** -rng.choice((12, 16, 60, 64)))
    found["decimals", None] = np.array(float(rng.randint(3, 8)))
    return found


def calm_redraw(structure: Structure, draw: int) -> Drawn:
    """Redraw, with smaller weights if need be, so that no exponential comes near overflow."""
    shrink = 1.0
    while True:
        givens = redraw(structure, draw, shrink)
        step = step_of(structure, givens)
        if max(float(np.abs(pre).max()) for pre in step.pre_activation) < CALM:
            return givens, step
        shrink /= 2


def draws(structure: Structure) -> Iterator[Drawn]:
    """Yield redraws without end.

    Where an activation has a kink, most draws leave some node on one side of it. There
    each draw is the one, among a pool, in which the MLP shows most that is new: what
    was really seen is still judged by the workbook's own cells.
    """
    number = itertools.count(1)
    if not _KINKED & set(structure.activations):
        for n in number:
            yield calm_redraw(structure, n)
    seen: NDArray[np.bool_] | None = None
    pool = [calm_redraw(structure, next(number)) for _ in range(_POOL)]
    while True:
        views = [_view(drawn[1]) for drawn in pool]
        fresh = [int(view.sum() if seen is None else (view & ~seen).sum()) for view in views]
        best = fresh.index(max(fresh))
        seen = views[best] if seen is None else seen | views[best]
        yield pool[best]
        pool[best] = calm_redraw(structure, next(number))


def _view(step: Step) -> NDArray[np.bool_]:
    """Return which branches a step takes, and which of its numbers are not zero."""
    pre = np.concatenate([array.ravel() for array in step.pre_activation])
    rest = np.concatenate([array.ravel() for array in step_numbers(step).values()])
    return np.concatenate([pre > 0, pre <= 0, rest != 0])


def answers(results: list[float], draw: int, decimals: int) -> list[float]:
    """Return answers for every line: right and wrong ones in turn, changing places each draw."""
    unit = 10.0**-decimals
    found = []
    for n, result in enumerate(results):
        side = 1 if (n // 2 + draw) % 2 else -1
        off = 0.4 if (n + draw) % 2 else 0.6
        found.append(result + side * off * unit)
    return found


def _number(rng: random.Random, low: float, high: float) -> float:
    return rng.randint(int(low * _GRID) + 1, int(high * _GRID) - 1) / _GRID


def _signed(rng: random.Random, reach: float) -> float:
    """A number in (−reach, reach) that is neither 0 nor near it."""
    return rng.choice((-1.0, 1.0)) * rng.randint(_GRID // 32, _GRID) / _GRID * reach


def _targets(structure: Structure, rng: random.Random) -> Array:
    shape = (structure.samples, structure.outputs)
    if structure.loss == "categorical_cross_entropy":
        return np.array([_shares(rng, structure.outputs) for _ in range(structure.samples)])
    if structure.loss == "perceptron":
        draw = [float(rng.randint(0, 1)) for _ in range(shape[0] * shape[1])]
    elif structure.loss == "binary_cross_entropy":
        draw = [_number(rng, 0.0, 1.0) for _ in range(shape[0] * shape[1])]
    else:
        draw = [_signed(rng, 2.0) for _ in range(shape[0] * shape[1])]
    return np.array(draw).reshape(shape)


def _shares(rng: random.Random, count: int) -> list[float]:
    """Positive numbers on the grid that sum to 1 exactly."""
    if count == 1:
        return [1.0]
    grid = _GRID * count
    cuts = sorted(rng.sample(range(1, grid), count - 1))
    edges = [0, *cuts, grid]
    # a power of two keeps the shares exact
    if count & (count - 1):
        scale = 1 << (grid - 1).bit_length()
        cuts = sorted(rng.sample(range(1, scale), count - 1))
        edges, grid = [0, *cuts, scale], scale
    return [(b - a) / grid for a, b in itertools.pairwise(edges)]
