"""Handouts as files: no answer in any of them, and what a student sees."""

import io
import math
import os
import re
import shutil
import subprocess
from dataclasses import replace

import openpyxl
import pytest

from assignments import (
    EXAMPLE,
    NETWORKS,
    SECRET,
    STUDENTS,
    assignment_of,
    hand_out,
    kept_secret,
    key_of,
    leaks,
    leftovers,
    numbers_of,
    of_network,
    parts_of,
    planted,
    text_of,
    workbooks,
)
from cellgrad.workbook.formulas import StepLayout
from cellgrad.xlsx.addresses import Range, parse_a1
from cellgrad.xlsx.book import read_book
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.secret import TOKEN, Stream, token_of
from cellgrad_coursework.setting.assign import assign
from cellgrad_coursework.setting.assignment import parse_assignment, read_assignment
from cellgrad_coursework.setting.givens import draw_case
from cellgrad_coursework.setting.handouts import handout_bytes, worksheet_bytes


def checked(folder, done):
    """Yield, student by student, what leaks takes."""
    handouts = list(done.manifest.handouts.values())
    for n, handout in enumerate(handouts):
        data = (folder / "students" / handout.file).read_bytes()
        other = (folder / "students" / handouts[n - 1].file).read_bytes()
        key = key_of(folder, handout.student.id)
        keys = read_book(folder / "lecturer" / "keys" / handout.file)
        values = [
            keys.sheets["Step"].values[parse_a1(cell.address)] for cell in done.manifest.cells
        ]
        assert len(key) == len(values) == len(done.manifest.cells)
        yield data, other, values, [row["formula"] for row in key], numbers_of(handout.case)


def test_no_answer_stands_anywhere_in_a_handout(handed_out):
    for arguments in checked(*handed_out):
        assert leaks(*arguments) == []


@pytest.mark.parametrize("digits", [4, 9, 17])
def test_the_search_finds_an_answer_that_was_planted(handed_out, digits):
    data, other, values, formulas, givens = next(checked(*handed_out))
    value = values[-1]
    text = f"{value:.{digits}g}"
    sheet, book = "xl/worksheets/sheet2.xml", "xl/workbook.xml"
    for name, change in (
        (sheet, lambda s: s.replace('<c r="R8"', f'<c r="R9"><v>{text}</v></c><c r="R8"')),
        (sheet, lambda s: s.replace("</worksheet>", f"<!--{text}--></worksheet>")),
        (book, lambda s: s.replace("</definedNames>",
                                   f'<definedName name="k">{text}</definedName></definedNames>')),
        ("docProps/core.xml", lambda s: s.replace("<dc:title>", f"<dc:title>{text} ")),
        ("xl/comments1.xml", lambda _: f"<t>{text}</t>"),
        (sheet, lambda s: s.replace("</sheetData>", f"<f>{formulas[0]}</f></sheetData>")),
        (book, lambda s: s.replace('state="visible"', 'state="hidden"', 1)),
    ):  # fmt: skip
        assert leaks(planted(data, name, change), other, values, formulas, givens), name
    assert leftovers(data + b"answer")
    assert leftovers(b"answer" + data)


@pytest.mark.slow
def test_nothing_of_the_answers_is_in_a_handout_that_shows_the_forward_pass(tmp_path):
    assignment = assignment_of(
        network="nodes = [3, 2, 2]\nactivations = ['tanh', 'logistic']\nbiases = true",
        blanks="quantities = ['S_ERROR_O', 'S_ERROR_H', 'weight_gradient', 'new_weights']",
    )
    done = hand_out(tmp_path, assignment, STUDENTS[:2])
    shown = read_book(workbooks(tmp_path / "out")[0]).sheets["Step"]
    names = done.manifest.names
    for name in ("S_preA_H", "S_postA_O", "FE", "E"):
        area = Range.parse("Step", names[name].split("!")[1].replace("$", ""))
        assert isinstance(shown.values[area.top, area.left], float)
        assert (area.top, area.left) in shown.formulas
    data, other, values, formulas, givens = next(checked(tmp_path / "out", done))
    shown_values = [v for v in shown.values.values() if isinstance(v, float)]
    assert leaks(data, other, values, formulas, [*givens, *shown_values]) == []


