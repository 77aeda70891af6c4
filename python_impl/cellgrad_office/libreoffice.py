"""LibreOffice Calc itself, without its windows, through its UNO bridge.

Read as full doubles, since files that it saves hold 15 digits. TRUE and FALSE
come as 1.0 and 0.0; writing ``""`` empties a cell. One private LibreOffice with
a throwaway profile serves many workbooks, each as a copy: the file on disk is
never opened, and whatever happens, no process, profile or socket stays behind.

Environment: ``CELLGRAD_LIBREOFFICE`` (the program soffice),
``CELLGRAD_LIBREOFFICE_PYTHON`` (a Python that can import ``uno``) and
``CELLGRAD_ENGINE_TIMEOUT`` (seconds for each answer).
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cellgrad.engines import (
    Arithmetic,
    Changes,
    CheckedWorkbook,
    Engine,
    OpenWorkbook,
    failures_of,
    seconds_allowed,
)
from cellgrad.errors import EngineError, EngineMissingError
from cellgrad.xlsx.package import open_package
from cellgrad.xlsx.sheet import Block, CellError, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cellgrad.xlsx.addresses import Range

START_SECONDS: Final = 60.0
"""How long LibreOffice may take to start."""

REQUEST_SECONDS: Final = 120.0
"""How long it may take to load, recalculate or read a workbook."""

_LEAVE_SECONDS: Final = 12.0

_INSTALL: Final = (
    "apt-get install libreoffice-calc-nogui python3-uno, or https://www.libreoffice.org"
)
_REMEDY: Final = "try again, raise CELLGRAD_ENGINE_TIMEOUT, or use another engine"


class LibreOfficeEngine(Engine):
    """One private LibreOffice.

    Args:
        start_seconds: how long it may take to start.
        request_seconds: how long any one answer may take.

    Raises:
        EngineMissingError: LibreOffice, or a Python with its ``uno``, is not installed.
        EngineError: it did not start.
    """

    name = "libreoffice"
    # It sets a final sum or difference to 0 when it is that much smaller than its terms.
    arithmetic = Arithmetic(snap=2.0**-48)

    def __init__(
        self, *, start_seconds: float | None = None, request_seconds: float | None = None
    ) -> None:
        soffice, python = _soffice(), _python()
        if soffice is None or python is None:
            raise EngineMissingError(self.missing() or "LibreOffice is not installed")
        self._seconds = seconds_allowed(REQUEST_SECONDS, request_seconds)
        self._office = _Office(soffice, python, seconds_allowed(START_SECONDS, start_seconds))
        self._books = itertools.count(1)

    @classmethod
    def missing(cls) -> str | None:
        """Return None if the engine can be used here, else what to install, as one line."""
        if _soffice() is None:
            return f"LibreOffice is not installed: {_INSTALL}"
        if _python() is None:
            return (
                "no Python here can talk to LibreOffice: apt-get install python3-uno, or set"
                " CELLGRAD_LIBREOFFICE_PYTHON to a Python that can import uno"
            )
        return None

    def version(self) -> str:
        """Return LibreOffice's own version, such as ``7.4.7.2``."""
        return self._office.version

    def open(self, path: Path) -> OpenWorkbook:
        """Load a copy of a workbook and recalculate every formula.

        Raises:
            EngineError: the file was refused, or LibreOffice crashed or took too long.
            WorkbookError: the file is no workbook, or is not safe to read.
        """
        book = next(self._books)
        self._office.check_alive(path)
        if path.suffix.lower() in {".xlsx", ".xlsm"}:
            # LibreOffice would take an empty file for a new workbook.
            open_package(path)
        copy = self._office.folder / f"{book}{path.suffix.lower()}"
        try:
            shutil.copyfile(path, copy)
        except OSError as error:
            raise EngineError(
                f"the file could not be copied for LibreOffice ({error.strerror or error})",
                file=path,
            ) from error
        with failures_of("LibreOffice", path, "open"):
            return _Workbook(self._office, self._seconds, path, book, copy)

    def close(self) -> None:
        """End LibreOffice; nothing of it stays behind."""
        self._office.end()


