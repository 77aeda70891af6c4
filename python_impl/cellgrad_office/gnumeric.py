"""Gnumeric itself, through its converter ``ssconvert``.

Its .xlsx export holds every digit of the extended precision in which Debian's
build computes, and tells texts, booleans, errors and empty cells apart. Numbers
are rounded to double when they are read. What no double holds (EXP(710) is a
number there) reads ``#NUM!``; a circular reference reads 0, since Gnumeric
iterates. Each change is made in a copy of the file and converts it anew; the
file on disk is never changed.

Environment: ``CELLGRAD_ENGINE_TIMEOUT`` (seconds for each conversion).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cellgrad.engines import (
    Arithmetic,
    Changes,
    CheckedWorkbook,
    Engine,
    OpenWorkbook,
    failures_of,
    seconds_allowed,
)
from cellgrad.errors import EngineError, EngineMissingError
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import Contents
from cellgrad.xlsx.editor import Parts, Patch, SheetTags, escaped
from cellgrad.xlsx.package import LENIENT, Package, open_package
from cellgrad.xlsx.sheet import Block, Cell, CellError, SheetCells, SheetReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellgrad.xlsx.addresses import Range

CONVERT_SECONDS: Final = 120.0
"""How long one conversion may take."""


class GnumericEngine(Engine):
    """Gnumeric, one conversion at a time.

    Args:
        seconds: how long one conversion may take.

    Raises:
        EngineMissingError: ssconvert is not installed.
    """

    name = "gnumeric"
    # Givens are parsed in extended precision, so they differ from the double's value.
    arithmetic = Arithmetic(given_error=2.0**-53)

    def __init__(self, *, seconds: float | None = None) -> None:
        program = shutil.which("ssconvert")
        if program is None:
            raise EngineMissingError(self.missing() or "Gnumeric is not installed")
        # Removes itself at the latest when Python ends.
        self._folder = tempfile.TemporaryDirectory(
            prefix="cellgrad-gnumeric-", ignore_cleanup_errors=True
        )
        self._convert = _Converter(
            program, seconds_allowed(CONVERT_SECONDS, seconds), Path(self._folder.name)
        )

    @classmethod
    def missing(cls) -> str | None:
        """Return None if the engine can be used here, else what to install, as one line."""
        if shutil.which("ssconvert") is not None:
            return None
        return "Gnumeric is not installed: apt-get install gnumeric, or http://www.gnumeric.org"

    def version(self) -> str:
        """Return Gnumeric's own version, such as ``1.12.55``."""
        output = self._convert.run(["--version"])
        found = re.search(r"'([0-9.]+)'", output)
        return found[1] if found else output.strip()

    def open(self, path: Path) -> OpenWorkbook:
        """Recalculate a copy of a workbook and read all of its values.

        Raises:
            EngineError: the file was refused, or Gnumeric failed or took too long.
            WorkbookError: the file is no workbook, or is not safe to read.
        """
        with failures_of("Gnumeric", path, "load"):
            return _Workbook(path, self._convert)

    def close(self) -> None:
        """Remove the copies."""
        self._folder.cleanup()


