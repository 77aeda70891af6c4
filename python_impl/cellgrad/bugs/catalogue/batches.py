"""Mistakes in how samples are taken and put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cellgrad.bugs.arithmetic import Array, total
from cellgrad.bugs.entry import CONVENTION, Chapter
from cellgrad.bugs.program import Parameter, Program, Turn

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
    },
)
class RowShifted(Program):
    """Rows of another sample; past the end comes the other end."""

    __inputs_by, __targets_by = 0, 0

    def taken_samples(self) -> tuple[Array, Array]:
        count, rows = len(self.case.samples), self.turn.samples
        inputs = [(s + self.__inputs_by) % count for s in rows]
        targets = [(s + self.__targets_by) % count for s in rows]
        return self.all_inputs[inputs], self.all_targets[targets]


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
    title="The loop over the samples ends one early",
    wrong="gradient = Σ over all samples but the last",
    right="gradient = Σ over the samples",
    first="weight_gradient",
    why="The loop's limit is one too small.",
    fix="Let the loop run over every sample.",
    needs="several samples in an update",
    variants={
        "divided by N": {"divisor": 0},
        "divided by N − 1": {"divisor": -1},
    },
)
class LastSampleSkipped(Program):
    """One term too few."""

    __divisor = 0

    def over_samples(self, terms: list[Array]) -> Array:
        return total(terms[:-1] or terms)

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
)
class MeanTwice(Program):
    """Divided again."""

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        return super().averaged(gradient, parameter) / float(self.size)


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
        "each with LR / N": {"share": True},
        "each with the full LR, and the rate by sample": {"share": False, "by_sample": True},
    },
)
class OnlineForBatch(Program):
    """One update a sample."""

    __share, __by_sample = False, False

    def turns(self) -> Iterator[Turn]:
        number = 0
        for turn in super().turns():
            for sample in turn.samples:
                self.whole = len(turn.samples)
                rate = self.rate_of(number) if self.__by_sample else turn.rate
                yield Turn(number, (sample,), rate)
                number += 1

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        share = self.__share and self.case.update == "batch_mean"
        return gradient / float(self.whole) if share else gradient


@CHAPTER.entry(
    id="batch-for-online",
    title="One update a pass over the samples, where one a sample is asked for",
    wrong="one update with the gradients of all samples",
    right="one update a sample",
    first="pre_activation",
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
    wrong="gradient of update 2 = gradient 1 + gradient 2",
    right="gradient of update 2, from zero",
    first="weight_gradient",
    why="The gradients are not set to zero before they are gathered.",
    fix="Set every gradient to 0 at the start of an update.",
    needs="two updates",
    variants={
        "": {"only": "", "after": False},
        "biases only": {"only": "biases", "after": False},
        "weights only": {"only": "weights", "after": False},
        "with the decay in it": {"only": "", "after": True},
    },
)
class AccumulatorNotReset(Program):
    """Gradients pile up."""

    __only, __after = "", False

    def piled(self, parameter: Parameter, gradient: Array) -> Array:
        """Return the gradient with what is left of the updates before."""
        if self.__only and parameter[0] != self.__only:
            return gradient
        return self.remember("pile", parameter, self.last("pile", parameter, gradient) + gradient)

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        right = super().averaged(gradient, parameter)
        return right if self.__after else self.piled(parameter, right)

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        right = super().decayed(parameter, gradient)
        return self.piled(parameter, right) if self.__after else right


@CHAPTER.entry(
    id="cache-aliased",
    title="Stored activations are overwritten by a later sample",
    wrong="gradient = Σ S_ERROR of each sample · S_postA of the last",
    right="gradient = Σ S_ERROR · S_postA of the same sample",
    first="weight_gradient",
    why="A reference to one buffer is stored for every sample, not a copy.",
    fix="Copy what the backward pass will need.",
    needs="several samples in an update",
    variants={
        "S_postA of the hidden layers": {"hidden": True, "inputs_too": False, "slopes": False},
        "and their fA′": {"hidden": True, "inputs_too": False, "slopes": True},
        "inputs too": {"hidden": True, "inputs_too": True, "slopes": False},
        "everything": {"hidden": True, "inputs_too": True, "slopes": True},
        "the inputs only": {"hidden": False, "inputs_too": True, "slopes": False},
    },
)
class CacheAliased(Program):
    """The last sample's values in every sample's place."""

    __hidden, __inputs_too, __slopes = True, False, False

    def incoming_back(self, k: int) -> Array:
        right = super().incoming_back(k)
        aliased = self.__hidden if k else self.__inputs_too
        return right[[-1] * self.size] if aliased else right

    def slope(self, k: int) -> Array:
        right = super().slope(k)
        return right[[-1] * self.size] if self.__slopes and k < self.layers - 1 else right
