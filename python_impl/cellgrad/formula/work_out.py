"""Working out a formula over an algebra: ranges, arrays, broadcasting, names.

What the numbers are is the algebra's affair: floats, enclosures, terms of a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from cellgrad.formula.algebra import Algebra, Grid, broadcast, work_of
from cellgrad.formula.references import Named, place_of, places_in, range_of
from cellgrad.formula.tree import (
    Area,
    Call,
    Cell,
    Chain,
    Constants,
    ErrorValue,
    FormulaError,
    Missing,
    Name,
    Node,
    Number,
    Percent,
    Signed,
    Spill,
    Text,
    Truth,
)
from cellgrad.xlsx.addresses import Place, Range

T = TypeVar("T")
Read = TypeVar("Read")

_MOST_NAMES = 16
"""Names may stand for names, so deep."""


Ranges = Literal["refused", "whole", "intersected"]
"""What a range means where one number is meant: nothing; all its cells, as in array formulas;
or its cell in the formula's own row or column, as in others."""


class WorkOut(Generic[T]):
    """One formula, worked out in one cell.

    Args:
        algebra: what the operations are.
        at: where the formula stands; row and column 0 for one that was parsed without a place.
        named: what defined names stand for.
        ranges: what a range means where one number is meant.
    """

    def __init__(
        self,
        algebra: Algebra[T],
        at: Place,
        named: Named = lambda _: None,
        *,
        ranges: Ranges = "refused",
    ) -> None:
        self.algebra, self.at, self.named, self.ranges = algebra, at, named, ranges
        self._naming = 0

    def one(self, tree: Node) -> T:
        """Return the only value that a formula gives.

        Raises:
            FormulaError: it uses what the algebra does not know, or gives several values.
        """
        return self.element(tree, None)

    def element(self, tree: Node, index: tuple[int, int] | None) -> T:
        """Return what an array formula gives in one cell of the range that it fills.

        Args:
            tree: the formula.
            index: row and column in the range, from 0; None for a formula of one cell.

        Raises:
            FormulaError: as ``one``, or it gives nothing there.
        """
        value = self.value(tree)
        if not isinstance(value, Grid):
            return value
        if index is None and (value.height, value.width) != (1, 1):
            raise FormulaError("the formula comes to several values in one cell")
        row, column = index or (0, 0)
        row, column = (row if value.height > 1 else 0), (column if value.width > 1 else 0)
        if row >= value.height or column >= value.width:
            raise FormulaError("the array formula gives nothing for this cell")
        return value.rows[row][column]

    def value(self, node: Node) -> T | Grid[T]:  # noqa: PLR0911 - a kind of node each
        """Return what a part of a formula gives: one value or a rectangle."""
        match node:
            case Cell():
                return self.algebra.cell(place_of(node, self.at))
            case Number(value):
                return self.algebra.number(value)
            case Chain():
                return self._chain(node)
            case Call(name, args):
                return self.call(name, args)
            case Signed(sign, operand):
                signed = self.operand(operand)
                return signed if sign == "+" else self.each(self.algebra.negative, signed)
            case Area() | Spill():
                return self._cells(self.range_of(node))
            case Name(name):
                return self.name(name)
            case Percent(operand):
                hundred = self.algebra.number(100.0)
                return self.each(self.algebra.quotient, self.operand(operand), hundred)
            case Constants(rows):
                return Grid([[self._constant(item) for item in row] for row in rows])
        return self._constant(node)

    def _constant(self, node: Node) -> T:
        match node:
            case Text(value):
                return self.algebra.text(value)
            case Truth(value):
                return self.algebra.truth(value)
            case ErrorValue(code):
                return self.algebra.error(code)
            case Missing():
                return self.algebra.missing()
        return self.value(node)  # type: ignore[return-value] # a number, with or without a sign

    def operand(self, node: Node) -> T | Grid[T]:
        """Return what an operand gives; where ranges intersect, the one cell that is meant."""
        if self.ranges == "intersected":
            return self.intersected(node)
        return self.value(node)

    def intersected(self, node: Node) -> T | Grid[T]:
        """Return the cell of a range that lies in the formula's own row or column."""
        area = self.reference(node) if isinstance(node, Area | Name) else None
        if area is None:
            return self.value(node)
        sheet, row, column = area.sheet, *self.at[1:]
        if area.height == area.width == 1:
            return self.algebra.cell((sheet, area.top, area.left))
        if area.left == area.right and area.top <= row <= area.bottom:
            return self.algebra.cell((sheet, row, area.left))
        if area.top == area.bottom and area.left <= column <= area.right:
            return self.algebra.cell((sheet, area.top, column))
        return self.algebra.error("#VALUE!")

    # references

    def range_of(self, node: Cell | Area | Spill) -> Range:
        """Return the cells that a reference means.

        Raises:
            FormulaError: that cannot be told, or there are too many.
        """
        if isinstance(node, Spill):
            raise FormulaError("reads what another formula spills")
        area = range_of(node, self.at)
        if area.height * area.width > self.algebra.most_cells:
            raise FormulaError(f"{area.address} holds more than {self.algebra.most_cells:,} cells")
        return area

    def _cells(self, area: Range) -> T | Grid[T]:
        if self.ranges == "refused":
            if area.height == area.width == 1:
                return self.algebra.cell((area.sheet, area.top, area.left))
            raise FormulaError(f"{area.address} stands where one number is expected")
        self.algebra.spend(area.height * area.width)
        cells = [self.algebra.cell(place) for place in places_in(area)]
        width = area.width
        return Grid([cells[start : start + width] for start in range(0, len(cells), width)])

    def reference(self, node: Node) -> Range | None:
        """Return the cells that a part of a formula stands for; None if it is no reference."""
        if isinstance(node, Name):
            tree = self.named(node.name)
            if tree is None:
                return None
            return self._in_a_name(node.name, tree, self.reference)
        return self.range_of(node) if isinstance(node, Cell | Area | Spill) else None

    def name(self, name: str) -> T | Grid[T]:
        """Return what a defined name stands for.

        Raises:
            FormulaError: nothing, or itself.
        """
        tree = self.named(name)
        if tree is None:
            raise FormulaError(f"{name!r} is no reference to cells")
        return self._in_a_name(name, tree, self.value)

    def _in_a_name(self, name: str, tree: Node, read: Callable[[Node], Read]) -> Read:
        self._naming += 1
        if self._naming > _MOST_NAMES:
            raise FormulaError(f"the name {name!r} leads in a circle")
        at, self.at = self.at, (self.at[0], 0, 0)
        try:
            return read(tree)
        finally:
            self.at = at
            self._naming -= 1

    # operations

    def _chain(self, node: Chain) -> T | Grid[T]:
        if node.links[0].sign in ("+", "-"):
            return self._sum(node)
        if len(node.links) > self.algebra.most_links:
            raise FormulaError("the formula is nested too deeply")
        value = self.operand(node.first)
        for sign, operand in node.links:
            value = self.each(self._operation(sign), value, self.operand(operand))
        return value

    def _operation(self, sign: str) -> Callable[[T, T], T]:
        algebra = self.algebra
        match sign:
            case "*":
                return self._multiply
            case "/":
                return algebra.quotient
            case "^":
                return algebra.power
            case "&":
                return algebra.join
        return partial(algebra.compare, sign)

    def _multiply(self, left: T, right: T) -> T:
        return self.algebra.product((left, right))

    def _sum(self, node: Chain) -> T | Grid[T]:
        signs = [1]
        values = [self.operand(node.first)]
        for sign, operand in node.links:
            signs.append(-1 if sign == "-" else 1)
            values.append(self.operand(operand))
        return self.each(
            lambda *terms: self.algebra.sum([*zip(signs, terms, strict=True)]), *values
        )

    def each(self, function: Callable[..., T], *values: T | Grid[T]) -> T | Grid[T]:
        """Apply a function of single values place by place; one row or column serves for all.

        Raises:
            FormulaError: the rectangles do not fit, or would make too large a one.
        """
        for value in values:
            if isinstance(value, Grid):
                self.count(values)
                spread: Grid[T] = broadcast(function, *values)
                return spread
        return function(*values)

    def count(self, values: Sequence[object]) -> None:
        """Count the work on rectangles before it is done.

        Raises:
            FormulaError: they make too large a one, or it is too much.
        """
        made, worked_through = work_of(values)
        self.algebra.check_size(made)
        self.algebra.spend(worked_through)

    # functions

    def call(self, name: str, args: Sequence[Node]) -> T | Grid[T]:
        """Return what a function gives.

        Raises:
            FormulaError: it is outside the function set, or has other arguments.
        """
        if name not in self.algebra.functions:
            raise FormulaError(f"the function {name[:40]} is outside the function set")
        if name in _OF_LISTS:
            return _OF_LISTS[name](self.algebra, self.listed(args))  # type: ignore[no-any-return]
        count, function = _OF_NODES.get(name, (1, None))
        if count not in (None, len(args)):
            raise FormulaError(f"{name} of {len(args)} arguments is outside the function set")
        if function is not None:
            return function(self, args)  # type: ignore[no-any-return]
        return self.each(partial(self.algebra.function, name), self.operand(args[0]))

    def whole(self, node: Node) -> Grid[T]:
        """Return an argument of a function that takes arrays, in whatever formula it stands."""
        outside = self.ranges
        self.ranges = "whole" if outside == "refused" else outside
        try:
            value = self.value(node)
        finally:
            self.ranges = outside
        return value if isinstance(value, Grid) else Grid([[value]])

    def listed(self, args: Sequence[Node]) -> list[T]:
        """Return the numbers that SUM and its kin take; of ranges those that count.

        Raises:
            FormulaError: there is none.
        """
        numbers: list[T] = []
        for node in args:
            area = self.reference(node)
            if area is not None:
                self.algebra.spend(area.height * area.width)
                places = filter(self.algebra.counts, places_in(area))
                numbers += [self.algebra.cell(place) for place in places]
            else:
                value = self.value(node)
                numbers += value.values() if isinstance(value, Grid) else (value,)
        if not numbers:
            raise FormulaError("a function of nothing")
        return numbers


