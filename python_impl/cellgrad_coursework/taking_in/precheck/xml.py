"""A pass over one XML part that builds nothing: well-formed, no entities, within limits."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from typing import NoReturn
from xml.parsers import expat

from cellgrad_coursework.taking_in.precheck.archive import Archive

MAX_TAGS = 1_200_000
MAX_DEPTH = 100
MAX_ATTRIBUTES = 128
MAX_RUN = 256 << 10
"""The most bytes from one tag to the next: a full cell of 32,767 characters, all escaped."""

_SAVE = "save it again in a spreadsheet program"
_DECLARATION = re.compile(rb"<!(?!--|\[CDATA\[)")
_PLAIN_ENCODINGS = {None, "utf-8", "us-ascii", "ascii"}
_KEPT = 256


class Pass:
    """Reads a part from end to end; subclasses look at what they know.

    Args:
        archive: whose part it is; errors name its file.
        name: the part's name.
    """

    def __init__(self, archive: Archive, name: str) -> None:
        self.archive, self.name = archive, name
        self._depth = self._tags = 0

    def refuse(self, problem: str, remedy: str = _SAVE, place: str = "") -> NoReturn:
        """Refuse the file.

        Raises:
            WorkbookError: always.
        """
        self.archive.refuse(problem, remedy, place)

    def run(self, data: bytes) -> None:
        """Read the part.

        Raises:
            WorkbookError: it is not well-formed, or breaks a limit.
        """
        self._look(data)
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = self._document_type
        self.listen(parser)
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            self.refuse(f"{self.name} is not well-formed XML ({error})")

    def listen(self, parser: expat.XMLParserType) -> None:
        """Say which events are looked at."""
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Count an element's tag."""
        self._depth += 1
        self._tags += 1
        if self._depth > MAX_DEPTH:
            self.refuse(f"{self.name} is nested more than {MAX_DEPTH} deep")
        if len(attributes) > MAX_ATTRIBUTES:
            self.refuse(f"{self.name} has a tag with more than {MAX_ATTRIBUTES} attributes")
        self.element(tag, attributes)

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        """Look at an element; nothing here."""

    def end(self, tag: str) -> None:  # noqa: ARG002 - the parser names it
        """Leave an element."""
        self._depth -= 1

    def _look(self, data: bytes) -> None:
        """Refuse what would be dear to parse, or would be read as something else."""
        if data.startswith((b"\xfe\xff", b"\xff\xfe")) or b"\0" in data[:64]:
            self.refuse(f"{self.name} is not encoded in UTF-8")
        if _DECLARATION.search(data):
            self._document_type()
        if len(data) > MAX_RUN:
            if data.count(b"<") > MAX_TAGS:
                self.refuse(f"{self.name} has more than {MAX_TAGS:,} tags")
            if max(map(len, data.split(b"<"))) > MAX_RUN:
                self.refuse(f"{self.name} has a tag or a text of more than {MAX_RUN:,} bytes")

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if (encoding and encoding.lower()) not in _PLAIN_ENCODINGS:
            self.refuse(f"{self.name} is not encoded in UTF-8")

    def _document_type(self, *_: object) -> None:
        self.refuse(f"{self.name} declares a document type or entities")


class SeenBefore:
    """Parts that passed before: a class's files share their styles and themes.

    A part whose bytes passed once passes again; only its digest is kept.
    """

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def passes(self, kind: str, data: bytes) -> bool:
        """Tell whether these bytes passed before as this kind of part."""
        digest = hashlib.sha256(kind.encode() + b"\0" + data).digest()
        if digest in self._digests:
            self._digests.move_to_end(digest)
            return True
        self._last = digest
        return False

    def keep(self) -> None:
        """Remember the bytes that were asked about last: they passed."""
        self._digests[self._last] = None
        if len(self._digests) > _KEPT:
            self._digests.popitem(last=False)
