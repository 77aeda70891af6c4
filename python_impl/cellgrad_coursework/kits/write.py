"""Writes a kit: templates, the manifest of an assignment, and the wheel of this cellgrad."""

from __future__ import annotations

import uuid
from pathlib import Path

from cellgrad import __version__
from cellgrad.errors import InputError
from cellgrad.files import make_folder, write_atomically
from cellgrad_coursework.kits.wheel import wheel_bytes, wheel_name
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
