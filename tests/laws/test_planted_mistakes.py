"""A mistake planted in the MLP makes verify fail, and the first cell named is where it begins.

The mistakes are those of the project's list that a single training step can show: all of
1 to 36, and the later ones that need no second step. Not here, since one step cannot show
them: 47, 49, 50 and 54 (they begin in the second step). Nor those that are another loop
around the step, not another step: 41, 46 and 48.

Three things differ from that list. Where the list says δ of the output layer, but the
mistake lies in fA′ or in ∂E/∂S_postA, the sheet has a cell of its own for these and names
it; where it says δ of a hidden layer, but the mistake lies in the sum Σ S_ERROR·weight, the
sum's cell is named; and new weights are listed from the output layer down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from cellgrad.described import describe
from cellgrad.engines.formualizer import FormualizerEngine
from cellgrad.mlp import equations as eq
from cellgrad.mlp import step as steps
from cellgrad.verify import program, redraw
from cellgrad.verify.result import place_of
from cellgrad.verify.verifier import Verifier
from hostile import ROOT

DEFAULT = "training-step-3-4-1"
TWO_HIDDEN = "more/relu-2-3-3-2"
BATCH = "more/xor-2-2-1"  # biases, hidden tanh, logistic output, four samples, mean update
LEAKY = "more/leaky-3-4-2"
OUTPUTS = "published/brownlee-2-2-2"  # biases, logistic, two outputs
DECAY = "more/weight-decay-2-3-2"
SOFTMAX = "more/softmax-3-4-3"

# the right equations, as the plants replace them
right_pre_activation, right_backpropagated = eq.pre_activation, eq.backpropagated_error
right_gradient, right_bias_gradient = eq.weight_gradient, eq.bias_gradient
right_updated, right_logistic, right_tanh = eq.updated, eq.logistic, eq.tanh
right_softmax, right_function_of = eq.softmax, eq.function_of
right_with_decay, right_step_of = eq.with_decay, steps.step_of


def plant_step(plant, step_of):
    """Plant another step wherever one is computed."""
    for module in (program, redraw):
        plant(module, "step_of", step_of)


# forward


def sign_of_exponent(plant):
    plant(eq, "logistic", lambda x: 1 / (1 + eq.exponential(x)))


def no_hidden_activation(plant):
    plant(eq, "tanh", eq.identity)


def no_output_activation(plant):
    plant(eq, "logistic", eq.identity)


def bias_after_activation(plant):
    last = []

    def pre_activation(incoming, weights, biases):
        last[:] = [biases]
        return right_pre_activation(incoming, weights, None)

    def function_of(name, slope):
        return lambda x: right_function_of(name, slope)(x) + last[0][..., None, :]

    plant(eq, "pre_activation", pre_activation)
    plant(eq, "function_of", function_of)


def bias_per_term(plant):
    def pre_activation(incoming, weights, biases):
        return right_pre_activation(incoming, weights, weights.shape[-2] * biases)

    plant(eq, "pre_activation", pre_activation)


def read_transposed(weights):
    return np.swapaxes(weights, -1, -2).reshape(weights.shape)


def weights_read_transposed(plant):
    def pre_activation(incoming, weights, biases):
        return right_pre_activation(incoming, read_transposed(weights), biases)

    plant(eq, "pre_activation", pre_activation)


def softmax_twice(plant):
    def softmax(x):
        powers, total, quotients = right_softmax(x)
        return powers, total, right_softmax(quotients)[2]

    plant(eq, "softmax", softmax)


# derivatives of the activations


def logistic_derivative(wrong):
    return lambda plant: plant(eq, "logistic_derivative", wrong)


def tanh_derivative(wrong):
    return lambda plant: plant(eq, "tanh_derivative", wrong)


def of_post_activation(x):
    s = right_logistic(right_logistic(x))
    return s * (1 - s)


def with_wrong_sign(x):
    s = right_logistic(x)
    return s * (s - 1)


def with_wrong_precedence(x):
    s = right_logistic(x)
    return s * 1 - s


# error


def final_error(wrong):
    return lambda plant: plant(eq, "final_error", wrong)


def error_from_pre_activation(plant):
    last = []

    def pre_activation(*operands):
        last[:] = [right_pre_activation(*operands)]
        return last[0]

    plant(eq, "pre_activation", pre_activation)
    plant(eq, "final_error", lambda _, target: last[0] - target)


def next_sample_s_target(plant):
    plant(eq, "final_error", lambda output, target: output - np.roll(target, 1, axis=0))


def error_derivative(wrong):
    return lambda plant: plant(eq, "error_derivative", lambda _, fe: wrong(fe))


# backward


def output_signal(wrong):
    return lambda plant: plant(eq, "output_error_signal", wrong)


def hidden_signal(wrong):
    return lambda plant: plant(eq, "hidden_error_signal", wrong)


def hidden_uses_output_derivative(plant):
    slopes = []

    def output_error_signal(outer, slope):
        slopes[:] = [slope]
        return outer * slope

    plant(eq, "output_error_signal", output_error_signal)
    plant(eq, "hidden_error_signal", lambda outer, _: outer * slopes[0][..., :1])


def sum_of(wrong):
    """Plant another sum Σ S_ERROR·weight; the wrong one gets S_ERROR and the weights."""
    return lambda plant: plant(eq, "backpropagated_error", wrong)


def sum_with(signal_of):
    """Plant a sum in which something else stands for the output layer's S_ERROR."""

    def planted(plant):
        seen = {}

        def output_error_signal(outer, slope):
            seen.update(outer=outer)
            return outer * slope

        def function_of(name, slope):
            def function(x):
                seen.update(y=right_function_of(name, slope)(x))
                return seen["y"]

            return function

        plant(eq, "output_error_signal", output_error_signal)
        plant(eq, "function_of", function_of)
        plant(
            eq,
            "backpropagated_error",
            lambda _, weights: right_backpropagated(signal_of(seen), weights),
        )

    return planted


