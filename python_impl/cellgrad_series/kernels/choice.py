"""Which kernel trains a case."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import Protocol

from cellgrad.errors import CaseError, InputError
from cellgrad_series.kernels.arrays import Vectorised
from cellgrad_series.kernels.plain import Plain, seconds_an_update
from cellgrad_series.kernels.plan import Array, Plan, State

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
