"""Changes to a workbook's file that leave every other byte as it is.

A part that is parsed and written again loses what the writer does not know: prefixes that only
an attribute names, the order of attributes, whole extensions. Here tags are found where they lie,
and only what is changed on purpose changes.
"""

from __future__ import annotations

import contextlib
import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from cellgrad.errors import WorkbookError
from cellgrad.files import zip_entry
from cellgrad.xlsx import plain
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import Relation
from cellgrad.xlsx.package import Package
from cellgrad.xlsx.sheet import Block, Cell, CellError, Value

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_DECLARED = re.compile(r"^\s*<\?xml[^>]*\?>")
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(slots=True)
class Tag:
    """An element and where it lies.

    Attributes:
        name: without its prefix.
        depth: 0 for the root.
        attributes: by their names without prefixes.
        start: where its first tag begins.
        inner: where its first tag has ended.
        close: where its last tag begins; the end of the only tag of an empty element.
        end: where its last tag has ended.
        parent: the element around it.
    """

    name: str
    depth: int
    attributes: dict[str, str]
    start: int
    inner: int
    close: int = -1
    end: int = -1
    parent: Tag | None = field(default=None, repr=False)

    @property
    def empty(self) -> bool:
        """Whether it is of the form ``<a/>``."""
        return self.close == self.inner == self.end


def utf8(data: bytes) -> bytes:
    """Return a part in UTF-8, without its declaration where that names another encoding."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _DECLARED.sub("", data.decode("utf-16")).encode()
    head = re.match(rb"\s*(?:\xef\xbb\xbf)?<\?xml[^>]*encoding=[\"']([\w.-]+)[\"'][^>]*\?>", data)
    if head and head[1].lower() not in (b"utf-8", b"us-ascii", b"ascii"):
        try:
            return _DECLARED.sub("", data.decode(head[1].decode())).encode()
        except (LookupError, UnicodeDecodeError) as error:
            raise WorkbookError(
                f"a part is in an encoding that cannot be read ({error})"
            ) from error
    return data


def tags(data: bytes, wanted: Callable[[str, int], bool]) -> list[Tag]:
    """Return the elements of a part that are wanted, in the order of their first tags.

    Args:
        data: the part, in UTF-8.
        wanted: tells by name (without prefix) and depth.

    Raises:
        WorkbookError: it is not well-formed.
    """
    found: list[Tag] = []
    stack: list[Tag | None] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        tag = None
        if wanted(local, len(stack)):
            at = parser.CurrentByteIndex
            parent = next((t for t in reversed(stack) if t is not None), None)
            bare = {key.rpartition(":")[2]: value for key, value in attributes.items()}
            tag = Tag(local, len(stack), bare, at, _tag_end(data, at), parent=parent)
            found.append(tag)
        stack.append(tag)

    def end(_: str) -> None:
        tag = stack.pop()
        if tag is None:
            return
        if data[tag.inner - 2 : tag.inner] == b"/>":
            tag.close = tag.end = tag.inner
        else:
            tag.close = parser.CurrentByteIndex
            tag.end = data.index(b">", tag.close) + 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise WorkbookError(f"a part is not well-formed XML ({error})") from error
    return found


def _tag_end(data: bytes, start: int) -> int:
    """Return where a tag ends: a sign > in quotes does not end it."""
    at = start
    while True:
        at += 1
        sign = data[at]
        if sign == ord(">"):
            return at + 1
        if sign in b"\"'":
            at = data.index(bytes([sign]), at + 1)


@dataclass(slots=True)
class Patch:
    """Changes to a part: what replaces which bytes; they are made all at once."""

    data: bytes
    changes: list[tuple[int, int, int, bytes]] = field(default_factory=list)

    def insert(self, at: int, text: str) -> None:
        """Insert before a byte; what is inserted first stands first."""
        self.changes.append((at, at, len(self.changes), text.encode()))

    def replace(self, start: int, end: int, data: bytes) -> None:
        """Replace a stretch of bytes."""
        self.changes.append((start, end, len(self.changes), data))

    def set(self, tag: Tag, **attributes: str | None) -> None:
        """Set attributes of an element's first tag; None removes one."""
        self.replace(tag.start, tag.inner, with_attributes(self.data[tag.start : tag.inner],
                                                           attributes))  # fmt: skip

    def append(self, tag: Tag, text: str) -> None:
        """Append to what an element holds; an empty one is opened once, however often."""
        if not tag.empty:
            self.insert(tag.close, text)
            return
        first = self.data[tag.start : tag.inner]
        name = re.match(rb"<([^\s/>]+)", first)
        closing = b"" if name is None else b"</" + name[1] + b">"
        for place, (start, end, order, opened) in enumerate(self.changes):
            if (start, end) == (tag.start, tag.end):
                longer = opened[: -len(closing)] + text.encode() + closing
                self.changes[place] = (start, end, order, longer)
                return
        self.replace(tag.start, tag.end, first[:-2] + b">" + text.encode() + closing)

    def done(self) -> bytes:
        """Return the part with every change made."""
        pieces, at = [], 0
        for start, end, _, data in sorted(self.changes):
            pieces += [self.data[at:start], data]
            at = max(at, end)
        return b"".join([*pieces, self.data[at:]])


