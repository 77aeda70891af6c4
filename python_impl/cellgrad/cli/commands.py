"""The commands verify, build and trace.

Declared apart from what they do, so that a page of help loads nothing else.
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("workbooks", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME",
    help="formualizer (default), ironcalc, libreoffice, gnumeric, saved, or all installed; "
    "repeat for several.",
)
@click.option(
    "--table",
    is_flag=True,
    help="Measure each engine's numbers on values certified to 50 digits (cellgrad[proof]).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def verify(
    workbooks: tuple[Path, ...], engines: tuple[str, ...], *, table: bool, as_json: bool
) -> int:
    """Recalculate WORKBOOKs (all shipped ones by default) and compare every cell.

    The numbers in the yellow cells are taken from the file, the MLP computes the
    step from them, and every formula cell must agree: with these numbers and with
    at least five sets of random ones.
    """
    from cellgrad.cli.verify import verify_command  # noqa: PLC0415 - start-up time

    return verify_command(workbooks, engines, as_json=as_json, table=table)


@click.command()
@click.argument("case", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The .xlsx file to write.",
)
def build(case: Path, output: Path) -> int:
    """Write the workbook of a CASE file (.json) or a book (.toml), values stored.

    A case with one update becomes the sheets of a training step; one with many
    becomes an Epoch sheet with a row an update.
    """
    from cellgrad.cli.build import build_command  # noqa: PLC0415 - start-up time

    return build_command(case, output)


@click.command()
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a trace (reference/schema/) instead.")
@click.option(
    "--decimals",
    default=6,
    show_default=True,
    type=click.IntRange(0, 17),
    help="Digits after the point.",
)
@click.option(
    "--update",
    type=click.IntRange(1),
    help="Which update of a case with many; the first by default.",
)
def trace(case: Path, *, as_json: bool, decimals: int, update: int | None) -> int:
    """Print a training step of a CASE, quantity by quantity, numbers substituted."""
    from cellgrad.cli.trace import trace_command  # noqa: PLC0415 - start-up time

    return trace_command(case, as_json=as_json, decimals=decimals, update=update)
