"""The command prove, and files that mean harm."""

import json
import subprocess
import sys
import time

import pytest
from changed_books import (
    BY_HAND,
    FIRST,
    SPREADSHEETS,
    holds,
    name_of,
    opened,
    place_of,
)

from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.sheet import SheetCells
from cellgrad_proof.proof.workbook import prove_book, prove_workbook
from cellgrad_series.parts.run import RunShape
from hostile import is_refusal, parts_of, with_formula, with_stored, with_text, zipped

# the command


def test_the_command_prints_a_table_and_one_line(command):
    answer = command("prove", FIRST, BY_HAND)
    assert answer.code == 0
    assert answer.err == ""
    assert "\nProved: 22 gradients in 2 workbooks, among 864 cells proved" in answer.out
    assert all(len(line) <= 80 for line in answer.out.splitlines() if "note" not in line)


def test_the_command_prints_json(command):
    answer = command("prove", FIRST, "--json")
    assert answer.code == 0
    document = json.loads(answer.out)
    assert document["proved"] is True
    (workbook,) = document["workbooks"]
    assert workbook["path"] == str(FIRST)
    assert (workbook["gradients"], workbook["proved"], workbook["failures"]) == (16, 649, [])
    assert (workbook["identity_tested"], workbook["error_bound"]) == (0, 0.0)


def test_the_command_shows_both_sides_and_exits_1(command, tmp_path):
    path = tmp_path / "wrong.xlsx"
    path.write_bytes(zipped(with_formula("0.125", "gradient_HtoO", parts_of(BY_HAND))))
    answer = command("prove", path)
    assert answer.code == 1
    assert "gradient_HtoO[1,1] (Eq. 9): is a constant" in answer.out
    assert "=0.125" in answer.out
    assert "S_ERROR_O[1,1] * S_postA_H[1,1]" in answer.out
    assert answer.out.splitlines()[-1] == "Refuted: 1 failure in 1 of 1 workbook."
    (failure,) = json.loads(command("prove", path, "--json").out)["workbooks"][0]["failures"]
    assert sorted(failure) == sorted(
        ["sheet", "cell", "quantity", "index", "equation", "formula", "expected", "problem"]
    )
    assert failure["index"] == [1, 0, 0]


def test_what_is_no_workbook_is_refused(command, tmp_path):
    path = tmp_path / "nothing.xlsx"
    assert is_refusal(command("prove", path), "nothing.xlsx")
    path.write_bytes(b"PK")
    before = command("prove", path)
    assert before.code == 2
    assert before.err.count("\n") == 1


