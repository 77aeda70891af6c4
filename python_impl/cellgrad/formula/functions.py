"""The functions of ranges, arrays and conditions, over any algebra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cellgrad.formula.algebra import Grid
from cellgrad.formula.tree import FormulaError, Node, Truth

if TYPE_CHECKING:
    from cellgrad.formula.work_out import WorkOut

Args = Sequence[Node]


def _total(work: WorkOut[Any], values: Sequence[Any]) -> Any:
    return work.algebra.sum([(1, value) for value in values])


def _sum(work: WorkOut[Any], args: Args) -> Any:
    return _total(work, work.listed(args))


def _sum_of_squares(work: WorkOut[Any], args: Args) -> Any:
    return _total(work, [work.algebra.product((value, value)) for value in work.listed(args)])


def _average(work: WorkOut[Any], args: Args) -> Any:
    values = work.listed(args)
    return work.algebra.quotient(_total(work, values), work.algebra.number(float(len(values))))


def _largest(work: WorkOut[Any], args: Args) -> Any:
    return work.algebra.largest(work.listed(args))


def _product(work: WorkOut[Any], args: Args) -> Any:
    return work.algebra.product(work.listed(args))


def _sum_of_products(work: WorkOut[Any], args: Args) -> Any:
    grids = [work.whole(arg) for arg in args]
    if len({(grid.height, grid.width) for grid in grids}) != 1:
        raise FormulaError("SUMPRODUCT of ranges of different sizes")
    rows = zip(*(grid.values() for grid in grids), strict=True)
    return _total(work, [work.algebra.product(row) if len(row) > 1 else row[0] for row in rows])


def _sum_of_squared_gaps(work: WorkOut[Any], args: Args) -> Any:
    _demand("SUMXMY2", args, 2)
    algebra = work.algebra

    def squared(left: Any, right: Any) -> Any:
        gap = algebra.sum([(1, left), (-1, right)])
        return algebra.product((gap, gap))

    grids = [work.whole(arg) for arg in args]
    return _total(work, list(work.each(squared, *grids).values()))


def _matrix_product(work: WorkOut[Any], args: Args) -> Any:
    _demand("MMULT", args, 2)
    left, right = (work.whole(arg) for arg in args)
    if left.width != right.height:
        raise FormulaError("MMULT of ranges that do not fit")
    work.algebra.check_size(left.height * right.width * left.width)
    columns = list(zip(*right.rows, strict=True))

    def cell(row: Sequence[Any], column: Sequence[Any]) -> Any:
        products = [work.algebra.product(pair) for pair in zip(row, column, strict=True)]
        return _total(work, products) if len(products) > 1 else products[0]

    return Grid([[cell(row, column) for column in columns] for row in left.rows])


def _transposed(work: WorkOut[Any], args: Args) -> Any:
    _demand("TRANSPOSE", args, 1)
    return Grid([list(row) for row in zip(*work.whole(args[0]).rows, strict=True)])


def _power(work: WorkOut[Any], args: Args) -> Any:
    _demand("POWER", args, 2)
    return work.each(work.algebra.power, work.operand(args[0]), work.operand(args[1]))


def _rounded(work: WorkOut[Any], args: Args) -> Any:
    _demand("ROUND", args, 2)
    return work.each(work.algebra.round, work.operand(args[0]), work.operand(args[1]))


def _if(work: WorkOut[Any], args: Args) -> Any:
    """Work out the way that is taken, where the algebra decides it, else both."""
    if len(args) == 2:
        args = (*args, Truth(value=False))
    _demand("IF", args, 3)
    condition = work.operand(args[0])
    way = None if isinstance(condition, Grid) else work.algebra.decide(condition)
    if way is not None:
        return work.operand(args[1 if way else 2])
    return work.each(work.algebra.choice, condition, work.operand(args[1]), work.operand(args[2]))


def _and(work: WorkOut[Any], args: Args) -> Any:
    conditions: list[Any] = []
    for arg in args:
        value = work.operand(arg)
        conditions += value.values() if isinstance(value, Grid) else (value,)
    if not conditions:
        raise FormulaError("AND of nothing")
    return work.algebra.every(conditions)


def _demand(name: str, args: Args, count: int) -> None:
    if len(args) != count:
        raise FormulaError(f"{name} of {len(args)} arguments is outside the function set")


FUNCTIONS: dict[str, Callable[[WorkOut[Any], Args], Any]] = {
    "SUM": _sum,
    "SUMSQ": _sum_of_squares,
    "SUMPRODUCT": _sum_of_products,
    "SUMXMY2": _sum_of_squared_gaps,
    "AVERAGE": _average,
    "MAX": _largest,
    "PRODUCT": _product,
    "MMULT": _matrix_product,
    "TRANSPOSE": _transposed,
    "POWER": _power,
    "ROUND": _rounded,
    "IF": _if,
    "AND": _and,
}
"""By name; every other function is one of a single number, and the algebra's own."""
