"""``cellgrad train`` against a training program in the style of the series."""

import json
import math
from pathlib import Path

import pytest

CASE = Path(__file__).parents[2] / "reference" / "cases" / "series-3-4-1-5000.json"


def series_program(case):
    """Train as the series' program does: nested loops, one sample after another.

    A hidden node's incoming weights are updated before its outgoing one, so the outgoing
    weight is still the old one where the hidden node's error signal is computed.
    """
    hidden = [list(row) for row in case["network"]["weights"][0]]
    output = [row[0] for row in case["network"]["weights"][1]]
    rate = case["learning_rate"]

    def logistic(x):
        return 1 / (1 + math.exp(-x))

    for sample in case["samples"]:
        x, target = sample["input"], sample["target"][0]
        pre_h, post_h = [], []
        for h in range(4):
            total = x[0] * hidden[0][h]
            for i in range(1, 3):
                total += x[i] * hidden[i][h]
            pre_h.append(total)
            post_h.append(logistic(total))
        pre_o = post_h[0] * output[0]
        for h in range(1, 4):
            pre_o += post_h[h] * output[h]
        final_error = logistic(pre_o) - target
        signal = final_error * (logistic(pre_o) * (1 - logistic(pre_o)))
        for h in range(4):
            gradient_to_output = signal * post_h[h]
            slope = logistic(pre_h[h]) * (1 - logistic(pre_h[h]))
            for i in range(3):
                hidden[i][h] -= rate * (signal * output[h] * slope * x[i])
            output[h] -= rate * gradient_to_output
    right = 0
    for sample in case["validation"]:
        x = sample["input"]
        post_h = [
            logistic(x[0] * hidden[0][h] + x[1] * hidden[1][h] + x[2] * hidden[2][h])
            for h in range(4)
        ]
        total = post_h[0] * output[0]
        for h in range(1, 4):
            total += post_h[h] * output[h]
        right += (1 if logistic(total) > 0.5 else 0) == sample["target"][0]
    return hidden, output, right


@pytest.mark.parametrize("kernel", ["auto", "plain"])
@pytest.mark.slow
def test_5000_samples_reach_what_the_series_program_reaches_bit_for_bit(kernel, command):
    case = json.loads(CASE.read_text("utf-8"))
    hidden, output, right = series_program(case)
    answer = command("train", CASE, "--kernel", kernel, "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert found["weights"] == [hidden, [[w] for w in output]]
    assert found["validation"]["accuracy"] == {"right": right, "of": len(case["validation"])}


def test_the_report_names_the_rule_of_the_class_and_claims_no_figure_of_the_series(command):
    answer = command("train", CASE)
    assert answer.code == 0
    assert "class 1: output above 0.5" in answer.out
    source = json.loads(CASE.read_text("utf-8"))["source"]["note"]
    assert "ours" in source
    assert ">= 0.5" in source.replace("≥", ">=")  # the data's own rule is stated
