"""The folder of results: only what is new, empty, or an earlier run's of this assignment.

What a run writes takes the place of what is there. So it never writes among somebody's own
files, nor over the results of another assignment.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cellgrad.errors import InputError
from cellgrad.files import read_limited, write_atomically
from cellgrad_coursework.manifest_file import HANDOUTS, KEPT
from cellgrad_coursework.model import Manifest
from cellgrad_coursework.running.store import FOLDER

NAME = "assignment.json"
_MOST = 32 << 20
_LITTER = {".ds_store", "thumbs.db", "desktop.ini"}
_ELSEWHERE = "choose another place with -o"


def check_results(output: Path, submissions: Path, assignment: Path, manifest: Manifest) -> None:
    """Refuse a folder that results must not be written to; nothing is written yet.

    Args:
        output: the folder.
        submissions: what is graded.
        assignment: the folder of the assignment.
        manifest: the assignment.

    Raises:
        InputError: it is somebody's own, or of another assignment.
    """
    try:
        here = output.resolve()
        _check_apart(output, here, submissions.resolve(), "the submissions")
        for place in _folders(assignment.resolve()):
            _check_apart(output, here, place, "the assignment")
        if not here.exists():
            return
        if not here.is_dir():
            raise InputError("a file of this name exists", file=output, remedy=_ELSEWHERE)
        names = {path.name for path in here.iterdir()}
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be read ({reason})", file=output, remedy=_ELSEWHERE) from error
    if not {name for name in names if name.casefold() not in _LITTER}:
        return
    earlier = here / FOLDER
    if not earlier.is_dir() or not (
        (earlier / NAME).is_file() or any(earlier.glob("results-*.txt"))
    ):
        raise InputError(
            "holds files that are no results of cellgrad grade",
            file=output,
            remedy="choose a new or an empty folder with -o",
        )
    _check_same(output, earlier / NAME, manifest)


def claim_results(output: Path, manifest: Manifest) -> None:
    """Make the folder, and keep in it of which assignment its results are.

    Raises:
        InputError: it cannot be written.
    """
    try:
        (output / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be made ({error.strerror or error})", file=output, remedy=_ELSEWHERE
        ) from error
    about = {"id": manifest.id, "title": manifest.title, "handouts": _handouts(manifest)}
    write_atomically(output / FOLDER / NAME, f"{json.dumps(about)}\n".encode())


def _check_apart(output: Path, here: Path, other: Path, what: str) -> None:
    if here == other or other in here.parents:
        problem = f"lies within {what}"
    elif here in other.parents:
        problem = f"lies around {what}"
    else:
        return
    raise InputError(problem, file=output, remedy="choose a folder beside it with -o")


def _folders(assignment: Path) -> list[Path]:
    """Return the folder of an assignment, also where its inner folder was named."""
    inner = assignment.name == KEPT and (assignment.parent / HANDOUTS).is_dir()
    return [assignment.parent] if inner else [assignment]


def _check_same(output: Path, path: Path, manifest: Manifest) -> None:
    """Refuse results of another assignment: of another name, or of other handouts."""
    if not path.is_file():
        return  # a run that was killed before, or of an older version
    try:
        about: dict[str, Any] = json.loads(read_limited(path, _MOST))
        same = about["id"] == manifest.id
        same = same and not set(about["handouts"]).isdisjoint(_handouts(manifest))
        title = str(about["title"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("is damaged", file=path, remedy=_ELSEWHERE) from error
    if not same:
        raise InputError(
            f"holds the results of another assignment ({title})",
            file=output,
            remedy=_ELSEWHERE,
        )


def _handouts(manifest: Manifest) -> list[str]:
    """Return what handouts are told apart by; nobody can make a token of it."""
    return sorted(hashlib.sha256(token.encode()).hexdigest()[:12] for token in manifest.handouts)
