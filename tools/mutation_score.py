"""The mutation score: every formula cell of every shipped workbook, changed in every way.

Each mutant is judged by the machinery of ``cellgrad prove``: caught, proved equivalent, or
missed. All shipped workbooks together write ``reference/mutants.md``. The exit code is 1 if
a mutant is missed.

    python tools/mutation_score.py [WORKBOOK…] [--workers N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools"), str(ROOT / "python_impl")]

from mutants.bench import CAUGHT, EQUAL, Bench, Tally, groups
from mutants.changes import OPERATORS
from mutants.judge import MISSED

REPORT = ROOT / "reference" / "mutants.md"
VERDICTS = (CAUGHT, EQUAL, MISSED)

MEANINGS = {
    "sign flipped": "+ for −, − for +, and −(…) around the whole",
    "part dropped": "a factor, a summand, an argument or a branch left out",
    "operator swapped": "· for /, / for ·, · for +, MAX for SUM, EXP for TANH, …",
    "branches exchanged": "the two results of IF",
    "comparison turned": "> for <, = for <>, …",
    "kink moved": ">= 0 for > 0, and back",
    "row shifted": "a reference one row up or down",
    "column shifted": "a reference one column left or right",
    "$ slipped": "a reference that should move with its row or column stays at the first, "
    "or one that should stay moves",
    "range cut": "a range without its last row or column",
    "old and new exchanged": "the new weight for the old one, and back",
    "constant added": "+ 0.001",
    "own value": "the formula =0.75… of its own value",
    "number for formula": "the value itself",
}


HEAD = """# Mutation score

Every formula cell of every shipped workbook that holds a number, changed in every way of the table
below, one change at a time, each reference and each operation in turn; and the machinery of
`cellgrad prove` asked whether the cell is still what the workbook's Map claims. `make mutants`
makes this page.

**{mutants} mutants of {cells} cells: {caught} caught, {equal} proved equivalent, {missed} missed.**

*Caught*: refused. *Proved equivalent*: proved to be the same function of the givens{identity}; that
it passes is no reason. Each of these is worked out at real points as well, and one whose value
differs there would count as missed.

