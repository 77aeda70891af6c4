"""What a computation starts from, by quantity and index, wherever it is read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from cellgrad.case.structure import Structure
from cellgrad_proof.exact.definition.complex_step import Real, number
from cellgrad_proof.exact.definition.network import Matrix, Parameters, Vector
from cellgrad_proof.exact.definition.update import Constants, Index, Key, Sample


class Holdings(ABC):
    """The parts of a workbook or of a case, with the numbers that they hold.

    Attributes:
        facts: the words that describe each part.
        whole: whether there is but one part, a training step with its Check sheet.
    """

    facts: Mapping[str, Mapping[str, str]]
    whole: bool

    @abstractmethod
    def values(self, part: str, key: Key) -> Mapping[Index, float]:
        """Return the numbers of a quantity; KeyError if there is none."""

    @abstractmethod
    def has(self, part: str, name: str, layer: int | None = None) -> bool:
        """Tell whether a part holds a quantity."""

    def scalar(self, part: str, name: str, otherwise: float = 0.0) -> Real:
        """Return a number that stands once."""
        if not self.has(part, name):
            return number(otherwise)
        return number(self.values(part, (name, None))[()])

    def vector(self, part: str, key: Key, before: Index = ()) -> Vector:
        """Return the numbers of a quantity whose index begins with some numbers."""
        values = self.values(part, key)
        found: Vector = []
        while (*before, len(found)) in values:
            found.append(number(values[*before, len(found)]))
        return found

    def matrix(self, part: str, key: Key, before: Index = ()) -> Matrix:
        """Return the same, row by row."""
        found: Matrix = []
        while (*before, len(found), 0) in self.values(part, key):
            found.append(self.vector(part, key, (*before, len(found))))
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
        """Return the samples that a part holds."""
        inputs = self.matrix(part, (f"{prefix}input", None))
        targets = self.matrix(part, (f"{prefix}target", None))
        return list(zip(inputs, targets, strict=True))

    def constants(self, part: str) -> Constants:
        """Return the constants of a network."""
        return Constants(self.scalar(part, "leaky_slope", 0.0), self.scalar(part, "weight_decay"))