# the functions of ranges, arrays and conditions

Args = Sequence[Node]


def _sum(algebra: Algebra[Any], values: Sequence[Any]) -> Any:
    return algebra.sum([(1, value) for value in values])


def _sum_of_squares(algebra: Algebra[Any], values: Sequence[Any]) -> Any:
    return _sum(algebra, [algebra.product((value, value)) for value in values])


def _average(algebra: Algebra[Any], values: Sequence[Any]) -> Any:
    return algebra.quotient(_sum(algebra, values), algebra.number(float(len(values))))


_OF_LISTS: dict[str, Callable[[Algebra[Any], Sequence[Any]], Any]] = {
    "SUM": _sum,
    "SUMSQ": _sum_of_squares,
    "AVERAGE": _average,
    "MAX": lambda algebra, values: algebra.largest(values),
    "PRODUCT": lambda algebra, values: algebra.product(values),
}
"""The functions of any number of values."""


def _sum_of_products(work: WorkOut[Any], args: Args) -> Any:
    grids = [work.whole(arg) for arg in args]
    if len({(grid.height, grid.width) for grid in grids}) != 1:
        raise FormulaError("SUMPRODUCT of ranges of different sizes")
    rows = zip(*(grid.values() for grid in grids), strict=True)
    product = work.algebra.product
    return _sum(work.algebra, [product(row) if len(row) > 1 else row[0] for row in rows])


