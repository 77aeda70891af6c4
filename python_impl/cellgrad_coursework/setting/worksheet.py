"""The printable worksheet: the frames of Step as a PDF, where LibreOffice is installed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cellgrad.case.model import Case
from cellgrad.workbook.layout import StepLayout
from cellgrad_coursework.setting.assignment import Assignment
from cellgrad_coursework.setting.handouts import worksheet_bytes

SECONDS = 120


def worksheet_pdf(assignment: Assignment, case: Case, place: StepLayout) -> bytes | str:
    """Return the worksheet as a PDF, or in one line why there is none."""
    program = _libreoffice()
    if program is None:
        return "no printable worksheet: LibreOffice is not installed"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "worksheet.xlsx"
        source.write_bytes(worksheet_bytes(assignment, case, place))
        profile = (folder / "profile").as_uri()
        command = [
            program, f"-env:UserInstallation={profile}", "--headless", "--norestore",
            "--convert-to", "pdf", "--outdir", str(folder), str(source),
        ]  # fmt: skip
        try:
            if not _ended(command):
                return f"no printable worksheet: LibreOffice took more than {SECONDS} seconds"
            return _undated((folder / "worksheet.pdf").read_bytes())
        except OSError:
            return "no printable worksheet: LibreOffice could not print it"


def _undated(pdf: bytes) -> bytes:
    """Return a PDF without its date and chance ids; lengths stay, for its table of places."""
    pdf = re.sub(rb"(/CreationDate\(D:)\d{14}", rb"\g<1>20260101000000", pdf)
    for what in (rb"/ID \[ <[0-9A-F]{32}>\s*<[0-9A-F]{32}>", rb"/DocChecksum /[0-9A-F]{32}"):
        pdf = re.sub(what, lambda found: re.sub(rb"[0-9A-F]{32}", b"0" * 32, found[0]), pdf)
    return pdf


def _ended(command: list[str]) -> bool:
    """Run a program and tell whether it ended by itself; its children end with it."""
    process = subprocess.Popen(  # noqa: S603 - a program of the machine, our own file
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(SECONDS)
    except BaseException as stopped:
        if sys.platform == "win32":
            process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not isinstance(stopped, subprocess.TimeoutExpired):
            raise
        return False
    return True


def _libreoffice() -> str | None:
    told = os.environ.get("CELLGRAD_LIBREOFFICE")
    if told:
        return told if Path(told).is_file() else None
    usual = (
        "/Applications/LibreOffice.app/Contents/MacOS/soffice",
        r"C:\Program Files\LibreOffice\program\soffice.exe",
        r"C:\Program Files (x86)\LibreOffice\program\soffice.exe",
    )
    found = shutil.which("soffice") or shutil.which("libreoffice")
    return found or next((place for place in usual if Path(place).is_file()), None)
