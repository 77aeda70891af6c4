"""A training run that can be stopped and looked at between updates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.errors import ShapeError
from cellgrad_series.kernels import arrays, choice
from cellgrad_series.kernels.arithmetic import Ordered
from cellgrad_series.kernels.plan import Array, first_state, plan_of


class Training:
    """Trains the network of a case on its samples, in their order, epoch after epoch.

    Args:
        case: network, samples, loss, update rule; its ``epochs`` set no limit here.
        kernel: one of ``KERNELS``; ``auto`` chooses the fastest that is installed for as
            many updates as the case asks for (``choice``).

    Attributes:
        kernel: the kernel that is used.

    Raises:
        CaseError: an unknown kernel, or a case whose parts do not go together.
        InputError: the compiled kernel is asked for and numba is not installed.
    """

    def __init__(self, case: Case, kernel: str = "auto") -> None:
        self._plan = plan_of(case)
        self._state = first_state(case, self._plan)
        self._kernel = choice.kernel_for(self._plan, kernel)
        self.kernel = self._kernel.name

    @property
    def updates(self) -> int:
        """How many updates were made so far."""
        return self._state.updates

    @property
    def updates_per_epoch(self) -> int:
        """How many updates one pass through the samples makes."""
        return self._plan.updates_per_epoch

    @property
    def weights(self) -> list[Array]:
        """The present weights: a copy, one (n, m) matrix a layer."""
        return self._plan.weights_of(self._state.parameters.copy())

    @property
    def biases(self) -> list[Array] | None:
        """The present biases: a copy, one (m,) vector a layer; None without biases."""
        return self._plan.biases_of(self._state.parameters.copy())

    def run_epoch(self) -> Array:
        """Make as many updates as one pass through the samples takes, from where it stands.

        Returns:
            E before each update (Eq. 16 and 19: sum or mean of its batch, penalty
            included), shape (updates an epoch,).

        Raises:
            CaseError: the case gives no learning rate for one of them.
        """
        return self.run_updates(self.updates_per_epoch)

    def run_updates(self, count: int) -> Array:
        """Make some updates, from where it stands; after the last sample comes the first.

        Args:
            count: how many, from 0 on.

        Returns:
            E before each update, shape (count,).

        Raises:
            CaseError: the case gives no learning rate for one of them; none was made.
            ValueError: a negative count.
        """
        if count < 0:
            raise ValueError(f"cannot make {count} updates")
        return self._kernel.run(self._state, count)

    def outputs(self, inputs: object) -> Array:
        """Return a forward pass with the present weights, in the order of the definition.

        Args:
            inputs: shape (samples, nodes of the input layer).

        Returns:
            S_postA,O, shape (samples, outputs); the same bits whatever the kernel.

        Raises:
            ShapeError: the inputs have another shape.
        """
        given: NDArray[np.float64] = np.asarray(inputs, dtype=np.float64)
        wanted = self._plan.nodes[0]
        if given.ndim != 2 or given.shape[1] != wanted:
            raise ShapeError(f"inputs have shape {given.shape}, expected (samples, {wanted})")
        return arrays.outputs(self._plan, self._state.parameters, given, Ordered())
