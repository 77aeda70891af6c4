"""``cellgrad prove``: proves, certifies, and prints a table or JSON."""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from cellgrad import shipped
from cellgrad.cli.progress import progress_bar
from cellgrad.errors import InputError, printable
from cellgrad.report.verification import verdict_table
from cellgrad.xlsx.book import read_book

if TYPE_CHECKING:
    from cellgrad_proof.proof.workbook import ProofReport

SHOWN = 12
"""So many failures are printed for one workbook; --json lists all."""

_HEADINGS = ("workbook", "gradients", "proved", "identity", "certified", "")
_LONG = 150_000
"""Files of so many bytes together take long enough to show progress."""


def prove_command(workbooks: Sequence[Path], *, as_json: bool) -> int:
    """Prove workbooks and print what was found; return the exit code."""
    paths = list(workbooks) or shipped.workbooks()
    if not paths:
        raise InputError("no workbooks are shipped with this installation", remedy="name some")
    reports = _proved(paths)
    if as_json:
        answer = {
            "proved": all(report.holds for report in reports),
            "workbooks": [report.as_json() for report in reports],
        }
        sys.stdout.write(json.dumps(answer, allow_nan=False, indent=1) + "\n")
    else:
        print_reports(reports)
    return 0 if all(report.holds for report in reports) else 1


def _proved(paths: Sequence[Path]) -> list[ProofReport]:
    """Prove workbooks, and count which numbers of the proved ones are certified to 50 digits."""
    try:
        from cellgrad_proof.exact.certified import certify  # noqa: PLC0415 - extras
        from cellgrad_proof.proof.workbook import prove_book  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    reports = []
    with progress_bar("proving", len(paths), wanted=sum(map(_size, paths)) >= _LONG) as bar:
        for path in paths:
            book = read_book(path)
            report = prove_book(book)
            if report.holds:
                # a run is certified row by row from what the file stores, or from the givens alone
                stored = any(cells.stores_results() for cells in book.sheets.values())
                certified = certify(book, chained=not stored)
                report.certified, report.uncertified = len(certified.cells), len(certified.failed)
            reports.append(report)
            bar.advance(text=path.name)
    return reports


def _missing(error: ModuleNotFoundError) -> Exception:
    """Return what to tell who lacks a package; the error itself if it is none of ours."""
    if (error.name or "").partition(".")[0] not in ("sympy", "mpmath", "flint"):
        return error
    return InputError(
        f"proofs need the package {error.name}", remedy="run: pip install 'cellgrad[proof]'"
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading it will say what is wrong


def print_reports(reports: Sequence[ProofReport]) -> None:
    """Print a table, every failure with both sides, notes, and one line that says it all."""
    console = Console(highlight=False, soft_wrap=False)
    rows = [_row(report) for report in reports]
    console.print(verdict_table("from the workbooks' own formulas", _HEADINGS, rows))
    console.print()
    for report in reports:
        _print_failures(console, report)
    _print_notes(console, reports)
    console.print(_summary(reports))


def _row(report: ProofReport) -> list[str]:
    counts = (report.gradients, report.proved, report.identity_tested, report.certified)
    return [
        printable(report.path.stem),
        *(f"{count:,}" for count in counts),
        "✓" if report.holds else "✗",
    ]


def _print_failures(console: Console, report: ProofReport) -> None:
    """Print failures with both of their sides: what stands there, and what must."""
    if not report.failures:
        return
    console.print(Text(printable(str(report.path)), style="bold"))
    for failure in report.failures[:SHOWN]:
        console.print(Text(f"  {printable(failure.line())}"), soft_wrap=True)
        for name, text in (("holds", failure.formula), ("must be", failure.expected)):
            if text:
                console.print(Text(f"    {name:8}{printable(text)}"), soft_wrap=True)
    left = len(report.failures) - SHOWN
    if left > 0:
        console.print(f"  … and {left:,} more; --json lists them all")
    console.print()


def _print_notes(console: Console, reports: Sequence[ProofReport]) -> None:
    """Print every note once, and of which workbooks it is."""
    noted = defaultdict(list)
    for report in reports:
        for note in report.notes:
            noted[note].append(report.path.name)
    displays = sum(report.not_covered for report in reports)
    unknown = sum(report.uncertified for report in reports)
    if unknown:
        text = f"note: {unknown:,} cells have no value that could be certified"
        console.print(Text(text, style="dim"), soft_wrap=True)
    for note, names in noted.items():
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
