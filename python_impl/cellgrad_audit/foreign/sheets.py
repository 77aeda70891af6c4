"""Somebody else's workbook as it lies on disk: cells, formulas, and which are array formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cellgrad.errors import WorkbookError
from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.formula import Node, tree_of
from cellgrad.xlsx.values import Value
from cellgrad_audit.foreign.array_terms import ArrayReader
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
        try:
            return tree_of(self.book, place[0], formula.replace("_xlfn.", ""))
        except RecursionError as error:
            raise FormulaError("is nested too deeply") from error

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
        return list(_ranges(self.tree(place)))

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
                stack += _cells(self.anchors[place])
            try:
                areas = self.reads(place)
            except FormulaError:
                return None
            for area in areas:
                sheet = self.book.sheets.get(area.sheet)
                if sheet is None:
                    continue
                if area.height * area.width > len(sheet.formulas):
                    inside = [at for at in sheet.formulas if area.contains(*at)]
                else:
                    inside = [at[1:] for at in _cells(area) if at[1:] in sheet.formulas]
                visits += len(inside)
                if visits > MOST_READ:
                    raise WorkbookError(
                        f"the mapped cells read more than {MOST_READ:,} others",
                        file=self.book.path, remedy="keep only the sheets of the training step",
                    )  # fmt: skip
                stack += [(area.sheet, *at) for at in inside]
        return found


def _ranges(node: Node) -> Iterator[Range]:
    stack = [node]
    while stack:
        top = stack.pop()
        if top[0] == "cells":
            yield top[1]
        elif top[0] == "op":
            stack += top[2:]
        elif top[0] == "sign":
            if top[1] == "#":
                raise FormulaError("reads what another formula spills")
            stack.append(top[2])
        elif top[0] == "call":
            if top[1] in _DYNAMIC:
                raise FormulaError(f"{top[1]} reads what it does not name")
            stack += top[2]


def _cells(area: Range) -> list[Place]:
    return [
        (area.sheet, row, column)
        for row in range(area.top, area.bottom + 1)
        for column in range(area.left, area.right + 1)
    ]


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
            found.anchors.update((place, area) for place in _cells(area))
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

    reader = ArrayReader(counted, foreign.blank, whole=area is not None)
    row, column = (place[1] - area.top, place[2] - area.left) if area else (0, 0)
    try:
        return reader.at(foreign.tree(place), row, column)
    except RecursionError as error:
        raise FormulaError("is nested too deeply") from error
