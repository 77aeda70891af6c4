"""E of each sample from its outputs and targets, for reports: no derivative, no update.

Where an output has reached 0 or 1 exactly, a term 0 · LN(0) counts as 0, its limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellgrad_series.kernels.arithmetic import Ordered
from cellgrad_series.kernels.arrays import sample_errors as errors_by

Floats = NDArray[np.float64]


class _Limits(Ordered):
    def times_logarithm(self, factor: Floats, x: Floats) -> Floats:
        """Return factor · LN x, and 0 where the factor is 0."""
        return np.where(factor == 0, 0.0, super().times_logarithm(factor, x))


def sample_errors(loss: str, outputs: Floats, targets: Floats) -> Floats:
    """Return E of each sample, without the penalty of weight decay.

    Args:
        loss: a name of the case format.
        outputs: (samples, outputs).
        targets: the same shape.

    Returns:
        (samples,); infinite where an output is infinitely wrong.
    """
    with np.errstate(all="ignore"):
        return errors_by(loss, outputs, targets, outputs - targets, _Limits())


def penalty(parameters: Sequence[Floats], weight_decay: float) -> float:
    """Return P = ½ · λ · Σ w² over the parameters that decay (Eq. 16)."""
    flat = np.concatenate([array.ravel() for array in parameters])
    return (0.5 * weight_decay) * Ordered.total(flat * flat)
