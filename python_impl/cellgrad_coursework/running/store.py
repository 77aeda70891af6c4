"""Results on disk as they come in: appended, never changed, so that a killed run loses nothing.

A line a result: its checksum, its key, whether feedback was written, what is compared between
submissions, and the grade. The key names the file's contents and whose it is by its name; the
assignment's version and the program's stand in the store's own name. A line that was cut off by
a kill is dropped.

What a run writes takes the place of what is there. So it goes into a folder that is new, empty,
or an earlier run's of this assignment: never among somebody's own files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cellgrad import __version__
from cellgrad.case.model import case_document
from cellgrad.errors import InputError
from cellgrad.files import read_limited, unwritable, write_atomically
from cellgrad_coursework.manifest_file import HANDOUTS, KEPT
from cellgrad_coursework.model import Manifest

FOLDER = ".cellgrad"
_ASSIGNMENT = "assignment.json"
_MOST = 32 << 20
_LITTER = {".ds_store", "thumbs.db", "desktop.ini"}
_ELSEWHERE = "choose another place with -o"
_CHECKSUM = 9
"""Bytes of a checksum and the tab behind it."""


def key_of(sha256: str, named: str) -> str:
    """Return the key of a result: what was handed in, and whose it is by its name."""
    who = hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:16] if named else "-"
    return f"{sha256}:{who}"


def digest_of(manifest: Manifest) -> str:
    """Return a hash of all that a result depends on beside the file.

    That is the assignment, who has which numbers, and the version of this program.
    """
    digest = hashlib.sha256(f"{manifest.version}\0{__version__}".encode())
    for token, handout in sorted(manifest.handouts.items()):
        numbers = json.dumps(case_document(handout.case), sort_keys=True)
        digest.update(f"\0{token}\0{handout.student.id}\0{numbers}".encode("utf-8", "replace"))
    return digest.hexdigest()


class Journal:
    """A file of lines that are appended, each with a checksum before a tab.

    Args:
        path: the file, in a folder within the output folder.
        remember: called with the text of each line that is there, and where the line begins;
            a line that a kill cut off is dropped, and what follows.
        ending: how a line's text ends, for its checksum.

    Raises:
        InputError: it cannot be written, or another run is writing it.
    """

    def __init__(
        self, path: Path, remember: Callable[[bytes, int], None], ending: bytes = b""
    ) -> None:
        self._path, self._ending, self._end = path, ending, 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
            self._lock()
            with path.open("rb") as lines:
                for line in lines:
                    checksum, _, text = line.removesuffix(b"\n").partition(b"\t")
                    whole = line.endswith(b"\n") and checksum == self._checksum(text)
                    if not whole:
                        break
                    remember(text, self._end)
                    self._end += len(line)
            self._file.truncate(self._end)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> InputError:
        return unwritable(self._path.parent.parent, error)

    def _lock(self) -> None:
        try:
            import fcntl  # noqa: PLC0415 - not on every system
        except ImportError:
            return
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise InputError(
                "another run is writing there",
                file=self._path.parent.parent,
                remedy="wait for it, or choose another place with -o",
            ) from error

    def _checksum(self, text: bytes) -> bytes:
        return b"%08x" % zlib.crc32(text + self._ending)

    def line(self, text: bytes) -> bytes:
        """Return a text as a line of the file."""
        return b"%b\t%b\n" % (self._checksum(text), text)

    def append(self, text: bytes) -> int:
        """Append a line; return where it begins.

        Raises:
            InputError: the disk is full.
        """
        line, start = self.line(text), self._end
        try:
            self._file.seek(start)
            written = self._file.write(line)
        except OSError as error:
            written, problem = 0, error
        else:
            problem = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if written != len(line):
            with contextlib.suppress(OSError):
                self._file.truncate(start)
            raise self._unwritable(problem) from problem
        self._end += len(line)
        return start

    def text_at(self, start: int, length: int) -> bytes:
        """Return the text of a line."""
        self._file.seek(start + _CHECKSUM)
        text = b""
        while len(text) < length and (piece := self._file.read(length - len(text))):
            text += piece
        return text

    def close(self) -> None:
        """Close the file and let others write."""
        self._file.close()


class Store:
    """The results of one assignment in an output folder.

    Args:
        output: the folder that is written to.
        manifest: the assignment.

    Raises:
        InputError: it cannot be written, or another run is writing it.
    """

    def __init__(self, output: Path, manifest: Manifest) -> None:
        self.path = output / FOLDER / f"results-{digest_of(manifest)[:16]}.txt"
        self._index: dict[str, tuple[int, int, bool]] = {}
        self._journal = Journal(self.path, self._remember, ending=b"\n")

    def _remember(self, text: bytes, start: int) -> None:
        """Keep where the first result of a key is, or the first one with feedback."""
        name, flag, _ = text.split(b"\t", 2)
        key, feedback = name.decode(), flag == b"1"
        before = self._index.get(key)
        if before is None or (feedback and not before[2]):
            self._index[key] = start, len(text), feedback

    def has(self, key: str, *, feedback: bool) -> bool:
        """Tell whether a result is there, with its feedback if that is asked for."""
        entry = self._index.get(key)
        return entry is not None and (entry[2] or not feedback)

    def add(self, key: str, grade: bytes, *, feedback: bool) -> None:
        """Append a result.

        Raises:
            InputError: the disk is full.
        """
        text = b"\t".join((key.encode(), b"1" if feedback else b"0", grade))
        self._remember(text, self._journal.append(text))

    def read(self, key: str) -> bytes:
        """Return the grade of a key that is there."""
        start, length, _ = self._index[key]
        return self._journal.text_at(start, length).split(b"\t", 2)[2]

    def __iter__(self) -> Iterator[str]:
        """Yield the keys of what is there."""
        return iter(self._index)

    def close(self) -> None:
        """Close the file and let others write."""
        self._journal.close()


def check_results(output: Path, submissions: Path, assignment: Path, manifest: Manifest) -> None:
    """Refuse a folder that results must not be written to; nothing is written yet.

    Args:
        output: the folder.
        submissions: what is graded.
        assignment: the folder of the assignment.
        manifest: the assignment.

    Raises:
        InputError: it is somebody's own, or of another assignment.
    """
    try:
        here = output.resolve()
        _check_apart(output, here, submissions.resolve(), "the submissions")
        for place in _folders(assignment.resolve()):
            _check_apart(output, here, place, "the assignment")
        if not here.exists():
            return
        if not here.is_dir():
            raise InputError("a file of this name exists", file=output, remedy=_ELSEWHERE)
        names = {path.name for path in here.iterdir()}
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be read ({reason})", file=output, remedy=_ELSEWHERE) from error
    if not {name for name in names if name.casefold() not in _LITTER}:
        return
    earlier = here / FOLDER
    if not earlier.is_dir() or not (
        (earlier / _ASSIGNMENT).is_file() or any(earlier.glob("results-*.txt"))
    ):
        raise InputError(
            "holds files that are no results of cellgrad grade",
            file=output,
            remedy="choose a new or an empty folder with -o",
        )
    _check_same(output, earlier / _ASSIGNMENT, manifest)


def claim_results(output: Path, manifest: Manifest) -> None:
    """Make the folder, and keep in it of which assignment its results are.

    Raises:
        InputError: it cannot be written.
    """
    try:
        (output / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be made ({error.strerror or error})", file=output, remedy=_ELSEWHERE
        ) from error
    about = {"id": manifest.id, "title": manifest.title, "handouts": _handouts(manifest)}
    write_atomically(output / FOLDER / _ASSIGNMENT, f"{json.dumps(about)}\n".encode())


def _check_apart(output: Path, here: Path, other: Path, what: str) -> None:
    if here == other or other in here.parents:
        problem = f"lies within {what}"
    elif here in other.parents:
        problem = f"lies around {what}"
    else:
        return
    raise InputError(problem, file=output, remedy="choose a folder beside it with -o")


def _folders(assignment: Path) -> list[Path]:
    """Return the folder of an assignment, also where its inner folder was named."""
    inner = assignment.name == KEPT and (assignment.parent / HANDOUTS).is_dir()
    return [assignment.parent] if inner else [assignment]


def _check_same(output: Path, path: Path, manifest: Manifest) -> None:
    """Refuse results of another assignment: of another name, or of other handouts."""
    if not path.is_file():
        return  # a run that was killed before, or of an older version
    try:
        about: dict[str, Any] = json.loads(read_limited(path, _MOST))
        same = about["id"] == manifest.id
        same = same and not set(about["handouts"]).isdisjoint(_handouts(manifest))
        title = str(about["title"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("is damaged", file=path, remedy=_ELSEWHERE) from error
    if not same:
        raise InputError(
            f"holds the results of another assignment ({title})",
            file=output,
            remedy=_ELSEWHERE,
        )


def _handouts(manifest: Manifest) -> list[str]:
    """Return what handouts are told apart by; nobody can make a token of it."""
    return sorted(hashlib.sha256(token.encode()).hexdigest()[:12] for token in manifest.handouts)
