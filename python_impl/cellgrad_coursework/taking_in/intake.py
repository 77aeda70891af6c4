"""What was handed in, as it comes from a learning platform: a folder, a zip, one file.

Only names are listed at first; a file is read when it is its turn, so that memory stays flat.
A zip among the files is a folder, but not a zip within that: one level is read.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from cellgrad.errors import InputError
from cellgrad_coursework.taking_in.precheck import POLICY

MAX_FILES = 2_000_000
MAX_PATH = 1_000
MAX_ZIP = 512 << 20
"""Bytes of a zip that lies in another one."""

MAX_ZIPS = 4 << 30
"""Bytes of all of them together."""

_ARCHIVES = (".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_COPIED = 1 << 20

_IGNORED = {"thumbs.db", "desktop.ini", "icon\r"}
_LOCK = re.compile(r"~\$|\.(?!\.?$)")
_ONLINE_TEXT = "_assignsubmission_onlinetext"


@dataclass(frozen=True, slots=True)
class Inside:
    """A place in a zip that lies among the files.

    Attributes:
        archive: the zip: a file, or itself a place in an archive.
        entry: the place in it.
    """

    archive: Path | zipfile.ZipInfo
    entry: zipfile.ZipInfo


@dataclass(frozen=True, slots=True)
class Submission:
    """One file that was handed in; not yet read.

    Attributes:
        name: where it lies in what was downloaded, with ``/``.
        when: when it was last changed, in seconds, as far as is known.
        problem: why it will not be read; empty where it will.
        where: the file, or its place in the archive, or in an archive within.
    """

    name: str
    when: float = 0.0
    problem: str = ""
    where: Path | zipfile.ZipInfo | Inside | None = field(default=None, compare=False)


class Intake:
    """What was handed in: ``submissions`` lists it, ``read`` reads one file.

    Args:
        path: a folder, a zip, or one workbook.
        leave_out: a folder within it that is none of it (the output).

    Raises:
        InputError: there is no such folder or file, or it is no archive.
    """

    def __init__(self, path: Path, leave_out: Path | None = None) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        self._inner: tuple[Path | zipfile.ZipInfo, zipfile.ZipFile] | None = None
        self._unpacked = 0
        if path.is_dir():
            self.submissions = self._listed(_of_folder(path, leave_out))
        elif path.is_file():
            self._zip = _archive(path)
            names = set(self._zip.namelist()) if self._zip else set()
            if self._zip is None or "[Content_Types].xml" in names:
                self.submissions = self._listed([_of_file(path, path.name)])
            else:
                self.submissions = self._listed(_of_archive(self._zip))
        else:
            raise InputError(
                "no such folder or file", file=path, remedy="name the folder of submissions"
            )

    def read(self, submission: Submission) -> bytes:
        """Return a file's bytes.

        Raises:
            InputError: it cannot be read, or is too large.
        """
        if submission.problem:
            raise InputError(submission.problem)
        with _one_line(), self._file(submission.where) as file:
            data = file.read(POLICY.file_bytes + 1)
        if len(data) > POLICY.file_bytes:
            raise InputError(f"larger than {POLICY.file_bytes >> 20} MiB")
        return data

    def _file(self, where: Path | zipfile.ZipInfo | Inside | None) -> IO[bytes]:
        """Open a file, in whichever archive it lies."""
        if isinstance(where, Path):
            return where.open("rb")
        if isinstance(where, Inside):
            return self._opened(where.archive).open(where.entry)
        if where is None or self._zip is None:
            raise InputError("cannot be found")
        return self._zip.open(where)

    def close(self) -> None:
        """Close the archives."""
        self._close_inner()
        if self._zip is not None:
            self._zip.close()

    # zips among the files

    def _listed(self, files: Iterable[Submission]) -> list[Submission]:
        """Return files, sorted, with the contents of zips in their places."""
        listed: dict[str, Submission] = {}
        for one in files:
            inside = [one] if one.problem or not _is_zip(one.name) else self._contents(one)
            for each in inside:
                name, again = each.name, each.name in listed
                while name in listed:
                    name = f"{name} ({len(listed)})"
                problem = "two files of this name" if again else each.problem
                listed[name] = Submission(name, each.when, problem, each.where)
            if len(listed) > MAX_FILES:
                raise InputError(f"more than {MAX_FILES:,} files", file=self.path,
                                 remedy="split it")  # fmt: skip
        self._close_inner()
        return sorted(listed.values(), key=lambda one: one.name)

    def _contents(self, zipped: Submission) -> list[Submission]:
        """Return what lies in a zip; a row with the reason where that cannot be told."""

        def row(problem: str) -> list[Submission]:
            return [Submission(zipped.name, zipped.when, problem)]

        where = zipped.where
        if not isinstance(where, Path | zipfile.ZipInfo):
            return row("cannot be found")
        if isinstance(where, zipfile.ZipInfo):
            self._unpacked += where.file_size
            if where.file_size > MAX_ZIP or self._unpacked > MAX_ZIPS:
                return row("too large a zip within a zip; unpack it")
        try:
            with _one_line():
                archive = self._opened(where)
        except InputError as error:
            return row("a damaged zip; download it again" if error.remedy else error.problem)
        if "[Content_Types].xml" in archive.namelist():
            return row("a workbook that is called .zip; call it .xlsx")
        if len(archive.infolist()) > MAX_FILES:
            return row(f"more than {MAX_FILES:,} files; unpack it")
        inside = []
        for one in _of_archive(archive):
            name, entry, problem = f"{zipped.name}/{one.name}", one.where, one.problem
            if _is_zip(one.name) and not problem:
                problem = "a zip within a zip; unpack it"
            place = Inside(where, entry) if isinstance(entry, zipfile.ZipInfo) else None
            inside.append(Submission(name, one.when, problem, place))
        return inside or row("a zip with nothing in it")

    def _opened(self, where: Path | zipfile.ZipInfo) -> zipfile.ZipFile:
        """Open a zip among the files; the one before it is closed: they come one by one."""
        if self._inner is not None and self._inner[0] is where:
            return self._inner[1]
        self._close_inner()
        if isinstance(where, Path):
            archive = zipfile.ZipFile(where)
        elif self._zip is not None:
            # a zip is read from its end, and that within a zip only from its beginning
            file = tempfile.SpooledTemporaryFile(max_size=POLICY.file_bytes)  # noqa: SIM115 - kept open
            with self._zip.open(where) as packed:
                shutil.copyfileobj(packed, file, _COPIED)
            archive = zipfile.ZipFile(file)
        else:
            raise InputError("cannot be found")
        self._inner = where, archive
        return archive

    def _close_inner(self) -> None:
        if self._inner is not None:
            file = self._inner[1].fp
            self._inner[1].close()
            if file is not None:
                file.close()  # also one that was not opened by its name
            self._inner = None


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn what goes wrong with a file or an archive into one line."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError,
            ValueError) as error:  # fmt: skip
        raise InputError("damaged in the download", remedy="download it again") from error


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _archive(path: Path) -> zipfile.ZipFile | None:
    """Open a zip; one workbook that is handed over alone may be no archive at all."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        if path.suffix.lower() == ".xlsx":
            return None
        if _is_zip(path.name):
            raise InputError("a damaged zip", file=path, remedy="download it again") from error
        raise InputError(
            "neither a folder nor a zip", file=path, remedy="name the folder of submissions"
        ) from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from error
    if len(archive.infolist()) > MAX_FILES:
        raise InputError(f"more than {MAX_FILES:,} files", file=path, remedy="split it")
    return archive


