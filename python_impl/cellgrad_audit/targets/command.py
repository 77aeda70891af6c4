"""A command as a target: a case on its standard input, a trace on its standard output."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import time
from collections.abc import Sequence

from cellgrad.case.model import Case
from cellgrad.case.write import case_document
from cellgrad.documents import shortened
from cellgrad.errors import InputError, printable
from cellgrad_audit.answer import Answer
from cellgrad_audit.reading import read_answer
from cellgrad_audit.targets import Patience, process

SECONDS = 20.0
_MOST_NAME, _MOST_LINE, _MOST_BEGINNING = 120, 200, 40


class CommandTarget:
    """Runs a command once for each case; see ``process`` for the limits.

    On Windows a process that the command leaves behind is not ended.

    Args:
        words: the command and its arguments; no shell reads them.
        timeout: seconds that one case may take.

    Raises:
        InputError: there is no such command.
    """

    declared: tuple[str, ...] = ()

    def __init__(self, words: Sequence[str], timeout: float = SECONDS) -> None:
        if not words:
            raise InputError("no command stands behind --", remedy="cellgrad audit -- ./program")
        self.name = printable(shortened(shlex.join(words), _MOST_NAME))
        if any("\0" in word for word in words):
            raise InputError("holds a NUL character", file=self.name)
        if not timeout > 0:
            raise InputError("a time limit is a positive number of seconds", file=self.name)
        program = shutil.which(words[0])
        if program is None:
            raise InputError(
                "command not found, or not executable",
                file=printable(shortened(words[0], _MOST_NAME)),
                remedy="check its name and its permissions",
            )
        self._words = [program, *words[1:]]
        self._patience = Patience(timeout)

    def answer(self, case: Case) -> Answer:
        """Run a case."""
        if self._patience.lost:
            return Answer(case, failure=f"{case.id}: {self._patience.refusal()}")
        given = json.dumps(case_document(case)).encode() + b"\n"
        started = time.perf_counter()
        try:
            finished = process.run(self._words, given, self._patience.seconds)
        except OSError as error:
            return _failed(case, f"cannot be run ({error.strerror or error})")
        seconds = time.perf_counter() - started
        if finished.limit == process.OVERTIME:
            return _failed(case, self._patience.waited() + _last_line(finished.errors), seconds)
        self._patience.answered()
        trouble = _trouble(finished)
        if trouble:
            return _failed(case, trouble + _last_line(finished.errors), seconds)
        try:
            answer = read_answer(case, finished.output, whole=True)
        except InputError as error:
            said = error.line() + _beginning(error, finished.output) + _last_line(finished.errors)
            return _failed(case, said, seconds)
        answer.seconds = seconds
        return answer

    def close(self) -> None:
        """Nothing is left: every run ends its own processes."""


def _failed(case: Case, problem: str, seconds: float = 0.0) -> Answer:
    return Answer(case, failure=printable(f"{case.id}: {problem}"), seconds=seconds)


def _trouble(finished: process.Finished) -> str:
    """Return why there is no answer to read; empty where there may be one."""
    if finished.limit == process.TOO_MUCH_OUTPUT:
        return f"more than {process.MOST_OUTPUT >> 20} MiB of output"
    if finished.limit == process.TOO_MANY_ERRORS:
        return f"more than {process.MOST_ERRORS >> 20} MiB of standard error"
    if finished.status is not None and finished.status < 0:
        return f"killed by signal {-finished.status}{_signal(-finished.status)}"
    if finished.status:
        return f"exit status {finished.status}"
    return "" if finished.output.strip() else "no output"


def _signal(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""


def _last_line(errors: bytes) -> str:
    """Return the last line of standard error that says anything, as half a sentence."""
    lines = errors.decode("utf-8", "replace").split("\n")
    line = next((line for line in reversed(lines) if line.strip()), "")
    words = shortened(" ".join(line.split()), _MOST_LINE)
    return f"; standard error: {words}" if words else ""


def _beginning(error: InputError, output: bytes) -> str:
    """Show how an output that is no JSON begins."""
    if not error.problem.startswith("not "):
        return ""
    words = " ".join(output[: 4 * _MOST_BEGINNING].decode("utf-8", "replace").split())
    return f"; the output begins {words[:_MOST_BEGINNING]!r}"
