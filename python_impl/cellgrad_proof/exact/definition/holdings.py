"""What a computation starts from, by quantity and index, wherever it is read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from cellgrad.case.givens import givens_of
from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key, Structure
from cellgrad.described import Described, Part, Shape, StepShape
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.sheet import Value
from cellgrad_proof.exact.definition.update import (
    Constants,
    Matrix,
    Parameters,
    Real,
    Sample,
    Vector,
    number,
)
from cellgrad_series.parts.run import START, RunShape


class Holdings(ABC):
    """The parts of a workbook or of a case, with the numbers that they hold.

    Attributes:
        parts: what each part computes, and what it takes from others.
        whole: whether there is but one part, a training step with its Check sheet.
    """

    parts: Mapping[str, Part]
    whole: bool

    @abstractmethod
    def own_values(self, part: str, key: Key) -> Mapping[Index, float]:
        """Return the numbers of a quantity that a part holds itself; KeyError if none."""

    @abstractmethod
    def holds(self, part: str, key: Key) -> bool:
        """Tell whether a part holds a quantity itself."""

    def values(self, part: str, key: Key) -> Mapping[Index, float]:
        """Return the numbers of a quantity, from where they are taken; KeyError if none."""
        origin = self.parts[part].origins.get(key)
        if origin is None:
            return self.own_values(part, key)
        values = self.values(origin.part, origin.key)
        if origin.row is None:
            return values
        return {index[1:]: value for index, value in values.items() if index[0] == origin.row}

    def has(self, part: str, name: str, layer: int | None = None) -> bool:
        """Tell whether a part has a quantity, its own or another's."""
        return (name, layer) in self.parts[part].origins or self.holds(part, (name, layer))

    def scalar(self, part: str, name: str, otherwise: float = 0.0) -> Real:
        """Return a number that stands once."""
        if not self.has(part, name):
            return number(otherwise)
        return number(self.values(part, (name, None))[()])

    def vector(self, part: str, key: Key, before: Index = ()) -> Vector:
        """Return the numbers of a quantity whose index begins with some numbers."""
        return _vector(self.values(part, key), before)

    def matrix(self, part: str, key: Key, before: Index = ()) -> Matrix:
        """Return the same, row by row."""
        values = self.values(part, key)
        found: Matrix = []
        while (*before, len(found), 0) in values:
            found.append(_vector(values, (*before, len(found))))
        return found

    def parameters(
        self, part: str, structure: Structure, prefix: str = "", before: Index = ()
    ) -> Parameters:
        """Return weights and biases, from quantities of some prefix."""
        layers = range(structure.layers)
        weights = [self.matrix(part, (f"{prefix}weights", k), before) for k in layers]
        if not structure.biases:
            return Parameters(weights, None)
        if not self.has(part, f"{prefix}biases", 0):  # they stay as they are
            prefix, before = "start_", ()
        return Parameters(
            weights, [self.vector(part, (f"{prefix}biases", k), before) for k in layers]
        )

    def samples(self, part: str, prefix: str = "") -> list[Sample]:
        """Return the samples of a part."""
        inputs = self.matrix(part, (f"{prefix}input", None))
        targets = self.matrix(part, (f"{prefix}target", None))
        return list(zip(inputs, targets, strict=True))

    def constants(self, part: str) -> Constants:
        """Return the constants of a network."""
        return Constants(self.scalar(part, "leaky_slope", 0.0), self.scalar(part, "weight_decay"))


def _vector(values: Mapping[Index, float], before: Index) -> Vector:
    found: Vector = []
    while (*before, len(found)) in values:
        found.append(number(values[*before, len(found)]))
    return found


class Sheets(Holdings):
    """The parts of a workbook.

    Args:
        described: what it says of itself.
        held: what its cells hold.
    """

    def __init__(self, described: Described, held: Callable[[Place], Value]) -> None:
        self.parts, self.whole, self._held = described.parts, described.single, held
        self._claims: dict[str, dict[Key, list[Claim]]] = {name: {} for name in self.parts}
        for claim in described.claims:
            self._claims.setdefault(claim.part, {}).setdefault(claim.key, []).append(claim)
        self._known: dict[tuple[str, Key], dict[Index, float]] = {}

    def claims(self, part: str) -> Iterator[Claim]:
        """Yield the claims of a part."""
        for claims in self._claims[part].values():
            yield from claims

    def own_values(self, part: str, key: Key) -> Mapping[Index, float]:
        """Return the numbers of a quantity; KeyError if no cell holds it."""
        if (part, key) not in self._known:
            found: dict[Index, float] = {}
            for claim in self._claims[part][key]:
                for index, place in cells_of(claim):
                    value = self._held(place)
                    if isinstance(value, float):
                        found[index] = value
            self._known[part, key] = found
        return self._known[part, key]

    def holds(self, part: str, key: Key) -> bool:
        """Tell whether a part has cells of a quantity."""
        return key in self._claims[part]


def cells_of(claim: Claim) -> Iterator[tuple[Index, Place]]:
    """Yield the cells of a claim with their indices."""
    area = claim.cells
    for r in range(area.height):
        for c in range(area.width):
            yield claim.rule.index(r, c), (area.sheet, area.top + r, area.left + c)


PART = ""
"""The name of the one part."""


class CaseFile(Holdings):
    """A case: a single step, or a run.

    Args:
        case: read from its file.
        rows: of a run, what each row leaves to the next, by quantity: the doubles that the
            next row starts from.
    """

    whole = False

    def __init__(self, case: Case, rows: Mapping[Key, Mapping[Index, float]] | None = None) -> None:
        self._numbers: dict[Key, Mapping[Index, float]] = {
            key: {index: float(value) for index, value in np.ndenumerate(array)}
            for key, array in givens_of(case).items()
        }
        optimizer = case.optimizer
        for name, value in (
            ("momentum", optimizer.momentum),
            ("beta1", optimizer.beta1),
            ("beta2", optimizer.beta2),
            ("adam_epsilon", optimizer.epsilon),
        ):
            self._numbers[name, None] = {(): value}
        shape: Shape = StepShape(case.structure()) if case.is_step() else self._run(case)
        self._numbers |= rows or {}
        self.parts = {PART: Part(PART, shape.kind, shape.facts(), shape)}

    def own_values(self, part: str, key: Key) -> Mapping[Index, float]:
        """Return the numbers of a quantity; KeyError if there is none."""
        del part
        return self._numbers[key]

    def holds(self, part: str, key: Key) -> bool:
        """Tell whether the case holds a quantity."""
        del part
        return key in self._numbers

    def _run(self, case: Case) -> RunShape:
        """Name the givens as a run does, and enter what an optimiser remembers at first."""
        shape = RunShape.of(case)
        for name, layer in list(self._numbers):
            if name in _OF_A_RUN:
                self._numbers[_OF_A_RUN[name] + name, layer] = self._numbers.pop((name, layer))
        if isinstance(case.learning_rate, tuple):
            rates = enumerate(case.learning_rate)
            self._numbers["learning_rate", None] = {(n,): rate for n, rate in rates}
        for quantity in shape.quantities():
            remembered = quantity.given and quantity.name.startswith(START)
            if remembered and quantity.key not in self._numbers:
                first = 1.0 if quantity.name.endswith("_power") else 0.0
                self._numbers[quantity.key] = dict.fromkeys(np.ndindex(quantity.shape), first)
        return shape


_OF_A_RUN = {"input": "sample_", "target": "sample_", "weights": START, "biases": START}
"""What a run's givens are called, by the name in a single step."""
