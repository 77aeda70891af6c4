"""Under which names feedback goes back: those of the download, so that an LMS knows its files.

Who hands in chooses names too. One that no disk takes is shortened; of two that would meet,
also if only by case, or as a file and a folder, one gets a mark. The mark is a hash of the
name, so that the same files have the same names in every run.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

ENDING, PAGE = ".xlsx", ".html"

MAX_PART = 255
"""Bytes that a file system takes as the name of a file or a folder."""

MAX_WHOLE = 1_000
"""Bytes of a path below which it is kept; a longer one becomes the name of one file."""

_KEPT = 120
_WINDOWS = os.name == "nt"
_FORBIDDEN = re.compile(r'[<>:"|?*\\]|[. ]$')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


class ReturnNames:
    """The names of the feedback on submissions.

    Args:
        names: of the submissions that may get feedback, with ``/``.
        windows: whether the disk refuses what Windows refuses.
    """

    def __init__(self, names: Iterable[str], *, windows: bool = _WINDOWS) -> None:
        self._windows = windows
        self._changed: dict[str, str] = {}
        usable = {name: self._usable(name) for name in sorted(names)}
        taken = {
            _folded(str(folder))
            for path in usable.values()
            for folder in PurePosixPath(path).parents
        }
        waiting = []  # a name that needs no change is not taken away by one that is made up
        for name, path in usable.items():
            files = _files(path)
            if path != name or not taken.isdisjoint(files):
                waiting.append(name)
            else:
                taken |= files
        for name in waiting:
            path, tries = usable[name], 0
            while not taken.isdisjoint(_files(path)):
                path, tries = _marked(usable[name], f"{tries}\0{name}"), tries + 1
            taken |= _files(path)
            self._changed[name] = path

    def workbook(self, name: str) -> str:
        """Return the path of the feedback workbook on a submission, with ``/``."""
        return self._changed.get(name, name)

    def page(self, name: str) -> str:
        """Return the path of the page on a submission, with ``/``."""
        return _both(self.workbook(name))[1]

    def _usable(self, name: str) -> str:
        """Return a path that a disk takes: mostly the name itself."""
        path = PurePosixPath(name)
        if _size(name) > MAX_WHOLE:
            return _marked(path.name, name)
        parts = [part if self._fits(part) else _marked(part, part) for part in path.parts]
        if self._windows:
            parts = [_FORBIDDEN.sub("_", part) for part in parts]
        return "/".join(parts)

    def _fits(self, part: str) -> bool:
        refused = self._windows and (_FORBIDDEN.search(part) or _DEVICE.fullmatch(part))
        return _size(part) <= MAX_PART and not refused


def _both(path: str) -> tuple[str, str]:
    """Return a workbook's path and its page's."""
    ends = path.lower().endswith(ENDING)
    return path, f"{path[: -len(ENDING)] if ends else path}{PAGE}"


def _files(path: str) -> set[str]:
    """Return both, as a disk compares them."""
    return {_folded(one) for one in _both(path)}


def _marked(path: str, of: str) -> str:
    """Return a path with a short last part that holds a hash."""
    folder, slash, last = path.rpartition("/")
    ending = last[-len(ENDING) :] if last.lower().endswith(ENDING) else ""
    stem = last[: len(last) - len(ending)].encode("utf-8", "ignore")[:_KEPT]
    mark = hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{folder}{slash}{stem.decode('utf-8', 'ignore')}-{mark}{ending}"


def _folded(path: str) -> str:
    """Return a path as a disk may compare it: without case, accents in one form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
