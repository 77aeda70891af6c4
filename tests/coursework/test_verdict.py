"""The verdict on each cell: one mistake costs one cell, exploits earn nothing.

What is right and wrong is decided by the MLP and by Python's own arithmetic (``grading_oracle``),
never by the grader's evaluator.
"""

import math
import random
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np
import pytest

from cellgrad.case.model import Case, Network, Optimizer, Sample
from cellgrad.case.quantities import Structure
from cellgrad.errors import InputError
from cellgrad.mlp.step import step_of
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework import manifest_file
from cellgrad_coursework.grading import slips, verdict, world
from cellgrad_coursework.grading.draws import COUNT, draw_givens
from cellgrad_coursework.grading.slips import count_edits
from cellgrad_coursework.identity import Claim
from cellgrad_coursework.manifest_file import manifest_bytes, parse_manifest, version_of
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    WRONG,
    Policy,
)
from cellgrad_coursework.rehearsal.mistakes import mistakes_of
from cellgrad_coursework.running.judge import Grader
from cellgrad_coursework.setting.assignment import parse_assignment
from grading_oracle import differs
from plain_submission import (
    OTHER,
    REFERENCE,
    TOKEN,
    assignment,
    book_of,
    case_of,
    grader_of,
    key_numbers,
    random_case,
    right_cells,
    verdicts,
    workbook,
)
from template_cells import Terms
from typed_chain import another, typed_chain, unclear

NOBODY = "none"
STEP = case_of("series-3-4-1")
HALF = replace(STEP, learning_rate=0.5)
GOOD = (OK, OK_ECF)


def slow(*arguments):
    return pytest.param(*arguments, marks=pytest.mark.slow)


def grade(manifest, *args, **kwargs):
    return grader_of(manifest).grade(workbook(manifest, *args, **kwargs), "s1.xlsx")


@pytest.fixture(scope="module")
def manifest():
    return assignment(STEP)


@pytest.fixture(scope="module")
def grader(manifest):
    return grader_of(manifest)


# one mistake, one cell


def singly_wrong(case, every=1):
    """Put every catalogued mistake into every cell, one at a time; return the score."""
    manifest = assignment(case)
    grader = grader_of(manifest)
    seen, right, total = set(), 0, 0
    for mistaken in list(mistakes_of(manifest, case))[::every]:
        if (mistaken.cell, mistaken.formula) in seen:
            continue
        seen.add((mistaken.cell, mistaken.formula))
        cell = manifest.cells[mistaken.cell]
        found = grader.grade(workbook(manifest, {cell.address: f"={mistaken.formula}"}), "x")
        said = verdicts(found)
        lost = 1.0 if differs(manifest, cell, mistaken.formula) else 0.0
        others = all(v.verdict in GOOD for a, v in said.items() if a != cell.address)
        good = others and found.score == manifest.points - lost
        total, right = total + 1, right + good
        assert good, (cell.label, mistaken.formula, found.score, said[cell.address])
    return right, total


def test_a_flawless_workbook_gets_every_point(manifest, grader):
    found = grader.grade(workbook(manifest), "s1.xlsx")
    assert found.score == found.of == len(manifest.cells) == 59
    assert found.student.id == "s1"
    assert not found.notes
    assert not found.review
    assert Counter(v.verdict for v in found.verdicts) == {OK: 59}


def test_each_single_mistake_costs_exactly_its_cell():
    right, total = singly_wrong(case_of("by-hand-logistic-2-2-1"), every=5)
    assert right == total >= 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_each_single_mistake_costs_exactly_its_cell_in_random_networks(seed):
    right, total = singly_wrong(random_case(random.Random(seed)))
    print(f"{right} of {total} single mistakes cost exactly their cell")  # noqa: T201
    assert right == total > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["series-3-4-1", "relu-2-3-3-2", "softmax-3-4-3", "weight-decay-2-3-2", "bce-3-3-2"]
)
def test_each_single_mistake_costs_exactly_its_cell_in_the_cases(name):
    right, total = singly_wrong(case_of(name))
    assert right == total > 300


def test_an_early_mistake_leaves_one_root_and_its_consequences(manifest, grader):
    found = grader.grade(workbook(manifest, {"C10": "=B6*C6+B7*C7"}), "x")
    said = verdicts(found)
    assert found.score == 58
    assert [v.cell.address for v in found.roots] == ["C10"]
    assert said["C10"].verdict == WRONG
    assert said["C10"].bug == "last-term-skipped"
    following = [v for v in said.values() if v.verdict == OK_ECF]
    assert len(following) >= 40
    assert {v.cause for v in following} == {"C10"}


def test_what_follows_loses_the_penalty_that_the_policy_sets():
    manifest = assignment(STEP, ecf_penalty=0.25)
    found = grade(manifest, {"C10": "=B6*C6+B7*C7"})
    following = sum(v.verdict == OK_ECF for v in found.verdicts)
    assert found.score == 58 - 0.25 * following


def forgotten_rate(manifest):
    return {
        cell.address: "=" + cell.formula.replace("$O$2*", "")
        for cell in manifest.cells
        if cell.quantity == "new_weights"
    }


def test_the_same_mistake_is_charged_once(manifest, grader):
    case = replace(STEP, learning_rate=0.5)
    manifest = assignment(case)
    found = grade(manifest, forgotten_rate(manifest))
    wrong = [v for v in found.verdicts if v.verdict == WRONG]
    assert len(wrong) == 16
    assert {v.bug for v in wrong} == {"learning-rate-missing"}
    assert found.score == manifest.points - 1
    assert len(found.roots) == 1
    manifest = assignment(case, charge_repeats=True)
    assert grade(manifest, forgotten_rate(manifest)).score == manifest.points - 16


def test_a_slip_without_a_name_is_charged_once(manifest, grader):
    # a factor too many in the same relative formula
    places = [("O6", "C6", "I6"), ("P6", "D6", "J6"), ("Q6", "E6", "K6"), ("R6", "F6", "L6")]
    cells = {a: f"={w}-$O$2*3*{g}" for a, w, g in places}
    assert grader.grade(workbook(manifest, cells), "x").score == 58


def block(columns, rows):
    return [f"{column}{row}" for row in rows for column in columns]


def array(formula, cells):
    """Return cells that one array formula fills."""
    inside = f'<f t="array" ref="{cells[0]}:{cells[-1]}">{formula}</f>'
    return {cells[0]: inside} | dict.fromkeys(cells[1:], "<v>0</v>")


