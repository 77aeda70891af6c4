"""An experiment: one network trained many times, and what came of it; settings and results.

The settings are written by hand (``reference/experiments/NAME.toml``), the results by
``python_impl/regenerate.py`` (``NAME.json``).
"""

from __future__ import annotations

import json
import math
import random
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cellgrad import shipped
from cellgrad.case.model import Case, Vector, read_case
from cellgrad.errors import CaseError, InputError
from cellgrad.files import read_limited
from cellgrad_series.kernels import Training
from cellgrad_series.parts.classification import LIMIT
from cellgrad_series.train.run import fill_network

MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What is trained, and how often.

    Attributes:
        id: the experiment's name.
        case: samples, loss and rule; its weights and hidden nodes are replaced.
        hidden_nodes: a row of the results each.
        seeds: a column of the results each.
        low: the least starting weight.
        high: the largest.
        decimals: to how many decimals starting weights are rounded.
    """

    id: str
    case: Case
    hidden_nodes: tuple[int, ...]
    seeds: tuple[int, ...]
    low: float
    high: float
    decimals: int

    def run(self, hidden: int, seed: int) -> Case:
        """Return the case of one run: so many hidden nodes, weights drawn from a seed.

        Weights come layer by layer and row by row, then biases layer by layer.
        """
        generator = random.Random(seed)  # noqa: S311 - not for secrets

        def number() -> float:
            return round(generator.uniform(self.low, self.high), self.decimals)

        network = self.case.network
        nodes = (network.nodes[0], hidden, network.nodes[-1])
        return replace(self.case, network=fill_network(replace(network, nodes=nodes), number))


@dataclass(frozen=True, slots=True)
class Experiment:
    """What came of it.

    Attributes:
        counts: numbers of hidden nodes.
        accuracies: shares of right validation samples, a row a number, a column a seed.
    """

    counts: Vector
    accuracies: tuple[Vector, ...]


def experiments() -> list[str]:
    """Return the names of the experiments that come with cellgrad."""
    folder = shipped.folder("reference") / "experiments"
    return sorted(path.stem for path in folder.glob("*.toml"))


def path_of(name: str, suffix: str) -> Path:
    """Return where the settings (``toml``) or results (``json``) of an experiment are."""
    return shipped.folder("reference") / "experiments" / f"{name}.{suffix}"


def read_settings(name: str) -> Settings:
    """Read the settings of an experiment.

    Raises:
        CaseError: they are incomplete.
        InputError: the file cannot be read.
    """
    path = path_of(name, "toml")
    try:
        found = tomllib.loads(read_limited(path, MAX_BYTES).decode())
        draw = found["draw"]
        case = read_case(shipped.folder("reference") / "cases" / f"{found['case']}.json")
        rate = float(found["learning_rate"])
        return Settings(
            found["id"],
            replace(case, epochs=int(found["epochs"]), learning_rate=rate),
            tuple(int(n) for n in found["hidden_nodes"]),
            tuple(int(n) for n in found["seeds"]),
            float(draw["low"]),
            float(draw["high"]),
            int(draw["decimals"]),
        )
    except InputError as error:
        raise error.within(path) from error
    except (KeyError, TypeError, ValueError) as error:
        raise CaseError(f"cannot be used ({error})", file=path) from error


def read_experiment(name: str) -> Experiment:
    """Read the results of an experiment.

    Raises:
        CaseError: they are no table of numbers.
        InputError: the file cannot be read.
    """
    path = path_of(name, "json")
    try:
        found: dict[str, Any] = json.loads(read_limited(path, MAX_BYTES))
        counts = tuple(float(n) for n in found["hidden_nodes"])
        rows = tuple(tuple(float(v) for v in row) for row in found["accuracy"])
    except (KeyError, TypeError, ValueError) as error:
        raise CaseError(f"holds no table of numbers ({error})", file=path) from error
    numbers = [n for row in rows for n in row]
    if len(rows) != len(counts) or len({len(row) for row in rows}) != 1 or not all(
        math.isfinite(n) for n in [*counts, *numbers]
    ):  # fmt: skip
        raise CaseError("its rows do not fit", file=path)
    return Experiment(counts, rows)


DECIMALS = 4


def run_experiment(settings: Settings) -> bytes:
    """Train every network of an experiment; return the results as a JSON file.

    Args:
        settings: what is trained, and how often.

    Raises:
        CaseError: a network cannot be trained.
    """
    rows = [
        [_accuracy(settings, hidden, seed) for seed in settings.seeds]
        for hidden in settings.hidden_nodes
    ]
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
