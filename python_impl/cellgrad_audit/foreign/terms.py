"""From a formula of somebody else's to terms, one for every cell that it fills; their values.

Beyond the function set of our own workbooks it reads what sheets in the wild use: MMULT,
TRANSPOSE, arithmetic of whole ranges (array formulas), SUMSQ, PRODUCT, AVERAGE, POWER, SIGN.
What it does not know it declines, by name; nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.evaluation import UndefinedError, evaluate
from cellgrad_proof.proof.terms import Leaf, Term
from cellgrad_proof.proof.translate import MOST_POWER, Resolve, Terms

Blank = Callable[[Place], bool]
"""Tells whether a cell is empty, or holds a text: SUM and MAX pass it over."""


class ForeignTerms(Terms):
    """Terms of sheets in the wild.

    Args:
        resolve: what the cells that formulas read stand for.
        blank: which cells hold no number.
    """

    functions = Terms.functions | {
        *("MMULT", "TRANSPOSE", "SUMSQ", "SUMXMY2", "PRODUCT", "AVERAGE", "POWER", "SIGN"),
    }

    def __init__(self, resolve: Resolve, blank: Blank) -> None:
        super().__init__(resolve)
        self.blank = blank

    def counts(self, place: Place) -> bool:
        """Tell whether SUM and its kin count a cell."""
        return not self.blank(place)

    def negative(self, value: Term) -> Term:
        """Return −value, joined with the constants of a product."""
        return terms.negative(value)

    def power(self, base: Term, exponent: Term) -> Term:
        """Return a small whole power or a root."""
        value: Fraction = exponent[1] if exponent[0] == "number" else Fraction(0)
        if value == Fraction(1, 2):
            return terms.call("SQRT", base)
        if -value in range(1, MOST_POWER + 1):
            return ("quotient", terms.ONE, ("product", (base,) * int(-value)))
        return super().power(base, exponent)

    def function(self, name: str, value: Term) -> Term:
        """Return a function of a term."""
        if name == "SIGN":
            below = terms.choice(terms.compare("<", value, terms.ZERO), terms.MINUS_ONE, terms.ZERO)
            return terms.choice(terms.compare(">", value, terms.ZERO), terms.ONE, below)
        if name == "SQRT" and value == terms.ZERO:
            raise FormulaError("SQRT of a constant that has none")
        return super().function(name, value)


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
