"""A run: many updates, one row each, the next starting where the last one ended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from cellgrad.case.model import Case
from cellgrad.case.quantities import (
    ACTIVATION,
    Facts,
    Key,
    Quantity,
    Structure,
    UpdateRule,
    given,
    quantities,
    rule_facts,
    rule_from,
    structure_facts,
    structure_from,
    whole,
    word,
)
from cellgrad.described import Origin, Part, Shape
from cellgrad.errors import CaseError

START = "start_"
"""Before the name of a quantity: its value before the first update."""

EVALUATED = "validation_"
"""Before the name of a quantity of the forward pass: the same for the validation samples."""

_FORWARD = (*ACTIVATION, "final_error", "sample_error")


_KEPT = {
    "beta1_power": ("β1ᵗ", "", "Eq. 23"),
    "beta2_power": ("β2ᵗ", "", "Eq. 23"),
    "velocity": ("v", "v", "Eq. 21"),
    "first_moment": ("m", "m", "Eq. 22"),
    "second_moment": ("s", "s", "Eq. 22"),
    "corrected_first_moment": ("m̂", "m_hat", "Eq. 23"),
    "corrected_second_moment": ("ŝ", "s_hat", "Eq. 23"),
}
"""Of what an optimiser makes of gradients: the sign, the same in a defined name, the equation."""


@dataclass(frozen=True, slots=True)
class RunShape(Shape):
    """The shape of a run.

    Attributes:
        step: the structure of an update on a full batch.
        rule: how gradients become updates.
        data: how many training samples there are.
        updates: how many updates are made.
        scheduled: whether each update has a learning rate of its own.
        evaluated: so many validation samples are evaluated after each update; 0 if none.
    """

    kind: ClassVar[str] = "run"
    borrowed: ClassVar[tuple[str, ...]] = ("sample_input", "sample_target")

    step: Structure
    rule: UpdateRule
    data: int
    updates: int
    scheduled: bool = False
    evaluated: int = 0

    def __post_init__(self) -> None:
        """Refuse what no run can be."""
        if not 1 <= self.step.samples <= self.data:
            raise CaseError(f"a batch of {self.step.samples} of {self.data} samples")
        if self.updates < 1:
            raise CaseError("a run makes at least one update")
        if self.step.loss == "perceptron" and self.rule.optimizer == "adam":
            raise CaseError("the perceptron rule has no gradient for Adam", place="optimizer")

    @classmethod
    def of(cls, case: Case, *, evaluate: bool = False) -> RunShape:
        """Return the shape of a case's run.

        Raises:
            CaseError: its parts do not go together.
        """
        return cls(
            case.structure_of(case.batch()),
            case.update_rule(),
            len(case.samples),
            case.updates(),
            isinstance(case.learning_rate, tuple),
            len(case.validation) if evaluate else 0,
        )

    @property
    def per_epoch(self) -> int:
        """How many updates an epoch makes."""
        return -(-self.data // self.step.samples)

    def batch(self, update: int) -> tuple[int, int]:
        """Return the first sample of an update and how many it covers."""
        start = update % self.per_epoch * self.step.samples
        return start, min(self.step.samples, self.data - start)

    def sizes(self) -> dict[int, list[int]]:
        """Return the updates that cover so many samples, by that number."""
        each, rest = self.per_epoch, self.data % self.step.samples
        if not rest:
            return {self.step.samples: list(range(self.updates))}
        last = [update for update in range(self.updates) if update % each == each - 1]
        full = [update for update in range(self.updates) if update % each != each - 1]
        found = {self.step.samples: full, rest: last}
        return {count: rows for count, rows in found.items() if rows}

    def structure(self, count: int) -> Structure:
        """Return the structure of an update that covers so many samples."""
        return self.step if count == self.step.samples else replace(self.step, samples=count)

    def evaluation(self) -> Structure:
        """Return the structure of a forward pass over the validation samples."""
        count = max(self.evaluated, 2)  # with several samples each has an E
        return replace(self.step, samples=count, update="batch_mean", decay=False)

    def state(self) -> list[str]:
        """Return the names of what an update leaves to the next, without weights and biases."""
        moving = self.step.biases and self.step.update_biases
        if self.rule.momentum:
            return ["velocity", *(["bias_velocity"] if moving else [])]
        if self.rule.optimizer == "adam":
            names = ["first_moment", "second_moment"]
            names += [f"bias_{name}" for name in names] if moving else []
            return [*names, "beta1_power", "beta2_power"]
        return []

    def pictured(self) -> Structure:
        """Return its network."""
        return self.step

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        return {
            **structure_facts(self.step),
            **rule_facts(self.rule),
            "data": str(self.data),
            "updates": str(self.updates),
            "learning_rates": "one an update" if self.scheduled else "one",
            "evaluated": str(self.evaluated),
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """
        rates = word(facts, "learning_rates")
        if rates not in ("one", "one an update"):
            raise CaseError(f"learning_rates should be one or one an update, not {rates!r}")
        return cls(
            structure_from(facts),
            rule_from(facts),
            whole(facts, "data"),
            whole(facts, "updates"),
            rates != "one",
            whole(facts, "evaluated"),
        )

    def sample_keys(self) -> tuple[Key, Key]:
        """Return as what the run holds the inputs and targets of its samples."""
        return ("sample_input", None), ("sample_target", None)

    def origins(self, facts: Mapping[str, str], above: Mapping[str, Part]) -> dict[Key, Origin]:
        """Return where starting weights and samples come from, if from other parts.

        Raises:
            CaseError: the parts do not go together.
        """
        s = self.step
        found: dict[Key, Origin] = {}
        start = facts.get("start of", "")
        if start:
            refuse_other_network(start, run_above(start, above).step, s)
            for k in range(s.layers):
                for name in ("weights", "biases") if s.biases else ("weights",):
                    found[START + name, k] = Origin(start, (START + name, k))
        wanted = (self.data, s.nodes[0]), (self.data, s.outputs)
        return found | sample_origins(facts, above, self.sample_keys(), wanted)

    # quantities

    def quantities(self) -> list[Quantity]:
        """Return every quantity of the run, in the order in which they are computed."""
        return [*self._givens(), *self._rows(), *self._evaluation()]

    def _givens(self) -> Iterator[Quantity]:
        s = self.step
        for prefix, label, count in (
            ("sample_", "", self.data),
            (EVALUATED, "validation ", self.evaluated),
        ):
            if count:
                for name, width in (("input", s.nodes[0]), ("target", s.outputs)):
                    yield given(prefix + name, label + name, (count, width), per_row="sample")
        if self.scheduled:
            yield given("learning_rate", "LR", (self.updates,), per_row="update")
        else:
            yield given("learning_rate", "LR")
        for name, label in self._constants():
            yield given(name, label)
        parameters = [q for q in quantities(s) if q.name in ("weights", "biases")]
        remembered = [replace(q, shape=q.shape[1:], per_row="") for q in self._remembered()]
        for quantity in (*parameters, *remembered):
            yield replace(
                quantity,
                name=START + quantity.name,
                label=f"start {quantity.label}",
                defined_name=f"start_{quantity.defined_name}",
                equation="",
                given=True,
            )

    def _constants(self) -> Iterator[tuple[str, str]]:
        if self.step.leaky:
            yield "leaky_slope", "slope"
        if self.step.decay:
            yield "weight_decay", "λ"
        if self.rule.momentum:
            yield "momentum", "μ"
        if self.rule.optimizer == "adam":
            yield from (("beta1", "β1"), ("beta2", "β2"), ("adam_epsilon", "ε"))

    def _rows(self) -> list[Quantity]:
        """A step's quantities, with an axis of updates in front; the rule's before the update."""
        found, waiting = [], [*self._remembered(), *self._corrected()]
        for quantity in quantities(self.step):
            if quantity.given and quantity.name not in ("input", "target"):
                continue
            if quantity.name == "new_weights" and waiting:
                found += waiting
                waiting = []
            number = quantity.equation
            if quantity.name in ("new_weights", "new_biases"):
                number = self.update_equation(number)
            shape = (self.updates, *quantity.shape)
            found.append(
                replace(quantity, equation=number, shape=shape, given=False, per_row="update")
            )
        return found

    def update_equation(self, plain: str) -> str:
        """Return the number of the equation by which parameters are updated."""
        if self.rule.optimizer == "adam":
            return "Eq. 24"
        return "Eq. 21" if self.rule.momentum else plain

    def _remembered(self) -> list[Quantity]:
        """What the optimiser keeps, layer by layer from the output down, as updates are."""
        return self._kept(sorted(self.state(), key=lambda name: not name.endswith("_power")))

    def _corrected(self) -> list[Quantity]:
        moments = [name for name in self.state() if name.endswith("moment")]
        return self._kept([re.sub("(first|second)", r"corrected_\1", name) for name in moments])

    def _kept(self, names: Sequence[str]) -> list[Quantity]:
        found = []
        for name in names:
            label, plain, equation = _KEPT[name.removeprefix("bias_")]
            if name.endswith("_power"):
                shape = (self.updates,)
                found.append(Quantity(name, None, label, name, equation, shape, per_row="update"))
                continue
            kind = "biases" if name.startswith("bias") else "weights"
            found += [
                replace(
                    quantity,
                    name=name,
                    label=f"{label}_{quantity.label}",
                    defined_name=f"{plain}_{quantity.defined_name}",
                    equation=equation,
                    shape=(self.updates, *quantity.shape),
                    given=False,
                    per_row="update",
                )
                for quantity in reversed(quantities(self.step))
                if quantity.name == kind
            ]
        return found

    def _evaluation(self) -> Iterator[Quantity]:
        """The forward pass of the validation samples with the new weights."""
        if not self.evaluated:
            return
        for quantity in quantities(self.evaluation()):
            if quantity.name in _FORWARD:
                yield replace(
                    quantity,
                    name=EVALUATED + quantity.name,
                    label=f"validation {quantity.label}",
                    defined_name=f"validation_{quantity.defined_name}",
                    shape=(self.updates, self.evaluated, *quantity.shape[1:]),
                    per_row="update",
                )
        name, shape = f"{EVALUATED}error", (self.updates,)
        yield Quantity(
            name, None, "validation E", "validation_E", "Eq. 19", shape, per_row="update"
        )


