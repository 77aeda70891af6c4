"""``cellgrad trace``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from cellgrad.case.read import read_case
from cellgrad.errors import CaseError, InputError
from cellgrad.mlp import Step
from cellgrad.report.trace import step_of_case, trace_document
from cellgrad.report.working import print_working
from cellgrad.verify.expected import step_numbers


def trace_command(path: Path, *, as_json: bool, decimals: int) -> int:
    """Print the training step of a case; return the exit code."""
    try:
        case = read_case(path)
        with np.errstate(all="ignore"):
            step = step_of_case(case)
            _refuse_overflow(step)
    except InputError as error:
        raise error.within(path) from error
    if as_json:
        sys.stdout.write(json.dumps(trace_document(case, step), allow_nan=False, indent=1) + "\n")
    else:
        print_working(case, step, decimals)
    return 0


def _refuse_overflow(step: Step) -> None:
    numbers = {**step_numbers(step), ("error after the step", None): step.after().error}
    for (name, layer), values in numbers.items():
        if not np.all(np.isfinite(values)):
            raise CaseError(
                f"{name} leaves the range of a double",
                place="" if layer is None else f"layer {layer}",
                remedy="use smaller numbers",
            )
