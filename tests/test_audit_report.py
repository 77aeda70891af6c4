"""What an audit reports: JSON, terminal, certificate, workbook and page say what was found."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
import os
import random
import re
import shutil
import subprocess
import zipfile
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import jsonschema
import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cellgrad import __version__, engines, shipped
from cellgrad.bounds.running import Running
from cellgrad.case.model import Case, Network, Sample
from cellgrad.workbook import style
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Book
from cellgrad.workbook.serialise import file_of
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.values import CellError
from cellgrad_audit.answer import Answer, Numbers, Slot
from cellgrad_audit.bugs.arithmetic import Doubles, RunningBounds
from cellgrad_audit.bugs.catalogue import by_id, variants
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.diagnose import reference_for
from cellgrad_audit.probes import folder, probes
from cellgrad_audit.report.document import certificate, document
from cellgrad_audit.report.expression import (
    Call,
    Formulas,
    Negative,
    NotLiveError,
    Number,
    Operation,
    Reference,
    cells_in,
    evaluated,
    written,
)
from cellgrad_audit.report.live import Givens, Live, live_pair, path_of_mistake
from cellgrad_audit.report.page import page
from cellgrad_audit.report.sheets import LiveSheet, Places
from cellgrad_audit.report.terminal import print_audit
from cellgrad_audit.report.workbook import audit_workbook_bytes
from cellgrad_audit.result import Audit, Diagnosis, Group, Probed, cells_of

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\x00"
AFTER = {"new_weights": "weights", "new_biases": "biases"}
ALLOWED = {"EXP", "LN", "TANH", "SQRT", "MAX", "IF", "AND", "SUM", "SUMPRODUCT", "ABS", "ROUND"}


# audits, made by hand


def variant(entry, name=None):
    return next(v for v in by_id()[entry].variants if name in (None, v.name))


def joined(*chosen):
    return type("Both", tuple(v.program for v in chosen), {})


def probe(name):
    return next(case for case in probes() if case.id == name)


def numbers(values, half=0.0):
    values = np.array(values, dtype=np.float64)
    return Numbers(values, np.full(values.shape, half))


def answered(program, case, *, trace=False):
    """Return what a target that runs this program would say."""
    answer = Answer(case, seconds=0.01)
    with np.errstate(all="ignore"):
        record = program(case).run()
    if trace:
        for number, step in zip(record.numbers, record.steps, strict=True):
            for (name, layer), values in step.items():
                answer.numbers[Slot(number, AFTER.get(name, name), layer)] = numbers(values)
    for k, layer in enumerate(record.weights):
        answer.numbers[Slot(0, "weights", k)] = numbers(layer)
    for k, layer in enumerate(record.biases or []):
        answer.numbers[Slot(0, "biases", k)] = numbers(layer)
    return answer


def probed(answer):
    reference = reference_for([answer], [], 0.0)
    cells = cells_of(answer, reference, 0, "float64")
    agrees = all(cell.agrees for cell in cells)
    identical = all(cell.found == cell.right for cell in cells)
    return Probed(answer.case, answer, "agrees" if agrees else "differs", cells, identical)


def diagnosis(chosen, cells, **more):
    entries = tuple(by_id()[v.entry] for v in chosen)
    return Diagnosis(tuple(chosen), entries, joined(*chosen), cells, cells, "FE (Eq. 5)", **more)


def audit_of(*chosen, cases=("probe-plain",), trace=False, target="module:function", **more):
    """Return the audit of a target that makes these mistakes, or none."""
    program = joined(*chosen) if chosen else Program
    found = [probed(answered(program, probe(name), trace=trace)) for name in cases]
    count = sum(len(p.cells) for p in found)
    wrong = [cell for p in found for cell in p.cells if not cell.agrees]
    verdict = "known_bug" if chosen else "bit_identical"
    told = [diagnosis(chosen, count, **more)] if chosen else []
    return Audit(target, verdict, found, told, first_divergence=wrong[0] if wrong else None)


UPDATED = variant("updated-output-weights")
NO_INPUT, NO_RATE = variant("no-input-factor"), variant("learning-rate-missing", "")


def printed_audit():
    """Return an audit of printed numbers that mix three explanations."""
    case = probe("probe-plain")
    right, wrong = Program(case).run(), UPDATED.program(case).run()
    answer = Answer(case)
    answer.numbers[Slot(1, "error", None)] = numbers(
        round(float(right.steps[0]["error", None]), 9), 5e-10
    )
    answer.numbers[Slot(1, "weights", 0)] = numbers(
        np.round(wrong.steps[0]["new_weights", 0], 9), 5e-10
    )
    answer.numbers[Slot(3, "error", None)] = numbers(0.123456, 5e-7)
    one = probed(answer)
    error, *weights, last = one.cells
    told = replace(diagnosis([UPDATED], len(one.cells)), explained=len(weights))
    groups = [
        Group(None, right=True, cells=(error,)),
        Group(told, right=False, cells=tuple(weights)),
        Group(None, right=False, cells=(last,)),
    ]
    return Audit("printed.json", "unknown_difference", [one], [told], groups, weights[0])


def silent(name, **said):
    case = probe(name)
    status = "failed" if "failure" in said else "unsupported"
    return Probed(case, Answer(case, **said), status)


def refused_audit():
    found = [
        silent("probe-batch", failure=f"probe-batch: {HOSTILE}\nagain"),
        silent("probe-relu", unsupported="no ReLU"),
    ]
    return Audit(HOSTILE, "inconclusive", found, not_exercised=["momentum"])


def endless_audit():
    """Return an audit of a target that answers with infinite numbers."""
    case = probe("probe-plain")
    answer = answered(Program, case)
    answer.numbers[Slot(0, "weights", 0)].values[0, 0] = math.inf
    answer.numbers[Slot(0, "weights", 0)].values[0, 1] = 1e308
    one = probed(answer)
    return Audit(
        "m:f",
        "unknown_difference",
        [one],
        first_divergence=next(c for c in one.cells if not c.agrees),
    )


def own_case_audit():
    case = Case(
        "mine",
        HOSTILE,
        Network((1, 1), ("identity",), (((0.5,),),)),
        "half_squared_error",
        (Sample((2.0,), (0.25,)),),
    )
    return Audit(HOSTILE, "bit_identical", [probed(answered(Program, case))])


def short_audit(*chosen, case="probe-plain", **changes):
    """Return the audit of one case with some of its attributes changed."""
    return replace_(audit_of(*chosen, cases=(case,)), **changes)


def half_failed_audit():
    audit = audit_of(UPDATED)
    return replace_(
        audit, probes=[*audit.probes, silent("probe-batch", failure="probe-batch: no output")]
    )


AUDITS = {
    "right": audit_of,
    "right within a tolerance": lambda: short_audit(tolerance=0.001),
    "within bounds in single precision": lambda: short_audit(
        verdict="within_bound", precision="float32"
    ),
    "a mistake": lambda: audit_of(UPDATED, cases=("probe-plain", "probe-one-output")),
    "a mistake and a trace": lambda: audit_of(UPDATED, trace=True),
    "a mistake with a tie": lambda: audit_of(
        UPDATED, ties=("error-flipped", "a + b"), told_by="a trace of FE"
    ),
    "two mistakes": lambda: audit_of(NO_INPUT, NO_RATE),
    "an alternative formula": lambda: short_audit(
        variant("logistic-through-tanh"), case="probe-saturated", verdict="alternative_formula"
    ),
    "a convention": lambda: short_audit(
        variant("bias-frozen", ""), case="probe-one-output", verdict="convention"
    ),
    "nothing explains it": lambda: short_audit(
        UPDATED, verdict="unknown_difference", diagnoses=[], notes=["weights move twice as far"]
    ),
    "printed numbers": printed_audit,
    "no case could be run": refused_audit,
    "one case failed": half_failed_audit,
    "infinite numbers": endless_audit,
    "a case of one's own": own_case_audit,
    "half precision, which no formula has": lambda: audit_of(
        variant("low-precision", "every value to float16")
    ),
    "nothing asked": lambda: Audit("m:f", "inconclusive"),
}


def replace_(audit, **changes):
    for name, value in changes.items():
        setattr(audit, name, value)
    return audit


class Made(dict):
    """Makes what is asked for, once."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, name):
        self[name] = self.make(name)
        return self[name]


