"""One safe opening of an .xlsx file: its parts, as far as a policy lets them through.

A workbook from outside is untrusted, and a short file can stand for a very long one: nothing
is inflated before its size is known, nothing is parsed that declares a document type.
"""

from __future__ import annotations

import copy
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from cellgrad.errors import WorkbookError
from cellgrad.files import read_limited

SAVE = "save it again in a spreadsheet program"
XLSX = "save it as .xlsx"
WORKBOOK = "xl/workbook.xml"

_NEVER = 1 << 60
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_XML = (".xml", ".rels")
_DRAWN = (".vml", ".svg")
"""Often not well-formed, and never read."""

_DECLARATION = re.compile(rb"<!(?!--|\[CDATA\[)")
_PLAIN_ENCODINGS = {None, "utf-8", "us-ascii", "ascii"}
_DRIVE = re.compile(r"[A-Za-z]:")
_NAME_CHARACTERS = 200
_END, _END_LENGTH, _LOCAL_LENGTH = b"PK\5\6", 22, 30
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_FILES = (b"PK\3\4", b"PK\5\6", _OLD_EXCEL, b"MZ", b"\x7fELF")

Start = Callable[[int, str, dict[str, str]], object]
"""Called with the depth of an element (1 for the root), its name and its attributes."""

End = Callable[[int, str], object]
Text = Callable[[str], object]


@dataclass(frozen=True)
class Policy:
    """What a file may hold. These are the bounds for workbooks that people have; generous.

    Attributes:
        file_bytes, parts, part_bytes, inflated_bytes: the most of them.
        ratio: how many times its packed size a part may have, …
        small_bytes: … unless it is smaller than this: short files compress well.
        tags: of one part, the closing ones too.
        markup: tags and attributes of one part.
        depth, attributes, run: of elements in each other, of attributes in a tag, of bytes
            from one tag to the next.
        limits: the most that all sheets together may hold, by what it is; others have none.
        shrink: what to do about a file that holds more.
        cell_characters: of a text in a cell.
        number: what a number looks like.
        link, name_link: what a formula, or the text of a name, that links to another workbook
            looks like when all quoted texts are taken out.
        fatal: which faults of a single cell make the whole file unreadable; the others spoil
            only their cell (see ``sheet.FAULTS``).
        closed: whether the archive must be in plain order, encoded in UTF-8 and hold ``needed``
            and ``allowed`` parts only.
        unwanted: how the name of a part that is refused begins, what it is, what to do.
        allowed: which parts a closed archive may hold, by their names in lower case.
        needed: parts without which it is no workbook.
    """

    file_bytes: int = 256 << 20
    inflated_bytes: int = 512 << 20
    part_bytes: int = _NEVER
    parts: int = 2_000
    ratio: int = 400
    small_bytes: int = 4 << 20
    tags: int = _NEVER
    markup: int = 20_000_000
    depth: int = _NEVER
    attributes: int = _NEVER
    run: int = _NEVER
    limits: Mapping[str, int] = field(
        default_factory=lambda: {
            "cells": 2_000_000,
            "cells in array formulas": 200_000,
            "characters in shared formulas": 10_000_000,
        }
    )
    shrink: str = "use a smaller workbook"
    cell_characters: int = _NEVER
    number: re.Pattern[str] = re.compile(_NUMBER, re.ASCII)
    link: re.Pattern[str] = re.compile(r"\[[^\[\]]*\]")
    name_link: re.Pattern[str] = re.compile(r"\[(?:\d+|[^\[\]]*\.[^\[\]]*)\]")
    fatal: frozenset[str] = frozenset(("array", "link", "number", "shared", "text"))
    closed: bool = False
    unwanted: Iterable[tuple[str, str, str]] = (
        ("xl/externallinks/", "links to another workbook", "break the link and save"),
        ("xl/macrosheets/", "holds macros", "save it as .xlsx without macros"),
    )
    allowed: re.Pattern[str] | None = None
    needed: frozenset[str] = frozenset((WORKBOOK,))


BLANKS_AROUND = re.compile(rf"\s*{_NUMBER}\s*", re.ASCII)
"""A number as other programs may write it."""

OWN = Policy()
LENIENT = Policy(number=BLANKS_AROUND, fatal=frozenset())
"""A bad cell is one bad cell."""


