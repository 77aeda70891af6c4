"""Mistakes in the forward pass."""

from __future__ import annotations

from cellgrad_audit.bugs.arithmetic import Array, total
from cellgrad_audit.bugs.entry import Chapter, InLayers, Seen, at
from cellgrad_audit.bugs.program import Program, Record

CHAPTER = Chapter()

_OTHER_SLOPES = (0.0, 0.01, 0.1, 0.2, 0.3)
"""Slopes below zero that libraries and programs have where nothing is said."""


@CHAPTER.entry(
    id="sign-of-exponent",
    title="The logistic function lacks the minus sign of its exponent",
    wrong="fA(x) = 1 / (1 + EXP(x))",
    right="fA(x) = 1 / (1 + EXP(−x))",
    first="post_activation",
    why="The minus sign is small, and the curve still runs from 0 to 1: only mirrored. Training "
    "often works all the same, since the weights can take the other sign.",
    fix="Write EXP(−x), and check one value: fA(2) is 0.88, not 0.12.",
    needs="logistic nodes",
    seen=(
        Seen(
            "an optimisation library's logistic function, corrected by a pull request",
            "https://github.com/ljvmiranda921/pyswarms/pull/145",
        ),
        Seen(
            "a formula on lecture slides; the numbers beside it are right",
            "https://github.com/ID2223KTH/id2223kth.github.io/issues/2",
        ),
    ),
)
class SignOfExponent(Program):
    """The curve mirrored; its derivative is still s · (1 − s)."""

    def logistic(self, x: Array) -> Array:
        return 1.0 / (1.0 + self.math.exp(x))


@CHAPTER.entry(
    id="no-hidden-activation",
    title="The hidden nodes have no activation function",
    wrong="S_postA_H = S_preA_H",
    right="S_postA_H = fA(S_preA_H)",
    first="post_activation",
    why="The call is left out in one of two nearly equal loops.",
    fix="Apply fA to every hidden node's sum before it goes on.",
    needs="a hidden layer that is not identity",
    variants={
        "fA′ still of S_preA": {"slope_of_post": False},
        "fA′ from that S_postA": {"slope_of_post": True},
        "no fA′ either": {"no_slope": True},
    },
)
class NoHiddenActivation(Program):
    """Hidden sums go on as they are."""

    __slope_of_post = False
    __no_slope = False

    def post_activation(self, k: int, pre: Array) -> Array:
        return pre if k < self.layers - 1 else super().post_activation(k, pre)

    def slope(self, k: int) -> Array:
        if k < self.layers - 1 and self.__no_slope:
            return self.math.choose(self.pre[k], 1.0, 1.0)
        if k < self.layers - 1 and self.__slope_of_post and self.activations[k] in _FROM_POST:
            return self.derivative_from_post(self.activations[k], self.post[k])
        return super().slope(k)


_FROM_POST = ("logistic", "tanh")


@CHAPTER.entry(
    id="no-output-activation",
    title="The output has no activation function",
    wrong="y = S_preA_O, and fA′ = y · (1 − y)",
    right="y = fA(S_preA_O)",
    first="post_activation",
    why="The output loop is written apart and the call is forgotten, or a linear output was "
    "copied from another network.",
    fix="Apply fA to the output's sum too, or declare an identity output.",
    needs="outputs that are not identity",
    variants={
        "fA′ from that y": {"how": "post"},
        "no fA′ either": {"how": "one"},
    },
)
class NoOutputActivation(Program):
    """The output is its sum."""

    __how = "post"

    def post_activation(self, k: int, pre: Array) -> Array:
        return pre if k == self.layers - 1 else super().post_activation(k, pre)

    def slope(self, k: int) -> Array:
        if k < self.layers - 1:
            return super().slope(k)
        if self.__how == "post" and self.activations[k] in _FROM_POST:
            return self.derivative_from_post(self.activations[k], self.post[k])
        return self.math.choose(self.pre[k], 1.0, 1.0)


