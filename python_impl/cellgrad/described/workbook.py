"""A workbook with its own description, read from its Map once, for whoever checks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cellgrad.case.facts import Facts
from cellgrad.case.structure import Structure
from cellgrad.described.cells import Owners
from cellgrad.described.parts import MAX_SCALARS, Part, StepShape, read_part
from cellgrad.errors import CaseError, WorkbookError
from cellgrad.packages import PackageMissingError
from cellgrad.xlsx.addresses import Place
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import FORMAT, FORMAT_OF_PARTS, SHEET, Claim, read_map


@dataclass(slots=True)
class Described:
    """A workbook with its own description.

    Attributes:
        book: cells, formulas, names.
        facts: the words of the whole workbook.
        single: whether it is that of a single step, whose part has no name.
        names: of all parts that are described, in their order.
        parts: what each computes, as far down as they can be used.
        unusable: the first part that cannot be used and why, if there is one.
        claims: the rows of the Map.
        unread: rows of the Map that cannot be read, as (place, problem).
        owner: for every claimed cell, its claim's number.
    """

    book: Book
    facts: Facts
    single: bool
    names: tuple[str, ...]
    claims: list[Claim]
    unread: list[tuple[str, str]]
    owner: Owners
    parts: dict[str, Part] = field(default_factory=dict)
    unusable: tuple[str, str] | None = None

    @property
    def case(self) -> str:
        """The id of the case or the plan it was built from."""
        return self.facts.get("case", self.book.path.stem)

    @property
    def structure(self) -> Structure | None:
        """The structure of the step, where the workbook is that of a single one."""
        part = self.parts.get("")
        return part.shape.step if part and isinstance(part.shape, StepShape) else None

    def claim_of(self, place: Place) -> Claim | None:
        """Return the claim that owns a cell."""
        number = self.owner.get(place)
        return None if number is None else self.claims[number]


def describe(workbook: Path | Book, command: str = "verify") -> Described:
    """Read a workbook and everything it says of itself.

    Args:
        workbook: the file, or the book read from it.
        command: who asks, for messages.

    Raises:
        WorkbookError: no workbook, not safe to read, or one without a Map.
        PackageMissingError: the package that knows a kind of part is not here.
    """
    book = read_book(workbook) if isinstance(workbook, Path) else workbook
    table = read_map(book)
    if table is None or not (table.claims or table.facts):
        raise WorkbookError(
            f"has no sheet {SHEET!r} that says what its cells are",
            file=book.path,
            remedy=f"{command} takes workbooks written by cellgrad build",
        )
    known = FORMAT_OF_PARTS if table.parts else FORMAT
    if table.facts.get("format", known) not in (FORMAT, FORMAT_OF_PARTS):
        raise WorkbookError(
            f"says format {table.facts['format']!r}, this version reads {known!r}",
            file=book.path,
            place=SHEET,
            remedy="use the version of cellgrad that wrote it",
        )
    _refuse_too_many_cells(book, table.claims)
    single = not table.parts and table.facts.get("format") != FORMAT_OF_PARTS
    parts = {"": {**table.facts, "kind": "step"}} if single else table.parts
    described = Described(
        book,
        table.facts,
        single,
        tuple(parts),
        table.claims,
        table.faults,
        Owners(table.claims),
    )
    _read_parts(described, parts)
    return described


def _read_parts(described: Described, parts: dict[str, Facts]) -> None:
    for name, facts in parts.items():
        try:
            described.parts[name] = read_part(name, facts, described.parts)
        except (ValueError, CaseError) as error:
            problem = error.problem if isinstance(error, CaseError) else str(error)
            described.unusable = name, problem
            return
        except PackageMissingError as error:
            raise error.within(described.book.path) from error


def _refuse_too_many_cells(book: Book, claims: list[Claim]) -> None:
    """Refuse claims of more cells than a workbook holds, before they are gone through."""
    cells = 0
    boxes: dict[str, tuple[int, int]] = {}
    for claim in claims:
        area = claim.cells
        cells += area.height * area.width
        bottom, right = boxes.get(area.sheet, (0, 0))
        boxes[area.sheet] = max(bottom, area.bottom), max(right, area.right)
        room = sum((bottom + 1) * (right + 1) for bottom, right in boxes.values())
        if cells > MAX_SCALARS or room > 10 * MAX_SCALARS:
            raise WorkbookError(
                "claims more cells than a workbook holds",
                file=book.path,
                place=f"{SHEET}!A{claim.row}",
            )
