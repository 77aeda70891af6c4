"""Grading with the cores of this machine: a child process for each, a thread to speak with it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cellgrad_coursework.running.child import Assignment, Child, ChildFailedError
from cellgrad_coursework.running.judge import Judged


@dataclass(frozen=True, slots=True)
class Task:
    """A file to be judged.

    Attributes:
        key: of its result.
        name: what it is called.
        named: whose it is by its name, as ``ByName.word`` says it.
        data: the file.
    """

    key: str
    name: str
    named: str
    data: bytes


Keep = Callable[[Task, Judged | str], None]
"""Keeps what was said of a file, or why nothing can be."""


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


class Here:
    """Judges files in children of this process.

    Args:
        assignment: what the children are started with.
        keep: called with each result, one at a time.
        jobs: how many children.
    """

    def __init__(self, assignment: Assignment, keep: Keep, jobs: int) -> None:
        self._assignment, self._keep = assignment, keep
        self._waiting: queue.Queue[Task | None] = queue.Queue(maxsize=2 * jobs)
        self._lock = threading.Lock()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(jobs)]

    def run(self, tasks: Iterator[Task]) -> None:
        """Judge files until there are none.

        Raises:
            CellgradError: no child could be started, or a result could not be kept.
        """
        try:
            while not self._failures and (task := self._next(tasks)) is not None:
                if not self._threads[0].ident:  # nothing to do, nothing to start
                    for thread in self._threads:
                        thread.start()
                self._waiting.put(task)
        except BaseException as error:
            self._failures.append(error)  # what still waits is not judged any more
            raise
        finally:
            self._end()
        if self._failures:
            raise self._failures[0]

    def _next(self, tasks: Iterator[Task]) -> Task | None:
        """Draw a task while nothing is being kept: both look at the same store."""
        with self._lock:
            return next(tasks, None)

    def _end(self) -> None:
        for thread in self._threads:
            if thread.ident:
                self._waiting.put(None)
        for thread in self._threads:
            if thread.ident:
                thread.join()

    def _work(self) -> None:
        slot = Slot(self._assignment)
        try:
            while (task := self._waiting.get()) is not None:
                if self._failures:
                    continue
                judged = slot.judge(task.name, task.named, task.data)
                with self._lock:
                    self._keep(task, judged)
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            self._failures.append(error)
            while self._waiting.get() is not None:
                pass
        finally:
            slot.close()
