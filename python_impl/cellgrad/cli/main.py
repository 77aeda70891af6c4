"""The command ``cellgrad`` and its exit codes.

0 yes, 1 no, 2 the input could not be used (one line on standard error).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys

import click

from cellgrad import __version__
from cellgrad.errors import InputError, printable
from cellgrad.packages import is_here, load

NO, UNUSABLE, INTERRUPTED = 1, 2, 130

_COMMANDS = {
    "verify": ("cellgrad.cli.commands", "Recalculate workbooks and compare every cell."),
    "prove": ("cellgrad_proof.commands", "Prove that gradients are derivatives."),
    "build": ("cellgrad.cli.commands", "Write the workbook of a case or a book."),
    "trace": ("cellgrad.cli.commands", "Print a training step, numbers substituted."),
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
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    no_args_is_help=False,
)
@click.version_option(__version__, prog_name="cellgrad")
def main() -> None:
    """Backpropagation you can check cell by cell.

    Exit codes: 0 yes, 1 no (a disagreement), 2 the input could not be used.
    """


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
