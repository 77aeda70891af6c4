"""Random givens on which formulas are compared as functions, not at one point.

Every number has few binary digits, and the same manifest draws the same numbers everywhere.
Pre-activations stay where activations are steep: on a flat one an unchanged weight would look
like a right one. Nodes with a kink are seen on both sides of it.
"""

from __future__ import annotations

import random

import numpy as np

from cellgrad.case.givens import Array
from cellgrad.case.quantities import Quantity, Structure, quantities
from cellgrad.errors import InputError
from cellgrad.mlp.step import step_of
from cellgrad.verify.redraw import array, number, targets
from cellgrad_coursework.grading.key import Givens
from cellgrad_coursework.model import Manifest

COUNT = 16
"""So many draws, beside the real givens."""

_STEEP = 3.0
"""Pre-activations of logistic, tanh and softmax nodes stay below this."""

_LARGE = 64.0
"""Those of other nodes stay below this."""

_CLEAR = 2.0**-6
"""At a kink, pre-activations stay at least so far from it."""

_KINKED = ("relu", "leaky_relu", "unit_step")
_AWAKE = 3
_POOL = 24
_POSITIVE = (0.5, 0.65, 0.8)
"""Shares of positive weights and inputs: with many, most nodes are awake together."""

_TRIES = 400


def draws_of(manifest: Manifest) -> list[Givens]:
    """Return the draws of an assignment: the same wherever its submissions are graded.

    Raises:
        InputError: the manifest cannot be used.
    """
    for handout in manifest.handouts.values():
        return draw_givens(handout.case.structure(), manifest.version)
    raise InputError("the manifest has no handouts", remedy="run cellgrad assign again")


def draw_givens(structure: Structure, seed: str) -> list[Givens]:
    """Return COUNT sets of givens.

    Args:
        structure: what is drawn for.
        seed: the manifest's version.
    """
    # not for secrets: the point is that a draw can be repeated
    rng = random.Random(f"cellgrad coursework {seed}")  # noqa: S311
    if not set(_KINKED) & set(structure.activations):
        return [_fit(structure, rng)[0] for _ in range(COUNT)]
    draws = [_fit(structure, rng, positive=1.0) for _ in range(_AWAKE)]
    seen = sum((view for _, view in draws), start=np.zeros(1, dtype=np.int64))
    while len(draws) < COUNT:  # the one, among a pool, that shows what was seen least
        pool = [_fit(structure, rng, positive=_POSITIVE[n % 3]) for n in range(_POOL)]
        best = max(pool, key=lambda item: float(np.sum(item[1] / (1.0 + seen) ** 2)))
        draws.append(best)
        seen = seen + best[1]
    return [givens for givens, _ in draws]


def _fit(
    structure: Structure, rng: random.Random, *, positive: float | None = None
) -> tuple[Givens, Array]:
    """Return givens inside the domain, and what they show of nodes with a kink.

    Args:
        structure: what is drawn for.
        rng: the source.
        positive: the share of inputs, weights and biases that are made positive; None leaves
            their signs alone.
    """
    shrink = 1.0
    for attempt in range(_TRIES):
        givens = _drawn(structure, rng, shrink, positive)
        view = _view(structure, givens, lenient=attempt > _TRIES // 2)
        if view is not None:
            return givens, view
        shrink = max(shrink * 0.9, 2.0**-8)
    return givens, np.zeros(1)


def _drawn(
    structure: Structure, rng: random.Random, shrink: float, positive: float | None
) -> Givens:
    givens: Givens = {}
    for quantity in quantities(structure):
        if quantity.given:
            givens[quantity.key] = _numbers(quantity, structure, rng, shrink)
            if positive is not None and quantity.name in ("input", "weights", "biases"):
                sizes = np.abs(givens[quantity.key])
                signs = [1.0 if rng.random() < positive else -1.0 for _ in range(sizes.size)]
                givens[quantity.key] = sizes * np.array(signs).reshape(sizes.shape)
    return givens


def _numbers(quantity: Quantity, structure: Structure, rng: random.Random, shrink: float) -> Array:
    if quantity.name == "target":
        drawn = targets(rng, structure.loss, structure.samples, structure.outputs)
        return np.asarray(drawn, np.float64)
    if quantity.name == "learning_rate":
        return np.array(number(rng, 0.125, 2.0))
    if quantity.name in ("leaky_slope", "weight_decay"):
        return np.array(number(rng, 0.0625, 0.5))
    reach = 2.0 if quantity.name == "weights" else 1.0
    numbers = np.asarray(array(rng, quantity.shape, reach), np.float64)
    if quantity.name == "weights" and shrink < 1.0:
        numbers = np.round(numbers * shrink * 2**20) / 2**20  # few digits all the same
    return numbers


def _view(structure: Structure, givens: Givens, *, lenient: bool) -> Array | None:
    """Return which sides of kinks are shown, each beside which error signals that are not 0.

    A mistake at a sleeping node shows only where an error still flows past it.

    Returns:
        a mark for every side, and for every side with every signal; None where a
        pre-activation is out of bounds.
    """
    step = step_of(structure, givens)
    sides = []
    for name, pre in zip(structure.activations, step.pre_activation, strict=True):
        sizes = np.abs(pre)
        steep = name in ("logistic", "tanh", "softmax")
        if not lenient and float(sizes.max()) > (_STEEP if steep else _LARGE):
            return None
        if name in _KINKED:
            if not lenient and float(sizes.min()) < _CLEAR:
                return None
            sides += [(pre > 0).ravel(), (pre <= 0).ravel()]
    if not sides:
        return np.zeros(1, dtype=np.int64)
    side = np.concatenate(sides)
    flowing = np.concatenate([signal.ravel() != 0 for signal in step.error_signal])
    return np.concatenate((side, np.outer(side, flowing).ravel())).astype(np.int64)
