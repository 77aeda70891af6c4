"""Autograder kits, folders that grade one submission where a platform runs them: writing one.

It is made of templates, the manifest of an assignment, and the wheel of this cellgrad.

A kit is to work as it is, and the version that wrote the assignment is the one that grades it.
A wheel is a zip of the package and of what is said of it, so it is put together from what is
installed here; nothing is downloaded.
"""

from __future__ import annotations

import base64
import hashlib
import io
import uuid
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from cellgrad import __version__, shipped
from cellgrad.errors import InputError
from cellgrad.files import make_folder, write_atomically, zip_entry
from cellgrad_coursework.manifest_file import manifest_bytes, read_manifest
from cellgrad_coursework.model import Manifest

_TEMPLATES = Path(__file__).parent / "templates"
_EXECUTABLE = {"setup.sh", "run_autograder", "run.sh", "grade-classroom.sh"}

MANIFEST = {
    "gradescope": "manifest.json",
    "prairielearn": "question/tests/manifest.json",
    "git": "lecturer/manifest.json",
}
"""Where the manifest lies in each kit."""

WHEEL = {"gradescope": "", "prairielearn": "image/", "git": "lecturer/"}
"""The folder of the wheel in each kit."""

KINDS = tuple(MANIFEST)

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


def write_kit(kind: str, manifest_folder: Path, output: Path) -> list[Path]:
    """Write a kit for an assignment.

    Args:
        kind: one of KINDS.
        manifest_folder: what ``cellgrad assign`` wrote.
        output: the folder to write; its files are replaced.

    Returns:
        The files, in the order in which they were written.

    Raises:
        InputError: there is no such kit or assignment, or the place cannot be written.
    """
    if kind not in KINDS:
        raise InputError(f"{kind!r} is no kit", remedy=f"choose from {', '.join(KINDS)}")
    manifest = read_manifest(manifest_folder)
    files = {
        str(path.relative_to(_TEMPLATES / kind)): _filled(path.read_text("utf-8"), manifest)
        for path in sorted((_TEMPLATES / kind).rglob("*"))
        if path.is_file()
    }
    files[MANIFEST[kind]] = manifest_bytes(manifest)
    files[f"{WHEEL[kind]}{wheel_name()}"] = wheel_bytes()
    written = []
    for name, data in files.items():
        path = output / name.replace("dot-github", ".github")
        make_folder(path.parent)
        write_atomically(path, data)
        if path.name in _EXECUTABLE:
            path.chmod(path.stat().st_mode | 0o111)
        written.append(path)
    return written


def _filled(text: str, manifest: Manifest) -> bytes:
    """Return a template with the assignment's words; titles are JSON-safe texts on one line."""
    title = "".join(sign for sign in manifest.title if sign.isprintable())
    words = {
        "{{title}}": title.replace("\\", "").replace('"', "'").replace("<", "‹").replace("{", "("),
        "{{points}}": f"{manifest.points:g}",
        "{{version}}": __version__,
        "{{wheel}}": wheel_name(),
        # the same kit gets the same id: PrairieLearn tells questions apart by it
        "{{uuid}}": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cellgrad:{manifest.id}:{title}")),
    }
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text.encode()


# the wheel


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
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(zip_entry(name), data, compresslevel=6)
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
