"""The rows of a run, each from the doubles that the row above holds, or from end to end."""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad_proof.exact.definition.complex_step import Real, number
from cellgrad_proof.exact.definition.holdings import Holdings
from cellgrad_proof.exact.definition.network import Index, Network, Parameters, Slot
from cellgrad_proof.exact.definition.run import Memory, optimised
from cellgrad_proof.exact.definition.update import (
    Found,
    Key,
    Update,
    forward_quantities,
    parameter_quantities,
    parameters_of,
)
from cellgrad_series.parts.run import EVALUATED, START, RunShape


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
        for n, (x, t) in enumerate(batch):
            for name, values in (("input", x), ("target", t)):
                kept = found.setdefault((name, None), {})
                kept.update({(n, c): value for c, value in enumerate(values)})
        if self.unseen:
            found |= self._evaluated(after)
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

    def _evaluated(self, after: Parameters) -> Found:
        network = Network(self.shape.step, self.held.constants(self.part).slope)
        sign = 1 if self.shape.step.error_sign == "output_minus_target" else -1
        passes = [network.forward(after, x) for x, _ in self.unseen]
        found = forward_quantities(network, passes, [t for _, t in self.unseen], sign)
        errors = found["sample_error", None].values()
        found["error", None] = {(): sum(errors) / len(self.unseen)}
        return {(EVALUATED + name, k): values for (name, k), values in found.items()}


class Carried(Holdings):
    """Holdings whose rows hold what was computed, in full precision: a run from end to end.

    Args:
        held: the givens.
    """

    def __init__(self, held: Holdings) -> None:
        self._held = held
        self.parts, self.whole = held.parts, held.whole
        self._rows: dict[Key, dict[Index, Real]] = {}

    def own_values(self, part: str, key: Key) -> Mapping[Index, Real]:
        """Return the numbers of a quantity."""
        return self._rows[key] if key in self._rows else self._held.own_values(part, key)

    def holds(self, part: str, key: Key) -> bool:
        """Tell whether there is such a quantity."""
        return key in self._rows or self._held.holds(part, key)

    def keep(self, row: int, found: Found) -> None:
        """Keep what a row came to, for the next to start from."""
        for key, values in found.items():
            kept = self._rows.setdefault(key, {})
            kept.update({(row, *index): value for index, value in values.items()})


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
            carried.keep(row, {key: v for key, v in computed.items() if key[0] not in _GIVEN})
        for key, values in computed.items():
            kept = found.setdefault(key, {})
            kept.update({(row, *index): value for index, value in values.items()})
    return found | rows.started()


_GIVEN = ("input", "target")
