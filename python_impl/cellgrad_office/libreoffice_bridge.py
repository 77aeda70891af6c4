"""The other end of the LibreOffice engine: a script, not a module to import.

It runs in whichever Python has LibreOffice's ``uno`` (perhaps an old one, and
without this package), starts one private LibreOffice, and answers one line of
JSON for each line of JSON: ``{"do": "read", …}`` → ``{"ok": …}``,
``{"error": "…"}`` when one request failed, or ``{"dead": "…"}`` when LibreOffice
is gone. When its standard input ends, so do LibreOffice and its profile.

Usage: libreoffice_bridge.py SOFFICE FOLDER SECONDS_TO_START SOCKET…
The sockets are what LibreOffice leaves behind when it is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uno
from com.sun.star.beans import PropertyValue

if TYPE_CHECKING:
    Request = dict[str, Any] | None
    """What to do; None when there is nobody left to ask."""

ERRORS = 4
"""com.sun.star.sheet.FormulaResult.ERROR"""

CODES = {
    "#VALUE!": (501, 502, 504, 519),
    "#NUM!": (503,),
    "#ERROR!": (508, 509, 510, 511),
    "#CIRC!": (522, 523),
    "#REF!": (524,),
    "#NAME?": (525, 526),
    "#DIV/0!": (532,),
    "#NULL!": (533,),
    "#N/A": (32767,),
}

SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>3</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="DisableMacrosExecution" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="BlockUntrustedRefererLinks" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Setup/L10N">
<prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>en-US</value></prop></item>
</oor:items>
"""

PATIENCE = 5.0
"""Seconds that LibreOffice gets to leave by itself."""


class Office:
    """One private LibreOffice process."""

    def __init__(self, soffice: str, folder: Path, sockets: list[str]) -> None:
        self.folder, self.sockets = folder, sockets
        self.process = self._start(soffice)
        self.desktop: Any = None
        self.product: Any = None

    def _start(self, soffice: str) -> subprocess.Popen[bytes]:
        profile = self.folder / "profile"
        (profile / "user").mkdir(parents=True)
        (profile / "user" / "registrymodifications.xcu").write_text(SETTINGS, encoding="utf-8")
        command = [
            soffice,
            f"-env:UserInstallation={profile.as_uri()}",
            "--headless",
            "--invisible",
            "--norestore",
            "--nologo",
            "--nodefault",
            "--nolockcheck",
            "--nofirststartwizard",
            f"--accept=pipe,name={self.folder.name};urp;",
        ]
        process = subprocess.Popen(  # noqa: S603 (the program that the user installed)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=str(self.folder),
            # A group of its own: the launcher's children end with it.
            start_new_session=True,
        )
        # For the case that somebody kills this script: see libreoffice.py.
        (self.folder / "soffice.pid").write_text(str(process.pid), encoding="ascii")
        return process

    def connect(self, seconds: float) -> None:
        """Wait until it answers.

        Raises:
            Gone: it ended, or did not answer in time.
        """
        context = self._resolve(time.monotonic() + seconds)
        services = context.ServiceManager
        self.desktop = services.createInstanceWithContext("com.sun.star.frame.Desktop", context)
        provider = services.createInstanceWithContext(
            "com.sun.star.configuration.ConfigurationProvider", context
        )
        self.product = provider.createInstanceWithArguments(
            "com.sun.star.configuration.ConfigurationAccess",
            (prop("nodepath", "/org.openoffice.Setup/Product"),),
        )

    def _resolve(self, deadline: float) -> Any:
        local = uno.getComponentContext()
        resolver = local.ServiceManager.createInstanceWithContext(
            "com.sun.star.bridge.UnoUrlResolver", local
        )
        address = f"uno:pipe,name={self.folder.name};urp;StarOffice.ComponentContext"
        while True:
            try:
                return resolver.resolve(address)
            except Exception as error:  # it is not listening yet
                if self.process.poll() is not None:
                    raise Gone(f"ended at once with code {self.process.poll()}") from error
                if time.monotonic() > deadline:
                    raise Gone("did not start in time") from error
                time.sleep(0.05)

    def leave(self) -> None:
        """Ask it to end by itself, then see to it."""
        if self.desktop is not None:
            with contextlib.suppress(Exception):
                # It answers by hanging up, which is an exception here.
                self.desktop.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        self.end()

    def end(self) -> None:
        """Kill whatever is left of LibreOffice, and remove what it kept."""
        if os.name == "nt":
            subprocess.run(  # noqa: S603 (a part of Windows)
                ["taskkill", "/F", "/T", "/PID", str(self.process.pid)],  # noqa: S607
                check=False,
                capture_output=True,
            )
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        shutil.rmtree(str(self.folder), ignore_errors=True)
        for socket in self.sockets:
            with contextlib.suppress(OSError):
                Path(socket).unlink()


