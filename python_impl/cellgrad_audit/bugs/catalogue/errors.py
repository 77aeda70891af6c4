"""Mistakes in the error and in its derivative."""

from __future__ import annotations

from dataclasses import replace

from cellgrad.case.vocabulary import SQUARED_LOSSES
from cellgrad_audit.bugs.arithmetic import Array, total
from cellgrad_audit.bugs.entry import CONVENTION, Chapter, Declare, Seen, convention
from cellgrad_audit.bugs.program import Program

CHAPTER = Chapter()

_SQUARED = "squared errors only"
"""The mistake stands in the line of the squared errors; cross-entropies have their own."""


def _as_loss(loss: str) -> Declare:
    """Return how a case with a squared error states which one it is."""
    return lambda case: replace(case, loss=loss) if case.loss in SQUARED_LOSSES else case


@CHAPTER.entry(
    id="error-flipped",
    title="The error is target − output, and the update still subtracts",
    wrong="FE = target − y; weight ← weight − LR · gradient",
    right="FE = y − target; weight ← weight − LR · gradient",
    first="final_error",
    why="Both signs of FE are in use; each needs its own sign in the update.",
    fix="Flip one of the two: FE = y − target, or weight + LR · gradient.",
    needs="a trace, or an output that is neither logistic nor tanh, to tell it from "
    "derivative-sign; weight decay, to tell it from gradient-added",
    variants={"": {}, _SQUARED: {"squared": True}},
)
class ErrorFlipped(Program):
    """The network learns the opposite."""

    __squared = False

    def error_of_outputs(self) -> Array:
        right = super().error_of_outputs()
        return right if self.__squared and self.cancels else -right


@CHAPTER.entry(
    id="loss-doubled",
    title="The error lacks its ½: ∂E/∂S_postA is 2 · FE",
    wrong="E = Σ FE², so ∂E/∂y = 2 · FE",
    right="E = ½ Σ FE², so ∂E/∂y = FE",
    first="error_derivative",
    why="Squared error without the ½ is as common; every gradient is then twice as large.",
    fix="Declare the loss squared_error, or put the ½ back.",
    kind=CONVENTION,
    needs="a learning rate other than ½; weight decay or a trace, to tell it from updated-twice",
    declare=_as_loss("squared_error"),
    seen=(
        Seen(
            "a textbook's update, which keeps the 2 as its own definition has it",
            "https://github.com/rasbt/machine-learning-book/issues/141",
        ),
        Seen(
            "an exercise whose text had the 2 and whose solution had not",
            "https://github.com/Open-Deep-ML/DML-OpenProblem/issues/54",
        ),
    ),
    variants={
        "": {},
        _SQUARED: {"squared": True},
        "and averaged over samples twice": {"also": True},
    },
)
class LossDoubled(Program):
    """2 · FE."""

    __also, __squared = False, False

    def error_derivative(self, final_error: Array) -> Array:
        if self.__squared and self.cancels:
            return super().error_derivative(final_error)
        twice = 2.0 * super().error_derivative(final_error)
        return twice / float(self.size) if self.__also else twice


@CHAPTER.entry(
    id="loss-averaged-over-outputs",
    title="The error is averaged over the outputs",
    wrong="∂E/∂y = FE / outputs",
    right="∂E/∂y = FE",
    first="error_derivative",
    why="Libraries take the mean over all elements, outputs included: the gradient depends on "
    "how many outputs there are.",
    fix="Sum over the outputs, or declare the loss mean_squared_error (2 · FE / outputs).",
    kind=CONVENTION,
    needs="at least three outputs",
    declare=_as_loss("mean_squared_error"),
    seen=(
        Seen(
            "PyTorch's MSELoss, by its documentation: the mean over all elements",
            "https://pytorch.org/docs/stable/generated/torch.nn.MSELoss.html",
        ),
    ),
    variants={
        "FE / outputs": {"factor": 1.0},
        "2 · FE / outputs": {"factor": 2.0},
        f"FE / outputs, {_SQUARED}": {"factor": 1.0, "squared": True},
        f"2 · FE / outputs, {_SQUARED}": {"factor": 2.0, "squared": True},
    },
)
class LossAveragedOverOutputs(Program):
    """FE or 2 · FE over the number of outputs."""

    __factor, __squared = 1.0, False

    def error_derivative(self, final_error: Array) -> Array:
        right = super().error_derivative(final_error)
        if self.__squared and self.cancels:
            return right
        return (right if self.__factor == 1 else 2.0 * right) / float(self.outputs)


