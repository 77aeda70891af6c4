"""Somebody else's workbook as a target: cases are written into its cells, answers read."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Self

import numpy as np

from cellgrad.case.givens import case_of, givens_of
from cellgrad.case.model import Case
from cellgrad.case.quantities import Index, Key
from cellgrad.errors import CaseError, CellgradError, WorkbookError
from cellgrad.formula.references import find_cycle
from cellgrad.verify.expected import targets_problem
from cellgrad.verify.redraw import SPECIAL, Drawn, draws, kinked
from cellgrad.xlsx.addresses import Place, place_text
from cellgrad.xlsx.values import Value
from cellgrad_audit.answer import Answer, Numbers, Slot, Vector
from cellgrad_audit.foreign import Foreign, read_foreign
from cellgrad_audit.foreign.map_file import (
    NEW,
    Placement,
    WorkbookMap,
    changes_for,
    joined,
    read_map,
    workbook_of,
)
from cellgrad_audit.foreign.recalculation import Calculation, calculate

DRAWS = 5
"""Sets of drawn numbers, besides the special ones of networks with kinks."""

_MOST_DRAWS = 40

_BEFORE = {new: name for name, new in NEW.items()}


def slot_of(key: Key) -> Slot:
    """Return where a mapped quantity stands in the run: step 1, new parameters at its end."""
    name, layer = key
    return Slot(0, _BEFORE[name], layer) if name in _BEFORE else Slot(1, name, layer)


def key_of(slot: Slot) -> Key:
    """Return the key of the quantity that stands at a slot."""
    return slot.key if slot.step == 0 else (slot.name, slot.layer)


class WorkbookTarget:
    """A workbook with its map.

    Args:
        path: the map.
        engine: who recalculates; None for the map's own choice, else the first that can.
        count: how many sets of drawn numbers, the special ones aside.

    Attributes:
        name: the workbook.
        declared: nothing: conventions are declared in the map.
        map: where everything stands.
        foreign: the workbook's cells and formulas.
        typed: cells that should be formulas and are numbers.
        own: the file's own numbers as a case.

    Raises:
        InputError: the map or the workbook cannot be used.
    """

    declared: tuple[str, ...] = ()
    single_precision = False  # a spreadsheet has none

    def __init__(self, path: Path, *, engine: str | None = None, count: int = DRAWS) -> None:
        workbook = workbook_of(path)
        self.foreign: Foreign = read_foreign(workbook)
        self.map: WorkbookMap = read_map(path, self.foreign.book.sheets)
        self.name = str(workbook)
        self._count = count
        self._refuse_circle()
        self.typed = set(self._typed())
        wanted = self.map.places()
        self.calculation: Calculation = calculate(self.foreign, wanted, engine or self.map.engine)
        try:
            self.own = self._own_case()
        except BaseException:
            self.calculation.close()
            raise
        self._written: Case | None = self.own

    # what it can be asked

    def cases(self) -> list[Case]:
        """Return the file's own numbers as a case, then the drawn ones."""
        return [self.own, *self._drawn()]

    def place(self, slot: Slot, index: Index) -> str:
        """Return the cell where a number stands, such as ``Sheet1!B5``; empty for none."""
        cell = self._cell(slot, index)
        return "" if cell is None else place_text(cell)

    def formula(self, slot: Slot, index: Index) -> str:
        """Return what stands in a number's cell, with its equals sign; a number as text."""
        cell = self._cell(slot, index)
        if cell is None:
            return ""
        formula = self.foreign.formula(cell)
        if formula is None:
            return str(self.foreign.value(cell))
        return f"{{={formula}}}" if cell in self.foreign.anchors else f"={formula}"

    def _cell(self, slot: Slot, index: Index) -> Place | None:
        where = self.map.computed.get(key_of(slot))
        return None if where is None else dict(where.cells()).get(tuple(index))

    def answer(self, case: Case) -> Answer:
        """Write a case into the given cells, recalculate, and read the computed ones.

        A failure is told in the answer; per-sample quantities have a sample axis always.
        """
        found, start = Answer(case), time.perf_counter()
        try:
            reason = self._unsupported(case)
            if reason:
                found.unsupported = reason
            else:
                self._write(case)
                found.numbers = self._results()
        except CellgradError as error:
            found.failure = f"{case.id}: {error}"
        found.seconds = time.perf_counter() - start
        return found

    def close(self) -> None:
        """End the engine; nothing of it stays behind."""
        self.calculation.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # reading the file

    def _refuse_circle(self) -> None:
        try:
            cycle = find_cycle(self.foreign.book)
        except RecursionError:
            cycle = None
        if cycle:
            chain = " → ".join(place_text(place) for place in cycle[:4])
            raise WorkbookError(
                f"a circular reference: {chain}", file=self.foreign.book.path,
                remedy="a training step runs one way; break the circle",
            )  # fmt: skip

    def _typed(self) -> Iterator[Place]:
        for key, where in self.map.computed.items():
            for _, place in where.cells():
                if self.foreign.formula(place) is not None:
                    continue
                value = self.foreign.value(place)
                if not isinstance(value, float):
                    raise WorkbookError(
                        f"{self.map.keys['computed', key]} should be computed there,"
                        f" but {_what(value)}",
                        file=self.foreign.book.path,
                        place=place_text(place),
                        remedy=f"correct the range in {self.map.path.name}",
                    )
                yield place

    def _numbers(self, table: Mapping[Key, Placement], says: str) -> dict[Key, Vector]:
        areas = [piece for where in table.values() for piece in where.pieces]
        blocks = self.calculation.read(areas)
        for area, block in zip(areas, blocks, strict=True):
            for r, c in product(range(area.height), range(area.width)):
                value = block[r][c]
                if not (isinstance(value, float) and math.isfinite(value)):
                    raise WorkbookError(
                        f"{says} should hold a number, but {_what(value)}",
                        file=self.foreign.book.path,
                        place=place_text((area.sheet, area.top + r, area.left + c)),
                        remedy="correct the cell, or the range in the map",
                    )
        arrays = (np.array(block, dtype=np.float64) for block in blocks)
        return {
            key: where.gathered(list(islice(arrays, len(where.pieces))))
            for key, where in table.items()
        }

    def _results(self) -> dict[Slot, Numbers]:
        values = self._numbers(self.map.computed, "a computed cell")
        return {
            slot_of(key): Numbers(values[key], np.zeros_like(values[key]))
            for key in self.map.quantities
            if key in values
        }

    # cases

    def _own_case(self) -> Case:
        givens = self._numbers(self.map.given, "a given")
        problem = targets_problem(self.map.structure.loss, givens["target", None])
        if problem:
            raise WorkbookError(
                problem, file=self.foreign.book.path,
                place=place_text(next(self.map.given["target", None].cells())[1]),
                remedy="change the targets, or the map's loss",
            )  # fmt: skip
        return self._case(givens, "own numbers", "the workbook's own numbers")

    def _drawn(self) -> Iterator[Case]:
        structure = self.map.structure
        source = draws(structure)
        if not kinked(structure):
            sets = list(islice(source, self._count))
        else:
            sets = list(islice(source, self._count + SPECIAL)) if self._count else []
            # a forgotten derivative shows only where its node is asleep
            while sets and len(sets) < _MOST_DRAWS and not _both_sides(sets[1:]):
                sets.append(next(source))
            sets = [*sets[1:], *sets[:1]]  # every weight 0 shows least: that one comes last
        for n, drawn in enumerate(sets, start=1):
            givens = joined(self.map.given, drawn.givens)
            yield self._case(givens, f"draw {n}", f"drawn numbers, set {n}")

    def _case(self, givens: Mapping[Key, Vector], name: str, title: str) -> Case:
        case = case_of(self.map.structure, givens, **self.map.constants)
        return replace(case, id=f"{self.foreign.book.path.stem}: {name}", title=title)

    def _unsupported(self, case: Case) -> str:
        """Return why the sheet cannot hold a case, or nothing."""
        try:
            structure = case.structure()
        except CaseError as error:
            return error.problem
        # a decay of 0 is still one that the sheet has
        mine = replace(self.map.structure, decay=False)
        if replace(structure, decay=False) != mine:
            return "the sheet holds one step of another network"
        wanted = {
            "learning_rate": case.step_learning_rate() if self.map.updates else None,
            "leaky_slope": case.network.leaky_slope if structure.leaky else None,
            "weight_decay": case.optimizer.weight_decay,
        }
        for name, value in wanted.items():
            if value is None or (name, None) in self.map.given:
                continue
            if value != self.map.constants.get(name, 0.0):
                return f"{name} is written into the sheet's formulas"
        return ""

    def _write(self, case: Case) -> None:
        if case is not self._written:
            self._written = None
            self.calculation.update(changes_for(self.map.given, givens_of(case)))
            self._written = case


def _both_sides(found: Sequence[Drawn]) -> bool:
    """Tell whether every node was seen awake and asleep."""
    for k in range(len(found[0].step.pre_activation)):
        above = np.concatenate([drawn.step.pre_activation[k] > 0 for drawn in found])
        if not (above.any(axis=0) & ~above.all(axis=0)).all():
            return False
    return True


def _what(value: Value) -> str:
    return "it is empty" if value is None else f"it holds {str(value)[:40]!r}"
