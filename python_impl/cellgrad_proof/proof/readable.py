"""Terms as people read them: formulas of named quantities."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from cellgrad_proof.proof.terms import Adjoint, Leaf, Term

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
