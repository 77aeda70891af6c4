"""Which givens a one-file handout derives, by which rules, and the case that they make.

The styles are those of ``givens``; what is drawn there until it fits is taken here as it comes,
and ``shifts`` sees to it that it fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from cellgrad.case.model import Case, Sample
from cellgrad.case.quantities import Quantity, quantities
from cellgrad.errors import InputError
from cellgrad_coursework.derivation import (
    ONE_OF,
    REST,
    SIGNED,
    Constants,
    Rule,
    numbers,
)
from cellgrad_coursework.secret import Stream
from cellgrad_coursework.setting.assignment import DYADIC, Assignment
from cellgrad_coursework.setting.givens import drawn

MOST = 2_000
"""So many numbers can be derived in one file."""

_SIXTEENTHS, _HUNDREDTHS = 16, 100
_FEW = 6
_ROOM_OF_A_SHARE = 3

Place = tuple[str, int | None, tuple[int, ...]]
"""A given: its code name, its layer, its index."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an assignment derives.

    Attributes:
        places: the derived givens, in the order of the chain.
        rules: theirs.
        shape: any case of the assignment; the derived givens are put into it.
    """

    places: tuple[Place, ...]
    rules: tuple[Rule, ...]
    shape: Case

    def case(self, constants: Constants, start: int) -> Case:
        """Return the case of a chain that begins at a start."""
        found = numbers(constants, self.rules, start)
        return with_givens(
            self.shape,
            {
                place: number / rule.base
                for place, number, rule in zip(self.places, found, self.rules, strict=True)
            },
        )


def plan_of(assignment: Assignment) -> Plan:
    """Return what an assignment derives.

    Raises:
        InputError: that is more than a sheet should show.
    """
    pairs = list(_rules(assignment))
    if len(pairs) > MOST:
        raise InputError(
            f"one file for all would derive {len(pairs):,} numbers, at most {MOST:,} can be",
            place="network.nodes",
            remedy="take a smaller network or fewer samples, or one_file = false",
        )
    places, rules = zip(*pairs, strict=True)
    return Plan(places, rules, drawn(assignment, Stream(b"shape")))


def _rules(assignment: Assignment) -> Iterator[tuple[Place, Rule]]:
    for quantity in quantities(assignment.structure):
        shared = quantity.name in ("input", "target") and assignment.samples is not None
        if not quantity.given or not quantity.shape or shared:
            continue
        for index in product(*(range(size) for size in quantity.shape)):
            place = quantity.name, quantity.layer, index
            yield place, _rule(assignment, quantity, index)


def _rule(assignment: Assignment, quantity: Quantity, index: tuple[int, ...]) -> Rule:
    sixteenths = assignment.style == DYADIC
    base = _SIXTEENTHS if sixteenths else _HUNDREDTHS
    low, high = (2, 15) if sixteenths else (11, 98)
    s = assignment.structure
    if quantity.name == "target":
        return _target(assignment, base, low, index[1])
    if quantity.name == "input":
        return Rule(SIGNED, low, high - low, base, 1)
    layer = quantity.layer or 0
    if quantity.name == "weights" and sixteenths and s.nodes[layer] <= _FEW:
        high = 23  # sixteenths need room above 1
    # a node of ReLU that is silent teaches nothing: most weights into it are positive
    negative = 1 if s.activations[layer] == "relu" else 2
    return Rule(SIGNED, low, high - low + 1, base, negative)


def _target(assignment: Assignment, base: int, lowest: int, output: int) -> Rule:
    s = assignment.structure
    activation = s.activations[-1]
    if s.loss == "perceptron":
        return Rule(SIGNED, 0, 2, 1)
    if s.loss == "categorical_cross_entropy":
        return _share(base, s.outputs, output)
    low, high, negative = base // 16, base - base // 16, 0
    if activation == "tanh":
        negative = 2
    elif activation in ("identity", "leaky_relu", "relu"):
        low, high = lowest, base + base // 2
        negative = 0 if activation == "relu" else 1
    return Rule(SIGNED, low, high - low + 1, base, negative)


def _share(base: int, outputs: int, output: int) -> Rule:
    """Return the rule of one of several targets that sum to 1."""
    if outputs * _ROOM_OF_A_SHARE > base:
        return Rule(ONE_OF, 0, outputs, 1, back=output)
    if output == outputs - 1:
        return Rule(REST, 0, 1, base, back=output)
    least = max(1, base // (6 * outputs))
    return Rule(SIGNED, least, (base - least * outputs) // (outputs - 1) + 1, base)


def with_givens(case: Case, values: Mapping[Place, float]) -> Case:
    """Return a case with other givens: weights, biases, inputs, targets."""
    network = case.network
    weights = tuple(
        tuple(
            tuple(values.get(("weights", k, (i, j)), old) for j, old in enumerate(row))
            for i, row in enumerate(layer)
        )
        for k, layer in enumerate(network.weights)
    )
    biases = network.biases and tuple(
        tuple(values.get(("biases", k, (j,)), old) for j, old in enumerate(layer))
        for k, layer in enumerate(network.biases)
    )
    samples = tuple(
        Sample(
            tuple(values.get(("input", None, (n, i)), old) for i, old in enumerate(sample.input)),
            tuple(values.get(("target", None, (n, o)), old) for o, old in enumerate(sample.target)),
        )
        for n, sample in enumerate(case.samples)
    )
    return replace(case, network=replace(network, weights=weights, biases=biases), samples=samples)
