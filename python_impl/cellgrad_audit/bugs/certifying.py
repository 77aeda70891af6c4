"""Writing the certified final parameters of a case, with the bounds that belong to them.

The values come from the formulas of the case's workbook alone. Only the bounds (how far a
right program may be away) are carried through ``Program``, whose own values do not appear.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cellgrad.bounds.running import UNIT, bounds_of
from cellgrad.case.model import Case
from cellgrad.errors import InputError
from cellgrad_audit.bugs.arithmetic import RunningBounds
from cellgrad_audit.bugs.certified import FORMAT
from cellgrad_audit.bugs.program import Program
from cellgrad_proof.exact.vector_shape import rounded_up
from cellgrad_proof.exact.vectors import final_parameters

MOST_UPDATES = 5
"""Bounds are carried over no more updates: beyond, they say nothing."""


def final_document(case: Case, sha256: str, workbook: Path) -> dict[str, Any]:
    """Return the certified weights and biases after all updates of a case.

    Args:
        case: of at most ``MOST_UPDATES`` updates.
        sha256: the checksum of its file, in hexadecimal.
        workbook: a workbook that was built from it.

    Raises:
        InputError: the case makes more updates, a value could not be certified, or the two
            routes do not agree.
    """
    if case.updates() > MOST_UPDATES:
        raise InputError(
            f"makes {case.updates()} updates",
            file=case.id,
            remedy=f"bounds are carried over {MOST_UPDATES} at most",
        )
    found = final_parameters(case, workbook)
    bounds = {precision: Program(case, RunningBounds(precision)).run() for precision in UNIT}
    return {
        "schema": FORMAT,
        "case": case.id,
        "updates": case.updates(),
        "provenance": {
            "case_file": f"reference/probes/{case.id}.json",
            "case_sha256": sha256,
            "values": "the formulas of the case's workbook, from its givens through all updates, "
            "in rational numbers and in balls",
            "verified_by": "the definitions of reference/equations.md, from the case file; "
            "derivatives by a complex step of E",
            "tools": {name: version(name) for name in ("python-flint", "mpmath")},
            "digits_agreed": found["digits_agreed"],
        },
        "weights": [
            _with_bounds(layer, {p: bounds_of(r.weights[k]) for p, r in bounds.items()})
            for k, layer in enumerate(found["weights"])
        ],
        "biases": [
            _with_bounds(layer, {p: bounds_of((r.biases or [])[k]) for p, r in bounds.items()})
            for k, layer in enumerate(found["biases"])
        ]
        if "biases" in found
        else None,
    }


def _with_bounds(value: Any, bounds: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Return nested numbers with the bounds of the same place."""
    if isinstance(value, dict):
        return {
            **value,
            "bound": rounded_up(float(bounds["float64"])),
            "bound_float32": rounded_up(float(bounds["float32"])),
        }
    return [
        _with_bounds(item, {p: array[n] for p, array in bounds.items()})
        for n, item in enumerate(value)
    ]
