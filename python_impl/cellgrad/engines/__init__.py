"""Spreadsheet engines: who recalculates a workbook.

A module is imported only when its engine is asked for, so that the default
engine does not pay for the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from cellgrad.errors import EngineMissingError, InputError

if TYPE_CHECKING:
    from cellgrad.engines.interface import Engine

ENGINE_NAMES: Final = ("formualizer", "ironcalc", "libreoffice", "gnumeric", "saved")
"""Every engine this package can ask, installed here or not."""

DEFAULT: Final = "formualizer"
"""The engine that comes with the package."""

_CLASSES: Final = {
    "formualizer": ("cellgrad.engines.formualizer", "FormualizerEngine"),
    "ironcalc": ("cellgrad.engines.ironcalc", "IronCalcEngine"),
    "libreoffice": ("cellgrad_office.libreoffice", "LibreOfficeEngine"),
    "gnumeric": ("cellgrad_office.gnumeric", "GnumericEngine"),
    "saved": ("cellgrad.engines.saved", "SavedEngine"),
}


def create(name: str) -> Engine:
    """Return an engine, ready to open workbooks; close it after use.

    Raises:
        InputError: there is no engine of that name.
        EngineMissingError: it is not installed here.
        EngineError: it is installed but could not be started.
    """
    kind = _kind(name)
    missing = kind.missing()
    if missing is not None:
        raise EngineMissingError(missing)
    return kind()


def installed() -> list[str]:
    """Return the names of the engines that can be used here, in their usual order."""
    return [name for name in ENGINE_NAMES if _kind(name).missing() is None]


def _kind(name: str) -> type[Engine]:
    if name not in _CLASSES:
        raise InputError(
            f"there is no engine {name!r}", remedy=f"choose from {', '.join(ENGINE_NAMES)}"
        )
    module, class_name = _CLASSES[name]
    kind: type[Engine] = getattr(import_module(module), class_name)
    return kind
