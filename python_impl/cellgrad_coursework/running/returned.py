"""Feedback that goes back: under which names, and which of it lies in an output folder.

It goes back under the names of the download, so that an LMS knows its files. Who hands in
chooses names too: one that no disk takes is shortened; of two that would meet, also if only by
case, or as a file and a folder, one gets a mark. The mark is a hash of the name, so that the
same files have the same names in every run.

What lies there, and of what each was made, is kept in a list that is appended to. So what was
withdrawn is taken away again and nothing else is; and feedback is made anew when what it says
has changed, such as a student's lateness, however often a run was killed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import threading
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from cellgrad.files import unwritable, write_atomically
from cellgrad_coursework.running.store import FOLDER, Journal

NAME = "feedback.txt"
FEEDBACK = "feedback"
"""The folder of what goes back."""

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


class Returned:
    """The list of feedback in an output folder.

    Args:
        output: the folder that is written to.
        feedback: the folder of the feedback.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, output: Path, feedback: Path) -> None:
        self._path, self._folder = output / FOLDER / NAME, feedback
        self._entries: dict[str, tuple[str, str]] = {}
        self._journal = Journal(self._path, self._remember)

    def _remember(self, text: bytes, start: int) -> None:
        del start
        workbook, page, made = json.loads(text)
        self._entries[workbook] = page, made

    def made(self, workbook: str) -> str:
        """Return of what feedback was made; empty for none, or where it was being written.

        Args:
            workbook: where it lies in the folder of the feedback, with ``/``.
        """
        return self._entries.get(workbook, ("", ""))[1]

    def note(self, workbook: str, page: str, made: str) -> None:
        """Append that feedback is there, and of what; nothing before it is written.

        Raises:
            InputError: the disk is full.
        """
        self._journal.append(_text(workbook, page, made))
        self._entries[workbook] = page, made

    def keep(self, workbooks: Collection[str]) -> None:
        """Remove the feedback that is none of these; nothing that others wrote is touched.

        Raises:
            InputError: the list cannot be written.
        """
        kept = {name: self._entries[name] for name in workbooks if name in self._entries}
        stays = {_folded(file) for name, (page, _) in kept.items() for file in (name, page)}
        for name, (page, _) in self._entries.items():
            if name not in kept:
                for file in (name, page):
                    if _folded(file) not in stays:
                        self._remove(file)
        if kept == self._entries:
            return
        self._journal.close()
        lines = (self._journal.line(_text(name, *entry)) for name, entry in sorted(kept.items()))
        write_atomically(self._path, b"".join(lines))
        self._entries = {}
        self._journal = Journal(self._path, self._remember)

    def _remove(self, file: str) -> None:
        """Remove a file below the folder, and the folders that it leaves empty."""
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            path = self._folder / file
            within = path.parent.resolve()
            if self._folder.resolve() not in (within, *within.parents):
                return  # a link leads elsewhere, or somebody changed the list
            path.unlink()
            for folder in path.parents:
                if folder == self._folder:
                    break
                folder.rmdir()

    def close(self) -> None:
        """Close the list."""
        self._journal.close()


def _text(workbook: str, page: str, made: str) -> bytes:
    return json.dumps([workbook, page, made], ensure_ascii=True).encode()


class Feedback:
    """The feedback of a run: written under the names of the download.

    Args:
        output: the folder that is written to.
        names: of the submissions that may get feedback.
    """

    def __init__(self, output: Path, names: Iterable[str]) -> None:
        self.folder = output / FEEDBACK
        self._names, self._list = ReturnNames(names), Returned(output, self.folder)
        self.close = self._list.close

    def files(self, name: str) -> tuple[str, str]:
        """Return the paths of the workbook and the page on a submission, with ``/``."""
        return self._names.workbook(name), self._names.page(name)

    def is_there(self, name: str, made: str) -> bool:
        """Tell whether the feedback on a submission is there, and made of this."""
        files = self.files(name)
        if self._list.made(files[0]) != made:
            return False
        return all(os.path.isfile(self.folder / file) for file in files)  # noqa: PTH113 - it never raises

    def write(self, name: str, made: str, *contents: bytes) -> str:
        """Write a workbook and a page; return why the disk takes them under no such name.

        Raises:
            InputError: nothing can be written there.
        """
        files = self.files(name)
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        try:
            self._list.note(*files, "")
            for file, data in zip(files, contents, strict=True):
                _write(self.folder / file, data)
            self._list.note(*files, made)
        except _NameRefusedError as error:
            return f"its feedback could not be written: {error}"
        return ""

    def keep(self, names: Iterable[str]) -> None:
        """Remove the feedback on all other submissions."""
        self._list.keep({self.files(name)[0] for name in names})


class _NameRefusedError(Exception):
    """A file cannot be written because of what it is called, or of what lies in its place."""


_OF_THE_NAME = {
    errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.EINVAL,
    errno.EILSEQ, errno.ELOOP, errno.ENOTEMPTY,
}  # fmt: skip


def _write(path: Path, data: bytes) -> None:
    """Write beside the target, then rename; a lost file is written again by the next run."""
    beside = path.with_name(f".{path.name[:40]}.{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if error.errno in _OF_THE_NAME:
            raise _NameRefusedError(error.strerror or str(error)) from error
        raise unwritable(path, error) from error
    except ValueError as error:  # a name in no encoding
        raise _NameRefusedError("this disk does not know its characters") from error
