"""The kinds of parts: how each is cut into blocks, and what its cells are claimed to be."""

from __future__ import annotations

import math

from cellgrad.described import Part as DescribedPart
from cellgrad.errors import CaseError
from cellgrad_proof.proof.parts.part import Atlas, Part
from cellgrad_proof.proof.parts.tables import (
    ClassificationPart,
    ComparisonPart,
    FunctionPart,
    SweepPart,
    TablePart,
)
from cellgrad_proof.proof.parts.training import RunPart, StepPart

_RAGGED = 3
"""Where the last batch is smaller, so many times fewer cells than numbers at most."""

_SPARE = 1_000

_KINDS: dict[str, type[Part]] = {
    "step": StepPart,
    "run": RunPart,
    "validation": ClassificationPart,
    "rule": ClassificationPart,
    "sweep": SweepPart,
    "function": FunctionPart,
    "comparison": ComparisonPart,
    "table": TablePart,
}


def create_part(own: DescribedPart, atlas: Atlas) -> Part:
    """Return a part of a workbook.

    Raises:
        CaseError: nothing is known of its kind, or it cannot be on any sheet.
    """
    if own.kind not in _KINDS:
        raise CaseError(f"nothing is proved of a part of the kind {own.kind!r}")
    numbers = sum(math.prod(quantity.shape) for quantity in own.known.values())
    if numbers > _RAGGED * len(atlas.places) + _SPARE:
        # every number needs a cell; a Map that describes far more is not gone through
        raise CaseError(f"the part {own.name!r} holds more numbers than the Map claims cells")
    return _KINDS[own.kind](own, atlas)
