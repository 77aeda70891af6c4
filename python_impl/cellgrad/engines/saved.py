"""The values stored in the file: what Excel, or anyone, last saved. Nothing is calculated.

A formula without a stored value reads None; a stored empty text reads ``""``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellgrad.engines.interface import Block, Changes, CheckedWorkbook, Engine, OpenWorkbook
from cellgrad.errors import EngineError
from cellgrad.xlsx.book import read_book

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cellgrad.xlsx.addresses import Range
    from cellgrad.xlsx.book import Book


class SavedEngine(Engine):
    """Reads stored values, whoever stored them."""

    name = "saved"

    @classmethod
    def missing(cls) -> str | None:
        """Return None: nothing needs to be installed."""
        return None

    def version(self) -> str:
        """Return a dash: a file may have been saved by anything."""
        return "-"

    def open(self, path: Path) -> OpenWorkbook:
        """Read the stored values; nothing is recalculated.

        Raises:
            WorkbookError: no workbook, damaged, or not safe to read.
        """
        return _Workbook(read_book(path))


class _Workbook(CheckedWorkbook):
    def __init__(self, book: Book) -> None:
        super().__init__("the reader", book.path, book.sheets)
        self._book = book

    def _read(self, ranges: Sequence[Range]) -> list[Block]:
        return [self._book.sheets[area.sheet].block(area) for area in ranges]

    def _update(self, changes: Changes) -> None:
        raise EngineError(
            f"'saved' cannot recalculate {len(changes)} changed ranges",
            remedy="use another engine",
        )
