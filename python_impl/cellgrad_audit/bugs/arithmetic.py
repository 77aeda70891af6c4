"""What the program calculates with: doubles, or numbers that carry their error bounds.

The equations are written once, over arrays; an arithmetic says what the elements are.

Bounds follow the same rules as in ``cellgrad.bounds``, for a computation instead of a workbook: a
value and how far any correct floating-point computation of it may lie from the exact one. Terms
may be added in any order, a constant factor may be distributed over a sum (the mean of gradients
is the sum of their shares), a product and a sum may be fused; EXP, LN and TANH are within 2 ulp.
First order, for a few updates only. Source: reference/equations.md, "Error bounds".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


FUNCTIONS = ("EXP", "LN", "TANH", "SQRT", "ABS")


def each(function: Callable[..., Any], *arrays: Any) -> Array:
    """Return what a function makes of every element, or of elements that meet, as objects."""
    with np.errstate(all="ignore"):
        return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), dtype=object)


class Elementary:
    """The elementary functions, by the names that a sheet has for them."""

    def function(self, name: str, x: Array) -> Array:
        """Return a function of every element."""
        raise NotImplementedError

    def exp(self, x: Array) -> Array:
        """EXP of every element."""
        return self.function("EXP", x)

    def log(self, x: Array) -> Array:
        """LN of every element."""
        return self.function("LN", x)

    def tanh(self, x: Array) -> Array:
        """TANH of every element."""
        return self.function("TANH", x)

    def sqrt(self, x: Array) -> Array:
        """SQRT of every element."""
        return self.function("SQRT", x)

    def absolute(self, x: Array) -> Array:
        """ABS of every element."""
        return self.function("ABS", x)


class Doubles(Elementary):
    """Double precision, functions from the platform's mathematical library."""

    def numbers(self, values: Any) -> Array:
        """Return given numbers as an array."""
        return np.array(values, dtype=np.float64)

    def factor(self, value: float) -> Any:
        """Return a given constant, such as LR, as a scalar."""
        return np.float64(value)

    def function(self, name: str, x: Array) -> Array:
        """Return a function of every element."""
        return _DOUBLES[name](x)

    def choose(self, condition: Array, yes: Array | float, no: Array | float) -> Array:
        """IF(condition > 0, yes, no) for every element."""
        return np.where(condition > 0, yes, no)

    def rounded(self, x: Array, to: Callable[[float], float]) -> Array:
        """Return every element as another, poorer format holds it."""
        return _each(to, x)


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _each(function: Callable[[float], float], x: Array) -> Array:
    return np.array([function(value) for value in x.ravel().tolist()], dtype=np.float64).reshape(
        x.shape
    )


_DOUBLES: dict[str, Callable[[Array], Array]] = {
    "EXP": lambda x: _each(_exp, x),
    "LN": lambda x: _each(lambda value: math.log(value) if value > 0 else -math.inf, x),
    "TANH": lambda x: _each(math.tanh, x),
    "SQRT": np.sqrt,
    "ABS": np.abs,
}


# numbers that carry their error bounds


UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
"""u of a precision: half the distance from 1 to the next number."""

_ULPS = 4.0
"""2 ulp of EXP, LN and TANH; an ulp is at most 2u·|value|."""


