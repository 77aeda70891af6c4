"""The certified final weights and biases of the probes: ``reference/probes/certified/``.

Written by ``certify`` from the formulas of a probe's workbook and verified by its second
route; read here without either, as plain numbers.
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
from cellgrad.errors import InputError

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
    if isinstance(value, dict):
        return part(value)
    return [_mapped(item, part) for item in value]
