"""The parts of an .xlsx file, after a check that it is safe to read.

A workbook from outside is untrusted: nothing is inflated before its size is
known, nothing is parsed that declares a document type.
"""

from __future__ import annotations

import copy
import io
import struct
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
MAX_MARKUP = 20_000_000
"""Tags and attributes of one part: parsed, each takes many times its length."""
MAX_RATIO = 400
SMALL_PART = 4 << 20
"""Parts below this size are not held to MAX_RATIO: short files compress well."""


class Directory:
    """The checked directory of an .xlsx file: what its archive says of its parts.

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
        self.entries = entries
        self.names = [entry.filename for entry in entries]

    def refuse(self, problem: str, remedy: str = "", place: str = "") -> NoReturn:
        """Raise a WorkbookError that names this file."""
        raise WorkbookError(problem, file=self.file, place=place, remedy=remedy)

    def _check(self, entries: list[zipfile.ZipInfo]) -> None:
        if len(entries) > MAX_PARTS:
            self.refuse(f"more than {MAX_PARTS:,} parts")
        names = {entry.filename.replace("\\", "/").lstrip("/").lower() for entry in entries}
        if len(names) != len(entries):
            self.refuse("two parts of the same name", "save it again in a spreadsheet program")
        if sum(entry.file_size for entry in entries) > MAX_INFLATED_BYTES:
            self.refuse(f"inflates to more than {MAX_INFLATED_BYTES >> 20} MiB")
        for entry in entries:
            if entry.flag_bits & 1:
                self.refuse("encrypted", "remove the password")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                self.refuse(f"{entry.filename} is packed in an unusual way", "save it again")
            packed = max(entry.compress_size, 1)
            if entry.file_size > SMALL_PART and entry.file_size / packed > MAX_RATIO:
                self.refuse(f"{entry.filename} inflates {entry.file_size // packed}-fold")
            lower = entry.filename.lower()
            if lower.startswith("xl/externallinks/"):
                self.refuse("links to another workbook", "break the link and save")
            if lower.endswith("vbaproject.bin") or lower.startswith("xl/macrosheets/"):
                self.refuse("holds macros", "save it as .xlsx without macros")

    def inflated(self, entry: zipfile.ZipInfo) -> bytes:
        """Return one part; it must have the size and the checksum that the archive states."""
        longer = copy.copy(entry)
        longer.file_size += 1  # what goes beyond the stated size would be cut off in silence
        try:
            with self._zip.open(longer) as part:
                data = part.read(longer.file_size)
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError,
                ValueError):  # fmt: skip
            data = None
        if data is None or len(data) != entry.file_size:
            self.refuse(f"{entry.filename} is damaged", "save it again in a spreadsheet program")
        return data


class Package(Directory):
    """The checked parts of an .xlsx file.

    Raises:
        WorkbookError: the file is no workbook, or is not safe to read.
    """

    def __init__(self, data: bytes, file: object) -> None:
        super().__init__(data, file)
        self._parts = {entry.filename: self.inflated(entry) for entry in self.entries}
        for name in self.names:
            if name.lower().endswith((".xml", ".rels", ".vml")):
                self._refuse_document_type(name)
        if "xl/workbook.xml" not in self.names:
            self.refuse("a zip archive, but no workbook in it", "save it as .xlsx")

    def read(self, name: str) -> bytes:
        """Return one part, inflated."""
        if name not in self._parts:
            self.refuse(f"{name} is missing", "save it again in a spreadsheet program")
        return self._parts[name]

    def xml(self, name: str) -> ET.Element:
        """Return one part, parsed; it declares no document type, so it has no entities."""
        data = self.read(name)
        if too_marked(data):
            self.refuse(f"{name} holds more than {MAX_MARKUP:,} tags and attributes")
        try:
            return ET.fromstring(data)  # noqa: S314 - refused where a document type is declared
        except (ET.ParseError, LookupError, ValueError) as error:
            self.refuse(f"{name} is not well-formed XML ({error})", "save it again")

    def _refuse_document_type(self, name: str) -> None:
        try:
            _find_document_type(self.read(name))
        except _DocumentTypeError:
            self.refuse(f"{name} declares a document type", "save it again")
        except (expat.ExpatError, LookupError, ValueError) as error:
            self.refuse(f"{name} is not well-formed XML ({error})", "save it again")


def too_marked(data: bytes) -> bool:
    """Tell whether a part has more tags and attributes than may be parsed."""
    if len(data) <= MAX_MARKUP:
        return False
    import numpy as np  # noqa: PLC0415 - rarely needed, and large

    signs = np.frombuffer(data, dtype=np.uint8)
    return sum(int(np.count_nonzero(signs == ord(sign))) for sign in "<=") > MAX_MARKUP


class _DocumentTypeError(Exception):
    pass


class _RootReached(Exception):  # noqa: N818 - a signal, no error
    pass


def _find_document_type(data: bytes) -> None:
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


def check_directory(path: Path) -> None:
    """Read and check what an .xlsx file says of its parts, without inflating them.

    Raises:
        WorkbookError: no workbook, or not safe to read.
        InputError: the file cannot be read at all.
    """
    Directory(read_limited(path, MAX_FILE_BYTES), path)
