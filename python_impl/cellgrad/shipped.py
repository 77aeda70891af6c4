"""What comes with cellgrad, as far as it is here: cases, schemas, workbooks, and packages.

Installed, the files lie inside the package; in a checkout, at its top level. The core imports
none of the packages around it: what they add is named by strings, and imported when it is needed.
Where the folder of one was deleted, what needs it says so in one line, and everything else works.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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


class PackageMissingError(InputError):
    """Something is asked for that a package does which is not here."""


def load(where: str, purpose: str) -> Any:
    """Return what a module calls a name.

    Args:
        where: ``module:name``.
        purpose: for what it is needed, as the subject of a sentence.

    Raises:
        PackageMissingError: the package is not here.
    """
    module, _, name = where.partition(":")
    package = module.partition(".")[0]
    if not is_here(package):
        raise PackageMissingError(
            f"{purpose} the package {package}, which is not installed",
            remedy="install cellgrad with all its packages",
        )
    return getattr(import_module(module), name)


def is_here(package: str) -> bool:
    """Tell whether a package can be imported."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None  # a folder left empty has none
