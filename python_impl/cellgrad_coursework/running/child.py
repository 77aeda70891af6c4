"""A child process that judges files one after another within limits, and its replacement.

The child is a fresh interpreter that speaks over its standard input and output; so it works
the same within threads, in the workers of a cluster, and where processes cannot be forked.
It ends when its parent does: its input ends then.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, Any

from cellgrad.errors import CellgradError, InputError
from cellgrad_coursework.model import Manifest
from cellgrad_coursework.running.judge import (
    BROKE,
    GRADER,
    TOO_LONG,
    TOO_MUCH,
    Judge,
    Judged,
)

_HEAD = struct.Struct("<IIIB")
_ASK = struct.Struct("<III")
_READY, _DONE, _MEMORY, _REFUSED = 0, 1, 2, 3
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one submission may take.

    Attributes:
        memory: bytes beyond what the process has when it starts.
        cpu: seconds of a processor.
        seconds: seconds on the clock; generous, since the machine may be busy.
    """

    memory: int = 256 << 20
    cpu: int = 10
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a child is started with.

    Attributes:
        blob: the manifest, pickled.
        digest: of the blob: children of one assignment are alike.
        feedback: whether feedback is written.
        grader: who gives the verdicts.
        limits: what one submission may take.
    """

    blob: bytes
    digest: str
    feedback: bool
    grader: str
    limits: Limits

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        *,
        feedback: bool,
        grader: str = GRADER,
        limits: Limits | None = None,
    ) -> Assignment:
        """Return what children of an assignment are started with."""
        blob = pickle.dumps(manifest, protocol=5)
        limits = limits or Limits()
        told = repr((feedback, grader, limits)).encode()
        return cls(blob, hashlib.sha256(blob + told).hexdigest(), feedback, grader, limits)


class ChildFailedError(CellgradError):
    """A file that its child could not judge within its limits; the child is gone."""

    def __init__(self, problem: str, *, certain: bool) -> None:
        self.problem, self.certain = problem, certain
        super().__init__(problem)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes."""
        return _failure, (self.problem, self.certain)


def _failure(problem: str, certain: bool) -> ChildFailedError:  # noqa: FBT001 - for pickle
    return ChildFailedError(problem, certain=certain)


class Child:
    """One child process.

    Args:
        assignment: what it is started with.

    Raises:
        InputError: it could not be started.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._seconds = assignment.limits.seconds
        code = "from cellgrad_coursework.running.child import serve; serve()"
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and our own code
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1",
                 "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )  # fmt: skip
        self._deadline = math.inf
        self._killed = False
        settings = (assignment.feedback, assignment.grader, assignment.limits)
        rest = pickle.dumps(settings, protocol=5)
        _watch.add(self)
        try:
            self._deadline = time.monotonic() + _START_SECONDS
            self._send(_ASK.pack(len(assignment.blob), len(rest), 0), assignment.blob, rest)
            status, said = self._answer()
        except (OSError, EOFError) as error:
            self.close()
            raise InputError(
                "the process that grades could not be started",
                remedy="close other programs, or ask for fewer with --jobs",
            ) from error
        self._deadline = math.inf
        if status != _READY:
            self.close()
            raise InputError(said.grade.decode("utf-8", "replace"))

    def judge(self, name: str, named: str, data: bytes) -> Judged:
        """Judge a file.

        Raises:
            ChildFailedError: a limit was reached, or the process broke; it is gone.
        """
        who = (name.encode("utf-8", "surrogatepass"), named.encode("utf-8", "surrogatepass"))
        self._deadline = time.monotonic() + self._seconds
        try:
            self._send(_ASK.pack(len(who[0]), len(who[1]), len(data)), *who, data)
            status, judged = self._answer()
        except (OSError, EOFError):
            raise self._failed() from None
        finally:
            self._deadline = math.inf
        if status == _MEMORY:
            self.close()
            raise ChildFailedError(TOO_MUCH, certain=True)
        return judged

    def _send(self, *pieces: bytes) -> None:
        pipe = self._process.stdin
        if pipe is None:
            raise EOFError
        for piece in pieces:
            pipe.write(piece)
        pipe.flush()

    def _answer(self) -> tuple[int, Judged]:
        pipe = self._process.stdout
        if pipe is None:
            raise EOFError
        *lengths, status = _HEAD.unpack(_exactly(pipe, _HEAD.size))
        grade, workbook, page = (_exactly(pipe, length) for length in lengths)
        return status, Judged(grade, workbook, page)

    def _failed(self) -> ChildFailedError:
        """Say why the process ended."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        if self._killed or (hasattr(signal, "SIGXCPU") and code == -signal.SIGXCPU):
            return ChildFailedError(TOO_LONG, certain=True)
        # it may have been ended from outside: whoever asks tries once more
        return ChildFailedError(BROKE, certain=False)

    def expire(self, now: float) -> None:
        """Kill the process if its time is over."""
        if now > self._deadline:
            self._killed = True
            self._process.kill()

    def close(self) -> None:
        """End the process."""
        _watch.remove(self)
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._process.wait()


