"""Workbook × engine: how exact each engine's numbers are, measured on certified values."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from cellgrad.engines import Arithmetic, Engine, create
from cellgrad.errors import InputError, printable
from cellgrad.formula.references import places_in
from cellgrad.report.verification import verdict_table
from cellgrad.verify.result import Report
from cellgrad.xlsx.addresses import Place, place_text
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import Claim, read_map
from cellgrad.xlsx.sheet import Value
from cellgrad_proof.exact.certified import Certified, CertifiedCell, Held, certify, stored_in

_HEADINGS = ("workbook", "cells", "same bits", "within", "nearest", "ulp", "digits", "of B", "")

NUMERIC = ("step", "check")
"""Kinds of claims whose cells hold numbers of their own."""


@dataclass(slots=True)
class Exactness:
    """How near the numbers of one kind come to the certified ones.

    Attributes:
        cells: how many were compared.
        nearest_double: how many are the double nearest to the exact value.
        within_bound: how many are within their error bound.
        worst_ulp: the largest distance, in units of the last place.
        correct_digits: the fewest correct decimal digits; infinite if every number is exact.
        worst_share_of_bound: the largest error as a share of its bound.
        worst_cell: the cell with the largest share.
    """

    cells: int = 0
    nearest_double: int = 0
    within_bound: int = 0
    worst_ulp: float = 0.0
    correct_digits: float = math.inf
    worst_share_of_bound: float = 0.0
    worst_cell: str = ""

    def enter(self, cell: CertifiedCell, value: Value, bound: float) -> None:
        """Count one cell; what is no number is infinitely wrong."""
        self.cells += 1
        share = ulps = math.inf
        digits = 0.0
        if isinstance(value, float):
            self.nearest_double += value == cell.nearest
            share, ulps = cell.share(value, bound), cell.ulps(value)
            digits = cell.correct_digits(value)
        self.within_bound += share <= 1
        self.worst_ulp = max(self.worst_ulp, ulps)
        self.correct_digits = min(self.correct_digits, digits)
        if share > self.worst_share_of_bound or not isinstance(value, float):
            self.worst_share_of_bound, self.worst_cell = share, place_text(cell.place)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object; null for infinity, which JSON has not."""
        return {k: None if v in (math.inf, -math.inf) else v for k, v in asdict(self).items()}


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
    workbook_of = cache(_Workbook)
    for name, group in groupby(reports, key=lambda report: report.engine):
        with closing(create(name)) as engine:
            for report in group:
                yield workbook_of(report.path).measured(report, engine)


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
            for place in places_in(claim.cells):
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
            for place in places_in(claim.cells)
        )
        if starts not in self._certified:
            self._certified[starts] = certify(self.book, held=_held(self.book, values))
        return self._certified[starts]


def _held(book: Book, values: dict[Place, Value]) -> Held:
    stored = stored_in(book)
    return lambda place: values[place] if place in values else stored(place)


def _bound(certified: Certified, cell: CertifiedCell, arithmetic: Arithmetic) -> float:
    if arithmetic == Arithmetic():
        return cell.bound
    return certified.bound(cell.place, given_error=arithmetic.given_error, snap=arithmetic.snap)


def table_as_json(rows: Sequence[Measured]) -> list[dict[str, Any]]:
    """Return one object for each workbook and engine."""
    return [
        {
            "path": str(row.report.path),
            "engine": row.report.engine,
            "engine_version": row.report.engine_version,
            "cells": row.report.cells,
            "bit_identical": row.report.bit_identical,
            "within_bound": row.report.within_bound,
            "certified": {kind: row.kinds[kind].as_json() for kind in NUMERIC},
            "uncertified": row.uncertified,
        }
        for row in rows
    ]


