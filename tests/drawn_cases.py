"""Cases drawn at random: any permitted pair of activation and loss, small numbers."""

import json
import random
from itertools import pairwise

from hypothesis import strategies as st

from cellgrad.case.model import parse_case
from cellgrad.case.quantities import ERROR_SIGNS, HIDDEN_ACTIVATIONS, OUTPUTS_OF, UPDATES
from cellgrad.mlp import training_step

PERMITTED = [
    (loss, output)
    for loss, outputs in OUTPUTS_OF.items()
    for output in outputs
    if loss != "perceptron"
]


@st.composite
def cases(draw, activations=HIDDEN_ACTIVATIONS):
    """Draw a case as the JSON format has it, small numbers, any permitted pair."""
    nodes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    loss, output = draw(
        st.sampled_from([p for p in PERMITTED if p[1] in (*activations, "softmax")])
    )
    number = st.integers(-64, 64).map(lambda n: n / 32)
    layers = list(pairwise(nodes))
    weights = [[[draw(number) for _ in range(m)] for _ in range(n)] for n, m in layers]
    biases = draw(st.booleans())
    count = draw(st.integers(1, 3))
    update = draw(st.sampled_from(["batch_sum", "batch_mean"] if count > 1 else ["online"]))
    unit = st.integers(1, 63).map(lambda n: n / 64)
    samples = []
    for _ in range(count):
        if loss == "categorical_cross_entropy":
            target = [0.0] * nodes[-1]
            target[draw(st.integers(0, nodes[-1] - 1))] = 1.0
        else:
            target = [draw(unit) for _ in range(nodes[-1])]
        samples.append({"input": [draw(number) for _ in range(nodes[0])], "target": target})
    return {
        "network": {
            "nodes": nodes,
            "activations": [*(draw(st.sampled_from(activations)) for _ in nodes[1:-1]), output],
            "weights": weights,
            "biases": [[draw(number) for _ in range(m)] for m in nodes[1:]] if biases else None,
            "leaky_slope": 0.125,
        },
        "loss": loss, "update": update, "learning_rate": draw(unit), "samples": samples,
        "optimizer": {"weight_decay": draw(st.sampled_from([0.0, 0.0625]))},
        "conventions": {
            "update_biases": draw(st.booleans()),
            "error_sign": draw(st.sampled_from(ERROR_SIGNS)),
        },
    }  # fmt: skip


def step_of(case, **changes):
    network = case["network"]
    return training_step(
        network["weights"],
        [s["input"] for s in case["samples"]],
        [s["target"] for s in case["samples"]],
        activations=network["activations"], biases=network["biases"], loss=case["loss"],
        update=case["update"], learning_rate=case["learning_rate"],
        leaky_slope=network["leaky_slope"], weight_decay=case["optimizer"]["weight_decay"],
        **case["conventions"], **changes,
    )  # fmt: skip


def as_case(document, **changes):
    """Return a hypothesis case of one update as a case file's bytes would be read."""
    optimizer = {"name": "sgd", "momentum": 0.0, **document["optimizer"]}
    changes = {"title": "A drawn case", "optimizer": optimizer, **changes}
    return parsed({"epochs": 1, **document}, **changes)


def big_case(nodes, activation="logistic", samples=1):
    rng = random.Random(7)
    layers = list(pairwise(nodes))
    return parse_case(
        json.dumps(
            {
                "schema": "cellgrad-case/1",
                "id": "big",
                "title": "A larger network",
                "network": {
                    "nodes": nodes,
                    "activations": [activation] * len(layers),
                    "weights": [
                        [[rng.randint(-64, 64) / 256 for _ in range(m)] for _ in range(n)]
                        for n, m in layers
                    ],
                    "biases": None,
                },
                "loss": "half_squared_error",
                "update": "online" if samples == 1 else "batch_mean",
                "epochs": 1,
                "learning_rate": 0.5,
                "optimizer": {"name": "sgd", "momentum": 0, "weight_decay": 0},
                "samples": [
                    {
                        "input": [rng.randint(-64, 64) / 64 for _ in range(nodes[0])],
                        "target": [0.25] * nodes[-1],
                    }
                    for _ in range(samples)
                ],
                "source": {"title": "drawn"},
            }
        ).encode()
    )


@st.composite
def run_cases(draw):
    """Draw a case with several updates, every rule and convention among them."""
    document = draw(cases())
    count = draw(st.integers(1, 5))
    first = document["samples"][0]
    number = st.integers(-64, 64).map(lambda n: n / 32)
    samples = [
        {"input": [draw(number) for _ in first["input"]], "target": first["target"]}
        for _ in range(count)
    ]
    optimizer = {"name": "sgd", "momentum": 0.0, **document["optimizer"]}
    kind = draw(st.sampled_from(["plain", "momentum", "adam"]))
    if kind == "momentum":
        optimizer["momentum"] = draw(st.sampled_from([0.5, 0.875]))
    if kind == "adam":
        optimizer = {
            "name": "adam",
            "weight_decay": optimizer["weight_decay"],
            "beta1": 0.75,
            "beta2": 0.9375,
            "epsilon": 0.0078125,
        }
    update = draw(st.sampled_from(UPDATES))
    epochs = draw(st.integers(1, 3))
    document |= {"samples": samples, "optimizer": optimizer, "update": update, "epochs": epochs}
    size = count
    if update != "online" and draw(st.booleans()):
        document["batch_size"] = size = draw(st.integers(1, count))
    updates = epochs * (count if update == "online" else -(-count // size))
    if draw(st.booleans()):
        document["learning_rate"] = [draw(st.integers(1, 16)) / 32 for _ in range(updates)]
    document["conventions"] = {
        "error_sign": draw(st.sampled_from(ERROR_SIGNS)),
        "update_biases": draw(st.booleans()),
        "decay_biases": draw(st.booleans()),
        "rate_in_velocity": draw(st.booleans()),
    }
    if draw(st.booleans()):
        document["validation"] = samples[:2]
    return document


def parsed(document, **changes):
    network = dict(document["network"])
    if "leaky_relu" not in network["activations"]:
        network.pop("leaky_slope", None)
    full = {
        "schema": "cellgrad-case/1", "id": "drawn", "title": "A drawn run",
        **document, "network": network, "source": {"title": "drawn at random"}, **changes,
    }  # fmt: skip
    return parse_case(json.dumps(full).encode())
