"""Where the files that come with cellgrad are: cases, schemas, workbooks.

Installed, they lie inside the package; in a checkout, at its top level.
"""

from __future__ import annotations

from pathlib import Path

from cellgrad.errors import InputError

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE / "data", _PACKAGE.parent.parent)


def folder(name: str) -> Path:
    """Return the folder ``reference`` or ``spreadsheets``.

    Raises:
        InputError: the installation is incomplete.
    """
    for place in _PLACES:
        if (place / name).is_dir():
            return place / name
    raise InputError(
        f"the folder {name!r} is missing from this installation",
        remedy="install cellgrad again",
    )


def schema(name: str) -> Path:
    """Return the JSON Schema ``case`` or ``trace``."""
    return folder("reference") / "schema" / f"{name}.schema.json"


def cases() -> list[Path]:
    """Return the case files, by name."""
    return sorted((folder("reference") / "cases").glob("*.json"))


def workbooks() -> list[Path]:
    """Return the workbooks: the one to open first, then the others by name."""
    top = folder("spreadsheets")
    return [*sorted(top.glob("*.xlsx")), *sorted(top.glob("*/*.xlsx"))]
