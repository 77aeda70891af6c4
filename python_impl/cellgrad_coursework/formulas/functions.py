"""The functions that formulas may use, and the values they give: numbers on n draws at once.

A number is a float, or an array of shape (n,); NaN stands for an error. ``Logical`` is TRUE or
FALSE on each draw, a text is a str, an empty cell is None, a rectangle is a ``Grid``. A function
that is not here goes to a person, never to zero.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellgrad.formula.algebra import Grid, broadcast
from cellgrad.formula.tree import FormulaError

Number = float | NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Logical:
    """TRUE (1), FALSE (0) or an error (NaN) on each draw."""

    data: Number


Value = Number | Logical | str | None | Grid[Any]


def number(value: Value) -> Number:
    """Return a value as arithmetic takes it: an empty cell is 0, a text that is none an error."""
    kind = type(value)
    if kind is np.ndarray or kind is float:
        return value  # type: ignore[return-value]
    if value is None:
        return 0.0
    if isinstance(value, Logical):
        return value.data
    if isinstance(value, str):
        return number_of_text(value)
    if isinstance(value, Grid):
        if value.size == 1:
            return number(value.rows[0][0])
        raise FormulaError("a range stands where one value is meant")
    return float(value)


def number_of_text(text: str) -> float:
    """Return the number that a text stands for in arithmetic; NaN for none."""
    plain = text.strip()
    if len(plain) > 40 or not plain.isascii() or "_" in plain:
        return math.nan
    try:
        value = float(plain)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def finite(value: Number) -> Number:
    """Return a number with an error wherever it is not finite."""
    if isinstance(value, np.ndarray):
        good = np.isfinite(value)
        return value if good.all() else np.where(good, value, np.nan)
    return value if math.isfinite(value) else math.nan


def elementwise(function: Callable[..., Value], *args: Value) -> Value:
    """Apply a function of single values, over rectangles where an argument is one."""
    result: Value = broadcast(function, *args)
    return result


Function = Callable[[Sequence[Value]], Value]

VOLATILE = frozenset(
    {"NOW", "TODAY", "RAND", "RANDBETWEEN", "RANDARRAY", "OFFSET", "INDIRECT", "INFO", "CELL"}
)
"""What may come out differently each time, or reads what is not in the file."""


def refusal(name: str) -> str:
    """Return why a function is not evaluated."""
    why = "is not one that is evaluated here"
    if name in VOLATILE:
        why = "may come out differently each time"
    return f"the function {name[:40]} {why}"


_EXP_LIMIT = 709.782712893384


def _numbers(args: Sequence[Value]) -> Iterator[Number]:
    """Yield what SUM and its kin count: of cells only the numbers, of arguments all.

    An argument that is left out is 0: MAX(C14,) is never below it.
    """
    for arg in args:
        if isinstance(arg, Grid):
            for value in arg.values():
                if isinstance(value, (float, np.ndarray)):
                    yield value
        else:
            yield number(arg)


def _average(args: Sequence[Value]) -> Value:
    numbers = list(_numbers(args))
    if not numbers:
        return math.nan
    return sum(numbers[1:], numbers[0]) / float(len(numbers))


def _folded(combine: Callable[[Any, Any], Any], *start: Number) -> Function:
    """Return a function that goes through numbers; 0 where there are none."""

    def fold(args: Sequence[Value]) -> Value:
        numbers = [*start, *_numbers(args)]
        return _plain(reduce(combine, numbers)) if numbers else 0.0

    return fold


def _plain(value: Any) -> Number:
    return value if isinstance(value, np.ndarray) else float(value)


def _count(args: Sequence[Value]) -> Value:
    return float(sum(1 for _ in _numbers(args)))


def _counta(args: Sequence[Value]) -> Value:
    values = [v for a in args for v in (a.values() if isinstance(a, Grid) else (a,))]
    return float(sum(1 for value in values if value is not None))


def _cell_number(value: Value) -> Number:
    """Return what SUMPRODUCT makes of an element: everything but a number is 0."""
    return value if isinstance(value, (float, np.ndarray)) else 0.0


def _areas(args: Sequence[Value], count: int | None = None) -> list[Grid[Any]]:
    areas: list[Grid[Any]] = [arg if isinstance(arg, Grid) else Grid([[arg]]) for arg in args]
    if not areas or (count is not None and len(areas) != count):
        raise FormulaError("a function has the wrong number of arguments")
    if len({(area.height, area.width) for area in areas}) != 1:
        raise FormulaError("ranges of different shapes are combined")
    return areas


def _sumproduct(args: Sequence[Value]) -> Value:
    total: Number = 0.0
    for elements in zip(*(area.values() for area in _areas(args)), strict=True):
        product: Number = _cell_number(elements[0])
        for element in elements[1:]:
            product = product * _cell_number(element)
        total = total + product
    return total


def _pairwise(combine: Callable[[Any, Any], Any]) -> Function:
    def summed(args: Sequence[Value]) -> Value:
        first, second = _areas(args, 2)
        total: Number = 0.0
        for a, b in zip(first.values(), second.values(), strict=True):
            if isinstance(a, (float, np.ndarray)) and isinstance(b, (float, np.ndarray)):
                total = total + combine(a, b)
        return total

    return summed


def _matrix(value: Value) -> list[list[Number]]:
    area = value if isinstance(value, Grid) else Grid([[value]])
    return [
        [x if isinstance(x, (float, np.ndarray)) else math.nan for x in row] for row in area.rows
    ]


def _mmult(args: Sequence[Value]) -> Value:
    _demand(args, 2, 2)
    left, right = _matrix(args[0]), _matrix(args[1])
    if len(left[0]) != len(right):
        return math.nan
    rows: list[list[Any]] = []
    for row in left:
        made = []
        for column in range(len(right[0])):
            total: Number = 0.0
            for k, factor in enumerate(row):
                total = total + factor * right[k][column]
            made.append(total)
        rows.append(made)
    return Grid(rows)


def _transpose(args: Sequence[Value]) -> Value:
    _demand(args, 1, 1)
    area = args[0]
    if not isinstance(area, Grid):
        return area
    return Grid([list(column) for column in zip(*area.rows, strict=True)])


def _constant(value: Value, what: str) -> int:
    """Return a whole number that does not depend on the givens."""
    draws = np.atleast_1d(np.asarray(number(value), dtype=np.float64))
    if not np.isfinite(draws).all() or (draws != draws[0]).any() or abs(draws[0]) > 1e6:
        raise FormulaError(f"{what} depends on the givens")
    return int(draws[0])


def _index(args: Sequence[Value]) -> Value:
    _demand(args, 2, 3)
    area = args[0] if isinstance(args[0], Grid) else Grid([[args[0]]])
    row = _constant(args[1], "the row of INDEX")
    column = _constant(args[2], "the column of INDEX") if len(args) > 2 else None
    if column is None:  # one line of cells takes one number
        row, column = (1, row) if area.height == 1 else (row, 1 if area.width == 1 else 0)
    if not (0 <= row <= area.height and 0 <= column <= area.width):
        return math.nan
    rows = area.rows if row == 0 else [area.rows[row - 1]]
    if column:
        rows = [[line[column - 1]] for line in rows]
    part: Value = rows[0][0] if len(rows) == len(rows[0]) == 1 else Grid(rows)
    return part


def _demand(args: Sequence[Value], least: int, most: int) -> None:
    if not least <= len(args) <= most:
        raise FormulaError("a function has the wrong number of arguments")


def _scalar(function: Callable[..., Number], least: int = 1, most: int = 1) -> Function:
    """Return a function of numbers, applied to each element of a rectangle."""

    def applied(args: Sequence[Value]) -> Value:
        _demand(args, least, most)
        return elementwise(lambda *each: finite(function(*map(number, each))), *args)

    return applied


def _each(function: Callable[[Any], Any]) -> Function:
    return _scalar(lambda x: _plain(function(x)))


def _exp(x: Number) -> Number:
    power = np.exp(np.minimum(x, _EXP_LIMIT + 1))
    return _plain(np.where(np.asarray(x) > _EXP_LIMIT, np.nan, power)[()])


def power(a: Number, b: Number) -> Number:
    """Return a^b; 0^0 and roots of negative numbers are errors."""
    base, exponent = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    result = np.power(base, exponent)
    bad = ((base == 0) & (exponent <= 0)) | ~np.isfinite(base) | ~np.isfinite(exponent)
    return finite(_plain(np.where(bad, np.nan, result)[()]))


def divided(a: Number, b: Number) -> Number:
    """Return a / b; an error where b is 0."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return finite(np.true_divide(a, b))
    return a / b if b else math.nan