def each(places, formula):
    """Return a formula for each of some cells, with the letters of its column and its row."""
    return {a: formula(a.rstrip("0123456789"), int(a.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")))
            for a in places}  # fmt: skip


HIDDEN_GRADIENTS = block("IJKL", (6, 7, 8))
BEFORE = dict(zip("IJKL", "BCDE", strict=True))
NODE = dict(zip("IJKL", "CDEF", strict=True))
ROW = dict(zip("IJKL", (18, 19, 20, 21), strict=True))
PRE = ("C10", "D10", "E10", "F10")
UPDATES = block("OPQR", (6, 7, 8))


@pytest.mark.parametrize(
    ("wrong", "cells"),
    [(each(HIDDEN_GRADIENTS, lambda c, r: f"={c}$12*$B{r}"), 12),  # the wrong row
     (each(HIDDEN_GRADIENTS, lambda c, r: f"={c}$10*{BEFORE[c]}{r}"), 9),  # a $ forgotten
     (each(["D10", "E10", "F10"], lambda c, r: f"=SUMPRODUCT({chr(ord(c) - 1)}6:"
           f"{chr(ord(c) - 1)}8,{c}6:{c}8)"), 3),
     (each(block("IJKL", (14,)), lambda c, r: f"={NODE[c]}10*(1-{NODE[c]}10)"), 4),
     (each(block("IJKL", (12,)), lambda c, r: f"=$I$23*O{ROW[c]}"), 4),  # updated weights
     (each(block("IJKL", (12,)), lambda c, r: f"=$I$25*C{ROW[c]}"), 4),  # without fA'
     (each(block("IJKL", (12,)), lambda c, r: "=$I$23*-0.75"), 4),  # a number for a given
     (each(PRE, lambda c, r: f"=ROUND($B$6*{c}6+$B$7*{c}7+$B$8*{c}8,2)"), 4),
     (array("B6:B8*I12:L12", HIDDEN_GRADIENTS), 12),
     (array("MMULT(B6:B8,I12:L12)", HIDDEN_GRADIENTS), 12),
     (array("C6:F8-0.75*I6:L8", UPDATES), 12),
     (array("MMULT(TRANSPOSE(B6:B8),C6:F8)+B6", list(PRE)), 4)],
)  # fmt: skip
def test_a_typical_slip_is_charged_once(wrong, cells):
    found = grade(assignment(HALF), wrong)
    assert sum(v.verdict in (WRONG, EMBEDDED_CONSTANT) for v in found.verdicts) == cells
    assert found.score == 58
    assert sum(bool(v.repeats) for v in found.verdicts) == cells - 1


@pytest.mark.slow
def test_a_catalogued_slip_that_feels_little_of_the_right_formula_is_charged_once():
    case = replace(HALF, optimizer=Optimizer(weight_decay=0.25))
    manifest = assignment(case)
    wrong = {}
    for cell in manifest.cells:
        if cell.quantity == "weight_gradient":
            wrong[cell.address] = "=" + cell.formula.rpartition("+")[0]
    found = grade(manifest, wrong)
    assert {v.bug for v in found.verdicts if v.verdict == WRONG} == {"weight-decay-missing"}
    assert found.score == manifest.points - 1
    leaky = case_of("leaky-3-4-2")
    manifest = assignment(leaky)
    wrong = {
        c.address: "=" + re.sub(r"\$[A-Z]+\$\d+\*", "0.3*", c.formula)
        for c in manifest.cells if c.quantity == "post_activation" and "IF(" in c.formula
    }  # fmt: skip
    assert len(wrong) >= 3
    assert grade(manifest, wrong).score == manifest.points - 1


def test_a_scratch_cell_that_copies_a_cell_stands_for_it():
    scratch = {"B1": "=Step!B6", "B2": "=Step!B7", "B3": "=B2"}
    wrong = each(PRE, lambda c, r: f"=Scratch!$B$1*{c}6+Scratch!$B$2*{c}7+Scratch!$B$3*{c}8")
    assert grade(assignment(HALF), wrong, sheets={"Scratch": scratch}).score == 58


@pytest.mark.parametrize(
    "wrong",
    [array("0*B6:B8*I10:L10", HIDDEN_GRADIENTS), array("C6:F8", UPDATES),
     array("I10:L10+0*B6:B8", HIDDEN_GRADIENTS), array("B6:B8*I10:L10*$O$2*2", HIDDEN_GRADIENTS),
     array("IF(ROW(B6:B8)=6,B6:B8*I12:L12,0)", HIDDEN_GRADIENTS),
     each(HIDDEN_GRADIENTS, lambda c, r: f"=ROUND($B{r},2)"),
     each(HIDDEN_GRADIENTS, lambda c, r: f"={c}$12*($B{r}-$B{r})"),
     each(HIDDEN_GRADIENTS, lambda c, r: f"=2*$B{r}"),
     each(HIDDEN_GRADIENTS, lambda c, r: f"=$B{r}*$B{r}"),
     each(HIDDEN_GRADIENTS, lambda c, r: f"=ABS($B{r})")],
)  # fmt: skip
def test_gestures_in_many_cells_are_charged_every_time(wrong):
    assert grade(assignment(HALF), wrong).score == 59 - 12


def helped(helper):
    """Return cells that read one scratch cell where S_ERROR of the output belongs."""
    cells = {f"I{row}": f"=Scratch!$B$1*B{row}" for row in ROW.values()}
    cells |= {f"{c}12": f"=Scratch!$B$1*C{row}" for c, row in ROW.items()}
    return cells, {"Scratch": {"B1": helper}}


def test_a_scratch_cell_that_equals_a_graded_one_stands_for_it():
    manifest = assignment(HALF, ecf_penalty=0.5)
    cells, sheets = helped("=(Step!C25-Step!C31)*Step!C25")
    found = grade(manifest, cells | {"I23": "=Scratch!B1"}, sheets=sheets)
    said = verdicts(found)
    assert [v.cell.address for v in found.roots] == ["I23"]
    assert {said[a].verdict for a in cells} == {OK_ECF}
    assert {said[a].cause for a in cells} == {"I23"}
    assert {said[a].points for a in cells} == {0.5}
    zero, sheets = helped("=Step!C25-Step!C25")
    found = grade(manifest, zero | {"I23": "=Scratch!B1"}, sheets=sheets)
    assert {verdicts(found)[a].verdict for a in (*zero, "I23")} == {WRONG}


@pytest.mark.slow
def test_a_scratch_cell_worked_out_backwards_stands_for_nothing():
    def ask(key, _):
        return Terms("value", 6) if key[0] == "error_signal" and key[1] == 1 else Terms()

    manifest = assignment(HALF, ask)
    numbers = key_numbers(manifest)
    cells = {"I23": round(numbers["I23"], 6), "I25": "=Scratch!B1"}
    found = grade(manifest, cells, sheets={"Scratch": {"B1": "=Step!I23/Step!I27"}})
    said = verdicts(found)
    assert said["I23"].verdict == OK
    assert (said["I25"].verdict, said["I25"].points) == (WRONG, 0)


def test_one_wrong_scratch_cell_is_one_mistake():
    cells, sheets = helped("=(Step!C25-Step!C31)*Step!C25")
    found = grade(assignment(HALF), cells, sheets=sheets)
    said = verdicts(found)
    assert found.score == 58
    assert [v.cell.address for v in found.roots] == ["I18"]
    assert {said[a].cause for a in cells if a != "I18"} == {"I18"}
    for helper in (0.125, "=0*Step!C25", "=Step!C25-Step!C25", "=1/3"):  # computed from nothing
        cells, sheets = helped(helper)
        assert grade(assignment(HALF), cells, sheets=sheets).score == 51
    # what is wrong besides stays wrong
    cells, sheets = helped("=(Step!C25-Step!C31)*Step!C25")
    cells["I20"] = "=Scratch!$B$1*2*B20"
    assert verdicts(grade(assignment(HALF), cells, sheets=sheets))["I20"].verdict == WRONG


@pytest.mark.parametrize(
    "formula",
    ["={w}", "={w}*1", "=0*{w}+0*$O$2+0*{g}", "={w}+$O$2+{g}", "=$O$2", "={w}-0*$O$2*{g}", "={g}",
     "=0*{w}"],
)  # fmt: skip
def test_empty_gestures_are_charged_every_time(manifest, grader, formula):
    places = [("O6", "C6", "I6"), ("P6", "D6", "J6"), ("Q6", "E6", "K6"), ("R6", "F6", "L6")]
    cells = {a: formula.format(w=w, g=g) for a, w, g in places}
    assert grader.grade(workbook(manifest, cells), "x").score == 55


@pytest.mark.parametrize(
    ("formula", "edits"),
    [("C6-I6", 1), ("C6-$O$2", 1), ("$O$2*I6", 1), ("-$O$2*I6", 1), ("C6+$O$2*I6", 1),
     ("C6-$O$2*J6", 1), ("C6-$O$2*3*I6", 1), ("C6-I6/$O$2", 1), ("C6-$O$2*I6", 0),
     ("C6*I6", 2), ("C6+I6", 2), ("C6-J6", 2), ("C6+$O$2*J6", 2), ("C6-$O$2*3*I6+C7", 2),
     ("C6*$O$2", 2), ("C6", 3), ("C6+$O$2+I6", 99)],
)  # fmt: skip
def test_operands_and_operators_count_together(manifest, grader, formula, edits):
    key = grader.assignment.key
    book = book_of(manifest, {"O6": f"={formula}"})
    assert count_edits(book, key.slot_at["step", 6, 15]) == edits


@pytest.mark.parametrize(
    ("formula", "edits"),
    [("1/(1+EXP(C10))", 1), ("1/(1-EXP(-C10))", 1), ("1/(1+LN(-C10))", 1), ("1/(2+EXP(C10))", 2),
     ("1/(1+EXP(-C10%))", 1), ("+1/(1+EXP(-$C$10))", 0)],
)  # fmt: skip
def test_signs_and_functions_count_too(manifest, grader, formula, edits):
    key = grader.assignment.key
    book = book_of(manifest, {"C12": f"={formula}"})
    assert count_edits(book, key.slot_at["step", 12, 3]) == edits


@pytest.mark.parametrize(("formula", "score"), [("={w}*{g}", 55), ("={w}-{g}/$O$2", 58)])
def test_two_slips_in_one_formula_are_charged_every_time(formula, score):
    manifest = assignment(HALF)
    places = [("O6", "C6", "I6"), ("P6", "D6", "J6"), ("Q6", "E6", "K6"), ("R6", "F6", "L6")]
    cells = {a: formula.format(w=w, g=g) for a, w, g in places}
    assert grade(manifest, cells).score == score


def slips_everywhere(manifest):
    """Return one mistake for each of four quantities, in all of their cells."""
    changes = {}
    for cell in manifest.cells:
        right = cell.formula
        wrong = {
            "pre_activation": right.rpartition("+")[0] if "+B8" in right else right,
            "post_activation": right.replace("EXP(-", "EXP("),
            "activation_derivative": right.partition("*")[2].strip("()"),
            "new_weights": right.replace("$O$2*", ""),
        }.get(cell.quantity, right)
        if wrong != right:
            changes[cell.address] = f"={wrong}"
    return changes


@pytest.mark.parametrize(
    ("policy", "repeats_charged"),
    [({}, 15), slow({"repeats_forgiven": 4}, 0), slow({"repeats_forgiven": 2}, 4 + 15),
     slow({"repeats_forgiven": 1}, 4 + 4 + 15), slow({"repeats_forgiven": 0}, 3 + 4 + 4 + 15),
     slow({"repeats_forgiven": 4, "charge_repeats": True}, 3 + 4 + 4 + 15)],
)  # fmt: skip
def test_the_repeats_of_a_few_mistakes_are_forgiven(policy, repeats_charged):
    manifest = assignment(HALF, **policy)
    found = grade(manifest, slips_everywhere(manifest))
    said = verdicts(found)
    assert sum(bool(v.repeats) for v in said.values()) == 3 + 4 + 4 + 15
    assert found.score == 59 - 4 - repeats_charged
    again = said["R8"]  # the last of the updates
    assert again.repeats == "O18"
    assert again.points == (repeats_charged == 0)
    assert ("where it was charged" in again.message) is (repeats_charged == 0)


def test_how_many_mistakes_are_forgiven_is_read_and_kept():
    text = (files("cellgrad_coursework.setting") / "templates" / "assignment.toml").read_bytes()
    assert parse_assignment(text).policy.repeats_forgiven == Policy().repeats_forgiven == 3
    five = text.replace(b"repeats_forgiven = 3", b"repeats_forgiven = 5")
    policy = parse_assignment(five).policy
    assert policy.forgiven == 5
    for wrong in (b"-1", b"true", b"2.5", b'"3"'):
        with pytest.raises(InputError, match="repeats_forgiven"):
            parse_assignment(five.replace(b"forgiven = 5", b"forgiven = " + wrong))
    plain = assignment(STEP)
    for kept in (policy, Policy(), Policy(charge_repeats=True)):
        whole = replace(plain, policy=kept)
        whole = replace(whole, version=version_of(whole, STEP))
        data = manifest_bytes(whole)
        assert parse_manifest(data).policy == kept
        with pytest.raises(InputError, match="changed"):
            parse_manifest(data.replace(b'"repeats_forgiven": ', b'"repeats_forgiven": 1'))
    older = data.replace(b', "repeats_forgiven": 3', b"")  # written before there was such a key
    assert older != data
    assert parse_manifest(older).policy == kept
    assert manifest_file._policy_document(Policy()) == {
        "ecf_penalty": 0.0, "hardcoded_credit": 0.0, "embedded_credit": 0.0,
        "charge_repeats": False, "conventions": (), "feedback": "none",
    }  # fmt: skip


def test_a_mistake_made_once_uses_up_no_forgiveness():
    manifest = assignment(HALF, repeats_forgiven=1)
    wrong = slips_everywhere(manifest)
    once = {a: wrong[a] for a in ("C10", "C12", "I27")}
    found = grade(manifest, once | forgotten_rate(manifest))
    assert found.score == 59 - 3 - 1


@pytest.mark.parametrize("early", [{"C10": "=B6*C6"}, {"C10": None}, {"C10": 0.7}])
def test_a_forgiven_repeat_earns_no_more_than_a_right_cell(early):
    manifest = assignment(HALF, ecf_penalty=0.5)
    rates = forgotten_rate(manifest)
    right, wrong = grade(manifest, early), grade(manifest, early | rates)
    assert sum(bool(v.repeats) for v in wrong.verdicts) == 15
    assert wrong.score == right.score - right.verdicts[-1].points
    for a, b in zip(right.verdicts, wrong.verdicts, strict=True):
        assert b.points <= a.points
    alone = grade(manifest, rates)  # nothing before them is wrong
    assert alone.score == 59 - 1


def test_a_mere_copy_is_charged_every_time(manifest, grader):
    cells = {"C12": "=C10", "D12": "=D10", "E12": "=E10", "F12": "=F10"}
    assert grader.grade(workbook(manifest, cells), "x").score == 55


# exploits


def all_but_givens(manifest, value):
    return dict.fromkeys((cell.address for cell in manifest.cells), value)


@pytest.mark.parametrize("zero", [0.0, "=0", "=0*B6", "=B6-B6", "=C40", "=N(A1)", "=SUM(Z50:Z60)"])
def test_an_early_zero_earns_nothing(manifest, grader, zero):
    found = grader.grade(workbook(manifest, dict.fromkeys(("C10", "D10", "E10", "F10"), zero)), "x")
    said = verdicts(found)
    assert found.score == 55
    assert said["C10"].verdict == (WRONG if "B6" in str(zero) else HARDCODED)
    assert not said["C10"].points


@pytest.mark.parametrize("zero", [0.0, "=0", "=0*B6", "=$B$6*0", "=B6-B6", "=$B$6", "=SUM($B$6)"])
def test_zeros_everywhere_earn_nothing(manifest, grader, zero):
    assert grader.grade(workbook(manifest, all_but_givens(manifest, zero)), "x").score == 0


def test_the_key_s_numbers_typed_earn_nothing_and_are_named(manifest, grader):
    values = key_numbers(manifest)
    found = grader.grade(workbook(manifest, values), "x")
    assert found.score == 0
    assert {v.verdict for v in found.verdicts} == {HARDCODED}
    assert len(found.evidence["typed"]) > 40
    assert "number is right" in found.verdicts[0].message


def test_the_key_s_numbers_in_disguise_earn_nothing(manifest, grader):
    values = key_numbers(manifest)
    x = right_cells(manifest)["B6"]
    for disguise in ("={v}", "={v}+0*$B$6", "=$B$6*{r}", "=IF($B$6={x},{v},0)", "=$B$6-{d}",
                     "=Other!A1+{v}", "=IF(TRUE,{v},$B$6)"):  # fmt: skip
        cells = {a: disguise.format(v=repr(v), r=repr(v / x), d=repr(x - v), x=repr(x))
                 for a, v in values.items()}  # fmt: skip
        found = grader.grade(workbook(manifest, cells, sheets={"Other": {"A1": 0.0}}), "x")
        assert found.score == 0, disguise
        named = {v.verdict for v in found.verdicts}
        assert named <= {HARDCODED, EMBEDDED_CONSTANT}, disguise


def test_a_second_sheet_with_constants_earns_nothing(manifest, grader):
    values = key_numbers(manifest)
    cells = {a: f"=Answers!{a}" for a in values}
    found = grader.grade(workbook(manifest, cells, sheets={"Answers": values}), "x")
    assert found.score == 0
    assert {v.verdict for v in found.verdicts} == {HARDCODED}


def test_forged_stored_values_earn_nothing_and_are_named(manifest, grader):
    values = key_numbers(manifest)
    wrong = dict.fromkeys(values, "=$B$6+$B$7")
    found = grader.grade(workbook(manifest, wrong, stored=values), "x")
    assert found.score == 0
    assert any("stored values differ" in note for note in found.notes)


@pytest.mark.slow
def test_forged_stored_values_are_named_among_typed_ones():
    manifest = assignment(STEP, typed_error)
    values = key_numbers(manifest)
    cells = {"C35": round(values["C35"], 5), "C10": "=B6*C6"}
    found = grade(manifest, cells, stored={"C10": values["C10"], "D10": values["D10"]})
    assert found.score == 58
    assert [note for note in found.notes if "stored values" in note and "C10;" in note]


def test_names_that_point_twice_at_one_cell_earn_nothing(manifest, grader):
    names = {"dE_dS_postA_O": manifest.names["FE"]}
    found = grader.grade(workbook(manifest, {"I25": None}, names=names), "x")
    assert found.score <= 58
    assert found.review


def test_a_sheet_that_is_not_there_is_an_error(manifest, grader):
    found = grader.grade(workbook(manifest, {"C33": "=C25-C31+Nowhere!A1"}), "x")
    assert found.score == 58


def test_right_stored_values_are_not_called_forged(manifest, grader):
    values = key_numbers(manifest)
    assert not grader.grade(workbook(manifest, stored=values), "x").notes


@pytest.mark.parametrize("changed", [0.0, 1.0, None, "=C33*2", "text"])
def test_a_changed_given_is_restored_and_named(manifest, grader, changed):
    found = grader.grade(workbook(manifest, {"B6": changed}), "x")
    assert found.score == 59
    assert any("givens were changed in B6" in note for note in found.notes)
    found = grader.grade(workbook(manifest, {"B6": changed, "C10": "=B6*C6"}), "x")
    assert found.score == 58


def test_a_changed_formula_of_the_handout_is_restored_and_named(manifest, grader):
    for changed in (0.9, None, "=C12*2"):
        found = grader.grade(workbook(manifest, {"B18": changed}), "x")
        assert {v.verdict for v in found.verdicts} == {OK}
        assert any("formulas of the handout were changed in B18" in n for n in found.notes)


def test_a_given_changed_and_changed_back_earns_nothing(manifest, grader):
    # everything was 0 while x was 0, and the zeros were kept as stored values
    cells = all_but_givens(manifest, "=0*$B$6")
    found = grader.grade(workbook(manifest, cells, stored=dict.fromkeys(cells, 0.5)), "x")
    assert found.score == 0


def test_a_cell_worked_out_from_its_own_consequences_earns_nothing(manifest, grader):
    # backwards from one typed number: none of these formulas computes anything from the givens
    cells = {
        "O18": 0.5, "I18": "=(C18-O18)/$O$2", "I23": "=I18/B18", "I25": "=I23/I27", "C33": "=I25",
    }  # fmt: skip
    said = verdicts(grader.grade(workbook(manifest, cells), "x"))
    assert [said[a].points for a in cells] == [0.0] * 5


def test_two_cells_that_lean_on_each_other_earn_nothing(manifest, grader):
    cells = {"C10": "=D10-(B6*D6+B7*D7+B8*D8)+(B6*C6+B7*C7+B8*C8)",
             "D10": "=C10-(B6*C6+B7*C7+B8*C8)+(B6*D6+B7*D7+B8*D8)"}  # fmt: skip
    found = grader.grade(workbook(manifest, cells), "x")
    said = verdicts(found)
    assert found.score == 57
    assert "circle" in said["C10"].message


def test_a_circle_costs_the_cell_that_closes_it(manifest, grader):
    found = grader.grade(workbook(manifest, {"I23": "=I18/B18"}), "x")
    assert found.score == 58
    assert [v.cell.address for v in found.roots] == ["I23"]


def test_a_cell_that_reads_itself_is_wrong(manifest, grader):
    found = grader.grade(workbook(manifest, {"C33": "=C33+C25-C31"}), "x")
    assert found.score == 58


def test_an_unchanged_weight_never_passes(manifest, grader):
    for cell in manifest.cells:
        if cell.quantity == "new_weights":
            weight = cell.formula.split("-")[0]
            for formula in (f"={weight}", f"={weight}-0", f"=ROUND({weight}-$O$2*0,12)"):
                said = verdicts(grader.grade(workbook(manifest, {cell.address: formula}), "x"))
                assert said[cell.address].verdict == WRONG
                assert not said[cell.address].points


@pytest.mark.parametrize("decimals", [0, 2, 4])
def test_an_unchanged_weight_never_passes_as_a_typed_value(decimals):
    def ask(key, _):
        return Terms("value", decimals) if key[0] == "new_weights" else Terms()

    small = replace(STEP, learning_rate=1e-4)  # the update is far below the tolerance
    manifest = assignment(small, ask)
    unchanged, values = {}, key_numbers(manifest)
    for cell in manifest.cells:
        if cell.quantity == "new_weights":
            unchanged[cell.address] = right_cells(manifest)[cell.formula.split("-")[0]]
    said = verdicts(grade(manifest, unchanged))
    assert {said[a].verdict for a in unchanged} == {WRONG}
    right = {a: values[a] for a in unchanged}
    said = verdicts(grade(manifest, right))
    assert {said[a].verdict for a in unchanged} == {OK}


# typed values


def typed_error(key, _):
    return Terms("value", 5) if key[0] == "error" else Terms()


def typed(key, _):
    return Terms("value", 5)


def test_typed_values_are_right_to_the_decimals_that_are_asked_for():
    manifest = assignment(STEP, typed)
    grader = grader_of(manifest)
    values = key_numbers(manifest)
    rounded = {a: round(v, 5) for a, v in values.items()}
    assert grader.grade(workbook(manifest, rounded), "x").score == 59
    off = {a: round(v, 5) + 1.6e-5 for a, v in values.items()}
    assert grader.grade(workbook(manifest, {**rounded, "C12": off["C12"]}), "x").score == 58
    commas = {a: f"{v:.5f}".replace(".", ",") for a, v in values.items()}
    assert grader.grade(workbook(manifest, commas), "x").score == 59


def test_a_typed_value_may_follow_from_an_earlier_one():
    manifest = assignment(STEP, typed)
    grader = grader_of(manifest)
    values = key_numbers(manifest, 5)
    values["C10"] = 0.7
    values["C12"] = round(1 / (1 + math.exp(-0.7)), 5)
    said = verdicts(grader.grade(workbook(manifest, values), "x"))
    assert said["C10"].verdict == WRONG
    assert said["C12"].verdict == OK_ECF
    values["C12"] = 0.6
    assert verdicts(grader.grade(workbook(manifest, values), "x"))["C12"].verdict == WRONG


def test_a_typed_value_does_not_follow_from_an_early_zero():
    case = replace(STEP, samples=(replace(STEP.samples[0], target=(0.75,)),))
    manifest = assignment(case, typed)
    values = key_numbers(manifest, 5)
    values |= {"C25": 0.0, "C33": -0.75}
    assert verdicts(grade(manifest, values))["C33"].verdict == WRONG
    values |= {"C25": 0.25, "C33": -0.5}
    assert verdicts(grade(manifest, values))["C33"].verdict == OK_ECF


@pytest.mark.parametrize("number", [0.0, 1.0, 0.5])
def test_typed_zeros_earn_nothing(number):
    manifest = assignment(STEP, typed)
    found = grade(manifest, all_but_givens(manifest, number))
    right = sum(abs(v.right - number) <= 5e-6 for v in found.verdicts)
    assert found.score == right


def typed_finely(key, _):
    return Terms("value", 6)


def typed_outputs(key, _):
    return Terms("value", 6) if key[0] == "post_activation" else Terms()


@pytest.mark.slow
def test_what_is_worked_out_backwards_from_a_right_typed_number_earns_nothing():
    manifest = assignment(STEP, typed_outputs, embedded_credit=1.0)
    values = key_numbers(manifest)
    outputs = {a: round(values[a], 6) for a in ("C12", "D12", "E12", "F12", "C25")}
    right = grade(manifest, outputs)
    assert right.score == 59
    assert {v.verdict for v in right.verdicts} == {OK}
    said = verdicts(grade(manifest, outputs | {"C10": "=LN(C12/(1-C12))"}))
    assert (said["C10"].verdict, said["C10"].points) == (WRONG, 0)
    assert all(v.verdict == OK for a, v in said.items() if a != "C10")


def test_a_formula_over_right_typed_numbers_is_right_however_their_rounding_adds_up():
    manifest = assignment(STEP, typed_finely, ecf_penalty=0.5)
    numbers = key_numbers(manifest)
    right = right_cells(manifest)
    cells = {a: round(v, 6) for a, v in numbers.items()} | {"C23": right["C23"]}
    for column, row in zip("CDEF", range(18, 22), strict=True):
        off = math.copysign(4.9e-7, right[f"C{row}"])
        cells[f"{column}12"] = numbers[f"{column}12"] + off
    assert 4.9e-7 * sum(abs(right[f"C{row}"]) for row in range(18, 22)) > 5e-7
    assert {v.verdict for v in grade(manifest, cells).verdicts} == {OK}


def small_gradients(manifest, gradient):
    """Return right typed numbers, but for gradients and what follows from them."""
    numbers = key_numbers(manifest)
    cells, right = {a: round(v, 6) for a, v in numbers.items()}, right_cells(manifest)
    gradients = [c.address for c in manifest.cells if c.quantity == "weight_gradient"]
    for n, address in enumerate(gradients):
        cells[address] = gradient(n)
    for cell in manifest.cells:
        if cell.quantity == "new_weights":
            weight, rate, moved = re.split(r"[-*]", cell.formula)
            follows = right[weight] - right[rate.replace("$", "")] * cells[moved]
            cells[cell.address] = round(follows, 6)
    return cells


@pytest.mark.parametrize(
    ("gradient", "follow"),
    [(lambda _: 3e-6, False), (lambda n: 3e-6 + n * 1e-9, False),
     (lambda n: 8e-6 + n * 1e-7, False), (lambda _: 0.25, False), (lambda n: 0.25 + n / 64, True)],
)  # fmt: skip
def test_an_update_follows_from_a_typed_gradient_that_moves_the_weight(gradient, follow):
    manifest = assignment(HALF, typed_finely)
    said = grade(manifest, small_gradients(manifest, gradient)).verdicts
    updates = {v.verdict for v in said if v.cell.quantity == "new_weights"}
    assert updates == {OK_ECF if follow else WRONG}
    assert {v.verdict for v in said if v.cell.quantity == "weight_gradient"} == {WRONG}


def test_typed_values_follow_through_the_handout_s_own_cells():
    manifest = assignment(STEP, typed)
    numbers = key_numbers(manifest)
    cells, right = {a: round(v, 5) for a, v in numbers.items()}, right_cells(manifest)
    wrong = {"C12": cells["C12"] + 0.25}
    outputs = [(cells | wrong)[f"{column}12"] for column in "CDEF"]  # B18 to B21 copy them
    follows = sum(y * right[f"C{row}"] for y, row in zip(outputs, range(18, 22), strict=True))
    said = verdicts(grade(manifest, cells | wrong | {"C23": round(follows, 5)}))
    assert (said["C12"].verdict, said["C23"].verdict) == (WRONG, OK_ECF)
    tiny = {"C12": 4e-6}  # as good as 0, and typed so that it is not
    without = follows - wrong["C12"] * right["C18"]
    said = verdicts(grade(manifest, cells | tiny | {"C23": round(without, 5)}))
    assert said["C23"].verdict == WRONG
    changed = grade(manifest, cells | {"B18": wrong["C12"], "C23": round(follows, 5)})
    assert verdicts(changed)["C23"].verdict == WRONG
    assert "B18" in changed.notes[0]


@pytest.mark.parametrize("decimals", [4, 5, 6])
@pytest.mark.parametrize("at_each_step", [True, False])
def test_a_wrong_typed_number_costs_itself_alone(decimals, at_each_step):
    manifest = assignment(HALF, typed_to(decimals))
    how = {"decimals": decimals, "at_each_step": at_each_step}
    right = typed_chain(manifest, **how)
    lost = unclear(manifest, right, decimals, zeros=False)
    assert len(lost) < 8
    for cell in (None, *manifest.cells[::9]):
        wrong = {} if cell is None else {cell.address: another}
        numbers = typed_chain(manifest, wrong=wrong, **how)
        doubtful = unclear(manifest, numbers, decimals, zeros=bool(wrong))
        bad = {a for a, v in verdicts(grade(manifest, numbers)).items() if v.verdict not in GOOD}
        assert {*wrong} <= bad <= {*wrong} | doubtful


@cache
def typed_to(decimals):
    return lambda _key, _index: Terms("value", decimals)


@pytest.mark.parametrize("at_each_step", [True, False])
@pytest.mark.parametrize("address", ["", "C12", "C33", "I27", "O18"])
def test_typed_numbers_follow_by_a_convention_s_own_formulas(address, at_each_step):
    conventions = ("error-sign-convention", "loss-doubled")
    manifest = assignment(HALF, typed_finely, conventions=conventions)
    forms = {a: f.removeprefix("=") for a, f in flipped(manifest).items()}
    numbers = typed_chain(manifest, 6, at_each_step=at_each_step,
                          wrong={address: another}, forms=forms)  # fmt: skip
    found = grade(manifest, numbers)
    wrong = {a for a, v in verdicts(found).items() if v.verdict not in GOOD}
    assert wrong == ({address} if address else set())
    assert [note.rpartition(" ")[2] for note in found.notes] == ["error-sign-convention"]


def test_rounding_at_every_step_is_no_mistake():
    manifest = assignment(HALF, typed_finely, ecf_penalty=0.5)
    found = grade(manifest, typed_chain(manifest, 6))
    assert OK_ECF in {v.verdict for v in found.verdicts}
    assert found.score == 59
    wrong = grade(manifest, typed_chain(manifest, 6, wrong={"I23": another}))
    following = [v for v in wrong.verdicts if v.cause]
    assert {v.cause for v in following} == {"I23"}
    assert {v.points for v in following} == {0.5}
    assert wrong.score == 58 - 0.5 * len(following)
    mixed = typed_chain(manifest, 6, wrong={"I23": another}) | {"O18": "=C18-$O$2*I18"}
    assert verdicts(grade(manifest, mixed))["O18"].cause == "I23"


def test_a_number_that_rounding_cannot_explain_is_wrong():
    manifest = assignment(HALF, typed_finely)
    numbers = typed_chain(manifest, 6, wrong={"C12": another})
    unit = 1e-6
    said = verdicts(grade(manifest, numbers | {"C23": numbers["C23"] + 4 * unit}))
    assert said["C23"].verdict == WRONG  # four weights below 1 leave at most two and a half
    said = verdicts(grade(manifest, numbers | {"C23": numbers["C23"] + unit}))
    assert said["C23"].verdict == OK_ECF


def test_right_zeros_all_over_the_sheet_are_no_obstacle():
    asleep = ((-0.5, -0.5, -0.5, 0.5), (-0.25, -0.5, -0.75, 0.25), (-0.5, -0.75, -0.5, 0.75))
    network = replace(
        STEP.network, activations=("relu", "logistic"), weights=(asleep, STEP.network.weights[1])
    )
    manifest = assignment(replace(HALF, network=network), typed)
    numbers = key_numbers(manifest)
    cells = {a: round(v, 5) for a, v in numbers.items()}
    assert Counter(cells.values())[0.0] > 59 // 4
    assert verdicts(grade(manifest, cells))["C23"].verdict == OK
    moved = 0.25 * right_cells(manifest)["C21"]  # the one node that is awake; C23 follows from it
    cells |= {"F12": round(numbers["F12"] + 0.25, 5), "C23": round(numbers["C23"] + moved, 5)}
    said = verdicts(grade(manifest, cells))
    assert (said["F12"].verdict, said["C23"].verdict) == (WRONG, OK_ECF)


def test_formulas_pass_where_typed_values_are_asked_for():
    manifest = assignment(STEP, typed)
    assert grade(manifest).score == 59


# conventions


def flipped(manifest):
    """Return FE = target − y, and the update with a plus, throughout."""
    cells = {"C33": "=C31-C25"}
    for cell in manifest.cells:
        if cell.quantity == "new_weights":
            cells[cell.address] = "=" + cell.formula.replace("-$O$2", "+$O$2")
    return cells


def test_an_accepted_convention_is_right_throughout():
    manifest = assignment(STEP, conventions=("error-sign-convention",))
    found = grade(manifest, flipped(manifest))
    assert found.score == 59
    assert any("error-sign-convention" in note for note in found.notes)
    assert grade(manifest).score == 59
    assert grade(assignment(STEP), flipped(manifest)).score < 59


def test_a_convention_is_chosen_for_the_whole_group():
    manifest = assignment(STEP, conventions=("error-sign-convention",))
    cells = flipped(manifest)
    del cells["C33"]  # FE by the key, updates by the convention: not both
    assert grade(manifest, cells).score <= 58
    one = {"O6": cells["O6"]}  # a single cell by the convention
    assert grade(manifest, one).score == 58


@pytest.mark.slow
def test_conventions_combine():
    manifest = assignment(STEP, conventions=("error-sign-convention", "loss-doubled"))
    cells = flipped(manifest) | {"I25": "=2*C33", "C35": "=C33*C33"}
    assert grade(manifest, cells).score == 59
    only = grade(manifest, {"I25": "=2*C33"})
    assert only.score == 58  # E is still halved: the group does not agree with itself


BATCH = Case(
    id="batch", title="Batch",
    network=Network((2, 2, 1), ("logistic", "logistic"),
                    (((0.5, -0.25), (0.75, 0.375)), ((-0.625,), (0.875,))),
                    ((0.25, -0.5), (0.125,))),
    loss="half_squared_error",
    samples=(Sample((0.5, -0.75), (0.25,)), Sample((-0.25, 0.625), (0.75,))),
    update="batch_mean", learning_rate=0.375,
)  # fmt: skip
SEVERAL = ("error-sign-convention", "loss-doubled", "sum-for-mean", "bias-frozen",
           "loss-averaged-over-outputs")  # fmt: skip


@cache
def accepting(*names, **policy):
    return assignment(BATCH, conventions=names, **policy)


def written(manifest, *, sign=False, added=False, summed=(), frozen=(), doubled=False):
    """Return cells that are written by conventions; ``summed`` and ``frozen`` say how many."""
    cells, counts = {}, Counter()
    for cell in manifest.cells:
        kind, right = cell.quantity, cell.formula
        counts[kind] += 1
        new = right
        if sign and kind == "final_error":
            new = "-".join(reversed(right.split("-")))
        if added and kind in ("new_weights", "new_biases"):
            new = right.replace("-$", "+$")
        if kind in ("weight_gradient", "bias_gradient", "error") and kind in summed:
            new = right.rpartition("/")[0]
        if kind == "new_biases" and counts[kind] in frozen:
            new = right.partition("-")[0]
        if doubled and kind == "error_derivative":
            new = f"2*{right}"
        if doubled and kind == "sample_error":
            new = right.replace("0.5*", "")
        if new != right:
            cells[cell.address] = f"={new}"
    return cells


GRADIENTS = ("weight_gradient", "bias_gradient")


@pytest.mark.parametrize(
    ("how", "ids"),
    [({"sign": True, "added": True}, {"error-sign-convention"}),
     ({"summed": GRADIENTS}, {"sum-for-mean"}),
     ({"summed": (*GRADIENTS, "error")}, {"sum-for-mean"}),
     ({"frozen": (1, 2, 3)}, {"bias-frozen"}),
     ({"doubled": True}, {"loss-doubled"}),
     ({"doubled": True, "summed": GRADIENTS}, {"loss-doubled", "sum-for-mean"}),
     ({"sign": True, "added": True, "summed": GRADIENTS, "frozen": (1, 2, 3)},
      {"error-sign-convention", "sum-for-mean", "bias-frozen"})],
)  # fmt: skip
@pytest.mark.slow
def test_accepted_conventions_used_throughout_are_right(how, ids):
    manifest = accepting(*SEVERAL)
    cells = written(manifest, **how)
    assert cells
    found = grade(manifest, cells)
    assert found.score == manifest.points
    assert {note.rpartition(" ")[2] for note in found.notes} == ids


@pytest.mark.parametrize(
    "policy",
    [{}, slow({"charge_repeats": True}), slow({"ecf_penalty": 0.25})],
)
@pytest.mark.parametrize(
    "how",
    [{"frozen": (1,)}, {"frozen": (2,)}, {"summed": ("bias_gradient",)}, {"added": True},
     {"sign": True}, {"summed": ("bias_gradient",), "frozen": (1,)}],
)  # fmt: skip
@pytest.mark.slow
def test_a_right_cell_is_never_called_wrong_by_a_convention_not_used_throughout(how, policy):
    manifest = accepting(*SEVERAL[1:], **policy)
    cells = written(manifest, **how)
    found = grade(manifest, cells)
    plain = grade(accepting(**policy), cells)
    assert {v.cell.address for v in found.verdicts if v.verdict not in GOOD} == set(cells)
    assert found.score == plain.score < manifest.points
    assert not found.notes


def test_a_convention_used_in_most_cells_is_told_of_the_others():
    manifest = accepting(*SEVERAL)
    cells = written(manifest, frozen=(1, 2))
    found = grade(manifest, cells)
    assert found.score == manifest.points - 1
    wrong = [v for v in found.verdicts if v.verdict not in GOOD]
    assert [v.cell.quantity for v in wrong] == ["new_biases"]
    assert "as it stands, but not by the convention" in wrong[0].message
    # cells that are right without the convention are no slip that is charged once
    one = grade(manifest, written(manifest, frozen=(3,)))
    assert one.score == manifest.points - 1
    assert not one.notes


@pytest.mark.slow
def test_of_equal_points_the_fewest_mistakes_are_told():
    plain = accepting(*SEVERAL)
    last = [cell.address for cell in plain.cells if cell.quantity == "new_biases"][-1]
    cells = tuple(replace(c, points=2.0) if c.address == last else c for c in plain.cells)
    found = grade(replace(plain, cells=cells), written(plain, frozen=(1, 2)))
    assert found.score == found.of - 2  # two by the key, one of two points by the convention
    assert [v.cell.address for v in found.verdicts if v.verdict not in GOOD] == [last]


@pytest.mark.slow
def test_two_errors_that_cancel_are_no_convention():
    # the updates are right whatever the sign of FE; delta has a wrong sign, and FE has not
    manifest = assignment(STEP, conventions=("error-sign-convention",), ecf_penalty=0.5)
    cells, error = {"I23": "=-I25*I27"}, "$O$2*(C25-C31)*C25*(1-C25)"
    for row, hidden, new in zip((18, 19, 20, 21), "CDEF", "OPQR", strict=True):
        cells[f"O{row}"] = f"=C{row}-{error}*B{row}"
        for x in (6, 7, 8):
            slope = f"{hidden}12*(1-{hidden}12)"
            cells[f"{new}{x}"] = f"={hidden}{x}-{error}*C{row}*{slope}*B{x}"
    found = grade(manifest, cells)
    assert [v.cell.address for v in found.verdicts if v.verdict not in GOOD] == ["I23"]
    assert not found.notes


@pytest.mark.slow
def test_repeats_count_when_a_convention_is_chosen():
    # by the convention FE is wrong, by the key the updates: one mistake either way
    manifest = assignment(STEP, conventions=("error-sign-convention",))
    cells = flipped(manifest)
    del cells["C33"]
    found = grade(manifest, cells)
    assert {v.cell.quantity for v in found.verdicts if v.verdict == WRONG} == {"new_weights"}
    assert found.score == 58
    assert not found.notes
    # a right update among fifteen by the convention is the mistake, if what follows costs more
    manifest = assignment(STEP, conventions=("error-sign-convention",), ecf_penalty=0.25)
    cells = flipped(manifest)
    del cells["O6"]
    found = grade(manifest, cells)
    assert [v.cell.address for v in found.verdicts if v.verdict not in GOOD] == ["O6"]
    assert found.score == 58


@pytest.mark.slow
def test_a_slip_beside_a_convention_is_charged_once():
    manifest = assignment(HALF, conventions=("error-sign-convention",))
    cells = flipped(manifest)
    for address, formula in cells.items():
        cells[address] = formula.replace("+$O$2*", "+$O$2*3*")
    assert grade(manifest, cells).score == 58


@pytest.mark.slow
def test_typed_numbers_by_a_convention_carry_on():
    def ask(key, _):
        return Terms("value", 6) if key[0] == "final_error" else Terms()

    manifest = assignment(STEP, ask, conventions=("error-sign-convention",), ecf_penalty=0.5)
    numbers = key_numbers(manifest)
    found = grade(manifest, flipped(manifest) | {"C33": round(-numbers["C33"], 6)})
    assert {v.verdict for v in found.verdicts} == {OK}


# review, blanks, layout


@pytest.mark.parametrize(
    "formula",
    ["=RAND()", "=OFFSET(A1,1,1)", '=INDIRECT("B6")*C6', "=SORT(B6:B8)", "=VLOOKUP(1,B6:C8,2)",
     "=B6*", "=[1]Sheet!A1", '=WEBSERVICE("x")', "=NOW()*0+B6*C6", "=undefined_name*2"],
)  # fmt: skip
def test_what_is_not_evaluated_goes_to_a_person(manifest, grader, formula):
    found = grader.grade(workbook(manifest, {"C10": formula}), "x")
    assert verdicts(found)["C10"].verdict == REVIEW
    assert found.review
    assert found.score == 58  # what follows counts, until a person has looked
    following = [v for v in found.verdicts if v.verdict == OK_ECF]
    assert {v.cause for v in following} == {"C10"}
    assert len(following) == 49
    assert "49 cells follow from it" in found.review[0]
    assert "which a person will look at" in following[0].message


@pytest.mark.slow
def test_what_follows_from_an_open_question_loses_no_penalty():
    manifest = assignment(HALF, ecf_penalty=0.5)
    assert grade(manifest, {"C10": "=RAND()"}).score == 58
    said = verdicts(grade(manifest, {"C10": "=B6*C6", "C12": "=NOW()*0+1/(1+EXP(-C10))"}))
    assert (said["C23"].verdict, said["C23"].cause, said["C23"].points) == (OK_ECF, "C10", 0.5)
    assert said["C12"].verdict == REVIEW


@pytest.mark.parametrize(
    ("cells", "open_"),
    [({"C12": "=RAND()", "C10": "=LN(C12/(1-C12))"}, {"C10", "C12"}),
     ({"O18": "=NOW()", "I18": "=(C18-O18)/$O$2", "I23": "=I18/B18"}, {"O18", "I18", "I23"}),
     ({"O18": "=NOW()", "I18": "=(C18-O18)/$O$2", "A50": "=I18", "I23": "=A50/B18"},
      {"O18", "I18", "I23"})],
)  # fmt: skip
def test_what_is_worked_out_backwards_from_an_open_question_is_open_too(
    manifest, grader, cells, open_
):
    found = grader.grade(workbook(manifest, cells), "x")
    assert {v.cell.address for v in found.verdicts if v.verdict == REVIEW} == open_
    assert found.score == 59 - len(open_)
    assert all(address in found.review[0] for address in open_)


@pytest.mark.slow
def test_a_wrong_cell_behind_an_open_question_is_wrong(manifest, grader):
    numbers = key_numbers(manifest)
    # right where C10 holds the key's number, and with these givens only
    cells = {"C10": "=RAND()", "C12": f"=C10*{numbers['C12'] / numbers['C10']!r}"}
    said = verdicts(grade(assignment(STEP, embedded_credit=1.0), cells))
    assert said["C12"].verdict == EMBEDDED_CONSTANT
    said = verdicts(grader.grade(workbook(manifest, cells | {"C12": "=1/(1+EXP(C10))"}), "x"))
    assert said["C12"].verdict == WRONG


def test_a_blank_is_a_blank(manifest, grader):
    found = grader.grade(workbook(manifest, {"C10": None, "I23": "  "}), "x")
    said = verdicts(found)
    assert said["C10"].verdict == said["I23"].verdict == BLANK
    assert found.score == 57


def test_blanks_are_never_repeats(manifest, grader):
    assert grader.grade(workbook(manifest, all_but_givens(manifest, None)), "x").score == 0


def test_inserted_rows_and_a_renamed_sheet_are_followed(manifest, grader):
    def moved(text, sheet=""):
        def shift(match):
            row = int(match[2])
            return match[0].replace(match[2], str(row + 2 if row >= 16 else row))

        return REFERENCE.sub(shift, text)

    base = {}
    for address, value in right_cells(manifest).items():
        base[moved(address)] = moved(value) if isinstance(value, str) else value
    names = {n: moved(re.sub(r"\$", "", t)).replace("Step!", "Mine!") for n, t in
             manifest.names.items()}  # fmt: skip
    data = workbook(manifest, base=base, names=names, sheet="Mine")
    found = grader.grade(data, "x")
    assert found.score == 59
    assert not found.notes


def test_cells_that_no_name_covers_move_with_their_neighbours(manifest):
    few = {name: manifest.names[name] for name in ("weight_ItoH", "S_preA_H")}
    manifest = replace(manifest, names=few)

    def moved(text):
        return REFERENCE.sub(
            lambda m: m[0].replace(m[2], str(int(m[2]) + 2 * (int(m[2]) > 8))), text
        )

    base = {
        moved(address): moved(value) if isinstance(value, str) else value
        for address, value in right_cells(manifest).items()
    }
    names = {name: moved(text.replace("$", "")) for name, text in few.items()}
    found = Grader(manifest).grade(workbook(manifest, base=base, names=names), "x")
    assert (found.score, found.notes) == (59, [])


@pytest.mark.parametrize(
    "name",
    ["series-3-4-1", "relu-2-3-3-2", pytest.param("leaky-3-4-2", marks=pytest.mark.slow)],
)
def test_draws_are_steep_short_and_see_both_sides_of_every_kink(name):
    case = case_of(name)
    structure = case.structure()
    drawn = draw_givens(structure, "v1")
    assert len(drawn) == COUNT == 16
    passes = [step_of(structure, givens).pre_activation for givens in drawn]
    for k, activation in enumerate(structure.activations):
        pre = np.stack([each[k] for each in passes])
        if activation in ("logistic", "tanh"):
            assert np.abs(pre).max() <= 3
        else:
            assert ((pre > 0).sum(axis=0) >= 2).all()
            assert ((pre < 0).sum(axis=0) >= 2).all()
    numbers = np.concatenate([array.ravel() for givens in drawn for array in givens.values()])
    assert (numbers * 2.0**32 == np.round(numbers * 2.0**32)).all()
    again = draw_givens(structure, "v1")
    assert all((a[key] == b[key]).all() for a, b in zip(drawn, again, strict=True) for key in a)
    other = draw_givens(structure, "v2")
    assert (drawn[0]["weights", 0] != other[0]["weights", 0]).any()


def test_whose_it_is_is_told_by_token_by_numbers_or_not_at_all():
    other = case_of("series-3-4-1-dyadic")
    manifest = assignment(STEP, others=(other,))
    grader = grader_of(manifest)
    data = workbook(manifest, token=OTHER)
    assert grader.grade(data, "x").student.id == "s2"
    assert grader.grade(workbook(manifest, base=right_cells(manifest, OTHER), token=NOBODY),
                        "x").student.id == "s2"  # fmt: skip
    lost = grader.grade(workbook(manifest, {"B6": 0.123}, token=NOBODY), "x")
    assert lost.student is None
    assert lost.problem
    named = grader.grade(
        workbook(manifest, {"B6": 0.123}, token=NOBODY), "x", Claim("s1", certain=True)
    )
    assert named.student.id == "s1"


def test_the_givens_of_another_student_are_evidence():
    other = case_of("series-3-4-1-dyadic")
    manifest = assignment(STEP, others=(other,))
    found = Grader(manifest).grade(
        workbook(manifest, base=right_cells(manifest, OTHER), token=TOKEN), "x"
    )
    assert any("s2" in line for line in found.copying)


def test_late_handling_takes_its_share():
    manifest = assignment(STEP, late=0.2)
    assert grade(manifest).score == pytest.approx(0.8 * 59)


@pytest.mark.parametrize("data", [b"", b"PK", b"no workbook", b"PK\x03\x04" + b"\0" * 99])
def test_what_is_no_workbook_is_a_row_with_a_reason(grader, data):
    found = grader.grade(data, "x.xlsx")
    assert found.problem
    assert not found.verdicts
    assert found.of == 59


@pytest.mark.slow
def test_formulas_that_ask_for_endless_work_go_to_a_person(manifest, grader):
    scratch = {f"A{n}": "=SUM($B$1:$Z$700)" for n in range(1, 400)}
    for formula in ("=" + "(" * 500 + "B6" + ")" * 500, "=SUM(A1:XFD1048576)", "=SUM(A:XFD)*B6",
                    "=SUM(Big!A1:A399)+B6", "=" + "-" * 4000 + "B6",
                    "=SUM(A1:Z700" + "%" * 3000 + ")+B6", "=SUM(" + "-" * 60 + "A1:Z700)+B6",
                    "=SUM(A1:Z700" + "*A1:Z700" * 60 + ")+B6",
                    "=SUM(MMULT(A1:EZ120,A1:EZ156))", "=2^9999999^B6"):  # fmt: skip
        data = workbook(manifest, {"C10": formula}, sheets={"Big": scratch})
        found = grader.grade(data, "x")
        assert not found.problem
        assert verdicts(found)["C10"].verdict in (REVIEW, WRONG)


@pytest.mark.slow
def test_work_on_rectangles_is_counted(manifest, grader):
    formula = "=SUM(" + "-" * 60 + "Guide!A1:Z700)+B6"
    said = verdicts(grader.grade(workbook(manifest, {"C10": formula}), "x"))["C10"]
    assert said.verdict == REVIEW
    assert "too many calculations" in said.message


def test_draws_of_wide_layers_stay_where_an_activation_is_steep():
    wide = Structure((16, 3, 1), ("logistic", "tanh"), "half_squared_error", biases=True)
    for givens in draw_givens(wide, "v1"):
        assert max(np.abs(pre).max() for pre in step_of(wide, givens).pre_activation) <= 3


def test_a_long_sum_is_added_up_without_recursion(manifest, grader):
    long = "=B6*C6+B7*C7+B8*C8" + "+B6-B6" * 600
    assert grader.grade(workbook(manifest, {"C10": long}), "x").score == 59


def test_a_long_chain_of_cells_is_followed_without_recursion(manifest, grader):
    chain = {f"A{n}": f"=A{n - 1}" for n in range(2, 3000)} | {"A1": "=Step!B6"}
    data = workbook(manifest, {"C10": "=Chain!A2999*C6+B7*C7+B8*C8"}, sheets={"Chain": chain})
    assert grader.grade(data, "x").score == 59


@pytest.mark.slow
def test_the_same_bytes_get_the_same_grade(manifest):
    data = workbook(manifest, {"C10": "=B6*C6", "O6": "=C6-I6"})
    assert Grader(manifest).grade(data, "x") == Grader(manifest).grade(data, "x")


def test_no_message_tells_the_right_number(manifest, grader):
    wrong = {cell.address: "=B6*B7" for cell in manifest.cells}
    for said in grader.grade(workbook(manifest, wrong), "x").verdicts:
        assert f"{said.right:.4g}" not in said.message
        assert said.cell.formula not in said.message
        assert said.cell.equation in said.message


def test_mistakes_are_named(manifest, grader):
    named, total = Counter(), Counter()
    for mistaken in list(mistakes_of(manifest, STEP))[::31]:
        cell = manifest.cells[mistaken.cell]
        said = verdicts(grader.grade(workbook(manifest, {cell.address: f"={mistaken.formula}"}),
                                     "x"))[cell.address]  # fmt: skip
        if said.verdict == WRONG:
            total["all"] += 1
            named["all"] += bool(said.bug)
            assert not said.bug or said.bug in by_id()
    assert named["all"] == total["all"] > 20


@pytest.mark.slow
def test_the_name_is_the_one_that_tells_most_of_the_cells(manifest, grader):
    leaky = assignment(case_of("leaky-3-4-2"))
    sums = [c for c in leaky.cells if c.quantity == "pre_activation"]
    assert "bias" not in sums[0].formula
    for count in (1, 4, len(sums)):
        wrong = {c.address: "=" + c.formula.partition("+")[2] for c in sums[:count]}
        found = grade(leaky, wrong)
        named = {v.bug for v in found.verdicts if v.verdict == WRONG}
        assert named == {"bias-missing"}, count
    found = grader.grade(workbook(manifest, {"C33": "=C31-C25"}), "x")
    assert verdicts(found)["C33"].bug == "error-flipped"
    found = grader.grade(workbook(manifest, flipped(manifest)), "x")
    said = verdicts(found)["C33"]
    assert said.bug == "error-sign-convention"
    assert "subtract" not in said.message
    assert "Flip one" not in said.message
    found = grader.grade(workbook(manifest, {a: f for a, f in flipped(manifest).items()
                                             if a != "C33"}), "x")  # fmt: skip
    assert {v.bug for v in found.verdicts if v.verdict == WRONG} == {"gradient-added"}


def test_a_formula_that_holds_an_error_is_told_so(manifest, grader):
    cells = {"C12": "=1/(1+EXP(-#REF!))", "D12": "=D10*#REF!", "C35": "=0.5"}
    said = verdicts(grader.grade(workbook(manifest, cells), "x"))
    for address in ("C12", "D12"):
        assert "holds an error" in said[address].message
        assert not said[address].points
    assert "does not follow from anything given" in said["C35"].message


def test_long_wrong_sums_are_compared_without_recursion(monkeypatch, manifest, grader):
    monkeypatch.setattr("cellgrad_coursework.formulas.evaluate.MAX_KEPT", 100)  # each is read anew
    tail = "+$B$6-$B$6" * 600
    skipped = each(PRE, lambda c, r: f"=$B$6*{c}6+$B$7*{c}7{tail}")
    found = grader.grade(workbook(manifest, skipped), "x")
    assert not found.problem
    assert {v.bug for v in found.verdicts if v.verdict == WRONG} == {"last-term-skipped"}
    assert found.score == 58
    more = each(PRE, lambda c, r: f"=$B$6*{c}6+$B$7*{c}7" + f"+$B$8*{c}8" * 600)
    found = grader.grade(workbook(manifest, more), "x")
    assert not found.problem
    assert found.score == 55


# the tests above see these faults of a grader


def test_a_grader_that_forgets_to_transplant_is_caught(monkeypatch, manifest):
    monkeypatch.setattr(verdict, "transplanted", lambda *_: np.full(17, np.nan))
    assert grade(manifest, {"C10": "=B6*C6"}).score < 58


def test_a_grader_that_trusts_stored_values_is_caught(monkeypatch, manifest):
    kept = world.Sight.work_out

    def trusting(self, place):
        entry = self.book.entry(place)
        if entry is not None and isinstance(entry.value, float):
            self.known[place] = np.full(self.draws, entry.value)
            return self.known[place]
        return kept(self, place)

    monkeypatch.setattr(world.Sight, "work_out", trusting)
    values = key_numbers(manifest)
    assert grade(manifest, stored=values).score < 59


def test_a_grader_with_a_loose_tolerance_is_caught(monkeypatch, manifest):
    monkeypatch.setattr(verdict, "equal", lambda a, b: np.abs(a - b) < 0.5)
    assert grade(manifest, {"O6": "=C6"}).score == 59


def test_a_grader_that_forgives_every_repeat_is_caught(monkeypatch, manifest):
    monkeypatch.setattr("cellgrad_coursework.grading.charging.is_slip", lambda *a, **k: True)
    assert grade(manifest, all_but_givens(manifest, "=$B$6")).score > 0
    assert slips.is_slip is not None
