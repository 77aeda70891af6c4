"""What the MLP makes of the givens: every number that the workbook should hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cellgrad.case.quantities import Key
from cellgrad.case.selection import checked_parameters
from cellgrad.case.structure import Structure
from cellgrad.mlp import Step, training_step
from cellgrad.mlp.activations import Array
from cellgrad.mlp.differences import CentralDifferences, central_differences
from cellgrad.mlp.step import Forward

Numbers = dict[Key, Array]


def step_of(structure: Structure, givens: Mapping[Key, Array]) -> Step:
    """Compute the step that a structure and its givens describe."""
    layers = range(structure.layers)
    return training_step(
        [givens["weights", k] for k in layers],
        givens["input", None],
        givens["target", None],
        activations=structure.activations,
        biases=[givens["biases", k] for k in layers] if structure.biases else None,
        loss=structure.loss,
        learning_rate=float(givens["learning_rate", None]),
        update=structure.update,
        leaky_slope=float(givens["leaky_slope", None]) if structure.leaky else 0.01,
        weight_decay=float(givens["weight_decay", None]) if structure.decay else 0.0,
        update_biases=structure.update_biases,
        error_sign=structure.error_sign,
        decay_biases=structure.decay_biases,
    )


def step_numbers(step: Step) -> Numbers:
    """Return every quantity of a step by name and layer."""
    return step.results()


def all_numbers(structure: Structure, step: Step, givens: Mapping[Key, Array]) -> Numbers:
    """Return every number of the step and of the Check sheet."""
    epsilon = givens.get(("epsilon", None))
    checks = check_numbers(structure, step, None if epsilon is None else float(epsilon))
    return {**step_numbers(step), **checks}


def check_numbers(structure: Structure, step: Step, epsilon: float | None) -> Numbers:
    """Return every number of the Check sheet."""
    after = step.after()
    found: Numbers = {
        ("error_before", None): step.forward.error,
        ("error_after", None): after.error,
        ("error_change", None): after.error - step.forward.error,
    }
    parameters = checked_parameters(structure)
    if not parameters or epsilon is None:
        found.update(_passes(after, None))
        return found
    moved = central_differences(step, parameters, epsilon)
    sources = {"weights": step.weights, "biases": step.biases or []}
    gradients = {"weights": step.weight_gradient, "biases": step.bias_gradient or []}
    value = np.array([sources[name][k][index] for name, k, index in parameters])
    gradient = np.array([gradients[name][k][index] for name, k, index in parameters])
    towards = gradient if structure.error_sign == "output_minus_target" else -gradient
    found.update(
        {
            ("checked_value", None): value,
            ("checked_gradient", None): gradient,
            ("error_plus", None): moved.passes.error[:, 0],
            ("error_minus", None): moved.passes.error[:, 1],
            ("difference_quotient", None): moved.quotient,
            ("quotient_gap", None): towards - moved.quotient,
            ("moved_value", None): moved.moved.reshape(-1),
        }
    )
    found.update(_passes(after, moved))
    return found


def _passes(after: Forward, moved: CentralDifferences | None) -> Numbers:
    """Stack the pass with the new weights on the passes with a moved parameter."""

    def stack(first: Array, others: Array | None) -> Array:
        if others is None:
            return first[None]
        rest = others.reshape(-1, *others.shape[2:])
        return np.concatenate([np.broadcast_to(first, rest.shape[1:])[None], rest])

    passes = {} if moved is None else moved.passes.results()
    error = passes.get(("error", None))
    found: Numbers = {}
    for (name, k), first in after.results().items():
        others = None
        if error is not None:
            others = np.broadcast_to(passes[name, k], (*error.shape, *first.shape))
        found[f"pass_{name}", k] = stack(first, others)
    return found
