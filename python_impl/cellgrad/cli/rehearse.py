"""``cellgrad rehearse``."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from cellgrad.cli.grade import progress_bar
from cellgrad.coursework.manifest_file import read_manifest
from cellgrad.coursework.model import VERDICTS
from cellgrad.coursework.rehearse import Rehearsal, rehearse
from cellgrad.coursework.runner import Settings
from cellgrad.errors import InputError, printable

_SHOWN = 20


def rehearse_command(
    assignment_dir: Path, count: int = 100, *, jobs: int | None = None, seed: int = 1
) -> int:
    """Grade simulated students and print what was meant beside what was said.

    Args:
        assignment_dir: what ``cellgrad assign`` wrote.
        count: how many students.
        jobs: how many processes; None for all cores.
        seed: of what is drawn.

    Returns:
        0 if everything was graded as intended, else 1.

    Raises:
        InputError: there is no assignment, or its handouts are missing.
    """
    if count < 1:
        raise InputError("must be 1 or more", place="-n", remedy="try -n 100")
    manifest = read_manifest(assignment_dir)
    with progress_bar(count) as progress:
        result = rehearse(
            manifest,
            assignment_dir,
            count,
            seed=seed,
            settings=Settings(feedback=False, jobs=jobs),
            progress=progress,
        )
    _print(result)
    return 0 if result.as_intended else 1


def _print(result: Rehearsal) -> None:
    console = Console(highlight=False)
    console.print(_matrix(result))
    console.print(_kinds(result))
    for line in result.surprises[:_SHOWN]:
        console.print(printable(line), markup=False)
    if len(result.surprises) > _SHOWN:
        console.print(f"and {len(result.surprises) - _SHOWN:,} more")
    cells = sum(result.verdicts.values())
    verdict = "as intended" if result.as_intended else "NOT as intended"
    console.print(f"{result.students:,} students, {cells:,} cells: {verdict}")


def _matrix(result: Rehearsal) -> Table:
    """Return how often a cell meant one way (rows) was judged another (columns)."""
    got = [name for name in (*VERDICTS, "(none)")
           if any(pair[1] == name for pair in result.verdicts)]  # fmt: skip
    table = Table(
        title="cells: meant (rows), graded (columns)", box=box.SIMPLE, title_justify="left"
    )
    table.add_column("")
    for name in got:
        table.add_column(name, justify="right")
    for name in VERDICTS:
        row = [result.verdicts.get((name, other), 0) for other in got]
        if any(row):
            table.add_row(name, *(f"{count:,}" if count else "·" for count in row))
    return table


def _kinds(result: Rehearsal) -> Table:
    table = Table(title="students", box=box.SIMPLE, title_justify="left")
    table.add_column("kind")
    table.add_column("graded", justify="right")
    table.add_column("as intended", justify="right")
    for kind, (count, fine) in result.kinds.items():
        table.add_row(kind, f"{count:,}", f"{fine:,}")
    return table
