"""A folder that is written beside its place and then renamed, whole or not; the example in one."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from cellgrad.errors import InputError

ASSIGNMENT, ROSTER = "assignment.toml", "roster.csv"


def write_example(folder: Path) -> None:
    """Write an example to start from: a commented assignment and a roster that work as they are.

    Args:
        folder: where to; it must not exist, or be empty.

    Raises:
        InputError: there is something already, or the place cannot be written.
    """
    templates = files("cellgrad_coursework.setting") / "templates"
    with written_folder(folder) as place:
        for name in (ASSIGNMENT, ROSTER):
            (place / name).write_bytes((templates / name).read_bytes())


@contextmanager
def written_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write in; when all went well, it becomes ``path``.

    Folders that it lies in are made where they are missing.

    Raises:
        InputError: there is something at the place already, or it cannot be written.
    """
    beside: Path | None = None
    made: list[Path] = []
    try:
        try:
            target = path.resolve()
            if target.exists() and not (target.is_dir() and not any(target.iterdir())):
                what = (
                    "the folder is not empty" if target.is_dir() else "a file of this name exists"
                )
                raise InputError(what, file=path, remedy="choose another place with -o")
            made = _parents(target)
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
        if beside is not None or not path.exists():
            for folder in reversed(made):
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only if nothing else was put there


def _parents(target: Path) -> list[Path]:
    """Make the folders that a folder will lie in; return those that are new, outermost first."""
    missing = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _unwritable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(
        f"cannot be written ({reason})",
        file=path,
        remedy="choose another place with -o, or make room",
    )


def _plain_mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o777 & ~umask
