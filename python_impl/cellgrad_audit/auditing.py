"""Audit a target and report, as ``cellgrad audit`` does."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cellgrad.case.model import Case
from cellgrad.case.read import read_case
from cellgrad.cli.progress import progress_bar
from cellgrad.errors import InputError, printable
from cellgrad.files import write_atomically
from cellgrad_audit.probes import probes
from cellgrad_audit.result import (
    FAILED,
    INCONCLUSIVE,
    RIGHT,
    UNKNOWN_DIFFERENCE,
    UNSUPPORTED,
    Audit,
)
from cellgrad_audit.run import audit
from cellgrad_audit.targets import Target


@dataclass(frozen=True, slots=True)
class Options:
    """What an audit is asked for.

    Attributes:
        target: the words of the command line; of a command, those behind ``--``.
        command: whether they are a command.
        cases: case files to ask instead of the probes.
        conventions: ids of declared conventions.
        tolerance: the user's own, or None.
        timeout: seconds that a program gets for each case.
        as_json: print one JSON object.
        html: where to write the page.
        xlsx: where to write the workbook.
        certificate: where to write the certificate.
    """

    target: tuple[str, ...]
    command: bool
    cases: tuple[Path, ...] = ()
    conventions: tuple[str, ...] = ()
    tolerance: float | None = None
    timeout: float = 20.0
    as_json: bool = False
    html: Path | None = None
    xlsx: Path | None = None
    certificate: Path | None = None


def audit_command(options: Options) -> int:
    """Audit a target and report; return the exit code.

    Raises:
        InputError: there is no such target, or a file cannot be read or written.
    """
    with closing(_target(options)) as target, progress_bar("asking") as bar:
        result = audit(
            target,
            _cases(options, target),
            declared=options.conventions,
            tolerance=options.tolerance,
            progress=lambda text, done, total: bar.show(done, total, text),
        )
        _add_cells(result, target)
    result.command = _repeat_command(options)
    _print(result, as_json=options.as_json)
    _write(result, options)
    _complain(result)
    return result.code()


def _target(options: Options) -> Target:
    """Return what the words of the command line name."""
    if options.command:
        from cellgrad_audit.targets.command import CommandTarget  # noqa: PLC0415 - start-up time

        if not options.target:
            raise InputError("no command stands behind --", remedy="cellgrad audit -- ./program")
        return CommandTarget(list(options.target), timeout=options.timeout)
    if len(options.target) != 1:
        raise InputError(
            "one target is audited at a time",
            remedy="name one; a command with arguments stands behind --",
        )
    return _target_named(options.target[0], options)


def _target_named(word: str, options: Options) -> Target:
    from cellgrad_audit import adapters  # noqa: PLC0415 - start-up time

    adapter = adapters.create(word, timeout=options.timeout)
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

        if not options.cases:
            raise InputError(
                "a trace is audited with the case that it answers",
                file=path,
                remedy="name it with --case CASE.json",
            )
        return TraceFileTarget(path)
    if ":" in word:
        from cellgrad_audit.targets.function import FunctionTarget  # noqa: PLC0415

        return FunctionTarget(word, timeout=options.timeout)
    raise InputError(
        "no such file or folder, and no module:function",
        file=printable(word),
        remedy="a command to run stands behind --",
    )


def _cases(options: Options, target: Target) -> Sequence[Case]:
    """Return what is asked: the user's cases, the target's own, or the probes."""
    if options.cases:
        return [read_case(path) for path in options.cases]
    own = getattr(target, "cases", None)
    return own() if callable(own) else probes()


def _repeat_command(options: Options) -> str:
    """Return the command line that audits it again."""
    words = ["cellgrad", "audit"]
    for name, values in (("--case", options.cases), ("--convention", options.conventions)):
        for value in values:
            words += [name, str(value)]
    if options.tolerance is not None:
        words += ["--tolerance", f"{options.tolerance:g}"]
    words += ["--", *options.target] if options.command else options.target
    return shlex.join(words)


def _add_cells(result: Audit, target: Target) -> None:
    """Say of a workbook what no answer shows: addresses, typed numbers, what is refuted."""
    report_on = getattr(target, "report", None)
    if report_on is None:
        return
    report = report_on([probed.answer for probed in result.probes])
    result.notes += report.lines()
    if result.verdict in RIGHT and not report.agrees:
        result.verdict = UNKNOWN_DIFFERENCE


def _print(result: Audit, *, as_json: bool) -> None:
    if as_json:
        from cellgrad_audit.report.document import document  # noqa: PLC0415 - start-up time

        sys.stdout.write(json.dumps(document(result), allow_nan=False, indent=1) + "\n")
        return
    from rich.console import Console  # noqa: PLC0415 - start-up time

    from cellgrad_audit.report.terminal import print_audit  # noqa: PLC0415

    print_audit(result, Console(highlight=False))


def _write(result: Audit, options: Options) -> None:
    if options.html is not None:
        from cellgrad_audit.report.page import page  # noqa: PLC0415 - start-up time

        write_atomically(options.html, page(result).encode())
    if options.xlsx is not None:
        from cellgrad_audit.report.workbook import audit_workbook_bytes  # noqa: PLC0415

        write_atomically(options.xlsx, audit_workbook_bytes(result))
    if options.certificate is not None:
        from cellgrad_audit.report.document import certificate  # noqa: PLC0415

        text = json.dumps(certificate(result), allow_nan=False, indent=1, ensure_ascii=False)
        write_atomically(options.certificate, (text + "\n").encode())


def _complain(result: Audit) -> None:
    """Say on one line why the audit could not be finished."""
    failed = [probed for probed in result.probes if probed.status == FAILED]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        line = failed[0].answer.failure + more
    elif result.verdict == INCONCLUSIVE:
        reasons = [p.answer.unsupported for p in result.probes if p.status == UNSUPPORTED]
        why = f": {reasons[0]}" if reasons else ""
        line = f"{result.target}: no case could be run{why}; nothing was audited"
    else:
        return
    sys.stderr.write(f"cellgrad: {printable(' '.join(line.split()))}\n")
