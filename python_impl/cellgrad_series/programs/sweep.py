"""A sweep: the same samples with one or two parameters moved, a row a combination."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from cellgrad.case.quantities import Key
from cellgrad.mlp.equations import Array
from cellgrad.mlp.step import step_of
from cellgrad.verify import redraw as at_random
from cellgrad.verify.program import Held, Numbers, Program, targets_problem
from cellgrad_series.parts.sweep import SweepShape


class SweepProgram(Program):
    """A sweep."""

    shape: SweepShape

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return every quantity of every row, and the surface where there is one."""
        del held
        everywhere = (slice(None),)
        moved = {
            key: np.repeat(array[None], self.shape.rows, axis=0)
            for key, array in inputs.items()
            if key[0] in ("weights", "biases")
        }
        values = np.array(
            list(product(*(inputs["axis", n].tolist() for n in range(len(self.shape.counts)))))
        )
        for n, (name, layer, index) in enumerate(self.shape.swept):
            moved[name, layer][everywhere + index] = values[:, n]
        step = step_of(self.shape.step, {**inputs, ("learning_rate", None): np.array(0.0), **moved})
        found = {}
        for key, array in step.results().items():
            if key in self.known:
                found[key] = np.broadcast_to(array, self.known[key].shape)
        if len(self.shape.counts) > 1:
            found["swept", None] = values
            found["surface", None] = found["error", None].reshape(self.shape.counts)
        return found

    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return new givens, small enough that no exponential comes near overflow."""
        del linked
        shrink = 1.0
        while True:
            found = self._drawn(number, shrink)
            with np.errstate(all="ignore"):
                numbers = self.numbers(found, {})
            if at_random.are_calm(numbers, self.shape.step.activations):
                return found
            shrink /= 2

    def _drawn(self, number: int, shrink: float) -> Numbers:
        s = self.shape.step
        rng = self.rng(number, (s.nodes, s.loss))
        found: Numbers = {}
        for key, quantity in self.known.items():
            if key[0] in ("axis", "biases"):
                found[key] = at_random.array(rng, quantity.shape, 2.0 * shrink)
            elif quantity.given:
                found[key] = at_random.draw_given(rng, quantity, s.loss, shrink)
        return found

    def domain_problem(self, inputs: Mapping[Key, Array]) -> str:
        """Return why the givens cannot be used, or nothing."""
        return targets_problem(self.shape.step.loss, inputs["target", None])

    def names_samples(self) -> bool:
        """Tell whether the sample is part of a scalar's name."""
        return self.shape.step.samples > 1
