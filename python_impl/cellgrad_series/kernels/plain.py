"""The kernel that needs nothing but Python and NumPy: written out, or array by array.

A small network's training is written out as source (``straight``), which the interpreter
runs many times faster than loops over lists. For wide layers the source would explode, and
NumPy's columns of products (``arrays`` with ``Ordered``) are faster anyway. Both compute the
same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cellgrad_series.kernels import arrays, straight
from cellgrad_series.kernels.arrays import Ordered
from cellgrad_series.kernels.plan import Array, Plan, State

_MOST_WRITTEN_OUT = 5_000
"""Parameters up to which a source stays within some ten thousand lines."""

_FUNCTIONS = (math.exp, math.log, math.tanh, math.sqrt)


class Plain:
    """Training in Python and NumPy, bit for bit as defined."""

    name = "plain"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rows: list[tuple[float, ...]] = []
        self._written: Callable[..., tuple[float, ...]] | None = None
        if worth_writing_out(plan):
            together = np.concatenate([plan.inputs, plan.targets], axis=1)
            self._rows = [tuple(row) for row in together.tolist()]
            self._written = _executed(straight.interpreted(plan), {})

    def run(self, state: State, count: int) -> Array:
        """Make some updates.

        Args:
            state: where the run stands; changed in place.
            count: how many updates.

        Returns:
            E before each update, shape (count,).

        Raises:
            CaseError: the case gives no learning rate for one of them.
        """
        plan = self._plan
        if self._written is None or not count:
            return arrays.run(plan, state, count, Ordered())
        rates = iter(plan.rates_of(state.updates, count).tolist())
        errors: list[float] = []
        try:
            numbers = self._written(
                state.numbers.tolist(),
                self._batches(state.updates, count),
                rates,
                straight.constants_of(plan),
                errors.append,
                *_FUNCTIONS,
            )
        except (OverflowError, ValueError, ZeroDivisionError):
            # Python raises where IEEE 754 has an infinity or no number; NumPy does as the
            # standard says. The state was not touched yet.
            return arrays.run(plan, state, count, Ordered())
        state.numbers[:] = numbers
        state.updates += count
        return np.array(errors)

    def _batches(self, first: int, count: int) -> Any:
        """Return what ``straight.interpreted`` goes through: a row or rows for every update."""
        rows, plan = self._rows, self._plan
        if plan.batch > 1:
            return (rows[chosen] for chosen in plan.batches(first, count))
        start = first % len(rows)
        if start + count <= len(rows):
            return rows[start : start + count]
        return (rows[u % len(rows)] for u in range(start, start + count))


def _executed(source: str, names: dict[str, Any]) -> Callable[..., Any]:
    """Return the function ``run`` of a source that ``straight`` wrote."""
    exec(compile(source, "<straight>", "exec"), names)  # noqa: S102 - of our own words only
    run: Callable[..., Any] = names["run"]
    return run


def worth_writing_out(plan: Plan) -> bool:
    """Return whether a written-out network is faster than arrays, and not too long."""
    return plan.size <= _MOST_WRITTEN_OUT and _written(plan) <= _by_arrays(plan)


def seconds_an_update(plan: Plan) -> float:
    """Return about how long an update takes: the order of magnitude is what counts."""
    return 1e-6 * (_written(plan) if worth_writing_out(plan) else _by_arrays(plan))


# Fitted to networks of 20 to 20,000 parameters and batches of 1 to 1,024 samples, in
# microseconds. A parameter that is written out costs a few operations of the interpreter;
# an array costs its calls of NumPy (one a node and side in every product) and then little.


def _written(plan: Plan) -> float:
    return 0.042 * plan.size * plan.batch


def _by_arrays(plan: Plan) -> float:
    nodes = plan.nodes
    calls = sum(nodes) + sum(nodes[1:-1])
    a_sample = 1.8 * plan.layers + 0.07 * sum(nodes[1:]) + 0.0015 * plan.size
    return 18 + 0.9 * calls + a_sample * plan.batch