@CHAPTER.entry(
    id="loss-value-for-error",
    title="The squared error stands where its derivative belongs",
    wrong="FE = (y − target)²",
    right="FE = y − target",
    first="final_error",
    why="The loss and its derivative are both called error.",
    fix="Propagate the derivative, y − target; keep E for the report.",
    variants={
        "(y − t)²": {"how": "square"},
        "½ (y − t)²": {"how": "half"},
        "Σ (y − t)² for every output": {"how": "sum"},
        "½ Σ (y − t)² for every output": {"how": "halved sum"},
        "E of the sample, of whatever loss, for every output": {"how": "error"},
        f"(y − t)², {_SQUARED}": {"how": "square", "squared": True},
        f"½ (y − t)², {_SQUARED}": {"how": "half", "squared": True},
    },
)
class LossValueForError(Program):
    """E in the place of its derivative."""

    __how, __squared = "square", False

    def output_error(self, output: Array, target: Array) -> Array:
        fe = super().output_error(output, target)
        if self.__squared and self.cancels:
            return fe
        squares = fe * fe
        if self.__how == "square":
            return squares
        if self.__how == "half":
            return 0.5 * squares
        if self.__how == "error":
            self.final_error = fe
            return fe * 0.0 + self.sample_error()[:, None]
        sums = total([squares[:, o] for o in range(self.outputs)])[:, None]
        return fe * 0.0 + (sums if self.__how == "sum" else 0.5 * sums)


@CHAPTER.entry(
    id="absolute-error",
    title="The error has lost its sign",
    wrong="FE = |y − target|",
    right="FE = y − target",
    first="final_error",
    why="An error is thought of as a size.",
    fix="Keep the sign: it says which way to move.",
    needs="a negative FE",
    variants={"": {}, _SQUARED: {"squared": True}},
)
class AbsoluteError(Program):
    """|FE|."""

    __squared = False

    def output_error(self, output: Array, target: Array) -> Array:
        right = super().output_error(output, target)
        return right if self.__squared and self.cancels else self.math.absolute(right)


@CHAPTER.entry(
    id="error-sign-only",
    title="Only the sign of the error is used",
    wrong="∂E/∂y = sign(y − target)",
    right="∂E/∂y = y − target",
    first="error_derivative",
    why="The derivative of the absolute error is used with a squared error.",
    fix="Use y − target, the derivative of ½ FE².",
    needs="an FE other than ±1",
)
class ErrorSignOnly(Program):
    """±1."""

    def error_derivative(self, final_error: Array) -> Array:
        return self.math.choose(final_error, 1.0, -1.0)


@CHAPTER.entry(
    id="error-from-pre-activation",
    title="The error is taken of the output's sum, before its activation",
    wrong="FE = S_preA_O − target",
    right="FE = S_postA_O − target",
    first="final_error",
    why="The wrong one of two variables with similar names, or logits where probabilities belong.",
    fix="Compare the target with y = fA(S_preA_O).",
    needs="outputs that are not identity",
    variants={"": {}, _SQUARED: {"squared": True}},
)
class ErrorFromPreActivation(Program):
    """S_preA − target."""

    __squared = False

    def output_error(self, output: Array, target: Array) -> Array:
        if self.__squared and self.cancels:
            return super().output_error(output, target)
        return super().output_error(self.pre[-1], target)


@CHAPTER.entry(
    id="error-sign-convention",
    title="FE = target − output, with an update that adds",
    wrong="FE = target − y; weight ← weight + LR · gradient",
    right="FE = y − target; weight ← weight − LR · gradient",
    first="final_error",
    why="Much of the literature writes it so; weights come out the same.",
    fix="Nothing: declare error_sign, so that a trace is compared by the same convention.",
    kind=CONVENTION,
    needs="a trace",
    declare=convention(error_sign="target_minus_output"),
    seen=(
        Seen(
            "two classes of one framework, one written each way; both are right",
            "https://github.com/accord-net/framework/issues/258",
        ),
        Seen(
            "a book's program, explained in an issue",
            "https://github.com/iamtrask/Grokking-Deep-Learning/issues/37",
        ),
    ),
)
class ErrorSignConvention(Program):
    """Both signs flipped."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.sign = -self.sign
