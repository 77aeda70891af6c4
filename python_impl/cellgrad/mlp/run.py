"""Many updates: each one a step, and what the optimiser makes of its gradients.

``update_from`` makes one update, or a stack of independent ones at once, each from a
state of its own; ``training_run`` makes them one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from cellgrad.case.quantities import Key, Structure, UpdateRule
from cellgrad.mlp import equations as eq
from cellgrad.mlp.equations import Array
from cellgrad.mlp.step import Forward, Results, Step, by_key, forward, step_of

if TYPE_CHECKING:  # verifying needs no case: start-up time
    from cellgrad.case.model import Case

_KINDS = {"weights": "", "biases": "bias_"}
"""What begins the names of that which an optimiser remembers of weights and of biases."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update.

    Attributes:
        step: the step; ``new_weights`` and ``biases_after`` are those after the update.
        memory: what the optimiser remembers then, and its corrected moments.
    """

    step: Step
    memory: Results

    def results(self) -> Results:
        """Return every computed quantity, what the optimiser remembers included."""
        return self.step.results() | self.memory

    def after(self) -> Results:
        """Return where the next update starts: parameters and memory, by name and layer."""
        step = self.step
        return by_key(weights=step.new_weights, biases=step.biases_after) | self.memory


def no_memory(structure: Structure, rule: UpdateRule, parameters: Mapping[Key, Array]) -> Results:
    """Return what an optimiser remembers before the first update: zeros, and powers of 1.

    Args:
        structure: of the step.
        rule: what becomes of the gradients.
        parameters: weights and biases.
    """
    adam = rule.optimizer == "adam"
    names = ["first_moment", "second_moment"] if adam else ["velocity"] * rule.momentum
    memory = {
        (_KINDS[kind] + name, k): np.zeros_like(array)
        for (kind, k), array in parameters.items()
        if kind == "weights" or (kind == "biases" and structure.update_biases)
        for name in names
    }
    if adam:
        one = np.ones((), dtype=parameters["weights", 0].dtype)
        memory |= {("beta1_power", None): one, ("beta2_power", None): one}
    return memory


def update_from(structure: Structure, rule: UpdateRule, givens: Mapping[Key, Array]) -> Update:
    """Make one update, or a stack of independent ones, each from its own state.

    Args:
        structure: of the step; its ``samples`` are those of one update.
        rule: what becomes of the gradients.
        givens: those of the step, what the optimiser remembers, and its constants: ``momentum``;
            ``beta1``, ``beta2`` and ``adam_epsilon``.
    """
    step = step_of(structure, givens)
    update = Update(step, {})
    if not rule.plain:
        move = _adam if rule.optimizer == "adam" else _momentum
        for kind, new, gradients in (
            ("weights", step.new_weights, step.weight_gradient),
            ("biases", step.new_biases, step.bias_gradient),
        ):
            if new is None:
                continue
            for k, gradient in enumerate(gradients or ()):
                new[k], remembered = move(step, rule, givens, (kind, k), gradient)
                update.memory.update(remembered)
    return update


def _momentum(
    step: Step, rule: UpdateRule, givens: Mapping[Key, Array], key: Key, gradient: Array
) -> tuple[Array, Results]:
    """Eq. 21: return the new value of a layer's parameters, and their velocity."""
    value, velocity = givens[key], (f"{_KINDS[key[0]]}velocity", key[1])
    last, momentum = givens[velocity], givens["momentum", None]
    if rule.rate_in_velocity:
        new = eq.velocity_with_rate(last, momentum, step.learning_rate, gradient)
        return (value - new if step.minus else value + new), {velocity: new}
    new = eq.velocity(last, momentum, gradient)
    return eq.updated(value, step.rate_down, new), {velocity: new}


def _adam(
    step: Step, rule: UpdateRule, givens: Mapping[Key, Array], key: Key, gradient: Array
) -> tuple[Array, Results]:
    """Eq. 22 to 24: return the new value of a layer's parameters, and what is remembered."""
    del rule
    prefix, k = _KINDS[key[0]], key[1]
    remembered: Results = {}
    corrected = []
    for name, beta, moment in (
        ("first_moment", "beta1", eq.first_moment),
        ("second_moment", "beta2", eq.second_moment),
    ):
        power = eq.power(givens[f"{beta}_power", None], givens[beta, None])
        new = moment(givens[prefix + name, k], givens[beta, None], gradient)
        corrected.append(eq.corrected(new, power))
        remembered |= {
            (f"{beta}_power", None): power,
            (prefix + name, k): new,
            (f"{prefix}corrected_{name}", k): corrected[-1],
        }
    first, second = corrected
    epsilon = givens["adam_epsilon", None]
    return eq.adam_updated(givens[key], step.rate_down, first, second, epsilon), remembered


def givens_of_run(case: Case, dtype: type[np.floating] = np.float64) -> Results:
    """Return what a run is given: all samples, its parameters and constants, no memory."""
    network, optimizer = case.network, case.optimizer

    def array(values: object) -> Array:
        return np.array(values, dtype=dtype)

    return by_key(
        input=array([sample.input for sample in case.samples]),
        target=array([sample.target for sample in case.samples]),
        learning_rate=array(case.learning_rate),
        leaky_slope=network.leaky_slope,
        weight_decay=array(optimizer.weight_decay),
        momentum=array(optimizer.momentum),
        beta1=array(optimizer.beta1),
        beta2=array(optimizer.beta2),
        adam_epsilon=array(optimizer.epsilon),
        weights=[array(layer) for layer in network.weights],
        biases=[array(layer) for layer in network.biases or ()],
    )


def training_run(case: Case, dtype: type[np.floating] = np.float64) -> Iterator[Update]:
    """Make all updates of a case, one after another.

    Args:
        case: network, samples, rule, epochs.
        dtype: numpy.float64 or numpy.float32.

    Yields:
        every update, with all quantities of its step.
    """
    structure, rule = cache(case.structure_of), case.update_rule()
    givens = givens_of_run(case, dtype)
    givens |= no_memory(structure(case.batch()), rule, givens)
    size, total = case.batch(), len(case.samples)
    batches = (
        (start, min(size, total - start))
        for _ in range(case.epochs)
        for start in range(0, total, size)
    )
    yield from updates(structure, rule, givens, batches)


def updates(
    structure: Callable[[int], Structure],
    rule: UpdateRule,
    givens: Mapping[Key, Array],
    batches: Iterable[tuple[int, int]],
) -> Iterator[Update]:
    """Make updates one after another, each from the state that the one before has left.

    Args:
        structure: returns the structure of an update on so many samples.
        rule: what becomes of the gradients.
        givens: as for ``update_from``, but ``input`` and ``target`` of all samples; where
            ``learning_rate`` has an axis, it is one an update.
        batches: first sample and number of samples of every update.
    """
    now, rates = dict(givens), givens["learning_rate", None]
    for number, (start, size) in enumerate(batches):
        for name in ("input", "target"):
            now[name, None] = givens[name, None][start : start + size]
        now["learning_rate", None] = rates[number] if rates.ndim else rates
        update = update_from(structure(size), rule, now)
        yield update
        now |= update.after()


def final_pass(case: Case, last: Update) -> Forward:
    """Return a forward pass over all samples of a run with its final parameters."""
    structure = replace(
        case.structure_of(case.batch()),
        samples=len(case.samples),
        update="batch_sum" if case.update == "online" else case.update,
    )
    return forward(structure, givens_of_run(case) | last.after())
