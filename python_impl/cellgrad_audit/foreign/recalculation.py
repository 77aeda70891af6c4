"""Recalculating somebody else's workbook in the first engine that really can.

An engine sees a clean copy: the cells on which the mapped ones depend, their formulas and
constants, and no stored results. So nothing else of an untrusted file reaches it, a formula
elsewhere that it lacks does no harm, and a formula that it does not calculate shows as an
empty cell instead of as the result that was stored. What an array formula gives is checked
against our own reading of it, since an engine that lacks them may take one cell of a range
for the whole of it.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from cellgrad.engines import (
    Changes,
    Engine,
    OpenWorkbook,
    create,
    installed,
    seconds_allowed,
)
from cellgrad.engines.apart import ApartEngine, possible
from cellgrad.errors import EngineError, InputError, WorkbookError
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, Place, Range, place_text
from cellgrad.xlsx.sheet import Cell, CellError, Value
from cellgrad_audit.foreign import Foreign, term_at, value_of
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import Leaf, Term

ENGINES = ("formualizer", "ironcalc", "libreoffice", "gnumeric")
"""In the order in which they are tried."""

MAX_WRITTEN = 200_000
"""So many cells are copied for an engine, at most."""

_EMBEDDED = frozenset(("formualizer", "ironcalc"))
_LACKING = frozenset(("#NAME?", "#N/IMPL!", "#ERROR!", "#CALC!", "#SPILL!", "#CIRC!"))
"""Errors that say something of the engine, and nothing of the formula."""

_RESULTS = frozenset(("#DIV/0!", "#NUM!"))
"""Errors that say something of the numbers; the others may be for want of something."""

_CLOSE = 1e-9
_SECONDS = 60.0


class Calculation:
    """A workbook, loaded in an engine.

    Attributes:
        engine: who calculates.
        arithmetic: how.
        notes: why not an engine that comes before it.
    """

    def __init__(
        self,
        engine: Engine,
        workbook: OpenWorkbook,
        stack: contextlib.ExitStack,
        notes: Sequence[str],
        arrays: _Arrays,
    ) -> None:
        self.engine, self.arithmetic = engine.name, engine.arithmetic
        self.notes = list(notes)
        self._workbook, self._stack, self._arrays = workbook, stack, arrays
        self._written: dict[Place, Value] = {}

    def read(self, ranges: Sequence[Range]) -> list[list[list[Value]]]:
        """Return the present values of each range.

        Raises:
            EngineError: the engine failed.
        """
        return self._workbook.read(ranges)

    def values(self, places: Iterable[Place]) -> dict[Place, Value]:
        """Return the present values of some cells.

        Raises:
            EngineError: the engine failed.
        """
        return _values(self._workbook, places)

    def update(self, changes: Changes) -> None:
        """Overwrite cells with constants and recalculate everything.

        Raises:
            EngineError: the engine failed, or does not recalculate its array formulas.
        """
        self._workbook.update(changes)
        for area, rows in changes:
            for r, row in enumerate(rows, area.top):
                for c, value in enumerate(row, area.left):
                    self._written[area.sheet, r, c] = value
        places = self._arrays.needed()
        if places:
            lack = self._arrays.lack({**self.values(places), **self._written}, self.engine)
            if lack:
                raise EngineError(f"{self.engine}: {lack}", remedy="name another engine in the map")

    def close(self) -> None:
        """End the engine; nothing of it stays behind."""
        self._stack.close()


def calculate(foreign: Foreign, wanted: Iterable[Place], engine: str | None = None) -> Calculation:
    """Open a workbook in the first engine that calculates some cells.

    Args:
        foreign: the workbook.
        wanted: cells whose values will be read or written.
        engine: the engine to use; None for the first that can.

    Raises:
        EngineError: no engine here can.
        WorkbookError: too much to calculate.
    """
    wanted = list(wanted)
    cone = foreign.cone(wanted)
    needed = sorted(cone if cone is not None else foreign.formulas())
    stack = contextlib.ExitStack()
    try:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cellgrad-foreign-")))
        path = folder / "workbook.xlsx"
        _write_copy(foreign, needed, None if cone is None else wanted, path)
        return _first_that_can(foreign, needed, path, engine, stack)
    except BaseException:
        stack.close()
        raise


def _first_that_can(
    foreign: Foreign,
    needed: list[Place],
    path: Path,
    engine: str | None,
    stack: contextlib.ExitStack,
) -> Calculation:
    refused: list[str] = []
    passable: str | None = None
    arrays = _Arrays(foreign, needed)
    names = [name for name in ENGINES if name in installed()] if engine is None else [engine]
    for strict in (True, False):
        for name in names if strict else [passable] * bool(passable):
            if name is None:
                continue
            inner = contextlib.ExitStack()
            try:
                opened = inner.enter_context(_engine(name))
                workbook = inner.enter_context(opened.open(path))
                values = _values(workbook, needed)
            except EngineError as error:
                inner.close()
                refused.append(f"{name}: {error.problem}")
                continue
            lack, wrong = _faults(needed, values)
            lack = lack or arrays.lack(values, name)
            if lack or (wrong and strict and engine is None):
                inner.close()
                if strict:
                    refused.append(f"{name}: {lack or wrong}")
                if not lack and passable is None:
                    passable = name
                continue
            stack.push(inner)
            return Calculation(opened, workbook, stack, refused if strict else [], arrays)
    raise EngineError(
        f"no engine here calculates it ({'; '.join(refused) or 'none is installed'})"[:600],
        file=foreign.book.path,
        remedy="install LibreOffice, which calculates array formulas"
        if "libreoffice" not in names and engine is None
        else "map other cells, or write the formula in another way",
    )


def _engine(name: str) -> Engine:
    engine = create(name)
    if name in _EMBEDDED and possible():
        # the file is not ours: if the engine hangs or crashes, only its process ends
        return ApartEngine(engine, seconds=seconds_allowed(_SECONDS))
    return engine


def _values(workbook: OpenWorkbook, places: Iterable[Place]) -> dict[Place, Value]:
    areas = list(_runs(places))
    values: dict[Place, Value] = {}
    for area, block in zip(areas, workbook.read(areas), strict=True):
        for column, value in enumerate(block[0], area.left):
            values[area.sheet, area.top, column] = value
    return values


def _runs(places: Iterable[Place]) -> Iterator[Range]:
    """Join cells that touch in a row."""
    last: Range | None = None
    for sheet, row, column in sorted(set(places)):
        if last and (last.sheet, last.top, last.right) == (sheet, row, column - 1):
            last = last._replace(right=column)
            continue
        if last:
            yield last
        last = Range(sheet, row, column, row, column)
    if last:
        yield last


def _faults(needed: list[Place], values: dict[Place, Value]) -> tuple[str, str]:
    """Return why an engine's values are no calculation of this workbook, and the first error."""
    wrong = ""
    for place in needed:
        value = values[place]
        if value is None:
            return f"leaves {place_text(place)} empty", ""
        if isinstance(value, CellError):
            if value.code in _LACKING:
                return f"{place_text(place)} reads {value.code}", ""
            if value.code not in _RESULTS:
                wrong = wrong or f"{place_text(place)} reads {value}"
    return "", wrong


