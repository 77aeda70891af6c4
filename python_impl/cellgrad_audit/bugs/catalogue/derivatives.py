"""Mistakes in fA′."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellgrad.case.vocabulary import ACTIVATIONS
from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.entry import Chapter, InLayers, Seen, at
from cellgrad_audit.bugs.program import Program

CHAPTER = Chapter()

_BOTH, _LOGISTIC = ("logistic", "tanh"), ("logistic",)


def _of(variants: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return variants for all activations, for logistic and tanh, for the logistic alone."""
    found = {}
    for name, attributes in variants.items():
        for which, activations in (
            ("", ACTIVATIONS),
            ("logistic and tanh nodes only", _BOTH),
            ("logistic nodes only", _LOGISTIC),
        ):
            joined = ", ".join(part for part in (name, which) if part)
            found[joined] = {**attributes, "of": activations}
    return found


@CHAPTER.entry(
    id="activation-for-derivative-output",
    title="fA stands where fA′ belongs, in the output layer",
    wrong="S_ERROR_O = FE · fA(S_preA_O)",
    right="S_ERROR_O = FE · fA′(S_preA_O)",
    first="activation_derivative",
    why="The function and its derivative have similar names, and one call is as easily written "
    "as the other.",
    fix="Call the derivative: s · (1 − s) for the logistic.",
    needs="a squared error",
    variants=_of({"": {}}),
)
class ActivationForDerivativeOutput(Program):
    """FE · fA."""

    __of: tuple[str, ...] = ACTIVATIONS

    def derivative(self, k: int, x: Array) -> Array:
        if k < self.layers - 1 or self.activations[k] not in self.__of:
            return super().derivative(k, x)
        return self.function(self.activations[k], x)


@CHAPTER.entry(
    id="activation-for-derivative-everywhere",
    title="fA stands where fA′ belongs, in every layer",
    wrong="S_ERROR_O = FE · fA(S_preA_O), and likewise below",
    right="S_ERROR_O = FE · fA′(S_preA_O), and likewise below",
    first="activation_derivative",
    why="The derivative function was never written, or returns the function itself.",
    fix="Write fA′ as a function of its own, and check fA′(0) = ¼ for the logistic.",
    needs="a hidden layer and a squared error, to tell it from its two halves",
    variants=_of({"": {}}),
)
class ActivationForDerivativeEverywhere(Program):
    """fA in the output and in the hidden layers."""

    __of: tuple[str, ...] = ACTIVATIONS

    def derivative(self, k: int, x: Array) -> Array:
        if self.activations[k] not in self.__of:
            return super().derivative(k, x)
        return self.function(self.activations[k], x)


@CHAPTER.entry(
    id="activation-for-derivative-hidden",
    title="fA stands where fA′ belongs, in the hidden layers",
    wrong="S_ERROR_H = (Σ S_ERROR · weight) · fA(S_preA_H)",
    right="S_ERROR_H = (Σ S_ERROR · weight) · fA′(S_preA_H)",
    first="activation_derivative",
    why="The hidden line was written from the forward pass.",
    fix="Call the derivative there as well.",
    needs="a hidden layer",
    variants=_of({"": {}}),
)
class ActivationForDerivativeHidden(Program):
    """fA in the hidden layers."""

    __of: tuple[str, ...] = ACTIVATIONS

    def derivative(self, k: int, x: Array) -> Array:
        if k == self.layers - 1 or self.activations[k] not in self.__of:
            return super().derivative(k, x)
        return self.function(self.activations[k], x)


@CHAPTER.entry(
    id="no-output-derivative",
    title="The output layer lacks fA′",
    wrong="S_ERROR_O = FE",
    right="S_ERROR_O = FE · fA′(S_preA_O)",
    first="activation_derivative",
    why="It is right for cross-entropy, where fA′ cancels, and taken over to the squared error.",
    fix="Multiply by fA′, or declare the cross-entropy that was meant.",
    needs="a squared error with an output that is not identity",
    seen=(
        Seen(
            "a small library's output error, reported in an issue",
            "https://github.com/parasdahal/tinyml/issues/1",
        ),
        Seen(
            "a network written from scratch for a video, with a correction proposed",
            "https://github.com/Bot-Academy/NeuralNetworkFromScratch/pull/3",
        ),
        Seen(
            "where it is right: a textbook's cross-entropy, explained in an issue",
            "https://github.com/rasbt/python-machine-learning-book-2nd-edition/issues/54",
        ),
    ),
)
class NoOutputDerivative(Program):
    """1 for fA′ of the output."""

    def derivative(self, k: int, x: Array) -> Array:
        if k < self.layers - 1:
            return super().derivative(k, x)
        return self.math.choose(x, 1.0, 1.0)


