"""Mistakes in the forward pass and in the error, other formulas for it, and poorer formats."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from cellgrad_audit.bugs.arithmetic import Array, total
from cellgrad_audit.bugs.mistakes import InLayers, Right, mistake
from cellgrad_audit.bugs.program import Parameter, Program, Record

# activations


@mistake("sign-of-exponent", "logistic")
def mirrored(run: Program, _right: Right[Array], x: Array) -> Array:
    """The curve mirrored; its derivative is still s · (1 − s)."""
    return 1.0 / (1.0 + run.math.exp(x))


@mistake("no-hidden-activation")
class NoHiddenActivation(Program):
    """Hidden sums go on as they are."""

    __slope_of_post, __no_slope = False, False

    def post_activation(self, k: int, pre: Array) -> Array:
        return pre if k < self.layers - 1 else super().post_activation(k, pre)

    def slope(self, k: int) -> Array:
        if k < self.layers - 1 and self.__no_slope:
            return self.ones(self.pre[k])
        if k < self.layers - 1 and self.__slope_of_post and self.has_short_slope(k):
            return self.short_slope(k, self.post[k])
        return super().slope(k)


@mistake("no-output-activation")
class NoOutputActivation(Program):
    """The output is its sum."""

    __how = "post"

    def post_activation(self, k: int, pre: Array) -> Array:
        return pre if k == self.layers - 1 else super().post_activation(k, pre)

    def slope(self, k: int) -> Array:
        if k < self.layers - 1:
            return super().slope(k)
        short = self.__how == "post" and self.has_short_slope(k)
        return self.short_slope(k, self.post[k]) if short else self.ones(self.pre[k])


@mistake("softmax-twice")
class SoftmaxTwice(Program):
    """A softmax of probabilities."""

    __through = True

    def post_activation(self, k: int, pre: Array) -> Array:
        post = super().post_activation(k, pre)
        if self.activations[k] != "softmax":
            return post
        self.inner, powers = post, self.math.exp(post)
        return powers / total([powers[:, o] for o in range(self.outputs)])[:, None]

    def output_signal(self) -> Array:
        signal = super().output_signal()
        if not self.__through or self.activations[-1] != "softmax":
            return signal
        p = self.inner
        mean = total([p[:, o] * signal[:, o] for o in range(self.outputs)])
        through: Array = p * (signal - mean[:, None])
        return through


@mistake("softmax-over-samples", "softmax")
def softmax_over_samples(run: Program, _right: Right[Array], x: Array) -> Array:
    """The sum over the wrong axis."""
    powers = run.math.exp(x)
    return powers / total([powers[s] for s in range(powers.shape[0])])[None, :]


@mistake("leaky-slope-ignored")
class LeakySlopeIgnored(Program):
    """Another slope below zero."""

    __leak, __forward_only = 0.0, False

    def function(self, name: str, x: Array) -> Array:
        if name != "leaky_relu":
            return super().function(name, x)
        return self.math.choose(x, x, self.__leak * x)

    def derivative(self, k: int, x: Array) -> Array:
        if self.activations[k] != "leaky_relu" or self.__forward_only:
            return super().derivative(k, x)
        return self.math.choose(x, 1.0, self.__leak)


# sums


@mistake("bias-after-activation")
class BiasAfterActivation(InLayers):
    """The sum without its bias enters fA."""

    __at, __slope_of_post = "every layer", False

    def pre_activation(self, k: int, incoming: Array) -> Array:
        with self.without_biases(when=self.here(self.__at, k)):
            return super().pre_activation(k, incoming)

    def post_activation(self, k: int, pre: Array) -> Array:
        post = super().post_activation(k, pre)
        if self.biases is None or not self.here(self.__at, k):
            return post
        return post + self.biases[k][None, :]

    def slope(self, k: int) -> Array:
        if not self.__slope_of_post or not self.here(self.__at, k):
            return super().slope(k)
        if self.has_short_slope(k):
            return self.short_slope(k, self.post[k])
        return self.derivative(k, self.post[k])  # of a ReLU: whether S_postA is above 0


@mistake("bias-per-term")
class BiasPerTerm(InLayers):
    """n biases instead of one."""

    __at, __through = "every layer", False

    def pre_activation(self, k: int, incoming: Array) -> Array:
        pre = super().pre_activation(k, incoming)
        if not self.here(self.__at, k) or self.biases is None:
            return pre
        return pre + float(incoming.shape[1] - 1) * self.biases[k][None, :]

    def bias_gradient(self, k: int) -> Array:
        gradient = super().bias_gradient(k)
        often = self.__through and self.here(self.__at, k)
        return float(self.nodes[k]) * gradient if often else gradient


@mistake("bias-missing")
class BiasMissing(Program):
    """Sums without biases."""

    __frozen = True

    def pre_activation(self, k: int, incoming: Array) -> Array:
        with self.without_biases():
            return super().pre_activation(k, incoming)

    def moves(self, parameter: tuple[str, int]) -> bool:
        return super().moves(parameter) and not (self.__frozen and parameter[0] == "biases")


@mistake("weights-read-transposed")
class WeightsReadTransposed(InLayers):
    """The same numbers, other places."""

    __at, __written_so = "every layer", False

    def given_weights(self, k: int) -> Array:
        weights = super().given_weights(k)
        if not self.here(self.__at, k):
            return weights
        n, m = weights.shape
        return weights.ravel().reshape(m, n).T

    def run(self) -> Record:
        record = super().run()
        if self.__written_so:
            # packed column by column as well: back to where they came from
            record.weights = [w.T.ravel().reshape(w.shape) for w in record.weights]
        return record


@mistake("last-term-skipped", "pre_activation", at="every layer")
def last_term_skipped(_run: Program, right: Right[Array], k: int, incoming: Array) -> Array:
    """The last product is left out, forward only."""
    return right(k, incoming[:, :-1] if incoming.shape[1] > 1 else incoming)


# the error


@mistake("error-flipped", "error_of_outputs")
def flipped(_run: Program, right: Right[Array]) -> Array:
    """The network learns the opposite."""
    return -right()


@mistake("loss-doubled", "error_derivative")
def doubled(run: Program, right: Right[Array], final_error: Array, *, also: bool = False) -> Array:
    """2 · FE; ``also``: averaged over the samples twice."""
    twice = 2.0 * right(final_error)
    return twice / float(run.size) if also else twice


@mistake("loss-averaged-over-outputs", "error_derivative")
def averaged_over_outputs(
    run: Program, right: Right[Array], final_error: Array, *, factor: float = 1.0
) -> Array:
    """FE or 2 · FE over the number of outputs."""
    derivative = right(final_error)
    return (derivative if factor == 1 else 2.0 * derivative) / float(run.outputs)


@mistake("loss-value-for-error", "output_error")
def loss_for_error(
    run: Program,
    right: Right[Array],
    output: Array,
    target: Array,
    *,
    how: str = "square",
) -> Array:
    """E in the place of its derivative."""
    error = right(output, target)
    if how == "error":
        run.final_error = error
        return error * 0.0 + run.sample_error()[:, None]
    squares = error * error
    if how in ("square", "half"):
        return squares if how == "square" else 0.5 * squares
    sums = total([squares[:, o] for o in range(run.outputs)])[:, None]
    return error * 0.0 + (sums if how == "sum" else 0.5 * sums)


@mistake("absolute-error", "output_error")
def absolute(run: Program, right: Right[Array], output: Array, target: Array) -> Array:
    """|FE|."""
    return run.math.absolute(right(output, target))


@mistake("error-sign-only", "error_derivative")
def sign_only(run: Program, _right: Right[Array], final_error: Array) -> Array:
    """±1."""
    return run.math.choose(final_error, 1.0, -1.0)


@mistake("error-from-pre-activation", "output_error")
def error_before_activation(
    run: Program, right: Right[Array], _output: Array, target: Array
) -> Array:
    """S_preA − target."""
    return right(run.pre[-1], target)


@mistake("error-sign-convention")
class ErrorSignConvention(Program):
    """Both signs flipped."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sign = -self.sign


