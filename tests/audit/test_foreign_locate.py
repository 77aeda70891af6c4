"""What locate proposes."""

import io
from pathlib import Path

import pytest
from openpyxl import Workbook

from cellgrad.errors import InputError
from cellgrad_audit.commands import _ask, locate
from cellgrad_audit.foreign.map_file import read_map
from cellgrad_audit.foreign.matching import Matcher
from foreign_sheets import (
    MISTAKES,
    audit_workbook,
    engine_of_arrays,
    matrix,
    plain,
    write,
    wrong_places,
)

# locate


def test_locate_finds_everything_of_a_plain_sheet(tmp_path, capsys):
    path = plain(tmp_path)
    found = tmp_path / "found.toml"
    assert locate.callback(tmp_path / "plain.xlsx", found, None, yes=True) == 0
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
    assert locate.callback(tmp_path / "matrix.xlsx", found, "2,3,2", yes=True) == 0
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
    assert locate.callback(tmp_path / "plain.xlsx", found, None, yes=True) == 0
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
    assert locate.callback(tmp_path / "fused.xlsx", found, None, yes=True) == 0
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
    assert locate.callback(tmp_path / "fused.xlsx", found, None, yes=True) == 0
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
    assert locate.callback(tmp_path / "relu.xlsx", found, None, yes=True) == 0
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
    assert locate.callback(tmp_path / "deep.xlsx", found, None, yes=True) == 0
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
    assert locate.callback(tmp_path / "line.xlsx", found, None, yes=True) == 0
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
    assert locate.callback(tmp_path / "sales.xlsx", None, None, yes=True) == 1
    text = (tmp_path / "sales.map.toml").read_text()
    assert "Sheet!A2:A5: 4 × 1 numbers, near 'sales'" in text
    assert "open places" in capsys.readouterr().out
    with pytest.raises(InputError, match="exists already"):
        locate.callback(tmp_path / "sales.xlsx", None, None, yes=True)


def test_a_question_is_asked_on_the_terminal_and_the_answer_taken(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("7\n2\n"))
    assert _ask("Which are the inputs?", ["A1", "B1"]) == 1
    asked = capsys.readouterr()
    assert asked.out == ""
    assert "Which are the inputs?" in asked.err


@pytest.mark.parametrize("nodes", ["", "3", "3,x", "0,1", "3,-1", "9" * 50])
def test_layers_that_are_none_are_refused(nodes, tmp_path):
    with pytest.raises(InputError, match="--nodes"):
        locate.callback(tmp_path / "none.xlsx", None, nodes, yes=True)


def test_a_file_that_is_no_workbook_is_refused(tmp_path):
    (tmp_path / "none.xlsx").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(InputError, match="no zip archive"):
        locate.callback(tmp_path / "none.xlsx", None, None, yes=True)
    assert list(tmp_path.iterdir()) == [Path(tmp_path / "none.xlsx")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["published/mazur-2-2-2", "published/brownlee-2-2-2"])
def test_locate_never_ends_in_a_traceback_on_workbooks_of_many_sheets(name, tmp_path):
    source = Path(__file__).parent.parent.parent / "spreadsheets" / f"{name}.xlsx"
    found = tmp_path / "found.toml"
    assert locate.callback(source, found, None, yes=True) in (0, 1)
    assert found.read_text().startswith("#")
