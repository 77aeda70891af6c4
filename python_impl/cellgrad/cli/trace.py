"""``cellgrad trace``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cellgrad.case.read import read_case
from cellgrad.errors import InputError
from cellgrad.report.trace import step_of_case, trace_document
from cellgrad.report.working import print_working


def trace_command(path: Path, *, as_json: bool, decimals: int) -> int:
    """Print the training step of a case; return the exit code."""
    try:
        case = read_case(path)
        step = step_of_case(case)
    except InputError as error:
        raise error.within(path) from error
    if as_json:
        sys.stdout.write(json.dumps(trace_document(case, step), allow_nan=False, indent=1) + "\n")
    else:
        print_working(case, step, decimals)
    return 0
