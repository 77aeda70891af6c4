"""The running error bound: nothing right exceeds it, and it is no looser than it must be."""

import math
import operator
import tempfile
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad.bounds import UNIT, ErrorBounds
from cellgrad.build import workbook_bytes
from cellgrad.compare import differences, numbers_in, shows
from cellgrad.errors import WorkbookError
from cellgrad.formula.references import place_of, places_in, range_of, tree_of
from cellgrad.formula.tree import Call, Cell, Chain, Number, Signed
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.sheet import SheetCells
from drawn_cases import as_case, cases

TOP = Path(__file__).parents[2]


def book_of(values, formulas):
    return Book(Path("made"), {"S": SheetCells(dict(values), dict(formulas))}, {})


def bound_of(book, cell=(1, 9), **options):
    def value(place):
        return book.sheets["S"].values.get(place[1:], 0.0)

    return ErrorBounds(book, value, **options).of(("S", *cell))


numbers = st.floats(-8, 8).filter(lambda x: abs(x) > 1e-6)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8), st.randoms())
def test_a_sum_of_products_stays_inside_in_any_order(pairs, rng):
    values, terms = {}, []
    for n, (a, b) in enumerate(pairs, start=1):
        values[n, 1], values[n, 2] = a, b
        terms.append(f"A{n}*B{n}")
    book = book_of(values, {(1, 9): "+".join(terms)})
    exact = sum(Fraction(a) * Fraction(b) for a, b in pairs)
    shuffled = list(pairs)
    rng.shuffle(shuffled)
    total = 0.0
    for a, b in shuffled:
        total = total + a * b
    bound = bound_of(book)
    assert abs(Fraction(total) - exact) <= Fraction(bound)
    # no looser than n roundings of the absolute sum
    assert bound <= 1.01 * len(pairs) * UNIT * sum(abs(a * b) for a, b in pairs) + 1e-300


@pytest.mark.parametrize(
    ("formula", "function"),
    [
        ("1/(1+EXP(-A1))", lambda x: 1 / (1 + (-x).exp())),
        ("EXP(A1)", lambda x: x.exp()),
        ("LN(ABS(A1))", lambda x: abs(x).ln()),
        ("SQRT(ABS(A1))", lambda x: abs(x).sqrt()),
        ("A1*(1-A1)", lambda x: x * (1 - x)),
        ("MAX(0,A1)", lambda x: max(x, x * 0)),
        ("IF(A1>0,A1,0.125*A1)", lambda x: x if x > 0 else x / 8),
    ],
)
def test_a_function_of_one_number_stays_inside(formula, function):
    getcontext().prec = 60
    for x in np.random.default_rng(3).uniform(-6, 6, 200).tolist():
        plain = {"EXP": math.exp, "LN": math.log, "ABS": abs, "SQRT": math.sqrt, "MAX": max}
        python = formula.replace("IF(A1>0,A1,0.125*A1)", "A1 if A1>0 else 0.125*A1")
        value = eval(python, {**plain, "A1": x})  # noqa: S307 - the formulas above
        book = book_of({(1, 1): x}, {(1, 9): formula})
        assert abs(Decimal(value) - function(Decimal(x))) <= Decimal(bound_of(book)), x


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(cases())
def test_no_cell_of_any_right_step_exceeds_its_bound(document):
    """Every step cell's stored value against its formula evaluated in exact fractions."""
    getcontext().prec = 60
    try:
        data = workbook_bytes(as_case(document))
    except WorkbookError:
        return
    path = Path("drawn.xlsx")
    book = _book_from(data, path)
    sheet = book.sheets["Step"]
    if any(not isinstance(sheet.values.get(cell), float) for cell in sheet.formulas):
        return  # a saturated output: LN(0) is an error in the sheet
    bounds = ErrorBounds(book, lambda p: sheet.values.get(p[1:], 0.0))
    exact = Exact(book)
    for cell in sheet.formulas:
        gap = abs(exact.of(("Step", *cell)) - exact.number(sheet.values[cell]))
        assert gap <= exact.number(bounds.of(("Step", *cell))), cell


def _book_from(data, path):
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / path
        target.write_bytes(data)
        return read_book(target)