def _log(x: Number, base: Number = 10.0) -> Number:
    return divided(_plain(np.log(x)), _plain(np.log(base)))


def _rounded(whole: Callable[[Any], Any]) -> Function:
    """Return a function that makes the size of a number whole, at so many decimals."""

    def rounded(x: Number, digits: Number = 0.0) -> Number:
        scale = np.power(10.0, np.trunc(digits))
        return _plain((np.sign(x) * whole(np.abs(x) * scale) / scale)[()])

    return _scalar(rounded, 1, 2)


def _mod(x: Number, y: Number) -> Number:
    return _plain(np.asarray(x - np.floor(divided(x, y)) * y)[()])


def truth(value: Value) -> Number:
    """Return 1, 0 or NaN: what a condition says on each draw."""
    numbers = number(value)
    return _plain(np.where(np.isnan(numbers), np.nan, np.asarray(numbers) != 0)[()])


def _conditions(args: Sequence[Value]) -> list[Number]:
    conditions = []
    for arg in args:
        values = arg.values() if isinstance(arg, Grid) else (arg,)
        conditions += [truth(v) for v in values if v is not None and not isinstance(v, str)]
    if not conditions:
        raise FormulaError("a condition is missing")
    return conditions


def _joined(join: Callable[[Any], Any]) -> Function:
    """Return a function of conditions, each 1, 0 or NaN on each draw."""
    return lambda args: Logical(_plain(join(np.broadcast_arrays(*_conditions(args)))))


