"""The command ``cellgrad``, its exit codes, and the commands verify, build and trace.

0 yes, 1 no, 2 the input could not be used (one line on standard error).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import click

from cellgrad import __version__
from cellgrad.errors import InputError, printable
from cellgrad.shipped import is_here, load

NO, UNUSABLE, INTERRUPTED = 1, 2, 130

_COMMANDS = {
    "verify": ("cellgrad.cli.main", "Recalculate workbooks and compare every cell."),
    "prove": ("cellgrad_proof.commands", "Prove that gradients are derivatives."),
    "build": ("cellgrad.cli.main", "Write the workbook of a case or a book."),
    "trace": ("cellgrad.cli.main", "Print a training step, numbers substituted."),
    "train": ("cellgrad_series.commands", "Train a network, then validate it."),
    "audit": ("cellgrad_audit.commands", "Is a training step right? If not, what is wrong?"),
    "probes": ("cellgrad_audit.commands", "Write the probes for what cannot read JSON."),
    "locate": ("cellgrad_audit.commands", "Propose the map of somebody else's workbook."),
    "assign": ("cellgrad_coursework.commands", "Hand out workbooks with own numbers."),
    "grade": ("cellgrad_coursework.commands", "Grade what was handed in."),
    "rehearse": ("cellgrad_coursework.commands", "Grade simulated students first."),
}
"""Where each command is declared, and what it does: a page of help imports none of them."""

_OTHERS = "cellgrad.commands"
"""The entry points by which other packages add commands."""


class _Commands(click.Group):
    """Commands that are imported when they are called; a package may be missing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [
            name for name, (module, _) in _COMMANDS.items() if is_here(module.partition(".")[0])
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in names])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None where no package knows it.

        Raises:
            InputError: it belongs to a package that is not installed.
        """
        del ctx
        if cmd_name not in _COMMANDS:
            return _from_elsewhere(cmd_name)
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = load(f"{module}:{cmd_name}", f"cellgrad {cmd_name} needs")
        return command


def _from_elsewhere(name: str) -> click.Command | None:
    from importlib.metadata import entry_points  # noqa: PLC0415 - a scan, for unknown words only

    for entry in entry_points(group=_OTHERS, name=name):
        command: click.Command = entry.load()
        return command
    return None


@click.group(
    cls=_Commands,
    commands=[click.Command(name) for name in _COMMANDS],  # what a mistyped word is compared with
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    no_args_is_help=False,
)
@click.version_option(__version__, prog_name="cellgrad")
def main() -> None:
    """Backpropagation you can check cell by cell.

    Exit codes: 0 yes, 1 no (a disagreement), 2 the input could not be used.
    """


# what each does is imported when it is called: a page of help loads nothing else


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
    from cellgrad.build import build as build_file  # noqa: PLC0415 - start-up time
    from cellgrad.build import read_source  # noqa: PLC0415

    if output.suffix.lower() != ".xlsx":
        raise InputError("a workbook's name ends in .xlsx", file=output, remedy="rename the output")
    try:
        build_file(read_source(case), output)
    except InputError as error:
        raise error.within(case) from error
    except OSError as error:  # it is calculated in the folder for temporary files
        raise InputError(
            f"cannot be calculated ({error.strerror or error})",
            file=output,
            remedy="make room in the folder for temporary files",
        ) from error
    sys.stdout.write(printable(f"wrote {output}; now: cellgrad verify {output}") + "\n")
    return 0


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


# how it is run


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
        message = " ".join(error.format_message().split()).rstrip(".")
        context = getattr(error, "ctx", None)
        command = context.command.name if context and context.parent else None
        _complain(f"{message}; see {' '.join(filter(None, ('cellgrad', command)))} --help")
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
