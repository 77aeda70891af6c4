"""Somebody else's workbook: its map, its audit, the proof, and what locate proposes.

The workbooks are made here as others lay them out: matrices with a row a node, samples as
columns, a bias column and a row of ones, MMULT array formulas, helper cells, no names.
"""

import io
import math
from collections import Counter
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.utils import get_column_letter as letter
from openpyxl.worksheet.formula import ArrayFormula

from cellgrad.errors import InputError
from cellgrad_audit.answer import Slot
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.commands import _ask, locate_command
from cellgrad_audit.foreign.audit import audit_workbook
from cellgrad_audit.foreign.map_file import read_map
from cellgrad_audit.foreign.matching import Matcher
from cellgrad_audit.foreign.target import WorkbookTarget


def write(path, cells):
    book = Workbook()
    for address, value in cells.items():
        book.active[address] = value
    book.save(path)


PLAIN_MAP = """
schema = "cellgrad-workbook-map/1"
workbook = "plain.xlsx"
[network]
nodes = [2, 2, 1]
activations = ["logistic", "logistic"]
loss = "half_squared_error"
learning_rate = "B1"
[given]
input = "A4:A5"
target = "N7"
weights = ["C4:D5", "G4:G5"]
biases = ["C6:D6", "G6"]
[computed]
pre_activation = ["C8:D8", "G8"]
post_activation = ["C9:D9", "G9"]
error = "N9"
error_signal = [{cells = ["C13", "D13"]}, "G13"]
weight_gradient = ["C15:D16", "G15:G16"]
bias_gradient = ["C17:D17", "G17"]
weights = ["C20:D21", "G20:G21"]
biases = ["C22:D22", "G22"]
"""


def plain(folder, changes=()):
    """Write one sample, 2-2-1, logistic: sums written out, E and update shown, LR in B1.

    Helper cells hold y·(1 − y); one formula reads them, the others do not.
    """
    cells = {
        "A1": "LR", "B1": 0.5, "A3": "x", "C3": "W", "G3": "V", "N6": "t",
        "A4": 0.5, "A5": -0.25,
        "C4": 0.3, "D4": -0.2, "C5": 0.8, "D5": 0.6, "C6": 0.1, "D6": -0.4,
        "G4": 0.7, "G5": -0.9, "G6": 0.2, "N7": 1,
        "C8": "=A4*C4+A5*C5+C6", "D8": "=A4*D4+A5*D5+D6",
        "C9": "=1/(1+EXP(-C8))", "D9": "=1/(1+EXP(-D8))",
        "G8": "=C9*G4+D9*G5+G6", "G9": "=1/(1+EXP(-G8))",
        "N9": "=(N7-G9)^2/2",
        "J9": "=G9*(1-G9)",
        "G13": "=(G9-N7)*J9",
        "C13": "=G13*G4*C9*(1-C9)", "D13": "=G13*G5*D9*(1-D9)",
        "C15": "=C13*A4", "D15": "=D13*A4", "C16": "=C13*A5", "D16": "=D13*A5",
        "C17": "=C13", "D17": "=D13",
        "G15": "=G13*C9", "G16": "=G13*D9", "G17": "=G13",
    }  # fmt: skip
    for column in "CDG":
        for row in (4, 5, 6):
            cells[f"{column}{row + 16}"] = f"={column}{row}-$B$1*{column}{row + 11}"
    write(folder / "plain.xlsx", cells | dict(changes))
    path = folder / "plain.toml"
    path.write_text(PLAIN_MAP)
    return path


