"""``cellgrad rehearse``."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from cellgrad.cli.progress import progress_bar
from cellgrad.errors import InputError, printable
from cellgrad_coursework.manifest_file import KEPT, manifest_path, read_manifest
from cellgrad_coursework.model import VERDICTS
from cellgrad_coursework.rehearsal.rehearse import (
    AS_ANOTHER,
    AS_MADE,
    NOT_NAMED,
    Rehearsal,
    rehearse,
)
from cellgrad_coursework.results.summary import counted
from cellgrad_coursework.running.runner import Settings

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
    inner = manifest_path(assignment_dir).parent
    with progress_bar("grading", count, unit="files") as bar:
        result = rehearse(
            manifest,
            inner.parent if inner.name == KEPT else inner,
            count,
            seed=seed,
            settings=Settings(feedback=False, jobs=jobs),
            progress=bar.show,
        )
    print_result(result, Console(highlight=False))
    return 0 if result.as_intended else 1


def print_result(result: Rehearsal, console: Console) -> None:
    """Print what was meant beside what was said, and how mistakes were named."""
    console.print(_matrix(result))
    console.print(_kinds(result))
    for line in _naming(result):
        console.print(line, markup=False)
    for line in result.surprises[:_SHOWN]:
        console.print(printable(line), markup=False)
    if len(result.surprises) > _SHOWN:
        console.print(f"and {len(result.surprises) - _SHOWN:,} more")
    verdict = "as intended" if result.as_intended else "NOT as intended"
    cells = counted(sum(result.verdicts.values()), "cell")
    console.print(f"{counted(result.students, 'student')}, {cells}: {verdict}")


def _naming(result: Rehearsal) -> list[str]:
    """Say how many of the catalogue's mistakes were named, and as what."""
    total = sum(result.named.values())
    if not total:
        return []
    words = {
        AS_MADE: "named as the mistake that was made",
        AS_ANOTHER: "named as another one whose formula computes the same in that cell",
        NOT_NAMED: "not named; the cell is wrong all the same",
    }
    made, cells = counted(len(result.made), "mistake"), counted(total, "cell")
    lines = [f"{made} of the catalogue, made in {cells}:"]
    lines += [f"  {result.named[way]:>6,}  {said}" for way, said in words.items()]
    return [*lines, ""]


def _matrix(result: Rehearsal) -> Table:
    """Return how often a cell meant one way (rows) was judged another (columns)."""
    got = [name for name in (*VERDICTS, "(none)")
           if any(pair[1] == name for pair in result.verdicts)]  # fmt: skip
    table = _table("cells: meant (rows), graded (columns)")
    table.add_column("", no_wrap=True)
    for name in got:
        table.add_column(name.replace("-constant", "-\nconstant"), justify="right", no_wrap=True)
    for name in VERDICTS:
        row = [result.verdicts.get((name, other), 0) for other in got]
        if any(row):
            table.add_row(name, *(f"{count:,}" if count else "·" for count in row))
    return table


def _kinds(result: Rehearsal) -> Table:
    table = _table("students")
    table.add_column("kind", no_wrap=True)
    table.add_column("graded", justify="right")
    table.add_column("as intended", justify="right")
    for kind, (count, fine) in result.kinds.items():
        table.add_row(kind, f"{count:,}", f"{fine:,}")
    for kind in result.left_out:
        table.add_row(kind, "left out", "nothing here for it")
    return table


def _table(title: str) -> Table:
    """Return an empty table that leaves room for all verdicts on a line of 80 characters."""
    return Table(title=title, box=box.SIMPLE, title_justify="left", padding=0)
