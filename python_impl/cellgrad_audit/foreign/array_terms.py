"""From a formula of somebody else's to terms, one for every cell that it fills.

Beyond the function set of our own workbooks it reads what sheets in the wild use: MMULT,
TRANSPOSE, arithmetic of whole ranges (array formulas), SUMSQ, PRODUCT, AVERAGE, POWER, SIGN.
What it does not know it declines, by name; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import chain

from cellgrad.formula.tree import FormulaError
from cellgrad.xlsx.addresses import Place, Range
from cellgrad.xlsx.formula import Node
from cellgrad_proof.proof import terms
from cellgrad_proof.proof.terms import Term

Resolve = Callable[[Place], Term]
"""Gives the term that stands for a cell."""

Blank = Callable[[Place], bool]
"""Tells whether a cell is empty, or holds a text: SUM and MAX pass it over."""

Grid = list[list[Term]]
"""The terms of a rectangle, row by row."""

MOST_CELLS = 20_000
_MOST_POWER = 16
_COMPARISONS = frozenset(("=", "<>", "<", ">", "<=", ">="))
_EACH = frozenset(("EXP", "LN", "TANH", "SQRT", "ABS"))
_OF_ARRAYS = frozenset(("MMULT", "TRANSPOSE", "SUMPRODUCT", "SUMXMY2"))
_TWO = 2


class ArrayReader:
    """Reads formulas as terms.

    Args:
        resolve: what the cells that they read stand for.
        blank: which cells hold no number.
        whole: whether the formula is an array formula. In any other, a range that stands where
            one number is expected means one of its cells, by rules that differ between
            programs and versions: that is declined.
    """

    def __init__(self, resolve: Resolve, blank: Blank, *, whole: bool) -> None:
        self.resolve, self.blank, self.whole = resolve, blank, whole

    def grid(self, node: Node) -> Grid:
        """Return what a formula gives, before it is fitted to the cells that it fills.

        Raises:
            FormulaError: it is outside what is read here.
        """
        kind = node[0]
        if kind == "number":
            return [[terms.number(Fraction(node[1]))]]
        if kind == "cells":
            return self._range(node[1])
        if kind == "sign":
            return self._signed(node)
        if kind == "op":
            return self._operation(node)
        if kind == "call":
            return self._call(node[1], node[2])
        raise FormulaError("a text is no number")

    def at(self, node: Node, row: int, column: int) -> Term:
        """Return what a formula gives in one cell of the range that it fills.

        Raises:
            FormulaError: it is outside what is read here, or gives nothing there.
        """
        found = self.grid(node)
        height, width = len(found), len(found[0])
        if not self.whole and (height, width) != (1, 1):
            raise FormulaError("gives several numbers in one cell")
        r, c = (0 if height == 1 else row), (0 if width == 1 else column)
        if r >= height or c >= width:
            raise FormulaError("the array formula gives nothing for this cell")
        return found[r][c]

    def _range(self, area: Range) -> Grid:
        self._check(area)
        if not self.whole and (area.height, area.width) != (1, 1):
            raise FormulaError(f"{area.address} stands where one number is expected")
        return [
            [self.resolve((area.sheet, row, column)) for column in _columns(area)]
            for row in _rows(area)
        ]

    @staticmethod
    def _check(area: Range) -> None:
        if area.height * area.width > MOST_CELLS:
            raise FormulaError(f"{area.address} holds more than {MOST_CELLS:,} cells")

    def _signed(self, node: Node) -> Grid:
        inner = self.grid(node[2])
        if node[1] == "-":
            return _each(terms.negative, inner)
        if node[1] == "%":
            return _each(lambda term: ("quotient", term, terms.number(100)), inner)
        if node[1] == "+" or (node[1] == "@" and len(inner) == len(inner[0]) == 1):
            return inner
        raise FormulaError(f"{node[1]!r} is not read here")

    def _operation(self, node: Node) -> Grid:
        sign = node[1]
        if sign in ("+", "-"):
            return self._chain(node)
        left, right = self.grid(node[2]), self.grid(node[3])
        if sign == "*":
            return _pairs(lambda a, b: ("product", (a, b)), left, right)
        if sign == "/":
            return _pairs(lambda a, b: ("quotient", a, b), left, right)
        if sign in _COMPARISONS:
            return _pairs(lambda a, b: terms.compare(sign, a, b), left, right)
        if sign == "^":
            return _pairs(_power, left, right)
        raise FormulaError(f"{sign!r} is not read here")

    def _chain(self, node: Node) -> Grid:
        """Add a chain of + and −, however long, without deep recursion."""
        found: list[Grid] = []
        while node[0] == "op" and node[1] in ("+", "-"):
            part = self.grid(node[3])
            found.append(_each(terms.negative, part) if node[1] == "-" else part)
            node = node[2]
        found.append(self.grid(node))
        found.reverse()
        return _together(lambda parts: ("sum", tuple(parts)), found)

    def _call(self, name: str, args: tuple[Node, ...]) -> Grid:  # noqa: PLR0911 - a kind each
        if name in _OF_ARRAYS:
            return self._of_arrays(name, args)
        if name in ("SUM", "MAX", "SUMSQ", "PRODUCT", "AVERAGE"):
            return [[self._of_many(name, args)]]
        found = [self.grid(arg) for arg in args]
        if name in _EACH and len(found) == 1:
            return _each(lambda term: _function(name, term), found[0])
        if name == "POWER" and len(found) == _TWO:
            return _pairs(_power, found[0], found[1])
        if name == "IF" and len(found) in (_TWO, 3):
            if len(found) == _TWO:
                found.append([[terms.ZERO]])  # FALSE, which counts as 0
            return _together(lambda parts: ("if", *parts), found)
        if name == "AND" and found:
            return [[("all", tuple(chain.from_iterable(_flat(grid) for grid in found)))]]
        if name == "SIGN" and len(found) == 1:
            return _each(_sign, found[0])
        raise FormulaError(f"{name} is not read here")

    def _of_arrays(self, name: str, args: tuple[Node, ...]) -> Grid:
        """Return a function whose arguments are arrays, in whatever formula it stands."""
        outside, self.whole = self.whole, True
        try:
            found = [self.grid(arg) for arg in args]
        finally:
            self.whole = outside
        if name == "MMULT" and len(found) == _TWO:
            return _product(found[0], found[1])
        if name == "TRANSPOSE" and len(found) == 1:
            return [list(row) for row in zip(*found[0], strict=True)]
        if name == "SUMPRODUCT" and found:
            return [[_sum_of_products(found)]]
        if name == "SUMXMY2" and len(found) == _TWO:
            gaps = _pairs(terms.difference, found[0], found[1])
            return [[("sum", tuple(("product", (gap, gap)) for gap in _flat(gaps)))]]
        raise FormulaError(f"{name} of {len(found)} arguments is not read here")

    def _of_many(self, name: str, args: tuple[Node, ...]) -> Term:
        found = list(chain.from_iterable(self._listed(arg) for arg in args))
        if not found:
            raise FormulaError(f"{name} of nothing")
        if name == "MAX":
            return terms.call("MAX", *found)
        if name == "PRODUCT":
            return ("product", tuple(found))
        if name == "SUMSQ":
            found = [("product", (term, term)) for term in found]
        total: Term = ("sum", tuple(found))
        return ("quotient", total, terms.number(len(found))) if name == "AVERAGE" else total

    def _listed(self, node: Node) -> list[Term]:
        """Return the numbers of an argument; of a range, empty cells and texts left out."""
        if node[0] != "cells":
            return _flat(self.grid(node))
        area: Range = node[1]
        self._check(area)
        places = [(area.sheet, row, column) for row in _rows(area) for column in _columns(area)]
        return [self.resolve(place) for place in places if not self.blank(place)]


def _rows(area: Range) -> range:
    return range(area.top, area.bottom + 1)


def _columns(area: Range) -> range:
    return range(area.left, area.right + 1)


def _flat(grid: Grid) -> list[Term]:
    return [term for row in grid for term in row]


def _each(function: Callable[[Term], Term], grid: Grid) -> Grid:
    return [[function(term) for term in row] for row in grid]


def _pairs(function: Callable[[Term, Term], Term], left: Grid, right: Grid) -> Grid:
    return _together(lambda parts: function(*parts), [left, right])


def _together(function: Callable[[list[Term]], Term], grids: list[Grid]) -> Grid:
    """Combine rectangles place by place; one row or column serves for all."""
    height = max(len(grid) for grid in grids)
    width = max(len(grid[0]) for grid in grids)
    if height * width > MOST_CELLS:
        raise FormulaError("an array of too many numbers")
    for grid in grids:
        if len(grid) not in (1, height) or len(grid[0]) not in (1, width):
            raise FormulaError("ranges of different sizes are combined")
    return [
        [
            function([grid[r if len(grid) > 1 else 0][c if len(grid[0]) > 1 else 0]
                      for grid in grids])
            for c in range(width)
        ]
        for r in range(height)
    ]  # fmt: skip


def _product(left: Grid, right: Grid) -> Grid:
    inner = len(right)
    if len(left[0]) != inner:
        raise FormulaError("MMULT of ranges that do not fit")
    if len(left) * len(right[0]) * inner > MOST_CELLS:
        raise FormulaError("MMULT of too many numbers")
    return [
        [
            ("sum", tuple(("product", (row[i], right[i][c])) for i in range(inner)))
            if inner > 1
            else ("product", (row[0], right[0][c]))
            for c in range(len(right[0]))
        ]
        for row in left
    ]


def _sum_of_products(grids: list[Grid]) -> Term:
    shapes = {(len(grid), len(grid[0])) for grid in grids}
    if len(shapes) > 1:
        raise FormulaError("SUMPRODUCT of ranges of different sizes")
    columns = [_flat(grid) for grid in grids]
    rows = zip(*columns, strict=True)
    return ("sum", tuple(("product", row) if len(row) > 1 else row[0] for row in rows))


def _power(base: Term, exponent: Term) -> Term:
    if exponent[0] != "number":
        raise FormulaError("a power that is no whole number is not read here")
    value: Fraction = exponent[1]
    if value in range(1, _MOST_POWER + 1):
        return ("product", (base,) * int(value))
    if -value in range(1, _MOST_POWER + 1):
        return ("quotient", terms.ONE, ("product", (base,) * int(-value)))
    if value == Fraction(1, 2):
        return terms.call("SQRT", base)
    raise FormulaError("a power that is no small whole number is not read here")


def _function(name: str, term: Term) -> Term:
    if name in ("LN", "SQRT") and term[0] == "number" and term[1] <= 0:
        raise FormulaError(f"{name} of a constant that has none")
    return terms.call(name, term)


def _sign(term: Term) -> Term:
    below = terms.choice(terms.compare("<", term, terms.ZERO), terms.MINUS_ONE, terms.ZERO)
    return terms.choice(terms.compare(">", term, terms.ZERO), terms.ONE, below)