MATRIX_MAP = """
schema = "cellgrad-workbook-map/1"
workbook = "matrix.xlsx"
sheet = "My net"
[network]
nodes = [2, 3, 2]
activations = ["tanh", "identity"]
loss = "half_squared_error"
update = "batch_sum"
[given]
input = {cells = "H3:I4", samples = "columns"}
target = {cells = "N12:O13", samples = "columns"}
weights = [{cells = "B7:C9", transposed = true}, {cells = "B12:D13", transposed = true}]
biases = ["D7:D9", "E12:E13"]
[computed]
pre_activation = [{cells = "H7:I9", samples = "columns"}, {cells = "H12:I13", samples = "columns"}]
post_activation = [{cells = "K7:L9", samples = "columns"}, ""]
final_error = {cells = "Q12:R13", samples = "columns"}
error_signal = [{cells = "Q7:R9", samples = "columns"}, ""]
weight_gradient = [{cells = "B17:C19", transposed = true}, {cells = "B22:D23", transposed = true}]
bias_gradient = ["D17:D19", "E22:E23"]
"""


def matrix(folder, changes=()):
    """Write two samples as columns, 2-3-2, tanh and identity, with MMULT array formulas.

    The biases are the last column of each weight matrix, met by a row of ones; the gradient of
    a matrix and its biases is one array formula.
    """
    book = Workbook()
    sheet = book.active
    sheet.title = "My net"
    values = {
        "H3": 1, "I3": -2, "H4": 0.5, "I4": 1.5, "H5": 1, "I5": 1,
        "K10": 1, "L10": 1, "A7": "W1", "A12": "W2", "G3": "X", "M12": "T",
        "N12": 0.25, "O12": -1, "N13": 0.75, "O13": 0.5,
    }  # fmt: skip
    weights = [[0.5, -0.25, 0.125], [0.75, 0.5, -1], [-0.5, 0.25, 0.375]]
    for r, row in enumerate(weights):
        for c, value in enumerate(row):
            values[f"{letter(2 + c)}{7 + r}"] = value
    for r, row in enumerate([[0.5, -1, 0.25, 0.5], [1, 0.75, -0.5, -0.25]]):
        for c, value in enumerate(row):
            values[f"{letter(2 + c)}{12 + r}"] = value
    arrays = {
        "H7:I9": "=MMULT(B7:D9,H3:I5)",
        "K7:L9": "=TANH(H7:I9)",
        "H12:I13": "=MMULT(B12:E13,K7:L10)",
        "Q12:R13": "=H12:I13-N12:O13",
        "T7:U9": "=MMULT(TRANSPOSE(B12:D13),Q12:R13)",
        "Q7:R9": "=T7:U9*(1-K7:L9^2)",
        "B22:E23": "=MMULT(Q12:R13,TRANSPOSE(K7:L10))",
        "B17:D19": "=MMULT(Q7:R9,TRANSPOSE(H3:I5))",
    }
    for address, value in {**values, **arrays, **dict(changes)}.items():
        first = address.partition(":")[0]
        array = ":" in address and value is not None
        sheet[first] = ArrayFormula(address, value) if array else value
    book.save(folder / "matrix.xlsx")
    path = folder / "matrix.toml"
    path.write_text(MATRIX_MAP)
    return path


def engine_of_arrays():
    pytest.importorskip("ironcalc")


def wrong_places(report):
    return {cell.place.partition("!")[2] for cell in report.wrong}


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
    with WorkbookTarget(plain(tmp_path), count=2) as target:
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
    with WorkbookTarget(plain(tmp_path), count=1) as target:
        case = target.cases()[1]
        numbers = target.answer(case).numbers
        step = Program(case).run().steps[0]
        assert numbers[Slot(1, "error_signal", 0)].values.shape == (1, 2)
        assert numbers[Slot(1, "error", None)].values.shape == ()
        new = numbers[Slot(0, "weights", 0)].values
        assert new.shape == (2, 2)
        assert new == pytest.approx(step["new_weights", 0], rel=1e-12)
        assert target.place(Slot(0, "weights", 0), (1, 0)) == "Sheet!C21"
        assert target.place(Slot(1, "weight_gradient", 1), (1, 0)) == "Sheet!G16"
        assert target.formula(Slot(1, "weight_gradient", 1), (1, 0)) == "=G13*D9"


