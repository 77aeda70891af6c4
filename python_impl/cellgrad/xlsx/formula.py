"""Formulas as trees. The parser is the spreadsheet library's; the tree is ours.

A node is a tuple: ``("number", x)``, ``("text", s)``, ``("cells", Range)``,
``("op", sign, left, right)``, ``("sign", sign, operand)``, ``("call", name, args)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, Range, parse_reference
from cellgrad.xlsx.book import Book, Cell

Node = tuple[Any, ...]


def parse(formula: str, sheet: str, names: Mapping[str, str] | None = None) -> Node:
    """Return the tree of a formula (without its equals sign) that stands on a sheet.

    Args:
        formula: the text.
        sheet: where references without a sheet point to.
        names: defined names and what they refer to.

    Raises:
        FormulaError: it cannot be parsed, or uses something outside the function set.
    """
    import formualizer  # noqa: PLC0415 - slow to start, rarely needed

    try:
        tree = formualizer.parse_formula(f"={formula}").to_dict()
    except Exception as error:  # the library's own exceptions have no common base
        raise FormulaError(f"{formula!r} cannot be parsed ({error})") from error
    return _node(tree, sheet, names or {})


def _node(tree: dict[str, Any], sheet: str, names: Mapping[str, str]) -> Node:
    kind = tree.get("node_type")
    if kind == "Literal":
        value = tree["value"]
        if isinstance(value, bool):
            return ("number", float(value))
        return ("number", float(value)) if isinstance(value, (int, float)) else ("text", str(value))
    if kind == "Reference":
        return ("cells", _reference(str(tree["reference"]), sheet, names))
    if kind == "UnaryOp":
        return ("sign", tree["operator"], _node(tree["operand"], sheet, names))
    if kind == "BinaryOp":
        left, right = _node(tree["left"], sheet, names), _node(tree["right"], sheet, names)
        return ("op", tree["operator"], left, right)
    if kind == "Function":
        args = tuple(_node(arg, sheet, names) for arg in tree["args"])
        return ("call", str(tree["name"]).upper(), args)
    raise FormulaError(f"{kind} is outside the function set")


def _reference(text: str, sheet: str, names: Mapping[str, str]) -> Range:
    area = parse_reference(text if "!" in text else f"{sheet}!{text}")
    if area is None and text in names:
        area = parse_reference(names[text])
    if area is None:
        raise FormulaError(f"{text!r} is no reference to cells")
    return area


def tree_of(book: Book, sheet: str, formula: str) -> Node:
    """Return the tree of a formula of this workbook, parsed once.

    Raises:
        FormulaError: as ``parse``.
    """
    tree = book.trees.get((sheet, formula))
    if tree is None:
        tree = book.trees[sheet, formula] = parse(formula, sheet, book.names)
    return tree


def references(node: Node) -> Iterator[Range]:
    """Yield every range that a formula reads."""
    kind = node[0]
    if kind == "cells":
        yield node[1]
    elif kind == "op":
        yield from references(node[2])
        yield from references(node[3])
    elif kind == "sign":
        yield from references(node[2])
    elif kind == "call":
        for arg in node[2]:
            yield from references(arg)


def precedents(book: Book, sheet: str, cell: Cell) -> list[Place]:
    """Return the formula cells that a cell's formula reads directly."""
    text = book.sheets[sheet].formulas.get(cell)
    if text is None:
        return []
    found = []
    for area in references(tree_of(book, sheet, text)):
        if area.sheet not in book.sheets:
            continue
        formulas = book.sheets[area.sheet].formulas
        if area.height * area.width > len(formulas):
            inside = [at for at in formulas if area.contains(*at)]
        else:
            inside = [
                (row, column)
                for row in range(area.top, area.bottom + 1)
                for column in range(area.left, area.right + 1)
                if (row, column) in formulas
            ]
        found += [(area.sheet, row, column) for row, column in inside]
    return found


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
            below = precedents(book, place[0], place[1:])
        except FormulaError:
            below = []
        stack += [(target, False) for target in below]
    return None
