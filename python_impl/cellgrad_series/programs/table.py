"""A table of numbers from elsewhere: mean, spread, best and worst of each row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cellgrad.case.quantities import Key
from cellgrad.mlp.activations import Array
from cellgrad.verify import random_numbers as at_random
from cellgrad.verify.program import Held, Numbers, Program
from cellgrad_series.parts.table import TableShape


class TableProgram(Program):
    """A table."""

    shape: TableShape

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return what each row comes to, its sums from left to right."""
        del held
        measured = inputs["measured", None]
        mean = _sum(measured) / self.shape.columns
        away = measured - mean[:, None]
        return {
            ("mean", None): mean,
            ("spread", None): np.sqrt(_sum(away * away) / (self.shape.columns - 1)),
            ("best", None): measured.max(axis=1),
            ("worst", None): measured.min(axis=1),
        }

    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return other numbers; each column is in turn a row's largest and smallest."""
        del linked
        rng = self.rng(number, (self.shape.rows, self.shape.columns))
        return {
            key: at_random.array(rng, quantity.shape, 2.0)
            for key, quantity in self.known.items()
            if quantity.given
        }


def _sum(numbers: Array) -> Array:
    total: Array = numbers[:, 0]
    for column in range(1, numbers.shape[1]):
        total = total + numbers[:, column]
    return total
