"""The verdict on each cell: one mistake costs one cell, exploits earn nothing.

What is right and wrong is decided by the MLP and by Python's own arithmetic (``grading_oracle``),
never by the grader's evaluator.
"""

import math
import random
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cellgrad.bugs.catalogue import by_id
from cellgrad.case.structure import Structure
from cellgrad.coursework import patterns, verdict, world
from cellgrad.coursework.draws import COUNT, draw_givens
from cellgrad.coursework.grade_one import Grader
from cellgrad.coursework.mistaken_formulas import mistaken_formulas
from cellgrad.coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    WRONG,
)
from cellgrad.coursework.template_cells import Terms
from cellgrad.verify.expected import step_of
from grading_oracle import differs
from plain_submission import (
    OTHER,
    REFERENCE,
    TOKEN,
    assignment,
    case_of,
    grader_of,
    random_case,
    right_cells,
    verdicts,
    workbook,
)

NOBODY = "none"
STEP = case_of("series-3-4-1")
GOOD = (OK, OK_ECF)


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
    for mistaken in list(mistaken_formulas(manifest, case))[::every]:
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


@pytest.mark.parametrize(
    "formula",
    ["={w}", "={w}*1", "=0*{w}+0*$O$2+0*{g}", "={w}+$O$2+{g}", "=$O$2", "={w}-0*$O$2*{g}", "={g}",
     "=0*{w}"],
)  # fmt: skip
def test_empty_gestures_are_charged_every_time(manifest, grader, formula):
    places = [("O6", "C6", "I6"), ("P6", "D6", "J6"), ("Q6", "E6", "K6"), ("R6", "F6", "L6")]
    cells = {a: formula.format(w=w, g=g) for a, w, g in places}
    assert grader.grade(workbook(manifest, cells), "x").score == 55


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
    values = {a.split("!")[1]: v for a, v in grader.key_values(TOKEN).items()}
    found = grader.grade(workbook(manifest, values), "x")
    assert found.score == 0
    assert {v.verdict for v in found.verdicts} == {HARDCODED}
    assert len(found.evidence["typed"]) > 40
    assert "number is right" in found.verdicts[0].message


def test_the_key_s_numbers_in_disguise_earn_nothing(manifest, grader):
    values = {a.split("!")[1]: v for a, v in grader.key_values(TOKEN).items()}
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
    values = {a.split("!")[1]: v for a, v in grader.key_values(TOKEN).items()}
    cells = {a: f"=Answers!{a}" for a in values}
    found = grader.grade(workbook(manifest, cells, sheets={"Answers": values}), "x")
    assert found.score == 0
    assert {v.verdict for v in found.verdicts} == {HARDCODED}


def test_forged_stored_values_earn_nothing_and_are_named(manifest, grader):
    values = {a.split("!")[1]: v for a, v in grader.key_values(TOKEN).items()}
    wrong = dict.fromkeys(values, "=$B$6+$B$7")
    found = grader.grade(workbook(manifest, wrong, stored=values), "x")
    assert found.score == 0
    assert any("stored values differ" in note for note in found.notes)


def test_forged_stored_values_are_named_among_typed_ones():
    manifest = assignment(STEP, typed_error)
    values = {a.split("!")[1]: v for a, v in grader_of(manifest).key_values(TOKEN).items()}
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
    values = {a.split("!")[1]: v for a, v in grader.key_values(TOKEN).items()}
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
    unchanged, values = {}, grader_of(manifest).key_values(TOKEN)
    for cell in manifest.cells:
        if cell.quantity == "new_weights":
            unchanged[cell.address] = right_cells(manifest)[cell.formula.split("-")[0]]
    said = verdicts(grade(manifest, unchanged))
    assert {said[a].verdict for a in unchanged} == {WRONG}
    right = {a: values[f"Step!{a}"] for a in unchanged}
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
    values = {a.split("!")[1]: v for a, v in grader.key_values(TOKEN).items()}
    rounded = {a: round(v, 5) for a, v in values.items()}
    assert grader.grade(workbook(manifest, rounded), "x").score == 59
    off = {a: round(v, 5) + 1.6e-5 for a, v in values.items()}
    assert grader.grade(workbook(manifest, {**rounded, "C12": off["C12"]}), "x").score == 58
    commas = {a: f"{v:.5f}".replace(".", ",") for a, v in values.items()}
    assert grader.grade(workbook(manifest, commas), "x").score == 59


def test_a_typed_value_may_follow_from_an_earlier_one():
    manifest = assignment(STEP, typed)
    grader = grader_of(manifest)
    values = {a.split("!")[1]: round(v, 5) for a, v in grader.key_values(TOKEN).items()}
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
    values = {
        a.split("!")[1]: round(v, 5) for a, v in grader_of(manifest).key_values(TOKEN).items()
    }
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


def test_conventions_combine():
    manifest = assignment(STEP, conventions=("error-sign-convention", "loss-doubled"))
    cells = flipped(manifest) | {"I25": "=2*C33", "C35": "=C33*C33"}
    assert grade(manifest, cells).score == 59
    only = grade(manifest, {"I25": "=2*C33"})
    assert only.score == 58  # E is still halved: the group does not agree with itself


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
    assert found.score == 58  # what follows is judged as if it were right
    assert Counter(v.verdict for v in found.verdicts)[OK] == 58


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
    named = grader.grade(workbook(manifest, {"B6": 0.123}, token=NOBODY), "x", TOKEN)
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
    for mistaken in list(mistaken_formulas(manifest, STEP))[::31]:
        cell = manifest.cells[mistaken.cell]
        said = verdicts(grader.grade(workbook(manifest, {cell.address: f"={mistaken.formula}"}),
                                     "x"))[cell.address]  # fmt: skip
        if said.verdict == WRONG:
            total["all"] += 1
            named["all"] += bool(said.bug)
            assert not said.bug or said.bug in by_id()
    assert named["all"] == total["all"] > 20


# the tests above see these faults of a grader


def test_a_grader_that_forgets_to_transplant_is_caught(monkeypatch, manifest):
    monkeypatch.setattr(world.Transplants, "of", lambda self, slot, circle=0: np.full(17, np.nan))
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
    values = {a.split("!")[1]: v for a, v in grader_of(manifest).key_values(TOKEN).items()}
    assert grade(manifest, stored=values).score < 59


def test_a_grader_with_a_loose_tolerance_is_caught(monkeypatch, manifest):
    monkeypatch.setattr(verdict, "equal", lambda a, b: np.abs(a - b) < 0.5)
    assert grade(manifest, {"O6": "=C6"}).score == 59


def test_a_grader_that_forgives_every_repeat_is_caught(monkeypatch, manifest):
    monkeypatch.setattr("cellgrad.coursework.grade_one.is_slip", lambda *a, **k: True)
    assert grade(manifest, all_but_givens(manifest, "=$B$6")).score > 0
    assert patterns.is_slip is not None