def test_a_transposed_array_and_a_sample_in_a_column_are_read_the_right_way_round(tmp_path):
    engine_of_arrays()
    with WorkbookTarget(matrix(tmp_path), count=1) as target:
        case = target.cases()[0]
        assert case.samples[1].input == (-2.0, 1.5)
        assert case.network.weights[0] == ((0.5, 0.75, -0.5), (-0.25, 0.5, 0.25))
        assert case.network.weights[1][2] == (0.25, -0.5)
        assert target.place(Slot(1, "weight_gradient", 0), (1, 2)) == "My net!C19"
        assert target.place(Slot(1, "pre_activation", 0), (1, 0)) == "My net!I7"


# wrong ones

MISTAKES = {
    "fA′ of the post-activation": (
        {"C13": "=G13*G4*(1/(1+EXP(-C9)))*(1-1/(1+EXP(-C9)))"},
        {"C13", "C15", "C16", "C17", "C20", "C21", "C22"},
    ),
    "the new output weights in the hidden signal": (
        {"C13": "=G13*G20*C9*(1-C9)", "D13": "=G13*G21*D9*(1-D9)"},
        {f"{c}{r}" for c in "CD" for r in (13, 15, 16, 17, 20, 21, 22)},
    ),
    "a bias that is not updated": ({"D22": "=D6"}, {"D22"}),
    "E without its half": ({"N9": "=(N7-G9)^2"}, {"N9"}),
}


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
    with WorkbookTarget(right, count=0) as target:
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
    with WorkbookTarget(plain(tmp_path), count=1) as target:
        case = target.cases()[0]
        other = type(case)(
            **{f: getattr(case, f) for f in case.__slots__} | {"loss": "squared_error"}
        )
        assert "another network" in target.answer(other).unsupported


# maps

