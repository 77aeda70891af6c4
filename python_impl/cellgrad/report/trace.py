"""A step as a trace: the JSON that other programs read (reference/schema/)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.mlp import Step, training_step


def step_of_case(case: Case) -> Step:
    """Compute the single training step of a case.

    Raises:
        CaseError: the case makes more than one update.
    """
    structure, network = case.structure(), case.network
    return training_step(
        network.weights,
        [sample.input for sample in case.samples],
        [sample.target for sample in case.samples],
        activations=network.activations,
        biases=network.biases,
        loss=case.loss,
        learning_rate=case.step_learning_rate(),
        update=structure.update,
        leaky_slope=network.leaky_slope,
        weight_decay=case.optimizer.weight_decay,
        update_biases=structure.update_biases,
        error_sign=structure.error_sign,
    )


def trace_document(case: Case, step: Step) -> dict[str, Any]:
    """Return the trace of a step; a sample axis only where there are several samples."""
    single = step.structure.samples == 1
    after = step.after()

    def samples(array: NDArray[np.floating] | None) -> Any:
        if array is None:
            return None
        return (array[0] if single else array).tolist()

    def layers(arrays: list[Any]) -> list[Any]:
        return [samples(array) for array in arrays]

    def plain(arrays: list[NDArray[np.floating]] | None) -> Any:
        return None if arrays is None else [array.tolist() for array in arrays]

    new_biases = step.biases if step.new_biases is None else step.new_biases
    found: dict[str, Any] = {
        "pre_activation": layers(step.forward.pre_activation),
        "post_activation": layers(step.forward.post_activation),
        "final_error": samples(step.forward.final_error),
        "error": float(step.forward.error),
        "activation_derivative": layers(step.activation_derivative),
        "backpropagated_error": layers(step.backpropagated_error),
        "error_signal": layers(step.error_signal),
        "weight_gradient": plain(step.weight_gradient),
        "bias_gradient": plain(step.bias_gradient),
        "weights": plain(step.new_weights),
        "biases": plain(new_biases),
    }
    for name, array in (
        ("exponential", step.forward.exponential),
        ("exponential_sum", step.forward.exponential_sum),
        ("error_derivative", step.error_derivative),
    ):
        if array is not None:
            found[name] = samples(array)
    if not single:
        found["sample_error"] = step.forward.sample_error.tolist()
    if step.forward.penalty is not None:
        found["penalty"] = float(step.forward.penalty)
    return {
        "schema": "cellgrad-trace/1",
        "case": case.id,
        "weights": plain(step.new_weights),
        "biases": plain(new_biases),
        "steps": [found],
        "final": {
            "post_activation": [array.tolist() for array in after.post_activation],
            "error": float(after.error),
        },
    }