class _Converter:
    """Runs ssconvert in a folder of our own, within a time limit."""

    def __init__(self, program: str, seconds: float, folder: Path) -> None:
        self.program, self.seconds, self.folder = program, seconds, folder

    def convert(self, data: bytes) -> bytes:
        """Return a recalculated workbook file.

        Raises:
            EngineError: Gnumeric failed or took too long.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            source, result = Path(place, "in.xlsx"), Path(place, "out.xlsx")
            source.write_bytes(data)
            options = ["--recalc", "--import-type=Gnumeric_Excel:xlsx"]
            complaint = self.run(
                [*options, "--export-type=Gnumeric_Excel:xlsx2", str(source), str(result)]
            )
            try:
                return result.read_bytes()
            except OSError:
                raise EngineError(
                    f"Gnumeric wrote nothing ({complaint or 'without saying why'})",
                    remedy="check that it is an intact .xlsx file, or try another engine",
                ) from None

    def run(self, arguments: list[str]) -> str:
        """Return what ssconvert printed.

        Raises:
            EngineError: it failed or took too long, and has been ended.
        """
        process = subprocess.Popen(  # noqa: S603 (found on the search path)
            [self.program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"Gnumeric took more than {self.seconds:g} s and was ended",
                remedy="raise CELLGRAD_ENGINE_TIMEOUT, or use another engine",
            ) from None
        finally:
            # Also when a Ctrl-C gets here: nothing is left running.
            _end(process)
        text = " ".join(output.decode("utf-8", "replace").split())
        if process.returncode != 0:
            reason = text or f"exit code {process.returncode}"
            raise EngineError(
                f"Gnumeric failed ({reason[:300]})",
                remedy="check that it is an intact .xlsx file, or try another engine",
            )
        return text

    def _environment(self) -> dict[str, str]:
        # Its settings are not ours to read or to change, and texts must not
        # depend on the language of whoever runs this.
        return os.environ | {
            "HOME": str(self.folder),
            "GSETTINGS_BACKEND": "memory",
            "LC_ALL": "C.UTF-8",
        }


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


class _Workbook(CheckedWorkbook):
    def __init__(self, path: Path, converter: _Converter) -> None:
        contents = Contents(open_package(path))
        super().__init__("Gnumeric", path, contents.sheets)
        self._parts, self._paths = Parts(contents.package), contents.sheets
        self._converter = converter
        self._changes: dict[str, _Changes] = {}
        self._recalculate()

    def _recalculate(self) -> None:
        for sheet, changes in self._changes.items():
            self._parts.write(self._paths[sheet], changes.made())
        self._results = _read_results(
            self._converter.convert(self._parts.packed(level=1)), self.path
        )

    def _read(self, ranges: Sequence[Range]) -> list[Block]:
        return [self._results[area.sheet].block(area) for area in ranges]

    def _update(self, changes: Changes) -> None:
        for area, rows in changes:
            if area.sheet not in self._changes:
                own = self._parts.read(self._paths[area.sheet])
                self._changes[area.sheet] = _Changes(own)
            for number, row in enumerate(rows, area.top):
                for column, constant in enumerate(row, area.left):
                    self._changes[area.sheet].set(number, column, constant)
        self._recalculate()


def _read_results(data: bytes, path: Path) -> dict[str, SheetCells]:
    """Read the values that Gnumeric wrote; a number that no double holds reads ``#NUM!``."""
    contents = Contents(Package(data, path, LENIENT))
    results = {}
    for name, part in contents.sheets.items():
        sheet = _ResultReader(contents.package, name, contents.texts).read(part)
        sheet.values.update(dict.fromkeys(sheet.problems, CellError("#NUM!")))
        results[name] = sheet
    return results


class _ResultReader(SheetReader):
    """Reads an empty text as Gnumeric writes it: as no value of that type."""

    def _end_cell(self) -> None:
        if self._value is None and self._kind == "str":
            self._value = ""
        super()._end_cell()


class _Changes:
    """Constants to be set in one sheet."""

    def __init__(self, data: bytes) -> None:
        self._data, self._tags = data, SheetTags(data, "f")
        self._sharing = {
            id(tag.parent)
            for tag in self._tags.found
            if tag.name == "f" and tag.attributes.get("ref")
        }
        self._constants: dict[Cell, float | str | None] = {}

    def set(self, row: int, column: int, constant: float | str | None) -> None:
        """Overwrite one cell.

        Raises:
            EngineError: other cells take their formula from this one.
        """
        cell = self._tags.cells.get((row, column))
        if cell is not None and id(cell) in self._sharing:
            raise EngineError(
                "other cells share the formula of this one, so that it cannot be overwritten",
                place=a1(row, column),
                remedy="use another engine",
            )
        self._constants[row, column] = constant

    def made(self) -> bytes:
        """Return the sheet with all constants in it."""
        patch, sheet, p = Patch(self._data), self._tags, self._tags.prefix
        missing: dict[int, dict[int, str]] = {}
        for (row, column), constant in sorted(self._constants.items()):
            kind, inside = None, ""
            if isinstance(constant, str):
                text = f'<{p}t xml:space="preserve">{escaped(constant)}</{p}t>'
                kind, inside = "inlineStr", f"<{p}is>{text}</{p}is>"
            elif constant is not None:
                inside = f"<{p}v>{float(constant)!r}</{p}v>"
            cell = sheet.cells.get((row, column))
            if cell is not None:
                sheet.fill(patch, cell, kind, inside)
            elif constant is not None:
                own = f' t="{kind}"' if kind else ""
                xml = f'<{p}c r="{a1(row, column)}"{own}>{inside}</{p}c>'
                missing.setdefault(row, {})[column] = xml
        for row, new in missing.items():
            sheet.add_cells(patch, row, new)
        return patch.done()
