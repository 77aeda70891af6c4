"""Values rounded on the way, and the same mathematics by other formulas."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.entry import ALTERNATIVE, PRECISION, Chapter, Seen
from cellgrad_audit.bugs.program import Parameter, Program

CHAPTER = Chapter()


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
    **{f"{n} decimals": to_decimals(n) for n in (2, 3, 4, 5, 6)},
    "float16": to_float16,
    "bfloat16": to_bfloat16,
}

_ROUNDED = {
    "post": ("S_postA", "post_activation"),
    "all": ("every value", "pre_activation"),
    "weights": ("new weights", "new_weights"),
    "gradients": ("gradients, before decay,", "weight_gradient"),
    "post alone": ("S_postA, not in fA′,", "post_activation"),
}
"""What is rounded, in words, and what shows it first."""


@CHAPTER.entry(
    id="low-precision",
    title="Values are rounded on the way",
    wrong="S_postA, or every value, rounded to a few digits",
    right="full precision until the answer is printed",
    first="post_activation",
    why="Intermediate results are printed and typed in again, or kept in a short format. (Single "
    "precision throughout is recognised, and held to its own bound.)",
    fix="Round only what is shown.",
    kind=PRECISION,
    needs="numbers with more digits than are kept",
    seen=(
        Seen(
            "the working of a step in a library's test, written as comments (see the errata)",
            "https://github.com/scikit-learn/scikit-learn/blob/05fda27/sklearn/neural_network/"
            "tests/test_mlp.py",
        ),
    ),
    variants={
        f"{what} to {name}": {"to": staticmethod(to), "what": kind}
        for kind, (what, _) in _ROUNDED.items()
        for name, to in _FORMATS.items()
    }
    | {
        f"all weights and biases to {n} decimals": {
            "to": staticmethod(to_decimals(n)),
            "what": "weights",
            "givens_too": True,
        }
        for n in (2, 3, 4, 5)
    },
    firsts={f"{what} to {name}": first for what, first in _ROUNDED.values() for name in _FORMATS}
    | {f"all weights and biases to {n} decimals": "pre_activation" for n in (2, 3, 4, 5)},
)
class LowPrecision(Program):
    """A poorer format for some values."""

    __to: Callable[[float], float] = staticmethod(to_decimals(4))
    __what, __givens_too = "post", False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.__givens_too and self.biases is not None:
            self.biases = [self.cut(layer, ("weights",)) for layer in self.biases]

    def given_weights(self, k: int) -> Array:
        right = super().given_weights(k)
        return self.cut(right, ("weights",)) if self.__givens_too else right

    def cut(self, value: Array, kinds: tuple[str, ...]) -> Array:
        """Return a value in the poorer format, if it is of such a kind."""
        return self.math.rounded(value, self.__to) if self.__what in kinds else value

    def pre_activation(self, k: int, incoming: Array) -> Array:
        return self.cut(super().pre_activation(k, incoming), ("all",))

    def post_activation(self, k: int, pre: Array) -> Array:
        return self.cut(super().post_activation(k, pre), ("post", "post alone", "all"))

    def output_signal(self) -> Array:
        return self.cut(super().output_signal(), ("all",))

    def slope(self, k: int) -> Array:
        name = self.activations[k]
        if self.__what in ("post", "all") and name in ("logistic", "tanh"):
            return self.cut(self.derivative_from_post(name, self.post[k]), ("all",))
        return super().slope(k)

    def hidden_signal(self, k: int) -> Array:
        return self.cut(super().hidden_signal(k), ("all",))

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        return self.cut(super().averaged(gradient, parameter), ("gradients", "all"))

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        return self.cut(super().moved(parameter, value, gradient), ("weights", "all"))


@CHAPTER.entry(
    id="logistic-through-tanh",
    title="The logistic function is computed through tanh",
    wrong="fA(x) = ½ · (1 + TANH(x / 2))",
    right="fA(x) = 1 / (1 + EXP(−x)): the same function",
    first="post_activation",
    why="It avoids an overflow. For very negative x the 1 and the TANH cancel: digits are lost.",
    fix="Nothing, unless values near 0 matter.",
    kind=ALTERNATIVE,
    needs="logistic nodes with a very negative S_preA",
)
class LogisticThroughTanh(Program):
    """½ (1 + tanh(x/2))."""

    def logistic(self, x: Array) -> Array:
        return 0.5 * (1.0 + self.math.tanh(0.5 * x))


@CHAPTER.entry(
    id="logistic-complement",
    title="The logistic function is computed from its complement",
    wrong="fA(x) = 1 − 1 / (1 + EXP(x))",
    right="fA(x) = 1 / (1 + EXP(−x)): the same function",
    first="post_activation",
    why="It avoids an overflow. For very negative x the two terms cancel, and digits are lost.",
    fix="Nothing, unless values near 0 matter.",
    kind=ALTERNATIVE,
    needs="logistic nodes with a very negative S_preA",
)
class LogisticComplement(Program):
    """1 − fA(−x)."""

    def logistic(self, x: Array) -> Array:
        return 1.0 - 1.0 / (1.0 + self.math.exp(x))


@CHAPTER.entry(
    id="tanh-through-exp",
    title="tanh is computed through exponentials",
    wrong="fA(x) = (EXP(x) − EXP(−x)) / (EXP(x) + EXP(−x))",
    right="fA(x) = TANH(x): the same function",
    first="post_activation",
    why="It is the definition. Near 0 the two exponentials cancel, and digits are lost.",
    fix="Nothing, unless values near 0 matter.",
    kind=ALTERNATIVE,
    needs="tanh nodes with S_preA near 0",
    variants={"two exponentials": {"how": "two"}, "2 / (1 + EXP(−2x)) − 1": {"how": "one"}},
)
class TanhThroughExp(Program):
    """(e^x − e^−x) / (e^x + e^−x)."""

    __how = "two"

    def function(self, name: str, x: Array) -> Array:
        if name != "tanh":
            return super().function(name, x)
        if self.__how == "one":
            return 2.0 / (1.0 + self.math.exp(-2.0 * x)) - 1.0
        up, down = self.math.exp(x), self.math.exp(-x)
        quotient: Array = (up - down) / (up + down)
        return quotient


@CHAPTER.entry(
    id="softmax-shifted",
    title="Softmax subtracts the largest sum first",
    wrong="y = EXP(z − max) / Σ EXP(z − max)",
    right="y = EXP(z) / Σ EXP(z): the same function",
    first="exponential",
    why="It avoids an overflow; subtracting costs a rounding.",
    fix="Nothing.",
    kind=ALTERNATIVE,
    needs="a softmax output",
)
class SoftmaxShifted(Program):
    """Shifted by the maximum."""

    def softmax(self, x: Array) -> Array:
        largest = x[:, 0]
        for o in range(1, x.shape[1]):
            largest = self.math.choose(x[:, o] - largest, x[:, o], largest)
        return super().softmax(x - largest[:, None])
