"""An embedded engine in a process of its own, which begins at once.

A large workbook is then calculated while this process still reads its file and its Map;
and if the engine were to crash on it, only that process would end.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cellgrad.engines.interface import (
    Block,
    Changes,
    Engine,
    OpenWorkbook,
    Values,
    as_values,
)
from cellgrad.errors import CellgradError, EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

    from cellgrad.xlsx.addresses import Range


def possible() -> bool:
    """Tell whether processes can be forked here and would run side by side."""
    return sys.platform == "linux" and (os.cpu_count() or 1) > 1


class ApartEngine(Engine):
    """Runs another engine's workbooks in processes of their own.

    Args:
        engine: the engine; it is loaded already, and forked with this process.
    """

    name: ClassVar[str] = "apart"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name  # type: ignore[misc] - it answers for the other
        self.arithmetic = engine.arithmetic  # type: ignore[misc]
        self._begun: dict[Path, _Workbook] = {}

    @classmethod
    def missing(cls) -> str | None:
        """Return None: the engine inside was found already."""
        return None

    def version(self) -> str:
        """Return the version of the engine inside."""
        return self._engine.version()

    def begin(self, path: Path) -> None:
        """Begin to load and recalculate a workbook; ``open`` waits for it."""
        self._begun[path] = _Workbook(self._engine, path)

    def open(self, path: Path) -> OpenWorkbook:
        """Load a workbook and recalculate every formula.

        Raises:
            EngineError: the file was refused, or the engine failed or crashed.
        """
        workbook = self._begun.pop(path, None) or _Workbook(self._engine, path)
        try:
            workbook.ask("wait")
        except BaseException:
            workbook.close()
            raise
        return workbook

    def close(self) -> None:
        """End what was begun and never opened."""
        while self._begun:
            self._begun.popitem()[1].close()


class _Workbook(OpenWorkbook):
    def __init__(self, engine: Engine, path: Path) -> None:
        self._path, self._name = path, engine.name
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
            EngineError: the engine failed, or its process ended.
        """
        try:
            self._line.send((what, arguments))
            good, answer = self._line.recv()
        except (EOFError, OSError) as error:
            raise EngineError(
                f"{self._name} ended unexpectedly",
                file=self._path,
                remedy="check that it is an intact .xlsx file, or try another engine",
            ) from error
        if not good:
            raise answer
        return answer

    def read(self, ranges: Sequence[Range]) -> list[Block]:
        """Return the present values of each range, in the order asked for.

        Raises:
            EngineError: the engine failed, or its process ended.
        """
        return [values.rows for values in self.read_values(ranges)]

    def read_values(self, ranges: Sequence[Range]) -> list[Values]:
        """Return the same; numbers travel as arrays.

        Raises:
            EngineError: the engine failed, or its process ended.
        """
        answers: list[Values] = self.ask("read_values", list(ranges))
        return answers

    def update(self, changes: Changes) -> None:
        """Overwrite cells with constants and recalculate everything.

        Raises:
            EngineError: the engine failed, or its process ended.
        """
        self.ask("update", list(changes))

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._line.close()
        self._process.join(0.2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(engine: Engine, path: Path, line: Connection, other: Connection) -> None:
    """Open the workbook, then answer until nobody asks any more."""
    other.close()
    workbook: OpenWorkbook | None = None
    failure: CellgradError | None = None
    try:
        workbook = engine.open(path)
    except CellgradError as error:
        failure = error
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            what, arguments = line.recv()
            line.send(_answer(workbook, failure, what, arguments))
    os._exit(0)


def _answer(
    workbook: OpenWorkbook | None, failure: CellgradError | None, what: str, arguments: Any
) -> tuple[bool, Any]:
    if workbook is None:
        return False, failure
    try:
        if what == "wait":
            return True, None
        if what == "read_values":
            return True, [as_values(block) for block in workbook.read(*arguments)]
        return True, workbook.update(*arguments)
    except CellgradError as error:
        return False, error
