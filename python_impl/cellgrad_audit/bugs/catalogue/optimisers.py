"""Mistakes in momentum and weight decay."""

from __future__ import annotations

from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.entry import CONVENTION, Chapter, Seen, convention
from cellgrad_audit.bugs.program import Parameter, Program

CHAPTER = Chapter()


@CHAPTER.entry(
    id="momentum-missing",
    title="Momentum is not used",
    wrong="Δ = LR · gradient",
    right="v ← μ · v + gradient; Δ = LR · v",
    first="new_weights",
    why="The velocity is not kept, or set to zero before every update.",
    fix="Keep one velocity a parameter from update to update.",
    needs="momentum and two updates",
    variants={"": {"only": ""}, "for the biases": {"only": "biases"}},
    firsts={"for the biases": "new_biases"},
)
class MomentumMissing(Program):
    """μ = 0."""

    __only = ""

    def velocity(self, parameter: Parameter, gradient: Array) -> Array:
        right = super().velocity(parameter, gradient)
        return right if self.__only and parameter[0] != self.__only else gradient


@CHAPTER.entry(
    id="momentum-holds-learning-rate",
    title="The velocity holds the learning rate",
    wrong="v ← μ · v + LR · gradient; Δ = v",
    right="v ← μ · v + gradient; Δ = LR · v",
    first="new_weights",
    why="scikit-learn and Keras define it so; it is the same as long as LR is constant.",
    fix="Declare rate_in_velocity, or multiply by LR last.",
    kind=CONVENTION,
    needs="momentum, two updates, a changing learning rate",
    declare=convention(rate_in_velocity=True),
    seen=(
        Seen(
            "Keras's SGD, by its documentation",
            "https://tensorflow.org/versions/r2.8/api_docs/python/tf/keras/optimizers/SGD",
        ),
        Seen(
            "scikit-learn's optimiser",
            "https://github.com/scikit-learn/scikit-learn/blob/"
            "01230994da45472f5c27582212986cddafd57549/sklearn/neural_network/"
            "_stochastic_optimizers.py",
        ),
        Seen(
            "PyTorch's SGD, whose documentation tells the two apart",
            "https://pytorch.org/docs/1.13/generated/torch.optim.SGD.html",
        ),
    ),
)
class MomentumHoldsLearningRate(Program):
    """LR inside."""

    def with_momentum(self, parameter: Parameter, gradient: Array) -> Array:
        return self.velocity(parameter, self.scaled(parameter, gradient))


@CHAPTER.entry(
    id="momentum-averaged",
    title="The velocity is an average",
    wrong="v ← μ · v + (1 − μ) · gradient",
    right="v ← μ · v + gradient",
    first="new_weights",
    why="Momentum is written as an exponential average, as Adam's first moment is; PyTorch calls "
    "it dampening.",
    fix="Add the whole gradient.",
    needs="momentum",
    seen=(
        Seen(
            "PyTorch's dampening, by its documentation",
            "https://pytorch.org/docs/1.13/generated/torch.optim.SGD.html",
        ),
        Seen(
            "a demonstration of dropout, compared with its paper in an issue",
            "https://github.com/mdenil/dropout/issues/7",
        ),
    ),
    variants={"": {"first": False}, "the first gradient whole": {"first": True}},
)
class MomentumAveraged(Program):
    """(1 − μ) · gradient."""

    __first = False

    def new_velocity(self, last: Array, gradient: Array) -> Array:
        if self.__first and self.turn.number == 0:
            return super().new_velocity(last, gradient)
        average: Array = self.momentum * last + (1.0 - self.momentum) * gradient
        return average


