"""What the program calculates with: doubles, or numbers that carry their error bounds.

The equations are written once, over arrays; an arithmetic says what the elements are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad_audit.bugs.running import Running, given

Array = NDArray[Any]


FUNCTIONS = ("EXP", "LN", "TANH", "SQRT", "ABS")


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
        array = np.array(values, dtype=np.float64)
        return self._array([given(v, self.precision) for v in array.ravel().tolist()], array.shape)

    def factor(self, value: float) -> Any:
        """Return a given constant, such as LR; it may be distributed over a sum."""
        return given(value, self.precision, factor=True)

    def function(self, name: str, x: Array) -> Array:
        """Return a function of every element."""
        return self._array([_RUNNING[name](value) for value in x.ravel()], x.shape)

    def choose(self, condition: Array, yes: Array | float, no: Array | float) -> Array:
        """IF(condition > 0, yes, no) for every element: the branch that is taken."""
        first, other = (np.broadcast_to(np.asarray(v, object), condition.shape) for v in (yes, no))
        chosen = [
            self._number(a if c.value > 0 else b)
            for c, a, b in zip(condition.ravel(), first.ravel(), other.ravel(), strict=True)
        ]
        return self._array(chosen, condition.shape)

    def rounded(self, x: Array, to: Callable[[float], float]) -> Array:
        """Return every element as another format holds it.

        A value that lies within its bound of a tie may go either way: the bound then holds
        both.
        """
        rounded = []
        for number in x.ravel():
            value, bound = to(number.value), number.bound
            spread = max(
                abs(to(number.value + bound) - value), abs(to(number.value - bound) - value)
            )
            rounded.append(Running(value, spread, number.unit, abs(value)))
        return self._array(rounded, x.shape)

    def _number(self, value: Any) -> Running:
        return value if isinstance(value, Running) else given(float(value), self.precision)

    @staticmethod
    def _array(values: Sequence[Running], shape: tuple[int, ...]) -> Array:
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array.reshape(shape)


Arithmetic = Doubles | RunningBounds


def total(terms: Sequence[Array]) -> Array:
    """Return the sum from left to right, as the derivation adds."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result
