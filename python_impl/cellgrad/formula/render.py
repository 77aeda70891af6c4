"""A tree back to text, in relative (R1C1) notation, for reading and comparing.

Equal trees have equal texts. Operations stand in brackets, so that nothing is left to precedence.
"""

from __future__ import annotations

from cellgrad.formula.tree import (
    Area,
    Axis,
    Call,
    Cell,
    Chain,
    Constants,
    ErrorValue,
    Missing,
    Name,
    Node,
    Number,
    Percent,
    Signed,
    Spill,
    Text,
    Truth,
)


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