def _not(args: Sequence[Value]) -> Value:
    _demand(args, 1, 1)
    return elementwise(lambda x: Logical(1.0 - truth(x)), args[0])


def chosen(condition: Number, yes: Value, no: Value) -> Value:
    """Return yes or no, draw by draw."""
    flat = np.atleast_1d(np.asarray(condition))
    if (flat == 1).all():
        return yes
    if (flat == 0).all():
        return no
    a, b = (x if not isinstance(x, str) else math.nan for x in (yes, no))  # a text is no number
    values = np.where(flat == 1, number(a), number(b))
    values = np.where(np.isnan(flat), np.nan, values)
    return Logical(values) if isinstance(yes, Logical) and isinstance(no, Logical) else values


def _if(args: Sequence[Value]) -> Value:
    _demand(args, 2, 3)
    no: Value = args[2] if len(args) > 2 else Logical(0.0)
    return elementwise(
        lambda c, a, b: chosen(truth(c), 0.0 if a is None else a, 0.0 if b is None else b),
        args[0], args[1], no,
    )  # fmt: skip


def _ifs(args: Sequence[Value]) -> Value:
    if not args or len(args) % 2:
        raise FormulaError("IFS has a condition without a value")
    return _first_that_holds(list(zip(args[::2], args[1::2], strict=True)))


def _first_that_holds(cases: Sequence[tuple[Value, Value]], otherwise: Value = math.nan) -> Value:
    """Return the value beside the first condition that holds, draw by draw."""
    for condition, value in reversed(cases):
        otherwise = _if((condition, value, otherwise))
    return otherwise