BAD = {
    "no TOML": ("[network\n", "not TOML"),
    "another format": (PLAIN_MAP.replace("map/1", "map/9"), "schema"),
    "an unknown key": (PLAIN_MAP.replace("error =", "eror ="), "eror"),
    "a range of another shape": (PLAIN_MAP.replace('"C4:D5"', '"C4:E5"'), "given.weights[0]"),
    "no address": (PLAIN_MAP.replace('"A4:A5"', '"here"'), "given.input"),
    "a sheet that is not there": (PLAIN_MAP.replace('"A4:A5"', '"Data!A4:A5"'), "no sheet"),
    "a cell with two meanings": (PLAIN_MAP.replace('"G9"]', '"G8"]'), "claimed by"),
    "a layer too few": (PLAIN_MAP.replace('["C8:D8", "G8"]', '["C8:D8"]'), "weight layers"),
    "new weights without a rate": (
        PLAIN_MAP.replace('learning_rate = "B1"\n', ""), "network.learning_rate"),
    "a pair that does not go together": (
        PLAIN_MAP.replace("half_squared_error", "categorical_cross_entropy"), "not permitted"),
    "an empty range": (PLAIN_MAP.replace('"N9"', '"P40"'), "it is empty"),
    "a text for a given": (PLAIN_MAP.replace('"A4:A5"', '"A3:A4"'), "Sheet!A3"),
    "a missing workbook": (PLAIN_MAP.replace("plain.xlsx", "other.xlsx"), "no such file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_map_that_cannot_be_used_is_refused_on_one_line(kind, tmp_path):
    text, words = BAD[kind]
    path = plain(tmp_path)
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        audit_workbook(path, count=0, proof=False)
    line = str(raised.value)
    assert words in line
    assert "\n" not in line
    assert ".toml" in line or ".xlsx" in line


def test_a_matrix_the_wrong_way_round_is_told_how_to_say_so(tmp_path):
    path = matrix(tmp_path)
    path.write_text(MATRIX_MAP.replace('{cells = "B7:C9", transposed = true}', '"B7:C9"'))
    with pytest.raises(InputError, match=r"given\.weights\[0\].*say transposed = true"):
        read_map(path)
    path.write_text(MATRIX_MAP.replace('{cells = "H7:I9", samples = "columns"}', '"H7:I9"'))
    with pytest.raises(InputError, match=r'pre_activation\[0\].*say samples = "columns"'):
        read_map(path)


def test_the_example_of_the_reference_fits_the_workbook_of_these_tests(tmp_path):
    path = plain(tmp_path)
    page = Path(__file__).parent.parent / "reference" / "foreign-workbooks.md"
    mine = read_map(path)
    path.write_text(page.read_text("utf-8").split("```toml\n")[1].split("```")[0])
    theirs = read_map(path)
    assert theirs.structure == mine.structure
    for table, other in ((mine.given, theirs.given), (mine.computed, theirs.computed)):
        assert {k: dict(w.cells()) for k, w in other.items()} == {
            k: dict(w.cells()) for k, w in table.items()
        }


def test_a_circle_is_refused(tmp_path):
    with pytest.raises(InputError, match="circular reference"):
        audit_workbook(plain(tmp_path, {"J9": "=G13"}), count=0)


def test_an_error_value_is_no_number(tmp_path):
    report = audit_workbook(plain(tmp_path, {"G15": "=G13/0"}), count=0, proof=False)
    assert not report.agrees
    assert "G15" in report.failures[0]


# locate


def test_locate_finds_everything_of_a_plain_sheet(tmp_path, capsys):
    path = plain(tmp_path)
    found = tmp_path / "found.toml"
    assert locate_command(tmp_path / "plain.xlsx", found, None, yes=True) == 0
    assert "2-2-1 (logistic, logistic)" in capsys.readouterr().out
    mine, theirs = read_map(path), read_map(found)
    assert theirs.structure == mine.structure
    assert {k: set(w.cells()) for k, w in theirs.given.items()} == {
        k: set(w.cells()) for k, w in mine.given.items()
    }
    for key in mine.computed:
        if key[0] != "bias_gradient":  # the same number as the error signal, in the next row
            assert set(theirs.computed[key].cells()) == set(mine.computed[key].cells()), key
    assert audit_workbook(found, count=1, proof=False).agrees


def test_locate_finds_a_sheet_of_array_formulas_with_a_bias_column(tmp_path):
    engine_of_arrays()
    path = matrix(tmp_path)
    found = tmp_path / "found.toml"
    assert locate_command(tmp_path / "matrix.xlsx", found, "2,3,2", yes=True) == 0
    mine, theirs = read_map(path), read_map(found)
    assert (theirs.structure.nodes, theirs.structure.activations) == (
        (2, 3, 2),
        ("tanh", "identity"),
    )
    for table, other in ((mine.given, theirs.given), (mine.computed, theirs.computed)):
        for key, where in table.items():
            assert set(other[key].cells()) == set(where.cells()), key
    report = audit_workbook(found, count=1, proof=False)
    assert report.agrees, report.lines()


def test_locate_proposes_gradients_that_hold_a_known_mistake_and_the_audit_finds_them(tmp_path):
    changes, _ = MISTAKES["the new output weights in the hidden signal"]
    plain(tmp_path, changes)
    found = tmp_path / "found.toml"
    assert locate_command(tmp_path / "plain.xlsx", found, None, yes=True) == 0
    assert "holds no right numbers" in found.read_text()
    report = audit_workbook(found, count=1, proof=False)
    assert {"C15", "D15", "C16", "D16"} <= wrong_places(report)
    assert "G15" not in wrong_places(report)


FUSED = {
    "A1": 0.05, "A2": 0.1, "B1": 0.15, "B2": 0.2, "B3": 0.25, "B4": 0.3, "B5": 0.35,
    "C1": 0.4, "C2": 0.45, "C3": 0.5, "C4": 0.55, "C5": 0.6, "D1": 0.01, "D2": 0.99,
    "E1": "=1/(1+EXP(-(B1*A1+B2*A2+B5)))", "E2": "=1/(1+EXP(-(B3*A1+B4*A2+B5)))",
    "F1": "=1/(1+EXP(-(C1*E1+C2*E2+C5)))", "F2": "=1/(1+EXP(-(C3*E1+C4*E2+C5)))",
    "G1": "=0.5*(D1-F1)^2+0.5*(D2-F2)^2",
    "H1": "=(F1-D1)*F1*(1-F1)", "H2": "=(F2-D2)*F2*(1-F2)",
    "I1": "=C1-0.5*H1*E1", "I2": "=C2-0.5*H1*E2", "I3": "=C3-0.5*H2*E1", "I4": "=C4-0.5*H2*E2",
    "J1": "=(H1*C1+H2*C3)*E1*(1-E1)", "J2": "=(H1*C2+H2*C4)*E2*(1-E2)",
    "K1": "=B1-0.5*J1*A1", "K2": "=B2-0.5*J1*A2", "K3": "=B3-0.5*J2*A1", "K4": "=B4-0.5*J2*A2",
}  # fmt: skip


def test_sums_inside_activations_a_shared_bias_and_a_rate_in_the_formulas_are_found(tmp_path):
    pytest.importorskip("sympy")
    write(tmp_path / "fused.xlsx", FUSED)
    found = tmp_path / "found.toml"
    assert locate_command(tmp_path / "fused.xlsx", found, None, yes=True) == 0
    where = read_map(found)
    assert where.constants["learning_rate"] == 0.5
    assert dict(where.given["biases", 0].cells()) == {
        (0,): ("Sheet", 5, 2), (1,): ("Sheet", 5, 2)}  # fmt: skip
    assert dict(where.computed["new_weights", 0].cells())[1, 0] == ("Sheet", 2, 11)
    report = audit_workbook(found, count=2)
    assert report.agrees, report.lines()
    assert report.proof.count("proved") + report.proof.count("identity-tested") == 17


def test_the_commonest_mistake_is_found_in_a_sheet_that_shows_no_gradient(tmp_path):
    pytest.importorskip("sympy")
    wrong = {"J1": "=(H1*I1+H2*I3)*E1*(1-E1)", "J2": "=(H1*I2+H2*I4)*E2*(1-E2)"}
    write(tmp_path / "fused.xlsx", FUSED | wrong)
    found = tmp_path / "found.toml"
    assert locate_command(tmp_path / "fused.xlsx", found, None, yes=True) == 0
    report = audit_workbook(found, count=2)
    assert wrong_places(report) == {"J1", "J2", "K1", "K2", "K3", "K4"}
    assert {cell.place.partition("!")[2] for cell in report.proof.refuted} == wrong_places(report)


@pytest.mark.parametrize("forgotten", ["C", pytest.param("CD", marks=pytest.mark.slow)])
def test_a_forgotten_derivative_of_relu_shows_in_drawn_numbers_where_a_node_is_asleep(
    forgotten, tmp_path
):
    cells = {
        "A2": 1, "A3": 2, "C2": 0.5, "D2": 1, "C3": 0.25, "D3": 0.75, "F2": 1.5, "F3": -0.5,
        "C5": "=A2*C2", "C6": "=A3*C3", "C7": "=C5+C6", "C8": "=MAX(0,C7)",
        "D5": "=A2*D2", "D6": "=A3*D3", "D7": "=SUM(D5:D6)", "D8": "=IF(D7>0,D7,0)",
        "F7": "=C8*F2+D8*F3", "G7": 2, "H7": "=F7-G7",
        "C10": "=H7*F2", "D10": "=H7*F3", "C11": "=C10", "D11": "=IF(D7>0,D10,0)",
        "F12": "=H7*C8", "F13": "=H7*D8",
        "C12": "=C11*A2", "D12": "=D11*A2", "C13": "=C11*A3", "D13": "=D11*A3",
    }  # fmt: skip
    if "D" in forgotten:
        cells["D11"] = "=D10"
    write(tmp_path / "relu.xlsx", cells)
    found = tmp_path / "found.toml"
    assert locate_command(tmp_path / "relu.xlsx", found, None, yes=True) == 0
    where = read_map(found)
    flowing, signal = (where.computed[name, 0].pieces[0].address
                       for name in ("backpropagated_error", "error_signal"))  # fmt: skip
    assert (flowing, signal) == ("C10:D10", "C11:D11")
    report = audit_workbook(found, count=3, proof=False)
    assert wrong_places(report) == {f"{c}{r}" for c in forgotten for r in (11, 12, 13)}
    assert not any(cell.own for cell in report.cells)


@pytest.mark.parametrize("seen", [pytest.param(True, marks=pytest.mark.slow), False])
def test_signals_are_told_from_what_flows_back_below_a_wrong_layer_too(seen, tmp_path, monkeypatch):
    """2-2-2-1, ReLU, a column a layer; layer 2 forgets its derivative, layer 1 does not."""
    cells = {"A1": 1, "A2": 2, "M1": 3, "L1": "=K1-M1"}
    for n, (w, value) in enumerate([("B", 0.5), ("C", 0.75), ("F", 0.25), ("G", 1.5)]):
        cells |= {f"{w}1": value, f"{w}2": value - 0.125 * n - 0.25}
    cells |= {"J1": 0.5, "J2": -0.75}
    for j, (left, right) in enumerate([("B", "F"), ("C", "G")], start=1):
        cells[f"D{j}"] = f"={left}1*A1+{left}2*A2"
        cells[f"E{j}"] = f"=MAX(0,D{j})"
        cells[f"H{j}"] = f"={right}1*E1+{right}2*E2"
        cells[f"I{j}"] = f"=MAX(0,H{j})"
        cells[f"J{4 + j}"] = f"=L1*J{j}"  # flows back to layer 2
        cells[f"I{4 + j}"] = f"=J{4 + j}"  # its error signal, without fA′
        cells[f"E{4 + j}"] = f"=F{j}*I5+G{j}*I6"  # flows back to layer 1
        cells[f"D{4 + j}"] = f"=IF(D{j}>0,E{4 + j},0)"
    cells["K1"] = "=J1*I1+J2*I2"
    if not seen:  # as if no later draw were right in either: then the formulas must tell
        monkeypatch.setattr(Matcher, "_steady", lambda *_: 0.0)
    write(tmp_path / "deep.xlsx", cells)
    found = tmp_path / "found.toml"
    assert locate_command(tmp_path / "deep.xlsx", found, None, yes=True) == 0
    where = {key: w.pieces[0].address for key, w in read_map(found).computed.items()}
    assert where["backpropagated_error", 0] == "E5:E6"
    assert where["error_signal", 0] == "D5:D6"
    assert where["backpropagated_error", 1] == "J5:J6"
    assert where["error_signal", 1] == "I5:I6"


def test_a_regression_with_a_row_a_sample_is_found(tmp_path):
    rows = {1: ("x1", "x2", "y"), 2: (1, 2, 3), 3: (2, -1, 0.5), 4: (0.5, 0.25, 1)}
    cells = {f"{c}{r}": v for r, row in rows.items() for c, v in zip("ABC", row, strict=True)}
    cells |= {"G2": 0.5, "H2": -0.25, "I2": 0.1, "J1": "rate", "J2": 0.05}
    for r in (2, 3, 4):
        cells[f"D{r}"] = f"=SUMPRODUCT(A{r}:B{r},$G$2:$H$2)+$I$2"
        cells[f"E{r}"] = f"=D{r}-C{r}"
    for c, x in (("G", "A2:A4"), ("H", "B2:B4")):
        cells[f"{c}5"] = f"=SUMPRODUCT(E2:E4,{x})*2/3"
    cells |= {"I5": "=SUM(E2:E4)*2/3", "F2": "=SUMSQ(E2:E4)/3"}
    cells |= {f"{c}7": f"={c}2-$J$2*{c}5" for c in "GHI"}
    write(tmp_path / "line.xlsx", cells)
    found = tmp_path / "found.toml"
    assert locate_command(tmp_path / "line.xlsx", found, None, yes=True) == 0
    where = read_map(found)
    assert (where.structure.loss, where.structure.update) == ("squared_error", "batch_mean")
    assert where.structure.samples == 3
    assert dict(where.given["learning_rate", None].cells()) == {(): ("Sheet", 2, 10)}
    report = audit_workbook(found, count=2, proof=False)
    assert report.agrees
    assert {"G5", "I5", "F2", "H7"} <= {cell.place.partition("!")[2] for cell in report.cells}


def test_locate_leaves_open_places_where_there_is_no_network(tmp_path, capsys):
    book = Workbook()
    book.active["A1"] = "Sales"
    for row in range(2, 6):
        book.active[f"A{row}"] = row
    book.active["A6"] = "=SUM(A2:A5)"
    book.save(tmp_path / "sales.xlsx")
    assert locate_command(tmp_path / "sales.xlsx", None, None, yes=True) == 1
    text = (tmp_path / "sales.map.toml").read_text()
    assert "Sheet!A2:A5: 4 × 1 numbers, near 'sales'" in text
    assert "open places" in capsys.readouterr().out
    with pytest.raises(InputError, match="exists already"):
        locate_command(tmp_path / "sales.xlsx", None, None, yes=True)


def test_a_question_is_asked_on_the_terminal_and_the_answer_taken(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("7\n2\n"))
    assert _ask("Which are the inputs?", ["A1", "B1"]) == 1
    asked = capsys.readouterr()
    assert asked.out == ""
    assert "Which are the inputs?" in asked.err


@pytest.mark.parametrize("nodes", ["", "3", "3,x", "0,1", "3,-1", "9" * 50])
def test_layers_that_are_none_are_refused(nodes, tmp_path):
    with pytest.raises(InputError, match="--nodes"):
        locate_command(tmp_path / "none.xlsx", None, nodes, yes=True)


def test_a_file_that_is_no_workbook_is_refused(tmp_path):
    (tmp_path / "none.xlsx").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(InputError, match="no zip archive"):
        locate_command(tmp_path / "none.xlsx", None, None, yes=True)
    assert list(tmp_path.iterdir()) == [Path(tmp_path / "none.xlsx")]


# in the applications


@pytest.mark.slow
@pytest.mark.libreoffice
def test_libreoffice_finds_the_same_cells(tmp_path):
    path = matrix(tmp_path, {"Q7:R9": "=T7:U9*(1-H7:I9^2)"})
    reports = [audit_workbook(path, engine=name, count=3, proof=False)
               for name in ("libreoffice", "ironcalc")]  # fmt: skip
    assert wrong_places(reports[0]) == wrong_places(reports[1]) != set()
    assert audit_workbook(matrix(tmp_path), engine="libreoffice", count=3, proof=False).agrees


@pytest.mark.slow
@pytest.mark.parametrize("name", ["published/mazur-2-2-2", "published/brownlee-2-2-2"])
def test_locate_never_ends_in_a_traceback_on_workbooks_of_many_sheets(name, tmp_path):
    source = Path(__file__).parent.parent / "spreadsheets" / f"{name}.xlsx"
    found = tmp_path / "found.toml"
    assert locate_command(source, found, None, yes=True) in (0, 1)
    assert found.read_text().startswith("#")
