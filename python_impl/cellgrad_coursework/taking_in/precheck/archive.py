"""The archive of a submitted workbook: what its directory says, before a part is inflated."""

from __future__ import annotations

import re
import struct
import zipfile

from cellgrad.xlsx.package import Directory

MAX_FILE = 16 << 20
MAX_PARTS = 500
MAX_DIRECTORY = MAX_PARTS * 400
MAX_PART = 24 << 20
MAX_INFLATED = 48 << 20
MAX_RATIO = 200
SMALL = 1 << 20
"""Parts below this size are not held to MAX_RATIO: short files compress well."""
MAX_NAME = 200

_END = b"PK\5\6"
_END_LENGTH = 22
_LOCAL_LENGTH = 30
_SAVE = "save it again in a spreadsheet program"
_XLSX = "save it as .xlsx"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_DRIVE = re.compile(r"[A-Za-z]:")
_FINE_BINARY = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".emf", ".wmf", ".wdp",
                ".svg")  # fmt: skip
_NEVER_READ = re.compile(
    r"xl/(?:printersettings/|customproperty)[^/]*\.bin|xl/media/[^/]*|\[trash\]/[^/]*"
)
"""Settings, pictures of whatever kind, and what a program left over: nobody opens them here."""

_GOOGLE = "xl/metadata"
"""What Google Sheets keeps of its own in the files that it exports."""

_XML = (".xml", ".rels", ".vml")
_UNWANTED = (
    ("xl/externallinks/", "links to another workbook", "break the link and save"),
    ("xl/macrosheets/", "holds macros", "save it as .xlsx without macros"),
    ("xl/dialogsheets/", "holds a dialog sheet", "delete it and save"),
    ("xl/activex/", "holds ActiveX controls", "delete them and save"),
    ("xl/embeddings/", "holds an embedded file", "delete the object and save"),
    ("xl/connections.xml", "connects to a data source", "remove the connection and save"),
    ("xl/querytables/", "connects to a data source", "remove the query and save"),
    ("xl/model/", "holds a data model", "remove it and save"),
    ("xl/webextensions/", "holds an add-in", "remove it and save"),
    ("customui/", "changes the ribbon", _SAVE),
)
"""What no submission needs: where it lies, what it is, and what to do about it."""


class Archive(Directory):
    """The checked archive of a submission.

    Raises:
        WorkbookError: it is no .xlsx workbook, or its archive is not safe to inflate.
    """

    def __init__(self, data: bytes, file: object) -> None:
        self.file = file
        self._check_ends(data)
        super().__init__(data, file)

    def _check_ends(self, data: bytes) -> None:
        """Refuse what is no plain archive, before its directory is read."""
        if not data:
            self.refuse("empty", "hand in the saved workbook")
        if len(data) > MAX_FILE:
            self.refuse(f"larger than {MAX_FILE >> 20} MiB", "remove pictures and unused sheets")
        if data.startswith(_OLD_EXCEL):
            self.refuse("an old .xls workbook, or one with a password", _XLSX)
        if not data.startswith(b"PK\3\4"):
            self.refuse("not an .xlsx workbook (no zip archive)", _XLSX)
        end = data.rfind(_END, max(0, len(data) - _END_LENGTH - 0xFFFF))
        if end < 0 or end + _END_LENGTH > len(data):
            self.refuse("cut off: the end of the archive is missing", "hand it in again")
        disk, first, here, count, size, start, comment = struct.unpack_from(
            "<HHHHIIH", data, end + 4
        )
        if end + _END_LENGTH + comment != len(data) or start + size != end:
            self.refuse("an archive with something before or behind it", _SAVE)
        if disk or first or here != count:
            self.refuse("an archive in several pieces", _SAVE)
        if count > MAX_PARTS or size > MAX_DIRECTORY:
            self.refuse(f"more than {MAX_PARTS:,} parts", _SAVE)

    def _check(self, entries: list[zipfile.ZipInfo]) -> None:
        if not {"xl/workbook.xml", "[Content_Types].xml"} <= {entry.filename for entry in entries}:
            self.refuse("a zip archive, but no workbook in it", _XLSX)
        super()._check(entries)
        if len(entries) > MAX_PARTS:
            self.refuse(f"more than {MAX_PARTS:,} parts", _SAVE)
        if sum(entry.file_size for entry in entries) > MAX_INFLATED:
            self.refuse(f"inflates to more than {MAX_INFLATED >> 20} MiB", _SAVE)
        end = 0
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            self._check_entry(entry)
            if entry.header_offset < end:
                self.refuse("two parts lie on top of each other in the archive", _SAVE)
            end = entry.header_offset + _LOCAL_LENGTH + len(entry.filename) + entry.compress_size

    def _check_entry(self, entry: zipfile.ZipInfo) -> None:
        name, lower = entry.orig_filename, entry.orig_filename.lower()
        if len(name) > MAX_NAME or not name.isprintable():
            self.refuse("a part with an unusual name", _SAVE)
        if "\\" in name or name.startswith("/") or _DRIVE.match(name):
            self.refuse(f"a part with the absolute path {name}", _SAVE)
        if ".." in name.split("/"):
            self.refuse(f"a part that lies outside the archive: {name}", _SAVE)
        if entry.file_size > MAX_PART:
            self.refuse(f"{name} inflates to more than {MAX_PART >> 20} MiB", _SAVE)
        packed = max(entry.compress_size, 1)
        if entry.file_size > SMALL and entry.file_size > MAX_RATIO * packed:
            self.refuse(f"{name} inflates {entry.file_size // packed}-fold", _SAVE)
        for where, problem, remedy in _UNWANTED:
            if lower.startswith(where):
                self.refuse(problem, remedy)
        fine = lower.endswith((*_XML, *_FINE_BINARY, "/")) or name == _GOOGLE
        if not fine and not _NEVER_READ.match(lower):
            self.refuse(f"{name} is no part of a plain workbook", _SAVE)

    def part(self, entry: zipfile.ZipInfo) -> bytes:
        """Return one part, inflated and compared with its checksum.

        Raises:
            WorkbookError: it is damaged, or is a file of another kind.
        """
        data = self.inflated(entry)
        if data.startswith((b"PK\3\4", b"PK\5\6", _OLD_EXCEL, b"MZ", b"\x7fELF")):
            self.refuse(f"{entry.filename} is a file within the file", "delete it and save")
        return data
