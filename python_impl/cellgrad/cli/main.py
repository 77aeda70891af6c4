"""The command ``cellgrad`` and its exit codes.

0 yes, 1 no, 2 the input could not be used (one line on standard error).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from cellgrad import __version__
from cellgrad.errors import InputError, printable

NO, UNUSABLE, INTERRUPTED = 1, 2, 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    no_args_is_help=False,
)
@click.version_option(__version__, prog_name="cellgrad")
def main() -> None:
    """Backpropagation you can check cell by cell.

    Exit codes: 0 yes, 1 no (a disagreement), 2 the input could not be used.
    """


@main.command()
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


@main.command()
@click.argument("workbooks", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def prove(workbooks: tuple[Path, ...], *, as_json: bool) -> int:
    """Prove from the formulas of WORKBOOKs that gradients are derivatives.

    Reads nothing but the files (by default all shipped ones). E must be the declared
    error of the declared network, each gradient cell the derivative of that E, and each
    new weight the declared update; for all numbers, not only for the present ones.
    The present numbers are then certified to 50 digits.
    """
    from cellgrad_proof.command import prove_command  # noqa: PLC0415 - start-up time

    return prove_command(workbooks, as_json=as_json)


@main.command()
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


@main.command()
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


@main.command()
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
def train(
    inputs: str | None,
    outputs: str | None,
    training_sheet: str | None,
    validation_sheet: str | None,
    **options: Any,
) -> int:
    """Train the network of a CASE, then validate it as the series does.

    Prints E on the way and the accuracy with a confusion table: class 1 where the
    output is above 0.5; with several outputs, the class of the largest.
    """
    from cellgrad_series.command import Options, train_command  # noqa: PLC0415 - start-up time
    from cellgrad_series.train.excel import Selection  # noqa: PLC0415

    selection = Selection(inputs, outputs, training_sheet, validation_sheet)
    return train_command(Options(selection=selection, **options))


def _audit_class() -> type[click.Command]:
    """Return the class of ``audit``: it must know whether words stood behind ``--``."""

    class Words(click.Command):
        """Remembers whether there was a ``--``."""

        def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
            ctx.meta["cellgrad.command"] = "--" in args
            return super().parse_args(ctx, args)

    return Words


@main.command(cls=_audit_class())
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


@main.command()
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


@main.command()
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


@main.command()
@click.argument("assignment", required=False, type=click.Path(path_type=Path))
@click.option(
    "--init",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a commented assignment and a sample roster to start from.",
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path),
    metavar="ROSTER",
    help="The students: a .csv or .xlsx, as it comes from Canvas or Moodle too.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder to write.",
)
@click.option(
    "--secret",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the secret is kept; made if it is not there. Default: beside the output.",
)
@click.option(
    "--for",
    "layout_for",
    metavar="LMS",
    help="Lay the workbooks out as the LMS takes them: moodle.",
)
@click.option("--worksheet/--no-worksheet", default=True, help="A sheet to print (LibreOffice).")
@click.option(
    "--kit",
    "kits",
    multiple=True,
    metavar="NAME",
    help="An autograder's kit too: gradescope, prairielearn or git; repeat for several.",
)
def assign(**options: Any) -> int:
    """Hand out an ASSIGNMENT: a workbook for each student, with numbers of their own.

    Begin with: cellgrad assign --init course
    """
    from cellgrad_coursework.commands.assign import Options, assign_command  # noqa: PLC0415 - start-up time

    return assign_command(Options(**options))


@main.command()
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option(
    "--assignment",
    "assignment_dir",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder that cellgrad assign wrote.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder to write; a run that was stopped goes on there.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="tidy, canvas, moodle, gradescope or prairielearn; several with commas.",
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path),
    metavar="ROSTER",
    help="A newer roster, such as one with a column of lateness.",
)
@click.option("--feedback/--no-feedback", default=True, help="Feedback for each student.")
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Processes; all cores by default."
)
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster (cellgrad[dask]).")
def grade(
    submissions: Path, assignment_dir: Path, output: Path, formats: tuple[str, ...], **options: Any
) -> int:
    """Grade SUBMISSIONS: a folder, a zip, or what an LMS lets you download.

    Every submission has a row in the gradebook; one that cannot be read has the reason.
    """
    from cellgrad_coursework.commands.grade import grade_command  # noqa: PLC0415 - start-up time

    if formats:
        options["formats"] = formats
    return grade_command(submissions, assignment_dir, output, **options)


@main.command()
@click.argument("assignment_dir", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-n", "count", default=100, show_default=True, type=click.IntRange(1), metavar="N")
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Processes; all cores by default."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), metavar="N")
def rehearse(assignment_dir: Path, count: int, **options: Any) -> int:
    """Grade N simulated students with known mistakes, before the real ones come.

    DIR is the folder that cellgrad assign wrote.
    """
    from cellgrad_coursework.commands.rehearse import rehearse_command  # noqa: PLC0415 - start-up time

    return rehearse_command(assignment_dir, count, **options)


def run() -> None:
    """Run the command line and exit with its code."""
    _prepare_streams()
    try:
        code = main(standalone_mode=False)
        sys.stdout.flush()  # here, where a failure can still be reported
    except InputError as error:
        _complain(error.line())
        code = UNUSABLE
    except click.Abort:
        code = INTERRUPTED
    except click.ClickException as error:
        _complain(" ".join(error.format_message().split()).rstrip(".") + "; see cellgrad --help")
        code = UNUSABLE
    except BrokenPipeError:
        _drop_output()  # the reader went away, as head does
        code = NO
    except OSError as error:
        _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}; make room, or write to another place")
        code = UNUSABLE
    except MemoryError:
        _complain("not enough memory for this; use a smaller file")
        code = UNUSABLE
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _prepare_streams() -> None:
    """Let no character of an answer or a file name be a reason to fail."""
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Keep Python from complaining at exit about what could not be written."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(line: str) -> None:
    """Write one line; control characters of a hostile name are made visible."""
    sys.stderr.write(f"cellgrad: {printable(line)}\n")
