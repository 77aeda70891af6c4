"""A step, or a whole run, as a trace: the JSON that other programs read (reference/schema/)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad.case.quantities import table
from cellgrad.mlp import Step, Update
from cellgrad.mlp.run import final_pass

_LAYERS = (
    "activation_derivative",
    "backpropagated_error",
    "error_signal",
    "weight_gradient",
)


def trace_document(case: Case, updates: Sequence[Update]) -> dict[str, Any]:
    """Return the trace of a case: every update, and a pass over all samples at its end."""
    steps = [update.step for update in updates]
    final = final_pass(case, updates[-1])
    document = {
        "schema": "cellgrad-trace/1",
        "case": case.id,
        "weights": _plain(steps[-1].new_weights),
        "biases": _plain(steps[-1].biases_after),
        "steps": [_step(step) for step in steps],
        "final": {
            "post_activation": _plain(final.post_activation),
            "error": float(final.error),
        },
    }
    if case.updates() > 1 or not case.update_rule().plain:
        each = len(steps) // case.epochs
        errors = [step.error for step in steps]
        sums = [math.fsum(errors[start : start + each]) for start in range(0, len(errors), each)]
        document["epoch_errors"] = sums
    return document


def _plain(arrays: Sequence[NDArray[np.floating]] | None) -> Any:
    return None if arrays is None else [array.tolist() for array in arrays]


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

    document = {
        "pre_activation": layers("pre_activation"),
        "post_activation": layers("post_activation"),
        "final_error": plain("final_error"),
        "error": plain("error"),
        **{name: layers(name) for name in _LAYERS},
        "bias_gradient": _plain(step.bias_gradient),
        "weights": _plain(step.new_weights),
        "biases": _plain(step.biases_after),
    }
    last = step.structure.layers - 1
    rare = (("exponential", last), ("exponential_sum", last), ("error_derivative", None))
    for name, k in (*rare, *([] if single else [("sample_error", None)]), ("penalty", None)):
        if (name, k) in results:
            document[name] = plain(name, k)
    return document
