"""The workbooks as files: what they hold, how they are written, that they verify."""

import io
import json
import math
import re
import tomllib
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.formula import Tokenizer

from cellgrad import shipped
from cellgrad.build import build, describe_step, workbook_bytes
from cellgrad.case.model import parse_case, read_case
from cellgrad.described import describe
from cellgrad.errors import WorkbookError
from cellgrad.verify.verifier import Verifier
from cellgrad.workbook.canvas import Canvas
from cellgrad.workbook.description import Book
from cellgrad.workbook.serialise import file_of
from cellgrad.xlsx.book import read_book
from drawn_cases import as_case, big_case, cases

TOP = Path(__file__).parents[2]
WORKBOOKS = sorted((TOP / "spreadsheets").rglob("*.xlsx"))
SERIES = [path for path in WORKBOOKS if path.parent.name == "series"]
STEPS = [path for path in WORKBOOKS if path not in SERIES]
MANIFEST = tomllib.loads((TOP / "spreadsheets" / "manifest.toml").read_text("utf-8"))
CASES = sorted((TOP / "reference" / "cases").glob("*.json"))
ON_DEMAND = {"series-3-4-1-5000", "brownlee-2-2-2-training"}
"""Cases whose workbooks are too large to be shipped, or are there for ``cellgrad train``."""

FUNCTIONS = {"EXP", "LN", "TANH", "SQRT", "MAX", "IF", "AND", "SUM", "SUMPRODUCT", "ABS", "ROUND"}
OPERATORS = {"+", "-", "*", "/", "&", "=", "<>", "<", ">", "<=", ">="}


def name_of(path):
    return path.stem


@pytest.mark.parametrize(
    "path", [*STEPS, *(pytest.param(p, marks=pytest.mark.slow) for p in SERIES)], ids=name_of
)
def test_only_functions_whose_meaning_is_the_same_everywhere(path):
    for sheet in read_book(path).sheets.values():
        for formula in sheet.formulas.values():
            for token in Tokenizer(f"={formula}").items:
                if token.type == "FUNC" and token.subtype == "OPEN":
                    assert token.value.rstrip("(") in FUNCTIONS, formula
                if token.type.startswith("OPERATOR"):
                    assert token.value in OPERATORS, formula
                assert "[" not in token.value or token.subtype == "TEXT", formula


@pytest.mark.parametrize("path", WORKBOOKS, ids=name_of)
def test_every_formula_has_a_value_that_an_engine_stored(path):
    book = read_book(path)
    for name, sheet in book.sheets.items():
        missing = [cell for cell in sheet.formulas if cell not in sheet.values]
        empty = [c for c in missing if name != "Walkthrough"]
        assert not empty, (name, empty[:3])


@pytest.mark.parametrize("path", STEPS, ids=name_of)
def test_the_sheets_stand_in_order_and_open_on_the_guide(path):
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Guide", "Step", "Walkthrough", "Check", "Map"]
    assert book.active.title == "Guide"
    assert book.calculation.fullCalcOnLoad
    assert all(book[name].freeze_panes for name in ("Step", "Walkthrough", "Check", "Map"))


@pytest.mark.parametrize("path", WORKBOOKS, ids=name_of)
@pytest.mark.slow
def test_no_defined_name_looks_like_a_cell_or_a_reserved_word(path):
    for name in read_book(path).names:
        if name.startswith("_xlnm."):
            continue
        assert not re.fullmatch(r"[A-Za-z]{1,3}[0-9]+", name), name
        assert not re.fullmatch(r"[Rr]([0-9]*)([Cc][0-9]*)?|[Cc][0-9]*", name), name
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name), name


@pytest.mark.parametrize("path", WORKBOOKS, ids=name_of)
def test_a_file_holds_no_date_no_path_and_no_macro(path):
    with zipfile.ZipFile(path) as file:
        for info in file.infolist():
            assert info.date_time[:3] == (2026, 1, 1), info.filename
            assert "vba" not in info.filename.lower()
            assert "externalLink" not in info.filename
        core = file.read("docProps/core.xml").decode()
        assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", core)) == {"2026-01-01T00:00:00Z"}


@pytest.mark.slow
@pytest.mark.parametrize("path", CASES[:4], ids=name_of)
def test_writing_twice_gives_the_same_bytes(path):
    case = read_case(path)
    assert workbook_bytes(case) == workbook_bytes(case)


def test_every_workbook_stands_in_the_manifest_and_every_case_and_book_has_one():
    named = {TOP / "spreadsheets" / name for part in MANIFEST.values() for name in part}
    assert named == set(WORKBOOKS)
    assert set(shipped.workbooks()) == named
    books = {path.stem for path in (TOP / "reference" / "books").glob("*.toml")}
    assert sorted(MANIFEST["books"].values()) == sorted(books)
    texts = [path.read_text("utf-8") for path in (TOP / "reference" / "books").glob("*.toml")]
    texts += [p.read_text("utf-8") for p in (TOP / "reference" / "experiments").glob("*.toml")]
    for case in (path.stem for path in CASES):
        in_a_book = any(f'"{case}"' in text for text in texts)
        assert in_a_book or case in MANIFEST["workbooks"].values() or case in ON_DEMAND, case


