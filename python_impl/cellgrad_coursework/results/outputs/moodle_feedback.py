"""The feedback as Moodle takes it: *Upload multiple feedback files in a zip*.

The importer finds a participant by the part of a path that is named as in its own download,
``Name_N_assignsubmission_file``; what stands behind it is the name of the file.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from cellgrad.errors import InputError
from cellgrad_coursework.taking_in.intake import hint_of

NAME = "feedback.zip"
_DATE = (2026, 1, 1, 0, 0, 0)


def in_moodle(path: str) -> str:
    """Return where a file lies in Moodle's own layout; empty if it came from elsewhere."""
    parts = PurePosixPath(path).parts
    for place, part in enumerate(parts):
        if hint_of(part).platform == "moodle":
            return "/".join(parts[place:])
    return ""


def write_feedback_zip(output: Path, feedback: Path, files: Iterable[str]) -> bool:
    """Write the zip, whole or not at all; the same files give the same bytes.

    Args:
        output: the folder of the results.
        feedback: the folder of the feedback.
        files: what lies in it, with ``/``; what did not come from Moodle is left out.

    Returns:
        Whether there is one; an older one is removed where there is none.

    Raises:
        InputError: it cannot be written.
    """
    places = {place: file for file in sorted(files) if (place := in_moodle(file))}
    path, beside = output / NAME, output / f".{NAME}.{os.getpid()}.part"
    try:
        if not places:
            path.unlink(missing_ok=True)
            return False
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            for place, file in places.items():
                info = zipfile.ZipInfo(place, _DATE)
                stored = file.lower().endswith(".xlsx")  # packed already
                info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                info.create_system, info.external_attr = 3, 0o644 << 16
                archive.writestr(info, (feedback / file).read_bytes())
        beside.replace(path)
    except (OSError, ValueError, zipfile.LargeZipFile) as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise InputError(
            f"cannot be written ({getattr(error, 'strerror', None) or error})",
            file=path,
            remedy="choose another place with -o, or make room",
        ) from error
    return True
