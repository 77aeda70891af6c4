"""The run that is asked for: a case, changed by what the command line says."""

from __future__ import annotations

from dataclasses import replace

from cellgrad.case.model import Case, Network
from cellgrad.case.read import MAX_EPOCHS
from cellgrad.errors import CaseError, InputError
from cellgrad_series.train.drawing import drawn

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


def changed(
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
        case = replace(case, network=drawn(case.network, seed))
    rates = case.learning_rate
    if isinstance(rates, tuple) and len(rates) != case.updates():
        raise CaseError(
            f"{len(rates)} learning rates for {case.updates()} updates",
            place="learning_rate",
            remedy="give one number with --learning-rate",
        )
    return case
