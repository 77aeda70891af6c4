"""Mistakes in fA′, in the error that flows back, and in the gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cellgrad.case.quantities import ACTIVATIONS
from cellgrad_audit.bugs.arithmetic import Array, total
from cellgrad_audit.bugs.mistakes import Right, mistake
from cellgrad_audit.bugs.program import Parameter, Program

# fA′


def activation_for_derivative(entry: str, here: Callable[[Program, int], bool]) -> None:
    """Register fA for fA′ in some layers, of nodes with certain activations."""

    @mistake(entry, "derivative")
    def activation_instead(
        run: Program, right: Right[Array], k: int, x: Array, *, of: tuple[str, ...] = ACTIVATIONS
    ) -> Array:
        wrong = here(run, k) and run.activations[k] in of
        return run.function(run.activations[k], x) if wrong else right(k, x)


activation_for_derivative("activation-for-derivative-output", lambda run, k: k == run.layers - 1)
activation_for_derivative("activation-for-derivative-everywhere", lambda _run, _k: True)
activation_for_derivative("activation-for-derivative-hidden", lambda run, k: k < run.layers - 1)


@mistake("no-output-derivative", "derivative")
def one_for_output(run: Program, right: Right[Array], k: int, x: Array) -> Array:
    """1 for fA′ of the output."""
    return right(k, x) if k < run.layers - 1 else run.ones(x)


@mistake("no-hidden-derivative", "derivative", at="hidden layers")
def one_for_hidden(run: Program, right: Right[Array], k: int, x: Array) -> Array:
    """1 for fA′ of hidden nodes."""
    return run.ones(x) if k < run.layers - 1 else right(k, x)


@mistake("derivative-kept-in-cross-entropy", "output_signal")
def derivative_kept(run: Program, right: Right[Array]) -> Array:
    """Y · (1 − y) once too often."""
    signal = right()
    return signal * run.logistic_slope(run.post[-1]) if run.cancels else signal


@mistake("derivative-of-post-activation", "slope", at="every layer")
def slope_of_post(run: Program, _right: Right[Array], k: int) -> Array:
    """FA applied once too often."""
    return run.derivative(k, run.post[k])


@mistake("derivative-from-pre", "slope", at="every layer")
def short_slope_of_pre(run: Program, right: Right[Array], k: int) -> Array:
    """X · (1 − x), 1 − x²."""
    return run.short_slope(k, run.pre[k]) if run.has_short_slope(k) else right(k)


@mistake("derivative-sign", "derivative", at="every layer")
def negative_slope(
    run: Program,
    right: Right[Array],
    k: int,
    x: Array,
    *,
    of: tuple[str, ...] = ("logistic", "tanh"),
) -> Array:
    """−fA′."""
    slope = right(k, x)
    return -slope if run.activations[k] in of else slope


@mistake("derivative-precedence", "derivative", at="every layer")
def without_brackets(run: Program, right: Right[Array], k: int, x: Array) -> Array:
    """S · 1 − s."""
    if run.activations[k] != "logistic":
        return right(k, x)
    s = run.function("logistic", x)
    return s * 1.0 - s


@mistake("logistic-derivative-in-tanh", "derivative_from_post")
def logistic_slope_of_tanh(run: Program, _right: Right[Array], _name: str, post: Array) -> Array:
    """T · (1 − t)."""
    return run.logistic_slope(post)


@mistake("tanh-derivative-in-logistic", "logistic_slope")
def tanh_slope_of_logistic(_run: Program, _right: Right[Array], s: Array) -> Array:
    """1 − s²."""
    return 1.0 - s * s


@mistake("hidden-uses-output-derivative", "hidden_signal")
def slope_of_output(
    run: Program,
    right: Right[Array],
    k: int,
    *,
    which: str = "inside",
    every_layer: bool = False,
    softmax: bool = False,
) -> Array:
    """fA′(S_preA_O) in the hidden layer."""
    if k < run.layers - 2 and not every_layer:
        return right(k)
    above, weights = run.slope(k + 1), run.weights_back(k + 1)
    if softmax and run.activations[k + 1] == "softmax":
        above = run.logistic_slope(run.post[k + 1])
    if which == "inside":
        return run.weighted_sum(run.signal[k + 1] * above, weights)
    nodes, outputs = range(run.nodes[k + 1]), run.nodes[k + 2]
    columns = {
        "same": [h % outputs for h in nodes],
        "first": [0 for _ in nodes],
        "last": [outputs - 1 for _ in nodes],
    }[which]
    flowing = run.keep("backpropagated_error", k, run.backpropagated(k))
    return flowing * run.keep("activation_derivative", k, above[:, columns])


# the error that flows back


@mistake("updated-output-weights", "weights_back")
def new_weights_back(
    run: Program,
    right: Right[Array],
    k: int,
    *,
    only_output: bool = False,
    only_online: bool = False,
) -> Array:
    """New weights in Eq. 11."""
    spared = (only_output and k < run.layers - 1) or (only_online and run.case.update != "online")
    return right(k) if spared else run.updated(("weights", k))


@mistake("no-output-weight", "weighted_sum")
def signals_alone(_run: Program, _right: Right[Array], signal: Array, weights: Array) -> Array:
    """Σ S_ERROR."""
    columns = range(weights.shape[1])
    return total([signal[:, o, None] + 0.0 * weights[None, :, o] for o in columns])


@mistake("output-weight-index", "weighted_sum")
def neighbours_weight(
    _run: Program,
    right: Right[Array],
    signal: Array,
    weights: Array,
    *,
    step: int = 1,
    axis: int = 0,
    wraps: bool = True,
) -> Array:
    """The row above or below; past the end comes the other end, or the end itself."""
    size = weights.shape[axis]
    moved = np.arange(size) + step
    rows = moved % size if wraps else moved.clip(0, size - 1)
    return right(signal, weights.take(rows, axis=axis))


@mistake("output-weights-transposed", "weighted_sum")
def transposed_weights(
    _run: Program, right: Right[Array], signal: Array, weights: Array, *, flat: bool = True
) -> Array:
    """The flat array read by columns, or the two indices swapped."""
    n, m = weights.shape
    if flat:
        return right(signal, weights.ravel().reshape(m, n).T)
    return right(signal, weights[np.arange(m)[None, :] % n, np.arange(n)[:, None] % m])


@mistake("output-weights-summed", "weighted_sum")
def sum_of_weights(
    _run: Program, _right: Right[Array], signal: Array, weights: Array, *, over: str = "hidden"
) -> Array:
    """One sum for all hidden nodes."""
    rows, columns = range(weights.shape[0]), range(weights.shape[1])
    if over == "hidden":
        summed = total([weights[h] for h in rows])
        one = total([signal[:, o] * summed[o] for o in columns])
        return one[:, None] + 0.0 * weights[None, :, 0]
    summed = total([weights[:, o] for o in columns])
    if over == "both":
        summed = 0.0 * summed + total([summed[h] for h in rows])
    return total([signal[:, o] for o in columns])[:, None] * summed[None, :]


@mistake("hidden-skips-output-derivative", "backpropagated")
def final_error_back(run: Program, right: Right[Array], k: int) -> Array:
    """FE flows back."""
    if k < run.layers - 2:
        return right(k)
    return run.weighted_sum(run.error_derivative(run.final_error), run.weights_back(k + 1))


@mistake("activation-for-error-signal", "backpropagated")
def output_back(run: Program, right: Right[Array], k: int) -> Array:
    """Y flows back."""
    if k < run.layers - 2:
        return right(k)
    return run.weighted_sum(run.post[-1], run.weights_back(k + 1))


@mistake("one-output-only", "backpropagated", at="every layer")
def one_term(run: Program, _right: Right[Array], k: int, *, which: int = 0) -> Array:
    """One term of the sum."""
    o = which % run.nodes[k + 2]
    signal, weights = run.signal[k + 1], run.weights_back(k + 1)
    return run.weighted_sum(signal[:, o : o + 1], weights[:, o : o + 1])


@mistake("chain-dropped", "backpropagated", at="every layer")
def weights_alone(run: Program, _right: Right[Array], k: int) -> Array:
    """Weights without a signal."""
    return run.weighted_sum(run.signal[k + 1] * 0.0 + 1.0, run.weights_back(k + 1))


@mistake("last-output-skipped-backward", "weighted_sum")
def last_output_skipped(_run: Program, right: Right[Array], signal: Array, weights: Array) -> Array:
    """The last term is left out."""
    if weights.shape[1] == 1:  # the loop does not run at all
        return right(signal, weights * 0.0)
    return right(signal[:, :-1], weights[:, :-1])


# gradients


@mistake("one-gradient-for-both")
class OneGradientForBoth(Program):
    """gradient_HtoO[h] for every weight into h."""

    __how, __every = "sum", False

    def weight_gradient(self, k: int) -> Array:
        gradient = super().weight_gradient(k)
        above, self.above = getattr(self, "above", gradient), gradient
        if k == self.layers - 1 or (k < self.layers - 2 and not self.__every):
            return gradient
        nodes = above.shape[1]
        summed = total([above[:, o] for o in range(nodes)])
        of_node = {
            "sum": summed,
            "mean": summed / float(nodes),
            "first": above[:, 0],
            "last": above[:, -1],
        }[self.__how]
        for_all: Array = 0.0 * gradient + of_node[None, :]
        return for_all

    def moves(self, parameter: Parameter) -> bool:
        if parameter == ("weights", self.layers - 1) and self.layers > 1:
            return False
        return super().moves(parameter)


@mistake("no-input-factor", "incoming_back")
def one_for_input(run: Program, right: Right[Array], k: int) -> Array:
    """1 for the input."""
    return right(k) if k else run.incoming[0] * 0.0 + 1.0


@mistake("no-post-activation-factor", "incoming_back", at="output layer")
def one_for_post_activation(run: Program, right: Right[Array], k: int) -> Array:
    """1 for the hidden node's output."""
    return run.incoming[k] * 0.0 + 1.0 if k else right(k)


