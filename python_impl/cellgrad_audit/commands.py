"""The commands audit, probes and locate; a page of help loads nothing of what they do."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellgrad.errors import InputError, printable

if TYPE_CHECKING:
    from cellgrad_audit.result import Audit
    from cellgrad_audit.targets import Target


class _Words(click.Command):
    """Remembers whether there was a ``--``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["cellgrad.command"] = "--" in args
        return super().parse_args(ctx, args)


@click.command(cls=_Words)
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
def audit(
    context: click.Context,
    /,
    target: tuple[str, ...],
    cases: tuple[Path, ...],
    conventions: tuple[str, ...],
    tolerance: float | None,
    timeout: float,
    html: Path | None,
    xlsx: Path | None,
    certificate: Path | None,
    *,
    as_json: bool,
) -> int:
    """Audit TARGET: is its training step right, and if not, which mistake is it?

    TARGET is a command behind "--" (a case on its standard input, a trace on its standard
    output), module:function, torch:, jax:, keras: or sklearn: (alone, or followed by
    module:function), a folder of answered probes, a trace file (with --case), or the map
    of a workbook (.toml, see cellgrad locate).

    Exit codes: 0 right, 1 a mistake or an undeclared convention, 2 a case failed.
    """
    from cellgrad.case.model import read_case  # noqa: PLC0415 - start-up time
    from cellgrad.cli.progress import progress_bar  # noqa: PLC0415
    from cellgrad_audit.run import add_report  # noqa: PLC0415
    from cellgrad_audit.run import audit as audit_target  # noqa: PLC0415

    is_command = context.meta["cellgrad.command"]
    audited = _target(target, timeout, is_command=is_command, has_cases=bool(cases))
    with closing(audited), progress_bar("asking") as bar:
        result = audit_target(
            audited,
            [read_case(path) for path in cases] or audited.cases(),
            declared=conventions,
            tolerance=tolerance,
            progress=lambda text, done, total: bar.show(done, total, text),
        )
        add_report(result, audited)
    words = ["cellgrad", "audit"]
    for name, values in (("--case", cases), ("--convention", conventions)):
        for value in values:
            words += [name, str(value)]
    if tolerance is not None:
        words += ["--tolerance", f"{tolerance:g}"]
    result.command = shlex.join([*words, *(["--"] if is_command else []), *target])
    _print(result, as_json=as_json)
    _write(result, html, xlsx, certificate)
    complaint = result.complaint()
    if complaint:
        sys.stderr.write(f"cellgrad: {printable(complaint)}\n")
    return result.code()


def _target(words: tuple[str, ...], timeout: float, *, is_command: bool, has_cases: bool) -> Target:
    """Return what the words of the command line name.

    Raises:
        InputError: there is no such target.
    """
    if is_command:
        from cellgrad_audit.targets.command import CommandTarget  # noqa: PLC0415 - start-up time

        return CommandTarget(words, timeout=timeout)
    if len(words) != 1:
        raise InputError(
            "one target is audited at a time",
            remedy="name one; a command with arguments stands behind --",
        )
    from cellgrad_audit import adapters  # noqa: PLC0415 - start-up time

    word = words[0]
    adapter = adapters.create(word, timeout=timeout)
    if adapter is not None:
        return adapter
    path = Path(word)
    if path.is_dir():
        from cellgrad_audit.targets.folder import FolderTarget  # noqa: PLC0415

        return FolderTarget(path)
    suffix = path.suffix.lower()
    if suffix == ".toml":
        from cellgrad_audit.foreign.target import WorkbookTarget  # noqa: PLC0415

        return WorkbookTarget(path)
    if suffix == ".xlsx":
        raise InputError(
            "a workbook is audited through a map of its cells",
            file=path,
            remedy=f"write one with: cellgrad locate {path.name} -o map.toml",
        )
    if suffix == ".json" or path.is_file():
        from cellgrad_audit.reading import TraceFileTarget  # noqa: PLC0415

        if not has_cases:
            raise InputError(
                "a trace is audited with the case that it answers",
                file=path,
                remedy="name it with --case CASE.json",
            )
        return TraceFileTarget(path)
    if ":" in word:
        from cellgrad_audit.targets.function import FunctionTarget  # noqa: PLC0415

        return FunctionTarget(word, timeout=timeout)
    raise InputError(
        "no such file or folder, and no module:function",
        file=printable(word),
        remedy="a command to run stands behind --",
    )


def _print(result: Audit, *, as_json: bool) -> None:
    if as_json:
        from cellgrad_audit.report.document import document  # noqa: PLC0415 - start-up time

        sys.stdout.write(json.dumps(document(result), allow_nan=False, indent=1) + "\n")
        return
    from rich.console import Console  # noqa: PLC0415 - start-up time

    from cellgrad_audit.report.terminal import print_audit  # noqa: PLC0415

    print_audit(result, Console(highlight=False))


def _write(result: Audit, html: Path | None, xlsx: Path | None, certificate: Path | None) -> None:
    from cellgrad.files import write_atomically  # noqa: PLC0415 - start-up time

    if html is not None:
        from cellgrad_audit.report.page import page  # noqa: PLC0415 - start-up time

        write_atomically(html, page(result).encode())
    if xlsx is not None:
        from cellgrad_audit.report.workbook import audit_workbook_bytes  # noqa: PLC0415

        write_atomically(xlsx, audit_workbook_bytes(result))
    if certificate is not None:
        from cellgrad_audit.report import document  # noqa: PLC0415

        text = json.dumps(
            document.certificate(result), allow_nan=False, indent=1, ensure_ascii=False
        )
        write_atomically(certificate, (text + "\n").encode())


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


_MOST_LAYERS, _MOST_NODES = 20, 1_000


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
