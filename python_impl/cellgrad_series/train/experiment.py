"""Running an experiment: every number of hidden nodes from every start, and what it scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from cellgrad_series.experiment import Settings
from cellgrad_series.kernels import Training
from cellgrad_series.parts.classification import LIMIT

DECIMALS = 4


def run_experiment(settings: Settings, advance: Callable[[], None] = lambda: None) -> bytes:
    """Train every network of an experiment; return the results as a JSON file.

    Args:
        settings: what is trained, and how often.
        advance: called after each run.

    Raises:
        CaseError: a network cannot be trained.
    """
    rows = []
    for hidden in settings.hidden_nodes:
        row = []
        for seed in settings.seeds:
            row.append(_accuracy(settings, hidden, seed))
            advance()
        rows.append(row)
    found: dict[str, Any] = {
        "schema": "cellgrad-experiment-results/1",
        "id": settings.id,
        "hidden_nodes": list(settings.hidden_nodes),
        "seeds": list(settings.seeds),
    }
    lines = ",\n    ".join(json.dumps(row) for row in rows)
    head = json.dumps(found, indent=2)[:-2]
    return f'{head},\n  "accuracy": [\n    {lines}\n  ]\n}}\n'.encode()


def _accuracy(settings: Settings, hidden: int, seed: int) -> float:
    """Return the share of validation samples on the right side of the limit, rounded."""
    case = settings.run(hidden, seed)
    training = Training(case, "plain")  # the bits of the definition, with or without numba
    for _ in range(case.epochs):
        training.run_epoch()
    inputs = np.array([sample.input for sample in case.validation])
    targets = np.array([sample.target for sample in case.validation])[:, 0]
    called = training.outputs(inputs)[:, 0] > LIMIT
    right = int(np.count_nonzero(called == (targets > LIMIT)))
    return round(right / len(case.validation), DECIMALS)
