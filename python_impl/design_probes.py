"""Choose the probes' numbers: of many drawn sets, those that tell most mistakes apart.

    python python_impl/design_probes.py

Every number is a multiple of 1/64: exact in single precision, in 15 digits, in JSON. For
each probe, sets of numbers are drawn until enough of them are fit (no degenerate choice),
and the one is kept whose closest pair of predictions, of all pairs that the probe can tell
apart at all, lies farthest apart. The result is written to reference/probes/.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np

from cellgrad.case.model import parse_case
from cellgrad_audit.bugs.arithmetic import RunningBounds, bounds_of
from cellgrad_audit.bugs.catalogue import CONVENTION, MISTAKE, entries, variants
from cellgrad_audit.bugs.pairs import largest_gaps, predictions
from cellgrad_audit.probes import unfit

FOLDER = Path(__file__).resolve().parent.parent / "reference" / "probes"
DRAWS = 60
EXACT = 1e-12
"""Differences up to here are rounding: the two predictions are the same mathematics."""

DECIMALS = 2e-3
"""Numbers printed with three decimals show a difference from here on."""

TAME = 1e-11
"""A double-precision bound up to here leaves 5e-3 for single precision."""

ROUNDING = {entry.id for entry in entries() if entry.kind not in (MISTAKE, CONVENTION)}
"""Entries that lie close to the right program by their nature."""

PROBES: dict[str, dict[str, Any]] = {
    "probe-online": {
        "title": "Online updates: biases, three outputs, two rates",
        "nodes": [3, 4, 3],
        "activations": ["logistic", "logistic"],
        "samples": 3,
        "learning_rate": [0.375, 0.21875, 0.375],
    },
    "probe-batch": {
        "title": "Batches: two hidden layers, momentum, weight decay, a changing rate",
        "nodes": [3, 4, 5, 3],
        "activations": ["logistic", "logistic", "logistic"],
        "samples": 5,
        "update": "batch_mean",
        "epochs": 3,
        "learning_rate": [0.375, 0.21875, 0.3125],
        "optimizer": {"name": "sgd", "momentum": 0.875, "weight_decay": 0.0625},
    },
    "probe-identity": {
        "title": "Regression: a ReLU layer, identity outputs",
        "nodes": [3, 5, 3],
        "activations": ["relu", "identity"],
        "samples": 5,
        "update": "batch_mean",
        "epochs": 3,
        "learning_rate": [0.0625, 0.046875, 0.0546875],
        "optimizer": {"name": "sgd", "momentum": 0.875, "weight_decay": 0.0625},
    },
    "probe-softmax": {
        "title": "Classification: a tanh layer, softmax with cross-entropy",
        "nodes": [3, 4, 3],
        "activations": ["tanh", "softmax"],
        "loss": "categorical_cross_entropy",
        "samples": 5,
        "update": "batch_mean",
        "epochs": 3,
        "learning_rate": [0.375, 0.21875, 0.3125],
        "optimizer": {"name": "sgd", "momentum": 0.875, "weight_decay": 0.0625},
    },
    "probe-binary": {
        "title": "Binary cross-entropy: a tanh layer, three logistic outputs",
        "nodes": [3, 4, 3],
        "activations": ["tanh", "logistic"],
        "loss": "binary_cross_entropy",
        "samples": 3,
        "update": "batch_mean",
        "epochs": 2,
        "learning_rate": [0.375, 0.21875],
    },
    "probe-relu": {
        "title": "Two ReLU layers, the sum of a batch",
        "nodes": [3, 5, 4, 3],
        "activations": ["relu", "leaky_relu", "logistic"],
        "leaky_slope": 0.25,
        "samples": 3,
        "update": "batch_sum",
        "epochs": 2,
        "learning_rate": [0.21875, 0.15625],
    },
    "probe-plain": {
        "title": "As the series has it: one output, no biases, online",
        "nodes": [3, 4, 1],
        "activations": ["logistic", "logistic"],
        "biases": False,
        "samples": 3,
        "learning_rate": 0.375,
    },
    "probe-one-output": {
        "title": "One output, with biases, online",
        "nodes": [3, 4, 1],
        "activations": ["logistic", "logistic"],
        "samples": 3,
        "learning_rate": 0.375,
    },
}


def main() -> int:
    """Draw, choose and write every probe."""
    FOLDER.mkdir(exist_ok=True)
    for name, wanted in PROBES.items():
        best = max(drawn(name, wanted), key=fitness)
        (FOLDER / f"{name}.json").write_text(as_text(best), encoding="utf-8")
        print(name, *fitness(best))
    (FOLDER / "probe-saturated.json").write_text(as_text(saturated()), encoding="utf-8")
    return 0


def saturated() -> dict[str, Any]:
    """Return the probe on which other formulas for the same function lose digits.

    A tanh layer close to 0, its sums a single product, so that nothing else costs digits; a
    logistic layer with two nodes near −20; and weights of 0 behind both, so that lost digits
    are not hidden in a weight of ordinary size. Zeros and the single sample make it a poor
    probe for mistakes; it is there for the formulas.
    """
    source = random.Random("probe-saturated")
    wanted = {
        "title": "Saturated and tiny values: where formulas for the same function part",
        "nodes": [3, 4, 4, 3],
        "activations": ["tanh", "logistic", "logistic"],
        "samples": 1,
        "learning_rate": 0.375,
    }
    document = draw("probe-saturated", wanted, source)
    network = document["network"]
    network["weights"][0] = [[w / 64 for w in row] for row in network["weights"][0]]
    network["biases"][0] = [0.0] * 4
    document["samples"][0]["input"] = [0.0078125, 0.0, 0.0]
    network["biases"][1] = [-20.25, -18.5, 0.5, -0.25]
    network["weights"][1] = [[0.0] * 4 for _ in range(4)]
    for row in (0, 1):
        network["weights"][2][row] = [0.0] * 3
    return document


def drawn(name: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield as many fit sets of numbers as are asked for."""
    source, count = random.Random(name), 0
    while count < DRAWS:
        document = draw(name, wanted, source)
        if not unfit(parse_case(json.dumps(document).encode())):
            count += 1
            yield document


