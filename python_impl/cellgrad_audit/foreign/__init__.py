"""Somebody else's workbook: its cells, its formulas as terms, and what they are functions of.

It is audited by a map from quantities to ranges of its sheets (``map_file``), which ``locate``
proposes. Its own formulas are recalculated with its own numbers and with drawn ones, and every
mapped cell is compared (``target``, ``recalculation``); the formulas are also read as terms and
the gradients proved to be derivatives, or refuted (``proof``).

Beyond the function set of our own workbooks formulas are read as sheets in the wild have them:
MMULT, TRANSPOSE, arithmetic of whole ranges (array formulas), SUMSQ, PRODUCT, AVERAGE, POWER,
SIGN. What is not known is declined, by name; nothing is guessed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from cellgrad.errors import WorkbookError
from cellgrad.formula import references
from cellgrad.formula.references import formulas_in, names_of, ranges_read, tree_of
from cellgrad.formula.tree import Call, FormulaError, Node, nodes
from cellgrad.formula.work_out import WorkOut
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.sheet import Value
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import (
    MOST_POWER,
    Leaf,
    Resolve,
    Term,
    Terms,
    UndefinedError,
    evaluate,
)

MAX_FORMULAS = 20_000
"""Sheets made by hand are small; each of their formulas is parsed and written again."""

MOST_READ = 5_000_000

_DYNAMIC = frozenset(("INDIRECT", "OFFSET", "CELL", "INFO"))
"""Functions that read cells which their formula does not name."""


@dataclass(slots=True)
class Foreign:
    """A workbook that says nothing of itself.

    Attributes:
        book: its cells and formulas.
        anchors: for every cell of an array formula the range that the formula fills.
        left: how many more cells formulas may read, each counted as often as it is read.
    """

    book: Book
    anchors: dict[Place, Range] = field(default_factory=dict)
    left: int = MOST_READ

    def formula(self, place: Place) -> str | None:
        """Return the formula of a cell, if it holds one."""
        sheet = self.book.sheets.get(place[0])
        return None if sheet is None else sheet.formulas.get(place[1:])

    def value(self, place: Place) -> Value:
        """Return the constant, or the stored value, of a cell."""
        sheet = self.book.sheets.get(place[0])
        return None if sheet is None else sheet.values.get(place[1:])

    def tree(self, place: Place) -> Node:
        """Return the formula of a cell as a tree.

        Raises:
            FormulaError: it cannot be parsed.
        """
        formula = self.formula(place)
        if formula is None:
            raise FormulaError("no formula stands there")
        return tree_of(self.book, formula)

    def blank(self, place: Place) -> bool:
        """Tell whether a cell is empty or holds a text: SUM and MAX pass it over."""
        return self.formula(place) is None and not isinstance(self.value(place), float)

    def formulas(self) -> Iterator[Place]:
        """Yield every cell that holds a formula."""
        for name, sheet in self.book.sheets.items():
            for row, column in sheet.formulas:
                yield name, row, column

    def reads(self, place: Place) -> list[Range]:
        """Return the ranges that a cell's formula reads.

        Raises:
            FormulaError: it cannot be told.
        """
        tree = self.tree(place)
        for node in nodes(tree):
            if isinstance(node, Call) and node.name in _DYNAMIC:
                raise FormulaError(f"{node.name} reads what it does not name")
        return list(ranges_read(tree, place[0], names_of(self.book)))

    def cone(self, results: Iterable[Place]) -> set[Place] | None:
        """Return every formula cell that some cells depend on, themselves included.

        None if it cannot be told: a formula cannot be parsed, or reads what it does not name.
        """
        reached: set[Place] = set()
        visits = 0
        stack = [place for place in results if self.formula(place) is not None]
        while stack:
            place = stack.pop()
            if place in reached:
                continue
            reached.add(place)
            if place in self.anchors:
                stack += references.places_in(self.anchors[place])
            try:
                areas = self.reads(place)
            except FormulaError:
                return None
            for area in areas:
                inside = formulas_in(self.book, area)
                visits += len(inside)
                if visits > MOST_READ:
                    raise WorkbookError(
                        f"the mapped cells read more than {MOST_READ:,} others",
                        file=self.book.path, remedy="keep only the sheets of the training step",
                    )  # fmt: skip
                stack += inside
        return reached


def read_foreign(path: Path) -> Foreign:
    """Read a workbook.

    Raises:
        WorkbookError: no workbook, damaged, not safe to read, or too large.
    """
    book = read_book(path)
    count = sum(len(sheet.formulas) for sheet in book.sheets.values())
    if count > MAX_FORMULAS:
        raise WorkbookError(
            f"holds {count:,} formulas, foreign workbooks may have {MAX_FORMULAS:,}",
            file=path, remedy="keep only the sheets of the training step",
        )  # fmt: skip
    workbook = Foreign(book)
    for sheet in book.sheets.values():
        for area in sheet.arrays.values():
            workbook.anchors.update((place, area) for place in references.places_in(area))
    return workbook


def term_at(foreign: Foreign, place: Place, resolve: Callable[[Place], Term]) -> Term:
    """Return the formula of a cell as a term over the cells that it reads directly.

    Args:
        foreign: the workbook.
        place: the cell.
        resolve: what the cells that it reads stand for.

    Raises:
        FormulaError: it is outside what is read here.
    """
    area = foreign.anchors.get(place)

    def counted(at: Place) -> Term:
        foreign.left -= 1
        if foreign.left < 0:
            raise FormulaError("the formulas read more cells than are handled")
        return resolve(at)

    index = None if area is None else (place[1] - area.top, place[2] - area.left)
    work_out = WorkOut(
        ForeignTerms(counted, foreign.blank),
        (place[0], 0, 0),
        names_of(foreign.book),
        ranges="refused" if area is None else "whole",
    )
    return work_out.element(foreign.tree(place), index)


# formulas as terms, and their values


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


# what a cell is a function of


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
        formulas = cls(foreign)
        for place in sorted(foreign.formulas()):
            try:
                formulas.terms[place] = term_at(foreign, place, formulas._leaf)
            except FormulaError:
                continue
        for place, term in formulas.terms.items():
            for read in dict.fromkeys(places_in(term)):
                formulas._readers.setdefault(read, []).append(place)
        return formulas

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
            sum_of_products: list[Product] = []
            for part in term[1]:
                added = self.products(part, stop, depth)
                if added is None or len(sum_of_products) + len(added) > MOST_PRODUCTS:
                    return None
                sum_of_products += added
            return sum_of_products
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
        reached: set[Place] = set()
        seen: set[Place] = set()
        stack = [place]
        while stack:
            top = stack.pop()
            if top in seen:
                continue
            seen.add(top)
            if top in stop and top != place:
                reached.add(top)
            elif top in self.terms:
                stack += places_in(self.terms[top])
            else:
                return None
        return frozenset(reached)

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


_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "logistic": lambda x: 1.0 / (1.0 + math.exp(-x)),
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "identity": float,
}


def activation_of(formulas: Formulas, place: Place, root: Place) -> tuple[str, float]:
    """Return which activation of another cell a cell is, and a leaky slope; "" for none."""
    values = [formulas.at(place, {root: x}) for x in _POINTS]
    if any(math.isnan(y) for y in values):
        return "", 0.0
    for name, function in _ACTIVATIONS.items():
        if all(abs(y - function(x)) <= _CLOSE for x, y in zip(_POINTS, values, strict=True)):
            return name, 0.0
    slopes = {round(y / x, 9) for x, y in zip(_POINTS, values, strict=True) if x < 0}
    above = all(abs(y - x) <= _CLOSE for x, y in zip(_POINTS, values, strict=True) if x > 0)
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
        value = formulas.at(place, z)
        fitting = {root for root, x in z.items() if abs(value - math.exp(x) / total) <= _CLOSE}
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