@CHAPTER.entry(
    id="no-hidden-derivative",
    title="A hidden layer lacks fA′",
    wrong="S_ERROR_H = Σ S_ERROR · weight",
    right="S_ERROR_H = (Σ S_ERROR · weight) · fA′(S_preA_H)",
    first="activation_derivative",
    why="The error is passed down as if the hidden nodes were linear; a ReLU's fA′ of 0 or 1 is "
    "easily overlooked.",
    fix="Multiply by fA′(S_preA_H), 0 where a ReLU is closed.",
    needs="a hidden layer that is not identity",
    seen=(
        Seen(
            "14 gradients of a worked spreadsheet example follow from one ReLU layer without "
            "fA′ (see the errata)",
            "https://github.com/ImagineAILab/ai-by-hand-excel",
        ),
    ),
    variants=at("hidden layers", "first layer", "last hidden layer"),
)
class NoHiddenDerivative(InLayers):
    """1 for fA′ of hidden nodes."""

    __at = "hidden layers"

    def derivative(self, k: int, x: Array) -> Array:
        if k == self.layers - 1 or not self.here(self.__at, k):
            return super().derivative(k, x)
        return self.math.choose(x, 1.0, 1.0)


@CHAPTER.entry(
    id="derivative-kept-in-cross-entropy",
    title="Cross-entropy, and fA′ is multiplied in all the same",
    wrong="S_ERROR_O = (y − target) · y · (1 − y)",
    right="S_ERROR_O = y − target",
    first="error_signal",
    why="The line for the squared error was kept when the loss was changed.",
    fix="Leave fA′ out: it cancels against the derivative of the cross-entropy (Eq. 18).",
    needs="a cross-entropy",
    seen=(
        Seen(
            "proposed, and turned down, for a book's program with cross-entropy",
            "https://github.com/mnielsen/neural-networks-and-deep-learning/pull/77",
        ),
    ),
)
class DerivativeKeptInCrossEntropy(Program):
    """y · (1 − y) once too often."""

    def output_signal(self) -> Array:
        signal = super().output_signal()
        return signal * self.logistic_slope(self.post[-1]) if self.cancels else signal


@CHAPTER.entry(
    id="derivative-of-post-activation",
    title="fA′ is taken of the post-activation",
    wrong="fA′(S_postA)",
    right="fA′(S_preA)",
    first="activation_derivative",
    why="A derivative function that expects S_preA is handed the stored output of the node.",
    fix="Hand it S_preA, or use s · (1 − s) with s = S_postA, but not both.",
    needs="logistic or tanh nodes",
    seen=(
        Seen(
            "a proposed correction would have made it: the function expected S_postA",
            "https://github.com/jeffheaton/jeffheaton-book-code/issues/7",
        ),
        Seen(
            "asked about a book's ReLU layer, whose derivative is handed S_postA",
            "https://github.com/iamtrask/Grokking-Deep-Learning/issues/56",
        ),
    ),
    variants=at("every layer", "output layer", "hidden layers"),
)
class DerivativeOfPostActivation(InLayers):
    """fA applied once too often."""

    __at = "every layer"

    def slope(self, k: int) -> Array:
        return self.derivative(k, self.post[k]) if self.here(self.__at, k) else super().slope(k)


@CHAPTER.entry(
    id="derivative-from-pre",
    title="The short form of fA′ is fed with the pre-activation",
    wrong="fA′ = S_preA · (1 − S_preA)",
    right="fA′ = S_postA · (1 − S_postA)",
    first="activation_derivative",
    why="The short form expects s = fA(x) and is handed x.",
    fix="Feed it S_postA.",
    needs="logistic or tanh nodes",
    seen=(
        Seen(
            "a framework's activation class, corrected by a pull request",
            "https://github.com/apache/incubator-retired-horn/pull/8",
        ),
        Seen(
            "a worked solution in a book of exercises",
            "https://github.com/BoltzmannEntropy/interviews.ai/issues/4",
        ),
    ),
    variants=at("every layer", "output layer", "hidden layers"),
)
class DerivativeFromPre(InLayers):
    """x · (1 − x), 1 − x²."""

    __at = "every layer"

    def slope(self, k: int) -> Array:
        name = self.activations[k]
        if name not in ("logistic", "tanh") or not self.here(self.__at, k):
            return super().slope(k)
        return self.derivative_from_post(name, self.pre[k])


