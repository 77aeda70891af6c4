"""What the MLP makes of the givens: every number that the workbook of a step should hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cellgrad.case.quantities import Key, checked_parameters
from cellgrad.mlp import Step
from cellgrad.mlp.equations import Array
from cellgrad.mlp.step import CentralDifferences, Forward, central_differences

Numbers = dict[Key, Array]

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


def all_numbers(step: Step, givens: Mapping[Key, Array]) -> Numbers:
    """Return every number of the step and of the Check sheet."""
    after = step.after()
    found: Numbers = {
        **step.results(),
        ("error_before", None): step.forward.error,
        ("error_after", None): after.error,
        ("error_change", None): after.error - step.forward.error,
    }
    parameters = checked_parameters(step.structure)
    if not parameters or ("epsilon", None) not in givens:
        return found | _passes(after, None)
    moved = central_differences(step, parameters, float(givens["epsilon", None]))
    sources = {"weights": step.weights, "biases": step.biases or []}
    gradients = {"weights": step.weight_gradient, "biases": step.bias_gradient or []}
    value = np.array([sources[name][k][index] for name, k, index in parameters])
    gradient = np.array([gradients[name][k][index] for name, k, index in parameters])
    towards = gradient if step.structure.error_sign == "output_minus_target" else -gradient
    found |= {
        ("checked_value", None): value,
        ("checked_gradient", None): gradient,
        ("error_plus", None): moved.passes.error[:, 0],
        ("error_minus", None): moved.passes.error[:, 1],
        ("difference_quotient", None): moved.quotient,
        ("quotient_gap", None): towards - moved.quotient,
        ("moved_value", None): moved.moved.reshape(-1),
    }
    return found | _passes(after, moved)


def _passes(after: Forward, moved: CentralDifferences | None) -> Numbers:
    """Stack the pass with the new weights on the passes with a moved parameter."""
    found: Numbers = {}
    others = {} if moved is None else moved.passes.results()
    for (name, k), values in after.results().items():
        stack = values[None]
        if moved is not None:
            shape = (*moved.passes.error.shape, *values.shape)
            rest = np.broadcast_to(others[name, k], shape).reshape(-1, *values.shape)
            stack = np.concatenate([stack, rest])
        found[f"pass_{name}", k] = stack
    return found
