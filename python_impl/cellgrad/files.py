"""Writing files whole or not at all, and reading them within limits."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cellgrad.errors import InputError


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        InputError: the place cannot be written, or the disk is full.
    """
    with whole_file(path) as beside, beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file to write beside its place: an old one stays until the new one is whole.

    The new file gets the permissions that a plain write would give it.

    Raises:
        InputError: the place cannot be written, or the disk is full.
    """
    import tempfile  # noqa: PLC0415 - start-up time

    beside: Path | None = None
    try:
        target = path.resolve()
        if target.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        # the name is cut: with its addition it must not grow too long for a file system
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
        beside = Path(name)
        os.close(handle)
        yield beside
        beside.chmod(_plain_mode(target))
        beside.replace(target)
        beside = None
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle; a NUL character
        raise unwritable(path, error) from error
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):
                beside.unlink()


def unwritable(path: Path, error: Exception) -> InputError:
    """Return what is said of a place that cannot be written."""
    return InputError(
        f"cannot be written ({getattr(error, 'strerror', None) or error})",
        file=path,
        remedy="choose another place with -o, or make room",
    )


def _plain_mode(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o7777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def read_limited(path: Path, limit: int) -> bytes:
    """Read a whole file of at most ``limit`` bytes.

    Raises:
        InputError: it is missing, no plain file, unreadable or too large.
    """
    try:
        if not path.is_file():
            problem = "it is not a file" if path.exists() else "no such file"
            raise InputError(problem, file=path, remedy="check the path")
        if path.stat().st_size > limit:
            raise InputError(f"larger than {limit:,} bytes", file=path)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from error
    except ValueError as error:  # a path with a NUL character
        raise InputError(f"is no path ({error})", file=repr(path)) from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those around it, where it is missing.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be made ({error.strerror or error})",
            file=folder,
            remedy="choose another place with -o",
        ) from error


ZIP_DATE = (2026, 1, 1, 0, 0, 0)
"""The date of every entry that has none of its own."""


def zip_entry(
    name: str, date: tuple[int, int, int, int, int, int] = ZIP_DATE, *, packed: bool = True
) -> zipfile.ZipInfo:
    """Return an entry of a zip archive that is the same on every system and every day."""
    entry = zipfile.ZipInfo(name, date)
    entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    return entry
