"""A step, or a whole run, as a trace: the JSON that other programs read (reference/schema/)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.case.quantities import table
from cellgrad.mlp import Step, Update, training_step
from cellgrad.mlp.step import Forward, forward


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
        decay_biases=structure.decay_biases,
    )


def trace_document(case: Case, step: Step) -> dict[str, Any]:
    """Return the trace of a step; a sample axis only where there are several samples."""
    new_biases = step.biases if step.new_biases is None else step.new_biases
    return _document(case, [step], step.new_weights, new_biases, step.after())


def trace_of_run(case: Case, updates: Sequence[Update]) -> dict[str, Any]:
    """Return the trace of a whole run: every update, and a pass over all samples at its end."""
    last = updates[-1].after
    everything = replace(
        case.structure_of(case.batch()),
        samples=len(case.samples),
        update="batch_sum" if case.update == "online" else case.update,
    )
    final = forward(
        everything,
        last.weights,
        last.biases,
        np.array([sample.input for sample in case.samples]),
        np.array([sample.target for sample in case.samples]),
        case.network.leaky_slope,
        np.array(case.optimizer.weight_decay),
    )
    steps = [update.step for update in updates]
    document = _document(case, steps, last.weights, last.biases, final)
    each = len(steps) // case.epochs
    errors = [step.error for step in steps]
    sums = [math.fsum(errors[start : start + each]) for start in range(0, len(errors), each)]
    return {**document, "epoch_errors": sums}


def _document(
    case: Case,
    steps: Sequence[Step],
    weights: list[NDArray[np.floating]],
    biases: list[NDArray[np.floating]] | None,
    final: Forward,
) -> dict[str, Any]:
    return {
        "schema": "cellgrad-trace/1",
        "case": case.id,
        "weights": _plain(weights),
        "biases": _plain(biases),
        "steps": [_step(step) for step in steps],
        "final": {
            "post_activation": [array.tolist() for array in final.post_activation],
            "error": float(final.error),
        },
    }


def _plain(arrays: list[NDArray[np.floating]] | None) -> Any:
    return None if arrays is None else [array.tolist() for array in arrays]


_LAYERS = (
    "activation_derivative",
    "backpropagated_error",
    "error_signal",
    "weight_gradient",
)


def _step(step: Step) -> dict[str, Any]:
    """Return what a trace says of an update; a sample axis only where there are several."""
    results, known = step.results(), table(step.structure)
    single = step.structure.samples == 1

    def plain(name: str, k: int | None = None) -> Any:
        array = results.get((name, k))
        if array is None:
            return None
        return (array[0] if single and known[name, k].per_sample else array).tolist()

    def layers(name: str) -> list[Any]:
        return [plain(name, k) for k in range(step.structure.layers)]

    new_biases = step.biases if step.new_biases is None else step.new_biases
    document = {
        "pre_activation": layers("pre_activation"),
        "post_activation": layers("post_activation"),
        "final_error": plain("final_error"),
        "error": plain("error"),
        **{name: layers(name) for name in _LAYERS},
        "bias_gradient": _plain(step.bias_gradient),
        "weights": _plain(step.new_weights),
        "biases": _plain(new_biases),
    }
    last = step.structure.layers - 1
    rare = (("exponential", last), ("exponential_sum", last), ("error_derivative", None))
    for name, k in (*rare, *([] if single else [("sample_error", None)]), ("penalty", None)):
        if (name, k) in results:
            document[name] = plain(name, k)
    return document
