"""What a workbook says of itself: structure, claims, and what is wrong with them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from cellgrad.case.quantities import Key, Quantity, table
from cellgrad.case.structure import Structure
from cellgrad.errors import CaseError, WorkbookError
from cellgrad.verify.mismatch import Mismatch
from cellgrad.xlsx.addresses import Range, a1
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.formula import FormulaError, Place, parse, references
from cellgrad.xlsx.map_sheet import FORMAT, SHEET, Claim, MapSheet, read_map

MAX_NODES = 20_000
MAX_SCALARS = 5_000_000
"""More than any sheet can show; a Map that says so is not believed."""
_YES = {"yes": True, "no": False}


@dataclass(slots=True)
class Described:
    """A workbook with its own description.

    Attributes:
        book: cells, formulas, names.
        case: the id of the case it was built from.
        structure: the structure of its step; None if the Map no longer says it.
        claims: the rows of the Map.
        faults: what is wrong before anything is calculated.
        owner: for every claimed cell, its claim's number.
    """

    book: Book
    case: str
    structure: Structure | None
    claims: list[Claim]
    faults: list[Mismatch] = field(default_factory=list)
    owner: dict[Place, int] = field(default_factory=dict)

    @property
    def computable(self) -> bool:
        """Whether the givens and the Map are whole enough to compute anything."""
        sheets = self.book.sheets
        return all(claim.cells.sheet in sheets for claim in self.claims) and not any(
            fault.kind in ("map", "given")
            or "lies outside" in fault.problem
            or "claimed twice" in fault.problem
            or "no row of the Map" in fault.problem
            for fault in self.faults
        )

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
    if table_.facts.get("format", FORMAT) != FORMAT:
        raise WorkbookError(
            f"says format {table_.facts['format']!r}, this version reads {FORMAT!r}",
            file=path,
            place=SHEET,
            remedy="use the version of cellgrad that wrote it",
        )
    described = Described(book, table_.facts.get("case", path.stem), None, table_.claims)
    described.faults += [Mismatch.of_map(place, problem) for place, problem in table_.faults]
    described.structure = _structure(described, table_)
    _own_cells(described)
    _check_formulas(described)
    if described.structure is not None:
        _check_quantities(described, described.structure)
    return described


def _structure(described: Described, table_: MapSheet) -> Structure | None:
    facts = table_.facts
    wanted = (
        "nodes",
        "activations",
        "loss",
        "update",
        "samples",
        "biases",
        "update_biases",
        "weight_decay",
        "error_sign",
        "format",
        "case",
    )
    missing = [name for name in wanted if name not in facts]
    for name in missing:
        described.faults.append(
            Mismatch.of_map(SHEET, f"the row {name!r} is missing: the step is no longer described")
        )
    if missing:
        return None
    try:
        structure = Structure(
            nodes=tuple(int(n) for n in facts["nodes"].split("-")),
            activations=tuple(name.strip() for name in facts["activations"].split(",")),
            loss=facts["loss"],
            update=facts["update"],
            samples=int(facts["samples"]),
            biases=_YES[facts["biases"]],
            decay=_YES[facts["weight_decay"]],
            update_biases=_YES[facts["update_biases"]],
            error_sign=facts["error_sign"],
        )
        nodes = sum(structure.nodes) + structure.samples
        if nodes > MAX_NODES or structure.parameters + nodes * structure.samples > MAX_SCALARS:
            raise ValueError("the network is larger than any sheet")  # noqa: TRY301
    except (ValueError, KeyError, CaseError) as error:
        problem = error.problem if isinstance(error, CaseError) else str(error)
        described.faults.append(
            Mismatch.of_map(SHEET, f"the description of the step cannot be used: {problem}")
        )
        return None
    return structure


def _own_cells(described: Described) -> None:
    """Note which claim owns each cell; a cell claimed twice is a fault."""
    budget = 5_000_000
    for number, claim in enumerate(described.claims):
        cells = claim.cells
        budget -= cells.height * cells.width
        if budget < 0:
            raise WorkbookError(
                "claims more cells than a workbook holds",
                file=described.book.path,
                place=f"{SHEET}!A{claim.row}",
            )
        for row in range(cells.top, cells.bottom + 1):
            for column in range(cells.left, cells.right + 1):
                place = (cells.sheet, row, column)
                if place in described.owner:
                    first = described.claims[described.owner[place]]
                    described.faults.append(
                        Mismatch.at(claim, row, column, f"claimed twice, also as {first.quantity}")
                    )
                described.owner[place] = number


def _check_formulas(described: Described) -> None:
    """Every formula is claimed, and every claim of a result is a formula."""
    book = described.book
    for sheet, cells in book.sheets.items():
        for row, column in cells.formulas:
            if (sheet, row, column) not in described.owner:
                described.faults.append(
                    Mismatch.unclaimed(sheet, a1(row, column), cells.formulas[row, column])
                )
    for claim in described.computed():
        formulas = (
            book.sheets[claim.cells.sheet].formulas if claim.cells.sheet in book.sheets else {}
        )
        for row in range(claim.cells.top, claim.cells.bottom + 1):
            for column in range(claim.cells.left, claim.cells.right + 1):
                if (row, column) not in formulas:
                    described.faults.append(
                        Mismatch.at(claim, row, column, "claimed as a result, but holds no formula")
                    )
    for claim in described.claims:
        if claim.kind in ("given", "answer"):
            _check_given_formulas(described, claim)


def _check_given_formulas(described: Described, claim: Claim) -> None:
    """A given may be typed as =1/3, but must not read a claimed cell."""
    book, cells = described.book, claim.cells
    if cells.sheet not in book.sheets:
        return
    formulas = book.sheets[cells.sheet].formulas
    for row, column in [at for at in formulas if cells.contains(*at)]:
        try:
            areas = list(references(parse(formulas[row, column], cells.sheet, book.names)))
        except FormulaError as error:
            described.faults.append(Mismatch.at(claim, row, column, str(error)))
            continue
        if any(_reads_claimed(described, area) for area in areas):
            described.faults.append(
                Mismatch.at(claim, row, column, "a given whose formula reads a claimed cell")
            )


def _reads_claimed(described: Described, area: Range) -> bool:
    return any(
        place[0] == area.sheet and area.contains(place[1], place[2]) for place in described.owner
    )


def _check_quantities(described: Described, structure: Structure) -> None:
    """Every quantity of the step is claimed, whole, under its own name."""
    known = table(structure)
    claimed: dict[Key, set[tuple[int, ...]]] = defaultdict(set)
    places: dict[Key, list[Claim]] = defaultdict(list)
    for claim in described.claims:
        quantity = known.get(claim.key)
        if quantity is None or claim.kind != ("given" if quantity.given else "step"):
            continue
        places[claim.key].append(claim)
        cells, rule = claim.cells, claim.rule.parts
        if len(rule) != len(quantity.shape):
            described.faults.append(
                Mismatch.of_map(f"{SHEET}!A{claim.row}", f"{claim.label} needs another index rule")
            )
            continue
        for r, c in product(range(cells.height), range(cells.width)):
            index = tuple(a * r + b * c + n for a, b, n in rule)
            if any(i >= size for i, size in zip(index, quantity.shape, strict=True)):
                described.faults.append(
                    Mismatch.at(claim, cells.top + r, cells.left + c, "lies outside the quantity")
                )
            claimed[claim.key].add(index)
    for key, quantity in known.items():
        every = product(*(range(size) for size in quantity.shape))
        missing = [index for index in every if index not in claimed[key]]
        if missing:
            described.faults.append(
                Mismatch.missing(quantity, missing[0], len(missing), described.book)
            )
    _check_helpers(described, structure)
    _check_names(described, known, places)


def _check_helpers(described: Described, structure: Structure) -> None:
    """What a person sets outside the step itself is claimed too; it bears its own name."""
    claimed = {claim.quantity for claim in described.claims if claim.kind in ("given", "answer")}
    lines: dict[str, set[tuple[int, ...]]] = defaultdict(set)
    for claim in described.claims:
        if claim.quantity in ("answer", "mark"):
            lines[claim.quantity] |= {claim.rule.index(r, 0) for r in range(claim.cells.height)}
    if lines["mark"] - lines["answer"]:
        claimed.discard("answer")
    wanted = ["decimals", "answer"]
    if structure.differentiable:
        wanted += ["epsilon", "tolerance"]
    for name in wanted:
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


def _check_names(
    described: Described, known: dict[Key, Quantity], places: dict[Key, list[Claim]]
) -> None:
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
