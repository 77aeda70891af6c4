"""The embedded default engine: formualizer, a Rust library in a wheel.

Its arithmetic is IEEE double. It has no MMULT (the cell reads ``#NAME?``). An
empty cell reads None, whatever its style; a formula's empty text reads ``""``.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from importlib.util import find_spec
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cellgrad.engines import Changes, CheckedWorkbook, Engine, OpenWorkbook, failures_of
from cellgrad.errors import EngineError
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.book import Contents, read_sheet
from cellgrad.xlsx.editor import Parts, with_results
from cellgrad.xlsx.package import open_package
from cellgrad.xlsx.sheet import Block, CellError, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import formualizer

    Constant = float | str | None

_CODES: Final = {"Name": "#NAME?", "Div": "#DIV/0!", "Na": "#N/A", "NImpl": "#N/IMPL!"}
"""Errors whose text is not their kind in capitals, as in ``#REF!``."""


def store_values(data: bytes) -> bytes:
    """Return a workbook file with the value of every formula stored beside it.

    Only the ``<v>`` elements of formula cells (and their type) change; every
    other part of the file stays byte for byte, and the same input always gives
    the same output.

    Args:
        data: the bytes of an .xlsx file.

    Raises:
        EngineError: the file was refused: it is damaged, or holds a circular
            reference.
    """
    import formualizer  # noqa: PLC0415 (slow to start, and not always needed)

    with failures_of("formualizer", None, "store values in"):
        try:
            return bytes(formualizer.recalculate_xlsx_bytes(data)["bytes"])
        except OSError as error:
            # above 100,000 formulas or 256 columns a sheet it calculates, but does not write
            if not any(limit in str(error) for limit in ("cell count limit", "width limit")):
                raise
    return _store_by_patching(data)


def _store_by_patching(data: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workbook.xlsx"
        path.write_bytes(data)
        contents = Contents(open_package(path))
        parts = Parts(contents.package)
        with FormualizerEngine().open(path) as workbook:
            for sheet, part in contents.sheets.items():
                formulas = read_sheet(contents, sheet).formulas
                if not formulas:
                    continue
                bottom, right = (max(numbers) for numbers in zip(*formulas, strict=True))
                [block] = workbook.read([Range(sheet, 1, 1, bottom, right)])
                xml, count = with_results(parts.read(part).decode(), block)
                if count != len(formulas):
                    raise EngineError(
                        f"{len(formulas) - count} formula cells of {sheet} cannot be given a value"
                    )
                parts.write(part, xml.encode())
    return parts.packed(level=9)


class FormualizerEngine(Engine):
    """The engine that comes with the package."""

    name = "formualizer"

    def __init__(self) -> None:
        with failures_of("formualizer", None, "be loaded to read"):
            import formualizer  # noqa: PLC0415 (slow to start, and not always needed)

            # A training step is too small for threads to pay: starting them costs half the time.
            evaluation = formualizer.EvaluationConfig()
            evaluation.enable_parallel = False
            self._config = formualizer.WorkbookConfig(eval_config=evaluation)
        self._library = formualizer

    @classmethod
    def missing(cls) -> str | None:
        """Return None if the engine can be used here, else what to install, as one line."""
        if find_spec("formualizer") is not None:
            return None
        return "formualizer is not installed: pip install 'formualizer>=0.13,<0.14'"

    def version(self) -> str:
        """Return the version of the installed wheel: the library itself states none."""
        from importlib import metadata  # noqa: PLC0415 (slow to start)

        return metadata.version("formualizer")

    def open(self, path: Path) -> OpenWorkbook:
        """Load a workbook and recalculate every formula.

        Raises:
            EngineError: the file was refused.
        """
        with failures_of("formualizer", path, "load"):
            workbook = self._library.Workbook.from_path(str(path), config=self._config)
            # Dates are numbers like all others here, not objects of Python's.
            workbook.set_temporal_egress("serial")
            workbook.evaluate_all()
        return _Workbook(path, workbook, self._library.RangeAddress)


class _Workbook(CheckedWorkbook):
    def __init__(
        self,
        path: Path,
        workbook: formualizer.Workbook,
        address: type[formualizer.RangeAddress],
    ) -> None:
        super().__init__("formualizer", path, workbook.sheet_names)
        self._workbook, self._address = workbook, address
        # get_values, and sheet() too, would quietly make a missing sheet.
        self._sheets = {name: workbook.sheet(name) for name in self.sheets}

    def _read(self, ranges: Sequence[Range]) -> list[Block]:
        return [self._block(area) for area in ranges]

    def _block(self, area: Range) -> Block:
        rows: list[list[Any]] = self._sheets[area.sheet].get_values(self._address(*area))
        if set(map(type, chain.from_iterable(rows))) == {float}:  # the usual case
            return rows
        return [[_value(cell) for cell in row] for row in rows]

    def _update(self, changes: Changes) -> None:
        for area, rows in _rectangles(changes):
            self._workbook.set_values_batch(area.sheet, area.top, area.left, rows)
        self._workbook.evaluate_all()


def _value(cell: object) -> Value:
    if cell is None or isinstance(cell, (float, str, bool)):
        return cell
    if isinstance(cell, int):
        return float(cell)
    if isinstance(cell, dict) and cell.get("type") == "Error":
        kind = str(cell.get("kind"))
        return CellError(_CODES.get(kind, f"#{kind.upper()}!"))
    raise EngineError(f"formualizer returned {type(cell).__name__}, which no cell can hold")


def _rectangles(changes: Changes) -> Iterator[tuple[Range, list[list[Constant]]]]:
    """Join what is to be written to as few rectangles as a single sweep finds.

    Every write marks all cells that depend on it, so 900 givens written one by
    one cost seventy times as much as the same givens in one rectangle.
    """
    sheets: dict[str, dict[int, dict[int, Constant]]] = defaultdict(lambda: defaultdict(dict))
    for area, rows in changes:
        for number, row in enumerate(rows, area.top):
            sheets[area.sheet][number].update(enumerate(row, area.left))
    for sheet, cells_of in sheets.items():
        stacks: dict[tuple[int, int], list[tuple[int, list[list[Constant]]]]] = defaultdict(list)
        for number, cells in sorted(cells_of.items()):
            for columns in _runs(sorted(cells)):
                values = [cells[column] for column in columns]
                stack = stacks[columns[0], columns[-1]]
                if stack and stack[-1][0] + len(stack[-1][1]) == number:
                    stack[-1][1].append(values)
                else:
                    stack.append((number, [values]))
        for (left, right), stack in stacks.items():
            for top, block in stack:
                yield Range(sheet, top, left, top + len(block) - 1, right), block


def _runs(columns: Sequence[int]) -> Iterator[list[int]]:
    """Return ascending columns in unbroken runs."""
    for _, run in groupby(enumerate(columns), lambda pair: pair[1] - pair[0]):
        yield [column for _, column in run]
