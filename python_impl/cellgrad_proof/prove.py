"""``cellgrad prove``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cellgrad import shipped
from cellgrad.cli.progress import progress_bar
from cellgrad.errors import InputError
from cellgrad.xlsx.book import Book, read_book

if TYPE_CHECKING:
    from cellgrad_proof.proof.result import ProofReport

_LONG = 150_000
"""Files of so many bytes together take long enough to show progress."""


def prove_command(workbooks: Sequence[Path], *, as_json: bool) -> int:
    """Prove workbooks and print what was found; return the exit code."""
    from cellgrad_proof.report import as_json as report_as_json  # noqa: PLC0415
    from cellgrad_proof.report import print_reports  # noqa: PLC0415

    paths = list(workbooks) or shipped.workbooks()
    if not paths:
        raise InputError("no workbooks are shipped with this installation", remedy="name some")
    reports = _proved(paths)
    if as_json:
        sys.stdout.write(json.dumps(report_as_json(reports), allow_nan=False, indent=1) + "\n")
    else:
        print_reports(reports)
    return 0 if all(report.holds for report in reports) else 1


def _proved(paths: Sequence[Path]) -> list[ProofReport]:
    try:
        from cellgrad_proof.proof.workbook import prove_workbooks  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    with progress_bar("proving", len(paths), wanted=sum(map(_size, paths)) >= _LONG) as bar:
        reports = []
        for path in paths:
            (report,) = prove_workbooks([path], lambda _: None)
            if report.holds:
                _certify(report)
            reports.append(report)
            bar.advance(text=path.name)
        return reports


def _certify(report: ProofReport) -> None:
    """Count which numbers of a proved workbook are certified to 50 digits."""
    try:
        from cellgrad_proof.exact.certified import certify  # noqa: PLC0415 - start-up time
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    book = read_book(report.path)
    # a run is certified row by row from what the file stores, or from the givens alone
    found = certify(book, chained=not _stores_results(book))
    report.certified, report.uncertified = len(found.cells), len(found.failed)


def _stores_results(book: Book) -> bool:
    """Tell whether a workbook has a stored value for any of its formulas."""
    return any(cells.stores_results() for cells in book.sheets.values())


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
