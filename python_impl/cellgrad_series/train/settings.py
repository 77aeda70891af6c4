"""The run that is asked for: a case, changed by what the command line says.

The generator of starting weights is part of the command's promise and does not change:
Python's ``random.Random(seed)``, whose ``random()`` is the same in every version. Each call
gives one weight, ``(floor(random() · 19999) − 9999) / 10000``: a number above −1 and
below 1, as in the series, with four decimals, so that a person can type it. The
weights come layer by layer and row by row, then the biases layer by layer.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

from cellgrad.case.model import MAX_EPOCHS, Case, Network
from cellgrad.errors import CaseError, InputError

_STEPS = 10_000


def draw_weights(network: Network, seed: int) -> Network:
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


HIDDEN_NODES, MAX_HIDDEN = 4, 10_000
DEFAULT_SEED = 1
"""Where there is no case, there are no weights to start from: they are drawn."""


def series_case(inputs: int, hidden: int = HIDDEN_NODES) -> Case:
    """Return the set-up of the series: one hidden layer, one output, logistic, LR 1, no biases.

    Its weights are still to be drawn and it has no samples.
    """
    if hidden > MAX_HIDDEN:
        raise InputError(
            "a number too large to be meant", place="--hidden", remedy=f"up to {MAX_HIDDEN:,}"
        )
    network = Network((inputs, hidden, 1), ("logistic", "logistic"), weights=())
    return Case(
        id="series-set-up",
        title=f"The set-up of the series: {inputs}-{hidden}-1, logistic, no biases",
        network=network,
        loss="half_squared_error",
        samples=(),
    )


def change_case(
    case: Case,
    *,
    epochs: int | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
) -> Case:
    """Return the case with other epochs, another learning rate or drawn weights.

    Raises:
        CaseError: its list of learning rates does not fit the number of updates.
    """
    if epochs is not None:
        if epochs > MAX_EPOCHS:
            raise InputError(
                "a number too large to be meant", place="--epochs", remedy=f"up to {MAX_EPOCHS:,}"
            )
        case = replace(case, epochs=epochs)
    if learning_rate is not None:
        case = replace(case, learning_rate=learning_rate)
    if seed is not None:
        case = replace(case, network=draw_weights(case.network, seed))
    rates = case.learning_rate
    if isinstance(rates, tuple) and len(rates) != case.updates():
        raise CaseError(
            f"{len(rates)} learning rates for {case.updates()} updates",
            place="learning_rate",
            remedy="give one number with --learning-rate",
        )
    return case