def test_blanks_are_unlocked_and_everything_else_is_locked(handed_out):
    folder, done = handed_out
    blanks = {cell.address for cell in done.manifest.cells}
    for path in workbooks(folder):
        book = openpyxl.load_workbook(path)
        assert book.sheetnames == ["Guide", "Step", "Scratch"]
        for name in ("Guide", "Step"):
            assert book[name].protection.sheet
            assert not book[name].protection.password
            assert not book[name].protection.formatColumns  # that is: allowed
        assert not book["Scratch"].protection.sheet
        unlocked = {
            cell.coordinate for row in book["Step"].iter_rows() for cell in row
            if not cell.protection.locked
        }  # fmt: skip
        assert unlocked == blanks
        assert all(cell.protection.locked for row in book["Guide"].iter_rows() for cell in row)
        assert all(book["Step"][address].value is None for address in blanks)


def test_the_givens_are_where_the_manifest_says(handed_out):
    folder, done = handed_out
    for handout in done.manifest.handouts.values():
        values = read_book(folder / "students" / handout.file).sheets["Step"].values
        network, sample = handout.case.network, handout.case.samples[0]
        told = {
            "weights": lambda g, n=network: n.weights[g.layer][g.index[0]][g.index[1]],
            "input": lambda g, s=sample: s.input[g.index[1]],
            "target": lambda g, s=sample: s.target[g.index[1]],
            "learning_rate": lambda g, c=handout.case: c.learning_rate,
        }
        for cell in done.manifest.givens:
            assert values[parse_a1(cell.address)] == told[cell.quantity](cell)


def test_excel_is_told_not_to_flag_formulas_in_unlocked_cells(handed_out):
    for path in workbooks(handed_out[0]):
        sheet = parts_of(path.read_bytes())["xl/worksheets/sheet2.xml"]
        assert re.search(r'<ignoredError [^>]*unlockedFormula="1"[^>]*/></ignoredErrors>', sheet)
        assert sheet.index("<sheetProtection") < sheet.index("<conditionalFormatting")
        assert sheet.index("<pageSetup") < sheet.index("<ignoredErrors")


def test_the_token_is_in_the_guide_and_says_nothing(handed_out):
    folder, done = handed_out
    for token, handout in done.manifest.handouts.items():
        assert TOKEN.fullmatch(token)
        book = openpyxl.load_workbook(folder / "students" / handout.file)
        sheet, at = book.defined_names["cellgrad_token"].attr_text.split("!")
        assert book[sheet][at.replace("$", "")].value == token
    assert len(done.manifest.handouts) == len(STUDENTS)
    made = {
        token_of(SECRET, assignment, version, student)
        for assignment in "ab" for version in "vw" for student in "xy"
    }  # fmt: skip
    assert len(made) == 8


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc"])
def test_a_handout_filled_with_the_key_comes_to_the_key(
    handed_out, tmp_path, engine_or_skip, engine
):
    folder, done = handed_out
    engine = engine_or_skip(engine)
    handout = next(iter(done.manifest.handouts.values()))
    compare_filled(folder, done, handout, tmp_path, engine)


def compare_filled(folder, done, handout, tmp_path, engine):
    """Write the key's formulas into a handout as a student would; compare with the key."""
    path = tmp_path / "filled.xlsx"
    book = openpyxl.load_workbook(folder / "students" / handout.file)
    for cell in done.manifest.cells:
        book[cell.sheet][cell.address] = f"={cell.formula}"
    book.save(path)
    keys = read_book(folder / "lecturer" / "keys" / handout.file).sheets["Step"].values
    areas = [Range.parse("Step", cell.address) for cell in done.manifest.cells]
    with engine.open(path) as open_book:
        values = [block[0][0] for block in open_book.read(areas)]
    record = Program(handout.case).run().steps[0]
    for cell, value in zip(done.manifest.cells, values, strict=True):
        assert value == keys[parse_a1(cell.address)], cell.label
        own = record[cell.quantity, cell.layer]
        assert math.isclose(value, own[cell.index] if cell.index else own, rel_tol=1e-12), (
            cell.label
        )


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("feedback", ["none", "filled", "number"])
def test_every_shape_is_handed_out_without_answers_and_comes_to_its_key(
    tmp_path, engine_or_skip, network, feedback
):
    assignment = of_network(*network, grading=f"feedback = '{feedback}'")
    done = hand_out(tmp_path, assignment, STUDENTS[:2])
    for arguments in checked(tmp_path / "out", done):
        assert leaks(*arguments) == []
    for handout in done.manifest.handouts.values():
        compare_filled(tmp_path / "out", done, handout, tmp_path, engine_or_skip("formualizer"))


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc"])
def test_a_blank_handout_says_that_nothing_is_filled_in(handed_out, engine_or_skip, engine):
    """Styled empty cells must count as empty in every engine."""
    blank_state(handed_out, engine_or_skip(engine))