@CHAPTER.entry(
    id="bias-after-activation",
    title="The bias is added after the activation function",
    wrong="S_postA = fA(Σ input · weight) + bias",
    right="S_postA = fA(bias + Σ input · weight)",
    first="pre_activation",
    why="A bias is introduced as something that is added to a node's output.",
    fix="Add the bias to the sum, inside fA.",
    needs="biases",
    seen=(
        Seen(
            "a research library's layers, asked about in an issue",
            "https://github.com/infer-actively/pypc/issues/2",
        ),
    ),
    variants={
        **at("every layer", "hidden layers", "output layer"),
        "every layer, fA′ from that S_postA": {"at": "every layer", "slope_of_post": True},
        "hidden layers, fA′ from that S_postA": {"at": "hidden layers", "slope_of_post": True},
        "output layer, fA′ from that S_postA": {"at": "output layer", "slope_of_post": True},
    },
)
class BiasAfterActivation(InLayers):
    """The sum without its bias enters fA."""

    __at = "every layer"

    __slope_of_post = False

    def pre_activation(self, k: int, incoming: Array) -> Array:
        if not self.here(self.__at, k) or self.biases is None:
            return super().pre_activation(k, incoming)
        biases, self.biases = self.biases, None
        pre = super().pre_activation(k, incoming)
        self.biases = biases
        return pre

    def post_activation(self, k: int, pre: Array) -> Array:
        post = super().post_activation(k, pre)
        return (
            post + self.biases[k][None, :]
            if self.here(self.__at, k) and self.biases is not None
            else post
        )

    def slope(self, k: int) -> Array:
        if not self.__slope_of_post or not self.here(self.__at, k):
            return super().slope(k)
        if self.activations[k] in _FROM_POST:
            return self.derivative_from_post(self.activations[k], self.post[k])
        return self.derivative(k, self.post[k])  # of a ReLU: whether S_postA is above 0


@CHAPTER.entry(
    id="bias-per-term",
    title="The bias is added once for every incoming weight",
    wrong="S_preA = Σ (input · weight + bias)",
    right="S_preA = bias + Σ input · weight",
    first="pre_activation",
    why="The bias is added inside the loop over the inputs instead of before it.",
    fix="Start the sum with the bias, then add the products.",
    needs="biases",
    variants={
        **at("every layer", "first layer", "output layer"),
        "every layer, and differentiated": {"at": "every layer", "through": True},
    },
)
class BiasPerTerm(InLayers):
    """n biases instead of one."""

    __at = "every layer"

    __through = False

    def pre_activation(self, k: int, incoming: Array) -> Array:
        pre = super().pre_activation(k, incoming)
        if not self.here(self.__at, k) or self.biases is None:
            return pre
        return pre + float(incoming.shape[1] - 1) * self.biases[k][None, :]

    def bias_gradient(self, k: int) -> Array:
        right = super().bias_gradient(k)
        often = self.__through and self.here(self.__at, k)
        return float(self.nodes[k]) * right if often else right


@CHAPTER.entry(
    id="bias-missing",
    title="The biases are not used",
    wrong="S_preA = Σ input · weight",
    right="S_preA = bias + Σ input · weight",
    first="pre_activation",
    why="The program was written for a network without biases.",
    fix="Start every sum with the node's bias, and update it (Eq. 14, 15).",
    needs="biases",
    variants={"and not updated": {"frozen": True}, "but updated": {"frozen": False}},
)
class BiasMissing(Program):
    """Sums without biases."""

    __frozen = True

    def pre_activation(self, k: int, incoming: Array) -> Array:
        biases, self.biases = self.biases, None
        pre = super().pre_activation(k, incoming)
        self.biases = biases
        return pre

    def moves(self, parameter: tuple[str, int]) -> bool:
        return super().moves(parameter) and not (self.__frozen and parameter[0] == "biases")


