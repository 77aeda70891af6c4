"""How far apart the catalogue's predictions lie on a set of cases.

Two variants are told apart by final weights and biases alone where some component differs;
the separation matrix holds the largest difference of each pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad_audit.bugs.catalogue import variants
from cellgrad_audit.bugs.entry import Variant
from cellgrad_audit.bugs.program import Program, Record

Vector = NDArray[np.float64]


def flat(record: Record) -> Vector:
    """Return all final weights, then all final biases, layer by layer, as one vector."""
    arrays = [*record.weights, *(record.biases or [])]
    return np.concatenate([np.asarray(array, dtype=np.float64).ravel() for array in arrays])


def predicted(program: type[Program], cases: Sequence[Case]) -> Vector:
    """Return a program's final parameters on several cases, one after the other."""
    with np.errstate(all="ignore"):
        return np.concatenate([flat(program(case, keep=False).run()) for case in cases])


def predictions(cases: Sequence[Case]) -> tuple[Vector, Vector]:
    """Return the right final parameters, and those of every variant, shape (variants, n)."""
    right = predicted(Program, cases)
    return right, np.stack([predicted(variant.program, cases) for variant in variants()])


def separation(table: Vector) -> Vector:
    """Return the largest difference of each pair of rows, shape (rows, rows)."""
    return np.stack([np.abs(table - row).max(axis=1) for row in table])


def unseparated(
    cases: Sequence[Case], distance: float
) -> tuple[list[Variant], list[tuple[Variant, Variant]]]:
    """Return what these cases cannot tell from the right program, and from each other.

    Args:
        cases: the cases.
        distance: the largest difference that counts as none.

    Returns:
        the variants that differ from the right program by no more than ``distance``, and
        the pairs of different entries that differ by no more.
    """
    right, table = predictions(cases)
    table = np.nan_to_num(table, nan=1e300, posinf=1e300, neginf=-1e300)
    unseen = [v for v, row in zip(variants(), table, strict=True) if _same(row, right, distance)]
    apart, found = separation(table), []
    everything = variants()
    for i, a in enumerate(everything):
        found += [
            (a, b)
            for j, b in enumerate(everything)
            if j > i and a.entry != b.entry and apart[i, j] <= distance
        ]
    return unseen, found


def _same(row: Vector, right: Vector, distance: float) -> bool:
    return bool(np.abs(row - right).max() <= distance)
