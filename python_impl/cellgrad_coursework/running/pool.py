"""Judging many files in children, with any executor: threads of this process, or a cluster.

Wherever a file arrives it is judged in a child process within limits. A child is a fresh
interpreter that speaks over its standard input and output; so it works the same within threads,
in the workers of a cluster, and where processes cannot be forked. It ends when its parent does:
its input ends then. Files travel in batches, an assignment once to each process that asks for it;
a bounded number is on its way.
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
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import cast

from cellgrad.errors import CellgradError, InputError
from cellgrad_coursework.grading.draws import draws_of
from cellgrad_coursework.model import Manifest
from cellgrad_coursework.running.judge import (
    ANSWER,
    ASK,
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
        blob: the manifest, its draws, whether feedback is written, who gives the verdicts, and
            the limits, pickled.
        digest: of the blob: children of one assignment are alike.
        limits: what one submission may take.
    """

    blob: bytes
    digest: str
    limits: Limits


def assignment_of(manifest: Manifest, *, feedback: bool, grader: str, limits: Limits) -> Assignment:
    """Return what children of an assignment are started with.

    Raises:
        InputError: the manifest cannot be used.
    """
    told = (manifest, draws_of(manifest), feedback, grader, limits)
    blob = pickle.dumps(told, protocol=5)
    return Assignment(blob, hashlib.sha256(blob).hexdigest(), limits)


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
        _watch.add(self)
        try:
            status, said = self._asked(_START_SECONDS, assignment.blob, b"", b"")
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


BATCH = 8
"""How many files travel at once to other processes."""

_USUAL_WORKERS = 16
_Answers = list[Judged | str] | None
_known: dict[str, Assignment] = {}
_idle: dict[str, list[Slot]] = {}
_idle_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Task:
    """A file to be judged.

    Attributes:
        key: of its result.
        name: what it is called.
        named: whose it is by its name, as a claim in a word.
        data: the file.
    """

    key: str
    name: str
    named: str
    data: bytes


Keep = Callable[[Task, Judged | str], None]
"""Keeps what was said of a file, or why nothing can be."""


def judge_batch(
    digest: str, assignment: Assignment | None, files: list[tuple[str, str, bytes]]
) -> _Answers:
    """Judge files, in a child of the process that this runs in.

    Args:
        digest: of the assignment.
        assignment: the assignment itself, where this process does not know it.
        files: names, whose they are by their names, and bytes.

    Returns:
        What was said of each; None where the assignment is needed.
    """
    if assignment is not None:
        _known[digest] = assignment
    if digest not in _known:
        return None
    with _idle_lock:
        slots = _idle.setdefault(digest, [])
        slot = slots.pop() if slots else Slot(_known[digest])
    try:
        return [slot.judge(*file) for file in files]
    finally:
        with _idle_lock:
            slots.append(slot)


def forget() -> None:
    """End the idle children of this process."""
    with _idle_lock:
        for slots in _idle.values():
            while slots:
                slots.pop().close()
        _known.clear()


def judge_all(
    tasks: Iterator[Task],
    assignment: Assignment,
    keep: Keep,
    *,
    jobs: int,
    executor: Executor | None = None,
    width: int | None = None,
) -> None:
    """Judge files until there are none.

    Args:
        tasks: the files; drawn while nothing is being kept.
        assignment: what the children are started with.
        keep: called with each result, one at a time.
        jobs: how many children of this process, where there is no executor.
        executor: who runs them elsewhere.
        width: how many files the executor works on at once; None to ask it.

    Raises:
        CellgradError: no child could be started, the executor failed, or a result could not
            be kept.
    """
    if executor is not None:
        width = width or cast("int | None", getattr(executor, "_max_workers", None))
        most = 3 * (width or _USUAL_WORKERS)
        _spread(tasks, executor, assignment, keep, most=most)
        return
    with ThreadPoolExecutor(jobs) as threads:
        try:
            _spread(tasks, threads, assignment, keep, most=3 * jobs, known=True)
        finally:
            threads.shutdown(cancel_futures=True)
            forget()


def _spread(
    tasks: Iterator[Task],
    executor: Executor,
    assignment: Assignment,
    keep: Keep,
    *,
    most: int,
    known: bool = False,
) -> None:
    """Judge files with an executor.

    Args:
        tasks: the files.
        executor: who runs the batches.
        assignment: what the children are started with.
        keep: called with each result, one at a time.
        most: so many batches are on their way.
        known: whether the executor is of this process: then every file travels alone, with the
            assignment, and no scheduler can lose it.
    """
    pending: dict[Future[_Answers], list[Task]] = {}

    def send(batch: list[Task], *, whole: bool) -> None:
        files = [(task.name, task.named, task.data) for task in batch]
        told = assignment if whole else None
        pending[executor.submit(judge_batch, assignment.digest, told, files)] = batch

    def collect() -> None:
        """Wait for a batch and keep what was said."""
        done, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            batch = pending.pop(future)
            answers = _answered(future, known=known)
            if answers is None:
                send(batch, whole=True)
                continue
            for task, judged in zip(batch, answers, strict=True):
                keep(task, judged)

    try:
        while batch := list(islice(tasks, 1 if known else BATCH)):
            send(batch, whole=known)
            while len(pending) >= most:
                collect()
        while pending:
            collect()
    finally:
        for future in pending:
            future.cancel()


def _answered(future: Future[_Answers], *, known: bool) -> _Answers:
    """Return what was said of a batch.

    Raises:
        CellgradError: no child could be started, or the scheduler lost the batch.
    """
    try:
        return future.result()
    except CellgradError:
        raise
    except Exception as error:
        if known:
            raise
        raise InputError(
            f"the scheduler lost a part of the work ({type(error).__name__})",
            remedy="run the same command again: it goes on where it was",
        ) from error
