"""Judging many files with any executor: threads of this process, or the workers of a cluster.

Wherever a file arrives it is judged in a child process within limits. Files travel in batches,
an assignment once to each process that asks for it; a bounded number is on its way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import cast

from cellgrad.errors import CellgradError, InputError
from cellgrad_coursework.running.child import Assignment, Slot
from cellgrad_coursework.running.judge import Judged

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
        _Run(executor, assignment, keep, BATCH).run(tasks, 3 * (width or _USUAL_WORKERS))
        return
    with ThreadPoolExecutor(jobs) as threads:
        try:
            _Run(threads, assignment, keep, 1, known=True).run(tasks, 3 * jobs)
        finally:
            threads.shutdown(cancel_futures=True)
            forget()


class _Run:
    def __init__(
        self,
        executor: Executor,
        assignment: Assignment,
        keep: Keep,
        size: int,
        *,
        known: bool = False,
    ) -> None:
        self._executor, self._assignment, self._keep = executor, assignment, keep
        self._size = size
        self._whole = assignment if known else None
        self._pending: dict[Future[_Answers], list[Task]] = {}

    def run(self, tasks: Iterator[Task], most: int) -> None:
        try:
            while batch := list(islice(tasks, self._size)):
                self._send(batch, self._whole)
                while len(self._pending) >= most:
                    self._collect()
            while self._pending:
                self._collect()
        finally:
            for future in self._pending:
                future.cancel()

    def _send(self, batch: list[Task], whole: Assignment | None) -> None:
        files = [(task.name, task.named, task.data) for task in batch]
        future = self._executor.submit(judge_batch, self._assignment.digest, whole, files)
        self._pending[future] = batch

    def _collect(self) -> None:
        """Wait for a batch and keep what was said."""
        done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        for future in done:
            batch = self._pending.pop(future)
            try:
                answers = future.result()
            except CellgradError:
                raise
            except Exception as error:
                if self._whole is not None:
                    raise  # of this process: no scheduler has lost it
                raise InputError(
                    f"the scheduler lost a part of the work ({type(error).__name__})",
                    remedy="run the same command again: it goes on where it was",
                ) from error
            if answers is None:
                self._send(batch, self._assignment)
                continue
            for task, judged in zip(batch, answers, strict=True):
                self._keep(task, judged)
