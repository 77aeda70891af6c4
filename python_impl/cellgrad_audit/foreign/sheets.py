"""Somebody else's workbook as it lies on disk: cells, formulas, and which are array formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cellgrad.errors import WorkbookError
from cellgrad.formula.references import (
    formulas_in,
    names_of,
    places_in,
    ranges_read,
    tree_of,
)
from cellgrad.formula.tree import Call, FormulaError, Node, nodes
from cellgrad.formula.work_out import WorkOut
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.values import Value
from cellgrad_audit.foreign.terms import ForeignTerms
from cellgrad_proof.proof.terms import Term

MAX_FORMULAS = 20_000
"""Sheets made by hand are small; each of their formulas is parsed and written again."""

MOST_READ = 5_000_000

_DYNAMIC = frozenset(("INDIRECT", "OFFSET", "CELL", "INFO"))
"""Functions that read cells which their formula does not name."""


@dataclass(slots=True)
class Foreign:
    """A workbook that says nothing of itself.

    Attributes:
        book: its cells and formulas.
        anchors: for every cell of an array formula the range that the formula fills.
        left: how many more cells formulas may read, each counted as often as it is read.
    """

    book: Book
    anchors: dict[Place, Range] = field(default_factory=dict)
    left: int = MOST_READ

    def formula(self, place: Place) -> str | None:
        """Return the formula of a cell, if it holds one."""
        sheet = self.book.sheets.get(place[0])
        return None if sheet is None else sheet.formulas.get(place[1:])

    def value(self, place: Place) -> Value:
        """Return the constant, or the stored value, of a cell."""
        sheet = self.book.sheets.get(place[0])
        return None if sheet is None else sheet.values.get(place[1:])

    def tree(self, place: Place) -> Node:
        """Return the formula of a cell as a tree.

        Raises:
            FormulaError: it cannot be parsed.
        """
        formula = self.formula(place)
        if formula is None:
            raise FormulaError("no formula stands there")
        return tree_of(self.book, formula)

    def blank(self, place: Place) -> bool:
        """Tell whether a cell is empty or holds a text: SUM and MAX pass it over."""
        return self.formula(place) is None and not isinstance(self.value(place), float)

    def formulas(self) -> Iterator[Place]:
        """Yield every cell that holds a formula."""
        for name, sheet in self.book.sheets.items():
            for row, column in sheet.formulas:
                yield name, row, column

    def reads(self, place: Place) -> list[Range]:
        """Return the ranges that a cell's formula reads.

        Raises:
            FormulaError: it cannot be told.
        """
        tree = self.tree(place)
        for node in nodes(tree):
            if isinstance(node, Call) and node.name in _DYNAMIC:
                raise FormulaError(f"{node.name} reads what it does not name")
        return list(ranges_read(tree, place[0], names_of(self.book)))

    def cone(self, results: Iterable[Place]) -> set[Place] | None:
        """Return every formula cell that some cells depend on, themselves included.

        None if it cannot be told: a formula cannot be parsed, or reads what it does not name.
        """
        found: set[Place] = set()
        visits = 0
        stack = [place for place in results if self.formula(place) is not None]
        while stack:
            place = stack.pop()
            if place in found:
                continue
            found.add(place)
            if place in self.anchors:
                stack += places_in(self.anchors[place])
            try:
                areas = self.reads(place)
            except FormulaError:
                return None
            for area in areas:
                inside = formulas_in(self.book, area)
                visits += len(inside)
                if visits > MOST_READ:
                    raise WorkbookError(
                        f"the mapped cells read more than {MOST_READ:,} others",
                        file=self.book.path, remedy="keep only the sheets of the training step",
                    )  # fmt: skip
                stack += inside
        return found


def read_foreign(path: Path) -> Foreign:
    """Read a workbook.

    Raises:
        WorkbookError: no workbook, damaged, not safe to read, or too large.
    """
    book = read_book(path)
    count = sum(len(sheet.formulas) for sheet in book.sheets.values())
    if count > MAX_FORMULAS:
        raise WorkbookError(
            f"holds {count:,} formulas, foreign workbooks may have {MAX_FORMULAS:,}",
            file=path, remedy="keep only the sheets of the training step",
        )  # fmt: skip
    found = Foreign(book)
    for sheet in book.sheets.values():
        for area in sheet.arrays.values():
            found.anchors.update((place, area) for place in places_in(area))
    return found


def term_at(foreign: Foreign, place: Place, resolve: Callable[[Place], Term]) -> Term:
    """Return the formula of a cell as a term over the cells that it reads directly.

    Args:
        foreign: the workbook.
        place: the cell.
        resolve: what the cells that it reads stand for.

    Raises:
        FormulaError: it is outside what is read here.
    """
    area = foreign.anchors.get(place)

    def counted(at: Place) -> Term:
        foreign.left -= 1
        if foreign.left < 0:
            raise FormulaError("the formulas read more cells than are handled")
        return resolve(at)

    index = None if area is None else (place[1] - area.top, place[2] - area.left)
    work_out = WorkOut(
        ForeignTerms(counted, foreign.blank),
        (place[0], 0, 0),
        names_of(foreign.book),
        ranges="refused" if area is None else "whole",
    )
    return work_out.element(foreign.tree(place), index)
