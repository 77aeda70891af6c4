"""Workbook × engine: how exact each engine's numbers are, measured on certified values."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cellgrad.engines import create
from cellgrad.engines.interface import Arithmetic, Engine
from cellgrad.errors import InputError
from cellgrad.verify.result import Report
from cellgrad.xlsx.addresses import Place, a1
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import Claim, read_map
from cellgrad.xlsx.values import Value
from cellgrad_proof.exact.certified import Certified, CertifiedCell, Held, certify, stored_in

NUMERIC = ("step", "check")
"""Kinds of claims whose cells hold numbers of their own."""


@dataclass(slots=True)
class Exactness:
    """How near the numbers of one kind come to the certified ones.

    Attributes:
        cells: how many were compared.
        nearest: how many are the double nearest to the exact value.
        inside: how many are within their error bound.
        ulps: the largest distance, in units of the last place.
        digits: the fewest correct decimal digits; infinite if every number is exact.
        share: the largest error as a share of its bound.
        worst: the cell with the largest share.
    """

    cells: int = 0
    nearest: int = 0
    inside: int = 0
    ulps: float = 0.0
    digits: float = math.inf
    share: float = 0.0
    worst: str = ""

    def enter(self, cell: CertifiedCell, value: Value, bound: float) -> None:
        """Count one cell."""
        self.cells += 1
        if not isinstance(value, float):
            self.digits, self.ulps, self.share, self.worst = 0.0, math.inf, math.inf, _name(cell)
            return
        self.nearest += value == cell.nearest
        share = cell.share(value, bound)
        self.inside += share <= 1
        self.ulps = max(self.ulps, cell.ulps(value))
        self.digits = min(self.digits, cell.correct_digits(value))
        if share > self.share:
            self.share, self.worst = share, _name(cell)


@dataclass(slots=True)
class Measured:
    """One workbook in one engine.

    Attributes:
        report: what ``verify`` found.
        kinds: how exact the numbers are, by kind of claim.
        uncertified: cells that have a value but no certified one.
    """

    report: Report
    kinds: dict[str, Exactness] = field(
        default_factory=lambda: {kind: Exactness() for kind in NUMERIC}
    )
    uncertified: int = 0


def measure(reports: Sequence[Report]) -> Iterator[Measured]:
    """Measure every workbook in the engine that it was verified in, in the reports' order.

    Args:
        reports: of ``verify``, engine by engine.

    Raises:
        InputError: the certification's library is missing, or an engine failed.
    """
    known: dict[Path, _Workbook] = {}
    engine: Engine | None = None
    try:
        for report in reports:
            if engine is None or engine.name != report.engine:
                if engine is not None:
                    engine.close()
                engine = create(report.engine)
            if report.path not in known:
                known[report.path] = _Workbook(report.path)
            yield known[report.path].measured(report, engine)
    finally:
        if engine is not None:
            engine.close()


class _Workbook:
    """A workbook, certified once for each set of numbers that its runs start from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.book: Book = read_book(path)
        table = read_map(self.book)
        if table is None:
            raise InputError("has no Map", file=path)
        self.claims: list[Claim] = [c for c in table.claims if c.kind in NUMERIC]
        self._runs = {name for name, facts in table.parts.items() if facts.get("kind") == "run"}
        self._certified: dict[Hashable, Certified] = {}
        self._measured: dict[Hashable, Measured] = {}

    def measured(self, report: Report, engine: Engine) -> Measured:
        """Return how exact the engine's numbers are."""
        values = self._values(engine)
        key = (engine.arithmetic, tuple(values.values()))
        if key in self._measured:  # another engine gave the same numbers
            known = self._measured[key]
            return Measured(report, known.kinds, known.uncertified)
        found = self._measured[key] = Measured(report)
        certified = self._certify(values)
        for claim in self.claims:
            for place in _places(claim):
                cell = certified.cells.get(place)
                if cell is None:
                    found.uncertified += isinstance(values[place], float)
                    continue
                bound = _bound(certified, cell, engine.arithmetic)
                found.kinds[claim.kind].enter(cell, values[place], bound)
        return found

    def _values(self, engine: Engine) -> dict[Place, Value]:
        with engine.open(self.path) as workbook:
            blocks = workbook.read([claim.cells for claim in self.claims])
        return {
            (claim.cells.sheet, claim.cells.top + r, claim.cells.left + c): value
            for claim, block in zip(self.claims, blocks, strict=True)
            for r, row in enumerate(block)
            for c, value in enumerate(row)
        }

    def _certify(self, values: dict[Place, Value]) -> Certified:
        """Certify from where this engine's rows start; engines that agree share the work."""
        starts = tuple(
            values[place]
            for claim in self.claims
            if claim.part in self._runs
            for place in _places(claim)
        )
        if starts not in self._certified:
            self._certified[starts] = certify(self.book, held=_held(self.book, values))
        return self._certified[starts]


def _held(book: Book, values: dict[Place, Value]) -> Held:
    stored = stored_in(book)
    return lambda place: values[place] if place in values else stored(place)


def _places(claim: Claim) -> Iterator[Place]:
    area = claim.cells
    for row in range(area.top, area.bottom + 1):
        for column in range(area.left, area.right + 1):
            yield area.sheet, row, column


def _bound(certified: Certified, cell: CertifiedCell, arithmetic: Arithmetic) -> float:
    if arithmetic == Arithmetic():
        return cell.bound
    return certified.bound(cell.place, given_error=arithmetic.given_error, snap=arithmetic.snap)


def _name(cell: CertifiedCell) -> str:
    return f"{cell.place[0]}!{a1(*cell.place[1:])}"