@pytest.fixture(scope="module")
def audits():
    return Made(lambda name: AUDITS[name]())


# live formulas


VALUES = {"a": np.float64(0.7), "b": np.float64(-1.3), "c": np.float64(2.1)}
A, B, C = (Reference(name, None) for name in VALUES)

TREES = st.recursive(
    st.sampled_from([A, B, C, Number(0.3), Number(-1.7)]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+-*/"), inner, inner).map(lambda t: Operation(*t)),
        inner.map(Negative),
        st.tuples(st.sampled_from(["TANH", "ABS"]), inner).map(lambda t: Call(*t)),
        st.tuples(inner, inner, inner).map(lambda t: Call("IF", *t)),
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
        meant = evaluated(tree, lambda cell: VALUES[cell])
    assert read == meant or (math.isnan(read) and math.isnan(meant))


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
        (1.0 / (1.0 + Call("EXP", -A)), "1/(1+EXP(-a))"),
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
    assert live.values()[first] == wanted


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
        values, cells = live.values(), of_live(live)
        assert set(cells) == set(doubles)
        for key, array in doubles.items():
            for index, value in np.ndenumerate(array):
                assert same(values[cells[key][index]], float(value)), (name, key, index)


def test_two_mistakes_at_once_are_as_live_as_one():
    case = probe("probe-one-output")
    program = joined(NO_INPUT, NO_RATE)
    live = Live(program, Givens(case))
    doubles, cells, values = of_program(program, case), of_live(live), live.values()
    wanted = doubles[3, ("new_weights", 0)]
    found = [[values[c] for c in row] for row in cells[3, ("new_weights", 0)]]
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
    assert live.values()[cell] == Program(case).run().steps[0]["pre_activation", 0][0, 0]
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
        self.book = Book("Packed", style.STYLES)
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
    found = live.beyond(live.values())
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
    assert packed.values(engine, tmp_path / "b.xlsx")[cell] != packed.lives[0].values()[cell]


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


# JSON


@pytest.fixture(scope="module")
def schemas():
    return {
        name: json.loads(shipped.schema(name).read_text("utf-8"))
        for name in ("audit", "certificate")
    }


@pytest.mark.parametrize("name", AUDITS)
@pytest.mark.slow
def test_the_document_and_the_certificate_follow_their_schemas(name, audits, schemas):
    for kind, made in (("audit", document), ("certificate", certificate)):
        found = json.loads(json.dumps(made(audits[name]), allow_nan=False))
        jsonschema.validate(found, schemas[kind])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**found, "more": 1}, schemas[kind])