def _iferror(args: Sequence[Value]) -> Value:
    _demand(args, 2, 2)

    def instead(value: Value, other: Value) -> Value:
        if isinstance(value, str) or value is None:
            return value
        bad = ~np.isfinite(np.atleast_1d(np.asarray(number(value))))
        return chosen(_plain(bad.astype(np.float64)), other, value)

    return elementwise(instead, *args)


def _median(args: Sequence[Value]) -> Value:
    numbers = list(_numbers(args))
    if not numbers:
        return math.nan
    return _plain(np.median(np.broadcast_arrays(*numbers), axis=0)[()])


_CRITERION = re.compile(r"(<=|>=|<>|<|>|=)?\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


def _sumif(args: Sequence[Value]) -> Value:
    """SUMIF with a criterion about numbers, such as ``">0"``."""
    _demand(args, 2, 3)
    told = args[1]
    match = _CRITERION.fullmatch(told) if isinstance(told, str) else None
    if isinstance(told, str) and match is None:
        raise FormulaError("SUMIF with a criterion about texts")
    compare = COMPARE[match[1] or "=" if match else "="]
    limit = float(match[2]) if match else number(told)
    tested, summed = _areas((args[0], args[-1] if len(args) > 2 else args[0]), 2)
    total: Number = 0.0
    for value, counted in zip(tested.values(), summed.values(), strict=True):
        if isinstance(value, (float, np.ndarray)) and isinstance(counted, (float, np.ndarray)):
            total = total + np.where(compare(value, limit), counted, 0.0)[()]
    return _plain(total)


COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal,
    "<>": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}


def _choose(args: Sequence[Value]) -> Value:
    _demand(args, 2, 255)

    def is_meant(wanted: Value, place: Value) -> Value:
        return Logical(_plain((np.trunc(number(wanted)) == place)[()]))

    return _first_that_holds(
        [(elementwise(is_meant, args[0], float(n)), value) for n, value in enumerate(args[1:], 1)]
    )


def _switch(args: Sequence[Value]) -> Value:
    _demand(args, 3, 254)
    cases = list(args[1:])
    otherwise: Value = cases.pop() if len(cases) % 2 else math.nan

    def is_equal(one: Value, other: Value) -> Value:
        return Logical(_plain((number(one) == number(other)) * 1.0))

    pairs = zip(cases[::2], cases[1::2], strict=True)
    return _first_that_holds(
        [(elementwise(is_equal, args[0], value), answer) for value, answer in pairs], otherwise
    )


def _test(of_number: Callable[[Any], Any], of_text: float, of_nothing: float) -> Function:
    """Return a function that says what kind of value an argument is."""

    def asked(value: Value) -> Value:
        if value is None or isinstance(value, str):
            return Logical(of_nothing if value is None else of_text)
        if isinstance(value, Logical) and of_number is np.isfinite:
            return Logical(0.0 * np.asarray(value.data)[()])
        return Logical(_plain(np.asarray(of_number(number(value)), dtype=np.float64)[()]))

    def tested(args: Sequence[Value]) -> Value:
        _demand(args, 1, 1)
        return elementwise(asked, args[0])

    return tested


def _bad(x: Any) -> Any:
    return ~np.isfinite(x)


def _never(x: Any) -> Any:
    return np.zeros_like(x)


def _n(args: Sequence[Value]) -> Value:
    _demand(args, 1, 1)
    value = args[0]
    if isinstance(value, Grid):
        value = value.rows[0][0]
    return 0.0 if isinstance(value, str) else number(value)


def _same(args: Sequence[Value]) -> Value:
    _demand(args, 1, 1)
    return args[0]


def _nothing(value: Value) -> Function:
    def made(args: Sequence[Value]) -> Value:
        _demand(args, 0, 0)
        return value

    return made


