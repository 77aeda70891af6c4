"""The second embedded engine: IronCalc, a Rust library in a wheel; it has MMULT.

Its arithmetic is IEEE double. It takes an empty cell that is declared a number
(``<c t="n"/>``, as openpyxl writes coloured empty cells) for 0; such cells are
emptied after loading, so that they are blank here as everywhere else.
"""

from __future__ import annotations

import re
import zipfile
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from cellgrad.engines import Changes, CheckedWorkbook, Engine, OpenWorkbook, failures_of
from cellgrad.errors import EngineError
from cellgrad.xlsx.sheet import Block, CellError, Value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cellgrad.xlsx.addresses import Range

_EMPTY_NUMBER: Final = re.compile(rb'<c\b[^>]*\bt="n"[^>]*(?:/>|></c>)')


class IronCalcEngine(Engine):
    """IronCalc, without its user interface."""

    name = "ironcalc"

    def __init__(self) -> None:
        with failures_of("ironcalc", None, "be loaded to read"):
            import ironcalc  # noqa: PLC0415 (optional)
        self._library = ironcalc

    @classmethod
    def missing(cls) -> str | None:
        """Return None if the engine can be used here, else what to install, as one line."""
        if find_spec("ironcalc") is not None:
            return None
        return "ironcalc is not installed: pip install 'cellgrad[ironcalc]'"

    def version(self) -> str:
        """Return the library's own version."""
        return str(self._library.__version__)

    def open(self, path: Path) -> OpenWorkbook:
        """Load a workbook and recalculate every formula.

        Raises:
            EngineError: the file was refused.
            WorkbookError: the file is not safe to read.
        """
        with failures_of("ironcalc", path, "load"):
            model = self._library.load_from_xlsx(str(path), "en", "UTC", "en")
            sheets = [sheet["name"] for sheet in model.get_worksheets_properties()]
            if _has_empty_numbers(path):
                _empty_them(model, sheets, path)
            model.evaluate()
        return _Workbook(path, model, sheets, self._library.CellType.ErrorValue)


def _has_empty_numbers(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(
            _EMPTY_NUMBER.search(archive.read(name))
            for name in archive.namelist()
            if name.startswith("xl/worksheets/") and name.endswith(".xml")
        )


def _empty_them(model: Any, sheets: list[str], path: Path) -> None:
    from cellgrad.xlsx.book import read_book  # noqa: PLC0415 (rarely needed)

    book = read_book(path)
    for sheet, row, column in model.get_all_cells():
        cells = book.sheets.get(sheets[sheet])
        written = cells is None or (row, column) in cells.values or (row, column) in cells.formulas
        if not written:
            model.clear_cell_contents(sheet, row, column)


class _Workbook(CheckedWorkbook):
    def __init__(self, path: Path, model: Any, sheets: list[str], error_type: object) -> None:
        super().__init__("ironcalc", path, sheets)
        self._model, self._error_type = model, error_type

    def _read(self, ranges: Sequence[Range]) -> list[Block]:
        return [self._block(area) for area in ranges]

    def _block(self, area: Range) -> Block:
        sheet = self.sheets.index(area.sheet)
        columns = range(area.left, area.right + 1)
        return [
            [self._value(sheet, row, column) for column in columns]
            for row in range(area.top, area.bottom + 1)
        ]

    def _value(self, sheet: int, row: int, column: int) -> Value:
        value = self._model.get_cell_value(sheet, row, column)
        if isinstance(value, str):
            # An error comes as its text: ask only where it could be one.
            if value.startswith("#"):
                kind = self._model.get_cell_type(sheet, row, column)
                return CellError(value) if kind == self._error_type else value
            return value
        if value is None or isinstance(value, (float, bool)):
            return value
        raise EngineError(f"ironcalc returned {type(value).__name__}, which no cell can hold")

    def _update(self, changes: Changes) -> None:
        for area, rows in changes:
            sheet = self.sheets.index(area.sheet)
            for number, row in enumerate(rows, area.top):
                for column, constant in enumerate(row, area.left):
                    self._write(sheet, number, column, constant)
        self._model.evaluate()

    def _write(self, sheet: int, row: int, column: int, constant: float | str | None) -> None:
        if constant is None:
            self._model.clear_cell_contents(sheet, row, column)
        elif isinstance(constant, str):
            self._model.update_cell_with_text(sheet, row, column, constant)
        else:
            self._model.update_cell_with_number(sheet, row, column, constant)