# the same mathematics by other formulas


@mistake("logistic-through-tanh", "logistic")
def logistic_through_tanh(run: Program, _right: Right[Array], x: Array) -> Array:
    """½ (1 + tanh(x/2))."""
    return 0.5 * (1.0 + run.math.tanh(0.5 * x))


@mistake("logistic-complement", "logistic")
def logistic_complement(run: Program, _right: Right[Array], x: Array) -> Array:
    """1 − fA(−x)."""
    return 1.0 - 1.0 / (1.0 + run.math.exp(x))


@mistake("tanh-through-exp", "function")
def tanh_through_exp(
    run: Program, right: Right[Array], name: str, x: Array, *, how: str = "two"
) -> Array:
    """(e^x − e^−x) / (e^x + e^−x)."""
    if name != "tanh":
        return right(name, x)
    if how == "one":
        return 2.0 / (1.0 + run.math.exp(-2.0 * x)) - 1.0
    up, down = run.math.exp(x), run.math.exp(-x)
    quotient: Array = (up - down) / (up + down)
    return quotient


@mistake("softmax-shifted", "softmax")
def softmax_shifted(run: Program, right: Right[Array], x: Array) -> Array:
    """Shifted by the maximum."""
    largest = x[:, 0]
    for o in range(1, x.shape[1]):
        largest = run.math.choose(x[:, o] - largest, x[:, o], largest)
    return right(x - largest[:, None])


