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
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from cellgrad.engines.interface import (
    Arithmetic,
    Block,
    CellError,
    Changes,
    Engine,
    OpenWorkbook,
    Value,
    check_shapes,
    no_such_sheet,
    seconds_allowed,
)
from cellgrad.errors import EngineError, EngineMissingError
from cellgrad.xlsx.addresses import a1, parse_a1
from cellgrad.xlsx.book import Contents
from cellgrad.xlsx.package import LENIENT, Package, open_package
from cellgrad.xlsx.sheet import SheetReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellgrad.xlsx.addresses import Range

CONVERT_SECONDS: Final = 120.0
"""How long one conversion may take."""

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"

Cells = dict[tuple[int, int], Value]


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
        limit = seconds_allowed(CONVERT_SECONDS) if seconds is None else seconds
        # Removes itself at the latest when Python ends.
        self._folder = tempfile.TemporaryDirectory(
            prefix="cellgrad-gnumeric-", ignore_cleanup_errors=True
        )
        self._convert = _Converter(program, limit, Path(self._folder.name))

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
        with _naming(path):
            return _Workbook(path, self._convert)

    def close(self) -> None:
        """Remove the copies."""
        self._folder.cleanup()


class _naming(contextlib.AbstractContextManager[None]):  # noqa: N801 (read as a statement)
    """Name the workbook in complaints that do not yet name a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, EngineError) and not error.file:
            raise error.within(self.path) from error


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


class _Workbook(OpenWorkbook):
    def __init__(self, path: Path, converter: _Converter) -> None:
        self._path, self._converter = path, converter
        package = open_package(path)
        self._parts = {name: package.read(name) for name in package.names}
        self._paths = Contents(package).sheets
        self._editors: dict[str, _SheetEditor] = {}
        self._values: dict[str, Cells] = {}
        self._recalculate()

    def _recalculate(self) -> None:
        changed = {self._paths[sheet]: editor.xml() for sheet, editor in self._editors.items()}
        result = self._converter.convert(_zip(self._parts | changed))
        self._values = _values(result, self._path)

    def read(self, ranges: Sequence[Range]) -> list[Block]:
        """Return the present values of each range, in the order asked for.

        Raises:
            EngineError: there is no such sheet.
        """
        return [self._block(area) for area in ranges]

    def _block(self, area: Range) -> Block:
        self._check_sheet(area, self._values)
        values = self._values[area.sheet]
        columns = range(area.left, area.right + 1)
        return [
            [values.get((row, column)) for column in columns]
            for row in range(area.top, area.bottom + 1)
        ]

    def _check_sheet(self, area: Range, known: dict[str, Cells] | dict[str, str]) -> None:
        if area.sheet not in known:
            raise no_such_sheet("Gnumeric", self._path, area.sheet, list(known))

    def update(self, changes: Changes) -> None:
        """Overwrite cells with constants, in a copy, and recalculate everything.

        Raises:
            EngineError: there is no such sheet, the values do not fill their range,
                or Gnumeric failed or took too long.
        """
        check_shapes(changes)
        with _naming(self._path):
            for area, rows in changes:
                self._check_sheet(area, self._paths)
                editor = self._editor(area.sheet)
                for number, row in enumerate(rows, area.top):
                    for column, constant in enumerate(row, area.left):
                        editor.set(number, column, constant)
            self._recalculate()

    def _editor(self, sheet: str) -> _SheetEditor:
        if sheet not in self._editors:
            self._editors[sheet] = _SheetEditor(self._parts[self._paths[sheet]])
        return self._editors[sheet]


def _zip(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _values(data: bytes, path: Path) -> dict[str, Cells]:
    """Read the values that Gnumeric wrote; a number that no double holds reads ``#NUM!``."""
    contents = Contents(Package(data, path, LENIENT))
    values: dict[str, Cells] = {}
    for name, part in contents.sheets.items():
        sheet = _ResultReader(contents.package, name, contents).read(part)
        too_large = dict.fromkeys(sheet.problems, CellError("#NUM!"))
        values[name] = {**sheet.values, **too_large}
    return values


class _ResultReader(SheetReader):
    """Reads an empty text as Gnumeric writes it: as no value of that type."""

    def _end_cell(self) -> None:
        if self._value is None and self._kind == "str":
            self._value = ""
        super()._end_cell()


class _SheetEditor:
    """Sets constants in the XML of one sheet."""

    def __init__(self, data: bytes) -> None:
        # Checked for document types by Package, when the workbook was opened.
        self._root = ET.fromstring(data)  # noqa: S314
        self._rows: dict[int, ET.Element] = {}
        self._cells: dict[tuple[int, int], ET.Element] = {}
        row = 0
        for node in self._root.iter(f"{_MAIN}row"):
            row = int(node.get("r", row + 1))
            self._rows[row] = node
            column = 0
            for cell in node:
                address = cell.get("r")
                column = parse_a1(address)[1] if address else column + 1
                self._cells[row, column] = cell

    def set(self, row: int, column: int, constant: float | str | None) -> None:
        """Overwrite one cell.

        Raises:
            EngineError: other cells take their formula from this one.
        """
        cell = self._cells.get((row, column))
        if cell is None:
            if constant is None:
                return
            cell = self._add(row, column)
        formula = cell.find(f"{_MAIN}f")
        if formula is not None and formula.get("ref"):
            raise EngineError(
                "other cells share the formula of this one, so that it cannot be overwritten",
                place=a1(row, column),
                remedy="use another engine",
            )
        for part in list(cell):
            cell.remove(part)
        cell.attrib.pop("t", None)
        if isinstance(constant, str):
            cell.set("t", "inlineStr")
            text = ET.SubElement(ET.SubElement(cell, f"{_MAIN}is"), f"{_MAIN}t")
            text.set(_SPACE, "preserve")
            text.text = constant
        elif constant is not None:
            ET.SubElement(cell, f"{_MAIN}v").text = repr(float(constant))

    def _add(self, row: int, column: int) -> ET.Element:
        # Gnumeric goes by addresses, not by order, so the end will do.
        if row not in self._rows:
            data = self._root.find(f"{_MAIN}sheetData")
            if data is None:
                raise EngineError("a sheet without data cannot be written to")
            self._rows[row] = ET.SubElement(data, f"{_MAIN}row", {"r": str(row)})
        cell = ET.SubElement(self._rows[row], f"{_MAIN}c", {"r": a1(row, column)})
        self._cells[row, column] = cell
        return cell

    def xml(self) -> bytes:
        """Return the sheet's XML as it is now."""
        result: bytes = ET.tostring(self._root, encoding="utf-8", xml_declaration=True)
        return result
