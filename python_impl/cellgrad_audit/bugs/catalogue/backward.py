"""Mistakes in the error that flows back to the hidden nodes."""

from __future__ import annotations

import numpy as np

from cellgrad_audit.bugs.arithmetic import Array, total
from cellgrad_audit.bugs.entry import Chapter, InLayers, Seen, at
from cellgrad_audit.bugs.program import Program

CHAPTER = Chapter()


@CHAPTER.entry(
    id="updated-output-weights",
    title="The error flows back through weights that are already updated",
    wrong="S_ERROR_H = (Σ S_ERROR_O · new_weight_HtoO) · fA′(S_preA_H)",
    right="S_ERROR_H = (Σ S_ERROR_O · weight_HtoO) · fA′(S_preA_H), with the old weights",
    first="backpropagated_error",
    why="The update of the output weights is written, and run, before the hidden gradient; the "
    "effect is small, so training looks right.",
    fix="Compute every gradient first, then update.",
    needs="a hidden layer",
    seen=(
        Seen(
            "a widely read worked example: the error printed after the first step, and the "
            "outputs after 10,000, follow from it (see the errata); its text says it rightly",
            "https://mattmazur.com/2015/03/17/a-step-by-step-backpropagation-example/",
        ),
        Seen(
            "a small Java library, reported in an issue",
            "https://github.com/kim-marcel/basic_neural_network/issues/7",
        ),
        Seen(
            "a book's first program, asked about in an issue",
            "https://github.com/joelgrus/data-science-from-scratch/issues/31",
        ),
        Seen(
            "the algorithm as printed in a summer school's guide",
            "https://github.com/LxMLS/lxmls-guide/issues/115",
        ),
    ),
    variants={
        "": {},
        "the output weights only": {"only_output": True},
        "in online updates only": {"only_online": True},
    },
)
class UpdatedOutputWeights(Program):
    """New weights in Eq. 11."""

    __only_output, __only_online = False, False

    def weights_back(self, k: int) -> Array:
        spared = (self.__only_output and k < self.layers - 1) or (
            self.__only_online and self.case.update != "online"
        )
        return super().weights_back(k) if spared else self.updated(("weights", k))


@CHAPTER.entry(
    id="no-output-weight",
    title="The error flows back without the weights",
    wrong="S_ERROR_H = (Σ S_ERROR_O) · fA′(S_preA_H)",
    right="S_ERROR_H = (Σ S_ERROR_O · weight_HtoO) · fA′(S_preA_H)",
    first="backpropagated_error",
    why="The factor is left out of a long product.",
    fix="Multiply each S_ERROR by the weight that it flows through.",
    needs="a hidden layer",
)
class NoOutputWeight(Program):
    """Σ S_ERROR."""

    def weighted_sum(self, signal: Array, weights: Array) -> Array:
        columns = range(weights.shape[1])
        return total([signal[:, o, None] + 0.0 * weights[None, :, o] for o in columns])


@CHAPTER.entry(
    id="output-weight-index",
    title="The neighbouring node's weight is used in the error that flows back",
    wrong="S_ERROR_H[h] with weight_HtoO[h ± 1, o], or [h, o ± 1]",
    right="S_ERROR_H[h] with weight_HtoO[h, o]",
    first="backpropagated_error",
    why="An index that counts from 1, or that was moved on too early.",
    fix="Use the weight that leaves this node.",
    needs="a hidden layer; unequal weights",
    variants={
        "h + 1": {"step": 1},
        "h − 1": {"step": -1},
        "h + 1, the last node keeping its own": {"step": 1, "wraps": False},
        "h − 1, the first node keeping its own": {"step": -1, "wraps": False},
        "o + 1": {"step": 1, "axis": 1},
        "o − 1": {"step": -1, "axis": 1},
    },
)
class OutputWeightIndex(Program):
    """The row above or below; past the end comes the other end, or the end itself."""

    __step, __axis, __wraps = 1, 0, True

    def weighted_sum(self, signal: Array, weights: Array) -> Array:
        size = weights.shape[self.__axis]
        moved = np.arange(size) + self.__step
        rows = moved % size if self.__wraps else moved.clip(0, size - 1)
        return super().weighted_sum(signal, weights.take(rows, axis=self.__axis))


@CHAPTER.entry(
    id="output-weights-transposed",
    title="The weights are read in the other order on the way back",
    wrong="S_ERROR_H[h] with weight_HtoO[o, h]",
    right="S_ERROR_H[h] with weight_HtoO[h, o]",
    first="backpropagated_error",
    why="Rows and columns are confused in a flat array; for square matrices nothing fails.",
    fix="Index forward and backward alike: weight[h, o].",
    needs="several outputs",
    variants={
        "in a flat array": {"flat": True},
        "indices swapped, past the end from the start": {"flat": False},
    },
)
class OutputWeightsTransposed(Program):
    """The flat array read by columns, or the two indices swapped."""

    __flat = True

    def weighted_sum(self, signal: Array, weights: Array) -> Array:
        n, m = weights.shape
        if not self.__flat:
            swapped = weights[np.arange(m)[None, :] % n, np.arange(n)[:, None] % m]
            return super().weighted_sum(signal, swapped)
        return super().weighted_sum(signal, weights.ravel().reshape(m, n).T)


