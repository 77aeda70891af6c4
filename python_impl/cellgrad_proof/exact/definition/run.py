"""A row of a run: one update from where the row starts, with what an optimiser remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import mpmath

from cellgrad.case.structure import UpdateRule
from cellgrad_proof.exact.definition.complex_step import Real
from cellgrad_proof.exact.definition.network import Parameters, Slot
from cellgrad_proof.exact.definition.update import Found, Update


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
