"""The kernel that numba compiles: small networks written out, others as loops.

What is compiled is kept on disk beside the package (or in the user's own cache folder,
where that cannot be written), so that only the first run of a shape waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from cellgrad.errors import InputError
from cellgrad_series.kernels import straight
from cellgrad_series.kernels.plan import Array, Plan, State

MOST_WRITTEN_OUT = 64
"""Parameters up to which compiling a written-out network takes about a second, once."""

_SVML = "NUMBA_DISABLE_INTEL_SVML"


def _import_numba() -> Any:
    """Import numba without Intel's vector mathematics, whose exp has other bits than libm's."""
    before = os.environ.get(_SVML)
    os.environ[_SVML] = "1"
    try:
        numba = import_module("numba")
    finally:
        if before is None:
            del os.environ[_SVML]
        else:
            os.environ[_SVML] = before
    if numba.config.DISABLE_JIT:
        raise InputError(
            "numba is told not to compile",
            remedy="unset NUMBA_DISABLE_JIT, or use the kernel plain",
        )
    if numba.config.USING_SVML:  # somebody else imported it first
        raise InputError(
            "numba was imported with Intel's vector mathematics (SVML), whose exp differs "
            "from the platform's in the last bit",
            remedy=f"set {_SVML}=1 before numba is imported, or use the kernel plain",
        )
    return numba


class Compiled:
    """Training in machine code, bit for bit as defined."""

    name = "compiled"

    def __init__(self, plan: Plan) -> None:
        _import_numba()
        self._plan = plan
        self._written: Callable[..., None] | None = None
        if plan.size <= MOST_WRITTEN_OUT:
            from cellgrad_series.kernels import loops  # noqa: PLC0415 - imports numba

            self._written = loops.compiled_source(straight.for_numba(plan))
            self._rows = np.concatenate([plan.inputs, plan.targets], axis=1)
            self._constants = np.array(straight.constants_of(plan))

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
        from cellgrad_series.kernels import loops  # noqa: PLC0415 - imports numba

        plan = self._plan
        rates = plan.rates_of(state.updates, count)
        if self._written is None:
            errors = loops.run(plan, state, rates)
        else:
            errors = np.empty(count)
            first = state.updates % plan.updates_per_epoch * plan.batch
            self._written(
                state.numbers, self._rows, first, plan.batch, rates, self._constants, errors
            )
        state.updates += count
        return errors
