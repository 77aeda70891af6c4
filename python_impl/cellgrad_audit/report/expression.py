"""Formulas as trees: what a program calculates with, so that its steps can be written down.

A tree can be written as a spreadsheet formula, with names, or with numbers put in; and it knows
its value in double precision. Operators keep the order of evaluation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from cellgrad_audit.bugs.arithmetic import FUNCTIONS, Array, Doubles, Elementary, each

_SUM, _PRODUCT, _SIGN, _ATOM = range(1, 5)
_PRECEDENCE = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "": _SIGN}


def _of_doubles(name: str) -> Callable[[Any], Any]:
    return lambda value: Doubles().function(name, np.array([value]))[0]


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "": operator.neg,
    "IF": lambda condition, yes, no: yes if condition > 0 else no,
    **{name: _of_doubles(name) for name in FUNCTIONS},
}

LARGEST = 150
"""A formula of more references is cut in two: a cell holds 8,192 characters."""


class Home(Protocol):
    """Where cells are made."""

    def aside(self, expression: Expression) -> Expression:
        """Give a part of a long formula a cell of its own and return a reference to it."""

    def given(self, value: float) -> Expression | None:
        """Return a reference to a given number, None if it is a constant of the program's."""


def _operator(
    combined: Callable[[Expression, Expression], Expression], *, swapped: bool = False
) -> Callable[[Expression, Any], Any]:
    """Return an operator of expressions and numbers; arrays do it element by element."""

    def method(self: Expression, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return combined(expression(other), self) if swapped else combined(self, expression(other))

    return method


def _added(left: Expression, right: Expression) -> Expression:
    if _is(left, 0.0):
        return right
    return left if _is(right, 0.0) else _joined("+", left, right)


def _subtracted(left: Expression, right: Expression) -> Expression:
    if _is(left, 0.0):
        return -right
    return left if _is(right, 0.0) else _joined("-", left, right)


def _multiplied(left: Expression, right: Expression) -> Expression:
    if _is(left, 0.0) or _is(right, 0.0):  # how programs make zeros of a shape
        return Number(0.0)
    return _joined("*", left, right)


def _divided(left: Expression, right: Expression) -> Expression:
    return _joined("/", left, right)


def _is(part: Expression, value: float) -> bool:
    return isinstance(part, Number) and part.value == value


def _joined(sign: str, left: Expression, right: Expression) -> Expression:
    whole = Operation(sign, left, right)
    if isinstance(left, Number) and isinstance(right, Number):
        return Number(whole.value)
    if whole.size > LARGEST and whole.home is not None:
        return whole.home.aside(whole)
    return whole


class Expression:
    """A number, a reference, or an operation on expressions.

    Attributes:
        value: in double precision, as ``bugs`` computes it.
        size: how many references and numbers it holds.
        home: where cells are made; None for a constant.
        parts: what it is made of.
    """

    __slots__ = ("home", "parts", "size", "value")
    size: int

    def __init__(self, value: Any, home: Home | None, *parts: Expression) -> None:
        self.value, self.home, self.parts = np.float64(value), home, parts
        self.size = sum(part.size for part in parts) or 1

    __add__, __radd__ = _operator(_added), _operator(_added, swapped=True)
    __sub__, __rsub__ = _operator(_subtracted), _operator(_subtracted, swapped=True)
    __mul__, __rmul__ = _operator(_multiplied), _operator(_multiplied, swapped=True)
    __truediv__, __rtruediv__ = _operator(_divided), _operator(_divided, swapped=True)

    def __neg__(self) -> Expression:
        return Number(-self.value) if isinstance(self, Number) else Operation("", self)


class Number(Expression):
    """A constant."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        super().__init__(value, None)


class Reference(Expression):
    """A cell, by whatever whoever writes the formula down knows it."""

    __slots__ = ("cell",)

    def __init__(self, cell: Any, home: Home | None, value: float = math.nan) -> None:
        super().__init__(value, home)
        self.cell = cell


class Operation(Expression):
    """An operation on expressions.

    Attributes:
        sign: what stands between two, or nothing for a minus before one; or the name of a
            function. ``IF`` chooses by whether its first is above 0.
        decimals: of ``ROUND``.
    """

    __slots__ = ("decimals", "sign")

    def __init__(self, sign: str, *parts: Expression, decimals: int = 0) -> None:
        values = [part.value for part in parts]
        with np.errstate(all="ignore"):
            value = (
                round(float(values[0]), decimals) if sign == "ROUND" else _OPERATIONS[sign](*values)
            )
        super().__init__(value, next((p.home for p in parts if p.home is not None), None), *parts)
        self.sign, self.decimals = sign, decimals


def expression(value: Any) -> Expression:
    """Return a value as an expression."""
    return value if isinstance(value, Expression) else Number(float(value))


class NotLiveError(Exception):
    """A computation that cannot be written as formulas; the text says why."""


class Formulas(Elementary):
    """The arithmetic whose numbers are formulas.

    Args:
        home: where cells are made.
    """

    def __init__(self, home: Home) -> None:
        self.home = home

    def numbers(self, values: Any) -> Array:
        """Return given numbers as references, constants as they are."""

        def number(value: Any) -> Expression:
            given = self.home.given(value)
            return Number(value) if given is None else given

        return each(number, np.array(values, dtype=object))

    def factor(self, value: float) -> Any:
        """Return a given constant, such as LR, as a reference."""
        return self.numbers(value)[()]

    def function(self, name: str, x: Array) -> Array:
        """Return a function of every element."""
        return each(lambda value: Operation(name, expression(value)), x)

    def choose(self, condition: Array, yes: Any, no: Any) -> Array:
        """IF(condition > 0, yes, no) for every element."""
        return each(lambda *parts: _chosen(*map(expression, parts)), condition, yes, no)

    def rounded(self, x: Array, to: Callable[[float], float]) -> Array:
        """ROUND of every element.

        Raises:
            NotLiveError: it is no rounding to decimals.
        """
        decimals = _decimals(to)
        return each(lambda value: _rounded(expression(value), decimals), x)


def _chosen(condition: Expression, yes: Expression, no: Expression) -> Expression:
    if isinstance(yes, Number) and isinstance(no, Number) and yes.value == no.value:
        return yes  # how programs make ones of a shape
    if isinstance(condition, Number):
        return yes if condition.value > 0 else no
    return Operation("IF", condition, yes, no)


def _rounded(value: Expression, decimals: int) -> Expression:
    """Return ROUND; of a given that is a tie the even neighbour, as ``bugs`` rounds.

    A spreadsheet rounds ties away from 0. Numbers that are computed hit none, but for chance.
    """
    plainly = Operation("ROUND", value, decimals=decimals)
    given = isinstance(value, Reference) and getattr(value.cell, "formula", "none") is None
    if not given or (Fraction(float(value.value)) * 10**decimals) % 1 != _HALF:
        return plainly
    power = Number(10.0**decimals)
    scaled = value * power
    even = 2.0 * Operation("ROUND", scaled / 2.0) / power
    no_tie: Expression = 0.5 - Operation("ABS", scaled - Operation("ROUND", scaled))
    return Operation("IF", no_tie, plainly, even)


_HALF = Fraction(1, 2)
_TRIED = (1 / 3, 2 / 7, 12.3456789012345, -0.000123456789)


def _decimals(to: Callable[[float], float]) -> int:
    """Return to how many decimals a function rounds."""
    for decimals in range(16):
        if all(to(value) == round(value, decimals) for value in _TRIED):
            return decimals
    raise NotLiveError("a short binary format cannot be written as a spreadsheet formula")


# written down


SPREADSHEET = {"+": "+", "-": "-", "*": "*", "/": "/", "": "-", ",": ",", ">": ">"}
PEOPLE = {"+": " + ", "-": " − ", "*": " · ", "/": " / ", "": "−", ",": ", ", ">": " > "}


def written(
    tree: Expression, name: Callable[[Any], str], signs: dict[str, str] = SPREADSHEET
) -> str:
    """Return a formula as text, without an equals sign.

    Args:
        tree: the formula.
        name: what a cell is called; a text that begins with a minus gets brackets where
            they are needed.
        signs: how operators are written.
    """
    return _text(tree, name, signs)[0]


def _text(tree: Expression, name: Callable[[Any], str], signs: dict[str, str]) -> tuple[str, int]:
    """Return the text and how strongly it binds."""
    if isinstance(tree, Reference):
        return _signed(name(tree.cell))
    if not isinstance(tree, Operation):
        return _signed(plain(float(tree.value)).replace("-", signs[""]))
    texts = [_text(part, name, signs) for part in tree.parts]
    binds = _PRECEDENCE.get(tree.sign, _ATOM)
    if binds == _ATOM:
        parts = [text for text, _ in texts]
        if tree.sign == "IF":
            parts[0] += f"{signs['>']}0"
        if tree.sign == "ROUND":
            parts.append(str(tree.decimals))
        return f"{tree.sign}({signs[','].join(parts)})", _ATOM
    if binds == _SIGN:
        inner, other = texts[0]
        return f"{signs['']}{_within(inner, other > _SIGN)}", _SIGN
    (left, one), (right, other) = texts
    # on the right, brackets also where the sign is the same: they keep the order
    # and around a minus that leads a product, which would follow another sign
    bare = one >= binds and not (binds == _PRODUCT and left.startswith(("-", "−")))
    text = f"{_within(left, bare)}{signs[tree.sign]}"
    return text + _within(right, other > binds and other != _SIGN), binds


def _within(text: str, bare: bool) -> str:  # noqa: FBT001 - said where it is called
    return text if bare else f"({text})"


def _signed(text: str) -> tuple[str, int]:
    return text, _SIGN if text.startswith(("-", "−")) else _ATOM


def plain(value: float) -> str:
    """Return a constant as a formula writes it, with every bit."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def cells_in(tree: Expression) -> Iterator[Any]:
    """Yield the cells that a formula refers to, from left to right."""
    if isinstance(tree, Reference):
        yield tree.cell
    for part in tree.parts:
        yield from cells_in(part)


def exponents(tree: Expression) -> Iterator[Expression]:
    """Yield what stands within EXP in a formula."""
    if isinstance(tree, Operation) and tree.sign == "EXP":
        yield tree.parts[0]
    for part in tree.parts:
        yield from exponents(part)
