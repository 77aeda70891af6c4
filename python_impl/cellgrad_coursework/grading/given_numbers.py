"""What a given cell of the handout holds in a case."""

from __future__ import annotations

from cellgrad.case.model import Case
from cellgrad_coursework.model import GivenCell


def given_number(case: Case, given: GivenCell) -> float:
    """Return what a given is in a case.

    Raises:
        KeyError: the case has no such given.
    """
    name, k, index = given.quantity, given.layer, given.index
    if name in ("input", "target"):
        sample = case.samples[index[0]]
        return float((sample.input if name == "input" else sample.target)[index[1]])
    if name == "weights":
        return float(case.network.weights[k or 0][index[0]][index[1]])
    if name == "biases":
        return float((case.network.biases or ())[k or 0][index[0]])
    return float(
        {
            "learning_rate": case.step_learning_rate(),
            "leaky_slope": case.network.leaky_slope,
            "weight_decay": case.optimizer.weight_decay,
        }[name]
    )
