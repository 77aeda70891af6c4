"""The parts of a workbook file: which belongs to which, and new ones among them."""

from __future__ import annotations

import io
import posixpath
import zipfile
from dataclasses import dataclass

from cellgrad.xlsx.package import Package
from cellgrad_coursework.results.feedback.tags import Patch, escaped, prefix_of, tags, utf8

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_NEW = (2026, 1, 1, 0, 0, 0)
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part refers to.

    Attributes:
        id: by which the part names it.
        kind: the last word of its type, such as ``worksheet``.
        target: the other part; empty for something outside the file.
    """

    id: str
    kind: str
    target: str


class Parts:
    """A workbook file whose parts are replaced one by one; the others keep their bytes.

    Raises:
        WorkbookError: the file is no workbook, or is not safe to read.
    """

    def __init__(self, data: bytes, file: object = None) -> None:
        self._package = Package(data, file)
        self._changed: dict[str, bytes] = {}
        self._added: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """Return a part as it is now, in UTF-8.

        Raises:
            WorkbookError: it is missing, or in an unknown encoding.
        """
        for held in (self._changed, self._added):
            if name in held:
                return held[name]
        return utf8(self._package.read(name))

    def has(self, name: str) -> bool:
        """Tell whether there is such a part."""
        return name in self._package.names or name in self._added

    def write(self, name: str, data: bytes) -> None:
        """Replace a part, or add one."""
        (self._changed if name in self._package.names else self._added)[name] = data

    def free(self, pattern: str) -> str:
        """Return a name that no part has; ``{}`` stands for a number."""
        taken = {name.lower() for name in [*self._package.names, *self._added]}
        number = 1
        while pattern.format(number).lower() in taken:
            number += 1
        return pattern.format(number)

    def relations(self, part: str) -> list[Relation]:
        """Return what a part refers to.

        Raises:
            WorkbookError: its relationships are damaged.
        """
        name = _relations_of(part)
        if not self.has(name):
            return []
        found = []
        for tag in tags(self.read(name), lambda local, _: local == "Relationship"):
            a = tag.attributes
            inside = a.get("TargetMode", "Internal") == "Internal"
            target = posixpath.normpath(posixpath.join("/", posixpath.dirname(part),
                                                       a.get("Target", "")))  # fmt: skip
            kind = a.get("Type", "").rpartition("/")[2]
            found.append(Relation(a.get("Id", ""), kind, target[1:] if inside else ""))
        return found

    def relate(self, part: str, kind: str, target: str) -> str:
        """Let a part refer to another; return the id by which it names it."""
        name, taken = _relations_of(part), {r.id for r in self.relations(part)}
        number = 1
        while (own := f"rIdFeedback{number}") in taken:
            number += 1
        attributes = f'Id="{own}" Type="{OFFICE}/{kind}" Target="/{escaped(target)}"'
        if not self.has(name):
            body = f'<Relationships xmlns="{_PACKAGE}"><Relationship {attributes}/></Relationships>'
            self.write(name, (_HEAD + body).encode())
            return own
        data = self.read(name)
        root = tags(data, lambda _, depth: depth == 0)[0]
        patch = Patch(data)
        patch.append(root, f"<{prefix_of(data, root)}Relationship {attributes}/>")
        self.write(name, patch.done())
        return own

    def declare(self, part: str, content: str) -> None:
        """Say of what type a new part is."""
        data = self.read("[Content_Types].xml")
        root = tags(data, lambda _, depth: depth == 0)[0]
        patch = Patch(data)
        patch.append(
            root,
            f'<{prefix_of(data, root)}Override PartName="/{escaped(part)}" '
            f'ContentType="{content}"/>',
        )
        self.write("[Content_Types].xml", patch.done())

    def packed(self) -> bytes:
        """Return the file: the same bytes for the same parts."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as new:
            for entry in self._package.entries:
                if entry.is_dir():
                    continue
                data = self._changed.get(entry.filename)
                info = zipfile.ZipInfo(entry.filename, entry.date_time)
                self._put(new, info, self._package.read(entry.filename) if data is None else data)
            for name, data in self._added.items():
                self._put(new, zipfile.ZipInfo(name, _NEW), data)
        return buffer.getvalue()

    @staticmethod
    def _put(new: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes) -> None:
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        info.create_system = 3  # the same on every system
        new.writestr(info, data)


def _relations_of(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")
