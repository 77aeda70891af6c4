"""The command prove.

Declared apart from what they do, so that a page of help loads nothing else.
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("workbooks", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def prove(workbooks: tuple[Path, ...], *, as_json: bool) -> int:
    """Prove from the formulas of WORKBOOKs that gradients are derivatives.

    Reads nothing but the files (by default all shipped ones). E must be the declared
    error of the declared network, each gradient cell the derivative of that E, and each
    new weight the declared update; for all numbers, not only for the present ones.
    The present numbers are then certified to 50 digits.
    """
    from cellgrad_proof.prove import prove_command  # noqa: PLC0415 - start-up time

    return prove_command(workbooks, as_json=as_json)