@CHAPTER.entry(
    id="momentum-fake",
    title="The velocity is made with the wrong factor, or of the wrong thing",
    wrong="v ← LR · v + gradient, or μ times the gradient (or the change) before",
    right="v ← μ · v + gradient",
    first="new_weights",
    why="LR and μ are confused, or the gradient before is kept in place of the velocity.",
    fix="μ multiplies the old velocity, LR the change.",
    needs="momentum and two updates",
    seen=(
        Seen(
            "a library's update, whose last change was multiplied by both, confirmed in an issue",
            "https://github.com/dfdx/Boltzmann.jl/issues/14",
        ),
        Seen(
            "course notes in which the two names had changed places",
            "https://github.com/jeffheaton/t81_558_deep_learning/pull/1",
        ),
    ),
    variants={
        "v ← LR · v + gradient": {"how": "rate"},
        "Δ = LR · (gradient + LR · gradient before)": {"how": "before"},
        "Δ = LR · (gradient + μ · gradient before)": {"how": "momentum before"},
        "Δ = gradient + LR · v": {"how": "outside"},
        "Δ = LR · (gradient + μ · Δ before)": {"how": "change"},
    },
)
class MomentumFake(Program):
    """LR for μ."""

    __how = "rate"

    def with_momentum(self, parameter: Parameter, gradient: Array) -> Array:
        if self.__how == "outside":
            old = self.last("velocity", parameter, gradient)
            step: Array = gradient + self.rate * old
            self.remember("velocity", parameter, step)
            return step
        if self.__how == "change":
            before = self.last("velocity", parameter, gradient)
            change = self.scaled(parameter, gradient + self.momentum * before)
            return self.remember("velocity", parameter, change)
        return super().with_momentum(parameter, gradient)

    def velocity(self, parameter: Parameter, gradient: Array) -> Array:
        old = self.last("velocity", parameter, gradient)
        factor = self.momentum if self.__how == "momentum before" else self.rate
        new: Array = factor * old + gradient
        self.remember("velocity", parameter, new if self.__how == "rate" else gradient)
        return new


@CHAPTER.entry(
    id="momentum-nesterov",
    title="Nesterov's momentum is used",
    wrong="v ← μ · v + gradient; Δ = LR · (gradient + μ · v)",
    right="v ← μ · v + gradient; Δ = LR · v",
    first="new_weights",
    why="A library's switch is on by default (scikit-learn's is).",
    fix="Switch it off, or say so.",
    kind=CONVENTION,
    needs="momentum",
    seen=(
        Seen(
            "scikit-learn's default, by its documentation",
            "https://scikit-learn.org/stable/modules/generated/"
            "sklearn.neural_network.MLPClassifier",
        ),
    ),
)
class MomentumNesterov(Program):
    """One step ahead."""

    def velocity(self, parameter: Parameter, gradient: Array) -> Array:
        ahead: Array = gradient + self.momentum * super().velocity(parameter, gradient)
        return ahead


@CHAPTER.entry(
    id="weight-decay-missing",
    title="Weight decay is not used",
    wrong="gradient = ∂E/∂weight",
    right="gradient = ∂E/∂weight + λ · weight",
    first="weight_gradient",
    why="The parameter is read and not used.",
    fix="Add λ · weight to every weight's gradient.",
    needs="weight decay",
)
class WeightDecayMissing(Program):
    """λ = 0."""

    def decays(self, parameter: Parameter) -> bool:
        return False


@CHAPTER.entry(
    id="weight-decay-doubled",
    title="Weight decay lacks its ½: the gradient gets 2 · λ · weight",
    wrong="gradient = ∂E/∂weight + 2 · λ · weight",
    right="gradient = ∂E/∂weight + λ · weight, from P = ½ · λ · Σ weight²",
    first="weight_gradient",
    why="The penalty is λ Σ weight² in other definitions (Keras's L2 is).",
    fix="Halve λ, or the penalty.",
    needs="weight decay",
    seen=(
        Seen(
            "Keras's L2, by its documentation: the sum of squares without ½",
            "https://tensorflow.org/versions/r2.9/api_docs/python/tf/keras/regularizers/L2",
        ),
        Seen(
            "a network's published setting, as an issue explains",
            "https://github.com/titu1994/DenseNet/issues/57",
        ),
        Seen("a benchmark's log", "https://github.com/mlcommons/hpc/issues/22"),
    ),
)
class WeightDecayDoubled(Program):
    """2 · λ."""

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        decay = self.weight_decay
        self.weight_decay = 2.0 * decay
        found = super().decayed(parameter, gradient)
        self.weight_decay = decay
        return found


@CHAPTER.entry(
    id="weight-decay-over-samples",
    title="Weight decay is divided by the number of samples",
    wrong="gradient = ∂E/∂weight + λ / N · weight",
    right="gradient = ∂E/∂weight + λ · weight",
    first="weight_gradient",
    why="The penalty is averaged with the samples' errors (scikit-learn's alpha is).",
    fix="Add the decay after the mean, or hand over N · λ.",
    kind=CONVENTION,
    needs="weight decay; several samples in an update",
    seen=(
        Seen(
            "scikit-learn's gradient",
            "https://github.com/scikit-learn/scikit-learn/blob/"
            "843a8da4429031d25d437ae6d1f749559fa79ac0/sklearn/neural_network/"
            "_multilayer_perceptron.py",
        ),
    ),
)
class WeightDecayOverSamples(Program):
    """λ / N."""

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        decay = self.weight_decay
        self.weight_decay = decay / float(self.size)
        found = super().decayed(parameter, gradient)
        self.weight_decay = decay
        return found