class Exact:
    """The formulas at 60 digits, by a walk of its own."""

    def __init__(self, book):
        self.book, self.number, self.known = book, Decimal, {}

    def of(self, place):
        if place not in self.known:
            sheet, row, column = place
            formula = self.book.sheets[sheet].formulas.get((row, column))
            if formula is None:
                self.known[place] = self.number(self.book.sheets[sheet].values[row, column])
            else:
                self.known[place] = self.value(tree_of(self.book, formula))
        return self.known[place]

    def cells(self, node):
        area = range_of(node, ("Step", 0, 0))
        return [self.of(place) for place in places_in(area)]

    def value(self, node):
        match node:
            case Number(value):
                return self.number(value)
            case Cell():
                return self.of(place_of(node, ("Step", 0, 0)))
            case Signed(sign, operand):
                return -self.value(operand) if sign == "-" else self.value(operand)
            case Chain(first, links):
                a = self.value(first)
                for sign, operand in links:
                    a = OPERATORS[sign](a, self.value(operand))
                return a
            case Call("IF", (condition, yes, no)):
                return self.value(yes if self.value(condition) else no)
            case Call("SUMPRODUCT", args):
                columns = [self.cells(arg) for arg in args]
                return sum(a * b for a, b in zip(*columns, strict=True))
        args = [self.value(arg) for arg in node.args]
        if node.name == "TANH":
            up, down = args[0].exp(), (-args[0]).exp()
            return (up - down) / (up + down)
        return {"EXP": args[0].exp, "LN": args[0].ln,
                "MAX": lambda: max(args), "ABS": lambda: abs(args[0])}[node.name]()  # fmt: skip


OPERATORS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def test_cancellation_makes_a_relative_error_large_and_the_bound_follows():
    book = book_of({(1, 1): 0.1, (2, 1): 1.0}, {(1, 9): "(A1+A2)-A2"})
    value = (0.1 + 1.0) - 1.0
    gap = abs(Fraction(value) - Fraction(0.1))
    assert 0 < gap <= Fraction(bound_of(book))
    assert gap / Fraction(0.1) > 2 * Fraction(UNIT)


def test_an_engine_that_snaps_small_differences_gets_room_for_it():
    book = book_of({(1, 1): 1.0, (2, 1): 1.0 - 2**-50}, {(1, 9): "A1-A2"})
    assert bound_of(book) < 2**-50 < bound_of(book, snap=2**-48)


def test_givens_parsed_in_extended_precision_get_room_for_it():
    book = book_of({(1, 1): 0.1}, {(1, 9): "A1*1"})
    assert bound_of(book, given_error=UNIT) > bound_of(book) > 0


def test_a_circle_has_no_bound():
    book = book_of({}, {(1, 9): "A9+1", (9, 1): "I1"})
    assert bound_of(book) == math.inf


def test_a_chain_longer_than_the_stack_has_a_bound():
    formulas = {(n, 1): f"A{n - 1}+1" for n in range(2, 6_000)}
    assert 0 < bound_of(book_of({(1, 1): 1.0}, formulas), cell=(5_999, 1)) < 1e-9


def test_comparing_counts_bits_bounds_and_everything_that_is_no_number():
    found = [[1.0, 1.0 + 2**-52, 2.0, "x", None, True, -0.0]]
    expected = [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]]
    result = list(differences(found, expected, lambda _r, _c: 2**-50))
    assert [(one.column, one.allowed) for one in result] == [
        (1, True), (2, False), (3, False), (4, False), (5, False)
    ]  # fmt: skip


def test_a_bound_that_is_unknown_lets_nothing_pass():
    (result,) = differences([[1.5]], [[1.0]], lambda _r, _c: math.inf)
    assert not result.allowed


def test_numbers_in_texts_are_read_whatever_the_engine_writes():
    skeleton = ("(", None, ")(", None, ")")
    assert numbers_in("(1E-05)(-0,25)", skeleton) == [1e-5, -0.25]
    assert numbers_in("(1E-05)[2]", skeleton) is None
    assert shows(0.1235, 0.12345, 4, 0)
    assert shows(0.1234, 0.12345, 4, 0)  # a tie may go either way
    assert not shows(0.1236, 0.12345, 4, 0)
    assert not shows(0.12345, 0.12345, 4, 0)  # not rounded


@pytest.mark.parametrize("text", ["1+", "{1,2}*2", "unknown_name+1", "A1^2", "A1:B1", '"a"'])
def test_a_formula_outside_the_function_set_has_no_bound(text):
    assert bound_of(book_of({(1, 1): 1.0}, {(1, 9): text})) == math.inf


def test_the_bounds_of_the_shipped_step_are_tiny():
    path = TOP / "spreadsheets" / "training-step-3-4-1.xlsx"
    book = read_book(path)
    values = book.sheets["Step"].values
    bounds = ErrorBounds(book, lambda p: values.get(p[1:], 0.0))
    worst = max(bounds.of(("Step", *cell)) for cell in book.sheets["Step"].formulas)
    assert 0 < worst < 1e-14
