"""A check of a submitted file before anything else looks at it: is it safe to open?

A submission is untrusted, and a short file can stand for a very long one. It is opened under a
policy of small limits; the parts that no submission needs are refused, and so are formulas that
reach into other files or over far too many cells. What is read on the way is kept.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat
from zipfile import ZipInfo

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, a1, column_letters, parse_a1
from cellgrad.xlsx.book import Contents
from cellgrad.xlsx.package import BLANKS_AROUND, SAVE, WORKBOOK, XLSX, Package, Policy
from cellgrad.xlsx.sheet import MAIN, STRICT, SheetCells, SheetReader, Watch

_SHRINK = "delete what is not needed"
_SHORTER = "write a shorter formula"
_DATA = "connects to a data source"

LINKED = re.compile(r"(?<![\w.)\]])\[(?:\d+|[^\[\]]*\.[^\[\]]*)\][^\[\]!]*!")
"""A reference into another workbook, ``[1]Sheet1!A1``; ``Table1[1]`` names a column of a table."""

POLICY = Policy(
    file_bytes=16 << 20,
    inflated_bytes=48 << 20,
    part_bytes=24 << 20,
    parts=500,
    ratio=200,
    small_bytes=1 << 20,
    tags=1_200_000,
    depth=100,
    attributes=128,
    limits={
        "sheets": 64,
        "defined names": 5_000,
        "texts": 60_000,
        "cells": 200_000,
        "rows": 120_000,
        "formulas": 50_000,
        "characters in formulas": 4_000_000,
        "characters in shared formulas": 4_000_000,
        "cells in array formulas": 20_000,
        "merged ranges": 2_000,
        "merged or linked cells": 100_000,
        "formatted or linked ranges": 5_000,
    },
    shrink=_SHRINK,
    cell_characters=40_000,
    number=BLANKS_AROUND,
    link=LINKED,
    name_link=LINKED,
    fatal=frozenset(("array", "link", "number", "table")),
    unwanted=(
        ("xl/externallinks/", "links to another workbook", "break the link and save"),
        ("xl/macrosheets/", "holds macros", "save it as .xlsx without macros"),
        ("xl/dialogsheets/", "holds a dialog sheet", "delete it and save"),
        ("xl/activex/", "holds ActiveX controls", "delete them and save"),
        ("xl/embeddings/", "holds an embedded file", "delete the object and save"),
        ("xl/connections.xml", _DATA, "remove the connection and save"),
        ("xl/querytables/", _DATA, "remove the query and save"),
        ("xl/model/", "holds a data model", "remove it and save"),
        ("xl/webextensions/", "holds an add-in", "remove it and save"),
        ("customui/", "changes the ribbon", SAVE),
    ),
)
"""What a submission may hold."""

# XML, pictures and folders; what Google keeps; what programs leave over and nobody opens here
_ALLOWED = re.compile(
    r".*(?:\.(?:xml|rels|vml|png|jpe?g|gif|bmp|tiff?|emf|wmf|wdp|svg)|/)|xl/metadata"
    r"|xl/(?:printersettings/|customproperty)[^/]*\.bin|xl/media/[^/]*|\[trash\]/[^/]*"
)
_NEEDED = frozenset((WORKBOOK, "[Content_Types].xml"))
_MARKUP = (".xml", ".rels", ".vml", ".svg")
_RUN_BYTES = 256 << 10
"""From one tag to the next: a full cell of 32,767 characters, all escaped."""

_DECLARATION = re.compile(rb"<!(?!--|\[CDATA\[)")
_PLAIN_ENCODINGS = {None, "utf-8", "us-ascii", "ascii"}
_DRIVE = re.compile(r"[A-Za-z]:")
_PART_NAME_CHARACTERS = 200
_END, _END_LENGTH, _LOCAL_LENGTH = b"PK\5\6", 22, 30
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_FILES = (b"PK\3\4", b"PK\5\6", _OLD_EXCEL, b"MZ", b"\x7fELF")

_KINDS = (
    ("macro", "holds macros", "save it as .xlsx without macros"),
    ("vba", "holds macros", "save it as .xlsx without macros"),
    ("externallink", "links to another workbook", "break the link and save"),
    ("oleobject", "holds an embedded object", "delete it and save"),
    ("activex", "holds ActiveX controls", "delete them and save"),
    ("connections", _DATA, "remove the connection and save"),
    ("querytable", _DATA, "remove the query and save"),
    ("dialogsheet", "holds a dialog sheet", "delete it and save"),
    ("attachedtemplate", "refers to a file elsewhere", "save it as a plain .xlsx"),
    ("customui", "changes the ribbon", SAVE),
    ("extensibility", "changes the ribbon", SAVE),
)
"""Words in a content type or a relation that no submission needs."""

_WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_RELATION = "http://schemas.openxmlformats.org/package/2006/relationships Relationship"
_STYLES = "xl/styles.xml"
MAX_STYLE_TAGS = 100_000
MAX_NAME_CHARACTERS = 8_192
MAX_SHEET_NAME = 31
SLACK_ROWS, SLACK_COLUMNS = 2_000, 200
"""How far beyond the handout's own cells a student may write."""