class _Arrays:
    """Checks what array formulas give against our own reading of them.

    Args:
        foreign: the workbook.
        needed: its formula cells that are calculated.
    """

    def __init__(self, foreign: Foreign, needed: list[Place]) -> None:
        self.foreign = foreign
        self._needed = needed if any(place in foreign.anchors for place in needed) else []
        self._terms: dict[Place, Term | None] = {}
        for place in self._needed:
            if place in foreign.anchors:
                try:
                    term = term_at(foreign, place, lambda at: terms.leaf(terms.elsewhere(at)))
                except FormulaError:
                    term = None
                self._terms[place] = term

    def needed(self) -> list[Place]:
        """Return the cells whose values are needed for it; none without array formulas."""
        return self._needed

    def lack(self, values: Mapping[Place, Value], engine: str) -> str:
        """Return which array formula an engine does not calculate, or nothing."""

        def number(leaf: Leaf) -> float:
            place: Place = leaf.at  # type: ignore[union-attr]
            value = values[place] if place in values else self.foreign.value(place)
            if value is None:
                return 0.0
            return float(value) if isinstance(value, float | bool) else math.nan

        for place, term in self._terms.items():
            theirs = values[place]
            if not isinstance(theirs, float):
                continue
            ours = math.nan if term is None else value_of(term, number)
            if math.isnan(ours):
                if engine in _EMBEDDED:
                    return f"the array formula in {place_text(place)} cannot be checked there"
            elif not math.isclose(theirs, ours, rel_tol=_CLOSE, abs_tol=_CLOSE):
                return (
                    f"the array formula in {place_text(place)} reads {theirs:.6g}, not {ours:.6g}"
                )
        return ""


