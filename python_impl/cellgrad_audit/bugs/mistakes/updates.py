"""Mistakes in the update, in momentum and in weight decay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.mistakes import Right, mistake
from cellgrad_audit.bugs.program import Parameter, Program, Turn

# what is updated


@mistake("layer-frozen", "moves", at="every layer")
def layer_frozen(
    _run: Program, right: Right[bool], parameter: Parameter, *, biases_too: bool = False
) -> bool:
    """One layer stays as it is."""
    return parameter[0] == "biases" and not biases_too and right(parameter)


@mistake("last-node-skipped", "moved")
def last_node_skipped(
    run: Program,
    right: Right[Array],
    parameter: Parameter,
    value: Array,
    gradient: Array,
    *,
    rows: tuple[int, ...] | str = (),
    columns: tuple[int, ...] | str = (),
    biases_too: bool = True,
) -> Array:
    """The last row or column stays as it is, in layers by their number or in words."""
    (kind, k), last = parameter, run.layers - 1

    def among(layers: tuple[int, ...] | str) -> bool:
        if not isinstance(layers, str):
            return k in layers or (k == last and -1 in layers)
        return {
            "all": True,
            "above": k > 0,
            "hidden": k < last,
            "output": k == last > 0,
            "last hidden": k == last - 1,
        }[layers]

    new: Array = right(parameter, value, gradient).copy()
    if kind == "weights" and among(rows):
        new[-1, :] = value[-1, :]
    if among(columns) and (kind == "weights" or biases_too):
        new[..., -1] = value[..., -1]
    return new


@mistake("bias-frozen", "moves", at="every layer")
def bias_frozen(_run: Program, right: Right[bool], parameter: Parameter) -> bool:
    """Biases stay as they are."""
    return parameter[0] == "weights" and right(parameter)


# the learning rate


@mistake("learning-rate-missing", "scaled", at="every layer")
def rate_missing(_run: Program, _right: Right[Array], _parameter: Parameter, step: Array) -> Array:
    """LR = 1."""
    return 1.0 * step


@mistake("learning-rate-squared")
class LearningRateSquared(Program):
    """LR²."""

    __only, __inside = "", False

    def velocity(self, parameter: Parameter, gradient: Array) -> Array:
        step = super().scaled(parameter, gradient) if self.__inside else gradient
        return super().velocity(parameter, step)

    def scaled(self, parameter: Parameter, step: Array) -> Array:
        once = super().scaled(parameter, step)
        if self.__inside and self.case.optimizer.momentum:
            return once
        return self.rate * once if self.__only in ("", parameter[0]) else once


@mistake("learning-rate-constant", "rate_of")
def other_rate(
    run: Program, right: Right[float], number: int, *, which: int = 0, by: int = 0
) -> float:
    """One rate for all updates, or the neighbouring update's."""
    rate = run.case.learning_rate
    if by or not isinstance(rate, tuple):
        return right(max(number + by, 0))
    return rate[which]


# how the change is made


@mistake("updated-twice", "moved")
def updated_twice(
    run: Program,
    right: Right[Array],
    parameter: Parameter,
    value: Array,
    gradient: Array,
    *,
    twice: bool = False,
) -> Array:
    """The same change twice, or the optimiser asked twice."""
    if twice:
        return right(parameter, right(parameter, value, gradient), gradient)
    change = run.change(parameter, gradient)
    return run.subtracted(value, 2.0 * change if run.sign > 0 else -2.0 * change)


@mistake("update-in-inner-loop")
class UpdateInInnerLoop(Program):
    """One update an input."""

    __flows, __every, __once, __biases, __of_network = False, False, False, False, False

    def repeats(self, parameter: Parameter) -> int:
        """Return how often a parameter is updated: once for every node below the layer below."""
        kind, k = parameter
        above = k > 0 and (k == self.layers - 1 or self.__every)
        if not above or (kind == "biases" and not self.__biases):
            return 1
        return self.nodes[0 if self.__of_network else k - 1]

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        if self.__once:
            change = self.change(parameter, gradient)
            for _ in range(self.repeats(parameter)):
                value = self.subtracted(value, change if self.sign > 0 else -change)
            return value
        for _ in range(self.repeats(parameter)):
            value = super().moved(parameter, value, gradient)
        return value

    def weight_gradient(self, k: int) -> Array:
        gradient = super().weight_gradient(k)
        if not self.__flows or k != self.layers - 2:
            return gradient
        above = ("weights", k + 1)
        weights, slope, stacked = self.value(above), self.slope(k), gradient.copy()
        for i in range(self.nodes[k]):
            signal = self.weighted_sum(self.signal[k + 1], weights) * slope
            terms = [signal[s] * self.incoming[k][s, i] for s in range(self.size)]
            stacked[i] = self.over_samples(terms)
            weights = super().moved(above, weights, self.gradient[above])
        if self.case.optimizer.momentum:  # what the trial updates remembered is undone
            self.remembered.pop(("velocity", above), None)
        return stacked


