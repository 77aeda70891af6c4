"""From a case and its workbook to what grading knows of the cells.

The Map sheet of cellgrad's own workbook says which range holds which quantity, the Step sheet
has the formulas; nothing of the part that hands out is used.
``template_of`` returns everything that a ``Manifest`` says of cells: ``cells``, ``givens``,
``fixed`` (what the handout goes on computing itself: copies, and quantities that are not asked
for) and ``names``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cellgrad.case.model import Case
from cellgrad.case.quantities import Key, person_label, table
from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import a1, parse_a1
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.map_sheet import Claim, read_map
from cellgrad_coursework.model import FixedCell, GivenCell, GradedCell

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a cell: ``formula`` or ``value``, decimals of a value, points."""

    takes: str = "formula"
    decimals: int = 6
    points: float = 1.0


Ask = Callable[[Key, Index], Terms | None]
"""Returns what is asked of a cell of a quantity; None where it is not left blank."""


@dataclass(frozen=True, slots=True)
class Template:
    """What grading needs to know of a handout's cells; see ``Manifest``."""

    cells: tuple[GradedCell, ...]
    givens: tuple[GivenCell, ...]
    fixed: tuple[FixedCell, ...]
    names: dict[str, str]
    box: dict[str, tuple[int, int]]


def everything(_: Key, __: Index) -> Terms:
    """Ask for a formula in every cell, a point each."""
    return Terms()


def template_of(case: Case, workbook: bytes, ask: Ask = everything, margin: int = 40) -> Template:
    """Return what a handout made of a case's own workbook asks for.

    Args:
        case: the case.
        workbook: its workbook, as ``build.workbook_bytes`` makes it.
        ask: what is asked of each cell.
        margin: so many rows and columns beyond the template a submission may use.

    Raises:
        WorkbookError: the workbook says nothing of itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.xlsx"
        path.write_bytes(workbook)
        book = read_book(path)
    described = read_map(book)
    if described is None:
        raise WorkbookError("the workbook has no Map sheet", remedy="build it with cellgrad build")
    structure = case.structure()
    known = table(structure)
    cells: dict[tuple[Key, Index], GradedCell] = {}
    givens, fixed, names = [], [], {}
    for claim in described.claims:
        if claim.key not in known or claim.kind not in ("given", "step"):
            continue
        quantity = known[claim.key]
        if claim.defined_name:
            names[claim.defined_name] = book.names[claim.defined_name]
        for address, index in _places(claim):
            sheet, label = claim.cells.sheet, person_label(structure, quantity, index)
            if claim.kind == "given":
                givens.append(GivenCell(sheet, address, *claim.key, index, claim.defined_name))
                continue
            formula = _formula(book, claim, address)
            terms = ask(claim.key, index) if claim.defined_name else None
            if terms is None or (claim.key, index) in cells:
                fixed.append(FixedCell(sheet, address, formula))
                continue
            cells[claim.key, index] = GradedCell(
                sheet, address, claim.defined_name, *claim.key, index, label, claim.equation,
                terms.takes, terms.decimals, terms.points, formula,
            )  # fmt: skip
    order = {key: n for n, key in enumerate(known)}
    graded = sorted(cells.values(), key=lambda c: (order[c.quantity, c.layer], c.index))
    box = {
        name: (
            max((row for row, _ in (*sheet.values, *sheet.formulas)), default=1) + margin,
            max((column for _, column in (*sheet.values, *sheet.formulas)), default=1) + margin,
        )
        for name, sheet in book.sheets.items()
    }
    return Template(tuple(graded), tuple(givens), tuple(fixed), names, box)


def _places(claim: Claim) -> Iterator[tuple[str, Index]]:
    for row in range(claim.cells.height):
        for column in range(claim.cells.width):
            address = a1(claim.cells.top + row, claim.cells.left + column)
            yield address, claim.rule.index(row, column)


def _formula(book: Book, claim: Claim, address: str) -> str:
    formula = book.sheets[claim.cells.sheet].formulas.get(parse_a1(address))
    if formula is None:
        raise WorkbookError("a cell of the step has no formula", place=f"{claim.label} {address}")
    return formula
