"""A training run that can be stopped and looked at between updates, and which kernel makes it."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.errors import CaseError, InputError, ShapeError
from cellgrad_series.kernels import arrays
from cellgrad_series.kernels.arrays import Ordered, Vectorised
from cellgrad_series.kernels.plain import Plain, seconds_an_update
from cellgrad_series.kernels.plan import Array, Plan, State, first_state, plan_of

KERNELS = ("auto", "compiled", "plain", "vectorised")
"""The words that ``Training`` takes."""

LARGE_BATCH, LARGE_PRODUCT = 64, 100_000
"""Samples a batch, and samples times parameters, from which on matrix products take about
half the time of the compiled kernel or less: from there on ``auto`` gives up the bits."""

START_UP = 0.3
"""Seconds that numba takes to be imported and to find on disk what it once compiled: what
the plain kernel does in less is not worth compiling."""


class Kernel(Protocol):
    """Something that trains."""

    @property
    def name(self) -> str:
        """Its name among ``KERNELS``."""

    def run(self, state: State, count: int) -> Array:
        """Make some updates; return E before each of them, shape (count,)."""


def compiled_available() -> bool:
    """Return whether numba is installed, which the compiled kernel needs."""
    try:
        return find_spec("numba") is not None
    except ValueError:  # it is kept from being imported
        return False


def kernel_for(plan: Plan, name: str) -> Kernel:
    """Return the kernel of that name, ready to run.

    Raises:
        CaseError: there is no kernel of that name.
        InputError: it needs numba, and numba is not installed.
    """
    if name not in KERNELS:
        raise CaseError(f"there is no kernel {name!r}", remedy=f"choose from {', '.join(KERNELS)}")
    if name == "auto":
        return _fastest(plan)
    if name == "vectorised":
        return Vectorised(plan)
    return Plain(plan) if name == "plain" else _compiled(plan)


def _compiled(plan: Plan) -> Kernel:
    try:
        from cellgrad_series.kernels.compiled import Compiled  # noqa: PLC0415 - numba is slow to import

        return Compiled(plan)
    except ImportError as error:
        raise InputError(
            f"the compiled kernel needs numba, which cannot be imported ({error})",
            remedy="pip install 'cellgrad[fast]'",
        ) from error


def _fastest(plan: Plan) -> Kernel:
    """Return the fastest kernel for as many updates as the case asks for.

    What is chosen has the same bits with and without numba.
    """
    if plan.batch >= LARGE_BATCH and plan.batch * plan.size >= LARGE_PRODUCT:
        return Vectorised(plan)
    if compiled_available() and plan.updates * seconds_an_update(plan) > START_UP:
        with suppress(InputError):  # numba is there, but of no use
            return _compiled(plan)
    return Plain(plan)


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
        self._kernel = kernel_for(self._plan, kernel)
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
