"""The givens of a workbook, taken from its own cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from cellgrad.case.quantities import Key, quantities
from cellgrad.case.structure import Structure
from cellgrad.engines.interface import Block
from cellgrad.errors import WorkbookError
from cellgrad.mlp.activations import Array
from cellgrad.verify.cells import Grid
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.values import Value

MAX_DECIMALS = 12
_SUM_TOLERANCE = 1e-12


def take_givens(
    path: Path, structure: Structure, grids: Sequence[Grid], blocks: Sequence[Block]
) -> dict[Key, Array]:
    """Return every given by name and layer.

    Args:
        path: the workbook, for messages.
        structure: the step.
        grids: the claims.
        blocks: the values of their cells.

    Raises:
        WorkbookError: a given is no number, or lies outside the loss's domain.
    """
    shapes: dict[Key, tuple[int, ...]] = {
        quantity.key: quantity.shape for quantity in quantities(structure) if quantity.given
    }
    found: dict[Key, Array] = {}
    for grid, block in zip(grids, blocks, strict=True):
        claim = grid.claim
        if claim.kind != "given":
            continue
        for r, row in enumerate(block):
            for c, value in enumerate(row):
                if not isinstance(value, float):
                    _refuse(path, claim, r, c, value)
        values = found.setdefault(claim.key, np.zeros(shapes.get(claim.key, ())))
        grid.gather(values, block)
    _check_domain(path, structure, found)
    return found


def _refuse(path: Path, claim: Claim, r: int, c: int, value: Value) -> NoReturn:
    what = "it is empty" if value is None else f"it holds {str(value)[:40]!r}"
    raise WorkbookError(
        f"{claim.label} should be a number, but {what}",
        file=path,
        place=f"{claim.cells.sheet}!{a1(claim.cells.top + r, claim.cells.left + c)}",
        remedy="type a number",
    )


def _check_domain(path: Path, structure: Structure, givens: Mapping[Key, Array]) -> None:
    target = givens["target", None]
    problem = ""
    if structure.loss == "categorical_cross_entropy" and (
        np.any(target < 0) or np.any(np.abs(target.sum(axis=1) - 1) > 1e-12)  # noqa: PLR2004
    ):
        problem = "the targets of a sample must be shares that sum to 1"
    if structure.loss == "binary_cross_entropy" and (np.any(target < 0) or np.any(target > 1)):
        problem = "targets must lie between 0 and 1"
    decimals = float(givens.get(("decimals", None), np.array(0.0)))
    if decimals != int(decimals) or not 0 <= decimals <= MAX_DECIMALS:
        problem = f"the decimals asked for must be a whole number from 0 to {MAX_DECIMALS}"
    if float(givens.get(("epsilon", None), np.array(1.0))) == 0:
        problem = "ε must not be 0"
    if problem:
        raise WorkbookError(problem, file=path, remedy="change the givens")
