"""The answer of ``cellgrad verify``, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from cellgrad.errors import printable
from cellgrad.verify.result import COMPUTED, Report

SHOWN = 20
"""So many disagreements are printed for one workbook; --json lists all."""


def as_json(reports: Sequence[Report], left_out: Mapping[Path, str]) -> dict[str, Any]:
    """Return the answer as one JSON object.

    Args:
        reports: of what was verified.
        left_out: workbooks that could not be, and why.
    """
    answer: dict[str, Any] = {
        "agrees": all(report.agrees for report in reports),
        "workbooks": [
            {
                "path": str(report.path),
                "case": report.case,
                "engine": report.engine,
                "engine_version": report.engine_version,
                "agrees": report.agrees,
                "cells": report.cells,
                "bit_identical": report.bit_identical,
                "within_bound": report.within_bound,
                "kinds": {kind: list(counts) for kind, counts in report.kinds().items()},
                "worst": {"share_of_bound": report.worst, "cell": report.worst_cell},
                "redraws": report.draws,
                "notes": report.notes,
                "mismatches": [mismatch.as_json() for mismatch in report.mismatches],
            }
            for report in reports
        ],
    }
    if left_out:
        answer["not_verified"] = [
            {"path": str(path), "reason": reason} for path, reason in left_out.items()
        ]
    return answer


def print_reports(reports: Sequence[Report], left_out: Mapping[Path, str]) -> None:
    """Print a table an engine, every disagreement, and one line that says it all.

    Args:
        reports: of what was verified.
        left_out: workbooks that could not be, and why.
    """
    console = Console(highlight=False, soft_wrap=False)
    for engine, group in groupby(
        reports, key=lambda report: (report.engine, report.engine_version)
    ):
        console.print(_table(engine, list(group)))
        console.print()
    for report in reports:
        _print_mismatches(console, report)
    console.print(_summary(reports))
    for path, reason in left_out.items():
        text = printable(f"Not verified: {path.name}: {reason}")
        console.print(Text(text, style="bold yellow"), soft_wrap=True)


def _table(engine: tuple[str, str], reports: list[Report]) -> Table:
    name, version = engine
    title = f"recalculated by {name} {version}" if name != "saved" else "values saved in the files"
    headings = ["workbook", *COMPUTED, "same bits", "within", "worst", ""]
    rows = [_row(report) for report in reports]
    if not any(report.worst for report in reports):
        headings.remove("worst")
        rows = [[*row[:-2], row[-1]] for row in rows]
    return verdict_table(title, headings, rows, gap=1 if "worst" in headings else 2)


def verdict_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], *, gap: int = 2
) -> Table:
    """Return a table with a workbook a row: its name, numbers, and in the end ✓ or ✗."""
    table = Table(
        title=title, title_justify="left", box=None, pad_edge=False, padding=(0, gap, 0, 0)
    )
    table.add_column(headings[0], overflow="ellipsis", no_wrap=True)
    for column, heading in enumerate(headings[1:], start=1):
        # the counts keep their width; where space is short the names give way
        width = max(len(heading), *(len(row[column]) for row in rows))
        justify: JustifyMethod = "left" if heading in ("worst", "") else "right"
        table.add_column(heading, justify=justify, no_wrap=True, min_width=width)
    for row in rows:
        table.add_row(*row[:-1], Text(row[-1], style="green" if row[-1] == "✓" else "bold red"))
    return table


def _row(report: Report) -> list[str]:
    counts = [f"{good}/{total}" for good, total in report.kinds().values()]
    bits = [str(report.bit_identical), str(report.within_bound)]
    return [
        printable(report.path.stem),
        *counts,
        *bits,
        report.worst_cell,
        "✓" if report.agrees else "✗",
    ]


def _print_mismatches(console: Console, report: Report) -> None:
    if report.mismatches:
        console.print(Text(printable(f"{report.path} ({report.engine})"), style="bold"))
    for mismatch in report.mismatches[:SHOWN]:
        console.print(Text(f"  {printable(mismatch.line())}"), soft_wrap=True)
    left = len(report.mismatches) - SHOWN
    if left > 0:
        console.print(f"  … and {left:,} more; --json lists them all")
    for note in report.notes:
        console.print(
            Text(printable(f"  note ({report.path.name}): {note}"), style="dim"), soft_wrap=True
        )


def _summary(reports: Sequence[Report]) -> Text:
    cells = sum(report.cells for report in reports)
    exact = sum(report.bit_identical for report in reports)
    inside = sum(report.within_bound for report in reports)
    draws = sorted({report.draws for report in reports})
    redraws = f"{draws[0]}" if len(draws) == 1 else f"{draws[0]} to {draws[-1]}"
    books = len({report.path for report in reports})
    many = f"{books} workbook{'s' if books != 1 else ''}"
    if not all(report.agrees for report in reports):
        bad = sum(not report.agrees for report in reports)
        return Text(f"Disagreement in {bad} of {len(reports)} answers ({many}).", style="bold red")
    worst = max(reports, key=lambda report: report.worst)
    text = Text(f"Every cell agrees: {cells:,} cells in {many}, ", style="bold green")
    text.append(f"{exact:,} bit-identical, {inside:,} within bound")
    if worst.worst:
        text.append(f" (worst {worst.worst:.2f} of it, {worst.worst_cell} in {worst.path.name})")
    text.append(f"; with the given numbers and {redraws} random sets of others.")
    return text
