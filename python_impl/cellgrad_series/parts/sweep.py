"""A sweep: E at each of many values of one or two parameters, the others as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from cellgrad.case.quantities import (
    FORWARD,
    Facts,
    Key,
    Parameter,
    Quantity,
    Structure,
    given,
    quantities,
    said,
    structure_facts,
    structure_from,
    table,
    word,
    yes,
)
from cellgrad.described import Shape
from cellgrad.errors import CaseError
from cellgrad_series.parts.classification import network_givens

MOST_ROWS = 20_000
_LEFT_OUT = ("new_weights", "new_biases")


@dataclass(frozen=True, slots=True)
class SweepShape(Shape):
    """The shape of a sweep.

    Attributes:
        step: all samples as one batch.
        swept: one or two parameters, as (``weights`` or ``biases``, layer, index).
        counts: how many values each of them takes.
        backward: whether the gradients are computed too.
    """

    kind: ClassVar[str] = "sweep"

    step: Structure
    swept: tuple[Parameter, ...]
    counts: tuple[int, ...]
    backward: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be swept."""
        known = table(self.step)
        if len(self.swept) not in (1, 2) or len(self.swept) != len(set(self.swept)):
            raise CaseError("a sweep moves one parameter, or two different ones", place="sweep")
        if len(self.counts) != len(self.swept) or min(self.counts) < 1:
            raise CaseError("each swept parameter takes at least one value", place="sweep")
        if self.rows > MOST_ROWS:
            raise CaseError(
                f"{self.rows:,} combinations", place="sweep", remedy=f"take up to {MOST_ROWS:,}"
            )
        for name, layer, index in self.swept:
            shape = known[name, layer].shape if (name, layer) in known else ()
            if name not in ("weights", "biases") or len(index) != len(shape) or any(
                not 0 <= i < size for i, size in zip(index, shape, strict=False)
            ):  # fmt: skip
                raise CaseError(
                    f"{name}[{layer}]{list(index)} is no parameter of this network", place="sweep"
                )

    @property
    def rows(self) -> int:
        """How many combinations of values there are, the last parameter moving fastest."""
        return math.prod(self.counts)

    def pictured(self) -> Structure:
        """Return its network."""
        return self.step

    def facts(self) -> Facts:
        """Return the words from which the shape can be read back."""
        swept = "; ".join(
            f"{name} {' '.join(str(n) for n in (layer, *index))}"
            for name, layer, index in self.swept
        )
        return {
            **structure_facts(self.step),
            "swept": swept,
            "values": " ".join(str(count) for count in self.counts),
            "backward": said(self.backward),
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """Return the shape that words describe.

        Raises:
            CaseError: a word is missing or unknown.
        """
        swept: list[Parameter] = []
        try:
            for text in word(facts, "swept").split(";"):
                name, layer, *index = text.split()
                swept.append((name, int(layer), tuple(int(i) for i in index)))
            counts = tuple(int(n) for n in word(facts, "values").split())
        except ValueError as error:
            raise CaseError("the swept parameters cannot be read") from error
        return cls(structure_from(facts), tuple(swept), counts, yes(facts, "backward"))

    def sample_keys(self) -> tuple[Key, Key]:
        """Return as what the sweep holds the inputs and targets of its samples."""
        return ("input", None), ("target", None)

    def quantities(self) -> list[Quantity]:
        """Return every quantity of the sweep, in the order in which they are computed."""
        found = network_givens(self.step, self.step.samples)
        known = table(self.step)
        labels = [known[name, layer].label for name, layer, _ in self.swept]
        for n, count in enumerate(self.counts):
            axis = given("axis", f"{labels[n]} values", (count,), n, per_row="row")
            found.append(replace(axis, defined_name=f"values_{n + 1}"))
        if len(self.counts) > 1:
            shape = (self.rows, len(self.counts))
            found.append(Quantity("swept", None, "moved", "moved", "", shape, per_row="row"))
        for quantity in quantities(self.step):
            computed = not quantity.given and quantity.name not in _LEFT_OUT
            if computed and (self.backward or quantity.name in FORWARD):
                rows = (self.rows, *quantity.shape)
                found.append(replace(quantity, shape=rows, per_row="row"))
        if len(self.counts) > 1:
            found.append(Quantity("surface", None, "E", "surface", "", self.counts))
        return found
