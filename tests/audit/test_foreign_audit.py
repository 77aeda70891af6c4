"""The audit of somebody else's workbook, and the proof."""

import math
from collections import Counter
from contextlib import closing

import pytest

from cellgrad.errors import InputError
from cellgrad_audit.answer import Slot
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.foreign.target import WorkbookTarget
from foreign_sheets import (
    MISTAKES,
    PLAIN_MAP,
    audit_workbook,
    engine_of_arrays,
    matrix,
    place_of,
    plain,
    wrong_places,
)

# right ones


def test_a_right_sheet_agrees_in_every_case_and_every_formula_is_proved(tmp_path):
    pytest.importorskip("sympy")
    report = audit_workbook(plain(tmp_path))
    assert report.agrees
    assert report.engine == "formualizer"
    assert len(report.cells) == 28
    assert all(cell.asked == 6 for cell in report.cells)
    assert Counter(cell.grade for cell in report.proof.cells) == {"proved": 28}


@pytest.mark.slow
def test_a_right_sheet_of_array_formulas_agrees_and_is_proved(tmp_path):
    engine_of_arrays()
    pytest.importorskip("sympy")
    report = audit_workbook(matrix(tmp_path), count=3)
    assert report.agrees, report.lines()
    assert report.engine != "formualizer"
    assert Counter(cell.grade for cell in report.proof.cells) == {"proved": 43}


def test_its_own_numbers_come_first_and_are_those_of_the_file(tmp_path):
    with closing(WorkbookTarget(plain(tmp_path), count=2)) as target:
        own, *drawn = target.cases()
        assert own.network.weights == (((0.3, -0.2), (0.8, 0.6)), ((0.7,), (-0.9,)))
        assert own.network.biases == ((0.1, -0.4), (0.2,))
        assert own.samples[0].input == (0.5, -0.25)
        assert own.learning_rate == 0.5
        assert len(drawn) == 2
        assert all(case.network.weights != own.network.weights for case in drawn)
        first = target.answer(own).numbers
        target.answer(drawn[0])
        again = target.answer(own).numbers
        for slot, numbers in first.items():
            assert numbers.values.tolist() == again[slot].values.tolist()


def test_numbers_stand_where_the_diagnosis_looks_for_them(tmp_path):
    with closing(WorkbookTarget(plain(tmp_path), count=1)) as target:
        case = target.cases()[1]
        numbers = target.answer(case).numbers
        step = Program(case).run().steps[0]
        assert numbers[Slot(1, "error_signal", 0)].values.shape == (1, 2)
        assert numbers[Slot(1, "error", None)].values.shape == ()
        new = numbers[Slot(0, "weights", 0)].values
        assert new.shape == (2, 2)
        assert new == pytest.approx(step["new_weights", 0], rel=1e-12)
        assert place_of(target, Slot(0, "weights", 0), (1, 0)) == "Sheet!C21"
        assert place_of(target, Slot(1, "weight_gradient", 1), (1, 0)) == "Sheet!G16"


def test_a_transposed_array_and_a_sample_in_a_column_are_read_the_right_way_round(tmp_path):
    engine_of_arrays()
    with closing(WorkbookTarget(matrix(tmp_path), count=1)) as target:
        case = target.cases()[0]
        assert case.samples[1].input == (-2.0, 1.5)
        assert case.network.weights[0] == ((0.5, 0.75, -0.5), (-0.25, 0.5, 0.25))
        assert case.network.weights[1][2] == (0.25, -0.5)
        assert place_of(target, Slot(1, "weight_gradient", 0), (1, 2)) == "My net!C19"
        assert place_of(target, Slot(1, "pre_activation", 0), (1, 0)) == "My net!I7"


# wrong ones


@pytest.mark.parametrize("name", MISTAKES)
def test_the_wrong_cells_are_named_and_no_others(name, tmp_path):
    changes, wrong = MISTAKES[name]
    report = audit_workbook(plain(tmp_path, changes), count=3, proof=False)
    assert not report.agrees
    assert wrong_places(report) == wrong
    assert all(cell.own for cell in report.wrong)


@pytest.mark.parametrize("name", MISTAKES)
def test_the_proof_refutes_the_same_cells_by_their_formulas_alone(name, tmp_path):
    pytest.importorskip("sympy")
    changes, wrong = MISTAKES[name]
    report = audit_workbook(plain(tmp_path, changes), count=1)
    refuted = {cell.place.partition("!")[2] for cell in report.proof.refuted}
    assert refuted == wrong
    assert report.proof.count("proved") == 28 - len(wrong)
    assert all(cell.expected for cell in report.proof.refuted)


