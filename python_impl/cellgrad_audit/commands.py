"""The commands audit, probes and locate.

Declared apart from what they do, so that a page of help loads nothing else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cellgrad.errors import InputError, printable


def _audit_class() -> type[click.Command]:
    """Return the class of ``audit``: it must know whether words stood behind ``--``."""

    class Words(click.Command):
        """Remembers whether there was a ``--``."""

        def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
            ctx.meta["cellgrad.command"] = "--" in args
            return super().parse_args(ctx, args)

    return Words


@click.command(cls=_audit_class())
@click.argument("target", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--case",
    "cases",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="CASE.json",
    help="Ask this case instead of the probes; repeat for several. Needed for a trace file.",
)
@click.option(
    "--convention",
    "conventions",
    multiple=True,
    metavar="ID",
    help="A convention that the target follows (reference/bugs.md); repeat for several.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="For fixed-point code: numbers may lie so far from the right ones.",
)
@click.option(
    "--timeout",
    default=20.0,
    show_default=True,
    type=click.FloatRange(0, 86400, min_open=True),
    metavar="SECONDS",
    help="How long a program may take for a case.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--html", type=click.Path(path_type=Path), metavar="OUT", help="Write a page.")
@click.option(
    "--xlsx",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write a workbook: right and mistaken formulas beside the target's numbers.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write a certificate (JSON): verdict, scope, checksums.",
)
@click.pass_context
def audit(context: click.Context, /, **options: Any) -> int:
    """Audit TARGET: is its training step right, and if not, which mistake is it?

    TARGET is a command behind "--" (a case on its standard input, a trace on its standard
    output), module:function, torch:, jax:, keras: or sklearn: (alone, or followed by
    module:function), a folder of answered probes, a trace file (with --case), or the map
    of a workbook (.toml, see cellgrad locate).

    Exit codes: 0 right, 1 a mistake or an undeclared convention, 2 a case failed.
    """
    from cellgrad_audit.auditing import Options, audit_command  # noqa: PLC0415 - start-up time

    command = context.meta["cellgrad.command"]
    return audit_command(Options(command=command, **options))


@click.command()
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder to write.",
)
def probes(output: Path) -> int:
    """Write the probes for targets that cannot read JSON.

    Each as a case, a C header, and an answers.csv to fill; cellgrad audit DIR reads them.
    """
    from cellgrad_audit.handout import files_of, write_folder  # noqa: PLC0415 - start-up time
    from cellgrad_audit.probes import probes as shipped_probes  # noqa: PLC0415

    cases = shipped_probes()
    write_folder(output, files_of(cases))
    readme = output / "README.txt"
    line = f"wrote {len(cases)} probes to {output}; {readme} says how to fill them in"
    sys.stdout.write(printable(line) + "\n")
    return 0


@click.command()
@click.argument("workbook", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="MAP.toml",
    help="The map to write; by default beside the workbook.",
)
@click.option("--nodes", metavar="N,N,…", help="Nodes of each layer, such as 3,4,1.")
@click.option("--yes", is_flag=True, help="Take the best proposal, ask nothing.")
def locate(workbook: Path, output: Path | None, nodes: str | None, *, yes: bool) -> int:
    """Propose the map of somebody else's WORKBOOK: which cells hold which quantity.

    cellgrad audit MAP.toml then recalculates it, redraws its givens and compares.
    """
    return locate_command(workbook, output, nodes, yes=yes)


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
    from cellgrad.files import write_atomically  # noqa: PLC0415 - start-up time
    from cellgrad_audit.foreign.locate import propose  # noqa: PLC0415

    layers = _layers(nodes)
    path = output if output is not None else workbook.with_suffix(".map.toml")
    if output is None and path.exists():
        raise InputError("exists already", file=path, remedy="name another file with -o")
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    proposal = propose(workbook, path, _ask if asks else _first, nodes=layers)
    write_atomically(path, proposal.text.encode())
    for line in proposal.lines:
        sys.stdout.write(f"{printable(line)}\n")
    if proposal.complete:
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
    click.echo(printable(question), err=True)
    for n, option in enumerate(options, start=1):
        click.echo(f"  {n}  {printable(option)}", err=True)
    chosen: int = click.prompt("Which", type=click.IntRange(1, len(options)), default=1, err=True)
    return chosen - 1
