"""The kernel for large batches: matrix products, held to an error bound."""

from __future__ import annotations

from cellgrad_series.kernels import arrays
from cellgrad_series.kernels.arithmetic import Blas
from cellgrad_series.kernels.plan import Array, Plan, State


class Vectorised:
    """Training by NumPy's matrix products: fast for large batches, not bit for bit."""

    name = "vectorised"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def run(self, state: State, count: int) -> Array:
        """Make some updates; return E before each of them, shape (count,).

        Raises:
            CaseError: the case gives no learning rate for one of them.
        """
        return arrays.run(self._plan, state, count, Blas())
