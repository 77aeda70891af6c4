"""Spreadsheet engines: who recalculates a workbook.

A module is imported only when its engine is asked for, so that the default
engine does not pay for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cellgrad.errors import EngineMissingError, InputError
from cellgrad.packages import is_here, load

if TYPE_CHECKING:
    from cellgrad.engines.interface import Engine

_CLASSES: Final = {
    "formualizer": "cellgrad.engines.formualizer:FormualizerEngine",
    "ironcalc": "cellgrad.engines.ironcalc:IronCalcEngine",
    "libreoffice": "cellgrad_office.libreoffice:LibreOfficeEngine",
    "gnumeric": "cellgrad_office.gnumeric:GnumericEngine",
    "saved": "cellgrad.engines.saved:SavedEngine",
}

ENGINE_NAMES: Final = tuple(_CLASSES)
"""Every engine that can be asked for, installed here or not."""

DEFAULT: Final = "formualizer"
"""The engine that comes with the package."""


def create(name: str) -> Engine:
    """Return an engine, ready to open workbooks; close it after use.

    Raises:
        InputError: there is no engine of that name.
        EngineMissingError: it is not installed here.
        EngineError: it is installed but could not be started.
    """
    missing = _missing(name)
    if missing is not None:
        raise EngineMissingError(missing)
    return _kind(name)()


def installed() -> list[str]:
    """Return the names of the engines that can be used here, in their usual order."""
    return [name for name in ENGINE_NAMES if is_here(_package_of(name)) and not _missing(name)]


def _package_of(name: str) -> str:
    return _CLASSES[name].partition(".")[0]


def _missing(name: str) -> str | None:
    return _kind(name).missing()


def _kind(name: str) -> type[Engine]:
    if name not in _CLASSES:
        raise InputError(
            f"there is no engine {name!r}", remedy=f"choose from {', '.join(ENGINE_NAMES)}"
        )
    kind: type[Engine] = load(_CLASSES[name], f"the engine {name!r} needs")
    return kind