@CHAPTER.entry(
    id="weights-read-transposed",
    title="The starting weights are read in the other order",
    wrong="weight[i,j] = flat[j · n + i], with n incoming nodes",
    right="weight[i,j] = flat[i · m + j], with m nodes in the layer",
    first="pre_activation",
    why="A flat list of weights is unpacked column by column where it was packed row by row; "
    "the shapes fit either way.",
    fix="Check one weight that is not on the diagonal against the case.",
    needs="unequal weights",
    variants={
        **at("every layer", "first layer", "output layer"),
        "every layer, and written so": {"at": "every layer", "written_so": True},
    },
)
class WeightsReadTransposed(InLayers):
    """The same numbers, other places."""

    __at = "every layer"

    __written_so = False

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


@CHAPTER.entry(
    id="last-term-skipped",
    title="A node's sum ends one product early",
    wrong="S_preA[j] = Σ_{i<n−1} input[i] · weight[i,j]",
    right="S_preA[j] = Σ_i input[i] · weight[i,j]",
    first="pre_activation",
    why="The loop's limit is one too small.",
    fix="Let the loop run over every incoming node.",
    variants=at("every layer", "first layer", "output layer"),
)
class LastTermSkipped(InLayers):
    """The last product is left out, forward only."""

    __at = "every layer"

    def pre_activation(self, k: int, incoming: Array) -> Array:
        if not self.here(self.__at, k) or incoming.shape[1] == 1:
            return super().pre_activation(k, incoming)
        return super().pre_activation(k, incoming[:, :-1])


@CHAPTER.entry(
    id="softmax-twice",
    title="Softmax is applied twice",
    wrong="y = softmax(softmax(S_preA_O))",
    right="y = softmax(S_preA_O)",
    first="post_activation",
    why="The model ends in a softmax, and the library's cross-entropy applies one of its own.",
    fix="Hand the loss what it asks for: the sums (logits) or the probabilities.",
    needs="a softmax output",
    seen=(
        Seen(
            "a library's logistic regression, reported in an issue",
            "https://github.com/Lightning-Universe/lightning-bolts/issues/654",
        ),
        Seen(
            "a library's example, corrected by a pull request",
            "https://github.com/tflearn/tflearn/pull/562",
        ),
    ),
    variants={
        "both differentiated": {"through": True},
        "error signal still y − t": {"through": False},
    },
)
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


@CHAPTER.entry(
    id="softmax-over-samples",
    title="Softmax runs over the samples instead of the outputs",
    wrong="y[s,o] = EXP(z[s,o]) / Σ_s EXP(z[s,o])",
    right="y[s,o] = EXP(z[s,o]) / Σ_o EXP(z[s,o])",
    first="post_activation",
    why="The axis of the sum is the wrong one; with one sample the result is 1 everywhere.",
    fix="Sum over the outputs of each sample (the last axis).",
    needs="a softmax output and several samples",
)
class SoftmaxOverSamples(Program):
    """The sum over the wrong axis."""

    def softmax(self, x: Array) -> Array:
        powers = self.math.exp(x)
        return powers / total([powers[s] for s in range(powers.shape[0])])[None, :]


@CHAPTER.entry(
    id="leaky-slope-ignored",
    title="A leaky ReLU does not leak as declared",
    wrong="fA(x) = MAX(0, x), or another slope than the case's",
    right="fA(x) = x where x > 0, else slope · x",
    first="post_activation",
    why="The library's default slope is used, or plain ReLU.",
    fix="Use the case's leaky_slope, forward and in fA′.",
    needs="a leaky ReLU and a negative S_preA",
    seen=(
        Seen(
            "not a mistake in itself: Keras 2 leaks by 0.3 where nothing is said",
            "https://keras.io/2/api/layers/activation_layers/leaky_relu",
        ),
    ),
    variants={
        **{f"slope {leak:g}": {"leak": leak} for leak in _OTHER_SLOPES},
        **{
            f"slope {leak:g}, fA′ as declared": {"leak": leak, "forward_only": True}
            for leak in _OTHER_SLOPES
        },
    },
)
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