Cells that are alike, seen from blocks of the same formulas, are judged once: {alike} kinds of cells
and {judgements} judgements stand for all. In `tests/laws/test_mutation_score.py` mutants drawn at
random are written into files, and `cellgrad prove` and `cellgrad verify` say of each file what was
said here. The {shown} formulas that show words are left to `cellgrad verify`; their mutants are in
`tests/laws/test_workbook_mutants.py`.
"""


def shipped() -> list[Path]:
    """Return every shipped workbook."""
    folder = ROOT / "spreadsheets"
    return sorted(folder.rglob("*.xlsx"), key=lambda path: path.relative_to(folder).as_posix())


def tally_of(path: Path) -> Tally:
    """Return the score of a workbook."""
    return Bench(path).tally()


def score(paths: Sequence[Path], workers: int, console: Console) -> list[Tally]:
    """Return the score of every workbook, in this order, and show how far it is."""
    found: dict[Path, Tally] = {}
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with (
        Progress(*columns, console=console, transient=True) as progress,
        ProcessPoolExecutor(max_workers=workers) as pool,
    ):
        task = progress.add_task("workbooks", total=len(paths))
        largest_first = sorted(paths, key=lambda path: -path.stat().st_size)
        futures = {pool.submit(tally_of, path): path for path in largest_first}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            progress.update(task, advance=1, description=futures[future].stem)
    return [found[path] for path in paths]


# tables


def rows(tallies: Sequence[Tally]) -> Iterator[tuple[str, ...]]:
    """Yield a line a workbook, and the totals."""
    for tally in tallies:
        counts = [tally.total(), *(tally.total(verdict) for verdict in VERDICTS)]
        numbers = [tally.cells, *counts, tally.judgements]
        yield tally.workbook, *(f"{n:,}" for n in numbers)
    sums = [sum(tally.cells for tally in tallies), sum(tally.total() for tally in tallies)]
    sums += [sum(tally.total(verdict) for tally in tallies) for verdict in VERDICTS]
    sums.append(sum(tally.judgements for tally in tallies))
    yield "all", *(f"{n:,}" for n in sums)


def by_operator(tallies: Sequence[Tally]) -> Iterator[tuple[str, ...]]:
    """Yield a line an operator."""
    counts: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        counts.update(tally.counts)
    for operator in OPERATORS:
        each = [counts[operator, verdict] for verdict in VERDICTS]
        yield operator, MEANINGS[operator], *(f"{n:,}" for n in (sum(each), *each))


def show(tallies: Sequence[Tally], console: Console) -> None:
    """Print the table."""
    table = Table(title="Mutants judged by prove")
    table.add_column("workbook", no_wrap=True)
    for name in ("cells", "mutants", "caught", "proved equivalent", "missed", "judgements", "s"):
        table.add_column(name, justify="right")
    *lines, totals = rows(tallies)
    for line, tally in zip(lines, tallies, strict=True):
        table.add_row(*line, f"{tally.seconds:.1f}")
    table.add_section()
    table.add_row(*totals, f"{sum(tally.seconds for tally in tallies):.0f}")
    console.print(table)
    for tally in tallies:
        for missed in tally.missed:
            console.print(f"missed, {missed}", markup=False, highlight=False, soft_wrap=True)


def markdown(tallies: Sequence[Tally]) -> str:
    """Return the table as it stands in reference/."""
    *lines, totals = rows(tallies)
    tested = sum(tally.tested for tally in tallies)
    shown = sum(tally.displays for tally in tallies)
    alike = sum(tally.alike for tally in tallies)
    identity = f", {tested:,} of them with the identity test" if tested else ""
    sums = dict(zip(("cells", "mutants", *VERDICTS, "judgements"), totals[1:], strict=True))
    text = [
        HEAD.format(**sums, identity=identity, alike=f"{alike:,}", shown=f"{shown:,}"),
        "## By operator",
        "",
        "| operator | what it does | mutants | caught | proved equivalent | missed |",
        "|---|---|---|---|---|---|",
        *("| " + " | ".join(line) + " |" for line in by_operator(tallies)),
        "",
        "## By workbook",
        "",
        "| workbook | cells | mutants | caught | proved equivalent | missed | judgements |",
        "|---|---|---|---|---|---|---|",
        *("| " + " | ".join(line) + " |" for line in lines),
        "| " + " | ".join(f"**{word}**" for word in totals) + " |",
        "",
        "## The equivalent ones",
        "",
        "| operator | why it is the same | mutants | in | such as |",
        "|---|---|---|---|---|",
    ]
    text += [
        f"| {operator} | {why} | {count:,} | `{name}` | `{example.replace('|', chr(92) + '|')}` |"
        for (operator, why, name), (count, example) in sorted(groups(list(tallies)).items())
    ]
    missed = [item for tally in tallies for item in tally.missed]
    if missed:
        text += ["", "## Missed", "", *(f"- `{item}`" for item in missed)]
    return "\n".join(text) + "\n"


def as_json(tallies: Sequence[Tally]) -> dict[str, Any]:
    """Return all of it as a JSON object."""
    return {
        "workbooks": [
            {
                "workbook": tally.workbook,
                "cells": tally.cells,
                "displays": tally.displays,
                "mutants": tally.total(),
                **{verdict: tally.total(verdict) for verdict in VERDICTS},
                "circular among those proved": tally.circular,
                "identity-tested": tally.tested,
                "kinds of cells": tally.alike,
                "judgements": tally.judgements,
                "seconds": round(tally.seconds, 2),
                "operators": {
                    operator: {verdict: tally.counts[operator, verdict] for verdict in VERDICTS}
                    for operator in OPERATORS
                },
                "missed mutants": tally.missed,
            }
            for tally in tallies
        ]
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 if a mutant is missed."""
    parser = argparse.ArgumentParser(description="Mutants of formulas, judged by prove.")
    parser.add_argument("workbooks", nargs="*", type=Path, metavar="WORKBOOK")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    console = Console()
    tallies = score(asked.workbooks or shipped(), max(1, asked.workers), console)
    show(tallies, console)
    if asked.json:
        asked.json.write_text(json.dumps(as_json(tallies), indent=1) + "\n", encoding="utf-8")
    if not asked.workbooks:
        REPORT.write_text(markdown(tallies), encoding="utf-8")
        console.print(f"written: {REPORT.relative_to(ROOT)}", highlight=False)
    return int(any(tally.missed for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