def _write_copy(
    foreign: Foreign, needed: list[Place], wanted: list[Place] | None, path: Path
) -> None:
    """Write a workbook of the needed formulas and of the constants that they read.

    Args:
        foreign: the workbook.
        needed: formula cells to copy.
        wanted: cells that are read or written, constants too; None to copy every constant.
        path: where to.
    """
    try:
        _copied(foreign, needed, _constants(foreign, needed, wanted)).save(path)
    except InputError:
        raise
    except Exception as error:  # the library has many ways to refuse a name or a text
        raise WorkbookError(
            f"cannot be copied for an engine ({error or type(error).__name__})",
            file=foreign.book.path,
            remedy="save it again in a spreadsheet program",
        ) from error


def _copied(foreign: Foreign, needed: list[Place], constants: Iterable[Place]) -> Any:
    from openpyxl import Workbook  # noqa: PLC0415 - slow to start
    from openpyxl.workbook.defined_name import DefinedName  # noqa: PLC0415
    from openpyxl.worksheet.formula import ArrayFormula  # noqa: PLC0415

    copy = Workbook()
    copy.remove(copy.active)
    sheets = {name: copy.create_sheet(name) for name in foreign.book.sheets}
    for place in constants:
        _enter(sheets[place[0]].cell(*place[1:]), foreign.value(place))
    anchored: set[Range] = set()
    for place in needed:
        formula, area = foreign.formula(place), foreign.anchors.get(place)
        if area is None:
            sheets[place[0]].cell(*place[1:]).value = f"={formula}"
        elif area not in anchored:
            anchored.add(area)
            first = sheets[place[0]].cell(area.top, area.left)
            first.value = ArrayFormula(area.address, f"={formula}")
    for name, text in foreign.book.names.items():
        with contextlib.suppress(Exception):  # a name that the library refuses is of no use
            copy.defined_names[name] = DefinedName(name, attr_text=text)
    return copy


def _enter(cell: Any, value: Value) -> None:
    """Write a constant."""
    if value is None or isinstance(value, bool):
        cell.value = value
    elif isinstance(value, float):
        cell.value = repr(value)
        cell.data_type = "n"  # every bit: the library would write 16 digits
    else:
        cell.value = str(value)
        cell.data_type = "e" if isinstance(value, CellError) else "s"


def _constants(
    foreign: Foreign, needed: list[Place], wanted: list[Place] | None
) -> Iterator[Place]:
    """Yield the constants to copy, no more than may be."""
    entered: set[Place] = set()
    for place in _candidates(foreign, needed, wanted):
        if place not in entered:
            entered.add(place)
            if len(entered) > MAX_WRITTEN:
                raise WorkbookError(
                    f"the mapped cells depend on more than {MAX_WRITTEN:,} others",
                    file=foreign.book.path, remedy="keep only the sheets of the training step",
                )  # fmt: skip
            yield place


def _candidates(
    foreign: Foreign, needed: list[Place], wanted: list[Place] | None
) -> Iterator[Place]:
    sheets = foreign.book.sheets
    if wanted is None:
        areas = [
            Range(name, 1, 1, MAX_ROW, MAX_COLUMN) for name in sheets
        ]  # fmt: skip
    else:
        yield from (place for place in wanted if foreign.formula(place) is None)
        areas = list(dict.fromkeys(area for place in needed for area in foreign.reads(place)))
    for area in areas:
        held = sheets.get(area.sheet)
        if held is None:
            continue
        if area.height * area.width > len(held.values):
            inside: Iterable[Cell] = (at for at in held.values if area.contains(*at))
        else:
            inside = product(range(area.top, area.bottom + 1), range(area.left, area.right + 1))
        for at in inside:
            if at not in held.formulas and at in held.values:
                yield (area.sheet, *at)
