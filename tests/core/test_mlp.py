"""The MLP against mathematics and against a second implementation."""

import cmath
import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import plain_step
from cellgrad.case.quantities import ACTIVATIONS, LOSSES, OUTPUTS_OF
from cellgrad.errors import CaseError, ShapeError
from cellgrad.mlp import training_step
from cellgrad.mlp.step import central_differences
from drawn_cases import cases, step_of

CASES = Path(__file__).parents[2] / "reference" / "cases"

SMOOTH = ("logistic", "tanh", "identity")


def test_the_step_that_a_person_can_do_without_a_calculator():
    # derived by hand in the README: every S_preA is 0
    step = training_step(
        [[[0.5, -1.0], [-1.0, 2.0]], [[1.0], [-1.0]]], [[1.0, 0.5]], [[1.0]],
        activations=["logistic", "logistic"],
    )  # fmt: skip
    assert step.forward.error == 0.125
    assert step.error_signal[1].tolist() == [[-0.125]]
    assert step.weight_gradient[1].tolist() == [[-0.0625], [-0.0625]]
    assert step.weight_gradient[0].tolist() == [[-0.03125, 0.03125], [-0.015625, 0.015625]]
    assert step.new_weights[1].tolist() == [[1.0625], [-0.9375]]


@settings(max_examples=200, deadline=None)
@given(cases())
def test_any_step_equals_plain_python_to_the_last_bit(case):
    try:
        expected = plain_step.step(case)
    except (OverflowError, ValueError):  # a saturated output has no logarithm
        return
    step = step_of(case)
    for k in range(len(case["network"]["weights"])):
        assert np.array_equal(step.pre_activation[k], expected["pre_activation"][k])
        assert np.array_equal(step.error_signal[k], expected["error_signal"][k])
        assert np.array_equal(step.weight_gradient[k], expected["weight_gradient"][k])
        assert np.array_equal(step.new_weights[k], expected["new_weights"][k])
        if step.new_biases is not None:
            assert np.array_equal(step.new_biases[k], expected["new_biases"][k])
    assert step.forward.error == expected["error"]


def complex_function(name, z):
    return {
        "logistic": lambda: 1 / (1 + cmath.exp(-z)),
        "tanh": lambda: cmath.tanh(z),
        "identity": lambda: z,
    }[name]()


def complex_error(case, weights, biases):
    """E of a case in complex arithmetic: a forward pass of its own."""
    names, loss = case["network"]["activations"], case["loss"]
    total = 0j
    for sample in case["samples"]:
        layer = list(sample["input"])
        for k, name in enumerate(names):
            pre = [
                sum(x * weights[k][i][j] for i, x in enumerate(layer))
                + (biases[k][j] if biases else 0)
                for j in range(len(weights[k][0]))
            ]
            if name == "softmax":
                powers = [cmath.exp(z) for z in pre]
                layer = [p / sum(powers) for p in powers]
            else:
                layer = [complex_function(name, z) for z in pre]
        pairs = list(zip(layer, sample["target"], strict=True))
        total += {
            "half_squared_error": lambda p: sum((y - t) ** 2 for y, t in p) / 2,
            "squared_error": lambda p: sum((y - t) ** 2 for y, t in p),
            "mean_squared_error": lambda p: sum((y - t) ** 2 for y, t in p) / len(p),
            "binary_cross_entropy": lambda p: (
                -sum(t * cmath.log(y) + (1 - t) * cmath.log(1 - y) for y, t in p)
            ),
            "categorical_cross_entropy": lambda p: -sum(t * cmath.log(y) for y, t in p),
        }[loss](pairs)
    if case["update"] == "batch_mean":
        total /= len(case["samples"])
    decay = case["optimizer"]["weight_decay"]
    return total + decay / 2 * sum(w * w for layer in weights for row in layer for w in row)


