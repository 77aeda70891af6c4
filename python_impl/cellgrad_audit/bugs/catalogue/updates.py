"""Mistakes in the update."""

from __future__ import annotations

from collections.abc import Iterator

from cellgrad_audit.bugs.arithmetic import Array
from cellgrad_audit.bugs.entry import CONVENTION, Chapter, InLayers, Seen, at, convention
from cellgrad_audit.bugs.program import Parameter, Program, Turn

CHAPTER = Chapter()


@CHAPTER.entry(
    id="layer-frozen",
    title="A layer is never updated",
    wrong="new_weight = weight",
    right="new_weight = weight − LR · gradient",
    first="new_weights",
    why="Its update is missing, writes into a copy, or its parameters were not handed to the "
    "optimiser.",
    fix="Update every layer.",
    variants={
        "output layer": {"at": "output layer", "biases_too": False},
        "first layer": {"at": "first layer", "biases_too": False},
        "second layer": {"at": "second layer", "biases_too": False},
        "second of three layers": {"at": "second of three layers", "biases_too": False},
        "output layer, biases too": {"at": "output layer", "biases_too": True},
        "first layer, biases too": {"at": "first layer", "biases_too": True},
        "second layer, biases too": {"at": "second layer", "biases_too": True},
        "second of three layers, biases too": {
            "at": "second of three layers",
            "biases_too": True,
        },
        "hidden layers": {"at": "hidden layers", "biases_too": False},
        "hidden layers, biases too": {"at": "hidden layers", "biases_too": True},
        "all": {"at": "every layer", "biases_too": True},
    },
)
class LayerFrozen(InLayers):
    """One layer stays as it is."""

    __at = "every layer"

    __biases_too = False

    def moves(self, parameter: Parameter) -> bool:
        kind, k = parameter
        if self.here(self.__at, k) and (kind == "weights" or self.__biases_too):
            return False
        return super().moves(parameter)


@CHAPTER.entry(
    id="last-node-skipped",
    title="The update's loop ends one node early",
    wrong="new_weight = weight for the last node",
    right="new_weight = weight − LR · gradient for every node",
    first="new_weights",
    why="The loop's limit is one too small.",
    fix="Let the loop run over every node.",
    variants={
        "the last input": {"rows": (0,), "columns": ()},
        "the last node of the first hidden layer, outgoing": {"rows": (1,), "columns": ()},
        "the last node of the first hidden layer, incoming": {"rows": (), "columns": (0,)},
        "the last output": {"rows": (), "columns": (-1,)},
        "the last node of the first hidden layer, both": {"rows": (1,), "columns": (0,)},
        "every last incoming node": {"rows": "all", "columns": ()},
        "every last node": {"rows": (), "columns": "all"},
        "every loop": {"rows": "all", "columns": "all"},
        "the last node of the first hidden layer, incoming weights": {
            "columns": (0,),
            "biases_too": False,
        },
        "the last node of the first hidden layer, both, weights only": {
            "rows": (1,),
            "columns": (0,),
            "biases_too": False,
        },
        "the last hidden node, outgoing": {"rows": "output"},
        "the last hidden node, incoming": {"columns": "last hidden"},
        "the last hidden node, incoming weights": {
            "columns": "last hidden",
            "biases_too": False,
        },
        "the last hidden node, both": {"rows": "output", "columns": "last hidden"},
        "the last hidden node, both, weights only": {
            "rows": "output",
            "columns": "last hidden",
            "biases_too": False,
        },
        "the last node of every hidden layer, outgoing": {"rows": "above"},
        "the last node of every hidden layer, incoming": {"columns": "hidden"},
        "the last node of every hidden layer, incoming weights": {
            "columns": "hidden",
            "biases_too": False,
        },
        "the last node of every hidden layer, both": {"rows": "above", "columns": "hidden"},
        "the last node of every hidden layer, both, weights only": {
            "rows": "above",
            "columns": "hidden",
            "biases_too": False,
        },
        "the last output's weights": {"columns": (-1,), "biases_too": False},
        "every last node's weights": {"columns": "all", "biases_too": False},
        "every loop, weights only": {"rows": "all", "columns": "all", "biases_too": False},
    },
)
class LastNodeSkipped(Program):
    """The last row or column stays as it is."""

    __rows: tuple[int, ...] | str = ()
    __columns: tuple[int, ...] | str = ()
    __biases_too = True

    def subtracted_from(self, parameter: Parameter, old: Array, new: Array) -> Array:
        """Return the new values with the skipped ones as they were."""
        kind, k = parameter
        new = new.copy()
        if kind == "weights" and self.hit(self.__rows, k):
            new[-1, :] = old[-1, :]
        if self.hit(self.__columns, k) and (kind == "weights" or self.__biases_too):
            new[..., -1] = old[..., -1]
        return new

    def hit(self, which: tuple[int, ...] | str, k: int) -> bool:
        """Whether a layer is among those whose loop is short."""
        if isinstance(which, str):
            last = self.layers - 1
            return {
                "all": True,
                "above": k > 0,
                "hidden": k < last,
                "output": k == last > 0,
                "last hidden": k == last - 1,
            }[which]
        return k in which or (k == self.layers - 1 and -1 in which)

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        return self.subtracted_from(parameter, value, super().moved(parameter, value, gradient))


