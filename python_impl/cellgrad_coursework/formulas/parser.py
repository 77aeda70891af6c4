"""Formula text to tree: a small parser of our own, with bounds; nothing is ever executed.

Operator precedence as in spreadsheets: ``%``, a sign before a power, ``^`` (from left to
right), ``* /``, ``+ −``, ``&``, comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW, column_number
from cellgrad_coursework.formulas.limits import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES
from cellgrad_coursework.formulas.tree import Axis, Node

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
  | (?P<sign><=|>=|<>|[-+*/^&=<>%(){},;@\#])
    )""",
    re.VERBOSE,
)
_PLACE = re.compile(
    r"(?:(?P<sheet>'(?:[^']|'')+'|[^!':]+)!)?(?P<first>[^!':]+)"
    r"(?::(?:(?P<again>'(?:[^']|'')+'|[^!':]+)!)?(?P<second>[^!':]+))?"
)
"""A reference; ``Step!A1:Step!A3`` names the sheet again."""
_CELL = re.compile(r"(\$?)([A-Za-z]{1,3})(\$?)(\d{1,7})")
_OPEN = re.compile(r"(\$?)([A-Za-z]{1,3})")
"""The end of a range that is open below, as in Google's ``B6:B``."""

_COLUMNS = re.compile(r"(\$?)([A-Za-z]{1,3}):(\$?)([A-Za-z]{1,3})")
_ROWS = re.compile(r"(\$?)(\d{1,7}):(\$?)(\d{1,7})")
_LOOKALIKES = {"−": "-", "×": "*", "÷": "/", "\u00a0": " "}

_BINDING = {"=": 1, "<": 1, ">": 1, "<=": 1, ">=": 1, "<>": 1, "&": 2, "+": 3, "-": 3}
_BINDING |= {"*": 4, "/": 4, "^": 5}
_SIGN_BINDING = 6
"""A sign before an operand binds more tightly than a power: ``-2^2`` is 4."""


def parse(text: str, row: int, column: int) -> Node:
    """Return the tree of a formula.

    Args:
        text: without its equals sign.
        row: the row of the cell that it is written for, from 1.
        column: its column.

    Raises:
        FormulaError: it is no formula, or a larger one than is looked at.
    """
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(f"the formula is longer than {MAX_CHARACTERS:,} characters")
    return _Parser(text, row, column).whole()


