"""Working out a term in any arithmetic: exact fractions, residues, degrees."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol, TypeVar

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof.terms import Leaf, Term

T = TypeVar("T")


class UndefinedError(Exception):
    """A term that has no value: a division by 0, or more than can be handled."""


class Algebra(Protocol[T]):
    """An arithmetic in which terms can be worked out.

    A condition is a number: 1 where it holds, else 0.
    """

    def number(self, value: Fraction) -> T:
        """Return a constant."""

    def leaf(self, role: Leaf) -> T:
        """Return what a role stands for."""

    def add(self, parts: list[T]) -> T:
        """Return a sum."""

    def multiply(self, parts: list[T]) -> T:
        """Return a product."""

    def divide(self, over: T, under: T) -> T:
        """Return a quotient; UndefinedError if the divisor is 0."""

    def call(self, name: str, args: list[T]) -> T:
        """Return a function: EXP, LN, TANH, SQRT, or MAX of any number of arguments."""

    def positive(self, value: T) -> T:
        """Return 1 if a value is positive, else 0."""


def evaluate(term: Term, algebra: Algebra[T]) -> T:  # noqa: PLR0911 - a kind of term each
    """Return the value of a term.

    Raises:
        UndefinedError: it has none.
        FormulaError: it holds something that no arithmetic knows.
    """
    kind = term[0]
    if kind == "leaf":
        return algebra.leaf(term[1])
    if kind == "number":
        return algebra.number(term[1])
    if kind in ("sum", "product"):
        parts = [evaluate(part, algebra) for part in term[1]]
        return algebra.add(parts) if kind == "sum" else algebra.multiply(parts)
    if kind == "quotient":
        return algebra.divide(evaluate(term[1], algebra), evaluate(term[2], algebra))
    if kind == "call":
        return _called(term[1], [evaluate(part, algebra) for part in term[2]], algebra)
    if kind == "if":
        yes, no = evaluate(term[2], algebra), evaluate(term[3], algebra)
        change = algebra.add([yes, _negative(no, algebra)])
        return algebra.add([no, algebra.multiply([_truth(term[1], algebra), change])])
    if kind in ("compare", "all"):
        return _truth(term, algebra)
    raise FormulaError(str(term[1]))


def _negative(value: T, algebra: Algebra[T]) -> T:
    return algebra.multiply([algebra.number(Fraction(-1)), value])


def _complement(value: T, algebra: Algebra[T]) -> T:
    return algebra.add([algebra.number(Fraction(1)), _negative(value, algebra)])


def _called(name: str, args: list[T], algebra: Algebra[T]) -> T:
    if name != "ABS":
        return algebra.call(name, args)
    opposite = _negative(args[0], algebra)
    above, below = algebra.positive(args[0]), algebra.positive(opposite)
    return algebra.multiply([args[0], algebra.add([above, _negative(below, algebra)])])


def _truth(term: Term, algebra: Algebra[T]) -> T:
    """Return a condition as 0 or 1."""
    if term[0] == "all":
        return algebra.multiply([_truth(part, algebra) for part in term[1]])
    if term[0] != "compare":
        return _complement(_is_zero(evaluate(term, algebra), algebra), algebra)
    return _comparison(term[1], evaluate(term[2], algebra), evaluate(term[3], algebra), algebra)


def _comparison(sign: str, left: T, right: T, algebra: Algebra[T]) -> T:
    """Every comparison is one of a difference with 0."""
    if sign in ("<", ">="):
        left, right = right, left
    gap = algebra.add([left, _negative(right, algebra)])
    value = _is_zero(gap, algebra) if sign in ("=", "<>") else algebra.positive(gap)
    return _complement(value, algebra) if sign in ("<>", "<=", ">=") else value


def _is_zero(gap: T, algebra: Algebra[T]) -> T:
    """A number is positive, or its opposite is, or it is 0."""
    opposite = _negative(gap, algebra)
    sides = [algebra.positive(gap), algebra.positive(opposite)]
    return _complement(algebra.add(sides), algebra)
