"""A command as a target: a case on its standard input, a trace on its standard output.

The child process is held to limits of time, of output, and of what it may leave behind. It
leads a session and process group of its own. When it has answered, or a limit is reached, the
whole group is killed; on Linux also what left the group but still carries the mark that the
child's environment was given. On Windows there are no process groups: only the child itself is
ended there, not what it started.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from cellgrad.case.model import Case, case_document
from cellgrad.errors import InputError, printable
from cellgrad.files import shortened
from cellgrad_audit.answer import Answer
from cellgrad_audit.reading import read_answer
from cellgrad_audit.targets import OvertimeError, TimedTarget, failed

SECONDS = 20.0
_MOST_NAME, _MOST_LINE, _MOST_BEGINNING = 120, 200, 40


class CommandTarget(TimedTarget):
    """Runs a command once for each case.

    Args:
        words: the command and its arguments; no shell reads them.
        timeout: seconds that one case may take.

    Raises:
        InputError: there is no such command.
    """

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
        super().__init__(timeout)

    def ask(self, case: Case) -> Answer:
        """Run the command on a case."""
        given = json.dumps(case_document(case)).encode() + b"\n"
        try:
            finished = run(self._words, given, self.seconds)
        except OSError as error:
            return failed(case, f"cannot be run ({error.strerror or error})")
        last = _last_line(finished.errors)
        if finished.limit == OVERTIME:
            raise OvertimeError(last)
        trouble = _trouble(finished)
        if not trouble:
            try:
                return read_answer(case, finished.output, whole=True)
            except InputError as error:
                trouble = error.line() + _beginning(error, finished.output)
        return failed(case, trouble + last)


def _trouble(finished: Finished) -> str:
    """Return why there is no answer to read; empty where there may be one."""
    if finished.limit == TOO_MUCH_OUTPUT:
        return f"more than {MOST_OUTPUT >> 20} MiB of output"
    if finished.limit == TOO_MANY_ERRORS:
        return f"more than {MOST_ERRORS >> 20} MiB of standard error"
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


# the child process

MOST_OUTPUT: Final = 8 << 20
MOST_ERRORS: Final = 256 << 20
KEPT_ERRORS: Final = 64 << 10
GRACE: Final = 1.0
"""Seconds that a child has to end after it closed its standard output."""

_NAP = 0.2
"""Seconds after which a waiting audit looks up: an interruption may have come meanwhile."""

_CHUNK = 1 << 16
_MARK = "CELLGRAD_AUDIT_RUN"
_SWEEPS, _CLEAN = 50, 3

OVERTIME, TOO_MUCH_OUTPUT, TOO_MANY_ERRORS = "overtime", "output", "errors"


@dataclass(frozen=True, slots=True)
class Finished:
    """What a child left.

    Attributes:
        output: its standard output.
        errors: the last of its standard error.
        status: its exit status, negative for a signal; None where it was ended here.
        limit: the limit that it reached, or empty.
    """

    output: bytes
    errors: bytes
    status: int | None
    limit: str = ""


def run(words: Sequence[str], given: bytes, timeout: float) -> Finished:
    """Run a command, without a shell.

    Args:
        words: the command and its arguments.
        given: what it reads on standard input; it need not read it.
        timeout: seconds that it may take.

    Raises:
        OSError: it cannot be started.
    """
    mark = secrets.token_hex(16)
    child = subprocess.Popen(  # noqa: S603 - running a user's command is what this is for
        list(words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, _MARK: mark},
        start_new_session=sys.platform != "win32",
    )
    watch = _Watch(child)
    try:
        limit = watch.wait(given, timeout)
    finally:
        running = watch.running()
        _end(child, mark)
        watch.close()
    status = None if running else child.returncode
    return Finished(bytes(watch.output), bytes(watch.errors), status, limit or watch.limit)


class _Watch:
    """Feeds a child and listens to it, in a thread for each of its streams."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self.child = child
        self.output, self.errors = bytearray(), bytearray()
        self.written_errors = 0
        self.changed = threading.Condition()
        self.ended, self.silent_since = False, math.inf
        self.limit = ""
        self.threads: list[threading.Thread] = []

    def wait(self, given: bytes, timeout: float) -> str:
        """Wait until the child has answered or reached a limit; return which, or nothing."""
        deadline = time.monotonic() + timeout
        jobs: list[tuple[Callable[..., None], tuple[object, ...]]] = [
            (self._feed, (self.child.stdin, given)),
            (self._listen, (self.child.stdout, self._take_output)),
            (self._listen, (self.child.stderr, self._take_errors)),
            (self._await_end, ()),
        ]
        for job, arguments in jobs:
            thread = threading.Thread(target=job, args=arguments, daemon=True)
            thread.start()
            self.threads.append(thread)
        with self.changed:
            while not self.limit and not self.ended:
                until = min(deadline, self.silent_since + GRACE)
                left = until - time.monotonic()
                if left <= 0:
                    return "" if self.silent_since < math.inf else OVERTIME
                self.changed.wait(min(left, _NAP))
            return self.limit

    def running(self) -> bool:
        """Whether the child has not ended by itself."""
        return not self.ended

    def close(self) -> None:
        """Take in what is left in the pipes, and close them.

        Everything that held them is dead, so they end; if something escaped, its pipe is
        left to its thread.
        """
        for thread in self.threads:
            thread.join(GRACE)
        if not any(thread.is_alive() for thread in self.threads):
            for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()

    def _feed(self, stream: IO[bytes], given: bytes) -> None:
        rest = memoryview(given)
        with contextlib.suppress(OSError, ValueError):  # it need not read
            while rest:
                rest = rest[stream.write(rest[:_CHUNK]) :]
        with contextlib.suppress(OSError):
            stream.close()

    def _listen(self, stream: IO[bytes], take: Callable[[bytes], bool]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (data := stream.read(_CHUNK)) and take(data):
                pass
        if stream is self.child.stdout:
            with self.changed:
                self.silent_since = time.monotonic()
                self.changed.notify_all()

    def _take_output(self, data: bytes) -> bool:
        self.output += data
        return self._within(len(self.output) <= MOST_OUTPUT, TOO_MUCH_OUTPUT)

    def _take_errors(self, data: bytes) -> bool:
        self.written_errors += len(data)
        self.errors += data
        del self.errors[:-KEPT_ERRORS]
        return self._within(self.written_errors <= MOST_ERRORS, TOO_MANY_ERRORS)

    def _within(self, fine: bool, limit: str) -> bool:  # noqa: FBT001 - it is what is said
        if not fine:
            with self.changed:
                self.limit = self.limit or limit
                self.changed.notify_all()
        return fine

    def _await_end(self) -> None:
        """Wait for the end, without taking the child's number away from it where possible.

        While an ended child is not yet asked for its status, no other process can get its
        number: the group that is killed is its own.
        """
        if hasattr(os, "waitid"):
            with contextlib.suppress(OSError):
                os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOWAIT)
        else:
            self.child.wait()
        with self.changed:
            self.ended = True
            self.changed.notify_all()


def _end(child: subprocess.Popen[bytes], mark: str) -> None:
    """Kill a child and everything that it started."""
    if sys.platform == "win32":
        child.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        clean = 0
        for _ in range(_SWEEPS):  # what ends, or is killed, may have started another just then
            clean = 0 if _kill_marked(mark.encode(), child.pid) else clean + 1
            if clean >= _CLEAN:
                break
    child.wait()


def _kill_marked(mark: bytes, child: int) -> bool:
    """Kill every process that carries a mark in its environment; tell whether there was one."""
    killed = False
    if not hasattr(os, "pidfd_open"):
        return killed
    for folder in Path("/proc").glob("[0-9]*"):
        number = int(folder.name)
        if number in (child, os.getpid()):
            continue
        with contextlib.suppress(OSError):
            # the handle first: it stays with this process even if its number is given away
            handle = os.pidfd_open(number)
            try:
                if mark in (folder / "environ").read_bytes():
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    killed = True
            finally:
                os.close(handle)
    return killed