def blank_state(handed_out, engine):
    folder, _ = handed_out
    path = workbooks(folder)[0]
    with engine.open(path) as book:
        (block,) = book.read([Range("Step", 1, 1, 1, 30)])
        (copies,) = book.read([Range.parse("Step", "B18:B21")])
    assert "filled in: 0 of 59" in block[0]
    assert copies == [[0.0]] * 4
    assert "filled in: 0 of 59" in read_book(path).sheets["Step"].values.values()


@pytest.mark.slow
@pytest.mark.libreoffice
def test_libreoffice_opens_a_handout_and_the_filled_one_comes_to_the_key(
    handed_out, tmp_path, engine_or_skip
):
    folder, done = handed_out
    engine = engine_or_skip("libreoffice")
    blank_state(handed_out, engine)
    compare_filled(folder, done, next(iter(done.manifest.handouts.values())), tmp_path, engine)


@pytest.mark.slow
@pytest.mark.libreoffice
def test_the_worksheet_is_printed_and_is_the_same_every_time(tmp_path):
    if shutil.which("soffice") is None:
        pytest.skip("LibreOffice is not installed")
    secret = kept_secret(tmp_path)
    for name in ("a", "b"):
        assert assign(assignment_of(), STUDENTS[:1], tmp_path / name, secret=secret).notes == []
    first, second = ((tmp_path / name / "worksheet.pdf").read_bytes() for name in ("a", "b"))
    assert first.startswith(b"%PDF")
    assert first == second
    if shutil.which("pdftotext") is None:
        return
    words = subprocess.run(
        ["pdftotext", tmp_path / "a" / "worksheet.pdf", "-"], capture_output=True, check=True
    ).stdout.decode()
    assert "S_ERROR_H" in words


def test_without_libreoffice_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLGRAD_LIBREOFFICE", str(tmp_path / "none"))
    done = assign(
        assignment_of(blanks="quantities = ['new_weights']"),
        STUDENTS[:1], tmp_path / "a", secret=kept_secret(tmp_path),
    )  # fmt: skip
    assert done.notes == ["no printable worksheet: LibreOffice is not installed"]
    assert not (tmp_path / "a" / "worksheet.pdf").exists()


def test_the_guide_says_what_counts(handed_out):
    guide = openpyxl.load_workbook(workbooks(handed_out[0])[1])["Guide"]
    words = "\n".join(str(c.value) for row in guide.iter_rows() for c in row if c.value)
    for part in (
        "Amara Okafor", "s1001", "Friday, 27 November, 18:00", "57 points in all",
        "a number with 6 decimals", "values that the file shows are not read",
        "Work alone.", "earns nothing", "charged once",
    ):  # fmt: skip
        assert part in words, part


def test_without_equations_none_is_shown():
    assignment = replace(assignment_of(), show_equations=False)
    case = draw_case(assignment, Stream(b"x"))
    place = StepLayout(assignment.structure)
    data = handout_bytes(assignment, STUDENTS[0], "CG-AAAA-BBBB-CCCC-DDDD", case, place)
    assert "Eq. 1 " not in " ".join(parts_of(data).values())


