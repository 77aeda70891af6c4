"""Which cells a formula means, and which formulas of a workbook read each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from cellgrad.formula.parse import parse
from cellgrad.formula.tree import Area, Axis, Cell, FormulaError, Name, Node, Spill, nodes, rewrite
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.book import Book

Named = Callable[[str], Node | None]
"""Gives what a defined name stands for, parsed without a place; None for nothing."""


def resolve(axis: Axis, at: int) -> int:
    """Return the row or column, from 1, that an axis means in a formula at one.

    Raises:
        FormulaError: it lies outside a sheet.
    """
    number = axis.number if axis.fixed else at + axis.number
    if number < 1:
        raise FormulaError("a reference points outside the sheet (#REF!)")
    return number


def place_of(cell: Cell, at: Place) -> Place:
    """Return which cell is meant in a formula at a place.

    Raises:
        FormulaError: it lies outside a sheet.
    """
    sheet = at[0] if cell.sheet is None else cell.sheet
    return sheet, resolve(cell.row, at[1]), resolve(cell.column, at[2])


def range_of(area: Cell | Area, at: Place, last: tuple[int, int] | None = None) -> Range:
    """Return which cells are meant in a formula at a place.

    Args:
        area: a cell, or a rectangle with its corners in any order.
        at: the place.
        last: the last row and column in use on its sheet, where open sides end.

    Raises:
        FormulaError: they lie outside a sheet, or a whole row or column is meant and ``last``
            is not told.
    """
    if isinstance(area, Cell):
        sheet, row, column = place_of(area, at)
        return Range(sheet, row, column, row, column)
    if last is None and area.is_open:
        raise FormulaError("a whole row or column is meant")
    bottom, right = last or (0, 0)
    top, bottom = _along(area.top, area.bottom, at[1], bottom)
    left, right = _along(area.left, area.right, at[2], right)
    return Range(at[0] if area.sheet is None else area.sheet, top, left, bottom, right)


def _along(first: Axis | None, last: Axis | None, at: int, most: int) -> tuple[int, int]:
    if first is None:
        return 1, most
    start = resolve(first, at)
    end = max(start, most) if last is None else resolve(last, at)
    return min(start, end), max(start, end)


def places_in(area: Range) -> Iterator[Place]:
    """Yield the cells of a rectangle, row by row."""
    for row in range(area.top, area.bottom + 1):
        for column in range(area.left, area.right + 1):
            yield area.sheet, row, column


def rename_sheets(tree: Node, names: Mapping[str, str]) -> Node:
    """Return a formula whose references name sheets by their new names."""

    def renamed(node: Node) -> Node:
        if isinstance(node, Cell | Area) and node.sheet is not None:
            return replace(node, sheet=names.get(node.sheet, node.sheet))
        return node

    return rewrite(tree, renamed) if names else tree


# the formulas of a workbook


def tree_of(book: Book, formula: str) -> Node:
    """Return the tree of a formula of a workbook, parsed once and without a place.

    Raises:
        FormulaError: it cannot be read.
    """
    tree = book.trees.get(formula)
    if tree is None:
        tree = book.trees[formula] = parse(formula)
    return tree


def names_of(book: Book) -> Named:
    """Return what gives the cells that a workbook's defined names stand for."""

    def named(name: str) -> Node | None:
        text = book.names.get(name)
        tree = None if text is None else tree_of(book, text.strip().removeprefix("="))
        return tree if isinstance(tree, Cell | Area) else None

    return named


def ranges_read(tree: Node, sheet: str, named: Named) -> Iterator[Range]:
    """Yield every range that a formula reads.

    Args:
        tree: the formula, parsed without a place.
        sheet: where it stands.
        named: what defined names stand for.

    Raises:
        FormulaError: it reads what cannot be told.
    """
    for node in nodes(tree):
        meant = named(node.name) if isinstance(node, Name) else node
        if isinstance(meant, Cell | Area):
            yield range_of(meant, (sheet, 0, 0))
        elif isinstance(node, Name):
            raise FormulaError(f"{node.name!r} is no reference to cells")
        elif isinstance(node, Spill):
            raise FormulaError("reads what another formula spills")


def ranges_read_by(book: Book, place: Place) -> list[Range]:
    """Return the ranges that a cell's formula reads; none where it holds no formula.

    Raises:
        FormulaError: as ``ranges_read``.
    """
    formula = book.sheets[place[0]].formulas.get(place[1:])
    if formula is None:
        return []
    return list(ranges_read(tree_of(book, formula), place[0], names_of(book)))


def formulas_in(book: Book, area: Range) -> list[Place]:
    """Return the cells of a rectangle that hold formulas."""
    if area.sheet not in book.sheets:
        return []
    formulas = book.sheets[area.sheet].formulas
    if area.height * area.width > len(formulas):
        return [(area.sheet, *cell) for cell in formulas if area.contains(*cell)]
    return [place for place in places_in(area) if place[1:] in formulas]


def precedents(book: Book, place: Place) -> list[Place]:
    """Return the formula cells that a cell's formula reads directly.

    Raises:
        FormulaError: as ``ranges_read``.
    """
    areas = ranges_read_by(book, place)
    return [read for area in areas for read in formulas_in(book, area)]


def find_cycle(book: Book) -> list[Place] | None:
    """Return the cells of a circular reference, or None if there is none."""
    done: set[Place] = set()
    for sheet, cells in book.sheets.items():
        for row, column in cells.formulas:
            cycle = _cycle_from(book, (sheet, row, column), done)
            if cycle:
                return cycle
    return None


def _cycle_from(book: Book, start: Place, done: set[Place]) -> list[Place] | None:
    """Depth first, without recursion: chains can be longer than Python's stack."""
    path: list[Place] = []
    on_path: set[Place] = set()
    stack: list[tuple[Place, bool]] = [(start, False)]
    while stack:
        place, leaving = stack.pop()
        if leaving:
            path.pop()
            on_path.discard(place)
            done.add(place)
            continue
        if place in on_path:
            return path[path.index(place) :]
        if place in done:
            continue
        path.append(place)
        on_path.add(place)
        stack.append((place, True))
        try:
            below = precedents(book, place)
        except FormulaError:
            below = []
        stack += [(read, False) for read in below]
    return None