@settings(max_examples=120, deadline=None)
@given(cases(activations=SMOOTH))
@pytest.mark.slow
def test_every_gradient_is_the_derivative_of_the_error_by_a_complex_step(case):
    # f′(x) = Im f(x + ih) / h has no cancellation: exact to rounding at h = 1e-30
    h = 1e-30
    step = step_of(case)
    if not np.isfinite(step.forward.error) or step.forward.error > 1e3:
        return
    sign = 1 if case["conventions"]["error_sign"] == "output_minus_target" else -1
    for k, layer in enumerate(case["network"]["weights"]):
        for i, j in product(range(len(layer)), range(len(layer[0]))):
            weights = json.loads(json.dumps(case["network"]["weights"]))
            weights[k][i][j] += h * 1j
            slope = complex_error(case, weights, case["network"]["biases"]).imag / h
            expected = sign * step.weight_gradient[k][i, j]
            assert slope == pytest.approx(expected, rel=1e-9, abs=1e-11)
        for j in range(len(layer[0]) if case["network"]["biases"] else 0):
            biases = json.loads(json.dumps(case["network"]["biases"]))
            biases[k][j] += h * 1j
            slope = complex_error(case, case["network"]["weights"], biases).imag / h
            assert slope == pytest.approx(sign * step.bias_gradient[k][j], rel=1e-9, abs=1e-11)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_single_precision_stays_single_and_near(case):
    exact, single = step_of(case), step_of(case, dtype=np.float32)
    for a, b in zip(exact.new_weights, single.new_weights, strict=True):
        assert b.dtype == np.float32
        if np.isfinite(a).all() and max(np.abs(p).max() for p in exact.pre_activation) < 8:
            assert np.allclose(a, b, rtol=1e-4, atol=1e-4)
    assert single.forward.error.dtype == np.float32


def test_central_differences_move_one_parameter_and_nothing_else():
    step = training_step(
        [[[0.5], [0.25]]], [[1.0, 2.0]], [[0.0]], activations=["identity"], biases=[[0.125]]
    )
    moved = central_differences(step, [("weights", 0, (1, 0)), ("biases", 0, (0,))], 0.5)
    assert moved.moved.tolist() == [[0.75, -0.25], [0.625, -0.375]]
    assert moved.passes.pre_activation[0].ravel().tolist() == [2.125, 0.125, 1.625, 0.625]
    # E = ½ z², so (E₊ − E₋) / 2ε is the derivative itself: z · x and z
    assert moved.quotient.tolist() == [2.25, 1.125]


def test_relu_has_slope_zero_at_zero():
    step = training_step([[[1.0]], [[1.0]]], [[0.0]], [[1.0]], activations=["relu", "identity"])
    assert step.activation_derivative[0].tolist() == [[0.0]]
    assert math.copysign(1, step.post_activation[0][0, 0]) == 1


def test_the_unit_step_is_one_at_zero():
    step = training_step([[[1.0]]], [[0.0]], [[0.0]], activations=["unit_step"], loss="perceptron")
    assert step.post_activation[0].tolist() == [[1.0]]
    assert step.forward.error == 1


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        (loss, output)
        for loss, output in product(LOSSES, ACTIVATIONS)
        if output not in OUTPUTS_OF[loss]
    ],
)
def test_a_pair_outside_the_mathematics_is_refused(loss, output):
    with pytest.raises(CaseError, match="not permitted"):
        training_step([[[1.0]]], [[1.0]], [[1.0]], activations=[output], loss=loss)


@pytest.mark.parametrize(
    ("weights", "inputs", "targets", "biases"),
    [
        ([[[1.0]], [[1.0], [2.0]]], [[1.0]], [[1.0]], None),
        ([[[1.0]]], [[1.0, 2.0]], [[1.0]], None),
        ([[[1.0]]], [[1.0]], [[1.0, 2.0]], None),
        ([[[1.0]]], [[1.0]], [[1.0]], [[1.0, 2.0]]),
        ([[1.0]], [[1.0]], [[1.0]], None),
        ([], [[1.0]], [[1.0]], None),
    ],
)
def test_shapes_that_do_not_chain_are_refused(weights, inputs, targets, biases):
    with pytest.raises((ShapeError, ValueError)):
        training_step(weights, inputs, targets, activations=["logistic"], biases=biases)
