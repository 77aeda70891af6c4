"""``cellgrad train --from-excel``: tables as people make them, and what is wrong with some.

The files are written by openpyxl and by LibreOffice; what is expected is what a
person reads off the rows.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess

import openpyxl
import pytest

from cellgrad.xlsx.book import read_book
from cellgrad_series.train.excel import Selection, with_samples
from cellgrad_series.train.table import choose, find_table, looks_like_a_number
from hostile import CASES, SMALL, cellgrad, is_refusal

HEADED = [["x1", "x2", "x3", "output"], [0.5, 0.25, -1, 1], [-2, 0, 1.5, 0], [1, 1, 1, 1]]
PLAIN = HEADED[1:]
SAMPLES = [((0.5, 0.25, -1), (1,)), ((-2, 0, 1.5), (0,)), ((1, 1, 1), (1,))]


@pytest.fixture
def sheet(tmp_path):
    """Return a function that writes rows into a workbook, and returns its path."""

    def write(name, rows, *, title="Sheet1", at=(1, 1), more=()):
        book = openpyxl.Workbook()
        page = book.active
        page.title = title
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                if value is not None:
                    page.cell(at[0] + r, at[1] + c, value)
        for other, its_rows in more:
            its_page = book.create_sheet(other)
            for row in its_rows:
                its_page.append(row)
        book.save(tmp_path / name)
        return tmp_path / name

    return write


def samples_of(training, validation=None, case=None, **selection):
    """Return what is read, as plain numbers: training samples, then validation samples."""
    case, _ = with_samples(case, training, validation or training, Selection(**selection))
    return [
        [(sample.input, sample.target) for sample in samples]
        for samples in (case.samples, case.validation)
    ]


# tables that can be read

BLANK = [None] * 4
LAYOUTS = {
    "headings": HEADED,
    "no headings": PLAIN,
    "blank rows before, between and after": [
        BLANK, BLANK, HEADED[0], BLANK, HEADED[1], BLANK, BLANK, *HEADED[2:], BLANK],
    "a title above": [["Training data of group 3"], [None], *HEADED],
    "a title above numbers without headings": [["Training data"], *PLAIN],
    "two lines of titles": [["Data"], ["made by hand", "2 March"], *HEADED],
    "spaces where nothing should be": [*HEADED, [" ", "  ", None, "\u00a0"]],
    "capital letters": [["X1", "X2", "X3", "TARGET"], *PLAIN],
    "other words for the output": [["a", "b", "c", "expected output"], *PLAIN],
    "a heading that means nothing": [["length", "width", "weight", "ripe"], *PLAIN],
    "headings with line breaks": [["x\n1", "x\n2", "x\n3", "the\nclass"], *PLAIN],
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("at", [(1, 1), (4, 3)], ids=["at A1", "at C4"])
def test_a_table_is_found_however_it_lies(layout, at, sheet):
    training = sheet("t.xlsx", LAYOUTS[layout], title="Меры & co", at=at)
    validation = sheet("v.xlsx", [*LAYOUTS[layout][:-1], BLANK, *LAYOUTS[layout][-1:]])
    assert samples_of(training, validation) == [SAMPLES, SAMPLES]


def test_every_bit_of_a_number_is_read(sheet):
    drawn = random.Random(4)
    rows = [
        [drawn.random(), drawn.uniform(-1e9, 1e9), 5e-324, drawn.randint(0, 1)] for _ in range(50)
    ]
    path = sheet("t.xlsx", [])
    book = openpyxl.Workbook()
    for r, row in enumerate(rows, start=1):
        for c, value in enumerate(row, start=1):
            cell = book.active.cell(r, c)
            cell.value, cell.data_type = repr(value), "n"
    book.save(path)
    found = samples_of(path, sheet("v.xlsx", PLAIN))[0]
    assert found == [((a, b, c), (t,)) for a, b, c, t in rows]


def test_the_output_is_found_by_its_heading_wherever_it_stands(sheet):
    rows = [[row[3], *row[:3]] for row in HEADED]
    assert samples_of(sheet("t.xlsx", rows), sheet("v.xlsx", rows)) == [SAMPLES, SAMPLES]


def test_columns_of_the_second_file_follow_their_headings(sheet):
    other = [[row[2], row[3], row[0], row[1]] for row in HEADED]
    assert samples_of(sheet("t.xlsx", HEADED), sheet("v.xlsx", other))[1] == SAMPLES
    assert samples_of(sheet("t.xlsx", HEADED), sheet("v.xlsx", PLAIN))[1] == SAMPLES
    assert samples_of(sheet("t.xlsx", PLAIN), sheet("v.xlsx", HEADED))[1] == SAMPLES


@pytest.mark.parametrize(
    ("inputs", "output"),
    [("x1,x2,x3", "output"), ("A,B,C", "D"), ("1,2,3", "4"), ("A-C", "D"), ("a:c", "d"),
     ("1-3", "4"), (" X1 , x2,C", "Output"), ("A,2,x3", "4"), ("1-3", None), (None, "D"),
     (None, "output")],
)  # fmt: skip
def test_columns_are_chosen_by_heading_letter_or_position(inputs, output, sheet):
    path, other = sheet("t.xlsx", HEADED), sheet("v.xlsx", HEADED)
    assert samples_of(path, other, inputs=inputs, outputs=output) == [SAMPLES, SAMPLES]


def test_the_order_of_the_choice_is_the_order_of_the_inputs(sheet):
    path, other = sheet("t.xlsx", HEADED), sheet("v.xlsx", HEADED)
    found = samples_of(path, other, inputs="x3,A", outputs="x2")[0]
    assert found == [((-1, 0.5), (0.25,)), ((1.5, -2), (0,)), ((1, 1), (1,))]


def test_the_headings_are_the_line_above_the_numbers(sheet):
    rows = [["Data", "of", "group", "three"], [None], ["x\n 1", "x\n 2", "x\n 3", "out"], *PLAIN]
    path, other = sheet("t.xlsx", rows), sheet("v.xlsx", rows)
    assert samples_of(path, other, inputs="x 1,x 2,x 3", outputs="out") == [SAMPLES, SAMPLES]


def test_headings_that_repeat_are_no_matter_where_both_files_have_the_same(sheet):
    rows = [["x", "x", "x", "output"], *PLAIN]
    assert samples_of(sheet("t.xlsx", rows), sheet("v.xlsx", rows)) == [SAMPLES, SAMPLES]


def test_chosen_columns_may_stand_among_others(sheet):
    rows = [["no", "x1", "remark", "x2", "output", "who"]] + [
        [n, a, "good", b, t, None] for n, (a, b, _, t) in enumerate(PLAIN, start=1)
    ]
    rows.insert(2, [None, None, "left out on purpose"])
    path, other = sheet("t.xlsx", rows), sheet("v.xlsx", HEADED)
    found = samples_of(path, other, inputs="x1,x2", outputs="output")
    assert found[0] == [((a, b), t) for (a, b, _), t in SAMPLES]


def test_the_first_sheet_with_numbers_is_read_or_the_one_that_is_named(sheet):
    more = [("Data", HEADED), ("Other", [[9, 9, 9, 0]])]
    path = sheet("t.xlsx", [["Read me first"], ["This is about", "data"]], title="About", more=more)
    assert samples_of(path, sheet("v.xlsx", PLAIN))[0] == SAMPLES
    both = samples_of(path, path, training_sheet="data", validation_sheet="OTHER")
    assert both == [SAMPLES, [((9, 9, 9), (0,))]]


def test_stored_values_of_formulas_are_used(tmp_path, sheet):
    # a workbook of this project, whose formulas have their values stored
    book = read_book(SMALL)
    values = book.sheets["Check"].values
    row = next(
        r for (r, c) in book.sheets["Check"].formulas if isinstance(values.get((r, c)), float)
    )
    assert row  # there is one
    table = find_table(book, "Check", "--training-sheet")
    column = next(
        c for (r, c) in book.sheets["Check"].formulas if r == row and type(values[r, c]) is float
    )
    assert table.rows[row][column] == values[row, column]


def test_several_outputs_take_several_columns(sheet):
    document = json.loads((CASES / "batch-mean-2-3-2.json").read_text("utf-8"))
    rows = [["x1", "x2", "output 1", "output 2"], [1, 2, 0, 1], [3, 4, 1, 0]]
    from cellgrad.case.model import parse_case  # noqa: PLC0415 (this test's case)

    case = parse_case(json.dumps(document).encode())
    found = samples_of(sheet("t.xlsx", rows), sheet("v.xlsx", rows[:2]), case)
    assert found == [[((1, 2), (0, 1)), ((3, 4), (1, 0))], [((1, 2), (0, 1))]]
    plain = samples_of(sheet("t.xlsx", rows[1:]), sheet("v.xlsx", rows[1:2]), case)
    assert plain == found


@pytest.mark.slow
@pytest.mark.libreoffice
def test_a_file_that_libreoffice_saved_is_read(tmp_path, sheet, engine_or_skip):
    engine_or_skip("libreoffice")
    rows = [
        ["x1", "x2", "x3", "output"],
        [0.5, "=A3/2", -1, 1],
        [-2, 0, "=3/2", "=0"],
        [1, 1, 1, 1],
    ]
    path = sheet("t.xlsx", rows, at=(2, 1))
    (tmp_path / "saved").mkdir()
    subprocess.run(
        ["soffice", "--headless", f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
         "--convert-to", "xlsx", "--outdir", tmp_path / "saved", path],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    rows = samples_of(tmp_path / "saved" / "t.xlsx", sheet("v.xlsx", HEADED))[0]
    assert rows == [((0.5, 0.25, -1), (1,)), ((-2, 0, 1.5), (0,)), ((1, 1, 1), (1,))]


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.5", True), ("0,5", True), ("-3", True), ("−3", True), ("1 000", True), ("1’000.5", True),
     ("1e-3", True), ("50 %", True), (" 7 ", True), ("x1", False), ("2nd input", False),
     ("input 1", False), ("e", False), ("-", False), ("2024-01-01", False)],
)  # fmt: skip
def test_what_looks_like_a_number_is_no_heading(text, number):
    assert looks_like_a_number(text) is number


# the whole command


def random_rows(seed, count, headings=("x1", "x2", "x3", "output")):
    drawn = random.Random(seed)
    rows = [list(headings)]
    for _ in range(count):
        inputs = [round(drawn.uniform(-1, 1), 3) for _ in headings[1:]]
        rows.append([*inputs, int(sum(inputs) > 0)])
    return rows


def test_the_set_up_of_the_series_needs_no_case(tmp_path, sheet, command):
    training, validation = random_rows(1, 300), random_rows(2, 60)
    sheet("t.xlsx", training)
    sheet("v.xlsx", validation, title="Feuille 1", at=(3, 2))
    arguments = ["train", "--from-excel", "t.xlsx", "v.xlsx"]
    answer = json.loads(command(*arguments, "--json").out)
    assert (answer["case"], answer["seed"], answer["epochs"]) == ("series-set-up", 1, 1)
    assert (answer["updates"], answer["biases"]) == (300, None)
    assert [len(answer["weights"][0]), len(answer["weights"][0][0])] == [3, 4]
    # the same run as a case file, the weights typed in: the formula of the documentation
    drawn = random.Random(1)
    first, second = (
        [[(int(drawn.random() * 19999) - 9999) / 10000 for _ in range(m)] for _ in range(n)]
        for n, m in ((3, 4), (4, 1))
    )
    case = {
        "schema": "cellgrad-case/1", "id": "typed", "title": "typed",
        "network": {"nodes": [3, 4, 1], "activations": ["logistic", "logistic"],
                    "weights": [first, second], "biases": None},
        "loss": "half_squared_error", "update": "online", "epochs": 1, "learning_rate": 1,
        "optimizer": {"name": "sgd"}, "source": {"title": "by hand"},
        "samples": [{"input": row[:3], "target": row[3:]} for row in training[1:]],
        "validation": [{"input": row[:3], "target": row[3:]} for row in validation[1:]],
    }  # fmt: skip
    (tmp_path / "typed.json").write_text(json.dumps(case), "utf-8")
    typed = json.loads(command("train", "typed.json", "--json").out)
    same = ("weights", "epoch_errors", "training", "validation")
    assert {key: answer[key] for key in same} == {key: typed[key] for key in same}
    # a file whose networks and rows are counted by hand
    targets = [row[3] for row in validation[1:]]
    confusion = answer["validation"]["confusion"]
    assert [sum(row) for row in confusion] == [targets.count(0), targets.count(1)]
    assert answer["validation"]["accuracy"]["right"] == confusion[0][0] + confusion[1][1]


def test_what_was_read_is_said(sheet, command):
    sheet("t.xlsx", HEADED)
    sheet("v.xlsx", HEADED[:2], title="Feuille 1", at=(3, 2))
    done = command("train", "--from-excel", "t.xlsx", "v.xlsx", "--hidden", 7, "--epochs", 2)
    assert (done.code, done.err) == (0, "")
    assert "3-7-1, logistic, no biases" in done.out
    assert "training    3 samples, t.xlsx, sheet 'Sheet1'\n" in done.out
    assert "validation  1 sample, v.xlsx, sheet 'Feuille 1'\n" in done.out
    assert "columns     inputs A (x1), B (x2), C (x3); output D (output)\n" in done.out
    assert "columns     inputs B (x1), C (x2), D (x3); output E (output)\n" in done.out
    assert "weights drawn with seed 1" in done.out


def test_a_case_brings_its_network_and_weights(sheet, command):
    sheet("t.xlsx", HEADED)
    sheet("v.xlsx", HEADED)
    case = CASES / "series-3-4-1.json"
    arguments = ["train", case, "--from-excel", "t.xlsx", "v.xlsx", "--json"]
    answer = json.loads(command(*arguments, "--learning-rate", 0).out)
    assert answer["weights"] == json.loads(case.read_text("utf-8"))["network"]["weights"]
    assert answer["seed"] is None
    assert answer["updates"] == 3
    assert answer["validation"]["samples"] == 3
    assert json.loads(command(*arguments, "--seed", 5).out)["seed"] == 5


def test_a_trace_of_other_samples_names_no_case(tmp_path, sheet, command):
    sheet("t.xlsx", HEADED)
    sheet("v.xlsx", HEADED)
    case = CASES / "series-3-4-1.json"
    done = command("train", case, "--from-excel", "t.xlsx", "v.xlsx", "--save", "out.json")
    assert done.code == 0
    assert "case" not in json.loads((tmp_path / "out.json").read_text("utf-8"))


# tables that cannot


def with_cell(row, column, value):
    rows = [list(line) for line in HEADED]
    rows[row - 1][column] = value
    return rows


def with_column(heading, values):
    return [[heading, *HEADED[0]]] + [
        [value, *row] for value, row in zip(values, PLAIN, strict=True)
    ]


UNREADABLE = {
    "a blank cell": (with_cell(3, 1, None), "Sheet1!B3", "blank"),
    "a blank output": (with_cell(4, 3, None), "Sheet1!D4", "blank"),
    "spaces instead of a number": (with_cell(3, 1, "  "), "Sheet1!B3", "blank"),
    "a word": (with_cell(3, 1, "n/a"), "Sheet1!B3", "'n/a' is a text"),
    "a number as a text": (with_cell(3, 1, "0.5"), "Sheet1!B3", "stored as a text"),
    "a number with a comma": (with_cell(2, 1, "0,5"), "Sheet1!B2", "stored as a text"),
    "numbers as texts everywhere": ([["0.5", "1", "2", "1"]] * 2, "Sheet1!A1", "stored as a text"),
    "an error": (with_cell(3, 1, "#DIV/0!"), "Sheet1!B3", "#DIV/0!"),
    "an error in the output": (with_cell(3, 3, "#N/A"), "Sheet1!D3", "#N/A"),
    "a logical value": (with_cell(3, 3, True), "Sheet1!D3", "TRUE"),
    "a formula without a value": (with_cell(3, 1, "=A3*2"), "Sheet1!B3", "without a stored value"),
    "formulas only": ([["=1", "=2", "=3", "=0"]] * 2, "Sheet1!A1", "without a stored value"),
    "a line of text below": ([*HEADED, ["the end"]], "Sheet1!A5", "'the end' is a text"),
    "headings in the middle": ([*PLAIN, *HEADED], "Sheet1!A4", "'x1' is a text"),
    "a date as a heading": ([["x1", "x2", 3, "output"], *PLAIN], "Sheet1!A1", "'x1' is a text"),
    "headings alone": (HEADED[:1], "Sheet1", "no numbers"),
    "nothing": ([], "no sheet holds anything"),
    "one column": ([[1], [2]], "Sheet1", "an output column"),
    "a column that counts": (with_column("no.", [1, 2, 3]), "Sheet1!A1", "only counts the rows"),
    "a column that counts from 0": (with_column("Index", [0, 1, 2]), "A (Index)", "only counts"),
    "an index without a heading": (with_column(None, [0, 1, 2]), "Sheet1!A2", "blank heading (A1)"),
    "a note beside the table": (
        [[*row, None, note] for row, note in zip(HEADED, (None, None, 7, None), strict=True)],
        "Sheet1!F3", "blank heading (F1)"),
    "inputs alone": ([row[:3] for row in HEADED], "no output column", "C (x3)"),
    "two outputs": ([["x1", "x2", "class", "output"], *PLAIN], "C (class) and D (output)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("which", ["training", "validation"])
@pytest.mark.slow
def test_what_cannot_be_read_is_named(kind, which, sheet, command):
    rows, *words = UNREADABLE[kind]
    good = [row[:3] for row in PLAIN]
    bad, fine = "bad.xlsx", "good.xlsx"
    sheet(bad, rows)
    sheet(fine, HEADED if kind != "inputs alone" else good)
    files = [bad, fine] if which == "training" else [fine, bad]
    answer = command("train", "--from-excel", *files, "--save", "out.json", "--plot", "out.svg")
    if which == "validation" and kind in MATCHED_BY_HEADINGS:
        # the columns of the first file settle what is read of the second
        assert answer.code == 0 or is_refusal(answer, bad)
        return
    assert is_refusal(answer, bad, *(words if which == "training" else words[:1]))


MATCHED_BY_HEADINGS = {
    "a column that counts", "a column that counts from 0", "a note beside the table",
    "an index without a heading", "two outputs",
}  # fmt: skip


CHOICES = {
    "a heading that is missing": (["--inputs", "x1,x4"], "'x4'", "x1, x2, x3, output"),
    "a letter beyond the table": (["--inputs", "A,Z"], "'Z'", "columns A to D"),
    "a position beyond the table": (["--inputs", "1,5"], "'5'"),
    "position zero": (["--inputs", "0,1"], "'0'"),
    "a range backwards": (["--inputs", "3-1"], "'3-1'"),
    "a range too long": (["--inputs", "A-Z"], "'A-Z'"),
    "a column twice": (["--inputs", "A,x1"], "A (x1) twice"),
    "an input that is the output": (["--inputs", "A-D", "--output", "D"], "input and as output"),
    "an empty name": (["--inputs", "A,,B"], "--inputs", "empty"),
    "nothing at all": (["--inputs", ""], "--inputs", "empty"),
    "two outputs for one": (["--inputs", "A,B", "--output", "C,D"], "t.xlsx", "2 output columns"),
    "every column an input": (["--inputs", "A-D"], "an output column"),
    "a sheet that is missing": (["--training-sheet", "Data"], "'Data'", "'Sheet1'"),
    "another sheet that is missing": (["--validation-sheet", "Data"], "v.xlsx", "'Data'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHOICES)
def test_a_choice_that_cannot_be_is_refused(kind, sheet, command):
    sheet("t.xlsx", HEADED)
    sheet("v.xlsx", HEADED)
    options, *words = CHOICES[kind]
    assert is_refusal(command("train", "--from-excel", "t.xlsx", "v.xlsx", *options), *words)


def test_a_name_that_could_mean_two_columns_is_refused(sheet, command):
    rows = [["a", "b", "c", "output"], *PLAIN]
    sheet("t.xlsx", rows, at=(1, 2))
    sheet("v.xlsx", rows)
    files = ["train", "--from-excel", "t.xlsx", "v.xlsx"]
    assert is_refusal(command(*files, "--inputs", "b,c"), "'b'", "column C", "positions")
    sheet("t.xlsx", [["x", "x", "y", "output"], *PLAIN])
    assert is_refusal(command(*files, "--inputs", "x,y"), "'x'", "A and B")


def test_files_that_do_not_go_together_are_refused(sheet, command):
    files = ["train", "--from-excel", "t.xlsx", "v.xlsx"]
    sheet("t.xlsx", HEADED)
    sheet("v.xlsx", [["x1", "x2", "y3", "output"], *PLAIN])
    assert is_refusal(command(*files), "v.xlsx", "'x3'", "t.xlsx")
    sheet("v.xlsx", [row[:3] for row in HEADED])  # the output is missing
    assert is_refusal(command(*files), "v.xlsx", "'output'", "missing")
    sheet("v.xlsx", [row[:3] for row in PLAIN])
    assert is_refusal(command(*files), "v.xlsx", "2 input columns", "3")
    sheet("v.xlsx", HEADED)
    assert is_refusal(
        command("train", CASES / "xor-2-2-1.json", *files[1:]),
        "t.xlsx",
        "3 input columns",
        "2 inputs",
    )


def test_one_sheet_is_not_its_own_validation(sheet, command, tmp_path):
    sheet("t.xlsx", HEADED)
    shutil.copy(tmp_path / "t.xlsx", tmp_path / "copy.xlsx")
    for other in ("t.xlsx", tmp_path / "t.xlsx"):
        same = command("train", "--from-excel", "t.xlsx", other)
        assert is_refusal(same, "same sheet", "--validation-sheet")
    assert command("train", "--from-excel", "t.xlsx", "copy.xlsx").code == 0


def test_targets_outside_the_loss_are_named_by_cell(sheet, command):
    for case, row, words in (
        ("bce-3-3-2", [1, 2, 3, 0.5, 1.5], ["Sheet1!E3", "1.5", "0 to 1"]),
        ("softmax-3-4-3", [1, 2, 3, 0.5, 0.4, 0], ["Sheet1!D3", "sum"]),
        ("perceptron-3-1", [1, 2, 3, 0.5], ["Sheet1!D3", "0 or 1"]),
    ):
        good = [1, 2, 3, 1] + [0] * (len(row) - 4)
        sheet("t.xlsx", [good, [None], row])
        sheet("v.xlsx", [good])
        answer = command("train", CASES / f"{case}.json", "--from-excel", "t.xlsx", "v.xlsx")
        assert is_refusal(answer, "t.xlsx", *words)


def test_a_number_of_inputs_is_named_with_its_columns(sheet):
    table = find_table(read_book(sheet("t.xlsx", HEADED)), None, "--training-sheet")
    chosen = choose(table, None, None, 1)
    assert (chosen.inputs, chosen.outputs) == ([1, 2, 3], [4])
    assert [table.name_of(column) for column in chosen.inputs] == ["A (x1)", "B (x2)", "C (x3)"]


def test_other_files_are_refused_in_one_line(tmp_path, sheet, command):
    sheet("good.xlsx", HEADED)
    (tmp_path / "table.csv").write_text("1,2,3,1\n", "utf-8")
    (tmp_path / "half.xlsx").write_bytes((tmp_path / "good.xlsx").read_bytes()[:900])
    (tmp_path / "folder.xlsx").mkdir()
    for bad in ("none.xlsx", "table.csv", "half.xlsx", "folder.xlsx"):
        for files in ([bad, "good.xlsx"], ["good.xlsx", bad]):
            assert is_refusal(command("train", "--from-excel", *files, "--save", "o.json"), bad)


def test_the_real_command_refuses_a_text_in_one_line(tmp_path, sheet):
    sheet("t.xlsx", with_cell(3, 1, "zero point five"))
    sheet("v.xlsx", HEADED)
    answer = cellgrad(tmp_path, "train", "--from-excel", "t.xlsx", "v.xlsx", "--save", "out.json")
    assert is_refusal(answer, "t.xlsx: Sheet1!B3: 'zero point five' is a text")


def test_the_files_that_are_read_are_not_overwritten(sheet, command, tmp_path):
    sheet("t.xlsx", HEADED)
    sheet("v.xlsx", HEADED)
    shutil.move(tmp_path / "v.xlsx", tmp_path / "v.json")  # any name can be read
    answer = command("train", "--from-excel", "t.xlsx", "v.json", "--save", "v.json")
    assert is_refusal(answer, "overwrite")