class _Watch:
    """Ends children whose time is over; one thread for all of them."""

    def __init__(self) -> None:
        self._children: set[Child] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, child: Child) -> None:
        with self._lock:
            self._children.add(child)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._thread.start()

    def remove(self, child: Child) -> None:
        with self._lock:
            self._children.discard(child)

    def _look(self) -> None:
        while True:
            time.sleep(0.1)
            now = time.monotonic()
            with self._lock:
                if not self._children:
                    self._thread = None
                    return
                children = list(self._children)
            for child in children:
                child.expire(now)


_watch = _Watch()


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    data = pipe.read(length)
    if len(data) != length:
        raise EOFError
    return data


# within the child


def serve() -> None:
    """Judge what comes in over the standard input until it ends."""
    import gc  # noqa: PLC0415 - of the child only

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks is interrupted, and ends this
    given, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1):  # what anything prints must not reach the answers
        os.dup2(nowhere, handle)
    try:
        first, second, _ = _ASK.unpack(_exactly(given, _ASK.size))
        manifest = pickle.loads(_exactly(given, first))  # noqa: S301 - from our own parent
        feedback, grader, limits = pickle.loads(_exactly(given, second))  # noqa: S301
        try:
            judge = Judge(manifest, feedback=feedback, grader=grader)
        except InputError as error:
            _reply(answers, _REFUSED, Judged(error.line().encode("utf-8", "replace")))
            return
        _limit_memory(limits)
        gc.collect()
        gc.freeze()
        _reply(answers, _READY, Judged(b""))
        _serve(given, answers, judge, limits)
    except (EOFError, OSError):
        os._exit(0)
    except MemoryError:
        os._exit(1)


def _serve(
    given: io.BufferedReader, answers: io.BufferedWriter, judge: Judge, limits: Limits
) -> None:
    while True:
        lengths = _ASK.unpack(_exactly(given, _ASK.size))
        name, named = (_exactly(given, n).decode("utf-8", "surrogatepass") for n in lengths[:2])
        data = _exactly(given, lengths[2])
        _limit_time(limits)
        try:
            judged = judge.judge(name, named, data)
        except MemoryError:
            data = b""
            _reply(answers, _MEMORY, Judged(b""))
            os._exit(1)
        _reply(answers, _DONE, judged)


def _reply(answers: IO[bytes], status: int, judged: Judged) -> None:
    pieces = (judged.grade, judged.workbook, judged.page)
    answers.write(_HEAD.pack(*map(len, pieces), status))
    for piece in pieces:
        answers.write(piece)
    answers.flush()


def _resource() -> Any:
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    return resource


def _limit_memory(limits: Limits) -> None:
    resource = _resource()
    if resource is None:
        return
    now = 1 << 30
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        now = int(file.read().split()[0]) * resource.getpagesize()
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (now + limits.memory, resource.RLIM_INFINITY))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(limits: Limits) -> None:
    resource = _resource()
    if resource is None:
        return
    used = math.ceil(time.process_time())
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (used + limits.cpu, resource.RLIM_INFINITY))
