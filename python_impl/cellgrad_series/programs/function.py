"""A table of an activation function."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cellgrad.case.quantities import Key
from cellgrad.mlp import activations as fa
from cellgrad.mlp.activations import Array
from cellgrad.verify import random_numbers as at_random
from cellgrad.verify.program import Held, Numbers, Program
from cellgrad_series.parts.function import FunctionShape


class FunctionProgram(Program):
    """A table of an activation function."""

    shape: FunctionShape

    def numbers(self, inputs: Mapping[Key, Array], held: Held) -> Numbers:
        """Return value, derivative, central difference and unit step at every place."""
        del held
        x, epsilon = inputs["x", None], inputs["epsilon", None]
        function = fa.function_of(self.shape.activation, 0.0)
        derivative = fa.derivative_of(self.shape.activation, 0.0)(x)
        above, below = function(x + epsilon), function(x - epsilon)
        quotient = (above - below) / (2 * epsilon)
        columns = {
            "value": function(x),
            "derivative": derivative,
            "value_above": above,
            "value_below": below,
            "quotient": quotient,
            "gap": derivative - quotient,
            "step": fa.unit_step(x),
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
