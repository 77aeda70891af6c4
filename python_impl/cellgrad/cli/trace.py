"""``cellgrad trace``."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path

import numpy as np

from cellgrad.case.model import Case
from cellgrad.case.read import read_case
from cellgrad.errors import CaseError, InputError
from cellgrad.mlp import Step, Update, training_run
from cellgrad.report.trace import trace_document, trace_of_run
from cellgrad.report.working import print_working

MOST = 20_000
"""A trace of more updates would be a file of gigabytes."""


def trace_command(path: Path, *, as_json: bool, decimals: int, update: int | None) -> int:
    """Print a training step of a case, or with ``as_json`` all of them; return the exit code."""
    try:
        case = read_case(path)
        with np.errstate(all="ignore"):
            updates = _updates(case, update, everything=as_json)
    except InputError as error:
        raise error.within(path) from error
    if as_json:
        single = case.updates() == 1 and case.update_rule().plain
        document = trace_document(case, updates[0].step) if single else trace_of_run(case, updates)
        sys.stdout.write(json.dumps(document, allow_nan=False, indent=1) + "\n")
    else:
        number = "" if case.updates() == 1 else f"update {update or 1:,} of {case.updates():,}"
        print_working(case, updates[-1].step, decimals, number)
    return 0


def _updates(case: Case, update: int | None, *, everything: bool) -> list[Update]:
    """Make the updates up to the one asked for, or all.

    Raises:
        CaseError: there is no such update, it cannot be written out, or a number overflows.
    """
    count, asked = case.updates(), update or 1
    if everything and update is not None:
        raise CaseError("--json holds every update", place="--update", remedy="leave it out")
    if asked > count:
        raise CaseError(f"the case makes {count:,} updates", place="--update")
    if count > MOST and everything:
        raise CaseError(
            f"{count:,} updates are too many for a trace",
            place="epochs",
            remedy="use cellgrad train --save, or fewer epochs",
        )
    if not everything and not case.update_rule().plain:
        raise CaseError(
            "momentum and Adam are not written out in words",
            place="optimizer",
            remedy="use --json, or cellgrad build for a workbook",
        )
    found: list[Update] = []
    for made in islice(training_run(case), count if everything else asked):
        _refuse_overflow(made.step)
        if not everything:
            found.clear()
        found.append(made)
    return found


def _refuse_overflow(step: Step) -> None:
    numbers = {**step.results(), ("error after the step", None): step.after().error}
    for (name, layer), values in numbers.items():
        if not np.all(np.isfinite(values)):
            raise CaseError(
                f"{name} leaves the range of a double",
                place="" if layer is None else f"layer {layer}",
                remedy="use smaller numbers",
            )
