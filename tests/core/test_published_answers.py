"""The printed answers of published examples, and what became of the wrong ones."""

import copy
import json
import math
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pytest

import plain_step
from cellgrad.case.model import read_case
from cellgrad.case.quantities import table
from cellgrad.described import describe
from cellgrad.mlp import training_run

TOP = Path(__file__).parents[2]
CASES = TOP / "reference" / "cases"
ERRATA = (TOP / "reference" / "errata.md").read_text("utf-8")


def entries():
    for path in sorted(CASES.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        for n, entry in enumerate(document.get("published", [])):
            index = "".join(f"[{i}]" for i in entry.get("index", []))
            layer = entry.get("layer", "")
            name = f"{path.stem}-{n}-{entry['quantity']}{layer}{index}"
            yield pytest.param(path.stem, entry, id=name)


ENTRIES = list(entries())
RIGHT = [p for p in ENTRIES if "erratum" not in p.values[1] and "after_step" not in p.values[1]]
WRONG = [p for p in ENTRIES if "erratum" in p.values[1] and "after_step" not in p.values[1]]


def rounds_to(value, printed):
    """Tell whether a value, rounded to the digits that were printed, is what was printed."""
    shown = Decimal(printed)
    rounded = Decimal(value).quantize(Decimal(1).scaleb(shown.as_tuple().exponent), ROUND_HALF_UP)
    return rounded == shown


def within_one_unit(value, printed):
    shown = Decimal(printed)
    return abs(Decimal(value) - shown) <= Decimal(1).scaleb(shown.as_tuple().exponent)


@pytest.fixture(scope="module")
def saved():
    """Return a function that reads what the engine stored in a published workbook."""
    books = {}

    def value(case, quantity, layer, index):
        if case not in books:
            described = describe(TOP / "spreadsheets" / "published" / f"{case}.xlsx")
            books[case] = described, table(described.parts[""].shape.step)
        described, quantities = books[case]
        shape = quantities[quantity, layer].shape
        full = (0,) * (len(shape) - len(index)) + tuple(index)
        for claim in described.claims:
            if claim.key != (quantity, layer) or claim.kind != "step":
                continue
            for r in range(claim.cells.height):
                for c in range(claim.cells.width):
                    if claim.rule.index(r, c) == full:
                        cell = (claim.cells.top + r, claim.cells.left + c)
                        return described.book.sheets[claim.cells.sheet].values[cell]
        raise AssertionError(f"{quantity} {layer} {index} is not in the workbook of {case}")

    return value


def layer_of(entry, case):
    once = {"error", "final_error", "sample_error", "penalty", "error_derivative"}
    return None if entry["quantity"] in once else entry["layer"]


@pytest.mark.parametrize(("case", "entry"), RIGHT)
def test_a_right_answer_agrees_to_every_printed_digit(case, entry, saved):
    found = saved(case, entry["quantity"], layer_of(entry, case), entry.get("index", []))
    assert rounds_to(found, entry["printed"]), found


@pytest.mark.parametrize(("case", "entry"), WRONG)
def test_an_answer_that_does_not_follow_stands_in_the_errata(case, entry, saved):
    found = saved(case, entry["quantity"], layer_of(entry, case), entry.get("index", []))
    assert not rounds_to(found, entry["printed"]), found
    assert f'id="{entry["erratum"]}"' in ERRATA or entry["erratum"] in ERRATA


SINGLE = sorted(path.stem for path in CASES.glob("*.json") if read_case(path).updates() == 1)


@pytest.mark.parametrize("case", SINGLE)
def test_every_case_gives_the_same_step_in_plain_python_to_the_last_bit(case):
    path = CASES / f"{case}.json"
    expected = plain_step.step(json.loads(path.read_text("utf-8")))
    numbers = next(training_run(read_case(path))).step.results()
    for (name, layer), values in numbers.items():
        other = expected[name] if layer is None else expected[name][layer]
        assert np.array_equal(values, np.array(other)), (name, layer)


MAZUR = json.loads((CASES / "mazur-2-2-2.json").read_text("utf-8"))


def mazur_steps(count, *, updated_output_weights=False):
    """Train Mazur's network in plain Python; return E and the outputs at the end."""
    case = copy.deepcopy(MAZUR)
    network, sample = case["network"], case["samples"][0]
    for _ in range(count):
        if updated_output_weights:
            pres, posts = plain_step.forward(
                case, network["weights"], network["biases"], sample["input"]
            )
            ahead = [network["weights"][0], plain_step.step(case)["new_weights"][1]]
            signals = plain_step.error_signals(case, ahead, pres, posts, sample["target"])[0]
            network["weights"] = [
                [
                    [
                        w - case["learning_rate"] * d * x
                        for w, d in zip(row, signals[0], strict=True)
                    ]
                    for row, x in zip(network["weights"][0], sample["input"], strict=True)
                ],
                ahead[1],
            ]
        else:
            network["weights"] = plain_step.step(case)["new_weights"]
    _, posts = plain_step.forward(case, network["weights"], network["biases"], sample["input"])
    return plain_step.loss(case, posts[-1], sample["target"]), posts[-1]


def test_mazurs_error_after_one_step_follows_only_from_the_updated_output_weights():
    right, _ = mazur_steps(1)
    mistaken, _ = mazur_steps(1, updated_output_weights=True)
    assert right == pytest.approx(0.29102777369359933, abs=1e-15)
    assert not rounds_to(right, "0.291027924")
    assert rounds_to(mistaken, "0.291027924")


@pytest.mark.slow
def test_mazurs_outputs_after_10000_steps_follow_only_from_the_updated_output_weights():
    _, right = mazur_steps(10_000)
    _, mistaken = mazur_steps(10_000, updated_output_weights=True)
    printed = ("0.015912196", "0.984065734")
    assert not any(rounds_to(y, text) for y, text in zip(right, printed, strict=True))
    assert all(rounds_to(y, text) for y, text in zip(mistaken, printed, strict=True))


@pytest.mark.slow
def test_mazurs_error_after_10000_steps_is_the_right_algorithms_after_9999():
    before, _ = mazur_steps(9_999)
    after, _ = mazur_steps(10_000)
    assert rounds_to(before, "0.0000351085")
    assert not rounds_to(after, "0.0000351085")


def test_brownlees_first_epoch_error_and_final_weights_come_out():
    # the source's own data and start, as published; 20 epochs online
    weights = [
        [[0.13436424411240122, 0.2550690257394217], [0.8474337369372327, 0.49543508709194095]],
        [[0.651592972722763, 0.02834747652200631], [0.7887233511355132, 0.8357651039198697]],
    ]
    biases = [[0.763774618976614, 0.4494910647887381], [0.0938595867742349, 0.43276706790505337]]
    data = [
        (2.7810836, 2.550537003, 0), (1.465489372, 2.362125076, 0), (3.396561688, 4.400293529, 0),
        (1.38807019, 1.850220317, 0), (3.06407232, 3.005305973, 0), (7.627531214, 2.759262235, 1),
        (5.332441248, 2.088626775, 1), (6.922596716, 1.77106367, 1),
        (8.675418651, -0.242068655, 1), (7.673756466, 3.508563011, 1),
    ]  # fmt: skip
    case = {
        "network": {"activations": ["logistic"] * 2, "weights": weights, "biases": biases},
        "loss": "half_squared_error", "update": "online", "learning_rate": 0.5,
    }  # fmt: skip
    printed = [
        "6.350",
        "5.531",
        "5.221",
        "4.951",
        "4.519",
        "4.173",
        "3.835",
        "3.506",
        "3.192",
        "2.898",
        "2.626",
        "2.377",
        "2.153",
        "1.953",
        "1.774",
        "1.614",
        "1.472",
        "1.346",
        "1.233",
        "1.132",
    ]
    sums = []
    for _ in range(20):
        total = 0.0
        for a, b, label in data:
            case["samples"] = [{"input": [a, b], "target": [float(label == 0), float(label == 1)]}]
            result = plain_step.step(case)
            total += 2 * result["error"]
            case["network"]["weights"] = result["new_weights"]
            case["network"]["biases"] = result["new_biases"]
        sums.append(total)
    assert all(rounds_to(total, text) for total, text in zip(sums, printed, strict=True))
    final = case["network"]["weights"]
    assert final[0][0][0] == pytest.approx(-1.4688375095432327, rel=1e-13)
    assert final[1][1][1] == pytest.approx(1.0036422106209202, rel=1e-13)


def test_han_kambers_answers_are_rounded_once_more_on_the_way():
    entry = next(
        p.values[1] for p in ENTRIES
        if p.values[0] == "han-kamber-3-2-1" and p.values[1]["printed"] == "0.1311"
    )  # fmt: skip
    case = read_case(CASES / "han-kamber-3-2-1.json")
    delta = next(training_run(case)).step.error_signal[1][0, 0]
    assert within_one_unit(delta, entry["printed"])
    y = 0.474  # the output as the book prints it
    assert rounds_to(round((1 - y) * y * (1 - y), 6), "0.1311")


def test_rounding_here_is_rounding_half_up_of_the_exact_double():
    assert rounds_to(0.5, "0.5")
    assert rounds_to(math.pi, "3.1416")
    assert not rounds_to(math.pi, "3.1415")
