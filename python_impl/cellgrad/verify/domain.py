"""Which targets a loss can be computed for."""

from __future__ import annotations

import numpy as np

from cellgrad.mlp.activations import Array

_SUM_TOLERANCE = 1e-12


def targets_problem(loss: str, target: Array) -> str:
    """Return why targets of shape (…, outputs) lie outside a loss's domain, or nothing."""
    if loss == "categorical_cross_entropy" and (
        np.any(target < 0) or np.any(np.abs(target.sum(axis=-1) - 1) > _SUM_TOLERANCE)
    ):
        return "the targets of a sample must be shares that sum to 1"
    if loss == "binary_cross_entropy" and (np.any(target < 0) or np.any(target > 1)):
        return "targets must lie between 0 and 1"
    return ""
