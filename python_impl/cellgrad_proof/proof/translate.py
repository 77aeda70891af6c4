"""From a formula to a term.

Nothing is simplified on the way: 0 · (1 / 0) is an error in a spreadsheet, and no 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from cellgrad.formula.algebra import Algebra
from cellgrad.formula.references import Named
from cellgrad.formula.tree import FormulaError, Node
from cellgrad.formula.work_out import WorkOut
from cellgrad.xlsx.addresses import Place
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import Term

Resolve = Callable[[Place], Term]
"""Gives the term that stands for a cell."""

MOST_POWER = 16


class Terms(Algebra[Term]):
    """Terms in place of numbers.

    Args:
        resolve: what the cells that formulas read stand for.
    """

    functions = frozenset(
        ("SUM", "MAX", "SUMPRODUCT", "IF", "AND", "EXP", "LN", "TANH", "SQRT", "ABS")
    )

    most_links = 200

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve

    def cell(self, place: Place) -> Term:
        """Return what a cell stands for."""
        return self.resolve(place)

    def number(self, value: float) -> Term:
        """Return a constant, exactly."""
        return terms.number(Fraction(value))

    def sum(self, terms: Sequence[tuple[int, Term]]) -> Term:
        """Return a sum of any number of terms."""
        return ("sum", tuple(self.negative(term) if sign < 0 else term for sign, term in terms))

    def product(self, factors: Sequence[Term]) -> Term:
        """Return a product of any number of factors."""
        return ("product", tuple(factors))

    def quotient(self, over: Term, under: Term) -> Term:
        """Return a quotient."""
        return ("quotient", over, under)

    def power(self, base: Term, exponent: Term) -> Term:
        """Return a small whole power, as a product."""
        if exponent[0] != "number" or exponent[1] not in range(1, MOST_POWER + 1):
            raise FormulaError("a power other than a small whole one is outside the function set")
        return ("product", (base,) * int(exponent[1]))

    def compare(self, sign: str, left: Term, right: Term) -> Term:
        """Return a condition."""
        return terms.compare(sign, left, right)

    def every(self, conditions: Sequence[Term]) -> Term:
        """Return the condition that all hold."""
        return ("all", tuple(conditions))

    def choice(self, condition: Term, yes: Term, no: Term) -> Term:
        """Return both ways of an IF."""
        return ("if", condition, yes, no)

    def largest(self, values: Sequence[Term]) -> Term:
        """Return MAX as a function."""
        return terms.call("MAX", *values)

    def function(self, name: str, value: Term) -> Term:
        """Return a function of a term; of a constant it must have a value."""
        constant = _constant(value) if name in ("LN", "SQRT") else None
        if constant is not None and (constant < 0 or (constant == 0 and name == "LN")):
            raise FormulaError(f"{name} of a constant that has none")
        return terms.call(name, value)


def term_of(tree: Node, sheet: str, named: Named, resolve: Resolve) -> Term:
    """Return a formula as a term.

    Args:
        tree: the formula, parsed without a place.
        sheet: where it stands.
        named: what defined names stand for.
        resolve: what the cells that it reads stand for.

    Raises:
        FormulaError: it is outside the function set.
    """
    return WorkOut(Terms(resolve), (sheet, 0, 0), named).one(tree)


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
