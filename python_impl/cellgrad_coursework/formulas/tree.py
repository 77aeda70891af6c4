"""A formula as a tree, relative to the cell in which it stands.

Two cells with the same relative formula have equal trees, and the same text of it (`text_of`).
Texts are what is compared: trees of long sums are too deep for Python's own comparison. A node
is a tuple:

``("number", x)``, ``("text", s)``, ``("logical", b)``, ``("error", code)``, ``("missing",)``,
``("cell", sheet, row, column)``, ``("area", sheet, row, column, row, column)``,
``("spill", sheet, row, column)`` for all that the array formula in a cell fills (``C10#``),
``("name", name)``, ``("op", sign, left, right)``, ``("sign", sign, operand)``,
``("percent", operand)``, ``("call", name, args)``, ``("array", rows)``.

``sheet`` is None for the formula's own. A row or column is ``(fixed, number)``: a number counted
from 1 where it is fixed, and the distance from the formula's cell where it is not; None stands
for the open side of a whole row or column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Node = tuple[Any, ...]
Axis = tuple[bool, int] | None


def resolved(axis: tuple[bool, int], at: int) -> int:
    """Return the row or column, counted from 1, that an axis means in a cell."""
    fixed, number = axis
    return number if fixed else at + number


REFERENCES = frozenset({"cell", "area", "spill", "name"})
"""The kinds of nodes that stand for cells."""

PLACES = frozenset({"ROW", "COLUMN", "ROWS", "COLUMNS"})
"""Functions that look at where cells are, and not at what they hold."""


def nodes(tree: Node, *, read: bool = False) -> Iterator[Node]:
    """Yield every node of a tree.

    Args:
        tree: the tree.
        read: whether to leave out references that are not read: ``ROW(C10)`` reads nothing.
    """
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        kind = node[0]
        if kind == "op":
            stack += (node[3], node[2])
        elif kind == "sign":
            stack.append(node[2])
        elif kind == "percent":
            stack.append(node[1])
        elif kind == "call":
            placed = read and node[1] in PLACES
            stack += [arg for arg in reversed(node[2]) if not placed or arg[0] not in REFERENCES]
        elif kind == "array":
            stack += [item for row in node[1] for item in row]


def text_of(node: Node) -> str:
    """Return a tree as a formula in relative (R1C1) notation, for reading and comparing."""
    return _WRITERS[node[0]](node)


def _area(node: Node) -> str:
    return f"{_sheet(node[1])}{_r1c1(node[2], node[3])}:{_r1c1(node[4], node[5])}"


def _operation(node: Node) -> str:
    chain = []
    while node[0] == "op":
        chain.append(node)
        node = node[2]
    rest = "".join(f"{link[1]}{text_of(link[3])})" for link in reversed(chain))
    return "(" * len(chain) + text_of(node) + rest


def _array(node: Node) -> str:
    return "{" + ";".join(",".join(text_of(x) for x in row) for row in node[1]) + "}"


_WRITERS: dict[str, Callable[[Node], str]] = {
    "number": lambda node: _number(node[1]),
    "text": lambda node: '"' + str(node[1]).replace('"', '""') + '"',
    "logical": lambda node: "TRUE" if node[1] else "FALSE",
    "error": lambda node: str(node[1]),
    "name": lambda node: str(node[1]),
    "missing": lambda _: "",
    "cell": lambda node: _sheet(node[1]) + _r1c1(node[2], node[3]),
    "spill": lambda node: _sheet(node[1]) + _r1c1(node[2], node[3]) + "#",
    "area": _area,
    "op": _operation,
    "sign": lambda node: f"{node[1]}{text_of(node[2])}",
    "percent": lambda node: f"{text_of(node[1])}%",
    "array": _array,
    "call": lambda node: f"{node[1]}({','.join(text_of(arg) for arg in node[2])})",
}


def _number(value: float) -> str:
    """Return a number as short as it reads back exactly."""
    short = f"{value:.15g}"
    return short if float(short) == value else repr(value)


def _sheet(name: str | None) -> str:
    return "" if name is None else "'" + name.replace("'", "''") + "'!"


def _r1c1(row: Axis, column: Axis) -> str:
    return _axis("R", row) + _axis("C", column)


def _axis(letter: str, axis: Axis) -> str:
    if axis is None:
        return ""
    fixed, number = axis
    if fixed:
        return f"{letter}{number}"
    return f"{letter}[{number}]" if number else letter
