"""One safe opening of an .xlsx file: its parts, as far as a policy lets them through.

A workbook from outside is untrusted, and a short file can stand for a very long one: nothing
is inflated before its size is known, nothing is parsed that declares a document type.
"""

from __future__ import annotations

import contextlib
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
        depth, attributes: of elements in each other, of attributes in a tag.
        limits: the most that all sheets together may hold, by what it is; others have none.
        shrink: what to do about a file that holds more.
        cell_characters: of a text in a cell.
        number: what a number looks like.
        link, name_link: what a formula, or the text of a name, that links to another workbook
            looks like when all quoted texts are taken out.
        fatal: which faults of a single cell make the whole file unreadable; the others spoil
            only their cell (see ``sheet.FAULTS``).
        unwanted: how the name of a part that is refused begins, what it is, what to do.
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
    unwanted: Iterable[tuple[str, str, str]] = (
        ("xl/externallinks/", "links to another workbook", "break the link and save"),
        ("xl/macrosheets/", "holds macros", "save it as .xlsx without macros"),
    )


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
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self.entries = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise WorkbookError(
                "not an .xlsx workbook (no zip archive)", file=file, remedy=XLSX
            ) from error
        self.names = [entry.filename for entry in self.entries]
        self.check_directory()

    def refuse(self, problem: str, remedy: str = "", place: str = "") -> NoReturn:
        """Raise a WorkbookError that names this file."""
        raise WorkbookError(problem, file=self.file, place=place, remedy=remedy)

    def check_directory(self) -> None:
        """Refuse an archive that holds too much, two parts of one name, or what is not wanted.

        Raises:
            WorkbookError: it is such an archive.
        """
        policy, entries = self.policy, self.entries
        if len(entries) > policy.parts:
            self.refuse(f"more than {policy.parts:,} parts", SAVE)
        names = {name.replace("\\", "/").lstrip("/").lower() for name in self.names}
        if len(names) != len(entries):
            self.refuse("two parts of the same name", SAVE)
        if sum(entry.file_size for entry in entries) > policy.inflated_bytes:
            self.refuse(f"inflates to more than {policy.inflated_bytes >> 20} MiB", SAVE)
        for entry in entries:
            self.check_entry(entry)

    def check_entry(self, entry: zipfile.ZipInfo) -> None:
        """Refuse a part that is not safe to inflate, or not wanted.

        Raises:
            WorkbookError: it is such a part.
        """
        policy, name = self.policy, entry.filename
        if entry.flag_bits & 1:
            self.refuse("encrypted", "remove the password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self.refuse(f"{name} is packed in an unusual way", SAVE)
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
            self.check_markup(entry.filename, self._parts[entry.filename])
        if WORKBOOK not in self._parts:
            self.refuse("a zip archive, but no workbook in it", XLSX)

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
        text: Text | None = None, data: bytes | None = None,
    ) -> None:  # fmt: skip
        """Read the tags and texts of a part, or of other bytes in its place.

        Raises:
            WorkbookError: it is missing, not well-formed, or breaks a limit; or what the
                handlers raise.
        """
        data = self.read(name) if data is None else data
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
        parser = self.new_parser(name)
        parser.StartElementHandler, parser.EndElementHandler = opened, closed
        if text is not None:
            parser.CharacterDataHandler = text
        self._run(name, parser, data)
        self._parsed.add(name)

    def unread(self) -> list[str]:
        """Return the XML parts that were not parsed so far."""
        names = (name for name in self.names if name.lower().endswith(_XML))
        return [name for name in names if name not in self._parsed]

    def new_parser(self, name: str) -> expat.XMLParserType:
        """Return a parser of a part that refuses a document type and entities."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True

        def document_type(*_: object) -> None:
            self.refuse(f"{name} declares a document type or entities", SAVE)

        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = document_type
        return parser

    def _run(self, name: str, parser: expat.XMLParserType, data: bytes) -> None:
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            self.refuse(f"{name} is not well-formed XML ({error})", SAVE)

    def check_markup(self, name: str, data: bytes) -> None:
        """Refuse a document type before anything is parsed.

        Raises:
            WorkbookError: a part declares one, or is not even well-formed before its root.
        """
        if not name.lower().endswith((*_XML, ".vml")):
            return

        def root(*_: object) -> None:
            raise _RootReached  # a document type can stand nowhere behind it

        parser = self.new_parser(name)
        parser.StartElementHandler = root
        with contextlib.suppress(_RootReached):
            self._run(name, parser, data)


class _RootReached(Exception):  # noqa: N818 - a signal, no error
    pass


def open_package(path: Path) -> Package:
    """Read and check an .xlsx file.

    Raises:
        WorkbookError: no workbook, or not safe to read.
        InputError: the file cannot be read at all.
    """
    return Package(read_limited(path, OWN.file_bytes), path)


def check_directory(path: Path) -> None:
    """Read and check what an .xlsx file says of its parts, without inflating them.

    Raises:
        WorkbookError: no workbook, or not safe to read.
        InputError: the file cannot be read at all.
    """
    Archive(read_limited(path, OWN.file_bytes), path)