class Archive:
    """The checked directory of an .xlsx file: what its archive says of its parts.

    Raises:
        WorkbookError: the file is no workbook, or is not safe to inflate.
    """

    def __init__(self, data: bytes, file: object, policy: Policy = OWN) -> None:
        self.file, self.policy = file, policy
        if policy.closed:
            self._check_ends(data)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self.entries = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise WorkbookError(
                "not an .xlsx workbook (no zip archive)", file=file, remedy=XLSX
            ) from error
        self.names = [entry.filename for entry in self.entries]
        self._check_directory()

    def refuse(self, problem: str, remedy: str = "", place: str = "") -> NoReturn:
        """Raise a WorkbookError that names this file."""
        raise WorkbookError(problem, file=self.file, place=place, remedy=remedy)

    def _check_ends(self, data: bytes) -> None:
        """Refuse what is no plain archive, before its directory is read."""
        if not data:
            self.refuse("empty", "hand in the saved workbook")
        if len(data) > self.policy.file_bytes:
            size = self.policy.file_bytes >> 20
            self.refuse(f"larger than {size} MiB", "remove pictures and unused sheets")
        if data.startswith(_OLD_EXCEL):
            self.refuse("an old .xls workbook, or one with a password", XLSX)
        if not data.startswith(b"PK\3\4"):
            self.refuse("not an .xlsx workbook (no zip archive)", XLSX)
        end = data.rfind(_END, max(0, len(data) - _END_LENGTH - 0xFFFF))
        if end < 0 or end + _END_LENGTH > len(data):
            self.refuse("cut off: the end of the archive is missing", "hand it in again")
        disk, first, here, count, size, start, comment = struct.unpack_from(
            "<HHHHIIH", data, end + 4
        )
        if end + _END_LENGTH + comment != len(data) or start + size != end:
            self.refuse("an archive with something before or behind it", SAVE)
        if disk or first or here != count:
            self.refuse("an archive in several pieces", SAVE)
        if count > self.policy.parts or size > self.policy.parts * 2 * _NAME_CHARACTERS:
            self.refuse(f"more than {self.policy.parts:,} parts", SAVE)

    def _check_directory(self) -> None:
        policy, entries = self.policy, self.entries
        if policy.closed:
            self._check_needed()
        if len(entries) > policy.parts:
            self.refuse(f"more than {policy.parts:,} parts", SAVE)
        names = {name.replace("\\", "/").lstrip("/").lower() for name in self.names}
        if len(names) != len(entries):
            self.refuse("two parts of the same name", SAVE)
        if sum(entry.file_size for entry in entries) > policy.inflated_bytes:
            self.refuse(f"inflates to more than {policy.inflated_bytes >> 20} MiB", SAVE)
        for entry in entries:
            self._check_entry(entry)
        if policy.closed:
            self._check_order()

    def _check_needed(self) -> None:
        if not self.policy.needed.issubset(self.names):
            self.refuse("a zip archive, but no workbook in it", XLSX)

    def _check_entry(self, entry: zipfile.ZipInfo) -> None:
        policy, name = self.policy, entry.filename
        if entry.flag_bits & 1:
            self.refuse("encrypted", "remove the password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self.refuse(f"{name} is packed in an unusual way", SAVE)
        if policy.closed:
            self._check_name(entry.orig_filename)
        if entry.file_size > policy.part_bytes:
            self.refuse(f"{name} inflates to more than {policy.part_bytes >> 20} MiB", SAVE)
        packed = max(entry.compress_size, 1)
        if entry.file_size > policy.small_bytes and entry.file_size > policy.ratio * packed:
            self.refuse(f"{name} inflates {entry.file_size // packed}-fold", SAVE)
        lower = name.lower()
        for start, problem, remedy in policy.unwanted:
            if lower.startswith(start):
                self.refuse(problem, remedy)
        if lower.endswith("vbaproject.bin"):
            self.refuse("holds macros", "save it as .xlsx without macros")
        if policy.allowed is not None and not policy.allowed.fullmatch(lower):
            self.refuse(f"{name} is no part of a plain workbook", SAVE)

    def _check_name(self, name: str) -> None:
        if len(name) > _NAME_CHARACTERS or not name.isprintable():
            self.refuse("a part with an unusual name", SAVE)
        if "\\" in name or name.startswith("/") or _DRIVE.match(name):
            self.refuse(f"a part with the absolute path {name}", SAVE)
        if ".." in name.split("/"):
            self.refuse(f"a part that lies outside the archive: {name}", SAVE)

    def _check_order(self) -> None:
        end = 0
        for entry in sorted(self.entries, key=lambda entry: entry.header_offset):
            if entry.header_offset < end:
                self.refuse("two parts lie on top of each other in the archive", SAVE)
            end = entry.header_offset + _LOCAL_LENGTH + len(entry.filename) + entry.compress_size

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
            self.refuse(f"{entry.filename} is damaged", SAVE)
        if self.policy.closed and data.startswith(_FILES):
            self.refuse(f"{entry.filename} is a file within the file", "delete it and save")
        return data


class Package(Archive):
    """The checked parts of an .xlsx file.

    Raises:
        WorkbookError: the file is no workbook, or is not safe to read.
    """

    def __init__(self, data: bytes, file: object, policy: Policy = OWN) -> None:
        super().__init__(data, file, policy)
        self._parts: dict[str, bytes] = {}
        self._parsed: set[str] = set()
        self._left = dict(policy.limits)
        for entry in self.entries:
            self._parts[entry.filename] = self.inflated(entry)
            self._check_markup(entry.filename)
        self._check_needed()

    def read(self, name: str) -> bytes:
        """Return one part, inflated."""
        if name not in self._parts:
            self.refuse(f"{name} is missing", SAVE)
        return self._parts[name]

    def take(self, what: str, count: int, place: str = "") -> None:
        """Count what is read of the whole workbook.

        Raises:
            WorkbookError: it is more than the policy allows.
        """
        left = self._left.get(what)
        if left is None:
            return
        if count > left:
            most = self.policy.limits[what]
            self.refuse(f"too many {what}: more than {most:,}", self.policy.shrink, place)
        self._left[what] = left - count

    def parse(
        self, name: str, start: Start | None = None, end: End | None = None,
        text: Text | None = None,
    ) -> None:  # fmt: skip
        """Read the tags and texts of a part from its beginning to its end.

        Raises:
            WorkbookError: it is missing, not well-formed, or breaks a limit; or what the
                handlers raise.
        """
        self.parse_bytes(name, self.read(name), start, end, text)
        self._parsed.add(name)

    def parse_bytes(
        self, name: str, data: bytes, start: Start | None = None, end: End | None = None,
        text: Text | None = None,
    ) -> None:  # fmt: skip
        """Read other bytes in the place of a part's own."""
        policy, depth = self.policy, 0

        def opened(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > policy.depth:
                self.refuse(f"{name} is nested more than {policy.depth} deep", SAVE)
            if len(attributes) > policy.attributes:
                most = policy.attributes
                self.refuse(f"{name} has a tag with more than {most} attributes", SAVE)
            if start is not None:
                start(depth, tag, attributes)

        def closed(tag: str) -> None:
            nonlocal depth
            if end is not None:
                end(depth, tag)
            depth -= 1

        tags = data.count(b"<")
        if tags > policy.tags:
            self.refuse(f"{name} has more than {policy.tags:,} tags", SAVE)
        if tags + data.count(b"=") > policy.markup:
            self.refuse(f"{name} holds more than {policy.markup:,} tags and attributes", SAVE)
        parser = self._parser(name)
        parser.StartElementHandler, parser.EndElementHandler = opened, closed
        if text is not None:
            parser.CharacterDataHandler = text
        self._run(name, parser, data)

    def unread(self) -> list[str]:
        """Return the XML parts that were not parsed so far."""
        names = (name for name in self.names if name.lower().endswith(_XML))
        return [name for name in names if name not in self._parsed]

    def _parser(self, name: str) -> expat.XMLParserType:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True

        def document_type(*_: object) -> None:
            self.refuse(f"{name} declares a document type or entities", SAVE)

        def declared(_version: str, encoding: str | None, _standalone: int) -> None:
            if (encoding and encoding.lower()) not in _PLAIN_ENCODINGS:
                self.refuse(f"{name} is not encoded in UTF-8", SAVE)

        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = document_type
        if self.policy.closed:
            parser.XmlDeclHandler = declared
        return parser

    def _run(self, name: str, parser: expat.XMLParserType, data: bytes) -> None:
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            self.refuse(f"{name} is not well-formed XML ({error})", SAVE)

    def _check_markup(self, name: str) -> None:
        """Refuse a document type, and what would be dear to parse, before anything is parsed."""
        data, run, lower = self._parts[name], self.policy.run, name.lower()
        if not lower.endswith((*_XML, *_DRAWN)):
            return
        if self.policy.closed:
            if data.startswith((b"\xfe\xff", b"\xff\xfe")) or b"\0" in data[:64]:
                self.refuse(f"{name} is not encoded in UTF-8", SAVE)
            if _DECLARATION.search(data):
                self.refuse(f"{name} declares a document type or entities", SAVE)
            if len(data) > run and max(map(len, data.split(b"<"))) > run:
                self.refuse(f"{name} has a tag or a text of more than {run:,} bytes", SAVE)
            return

        if lower.endswith(".svg"):
            return

        def root(*_: object) -> None:
            raise _RootReached  # a document type can stand nowhere behind it

        parser = self._parser(name)
        parser.StartElementHandler = root
        try:
            self._run(name, parser, data)
        except _RootReached:
            return


class _RootReached(Exception):  # noqa: N818 - a signal, no error
    pass


def open_package(path: Path, policy: Policy = OWN) -> Package:
    """Read and check an .xlsx file.

    Raises:
        WorkbookError: no workbook, or not safe to read.
        InputError: the file cannot be read at all.
    """
    return Package(read_limited(path, policy.file_bytes), path, policy)


def check_directory(path: Path) -> None:
    """Read and check what an .xlsx file says of its parts, without inflating them.

    Raises:
        WorkbookError: no workbook, or not safe to read.
        InputError: the file cannot be read at all.
    """
    Archive(read_limited(path, OWN.file_bytes), path)
