"""The parts of an .xlsx file, after a check that it is safe to read.

A workbook from outside is untrusted: nothing is inflated before its size is
known, nothing is parsed that declares a document type.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat

from cellgrad.errors import WorkbookError
from cellgrad.files import read_limited

MAX_FILE_BYTES = 256 << 20
MAX_INFLATED_BYTES = 512 << 20
MAX_PARTS = 2_000
MAX_RATIO = 400
SMALL_PART = 4 << 20
"""Parts below this size are not held to MAX_RATIO: short files compress well."""


class Package:
    """The checked parts of an .xlsx file.

    Raises:
        WorkbookError: the file is no workbook, or is not safe to read.
    """

    def __init__(self, data: bytes, file: object) -> None:
        self.file = file
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            entries = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise WorkbookError(
                "not an .xlsx workbook (no zip archive)",
                file=file,
                remedy="save it as .xlsx",
            ) from error
        self._check(entries)
        self.names = [entry.filename for entry in entries]
        if "xl/workbook.xml" not in self.names:
            self.refuse("a zip archive, but no workbook in it", "save it as .xlsx")

    def refuse(self, problem: str, remedy: str = "", place: str = "") -> NoReturn:
        """Raise a WorkbookError that names this file."""
        raise WorkbookError(problem, file=self.file, place=place, remedy=remedy)

    def _check(self, entries: list[zipfile.ZipInfo]) -> None:
        if len(entries) > MAX_PARTS:
            self.refuse(f"more than {MAX_PARTS:,} parts")
        names = [entry.filename for entry in entries]
        if len(set(names)) != len(names):
            self.refuse("two parts of the same name", "save it again in a spreadsheet program")
        if sum(entry.file_size for entry in entries) > MAX_INFLATED_BYTES:
            self.refuse(f"inflates to more than {MAX_INFLATED_BYTES >> 20} MiB")
        for entry in entries:
            if entry.flag_bits & 1:
                self.refuse("encrypted", "remove the password")
            packed = max(entry.compress_size, 1)
            if entry.file_size > SMALL_PART and entry.file_size / packed > MAX_RATIO:
                self.refuse(f"{entry.filename} inflates {entry.file_size // packed}-fold")
            lower = entry.filename.lower()
            if lower.startswith("xl/externallinks/"):
                self.refuse("links to another workbook", "break the link and save")
            if lower.endswith("vbaproject.bin"):
                self.refuse("holds macros", "save it as .xlsx without macros")

    def read(self, name: str) -> bytes:
        """Return one part, inflated."""
        try:
            return self._zip.read(name)
        except KeyError:
            self.refuse(f"{name} is missing", "save it again in a spreadsheet program")
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError):
            self.refuse(f"{name} is damaged", "save it again in a spreadsheet program")

    def xml(self, name: str) -> ET.Element:
        """Return one part, parsed; a document type is refused, and so are its entities."""
        data = self.read(name)
        try:
            _refuse_document_type(data)
            return ET.fromstring(data)  # noqa: S314 - no document type, so no entities
        except _DocumentTypeError:
            self.refuse(f"{name} declares a document type", "save it again")
        except (ET.ParseError, expat.ExpatError, LookupError, ValueError) as error:
            self.refuse(f"{name} is not well-formed XML ({error})", "save it again")


class _DocumentTypeError(Exception):
    pass


class _RootReached(Exception):  # noqa: N818 - a signal, no error
    pass


def _refuse_document_type(data: bytes) -> None:
    """Parse up to the root element; a document type can stand nowhere else."""
    parser = expat.ParserCreate()

    def document_type(*_: object) -> None:
        raise _DocumentTypeError

    def root(*_: object) -> None:
        raise _RootReached

    parser.StartDoctypeDeclHandler = document_type
    parser.StartElementHandler = root
    try:
        for start in range(0, len(data), 1 << 14):
            parser.Parse(data[start : start + (1 << 14)], False)
    except _RootReached:
        return


def open_package(path: Path) -> Package:
    """Read and check an .xlsx file.

    Raises:
        WorkbookError: no workbook, or not safe to read.
        InputError: the file cannot be read at all.
    """
    return Package(read_limited(path, MAX_FILE_BYTES), path)