# values rounded on the way


def to_decimals(decimals: int) -> Callable[[float], float]:
    """Return what rounds to so many decimals."""
    return lambda value: round(value, decimals)


def to_float16(value: float) -> float:
    """Round to half precision; beyond its range to infinity."""
    with np.errstate(over="ignore"):
        return float(np.float16(value))


def to_bfloat16(value: float) -> float:
    """Round to bfloat16: the upper half of a single."""
    if not math.isfinite(value):
        return value
    bits = int.from_bytes(struct.pack(">f", value), "big")
    bits += 0x7FFF + ((bits >> 16) & 1)
    return float(struct.unpack(">f", (bits & 0xFFFF0000).to_bytes(4, "big"))[0])


_FORMATS = {
    **{f"{n} decimals": to_decimals(n) for n in range(2, 7)},
    "float16": to_float16,
    "bfloat16": to_bfloat16,
}


@mistake("low-precision")
class LowPrecision(Program):
    """A poorer format for some values."""

    __to, __what, __givens_too = "4 decimals", "post", False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.__givens_too and self.biases is not None:
            self.biases = [self.cut(layer, "weights") for layer in self.biases]

    def cut(self, value: Array, *kinds: str) -> Array:
        """Return a value in the poorer format, if it is of such a kind."""
        cuts = self.__what in kinds
        return self.math.rounded(value, _FORMATS[self.__to]) if cuts else value

    def given_weights(self, k: int) -> Array:
        weights = super().given_weights(k)
        return self.cut(weights, "weights") if self.__givens_too else weights

    def pre_activation(self, k: int, incoming: Array) -> Array:
        return self.cut(super().pre_activation(k, incoming), "all")

    def post_activation(self, k: int, pre: Array) -> Array:
        return self.cut(super().post_activation(k, pre), "post", "post alone", "all")

    def output_signal(self) -> Array:
        return self.cut(super().output_signal(), "all")

    def slope(self, k: int) -> Array:
        if self.__what in ("post", "all") and self.has_short_slope(k):
            return self.cut(self.short_slope(k, self.post[k]), "all")
        return super().slope(k)

    def hidden_signal(self, k: int) -> Array:
        return self.cut(super().hidden_signal(k), "all")

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        return self.cut(super().averaged(gradient, parameter), "gradients", "all")

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        return self.cut(super().moved(parameter, value, gradient), "weights", "all")