def test_without_its_extra_the_command_says_what_to_install(tmp_path):
    script = (
        "import sys; sys.modules['sympy'] = None; sys.argv = ['cellgrad', 'prove'];"
        "from cellgrad.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "pip install 'cellgrad[proof]'" in done.stderr


def test_proving_never_loads_the_mlp_the_writer_or_an_engine(tmp_path):
    script = (
        "import sys; from pathlib import Path;"
        "from cellgrad_proof.proof.workbook import prove_workbook;"
        f"assert prove_workbook(Path({str(FIRST)!r})).holds;"
        "loaded = {name.split('.')[1] for name in sys.modules if name.startswith('cellgrad.')};"
        "print(sorted(loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert json.loads(done.stdout.replace("'", '"')) == [
        "case", "described", "errors", "files", "formula", "shipped", "xlsx",
    ]  # fmt: skip


# hostile files


def in_map(old, new, count=1):
    parts = parts_of(BY_HAND)
    name = next(n for n in parts if b">update_biases<" in parts[n] or b"cellgrad-map/1" in parts[n])
    return with_text(parts, name, old, new, count)


MAPS = {
    "another loss": ("half_squared_error", "squared_error", 1),
    "an unknown loss": ("half_squared_error", "no_such_loss", 1),
    "another activation": ("logistic, logistic", "tanh, logistic", 1),
    "too many nodes": ("2-2-1", "9999-9999-1", 1),
    "nodes that are none": ("2-2-1", "2-x-1", 1),
    "a batch": (">online<", ">batch_sum<", 1),
}


@pytest.mark.parametrize("what", MAPS)
def test_a_map_that_says_something_else_is_refuted(what, command, tmp_path):
    path = tmp_path / "map.xlsx"
    old, new, count = MAPS[what]
    parts = parts_of(BY_HAND)
    found = [name for name in parts if old.encode() in parts[name]]
    for name in found:
        parts = with_text(parts, name, old, new, -1 if count == 1 else count)
    path.write_bytes(zipped(parts))
    answer = command("prove", path)
    if what == "a batch":  # of one sample: the same
        assert answer.code == 0
        return
    assert answer.code == 1, answer
    assert answer.err == ""


FORMULAS = [
    "1/0", "SUM(A1:XFD1048576)", "NOSUCH(1)", "Step!#REF!", "A1:B2", '"text"', "1+", "Z99", "",
    "+".join(["1"] * 3000), "-" * 2000 + "1", "(" * 500 + "1" + ")" * 500, "2^(2^(2^9))",
    "IF(1>0,1)", "I9*B6+0/0", "I9*B6+0*(1/0)", "I9*B6+0*LN(-1)",
    "I9*B6+(B6-B6)/(B6-B6)", "MAX()", "SUMPRODUCT(A1:A2,A1:A3)", "1E308*1E308",
    "Nowhere!A1", "0/0*B6",
]  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda text: text[:24] or "empty")
def test_a_formula_that_makes_no_sense_is_refuted_and_named(formula, command, tmp_path):
    path = tmp_path / "hostile.xlsx"
    path.write_bytes(zipped(with_formula(formula, "gradient_ItoH", parts_of(BY_HAND))))
    answer = command("prove", path, "--json")
    assert answer.code in (1, 2), answer
    assert "Traceback" not in answer.err
    if answer.code == 1:
        place = place_of(read_book(BY_HAND), "weight_gradient", (0, 0), 0)
        failures = json.loads(answer.out)["workbooks"][0]["failures"]
        assert name_of(place) in {f"{f['sheet']}!{f['cell']}" for f in failures}


def test_a_gradient_that_the_map_does_not_claim_is_missed():
    book = opened(BY_HAND)
    sheet = book.sheets["Map"]
    row = next(
        row for (row, column), value in sheet.values.items()
        if column == 2 and value == "weight_gradient"
    )  # fmt: skip
    values = {cell: value for cell, value in sheet.values.items() if cell[0] != row}
    sheets = {**book.sheets, "Map": SheetCells(values, {})}
    report = prove_book(Book(book.path, sheets, book.names))
    problems = {failure.problem for failure in report.failures}
    assert any("no cell is claimed to hold weight_gradient" in problem for problem in problems)
    assert any("does not claim" in problem for problem in problems)


def test_a_stored_value_is_never_believed(tmp_path):
    path = tmp_path / "forged.xlsx"
    path.write_bytes(zipped(with_stored(99, "gradient_ItoH", parts_of(BY_HAND))))
    assert holds(prove_workbook(path))  # the formula is right; verify reports the stored value


def test_a_shape_of_a_run_that_needs_more_cells_than_there_are_is_refused():
    shape = RunShape.from_facts(
        {
            "nodes": "2-1", "activations": "identity", "loss": "half_squared_error",
            "update": "online", "samples": "1", "biases": "no", "update_biases": "yes",
            "weight_decay": "no", "error_sign": "output_minus_target", "optimizer": "sgd",
            "momentum": "no", "rate_in_velocity": "no", "data": "1", "updates": "999999999",
            "learning_rates": "one", "evaluated": "0",
        }
    )  # fmt: skip
    book = read_book(SPREADSHEETS / "series" / "12-training-program.xlsx")
    values = dict(book.sheets["Map"].values)
    for cell, value in list(values.items()):
        if value == "updates":
            values[cell[0], cell[1] + 1] = float(shape.updates)
    sheets = {**book.sheets, "Map": SheetCells(values, {})}
    start = time.monotonic()
    report = prove_book(Book(book.path, sheets, book.names))
    assert time.monotonic() - start < 5
    assert not report.holds