@CHAPTER.entry(
    id="bias-frozen",
    title="The biases are never updated",
    wrong="new_bias = bias",
    right="new_bias = bias − LR · gradient_bias",
    first="new_biases",
    why="Only weights are thought of as what is learnt; a widely read example leaves them as "
    "they are.",
    fix="Update biases like weights (Eq. 15), or declare update_biases: false.",
    kind=CONVENTION,
    needs="biases",
    declare=convention(update_biases=False),
    seen=(
        Seen(
            "a widely read worked example, which says so",
            "https://mattmazur.com/2015/03/17/a-step-by-step-backpropagation-example/",
        ),
        Seen(
            "the program beside it, as asked about in an issue",
            "https://github.com/mattm/simple-neural-network/issues/5",
        ),
        Seen("a small C library, reported in an issue", "https://github.com/glouw/tinn/issues/30"),
    ),
    variants={
        "": {"which": "every layer"},
        "output layer": {"which": "output layer"},
        "hidden layers": {"which": "hidden layers"},
    },
)
class BiasFrozen(InLayers):
    """Biases stay as they are."""

    __which = "every layer"

    def moves(self, parameter: Parameter) -> bool:
        kind, k = parameter
        frozen = kind == "biases" and self.here(self.__which, k)
        return super().moves(parameter) and not frozen


@CHAPTER.entry(
    id="learning-rate-missing",
    title="The learning rate is missing",
    wrong="new_weight = weight − gradient",
    right="new_weight = weight − LR · gradient",
    first="new_weights",
    why="With LR = 1 nothing is seen.",
    fix="Multiply by LR.",
    needs="a learning rate other than 1",
    seen=(
        Seen(
            "a textbook's linear learner, reported in an issue",
            "https://github.com/aimacode/aima-python/issues/285",
        ),
    ),
    variants={
        "": {"only": ""},
        "weights only": {"only": "weights"},
        "biases only": {"only": "biases"},
        **at("output layer", "hidden layers"),
    },
    firsts={"biases only": "new_biases"},
)
class LearningRateMissing(InLayers):
    """LR = 1."""

    __only, __at = "", "every layer"

    def scaled(self, parameter: Parameter, step: Array) -> Array:
        kind, k = parameter
        if self.__only not in ("", kind) or not self.here(self.__at, k):
            return super().scaled(parameter, step)
        return 1.0 * step


@CHAPTER.entry(
    id="learning-rate-squared",
    title="The learning rate is multiplied in twice",
    wrong="new_weight = weight − LR² · gradient",
    right="new_weight = weight − LR · gradient",
    first="new_weights",
    why="It is in the gradient already, and again in the update.",
    fix="Multiply by LR in one place.",
    needs="a learning rate other than 1",
    seen=(
        Seen(
            "two learning rules of a modelling library, corrected by a pull request",
            "https://github.com/PrincetonUniversity/PsyNeuLink/pull/1745",
        ),
    ),
    variants={
        "": {"only": ""},
        "weights only": {"only": "weights"},
        "biases only": {"only": "biases"},
        "once in the velocity, once outside": {"inside": True},
    },
    firsts={"biases only": "new_biases"},
)
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
        return once if self.__only and parameter[0] != self.__only else self.rate * once


