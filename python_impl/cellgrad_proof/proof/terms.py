"""Terms: formulas whose leaves are roles instead of cells.

A term is a tuple: ``("number", Fraction)``, ``("leaf", Leaf)``, ``("sum", terms)``,
``("product", terms)``, ``("quotient", over, under)``, ``("call", name, terms)``,
``("compare", sign, left, right)``, ``("all", conditions)``, ``("if", condition, yes, no)``.
Sums and products take any number of terms, so that a long formula is no deep one.

Here: what terms are made of; how a formula becomes one (nothing is simplified on the way:
0 · (1 / 0) is an error in a spreadsheet, and no 0); how one is worked out in any arithmetic
(exact fractions, residues, degrees), and how people read it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeVar

from cellgrad.formula.algebra import Algebra
from cellgrad.formula.references import Named
from cellgrad.formula.tree import FormulaError, Node
from cellgrad.formula.work_out import WorkOut
from cellgrad.xlsx.addresses import Place

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


def walk(term: Term) -> Iterator[Term]:
    """Yield a term and every term in it."""
    stack = [term]
    while stack:
        top = stack.pop()
        yield top
        stack += operands(top)


def leaves(term: Term) -> Iterator[Leaf]:
    """Yield every leaf of a term, as often as it stands there."""
    return (part[1] for part in walk(term) if part[0] == "leaf")


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
        return number(Fraction(value))

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
        return compare(sign, left, right)

    def every(self, conditions: Sequence[Term]) -> Term:
        """Return the condition that all hold."""
        return ("all", tuple(conditions))

    def choice(self, condition: Term, yes: Term, no: Term) -> Term:
        """Return both ways of an IF."""
        return ("if", condition, yes, no)

    def largest(self, values: Sequence[Term]) -> Term:
        """Return MAX as a function."""
        return call("MAX", *values)

    def function(self, name: str, value: Term) -> Term:
        """Return a function of a term; of a constant it must have a value."""
        constant = _constant(value) if name in ("LN", "SQRT") else None
        if constant is not None and (constant < 0 or (constant == 0 and name == "LN")):
            raise FormulaError(f"{name} of a constant that has none")
        return call(name, value)


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


T = TypeVar("T")


class UndefinedError(Exception):
    """A term that has no value: a division by 0, or more than can be handled."""


class Arithmetic(Protocol[T]):
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


def evaluate(term: Term, arithmetic: Arithmetic[T]) -> T:  # noqa: PLR0911 - a kind of term each
    """Return the value of a term.

    Raises:
        UndefinedError: it has none.
        FormulaError: it holds something that no arithmetic knows.
    """
    kind = term[0]
    if kind == "leaf":
        return arithmetic.leaf(term[1])
    if kind == "number":
        return arithmetic.number(term[1])
    if kind in ("sum", "product"):
        parts = [evaluate(part, arithmetic) for part in term[1]]
        return arithmetic.add(parts) if kind == "sum" else arithmetic.multiply(parts)
    if kind == "quotient":
        return arithmetic.divide(evaluate(term[1], arithmetic), evaluate(term[2], arithmetic))
    if kind == "call":
        return _called(term[1], [evaluate(part, arithmetic) for part in term[2]], arithmetic)
    if kind == "if":
        yes, no = evaluate(term[2], arithmetic), evaluate(term[3], arithmetic)
        change = arithmetic.add([yes, _opposite(no, arithmetic)])
        return arithmetic.add([no, arithmetic.multiply([_truth(term[1], arithmetic), change])])
    if kind in ("compare", "all"):
        return _truth(term, arithmetic)
    raise FormulaError(str(term[1]))


def _opposite(value: T, arithmetic: Arithmetic[T]) -> T:
    return arithmetic.multiply([arithmetic.number(Fraction(-1)), value])


def _complement(value: T, arithmetic: Arithmetic[T]) -> T:
    return arithmetic.add([arithmetic.number(Fraction(1)), _opposite(value, arithmetic)])


def _called(name: str, args: list[T], arithmetic: Arithmetic[T]) -> T:
    if name != "ABS":
        return arithmetic.call(name, args)
    opposite = _opposite(args[0], arithmetic)
    above, below = arithmetic.positive(args[0]), arithmetic.positive(opposite)
    return arithmetic.multiply([args[0], arithmetic.add([above, _opposite(below, arithmetic)])])


def _truth(term: Term, arithmetic: Arithmetic[T]) -> T:
    """Return a condition as 0 or 1."""
    if term[0] == "all":
        return arithmetic.multiply([_truth(part, arithmetic) for part in term[1]])
    if term[0] != "compare":
        return _complement(_is_zero(evaluate(term, arithmetic), arithmetic), arithmetic)
    left, right = (evaluate(side, arithmetic) for side in term[2:])
    return _comparison(term[1], left, right, arithmetic)


def _comparison(sign: str, left: T, right: T, arithmetic: Arithmetic[T]) -> T:
    """Every comparison is one of a difference with 0."""
    if sign in ("<", ">="):
        left, right = right, left
    gap = arithmetic.add([left, _opposite(right, arithmetic)])
    value = _is_zero(gap, arithmetic) if sign in ("=", "<>") else arithmetic.positive(gap)
    return _complement(value, arithmetic) if sign in ("<>", "<=", ">=") else value


def _is_zero(gap: T, arithmetic: Arithmetic[T]) -> T:
    """A number is positive, or its opposite is, or it is 0."""
    opposite = _opposite(gap, arithmetic)
    sides = [arithmetic.positive(gap), arithmetic.positive(opposite)]
    return _complement(arithmetic.add(sides), arithmetic)
