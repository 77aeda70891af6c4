"""Formulas as trees: what a program calculates with, so that its steps can be written down.

A tree can be written as a spreadsheet formula, with names, or with numbers put in; and it knows
its value in double precision. Operators keep the order of evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellgrad_audit.bugs.arithmetic import Array, Doubles

_SUM, _PRODUCT, _SIGN, _ATOM = range(1, 5)
_PRECEDENCE = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def _computed(sign: str, left: Expression, right: Expression) -> Any:
    with np.errstate(all="ignore"):
        return _BINARY[sign](left.value, right.value)


def _of_doubles(name: str) -> Callable[[Any], Any]:
    function: Callable[[NDArray[Any]], NDArray[Any]] = getattr(Doubles(), name)
    return lambda value: function(np.array([value]))[0]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "EXP": _of_doubles("exp"),
    "LN": _of_doubles("log"),
    "TANH": _of_doubles("tanh"),
    "SQRT": _of_doubles("sqrt"),
    "ABS": _of_doubles("absolute"),
    "IF": lambda condition, yes, no: yes if condition > 0 else no,
}

LARGEST = 150
"""A formula of more references is cut in two: a cell holds 8,192 characters."""


class Home(Protocol):
    """Where cells are made."""

    def aside(self, expression: Expression) -> Expression:
        """Give a part of a long formula a cell of its own and return a reference to it."""

    def given(self, value: float) -> Expression | None:
        """Return a reference to a given number, None if it is a constant of the program's."""