def _sum_of_squared_gaps(work: WorkOut[Any], args: Args) -> Any:
    algebra = work.algebra

    def gap(left: Any, right: Any) -> Any:
        return algebra.sum([(1, left), (-1, right)])

    gaps = work.each(gap, *(work.whole(arg) for arg in args))
    return _sum_of_squares(algebra, list(gaps.values()))


def _matrix_product(work: WorkOut[Any], args: Args) -> Any:
    left, right = (work.whole(arg) for arg in args)
    if left.width != right.height:
        raise FormulaError("MMULT of ranges that do not fit")
    work.algebra.check_size(left.height * right.width * left.width)
    columns = list(zip(*right.rows, strict=True))

    def cell(row: Sequence[Any], column: Sequence[Any]) -> Any:
        products = [work.algebra.product(pair) for pair in zip(row, column, strict=True)]
        return _sum(work.algebra, products) if len(products) > 1 else products[0]

    return Grid([[cell(row, column) for column in columns] for row in left.rows])


def _transposed(work: WorkOut[Any], args: Args) -> Any:
    return Grid([list(row) for row in zip(*work.whole(args[0]).rows, strict=True)])


def _power(work: WorkOut[Any], args: Args) -> Any:
    return work.each(work.algebra.power, *map(work.operand, args))


def _rounded(work: WorkOut[Any], args: Args) -> Any:
    return work.each(work.algebra.round, *map(work.operand, args))


def _if(work: WorkOut[Any], args: Args) -> Any:
    """Work out the way that is taken, where the algebra decides it, else both."""
    if len(args) == 2:
        args = (*args, Truth(value=False))
    if len(args) != 3:
        raise FormulaError(f"IF of {len(args)} arguments is outside the function set")
    condition = work.operand(args[0])
    way = None if isinstance(condition, Grid) else work.algebra.decide(condition)
    if way is not None:
        return work.operand(args[1 if way else 2])
    return work.each(work.algebra.choice, condition, *map(work.operand, args[1:]))


def _and(work: WorkOut[Any], args: Args) -> Any:
    conditions: list[Any] = []
    for arg in args:
        value = work.operand(arg)
        conditions += value.values() if isinstance(value, Grid) else (value,)
    if not conditions:
        raise FormulaError("AND of nothing")
    return work.algebra.every(conditions)


_OF_NODES: dict[str, tuple[int | None, Callable[[WorkOut[Any], Args], Any]]] = {
    "SUMPRODUCT": (None, _sum_of_products),
    "SUMXMY2": (2, _sum_of_squared_gaps),
    "MMULT": (2, _matrix_product),
    "TRANSPOSE": (1, _transposed),
    "POWER": (2, _power),
    "ROUND": (2, _rounded),
    "IF": (None, _if),
    "AND": (None, _and),
}
"""The functions of arrays and conditions: of how many arguments (None: it varies), and what
they give. Every other function is one of a single number, and the algebra's own.
"""
