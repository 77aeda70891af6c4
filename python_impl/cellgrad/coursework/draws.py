"""Random givens on which formulas are compared as functions, not at one point.

Every number has few binary digits, and the same manifest draws the same numbers everywhere.
Pre-activations stay where activations are steep: on a flat one an unchanged weight would look
like a right one. Nodes with a kink are seen on both sides of it.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from cellgrad.case.model import Case, Network, Sample
from cellgrad.case.quantities import Key, Quantity, quantities
from cellgrad.case.structure import Structure
from cellgrad.mlp.activations import Array
from cellgrad.verify.expected import step_of
from cellgrad.verify.random_numbers import array, number, targets

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
_POOL = 12
_TRIES = 400

Givens = dict[Key, Array]


def draw_givens(structure: Structure, seed: str, count: int = COUNT) -> list[Givens]:
    """Return so many sets of givens.

    Args:
        structure: what is drawn for.
        seed: the manifest's version.
        count: how many.
    """
    # not for secrets: the point is that a draw can be repeated
    rng = random.Random(f"cellgrad coursework {seed}")  # noqa: S311
    if not set(_KINKED) & set(structure.activations):
        return [_fit(structure, rng)[0] for _ in range(count)]
    found = [_fit(structure, rng, awake=True) for _ in range(min(_AWAKE, count))]
    seen = sum((view for _, view in found), start=np.zeros(1, dtype=np.int64))
    while len(found) < count:  # the one, among a pool, that shows the sides seen least
        pool = [_fit(structure, rng) for _ in range(_POOL)]
        best = max(pool, key=lambda item: float(np.sum(item[1] / (1.0 + seen) ** 2)))
        found.append(best)
        seen = seen + best[1]
    return [givens for givens, _ in found]


def _fit(structure: Structure, rng: random.Random, *, awake: bool = False) -> tuple[Givens, Array]:
    """Return givens inside the domain, and which side of each node's kink they show."""
    shrink = 1.0
    for attempt in range(_TRIES):
        givens = _drawn(structure, rng, shrink, awake=awake)
        view = _view(structure, givens, lenient=attempt > _TRIES // 2)
        if view is not None:
            return givens, view
        shrink = max(shrink * 0.9, 2.0**-8)
    return givens, np.zeros(1)


def _drawn(structure: Structure, rng: random.Random, shrink: float, *, awake: bool) -> Givens:
    found: Givens = {}
    for quantity in quantities(structure):
        if quantity.given:
            found[quantity.key] = _numbers(quantity, structure, rng, shrink)
            if awake and quantity.name in ("input", "weights", "biases"):
                found[quantity.key] = np.abs(found[quantity.key])
    return found


def _numbers(quantity: Quantity, structure: Structure, rng: random.Random, shrink: float) -> Array:
    if quantity.name == "target":
        return targets(rng, structure.loss, structure.samples, structure.outputs)
    if quantity.name == "learning_rate":
        return np.array(number(rng, 0.125, 2.0))
    if quantity.name in ("leaky_slope", "weight_decay"):
        return np.array(number(rng, 0.0625, 0.5))
    reach = 2.0 if quantity.name == "weights" else 1.0
    found = array(rng, quantity.shape, reach)
    if quantity.name == "weights" and shrink < 1.0:
        found = np.round(found * shrink * 2**20) / 2**20  # few digits all the same
    return found


def _view(structure: Structure, givens: Givens, *, lenient: bool) -> Array | None:
    """Return which sides are shown; None where a pre-activation is out of bounds."""
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
    return np.concatenate(sides).astype(np.int64) if sides else np.zeros(1, dtype=np.int64)


def case_with(case: Case, givens: Givens) -> Case:
    """Return a case with other givens."""
    layers = range(len(case.network.nodes) - 1)
    network: Network = replace(
        case.network,
        weights=tuple(
            tuple(tuple(float(x) for x in row) for row in givens["weights", k]) for k in layers
        ),
    )
    if case.network.biases is not None:
        network = replace(
            network,
            biases=tuple(tuple(float(x) for x in givens["biases", k]) for k in layers),
        )
    if ("leaky_slope", None) in givens:
        network = replace(network, leaky_slope=float(givens["leaky_slope", None]))
    optimizer = case.optimizer
    if ("weight_decay", None) in givens:
        optimizer = replace(optimizer, weight_decay=float(givens["weight_decay", None]))
    samples = tuple(
        Sample(tuple(map(float, x)), tuple(map(float, t)))
        for x, t in zip(givens["input", None], givens["target", None], strict=True)
    )
    return replace(
        case, network=network, optimizer=optimizer, samples=samples,
        learning_rate=float(givens["learning_rate", None]),
    )  # fmt: skip