def draw(name: str, wanted: dict[str, Any], source: random.Random) -> dict[str, Any]:
    """Return a case with drawn numbers."""

    def number(low: float, high: float) -> float:
        return source.choice([n / 64 for n in range(int(low * 64), int(high * 64) + 1) if n])

    nodes, loss = wanted["nodes"], wanted.get("loss", "half_squared_error")
    pairs = list(pairwise(nodes))
    network = {
        "nodes": nodes,
        "activations": wanted["activations"],
        "weights": [[[number(-1.25, 1.25) for _ in range(m)] for _ in range(n)] for n, m in pairs],
        "biases": [[number(-1, 1) for _ in range(m)] for _, m in pairs]
        if wanted.get("biases", True)
        else None,
    }
    if "leaky_slope" in wanted:
        network["leaky_slope"] = wanted["leaky_slope"]
    count = wanted["samples"]
    if loss == "categorical_cross_entropy":
        classes = [s % nodes[-1] for s in range(count)]
        source.shuffle(classes)
        targets = [[float(o == c) for o in range(nodes[-1])] for c in classes]
    else:
        low, high = (-1, 1) if wanted["activations"][-1] == "identity" else (0.1, 0.9)
        targets = [[number(low, high) for _ in range(nodes[-1])] for _ in range(count)]
    return {
        "schema": "cellgrad-case/1",
        "id": name,
        "title": wanted["title"],
        "network": network,
        "loss": loss,
        "update": wanted.get("update", "online"),
        "epochs": wanted.get("epochs", 1),
        "learning_rate": wanted["learning_rate"],
        "optimizer": wanted.get("optimizer", {"name": "sgd"}),
        "samples": [
            {"input": [number(-1.5, 1.5) for _ in range(nodes[0])], "target": target}
            for target in targets
        ],
        "source": {"title": "cellgrad, designed to tell mistakes apart"},
    }


def fitness(document: dict[str, Any]) -> tuple[int, int, float]:
    """Return what makes a set of numbers better than another, the most important first.

    How many variants (by fours) stay so tame that single precision shows them, how many
    pairs are told apart at three decimals, and how far the closest pair is.
    """
    case = parse_case(json.dumps(document).encode())
    tame = 0
    with np.errstate(all="ignore"):
        for variant in variants():
            record = variant.program(case, RunningBounds(), keep=False).run()
            arrays = [*record.weights, *(record.biases or [])]
            tame += max(float(bounds_of(array).max()) for array in arrays) < TAME
    right, table = predictions([case])
    shown = [v.entry not in ROUNDING for v in variants()]
    table = np.nan_to_num(np.vstack([right, table[shown]]), nan=1e9, posinf=1e9, neginf=-1e9)
    apart = largest_gaps(table)
    apart = apart[np.triu_indices(len(apart), 1)]
    return tame // 4, int((apart > DECIMALS).sum()), float(apart[apart > EXACT].min())


def as_text(document: dict[str, Any]) -> str:
    """Return JSON with a row of numbers a line."""
    text = json.dumps(document, indent=1)
    row = re.compile(r"\[\s+([-0-9.e,\s]+?)\s+\]")
    return row.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


if __name__ == "__main__":
    sys.exit(main())