@CHAPTER.entry(
    id="learning-rate-constant",
    title="The learning rate does not follow its schedule",
    wrong="LR of the first update, in every update",
    right="LR of this update",
    first="new_weights",
    why="The rate is read once, when the optimiser is made, or moved on before the update that "
    "it is for.",
    fix="Set the rate before every update, and move it on after it.",
    needs="a changing learning rate",
    seen=(
        Seen(
            "a library's warning that the schedule was moved on before the first update",
            "https://github.com/aitorzip/pytorch-cyclegan/issues/42",
        ),
    ),
    variants={
        "the first": {"which": 0},
        "the last": {"which": -1},
        "one update late": {"by": -1},
        "one update early": {"by": 1},
    },
)
class LearningRateConstant(Program):
    """One rate for all updates, or the neighbouring update's."""

    __which, __by = 0, 0

    def rate_of(self, number: int) -> float:
        if not isinstance(self.case.learning_rate, tuple):
            return super().rate_of(number)
        if self.__by:
            return super().rate_of(max(number + self.__by, 0))
        return self.case.learning_rate[self.__which]


@CHAPTER.entry(
    id="updated-twice",
    title="Every update is made twice",
    wrong="new_weight = weight − 2 · LR · gradient",
    right="new_weight = weight − LR · gradient",
    first="new_weights",
    why="Two calls of the update, or one in each of two loops.",
    fix="Update once.",
    needs="weight decay, or a trace, to tell it from loss-doubled",
    variants={
        "": {"only": "", "twice": False},
        "weights only": {"only": "weights", "twice": False},
        "biases only": {"only": "biases", "twice": False},
        "the velocity too": {"only": "", "twice": True},
    },
    firsts={"biases only": "new_biases"},
)
class UpdatedTwice(Program):
    """The same change twice, or the optimiser asked twice."""

    __only, __twice = "", False

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        if self.__only and parameter[0] != self.__only:
            return super().moved(parameter, value, gradient)
        if self.__twice:
            once = super().moved(parameter, value, gradient)
            return super().moved(parameter, once, gradient)
        change = self.change(parameter, gradient)
        twice = 2.0 * change if self.sign > 0 else -2.0 * change
        return self.subtracted(value, twice)


@CHAPTER.entry(
    id="update-in-inner-loop",
    title="The output weights are updated inside the loop over the inputs",
    wrong="new_weight_HtoO = weight_HtoO − inputs · LR · gradient_HtoO",
    right="new_weight_HtoO = weight_HtoO − LR · gradient_HtoO",
    first="new_weights",
    why="One loop level too deep: the line runs once for every input.",
    fix="Move the update out of the inner loop.",
    needs="a hidden layer and several inputs",
    variants={
        "gradients as they were": {},
        "the velocity only once": {"once": True},
        "biases too": {"biases": True},
        "once for every input of the network": {"of_network": True},
        "each input's gradient through the weight as it is then": {"flows": True},
        "every layer above the first": {"every": True},
    },
    firsts={"each input's gradient through the weight as it is then": "weight_gradient"},
)
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
        right = super().weight_gradient(k)
        if not self.__flows or k != self.layers - 2:
            return right
        above = ("weights", k + 1)
        old, rows = self.value(above), []
        slope = self.slope(k)
        for i in range(self.nodes[k]):
            signal = self.weighted_sum(self.signal[k + 1], old) * slope
            rows.append(
                self.over_samples([signal[s] * self.incoming[k][s, i] for s in range(self.size)])
            )
            old = super().moved(above, old, self.gradient[above])
        stacked = right.copy()
        for i, row in enumerate(rows):
            stacked[i] = row
        self.forget(above)
        return stacked

    def forget(self, parameter: Parameter) -> None:
        """Undo what the trial updates remembered."""
        if self.case.optimizer.momentum:
            self.remembered.pop(("velocity", parameter), None)


