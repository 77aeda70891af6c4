"""Live formulas: they compute what the program computes, in every engine."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad import engines
from cellgrad.case.model import Case, Network, Sample
from cellgrad.workbook.canvas import STYLES, Canvas
from cellgrad.workbook.description import Book
from cellgrad.workbook.serialise import file_of
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.sheet import CellError
from cellgrad_audit.answer import Slot
from cellgrad_audit.bugs.arithmetic import Doubles, Running, RunningBounds
from cellgrad_audit.bugs.catalogue import variants
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.probes import probes
from cellgrad_audit.report.expression import (
    Formulas,
    NotLiveError,
    Number,
    Operation,
    Reference,
    cells_in,
    exponents,
    written,
)
from cellgrad_audit.report.live import LARGEST_EXPONENT, Givens, Live, live_pair, path_of_mistake
from cellgrad_audit.report.sheets import LiveSheet, Places
from cellgrad_audit.report.workbook import audit_workbook_bytes
from cellgrad_audit.result import Audit
from made_audits import (
    NO_INPUT,
    NO_RATE,
    UPDATED,
    answered,
    joined,
    opened,
    probe,
    probed,
    variant,
)

# live formulas


VALUES = {"a": np.float64(0.7), "b": np.float64(-1.3), "c": np.float64(2.1)}
A, B, C = (Reference(name, None, value) for name, value in VALUES.items())

TREES = st.recursive(
    st.sampled_from([A, B, C, Number(0.3), Number(-1.7)]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+-*/"), inner, inner).map(lambda t: Operation(*t)),
        inner.map(lambda part: Operation("", part)),
        st.tuples(st.sampled_from(["TANH", "ABS"]), inner).map(lambda t: Operation(*t)),
        st.tuples(inner, inner, inner).map(lambda t: Operation("IF", *t)),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_a_formula_as_text_means_what_the_tree_means(tree):
    # Python reads + − * / and brackets as a spreadsheet does
    known = VALUES | {"TANH": lambda x: np.float64(math.tanh(x)), "ABS": abs}
    known |= {"IF": lambda condition, yes, no: yes if condition else no}
    with np.errstate(all="ignore"):
        text = written(tree, lambda cell: f" {cell}")
        text = re.sub(r"(?<![\w.])(\d+(?:\.\d*)?(?:e[-+]?\d+)?)", r"np.float64(\1)", text)
        read = eval(text.strip(), {"np": np, **known})  # noqa: S307 - a text of our own
    assert same(read, tree.value)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (A - (B - C), "a-(b-c)"),
        (A + (B + C), "a+(b+c)"),
        (A + B - C, "a+b-c"),
        (A / (B * C), "a/(b*c)"),
        ((A + B) * C, "(a+b)*c"),
        (-(A + B), "-(a+b)"),
        (A - -B, "a-(-b)"),
        (-A * B, "(-a)*b"),
        (A * B + C * A, "a*b+c*a"),
        (1.0 / (1.0 + Operation("EXP", -A)), "1/(1+EXP(-a))"),
        (0.0 * A + B, "b"),
        (A * 0.0 + 1.0, "1"),
        (1.0 * A - A, "1*a-a"),
        (0.5 * A, "0.5*a"),
    ],
)
def test_brackets_stand_where_they_are_needed(tree, text):
    assert written(tree, str) == text


def test_a_choice_that_is_no_choice_is_not_written():
    formulas = Formulas(None)
    assert formulas.choose(np.array([A]), 1.0, 1.0)[0].value == 1.0
    assert formulas.choose(np.array([Number(2.0)]), A, B)[0] is A
    assert formulas.choose(np.array([Number(-2.0)]), A, B)[0] is B
    assert written(formulas.choose(np.array([A]), A, 0.0)[0], str) == "IF(a>0,a,0)"


def test_a_given_that_is_a_tie_is_rounded_as_the_catalogue_rounds():
    engine_rounds_up = variant("low-precision", "all weights and biases to 2 decimals").program
    plain_case = probe("probe-plain")
    weights = ((0.125, 0.375, -0.625, 1.5), *plain_case.network.weights[0][1:])
    network = replace(plain_case.network, weights=(weights, plain_case.network.weights[1]))
    live = Live(engine_rounds_up, Givens(replace(plain_case, network=network)))
    first = live.cell(Slot(1, "pre_activation", 0), (0, 0))
    assert written(first.formula, lambda _: "x").startswith("x*IF(0.5-ABS(x*100-ROUND(x*100,0))>0")
    wanted = of_program(engine_rounds_up, live.case)[1, ("pre_activation", 0)][0, 0]
    assert first.value == wanted


def test_an_exponent_beyond_the_range_of_a_sheet_is_refused():
    network = Network((1, 1), ("logistic",), (((-800.0,),),))
    case = Case("far", "far", network, "half_squared_error", (Sample((1.0,), (0.25,)),))
    with pytest.raises(NotLiveError, match="709"):
        live_pair(case, Program, None, [Slot(1, "weights", 0)])
    audit = Audit("m:f", "bit_identical", [probed(answered(Program, case))])
    book = opened(audit_workbook_bytes(audit))
    assert book.sheetnames == ["Guide", "Audit"]
    assert book["Audit"]["C7"].value == Program(case).run().weights[0][0, 0]


def of_program(program, case):
    """Return the doubles of a program, by update and quantity."""
    with np.errstate(all="ignore"):
        record = program(case, Doubles()).run()
    steps = dict(zip(record.numbers, record.steps, strict=True)) | {0: record.final}
    return {(n, key): np.asarray(v) for n, step in steps.items() for key, v in step.items()}


def of_live(live):
    """Return the cells of a live computation by the same names."""
    steps = dict(zip(live.record.numbers, live.record.steps, strict=True)) | {0: live.record.final}
    found = {}
    for n, step in steps.items():
        for key, references in step.items():
            array = np.asarray(references, dtype=object)
            cells = np.empty(array.shape, dtype=object)
            for index in np.ndindex(array.shape):
                cells[index] = array[index].cell
            found[n, key] = cells
    return found


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


FEW = [UPDATED, NO_INPUT, variant("softmax-twice"), variant("online-for-batch")]


@pytest.mark.parametrize("chosen", [None, *FEW], ids=lambda v: v.entry if v else "right")
def test_live_formulas_evaluate_to_the_programs_own_doubles(chosen):
    program = Program if chosen is None else chosen.program
    for name in ("probe-plain", "probe-softmax"):
        case = probe(name)
        live, doubles = Live(program, Givens(case)), of_program(program, case)
        cells = of_live(live)
        assert set(cells) == set(doubles)
        for key, array in doubles.items():
            for index, value in np.ndenumerate(array):
                assert same(cells[key][index].value, float(value)), (name, key, index)


def test_two_mistakes_at_once_are_as_live_as_one():
    case = probe("probe-one-output")
    program = joined(NO_INPUT, NO_RATE)
    live = Live(program, Givens(case))
    doubles, cells = of_program(program, case), of_live(live)
    wanted = doubles[3, ("new_weights", 0)]
    found = [[c.value for c in row] for row in cells[3, ("new_weights", 0)]]
    assert np.array_equal(found, wanted)
    alone = of_program(NO_INPUT.program, case)[3, ("new_weights", 0)]
    assert not np.array_equal(found, alone)


def test_a_given_of_the_case_is_a_reference_and_a_constant_of_the_program_is_not():
    case = probe("probe-plain")
    live = Live(Program, Givens(case))
    cell = live.cell(Slot(1, "weights", 1), (0, 0))
    text = written(cell.formula, lambda other: other.name)
    assert text == "weight_HtoO[1,1]-LR*gradient_HtoO[1,1]"
    wrong = Live(NO_RATE.program, Givens(case)).cell(Slot(1, "weights", 1), (0, 0))
    assert written(wrong.formula, lambda other: other.name) == (
        "weight_HtoO[1,1]-1*gradient_HtoO[1,1]"
    )


def test_half_precision_is_refused_and_decimals_are_not():
    case, low = probe("probe-plain"), "low-precision"
    with pytest.raises(NotLiveError, match="binary format"):
        Live(variant(low, "every value to float16").program, Givens(case))
    live = Live(variant(low, "S_postA to 3 decimals").program, Givens(case))
    cell = live.cell(Slot(1, "post_activation", 0), (0, 0))
    assert written(cell.formula, lambda other: "x") == "ROUND(1/(1+EXP(-x)),3)"


def test_a_long_sum_is_cut_into_cells_and_keeps_its_value():
    wide = 400
    network = Network((wide, 1), ("logistic",), (tuple((1 / (n + 3),) for n in range(wide)),))
    case = Case("wide", "wide", network, "half_squared_error", (Sample((0.1,) * wide, (0.25,)),))
    live = Live(Program, Givens(case))
    cell = live.cell(Slot(1, "pre_activation", 0), (0, 0))
    assert cell.value == Program(case).run().steps[0]["pre_activation", 0][0, 0]
    longest = max(
        len(written(c.formula, lambda _: "Givens!AAA1000")) for b in live.blocks for c in b.every()
    )
    assert longest < 8192


def test_a_network_that_no_sheet_holds_is_refused():
    network = Network((100, 100), ("identity",), (((0.5,) * 100,) * 100,))
    case = Case(
        "large", "large", network, "half_squared_error", (Sample((1.0,) * 100, (0.0,) * 100),)
    )
    with pytest.raises(NotLiveError, match="10,000"):
        Givens(case)


def test_the_path_of_a_mistake_begins_where_its_formula_is_another_one():
    case = probe("probe-plain")
    slot = Slot(0, "weights", 0)
    pair = live_pair(case, Program, UPDATED.program, [slot])
    path = path_of_mistake(pair, pair.wrong.cell(slot, (1, 2)))
    assert path[0].block.key == ("backpropagated_error", 0)
    assert path[0].block.update == 1
    assert path[-1].block.key == ("new_weights", 0)
    assert {cell.block.key[0] for cell in pair.parted} == {"backpropagated_error"}
    assert path_of_mistake(replace(pair, wrong=pair.right, parted=frozenset()), path[-1]) == [
        path[-1]
    ]


class Packed:
    """Many computations of one case in one workbook, each on a sheet of its own."""

    def __init__(self, case, programs):
        self.book = Book("Packed", STYLES)
        self.places, self.lives = Places(), []
        givens = Givens(case)
        LiveSheet(Canvas(self.book, "Givens"), case, self.places).givens(givens.blocks)
        for n, program in enumerate(programs):
            live = Live(program, givens)
            LiveSheet(Canvas(self.book, f"S{n}"), case, self.places).computation(live)
            self.lives.append(live)

    def values(self, engine, path):
        path.write_bytes(file_of(self.book))
        found = {}
        with engine.open(path) as opened:
            for sheet in self.book.sheets:
                rows, columns = (max(place[axis] for place in sheet.cells) for axis in (0, 1))
                (block,) = opened.read([Range(sheet.title, 1, 1, rows, columns)])
                found[sheet.title] = block
        return {
            cell: found[sheet][row - 1][column - 1]
            for cell, (sheet, row, column) in self.places.of.items()
        }


def disagreements(case, programs, engine, path):
    """Compare an engine's values with the programs' doubles.

    Where EXP leaves the range of a double a sheet has an error, and so has all that reads it.

    Returns:
        how many are the same, and which lie outside the running bounds.
    """
    packed = Packed(case, programs)
    values, equal, outside = packed.values(engine, path), 0, []
    for program, live in zip(programs, packed.lives, strict=True):
        doubles, cells, bounds = of_program(program, case), of_live(live), None
        errors = poisoned(live)
        for key, array in doubles.items():
            for index, value in np.ndenumerate(array):
                cell = cells[key][index]
                found = values[cell]
                if isinstance(found, CellError):
                    if math.isfinite(value) and cell not in errors:
                        outside.append((program.__name__, key, index, found, float(value)))
                elif found == value:
                    equal += 1
                else:
                    bounds = bounds or running(program, case)
                    if not abs(found - value) <= bounds[key][index]:
                        outside.append((program.__name__, key, index, found, float(value)))
    return equal, outside


def poisoned(live):
    """Return the cells that an EXP beyond the range of a double makes an error."""
    found = {
        cell
        for cell, formula in live.formula_cells()
        if any(inner.value > LARGEST_EXPONENT for inner in exponents(formula))
    }
    for block in live.blocks if found else ():
        for cell in block.every():
            if cell.formula is not None and any(c in found for c in cells_in(cell.formula)):
                found.add(cell)
    return found


class Bounds(RunningBounds):
    """Bounds that know of ties.

    What lies within an ulp of a tie may go either way: Python rounds the binary number, a
    spreadsheet the decimal one.
    """

    def rounded(self, x, to):
        for number in x.ravel():
            number.carried += math.ulp(number.value)
        return super().rounded(x, to)


def running(program, case):
    with np.errstate(all="ignore"):
        record = program(case, Bounds()).run()
    steps = dict(zip(record.numbers, record.steps, strict=True)) | {0: record.final}
    bound = np.vectorize(lambda x: x.bound if isinstance(x, Running) else 0.0, otypes=[float])
    return {(n, key): bound(v) for n, step in steps.items() for key, v in step.items()}


def test_an_engine_computes_the_mistakes_numbers(tmp_path):
    engine = engines.create("formualizer")
    programs = [Program, UPDATED.program, joined(NO_INPUT, NO_RATE)]
    equal, outside = disagreements(probe("probe-plain"), programs, engine, tmp_path / "a.xlsx")
    assert not outside
    assert equal > 300
    # and it notices a wrong formula
    packed = Packed(probe("probe-plain"), [Program])
    cell = packed.lives[0].cell(Slot(1, "weights", 1), (0, 0))
    _, row, column = packed.places.of[cell]
    packed.book.sheets[1].cells[row, column].content += "+1"
    assert packed.values(engine, tmp_path / "b.xlsx")[cell] != cell.value


def live_variants(case, chosen):
    """Return the programs of variants; only half precision may be missing.

    Those are left out that make the very formulas of the right program.
    """
    found, right = [], Live(Program, Givens(case)).formulas()
    for one in chosen:
        try:
            live = Live(one.program, Givens(case))
        except NotLiveError:
            assert "float16" in one.name, one
        else:
            assert "float16" not in one.name, one
            if live.formulas() != right:
                found.append(one.program)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("case", probes(), ids=lambda case: case.id)
def test_every_variant_of_the_catalogue_is_live_on_every_probe(case, tmp_path):
    engine = engines.create("formualizer")
    programs = live_variants(case, variants())
    assert len(programs) > 50
    for group in batched(programs, 12):
        equal, outside = disagreements(case, group, engine, tmp_path / "a.xlsx")
        assert not outside, outside[:3]
        assert equal > 100


def batched(things, size):
    for start in range(0, len(things), size):
        yield things[start : start + size]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ironcalc", "libreoffice"])
def test_another_engine_computes_the_mistakes_numbers(name, tmp_path, engine_or_skip):
    engine = engine_or_skip(name)
    rng = random.Random(5)
    for case in probes()[:4]:
        programs = live_variants(case, rng.sample(variants(), 8))
        equal, outside = disagreements(case, [Program, *programs], engine, tmp_path / "a.xlsx")
        assert not outside, outside[:3]
        assert equal > 100


@pytest.mark.slow
def test_pairs_of_mistakes_are_live(tmp_path):
    engine = engines.create("formualizer")
    rng, case = random.Random(7), probe("probe-online")
    programs = []
    while len(programs) < 24:
        one, other = rng.sample(variants(), 2)
        if one.entry == other.entry:
            continue
        try:
            program = joined(one, other)
            of_program(program, case)
            Live(program, Givens(case))
        except (NotLiveError, AttributeError, LookupError, ValueError):
            continue  # the one takes away what the other builds on
        programs.append(program)
    for group in batched(programs, 12):
        _, outside = disagreements(case, group, engine, tmp_path / "a.xlsx")
        assert not outside, outside[:3]