@CHAPTER.entry(
    id="output-weights-summed",
    title="All weights of an output are summed before they meet its error signal",
    wrong="S_ERROR_H[h] = (Σ_o (Σ_j weight_HtoO[j,o]) · S_ERROR_O[o]) · fA′(S_preA_H[h])",
    right="S_ERROR_H[h] = (Σ_o weight_HtoO[h,o] · S_ERROR_O[o]) · fA′(S_preA_H[h])",
    first="backpropagated_error",
    why="A sum over the wrong index.",
    fix="Sum over the nodes above, for each hidden node apart.",
    needs="a hidden layer",
    variants={
        "over the hidden nodes": {"over": "hidden"},
        "over the outputs, both factors apart": {"over": "outputs"},
        "over both, both factors apart": {"over": "both"},
    },
)
class OutputWeightsSummed(Program):
    """One sum for all hidden nodes."""

    __over = "hidden"

    def weighted_sum(self, signal: Array, weights: Array) -> Array:
        rows, columns = range(weights.shape[0]), range(weights.shape[1])
        if self.__over == "hidden":
            summed = total([weights[h] for h in rows])
            one = total([signal[:, o] * summed[o] for o in columns])
            return one[:, None] + 0.0 * weights[None, :, 0]
        summed = total([weights[:, o] for o in columns])
        if self.__over == "both":
            summed = 0.0 * summed + total([summed[h] for h in rows])
        return total([signal[:, o] for o in columns])[:, None] * summed[None, :]


@CHAPTER.entry(
    id="hidden-skips-output-derivative",
    title="The hidden error starts from FE instead of S_ERROR_O",
    wrong="S_ERROR_H = (Σ FE · weight_HtoO) · fA′(S_preA_H)",
    right="S_ERROR_H = (Σ S_ERROR_O · weight_HtoO) · fA′(S_preA_H)",
    first="backpropagated_error",
    why="Both are called the error of the output.",
    fix="Send S_ERROR_O = FE · fA′(S_preA_O) back.",
    needs="a hidden layer; a squared error with an output that is not identity",
)
class HiddenSkipsOutputDerivative(Program):
    """FE flows back."""

    def backpropagated(self, k: int) -> Array:
        if k < self.layers - 2:
            return super().backpropagated(k)
        return self.weighted_sum(self.error_derivative(self.final_error), self.weights_back(k + 1))


@CHAPTER.entry(
    id="activation-for-error-signal",
    title="The output stands where its error signal belongs",
    wrong="S_ERROR_H = (Σ y · weight_HtoO) · fA′(S_preA_H)",
    right="S_ERROR_H = (Σ S_ERROR_O · weight_HtoO) · fA′(S_preA_H)",
    first="backpropagated_error",
    why="The wrong one of the output's variables.",
    fix="Send S_ERROR_O back.",
    needs="a hidden layer",
)
class ActivationForErrorSignal(Program):
    """y flows back."""

    def backpropagated(self, k: int) -> Array:
        if k < self.layers - 2:
            return super().backpropagated(k)
        return self.weighted_sum(self.post[-1], self.weights_back(k + 1))


@CHAPTER.entry(
    id="one-output-only",
    title="Only one output's error reaches the hidden nodes",
    wrong="S_ERROR_H[h] = S_ERROR_O[1] · weight_HtoO[h,1] · fA′(S_preA_H[h])",
    right="S_ERROR_H[h] = (Σ_o S_ERROR_O[o] · weight_HtoO[h,o]) · fA′(S_preA_H[h])",
    first="backpropagated_error",
    why="The formula for one output is kept when there are several, or the sum is overwritten "
    "instead of added to.",
    fix="Add up over all outputs.",
    needs="several outputs",
    variants={
        "the first": {"which": 0, "at": "hidden layers"},
        "the last": {"which": -1, "at": "hidden layers"},
        "the first, below the output layer only": {"which": 0, "at": "last hidden layer"},
        "the last, below the output layer only": {"which": -1, "at": "last hidden layer"},
    },
)
class OneOutputOnly(InLayers):
    """One term of the sum."""

    __at = "every layer"

    __which = 0

    def backpropagated(self, k: int) -> Array:
        if not self.here(self.__at, k):
            return super().backpropagated(k)
        o = self.__which % self.nodes[k + 2]
        return self.weighted_sum(
            self.signal[k + 1][:, o : o + 1], self.weights_back(k + 1)[:, o : o + 1]
        )


@CHAPTER.entry(
    id="chain-dropped",
    title="The error signal of the layer above is left out",
    wrong="S_ERROR_H1 = (Σ weight_H1toH2) · fA′(S_preA_H1)",
    right="S_ERROR_H1 = (Σ S_ERROR_H2 · weight_H1toH2) · fA′(S_preA_H1)",
    first="backpropagated_error",
    why="The chain of factors is cut where a second hidden layer is added.",
    fix="Every layer multiplies by S_ERROR of the layer above.",
    needs="a hidden layer; two hidden layers for the first variant",
    variants=at("hidden layers below the last", "hidden layers"),
)
class ChainDropped(InLayers):
    """Weights without a signal."""

    __at = "every layer"

    def backpropagated(self, k: int) -> Array:
        if not self.here(self.__at, k):
            return super().backpropagated(k)
        return self.weighted_sum(self.signal[k + 1] * 0.0 + 1.0, self.weights_back(k + 1))


@CHAPTER.entry(
    id="last-output-skipped-backward",
    title="The sum over the outputs ends one early",
    wrong="S_ERROR_H = (Σ S_ERROR_O · weight_HtoO, without the last output) · fA′(S_preA_H)",
    right="S_ERROR_H = (Σ S_ERROR_O · weight_HtoO, over all outputs) · fA′(S_preA_H)",
    first="backpropagated_error",
    why="The loop's limit is one too small.",
    fix="Let the sum run over every node above.",
    needs="several outputs",
)
class LastOutputSkippedBackward(Program):
    """The last term is left out."""

    def weighted_sum(self, signal: Array, weights: Array) -> Array:
        if weights.shape[1] == 1:  # the loop does not run at all
            return super().weighted_sum(signal, weights * 0.0)
        return super().weighted_sum(signal[:, :-1], weights[:, :-1])
