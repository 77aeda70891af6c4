"""The one small interface that every spreadsheet engine answers to.

An engine opens a workbook *file*, recalculates it, and hands back values as
full doubles. It knows nothing of networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from cellgrad.xlsx.addresses import Range


@dataclass(frozen=True, slots=True)
class CellError:
    """An error value that a formula computed, such as ``#DIV/0!``."""

    code: str

    def __str__(self) -> str:
        return self.code


Value = float | str | bool | CellError | None
"""What a cell can hold; numbers are always float, an empty cell is None."""

Block = list[list[Value]]
"""The values of a Range, row by row."""


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
    def update(self, changes: Sequence[tuple[Range, Sequence[Sequence[float | str | None]]]]) -> None:
        """Overwrite cells with constants (None empties a cell) and recalculate everything.

        Raises:
            EngineError: the engine failed or took too long.
        """

    def close(self) -> None:
        """Let go of the workbook; the file on disk is never changed."""

    def __enter__(self) -> OpenWorkbook:
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

    def close(self) -> None:
        """End the application, if one was started; nothing of it stays behind."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
