"""A folder that is written beside its place, file by file, and then renamed: whole or not."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellgrad.errors import InputError

_REMEDY = "choose another place with -o, or make room"


@contextmanager
def written_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write in; when all went well, it becomes ``path``.

    Raises:
        InputError: there is something at the place already, or it cannot be written.
    """
    beside: Path | None = None
    try:
        try:
            target = path.resolve()
            if target.exists() and not (target.is_dir() and not any(target.iterdir())):
                what = (
                    "the folder is not empty" if target.is_dir() else "a file of this name exists"
                )
                raise InputError(what, file=path, remedy="choose another place with -o")
            beside = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
        except (OSError, RuntimeError, ValueError) as error:
            raise _unwritable(path, error) from error
        yield beside
        try:
            if target.exists():
                target.rmdir()  # empty; a rename onto a folder is not the same everywhere
            beside.chmod(_plain_mode())
            beside.rename(target)
            beside = None
        except OSError as error:
            raise _unwritable(path, error) from error
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(beside)


def _unwritable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"cannot be written ({reason})", file=path, remedy=_REMEDY)


def _plain_mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o777 & ~umask
