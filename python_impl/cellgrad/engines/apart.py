"""An embedded engine in a process of its own, which begins at once.

A large workbook is then calculated while this process still reads its file and its Map;
and if the engine were to crash or to hang on it, only that process would end.

Environment: ``CELLGRAD_ENGINE_TIMEOUT`` (seconds for each answer).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cellgrad.engines import Changes, Engine, OpenWorkbook, Values, failures_of, seconds_allowed
from cellgrad.errors import CellgradError, EngineError
from cellgrad.xlsx.sheet import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.process import BaseProcess

    from cellgrad.xlsx.addresses import Range

ANSWER_SECONDS: Final = 600.0
"""The longest that one answer may take; the largest sheets are loaded in a few seconds."""


def possible() -> bool:
    """Tell whether processes can be forked here and would run side by side."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


class ApartEngine(Engine):
    """Runs another engine's workbooks in processes of their own, and answers to its name.

    Args:
        engine: the engine; it is loaded already, and forked with this process.
        seconds: how long one answer may take; None for the usual time.

    Raises:
        InputError: ``CELLGRAD_ENGINE_TIMEOUT`` holds no positive number.
    """

    def __init__(self, engine: Engine, *, seconds: float | None = None) -> None:
        self._engine = engine
        self.name, self.arithmetic = engine.name, engine.arithmetic
        self._seconds = seconds_allowed(ANSWER_SECONDS, seconds)
        self._begun: dict[Path, _Workbook] = {}

    def version(self) -> str:
        """Return the version of the engine inside."""
        return self._engine.version()

    def begin(self, path: Path) -> None:
        """Begin to load and recalculate a workbook; ``open`` waits for it."""
        if path not in self._begun:
            self._begun[path] = _Workbook(self._engine, path, self._seconds)

    def open(self, path: Path) -> OpenWorkbook:
        """Load a workbook and recalculate every formula.

        Raises:
            EngineError: the file was refused, or the engine failed, crashed or took too long.
        """
        self.begin(path)
        workbook = self._begun[path]
        workbook.ask("wait")
        return self._begun.pop(path)

    def close(self) -> None:
        """End what was begun and never opened."""
        while self._begun:
            self._begun.popitem()[1].close()


class _Workbook(OpenWorkbook):
    def __init__(self, engine: Engine, path: Path, seconds: float) -> None:
        self._path, self._name, self._seconds = path, engine.name, seconds
        context = multiprocessing.get_context("fork")
        self._line, inner = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve, args=(engine, path, inner, self._line), daemon=True
        )
        self._process.start()
        inner.close()

    def ask(self, what: str, *arguments: Any) -> Any:
        """Put a question to the process and return its answer.

        Raises:
            EngineError: the engine failed, took too long, or its process ended.
        """
        try:
            self._line.send((what, arguments))
            if not self._line.poll(self._seconds):
                self.close()
                raise EngineError(
                    f"{self._name} did not answer within {self._seconds:g} seconds",
                    file=self._path,
                    remedy="raise CELLGRAD_ENGINE_TIMEOUT, or use another engine",
                )
            error, answer = self._line.recv()
        except (EOFError, OSError) as lost:
            self.close()
            raise EngineError(
                f"{self._name} ended unexpectedly",
                file=self._path,
                remedy="check that it is an intact .xlsx file, or try another engine",
            ) from lost
        if error is not None:
            raise error
        return answer

    def read(self, ranges: Sequence[Range]) -> list[Block]:
        """Return the present values of each range, in the order asked for.

        Raises:
            EngineError: the engine failed, took too long, or its process ended.
        """
        return [values.rows for values in self.read_values(ranges)]

    def read_values(self, ranges: Sequence[Range]) -> list[Values]:
        """Return the same; numbers travel as arrays.

        Raises:
            EngineError: the engine failed, took too long, or its process ended.
        """
        answers: list[Values] = self.ask("read_values", list(ranges))
        return answers

    def update(self, changes: Changes) -> None:
        """Overwrite cells with constants and recalculate everything.

        Raises:
            EngineError: the engine failed, took too long, or its process ended.
        """
        self.ask("update", list(changes))

    def close(self) -> None:
        """End the process at once: nothing of it is needed any more."""
        self._process.kill()
        self._process.join()
        self._line.close()


def _serve(engine: Engine, path: Path, line: Connection, other: Connection) -> None:
    """Open the workbook, then answer until nobody asks any more."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks is interrupted, and ends this
        other.close()
        failure, workbook = _outcome(engine.name, path, "load", engine.open, path)
        while True:
            what, arguments = line.recv()
            if failure is not None or what == "wait":
                line.send((failure, None))
            else:
                doing, action = what.partition("_")[0], getattr(workbook, what)
                line.send(_outcome(engine.name, path, doing, action, *arguments))
    finally:
        os._exit(0)  # whatever happens, it is no business of this process's buffers and hooks


def _outcome(
    engine: str, path: Path, doing: str, action: Callable[..., Any], *arguments: Any
) -> tuple[CellgradError | None, Any]:
    """Return why something failed, or what came of it."""
    try:
        with failures_of(engine, path, doing):
            return None, action(*arguments)
    except CellgradError as error:
        return error, None
