"""Following a sheet's formulas: what each cell is a function of, and which function."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place
from cellgrad_audit.foreign.sheets import Foreign, term_at
from cellgrad_audit.foreign.terms import value_of
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import Leaf, Term

MOST_PRODUCTS = 3_000
_DEEPEST = 6

Product = tuple[Fraction, tuple[Place, ...]]
"""A coefficient and the cells that are multiplied."""

_POINTS = (-1.75, -0.375, 0.25, 0.625, 1.5)
_CLOSE = 1e-9


@dataclass(slots=True)
class Formulas:
    """The formulas of a workbook as terms over the cells that they read.

    Attributes:
        foreign: the workbook.
        terms: of every formula that can be read, over ``elsewhere`` roles.
    """

    foreign: Foreign
    terms: dict[Place, Term] = field(default_factory=dict)
    _typed: dict[Place, bool] = field(default_factory=dict)
    _readers: dict[Place, list[Place]] = field(default_factory=dict)

    @classmethod
    def of(cls, foreign: Foreign) -> Formulas:
        """Read every formula of a workbook."""
        found = cls(foreign)
        for place in sorted(foreign.formulas()):
            try:
                found.terms[place] = term_at(foreign, place, found._leaf)
            except FormulaError:
                continue
        for place, term in found.terms.items():
            for read in dict.fromkeys(places_in(term)):
                found._readers.setdefault(read, []).append(place)
        return found

    def _leaf(self, place: Place) -> Term:
        if self.foreign.formula(place) is None and self.foreign.value(place) is None:
            return terms.ZERO
        return terms.leaf(terms.elsewhere(place))

    def typed(self, place: Place) -> bool:
        """Tell whether a cell holds a number that follows from no other cell."""
        if place not in self._typed:
            if self.foreign.formula(place) is None:
                value = self.foreign.value(place)
                self._typed[place] = isinstance(value, float)
            else:
                try:
                    self._typed[place] = not self.foreign.reads(place)
                except FormulaError:
                    self._typed[place] = False
        return self._typed[place]

    def readers(self, place: Place) -> list[Place]:
        """Return the cells whose formulas read a cell directly."""
        return self._readers.get(place, [])

    def number(self, place: Place) -> float:
        """Return the number that a typed cell holds; NaN for none."""
        value = self.foreign.value(place)
        return value if isinstance(value, float) else math.nan

    def products(  # noqa: PLR0911 - a kind of term each
        self, term: Term, stop: Mapping[Place, object], depth: int = 0
    ) -> list[Product] | None:
        """Return a term as a sum of products of cells; None if it is none.

        Args:
            term: the term.
            stop: cells that are left as they are; other formula cells are written out.
            depth: how many formulas lie between.
        """
        kind = term[0]
        if kind == "number":
            return [(term[1], ())] if term[1] else []
        if kind == "leaf":
            place: Place = term[1].at
            inner = self.terms.get(place)
            if place in stop or self.typed(place) or inner is None or depth >= _DEEPEST:
                return [(Fraction(1), (place,))]
            written = self.products(inner, stop, depth + 1)
            return [(Fraction(1), (place,))] if written is None else written
        if kind == "sum":
            found: list[Product] = []
            for part in term[1]:
                added = self.products(part, stop, depth)
                if added is None or len(found) + len(added) > MOST_PRODUCTS:
                    return None
                found += added
            return found
        if kind == "product":
            result: list[Product] = [(Fraction(1), ())]
            for part in term[1]:
                factor = self.products(part, stop, depth)
                if factor is None or len(result) * len(factor) > MOST_PRODUCTS:
                    return None
                result = [(a * b, (*p, *q)) for a, p in result for b, q in factor]
            return result
        return None

    def roots(self, place: Place, stop: Mapping[Place, object]) -> frozenset[Place] | None:
        """Return the stop cells on which a cell depends; None if it depends on typed ones too."""
        found: set[Place] = set()
        seen: set[Place] = set()
        stack = [place]
        while stack:
            top = stack.pop()
            if top in seen:
                continue
            seen.add(top)
            if top in stop and top != place:
                found.add(top)
            elif top in self.terms:
                stack += places_in(self.terms[top])
            else:
                return None
        return frozenset(found)

    def at(self, place: Place, values: Mapping[Place, float], depth: int = 0) -> float:
        """Return what a cell would read if some others had these values."""

        def number(leaf: Leaf) -> float:
            at: Place = leaf.at  # type: ignore[union-attr]
            if at in values:
                return values[at]
            if at in self.terms and depth < 2 * _DEEPEST:
                return self.at(at, values, depth + 1)
            return self.number(at)

        return value_of(self.terms[place], number)


def places_in(term: Term) -> Iterable[Place]:
    """Yield the cells that a term reads."""
    for leaf in terms.leaves(term):
        yield leaf.at  # type: ignore[union-attr]


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _relu(x: float) -> float:
    return max(x, 0.0)


_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "logistic": _logistic,
    "tanh": math.tanh,
    "relu": _relu,
    "identity": float,
}


def activation_of(formulas: Formulas, place: Place, root: Place) -> tuple[str, float]:
    """Return which activation of another cell a cell is, and a leaky slope; "" for none."""
    found = [formulas.at(place, {root: x}) for x in _POINTS]
    if any(math.isnan(y) for y in found):
        return "", 0.0
    for name, function in _FUNCTIONS.items():
        if all(abs(y - function(x)) <= _CLOSE for x, y in zip(_POINTS, found, strict=True)):
            return name, 0.0
    slopes = {round(y / x, 9) for x, y in zip(_POINTS, found, strict=True) if x < 0}
    above = all(abs(y - x) <= _CLOSE for x, y in zip(_POINTS, found, strict=True) if x > 0)
    if above and len(slopes) == 1 and 0 < min(slopes) < 1:
        return "leaky_relu", slopes.pop()
    return "", 0.0


def softmax_of(formulas: Formulas, place: Place, roots: list[Place]) -> Place | None:
    """Return of which of some cells a cell is the softmax output; None for none."""
    rng = random.Random(len(roots))  # noqa: S311 - any point will do
    best: set[Place] | None = None
    for _ in range(2):
        z = {root: rng.uniform(-2, 2) for root in roots}
        total = math.fsum(math.exp(x) for x in z.values())
        found = formulas.at(place, z)
        fitting = {root for root, x in z.items() if abs(found - math.exp(x) / total) <= _CLOSE}
        best = fitting if best is None else best & fitting
    return best.pop() if best and len(best) == 1 else None


def label_near(formulas: Formulas, place: Place) -> str:
    """Return the text that stands nearest above or left of a cell, lower case."""
    sheet, row, column = place
    for distance in range(1, 8):
        for at in ((row - distance, column), (row, column - distance)):
            value = formulas.foreign.value((sheet, *at)) if min(at) > 0 else None
            if isinstance(value, str) and any(c.isalpha() for c in value):
                return value.strip().lower()
    return ""
