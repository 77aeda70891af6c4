"""The command train.

Declared apart from what they do, so that a page of help loads nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("case", required=False, type=click.Path(path_type=Path))
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Instead of the case's.")
@click.option("--learning-rate", type=float, metavar="X", help="Instead of the case's.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    help="Draw the starting weights, above -1 and below 1; the same seed gives the same "
    "result. Default: the weights of the case (without a CASE: seed 1).",
)
@click.option(
    "--kernel",
    default="auto",
    metavar="NAME",
    help="auto (default), compiled, plain or vectorised.",
)
@click.option(
    "--from-excel",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="TRAINING VALIDATION",
    help="Take the samples from two .xlsx files (or one, with two sheets); without a CASE "
    "the network is that of the series.",
)
@click.option("--inputs", metavar="COLUMNS", help="Headings, letters or positions: x1,x2  A-C  1-3")
@click.option(
    "--output",
    "outputs",
    metavar="COLUMNS",
    help="The same for the target. Default: the columns headed output, target, expected, "
    "class or label; else the last.",
)
@click.option("--training-sheet", metavar="NAME", help="Default: the first that holds numbers.")
@click.option("--validation-sheet", metavar="NAME", help="The same for the validation file.")
@click.option(
    "--hidden",
    type=click.IntRange(1),
    metavar="N",
    help="Hidden nodes of the series' network (default 4); only without a CASE.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="OUT.json",
    help="Write the final weights and the errors as a trace (reference/schema/).",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="OUT.png",
    help="Draw the error and what was learnt (.png, .svg or .pdf).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def train(**options: Any) -> int:
    """Train the network of a CASE, then validate it as the series does.

    Prints E on the way and the accuracy with a confusion table: class 1 where the
    output is above 0.5; with several outputs, the class of the largest.
    """
    from cellgrad_series.train.command import Options, train_command  # noqa: PLC0415 - start-up time

    return train_command(Options(**options))
