"""The table workbook × engine, for a terminal, as JSON and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cellgrad.errors import printable
from cellgrad_proof.engines import NUMERIC, Exactness, Measured

_HEADINGS = ("workbook", "cells", "same bits", "within", "nearest", "ulp", "digits", "of B", "")


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
            "certified": {kind: _exactness(row.kinds[kind]) for kind in NUMERIC},
            "uncertified": row.uncertified,
        }
        for row in rows
    ]


def _exactness(found: Exactness) -> dict[str, Any]:
    return {
        "cells": found.cells,
        "nearest_double": found.nearest,
        "within_bound": found.inside,
        "worst_ulp": _finite(found.ulps),
        "correct_digits": _finite(found.digits),
        "worst_share_of_bound": _finite(found.share),
        "worst_cell": found.worst,
    }


def _finite(value: float) -> float | None:
    """Return a number, or null for infinity: JSON has none."""
    return value if math.isfinite(value) else None


def print_table(rows: Sequence[Measured]) -> None:
    """Print a table an engine, and what its columns mean."""
    console = Console(highlight=False, soft_wrap=False)
    for (engine, version), group in groupby(
        rows, key=lambda row: (row.report.engine, row.report.engine_version)
    ):
        title = f"{engine} {version}" if engine != "saved" else "values saved in the files"
        console.print(_table(title, list(group)))
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


def _table(title: str, rows: list[Measured]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(_HEADINGS[0], overflow="ellipsis", no_wrap=True)
    lines = [_line(row) for row in rows]
    for column, heading in enumerate(_HEADINGS[1:], start=1):
        width = max(len(heading), *(len(line[column]) for line in lines))
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    for line in lines:
        style = "green" if line[-1] == "✓" else "bold red"
        table.add_row(*line[:-1], Text(line[-1], style=style))
    return table


def _line(row: Measured) -> list[str]:
    report, step = row.report, row.kinds["step"]
    return [
        printable(report.path.stem),
        str(report.cells),
        str(report.bit_identical),
        str(report.within_bound),
        f"{step.nearest}/{step.cells}",
        shown_ulps(step.ulps),
        shown_digits(step.digits),
        f"{step.share:.2f}",
        "✓" if report.agrees and step.inside == step.cells else "✗",
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
        worst = max(measured, key=lambda row: row.kinds["step"].share)
        where = f"{worst.kinds['step'].worst} of {worst.report.path.stem}"
        lines.append(
            f"| {engine} | {version if engine != 'saved' else ''} "
            f"| {_sum(row.report.cells for row in measured)} "
            f"| {_sum(row.report.bit_identical for row in measured)} "
            f"| {_sum(row.report.within_bound for row in measured)} "
            f"| {_sum(step.nearest for step in steps)} of {_sum(step.cells for step in steps)} "
            f"| {worst.kinds['step'].share:.2f} | {where} |"
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
    return f"{other:,} · {shown_ulps(step.ulps)} · {shown_digits(step.digits)}"
