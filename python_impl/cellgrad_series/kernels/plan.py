"""What a run needs, laid out flat: every weight, then every bias, in one vector.

The order is layer by layer, row by row, then the biases layer by layer: that of the
penalty's sum, so weight decay and optimisers need no layers at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case, Optimizer
from cellgrad.case.quantities import Structure, UpdateRule
from cellgrad.errors import CaseError, ShapeError

Array = NDArray[np.float64]

OPTIMIZERS = ("sgd", "momentum", "rate_in_velocity", "adam")
"""How a gradient becomes an update; all but the first remember something."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a run that does not change while it goes on.

    Attributes:
        structure: layers, activations and loss.
        inputs: shape (samples, nodes of the input layer).
        targets: shape (samples, outputs).
        batch: samples an update; the last update of an epoch may have fewer.
        mean: whether a batch's gradients and errors are divided by its size.
        upwards: whether FE = t − y and updates are added.
        optimizer: one of ``OPTIMIZERS``.
        constants: momentum, β1, β2, ε (``Optimizer``).
        slope: of a leaky ReLU below zero.
        decay: λ of Eq. 16.
        decayed: how many entries of the parameter vector decay: 0, its weights, or all.
        moved: how many entries are updated: its weights, or all.
        weight_starts: where each layer's weights begin in the parameter vector.
        bias_starts: where each layer's biases begin; empty without biases.
        size: length of the parameter vector.
        rates: one learning rate, shape (1,), or one an update, shape (updates,).
        scheduled: whether there is one an update.
        updates: how many updates the case asks for.
    """

    structure: Structure
    inputs: Array
    targets: Array
    batch: int
    mean: bool
    upwards: bool
    optimizer: str
    constants: Optimizer
    slope: float
    decay: float
    decayed: int
    moved: int
    weight_starts: tuple[int, ...]
    bias_starts: tuple[int, ...]
    size: int
    rates: Array
    scheduled: bool
    updates: int

    @property
    def nodes(self) -> tuple[int, ...]:
        """Number of nodes, layer by layer."""
        return self.structure.nodes

    @property
    def layers(self) -> int:
        """Number of weight layers."""
        return self.structure.layers

    @property
    def samples(self) -> int:
        """Number of training samples."""
        return len(self.inputs)

    @property
    def updates_per_epoch(self) -> int:
        """Updates in one pass through the samples."""
        return -(-self.samples // self.batch)

    def rates_of(self, first: int, count: int) -> Array:
        """Return the learning rates of some updates, shape (count,).

        Raises:
            CaseError: the case gives no learning rate for one of them.
        """
        if not self.scheduled:
            return np.full(count, self.rates[0])
        if first + count > len(self.rates):
            raise CaseError(
                f"update {len(self.rates) + 1} has no learning rate",
                place="learning_rate",
                remedy="give one number, or one entry an update",
            )
        return self.rates[first : first + count]

    def batches(self, first: int, count: int) -> Iterator[slice]:
        """Yield which samples each of some updates covers."""
        for update in range(first, first + count):
            start = update % self.updates_per_epoch * self.batch
            yield slice(start, min(start + self.batch, self.samples))

    def weights_of(self, vector: Array) -> list[Array]:
        """Return views of a parameter vector, one (n, m) matrix a layer."""
        return [
            vector[start : start + n * m].reshape(n, m)
            for start, n, m in zip(self.weight_starts, self.nodes, self.nodes[1:], strict=False)
        ]

    def biases_of(self, vector: Array) -> list[Array] | None:
        """Return views of a parameter vector, one (m,) vector a layer, or None."""
        if not self.bias_starts:
            return None
        widths = self.nodes[1:]
        return [vector[s : s + m] for s, m in zip(self.bias_starts, widths, strict=True)]


class State:
    """What changes from update to update; kernels change it in place.

    Attributes:
        numbers: all of the following, end to end.
        parameters: every weight, then every bias, shape (size,).
        first: the velocity, or Adam's first moment; shape (moved,), or (0,) for plain sgd.
        second: Adam's second moment, shape (moved,), else (0,).
        powers: β1 and β2 to the power of the updates made, shape (2,).
        updates: how many updates were made.
    """

    __slots__ = ("first", "numbers", "parameters", "powers", "second", "updates")

    def __init__(self, plan: Plan, parameters: Array) -> None:
        first = 0 if plan.optimizer == "sgd" else plan.moved
        second = plan.moved if plan.optimizer == "adam" else 0
        remembered = np.zeros(first + second)
        self.numbers = np.concatenate([parameters, remembered, np.ones(2)])
        self.parameters, self.first, self.second, self.powers = np.split(
            self.numbers, np.cumsum([plan.size, first, second])
        )
        self.updates = 0


def plan_of(case: Case) -> Plan:
    """Lay out a case.

    Raises:
        CaseError: words that are unknown or do not go together.
        ShapeError: shapes that do not chain.
    """
    network, conventions = case.network, case.conventions
    structure = case.structure_of(1)
    _check_shapes(case)
    nodes = network.nodes
    sizes = [n * m for n, m in pairwise(nodes)]
    weights, size = sum(sizes), sum(sizes)
    weight_starts = tuple(accumulate(sizes[:-1], initial=0))
    bias_starts: tuple[int, ...] = ()
    if network.biases is not None:
        bias_starts = tuple(accumulate(nodes[1:-1], initial=weights))
        size += sum(nodes[1:])
    decay = case.optimizer.weight_decay
    rate = case.learning_rate
    return Plan(
        structure=structure,
        inputs=np.array([sample.input for sample in case.samples], dtype=np.float64),
        targets=np.array([sample.target for sample in case.samples], dtype=np.float64),
        batch=case.batch(),
        mean=case.update == "batch_mean",
        upwards=conventions.error_sign == "target_minus_output",
        optimizer=_optimizer_of(case.update_rule()),
        constants=case.optimizer,
        slope=network.leaky_slope,
        decay=decay,
        decayed=(size if conventions.decay_biases else weights) if decay else 0,
        moved=size if conventions.update_biases else weights,
        weight_starts=weight_starts,
        bias_starts=bias_starts,
        size=size,
        rates=np.array(rate if isinstance(rate, tuple) else [rate], dtype=np.float64),
        scheduled=isinstance(rate, tuple),
        updates=case.updates(),
    )


def first_state(case: Case, plan: Plan) -> State:
    """Return the state before the first update."""
    layers = [np.ravel(layer) for layer in case.network.weights]
    layers += [np.array(layer) for layer in case.network.biases or ()]
    return State(plan, np.concatenate(layers, dtype=np.float64))


def _optimizer_of(rule: UpdateRule) -> str:
    if rule.rate_in_velocity:
        return "rate_in_velocity"
    return "momentum" if rule.momentum else rule.optimizer


def _check_shapes(case: Case) -> None:
    nodes = case.network.nodes
    wanted = list(pairwise(nodes))
    for k, (layer, (n, m)) in enumerate(zip(case.network.weights, wanted, strict=False)):
        if len(layer) != n or any(len(row) != m for row in layer):
            raise ShapeError(f"expected {n} rows of {m}", place=f"network.weights[{k}]")
    if len(case.network.weights) != len(wanted):
        raise ShapeError(f"expected {len(wanted)} layers", place="network.weights")
    biases = case.network.biases
    if biases is not None and [len(layer) for layer in biases] != list(nodes[1:]):
        raise ShapeError("expected one value a node", place="network.biases")
    if not case.samples:
        raise ShapeError("expected at least one sample", place="samples")
    for s, sample in enumerate(case.samples):
        if (len(sample.input), len(sample.target)) != (nodes[0], nodes[-1]):
            raise ShapeError(
                f"expected {nodes[0]} inputs and {nodes[-1]} targets", place=f"samples[{s}]"
            )