def run_above(name: str, above: Mapping[str, Part]) -> RunShape:
    """Return a run that stands above; CaseError if the part is none."""
    part = above.get(name)
    if part is None or not isinstance(part.shape, RunShape):
        raise CaseError(f"{name!r} is no run that stands above")
    return part.shape


# links between parts

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
"""Of inputs and targets: samples first."""


def sample_origins(
    facts: Mapping[str, str], above: Mapping[str, Part], own: tuple[Key, Key], wanted: Shapes
) -> dict[Key, Origin]:
    """Return where a part's samples stand, if its words name the part that holds them.

    Args:
        facts: the words of the part.
        above: the parts that stand above it.
        own: what the part calls inputs and targets.
        wanted: their shapes.

    Raises:
        CaseError: that part has no samples, or others.
    """
    name = facts.get("data of", "")
    if not name:
        return {}
    part = above.get(name)
    keys = part.shape.sample_keys() if part else None
    if part is None or keys is None:
        raise CaseError(f"{name!r} is no part with samples that stands above")
    found = [part.origins[key] if part.borrows(key) else Origin(name, key) for key in keys]
    if tuple(part.known[key].shape for key in keys) != wanted:
        raise CaseError(f"the samples of {found[0].part!r} do not fit")
    return dict(zip(own, found, strict=True))


def refuse_other_network(name: str, one: Structure, other: Structure) -> None:
    """Refuse weights of a network that has other nodes."""
    if (one.nodes, one.biases) != (other.nodes, other.biases):
        raise CaseError(f"{name!r} is another network")