class _Workbook(CheckedWorkbook):
    def __init__(self, office: _Office, seconds: float, path: Path, book: int, copy: Path) -> None:
        self._office, self._seconds, self._book, self._copy = office, seconds, book, copy
        super().__init__("LibreOffice", path, self._ask("open", path=str(copy)))

    def _ask(self, action: str, **request: object) -> Any:
        return self._office.ask({"do": action, "book": self._book, **request}, self._seconds)

    def _read(self, ranges: Sequence[Range]) -> list[Block]:
        blocks = self._ask("read", ranges=[list(area) for area in ranges])
        return [[[_value(cell) for cell in row] for row in block] for block in blocks]

    def _update(self, changes: Changes) -> None:
        payload = [[list(area), [list(row) for row in rows]] for area, rows in changes]
        self._ask("update", changes=payload)

    def close(self) -> None:
        """Let go of the copy."""
        if self._office.alive:
            with contextlib.suppress(EngineError, _RefusedError):
                self._ask("close")
        self._copy.unlink(missing_ok=True)


def _value(cell: Any) -> Value:
    if isinstance(cell, dict):
        return CellError(str(cell["error"]))
    value: Value = cell
    return value


class _RefusedError(Exception):
    """LibreOffice answered, but with a complaint."""


class _Office:
    """The bridge process, its folder, and the LibreOffice behind it."""

    def __init__(self, soffice: str, python: str, seconds: float) -> None:
        # Resolved, since LibreOffice derives the name of a socket from it.
        self.folder = Path(tempfile.mkdtemp(prefix="cellgrad-libreoffice-")).resolve()
        self.alive, self._owner = True, os.getpid()
        self._sockets = _sockets(self.folder)
        self._lines: queue.Queue[str | None] = queue.Queue()
        script = Path(__file__).with_name("libreoffice_bridge.py")
        arguments = [soffice, str(self.folder), repr(seconds), *map(str, self._sockets)]
        self._bridge = subprocess.Popen(  # noqa: S603 (tried, or named by the user)
            [python, "-B", str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env=_environment(),
            # Out of reach of a Ctrl-C: this process ends it in good order instead.
            start_new_session=True,
        )
        atexit.register(self.end)
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            # The bridge keeps the limit itself; this one is for a bridge that hangs.
            self.version: str = self._answer(seconds + 5, "start")
        except BaseException:
            self.end()
            raise

    def _listen(self) -> None:
        if self._bridge.stdout is not None:
            for line in self._bridge.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def check_alive(self, path: Path | None = None) -> None:
        """Refuse to go on after LibreOffice has been ended.

        Raises:
            EngineError: it has been.
        """
        if not self.alive:
            raise EngineError(
                "LibreOffice has been ended", file=path, remedy="start the engine again"
            )

    def ask(self, request: dict[str, object], seconds: float) -> Any:
        """Send one request and wait for its answer.

        Raises:
            EngineError: LibreOffice crashed or took too long, and has been ended.
        """
        self.check_alive()
        try:
            if self._bridge.stdin is not None:
                self._bridge.stdin.write(json.dumps(request) + "\n")
                self._bridge.stdin.flush()
        except OSError:
            # The bridge is gone; the answer below will say why, or that it ended.
            self._lines.put(None)
        try:
            return self._answer(seconds, "answer")
        except (EngineError, KeyboardInterrupt):
            # After a lost answer the next one would be taken for it.
            self.end(gently=False)
            raise

    def _answer(self, seconds: float, verb: str) -> Any:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self.end(gently=False)
            raise EngineError(
                f"LibreOffice did not {verb} within {seconds:g} s and was ended", remedy=_REMEDY
            ) from None
        reply = {"dead": "its bridge ended"} if line is None else json.loads(line)
        if "error" in reply:
            raise _RefusedError(reply["error"])
        if "dead" in reply:
            raise EngineError(f"LibreOffice is gone: {reply['dead']}", remedy=_REMEDY)
        return reply["ok"]

    def end(self, *, gently: bool = True) -> None:
        """End LibreOffice and its bridge; remove what they kept."""
        if not self.alive or self._owner != os.getpid():
            # A forked child must not end what its parent still uses.
            return
        self.alive = False
        atexit.unregister(self.end)
        if not gently:
            _kill_office(self.folder)
        with contextlib.suppress(OSError):
            if self._bridge.stdin is not None:
                self._bridge.stdin.close()
        try:
            # The bridge ends LibreOffice when its input does, and then itself.
            self._bridge.wait(_LEAVE_SECONDS if gently else 2.0)
        except subprocess.TimeoutExpired:
            _kill_office(self.folder)
            self._bridge.kill()
            self._bridge.wait()
        _remove(self.folder)
        for socket in self._sockets:
            with contextlib.suppress(OSError):
                socket.unlink()


def _sockets(folder: Path) -> list[Path]:
    """Return the sockets of a LibreOffice with its profile in this folder.

    A LibreOffice that is killed leaves them: the one that we name, and the one
    that it names after its profile.
    """
    if sys.platform == "win32":
        return []
    profile = (folder / "profile").as_uri().encode("utf-16-le")
    digest = hashlib.md5(profile, usedforsecurity=False).digest()
    own = "SingleOfficeIPC_" + "".join(f"{byte:x}" for byte in digest)
    return [
        Path(place, f"OSL_PIPE_{os.getuid()}_{name}")
        for place in ("/tmp", "/var/tmp")  # noqa: S108 (where LibreOffice puts them)
        for name in (folder.name, own)
    ]


def _environment() -> dict[str, str]:
    """Return our environment without what belongs to our own Python."""
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def _kill_office(folder: Path) -> None:
    """Kill LibreOffice without the bridge's help, with its launcher's children."""
    try:
        process = int((folder / "soffice.pid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(process)]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 (part of Windows)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)


def _remove(folder: Path) -> None:
    # A dying process may still write to its profile: look again.
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


@lru_cache(maxsize=1)
def _soffice() -> str | None:
    """Return the path of LibreOffice's program, if it is installed."""
    named = os.environ.get("CELLGRAD_LIBREOFFICE")
    if named:
        return named if Path(named).is_file() else None
    places = [
        "/Applications/LibreOffice.app/Contents/MacOS/soffice",
        r"C:\Program Files\LibreOffice\program\soffice.exe",
        r"C:\Program Files (x86)\LibreOffice\program\soffice.exe",
    ]
    found = shutil.which("soffice") or shutil.which("libreoffice")
    return found or next((place for place in places if Path(place).is_file()), None)


@lru_cache(maxsize=1)
def _python() -> str | None:
    """Return a Python that can import LibreOffice's ``uno``, if there is one."""
    return next((python for python in _pythons() if _has_uno(python)), None)


def _pythons() -> Iterator[str]:
    named = os.environ.get("CELLGRAD_LIBREOFFICE_PYTHON")
    if named:
        yield named
        return
    soffice = _soffice()
    if soffice is not None:
        program = Path(soffice).resolve().parent
        for place in (program, program.parent / "Resources", program.parent / "MacOS"):
            yield from (str(place / name) for name in ("python", "python.exe"))
    yield from ("/usr/bin/python3", sys.executable)


def _has_uno(python: str) -> bool:
    if not Path(python).is_file():
        return False
    try:
        trial = subprocess.run(  # noqa: S603 (the interpreters listed above)
            [python, "-c", "import uno"],
            check=False,
            capture_output=True,
            timeout=30,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0
