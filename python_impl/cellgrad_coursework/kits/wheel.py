"""The wheel of the cellgrad that is running, so that a kit grades as this one does.

A kit is to work as it is, and the version that wrote the assignment is the one that grades it.
A wheel is a zip of the package and of what is said of it, so it is put together from what is
installed here; nothing is downloaded.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from cellgrad import __version__, shipped
from cellgrad.errors import InputError

_DATE = (2026, 1, 1, 0, 0, 0)
_SOURCES = Path(__file__).resolve().parents[2]
_PACKAGES = (
    "cellgrad",
    "cellgrad_series",
    "cellgrad_office",
    "cellgrad_proof",
    "cellgrad_audit",
    "cellgrad_coursework",
)
_DATA = ("reference", "spreadsheets")
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def wheel_name() -> str:
    """Return the wheel's file name."""
    return f"cellgrad-{__version__}-py3-none-any.whl"


@cache
def wheel_bytes() -> bytes:
    """Return the wheel: the same bytes for the same installation.

    Raises:
        InputError: the installation is incomplete.
    """
    about = f"cellgrad-{__version__}.dist-info"
    files = dict(_package())
    files[f"{about}/METADATA"] = _metadata()
    files[f"{about}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: cellgrad\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{about}/entry_points.txt"] = b"[console_scripts]\ncellgrad = cellgrad.cli.main:run\n"
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3  # the same on every system
            archive.writestr(info, data)
    return buffer.getvalue()


def _package() -> Iterator[tuple[str, bytes]]:
    """Yield what the wheel installs: the packages, with their data inside."""
    for package in _PACKAGES:
        yield from _files(_SOURCES / package, package, leave_out="data")
    for name in _DATA:
        yield from _files(shipped.folder(name), f"cellgrad/data/{name}")


def _files(folder: Path, name: str, leave_out: str = "") -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or _LEFT_OUT & set(inside.parts) or inside.parts[0] == leave_out:
            continue
        try:
            yield f"{name}/{inside.as_posix()}", path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})", file=path) from error


def _metadata() -> bytes:
    """Return what is said of the package: above all, what it needs."""
    try:
        own = metadata.metadata("cellgrad")
    except metadata.PackageNotFoundError as error:
        raise InputError(
            "cellgrad is run without being installed, so its needs are not known",
            remedy="install it: pip install .",
        ) from error
    lines = ["Metadata-Version: 2.1", "Name: cellgrad", f"Version: {__version__}"]
    lines += [f"{name}: {own[name]}" for name in ("Summary", "Requires-Python") if own[name]]
    needs = own.get_all("Requires-Dist") or []
    lines += [f"Requires-Dist: {need}" for need in needs if "extra ==" not in need]
    return ("\n".join(lines) + "\n").encode()


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
