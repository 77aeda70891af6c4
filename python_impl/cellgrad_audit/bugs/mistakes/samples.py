"""Mistakes in how samples are taken and put together."""

from __future__ import annotations

from collections.abc import Iterator

from cellgrad_audit.bugs.arithmetic import Array, total
from cellgrad_audit.bugs.mistakes import Right, mistake
from cellgrad_audit.bugs.program import Parameter, Program, Turn

# rows


@mistake("row-shifted", "taken_samples")
def shifted(
    run: Program,
    _right: Right[tuple[Array, Array]],
    *,
    inputs_by: int = 0,
    targets_by: int = 0,
    wraps: bool = True,
) -> tuple[Array, Array]:
    """Rows of another sample; past the end comes the other end, or the end itself."""
    count = len(run.case.samples)

    def rows(step: int) -> list[int]:
        moved = [s + step for s in run.turn.samples]
        return [s % count if wraps else min(max(s, 0), count - 1) for s in moved]

    return run.all_inputs[rows(inputs_by)], run.all_targets[rows(targets_by)]


@mistake("first-sample-only", "taken_samples")
def one_sample(
    run: Program, _right: Right[tuple[Array, Array]], *, which: int = 0
) -> tuple[Array, Array]:
    """One sample, again and again."""
    rows = [which % len(run.case.samples)] * len(run.turn.samples)
    return run.all_inputs[rows], run.all_targets[rows]


@mistake("order-reversed", "taken_samples")
def reversed_order(run: Program, _right: Right[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The other way round."""
    rows = [len(run.case.samples) - 1 - s for s in run.turn.samples]
    return run.all_inputs[rows], run.all_targets[rows]


# the sum over the samples


@mistake("last-sample-only")
class LastSampleOnly(Program):
    """One term of the sum over samples."""

    __which, __divided = -1, True

    def over_samples(self, terms: list[Array]) -> Array:
        return terms[self.__which]

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        return super().averaged(gradient, parameter) if self.__divided else gradient


@mistake("last-sample-skipped")
class LastSampleSkipped(Program):
    """One term too few."""

    __divisor, __first_too = 0, False

    def over_samples(self, terms: list[Array]) -> Array:
        return total((terms[1:] if self.__first_too else terms[:-1]) or terms)

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        if self.case.update != "batch_mean" or not self.__divisor or self.size == 1:
            return super().averaged(gradient, parameter)
        return gradient / float(self.size - 1)


@mistake("sum-for-mean", "averaged")
def not_divided(
    _run: Program, _right: Right[Array], gradient: Array, _parameter: Parameter
) -> Array:
    """The sum, whatever is asked for."""
    return gradient


@mistake("mean-for-sum", "averaged")
def divided(run: Program, right: Right[Array], gradient: Array, parameter: Parameter) -> Array:
    """The mean, where the sum is asked for."""
    averaged = right(gradient, parameter)
    return gradient / float(run.size) if run.case.update == "batch_sum" else averaged


@mistake("mean-twice")
class MeanTwice(Program):
    """Divided again."""

    __of_mean, __only, __decay_too = False, "", False

    def again(self, parameter: Parameter, gradient: Array) -> Array:
        """Return a gradient divided once more, where it is."""
        asked = self.case.update == "batch_mean" or not self.__of_mean
        return (
            gradient / float(self.size) if asked and self.__only in ("", parameter[0]) else gradient
        )

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        mean = super().averaged(gradient, parameter)
        return mean if self.__decay_too else self.again(parameter, mean)

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        decayed = super().decayed(parameter, gradient)
        return self.again(parameter, decayed) if self.__decay_too else decayed


@mistake("cache-aliased")
class CacheAliased(Program):
    """The last sample's values in every sample's place."""

    __hidden, __inputs_too, __slopes, __outputs = True, False, False, False

    def output_error(self, output: Array, target: Array) -> Array:
        kept = output[[-1] * self.size] if self.__outputs else output
        return super().output_error(kept, target)

    def incoming_back(self, k: int) -> Array:
        incoming = super().incoming_back(k)
        aliased = self.__hidden if k else self.__inputs_too
        return incoming[[-1] * self.size] if aliased else incoming

    def slope(self, k: int) -> Array:
        slope = super().slope(k)
        aliased = self.__slopes and (self.__outputs or k < self.layers - 1)
        return slope[[-1] * self.size] if aliased else slope


# when an update is made


@mistake("online-for-batch")
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


@mistake("batch-for-online")
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


@mistake("accumulator-not-reset")
class AccumulatorNotReset(Program):
    """Gradients pile up: before they are averaged, after that, or with the decay in them."""

    __only, __at, __decay_too, __of = "", "middle", False, ""

    def piles(self, parameter: Parameter) -> bool:
        """Whether a gradient keeps what the updates before left."""
        return self.__only in ("", parameter[0]) and self.case.update.startswith(self.__of)

    def piled(self, parameter: Parameter, gradient: Array) -> Array:
        """Return a gradient with what the updates before left."""
        return gradient + self.last("pile", parameter, gradient)

    def averaged(self, gradient: Array, parameter: Parameter) -> Array:
        if not self.piles(parameter) or self.__at == "end":
            return super().averaged(gradient, parameter)
        if self.__at == "start":
            averaged = super().averaged(self.piled(parameter, gradient), parameter)
        else:
            averaged = self.piled(parameter, super().averaged(gradient, parameter))
        return self.remember("pile", parameter, averaged)

    def decayed(self, parameter: Parameter, gradient: Array) -> Array:
        decayed = super().decayed(parameter, gradient)
        if not self.piles(parameter) or not (self.__at == "end" or self.__decay_too):
            return decayed
        if self.__at == "end":
            decayed = self.piled(parameter, decayed)
        return self.remember("pile", parameter, decayed)
