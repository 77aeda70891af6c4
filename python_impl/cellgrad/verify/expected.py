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
    forward = step.forward
    found: Numbers = {
        ("final_error", None): forward.final_error,
        ("sample_error", None): forward.sample_error,
        ("error", None): forward.error,
    }
    for k in range(step.structure.layers):
        found["pre_activation", k] = forward.pre_activation[k]
        found["post_activation", k] = forward.post_activation[k]
        found["error_signal", k] = step.error_signal[k]
        found["weight_gradient", k] = step.weight_gradient[k]
        found["new_weights", k] = step.new_weights[k]
        if step.bias_gradient is not None:
            found["bias_gradient", k] = step.bias_gradient[k]
        if step.new_biases is not None:
            found["new_biases", k] = step.new_biases[k]
        for name, values in (
            ("activation_derivative", step.activation_derivative[k]),
            ("backpropagated_error", step.backpropagated_error[k]),
        ):
            if values is not None:
                found[name, k] = values
    last = step.structure.layers - 1
    for key, array in (
        (("exponential", last), forward.exponential),
        (("exponential_sum", last), forward.exponential_sum),
        (("penalty", None), forward.penalty),
        (("error_derivative", None), step.error_derivative),
    ):
        if array is not None:
            found[key] = array
    return found


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

    passes = None if moved is None else moved.passes
    found: Numbers = {}
    last = len(after.pre_activation) - 1
    for name in ("pre_activation", "post_activation"):
        for k, first in enumerate(getattr(after, name)):
            others = None if passes is None else getattr(passes, name)[k]
            if others is not None:
                others = np.broadcast_to(others, (*passes.error.shape, *first.shape))  # type: ignore[union-attr]
            found[f"pass_{name}", k] = stack(first, others)
    for name, key in (
        ("final_error", None),
        ("sample_error", None),
        ("penalty", None),
        ("error", None),
        ("exponential", last),
        ("exponential_sum", last),
    ):
        first = getattr(after, name)
        if first is not None:
            others = None if passes is None else getattr(passes, name)
            found[f"pass_{name}", key] = stack(first, others)
    return found
