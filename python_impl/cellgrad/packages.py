"""What the packages around the core add to it: named by strings, imported when it is needed.

The core imports none of them. Where the folder of one was deleted, what needs it says so in
one line, and everything else works.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from cellgrad.errors import InputError


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