def test_the_worksheet_names_course_and_due_and_its_own_colours_alone():
    assignment = replace(read_assignment(EXAMPLE / "assignment.toml"), course="Nets & Co")
    place = StepLayout(assignment.structure)
    case = draw_case(assignment, Stream(SECRET))
    sheet = openpyxl.load_workbook(io.BytesIO(worksheet_bytes(assignment, case, place)))["Step"]
    assert sheet.oddHeader.left.text == "Nets && Co"
    assert sheet.oddHeader.right.text == "Due: Friday, 27 November, 18:00"
    styles = [cell.style for row in sheet.iter_rows() for cell in row]
    legend = [style.removeprefix("legend ") for style in styles if style.startswith("legend ")]
    assert legend == ["given", "forward", "blank", "blank typed"]
    assert set(legend) <= set(styles)
    words = [cell.value for row in sheet.iter_rows() for cell in row if cell.value]
    assert "room for your own numbers" in words
    assert "forward pass" in words
    assert "updated weight or bias" not in words


@pytest.mark.slow
def test_the_legend_of_a_handout_has_the_colours_that_it_uses(tmp_path):
    assignment = assignment_of(blanks="quantities = ['new_weights']")
    hand_out(tmp_path, assignment, name="o")
    book = openpyxl.load_workbook(workbooks(tmp_path / "o")[0])
    for sheet in (book["Guide"], book["Step"]):
        styles = [cell.style for row in sheet.iter_rows() for cell in row]
        legend = [style.removeprefix("legend ") for style in styles if style.startswith("legend ")]
        assert legend == ["given", "forward", "error", "gradient", "blank"]


@pytest.mark.slow
def test_points_together_are_said_as_they_were_given(tmp_path):
    rules = "[[quantity]]\nname = 'new_weight_ItoH'\npoints_together = 5\n"
    assignment = parse_assignment((text_of() + rules).encode())
    hand_out(tmp_path, assignment, name="o")
    guide = openpyxl.load_workbook(workbooks(tmp_path / "o")[0])["Guide"]
    words = [str(cell.value) for row in guide.iter_rows() for cell in row]
    assert "4 cells, 5 points together: a formula" in words
    assert "2 cells, 1 point each: a formula" in words


def test_numbers_that_students_fill_in_have_one_format(handed_out):
    folder, done = handed_out
    sheet = openpyxl.load_workbook(workbooks(folder)[0])["Step"]
    formats = {sheet[cell.address].number_format for cell in done.manifest.cells}
    assert formats == {"0.000000_."}
    rules = {
        rule.formula[0].partition(",ABS")[2].partition(")")[2]
        for rules in sheet.conditional_formatting for rule in rules.rules
        if "ABS" in rule.formula[0] and any(
            cell.address in rules.cells for cell in done.manifest.cells
        )
    }  # fmt: skip
    assert rules == {"<0.00001)", ">=100)"}


@pytest.mark.slow
@pytest.mark.libreoffice
def test_numbers_are_shown_with_their_signs(tmp_path):
    if shutil.which("soffice") is None:
        assert not os.environ.get("CELLGRAD_REQUIRE_ENGINES")
        pytest.skip("needs LibreOffice")
    hand_out(tmp_path, assignment_of(), name="o")
    path = workbooks(tmp_path / "o")[0]
    book = openpyxl.load_workbook(path)
    cells = read_manifest(tmp_path / "o").cells
    numbers = [-1.0921, -0.000097, 0.8765432, -123.456789, -3.0, 12.0]
    shown = ["-1.092100", "-0.000097", "0.876543", "-123.456789", "-3.000000", "12.000000"]
    for cell, number in zip(cells, numbers, strict=False):
        book["Step"][cell.address] = number
    book.save(tmp_path / "filled.xlsx")
    subprocess.run(
        ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile",
         "--convert-to", "html:HTML (StarCalc)", "--outdir", str(tmp_path),
         str(tmp_path / "filled.xlsx")],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    page = (tmp_path / "filled.html").read_text("utf-8")
    cells_of = re.findall(r'sdval="([^"]*)"[^>]*>(?:<[^>]*>)*([^<]*)<', page)
    found = {float(number): text.strip() for number, text in cells_of}
    assert [found[number] for number in numbers] == shown
