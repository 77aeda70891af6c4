"""Potential copying is shown with its evidence, and nobody is accused by chance."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad_coursework.grading.key import given_number
from cellgrad_coursework.model import (
    EMBEDDED_CONSTANT,
)
from cellgrad_coursework.running.pool import BROKE
from cellgrad_coursework.taking_in.copying import Copying
from handed_in import FAKE, QUICK, a_grade, filled, filled_in, graded, said_of, variant

CELLS = [f"Step!A{n}" for n in range(4)]


evidences = st.fixed_dictionaries(
    {},
    optional={
        "workbook_of": st.sampled_from("ABC"),
        "tokens_of": st.lists(st.sampled_from("ABC"), max_size=2, unique=True),
        "typed": st.dictionaries(st.sampled_from(CELLS), st.sampled_from([0.123456789012, 3.0])),
        "formulas": st.dictionaries(
            st.sampled_from(CELLS), st.sampled_from(["R1*2", "0.123457*R"])
        ),
    },
)


@given(st.lists(st.tuples(st.sampled_from("ABCDE"), evidences), max_size=7), st.randoms())
@settings(max_examples=30)
def test_potential_copying_does_not_depend_on_the_order(submissions, rng):
    listed = [(f"{n}.xlsx", *one) for n, one in enumerate(submissions)]

    def found(order):
        copying = Copying()
        for one in order:
            copying.add(*one)
        return copying.lines_by_file()

    assert found(listed) == found(rng.sample(listed, len(listed)))


def test_what_two_students_share_is_shown_to_both_with_its_evidence(manifest):
    copying = Copying()
    strange = {f"Step!A{n}": f"R[{n}]C*7" for n in range(3)}
    copying.add("a.xlsx", "A", {"formulas": strange})
    copying.add("b.xlsx", "B", {"formulas": strange})
    copying.add("c.xlsx", "C", {"formulas": {"Step!A0": "R[0]C*7"}})
    found = copying.lines_by_file()
    assert set(found) == {"a.xlsx", "b.xlsx"}
    assert found["a.xlsx"][0].startswith("shares 3 unusual wrong formulas with B: ")


STRANGE = {cell: f"RC[{n}]*7" for n, cell in enumerate(CELLS)}


def shared(formulas, students="AB", kinds=None):
    """Return what is found where students have these wrong formulas in common."""
    copying = Copying()
    for student in students:
        copying.add(student, student, {"formulas": formulas, "kinds": kinds or {}})
    return copying.lines_by_file()


def test_what_many_students_write_is_no_evidence():
    assert set(shared(STRANGE, "ABC")) == set("ABC")
    assert shared(STRANGE, "ABCD") == {}


def test_a_students_own_files_do_not_accuse_each_other():
    copying = Copying()
    for file in ("1.xlsx", "2.xlsx"):
        copying.add(file, "A", {"formulas": STRANGE})
    assert copying.lines_by_file() == {}


def test_one_mistake_is_no_evidence_however_many_cells_it_is_filled_into():
    assert shared(dict.fromkeys(CELLS, "RC[-6]*(2-RC[-6])")) == {}


def test_one_slip_typed_by_hand_in_the_cells_of_a_quantity_is_one_mistake():
    one = dict.fromkeys(CELLS, "weight_gradient")
    assert shared(STRANGE, kinds=one) == {}
    several = {cell: f"quantity {n}" for n, cell in enumerate(CELLS)}
    (line,) = shared(STRANGE, kinds=several)["A"]
    assert line.startswith("shares 4 unusual wrong formulas with B: Step!A0 RC[0]*7, ")
    assert "4 unusual" in shared({cell: f"{STRANGE[cell]}+{cell[-1]}" for cell in CELLS},
                                 kinds=one)["A"][0]  # fmt: skip


def test_a_mere_reference_is_one_mistake_wherever_it_stands():
    several = {cell: f"quantity {n}" for n, cell in enumerate(CELLS)}
    assert shared({cell: f"R[{n}]C" for n, cell in enumerate(CELLS)}, kinds=several) == {}


@pytest.mark.parametrize("formulas", [["0", "1", "2", "3"], ["PI()", '"RC"', "TRUE", "1/3"]])
def test_formulas_that_refer_to_nothing_are_no_evidence(formulas):
    assert shared(dict(zip(CELLS, formulas, strict=True))) == {}


@pytest.mark.parametrize(
    ("formula", "telling"),
    [
        ("RC*0.537286", True), ("0.537286", True), ("RC+12345.6", True), ("1234567*RC", True),
        ("RC*0.5372", False), ("RC*100000", False), ("R[123456]C*2", False),
        ('"0.537286"&RC', False), ("2.71828^(-RC)", False), ("2.718281828^(-RC)", False),
        ("RC*3.14159265", False), ("RC/0.3333333", False), ("RC*0.666667", False),
        ("RC*0.142857143", False), (f"RC*{'9' * 400}.123456", True),
    ],
)  # fmt: skip
def test_one_formula_is_enough_if_it_holds_a_number_that_nobody_would_think_of(formula, telling):
    found = shared({CELLS[0]: formula})
    assert bool(found) is telling
    if telling:
        assert found["A"][0].startswith("shares an unusual wrong formula with B: Step!A0 ")


@pytest.mark.slow
def test_a_number_that_everybody_was_given_may_be_written_out(course, manifest):
    rate = next(g for g in manifest.givens if g.quantity == "learning_rate")
    column, row = re.fullmatch(r"([A-Z]+)(\d+)", rate.address).groups()

    def with_rate(typed):
        def change(cell, formula):
            if cell.quantity != "new_weights":
                return formula
            changed = formula.replace(f"${column}${row}", typed)
            assert changed != formula
            return changed

        return change

    for typed, kept in (("(2/5)", 0), ("0.41", 16)):
        grade = said_of(manifest, filled_in(course, manifest, "s1001", with_rate(typed)))
        assert grade.score < manifest.points
        assert len(grade.evidence["formulas"]) == kept


@pytest.mark.slow
def test_ones_own_number_written_out_stays_telling(course, manifest):
    weight = next(g for g in manifest.givens if g.quantity == "weights")

    def change(cell, formula):
        return formula.replace(weight.address, f"({own[0]!r})") if cell is first else formula

    handout = next(one for one in manifest.handouts.values() if one.student.id == "s1001")
    own = [given_number(handout.case, weight)]
    first = next(cell for cell in manifest.cells if weight.address in cell.formula)
    grade = said_of(manifest, filled_in(course, manifest, "s1001", change))
    assert [v.verdict for v in grade.verdicts if v.cell is first] == [EMBEDDED_CONSTANT]
    assert list(grade.evidence["formulas"]) == [f"{first.sheet}!{first.address}"]
    assert list(grade.evidence["kinds"].values()) == [first.quantity]


def test_values_of_anothers_key_are_evidence_and_of_ones_own_are_not(manifest):
    first, second = (one.student for one in list(manifest.handouts.values())[:2])
    right = a_grade(manifest, "a.xlsx", first)
    typed = {f"{v.cell.sheet}!{v.cell.address}": v.right for v in right.verdicts[3:6]}
    for thief, expected in ((second, True), (first, False)):
        copying = Copying()
        copying.add("a.xlsx", first.id, {})
        copying.add("b.xlsx", thief.id, {"typed": typed})
        assert copying.needs_keys
        copying.add_key(right)
        lines = copying.lines_by_file().get("b.xlsx", [])
        assert [f"3 values of the key of {first.id}" in line for line in lines] == [True] * expected


def test_every_file_has_a_row_whatever_it_does(tmp_path, manifest, handouts):
    data = handouts["s1001"]
    files = {
        "s1001.xlsx": data,
        "s1002-fail.xlsx": variant(handouts["s1002"], 1),
        "s1003-crash.xlsx": variant(handouts["s1003"], 2),
        "s1003-shout.xlsx": variant(handouts["s1003"], 3),
        "broken.xlsx": b"no workbook",
        "essay.pdf": b"%PDF",
    }
    grades = graded(
        manifest, filled(tmp_path / "in", files), tmp_path / "out", feedback=False, jobs=1,
        grader=FAKE, limits=QUICK,
    )  # fmt: skip
    assert sorted(grades) == sorted(files)
    assert grades["s1001.xlsx"].problem == ""
    assert "KeyError" in grades["s1002-fail.xlsx"].problem
    assert grades["s1003-crash.xlsx"].problem == BROKE
    assert grades["s1003-shout.xlsx"].problem == ""
    assert "no zip archive" in grades["broken.xlsx"].problem
    assert ".pdf" in grades["essay.pdf"].problem
