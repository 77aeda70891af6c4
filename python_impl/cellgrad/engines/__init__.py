"""Spreadsheet engines: the one small interface that each answers to, and who is there.

An engine opens a workbook *file*, recalculates it, and hands back values as full doubles. It knows
nothing of networks. Its module is imported only when it is asked for, so that the default engine
does not pay for the others; the stored values in the file are read here.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from cellgrad.errors import CellgradError, EngineError, EngineMissingError, InputError
from cellgrad.shipped import is_here, load
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.book import read_book
from cellgrad.xlsx.sheet import Block, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


class Values:
    """The values of a rectangle: as an array where all are numbers, else row by row.

    Args:
        array: numbers, or None.
        rows: the values, or None where the array says them.
    """

    __slots__ = ("_rows", "array")

    def __init__(self, array: NDArray[np.float64] | None, rows: Block | None = None) -> None:
        self.array, self._rows = array, rows

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes as one or the other."""
        return Values, (self.array, None if self.array is not None else self._rows)

    @property
    def rows(self) -> Block:
        """The values row by row."""
        if self._rows is None and self.array is not None:
            self._rows = self.array.tolist()
        return self._rows or []

    def at(self, row: int, column: int) -> Value:
        """Return one value, by its 0-based place."""
        if self.array is not None:
            return float(self.array[row, column])
        return self.rows[row][column]


def as_values(block: Block) -> Values:
    """Return a block as values: an array, if all of it are numbers."""
    import numpy as np  # noqa: PLC0415 - the table of engines starts without it

    cells = list(chain.from_iterable(block))
    if set(map(type, cells)) == {float}:  # the usual case, and a large sheet has many cells
        return Values(np.fromiter(cells, np.float64, len(cells)).reshape(len(block), -1), block)
    return Values(None, block)


class _Closed(ABC):  # noqa: B024 - some hold nothing
    """Something that is let go of at the end of a ``with`` statement."""

    def close(self) -> None:  # noqa: B027
        """Let go of whatever is held: processes, folders, copies of files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class OpenWorkbook(_Closed):
    """One workbook, loaded in an engine; the file on disk is never changed."""

    @abstractmethod
    def read(self, ranges: Sequence[Range]) -> list[Block]:
        """Return the present values of each range, in the order asked for.

        Raises:
            EngineError: there is no such sheet, or the engine failed or took too long.
        """

    def read_values(self, ranges: Sequence[Range]) -> list[Values]:
        """Return the same as ``read``, numbers as arrays.

        Raises:
            EngineError: as ``read``.
        """
        return [as_values(block) for block in self.read(ranges)]

    @abstractmethod
    def update(self, changes: Changes) -> None:
        """Overwrite cells with constants (None empties a cell) and recalculate everything.

        Raises:
            EngineError: there is no such sheet, the values do not fill their range, or the
                engine failed or took too long.
        """


class CheckedWorkbook(OpenWorkbook):
    """A workbook that is asked only for what it has; whatever fails, its file is named.

    Args:
        engine: what messages call the engine.
        path: the file.
        sheets: the names of its sheets.
    """

    def __init__(self, engine: str, path: Path, sheets: Iterable[str]) -> None:
        self.engine, self.path, self.sheets = engine, path, list(sheets)

    def read(self, ranges: Sequence[Range]) -> list[Block]:
        """Return the present values of each range, in the order asked for.

        Raises:
            EngineError: there is no such sheet, or the engine failed or took too long.
        """
        self._check_sheets(ranges)
        with failures_of(self.engine, self.path, "read"):
            return self._read(ranges)

    def update(self, changes: Changes) -> None:
        """Overwrite cells with constants (None empties a cell) and recalculate everything.

        Raises:
            EngineError: there is no such sheet, the values do not fill their range, or the
                engine failed or took too long.
        """
        for area, rows in changes:
            if len(rows) != area.height or any(len(row) != area.width for row in rows):
                raise EngineError(
                    f"the values do not fill {area.height} × {area.width} cells", place=str(area)
                )
        self._check_sheets(area for area, _ in changes)
        with failures_of(self.engine, self.path, "update"):
            self._update(changes)

    def _check_sheets(self, ranges: Iterable[Range]) -> None:
        for area in ranges:
            if area.sheet not in self.sheets:
                raise EngineError(
                    f"{self.engine} found no sheet {area.sheet!r}",
                    file=self.path, remedy=f"it has {', '.join(self.sheets)}",
                )  # fmt: skip

    @abstractmethod
    def _read(self, ranges: Sequence[Range]) -> list[Block]: ...

    @abstractmethod
    def _update(self, changes: Changes) -> None: ...


class Engine(_Closed):
    """A spreadsheet engine. Use it as a context manager: leaving it ends the application."""

    name: str
    arithmetic: Arithmetic = Arithmetic()

    @classmethod
    def missing(cls) -> str | None:
        """Return None if the engine can be used here, else what to install, as one line."""
        return None

    @abstractmethod
    def version(self) -> str:
        """Return the engine's own version, such as ``0.13.0``."""

    @abstractmethod
    def open(self, path: Path) -> OpenWorkbook:
        """Load a workbook and recalculate every formula (stored values are not trusted).

        Raises:
            EngineError: the file was refused, or the engine failed or took too long.
        """


