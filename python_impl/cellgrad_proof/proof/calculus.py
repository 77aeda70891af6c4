"""Derivatives of terms, rule by rule.

Where a function has a kink its derivative is that of the branch which the formula itself takes
there; MAX(0, z) counts as IF(z > 0, z, 0), so that ReLU′(0) = 0. A condition is constant on
either side.
Source: reference/equations.md, "Other activation functions".
"""

from __future__ import annotations

from cellgrad.formula.tree import FormulaError
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import ONE, ZERO, Leaf, Term


def derivative(term: Term, by: Leaf) -> Term:  # noqa: PLR0911 - a kind of term each
    """Return the derivative of a term by one of its leaves, the others held.

    Raises:
        FormulaError: it has none that is known.
    """
    kind = term[0]
    if kind == "leaf":
        return ONE if term[1] == by else ZERO
    if kind == "sum":
        return terms.total(derivative(part, by) for part in term[1])
    if kind == "product":
        return _of_product(term[1], by)
    if kind == "quotient":
        return _of_quotient(term[1], term[2], by)
    if kind == "call":
        return _of_call(term, by)
    if kind == "if":
        return terms.choice(term[1], derivative(term[2], by), derivative(term[3], by))
    return ZERO  # numbers, and conditions


def _of_product(factors: tuple[Term, ...], by: Leaf) -> Term:
    found = []
    for n, factor in enumerate(factors):
        slope = derivative(factor, by)
        if slope != ZERO:
            found.append(terms.product(slope, *factors[:n], *factors[n + 1 :]))
    if len(found) > 1 and all(term == found[0] for term in found):
        return terms.product(terms.number(len(found)), found[0])  # such as 2 · FE
    return terms.total(found)


def _of_quotient(over: Term, under: Term, by: Leaf) -> Term:
    first, second = derivative(over, by), derivative(under, by)
    if second == ZERO:
        return terms.quotient(first, under)
    carried = terms.difference(terms.product(first, under), terms.product(over, second))
    return terms.quotient(carried, terms.product(under, under))


def _of_call(term: Term, by: Leaf) -> Term:
    name, args = term[1], term[2]
    if name == "MAX":
        return _of_largest(args, by)
    x = args[0]
    inner = derivative(x, by)
    if inner == ZERO:
        return ZERO
    if name == "EXP":
        outer = term
    elif name == "TANH":
        outer = terms.difference(ONE, terms.product(term, term))
    elif name == "LN":
        outer = terms.quotient(ONE, x)
    elif name == "SQRT":
        outer = terms.quotient(ONE, terms.product(terms.number(2), term))
    elif name == "ABS":
        outer = terms.choice(terms.compare(">", x, ZERO), ONE, terms.MINUS_ONE)
    else:
        raise FormulaError(f"{name} has no derivative here")
    return terms.product(inner, outer)


def _of_largest(args: tuple[Term, ...], by: Leaf) -> Term:
    slopes = [derivative(arg, by) for arg in args]
    if all(slope == ZERO for slope in slopes):
        return ZERO
    constant = [n for n, slope in enumerate(slopes) if slope == ZERO]
    if len(args) != 2 or not constant:
        raise FormulaError("MAX of several numbers that move has no derivative here")
    moving = 1 - constant[0]
    return terms.choice(terms.compare(">", args[moving], args[constant[0]]), slopes[moving], ZERO)
