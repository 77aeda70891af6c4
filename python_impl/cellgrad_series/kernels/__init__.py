"""Training at speed: the updates of the MLP, without keeping every quantity.

A second implementation, apart from ``cellgrad.mlp``: nothing that verifies uses it.

``compiled`` (numba) and ``plain`` (Python alone) compute the bits of the definition,
``reference/equations.md``; ``vectorised`` (matrix products) is held to an error bound.

    >>> from cellgrad_series.kernels import Training
    >>> training = Training(case, "plain")  # doctest: +SKIP
    >>> errors = training.run_epoch()  # doctest: +SKIP
"""

from cellgrad_series.kernels.training import KERNELS, Training, compiled_available

__all__ = ["KERNELS", "Training", "compiled_available"]