def print_table(rows: Sequence[Measured]) -> None:
    """Print a table an engine, and what its columns mean."""
    console = Console(highlight=False, soft_wrap=False)
    for (engine, version), group in groupby(
        rows, key=lambda row: (row.report.engine, row.report.engine_version)
    ):
        title = f"{engine} {version}" if engine != "saved" else "values saved in the files"
        console.print(verdict_table(title, _HEADINGS, [_line(row) for row in group], gap=1))
        console.print()
    console.print(
        Text(
            "same bits, within: all cells against the MLP, with every draw. nearest, ulp, "
            "digits, of B: cells of the step against their certified values: how many are the "
            "nearest double; the largest error in units of the last place; the fewest correct "
            "digits (all: exact); the largest error as a share of its bound.",
            style="dim",
        )
    )


def _line(row: Measured) -> list[str]:
    report, step = row.report, row.kinds["step"]
    return [
        printable(report.path.stem),
        str(report.cells),
        str(report.bit_identical),
        str(report.within_bound),
        f"{step.nearest_double}/{step.cells}",
        shown_ulps(step.worst_ulp),
        shown_digits(step.correct_digits),
        f"{step.worst_share_of_bound:.2f}",
        "✓" if report.agrees and step.within_bound == step.cells else "✗",
    ]


def shown_ulps(value: float) -> str:
    """Return a number of units of the last place in few characters."""
    if math.isinf(value):  # the exact value is 0, and this one is not
        return "∞"
    if value and value < 0.05:
        return "<0.1"
    if value < 100:
        return f"{value:.1f}"
    return f"{value:.0f}" if value < 10_000 else f"{value:.0e}".replace("e+", "e")


def shown_digits(value: float) -> str:
    """Return a number of correct digits, rounded down."""
    return "all" if math.isinf(value) else f"{math.floor(value * 10) / 10:.1f}"


# for reference/engines.md


def markdown(rows: Sequence[Measured]) -> str:
    """Return the two tables of ``reference/engines.md``: by engine, and by workbook."""
    return f"{_by_engine(rows)}\n\n{_by_workbook(rows)}"


def _by_engine(rows: Sequence[Measured]) -> str:
    lines = [
        "| engine | version | cells | same bits | within bound | nearest double | most of B | in |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (engine, version), group in groupby(
        rows, key=lambda row: (row.report.engine, row.report.engine_version)
    ):
        measured = list(group)
        steps = [row.kinds["step"] for row in measured]
        worst = max(measured, key=lambda row: row.kinds["step"].worst_share_of_bound)
        where = f"{worst.kinds['step'].worst_cell} of {worst.report.path.stem}"
        lines.append(
            f"| {engine} | {version if engine != 'saved' else ''} "
            f"| {_sum(row.report.cells for row in measured)} "
            f"| {_sum(row.report.bit_identical for row in measured)} "
            f"| {_sum(row.report.within_bound for row in measured)} "
            f"| {_sum(step.nearest_double for step in steps)} "
            f"of {_sum(step.cells for step in steps)} "
            f"| {worst.kinds['step'].worst_share_of_bound:.2f} | {where} |"
        )
    return "\n".join(lines)


def _sum(counts: Iterable[int]) -> str:
    return f"{sum(counts):,}"


def _by_workbook(rows: Sequence[Measured]) -> str:
    engines = list(dict.fromkeys(row.report.engine for row in rows))
    paths = list(dict.fromkeys(row.report.path for row in rows))
    known = {(row.report.path, row.report.engine): row for row in rows}
    lines = [
        f"| workbook | cells | {' | '.join(engines)} |",
        "|---|---|" + "---|" * len(engines),
    ]
    for path in paths:
        found = [known[path, engine] for engine in engines if (path, engine) in known]
        cells = " | ".join(_in_one(row) for row in found)
        lines.append(f"| {path.stem} | {found[0].report.cells:,} | {cells} |")
    return "\n".join(lines)


def _in_one(row: Measured) -> str:
    step = row.kinds["step"]
    other = row.report.cells - row.report.bit_identical
    return f"{other:,} · {shown_ulps(step.worst_ulp)} · {shown_digits(step.correct_digits)}"
