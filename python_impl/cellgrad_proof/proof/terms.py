"""Terms: formulas whose leaves are roles instead of cells.

A term is a tuple: ``("number", Fraction)``, ``("leaf", Leaf)``, ``("sum", terms)``,
``("product", terms)``, ``("quotient", over, under)``, ``("call", name, terms)``,
``("compare", sign, left, right)``, ``("all", conditions)``, ``("if", condition, yes, no)``.
Sums and products take any number of terms, so that a long formula is no deep one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

Term = tuple[Any, ...]


class Role(NamedTuple):
    """What a cell is in its block.

    Attributes:
        name: the code name of the quantity; ``cell`` for a cell without a role here.
        layer: its weight layer, or None.
        at: which of its numbers; of a cell without a role its sheet, row and column.
    """

    name: str
    layer: int | None = None
    at: tuple[Any, ...] = ()


class Adjoint(NamedTuple):
    """The derivative of one role by another, both of the same block."""

    of: Role
    by: Role


Leaf = Role | Adjoint

ELSEWHERE = "cell"
"""The name of a role that is none: a cell which this block knows nothing of."""


def number(value: int | Fraction) -> Term:
    """Return a constant."""
    return ("number", Fraction(value))


ZERO, ONE, MINUS_ONE = number(0), number(1), number(-1)


def leaf(role: Leaf) -> Term:
    """Return the term that stands for a role."""
    return ("leaf", role)


def elsewhere(place: tuple[str, int, int]) -> Role:
    """Return the role of a cell without one in this block."""
    return Role(ELSEWHERE, None, place)


def total(terms: Iterable[Term]) -> Term:
    """Return a sum; what is 0 is left out."""
    parts = [term for term in terms if term != ZERO]
    if len(parts) < 2:
        return parts[0] if parts else ZERO
    return ("sum", tuple(parts))


def product(*factors: Term) -> Term:
    """Return a product: constants joined in front, products of products made flat."""
    constant, parts = Fraction(1), []
    for factor in factors:
        for part in factor[1] if factor[0] == "product" else (factor,):
            if part[0] == "number":
                constant *= part[1]
            else:
                parts.append(part)
    if constant == 0:
        return ZERO
    if constant != 1 or not parts:
        parts.insert(0, number(constant))
    return parts[0] if len(parts) == 1 else ("product", tuple(parts))


def negative(term: Term) -> Term:
    """Return −term."""
    return product(MINUS_ONE, term)


def difference(left: Term, right: Term) -> Term:
    """Return left − right."""
    return total((left, negative(right)))


def quotient(over: Term, under: Term) -> Term:
    """Return over / under."""
    if over == ZERO or under == ONE:
        return over
    return ("quotient", over, under)


def call(name: str, *args: Term) -> Term:
    """Return a function of terms."""
    return ("call", name, args)


def compare(sign: str, left: Term, right: Term) -> Term:
    """Return a condition: 1 where it holds, else 0."""
    return ("compare", sign, left, right)


def choice(condition: Term, yes: Term, no: Term) -> Term:
    """Return IF(condition, yes, no)."""
    return yes if yes == no else ("if", condition, yes, no)


def operands(term: Term) -> tuple[Term, ...]:
    """Return the terms that a term is made of."""
    kind = term[0]
    if kind in ("sum", "product", "all"):
        return term[1]  # type: ignore[no-any-return]
    if kind in ("quotient", "if"):
        return term[1:]
    if kind in ("call", "compare"):
        return term[2] if kind == "call" else term[2:]
    return ()


def leaves(term: Term) -> Iterator[Leaf]:
    """Yield every leaf of a term, as often as it stands there."""
    stack = [term]
    while stack:
        top = stack.pop()
        if top[0] == "leaf":
            yield top[1]
        else:
            stack += operands(top)


def size(term: Term) -> int:
    """Return how many nodes a term has."""
    count, stack = 0, [term]
    while stack:
        count += 1
        stack += operands(stack.pop())
    return count
