"""Starting weights drawn from a seed.

The generator is part of the command's promise and does not change: Python's
``random.Random(seed)``, whose ``random()`` is the same in every version. Each call
gives one weight, ``(floor(random() · 19999) − 9999) / 10000``: a number above −1 and
below 1, as in the series, with four decimals, so that a person can type it. The
weights come layer by layer and row by row, then the biases layer by layer.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

from cellgrad.case.model import Network

_STEPS = 10_000


def drawn(network: Network, seed: int) -> Network:
    """Return the network with weights, and biases where it has them, drawn anew.

    Args:
        network: its weights count for nothing; they may be empty.
        seed: 0 or more; the same seed gives the same numbers.
    """
    generator = random.Random(seed)  # noqa: S311 - no secret

    def number() -> float:
        return (math.floor(generator.random() * (2 * _STEPS - 1)) - _STEPS + 1) / _STEPS

    nodes = network.nodes
    weights = tuple(
        tuple(tuple(number() for _ in range(columns)) for _ in range(rows))
        for rows, columns in itertools.pairwise(nodes)
    )
    biases = network.biases
    if biases is not None:
        biases = tuple(tuple(number() for _ in range(count)) for count in nodes[1:])
    return replace(network, weights=weights, biases=biases)