def updated_output_weights(plant):
    entered, rate = {}, []

    def step_of(structure, givens):
        rate[:] = [givens["learning_rate", None]]
        return right_step_of(structure, givens)

    def pre_activation(incoming, weights, biases):
        entered[id(weights)] = incoming
        return right_pre_activation(incoming, weights, biases)

    def backpropagated_error(signal, weights):
        gradient = right_gradient(signal, entered[id(weights)])
        return right_backpropagated(signal, right_updated(weights, rate[0], gradient))

    plant_step(plant, step_of)
    plant(eq, "pre_activation", pre_activation)
    plant(eq, "backpropagated_error", backpropagated_error)


def without_weights(signal, weights):
    return right_backpropagated(signal, np.ones_like(weights))


def summed_over_nodes(signal, weights):
    return np.broadcast_to(right_backpropagated(signal, weights).sum(-1, keepdims=True),
                           (signal.shape[0], weights.shape[0]))  # fmt: skip


def one_output(o):
    def wrong(signal, weights):
        return signal[:, o, None] * weights[None, :, o]

    return wrong


def chain_dropped(signal, weights):
    if weights.shape[0] == weights.shape[1]:  # between the two hidden layers
        signal = np.ones_like(signal)
    return right_backpropagated(signal, weights)


# gradients


def gradient_without_incoming(nodes):
    """Plant a gradient that lacks its second factor, in the layer that so many nodes enter."""

    def weight_gradient(signal, incoming):
        if incoming.shape[1] == nodes:
            incoming = np.ones_like(incoming)
        return right_gradient(signal, incoming)

    return lambda plant: plant(eq, "weight_gradient", weight_gradient)


def bias_gradient(wrong):
    return lambda plant: plant(eq, "bias_gradient", wrong)


def last_sample_only(plant):
    plant(
        eq, "weight_gradient", lambda signal, incoming: right_gradient(signal[-1:], incoming[-1:])
    )


def gradients_times(factor):
    """Plant gradients that differ by a factor made of the number of samples."""

    def planted(plant):
        def gradient(signal, incoming):
            return right_gradient(signal, incoming) * factor(signal.shape[0])

        plant(eq, "weight_gradient", gradient)

    return planted


def decay(wrong):
    return lambda plant: plant(eq, "with_decay", wrong)


# update


def updated(wrong):
    return lambda plant: plant(eq, "updated", wrong)


def one_gradient_for_both(plant):
    gradients = []

    def weight_gradient(signal, incoming):
        gradients.append(right_gradient(signal, incoming))
        return gradients[-1]

    def wrong(value, rate, gradient):
        if value.shape == (4, 1):
            return value
        return value - rate * np.broadcast_to(gradients[-1].T, value.shape)

    plant(eq, "weight_gradient", weight_gradient)
    plant(eq, "updated", wrong)


def first_layer_frozen(value, rate, gradient):
    return value if value.shape == (3, 4) else right_updated(value, rate, gradient)


def last_hidden_node_skipped(value, rate, gradient):
    new = right_updated(value, rate, gradient)
    last = (..., -1) if value.shape == (3, 4) else (-1, ...)
    new[last] = value[last]
    return new


