"""What every kind of part has in common."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import Index, Key, Quantity, label_with_index
from cellgrad.mlp.activations import Array
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.map_sheet import Claim

Numbers = dict[Key, Array]

Held = Mapping[Key, Array]
"""What the cells of a part hold in one draw, by quantity."""

HeldBy = Callable[[str], Held]
"""Gives what another part holds, by its name."""


class Program(ABC):
    """A part of a workbook, seen from the MLP.

    Attributes:
        name: the part; empty where the workbook has but one.
        known: its quantities.
        borrowed: quantities that it takes from another part without cells of its own.
        extra_draws: so many redraws more than usual show something.
        follows: whether its cells follow from many updates, each rounding anew.
        undefined: quantities that may have no value (NaN): their cells show an error then.
    """

    borrowed: Container[Key] = frozenset()
    extra_draws: int = 0
    follows: bool = False
    undefined: Container[Key] = frozenset()

    def __init__(self, name: str, quantities: list[Quantity]) -> None:
        self.name = name
        self.known = {quantity.key: quantity for quantity in quantities}

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

    def linked(self, held_by: HeldBy) -> Numbers:  # noqa: ARG002 - most parts stand alone
        """Return what this part takes from others, as their cells hold it."""
        return {}

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
        value: object,
        numbers: Mapping[Key, Array],
        look: Any,
        bound: Callable[[Place], float],
    ) -> str | None:
        """Return what is wrong with a display cell, or None."""
        del line, value, numbers, look, bound
        return f"{claim.quantity!r} is no display of this part"

    def settled(self) -> bool:
        """Tell whether no further draw would show more of the part's own marks."""
        return True

    def exact_beside(self, claim: Claim, place: Place) -> str | None:  # noqa: ARG002
        """Return which cells count as exact when a cell's bound is computed.

        None: only givens. ``rows``: those of every other row of the same sheet. ``self``:
        the cell itself, a copy.
        """
        return None

    def label(self, key: Key, index: Index) -> str:
        """Return a scalar's name for people."""
        return label_with_index(self.known[key], index, name_sample=self.names_samples())

    def names_samples(self) -> bool:
        """Tell whether the sample is part of a scalar's name."""
        return True

    def rng(self, draw: int, words: object) -> random.Random:
        """Return the generator of a draw; not for secrets: a draw can be repeated."""
        return random.Random(f"cellgrad {self.name} {words} {draw}")  # noqa: S311
