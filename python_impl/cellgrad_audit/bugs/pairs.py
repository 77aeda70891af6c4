"""Two mistakes: how far apart their predictions lie, and what both at once predict.

Two variants are told apart by final weights and biases alone where some component differs.
Seen from an answer: it is an entry's if one of its variants predicts the answer on every case.
So two entries are as far apart as their closest pair of variants, and a pair of variants is as
far apart as the case that separates it most.

What every pair of the catalogue predicts at once is computed beforehand: the index holds, for
each pair and probe, one number, a fixed projection of the final weights and biases. It only
finds candidates; whether a pair explains an answer is decided by running its program.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellgrad import shipped
from cellgrad.case.model import Case
from cellgrad.errors import InputError
from cellgrad_audit.bugs.catalogue import CONVENTION, MISTAKE, Variant, by_id, entries, variants
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


# two mistakes at once


_ALIKE = 1e-9
"""Projections that differ by no more, relative to their size, are the same mathematics."""

_LARGEST = float(np.finfo(np.float32).max) / 2
"""Projections from about here on are infinite in the index."""


@cache
def paired() -> tuple[Variant, ...]:
    """Return the variants that pairs are made of: mistakes and conventions."""
    return tuple(v for v in variants() if by_id()[v.entry].kind in (MISTAKE, CONVENTION))


def combined(first: Variant, second: Variant) -> type[Program]:
    """Return the program that makes both mistakes; the first has its way where both would."""
    name = f"{first.program.__name__}And{second.program.__name__}"
    return type(name, (first.program, second.program), {})


def pairs() -> Iterator[tuple[int, int]]:
    """Yield the pairs as indices into ``paired()``; both orders where these can differ."""
    everything = paired()
    for i, a in enumerate(everything):
        for j in range(i + 1, len(everything)):
            b = everything[j]
            if a.entry == b.entry:
                continue
            yield i, j
            if _seams(a.program) & _seams(b.program):
                yield j, i


def _seams(program: type[Program]) -> frozenset[str]:
    """Return the names of what a program replaces."""
    replaced: set[str] = set()
    for owner in program.__mro__:
        if owner is Program:
            break
        replaced |= {name for name, value in vars(owner).items() if callable(value)}
    return frozenset(replaced - {"__init__"})


def direction(length: int) -> Vector:
    """Return the fixed direction that vectors of this length are projected on."""
    numbers: Vector = np.cos(np.arange(1, length + 1) * 1.7) + 1.25
    return numbers


def projected(program: type[Program], case: Case) -> float:
    """Return the projection of a program's final parameters; NaN where one has no value."""
    with np.errstate(all="ignore"):
        try:
            vector = flat(program(case, keep=False).run())
        except (ArithmeticError, AttributeError, LookupError, ValueError):
            return float("nan")  # one takes away what the other builds on
        return float(vector @ direction(len(vector)))


@dataclass(frozen=True, slots=True)
class Index:
    """The projections of pairs.

    Attributes:
        first: per pair, the index of the mistake that has its way, shape (pairs,).
        second: per pair, the other's, shape (pairs,).
        probes: ids of the probes.
        values: shape (pairs, probes).
    """

    first: NDArray[np.uint16]
    second: NDArray[np.uint16]
    probes: tuple[str, ...]
    values: NDArray[np.float32]

    def candidates(
        self, projections: dict[str, float], near: float
    ) -> list[tuple[Variant, Variant]]:
        """Return the pairs whose projections are near on every probe that is given."""
        fits = np.ones(len(self.first), dtype=bool)
        for probe, value in projections.items():
            column = self.values[:, self.probes.index(probe)].astype(np.float64)
            beyond = np.isinf(column) & (column * value > 0) & (np.abs(value) > _LARGEST)
            with np.errstate(invalid="ignore"):
                fits &= beyond | (np.abs(column - value) <= near * (1 + np.abs(value)))
        everything = paired()
        return [
            (everything[self.first[row]], everything[self.second[row]])
            for row in np.flatnonzero(fits)
        ]


def build(cases: Sequence[Case]) -> bytes:
    """Return the index file of these cases, without the pairs that look like less.

    A pair is left out where it predicts the same as one mistake, or none, on every case.
    """
    everything = paired()
    lone = np.array([[projected(v.program, case) for case in cases] for v in everything])
    right = np.array([[projected(Program, case) for case in cases]])
    rows, values = [], []
    for i, j in pairs():
        program = combined(everything[i], everything[j])
        row = np.array([projected(program, case) for case in cases])
        if not np.isnan(row).all() and not _as(row, np.vstack([right, lone])):
            rows.append((i, j))
            values.append(row)
    file = io.BytesIO()
    with np.errstate(
        over="ignore"
    ):  # what leaves the range of a single is infinite, and fits nothing
        projections = np.array(values, dtype=np.float32)
    np.savez(
        file,
        first=np.array([i for i, _ in rows], dtype=np.uint16),
        second=np.array([j for _, j in rows], dtype=np.uint16),
        probes=np.array([case.id for case in cases]),
        variants=np.array([_name(v) for v in everything]),
        values=projections,
    )
    return file.getvalue()


def same(one: bytes, other: bytes) -> bool:
    """Whether two index files hold the same, roundings of single precision aside."""
    try:
        a, b = (np.load(io.BytesIO(data), allow_pickle=False) for data in (one, other))
        if sorted(a.files) != sorted(b.files):
            return False
        exact = all(np.array_equal(a[name], b[name]) for name in a.files if name != "values")
        return exact and np.allclose(a["values"], b["values"], rtol=1e-6, equal_nan=True)
    except ValueError:
        return False


def _as(row: Vector, others: Vector) -> bool:
    gap = np.abs(others - row) <= _ALIKE * (1 + np.abs(row))
    return bool((gap | (np.isnan(others) & np.isnan(row))).all(axis=1).any())


def _name(variant: Variant) -> str:
    return f"{variant.entry}/{variant.name}"


def path() -> Path:
    """Return where the index is shipped."""
    return shipped.folder("reference") / "probes" / "pairs.npz"


@cache
def shipped_index() -> Index:
    """Return the shipped index.

    Raises:
        InputError: it is missing, or belongs to another catalogue.
    """
    try:
        with np.load(path(), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise InputError("cannot be read", file=path(), remedy="install cellgrad again") from error
    if arrays["variants"].tolist() != [_name(v) for v in paired()]:
        raise InputError(
            "belongs to another catalogue",
            file=path(),
            remedy="rebuild it: python python_impl/regenerate.py pairs",
        )
    return Index(
        arrays["first"], arrays["second"], tuple(arrays["probes"].tolist()), arrays["values"]
    )
