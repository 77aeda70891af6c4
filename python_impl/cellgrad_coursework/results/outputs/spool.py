"""Rows that come in any order and are written in one: kept on disk, so that memory stays flat."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from cellgrad.errors import InputError

Key = tuple[str, ...]


class Spool:
    """Pieces of text, each with a key; they are written sorted by it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._index: list[tuple[Key, int, int]] = []
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, key: Key, piece: str) -> None:
        """Keep a piece."""
        data = piece.encode("utf-8", "replace")
        self._file.write(data)
        self._index.append((key, self._end, len(data)))
        self._end += len(data)

    def pieces(self) -> Iterable[bytes]:
        """Yield the pieces, sorted by their keys."""
        for _, start, length in sorted(self._index):
            self._file.seek(start)
            yield self._file.read(length)
        self._file.seek(self._end)


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file of many pieces, whole or not at all.

    Raises:
        InputError: the place cannot be written, or the disk is full.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(
            f"cannot be written ({error.strerror or error})",
            file=path,
            remedy="choose another place with -o, or make room",
        ) from error
