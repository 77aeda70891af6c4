"""The commands audit, probes and locate.

Declared apart from what they do, so that a page of help loads nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


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
    from cellgrad_audit.commands.audit import Options, audit_command  # noqa: PLC0415 - start-up time

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
    from cellgrad_audit.commands.probes import probes_command  # noqa: PLC0415 - start-up time

    return probes_command(output)


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
    from cellgrad_audit.commands.locate import locate_command  # noqa: PLC0415 - start-up time

    return locate_command(workbook, output, nodes, yes=yes)