class Gone(Exception):  # noqa: N818 (a state, told to the other side)
    """LibreOffice is not there any more, or never was."""


def prop(name: str, value: object) -> Any:
    """Return a PropertyValue."""
    result = PropertyValue()
    result.Name, result.Value = name, value
    return result


class Books:
    """The open workbooks, by number, and what can be asked of them."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.books: dict[int, Any] = {}

    def version(self) -> str:
        """Return LibreOffice's version."""
        return str(self.office.product.getByName("ooSetupVersionAboutBox"))

    def open(self, book: int, path: str) -> list[str]:
        """Load a copy that nobody else uses; return the names of its sheets."""
        options = [
            prop("Hidden", True),
            prop("MacroExecutionMode", 0),
            prop("UpdateDocMode", 0),
        ]
        if path.lower().endswith((".xlsx", ".xlsm")):
            # Told the filter, it does not guess that a broken file is a text.
            options.append(prop("FilterName", "Calc MS Excel 2007 XML"))
        url = uno.systemPathToFileUrl(path)
        document = self.office.desktop.loadComponentFromURL(url, "_blank", 0, tuple(options))
        if document is None or not hasattr(document, "Sheets"):
            raise ValueError("it is no spreadsheet")
        self.books[book] = document
        document.enableAutomaticCalculation(False)
        document.addActionLock()
        # Not calculate(): that would trust the values stored in the file.
        document.calculateAll()
        return list(document.Sheets.ElementNames)

    def close(self, book: int) -> None:
        """Let go of a workbook without saving it."""
        self.books.pop(book).close(True)

    def read(self, book: int, ranges: list[list[Any]]) -> list[list[list[Any]]]:
        """Return the values of each [sheet, top, left, bottom, right]."""
        sheets = self.books[book].Sheets
        wanted: dict[str, list[list[int]]] = {}
        for name, *corners in ranges:
            wanted.setdefault(name, []).append(corners)
        areas = {name: Area(sheets.getByName(name), boxes) for name, boxes in wanted.items()}
        return [areas[name].cut(*corners) for name, *corners in ranges]

    def update(self, book: int, changes: list[list[Any]]) -> None:
        """Write constants, then recalculate everything."""
        document = self.books[book]
        for (name, top, left, bottom, right), rows in changes:
            sheet = document.Sheets.getByName(name)
            area = sheet.getCellRangeByPosition(left - 1, top - 1, right - 1, bottom - 1)
            # "" empties a cell here, and None would mean #N/A.
            area.setDataArray(
                tuple(tuple("" if cell is None else cell for cell in row) for row in rows)
            )
        document.calculateAll()


