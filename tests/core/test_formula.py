"""Formulas: text to tree and back, what they read, and working them out over an algebra."""

import re
from pathlib import Path

import pytest

from cellgrad.formula.algebra import Algebra
from cellgrad.formula.parse import MAX_CHARACTERS, parse
from cellgrad.formula.references import find_cycle, precedents, ranges_read_by
from cellgrad.formula.tree import (
    Area,
    Axis,
    Call,
    Cell,
    Chain,
    Constants,
    ErrorValue,
    FormulaError,
    Link,
    Missing,
    Name,
    Number,
    Percent,
    Signed,
    Spill,
    Text,
    Truth,
    nodes,
    size,
    text_of,
)  # fmt: skip
from cellgrad.formula.work_out import WorkOut
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import Book
from cellgrad.xlsx.sheet import SheetCells

README = Path(__file__).parents[2] / "python_impl/cellgrad/formula/README.md"


# text to tree


def cell(row, column, sheet=None):
    return Cell(sheet, Axis(False, row), Axis(False, column))


A1, B1, C1 = cell(1, 1), cell(1, 2), cell(1, 3)

TREES = {
    "1.5e3": Number(1500.0),
    '"say ""−"""': Text('say "−"'),
    "true": Truth(True),
    "#DIV/0!": ErrorValue("#DIV/0!"),
    "A1": A1,
    "$A$1": Cell(None, Axis(True, 1), Axis(True, 1)),
    "Step!A1": cell(1, 1, "Step"),
    "'It''s'!A1": cell(1, 1, "It's"),
    "A1:B1": Area(None, *(Axis(False, n) for n in (1, 1, 1, 2))),
    "Step!A1:Step!B1": Area("Step", *(Axis(False, n) for n in (1, 1, 1, 2))),
    "A:B": Area(None, None, Axis(False, 1), None, Axis(False, 2)),
    "$1:2": Area(None, Axis(True, 1), None, Axis(False, 2), None),
    "A1:B": Area(None, Axis(False, 1), Axis(False, 1), None, Axis(False, 2)),
    "A1#": Spill(A1),
    "_xlfn.ANCHORARRAY(A1)": Spill(A1),
    "weight_ItoH": Name("weight_ItoH"),
    "Step!input": Name("input"),
    "LOG10(A1)": Call("LOG10", (A1,)),
    "_xlfn._xlws.sum(A1)": Call("SUM", (A1,)),
    "IF(A1;;B1,)": Call("IF", (A1, Missing(), B1, Missing())),
    "PI()": Call("PI", ()),
    "@A1": A1,
    "@A1:B1": Call("SINGLE", (Area(None, *(Axis(False, n) for n in (1, 1, 1, 2))),)),
    "{1,-2;3,TRUE}": Constants(
        ((Number(1.0), Signed("-", Number(2.0))), (Number(3.0), Truth(True)))
    ),
    # precedence
    "-A1^B1": Chain(Signed("-", A1), (Link("^", B1),)),
    "A1^-B1": Chain(A1, (Link("^", Signed("-", B1)),)),
    "A1^B1^C1": Chain(A1, (Link("^", B1), Link("^", C1))),
    "A1%%": Percent(Percent(A1)),
    "A1%^B1": Chain(Percent(A1), (Link("^", B1),)),
    "A1+B1*C1-A1": Chain(A1, (Link("+", Chain(B1, (Link("*", C1),))), Link("-", A1))),
    "A1−B1×C1÷A1": Chain(A1, (Link("-", Chain(B1, (Link("*", C1), Link("/", A1)))),)),
    "A1&B1=C1": Chain(Chain(A1, (Link("&", B1),)), (Link("=", C1),)),
    "(A1+B1)-C1": Chain(A1, (Link("+", B1), Link("-", C1))),
    "A1-(B1-C1)": Chain(A1, (Link("-", Chain(B1, (Link("-", C1),))),)),
}


@pytest.mark.parametrize(("text", "tree"), TREES.items(), ids=list(TREES))
def test_a_formula_is_read(text, tree):
    assert parse(text) == tree
    assert parse(f" {text} ") == tree


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read at 'its end'"),
        ("A1+", "cannot be read at 'its end'"),
        ("A1 B1", "cannot be read at 'B1'"),
        ("(A1", "lacks a ')'"),
        ("SUM(A1", "lacks a closing bracket"),
        ("1E400*A1", "a number beyond all doubles"),
        ("SUM(A1)#", "something other than a cell"),
        ("{1,A1}", "something else than constants"),
        ("{1,2;3}", "rows of different lengths"),
        ("A0", "row 0 lies outside"),
        ("XFE1", "column XFE lies outside"),
        ("Step!A1:Other!B1", "is no reference"),
        ("§", "cannot be read at '§'"),
        ("(" * 72 + "1" + ")" * 72, "nested too deeply"),
        ("-" * 72 + "1", "nested too deeply"),
        ("1" + "%" * 72, "nested too deeply"),
        ("1" * (MAX_CHARACTERS + 1), "longer than 8,192 characters"),
    ],
)
def test_what_is_no_formula_is_refused(text, says):
    with pytest.raises(FormulaError, match=re.escape(says)):
        parse(text)


