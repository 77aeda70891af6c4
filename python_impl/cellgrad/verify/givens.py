"""The givens of a workbook, taken from its own cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from cellgrad.case.quantities import Key
from cellgrad.engines.interface import Values
from cellgrad.errors import WorkbookError
from cellgrad.mlp.activations import Array
from cellgrad.verify.cells import Grid
from cellgrad.verify.programs.program import Program
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.map_sheet import Claim
from cellgrad.xlsx.values import Value


def take_givens(
    path: Path, program: Program, cells: Sequence[tuple[Grid, Values]]
) -> dict[Key, Array]:
    """Return every given of a part by name and layer.

    Args:
        path: the workbook, for messages.
        program: the part.
        cells: its claims, and the values of their cells.

    Raises:
        WorkbookError: a given is no number.
    """
    found: dict[Key, Array] = {}
    for grid, block in cells:
        claim = grid.claim
        if claim.kind != "given":
            continue
        for r, row in enumerate(block.rows if block.array is None else ()):
            for c, value in enumerate(row):
                if not isinstance(value, float):
                    _refuse(path, claim, r, c, value)
        quantity = program.known.get(claim.key)
        values = found.setdefault(claim.key, np.zeros(quantity.shape if quantity else ()))
        grid.gather(values, block)
    return found


def check_domain(path: Path, program: Program, inputs: Mapping[Key, Array]) -> None:
    """Refuse givens that a part cannot be computed from.

    Raises:
        WorkbookError: they lie outside the loss's domain.
    """
    problem = program.domain_problem(inputs)
    if problem:
        place = f"part {program.name}" if program.name else ""
        raise WorkbookError(problem, file=path, place=place, remedy="change the givens")


def _refuse(path: Path, claim: Claim, r: int, c: int, value: Value) -> NoReturn:
    what = "it is empty" if value is None else f"it holds {str(value)[:40]!r}"
    raise WorkbookError(
        f"{claim.label} should be a number, but {what}",
        file=path,
        place=f"{claim.cells.sheet}!{a1(claim.cells.top + r, claim.cells.left + c)}",
        remedy="type a number",
    )
