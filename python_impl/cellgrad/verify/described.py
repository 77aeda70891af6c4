"""What a workbook says of itself: its parts, its claims, and what is wrong with them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.facts import STRUCTURE_FACTS, structure_from
from cellgrad.case.quantities import Key, Quantity
from cellgrad.case.structure import Structure
from cellgrad.errors import CaseError, WorkbookError
from cellgrad.formula.references import ranges_read_by
from cellgrad.formula.tree import FormulaError
from cellgrad.packages import PackageMissingError
from cellgrad.verify.mismatch import Mismatch
from cellgrad.verify.owners import Owners
from cellgrad.verify.programs.create import Programs, create_program
from cellgrad.verify.programs.program import Program
from cellgrad.verify.programs.step import StepProgram
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import (
    FORMAT,
    FORMAT_OF_PARTS,
    SHEET,
    Claim,
    MapSheet,
    read_map,
)

MAX_NODES = 20_000
MAX_SCALARS = 5_000_000
"""More than any sheet can show; a Map that says so is not believed."""


@dataclass(slots=True)
class Described:
    """A workbook with its own description.

    Attributes:
        book: cells, formulas, names.
        case: the id of the case or the plan it was built from.
        programs: what each part should compute; empty if the Map no longer says it.
        claims: the rows of the Map.
        faults: what is wrong before anything is calculated.
        owner: for every claimed cell, its claim's number.
    """

    book: Book
    case: str
    programs: Programs
    claims: list[Claim]
    faults: list[Mismatch] = field(default_factory=list)
    owner: Owners = field(default_factory=lambda: Owners(()))

    @property
    def structure(self) -> Structure | None:
        """The structure of the step, where the workbook is that of a single one."""
        program = self.programs.get("")
        return program.structure if isinstance(program, StepProgram) else None

    @property
    def computable(self) -> bool:
        """Whether the givens and the Map are whole enough to compute anything."""
        sheets = self.book.sheets
        return bool(self.programs) and all(
            claim.cells.sheet in sheets and claim.part in self.programs for claim in self.claims
        ) and not any(
            fault.kind in ("map", "given")
            or "lies outside" in fault.problem
            or "claimed twice" in fault.problem
            or "no row of the Map" in fault.problem
            for fault in self.faults
        )  # fmt: skip

    def computed(self) -> list[Claim]:
        """Return the claims whose cells hold formulas."""
        return [claim for claim in self.claims if claim.kind in ("step", "check", "display")]


def describe(path: Path) -> Described:
    """Read a workbook and everything it says of itself.

    Raises:
        WorkbookError: no workbook, not safe to read, or one without a Map.
    """
    book = read_book(path)
    table_ = read_map(book)
    if table_ is None or not (table_.claims or table_.facts):
        raise WorkbookError(
            f"has no sheet {SHEET!r} that says what its cells are",
            file=path,
            remedy="verify takes workbooks written by cellgrad build",
        )
    known = FORMAT_OF_PARTS if table_.parts else FORMAT
    if table_.facts.get("format", known) not in (FORMAT, FORMAT_OF_PARTS):
        raise WorkbookError(
            f"says format {table_.facts['format']!r}, this version reads {known!r}",
            file=path,
            place=SHEET,
            remedy="use the version of cellgrad that wrote it",
        )
    described = Described(book, table_.facts.get("case", path.stem), {}, table_.claims)
    described.faults += [Mismatch.of_map(place, problem) for place, problem in table_.faults]
    if table_.facts.get("format") == FORMAT_OF_PARTS or table_.parts:
        described.programs = _parts(described, table_)
    else:
        structure = _structure(described, table_)
        if structure is not None:
            described.programs = {"": StepProgram("", structure, helped=True)}
    _own_cells(described)
    _check_formulas(described)
    for program in described.programs.values():
        _check_quantities(described, program)
    _check_names(described)
    return described


def _parts(described: Described, table_: MapSheet) -> Programs:
    """Return what every named part should compute; none if one of them cannot be read."""
    programs: Programs = {}
    for name in ("format", "case"):
        if name not in table_.facts:
            described.faults.append(
                Mismatch.of_map(SHEET, f"the row {name!r} is missing: what it is, is not described")
            )
    for name, facts in table_.parts.items():
        try:
            program = create_program(name, facts, programs)
            _refuse_giants(program)
        except (ValueError, CaseError) as error:
            problem = error.problem if isinstance(error, CaseError) else str(error)
            described.faults.append(
                Mismatch.of_map(SHEET, f"the part {name!r} cannot be used: {problem}")
            )
            return {}
        except PackageMissingError as error:
            raise error.within(described.book.path) from error
        programs[name] = program
    if not programs:
        described.faults.append(Mismatch.of_map(SHEET, "no part is described"))
    strangers = sorted({claim.part for claim in described.claims} - set(programs))
    if strangers:
        described.faults.append(
            Mismatch.of_map(SHEET, f"claims of a part that is not described: {strangers[0]!r}")
        )
    return programs


def _refuse_giants(program: Program) -> None:
    if sum(math.prod(quantity.shape) for quantity in program.known.values()) > MAX_SCALARS:
        raise ValueError("the part is larger than any sheet")


def _structure(described: Described, table_: MapSheet) -> Structure | None:
    facts = table_.facts
    missing = [name for name in (*STRUCTURE_FACTS, "format", "case") if name not in facts]
    for name in missing:
        described.faults.append(
            Mismatch.of_map(SHEET, f"the row {name!r} is missing: the step is no longer described")
        )
    if missing:
        return None
    try:
        structure = structure_from(facts)
        nodes = sum(structure.nodes) + structure.samples
        if nodes > MAX_NODES or structure.parameters + nodes * structure.samples > MAX_SCALARS:
            raise ValueError("the network is larger than any sheet")  # noqa: TRY301
    except (ValueError, CaseError) as error:
        problem = error.problem if isinstance(error, CaseError) else str(error)
        described.faults.append(
            Mismatch.of_map(SHEET, f"the description of the step cannot be used: {problem}")
        )
        return None
    return structure


def _own_cells(described: Described) -> None:
    """Note which claim owns each cell; a cell claimed twice is a fault."""
    budget = MAX_SCALARS
    for claim in described.claims:
        budget -= claim.cells.height * claim.cells.width
        if budget < 0:
            _refuse_claims(described, claim)
    boxes: dict[str, tuple[int, int]] = {}
    for claim in described.claims:
        bottom, right = boxes.get(claim.cells.sheet, (0, 0))
        box = max(bottom, claim.cells.bottom), max(right, claim.cells.right)
        boxes[claim.cells.sheet] = box
        if sum((b + 1) * (r + 1) for b, r in boxes.values()) > 10 * MAX_SCALARS:
            _refuse_claims(described, claim)
    owner = described.owner = Owners(described.claims)
    for number, claim in enumerate(described.claims):
        cells = owner.cells(claim.cells)
        taken = cells >= 0
        if taken.any():
            for row, column in np.argwhere(taken).tolist():
                first = described.claims[int(cells[row, column])]
                place = (claim.cells.top + row, claim.cells.left + column)
                described.faults.append(
                    Mismatch.at(claim, *place, f"claimed twice, also as {first.quantity}")
                )
        cells[...] = number


def _refuse_claims(described: Described, claim: Claim) -> None:
    raise WorkbookError(
        "claims more cells than a workbook holds",
        file=described.book.path,
        place=f"{SHEET}!A{claim.row}",
    )


def _check_formulas(described: Described) -> None:
    """Every formula is claimed, and every claim of a result is a formula."""
    owner = described.owner
    present: dict[str, NDArray[np.bool_]] = {}
    for sheet, cells in described.book.sheets.items():
        places = cells.formula_places()
        for row, column in places[owner.of(sheet, places) < 0].tolist():
            described.faults.append(
                Mismatch.unclaimed(sheet, a1(row, column), cells.formulas[row, column])
            )
        present[sheet] = owner.marked(sheet, places)
    for claim in described.claims:
        area = claim.cells
        if area.sheet in present:
            held = present[area.sheet][area.top : area.bottom + 1, area.left : area.right + 1]
        else:
            held = np.zeros((area.height, area.width), dtype=bool)
        if claim.kind in ("given", "answer"):
            _check_given_formulas(described, claim, held)
            continue
        for row, column in np.argwhere(~held).tolist():
            described.faults.append(
                Mismatch.at(
                    claim, area.top + row, area.left + column,
                    "claimed as a result, but holds no formula",
                )
            )  # fmt: skip


def _check_given_formulas(described: Described, claim: Claim, held: NDArray[np.bool_]) -> None:
    """A given may be typed as =1/3, but must not read a claimed cell.

    Args:
        described: the workbook; its faults grow.
        claim: the given.
        held: which of its cells hold formulas, shape (height, width).
    """
    book, cells = described.book, claim.cells
    for r, c in np.argwhere(held).tolist():
        row, column = cells.top + r, cells.left + c
        try:
            areas = ranges_read_by(book, (cells.sheet, row, column))
        except FormulaError as error:
            described.faults.append(Mismatch.at(claim, row, column, str(error)))
            continue
        if any(described.owner.reads_any(area) for area in areas):
            described.faults.append(
                Mismatch.at(claim, row, column, "a given whose formula reads a claimed cell")
            )


def _check_quantities(described: Described, program: Program) -> None:
    """Every quantity of a part is claimed, whole, under its own name."""
    claimed: dict[Key, NDArray[np.bool_]] = {}
    places: dict[Key, list[Claim]] = defaultdict(list)
    for claim in described.claims:
        quantity = program.known.get(claim.key) if claim.part == program.name else None
        if quantity is None or claim.kind not in _kinds(program, quantity):
            continue
        places[claim.key].append(claim)
        seen = claimed.setdefault(claim.key, np.zeros(quantity.shape, dtype=bool))
        cells, rule = claim.cells, claim.rule.parts
        if len(rule) != len(quantity.shape):
            described.faults.append(
                Mismatch.of_map(f"{SHEET}!A{claim.row}", f"{claim.label} needs another index rule")
            )
            continue
        grid = np.ogrid[: cells.height, : cells.width]
        index = tuple(np.broadcast_to(part.at(*grid), (cells.height, cells.width)) for part in rule)
        inside = np.ones((cells.height, cells.width), dtype=bool)
        for numbers, size in zip(index, quantity.shape, strict=True):
            inside &= numbers < size
        for r, c in np.argwhere(~inside).tolist():
            described.faults.append(
                Mismatch.at(claim, cells.top + r, cells.left + c, "lies outside the quantity")
            )
        seen[tuple(numbers[inside] for numbers in index)] = True
    for key, quantity in program.known.items():
        if key in program.borrowed:
            continue
        seen = claimed.get(key, np.zeros(quantity.shape, dtype=bool))
        missing = np.argwhere(program.mask(quantity) & ~seen)
        if len(missing):
            described.faults.append(
                Mismatch.missing(quantity, tuple(missing[0].tolist()), len(missing), described.book)
            )
    _check_helpers(described, program)
    if program.name == "":
        _check_own_names(described, program.known, places)


def _kinds(program: Program, quantity: Quantity) -> tuple[str, ...]:
    """Return as what a quantity is claimed; a given may be taken from another part."""
    if not quantity.given:
        return ("step",)
    return ("given", "step") if program.name else ("given",)


def _check_helpers(described: Described, program: Program) -> None:
    """What a person sets outside the step itself is claimed too; it bears its own name."""
    own = [claim for claim in described.claims if claim.part == program.name]
    claimed = {claim.quantity for claim in own if claim.kind in ("given", "answer")}
    lines: dict[str, set[tuple[int, ...]]] = defaultdict(set)
    for claim in own:
        if claim.quantity in ("answer", "mark"):
            lines[claim.quantity] |= {claim.rule.index(r, 0) for r in range(claim.cells.height)}
    if lines["mark"] - lines["answer"]:
        claimed.discard("answer")
    for name in program.helpers():
        if name not in claimed:
            area = described.book.name_range(name)
            described.faults.append(
                Mismatch(
                    "given",
                    area.sheet if area else SHEET,
                    a1(area.top, area.left) if area else "",
                    name,
                    problem="no row of the Map claims it",
                )
            )


def _check_names(described: Described) -> None:
    """A defined name stands for the same cells as the Map."""
    book = described.book
    for claim in described.claims:
        if not claim.defined_name:
            continue
        area = book.name_range(claim.defined_name)
        if area != claim.cells:
            shown = book.names.get(claim.defined_name, "nothing")
            described.faults.append(
                Mismatch.at(
                    claim,
                    claim.cells.top,
                    claim.cells.left,
                    f"the name {claim.defined_name} stands for {shown}, the Map says {claim.cells}",
                )
            )


def _check_own_names(
    described: Described, known: Mapping[Key, Quantity], places: Mapping[Key, list[Claim]]
) -> None:
    """Every quantity of a single step has its defined name."""
    by_name = {claim.defined_name for claim in described.claims}
    for key, quantity in known.items():
        name = quantity.defined_name
        if places[key] and name not in by_name:
            claim = places[key][0]
            described.faults.append(
                Mismatch.at(
                    claim,
                    claim.cells.top,
                    claim.cells.left,
                    f"its defined name {name} is missing from the Map",
                )
            )