BEYOND = (8_000, 300)
"""The box of a sheet that a student added."""

MAX_FORMULA_AREA = 1 << 20
MAX_FORMULA_AREAS = 8 << 20
MAX_WHOLE_COLUMNS = 64
MAX_WHOLE_ROWS = 5_000
MAX_NESTING = 64
MAX_SIGNS = 32

_COLUMNS = {column_letters(column): column for column in range(1, MAX_COLUMN + 1)}
_AREA = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})", re.IGNORECASE)
_WHOLE_COLUMNS = re.compile(r"(?<![\w$.])\$?([A-Z]{1,3}):\$?([A-Z]{1,3})(?![\w(.])", re.IGNORECASE)
_WHOLE_ROWS = re.compile(r"(?<![\w$.:])\$?(\d{1,7}):\$?(\d{1,7})(?![\w.:])")
_QUOTED = re.compile(r'"[^"]*"')
_PROGRAM = re.compile(r"[\w.']\|'?[^'|]*'?!")
_SIGNS = re.compile(rf"(?:[-+@]\s*){{{MAX_SIGNS},}}")
_FETCHING = re.compile(
    r"\b(WEBSERVICE|FILTERXML|IMAGE|CALL|REGISTER(?:\.ID)?|EXEC|RTD|DDE"
    r"|IMPORT(?:DATA|FEED|HTML|RANGE|XML)|GOOGLE(?:FINANCE|TRANSLATE)|STOCKHISTORY|SQL\.REQUEST"
    r"|CUBE[A-Z]+|PY|COPILOT)\s*\(",
    re.IGNORECASE,
)
"""Functions that reach outside the sheet: never evaluated, shown to a person."""


@dataclass(frozen=True)
class Checked:
    """A submitted workbook that is safe to read.

    Attributes:
        contents: what it consists of.
        sheets: the cells of its sheets, by their names.
        reasons: why a person should look at it although it can be read, such as a formula that
            fetches something; empty for most files.
    """

    contents: Contents
    sheets: Mapping[str, SheetCells]
    reasons: list[str] = field(default_factory=list)


def check(data: bytes, box: Mapping[str, tuple[int, int]], file: object = None) -> Checked:
    """Check and read the bytes of a submitted workbook.

    Args:
        data: the file.
        box: of each sheet of the handout, the last row and column in use; what lies a good
            way beyond is refused.
        file: what the file is called in an error.

    Raises:
        WorkbookError: it is no .xlsx workbook, damaged, or not safe to read.
    """
    package = _Submitted(data, file)
    _check_types(package)
    contents = _checked_contents(package)
    for name in package.names:
        if name.lower().endswith(".rels"):
            _check_relations(package, name)
    sheets = {}
    for sheet, part in contents.sheets.items():
        row, column = box.get(sheet, BEYOND)
        last = (min(row + SLACK_ROWS, MAX_ROW), min(column + SLACK_COLUMNS, MAX_COLUMN))
        watch = _ranges_of(package, sheet)
        sheets[sheet] = SheetReader(package, sheet, contents.texts, last, watch).read(part)
    _check_rest(package)
    return Checked(contents, sheets, _Formulas(package, sheets).reasons())


# parts