def test_a_long_sum_is_no_deep_tree():
    tree = parse("+".join(["A1"] * 2_000))
    assert size(tree) == 3_999
    assert tree == parse("+".join(["A1"] * 2_000))
    assert sum(isinstance(node, Cell) for node in nodes(tree)) == 2_000
    assert text_of(tree).count("+") == 1_999


def test_nodes_come_in_the_order_in_which_they_are_written():
    cells = [node for node in nodes(parse("A1+IF(B1,-C1%,{1})*D1")) if isinstance(node, Cell)]
    assert cells == [A1, B1, C1, cell(1, 4)]


# tree to text, relative to the cell


@pytest.mark.parametrize(
    ("text", "at", "relative"),
    [
        ("B6*C6+B7*C$7-$A$1", (10, 3), "(((R[-4]C[-1]*R[-4]C)+(R[-3]C[-1]*R7C))-R1C1)"),
        ("SUM(Step!A:B,2:$3)%", (5, 5), "SUM('step'!C[-4]:C[-3],R[-3]:R3)%"),
        ('IF(x="a""b",,-0.1)', (1, 1), 'IF((x="a""b"),,-0.1)'),
        ("{1,TRUE;3,2}", (1, 1), "{1,TRUE;3,2}"),
        ("C10#+#N/A", (10, 2), "(RC[1]#+#N/A)"),
    ],
)
def test_a_tree_is_written(text, at, relative):
    assert text_of(parse(text, *at, ignore_case=True)) == relative


def test_equal_formulas_in_other_cells_have_equal_trees():
    assert parse("B6*$C6", 10, 3) == parse("C7*$C7", 11, 4)
    assert parse("B6*$C6", 10, 3) != parse("C7*$D7", 11, 4)
    assert hash(parse("B6", 10, 3)) == hash(parse("B7", 11, 3))
    assert parse("step!INPUT", ignore_case=True) == parse("Step!Input", ignore_case=True)


# what formulas read


def book_of(formulas, names=None):
    cells = {"S": SheetCells({}, dict(formulas))}
    return Book(Path("made"), cells, names or {})


def test_what_a_formula_reads():
    book = book_of({(9, 9): "A1+SUM(B2:C3,Other!D4)*x"}, {"x": "=S!$E$5:$E$6"})
    areas = [str(area) for area in ranges_read_by(book, ("S", 9, 9))]
    assert areas == ["S!A1", "S!B2:C3", "Other!D4", "S!E5:E6"]
    assert ranges_read_by(book, ("S", 1, 1)) == []


@pytest.mark.parametrize("text", ["y", "A1#", "SUM(A:A)"])
def test_what_cannot_be_told_is_refused(text):
    with pytest.raises(FormulaError):
        ranges_read_by(book_of({(9, 9): text}), ("S", 9, 9))


def test_circles_are_found_however_long():
    chain = {(row, 1): f"A{row + 1}" for row in range(1, 3_000)}
    assert find_cycle(book_of(chain)) is None
    assert precedents(book_of(chain), ("S", 5, 1)) == [("S", 6, 1)]
    assert len(find_cycle(book_of(chain | {(3_000, 1): "SUM(A1:A2)"}))) in (2_999, 3_000)


# working out


