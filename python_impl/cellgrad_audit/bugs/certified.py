"""The certified final weights and biases of the probes: ``reference/probes/certified/``.

The values come from the formulas of a probe's workbook alone, verified by the proof's second
route. Only the bounds (how far a right program may be away) are carried through ``Program``,
whose own values do not appear. What is read here are plain numbers, without either route.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad import shipped
from cellgrad.bounds.running import UNIT, bounds_of
from cellgrad.case.model import Case
from cellgrad.errors import InputError
from cellgrad_audit.bugs.arithmetic import RunningBounds
from cellgrad_audit.bugs.program import Program

FORMAT = "cellgrad-certified-final/1"

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CertifiedFinal:
    """What a right program leaves after all updates of a case.

    Attributes:
        case: the case's id.
        case_sha256: the checksum of the case's file.
        weights: the doubles nearest to the exact values, a layer each, shape (n, m).
        biases: likewise, shape (m,); None where the case has none.
        weight_bounds: by precision (``float64``, ``float32``), how far a right program may
            be away.
        bias_bounds: likewise, or None.
    """

    case: str
    case_sha256: str
    weights: tuple[Vector, ...]
    biases: tuple[Vector, ...] | None
    weight_bounds: dict[str, tuple[Vector, ...]]
    bias_bounds: dict[str, tuple[Vector, ...]] | None


def folder() -> Path:
    """Return where the files lie."""
    return shipped.folder("reference") / "probes" / "certified"


@cache
def certified_final(case: str) -> CertifiedFinal | None:
    """Return the certified final parameters of a shipped probe; None for any other case.

    Whoever compares with them makes sure, by the checksum or the case itself, that the case
    is the shipped one.

    Args:
        case: its id.

    Raises:
        InputError: the file is there and cannot be used.
    """
    if not case.replace("-", "").isalnum():
        return None  # no id of a probe, and no part of a path
    path = folder() / f"{case}.json"
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_bytes())
        return _read(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "cannot be read as certified values", file=path, remedy="install cellgrad again"
        ) from error


def _read(document: dict[str, Any]) -> CertifiedFinal:
    if document["schema"] != FORMAT:
        raise ValueError(document["schema"])
    biases = document["biases"]
    return CertifiedFinal(
        case=document["case"],
        case_sha256=document["provenance"]["case_sha256"],
        weights=_layers(document["weights"], _double),
        biases=None if biases is None else _layers(biases, _double),
        weight_bounds=_bounds(document["weights"]),
        bias_bounds=None if biases is None else _bounds(biases),
    )


def _double(leaf: dict[str, Any]) -> float:
    return float.fromhex(leaf["hex"])


def _bounds(layers: list[Any]) -> dict[str, tuple[Vector, ...]]:
    return {
        "float64": _layers(layers, lambda leaf: leaf["bound"]),
        "float32": _layers(layers, lambda leaf: leaf["bound_float32"]),
    }


def _layers(layers: list[Any], part: Callable[[dict[str, Any]], float]) -> tuple[Vector, ...]:
    return tuple(np.array(_mapped(layer, part), dtype=np.float64) for layer in layers)


def _mapped(value: Any, part: Callable[[dict[str, Any]], float]) -> Any:
    return part(value) if isinstance(value, dict) else [_mapped(item, part) for item in value]


# written


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
    from importlib.metadata import version  # noqa: PLC0415 - start-up time

    from cellgrad_proof.exact.vectors import final_parameters  # noqa: PLC0415

    if case.updates() > MOST_UPDATES:
        raise InputError(
            f"makes {case.updates()} updates",
            file=case.id,
            remedy=f"bounds are carried over {MOST_UPDATES} at most",
        )
    values = final_parameters(case, workbook)
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
            "digits_agreed": values["digits_agreed"],
        },
        "weights": [
            _with_bounds(layer, {p: bounds_of(r.weights[k]) for p, r in bounds.items()})
            for k, layer in enumerate(values["weights"])
        ],
        "biases": [
            _with_bounds(layer, {p: bounds_of((r.biases or [])[k]) for p, r in bounds.items()})
            for k, layer in enumerate(values["biases"])
        ]
        if "biases" in values
        else None,
    }


def _with_bounds(value: Any, bounds: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Return nested numbers with the bounds of the same place."""
    from cellgrad_proof.exact.vectors import rounded_up  # noqa: PLC0415 - start-up time

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
