"""``cellgrad locate``."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from cellgrad.errors import InputError, printable
from cellgrad.files import write_atomically

_MOST_LAYERS, _MOST_NODES = 20, 1_000


def locate_command(workbook: Path, output: Path | None, nodes: str | None, *, yes: bool) -> int:
    """Propose the map of somebody else's workbook and write it; return the exit code.

    0: the map is whole, and the audit accepts it. 1: it has open places to fill.

    Args:
        workbook: the file.
        output: where the map goes; beside the workbook by default.
        nodes: the network's layers, such as ``3,4,1``, if they are known.
        yes: take the likeliest answer to every question.

    Raises:
        InputError: the workbook cannot be used, or the map exists already.
    """
    from cellgrad_audit.foreign.locate import propose  # noqa: PLC0415 - start-up time

    layers = _layers(nodes)
    path = output if output is not None else workbook.with_suffix(".map.toml")
    if output is None and path.exists():
        raise InputError("exists already", file=path, remedy="name another file with -o")
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    found = propose(workbook, path, _ask if asks else _first, nodes=layers)
    write_atomically(path, found.text.encode())
    for line in found.lines:
        sys.stdout.write(f"{printable(line)}\n")
    if found.complete:
        sys.stdout.write(f"written: {path}\nlook at it, then: cellgrad audit {path}\n")
        return 0
    sys.stdout.write(f"written with open places: {path}\n")
    return 1


def _layers(nodes: str | None) -> list[int] | None:
    if nodes is None:
        return None
    parts = re.split(r"\s*[,x-]\s*", nodes.strip())
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 5]
    if (
        len(numbers) != len(parts)
        or not 2 <= len(numbers) <= _MOST_LAYERS
        or not all(1 <= n <= _MOST_NODES for n in numbers)
    ):
        raise InputError(
            f"{nodes[:40]!r} are no layers", place="--nodes", remedy="write them like 3,4,1"
        )
    return numbers


def _first(question: str, options: Sequence[str]) -> int:
    """Take the likeliest answer."""
    del question, options
    return 0


def _ask(question: str, options: Sequence[str]) -> int:
    """Ask on the terminal; the likeliest answer is the default."""
    import click  # noqa: PLC0415 - start-up time

    click.echo(printable(question), err=True)
    for n, option in enumerate(options, start=1):
        click.echo(f"  {n}  {printable(option)}", err=True)
    chosen: int = click.prompt("Which", type=click.IntRange(1, len(options)), default=1, err=True)
    return chosen - 1