def test_every_bit_of_a_given_reads_back(tmp_path):
    # 0.1 + 0.2 needs 17 digits; a third party's numbers may be any double
    numbers = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157, -2 / 3, 123456789.01234567]
    document = json.loads((TOP / "reference/cases/series-3-4-1.json").read_text("utf-8"))
    document["network"]["weights"][0][0] = numbers[:4]
    document["samples"][0]["input"] = [numbers[4], 0.25, 1e-7]
    path = tmp_path / "bits.xlsx"
    build(parse_case(json.dumps(document).encode()), path)
    sheet = read_book(path).sheets["Step"]
    area = read_book(path).name_range("weight_ItoH")
    assert [sheet.values[area.top, area.left + j] for j in range(4)] == numbers[:4]
    area = read_book(path).name_range("input")
    assert sheet.values[area.top, area.left] == numbers[4]


@pytest.mark.slow
def test_the_middle_panel_stands_beside_the_left_in_the_same_shape():
    for path in WORKBOOKS:
        book = read_book(path)
        for name in [n for n in book.names if n.startswith("weight_") and "to" in n]:
            tail = name.removeprefix("weight_")
            areas = [book.name_range(n) for n in (name, f"gradient_{tail}", f"new_weight_{tail}")]
            assert len({(a.top, a.height, a.width) for a in areas}) == 1
            assert areas[0].left < areas[1].left < areas[2].left


def written_out(text):
    """Return the value of a Walkthrough line's arithmetic, done on the text itself."""
    expression = text.replace("−", "-").replace("½", "0.5*").replace("[", "(").replace("]", ")")
    expression = re.sub(r"(?<=[\d)])\s*\((?!$)", "*(", expression)
    expression = re.sub(r"\)\s*\(", ")*(", expression)
    expression = re.sub(r"(?<=\))\s*(?=LN)", "*", expression)
    expression = re.sub(r"0\.5\*\s*\*?", "0.5*", expression)
    expression = expression.replace("·*", "*").replace("· ", "* ")
    return expression.replace("EXP*(", "EXP(").replace("LN*(", "LN(").replace("TANH*(", "TANH(")


@pytest.mark.parametrize("path", STEPS, ids=name_of)
def test_the_numbers_in_a_walkthrough_line_work_out_to_its_result(path):
    sheet = openpyxl.load_workbook(path, data_only=True)["Walkthrough"]
    functions = {"EXP": math.exp, "LN": math.log, "TANH": math.tanh, "MAX": max, "__builtins__": {}}
    lines = 0
    for row in range(6, sheet.max_row + 1):
        text, result = sheet.cell(row, 5).value, sheet.cell(row, 6).value
        if text is None or re.search(r"[|…]|\bif\b|larger", str(text)):
            continue
        for side in str(text).split(" = "):
            # the text comes from this project's own sheet, and only arithmetic is in reach
            value = eval(written_out(side), functions)  # noqa: S307
            assert value == pytest.approx(result, rel=2e-3, abs=2e-5), (row, text)
            lines += 1
    assert lines > 10 or "perceptron" in path.stem


def verifies(document, path, engine):
    try:
        build(as_case(document), path)
    except WorkbookError:  # a pre-activation near 700
        return
    report = Verifier(describe(path), engine).run()
    errors = [m for m in report.mismatches if "#" in str(m.workbook) or "#" in m.problem]
    if errors:  # LN(0) in a saturated case: the sheet says so, and so do we
        return
    assert report.agrees, report.mismatches[0].line()


UNHURRIED = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=8, **UNHURRIED)
@given(document=cases())
@pytest.mark.slow
def test_any_case_becomes_a_workbook_that_verifies(document, tmp_path, engine_or_skip):
    verifies(document, tmp_path / "drawn.xlsx", engine_or_skip("formualizer"))


@pytest.mark.slow
@settings(max_examples=150, **UNHURRIED)
@given(document=cases())
def test_any_of_many_cases_becomes_a_workbook_that_verifies(document, tmp_path, engine_or_skip):
    verifies(document, tmp_path / "drawn.xlsx", engine_or_skip("formualizer"))


@pytest.mark.slow
def test_long_sums_use_the_sheets_own_functions_and_agree_within_bound(tmp_path, engine_or_skip):
    path = tmp_path / "big.xlsx"
    build(big_case([17, 4, 18]), path)
    formulas = read_book(path).sheets["Step"].formulas.values()
    assert any("SUMPRODUCT" in formula for formula in formulas)
    report = Verifier(describe(path), engine_or_skip("formualizer")).run()
    assert report.agrees, report.mismatches[0].line()


def test_a_large_networks_check_covers_a_stated_selection(tmp_path):
    data = file_of(describe_step(big_case([12, 10, 3])))
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert "18 of 150 weights and biases, evenly spread" in book["Check"]["A2"].value
    assert "of the step's" in book["Walkthrough"]["A2"].value


@pytest.mark.parametrize(("nodes", "limit"), [([1, 8_200], "16,384"), ([2_000, 1, 1], "8,192")])
@pytest.mark.slow
def test_a_network_beyond_a_sheet_is_refused_with_the_limit_named(nodes, limit):
    with pytest.raises(WorkbookError, match=limit):
        describe_step(big_case(nodes))


def test_a_pre_activation_near_700_is_refused():
    document = json.loads((TOP / "reference/cases/series-3-4-1.json").read_text("utf-8"))
    document["samples"][0]["input"][0] = -2000
    with pytest.raises(WorkbookError, match="EXP overflows"):
        workbook_bytes(parse_case(json.dumps(document).encode()))


@settings(max_examples=30, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_a_number_is_written_with_every_bit(value):
    canvas = Canvas(Book("Numbers", {}), "Numbers")
    canvas.number(1, 1, value, "Normal")
    assert float(canvas.sheet.cells[1, 1].content) == value
