"""Grading with any executor, such as that of a cluster: files travel there in batches.

Where they arrive they are judged in a child process within limits, as they are here. An
assignment travels once to each process that asks for it, not with every batch.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from cellgrad.errors import CellgradError, InputError
from cellgrad_coursework.running.child import Assignment
from cellgrad_coursework.running.here import Keep, Slot, Task
from cellgrad_coursework.running.judge import Judged

BATCH = 8
"""How many files travel at once."""

_USUAL_WORKERS = 16
_Answer = list[Judged | str] | None
_known: dict[str, Assignment] = {}
_idle: dict[str, list[Slot]] = {}
_idle_lock = threading.Lock()


def judge_batch(
    digest: str, assignment: Assignment | None, files: list[tuple[str, str, bytes]]
) -> _Answer:
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


class Elsewhere:
    """Judges files with an executor; a bounded number of them is on its way.

    Args:
        assignment: what the children over there are started with.
        keep: called with each result, one at a time.
        executor: who runs them.
        width: how many files it works on at once; None to ask it.
    """

    def __init__(
        self, assignment: Assignment, keep: Keep, executor: Executor, width: int | None = None
    ) -> None:
        self._assignment, self._keep, self._executor = assignment, keep, executor
        self._most = 3 * (width or getattr(executor, "_max_workers", None) or _USUAL_WORKERS)
        self._pending: dict[Future[_Answer], list[Task]] = {}

    def run(self, tasks: Iterator[Task]) -> None:
        """Judge files until there are none.

        Raises:
            CellgradError: the executor failed, or a result could not be kept.
        """
        batch: list[Task] = []
        try:
            for task in tasks:
                batch.append(task)
                if len(batch) == BATCH:
                    self._send(batch, None)
                    batch = []
                while len(self._pending) >= self._most:
                    self._collect()
            if batch:
                self._send(batch, None)
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
                raise InputError(
                    f"the scheduler lost a part of the work ({type(error).__name__})",
                    remedy="run the same command again: it goes on where it was",
                ) from error
            if answers is None:
                self._send(batch, self._assignment)
                continue
            for task, judged in zip(batch, answers, strict=True):
                self._keep(task, judged)