class _Submitted(Package):
    """The parts of a submission: in plain order, encoded in UTF-8, and none that it does not need.

    Raises:
        WorkbookError: it is no workbook, or is not safe to read.
    """

    def __init__(self, data: bytes, file: object) -> None:
        self.file = file
        self._check_ends(data)
        super().__init__(data, file, POLICY)

    def _check_ends(self, data: bytes) -> None:
        """Refuse what is no plain archive, before its directory is read."""
        if not data:
            self.refuse("empty", "hand in the saved workbook")
        if len(data) > POLICY.file_bytes:
            size = POLICY.file_bytes >> 20
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
        if count > POLICY.parts or size > POLICY.parts * 2 * _PART_NAME_CHARACTERS:
            self.refuse(f"more than {POLICY.parts:,} parts", SAVE)

    def check_directory(self) -> None:
        """Refuse parts that are missing or lie on top of each other, and what others refuse."""
        if not _NEEDED.issubset(self.names):
            self.refuse("a zip archive, but no workbook in it", XLSX)
        super().check_directory()
        end = 0
        for entry in sorted(self.entries, key=lambda entry: entry.header_offset):
            if entry.header_offset < end:
                self.refuse("two parts lie on top of each other in the archive", SAVE)
            end = entry.header_offset + _LOCAL_LENGTH + len(entry.filename) + entry.compress_size

    def check_entry(self, entry: ZipInfo) -> None:
        """Refuse unusual names too, and what is no part of a plain workbook."""
        name = entry.orig_filename
        if len(name) > _PART_NAME_CHARACTERS or not name.isprintable():
            self.refuse("a part with an unusual name", SAVE)
        if "\\" in name or name.startswith("/") or _DRIVE.match(name):
            self.refuse(f"a part with the absolute path {name}", SAVE)
        if ".." in name.split("/"):
            self.refuse(f"a part that lies outside the archive: {name}", SAVE)
        super().check_entry(entry)
        if not _ALLOWED.fullmatch(entry.filename.lower()):
            self.refuse(f"{entry.filename} is no part of a plain workbook", SAVE)

    def inflated(self, entry: ZipInfo) -> bytes:
        """Return one part that is no file within the file."""
        data = super().inflated(entry)
        if data.startswith(_FILES):
            self.refuse(f"{entry.filename} is a file within the file", "delete it and save")
        return data

    def new_parser(self, name: str) -> expat.XMLParserType:
        """Return a parser that refuses other encodings too."""

        def declared(_version: str, encoding: str | None, _standalone: int) -> None:
            if (encoding and encoding.lower()) not in _PLAIN_ENCODINGS:
                self.refuse(f"{name} is not encoded in UTF-8", SAVE)

        parser = super().new_parser(name)
        parser.XmlDeclHandler = declared
        return parser

    def check_markup(self, name: str, data: bytes) -> None:
        """Refuse what would be dear to parse, before anything is parsed."""
        if not name.lower().endswith(_MARKUP):
            return
        if data.startswith((b"\xfe\xff", b"\xff\xfe")) or b"\0" in data[:64]:
            self.refuse(f"{name} is not encoded in UTF-8", SAVE)
        if _DECLARATION.search(data):
            self.refuse(f"{name} declares a document type or entities", SAVE)
        if len(data) > _RUN_BYTES and max(map(len, data.split(b"<"))) > _RUN_BYTES:
            self.refuse(f"{name} has a tag or a text of more than {_RUN_BYTES:,} bytes", SAVE)


def _refuse_kind(package: Package, kind: str) -> None:
    lower = kind.lower().replace("-", "")
    for word, problem, remedy in _KINDS:
        if word in lower:
            package.refuse(problem, remedy)


def _check_types(package: Package) -> None:
    """Refuse what is no .xlsx workbook: a template, a binary workbook, or something else."""
    kinds = []

    def look(_depth: int, _tag: str, attributes: dict[str, str]) -> None:
        kind = attributes.get("ContentType", "")
        _refuse_kind(package, kind)
        if attributes.get("PartName", "").lower() == f"/{WORKBOOK}":
            kinds.append(kind)

    package.parse("[Content_Types].xml", look)
    if kinds[-1:] != [_WORKBOOK_TYPE]:
        package.refuse("its archive holds something other than a plain workbook", XLSX)