@CHAPTER.entry(
    id="weight-decay-on-biases",
    title="Biases decay too",
    wrong="gradient_bias = S_ERROR + λ · bias",
    right="gradient_bias = S_ERROR",
    first="bias_gradient",
    why="PyTorch's optimisers decay every parameter that they are given.",
    fix="Declare decay_biases, or give biases a group of their own without decay.",
    kind=CONVENTION,
    needs="weight decay and biases",
    declare=convention(decay_biases=True),
    seen=(
        Seen(
            "PyTorch's optimisers, as an issue explains",
            "https://github.com/pytorch/pytorch/issues/2639",
        ),
        Seen(
            "a benchmark, asked about in an issue",
            "https://github.com/tensorflow/benchmarks/issues/191",
        ),
    ),
)
class WeightDecayOnBiases(Program):
    """λ for every parameter."""

    def decays(self, parameter: Parameter) -> bool:
        return True


@CHAPTER.entry(
    id="weight-decay-decoupled",
    title="Weight decay is applied beside the gradient",
    wrong="new_weight = weight − λ · weight − LR · ∂E/∂weight",
    right="new_weight = weight − LR · (∂E/∂weight + λ · weight)",
    first="weight_gradient",
    why="Decoupled decay, without the rate or (as AdamW has it) with it, is a method of its own.",
    fix="Add λ · weight to the gradient, or say so.",
    kind=CONVENTION,
    needs="weight decay; a learning rate other than 1, or momentum",
    seen=(
        Seen(
            "the paper that proposes it, with Adam",
            "https://arxiv.org/abs/1711.05101",
        ),
        Seen(
            "a library's optimisers, without the rate",
            "https://docs.mosaicml.com/projects/composer/en/v0.6.0/api_reference/"
            "composer.optim.decoupled_weight_decay.html",
        ),
    ),
    variants={
        "without the rate": {"with_rate": False, "biases_too": False},
        "without the rate, biases too": {"with_rate": False, "biases_too": True},
        "with the rate": {"with_rate": True, "biases_too": False},
        "with the rate, biases too": {"with_rate": True, "biases_too": True},
    },
)
class WeightDecayDecoupled(Program):
    """λ · weight outside the gradient."""

    __with_rate, __biases_too = False, False

    def decays(self, parameter: Parameter) -> bool:
        return False

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        right = super().moved(parameter, value, gradient)
        if parameter[0] == "biases" and not self.__biases_too:
            return right
        shrink: Array = self.weight_decay * value
        shrunk: Array = right - (self.rate * shrink if self.__with_rate else shrink)
        return shrunk


@CHAPTER.entry(
    id="weight-decay-sign",
    title="Weight decay has the wrong sign",
    wrong="gradient = ∂E/∂weight − λ · weight",
    right="gradient = ∂E/∂weight + λ · weight",
    first="weight_gradient",
    why="A sign taken over from an update that adds.",
    fix="Decay makes weights smaller: + λ · weight in the gradient.",
    needs="weight decay",
)
class WeightDecaySign(Program):
    """−λ."""

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        decay = self.weight_decay
        self.weight_decay = -decay
        found = super().decayed(parameter, gradient)
        self.weight_decay = decay
        return found


@CHAPTER.entry(
    id="weight-decay-new-weights",
    title="Weight decay takes the weight after the step",
    wrong="new_weight = (weight − LR · ∂E/∂weight) · (1 − LR · λ)",
    right="new_weight = weight − LR · (∂E/∂weight + λ · weight)",
    first="weight_gradient",
    why="The decay is a line of its own after the update.",
    fix="Use the weight before the update in both terms.",
    needs="weight decay",
)
class WeightDecayNewWeights(Program):
    """The decay of what is already moved."""

    def decays(self, parameter: Parameter) -> bool:
        return False

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        new = super().moved(parameter, value, gradient)
        if parameter[0] == "biases" and not self.case.conventions.decay_biases:
            return new
        shrunk: Array = new - self.rate * self.weight_decay * new
        return shrunk
