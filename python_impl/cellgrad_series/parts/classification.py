"""A classification: samples through a network, their classes, and how many are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from cellgrad.case.quantities import (
    ACTIVATION,
    Facts,
    Key,
    Quantity,
    Structure,
    quantities,
    said,
    structure_facts,
    structure_from,
    yes,
)
from cellgrad.described import Origin, Part, Shape
from cellgrad.errors import CaseError
from cellgrad_series.parts.run import START, refuse_other_network, run_above, sample_origins

LIMIT = 0.5
"""With one output, an output above it means class 1."""

MOST_CLASSES = 16


class NetworkShape(Shape):
    """Samples through a network: what classifications and rules have in common.

    Attributes:
        network: the structure of a forward pass over all samples, as one batch.
    """

    network: Structure

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return self.network.samples

    def pictured(self) -> Structure:
        """Return its network."""
        return self.network

    def sample_keys(self) -> tuple[Key, Key]:
        """Return as what the part holds the inputs and targets of its samples."""
        return ("input", None), ("target", None)

    def origins(self, facts: Mapping[str, str], above: Mapping[str, Part]) -> dict[Key, Origin]:
        """Return where weights and samples come from: the end of a run, its start, another part.

        Raises:
            CaseError: the parts do not go together.
        """
        s = self.network
        found: dict[Key, Origin] = {}
        for word, prefix in (("weights of", "new_"), ("start of", START)):
            name = facts.get(word, "")
            if not name:
                continue
            run = run_above(name, above)
            refuse_other_network(name, run.step, s)
            last = run.updates - 1 if prefix == "new_" else None
            for k in range(s.layers):
                found["weights", k] = Origin(name, (f"{prefix}weights", k), last)
                if s.biases and run.step.update_biases:
                    found["biases", k] = Origin(name, (f"{prefix}biases", k), last)
                elif s.biases:  # they stay as they are
                    found["biases", k] = Origin(name, (f"{START}biases", k))
        wanted = (s.samples, s.nodes[0]), (s.samples, s.outputs)
        return found | sample_origins(facts, above, self.sample_keys(), wanted)


@dataclass(frozen=True, slots=True)
class ClassificationShape(NetworkShape):
    """The shape of a classification.

    Attributes:
        network: the structure of a forward pass over all samples, as one batch.
        boundary: whether the two ends of the decision line are computed (two inputs and
            a single layer).
    """

    kind: ClassVar[str] = "validation"

    network: Structure
    boundary: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be classified or drawn."""
        if self.network.outputs > MOST_CLASSES:
            raise CaseError(
                f"{self.network.outputs} outputs are too many for a confusion table",
                remedy=f"take up to {MOST_CLASSES}",
            )
        if self.boundary and (self.network.layers, self.network.nodes) != (1, (2, 1)):
            raise CaseError("a decision line takes two inputs, one output and no hidden layer")

    @classmethod
    def of(cls, step: Structure, samples: int, *, boundary: bool = False) -> ClassificationShape:
        """Return the shape for so many samples and the network of a step."""
        return cls(_forward_only(step, samples), boundary=boundary)

    @property
    def classes(self) -> int:
        """How many classes there are: two with one output, else one an output."""
        return max(2, self.network.outputs)

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        return {**structure_facts(self.network), "boundary": said(self.boundary)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """
        return cls(structure_from(facts), yes(facts, "boundary"))

    def quantities(self) -> list[Quantity]:
        """Return every quantity of the part, in the order in which they are computed."""
        n = self.samples
        s = replace(self.network, samples=max(n, 2))  # with several samples each has an E
        found = network_givens(s, n)
        if s.outputs == 1:
            found.append(Quantity("limit", None, "limit", "limit", "", (), given=True))
        found += [
            *(
                _of_samples(quantity, n)
                for quantity in quantities(s)
                if quantity.name in (*ACTIVATION, "final_error", "sample_error")
            ),
            _row(Quantity("target_class", None, "target class", "target_class", "", (n,))),
            _row(Quantity("class", None, "class", "class", "", (n,))),
            _row(Quantity("correct", None, "correct", "correct", "", (n,))),
            _row(Quantity("is_target", None, "is class", "is_class", "", (n, self.classes))),
            _row(
                Quantity("is_called", None, "called class", "called_class", "", (n, self.classes))
            ),
            Quantity("confusion", None, "confusion", "confusion", "", (self.classes, self.classes)),
            Quantity("right", None, "right", "right_answers", "", ()),
            Quantity("accuracy", None, "accuracy", "accuracy", "", ()),
            Quantity("error", None, "E", "mean_E", "Eq. 19", ()),
        ]
        if self.boundary:
            found += [
                Quantity("boundary_x", None, "line x", "line_x", "", (2,), given=True),
                Quantity("boundary_y", None, "line y", "line_y", "", (2,)),
            ]
        return found


@dataclass(frozen=True, slots=True)
class RuleShape(NetworkShape):
    """Samples with frozen targets, and beside them the rule that made them, as formulas.

    Attributes:
        network: a single layer of one unit step: the rule's coefficients are its weights.
    """

    kind: ClassVar[str] = "rule"

    network: Structure

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        if self.network.loss != "perceptron" or self.network.outputs != 1:
            raise CaseError("a rule is one unit step of a weighted sum")

    @classmethod
    def of(cls, step: Structure, samples: int) -> RuleShape:
        """Return the shape for so many samples and the rule's own network."""
        return cls(_forward_only(step, samples))

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        return structure_facts(self.network)

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """
        return cls(structure_from(facts))

    def quantities(self) -> list[Quantity]:
        """Return every quantity of the part, in the order in which they are computed."""
        n = self.samples
        labels = {"pre_activation": ("rule's sum", "rule_sum"), "post_activation": ("rule", "rule")}
        own = {"weights": "coefficient", "biases": "constant"}
        found = [
            replace(quantity, label=own.get(quantity.name, quantity.label))
            for quantity in network_givens(self.network, n)
        ]
        for quantity in quantities(self.network):
            if quantity.name in labels:
                label, name = labels[quantity.name]
                found.append(_row(replace(quantity, label=label, defined_name=name, equation="")))
        return [
            *found,
            _row(Quantity("correct", None, "as the rule says", "as_the_rule_says", "", (n,))),
            Quantity("right", None, "targets as the rule says", "right_targets", "", ()),
        ]


def _row(quantity: Quantity) -> Quantity:
    return replace(quantity, per_sample=False, per_row="sample")


def network_givens(step: Structure, samples: int) -> list[Quantity]:
    """Return the givens of a network through which so many samples go: a row a sample."""
    return [
        _of_samples(quantity, samples) if quantity.per_sample else quantity
        for quantity in quantities(step)
        if quantity.given and quantity.name != "learning_rate"
    ]


def _of_samples(quantity: Quantity, samples: int) -> Quantity:
    return _row(replace(quantity, shape=(samples, *quantity.shape[1:])))


def _forward_only(step: Structure, samples: int) -> Structure:
    """Return the structure of a forward pass over all samples; nothing is updated."""
    return replace(step, samples=samples, update="batch_mean", decay=False, update_biases=True)
