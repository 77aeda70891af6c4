"""The value of a term at given numbers: what a formula gives, by our own reading of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof.evaluation import UndefinedError, evaluate
from cellgrad_proof.proof.terms import Leaf, Term


class _Floats:
    """Plain double arithmetic."""

    def __init__(self, leaf: Callable[[Leaf], float]) -> None:
        self.leaf = leaf

    @staticmethod
    def number(value: Fraction) -> float:
        return float(value)

    @staticmethod
    def add(parts: list[float]) -> float:
        return math.fsum(parts)

    @staticmethod
    def multiply(parts: list[float]) -> float:
        return math.prod(parts)

    @staticmethod
    def divide(over: float, under: float) -> float:
        if under == 0:
            raise UndefinedError("a division by 0")
        return over / under

    @staticmethod
    def call(name: str, args: list[float]) -> float:
        if name == "MAX":
            return max(args)
        return float(_FUNCTIONS[name](args[0]))

    @staticmethod
    def positive(value: float) -> float:
        return 1.0 if value > 0 else 0.0


_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "EXP": math.exp, "LN": math.log, "TANH": math.tanh, "SQRT": math.sqrt,
}  # fmt: skip


def value_of(term: Term, leaf: Callable[[Leaf], float]) -> float:
    """Return the value of a term in double precision; NaN where it has none.

    Args:
        term: the term.
        leaf: the value of each of its leaves.
    """
    try:
        return evaluate(term, _Floats(leaf))
    except (UndefinedError, FormulaError, OverflowError, ValueError, KeyError, RecursionError):
        return math.nan