def _checked_contents(package: Package) -> Contents:
    def name(attributes: dict[str, str]) -> None:
        true = {key for key, value in attributes.items() if value in ("1", "true")}
        if {"xlm", "function", "vbProcedure"} & true:
            package.refuse("holds macros", "save it as .xlsx without macros")

    def sheet(attributes: dict[str, str]) -> None:
        if not 0 < len(attributes.get("name", "")) <= MAX_SHEET_NAME:
            package.refuse("a sheet with an unusual name", SAVE)

    def link(_: dict[str, str]) -> None:
        package.refuse("links to another workbook", "break the link and save")

    looks = {"definedName": name, "sheet": sheet, "externalReference": link}
    contents = Contents(package, {f"{MAIN}{tag}": look for tag, look in looks.items()})
    if not contents.tabs:
        package.refuse("a workbook without a sheet", XLSX)
    if any(len(one.text) > MAX_NAME_CHARACTERS for one in contents.names):
        package.refuse(f"a defined name of more than {MAX_NAME_CHARACTERS:,} characters", SAVE)
    _check_tabs(contents)
    return contents


def _check_tabs(contents: Contents) -> None:
    """Every sheet has a part of its own."""
    package = contents.package
    parts: set[str] = set()
    for title, (kind, part) in contents.tabs.items():
        if kind not in {"worksheet", "chartsheet"} or part not in package.names:
            package.refuse("the sheet has no part in the file", SAVE, title)
        if part in parts:
            package.refuse("two sheets share a part of the file", SAVE, title)
        parts.add(part)


def _check_relations(package: Package, name: str) -> None:
    """Refuse relations that no submission needs, and those that lead out of the file."""
    folder = posixpath.dirname(posixpath.dirname(name))

    def look(_depth: int, tag: str, attributes: dict[str, str]) -> None:
        if tag != _RELATION:
            return
        kind, target = attributes.get("Type", ""), attributes.get("Target", "")
        if kind.startswith(STRICT):
            package.refuse("is in the strict Open XML format", "save it as plain .xlsx")
        kind = kind.rpartition("/")[2]
        _refuse_kind(package, kind)
        if kind == "package":
            package.refuse("holds an embedded file", "delete it and save")
        if attributes.get("TargetMode", "").lower() == "external":
            if kind != "hyperlink":
                package.refuse(f"refers to a {kind} elsewhere", "remove it and save")
            return
        place = target.lstrip("/") if target.startswith("/") else f"{folder}/{target}"
        place = posixpath.normpath(place.lstrip("/"))
        if ".." in place.split("/") or "\\" in target or ":" in target.partition("#")[0]:
            package.refuse(f"refers to a place outside the file: {target[:60]}", SAVE)
        if kind == "officeDocument" and place != WORKBOOK:
            package.refuse("another workbook is hidden in the file", XLSX)

    package.parse(name, look)


_PASSED: dict[bytes, None] = {}
_KEPT = 256


def _check_rest(package: Package) -> None:
    """Read the other XML parts for their form alone.

    A part whose bytes passed once passes again, and a class's files share their styles and
    themes; only checksums are kept.
    """
    for name in package.unread():
        data = package.read(name)
        digest = hashlib.sha256(name.encode() + b"\0" + data).digest()
        if digest in _PASSED:
            continue
        package.parse(name)
        if name.lower() == _STYLES and data.count(b"<") - data.count(b"</") > MAX_STYLE_TAGS:
            package.refuse("too many styles", "copy your work into a fresh handout")
        _PASSED[digest] = None
        if len(_PASSED) > _KEPT:
            del _PASSED[next(iter(_PASSED))]


# ranges on a sheet that are no cells


