"""Tables without a network: copies of what runs hold, an activation function, measured numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import Key, Quantity
from cellgrad.mlp import equations as eq
from cellgrad.mlp.equations import Array
from cellgrad.verify import redraw as at_random
from cellgrad.verify.program import Held, HeldBy, Numbers, Program
from cellgrad_series.parts.tables import ComparisonShape, FunctionShape, TableShape


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


class FunctionProgram(Program):
    """A table of an activation function."""

    shape: FunctionShape

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return value, derivative, central difference and unit step at every place."""
        del held
        x, epsilon = inputs["x", None], inputs["epsilon", None]
        function = eq.function_of(self.shape.activation, 0.0)
        derivative = eq.derivative_of(self.shape.activation, 0.0)(x)
        above, below = function(x + epsilon), function(x - epsilon)
        quotient = (above - below) / (2 * epsilon)
        columns = {
            "value": function(x),
            "derivative": derivative,
            "value_above": above,
            "value_below": below,
            "quotient": quotient,
            "gap": derivative - quotient,
            "step": eq.unit_step(x),
        }
        return {(name, None): values for name, values in columns.items()}

    def draw(self, number: int, linked: Mapping[Key, Array]) -> Numbers:
        """Return new places; now and then one is 0, where the unit step jumps."""
        del linked
        rng = self.rng(number, self.shape.activation)
        x = at_random.array(rng, (self.shape.rows,), 8.0)
        x[(number - 1) % 2 :: 2] *= 0.0 if number <= 2 else 1.0
        return {
            ("x", None): x,
            ("epsilon", None): np.array(2.0 ** -rng.randint(2, 8)),
        }

    def domain_problem(self, inputs: Mapping[Key, Array]) -> str:
        """Return why the givens cannot be used, or nothing."""
        return "ε must not be 0" if float(inputs["epsilon", None]) == 0 else ""


class TableProgram(Program):
    """A table."""

    shape: TableShape

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return what each row comes to, its sums from left to right."""
        del held
        measured = inputs["measured", None]
        mean = eq.sum_in_order(measured) / self.shape.columns
        away = measured - mean[:, None]
        return {
            ("mean", None): mean,
            ("spread", None): np.sqrt(eq.sum_in_order(away * away) / (self.shape.columns - 1)),
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
