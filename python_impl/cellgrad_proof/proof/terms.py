"""Terms: formulas whose leaves are roles instead of cells.

A term is a tuple: ``("number", Fraction)``, ``("leaf", Leaf)``, ``("sum", terms)``,
``("product", terms)``, ``("quotient", over, under)``, ``("call", name, terms)``,
``("compare", sign, left, right)``, ``("all", conditions)``, ``("if", condition, yes, no)``.
Sums and products take any number of terms, so that a long formula is no deep one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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


def replaced(term: Term, old: Term, new: Term) -> Term:
    """Return a term with another one in place of one of its parts, wherever that stands."""
    if term == old:
        return new
    parts = tuple(replaced(part, old, new) for part in operands(term))
    kind = term[0]
    if kind in ("sum", "product", "all"):
        return (kind, parts)
    if kind == "call":
        return (kind, term[1], parts)
    if kind == "compare":
        return (kind, term[1], *parts)
    return (kind, *parts) if parts else term


def leaves(term: Term) -> Iterator[Leaf]:
    """Yield every leaf of a term, as often as it stands there."""
    stack = [term]
    while stack:
        top = stack.pop()
        if top[0] == "leaf":
            yield top[1]
        else:
            stack += operands(top)


def walk(term: Term) -> Iterator[Term]:
    """Yield a term and every term in it."""
    stack = [term]
    while stack:
        top = stack.pop()
        yield top
        stack += operands(top)


def size(term: Term) -> int:
    """Return how many nodes a term has."""
    return sum(1 for _ in walk(term))


Source = Callable[[Leaf], Leaf]
"""Gives the leaf that a leaf is a copy of; itself if it is none."""


def unordered(term: Term, source: Source) -> Any:
    """Return a form that is the same for terms that differ in order, or in copies, only.

    Sums of sums are flat in it, and so are products of products; a factor −1 counts as a sign.
    """
    kind = term[0]
    if kind == "leaf":
        return ("leaf", source(term[1]))
    if kind == "number":
        return term
    if kind in ("sum", "product"):
        parts = Counter(unordered(part, source) for part in _flat(kind, term))
        if kind == "product":
            negative = parts.pop(MINUS_ONE, 0) % 2
            if negative:
                parts[MINUS_ONE] = 1
        if parts.total() == 1:
            return next(iter(parts))
        return (kind, frozenset(parts.items()))
    head = term[:2] if kind in ("call", "compare") else term[:1]
    return (*head, *(unordered(part, source) for part in operands(term)))


def _flat(kind: str, term: Term) -> list[Term]:
    found: list[Term] = []
    stack = [term]
    while stack:
        top = stack.pop()
        if top[0] == kind:
            stack += top[1]
        else:
            found.append(top)
    return found


_SUM, _PRODUCT, _ATOM = 1, 2, 9
MOST_CHARACTERS = 2_000

Label = Callable[[Leaf], str]
"""Gives the name of a role."""


def readable(term: Term, label: Label) -> str:
    """Return a term as a formula whose operands are names; a long one is cut."""
    try:
        text = _text(term, label)[0]
    except RecursionError:
        return "…"
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def _text(term: Term, label: Label) -> tuple[str, int]:  # noqa: PLR0911 - a kind of term each
    kind = term[0]
    if kind == "number":
        return _number(term[1])
    if kind == "leaf":
        return label(term[1]), _ATOM
    if kind == "sum":
        return _sum(term, label), _SUM
    if kind == "product":
        return _product(term, label)
    if kind == "quotient":
        over, under = _wrapped(term[1], label, _PRODUCT), _wrapped(term[2], label, _ATOM)
        return f"{over} / {under}", _PRODUCT
    if kind == "call":
        args = ", ".join(_text(arg, label)[0] for arg in term[2])
        return f"{term[1]}({args})", _ATOM
    if kind == "compare":
        return f"{_text(term[2], label)[0]} {term[1]} {_text(term[3], label)[0]}", 0
    if kind == "all":
        return f"AND({', '.join(_text(part, label)[0] for part in term[1])})", _ATOM
    return f"IF({', '.join(_text(part, label)[0] for part in term[1:])})", _ATOM


def _number(value: Fraction) -> tuple[str, int]:
    if value.denominator == 1:
        text = str(value.numerator)
    else:
        text = f"{float(value):.17g}"
        if Fraction(text) != value:
            text = f"{value.numerator}/{value.denominator}"
    return text, _SUM if text.startswith("-") or "/" in text else _ATOM


def _sum(term: Term, label: Label) -> str:
    text = ""
    for n, part in enumerate(term[1]):
        written = _wrapped(part, label, _SUM)
        if n and written.startswith("-"):
            text += f" - {written[1:]}"
        else:
            text += f" + {written}" if n else written
    return text


def _product(term: Term, label: Label) -> tuple[str, int]:
    factors = list(term[1])
    sign = ""
    if factors[0] == ("number", Fraction(-1)) and len(factors) > 1:
        sign, factors = "-", factors[1:]
    text = " * ".join(_wrapped(factor, label, _PRODUCT + bool(n)) for n, factor in
                      enumerate(factors))  # fmt: skip
    return sign + text, _SUM if sign else _PRODUCT


def _wrapped(term: Term, label: Label, least: int) -> str:
    text, rank = _text(term, label)
    return text if rank >= least else f"({text})"


def adjoint_name(adjoint: Adjoint, label: Label) -> str:
    """Return the name of a derivative that no cell holds."""
    return f"∂{label(adjoint.of)}/∂{label(adjoint.by)}"
