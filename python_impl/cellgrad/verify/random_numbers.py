"""Numbers at random with few binary digits: exact in double, in text, in any precision."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence

import numpy as np

from cellgrad.mlp.activations import Array

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