def _ranges_of(package: Package, sheet: str) -> Watch:
    """Return what is counted of a sheet besides its cells."""

    def area_in(attributes: dict[str, str]) -> int:
        first, _, last = attributes.get("ref", "").partition(":")
        try:
            (top, left), (bottom, right) = parse_a1(first), parse_a1(last or first)
        except ValueError as error:
            package.refuse(f"{error}: is no cell range", SAVE, sheet)
        return (abs(bottom - top) + 1) * (abs(right - left) + 1)

    def merge(attributes: dict[str, str]) -> None:
        package.take("merged ranges", 1)
        package.take("merged or linked cells", area_in(attributes), sheet)

    def link(attributes: dict[str, str]) -> None:
        package.take("formatted or linked ranges", 1)
        package.take("merged or linked cells", area_in(attributes), sheet)

    def ranges(attributes: dict[str, str]) -> None:
        package.take("formatted or linked ranges", attributes.get("sqref", "").count(" ") + 1)

    def columns(attributes: dict[str, str]) -> None:
        for end in ("min", "max"):
            text = attributes.get(end, "1")
            if not re.fullmatch("[0-9]{1,7}", text) or not 0 < int(text) <= MAX_COLUMN:
                package.refuse(f"column {text[:20]!r} lies outside a sheet", SAVE, sheet)

    def embedded(_: dict[str, str]) -> None:
        package.refuse("holds an embedded object", "delete it and save", sheet)

    looks = {
        "mergeCell": merge, "hyperlink": link, "col": columns, "conditionalFormatting": ranges,
        "dataValidation": ranges, "oleObject": embedded, "control": embedded,
    }  # fmt: skip
    return {f"{MAIN}{tag}": look for tag, look in looks.items()}


# formulas


class _Formulas:
    """Judges the formulas of all sheets; a shared one once."""

    def __init__(self, package: Package, sheets: Mapping[str, SheetCells]) -> None:
        self._package = package
        self._formulas = [
            (f"{sheet}!{a1(*cell)}", formula)
            for sheet, cells in sheets.items()
            for cell, formula in cells.formulas.items()
            if cell not in cells.shared
        ]

    def reasons(self) -> list[str]:
        """Return why a person should look at them.

        Raises:
            WorkbookError: a formula reaches into another file, or over far too many cells.
        """
        text = "\n".join([formula for _, formula in self._formulas])
        if "|" in text:
            self._refuse_programs()
        if ":" in text:
            self._refuse_areas()
        if _SIGNS.search(text) or any(
            one.count("(") + one.count("{") > MAX_NESTING for _, one in self._formulas
        ):
            self._refuse_nesting()
        return list(self._fetching())[:20] if _FETCHING.search(text) else []

    def _fetching(self) -> Iterator[str]:
        for place, formula in self._formulas:
            match = _FETCHING.search(_QUOTED.sub("", formula))
            if match:
                yield f"{place} uses {match[1].upper()}, which is never calculated"

    def _refuse_programs(self) -> None:
        for place, formula in self._formulas:
            if _PROGRAM.search(_QUOTED.sub("", formula)):
                self._package.refuse("a formula calls another program", "delete it", place)

    def _refuse_areas(self) -> None:
        total = 0
        for place, formula in self._formulas:
            if ":" not in formula:
                continue
            area = area_of(formula)
            total += area
            if area > MAX_FORMULA_AREA or total > MAX_FORMULA_AREAS:
                self._package.refuse(
                    "a formula over far too many cells", "name only the cells that it needs", place
                )

    def _refuse_nesting(self) -> None:
        for place, formula in self._formulas:
            if nesting_of(formula) > MAX_NESTING or _SIGNS.search(_QUOTED.sub("", formula)):
                self._package.refuse("a formula nested too deeply", _SHORTER, place)


def area_of(formula: str) -> int:
    """Return how many cells the ranges of a formula name; more than allowed for absurd ones."""
    area = 0
    for left, top, right, bottom in _AREA.findall(formula):
        columns = _COLUMNS.get(right.upper(), MAX_COLUMN) - _COLUMNS.get(left.upper(), 1)
        area += (abs(int(bottom) - int(top)) + 1) * (abs(columns) + 1)
    for left, right in _WHOLE_COLUMNS.findall(formula):
        columns = _COLUMNS.get(right.upper(), MAX_COLUMN) - _COLUMNS.get(left.upper(), 1)
        area += 1_000 if abs(columns) < MAX_WHOLE_COLUMNS else MAX_FORMULA_AREA + 1
    for top, bottom in _WHOLE_ROWS.findall(formula):
        rows = abs(int(bottom) - int(top))
        area += 1_000 if rows < MAX_WHOLE_ROWS else MAX_FORMULA_AREA + 1
    return area


def nesting_of(formula: str) -> int:
    """Return how deeply the parentheses and braces of a formula are nested."""
    depth = deepest = 0
    for sign in formula:
        if sign in "({":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in ")}":
            depth -= 1
    return deepest