def biases_frozen(value, rate, gradient):
    return value if value.ndim == 1 else right_updated(value, rate, gradient)


def low_precision(plant):
    def step_of(structure, givens):
        single = {key: np.asarray(array, np.float32) for key, array in givens.items()}
        return right_step_of(structure, single)

    plant_step(plant, step_of)


# the table


@dataclass(frozen=True)
class Mistake:
    """One mistake of the list.

    Attributes:
        number: its number there.
        title: its name there.
        workbook: one that exercises it.
        plant: puts it into the MLP.
        first: the quantity in which it begins, and its layer.
    """

    number: str
    title: str
    workbook: str
    plant: Callable[[Callable[..., None]], None]
    first: tuple[str, int | None]


DERIVATIVE, SIGNAL, SUM = "activation_derivative", "error_signal", "backpropagated_error"
FE, DLOSS = ("final_error", None), ("error_derivative", None)
POST, PRE, NEW = "post_activation", "pre_activation", "new_weights"
GRADIENT = "weight_gradient"

MISTAKES = [
    Mistake("1", "sign-of-exponent", DEFAULT, sign_of_exponent, (POST, 0)),
    Mistake("2", "no-hidden-activation", BATCH, no_hidden_activation, (POST, 0)),
    Mistake("3", "no-output-activation", BATCH, no_output_activation, (POST, 1)),
    # S_preA holds the bias in the sheet, so the mistake is seen one quantity earlier
    Mistake("4", "bias-after-activation", BATCH, bias_after_activation, (PRE, 0)),
    Mistake("5", "bias-per-term", BATCH, bias_per_term, (PRE, 0)),
    Mistake("6", "weights-read-transposed", DEFAULT, weights_read_transposed, (PRE, 0)),
    Mistake("7", "activation-for-derivative-output", BATCH,
            logistic_derivative(right_logistic), (DERIVATIVE, 1)),
    Mistake("8", "activation-for-derivative-everywhere", DEFAULT,
            logistic_derivative(right_logistic), (DERIVATIVE, 1)),
    Mistake("9", "activation-for-derivative-hidden", BATCH,
            tanh_derivative(right_tanh), (DERIVATIVE, 0)),
    Mistake("10", "no-output-derivative", DEFAULT,
            output_signal(lambda outer, _: outer), (SIGNAL, 1)),
    Mistake("11", "no-hidden-derivative", DEFAULT,
            hidden_signal(lambda outer, _: outer), (SIGNAL, 0)),
    Mistake("12", "derivative-of-post-activation", DEFAULT,
            logistic_derivative(of_post_activation), (DERIVATIVE, 1)),
    Mistake("13", "derivative-from-pre", DEFAULT,
            logistic_derivative(lambda x: x * (1 - x)), (DERIVATIVE, 1)),
    Mistake("14", "derivative-sign", DEFAULT,
            logistic_derivative(with_wrong_sign), (DERIVATIVE, 1)),
    Mistake("15", "derivative-precedence", DEFAULT,
            logistic_derivative(with_wrong_precedence), (DERIVATIVE, 1)),
    Mistake("16", "hidden-uses-output-derivative", DEFAULT,
            hidden_uses_output_derivative, (SIGNAL, 0)),
    Mistake("17", "error-flipped", DEFAULT, final_error(lambda y, t: t - y), FE),
    Mistake("18", "loss-doubled", DEFAULT, error_derivative(lambda fe: 2 * fe), DLOSS),
    Mistake("19", "loss-averaged-over-outputs", OUTPUTS,
            error_derivative(lambda fe: fe / fe.shape[-1]), DLOSS),
    Mistake("20", "loss-value-for-error", DEFAULT, final_error(lambda y, t: (y - t) * (y - t)), FE),
    Mistake("21", "absolute-error", OUTPUTS, final_error(lambda y, t: abs(y - t)), FE),
    Mistake("22", "error-from-pre-activation", DEFAULT, error_from_pre_activation, FE),
    Mistake("23", "updated-output-weights", DEFAULT, updated_output_weights, (SUM, 0)),
    Mistake("24", "no-output-weight", DEFAULT, sum_of(without_weights), (SUM, 0)),
    Mistake("25", "output-weight-index", DEFAULT,
            sum_of(lambda delta, w: right_backpropagated(delta, np.roll(w, 1, axis=0))), (SUM, 0)),
    Mistake("26", "output-weights-transposed", LEAKY,
            sum_of(lambda delta, w: right_backpropagated(delta, read_transposed(w))), (SUM, 0)),
    Mistake("27", "output-weights-summed", DEFAULT, sum_of(summed_over_nodes), (SUM, 0)),
    Mistake("28", "hidden-skips-output-derivative", DEFAULT,
            sum_with(lambda seen: seen["outer"]), (SUM, 0)),
    Mistake("29", "activation-for-error-signal", DEFAULT,
            sum_with(lambda seen: seen["y"]), (SUM, 0)),
    Mistake("30", "first-output-only", OUTPUTS, sum_of(one_output(0)), (SUM, 0)),
    Mistake("30", "last-output-only", OUTPUTS, sum_of(one_output(-1)), (SUM, 0)),
    Mistake("31", "chain-dropped", TWO_HIDDEN, sum_of(chain_dropped), (SUM, 0)),
    # weightHtoO is frozen, and stands before weightItoH
    Mistake("32", "one-gradient-for-both", DEFAULT, one_gradient_for_both, (NEW, 1)),
    Mistake("33a", "no-input-factor", DEFAULT, gradient_without_incoming(3), (GRADIENT, 0)),
    Mistake("33b", "no-post-activation-factor", DEFAULT,
            gradient_without_incoming(4), (GRADIENT, 1)),
    Mistake("34", "layer-frozen", DEFAULT, updated(first_layer_frozen), (NEW, 0)),
    Mistake("35", "last-node-skipped", DEFAULT, updated(last_hidden_node_skipped), (NEW, 1)),
    Mistake("36", "bias-frozen", BATCH, updated(biases_frozen), ("new_biases", 1)),
    Mistake("37", "bias-gradient-summed", OUTPUTS,
            bias_gradient(lambda d: np.full_like(d[0], d.sum())), ("bias_gradient", 1)),
    Mistake("38", "bias-gradient-mean", BATCH,
            bias_gradient(lambda d: right_bias_gradient(d) / len(d)), ("bias_gradient", 1)),
    Mistake("39a", "learning-rate-missing", DEFAULT, updated(lambda w, _, g: w - g), (NEW, 1)),
    Mistake("39b", "learning-rate-squared", DEFAULT,
            updated(lambda w, rate, g: w - rate * rate * g), (NEW, 1)),
    Mistake("40", "updated-twice", DEFAULT, updated(lambda w, rate, g: w - 2 * rate * g), (NEW, 1)),
    Mistake("42", "assigned-not-subtracted", DEFAULT,
            updated(lambda _, rate, g: -rate * g), (NEW, 1)),
    Mistake("43", "row-shifted", BATCH, next_sample_s_target, FE),
    Mistake("44", "last-sample-only", BATCH, last_sample_only, (GRADIENT, 1)),
    Mistake("45a", "sum-for-mean", BATCH, gradients_times(lambda n: n), (GRADIENT, 1)),
    Mistake("45b", "mean-twice", BATCH, gradients_times(lambda n: 1 / n), (GRADIENT, 1)),
    Mistake("51a", "weight-decay-doubled", DECAY,
            decay(lambda g, rate, w: g + 2 * rate * w), (GRADIENT, 1)),
    Mistake("51d", "weight-decay-sign", DECAY,
            decay(lambda g, rate, w: g - rate * w), (GRADIENT, 1)),
    Mistake("52", "softmax-twice", SOFTMAX, softmax_twice, (POST, 1)),
    Mistake("53", "low-precision", DEFAULT, low_precision, (PRE, 0)),
]  # fmt: skip

UNTOUCHED = sorted({mistake.workbook for mistake in MISTAKES})


@cache
def described(workbook):
    return describe(ROOT / "spreadsheets" / f"{workbook}.xlsx")


def verified(workbook):
    with np.errstate(all="ignore"):
        return Verifier(described(workbook), FormualizerEngine(), stop_at_first=True).run()


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{m.number}-{m.title}" for m in MISTAKES])
def test_a_planted_mistake_is_found_where_it_begins(mistake, monkeypatch):
    mistake.plant(monkeypatch.setattr)
    report = verified(mistake.workbook)
    assert not report.agrees
    first = report.mismatches[0]
    book = described(mistake.workbook)
    assert first.kind == "step"
    assert book.claim_of(place_of(first)).key == mistake.first


@pytest.mark.parametrize("workbook", UNTOUCHED)
def test_without_a_planted_mistake_every_cell_agrees(workbook):
    assert verified(workbook).mismatches == []


def test_every_mistake_from_1_to_36_is_planted():
    planted = {int(mistake.number.rstrip("abd")) for mistake in MISTAKES}
    assert planted >= set(range(1, 37))