@CHAPTER.entry(
    id="derivative-sign",
    title="fA′ has the wrong sign",
    wrong="fA′ = s · (s − 1)",
    right="fA′ = s · (1 − s)",
    first="activation_derivative",
    why="The two terms in brackets are swapped.",
    fix="1 − s: fA′ is positive everywhere.",
    needs="logistic or tanh nodes; in the output layer a trace, to tell it from error-flipped",
    variants={
        **at("every layer", "output layer", "hidden layers"),
        "every layer, logistic nodes only": {"at": "every layer", "of": _LOGISTIC},
        "every layer, every activation": {"at": "every layer", "of": ACTIVATIONS},
    },
)
class DerivativeSign(InLayers):
    """−fA′."""

    __at = "every layer"

    __of: tuple[str, ...] = _BOTH

    def derivative(self, k: int, x: Array) -> Array:
        right = super().derivative(k, x)
        return -right if self.here(self.__at, k) and self.activations[k] in self.__of else right


@CHAPTER.entry(
    id="derivative-precedence",
    title="fA′ lacks its brackets and is always 0",
    wrong="fA′ = s * 1 − s = 0",
    right="fA′ = s * (1 − s)",
    first="activation_derivative",
    why="Multiplication binds stronger than subtraction.",
    fix="Put 1 − s in brackets.",
    needs="logistic nodes; in the hidden layer a trace tells it from a frozen layer",
    variants=at("every layer", "output layer", "hidden layers"),
)
class DerivativePrecedence(InLayers):
    """s · 1 − s."""

    __at = "every layer"

    def derivative(self, k: int, x: Array) -> Array:
        right = super().derivative(k, x)
        if not self.here(self.__at, k) or self.activations[k] != "logistic":
            return right
        s = self.function("logistic", x)
        return s * 1.0 - s


@CHAPTER.entry(
    id="logistic-derivative-in-tanh",
    title="tanh nodes with the logistic function's derivative",
    wrong="fA′ = t · (1 − t)",
    right="fA′ = 1 − t · t",
    first="activation_derivative",
    why="The activation was exchanged, its derivative was not.",
    fix="Use 1 − t².",
    needs="tanh nodes",
)
class LogisticDerivativeInTanh(Program):
    """t · (1 − t)."""

    def derivative_from_post(self, name: str, post: Array) -> Array:
        return self.logistic_slope(post)


@CHAPTER.entry(
    id="tanh-derivative-in-logistic",
    title="Logistic nodes with the derivative of tanh",
    wrong="fA′ = 1 − s · s",
    right="fA′ = s · (1 − s)",
    first="activation_derivative",
    why="The activation was exchanged, its derivative was not.",
    fix="Use s · (1 − s).",
    needs="logistic nodes",
)
class TanhDerivativeInLogistic(Program):
    """1 − s²."""

    def logistic_slope(self, s: Array) -> Array:
        return 1.0 - s * s


@CHAPTER.entry(
    id="hidden-uses-output-derivative",
    title="The hidden layer uses fA′ of the output",
    wrong="S_ERROR_H = Σ S_ERROR · weight · fA′(S_preA_O)",
    right="S_ERROR_H = (Σ S_ERROR · weight) · fA′(S_preA_H)",
    first="error_signal",
    why="The output's variable is still at hand when the hidden line is written.",
    fix="Use the hidden node's own S_preA.",
    needs="a hidden layer",
    variants={
        "fA′ of each output, inside the sum": {"which": "inside"},
        "the same in every hidden layer, with the layer above": {"which": "inside", "all": True},
        "fA′ of the output of the same number": {"which": "same"},
        "fA′ of the first output": {"which": "first"},
        "fA′ of the last output": {"which": "last"},
        "fA′ of each output, inside the sum; y · (1 − y) of a softmax": {
            "which": "inside",
            "softmax": True,
        },
        "fA′ of the node of the same number above, in every hidden layer": {
            "which": "same",
            "all": True,
        },
    },
    firsts=dict.fromkeys(
        (
            "fA′ of the output of the same number",
            "fA′ of the first output",
            "fA′ of the last output",
            "fA′ of the node of the same number above, in every hidden layer",
        ),
        "activation_derivative",
    ),
)
class HiddenUsesOutputDerivative(Program):
    """fA′(S_preA_O) in the hidden layer."""

    __which, __all, __softmax = "inside", False, False

    def hidden_signal(self, k: int) -> Array:
        if k < self.layers - 2 and not self.__all:
            return super().hidden_signal(k)
        above, weights = self.slope(k + 1), self.weights_back(k + 1)
        if self.__softmax and self.activations[k + 1] == "softmax":
            above = self.logistic_slope(self.post[k + 1])
        if self.__which == "inside":
            return self.weighted_sum(self.signal[k + 1] * above, weights)
        nodes, outputs = range(self.nodes[k + 1]), self.nodes[k + 2]
        columns = {
            "same": [h % outputs for h in nodes],
            "first": [0 for _ in nodes],
            "last": [outputs - 1 for _ in nodes],
        }[self.__which]
        flowing = self.keep("backpropagated_error", k, self.backpropagated(k))
        return flowing * self.keep("activation_derivative", k, above[:, columns])