class Area:
    """The values of one sheet, read in few calls: a call costs more than a row."""

    def __init__(self, sheet: Any, boxes: list[list[int]]) -> None:
        cursor = sheet.createCursor()
        cursor.gotoEndOfUsedArea(False)
        used = cursor.RangeAddress
        self.top = min(box[0] for box in boxes)
        self.left = min(box[1] for box in boxes)
        bottom = min(max(box[2] for box in boxes), used.EndRow + 1)
        right = min(max(box[3] for box in boxes), used.EndColumn + 1)
        self.rows: list[list[Any]] = []
        if bottom < self.top or right < self.left:
            return
        area = sheet.getCellRangeByPosition(self.left - 1, self.top - 1, right - 1, bottom - 1)
        self.rows = [list(row) for row in area.getDataArray()]
        self._mark_empty(area)
        self._mark_errors(sheet, area)

    def _mark_empty(self, area: Any) -> None:
        # Empty cells and formulas that return "" look alike in the data array.
        for box in area.queryEmptyCells().RangeAddresses:
            for row in range(box.StartRow + 1 - self.top, box.EndRow + 2 - self.top):
                for column in range(box.StartColumn + 1 - self.left, box.EndColumn + 2 - self.left):
                    self.rows[row][column] = None

    def _mark_errors(self, sheet: Any, area: Any) -> None:
        for box in area.queryFormulaCells(ERRORS).RangeAddresses:
            for row in range(box.StartRow, box.EndRow + 1):
                for column in range(box.StartColumn, box.EndColumn + 1):
                    number = sheet.getCellByPosition(column, row).getError()
                    code = next((c for c, of in CODES.items() if number in of), f"Err:{number}")
                    self.rows[row + 1 - self.top][column + 1 - self.left] = {"error": code}

    def cut(self, top: int, left: int, bottom: int, right: int) -> list[list[Any]]:
        """Return one rectangle; beyond the used area there is nothing."""
        result = []
        width = right - left + 1
        for row in range(top - self.top, bottom - self.top + 1):
            cells = self.rows[row] if row < len(self.rows) else []
            cells = cells[left - self.left : right - self.left + 1]
            result.append(cells + [None] * (width - len(cells)))
        return result


def answer(books: Books, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; a failure is an answer too."""
    action = getattr(books, request.pop("do"))
    try:
        return {"ok": action(**request)}
    except Exception as error:  # noqa: BLE001 (UNO has hundreds of kinds)
        # What a crash raises says nothing of the crash: ask something harmless.
        try:
            books.version()
        except Exception:  # noqa: BLE001
            return {"dead": "it crashed"}
        return {"error": " ".join(str(error).split()) or type(error).__name__}


def say(reply: dict[str, Any]) -> None:
    """Write one line; floats survive, since their repr does."""
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def listen(requests: queue.Queue[Request], office: Office) -> None:
    """Pass requests on until the standard input ends."""
    with contextlib.suppress(OSError, ValueError):
        for line in sys.stdin:
            requests.put(json.loads(line))
    hang_up(requests, office)


def watch(requests: queue.Queue[Request], office: Office, parent: int) -> None:
    """Notice a vanished parent whose pipe some other process still holds open."""
    while os.getppid() == parent:
        time.sleep(1)
    hang_up(requests, office)


def hang_up(requests: queue.Queue[Request], office: Office) -> None:
    """Let the main thread end LibreOffice; if that hangs in a request, do it here."""
    requests.put(None)
    time.sleep(PATIENCE)
    office.end()
    os._exit(1)


def serve(office: Office, requests: queue.Queue[Request]) -> None:
    """Answer requests until there are no more, or LibreOffice is gone."""
    books = Books(office)
    say({"ok": books.version()})
    while True:
        request = requests.get()
        if request is None:
            return
        reply = answer(books, request)
        say(reply)
        if "dead" in reply:
            return


def main() -> None:
    """Start LibreOffice, serve, and leave nothing behind."""
    soffice, folder, seconds, *sockets = sys.argv[1:]
    parent = os.getppid()
    # A Ctrl-C is meant for our parent, which then closes our standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests: queue.Queue[Request] = queue.Queue()
    office = Office(soffice, Path(folder), sockets)
    threading.Thread(target=listen, args=(requests, office), daemon=True).start()
    threading.Thread(target=watch, args=(requests, office, parent), daemon=True).start()
    try:
        office.connect(float(seconds))
        serve(office, requests)
    except Gone as error:
        say({"dead": str(error)})
    finally:
        office.leave()


if __name__ == "__main__":
    main()
