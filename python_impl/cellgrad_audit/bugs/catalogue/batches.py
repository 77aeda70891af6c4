"""Mistakes in how samples are taken and put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cellgrad_audit.bugs.arithmetic import Array, total
from cellgrad_audit.bugs.entry import CONVENTION, Chapter, Seen
from cellgrad_audit.bugs.program import Parameter, Program, Turn

CHAPTER = Chapter()


@CHAPTER.entry(
    id="row-shifted",
    title="A neighbouring row of the table is used",
    wrong="input of sample s with the target of sample s ± 1",
    right="input and target of the same sample",
    first="final_error",
    why="A heading is counted as a row, or one of two lists is moved on too early.",
    fix="Read input and target of a sample from one row.",
    needs="several samples",
    variants={
        "the next sample's target": {"inputs_by": 0, "targets_by": 1},
        "the sample before's target": {"inputs_by": 0, "targets_by": -1},
        "the next sample": {"inputs_by": 1, "targets_by": 1},
        "the sample before": {"inputs_by": -1, "targets_by": -1},
        "the next sample's target, the last keeping its own": {"targets_by": 1, "wraps": False},
        "the sample before's target, the first keeping its own": {
            "targets_by": -1,
            "wraps": False,
        },
        "the next sample, the last twice": {"inputs_by": 1, "targets_by": 1, "wraps": False},
        "the sample before, the first twice": {
            "inputs_by": -1,
            "targets_by": -1,
            "wraps": False,
        },
        "the next sample's input": {"inputs_by": 1},
        "the sample before's input": {"inputs_by": -1},
    },
    firsts=dict.fromkeys(
        (
            "the next sample",
            "the sample before",
            "the next sample, the last twice",
            "the sample before, the first twice",
            "the next sample's input",
            "the sample before's input",
        ),
        "pre_activation",
    ),
)
class RowShifted(Program):
    """Rows of another sample; past the end comes the other end, or the end itself."""

    __inputs_by, __targets_by, __wraps = 0, 0, True

    def taken_samples(self) -> tuple[Array, Array]:
        inputs, targets = self.moved_by(self.__inputs_by), self.moved_by(self.__targets_by)
        return self.all_inputs[inputs], self.all_targets[targets]

    def moved_by(self, step: int) -> list[int]:
        """Return the rows so many places further down."""
        count = len(self.case.samples)
        if self.__wraps:
            return [(s + step) % count for s in self.turn.samples]
        return [min(max(s + step, 0), count - 1) for s in self.turn.samples]


@CHAPTER.entry(
    id="first-sample-only",
    title="The same sample is used in every update",
    wrong="sample 1, again and again",
    right="the samples in their order",
    first="pre_activation",
    why="The index of the sample is not moved on.",
    fix="Take the next sample in every update.",
    needs="several samples",
    variants={"the first": {"which": 0}, "the last": {"which": -1}},
)
class FirstSampleOnly(Program):
    """One sample."""

    __which = 0

    def taken_samples(self) -> tuple[Array, Array]:
        rows = [self.__which % len(self.case.samples)] * len(self.turn.samples)
        return self.all_inputs[rows], self.all_targets[rows]


@CHAPTER.entry(
    id="order-reversed",
    title="The samples are taken in the reverse order",
    wrong="the last sample first",
    right="the samples in their order",
    first="pre_activation",
    why="A stack is emptied from its end.",
    fix="Take the samples as they are listed.",
    needs="several updates on different samples",
)
class OrderReversed(Program):
    """The other way round."""

    def taken_samples(self) -> tuple[Array, Array]:
        count = len(self.case.samples)
        rows = [count - 1 - s for s in self.turn.samples]
        return self.all_inputs[rows], self.all_targets[rows]


@CHAPTER.entry(
    id="last-sample-only",
    title="The batch's gradients overwrite each other",
    wrong="gradient = that of the last sample",
    right="gradient = Σ over the samples",
    first="weight_gradient",
    why="= is written for += where gradients are gathered.",
    fix="Add to the gradient.",
    needs="several samples in an update",
    variants={
        "divided by N": {"which": -1, "divided": True},
        "not divided": {"which": -1, "divided": False},
        "the first, divided by N": {"which": 0, "divided": True},
        "the first, not divided": {"which": 0, "divided": False},
    },
)
class LastSampleOnly(Program):
    """One term of the sum over samples."""

    __which, __divided = -1, True

    def over_samples(self, terms: list[Array]) -> Array:
        return terms[self.__which]

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        return super().averaged(gradient, parameter) if self.__divided else gradient


@CHAPTER.entry(
    id="last-sample-skipped",
    title="The loop over the samples misses one",
    wrong="gradient = Σ over all samples but the last, or the first",
    right="gradient = Σ over the samples",
    first="weight_gradient",
    why="The loop's limit is one too small, or the first row is taken for a heading.",
    fix="Let the loop run over every sample.",
    needs="several samples in an update",
    variants={
        "divided by N": {},
        "divided by N − 1": {"divisor": -1},
        "the first, divided by N": {"first_too": True},
        "the first, divided by N − 1": {"divisor": -1, "first_too": True},
    },
)
class LastSampleSkipped(Program):
    """One term too few."""

    __divisor, __first_too = 0, False

    def over_samples(self, terms: list[Array]) -> Array:
        return total((terms[1:] if self.__first_too else terms[:-1]) or terms)

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        if self.case.update != "batch_mean" or not self.__divisor or self.size == 1:
            return super().averaged(gradient, parameter)
        return gradient / float(self.size - 1)


@CHAPTER.entry(
    id="sum-for-mean",
    title="The batch's gradients are summed where the mean is asked for",
    wrong="gradient = Σ over the samples",
    right="gradient = Σ over the samples / N",
    first="weight_gradient",
    why="Both are in use; the learning rate is then N times as large.",
    fix="Divide by N, or declare batch_sum.",
    kind=CONVENTION,
    needs="several samples in an update",
    declare=lambda case: replace(case, update="batch_sum") if case.update == "batch_mean" else case,
    seen=(
        Seen(
            "a library's example notebooks, corrected by a pull request",
            "https://github.com/jax-ml/jax/pull/3113",
        ),
    ),
)
class SumForMean(Program):
    """Not divided."""

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        return gradient


@CHAPTER.entry(
    id="mean-for-sum",
    title="The batch's gradients are averaged where the sum is asked for",
    wrong="gradient = Σ over the samples / N",
    right="gradient = Σ over the samples",
    first="weight_gradient",
    why="Both are in use; libraries take the mean by default.",
    fix="Do not divide, or declare batch_mean.",
    kind=CONVENTION,
    needs="several samples in an update, and batch_sum",
    declare=lambda case: replace(case, update="batch_mean") if case.update == "batch_sum" else case,
    seen=(
        Seen(
            "PyTorch's losses, by their documentation: the mean is the default",
            "https://pytorch.org/docs/stable/generated/torch.nn.MSELoss.html",
        ),
    ),
)
class MeanForSum(Program):
    """Divided."""

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        right = super().averaged(gradient, parameter)
        return gradient / float(self.size) if self.case.update == "batch_sum" else right


@CHAPTER.entry(
    id="mean-twice",
    title="The batch's gradient is divided by N twice",
    wrong="gradient = Σ over the samples / N²",
    right="gradient = Σ over the samples / N",
    first="weight_gradient",
    why="The loss is a mean already, and its gradient is divided again.",
    fix="Divide once.",
    needs="several samples in an update",
    seen=(
        Seen(
            "a book's linear regression, corrected by a pull request",
            "https://github.com/d2l-ai/d2l-en/pull/1000",
        ),
        Seen(
            "one term of a published model's loss, confirmed in an issue",
            "https://github.com/felipecode/coiltraine/issues/37",
        ),
    ),
    variants={
        "": {},
        "where the mean is asked for": {"of_mean": True},
        "weights only": {"only": "weights"},
        "weights only, where the mean is asked for": {"only": "weights", "of_mean": True},
        "the decay too": {"decay_too": True},
    },
)
class MeanTwice(Program):
    """Divided again."""

    __of_mean, __only, __decay_too = False, "", False

    def again(self, parameter: Parameter) -> bool:
        """Whether a gradient is divided once more."""
        asked = self.case.update == "batch_mean" or not self.__of_mean
        return asked and self.__only in ("", parameter[0])

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        right = super().averaged(gradient, parameter)
        return right / float(self.size) if self.again(parameter) and not self.__decay_too else right

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        right = super().decayed(parameter, gradient)
        return right / float(self.size) if self.again(parameter) and self.__decay_too else right


@CHAPTER.entry(
    id="online-for-batch",
    title="The weights are updated after every sample of a batch",
    wrong="one update a sample",
    right="one update a batch, with the gradients of all its samples at the same weights",
    first="weight_gradient",
    why="The update stands inside the loop over the samples.",
    fix="Gather the gradients of the batch, then update once.",
    needs="several samples in an update",
    variants={
        "each with the full LR": {"share": False},
        "each gradient divided by N, where the mean is asked for": {"share": True},
        "each gradient divided by N": {"share": True, "always": True},
        "each with LR / N": {"rate_shared": True},
        "each with LR / N, where the mean is asked for": {"rate_shared": True, "mean": True},
        "each with the full LR, and the rate by sample": {"share": False, "by_sample": True},
        "each gradient divided by N, where the mean is asked for, and the rate by sample": {
            "share": True,
            "by_sample": True,
        },
        "each with LR / N, and the rate by sample": {"rate_shared": True, "by_sample": True},
    },
    seen=(
        Seen(
            "a network written from scratch for a video, reported in an issue",
            "https://github.com/TheIndependentCode/Neural-Network/issues/1",
        ),
    ),
)
class OnlineForBatch(Program):
    """One update a sample."""

    __share, __always, __by_sample, __rate_shared, __mean = False, False, False, False, False

    def turns(self) -> Iterator[Turn]:
        number = 0
        for turn in super().turns():
            for sample in turn.samples:
                self.whole = len(turn.samples)
                rate = self.rate_of(number) if self.__by_sample else turn.rate
                shared = self.__rate_shared and not (
                    self.__mean and self.case.update != "batch_mean"
                )
                yield Turn(number, (sample,), rate / self.whole if shared else rate)
                number += 1

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        share = self.__share and (self.__always or self.case.update == "batch_mean")
        return gradient / float(self.whole) if share else gradient


@CHAPTER.entry(
    id="batch-for-online",
    title="One update a pass over the samples, where one a sample is asked for",
    wrong="one update with the gradients of all samples",
    right="one update a sample",
    first="weight_gradient",
    why="The update stands outside the loop over the samples, or a library takes them as a batch.",
    fix="Update after every sample.",
    needs="several samples, online",
    variants={"their sum": {"mean": False}, "their mean": {"mean": True}},
)
class BatchForOnline(Program):
    """All samples in one update."""

    __mean = False

    def turns(self) -> Iterator[Turn]:
        if self.case.update != "online":
            yield from super().turns()
            return
        count = len(self.case.samples)
        for epoch in range(self.case.epochs):
            yield Turn(epoch, tuple(range(count)), self.rate_of(epoch * count))

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        if self.__mean and self.case.update == "online":
            return gradient / float(self.size)
        return super().averaged(gradient, parameter)


@CHAPTER.entry(
    id="accumulator-not-reset",
    title="Gradients of earlier updates are carried into the next",
    wrong="gradient of update 2 = that of update 1 + that of update 2",
    right="gradient of update 2 = that of update 2 alone",
    first="weight_gradient",
    why="The gradients are not set to zero before they are gathered.",
    fix="Set every gradient to 0 at the start of an update.",
    needs="two updates",
    seen=(
        Seen(
            "how easily it happens, in a request for a warning",
            "https://github.com/pytorch/pytorch/issues/47175",
        ),
        Seen(
            "a trainer of a hardware maker, corrected by a pull request",
            "https://github.com/tenstorrent/tt-blacksmith/pull/711",
        ),
    ),
    variants={
        "": {},
        "biases only": {"only": "biases"},
        "weights only": {"only": "weights"},
        "with the decay in it": {"at": "end"},
        "divided in place": {"at": "start"},
        "divided in place, with the decay in it": {"at": "start", "decay_too": True},
        "batches only": {"of": "batch"},
        "online only": {"of": "online"},
    },
    firsts={"biases only": "bias_gradient"},
)
class AccumulatorNotReset(Program):
    """Gradients pile up."""

    __only, __at, __decay_too, __of = "", "middle", False, ""

    def piles(self, parameter: Parameter) -> bool:
        """Whether a gradient keeps what the updates before left."""
        return self.__only in ("", parameter[0]) and self.case.update.startswith(self.__of)

    def before(self, parameter: Parameter, like: Array) -> Array:
        """Return what the updates before left."""
        return self.last("pile", parameter, like)

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        if not self.piles(parameter) or self.__at == "end":
            return super().averaged(gradient, parameter)
        if self.__at == "start":
            gradient = gradient + self.before(parameter, gradient)
            right = super().averaged(gradient, parameter)
        else:
            right = super().averaged(gradient, parameter)
            right = right + self.before(parameter, right)
        return self.remember("pile", parameter, right)

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        right = super().decayed(parameter, gradient)
        if not self.piles(parameter) or not (self.__at == "end" or self.__decay_too):
            return right
        if self.__at == "end":
            right = right + self.before(parameter, right)
        return self.remember("pile", parameter, right)


@CHAPTER.entry(
    id="cache-aliased",
    title="Stored activations are overwritten by a later sample",
    wrong="gradient = Σ S_ERROR of each sample · S_postA of the last",
    right="gradient = Σ S_ERROR · S_postA of the same sample",
    first="weight_gradient",
    why="A reference to one buffer is stored for every sample, not a copy of its values.",
    fix="Copy what the backward pass will need.",
    needs="several samples in an update",
    variants={
        "S_postA of the hidden layers": {"hidden": True, "inputs_too": False, "slopes": False},
        "and their fA′": {"hidden": True, "inputs_too": False, "slopes": True},
        "inputs too": {"hidden": True, "inputs_too": True, "slopes": False},
        "everything": {"hidden": True, "inputs_too": True, "slopes": True},
        "the inputs only": {"hidden": False, "inputs_too": True, "slopes": False},
        "S_postA of every layer": {"outputs": True},
        "S_postA of every layer, and their fA′": {"outputs": True, "slopes": True},
        "everything, outputs too": {"outputs": True, "inputs_too": True, "slopes": True},
    },
    firsts={
        "S_postA of every layer": "final_error",
        "S_postA of every layer, and their fA′": "final_error",
        "everything, outputs too": "final_error",
    },
)
class CacheAliased(Program):
    """The last sample's values in every sample's place."""

    __hidden, __inputs_too, __slopes, __outputs = True, False, False, False

    def output_error(self, output: Array, target: Array) -> Array:
        kept = output[[-1] * self.size] if self.__outputs else output
        return super().output_error(kept, target)

    def incoming_back(self, k: int) -> Array:
        right = super().incoming_back(k)
        aliased = self.__hidden if k else self.__inputs_too
        return right[[-1] * self.size] if aliased else right

    def slope(self, k: int) -> Array:
        right = super().slope(k)
        aliased = self.__slopes and (self.__outputs or k < self.layers - 1)
        return right[[-1] * self.size] if aliased else right