@pytest.mark.parametrize("kind", ["audit", "certificate"])
def test_the_schemas_are_sound_and_close_every_object(kind, schemas):
    jsonschema.Draft202012Validator.check_schema(schemas[kind])

    def objects(part):
        if isinstance(part, dict):
            if part.get("type") == "object":
                yield part
            for inner in part.values():
                yield from objects(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from objects(inner)

    found = list(objects(schemas[kind]))
    assert len(found) > 3
    for part in found:
        assert part["additionalProperties"] is False
        assert set(part["required"]) == set(part["properties"])


def test_a_reader_of_the_first_bug_alone_gets_one_id_and_of_bugs_all(audits):
    found = document(audits["two mistakes"])["diagnoses"][0]
    assert found["bug"] == NO_INPUT.entry
    assert found["bugs"] == [NO_INPUT.entry, NO_RATE.entry]
    assert found["bug"] in by_id()
    assert [m["bug"] for m in found["mistakes"]] == found["bugs"]


def test_the_document_counts_and_places_what_is_wrong(audits):
    audit = audits["a mistake"]
    found = document(audit)
    assert found["exit_code"] == 1
    assert found["first_divergence"]["probe"] == "probe-plain"
    first = found["first_divergence"]
    assert first["found"] != first["right"]
    for told, one in zip(found["probes"], audit.probes, strict=True):
        assert told["cells"] == sum(x.values.size for x in one.answer.numbers.values())
        assert told["agree"] == sum(abs(c.found - c.right) <= c.bound for c in one.cells)
        assert len(told["differing"]) == told["cells"] - told["agree"]
        assert told["worst"]["share_of_bound"] > 1
    assert document(audits["right"])["probes"][0]["worst"]["share_of_bound"] < 1


def test_no_number_of_the_document_is_infinite(audits):
    found = document(audits["infinite numbers"])
    assert found["probes"][0]["differing"][0]["found"] == "Infinity"
    json.dumps(found, allow_nan=False)


# certificate


def test_the_certificate_names_the_bytes_of_the_probes(audits):
    found = certificate(audits["a mistake"])
    assert found["tool"]["version"] == __version__
    for told in found["probes"]:
        data = (folder() / f"{told['id']}.json").read_bytes()
        assert told["sha256"] == hashlib.sha256(data).hexdigest()
        assert told["file"] == f"{told['id']}.json"
    assert found["counts"]["numbers"] == sum(p["numbers"] for p in found["probes"])
    assert found["bugs"] == [[UPDATED.entry]]


def test_a_case_that_only_shares_a_probes_name_is_not_certified_as_that_probe():
    case = replace(probe("probe-plain"), learning_rate=0.25)
    found = certificate(Audit("m:f", "bit_identical", [probed(answered(Program, case))]))
    assert found["probes"][0]["file"] is None
    shipped_sum = hashlib.sha256((folder() / "probe-plain.json").read_bytes()).hexdigest()
    assert found["probes"][0]["sha256"] != shipped_sum


def test_a_declared_convention_leaves_a_probe_the_shipped_one():
    declare = by_id()["bias-frozen"].declare
    case = declare(probe("probe-one-output"))
    audit = Audit(
        "m:f", "bit_identical", [probed(answered(Program, case))], declared=("bias-frozen",)
    )
    assert certificate(audit)["probes"][0]["file"] == "probe-one-output.json"


# terminal


def shown(audit):
    console = Console(width=80, file=io.StringIO(), highlight=False, force_terminal=False)
    print_audit(audit, console)
    return console.file.getvalue()


def plain(text):
    return " ".join(text.split())


@pytest.mark.parametrize("name", AUDITS)
def test_the_terminal_shows_nothing_beyond_80_columns_and_no_control_character(name, audits):
    text = shown(audits[name])
    assert max(map(len, text.splitlines())) <= 80
    assert all(c == "\n" or c.isprintable() for c in text)


SENTENCES = {
    "right": "Right: every number is the reference's to the last bit.",
    "within bounds in single precision": (
        "Right: every number lies within the rounding bounds of single precision."
    ),
    "right within a tolerance": (
        "Within your tolerance of 0.001: every number that was compared lies so near"
    ),
    "a mistake": (
        "Wrong: the error flows back through weights that are already updated "
        "(updated-output-weights)."
    ),
    "two mistakes": (
        "Wrong, by two mistakes at once: the gradient of the hidden weights lacks the input "
        "(no-input-factor), and the learning rate is missing (learning-rate-missing)."
    ),
    "an alternative formula": "Right, by another formula for the same mathematics",
    "a convention": (
        "Right only by another convention, which was not declared: the biases are never "
        "updated (bias-frozen)."
    ),
    "nothing explains it": (
        "Wrong: no mistake of the catalogue, alone or with another, explains the numbers."
    ),
    "no case could be run": "Inconclusive: no case gave numbers to compare.",
    "nothing asked": "Inconclusive: no case was asked.",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_verdict_is_one_plain_sentence(name, audits):
    assert SENTENCES[name] in plain(shown(audits[name]))
    assert SENTENCES[name] in plain(document(audits[name])["summary"])


def test_within_a_tolerance_nothing_is_called_right(audits):
    assert "Right" not in shown(audits["right within a tolerance"])
    assert "Right" not in document(audits["right within a tolerance"])["summary"]


def test_the_terminal_tells_the_mistake_its_numbers_and_its_ties(audits):
    text = plain(shown(audits["a mistake with a tie"]))
    entry = by_id()[UPDATED.entry]
    for words in (entry.wrong, entry.right, entry.fix, "error-flipped and a + b", "a trace of FE"):
        assert plain(words) in text
    first = audits["a mistake with a tie"].first_divergence
    assert first.label in text
    assert f"{first.found:.17g}" in text
    assert f"{first.right:.17g}" in text


def test_printed_numbers_are_shown_by_what_they_follow_from(audits):
    text = plain(shown(audits["printed numbers"]))
    assert "1 number: right" in text
    assert "12 numbers: updated-output-weights" in text
    assert "1 number: not explained" in text


def test_a_case_that_failed_is_reported_with_its_reason(audits):
    text = plain(shown(audits["one case failed"]))
    assert "1 case failed" in text
    assert "probe-batch: no output" in text


# workbook


def opened(data, *, values=True):
    return openpyxl.load_workbook(io.BytesIO(data), data_only=values)


@pytest.fixture(scope="module")
def books(audits):
    return Made(lambda name: audit_workbook_bytes(audits[name]))


@pytest.mark.parametrize("name", AUDITS)
@pytest.mark.slow
def test_a_workbook_holds_only_functions_that_every_program_has_and_no_error(name, books):
    used = Counter()
    with zipfile.ZipFile(io.BytesIO(books[name])) as archive:
        for part in archive.namelist():
            if not part.startswith("xl/worksheets/sheet"):
                continue
            text = archive.read(part).decode()
            assert 't="e"' not in text
            assert "<f/>" not in text
            for formula in re.findall(r"<f>(.*?)</f>", text):
                used.update(re.findall(r"([A-Z]+)\(", formula))
    assert set(used) <= ALLOWED
    assert used or name in ("no case could be run", "nothing asked")


def test_the_same_audit_gives_the_same_workbook(audits, books):
    assert audit_workbook_bytes(audits["a mistake"]) == books["a mistake"]


def test_the_sheet_reproduces_the_wrong_numbers(audits, books):
    book, audit = opened(books["a mistake"]), audits["a mistake"]
    assert book.sheetnames == ["Guide", "Audit", "Givens", "Right", "Mistaken"]
    sheet, cells = book["Audit"], audit.probes[0].cells
    right = Program(audit.probes[0].case).run()
    for row, cell in enumerate(cells, start=7):
        label, _, ours, theirs, gap, bound, mark = (sheet.cell(row, c).value for c in range(1, 8))
        assert label == cell.label
        assert ours == right.weights[cell.slot.layer][cell.index]  # stored by the engine
        assert theirs == cell.found
        assert gap == theirs - ours
        assert mark == ("✓" if abs(gap) <= bound else "✗")
        assert sheet.cell(row, 9).value == theirs  # the mistaken formula, to the last bit
        assert sheet.cell(row, 12).value == "✓"
    assert sheet["L4"].value == len(cells)
    assert sheet["G4"].value == sum(cell.agrees for cell in cells) < len(cells)


def framed_red(cell):
    side = cell.border.left
    return side is not None and side.style == "medium"


def test_red_frames_stand_where_the_mistake_is_made(books):
    sheet = opened(books["a mistake"], values=False)["Mistaken"]
    framed = [c for row in sheet.iter_rows() for c in row if framed_red(c)]
    nodes = 4
    assert len(framed) == 3 * nodes  # the error that flows back, in each of three updates
    assert all("Givens!" in c.value and "-" in c.value for c in framed)
    right = opened(books["a mistake"], values=False)["Right"]
    assert not any(framed_red(c) for row in right.iter_rows() for c in row)


def test_both_computations_follow_when_a_given_is_changed(books, audits, tmp_path):
    path = tmp_path / "audit.xlsx"
    path.write_bytes(books["a mistake"])
    case = audits["a mistake"].probes[0].case
    givens = opened(books["a mistake"])["Givens"]
    at = next(c for row in givens.iter_rows() for c in row if c.value == case.samples[0].input[0])
    inputs = (0.84375, *case.samples[0].input[1:])
    other = replace(case, samples=(Sample(inputs, case.samples[0].target), *case.samples[1:]))
    expected = {3: Program(other).run(), 9: UPDATED.program(other).run()}
    with engines.create("formualizer").open(path) as book:
        book.update([(Range("Givens", at.row, at.column, at.row, at.column), [[0.84375]])])
        for column, record in expected.items():
            (block,) = book.read([Range("Audit", 7, column, 10, column)])
            assert [row[0] for row in block] == record.weights[1].ravel().tolist()


def test_what_cannot_be_written_as_formulas_is_said_and_the_right_side_stays_live(books):
    book = opened(books["half precision, which no formula has"])
    assert book.sheetnames == ["Guide", "Audit", "Givens", "Right"]
    texts = [c.value for row in book["Guide"].iter_rows() for c in row if c.value]
    assert any("short binary format" in str(text) for text in texts)


def test_a_hostile_name_is_a_text_in_the_workbook():
    audit = audit_of(UPDATED, target="=1+1")
    book = opened(audit_workbook_bytes(audit), values=False)
    found = [
        c for sheet in book for row in sheet.iter_rows() for c in row if "=1+1" in str(c.value)
    ]
    assert found
    assert {c.data_type for c in found} == {"s"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ironcalc", "libreoffice", "gnumeric"])
def test_other_engines_reproduce_the_wrong_numbers(name, books, audits, tmp_path, engine_or_skip):
    path = tmp_path / "audit.xlsx"
    path.write_bytes(books["a mistake and a trace"])
    count = len(audits["a mistake and a trace"].probes[0].cells)
    with engine_or_skip(name).open(path) as book:
        (marks,) = book.read([Range("Audit", 7, 12, 6 + count, 12)])
        (total,) = book.read([Range("Audit", 4, 12, 4, 12)])
    assert {row[0] for row in marks} == {"✓"}
    assert total[0][0] == count


# page


class Tree(HTMLParser):
    """Collects elements, their attributes and the text."""

    EMPTY = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open, self.errors = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append((tag, self.getpos()))

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def has(self, tag, **attributes):
        return any(
            tag == name and all(attributes[a] in (found.get(a) or "") for a in attributes)
            for name, found in self.elements
        )


@pytest.fixture(scope="module")
def pages(audits):
    return Made(lambda name: page(audits[name]))


@pytest.mark.parametrize("name", AUDITS)
def test_a_page_is_whole_and_asks_for_nothing(name, pages):
    tree = Tree(pages[name])
    assert not tree.errors
    assert not tree.open
    tags = {tag for tag, _ in tree.elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed", "form", "base"}
    for tag, attributes in tree.elements:
        assert not {a for a in attributes if a.startswith("on") or a in ("src", "style")}
        assert "href" not in attributes or (tag == "a" and attributes["href"].startswith("http"))
    assert "url(" not in pages[name]
    assert "@import" not in pages[name]
    for section in ("verdict", "scope", "cells", "again"):
        assert any(found.get("id") == section for _, found in tree.elements)


@pytest.mark.parametrize("name", ["no case could be run", "a case of one's own"])
def test_a_hostile_name_is_escaped_on_the_page(name, pages):
    assert "<script" not in pages[name]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[name]
    assert not [c for c in pages[name] if ord(c) < 32 and c != "\n"]


def test_the_page_lights_the_way_of_the_wrong_number(pages, audits):
    tree = Tree(pages["a mistake"])
    assert tree.has("svg", role="img")
    assert tree.has("line", **{"class": "edge first"})
    assert tree.has("line", **{"class": "edge path"})
    assert tree.has("circle", **{"class": "node O path"})
    nodes = audits["a mistake"].probes[0].case.network.nodes
    lines = sum(tag == "line" for tag, _ in tree.elements)
    assert lines == sum(a * b for a, b in itertools.pairwise(nodes))
    quiet = Tree(pages["right"])
    assert not quiet.has("line", **{"class": "first"})
    assert not quiet.has("line", **{"class": "wrong"})


def test_the_page_shows_both_formulas_with_their_numbers(pages, audits):
    text = "".join(Tree(pages["a mistake"]).text)
    first = audits["a mistake"].first_divergence
    assert f"{first.found:.17g}" in text
    assert f"{first.right:.17g}" in text
    assert "S_ERROR_O[1] · weight_HtoO[1,1]" in text
    assert "S_ERROR_O[1] · (weight_HtoO[1,1] − LR · gradient_HtoO[1,1])" in text


def test_the_page_lists_every_number_of_every_case(pages, audits):
    for name in ("a mistake", "a mistake and a trace"):
        text = "".join(Tree(pages[name]).text)
        for one in audits[name].probes:
            for cell in one.cells:
                assert f"{cell.found:.17g}" in text


def chromium():
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
            pytest.fail("no Chromium is installed")
        pytest.skip("no Chromium is installed")
    return found


def browsed(path, tmp_path):
    """Open a page headless; return its elements, what the console said, what it asked for.

    Requests of the browser's own (updates, clock) have no origin; a page's have one, be it
    ``null``, as a file's is. No name is resolved, so that nothing leaves the machine.
    """
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}",
            "--enable-logging=stderr", "--v=0", "--host-resolver-rules=MAP * ~NOTFOUND",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--no-first-run", "--disable-default-apps", "--disable-extensions", path.as_uri(),
        ],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    said = [
        line for line in done.stderr.decode("utf-8", "replace").splitlines() if ":CONSOLE" in line
    ]
    events = json.loads(log.read_text("utf-8"))["events"]
    asked = [e["params"] for e in events if "url" in e.get("params", {})]
    asked = [p["url"] for p in asked if p.get("initiator", "not an origin") != "not an origin"]
    return Tree(done.stdout.decode("utf-8")), said, [u for u in asked if not u.startswith("file:")]


@pytest.mark.slow
def test_chromium_shows_the_page_without_a_complaint_or_a_request(pages, tmp_path):
    for n, name in enumerate(["a mistake", "printed numbers", "no case could be run"]):
        path = tmp_path / f"page{n}.html"
        path.write_text(pages[name], "utf-8")
        tree, said, asked = browsed(path, tmp_path)
        assert said == []
        assert asked == []
        assert not tree.has("script")
        ids = {found.get("id") for _, found in tree.elements}
        assert {"verdict", "scope", "cells", "again"} <= ids
        assert tree.has("svg") == (name != "no case could be run")


@pytest.mark.slow
def test_the_browser_test_sees_a_request_and_a_complaint(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text('<img src="http://example.invalid/x.png"><script>console.error("no")</script>')
    _, said, asked = browsed(path, tmp_path)
    assert len(said) == 1
    assert asked == ["http://example.invalid/x.png"]
