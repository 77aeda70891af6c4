"""The one small interface that every spreadsheet engine answers to.

An engine opens a workbook *file*, recalculates it, and hands back values as
full doubles. It knows nothing of networks.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from cellgrad.errors import CellgradError, EngineError, InputError
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.values import Block, CellError, Value

__all__ = ["Arithmetic", "Block", "CellError", "Changes", "Engine", "OpenWorkbook", "Value"]

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

Changes = Sequence[tuple[Range, Sequence[Sequence[float | str | None]]]]
"""Constants to write, rectangle by rectangle; None empties a cell."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How an engine's arithmetic departs from IEEE double, for the error bounds.

    Attributes:
        given_error: relative error of a given as the engine holds it
            (u = 2⁻⁵³ where givens are parsed in extended precision, else 0).
        snap: relative size below which a difference is set to 0 (0 if never).
    """

    given_error: float = 0.0
    snap: float = 0.0


class OpenWorkbook(ABC):
    """One workbook, loaded in an engine. Use it as a context manager."""

    @abstractmethod
    def read(self, ranges: Sequence[Range]) -> list[Block]:
        """Return the present values of each range, in the order asked for.

        Raises:
            EngineError: the engine failed or took too long.
        """

    @abstractmethod
    def update(self, changes: Changes) -> None:
        """Overwrite cells with constants (None empties a cell) and recalculate everything.

        Raises:
            EngineError: the engine failed or took too long.
        """

    def close(self) -> None:  # noqa: B027 (some engines hold nothing)
        """Let go of the workbook; the file on disk is never changed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Engine(ABC):
    """A spreadsheet engine. Use it as a context manager: leaving it ends the application."""

    name: ClassVar[str]
    arithmetic: ClassVar[Arithmetic] = Arithmetic()

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return None if the engine can be used here, else what to install, as one line."""

    @abstractmethod
    def version(self) -> str:
        """Return the engine's own version, such as ``0.13.0``."""

    @abstractmethod
    def open(self, path: Path) -> OpenWorkbook:
        """Load a workbook and recalculate every formula (stored values are not trusted).

        Raises:
            EngineError: the file was refused, or the engine failed or took too long.
        """

    def close(self) -> None:  # noqa: B027 (some engines hold nothing)
        """End the application, if one was started; nothing of it stays behind."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def failures_of(engine: str, path: object, doing: str) -> Iterator[None]:
    """Turn whatever an embedded engine throws into one EngineError.

    Engines written in Rust throw a great variety of types; a panic of theirs is
    not even an Exception, and would end the program with a traceback.

    Raises:
        EngineError: the engine threw something.
    """
    try:
        yield
    except (CellgradError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise EngineError(
            f"{engine} could not {doing} the workbook ({error or type(error).__name__})",
            file=path,
            remedy="check that it is an intact .xlsx file, or try another engine",
        ) from error


def check_shapes(changes: Changes) -> None:
    """Refuse values that do not fill their range exactly.

    Raises:
        EngineError: a block is wider, narrower, taller or shorter than its range.
    """
    for area, rows in changes:
        if len(rows) != area.height or any(len(row) != area.width for row in rows):
            raise EngineError(
                f"the values do not fill {area.height} × {area.width} cells", place=str(area)
            )


def no_such_sheet(engine: str, path: object, sheet: str, known: Sequence[str]) -> EngineError:
    """Describe a range on a sheet that the workbook lacks."""
    return EngineError(
        f"{engine} found no sheet {sheet!r}", file=path, remedy=f"it has {', '.join(known)}"
    )


def seconds_allowed(usual: float) -> float:
    """Return the time limit in force: ``CELLGRAD_ENGINE_TIMEOUT``, else the usual one.

    Raises:
        InputError: the variable holds no positive number.
    """
    text = os.environ.get("CELLGRAD_ENGINE_TIMEOUT", "").strip()
    if not text:
        return usual
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < math.inf:
        raise InputError(
            f"{text!r} is no time limit",
            place="CELLGRAD_ENGINE_TIMEOUT",
            remedy="set it to a number of seconds, such as 300",
        )
    return seconds
