"""Cases drawn at random: any permitted pair of activation and loss, small numbers."""

from itertools import pairwise

from hypothesis import strategies as st

from cellgrad.case import vocabulary
from cellgrad.mlp import training_step

PERMITTED = [
    (loss, output)
    for loss, outputs in vocabulary.OUTPUTS_OF.items()
    for output in outputs
    if loss != "perceptron"
]


@st.composite
def cases(draw, activations=vocabulary.HIDDEN_ACTIVATIONS):
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
            "error_sign": draw(st.sampled_from(vocabulary.ERROR_SIGNS)),
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
