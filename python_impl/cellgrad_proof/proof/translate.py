"""From a parsed formula to a term.

Nothing is simplified on the way: 0 · (1 / 0) is an error in a spreadsheet, and no 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import chain

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.formula import Node
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import Term

Resolve = Callable[[Place], Term]
"""Gives the term that stands for a cell."""

MOST_CELLS = 20_000
"""A formula that reads more is not taken apart."""

_MOST_POWER = 16
_COMPARISONS = frozenset(("=", "<>", "<", ">", "<=", ">="))
_FUNCTIONS = {"EXP": 1, "LN": 1, "TANH": 1, "SQRT": 1, "ABS": 1}
"""Functions of one number, by name, and how many arguments they take."""


def term_of(node: Node, resolve: Resolve) -> Term:
    """Return a formula as a term.

    Args:
        node: the formula, parsed.
        resolve: what the cells that it reads stand for.

    Raises:
        FormulaError: it is outside the function set.
    """
    kind = node[0]
    if kind == "number":
        return terms.number(Fraction(node[1]))
    if kind == "cells":
        area: Range = node[1]
        if (area.top, area.left) != (area.bottom, area.right):
            raise FormulaError(f"{area.address} stands where one number is expected")
        return resolve((area.sheet, area.top, area.left))
    if kind == "sign":
        return _signed(node, resolve)
    if kind == "op":
        return _operation(node, resolve)
    if kind == "call":
        return _call(node[1], node[2], resolve)
    raise FormulaError("a text is no number")


def _signed(node: Node, resolve: Resolve) -> Term:
    inner = term_of(node[2], resolve)
    if node[1] == "-":
        return _negative(inner)
    if node[1] == "%":
        return ("quotient", inner, terms.number(100))
    return inner


def _operation(node: Node, resolve: Resolve) -> Term:
    sign = node[1]
    if sign in ("+", "-"):
        return ("sum", tuple(_chain(node, resolve)))
    left, right = term_of(node[2], resolve), term_of(node[3], resolve)
    if sign == "*":
        return ("product", (left, right))
    if sign == "/":
        return ("quotient", left, right)
    if sign in _COMPARISONS:
        return terms.compare(sign, left, right)
    if sign == "^":
        return _power(left, right)
    raise FormulaError(f"{sign!r} is outside the function set")


def _chain(node: Node, resolve: Resolve) -> list[Term]:
    """Return the terms of a chain of + and −, however long, without deep recursion."""
    found = []
    while node[0] == "op" and node[1] in ("+", "-"):
        term = term_of(node[3], resolve)
        found.append(_negative(term) if node[1] == "-" else term)
        node = node[2]
    return [term_of(node, resolve), *reversed(found)]


def _power(base: Term, exponent: Term) -> Term:
    if exponent[0] != "number" or exponent[1] not in range(1, _MOST_POWER + 1):
        raise FormulaError("a power other than a small whole one is outside the function set")
    return ("product", (base,) * int(exponent[1]))


def _negative(term: Term) -> Term:
    return ("product", (terms.MINUS_ONE, term))


def _call(name: str, args: tuple[Node, ...], resolve: Resolve) -> Term:
    if name in ("SUM", "MAX"):
        return _of_many(name, args, resolve)
    if name == "SUMPRODUCT":
        columns = [_listed(arg, resolve) for arg in args]
        if not columns or len({len(column) for column in columns}) > 1:
            raise FormulaError("SUMPRODUCT of ranges of different sizes")
        return ("sum", tuple(("product", row) for row in zip(*columns, strict=True)))
    found = [term_of(arg, resolve) for arg in args]
    if name == "IF" and len(found) == 3:
        return ("if", *found)
    if name == "AND" and found:
        return ("all", tuple(found))
    if _FUNCTIONS.get(name) == len(found):
        _refuse_undefined(name, found[0])
        return terms.call(name, *found)
    raise FormulaError(f"{name} of {len(found)} arguments is outside the function set")


def _refuse_undefined(name: str, argument: Term) -> None:
    if name not in ("LN", "SQRT"):
        return
    value = _constant(argument)
    if value is not None and (value < 0 or (value == 0 and name == "LN")):
        raise FormulaError(f"{name} of a constant that has none")


def _constant(term: Term) -> Fraction | None:
    """Return the value of a sum or product of constants."""
    if term[0] == "number":
        value: Fraction = term[1]
        return value
    if term[0] not in ("sum", "product"):
        return None
    parts = [_constant(part) for part in term[1]]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return sum(known, Fraction(0)) if term[0] == "sum" else math.prod(known, start=Fraction(1))


def _of_many(name: str, args: tuple[Node, ...], resolve: Resolve) -> Term:
    found = list(chain.from_iterable(_listed(arg, resolve) for arg in args))
    if not found:
        raise FormulaError(f"{name} of nothing")
    return ("sum", tuple(found)) if name == "SUM" else terms.call("MAX", *found)


def _listed(node: Node, resolve: Resolve) -> list[Term]:
    if node[0] != "cells":
        return [term_of(node, resolve)]
    area: Range = node[1]
    if area.height * area.width > MOST_CELLS:
        raise FormulaError(f"{area.address} holds more than {MOST_CELLS:,} cells")
    return [
        resolve((area.sheet, row, column))
        for row in range(area.top, area.bottom + 1)
        for column in range(area.left, area.right + 1)
    ]
