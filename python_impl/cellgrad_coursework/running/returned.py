"""Which feedback lies in an output folder, and of what each was made: appended, like results.

So what was withdrawn is taken away again and nothing else is; and feedback is made anew when
what it says has changed, such as a student's lateness, however often a run was killed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import unicodedata
import zlib
from collections.abc import Collection
from pathlib import Path

from cellgrad.errors import InputError
from cellgrad.files import write_atomically
from cellgrad_coursework.running.store import FOLDER

NAME = "feedback.txt"


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
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b", buffering=0)
            self._file.seek(0)
            end = 0
            for line in self._file.read().splitlines(keepends=True):
                if not self._remembered(line):
                    break  # a kill cut it off
                end += len(line)
            self._file.truncate(end)
        except OSError as error:
            raise self._unwritable(error) from error

    def _remembered(self, line: bytes) -> bool:
        checksum, _, text = line.rstrip(b"\n").partition(b"\t")
        if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
            return False
        workbook, page, made = json.loads(text)
        self._entries[workbook] = page, made
        return True

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"cannot be written ({error.strerror or error})",
            file=self._path.parent.parent,
            remedy="choose another place with -o, or make room",
        )

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
        line = _line(workbook, page, made)
        try:
            written = self._file.write(line)
        except OSError as error:
            raise self._unwritable(error) from error
        if written != len(line):
            raise self._unwritable(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
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
        self._file.close()
        lines = (_line(name, *entry) for name, entry in sorted(kept.items()))
        write_atomically(self._path, b"".join(lines))
        self._entries = kept
        try:
            self._file = self._path.open("a+b", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from error

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
        self._file.close()


def _line(workbook: str, page: str, made: str) -> bytes:
    text = json.dumps([workbook, page, made], ensure_ascii=True).encode()
    return b"%08x\t%s\n" % (zlib.crc32(text), text)


def _folded(path: str) -> str:
    """Return a path as a disk may compare it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