class Running:
    """A value, and a sum's terms so far: their sizes, their errors, how many additions.

    Attributes:
        value: as computed in double precision.
        carried: the error that the terms bring in.
        size: Σ|term| of a sum; of anything else the magnitude.
        additions: how many additions made the value.
        unit: u of the precision that is bounded.
        factor: whether it is a constant that may be distributed over a sum.
    """

    __slots__ = ("additions", "carried", "factor", "size", "unit", "value")

    def __init__(
        self,
        value: float,
        carried: float,
        unit: float,
        size: float,
        additions: int = 0,
        *,
        factor: bool = False,
    ) -> None:
        self.value, self.carried, self.unit = value, carried, unit
        self.size, self.additions, self.factor = size, additions, factor

    @property
    def bound(self) -> float:
        """B: the largest distance from the exact value."""
        if not self.additions:
            return self.carried
        gamma = self.additions * self.unit / (1 - self.additions * self.unit)
        return self.carried + gamma * self.size

    def _of(self, other: object) -> Running:
        if isinstance(other, Running):
            return other
        value = float(other)  # type: ignore[arg-type]
        return Running(value, 0.0, self.unit, abs(value), factor=True)

    def __add__(self, other: object) -> Running:
        if isinstance(other, np.ndarray):
            return NotImplemented  # element by element, by NumPy
        b = self._of(other)
        return Running(
            self.value + b.value,
            self.carried + b.carried,
            self.unit,
            self.size + b.size,
            self.additions + b.additions + 1,
        )

    __radd__ = __add__

    def __neg__(self) -> Running:
        return Running(
            -self.value, self.carried, self.unit, self.size, self.additions, factor=self.factor
        )

    def __sub__(self, other: object) -> Running:
        if isinstance(other, np.ndarray):
            return NotImplemented  # element by element, by NumPy
        return self + (-self._of(other))

    def __rsub__(self, other: object) -> Running:
        return self._of(other) + (-self)

    def __mul__(self, other: object) -> Running:
        if isinstance(other, np.ndarray):
            return NotImplemented  # element by element, by NumPy
        b = self._of(other)
        value, mine, theirs = self.value * b.value, self.bound, b.bound
        size = self.size * b.size if self.factor or b.factor else abs(value)
        error = abs(self.value) * theirs + abs(b.value) * mine + mine * theirs
        if not (_power_of_two(self) or _power_of_two(b)):
            error += self.unit * size
        return Running(value, error, self.unit, size, factor=self.factor and b.factor)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> Running:
        if isinstance(other, np.ndarray):
            return NotImplemented  # element by element, by NumPy
        b = self._of(other)
        value = self.value / b.value
        size = self.size / abs(b.value) if b.factor else abs(value)
        error = (self.bound + abs(value) * b.bound) / abs(b.value)
        if not _power_of_two(b):
            error += self.unit * size
        return Running(value, error, self.unit, size, factor=self.factor and b.factor)

    def __rtruediv__(self, other: object) -> Running:
        return self._of(other) / self

    def __abs__(self) -> Running:
        return Running(abs(self.value), self.bound, self.unit, abs(self.value))

    def _function(self, value: float, slope: float, ulps: float = _ULPS) -> Running:
        error = abs(slope) * self.bound + ulps * self.unit * abs(value)
        return Running(value, error, self.unit, abs(value))

    def exp(self) -> Running:
        """EXP, within 2 ulp; infinite beyond the range of a double."""
        try:
            value = math.exp(self.value)
        except OverflowError:
            return Running(math.inf, math.inf, self.unit, math.inf)
        return self._function(value, value)

    def log(self) -> Running:
        """LN, within 2 ulp; minus infinity at 0."""
        if self.value <= 0:
            return Running(-math.inf, math.inf, self.unit, math.inf)
        return self._function(math.log(self.value), 1 / self.value)

    def tanh(self) -> Running:
        """TANH, within 2 ulp."""
        value = math.tanh(self.value)
        return self._function(value, 1 - value * value)

    def sqrt(self) -> Running:
        """SQRT, correctly rounded."""
        if self.value <= 0:
            return Running(0.0, math.sqrt(self.bound), self.unit, 0.0)
        value = math.sqrt(self.value)
        return self._function(value, 1 / (2 * value), 1.0)


def _power_of_two(number: Running) -> bool:
    """Whether multiplying by it is exact: a constant that is a power of two, or 0."""
    return (
        not number.carried
        and not number.additions
        and abs(math.frexp(number.value)[0]) in (0.5, 0.0)
    )


def given(value: float, precision: str, *, factor: bool = False) -> Running:
    """Return a number that is given; in single precision it may have to be rounded first."""
    unit = UNIT[precision]
    exact = precision == "float64" or float(np.float32(value)) == value
    carried = 0.0 if exact else unit * abs(value)
    return Running(value, carried, unit, abs(value), factor=factor)


def values_of(array: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the values of an array of running numbers."""
    return _parts(array, lambda number: number.value)


def bounds_of(array: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the bounds of an array of running numbers."""
    return _parts(array, lambda number: number.bound)


def _parts(array: NDArray[np.object_], part: Callable[[Running], float]) -> NDArray[np.float64]:
    parts = each(lambda number: part(number) if isinstance(number, Running) else 0.0, array)
    return parts.astype(np.float64)


_RUNNING: dict[str, Callable[[Running], Running]] = {
    "EXP": Running.exp,
    "LN": Running.log,
    "TANH": Running.tanh,
    "SQRT": Running.sqrt,
    "ABS": abs,
}


class RunningBounds(Elementary):
    """Numbers that carry the bound of their error in one precision."""

    def __init__(self, precision: str = "float64") -> None:
        self.precision = precision

    def numbers(self, values: Any) -> Array:
        """Return given numbers as an array of objects."""
        return each(lambda value: given(value, self.precision), np.array(values, np.float64))

    def factor(self, value: float) -> Any:
        """Return a given constant, such as LR; it may be distributed over a sum."""
        return given(value, self.precision, factor=True)

    def function(self, name: str, x: Array) -> Array:
        """Return a function of every element."""
        return each(_RUNNING[name], x)

    def choose(self, condition: Array, yes: Array | float, no: Array | float) -> Array:
        """IF(condition > 0, yes, no) for every element: the branch that is taken."""

        def chosen(condition: Running, yes: Any, no: Any) -> Running:
            taken = yes if condition.value > 0 else no
            return taken if isinstance(taken, Running) else given(float(taken), self.precision)

        return each(chosen, condition, yes, no)

    def rounded(self, x: Array, to: Callable[[float], float]) -> Array:
        """Return every element as another format holds it.

        A value that lies within its bound of a tie may go either way: the bound then holds
        both.
        """

        def rounded(number: Running) -> Running:
            value, bound = to(number.value), number.bound
            sides = (number.value + bound, number.value - bound)
            spread = max(abs(to(side) - value) for side in sides)
            return Running(value, spread, number.unit, abs(value))

        return each(rounded, x)


Arithmetic = Doubles | RunningBounds


def total(terms: Sequence[Array]) -> Array:
    """Return the sum from left to right, as the derivation adds."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result
