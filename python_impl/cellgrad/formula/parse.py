"""Formula text to tree: a small parser with bounds; nothing is ever executed.

Operator precedence as in spreadsheets: ``%``, a sign before a power, ``^`` (from left to
right), ``* /``, ``+ −``, ``&``, comparison.
"""

from __future__ import annotations

import math
import re

from cellgrad.formula.tree import (
    Area,
    Axis,
    Call,
    Cell,
    Chain,
    Constants,
    ErrorValue,
    FormulaError,
    Link,
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
from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, column_number

MAX_CHARACTERS = 8_192
"""Of a formula, as in Excel."""

MAX_DEPTH = 72
"""Of nested brackets, calls, signs, and percentages of percentages."""
_TOO_DEEP = "the formula is nested too deeply"

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.:!$(]))
  | (?P<rows>(?:(?:'(?:[^']|'')+'|[^\W\d][\w.]*)!)?\$?\d{1,7}:\$?\d{1,7}(?![\w.(]))
  | (?P<text>"(?:[^"]|"")*")
  | (?P<error>\#(?:NULL!|DIV/0!|VALUE!|REF!|NAME\?|NUM!|N/A|SPILL!|CALC!))
  | (?P<cells>(?:(?:'(?:[^']|'')+'|[^\W\d][\w.]*)!)?
        (?:\$?[A-Za-z]{1,3}\$?\d{1,7}
            (?::(?:(?:'(?:[^']|'')+'|[^\W\d][\w.]*)!)?\$?[A-Za-z]{1,3}(?:\$?\d{1,7})?)?(?![\w.(!])
         | \$?[A-Za-z]{1,3}:\$?[A-Za-z]{1,3}(?![\w.(!])))
  | (?P<call>[^\W\d][\w.]*)\s*\(
  | (?P<name>(?:(?:'(?:[^']|'')+'|[^\W\d][\w.]*)!)?[^\W\d][\w.\\]*)(?!!)
  | (?P<sign><=|>=|<>|[-+*/^&=<>%(){},;@\#−×÷])
    )""",
    re.VERBOSE,
)
_REFERENCE = re.compile(
    r"(?:(?P<sheet>'(?:[^']|'')+'|[^!':]+)!)?(?P<first>[^!':]+)"
    r"(?::(?:(?P<again>'(?:[^']|'')+'|[^!':]+)!)?(?P<second>[^!':]+))?"
)
"""``Step!A1:Step!A3`` names the sheet again."""
_CELL = re.compile(r"(\$?)([A-Za-z]{1,3})(\$?)(\d{1,7})")
_COLUMN = re.compile(r"(\$?)([A-Za-z]{1,3})")
_ROW = re.compile(r"(\$?)(\d{1,7})")
_LOOKALIKES = {"−": "-", "×": "*", "÷": "/"}

_BINDING = {"=": 1, "<": 1, ">": 1, "<=": 1, ">=": 1, "<>": 1, "&": 2, "+": 3, "-": 3}
_BINDING |= {"*": 4, "/": 4, "^": 5}
_SIGN_BINDING = 6
"""A sign before an operand binds more tightly than a power: ``-2^2`` is 4."""

_Token = tuple[str, str]
"""What kind of token it is (of a sign: the sign itself), and its text."""

_END = "end"


def parse(text: str, row: int = 0, column: int = 0, *, ignore_case: bool = False) -> Node:
    """Return the tree of a formula.

    Args:
        text: without its equals sign.
        row: the row, from 1, of the cell that the formula is written for. With 0 the
            distances in the tree are the rows and columns themselves.
        column: its column.
        ignore_case: whether sheets and names are written in lower case in the tree.

    Raises:
        FormulaError: it is no formula, or a longer or deeper one than is looked at.
    """
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(f"the formula is longer than {MAX_CHARACTERS:,} characters")
    return _Parser(text, row, column, ignore_case=ignore_case).whole()


class _Parser:
    def __init__(self, text: str, row: int, column: int, *, ignore_case: bool) -> None:
        self.row, self.column, self.ignore_case = row, column, ignore_case
        self.tokens = _tokens(text)
        self.at = self.depth = 0

    def whole(self) -> Node:
        node = self.expression(0)
        kind, text = self.take()
        if kind != _END:
            raise FormulaError(f"the formula cannot be read at {text!r}")
        return node

    def take(self) -> _Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *signs: str) -> bool:
        if self.tokens[self.at][0] in signs:
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise FormulaError(f"the formula lacks a {sign!r}")

    def binding(self) -> int:
        return _BINDING.get(self.tokens[self.at][0], 0)

    def expression(self, least: int) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FormulaError(_TOO_DEEP)
        left = self.operand()
        while (binding := self.binding()) > least:
            links = []
            while self.binding() == binding:
                sign = self.take()[1]
                links.append(Link(sign, self.expression(binding)))
            left = _chain(left, tuple(links), binding)
        self.depth -= 1
        return left

    def operand(self) -> Node:
        sign = self.tokens[self.at][0]
        if sign in ("-", "+", "@"):
            self.at += 1
            inner = self.expression(_SIGN_BINDING)
            if sign != "@":
                return Signed(sign, inner)
            return Call("SINGLE", (inner,)) if isinstance(inner, Area | Name | Spill) else inner
        node = self.primary()
        for _ in range(MAX_DEPTH):
            sign = self.tokens[self.at][0]
            if sign not in ("%", "#"):
                return node
            self.at += 1
            node = _spill(node) if sign == "#" else Percent(node)
        raise FormulaError(_TOO_DEEP)

    def number(self, text: str) -> Number:
        value = float(text)
        if math.isinf(value):
            raise FormulaError(f"the formula holds {text}, a number beyond all doubles")
        return Number(value)

    def primary(self) -> Node:  # noqa: PLR0911 - a kind of token each
        kind, text = self.take()
        match kind:
            case "cells" | "rows":
                return self.reference(text)
            case "number":
                return self.number(text)
            case "call":
                return self.call(text)
            case "name":
                return self.name(text)
            case "text":
                return Text(text[1:-1].replace('""', '"'))
            case "error":
                return ErrorValue(text)
            case "{":
                return self.constants()
            case "(":
                node = self.expression(0)
                self.expect(")")
                return node
        raise FormulaError(f"the formula cannot be read at {text or 'its end'!r}")

    def name(self, text: str) -> Node:
        if text.upper() in ("TRUE", "FALSE"):
            return Truth(text.upper() == "TRUE")
        name = text.rpartition("!")[2]
        return Name(name.casefold() if self.ignore_case else name)

    def call(self, name: str) -> Node:
        args: list[Node] = []
        while not self.accept(")"):
            if args and not self.accept(",", ";"):
                raise FormulaError(f"{name} lacks a closing bracket")
            empty = self.tokens[self.at][0] in (",", ";", ")")
            args.append(Missing() if empty else self.expression(0))
        function = function_name(name)
        if function == "ANCHORARRAY" and len(args) == 1:  # what files write for C10#
            return _spill(args[0])
        return Call(function, tuple(args))

    def constants(self) -> Node:
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            item = self.operand()
            if not isinstance(item, Number | Text | Truth | Signed):
                raise FormulaError("an array constant holds something else than constants")
            row.append(item)
            if self.accept(","):
                continue
            rows.append(tuple(row))
            row = []
            if self.accept("}"):
                break
            self.expect(";")
        if len({len(each) for each in rows}) != 1:
            raise FormulaError("an array constant has rows of different lengths")
        return Constants(tuple(rows))

    def reference(self, text: str) -> Node:
        if match := _CELL.fullmatch(text):
            return Cell(None, *self.cell(match))
        match = _REFERENCE.fullmatch(text)
        if match is None or (match["again"] and match["again"] != match["sheet"]):
            raise FormulaError(f"{text!r} is no reference")
        sheet = self.sheet(match["sheet"])
        if match["second"]:
            return Area(sheet, *self.corner(match["first"]), *self.corner(match["second"]))
        if cell := _CELL.fullmatch(match["first"]):
            return Cell(sheet, *self.cell(cell))
        raise FormulaError(f"{text!r} is no reference")

    def sheet(self, text: str | None) -> str | None:
        if text is None:
            return None
        name = text[1:-1].replace("''", "'") if text.startswith("'") else text
        return name.casefold() if self.ignore_case else name

    def corner(self, text: str) -> tuple[Axis | None, Axis | None]:
        """Return the row and column of a corner; None is open, as in Google's ``B6:B``."""
        if match := _CELL.fullmatch(text):
            return self.cell(match)
        if match := _COLUMN.fullmatch(text):
            return None, self.along_columns(match[1], match[2])
        if match := _ROW.fullmatch(text):
            return self.along_rows(match[1], match[2]), None
        raise FormulaError(f"{text!r} is no reference")

    def cell(self, match: re.Match[str]) -> tuple[Axis, Axis]:
        return self.along_rows(match[3], match[4]), self.along_columns(match[1], match[2])

    def along_rows(self, dollar: str, digits: str) -> Axis:
        row = int(digits)
        if not 0 < row <= MAX_ROW:
            raise FormulaError(f"row {digits} lies outside a sheet")
        return Axis(True, row) if dollar else Axis(False, row - self.row)

    def along_columns(self, dollar: str, letters: str) -> Axis:
        column = column_number(letters)
        if column > MAX_COLUMN:
            raise FormulaError(f"column {letters} lies outside a sheet")
        return Axis(True, column) if dollar else Axis(False, column - self.column)


def _chain(left: Node, links: tuple[Link, ...], binding: int) -> Chain:
    """Join operands; ``(a+b)+c`` is one chain, as ``a+b+c`` is."""
    if isinstance(left, Chain) and _BINDING[left.links[0].sign] == binding:
        return Chain(left.first, left.links + links)
    return Chain(left, links)


def _spill(corner: Node) -> Spill:
    if not isinstance(corner, Cell):
        raise FormulaError("# stands behind something other than a cell")
    return Spill(corner)


def function_name(name: str) -> str:
    """Return a function's own name: newer ones are stored with a prefix in the file."""
    upper = name.upper()
    for prefix in ("_XLFN.", "_XLWS.", "_XLUDF."):
        upper = upper.removeprefix(prefix)
    return upper


def _tokens(text: str) -> list[_Token]:
    tokens, at, text = [], 0, text.rstrip()
    for match in _TOKEN.finditer(text):
        if match.start() != at:
            break
        at = match.end()
        kind = match.lastgroup or ""
        token = match[kind]
        if kind == "sign":
            kind = token = _LOOKALIKES.get(token, token)
        tokens.append((kind, token))
    if at != len(text):
        raise FormulaError(f"the formula cannot be read at {text[at : at + 20]!r}")
    tokens.append((_END, ""))
    return tokens
