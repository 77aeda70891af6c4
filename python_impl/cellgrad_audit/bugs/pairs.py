"""Two mistakes at once: what every pair of the catalogue predicts, computed beforehand.

The index holds, for each pair and probe, one number: a fixed projection of the final weights
and biases. It only finds candidates; whether a pair explains an answer is decided by running
its program.
"""

from __future__ import annotations

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
from cellgrad_audit.bugs.catalogue import CONVENTION, MISTAKE, Variant, by_id, variants
from cellgrad_audit.bugs.distances import Vector, flat
from cellgrad_audit.bugs.program import Program

SAME = 1e-9
"""Projections that differ by no more, relative to their size, are the same mathematics."""

_LARGEST = float(np.finfo(np.float32).max) / 2
"""Projections from about here on are infinite in the index."""

_FRAME = ("__init__",)


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
    return frozenset(replaced - set(_FRAME))


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
    gap = np.abs(others - row) <= SAME * (1 + np.abs(row))
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
