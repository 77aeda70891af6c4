"""Many updates: each one a step, and what the optimiser makes of its gradients.

``update_from`` makes one update, or a stack of independent ones at once, each from a
state of its own; ``training_run`` makes them one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import count

import numpy as np

from cellgrad.case.model import Case
from cellgrad.case.quantities import Structure, UpdateRule
from cellgrad.mlp import equations as eq
from cellgrad.mlp import optimizers as opt
from cellgrad.mlp.activations import Array
from cellgrad.mlp.step import Results, Step, by_key, step_from


@dataclass(frozen=True, slots=True)
class Constants:
    """The numbers of an update that stay the same: slope, λ, μ, β1, β2, ε; scalars."""

    leaky_slope: float = 0.01
    weight_decay: Array = field(default_factory=lambda: np.array(0.0))
    momentum: Array = field(default_factory=lambda: np.array(0.0))
    beta1: Array = field(default_factory=lambda: np.array(0.9))
    beta2: Array = field(default_factory=lambda: np.array(0.999))
    epsilon: Array = field(default_factory=lambda: np.array(1e-8))


@dataclass(slots=True)
class State:
    """Where an update starts from: the parameters, and what the optimiser remembers.

    Lists run over the weight layers; shapes (…, n, m) for weights and (…, m) for
    biases, (…,) for the powers of β. What the rule does not need is None.
    """

    weights: list[Array]
    biases: list[Array] | None = None
    velocity: list[Array] | None = None
    bias_velocity: list[Array] | None = None
    first_moment: list[Array] | None = None
    second_moment: list[Array] | None = None
    bias_first_moment: list[Array] | None = None
    bias_second_moment: list[Array] | None = None
    beta1_power: Array | None = None
    beta2_power: Array | None = None

    @classmethod
    def first(
        cls,
        structure: Structure,
        rule: UpdateRule,
        weights: list[Array],
        biases: list[Array] | None,
    ) -> State:
        """Return the state before the first update: nothing is remembered yet."""
        moving = biases if structure.update_biases else None

        def zeros(arrays: list[Array] | None) -> list[Array] | None:
            return None if arrays is None else [np.zeros_like(array) for array in arrays]

        state = cls(weights, biases)
        if rule.momentum:
            state.velocity, state.bias_velocity = zeros(weights), zeros(moving)
        if rule.optimizer == "adam":
            state.first_moment, state.second_moment = zeros(weights), zeros(weights)
            state.bias_first_moment, state.bias_second_moment = zeros(moving), zeros(moving)
            state.beta1_power = state.beta2_power = np.ones((), dtype=weights[0].dtype)
        return state


@dataclass(slots=True)
class Update:
    """One update: the step, and the state after it; ``step.new_weights`` are its weights."""

    step: Step
    after: State
    corrected_first_moment: list[Array] | None = None
    corrected_second_moment: list[Array] | None = None
    bias_corrected_first_moment: list[Array] | None = None
    bias_corrected_second_moment: list[Array] | None = None

    def results(self) -> Results:
        """Return every computed quantity, what the optimiser remembers included."""
        remembered = [one.name for one in fields(State) if one.name not in ("weights", "biases")]
        corrected = [one.name for one in fields(self) if one.name not in ("step", "after")]
        last = self.step.structure.layers - 1
        own = by_key(self.after, remembered, last) | by_key(self, corrected, last)
        return self.step.results() | own


def update_from(
    structure: Structure,
    rule: UpdateRule,
    state: State,
    inputs: Array,
    targets: Array,
    learning_rate: Array,
    constants: Constants,
) -> Update:
    """Make one update, or a stack of independent ones, each from its own state.

    Args:
        structure: of the step; its ``samples`` are those of one update.
        rule: what becomes of the gradients.
        state: where the update starts.
        inputs: shape (…, samples, nodes of the input layer).
        targets: shape (…, samples, outputs).
        learning_rate: LR, shape () or (…,).
        constants: the numbers that stay the same.
    """
    step = step_from(
        structure,
        state.weights,
        state.biases,
        inputs,
        targets,
        learning_rate,
        constants.leaky_slope,
        constants.weight_decay,
    )
    if rule.optimizer == "adam":
        return _adam(step, state, constants)
    if rule.momentum:
        return _momentum(step, rule, state, constants)
    biases = state.biases if step.new_biases is None else step.new_biases
    return Update(step, State(step.new_weights, biases))


def _momentum(step: Step, rule: UpdateRule, state: State, constants: Constants) -> Update:
    rate, minus = step.learning_rate, step.structure.error_sign == "output_minus_target"

    def move(
        values: list[Array], last: list[Array] | None, gradients: list[Array]
    ) -> tuple[list[Array], list[Array]]:
        remembered: list[Array] = []
        moved: list[Array] = []
        for value, old, gradient in zip(values, last or [], gradients, strict=True):
            if rule.rate_in_velocity:
                new = opt.velocity_with_rate(old, constants.momentum, rate, gradient)
                moved.append(value - new if minus else value + new)
            else:
                new = opt.velocity(old, constants.momentum, gradient)
                moved.append((eq.updated if minus else eq.updated_upwards)(value, rate, new))
            remembered.append(new)
        return remembered, moved

    velocity, step.new_weights = move(step.weights, state.velocity, step.weight_gradient)
    after = State(step.new_weights, state.biases, velocity=velocity)
    if step.new_biases is not None:
        after.bias_velocity, step.new_biases = move(
            step.biases or [], state.bias_velocity, step.bias_gradient or []
        )
        after.biases = step.new_biases
    return Update(step, after)


def _adam(step: Step, state: State, constants: Constants) -> Update:
    minus = step.structure.error_sign == "output_minus_target"
    change = opt.adam_updated if minus else opt.adam_updated_upwards
    power1 = opt.power(_known(state.beta1_power), constants.beta1)
    power2 = opt.power(_known(state.beta2_power), constants.beta2)

    def move(
        values: list[Array],
        last_first: list[Array] | None,
        last_second: list[Array] | None,
        gradients: list[Array],
    ) -> tuple[list[Array], ...]:
        found: tuple[list[Array], ...] = ([], [], [], [], [])
        for value, m, s, g in zip(
            values, last_first or [], last_second or [], gradients, strict=True
        ):
            first = opt.first_moment(m, constants.beta1, g)
            second = opt.second_moment(s, constants.beta2, g)
            m_hat, s_hat = opt.corrected(first, power1), opt.corrected(second, power2)
            new = change(value, step.learning_rate, m_hat, s_hat, constants.epsilon)
            for kept, array in zip(found, (first, second, m_hat, s_hat, new), strict=True):
                kept.append(array)
        return found

    first, second, m_hat, s_hat, step.new_weights = move(
        step.weights, state.first_moment, state.second_moment, step.weight_gradient
    )
    after = State(
        step.new_weights,
        state.biases,
        first_moment=first,
        second_moment=second,
        beta1_power=power1,
        beta2_power=power2,
    )
    update = Update(step, after, m_hat, s_hat)
    if step.new_biases is not None:
        (
            after.bias_first_moment,
            after.bias_second_moment,
            update.bias_corrected_first_moment,
            update.bias_corrected_second_moment,
            step.new_biases,
        ) = move(
            step.biases or [],
            state.bias_first_moment,
            state.bias_second_moment,
            step.bias_gradient or [],
        )
        after.biases = step.new_biases
    return update


def _known(array: Array | None) -> Array:
    if array is None:
        raise TypeError("this state was not made for Adam")
    return array


def constants_of(case: Case, dtype: type[np.floating] = np.float64) -> Constants:
    """Return the numbers of a case's updates that stay the same."""
    optimizer = case.optimizer

    def scalar(value: float) -> Array:
        return np.array(value, dtype=dtype)

    return Constants(
        case.network.leaky_slope,
        scalar(optimizer.weight_decay),
        scalar(optimizer.momentum),
        scalar(optimizer.beta1),
        scalar(optimizer.beta2),
        scalar(optimizer.epsilon),
    )


