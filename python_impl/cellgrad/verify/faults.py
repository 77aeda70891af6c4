"""What is wrong with a workbook before anything is calculated."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.quantities import STRUCTURE_FACTS, Key
from cellgrad.described import ClaimedCells, Described
from cellgrad.verify.program import Program, Programs, create_program
from cellgrad.verify.result import Mismatch
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.map_sheet import SHEET, Claim

_OWN_NAMES = ("answer", "mark")
"""What stands line by line beside the lines of a Walkthrough."""


class Faults:
    """The faults of a described workbook.

    Args:
        described: the workbook.

    Attributes:
        mismatches: what is wrong.
        programs: what each part should compute; empty if the Map no longer says it.
        computable: whether givens and Map are whole enough to compute anything.
    """

    def __init__(self, described: Described) -> None:
        self.described = described
        self.mismatches: list[Mismatch] = []
        self.programs: Programs = {}
        self.cells = [ClaimedCells(claim) for claim in described.claims]
        sheets = described.book.sheets
        self.computable = all(claim.cells.sheet in sheets for claim in described.claims)
        for place, problem in described.unread:
            self._of_map(place, problem)
        self._of_description()
        for later, (_, row, column), earlier in described.owner.twice:
            problem = f"claimed twice, also as {described.claims[earlier].quantity}"
            self._add(Mismatch.at(described.claims[later], row, column, problem), stops=True)
        self._of_formulas()
        for program in self.programs.values():
            self._of_quantities(program)
        self._of_names()
        self.computable &= bool(self.programs)

    def _add(self, mismatch: Mismatch, *, stops: bool = False) -> None:
        """Enter a fault; one of the Map or of a given stops the calculation in any case."""
        self.mismatches.append(mismatch)
        if stops or mismatch.kind in ("map", "given"):
            self.computable = False

    def _of_map(self, place: str, problem: str) -> None:
        self._add(Mismatch.of_map(place, problem))

    # what the Map says of the parts

    def _of_description(self) -> None:
        described = self.described
        needed, what = ["format", "case"], "what it is, is not described"
        if described.single:
            needed, what = [*STRUCTURE_FACTS, *needed], "the step is no longer described"
        missing = [name for name in needed if name not in described.facts]
        for name in missing:
            self._of_map(SHEET, f"the row {name!r} is missing: {what}")
        if described.single and missing:
            return
        if described.unusable:
            name, problem = described.unusable
            part = "the description of the step" if described.single else f"the part {name!r}"
            self._of_map(SHEET, f"{part} cannot be used: {problem}")
            return
        self.programs = {name: create_program(part) for name, part in described.parts.items()}
        if not self.programs:
            self._of_map(SHEET, "no part is described")
        strangers = sorted({claim.part for claim in described.claims} - set(self.programs))
        if strangers:
            self._of_map(SHEET, f"claims of a part that is not described: {strangers[0]!r}")

    # formulas

    def _of_formulas(self) -> None:
        """Every formula is claimed, and every claim of a result is a formula."""
        owner = self.described.owner
        present: dict[str, NDArray[np.bool_]] = {}
        for sheet, cells in self.described.book.sheets.items():
            numbers = chain.from_iterable(cells.formulas)
            places = np.fromiter(numbers, np.int64, 2 * len(cells.formulas)).reshape(-1, 2)
            for row, column in places[~owner.are_claimed(sheet, places)].tolist():
                formula = cells.formulas[row, column]
                self._add(Mismatch.unclaimed(sheet, a1(row, column), formula))
            present[sheet] = owner.marked(sheet, places)
        for claim in self.described.claims:
            area = claim.cells
            held = np.zeros((area.height, area.width), dtype=bool)
            if area.sheet in present:
                held = present[area.sheet][area.top : area.bottom + 1, area.left : area.right + 1]
            if claim.kind in ("given", "answer"):
                self._of_typed_formulas(claim, held)
                continue
            for row, column in np.argwhere(~held).tolist():
                problem = "claimed as a result, but holds no formula"
                self._add(Mismatch.at(claim, area.top + row, area.left + column, problem))

    def _of_typed_formulas(self, claim: Claim, held: NDArray[np.bool_]) -> None:
        """A given may be typed as =1/3, but must not read a claimed cell.

        Args:
            claim: the given.
            held: which of its cells hold formulas, shape (height, width).
        """
        if not held.any():
            return
        from cellgrad.formula.references import ranges_read_by  # noqa: PLC0415 - start-up time
        from cellgrad.formula.tree import FormulaError  # noqa: PLC0415

        book, cells = self.described.book, claim.cells
        for r, c in np.argwhere(held).tolist():
            row, column = cells.top + r, cells.left + c
            try:
                areas = ranges_read_by(book, (cells.sheet, row, column))
            except FormulaError as error:
                self._add(Mismatch.at(claim, row, column, str(error)))
                continue
            if any(self.described.owner.own_any(area) for area in areas):
                problem = "a given whose formula reads a claimed cell"
                self._add(Mismatch.at(claim, row, column, problem))

    # quantities

    def _of_quantities(self, program: Program) -> None:
        """Every quantity of a part is claimed, whole, under its own name."""
        claimed: dict[Key, NDArray[np.bool_]] = {}
        claims: dict[Key, list[Claim]] = defaultdict(list)
        for cells in self.cells:
            claim = cells.claim
            if claim.part != program.name or not program.part.claims(claim):
                continue
            quantity = program.known[claim.key]
            claims[claim.key].append(claim)
            seen = claimed.setdefault(claim.key, np.zeros(quantity.shape, dtype=bool))
            if len(cells.index) != len(quantity.shape):
                place = f"{SHEET}!A{claim.row}"
                self._of_map(place, f"{claim.label} needs another index rule")
                continue
            self._mark_seen(cells, seen)
        for key, quantity in program.known.items():
            if program.part.borrows(key):
                continue
            seen = claimed.get(key, np.zeros(quantity.shape, dtype=bool))
            missing = np.argwhere(program.mask(quantity) & ~seen)
            if len(missing):
                first, book = tuple(missing[0].tolist()), self.described.book
                self._add(Mismatch.missing(quantity, first, len(missing), book), stops=True)
        self._of_helpers(program)
        if program.name == "":
            self._of_own_names(program, claims)

    def _mark_seen(self, cells: ClaimedCells, seen: NDArray[np.bool_]) -> None:
        """Mark the indices that cells claim; those that lie outside the quantity are a fault."""
        index = tuple(np.broadcast_to(axis, cells.shape) for axis in cells.index)
        inside = np.ones(cells.shape, dtype=bool)
        for numbers, size in zip(index, seen.shape, strict=True):
            inside &= numbers < size
        area = cells.claim.cells
        for r, c in np.argwhere(~inside).tolist():
            place = (area.top + r, area.left + c)
            self._add(Mismatch.at(cells.claim, *place, "lies outside the quantity"), stops=True)
        seen[tuple(numbers[inside] for numbers in index)] = True

    def _of_helpers(self, program: Program) -> None:
        """What a person sets outside the step itself is claimed too; it bears its own name."""
        own = [claim for claim in self.described.claims if claim.part == program.name]
        claimed = {claim.quantity for claim in own if claim.kind in ("given", "answer")}
        lines: dict[str, set[tuple[int, ...]]] = defaultdict(set)
        for claim in own:
            if claim.quantity in _OWN_NAMES:
                lines[claim.quantity] |= {claim.rule.index(r, 0) for r in range(claim.cells.height)}
        if lines["mark"] - lines["answer"]:
            claimed.discard("answer")
        for name in program.helpers():
            if name not in claimed:
                area = self.described.book.name_range(name)
                sheet = area.sheet if area else SHEET
                cell = a1(area.top, area.left) if area else ""
                problem = "no row of the Map claims it"
                self._add(Mismatch("given", sheet, cell, name, problem=problem))

    # defined names

    def _of_names(self) -> None:
        """A defined name stands for the same cells as the Map."""
        book = self.described.book
        for claim in self.described.claims:
            name, area = claim.defined_name, claim.cells
            if name and book.name_range(name) != area:
                shown = book.names.get(name, "nothing")
                problem = f"the name {name} stands for {shown}, the Map says {area}"
                self._add(Mismatch.at(claim, area.top, area.left, problem))

    def _of_own_names(self, program: Program, claims: dict[Key, list[Claim]]) -> None:
        """Every quantity of a single step has its defined name."""
        by_name = {claim.defined_name for claim in self.described.claims}
        for key, quantity in program.known.items():
            name = quantity.defined_name
            if claims[key] and name not in by_name:
                claim = claims[key][0]
                problem = f"its defined name {name} is missing from the Map"
                self._add(Mismatch.at(claim, claim.cells.top, claim.cells.left, problem))
