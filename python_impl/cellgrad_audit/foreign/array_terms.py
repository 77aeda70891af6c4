"""From a formula of somebody else's to terms, one for every cell that it fills.

Beyond the function set of our own workbooks it reads what sheets in the wild use: MMULT,
TRANSPOSE, arithmetic of whole ranges (array formulas), SUMSQ, PRODUCT, AVERAGE, POWER, SIGN.
What it does not know it declines, by name; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import Term
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