FUNCTIONS: dict[str, Function] = {
    "SUM": _folded(operator.add, 0.0),
    "PRODUCT": _folded(operator.mul),
    "SUMSQ": _folded(lambda total, value: total + value * value, 0.0),
    "SUMPRODUCT": _sumproduct,
    "SUMXMY2": _pairwise(lambda a, b: (a - b) * (a - b)),
    "SUMX2MY2": _pairwise(lambda a, b: a * a - b * b),
    "SUMX2PY2": _pairwise(lambda a, b: a * a + b * b),
    "MMULT": _mmult,
    "TRANSPOSE": _transpose,
    "INDEX": _index,
    "AVERAGE": _average,
    "COUNT": _count,
    "COUNTA": _counta,
    "MAX": _folded(np.maximum),
    "MIN": _folded(np.minimum),
    "MEDIAN": _median,
    "SUMIF": _sumif,
    "EXP": _scalar(_exp),
    "LN": _each(np.log),
    "LOG": _scalar(_log, 1, 2),
    "LOG10": _each(np.log10),
    "SQRT": _each(np.sqrt),
    "POWER": _scalar(power, 2, 2),
    "POW": _scalar(power, 2, 2),
    "QUOTIENT": _scalar(lambda a, b: _plain(np.trunc(divided(a, b))), 2, 2),
    "SIN": _each(np.sin),
    "COS": _each(np.cos),
    "TAN": _each(np.tan),
    "TANH": _each(np.tanh),
    "SINH": _each(np.sinh),
    "COSH": _each(np.cosh),
    "ATANH": _each(np.arctanh),
    "ABS": _each(np.abs),
    "SIGN": _each(np.sign),
    "INT": _each(np.floor),
    "ROUND": _rounded(lambda size: np.floor(size + 0.5)),
    "ROUNDUP": _rounded(np.ceil),
    "ROUNDDOWN": _rounded(np.floor),
    "TRUNC": _rounded(np.floor),
    "MOD": _scalar(_mod, 2, 2),
    "ADD": _scalar(lambda a, b: a + b, 2, 2),
    "MINUS": _scalar(lambda a, b: a - b, 2, 2),
    "MULTIPLY": _scalar(lambda a, b: a * b, 2, 2),
    "DIVIDE": _scalar(divided, 2, 2),
    "UMINUS": _scalar(lambda a: -a),
    "IF": _if,
    "IFS": _ifs,
    "IFERROR": _iferror,
    "IFNA": _iferror,
    "AND": _joined(lambda truths: np.prod(truths, axis=0)),
    "OR": _joined(lambda truths: np.sign(np.sum(truths, axis=0))),
    "XOR": _joined(lambda truths: np.mod(np.sum(truths, axis=0), 2)),
    "NOT": _not,
    "CHOOSE": _choose,
    "SWITCH": _switch,
    "ISNUMBER": _test(np.isfinite, 0.0, 0.0),
    "ISBLANK": _test(_never, 0.0, 1.0),
    "ISTEXT": _test(_never, 1.0, 0.0),
    "ISERROR": _test(_bad, 0.0, 0.0),
    "ISERR": _test(_bad, 0.0, 0.0),
    "VALUE": _each(lambda x: x),
    "N": _n,
    "PI": _nothing(math.pi),
    "TRUE": _nothing(Logical(1.0)),
    "FALSE": _nothing(Logical(0.0)),
    "ARRAYFORMULA": _same,
    "ARRAY_CONSTRAIN": lambda args: args[0],
}
"""By name; ADD, MINUS, MULTIPLY, DIVIDE, POW, UMINUS and ARRAYFORMULA are Google's."""

TAKE_RANGES = frozenset(
    {
        *("SUM", "PRODUCT", "SUMSQ", "SUMPRODUCT", "SUMXMY2", "SUMX2MY2", "SUMX2PY2", "AVERAGE"),
        *("MMULT", "TRANSPOSE", "INDEX", "COUNT", "COUNTA", "MAX", "MIN", "MEDIAN", "SUMIF"),
        *("AND", "OR", "XOR", "ARRAYFORMULA", "ARRAY_CONSTRAIN"),
    }
)
"""Functions whose arguments may be whole ranges."""