@mistake("pre-activation-factor", "incoming_back")
def pre_for_post_activation(run: Program, right: Right[Array], k: int) -> Array:
    """S_preA for S_postA."""
    return run.pre[k - 1] if k else right(k)


@mistake("bias-gradient-summed", "bias_gradient", at="every layer")
def one_bias_gradient(_run: Program, right: Right[Array], k: int, *, mean: bool = False) -> Array:
    """Σ or mean over the nodes."""
    gradient = right(k)
    nodes = len(gradient)
    summed = total([gradient[j] for j in range(nodes)])
    return 0.0 * gradient + (summed / float(nodes) if mean else summed)


@mistake("bias-gradient-mean", "averaged")
def other_divisor(
    run: Program,
    right: Right[Array],
    gradient: Array,
    parameter: Parameter,
    *,
    how: str = "more",
    of_mean: bool = False,
) -> Array:
    """Another divisor for biases."""
    averaged = right(gradient, parameter)
    if parameter[0] == "weights" or (of_mean and run.case.update != "batch_mean"):
        return averaged
    if how == "nodes":
        return gradient / float(len(gradient))
    return averaged / float(run.size) if how == "more" else gradient


@mistake("bias-gradient-times-input", "bias_gradient")
def bias_gradient_times_input(
    run: Program, _right: Right[Array], k: int, *, which: int = 0
) -> Array:
    """S_ERROR · incoming."""
    factor = run.incoming[k][:, which, None]
    return run.over_samples([(run.signal[k] * factor)[s] for s in range(run.size)])


@mistake("gradient-transposed", "weight_gradient", at="every layer")
def transposed_gradient(_run: Program, right: Right[Array], k: int) -> Array:
    """The flat array read by columns."""
    gradient: Array = right(k)
    n, m = gradient.shape
    return gradient.ravel().reshape(m, n).T
