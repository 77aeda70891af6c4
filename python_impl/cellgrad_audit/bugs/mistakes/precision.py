"""Values rounded on the way, and the same mathematics by other formulas."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.entry import Right, mistake
from cellgrad_audit.bugs.program import Parameter, Program


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