@CHAPTER.entry(
    id="assigned-not-subtracted",
    title="The change replaces the weight",
    wrong="new_weight = −LR · gradient",
    right="new_weight = weight − LR · gradient",
    first="new_weights",
    why="= is written for −=.",
    fix="Subtract from the old weight.",
    variants={
        "": {},
        "with the other sign": {"plus": True},
        "weights only": {"only": "weights"},
        "biases only": {"only": "biases"},
    },
    firsts={"biases only": "new_biases"},
)
class AssignedNotSubtracted(Program):
    """The old weight is lost."""

    __plus, __only = False, ""

    def moved(self, parameter: Parameter, value: Array, gradient: Array) -> Array:
        lost = self.__only in ("", parameter[0])
        return super().moved(parameter, 0.0 * value if lost else value, gradient)

    def subtracted(self, value: Array, change: Array) -> Array:
        return super().subtracted(value, -change if self.__plus else change)


@CHAPTER.entry(
    id="gradient-added",
    title="The update adds the gradient",
    wrong="new_weight = weight + LR · gradient, in some updates or in all",
    right="new_weight = weight − LR · gradient",
    first="new_weights",
    why="A sign is mistaken in an update line, often in one of several.",
    fix="Subtract everywhere, as long as FE = y − target.",
    needs="weight decay or a trace, to tell it from error-flipped where all updates add",
    variants={
        "everything": {"kind": "", "at": "every layer"},
        "biases": {"kind": "biases", "at": "every layer"},
        "weights": {"kind": "weights", "at": "every layer"},
        "output layer": {"kind": "", "at": "output layer"},
        "hidden layers": {"kind": "", "at": "hidden layers"},
        "weights of the output layer": {"kind": "weights", "at": "output layer"},
        "weights of the hidden layers": {"kind": "weights", "at": "hidden layers"},
    },
    firsts={"biases": "new_biases"},
)
class GradientAdded(InLayers):
    """Up the slope in some places."""

    __at = "every layer"

    __kind = ""

    def change(self, parameter: Parameter, gradient: Array) -> Array:
        right = super().change(parameter, gradient)
        return (
            -right
            if self.__kind in ("", parameter[0]) and self.here(self.__at, parameter[1])
            else right
        )


@CHAPTER.entry(
    id="step-count-off-by-one",
    title="One update too few, or one too many",
    wrong="N − 1 or N + 1 updates, reported as N",
    right="N updates",
    first="new_weights",
    why="The count starts at 1, or the state before the update is reported.",
    fix="Report what N updates give.",
    needs="several updates",
    seen=(
        Seen(
            "a widely read worked example: the error printed for 10,000 updates is that after "
            "9,999 (see the errata)",
            "https://mattmazur.com/2015/03/17/a-step-by-step-backpropagation-example/",
        ),
    ),
    variants={
        "one too few": {"off": -1},
        "one too many": {"off": 1},
        "one too many, at the first rate": {"off": 1, "rate": 0},
        "the last one again": {"off": 1, "again": -1},
        "the first is left out": {"off": 0},
        "one epoch too few": {"off": -1, "epoch": True},
        "one epoch too many": {"off": 1, "epoch": True},
    },
    firsts={
        "the first is left out": "pre_activation",
    },
)
class StepCountOffByOne(Program):
    """The run is an update, or an epoch, shorter or longer."""

    __off, __again, __rate, __epoch = -1, 0, -1, False

    @classmethod
    def shown(cls, number: int) -> int:
        return number if cls.__epoch else number + (cls.__off or 1)

    def turns(self) -> Iterator[Turn]:
        turns = list(super().turns())
        each = len(turns) // self.case.epochs if self.__epoch else 1
        if self.__off == 0:
            yield from turns[1:]
            return
        if self.__off < 0:
            yield from turns[:-each]
            return
        yield from turns
        number = len(turns)
        more = turns[:each] if self.__again == 0 else turns[-1:]
        for turn in more:
            rate = self.rate_of(0 if self.__rate == 0 else number)
            yield Turn(number, turn.samples, rate)
            number += 1
