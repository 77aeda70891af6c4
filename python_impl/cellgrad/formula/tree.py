"""A formula as a tree of typed nodes, relative to the cell in which it stands.

Two cells with the same relative formula have equal trees. Operators of one precedence form one
flat chain, so that a sum of a thousand terms is no deep tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class FormulaError(Exception):
    """A formula that is not read or not worked out; a person has to look at it."""


class Axis(NamedTuple):
    """A row or a column of a reference.

    Attributes:
        fixed: whether it is written with a dollar sign.
        number: counted from 1 where it is fixed, else the distance from the formula's cell.
    """

    fixed: bool
    number: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is written in the formula."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class ErrorValue:
    """An error that is written in the formula, such as ``#REF!``."""

    code: str


@dataclass(frozen=True, slots=True)
class Missing:
    """An argument that is left out: ``IF(A1,,2)``."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; ``sheet`` is None for the formula's own."""

    sheet: str | None
    row: Axis
    column: Axis


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of cells; None is the open side of a whole row or column."""

    sheet: str | None
    top: Axis | None
    left: Axis | None
    bottom: Axis | None
    right: Axis | None

    @property
    def is_open(self) -> bool:
        """Tell whether it ends where its sheet ends."""
        return None in (self.top, self.left, self.bottom, self.right)


@dataclass(frozen=True, slots=True)
class Spill:
    """All that the array formula in a cell fills: ``C10#``."""

    corner: Cell


@dataclass(frozen=True, slots=True)
class Name:
    """A defined name, or one of LET's."""

    name: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A sign, + or −, before an operand."""

    sign: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Percent:
    """An operand with a percent sign."""

    operand: Node


class Link(NamedTuple):
    """An operator and the operand on its right."""

    sign: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands with operators of one precedence between them, from left to right."""

    first: Node
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function, its name in capitals, and its arguments."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Constants:
    """An array constant, row by row: ``{1,2;3,4}``."""

    rows: tuple[tuple[Node, ...], ...]


Node = (
    Number | Text | Truth | ErrorValue | Missing | Cell | Area | Spill | Name
    | Signed | Percent | Chain | Call | Constants
)  # fmt: skip


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes that a node is made of, in the order in which they are written."""
    match node:
        case Chain(first, links):
            return (first, *(link.operand for link in links))
        case Signed(_, operand) | Percent(operand):
            return (operand,)
        case Call(_, args):
            return args
        case Constants(rows):
            return tuple(item for row in rows for item in row)
    return ()


def rewrite(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return a tree in which every node, from the leaves up, has become another."""
    match node:
        case Chain(first, links):
            changed = (Link(sign, rewrite(operand, change)) for sign, operand in links)
            node = Chain(rewrite(first, change), tuple(changed))
        case Signed(sign, operand):
            node = Signed(sign, rewrite(operand, change))
        case Percent(operand):
            node = Percent(rewrite(operand, change))
        case Call(name, args):
            node = Call(name, tuple(rewrite(arg, change) for arg in args))
    return change(node)


def nodes(tree: Node) -> Iterator[Node]:
    """Yield every node of a tree, in the order in which they are written."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(children(node))


def size(tree: Node) -> int:
    """Return how many operands, operators and functions a formula has."""
    return sum(len(node.links) if isinstance(node, Chain) else 1 for node in nodes(tree))


# back to text, in relative (R1C1) notation: equal trees have equal texts; operations stand in
# brackets, so that nothing is left to precedence


def text_of(node: Node) -> str:  # noqa: C901, PLR0911, PLR0912 - a kind of node each
    """Return a tree as a formula."""
    match node:
        case Number(value):
            return _shortest(value)
        case Text(value):
            return '"' + value.replace('"', '""') + '"'
        case Truth(value):
            return "TRUE" if value else "FALSE"
        case ErrorValue(code):
            return code
        case Name(name):
            return name
        case Missing():
            return ""
        case Cell(sheet, row, column):
            return _sheet(sheet) + _r1c1(row, column)
        case Spill(corner):
            return text_of(corner) + "#"
        case Area(sheet, top, left, bottom, right):
            return f"{_sheet(sheet)}{_r1c1(top, left)}:{_r1c1(bottom, right)}"
        case Chain(first, links):
            rest = "".join(f"{sign}{text_of(operand)})" for sign, operand in links)
            return "(" * len(links) + text_of(first) + rest
        case Signed(sign, operand):
            return sign + text_of(operand)
        case Percent(operand):
            return text_of(operand) + "%"
        case Constants(rows):
            return "{" + ";".join(",".join(map(text_of, row)) for row in rows) + "}"
        case Call(name, args):
            return f"{name}({','.join(map(text_of, args))})"


def _shortest(value: float) -> str:
    """Return a number as short as it reads back exactly."""
    short = f"{value:.15g}"
    return short if float(short) == value else repr(value)


def _sheet(name: str | None) -> str:
    return "" if name is None else "'" + name.replace("'", "''") + "'!"


def _r1c1(row: Axis | None, column: Axis | None) -> str:
    return _axis("R", row) + _axis("C", column)


def _axis(letter: str, axis: Axis | None) -> str:
    if axis is None:
        return ""
    if axis.fixed:
        return f"{letter}{axis.number}"
    return f"{letter}[{axis.number}]" if axis.number else letter
