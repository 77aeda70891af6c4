"""A run, row by row: each from the doubles that the row above holds, or from end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import mpmath

from cellgrad.case.structure import UpdateRule
from cellgrad_proof.exact.definition.complex_step import Real, number
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.network import Index, Network, Parameters, Slot
from cellgrad_proof.exact.definition.update import (
    Found,
    Key,
    Update,
    add_row,
    evaluated,
    parameter_quantities,
    parameters_of,
    sample_quantities,
)
from cellgrad_series.parts.run import EVALUATED, START, RunShape

_SAMPLE = ("input", "target")


@dataclass(slots=True)
class Memory:
    """What an optimiser has kept of earlier updates, by parameter.

    Attributes:
        first: velocity, or the mean of gradients.
        second: the mean of their squares.
        beta1_power, beta2_power: as they were after the last update.
    """

    first: dict[Slot, Real] = field(default_factory=dict)
    second: dict[Slot, Real] = field(default_factory=dict)
    beta1_power: Real = 1
    beta2_power: Real = 1


def optimised(
    update: Update, rule: UpdateRule, memory: Memory, rate: Real, given: Mapping[str, Real]
) -> Parameters:
    """Return the parameters after an update (Eq. 10, 13, 15, 21 to 24), and enter all of it.

    Args:
        update: with its quantities computed.
        rule: how gradients become updates.
        memory: what earlier updates left.
        rate: the learning rate.
        given: ``momentum``, ``beta1``, ``beta2``, ``adam_epsilon``.
    """
    if rule.plain:
        return update.new_parameters(rate)
    after = update.parameters.copy()
    mover = _Adam(update, memory, given) if rule.optimizer == "adam" else None
    for slot, slope in update.gradient.items():
        if not update.moves(slot):
            continue
        g = update.sign * slope
        if mover is not None:
            change = rate * mover.direction(slot, g)
        else:
            old = given["momentum"] * memory.first[slot]
            velocity = old + rate * g if rule.rate_in_velocity else old + g
            _enter(update.found, slot, "velocity", velocity)
            change = velocity if rule.rate_in_velocity else rate * velocity
        after.put(slot, after.value(slot) - update.sign * change)
    update.enter_new(after)
    return after


class _Adam:
    """Eq. 22 to 24."""

    def __init__(self, update: Update, memory: Memory, given: Mapping[str, Real]) -> None:
        self.update, self.memory, self.given = update, memory, given
        self.power1 = memory.beta1_power * given["beta1"]
        self.power2 = memory.beta2_power * given["beta2"]
        update.found["beta1_power", None] = {(): self.power1}
        update.found["beta2_power", None] = {(): self.power2}

    def direction(self, slot: Slot, g: Real) -> Real:
        """Return m̂ / (√ŝ + ε)."""
        beta1, beta2 = self.given["beta1"], self.given["beta2"]
        m = beta1 * self.memory.first[slot] + (1 - beta1) * g
        s = beta2 * self.memory.second[slot] + (1 - beta2) * g * g
        m_hat, s_hat = m / (1 - self.power1), s / (1 - self.power2)
        for name, value in (
            ("first_moment", m),
            ("second_moment", s),
            ("corrected_first_moment", m_hat),
            ("corrected_second_moment", s_hat),
        ):
            _enter(self.update.found, slot, name, value)
        return m_hat / (mpmath.sqrt(s_hat) + self.given["adam_epsilon"])


def _enter(found: Found, slot: Slot, name: str, value: Real) -> None:
    kind, k, index = slot
    full = name if kind == "weights" else f"bias_{name}"
    found.setdefault((full, k), {})[index] = value


class Rows:
    """The rows of a run, each from the doubles that the row above holds."""

    def __init__(self, held: Holdings, part: str) -> None:
        self.held, self.part = held, part
        self.shape: RunShape = held.parts[part].shape
        self.samples = held.samples(part, "sample_")
        self.unseen = held.samples(part, EVALUATED) if self.shape.evaluated else []

    def started(self) -> Found:
        """Return the parameters before the first update."""
        return parameter_quantities(self.shape.step, self._start(), START)

    def _start(self) -> Parameters:
        return self.held.parameters(self.part, self.shape.step, START)

    def row(self, row: int) -> Found:
        """Return the quantities of one update."""
        first, count = self.shape.batch(row)
        structure = self.shape.structure(count)
        if row:
            parameters = self.held.parameters(self.part, structure, "new_", (row - 1,))
            if structure.biases and not structure.update_biases:
                parameters.biases = self._start().biases
        else:
            parameters = self._start()
        batch = self.samples[first : first + count]
        update = Update(structure, parameters, batch, self.held.constants(self.part))
        found = update.quantities()
        rates = self.held.values(self.part, ("learning_rate", None))
        rate = number(rates[row,] if self.shape.scheduled else rates[()])
        names = ("momentum", "beta1", "beta2", "adam_epsilon")
        given = {name: self.held.scalar(self.part, name) for name in names}
        after = optimised(update, self.shape.rule, self._memory(row), rate, given)
        found |= sample_quantities(batch)
        if self.unseen:
            network = Network(self.shape.step, self.held.constants(self.part).slope)
            seen = evaluated(network, after, self.unseen)
            found |= {(EVALUATED + name, k): values for (name, k), values in seen.items()}
        return found

    def _memory(self, row: int) -> Memory:
        memory = Memory()
        for name in self.shape.state():
            if name.endswith("_power"):
                own, at = (name, (row - 1,)) if row else (START + name, ())
                value = number(self.held.values(self.part, (own, None))[at])
                setattr(memory, name, value)
                continue
            kept = memory.second if "second" in name else memory.first
            kind = "biases" if name.startswith("bias_") else "weights"
            for slot in parameters_of(self.shape.step):
                if slot[0] == kind:
                    kept[slot] = number(self._remembered(name, slot, row))
        return memory

    def _remembered(self, name: str, slot: Slot, row: int) -> float:
        _, k, index = slot
        if row:
            return self.held.values(self.part, (name, k))[row - 1, *index]
        return self.held.values(self.part, (START + name, k))[index]


class Carried(Holdings):
    """Holdings whose rows hold what was computed, in full precision: a run from end to end.

    Args:
        held: the givens.
    """

    def __init__(self, held: Holdings) -> None:
        self._held = held
        self.parts, self.whole = held.parts, held.whole
        self._rows: Found = {}

    def own_values(self, part: str, key: Key) -> Mapping[Index, Real]:
        """Return the numbers of a quantity."""
        return self._rows[key] if key in self._rows else self._held.own_values(part, key)

    def holds(self, part: str, key: Key) -> bool:
        """Tell whether there is such a quantity."""
        return key in self._rows or self._held.holds(part, key)

    def keep(self, row: int, found: Found) -> None:
        """Keep what a row came to, for the next to start from."""
        add_row(self._rows, row, found)


def run_quantities(held: Holdings, part: str, *, chained: bool = False) -> Found:
    """Return every quantity of a run, with an axis of updates in front.

    Args:
        held: givens, and what each row leaves to the next.
        part: the run.
        chained: start each row from what the one above came to, in full precision.
    """
    carried = Carried(held)
    rows = Rows(carried if chained else held, part)
    found: Found = {}
    for row in range(rows.shape.updates):
        computed = rows.row(row)
        if chained:
            carried.keep(
                row, {key: v for key, v in computed.items() if key[0] not in ("input", "target")}
            )
        add_row(found, row, computed)
    return found | rows.started()
