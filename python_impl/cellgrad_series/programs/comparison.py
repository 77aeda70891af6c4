"""A comparison: nothing but copies of what runs hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import Key, Quantity
from cellgrad.mlp.activations import Array
from cellgrad.verify.program import Held, HeldBy, Numbers, Program
from cellgrad_series.parts.comparison import ComparisonShape


class ComparisonProgram(Program):
    """A comparison of runs."""

    shape: ComparisonShape
    follows = True

    def linked(self, held_by: HeldBy) -> Numbers:
        """Return E of every run, as its cells hold it."""
        errors = np.full(self.known["error", None].shape, np.nan)
        for n, name in enumerate(self.shape.runs):
            errors[: self.shape.updates[n], n] = held_by(name)["error", None]
        return {("error", None): errors}

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return nothing of its own."""
        del inputs, held
        return {}

    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return nothing: there are no givens."""
        del number, linked
        return {}

    def mask(self, quantity: Quantity) -> NDArray[np.bool_]:
        """Return at which updates each run has an E."""
        rows = np.arange(quantity.shape[0])[:, None]
        return rows < np.array(self.shape.updates)[None, :]
