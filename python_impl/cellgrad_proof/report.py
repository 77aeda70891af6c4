"""The answer of ``cellgrad prove``, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cellgrad.errors import printable
from cellgrad_proof.proof.result import Failure, ProofReport

SHOWN = 12
"""So many failures are printed for one workbook; --json lists all."""

_HEADINGS = ("workbook", "gradients", "proved", "identity", "certified", "")


def as_json(reports: Sequence[ProofReport]) -> dict[str, Any]:
    """Return the answer as one JSON object."""
    return {
        "proved": all(report.holds for report in reports),
        "workbooks": [report.as_json() for report in reports],
    }


def print_reports(reports: Sequence[ProofReport]) -> None:
    """Print a table, every failure with both sides, notes, and one line that says it all."""
    console = Console(highlight=False, soft_wrap=False)
    console.print(_table(reports))
    console.print()
    for report in reports:
        _print_failures(console, report)
    _print_notes(console, reports)
    console.print(_summary(reports))


def _table(reports: Sequence[ProofReport]) -> Table:
    table = Table(
        title="from the workbooks' own formulas",
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    rows = [_row(report) for report in reports]
    table.add_column(_HEADINGS[0], overflow="ellipsis", no_wrap=True)
    for column, heading in enumerate(_HEADINGS[1:], start=1):
        width = max(len(heading), *(len(row[column]) for row in rows))
        table.add_column(
            heading, justify="right" if heading else "left", no_wrap=True, min_width=width
        )
    for row in rows:
        table.add_row(*row[:-1], Text(row[-1], style="green" if row[-1] == "✓" else "bold red"))
    return table


def _row(report: ProofReport) -> list[str]:
    counts = (report.gradients, report.proved, report.identity_tested, report.certified)
    return [
        printable(report.path.stem),
        *(f"{count:,}" for count in counts),
        "✓" if report.holds else "✗",
    ]


def _print_failures(console: Console, report: ProofReport) -> None:
    if report.failures:
        console.print(Text(printable(str(report.path)), style="bold"))
    for failure in report.failures[:SHOWN]:
        _print_failure(console, failure)
    left = len(report.failures) - SHOWN
    if left > 0:
        console.print(f"  … and {left:,} more; --json lists them all")
    if report.failures:
        console.print()


def _print_failure(console: Console, failure: Failure) -> None:
    """Print a failure and both of its sides: what stands there, and what must."""
    console.print(Text(f"  {printable(failure.line())}"), soft_wrap=True)
    for name, text in (("holds", failure.formula), ("must be", failure.expected)):
        if text:
            console.print(Text(f"    {name:8}{printable(text)}"), soft_wrap=True)


def _print_notes(console: Console, reports: Sequence[ProofReport]) -> None:
    """Print every note once, and of which workbooks it is."""
    of: dict[str, list[str]] = {}
    for report in reports:
        for note in report.notes:
            of.setdefault(note, []).append(report.path.name)
    displays = sum(report.not_covered for report in reports)
    unknown = sum(report.uncertified for report in reports)
    if unknown:
        text = f"note: {unknown:,} cells have no value that could be certified"
        console.print(Text(text, style="dim"), soft_wrap=True)
    for note, names in of.items():
        if len(reports) > 1 and "display cells" in note:
            continue
        which = names[0] if len(names) == 1 else f"{len(names)} workbooks"
        console.print(Text(printable(f"note ({which}): {note}"), style="dim"), soft_wrap=True)
    if len(reports) > 1 and displays:
        text = f"note: {displays:,} display cells (texts and marks) are counted, not proved"
        console.print(Text(text, style="dim"), soft_wrap=True)


def _summary(reports: Sequence[ProofReport]) -> Text:
    many = f"{len(reports)} workbook{'s' if len(reports) != 1 else ''}"
    if not all(report.holds for report in reports):
        bad = sum(not report.holds for report in reports)
        failures = sum(len(report.failures) for report in reports)
        some = f"{failures:,} failure{'s' if failures != 1 else ''}"
        return Text(f"Refuted: {some} in {bad} of {many}.", style="bold red")
    gradients, proved, tested = (
        sum(getattr(report, name) for report in reports)
        for name in ("gradients", "proved", "identity_tested")
    )
    text = Text(f"Proved: {gradients:,} gradients in {many}, ", style="bold green")
    text.append(f"among {proved:,} cells proved")
    if tested:
        bound = math.fsum(report.error_bound for report in reports)
        exponent = math.floor(math.log2(bound)) + 1 if bound else -1_000
        text.append(f" and {tested:,} that pass the identity test (error below 2^{exponent})")
    certified = sum(report.certified for report in reports)
    if certified:
        text.append(f"; {certified:,} numbers certified to 50 digits")
    text.append(".")
    return text
