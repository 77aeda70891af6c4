"""The values stored in the file: what Excel, or anyone, last saved. Nothing is calculated.

A formula without a stored value reads None; a stored empty text reads ``""``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellgrad.engines.interface import (
    Block,
    Changes,
    Engine,
    OpenWorkbook,
    no_such_sheet,
)
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


class _Workbook(OpenWorkbook):
    def __init__(self, book: Book) -> None:
        self._book = book

    def read(self, ranges: Sequence[Range]) -> list[Block]:
        """Return the stored values of each range, in the order asked for.

        Raises:
            EngineError: there is no such sheet.
        """
        return [self._block(area) for area in ranges]

    def _block(self, area: Range) -> Block:
        sheets = self._book.sheets
        if area.sheet not in sheets:
            raise no_such_sheet("the reader", self._book.path, area.sheet, list(sheets))
        return sheets[area.sheet].block(area)

    def update(self, changes: Changes) -> None:
        """Refuse: stored values do not follow a change.

        Raises:
            EngineError: always.
        """
        raise EngineError(
            f"'saved' cannot recalculate {len(changes)} changed ranges",
            file=self._book.path,
            remedy="use another engine",
        )