@mistake("assigned-not-subtracted")
class AssignedNotSubtracted(Program):
    """The old weight is lost."""

    __plus, __only = False, ""

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        lost = self.__only in ("", parameter[0])
        return super().moved(parameter, 0.0 * value if lost else value, gradient)

    def subtracted(self, value: Array, change: Array) -> Array:
        return super().subtracted(value, -change if self.__plus else change)


@mistake("gradient-added", "change", at="every layer")
def added(_run: Program, right: Right[Array], parameter: Parameter, gradient: Array) -> Array:
    """Up the slope in some places."""
    return -right(parameter, gradient)


@mistake("step-count-off-by-one")
class StepCountOffByOne(Program):
    """The run is an update, or an epoch, shorter or longer."""

    __off, __again, __rate, __epoch = -1, 0, -1, False

    @classmethod
    def reported_update(cls, number: int) -> int:
        return number if cls.__epoch else number + (cls.__off or 1)

    def turns(self) -> Iterator[Turn]:
        turns = list(super().turns())
        each = len(turns) // self.case.epochs if self.__epoch else 1
        if self.__off <= 0:
            yield from turns[:-each] if self.__off else turns[1:]
            return
        yield from turns
        more = turns[:each] if self.__again == 0 else turns[-1:]
        for number, turn in enumerate(more, start=len(turns)):
            rate = self.rate_of(0 if self.__rate == 0 else number)
            yield Turn(number, turn.samples, rate)


# momentum


@mistake("momentum-missing", "velocity")
def momentum_missing(
    _run: Program, right: Right[Array], parameter: Parameter, gradient: Array
) -> Array:
    """μ = 0, whatever is remembered."""
    right(parameter, gradient)
    return gradient


@mistake("momentum-holds-learning-rate", "with_momentum")
def rate_in_velocity(
    run: Program, _right: Right[Array], parameter: Parameter, gradient: Array
) -> Array:
    """LR inside."""
    return run.velocity(parameter, run.scaled(parameter, gradient))


@mistake("momentum-averaged", "new_velocity")
def averaged_velocity(
    run: Program, right: Right[Array], last: Array, gradient: Array, *, first_whole: bool = False
) -> Array:
    """(1 − μ) · gradient."""
    if first_whole and run.turn.number == 0:
        return right(last, gradient)
    average: Array = run.momentum * last + (1.0 - run.momentum) * gradient
    return average


@mistake("momentum-fake")
class MomentumFake(Program):
    """LR for μ."""

    __how = "rate"

    def with_momentum(self, parameter: Parameter, gradient: Array) -> Array:
        before = self.last("velocity", parameter, gradient)
        if self.__how == "outside":
            return self.remember("velocity", parameter, gradient + self.rate * before)
        if self.__how == "change":
            change = self.scaled(parameter, gradient + self.momentum * before)
            return self.remember("velocity", parameter, change)
        return super().with_momentum(parameter, gradient)

    def velocity(self, parameter: Parameter, gradient: Array) -> Array:
        factor = self.momentum if self.__how == "momentum before" else self.rate
        new: Array = factor * self.last("velocity", parameter, gradient) + gradient
        self.remember("velocity", parameter, new if self.__how == "rate" else gradient)
        return new


@mistake("momentum-nesterov", "velocity")
def nesterov(run: Program, right: Right[Array], parameter: Parameter, gradient: Array) -> Array:
    """One step ahead."""
    ahead: Array = gradient + run.momentum * right(parameter, gradient)
    return ahead


# weight decay


def other_decay(entry: str, decay: Callable[[Program], Any]) -> None:
    """Register another λ."""

    @mistake(entry, "decayed")
    def with_other_decay(
        run: Program, right: Right[Array], parameter: Parameter, gradient: Array
    ) -> Array:
        declared, run.weight_decay = run.weight_decay, decay(run)
        decayed = right(parameter, gradient)
        run.weight_decay = declared
        return decayed


other_decay("weight-decay-doubled", lambda run: 2.0 * run.weight_decay)
other_decay("weight-decay-over-samples", lambda run: run.weight_decay / float(run.size))
other_decay("weight-decay-sign", lambda run: -run.weight_decay)


@mistake("weight-decay-missing", "decays")
def nothing_decays(_run: Program, _right: Right[bool], _parameter: Parameter) -> bool:
    """λ = 0."""
    return False


@mistake("weight-decay-on-biases", "decays")
def everything_decays(_run: Program, _right: Right[bool], _parameter: Parameter) -> bool:
    """λ for every parameter."""
    return True


@mistake("weight-decay-decoupled")
class WeightDecayDecoupled(Program):
    """λ · weight outside the gradient."""

    __with_rate, __biases_too = False, False

    def decays(self, parameter: Parameter) -> bool:
        return False

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        new = super().moved(parameter, value, gradient)
        if parameter[0] == "biases" and not self.__biases_too:
            return new
        shrink: Array = self.weight_decay * value
        return new - (self.rate * shrink if self.__with_rate else shrink)


@mistake("weight-decay-new-weights")
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
