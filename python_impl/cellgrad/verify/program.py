"""What the MLP makes of a part's givens: what every kind of part has in common."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import Index, Key, Quantity, label_with_index
from cellgrad.described import Part, find_kind
from cellgrad.mlp.equations import Array
from cellgrad.shipped import load
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.sheet import Value

if TYPE_CHECKING:
    from cellgrad.verify.cells import CellValues

Numbers = dict[Key, Array]

Held = Mapping[Key, Array]
"""What the cells of a part hold in one draw, by quantity."""

HeldBy = Callable[[str], Held]
"""Gives what another part holds, by its name."""


class Program(ABC):
    """A part of a workbook, seen from the MLP.

    Args:
        part: what the workbook says of it.

    Attributes:
        name: its name; empty where the workbook has but one.
        known: its quantities.
        extra_draws: so many redraws more than usual show something.
        follows: whether its cells follow from many updates, each rounding anew.
        undefined: quantities that may have no value (NaN): their cells show an error then.
    """

    extra_draws: int = 0
    follows: bool = False
    undefined: Container[Key] = frozenset()

    shape: Any

    def __init__(self, part: Part) -> None:
        self.part, self.name, self.known = part, part.name, part.known
        self.shape = part.shape

    @abstractmethod
    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return what the part's cells should hold.

        Args:
            inputs: its givens, and what it takes from other parts.
            held: what its own cells hold: where a row starts from is taken from there.
        """

    @abstractmethod
    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return new givens at random; the same number gives the same draw.

        Args:
            number: of the redraw, from 1.
            linked: those givens that other parts drew for this one.
        """

    def mask(self, quantity: Quantity) -> NDArray[np.bool_]:
        """Return at which indices a quantity has a value."""
        return np.ones(quantity.shape, dtype=bool)

    def linked(self, held_by: HeldBy) -> Numbers:
        """Return what this part takes from others, as they hold it."""
        found: Numbers = {}
        for key, (part, there, row) in self.part.origins.items():
            values = held_by(part)[there]
            found[key] = values if row is None else values[row]
        return found

    def drawn_from(self, drawn: Mapping[str, Mapping[Key, Array]]) -> Numbers:  # noqa: ARG002
        """Return those of this part's numbers that other parts have drawn as givens."""
        return {}

    def helpers(self) -> list[str]:
        """Return the names of givens that are no quantities."""
        return []

    def domain_problem(self, inputs: Mapping[Key, Array]) -> str:  # noqa: ARG002
        """Return why the givens cannot be used, or nothing."""
        return ""

    def display_problem(
        self,
        claim: Claim,
        line: Index,
        value: Value,
        numbers: Mapping[Key, Array],
        cells: CellValues,
        bound: Callable[[Place], float],
    ) -> str | None:
        """Return what is wrong with a display cell, or None."""
        del line, value, numbers, cells, bound
        return f"{claim.quantity!r} is no display of this part"

    def settled(self) -> bool:
        """Tell whether no further draw would show more of the part's own marks."""
        return True

    def exact_beside(self, key: Key) -> str:  # noqa: ARG002
        """Return which cells count as exact beside the givens when a bound is computed.

        ``rows``: those of every other row of the same sheet. ``links``: what is taken from
        other parts. Nothing: none.
        """
        return ""

    def label(self, key: Key, index: Index) -> str:
        """Return a scalar's name for people."""
        return label_with_index(self.known[key], index, name_sample=self.names_samples())

    def names_samples(self) -> bool:
        """Tell whether the sample is part of a scalar's name."""
        return True

    def rng(self, draw: int, words: object) -> random.Random:
        """Return the generator of a draw; not for secrets: a draw can be repeated."""
        return random.Random(f"cellgrad {self.name} {words} {draw}")  # noqa: S311


Programs = dict[str, Program]


def create_program(part: Part) -> Program:
    """Return what a part should compute."""
    where = find_kind(part.kind).program
    program: Program = load(where, f"the part {part.name!r} ({part.kind}) needs")(part)
    return program