def test_a_typed_result_is_reported_though_it_is_right_for_the_present_numbers(tmp_path):
    right = plain(tmp_path)
    with closing(WorkbookTarget(right, count=0)) as target:
        value = float(target.answer(target.cases()[0]).numbers[
            Slot(1, "weight_gradient", 0)].values[1, 0])  # fmt: skip
    report = audit_workbook(plain(tmp_path, {"C16": value}), count=2, proof=False)
    assert [cell.place for cell in report.typed] == ["Sheet!C16"]
    (cell,) = report.typed
    assert not cell.own  # the file's own numbers do not show it
    assert len(cell.differences) == 2
    assert wrong_places(report) == {"C16", "C21"}
    assert not report.agrees


def test_a_typed_helper_behind_a_formula_is_caught_by_the_draws(tmp_path):
    y = 1 / (1 + math.exp(-(0.7 * _hidden(0.5, 0.3, -0.25, 0.8, 0.1)
                            - 0.9 * _hidden(0.5, -0.2, -0.25, 0.6, -0.4) + 0.2)))  # fmt: skip
    report = audit_workbook(plain(tmp_path, {"J9": y * (1 - y)}), count=2, proof=False)
    assert not any(cell.own for cell in report.cells)
    assert {"G13", "C13", "G20"} <= wrong_places(report)


def _hidden(x1, w1, x2, w2, b):
    return 1 / (1 + math.exp(-(x1 * w1 + x2 * w2 + b)))


def test_one_wrong_cell_of_an_array_sheet_is_named(tmp_path):
    engine_of_arrays()
    pytest.importorskip("sympy")
    changes = {"Q7:R9": "=T7:U9*(1-H7:I9^2)"}
    report = audit_workbook(matrix(tmp_path, changes), count=2)
    hidden = {f"{c}{r}" for c in "QR" for r in (7, 8, 9)}
    gradients = {f"{c}{r}" for c in "BCD" for r in (17, 18, 19)}
    assert wrong_places(report) == hidden | gradients
    refuted = {cell.place.partition("!")[2] for cell in report.proof.refuted}
    assert refuted == hidden | gradients
    assert report.proof.count("proved") == 43 - 15


def test_gradients_alone_need_no_learning_rate(tmp_path):
    path = plain(tmp_path)
    text = PLAIN_MAP.replace('learning_rate = "B1"\n', "")
    path.write_text(text[: text.index('weights = ["C20')])
    report = audit_workbook(path, count=2, proof=False)
    assert report.agrees
    assert len(report.cells) == 19


def test_a_function_that_is_not_read_is_not_covered_rather_than_proved(tmp_path):
    pytest.importorskip("sympy")
    report = audit_workbook(plain(tmp_path, {"J9": "=ROUND(G9*(1-G9),15)"}), count=1)
    grades = {cell.place.partition("!")[2]: cell for cell in report.proof.cells}
    assert grades["G13"].grade == "not covered"
    assert "ROUND" in grades["C15"].problem
    assert grades["G9"].grade == "proved"


def test_a_sheet_that_has_another_step_is_no_answer_to_a_case(tmp_path):
    with closing(WorkbookTarget(plain(tmp_path), count=1)) as target:
        case = target.cases()[0]
        other = type(case)(
            **{f: getattr(case, f) for f in case.__slots__} | {"loss": "squared_error"}
        )
        assert "another network" in target.answer(other).unsupported


def test_a_circle_is_refused(tmp_path):
    with pytest.raises(InputError, match="circular reference"):
        audit_workbook(plain(tmp_path, {"J9": "=G13"}), count=0)


def test_an_error_value_is_no_number(tmp_path):
    report = audit_workbook(plain(tmp_path, {"G15": "=G13/0"}), count=0, proof=False)
    assert not report.agrees
    assert "G15" in report.failures[0]


# in the applications


@pytest.mark.slow
@pytest.mark.libreoffice
def test_libreoffice_finds_the_same_cells(tmp_path):
    path = matrix(tmp_path, {"Q7:R9": "=T7:U9*(1-H7:I9^2)"})
    reports = [audit_workbook(path, engine=name, count=3, proof=False)
               for name in ("libreoffice", "ironcalc")]  # fmt: skip
    assert wrong_places(reports[0]) == wrong_places(reports[1]) != set()
    assert audit_workbook(matrix(tmp_path), engine="libreoffice", count=3, proof=False).agrees