def training_run(case: Case, dtype: type[np.floating] = np.float64) -> Iterator[Update]:
    """Make all updates of a case, one after another.

    Args:
        case: network, samples, rule, epochs.
        dtype: numpy.float64 or numpy.float32.

    Yields:
        every update, with all quantities of its step.
    """
    rule = case.update_rule()
    weights = [np.array(layer, dtype=dtype) for layer in case.network.weights]
    biases = case.network.biases
    bias_arrays = None if biases is None else [np.array(layer, dtype=dtype) for layer in biases]
    structures: dict[int, Structure] = {}

    def structure(size: int) -> Structure:
        if size not in structures:
            structures[size] = case.structure_of(size)
        return structures[size]

    rate = case.learning_rate
    yield from updates(
        structure,
        rule,
        State.first(structure(case.batch()), rule, weights, bias_arrays),
        np.array([sample.input for sample in case.samples], dtype=dtype),
        np.array([sample.target for sample in case.samples], dtype=dtype),
        batches(case),
        (np.array(rate if isinstance(rate, float) else rate[n], dtype=dtype) for n in count()),
        constants_of(case, dtype),
    )


def updates(
    structure: Callable[[int], Structure],
    rule: UpdateRule,
    state: State,
    inputs: Array,
    targets: Array,
    batches: Iterable[tuple[int, int]],
    rates: Iterable[Array],
    constants: Constants,
) -> Iterator[Update]:
    """Make updates one after another, each from the state that the one before has left.

    Args:
        structure: returns the structure of an update on so many samples.
        rule: what becomes of the gradients.
        state: where the first update starts.
        inputs: of all samples, shape (samples, nodes of the input layer).
        targets: of all samples, shape (samples, outputs).
        batches: first sample and number of samples of every update.
        rates: LR of every update.
        constants: the numbers that stay the same.
    """
    for (start, size), rate in zip(batches, rates, strict=False):
        chosen = slice(start, start + size)
        update = update_from(
            structure(size), rule, state, inputs[chosen], targets[chosen], rate, constants
        )
        yield update
        state = update.after


def batches(case: Case) -> Iterator[tuple[int, int]]:
    """Yield the first sample and the number of samples of every update."""
    size, total = case.batch(), len(case.samples)
    for _ in range(case.epochs):
        for start in range(0, total, size):
            yield start, min(size, total - start)