def _ignored(parts: tuple[str, ...]) -> bool:
    """Tell whether a file is nobody's work: of the operating system, or a lock."""
    if any(_LOCK.match(part) or part.casefold() == "__macosx" for part in parts):
        return True
    online = any(_ONLINE_TEXT in part for part in parts)
    return online or parts[-1].casefold() in _IGNORED


def _problem(name: str, size: int) -> str:
    """Return why a file will not be read, judged by its name and size."""
    if _is_zip(name):
        return ""  # what is in it is listed
    if name.lower().endswith(_ARCHIVES):
        return f"a {PurePosixPath(name).suffix} archive; unpack it"
    if not name.lower().endswith(".xlsx"):
        ending = PurePosixPath(name).suffix
        what = f"a {ending} file" if ending else "a file without an ending"
        return f"{what}, not an .xlsx workbook; save it as .xlsx"
    if size > POLICY.file_bytes:
        return f"larger than {POLICY.file_bytes >> 20} MiB; remove pictures and unused sheets"
    return ""


def _of_folder(folder: Path, leave_out: Path | None) -> Iterator[Submission]:
    """Yield the files below a folder; links are not followed."""
    skipped = leave_out.resolve() if leave_out is not None else None
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [name for name in folders
                      if skipped is None or (here / name).resolve() != skipped]  # fmt: skip
        for name in files:
            path = here / name
            shown = path.relative_to(folder).as_posix()
            if not _ignored(PurePosixPath(shown).parts):
                yield _of_file(path, shown)


def _of_file(path: Path, name: str) -> Submission:
    try:
        if path.is_symlink() or not path.is_file():
            return Submission(name, 0.0, "a link, not a file; hand in the file itself")
        about = path.stat()
    except OSError as error:
        return Submission(name, 0.0, f"cannot be read ({error.strerror or error})")
    return Submission(name, about.st_mtime, _problem(name, about.st_size), path)


def _of_archive(archive: zipfile.ZipFile) -> Iterator[Submission]:
    """Yield the files of a zip; of two of the same name the second gets a problem."""
    seen: set[str] = set()
    for entry in archive.infolist():
        name = entry.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        if entry.is_dir() or not parts or _ignored(parts):
            continue
        when = float(sum(n * unit for n, unit in zip(entry.date_time, _UNITS, strict=True)))
        problem = _problem(name, entry.file_size)
        if name.startswith("/") or ".." in parts or ":" in parts[0] or len(name) > MAX_PATH:
            name = "/".join(part for part in parts if part not in ("..", "/"))[:MAX_PATH]
            problem = "its name leads out of the archive; rename it"
        if not name.isprintable():
            name = "".join(sign if sign.isprintable() else "_" for sign in name)
        if name.casefold() in seen:
            problem, name = "two files of this name in the archive", f"{name} ({len(seen)})"
        seen.add(name.casefold())
        yield Submission(name, when, problem, entry)


_UNITS = (32_140_800, 2_678_400, 86_400, 3_600, 60, 1)
"""Seconds in a year, month, day, … for an order, not a date."""