@contextmanager
def failures_of(engine: str, path: object, doing: str) -> Iterator[None]:
    """Turn whatever an embedded engine throws into one EngineError, and name the file in it.

    Engines written in Rust throw a great variety of types; a panic of theirs is
    not even an Exception, and would end the program with a traceback.

    Raises:
        EngineError: the engine threw something.
    """
    try:
        yield
    except InputError as error:
        raise error.within(path) from error.__cause__
    except (CellgradError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise EngineError(
            f"{engine} could not {doing} the workbook ({error or type(error).__name__})",
            file=path,
            remedy="check that it is an intact .xlsx file, or try another engine",
        ) from error


def seconds_allowed(usual: float, given: float | None = None) -> float:
    """Return the time limit in force: the given one, ``CELLGRAD_ENGINE_TIMEOUT``, or the usual one.

    Raises:
        InputError: the variable holds no positive number.
    """
    text = os.environ.get("CELLGRAD_ENGINE_TIMEOUT", "").strip()
    if given is not None:
        return given
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


class SavedEngine(Engine):
    """The values stored in the file: what Excel, or anyone, last saved. Nothing is calculated.

    A formula without a stored value reads None; a stored empty text reads ``""``.
    """

    name = "saved"

    def version(self) -> str:
        """Return a dash: a file may have been saved by anything."""
        return "-"

    def open(self, path: Path) -> OpenWorkbook:
        """Read the stored values; nothing is recalculated.

        Raises:
            WorkbookError: no workbook, damaged, or not safe to read.
        """
        return _SavedWorkbook(path)


class _SavedWorkbook(CheckedWorkbook):
    def __init__(self, path: Path) -> None:
        self._sheets = read_book(path).sheets
        super().__init__("the reader", path, self._sheets)

    def _read(self, ranges: Sequence[Range]) -> list[Block]:
        return [self._sheets[area.sheet].block(area) for area in ranges]

    def _update(self, changes: Changes) -> None:
        raise EngineError(
            f"'saved' cannot recalculate {len(changes)} changed ranges",
            remedy="use another engine",
        )


_CLASSES: Final = {
    "formualizer": "cellgrad.engines.formualizer:FormualizerEngine",
    "ironcalc": "cellgrad.engines.ironcalc:IronCalcEngine",
    "libreoffice": "cellgrad_office.libreoffice:LibreOfficeEngine",
    "gnumeric": "cellgrad_office.gnumeric:GnumericEngine",
    "saved": "cellgrad.engines:SavedEngine",
}

ENGINE_NAMES: Final = tuple(_CLASSES)
"""Every engine that can be asked for, installed here or not."""

DEFAULT: Final = "formualizer"
"""The engine that comes with the package."""


def create(name: str) -> Engine:
    """Return an engine, ready to open workbooks; close it after use.

    Raises:
        InputError: there is no engine of that name.
        EngineMissingError: it is not installed here.
        EngineError: it is installed but could not be started.
    """
    engine = engine_class(name)
    missing = engine.missing()
    if missing is not None:
        raise EngineMissingError(missing)
    return engine()


def installed() -> list[str]:
    """Return the names of the engines that can be used here, in their usual order."""
    here = (name for name, where in _CLASSES.items() if is_here(where.partition(".")[0]))
    return [name for name in here if engine_class(name).missing() is None]


def engine_class(name: str) -> type[Engine]:
    """Return the class of an engine; InputError if there is none of that name."""
    if name not in _CLASSES:
        raise InputError(
            f"there is no engine {name!r}", remedy=f"choose from {', '.join(ENGINE_NAMES)}"
        )
    engine: type[Engine] = load(_CLASSES[name], f"the engine {name!r} needs")
    return engine
