"""Training at speed: the updates of the MLP, without keeping every quantity.

A second implementation, apart from ``cellgrad.mlp``: nothing that verifies uses it.

``compiled`` (numba) and ``plain`` (Python and NumPy) compute the bits of the definition,
``reference/equations.md``; ``vectorised`` (matrix products) is held to an error bound.

    >>> from cellgrad_series.kernels import Training
    >>> training = Training(case, "plain")  # doctest: +SKIP
    >>> errors = training.run_epoch()  # doctest: +SKIP

The plain kernel: a small network's training is written out as source (``straight``), which the
interpreter runs many times faster than loops over lists. For wide layers the source would explode,
and NumPy's columns of products (``arrays`` with ``Ordered``) are faster anyway. Both compute the
same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.errors import CaseError, InputError, ShapeError
from cellgrad_series.kernels import arrays, straight
from cellgrad_series.kernels.arrays import Ordered, Vectorised
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
            names: dict[str, Any] = {}
            source = compile(straight.interpreted(plan), "<straight>", "exec")
            exec(source, names)  # noqa: S102 - of our own words only
            self._written = names["run"]

    def run(self, state: State, count: int) -> Array:
        """Make some updates; return E before each of them, shape (count,).

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
