"""Momentum and Adam against PyTorch's: 100 updates, each from the same weights and state.

Conventions declared: PyTorch lets biases decay too. Its Adam computes the powers of β anew
from the number of the update; here they are loaded as it has them, rounded once.
"""

import json
import os
from itertools import pairwise

import numpy as np
import pytest

from cellgrad.bounds import UNIT, ErrorBounds
from cellgrad.build import build
from cellgrad.case.model import parse_case
from cellgrad.described import describe
from cellgrad.mlp.run import givens_of_run, training_run, update_from

UPDATES = 100
BETA1, BETA2 = 0.9, 0.999

RULES = {
    "momentum": {"name": "sgd", "momentum": 0.9},
    "momentum with decay": {"name": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    "adam": {"name": "adam"},
    "adam with decay": {"name": "adam", "weight_decay": 0.01},
}


@pytest.fixture(scope="module")
def torch():
    try:
        import torch  # noqa: PLC0415 (not part of the usual set-up)
    except ImportError:
        if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
            pytest.fail("PyTorch is not installed")
        pytest.skip("PyTorch is not installed: pip install torch")
    torch.set_num_threads(1)
    return torch


def case_of(optimizer):
    rng = np.random.default_rng(5)
    nodes = [3, 4, 2]
    shapes = list(pairwise(nodes))
    document = {
        "schema": "cellgrad-case/1", "id": "against-pytorch", "title": "A run",
        "network": {
            "nodes": nodes, "activations": ["logistic", "logistic"],
            "weights": [rng.uniform(-1, 1, shape).round(3).tolist() for shape in shapes],
            "biases": [rng.uniform(-1, 1, m).round(3).tolist() for _, m in shapes],
        },
        "loss": "half_squared_error", "update": "online", "epochs": UPDATES // 5,
        "learning_rate": 0.05, "optimizer": optimizer,
        "samples": [
            {"input": rng.uniform(-2, 2, 3).round(2).tolist(),
             "target": rng.integers(0, 2, 2).tolist()}
            for _ in range(5)
        ],
        "conventions": {"decay_biases": True}, "source": {"title": "drawn"},
    }  # fmt: skip
    return parse_case(json.dumps(document).encode())


def torch_update(torch, case, state, number, sample):
    """Make one update with PyTorch from the same parameters and the same optimiser state."""

    def tensor(array):
        return torch.tensor(np.array(array), dtype=torch.float64, requires_grad=True)

    weights, biases = ([tensor(state[name, k]) for k in range(2)] for name in ("weights", "biases"))
    parameters = [*weights, *biases]
    optimizer, rate = case.optimizer, case.learning_rate
    if optimizer.name == "adam":
        rule = torch.optim.Adam(parameters, lr=rate, betas=(BETA1, BETA2), eps=optimizer.epsilon,
                                weight_decay=optimizer.weight_decay)  # fmt: skip
    else:
        rule = torch.optim.SGD(parameters, lr=rate, momentum=optimizer.momentum,
                               weight_decay=optimizer.weight_decay)  # fmt: skip
    if number:
        kept = "velocity" if optimizer.name == "sgd" else "first_moment"
        firsts, seconds = (
            [state.get((prefix + name, k), 0.0) for prefix in ("", "bias_") for k in range(2)]
            for name in (kept, "second_moment")
        )
        for n, parameter in enumerate(parameters):
            first = torch.tensor(np.array(firsts[n]), dtype=torch.float64)
            rule.state[parameter] = {"momentum_buffer": first}
            if optimizer.name == "adam":
                second = torch.tensor(np.array(seconds[n]), dtype=torch.float64)
                rule.state[parameter] = {
                    "step": torch.tensor(float(number)), "exp_avg": first, "exp_avg_sq": second,
                }  # fmt: skip
    a = torch.tensor([sample.input], dtype=torch.float64)
    for w, b in zip(weights, biases, strict=True):
        a = torch.sigmoid(a @ w + b)
    error = 0.5 * ((a - torch.tensor([sample.target], dtype=torch.float64)) ** 2).sum()
    error.backward()
    rule.step()
    found = {("new_weights", k): w.detach().numpy() for k, w in enumerate(weights)}
    found |= {("new_biases", k): b.detach().numpy() for k, b in enumerate(biases)}
    names = {"sgd": ["momentum_buffer"], "adam": ["exp_avg", "exp_avg_sq"]}[optimizer.name]
    ours = {"momentum_buffer": "velocity", "exp_avg": "first_moment", "exp_avg_sq": "second_moment"}
    for name in names:
        for k in range(2):
            found[ours[name], k] = rule.state[weights[k]][name].numpy()
            found[f"bias_{ours[name]}", k] = rule.state[biases[k]][name].numpy()
    return found


class RowBounds:
    """The bounds of both sides, read out of the workbook's formulas, a row at a time."""

    def __init__(self, case, path):
        build(case, path)
        self.described = describe(path)
        self.book = self.described.book
        self.values = self.book.sheets["Epoch"].values

    def of_row(self, number):
        """Return a function from (key, index) to the sum of both bounds."""
        claims = self.described.claims
        row = next(c.cells.top for c in claims if c.quantity == "error" and c.part == "Epoch")

        def is_exact(place):
            return place[0] != "Epoch" or place[1] != row + number

        ours, theirs = (
            ErrorBounds(self.book, self.value_at, given_error=given, constant=is_exact)
            for given in (0.0, UNIT)
        )

        def both(key, index):
            claim = next(c for c in claims if c.key == key and c.part == "Epoch")
            width = claim.cells.width
            column = next(
                c for c in range(width) if claim.rule.index(number, c) == (number, *index)
            )
            place = ("Epoch", row + number, claim.cells.left + column)
            return ours.of(place) + theirs.of(place)

        return both

    def value_at(self, place):
        value = self.book.sheets[place[0]].values.get(place[1:])
        return value if isinstance(value, float) else 0.0


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_each_of_100_updates_agrees_with_pytorch_within_its_bound(rule, torch, tmp_path):
    case = case_of(RULES[rule])
    bounds = RowBounds(case, tmp_path / "run.xlsx")
    state = None
    worst = 0.0
    for number, update in enumerate(training_run(case)):
        step = update.step
        if state is not None:
            if case.optimizer.name == "adam":  # the powers as PyTorch has them
                state |= {("beta1_power", None): np.array(BETA1**number),
                          ("beta2_power", None): np.array(BETA2**number)}  # fmt: skip
            update_ = update_from(step.structure, case.update_rule(),
                                  givens_of_run(case) | step.givens() | state)  # fmt: skip
        else:
            update_ = update
        theirs = torch_update(torch, case, state or step.givens(), number, case.samples[number % 5])
        both = bounds.of_row(number)
        ours = update_.results()
        for (name, k), array in theirs.items():
            mine = ours[name, k]
            for index in np.ndindex(array.shape):
                gap = abs(float(array[index]) - float(mine[index]))
                limit = both((name, k), index)
                assert gap <= limit, (number, name, k, index, gap, limit)
                worst = max(worst, gap / limit)
        state = update.after()
    assert 0 < worst <= 1  # they are not the same program


@pytest.mark.slow
def test_another_rule_exceeds_the_bound(torch, tmp_path):
    # momentum with the gradient averaged, as some write it: seen at once
    case = case_of(RULES["momentum"])
    bounds = RowBounds(case, tmp_path / "run.xlsx")
    update = next(training_run(case))
    wrong = update.step.weights[0] - case.learning_rate * 0.1 * update.step.weight_gradient[0]
    gap = np.abs(wrong - update.step.new_weights[0]).max()
    assert gap > 1e6 * bounds.of_row(0)(("new_weights", 0), (0, 0))
