"""A child process that judges files one after another within limits, and its replacement.

The child is a fresh interpreter that speaks over its standard input and output; so it works
the same within threads, in the workers of a cluster, and where processes cannot be forked.
It ends when its parent does: its input ends then.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from cellgrad.errors import CellgradError, InputError
from cellgrad_coursework.model import Manifest
from cellgrad_coursework.running.judge import (
    ANSWER,
    ASK,
    GRADER,
    MEMORY,
    READY,
    Judged,
    Limits,
    exactly,
)

TOO_LONG = "took too long"
TOO_MUCH = "needed too much memory"
BROKE = "broke the process that read it"

_START_SECONDS = 120.0


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
        settings = repr((feedback, grader, limits)).encode()
        digest = hashlib.sha256(blob + settings).hexdigest()
        return cls(blob, digest, feedback, grader, limits)


class ChildFailedError(CellgradError):
    """A file that its child could not judge within its limits; the child is gone."""

    def __init__(self, problem: str, *, certain: bool) -> None:
        self.problem, self.certain = problem, certain
        super().__init__(problem)


class Child:
    """One child process.

    Args:
        assignment: what it is started with.

    Raises:
        InputError: it could not be started.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._seconds = assignment.limits.seconds
        code = "from cellgrad_coursework.running.judge import serve; serve()"
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
            status, said = self._asked(_START_SECONDS, assignment.blob, rest, b"")
        except (OSError, EOFError) as error:
            self.close()
            raise InputError(
                "the process that grades could not be started",
                remedy="close other programs, or ask for fewer with --jobs",
            ) from error
        if status != READY:
            self.close()
            raise InputError(said.grade.decode("utf-8", "replace"))

    def judge(self, name: str, named: str, data: bytes) -> Judged:
        """Judge a file.

        Raises:
            ChildFailedError: a limit was reached, or the process broke; it is gone.
        """
        words = (word.encode("utf-8", "surrogatepass") for word in (name, named))
        try:
            status, judged = self._asked(self._seconds, *words, data)
        except (OSError, EOFError):
            raise self._failed() from None
        if status == MEMORY:
            self.close()
            raise ChildFailedError(TOO_MUCH, certain=True)
        return judged

    def _asked(self, seconds: float, *pieces: bytes) -> tuple[int, Judged]:
        """Send three pieces; return the answer, or be killed when the time is over."""
        given, answers = self._process.stdin, self._process.stdout
        if given is None or answers is None:
            raise EOFError
        self._deadline = time.monotonic() + seconds
        try:
            given.write(ASK.pack(*map(len, pieces)))
            for piece in pieces:
                given.write(piece)
            given.flush()
            *lengths, status = ANSWER.unpack(exactly(answers, ANSWER.size))
            return status, Judged(*(exactly(answers, length) for length in lengths))
        finally:
            self._deadline = math.inf

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


class Slot:
    """A place for one child: started when needed, replaced when it is gone.

    Args:
        assignment: what the child is started with.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._child: Child | None = None

    def judge(self, name: str, named: str, data: bytes) -> Judged | str:
        """Judge a file; return what was said, or why it could not be."""
        for last in (False, True):
            if self._child is None:
                self._child = Child(self._assignment)
            try:
                return self._child.judge(name, named, data)
            except ChildFailedError as error:
                self._child = None
                if error.certain or last:
                    return error.problem
        raise AssertionError

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()
