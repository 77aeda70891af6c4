"""Which parts a submission has, what kind each is, and the limits of each kind."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from cellgrad_coursework.taking_in.precheck.archive import Archive
from cellgrad_coursework.taking_in.precheck.sheet import BEYOND, LINKED, SheetPass, Totals
from cellgrad_coursework.taking_in.precheck.xml import Pass, SeenBefore

MAX_SHEETS = 64
MAX_NAMES = 5_000
MAX_NAME_TEXT = 8_192
MAX_STRINGS = 60_000
MAX_STYLE_TAGS = 100_000

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main "
_STRICT = "http://purl.oclc.org/ooxml/"
_RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships id"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships Relationship"
_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_XLSX = "save it as .xlsx"

_UNWANTED_KINDS = (
    ("macro", "holds macros", "save it as .xlsx without macros"),
    ("vba", "holds macros", "save it as .xlsx without macros"),
    ("externallink", "links to another workbook", "break the link and save"),
    ("oleobject", "holds an embedded object", "delete it and save"),
    ("activex", "holds ActiveX controls", "delete them and save"),
    ("connections", "connects to a data source", "remove the connection and save"),
    ("querytable", "connects to a data source", "remove the query and save"),
    ("dialogsheet", "holds a dialog sheet", "delete it and save"),
    ("attachedtemplate", "refers to a file elsewhere", "save it as a plain .xlsx"),
    ("customui", "changes the ribbon", "save it again in a spreadsheet program"),
    ("extensibility", "changes the ribbon", "save it again in a spreadsheet program"),
)
"""Words in a content type or a relation that no submission needs."""

_seen = SeenBefore()
_QUOTED = re.compile(r'"[^"]*"')


def check_parts(archive: Archive, box: Mapping[str, tuple[int, int]]) -> list[str]:
    """Check every part of a submission; return why a person should look at it.

    Raises:
        WorkbookError: a part is damaged, unwanted, or not safe to read.
    """
    entries = {entry.filename: entry for entry in archive.entries}
    workbook = WorkbookPass(archive, "xl/workbook.xml")
    workbook.run(archive.part(entries.pop("xl/workbook.xml")))
    types = TypesPass(archive, "[Content_Types].xml")
    types.run(archive.part(entries.pop("[Content_Types].xml")))
    types.check()
    relations = RelationsPass(archive, "xl/_rels/workbook.xml.rels")
    if relations.name not in entries:
        archive.refuse(f"{relations.name} is missing", "save it again in a spreadsheet program")
    relations.run(archive.part(entries.pop(relations.name)))
    sheets = workbook.parts(relations.found)
    texts = relations.strings()
    totals = Totals()
    for name, entry in entries.items():
        data = archive.part(entry)
        lower = name.lower()
        if name in sheets:
            sheet = SheetPass(archive, name, sheets[name], box.get(sheets[name], BEYOND), totals)
            sheet.run(data)
        elif lower.endswith(".rels"):
            _once(RelationsPass(archive, name), data)
        elif name == texts:
            StringsPass(archive, name).run(data)
        elif lower == "xl/styles.xml":
            _once(StylesPass(archive, name), data)
        elif lower.endswith(".xml"):
            _once(Pass(archive, name), data)
        elif lower.endswith((".vml", ".svg")):
            Pass(archive, name)._look(data)  # noqa: SLF001 - often not well-formed, and never read
    return totals.reasons(archive)


def _once(reading: Pass, data: bytes) -> None:
    """Read a part whose verdict depends on nothing but its bytes, unless it passed before."""
    kind = f"{type(reading).__name__} {reading.name if reading.name.endswith('.rels') else ''}"
    if not _seen.passes(kind, data):
        reading.run(data)
        _seen.keep()


class TypesPass(Pass):
    """``[Content_Types].xml``."""

    def __init__(self, archive: Archive, name: str) -> None:
        super().__init__(archive, name)
        self.workbook = ""

    def element(self, tag: str, attributes: dict[str, str]) -> None:  # noqa: ARG002
        """Look at a content type."""
        kind = attributes.get("ContentType", "")
        if attributes.get("PartName", "").lower() == "/xl/workbook.xml":
            self.workbook = kind
        _refuse_kind(self, kind.replace("-", ""))

    def check(self) -> None:
        """Refuse what is no .xlsx workbook.

        Raises:
            WorkbookError: it is a template, a binary workbook, or something else.
        """
        if self.workbook != _WORKBOOK:
            self.refuse("its archive holds something other than a plain workbook", _XLSX)


class RelationsPass(Pass):
    """A part that says what belongs to what."""

    def __init__(self, archive: Archive, name: str) -> None:
        super().__init__(archive, name)
        self.found: dict[str, tuple[str, str]] = {}
        folder = posixpath.dirname(posixpath.dirname(name))
        self._folder = folder

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        """Look at a relation."""
        if tag != _PACKAGE:
            return
        kind, target = attributes.get("Type", ""), attributes.get("Target", "")
        if kind.startswith(_STRICT):
            self.refuse("is in the strict Open XML format", "save it as plain .xlsx")
        kind = kind.rpartition("/")[2]
        _refuse_kind(self, kind)
        if kind == "package":
            self.refuse("holds an embedded file", "delete it and save")
        if attributes.get("TargetMode", "").lower() == "external":
            if kind != "hyperlink":
                self.refuse(f"refers to a {kind} elsewhere", "remove it and save")
            return
        place = target.lstrip("/") if target.startswith("/") else f"{self._folder}/{target}"
        place = posixpath.normpath(place.lstrip("/"))
        if ".." in place.split("/") or "\\" in target or ":" in target.partition("#")[0]:
            self.refuse(f"refers to a place outside the file: {target[:60]}")
        if kind == "officeDocument" and place != "xl/workbook.xml":
            self.refuse("another workbook is hidden in the file", _XLSX)
        self.found[attributes.get("Id", "")] = (kind, place)

    def strings(self) -> str:
        """Return the name of the part with the shared texts, or nothing."""
        return next((place for kind, place in self.found.values() if kind == "sharedStrings"), "")


class WorkbookPass(Pass):
    """``xl/workbook.xml``: sheets and defined names."""

    def __init__(self, archive: Archive, name: str) -> None:
        super().__init__(archive, name)
        self._sheets: list[tuple[str, str]] = []
        self._names = 0
        self._text: list[str] | None = None

    def run(self, data: bytes) -> None:
        """Read the part.

        Raises:
            WorkbookError: it is not well-formed, breaks a limit, or is no plain workbook.
        """
        super().run(data)
        names = [name.casefold() for name, _ in self._sheets]
        if len(set(names)) != len(names):
            self.refuse("two sheets of the same name", "rename one of them")
        if not names:
            self.refuse("a workbook without a sheet", _XLSX)

    def listen(self, parser: object) -> None:
        """Read the texts of defined names, too."""
        super().listen(parser)  # type: ignore[arg-type]
        parser.CharacterDataHandler = self._characters  # type: ignore[attr-defined]

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        """Look at a sheet or a name."""
        if self._tags == 1 and tag != f"{MAIN}workbook":
            if tag.startswith(_STRICT):
                self.refuse("is in the strict Open XML format", "save it as plain .xlsx")
            self.refuse(f"{self.name} holds no workbook")
        if tag == f"{MAIN}sheet":
            name = attributes.get("name", "")
            if not name or len(name) > 31:
                self.refuse("a sheet with an unusual name")
            self._sheets.append((name, attributes.get(_RELATIONSHIPS, "")))
            if len(self._sheets) > MAX_SHEETS:
                self.refuse(f"more than {MAX_SHEETS} sheets", "delete what is not needed")
        elif tag == f"{MAIN}definedName":
            self._names += 1
            self._text = []
            if self._names > MAX_NAMES:
                self.refuse(f"more than {MAX_NAMES:,} defined names", "delete what is not needed")
            told = {key for key, value in attributes.items() if value in ("1", "true")}
            if {"xlm", "function", "vbProcedure"} & told:
                self.refuse("holds macros", "save it as .xlsx without macros")
        elif tag == f"{MAIN}externalReference":
            self.refuse("links to another workbook", "break the link and save")

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        """Look at the text of a name."""
        super().end(tag)
        if self._text is not None and tag == f"{MAIN}definedName":
            text = "".join(self._text)
            if len(text) > MAX_NAME_TEXT:
                self.refuse(f"a defined name of more than {MAX_NAME_TEXT:,} characters")
            if "[" in text and LINKED.search(_QUOTED.sub("", text)):
                self.refuse("a defined name links to another workbook", "break the link and save")
            self._text = None

    def parts(self, relations: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """Return the sheet's name by the name of its part.

        Raises:
            WorkbookError: a sheet has no part of its own.
        """
        found: dict[str, str] = {}
        for name, relation in self._sheets:
            kind, part = relations.get(relation, ("", ""))
            if kind not in {"worksheet", "chartsheet"} or part not in self.archive.names:
                self.refuse("the sheet has no part in the file", place=name)
            if part in found:
                self.refuse("two sheets share a part of the file", place=name)
            if kind == "worksheet":
                found[part] = name
        return found


class StringsPass(Pass):
    """The shared texts."""

    def __init__(self, archive: Archive, name: str) -> None:
        super().__init__(archive, name)
        self._strings = 0

    def element(self, tag: str, attributes: dict[str, str]) -> None:  # noqa: ARG002
        """Count a text."""
        if tag == f"{MAIN}si":
            self._strings += 1
            if self._strings > MAX_STRINGS:
                self.refuse(f"more than {MAX_STRINGS:,} texts", "delete what is not needed")


class StylesPass(Pass):
    """The styles."""

    def element(self, tag: str, attributes: dict[str, str]) -> None:  # noqa: ARG002
        """Count a tag."""
        if self._tags > MAX_STYLE_TAGS:
            self.refuse("too many styles", "copy your work into a fresh handout")


def _refuse_kind(reading: Pass, kind: str) -> None:
    lower = kind.lower()
    for word, problem, remedy in _UNWANTED_KINDS:
        if word in lower:
            reading.refuse(problem, remedy)
