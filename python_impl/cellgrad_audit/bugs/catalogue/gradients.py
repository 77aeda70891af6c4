"""Mistakes in the gradients of weights and biases."""

from __future__ import annotations

from cellgrad_audit.bugs.arithmetic import Array, total
from cellgrad_audit.bugs.entry import Chapter, InLayers, Seen, at
from cellgrad_audit.bugs.program import Parameter, Program

CHAPTER = Chapter()


@CHAPTER.entry(
    id="one-gradient-for-both",
    title="One gradient updates the hidden weights, the output weights stay",
    wrong="weight_ItoH ← weight_ItoH − LR · gradient_HtoO; weight_HtoO unchanged",
    right="weight_ItoH with gradient_ItoH, weight_HtoO with gradient_HtoO",
    first="weight_gradient",
    why="A copied line keeps the first gradient's name.",
    fix="Give each layer its own gradient and its own update.",
    needs="a hidden layer",
    variants={
        "summed over the outputs": {"how": "sum"},
        "the first output's": {"how": "first"},
        "the last output's": {"how": "last"},
        "the mean of the outputs'": {"how": "mean"},
        "in every layer, summed over the nodes above": {"how": "sum", "every": True},
        "in every layer, the first node's above": {"how": "first", "every": True},
    },
)
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


@CHAPTER.entry(
    id="no-input-factor",
    title="The gradient of the hidden weights lacks the input",
    wrong="gradient_ItoH[i,h] = S_ERROR_H[h]",
    right="gradient_ItoH[i,h] = S_ERROR_H[h] · input[i]",
    first="weight_gradient",
    why="The last factor of a long product is left out; with inputs of 1 nothing is seen.",
    fix="Multiply by what entered through the weight.",
    needs="inputs other than 1",
)
class NoInputFactor(Program):
    """1 for the input."""

    def incoming_back(self, k: int) -> Array:
        return super().incoming_back(k) if k else self.incoming[0] * 0.0 + 1.0


@CHAPTER.entry(
    id="no-post-activation-factor",
    title="The gradient of the output weights lacks S_postA of the node below",
    wrong="gradient_HtoO[h,o] = S_ERROR_O[o]",
    right="gradient_HtoO[h,o] = S_ERROR_O[o] · S_postA_H[h]",
    first="weight_gradient",
    why="The error signal is taken for the gradient; for a bias it is.",
    fix="Multiply by what entered through the weight.",
    needs="a hidden layer",
    variants=at("output layer", "layers above the first"),
)
class NoPostActivationFactor(InLayers):
    """1 for the hidden node's output."""

    __at = "output layer"

    def incoming_back(self, k: int) -> Array:
        if k == 0 or not self.here(self.__at, k):
            return super().incoming_back(k)
        return self.incoming[k] * 0.0 + 1.0


@CHAPTER.entry(
    id="pre-activation-factor",
    title="The gradient takes the pre-activation of the node below",
    wrong="gradient_HtoO[h,o] = S_ERROR_O[o] · S_preA_H[h]",
    right="gradient_HtoO[h,o] = S_ERROR_O[o] · S_postA_H[h]",
    first="weight_gradient",
    why="The wrong one of two stored values of the node.",
    fix="Take S_postA: it is what the weight multiplied.",
    needs="a hidden layer that is not identity",
)
class PreActivationFactor(Program):
    """S_preA for S_postA."""

    def incoming_back(self, k: int) -> Array:
        return self.pre[k - 1] if k else super().incoming_back(k)


@CHAPTER.entry(
    id="bias-gradient-summed",
    title="One bias gradient serves the whole layer",
    wrong="gradient_bias[j] = Σ S_ERROR, over all nodes of the layer",
    right="gradient_bias[j] = S_ERROR[j]",
    first="bias_gradient",
    why="The layer is thought to have one bias node with one value, or the sum runs over the "
    "wrong axis.",
    fix="Give every node its own bias gradient, its S_ERROR.",
    needs="biases; several nodes in a layer",
    variants={
        "the sum": {"mean": False, "at": "every layer"},
        "the mean": {"mean": True, "at": "every layer"},
        "the sum, hidden layers": {"mean": False, "at": "hidden layers"},
        "the sum, output layer": {"mean": False, "at": "output layer"},
    },
)
class BiasGradientSummed(InLayers):
    """Σ or mean over the nodes."""

    __at = "every layer"

    __mean = False

    def bias_gradient(self, k: int) -> Array:
        gradient = super().bias_gradient(k)
        if not self.here(self.__at, k):
            return gradient
        nodes = len(gradient)
        summed = total([gradient[j] for j in range(nodes)])
        return 0.0 * gradient + (summed / float(nodes) if self.__mean else summed)


@CHAPTER.entry(
    id="bias-gradient-mean",
    title="The bias gradient is divided by the samples as the weights' is not",
    wrong="gradient_bias = Σ S_ERROR / N², or not divided where the weights' is",
    right="gradient_bias = Σ S_ERROR, divided by N where the weights' gradient is",
    first="bias_gradient",
    why="The mean over the batch's axis is taken and then divided again, or forgotten.",
    fix="Treat biases like weights with an input of 1.",
    needs="biases; several samples in an update",
    seen=(
        Seen(
            "course notes whose bias gradient took a mean for a sum, reported in an issue",
            "https://github.com/kvfrans/notes/issues/5",
        ),
    ),
    variants={
        "divided once more": {"how": "more"},
        "divided once more, where the mean is asked for": {"how": "more", "of_mean": True},
        "not divided": {"how": "not"},
        "divided by the layer's nodes instead": {"how": "nodes", "of_mean": True},
    },
)
class BiasGradientMean(Program):
    """Another divisor for biases."""

    __how, __of_mean = "more", False

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        right = super().averaged(gradient, parameter)
        if parameter[0] == "weights" or (self.__of_mean and self.case.update != "batch_mean"):
            return right
        if self.__how == "nodes":
            return gradient / float(len(gradient))
        return right / float(self.size) if self.__how == "more" else gradient


@CHAPTER.entry(
    id="bias-gradient-times-input",
    title="The bias gradient is multiplied by an input of the layer",
    wrong="gradient_bias[j] = S_ERROR[j] · incoming[1], or the last one",
    right="gradient_bias[j] = S_ERROR[j]",
    first="bias_gradient",
    why="The weights' line is copied for the bias, factor included.",
    fix="A bias's input is 1.",
    needs="biases",
    variants={"the first": {"which": 0}, "the last": {"which": -1}},
)
class BiasGradientTimesInput(Program):
    """S_ERROR · incoming."""

    __which = 0

    def bias_gradient(self, k: int) -> Array:
        factor = self.incoming[k][:, self.__which, None]
        return self.over_samples([(self.signal[k] * factor)[s] for s in range(self.size)])


@CHAPTER.entry(
    id="gradient-transposed",
    title="A gradient is applied to the transposed weight",
    wrong="weight[i,j] ← weight[i,j] − LR · flat gradient[j · n + i]",
    right="weight[i,j] ← weight[i,j] − LR · gradient[i,j]",
    first="weight_gradient",
    why="Rows and columns are confused in a flat array.",
    fix="Index weights and gradients alike.",
    needs="several nodes in two neighbouring layers",
    variants=at("every layer", "first layer", "output layer"),
)
class GradientTransposed(InLayers):
    """The flat array read by columns."""

    __at = "every layer"

    def weight_gradient(self, k: int) -> Array:
        gradient = super().weight_gradient(k)
        if not self.here(self.__at, k):
            return gradient
        n, m = gradient.shape
        return gradient.ravel().reshape(m, n).T