class Expression:
    """A number, a reference, or an operation on expressions.

    Attributes:
        value: in double precision, as ``bugs`` computes it.
        size: how many references and numbers it holds.
        home: where cells are made; None for a constant.
    """

    __slots__ = ("home", "size", "value")
    precedence = _ATOM

    def __init__(self, value: Any, size: int, home: Home | None) -> None:
        self.value, self.size, self.home = np.float64(value), size, home

    def parts(self) -> tuple[Expression, ...]:
        """Return what it is made of."""
        return ()

    def __add__(self, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented  # element by element, by NumPy
        return _added(self, expression(other))

    def __radd__(self, other: Any) -> Any:
        return expression(other) + self

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        right = expression(other)
        if _is(self, 0.0):
            return -right
        return self if _is(right, 0.0) else _joined("-", self, right)

    def __rsub__(self, other: Any) -> Any:
        return expression(other) - self

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        right = expression(other)
        if _is(self, 0.0) or _is(right, 0.0):  # how programs make zeros of a shape
            return Number(0.0)
        return _joined("*", self, right)

    def __rmul__(self, other: Any) -> Any:
        return expression(other) * self

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        return _joined("/", self, expression(other))

    def __rtruediv__(self, other: Any) -> Any:
        return expression(other) / self

    def __neg__(self) -> Any:
        return Number(-self.value) if isinstance(self, Number) else Negative(self)


class Number(Expression):
    """A constant."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        super().__init__(value, 1, None)


class Reference(Expression):
    """A cell, by whatever whoever writes the formula down knows it."""

    __slots__ = ("cell",)

    def __init__(self, cell: Any, home: Home | None, value: float = math.nan) -> None:
        super().__init__(value, 1, home)
        self.cell = cell


class Operation(Expression):
    """Two expressions and a sign between them."""

    __slots__ = ("left", "right", "sign")

    def __init__(self, sign: str, left: Expression, right: Expression) -> None:
        super().__init__(
            _computed(sign, left, right), left.size + right.size, left.home or right.home
        )
        self.sign, self.left, self.right = sign, left, right

    @property
    def precedence(self) -> int:  # type: ignore[override]
        """How strongly its sign binds."""
        return _PRECEDENCE[self.sign]

    def parts(self) -> tuple[Expression, ...]:
        """Return both sides."""
        return self.left, self.right


class Negative(Expression):
    """An expression with the other sign."""

    __slots__ = ("of",)
    precedence = _SIGN

    def __init__(self, of: Expression) -> None:
        super().__init__(-of.value, of.size, of.home)
        self.of = of

    def parts(self) -> tuple[Expression, ...]:
        """Return what has the other sign."""
        return (self.of,)


class Call(Expression):
    """A function of expressions; ``IF`` chooses by whether its first is above 0."""

    __slots__ = ("arguments", "decimals", "name")

    def __init__(self, name: str, *arguments: Expression, decimals: int = 0) -> None:
        home = next((a.home for a in arguments if a.home is not None), None)
        values = [argument.value for argument in arguments]
        value = round(float(values[0]), decimals) if name == "ROUND" else _FUNCTIONS[name](*values)
        super().__init__(value, sum(a.size for a in arguments), home)
        self.name, self.arguments, self.decimals = name, arguments, decimals

    def parts(self) -> tuple[Expression, ...]:
        """Return the arguments."""
        return self.arguments


def expression(value: Any) -> Expression:
    """Return a value as an expression."""
    return value if isinstance(value, Expression) else Number(float(value))


def _is(part: Expression, value: float) -> bool:
    return isinstance(part, Number) and part.value == value


def _added(left: Expression, right: Expression) -> Expression:
    if _is(left, 0.0):
        return right
    return left if _is(right, 0.0) else _joined("+", left, right)


def _joined(sign: str, left: Expression, right: Expression) -> Expression:
    if isinstance(left, Number) and isinstance(right, Number):
        return Number(_computed(sign, left, right))
    whole = Operation(sign, left, right)
    if whole.size > LARGEST and whole.home is not None:
        return whole.home.aside(whole)
    return whole


class NotLiveError(Exception):
    """A computation that cannot be written as formulas; the text says why."""


class Formulas:
    """The arithmetic whose numbers are formulas.

    Args:
        home: where cells are made.
    """

    def __init__(self, home: Home) -> None:
        self.home = home

    def numbers(self, values: Any) -> Array:
        """Return given numbers as references, constants as they are."""
        array = np.array(values, dtype=object)
        numbers = np.empty(array.shape, dtype=object)
        for index, value in np.ndenumerate(array):
            given = self.home.given(value)
            numbers[index] = Number(value) if given is None else given
        return numbers

    def factor(self, value: float) -> Any:
        """Return a given constant, such as LR, as a reference."""
        return self.numbers(value)[()]

    def exp(self, x: Array) -> Array:
        """EXP of every element."""
        return _each(lambda value: Call("EXP", value), x)

    def log(self, x: Array) -> Array:
        """LN of every element."""
        return _each(lambda value: Call("LN", value), x)

    def tanh(self, x: Array) -> Array:
        """TANH of every element."""
        return _each(lambda value: Call("TANH", value), x)

    def sqrt(self, x: Array) -> Array:
        """SQRT of every element."""
        return _each(lambda value: Call("SQRT", value), x)

    def absolute(self, x: Array) -> Array:
        """ABS of every element."""
        return _each(lambda value: Call("ABS", value), x)

    def choose(self, condition: Array, yes: Any, no: Any) -> Array:
        """IF(condition > 0, yes, no) for every element."""
        conditions = np.asarray(condition, dtype=object)
        first, other = (
            np.broadcast_to(np.asarray(value, dtype=object), conditions.shape)
            for value in (yes, no)
        )
        chosen = np.empty(conditions.shape, dtype=object)
        for index in np.ndindex(conditions.shape):
            chosen[index] = _chosen(*(expression(a[index]) for a in (conditions, first, other)))
        return chosen

    def rounded(self, x: Array, to: Callable[[float], float]) -> Array:
        """ROUND of every element.

        Raises:
            NotLiveError: it is no rounding to decimals.
        """
        decimals = _decimals(to)
        return _each(lambda value: _rounded(value, decimals), x)


def _chosen(condition: Expression, yes: Expression, no: Expression) -> Expression:
    if isinstance(yes, Number) and isinstance(no, Number) and yes.value == no.value:
        return yes  # how programs make ones of a shape
    if isinstance(condition, Number):
        return yes if condition.value > 0 else no
    return Call("IF", condition, yes, no)


def _each(function: Callable[[Expression], Expression], x: Any) -> Array:
    array = np.asarray(x, dtype=object)
    results = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        results[index] = function(expression(array[index]))
    return results


def _rounded(value: Expression, decimals: int) -> Expression:
    """Return ROUND; of a given that is a tie the even neighbour, as ``bugs`` rounds.

    A spreadsheet rounds ties away from 0. Numbers that are computed hit none, but for chance.
    """
    plainly = Call("ROUND", value, decimals=decimals)
    given = isinstance(value, Reference) and getattr(value.cell, "formula", "none") is None
    if not given or (Fraction(float(value.value)) * 10**decimals) % 1 != _HALF:
        return plainly
    power = Number(10.0**decimals)
    scaled = value * power
    even = 2.0 * Call("ROUND", scaled / 2.0) / power
    no_tie: Expression = 0.5 - Call("ABS", scaled - Call("ROUND", scaled))
    return Call("IF", no_tie, plainly, even)


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
    if isinstance(tree, Number):
        return _signed(plain(float(tree.value)).replace("-", signs[""]))
    if isinstance(tree, Reference):
        return _signed(name(tree.cell))
    if isinstance(tree, Negative):
        inner, binds = _text(tree.of, name, signs)
        return f"{signs['']}{_within(inner, binds > _SIGN)}", _SIGN
    if isinstance(tree, Call):
        parts = [_text(part, name, signs)[0] for part in tree.arguments]
        if tree.name == "IF":
            parts[0] += f"{signs['>']}0"
        if tree.name == "ROUND":
            parts.append(str(tree.decimals))
        return f"{tree.name}({signs[','].join(parts)})", _ATOM
    if not isinstance(tree, Operation):
        raise TypeError(f"{type(tree).__name__} is no formula")
    (left, one), (right, other) = (_text(part, name, signs) for part in tree.parts())
    binds = tree.precedence
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
    for part in tree.parts():
        yield from cells_in(part)


def exponents(tree: Expression) -> Iterator[Expression]:
    """Yield what stands within EXP in a formula."""
    if isinstance(tree, Call) and tree.name == "EXP":
        yield tree.arguments[0]
    for part in tree.parts():
        yield from exponents(part)
