"""How far apart the catalogue's predictions lie on a set of cases.

Two variants are told apart by final weights and biases alone where some component differs.
Seen from an answer: it is an entry's if one of its variants predicts the answer on every case.
So two entries are as far apart as their closest pair of variants, and a pair of variants is as
far apart as the case that separates it most.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case
from cellgrad_audit.bugs.catalogue import entries, variants
from cellgrad_audit.bugs.program import Program, Record

Vector = NDArray[np.float64]

SAME = 1e-10
"""Differences up to here are rounding: the predictions are the same mathematics."""

PRINTED = 1e-3
"""Numbers farther apart than this never round to the same three decimals."""

RIGHT = "right"
"""The name of the right program among the entries."""

_OVERFLOW = 1e9
"""From here on a prediction is only large: training has run away."""


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


def largest_gaps(table: Vector) -> Vector:
    """Return the largest difference of each pair of rows, shape (rows, rows)."""
    return np.stack([np.abs(table - row).max(axis=1) for row in table])


@dataclass(frozen=True, slots=True)
class Distances:
    """Distances between predictions on several cases.

    Attributes:
        cases: the ids of the cases.
        gaps: the largest difference of two programs' final parameters, shape
            (cases, 1 + variants, 1 + variants); number 0 is the right program.
    """

    cases: tuple[str, ...]
    gaps: NDArray[np.float64]

    def programs(self, chosen: Sequence[str] | None = None) -> Vector:
        """Return how far programs are apart on some of the cases, all by default."""
        rows = [self.cases.index(case) for case in chosen or self.cases]
        return np.asarray(self.gaps[rows].max(axis=0))

    def entries(self, chosen: Sequence[str] | None = None) -> Vector:
        """Return how far entries are apart; number 0 is the right program."""
        starts = [block.start for block in blocks_of_entries()]
        by_row = np.minimum.reduceat(self.programs(chosen), starts, axis=0)
        apart = np.minimum.reduceat(by_row, starts, axis=1)
        np.fill_diagonal(apart, 0.0)  # an entry is not held against itself
        return np.asarray(apart)


def blocks_of_entries() -> list[slice]:
    """Return which programs are an entry's variants; first the right program alone."""
    blocks, start = [slice(0, 1)], 1
    for entry in entries():
        blocks.append(slice(start, start + len(entry.variants)))
        start += len(entry.variants)
    return blocks


def names() -> tuple[str, ...]:
    """Return the names of the blocks: ``right``, then the entries' ids."""
    return (RIGHT, *(entry.id for entry in entries()))


def measure(cases: Sequence[Case]) -> Distances:
    """Return how far apart the right program and all variants are on each case."""
    gaps = []
    for case in cases:
        right, table = predictions([case])
        table = np.nan_to_num(np.vstack([right, table]), nan=1e300, posinf=1e300, neginf=-1e300)
        gaps.append(largest_gaps(table.clip(-1e300, 1e300)))
    return Distances(tuple(case.id for case in cases), np.stack(gaps))


def classes(gaps: Vector, distance: float) -> int:
    """Return how many groups remain when programs up to a distance apart count as one."""
    left, count = set(range(len(gaps))), 0
    while left:
        count += 1
        reached = [left.pop()]
        while reached:
            near = left & set(np.flatnonzero(gaps[reached.pop()] <= distance).tolist())
            left -= near
            reached += near
    return count


def as_csv(distances: Distances) -> str:
    """Return the matrix of the entries on all cases, to three significant digits.

    0 stands for what differs by rounding alone, ``inf`` for what has run away.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["", *names()])
    for name, row in zip(names(), distances.entries(), strict=True):
        writer.writerow([name, *map(_short, row)])
    return file.getvalue()


def _short(value: float) -> str:
    if value <= SAME:
        return "0"
    return "inf" if value >= _OVERFLOW else f"{value:.3g}"
