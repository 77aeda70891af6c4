"""Where the tags of an XML part lie in its bytes, so that it is changed in place.

A part that is parsed and written again loses what the writer does not know: prefixes that only
an attribute names, the order of attributes, whole extensions. Here everything that is not
changed on purpose keeps its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from cellgrad.errors import WorkbookError

_BROKEN = re.compile(rb"&(?!#?\w+;)")
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
            plain = {key.rpartition(":")[2]: value for key, value in attributes.items()}
            tag = Tag(local, len(stack), plain, at, _tag_end(data, at), parent=parent)
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
        """Append to what an element holds."""
        if not tag.empty:
            self.insert(tag.close, text)
            return
        first = self.data[tag.start : tag.inner]
        name = re.match(rb"<([^\s/>]+)", first)
        closing = b"" if name is None else b"</" + name[1] + b">"
        self.replace(tag.start, tag.inner, first[:-2] + b">" + text.encode() + closing)

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


def escaped(text: str) -> str:
    """Return a text as XML holds it; what XML cannot hold is left out."""
    text = _ILLEGAL.sub("", text)
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )


def cell_text(text: str) -> str:
    """Return a text as a cell holds it: signs that Excel would read as an escape are kept."""
    return escaped(_ESCAPE.sub("_x005F_", text))