def with_attributes(first: bytes, attributes: Mapping[str, str | None]) -> bytes:
    """Return a tag with attributes set; None removes one."""
    for name, value in attributes.items():
        first = re.sub(rb"\s" + name.encode() + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", first)
        if value is not None:
            cut = len(first) - (2 if first.endswith(b"/>") else 1)
            first = first[:cut].rstrip() + f' {name}="{escaped(value)}"'.encode() + first[cut:]
    return first


def prefix_of(data: bytes, tag: Tag) -> str:
    """Return the prefix of an element's name, with its colon."""
    match = re.match(rb"<([^\s/>:]+:)", data[tag.start : tag.inner])
    return match[1].decode() if match else ""


def _escaped(text: str) -> str:
    """Return a text as XML has it; the standard library's function loads a web client."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escaped(text: str) -> str:
    """Return a text as XML holds it; what XML cannot hold is left out."""
    return _escaped(_ILLEGAL.sub("", text)).replace('"', "&quot;")


def unescaped(data: bytes) -> str:
    """Return the text that an XML part holds as these bytes."""
    return plain.unescaped(data.decode("utf-8", "replace"))


def cell_text(text: str) -> str:
    """Return a text as a cell holds it: signs that Excel would read as an escape are kept."""
    return escaped(_ESCAPE.sub("_x005F_", text))


class SheetTags:
    """The tags of a sheet, by row and column.

    Args:
        data: the sheet, in UTF-8.
        names: elements that are looked for besides rows, cells and what stands at the top.

    Attributes:
        found: all of them, in their order.
        top: what stands directly in the sheet, by name.
        prefix: of their names, with its colon.
        rows, cells: where they are.

    Raises:
        WorkbookError: it is not well-formed.
    """

    def __init__(self, data: bytes, *names: str) -> None:
        self.found = tags(data, lambda name, depth: depth <= 1 or name in ("row", "c", *names))
        self.root = self.found[0]
        self.prefix = prefix_of(data, self.root)
        self.top = {tag.name: tag for tag in self.found if tag.depth == 1}
        self.rows: dict[int, Tag] = {}
        self.cells: dict[Cell, Tag] = {}
        row = column = 0
        for tag in self.found:
            if tag.name == "row":
                row, column = whole_number(tag.attributes.get("r"), row + 1), 0
                self.rows.setdefault(row, tag)
            elif tag.name == "c" and tag.parent is not None and tag.parent.name == "row":
                column += 1
                with contextlib.suppress(ValueError):
                    column = parse_a1(tag.attributes.get("r", ""))[1]
                self.cells.setdefault((row, column), tag)

    def add_cells(self, patch: Patch, row: int, new: Mapping[int, str]) -> None:
        """Add cells that are missing in a row, by column, as XML."""
        p, own = self.prefix, self.rows.get(row)
        if own is None:
            after = next((self.rows[r] for r in sorted(self.rows) if r > row), None)
            whole = f'<{p}row r="{row}">{"".join(new.values())}</{p}row>'
            if after is None:
                patch.append(self.top["sheetData"], whole)
            else:
                patch.insert(after.start, whole)
        elif own.empty:
            patch.append(own, "".join(new.values()))
        else:
            if "spans" in own.attributes:
                patch.set(own, spans=None)  # it says which columns the row uses
            there = sorted(column for other, column in self.cells if other == row)
            for column, xml in new.items():
                later = next((other for other in there if other > column), None)
                patch.insert(own.close if later is None else self.cells[row, later].start, xml)

    def fill(self, patch: Patch, cell: Tag, kind: str | None, inside: str) -> None:
        """Put a content into a cell instead of its own; its style stays."""
        first = with_attributes(patch.data[cell.start : cell.inner], {"t": kind})
        if cell.empty:
            first = first[: -len(b"/>")] + b">"
        patch.replace(cell.start, cell.end, first + f"{inside}</{self.prefix}c>".encode())


def whole_number(text: str | None, other: int = 0) -> int:
    """Return a whole number as a file writes it, or another where it writes none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else other


_CALCULATED = re.compile(
    r'<c r="(?P<at>[A-Z]{1,3}[0-9]+)"(?P<style> s="[0-9]+")?>'
    r"<f>(?P<formula>[^<]*)</f>(?:<v ?/>|<v></v>)</c>"
)


def with_results(sheet: str, block: Block) -> tuple[str, int]:
    """Return a sheet of our own writer with values beside its formulas, and how many got one.

    Args:
        sheet: its XML.
        block: the values of its cells, from A1 on.
    """

    def with_value(match: re.Match[str]) -> str:
        row, column = parse_a1(match["at"])
        kind, text = _stored(block[row - 1][column - 1])
        head = f'<c r="{match["at"]}"{match["style"] or ""}{kind}><f>{match["formula"]}</f>'
        return f"{head}<v>{text}</v></c>"

    return _CALCULATED.subn(with_value, sheet)


def _stored(value: Value) -> tuple[str, str]:
    """Return a value's type attribute and its text."""
    if isinstance(value, bool):
        return ' t="b"', str(int(value))
    if isinstance(value, float):
        return "", repr(value)
    if isinstance(value, CellError):
        return ' t="e"', _escaped(value.code)
    return ' t="str"', _escaped(value or "")


class Parts:
    """A workbook file whose parts are replaced one by one; the others keep their bytes."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._written: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """Return a part as it is now, in UTF-8.

        Raises:
            WorkbookError: it is missing, or in an unknown encoding.
        """
        if name in self._written:
            return self._written[name]
        return utf8(self._package.read(name))

    def has(self, name: str) -> bool:
        """Tell whether there is such a part."""
        return name in self._package.names or name in self._written

    def write(self, name: str, data: bytes) -> None:
        """Replace a part, or add one."""
        self._written[name] = data

    def free(self, pattern: str) -> str:
        """Return a name that no part has; ``{}`` stands for a number."""
        taken = {name.lower() for name in [*self._package.names, *self._written]}
        number = 1
        while pattern.format(number).lower() in taken:
            number += 1
        return pattern.format(number)

    def relations(self, part: str) -> dict[str, Relation]:
        """Return what a part refers to, by id; outside of the file it is no part.

        Raises:
            WorkbookError: its relationships are damaged.
        """
        name, relations = _relations_of(part), dict[str, Relation]()
        if not self.has(name):
            return relations
        for tag in tags(self.read(name), lambda local, _: local == "Relationship"):
            a = tag.attributes
            inside = a.get("TargetMode", "Internal") == "Internal"
            target = posixpath.join("/", posixpath.dirname(part), a.get("Target", ""))
            target = posixpath.normpath(target)[1:] if inside else ""
            kind = a.get("Type", "").rpartition("/")[2]
            relations.setdefault(a.get("Id", ""), Relation(kind, target))
        return relations

    def relate(self, part: str, kind: str, target: str) -> str:
        """Let a part refer to another; return the id by which it names it."""
        name, taken = _relations_of(part), self.relations(part)
        number = 1
        while (own := f"rIdFeedback{number}") in taken:
            number += 1
        if not self.has(name):
            self.write(name, f'{_HEAD}<Relationships xmlns="{_PACKAGE}"/>'.encode())
        attributes = f'Id="{own}" Type="{OFFICE}/{kind}" Target="/{escaped(target)}"'
        self._append(name, f"Relationship {attributes}")
        return own

    def declare(self, part: str, content: str) -> None:
        """Say of what type a new part is."""
        attributes = f'PartName="/{escaped(part)}" ContentType="{content}"'
        self._append("[Content_Types].xml", f"Override {attributes}")

    def _append(self, name: str, element: str) -> None:
        """Append an empty element to the root of a part."""
        data = self.read(name)
        root = tags(data, lambda _, depth: depth == 0)[0]
        patch = Patch(data)
        patch.append(root, f"<{prefix_of(data, root)}{element}/>")
        self.write(name, patch.done())

    def packed(self, level: int = 6) -> bytes:
        """Return the file: the same bytes for the same parts."""
        buffer, written = io.BytesIO(), dict(self._written)
        with zipfile.ZipFile(buffer, "w") as new:
            for entry in self._package.entries:
                if not entry.is_dir():
                    data = written.pop(entry.filename, None)
                    data = self._package.read(entry.filename) if data is None else data
                    own = zip_entry(entry.filename, entry.date_time)
                    new.writestr(own, data, compresslevel=level)
            for name, data in written.items():
                new.writestr(zip_entry(name), data, compresslevel=level)
        return buffer.getvalue()


def _relations_of(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")