class _Parser:
    def __init__(self, text: str, row: int, column: int) -> None:
        self.row, self.column = row, column
        self.tokens = list(_tokens(text))
        self.at = self.count = self.depth = 0

    def whole(self) -> Node:
        node = self.expression(0)
        if self.peek() != ("end", ""):
            raise FormulaError(f"the formula cannot be read at {self.peek()[1]!r}")
        return node

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at]

    def take(self) -> tuple[str, str]:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def accept(self, *signs: str) -> bool:
        kind, text = self.tokens[self.at]
        if kind == "sign" and text in signs:
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise FormulaError(f"the formula lacks a {sign!r}")

    def made(self, *node: object) -> Node:
        self.count += 1
        if self.count > MAX_NODES:
            raise FormulaError("the formula has too many parts")
        return node

    def expression(self, least: int) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FormulaError("the formula is nested too deeply")
        left = self.operand()
        while True:
            kind, sign = self.peek()
            binding = _BINDING.get(sign, 0) if kind == "sign" else 0
            if binding <= least:
                break
            self.at += 1
            left = self.made("op", sign, left, self.expression(binding))
        self.depth -= 1
        return left

    def operand(self) -> Node:
        if self.peek()[0] == "sign" and self.peek()[1] in "+-@":
            sign = self.take()[1]
            inner = self.expression(_SIGN_BINDING)
            return inner if sign == "@" else self.made("sign", sign, inner)
        node = self.primary()
        while True:
            if self.accept("%"):
                if node[0] == "percent":
                    raise FormulaError("the formula takes a percentage of a percentage")
                node = self.made("percent", node)
            elif self.accept("#"):
                node = self.spill(node)
            else:
                return node

    def spill(self, node: Node) -> Node:
        """Return what ``C10#`` means: all cells that the array formula in C10 fills."""
        if node[0] != "cell":
            raise FormulaError("# stands behind something other than a cell")
        return self.made("spill", *node[1:])

    def primary(self) -> Node:
        kind, text = self.take()
        read = _PRIMARIES.get(kind if kind != "sign" else text)
        if read is None:
            raise FormulaError(f"the formula cannot be read at {text or 'its end'!r}")
        return read(self, text)

    def number(self, text: str) -> Node:
        return self.made("number", float(text))

    def text(self, text: str) -> Node:
        return self.made("text", text[1:-1].replace('""', '"'))

    def error(self, text: str) -> Node:
        return self.made("error", text)

    def name(self, text: str) -> Node:
        upper = text.upper()
        if upper in ("TRUE", "FALSE"):
            return self.made("logical", upper == "TRUE")
        return self.made("name", text.rpartition("!")[2].casefold())

    def bracket(self, _: str) -> Node:
        node = self.expression(0)
        self.expect(")")
        return node

    def call(self, name: str) -> Node:
        args: list[Node] = []
        if not self.accept(")"):
            while True:
                if self.peek() in (("sign", ","), ("sign", ";"), ("sign", ")")):
                    args.append(self.made("missing"))
                else:
                    args.append(self.expression(0))
                if self.accept(")"):
                    break
                if not self.accept(",", ";"):
                    raise FormulaError(f"{name} lacks a closing bracket")
        function = function_name(name)
        if function == "ANCHORARRAY" and len(args) == 1:  # what files write for C10#
            return self.spill(args[0])
        return self.made("call", function, tuple(args))

    def array(self, _: str) -> Node:
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            item = self.operand()
            if item[0] not in ("number", "text", "logical", "sign"):
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
        return self.made("array", tuple(rows))

    def reference(self, text: str) -> Node:
        match = _PLACE.fullmatch(text)
        if match is None or (match["again"] and match["again"] != match["sheet"]):
            raise FormulaError(f"{text!r} is no reference")
        sheet, area = match["sheet"], ":".join(filter(None, (match["first"], match["second"])))
        where: str | None = None
        if sheet:
            where = sheet[1:-1].replace("''", "'") if sheet.startswith("'") else sheet
            where = where.casefold()
        if whole := _COLUMNS.fullmatch(area):
            first, last = self.along(whole[1], whole[2]), self.along(whole[3], whole[4])
            return self.made("area", where, None, first, None, last)
        if whole := _ROWS.fullmatch(area):
            return self.made(
                "area", where, self.down(whole[1], whole[2]), None,
                self.down(whole[3], whole[4]), None,
            )  # fmt: skip
        first_cell, _, last_cell = area.partition(":")
        row, column = self.cell(first_cell)
        if not last_cell:
            return self.made("cell", where, row, column)
        if open_end := _OPEN.fullmatch(last_cell):
            return self.made("area", where, row, column, None, self.along(*open_end.groups()))
        return self.made("area", where, row, column, *self.cell(last_cell))

    def cell(self, text: str) -> tuple[Axis, Axis]:
        match = _CELL.fullmatch(text)
        if match is None:
            raise FormulaError(f"{text!r} is no reference")
        return self.down(match[3], match[4]), self.along(match[1], match[2])

    def down(self, fixed: str, digits: str) -> tuple[bool, int]:
        row = int(digits)
        if not 0 < row <= MAX_ROW:
            raise FormulaError(f"row {digits} lies outside a sheet")
        return (True, row) if fixed else (False, row - self.row)

    def along(self, fixed: str, letters: str) -> tuple[bool, int]:
        column = column_number(letters)
        if column > MAX_COLUMN:
            raise FormulaError(f"column {letters} lies outside a sheet")
        return (True, column) if fixed else (False, column - self.column)


_PRIMARIES: dict[str, Callable[[_Parser, str], Node]] = {
    "number": _Parser.number,
    "cells": _Parser.reference,
    "rows": _Parser.reference,
    "call": _Parser.call,
    "text": _Parser.text,
    "error": _Parser.error,
    "name": _Parser.name,
    "(": _Parser.bracket,
    "{": _Parser.array,
}


def function_name(name: str) -> str:
    """Return a function's own name: newer ones are stored with a prefix in the file."""
    upper = name.upper()
    for prefix in ("_XLFN.", "_XLWS.", "_XLUDF."):
        upper = upper.removeprefix(prefix)
    return upper


def _tokens(text: str) -> list[tuple[str, str]]:
    for sign, plain in _LOOKALIKES.items():
        if sign in text:
            text = text.replace(sign, plain)
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise FormulaError(f"the formula cannot be read at {text[at : at + 20]!r}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        at = match.end()
    found.append(("end", ""))
    return found