class Floats(Algebra[float]):
    """Cells hold ten times their row plus their column; the empty cell is C9."""

    functions = frozenset(
        (
            *("SUM", "SUMSQ", "SUMPRODUCT", "SUMXMY2", "AVERAGE", "MAX", "PRODUCT", "MMULT"),
            *("TRANSPOSE", "POWER", "ROUND", "IF", "AND", "ABS"),
        )
    )
    most_cells = 100

    def cell(self, place):
        return float(place[1] * 10 + place[2])

    def counts(self, place):
        return a1(*place[1:]) != "C9"

    def number(self, value):
        return value

    def sum(self, terms):
        return sum(sign * value for sign, value in terms)

    def product(self, factors):
        result = 1.0
        for factor in factors:
            result *= factor
        return result

    def quotient(self, over, under):
        return over / under

    def power(self, base, exponent):
        return base**exponent

    def compare(self, sign, left, right):
        return float({"=": left == right, "<": left < right, ">": left > right}[sign])

    def round(self, value, digits):
        return round(value, int(digits))

    def largest(self, values):
        return max(values)

    def every(self, conditions):
        return float(all(conditions))

    def choice(self, condition, yes, no):
        return yes if condition else no

    def function(self, name, value):
        return abs(value) if name == "ABS" else super().function(name, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A1-B1-C1+2", 11 - 12 - 13 + 2),
        ("A1*B1/C1*2", 11 * 12 / 13 * 2),
        ("-A1^2", 121),
        ("2^3^2", 64),
        ("A1%+TRUE", 1.11),
        ("+A1", 11),
        ("A1:A1+1", 12),
        ("SUM(A1:B2,5,C9)", 11 + 12 + 21 + 22 + 5),
        ("SUM(C8:C10)", 83 + 103),
        ("SUMSQ(A1:B1)", 11**2 + 12**2),
        ("SUMPRODUCT(A1:A2,B1:B2)", 11 * 12 + 21 * 22),
        ("SUMPRODUCT(A1:A2*B1:B2)", 11 * 12 + 21 * 22),
        ("SUMPRODUCT((A1:A3>15)*{1;2;4})", 6),
        ("SUMXMY2(A1:A2,B1:B2)", 2),
        ("AVERAGE(C8:C10)", 93),
        ("MAX(A1:A3,7)", 31),
        ("PRODUCT(A1:A2,2)", 462),
        ("SUM(MMULT(A1:B1,TRANSPOSE(A2:B2)))", 11 * 21 + 12 * 22),
        ("POWER(ABS(-A1),2)", 121),
        ("ROUND(2.567,2)", 2.57),
        ("IF(A1>B1,1,IF(A1=11,2))", 2),
        ("IF(A1>B1,1)", 0),
        ("AND(A1<B1,TRUE)", 1),
        ("x+SUM(xs)", 11 + 11 + 21),
    ],
)
def test_a_formula_is_worked_out(text, value):
    names = {"x": parse("A1"), "xs": parse("A1:A2")}
    assert WorkOut(Floats(), ("S", 0, 0), names.get).one(parse(text)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A1:A2+1", "A1:A2 stands where one number is expected"),
        ("SUM(A1:A2*2)", "stands where one number is expected"),
        ("SUM(A:A)", "a whole row or column"),
        ("SUM(A1:Z9)", "holds more than 100 cells"),
        ("SUM(C9)", "a function of nothing"),
        ("SUMPRODUCT(A1:A2,A1:B1)", "ranges of different sizes"),
        ("SUMPRODUCT(A1:A2+A1:A3)", "different shapes"),
        ("SUMPRODUCT(A1:A11*A1:K1)", "more than 100 elements"),
        ("MMULT(A1:B2,A1:B3)", "do not fit"),
        ("MMULT(A1:B2,A1:B2)", "several values in one cell"),
        ("MMULT(A1:B2)", "MMULT of 1 arguments"),
        ("ABS(1,2)", "ABS of 2 arguments"),
        ("MINVERSE(A1:B2)", "the function MINVERSE is outside the function set"),
        ('"a"', "is no number"),
        ("A1&B1", "& is outside the function set"),
        ("IF(A1,,1)", "an argument is left out"),
        ("#N/A", "#N/A is no number"),
        ("nobody", "'nobody' is no reference"),
        ("loop", "leads in a circle"),
        ("A1#", "spills"),
    ],
)
def test_what_an_algebra_does_not_know_is_refused(text, says):
    names = {"loop": parse("loop+1")}
    with pytest.raises(FormulaError, match=re.escape(says)):
        WorkOut(Floats(), ("S", 0, 0), names.get).one(parse(text))


def test_an_array_formula_fills_its_cells():
    work_out = WorkOut(Floats(), ("S", 0, 0), ranges="whole")
    tree = parse("IF(A1:B1>11,A1:B1,-1)*A1:A2")
    values = [[work_out.element(tree, (row, column)) for column in range(2)] for row in range(2)]
    assert values == [[-11, 12 * 11], [-21, 12 * 21]]
    assert work_out.element(parse("A1:A2"), (1, 5)) == 21  # one column serves for all
    with pytest.raises(FormulaError, match="gives nothing for this cell"):
        work_out.element(parse("A1:A2"), (2, 0))


def test_a_range_stands_for_the_cell_in_its_row_or_column():
    tree = parse("A1:A3+A5:C5", 2, 3)
    work_out = WorkOut(Floats(), ("S", 2, 3), ranges="intersected")
    assert work_out.one(tree) == 21 + 53
    with pytest.raises(FormulaError, match="#VALUE!"):
        work_out.one(parse("A4:A5+1", 2, 3))


def test_a_relative_formula_reads_where_it_stands():
    tree = parse("A1*2", 5, 5)
    assert WorkOut(Floats(), ("S", 6, 7)).one(tree) == 2 * 23
    with pytest.raises(FormulaError, match="outside the sheet"):
        WorkOut(Floats(), ("S", 4, 5)).one(tree)


def test_an_algebra_that_decides_goes_one_way_only():
    class Deciding(Floats):
        def decide(self, condition):
            return bool(condition)

    assert WorkOut(Deciding(), ("S", 0, 0)).one(parse("IF(1,2,nobody)")) == 2
    with pytest.raises(FormulaError, match="nobody"):
        WorkOut(Floats(), ("S", 0, 0)).one(parse("IF(1,2,nobody)"))


def test_the_readmes_algebra_says_what_it_says_there():
    examples = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    scope = {}
    exec(examples[0].replace("...", "pass"), scope)  # noqa: S102 - our own page
    *lines, last = examples[1].strip().splitlines()
    exec("\n".join(lines), scope)  # noqa: S102
    call, _, says = last.partition("  # ")
    assert eval(call, scope) == eval(says)  # noqa: S307
