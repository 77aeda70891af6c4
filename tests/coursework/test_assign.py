"""Handing out: individual workbooks, fair numbers, and no answer in any of them."""

import csv
import io
import json
import math
import os
import re
import shutil
import stat
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignments import (
    EXAMPLE,
    NETWORKS,
    SECRET,
    STUDENTS,
    assignment_of,
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
from cellgrad.errors import InputError
from cellgrad.workbook.layout import StepLayout
from cellgrad.xlsx.addresses import Range, parse_a1
from cellgrad.xlsx.book import read_book
from cellgrad_audit.bugs.catalogue import by_id, variants
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.commands.assign import Options, assign_command
from cellgrad_coursework.manifest_file import manifest_bytes, parse_manifest, read_manifest
from cellgrad_coursework.model import Student
from cellgrad_coursework.results.record import excused
from cellgrad_coursework.roster import read_roster, roster_of, safe_name
from cellgrad_coursework.secret import TOKEN, Stream, read_secret, token_of
from cellgrad_coursework.setting.assign import assign, moodle_name, moodle_names
from cellgrad_coursework.setting.assignment import computed, parse_assignment, read_assignment
from cellgrad_coursework.setting.discriminate import Discrimination
from cellgrad_coursework.setting.folder import write_example
from cellgrad_coursework.setting.givens import drawn, unfit
from cellgrad_coursework.setting.handouts import handout_bytes, worksheet_bytes
from cellgrad_coursework.setting.numbers import OwnNumbers
from graded import ROOT
from plain_submission import few_digits


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    """Return the example handed out to three students: the folder, and what was written."""
    folder = tmp_path_factory.mktemp("handed out")
    assignment = read_assignment(EXAMPLE / "assignment.toml")
    done = assign(
        assignment, STUDENTS, folder / "out", secret=kept_secret(folder), worksheet=False
    )  # fmt: skip
    return folder / "out", done


# no answer anywhere


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
    done = assign(
        assignment, STUDENTS[:2], tmp_path / "out", secret=kept_secret(tmp_path), worksheet=False
    )  # fmt: skip
    shown = read_book(workbooks(tmp_path / "out")[0]).sheets["Step"]
    names = done.manifest.names
    for name in ("S_preA_H", "S_postA_O", "FE", "E"):
        area = Range.parse("Step", names[name].split("!")[1].replace("$", ""))
        assert isinstance(shown.values[area.top, area.left], float)
        assert (area.top, area.left) in shown.formulas
    data, other, values, formulas, givens = next(checked(tmp_path / "out", done))
    shown_values = [v for v in shown.values.values() if isinstance(v, float)]
    assert leaks(data, other, values, formulas, [*givens, *shown_values]) == []


# the file


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
    done = assign(
        assignment, STUDENTS[:2], tmp_path / "out", secret=kept_secret(tmp_path), worksheet=False
    )  # fmt: skip
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
    words = subprocess.run(
        ["pdftotext", tmp_path / "a" / "worksheet.pdf", "-"], capture_output=True, check=False
    ).stdout.decode()
    assert not words or "S_ERROR_H" in words


def test_without_libreoffice_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLGRAD_LIBREOFFICE", str(tmp_path / "none"))
    done = assign(
        assignment_of(blanks="quantities = ['new_weights']"),
        STUDENTS[:1], tmp_path / "a", secret=kept_secret(tmp_path),
    )  # fmt: skip
    assert done.notes == ["no printable worksheet: LibreOffice is not installed"]
    assert not (tmp_path / "a" / "worksheet.pdf").exists()


# numbers


def test_the_same_secret_gives_the_same_bytes(handed_out, tmp_path):
    folder, _ = handed_out
    assignment = read_assignment(EXAMPLE / "assignment.toml")
    again = assign(
        assignment, STUDENTS, tmp_path / "out", secret=kept_secret(tmp_path), worksheet=False
    )  # fmt: skip
    assert not again.secret_is_new
    inside = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert inside == sorted(
        p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file()
    )
    for name in inside:
        assert (folder / name).read_bytes() == (tmp_path / "out" / name).read_bytes() or (
            name.name == "README.txt"
        ), name


def test_numbers_are_nobody_elses_and_need_the_secret():
    assignment = assignment_of()
    ours, theirs = OwnNumbers(assignment, SECRET), OwnNumbers(assignment, SECRET[::-1])
    cases = [ours.case(f"s{n}") for n in range(5)]
    assert len({tuple(numbers_of(case)) for case in cases}) == 5
    assert ours.case("s3") == cases[3]
    for n, case in enumerate(cases):
        other = theirs.case(f"s{n}")
        same = sum(a == b for a, b in zip(numbers_of(case), numbers_of(other), strict=True))
        assert same <= 4  # the learning rate, and chance
    renamed = OwnNumbers(replace(assignment, id="ex-2"), SECRET)
    assert renamed.case("s3") != replace(cases[3], id="ex-2")


def test_a_stream_is_fair():
    stream = Stream(b"key")
    counts = np.bincount([stream.below(7) for _ in range(7_000)], minlength=7)
    assert counts.min() > 880  # five standard deviations
    assert counts.max() < 1_120


drawn_for = given(
    network=st.sampled_from(NETWORKS),
    style=st.sampled_from(["decimal", "dyadic"]),
    student=st.text(min_size=1, max_size=8),
)


@settings(max_examples=4, deadline=None)
@drawn_for
@pytest.mark.slow
def test_drawn_numbers_are_fit_and_an_unchanged_weight_never_passes(network, style, student):
    check_drawn(network, style, student)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@drawn_for
def test_many_drawn_numbers_are_fit_and_an_unchanged_weight_never_passes(network, style, student):
    check_drawn(network, style, student)


def check_drawn(network, style, student):
    assignment = of_network(*network, style=style)
    case = OwnNumbers(assignment, SECRET).case(student)
    assert few_digits(case)
    assert not unfit(case)
    record = Program(case).run().steps[0]
    for k, old in enumerate(case.network.weights):
        new = record["new_weights", k]
        gap, largest = np.abs(new - np.array(old)), np.maximum(np.abs(new), np.abs(old))
        assert np.all(gap > 10 * (1e-12 + 1e-9 * largest))


def test_an_unchanged_weight_is_off_in_typed_decimals_too():
    assignment = assignment_of(
        training="loss = 'half_squared_error'\nlearning_rate = 2.3",
        blanks="quantities = ['new_weights']\ntakes = 'value'\ndecimals = 6",
    )
    numbers = OwnNumbers(assignment, SECRET)
    for n in range(6):
        case = numbers.case(f"s{n}")
        record = Program(case).run().steps[0]
        for k, old in enumerate(case.network.weights):
            gap = np.abs(record["new_weights", k] - np.array(old))
            assert np.all(gap > 10 * 0.5e-6)


@pytest.mark.slow
def test_no_mistake_that_shows_elsewhere_hides_in_a_students_numbers():
    """Judged again, in another way: what shows with any numbers must show with these."""
    assignment = read_assignment(EXAMPLE / "assignment.toml")
    numbers = OwnNumbers(assignment, SECRET)
    mine = [numbers.case(f"s{n}") for n in range(2)]
    others = [
        case for n in range(6) if not unfit(case := drawn(assignment, Stream(bytes([n]))))
    ]  # fmt: skip
    compared = 0
    for variant in variants():
        if by_id()[variant.entry].kind != "mistake":
            continue
        with np.errstate(all="ignore"):
            shown = [gaps(variant.program, case) for case in others]
            if None in shown:
                continue
            for case in mine:
                for place, gap in gaps(variant.program, case).items():
                    if all(s[place][0] > 1e-6 * s[place][1] for s in shown):
                        compared += 1
                        half = 0.5e-6 if place[0] == ("error", None) else 0
                        assert gap[0] > 10 * max(half, 1e-12 + 1e-9 * gap[1]), (variant, place)
    assert compared > 1_000


def gaps(program, case):
    """Return, cell by cell, how far a program is from the right one, and the larger value."""
    right = Program(case, keep={1}).run().steps[0]
    try:
        wrong = program(case, keep={1}).run().steps[0]
    except IndexError:
        return None
    return {
        (key, index): (abs(value - (other := wrong[key][index])), max(abs(value), abs(other)))
        for key, values in right.items()
        if key in wrong and np.shape(wrong[key]) == np.shape(values)
        for index, value in np.ndenumerate(values)
    }


def with_numbers(case, weights=None, samples=None):
    network = case.network if weights is None else replace(case.network, weights=weights)
    return replace(case, network=network, samples=samples or case.samples)


def test_numbers_under_which_a_mistake_hides_are_rejected():
    assignment = assignment_of(network="nodes = [2, 2, 2]\nactivations = ['logistic', 'logistic']")
    judge = Discrimination(assignment)
    good = OwnNumbers(assignment, SECRET).case("s1")
    assert judge.unseen(good) is None
    ((a, b), (_, d)), outer = good.network.weights[0], good.network.weights[1]
    symmetric = (((a, b), (b, d)), outer)  # transposed, it is the same
    assert judge.unseen(with_numbers(good, symmetric)) is not None
    alike = (good.network.weights[0], ((outer[0][0],) * 2, outer[1]))
    assert judge.unseen(with_numbers(good, alike)) is not None
    sample = good.samples[0]
    for samples in (
        (replace(sample, input=(1.0, sample.input[1])),),  # a missing factor hides
        (replace(sample, input=(0.0, sample.input[1])),),  # its weights do not change
    ):
        assert judge.unseen(with_numbers(good, samples=samples)) is not None, samples
    zero = judge.unseen(with_numbers(good, samples=(replace(sample, input=(0.0, 0.37)),)))
    assert not zero.mistake
    assert "unchanged" in zero.words()


def test_a_mistake_too_small_for_the_decimals_asked_for_is_rejected():
    """The hidden gradients of this case are of the order of a thousandth."""
    typed = assignment_of(blanks="takes = 'value'\ndecimals = 4")
    finer = assignment_of(blanks="takes = 'value'\ndecimals = 12")
    coarse, fine = Discrimination(typed), Discrimination(finer)
    cases = [c for n in range(12) if not unfit(c := drawn(typed, Stream(bytes([n]))))]
    assert all(coarse.unseen(case) is not None for case in cases)
    assert any(fine.unseen(case) is None for case in cases)


@pytest.mark.slow
def test_where_no_numbers_will_do_the_line_says_how_many_decimals_would():
    assignment = assignment_of(blanks="takes = 'value'\ndecimals = 4")
    with pytest.raises(InputError, match=r"ask for [5-9] decimals, or for formulas") as refused:
        OwnNumbers(assignment, SECRET).case("s1", attempts=20)
    assert refused.value.place == "blanks.decimals"


def test_a_rate_that_hides_mistakes_is_noted(tmp_path):
    done = assign(
        assignment_of(
            training="loss = 'half_squared_error'\nlearning_rate = 1",
            blanks="quantities = ['new_weights']",
        ),
        STUDENTS[:1], tmp_path / "a", secret=kept_secret(tmp_path), worksheet=False,
    )  # fmt: skip
    assert len(done.notes) == 1
    assert done.notes[0].startswith("with learning_rate = 1 these mistakes leave no trace: ")


# assignments


def test_the_example_works_as_it_is(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert assign_command(Options(None, init=Path("course"))) == 0
    line = capfd.readouterr().out.splitlines()[-1]
    assert line == (
        "now: cellgrad assign course/assignment.toml --roster course/roster.csv -o handouts"
    )
    options = Options(
        Path("course/assignment.toml"), Path("course/roster.csv"), Path("handouts"),
        worksheet=False,
    )  # fmt: skip
    assert assign_command(options) == 0
    said = capfd.readouterr()
    assert said.out.startswith("read 6 students from course/roster.csv\nwrote 6 workbooks to ")
    assert "to handouts: 59 cells to fill in, 57 points" in said.out
    assert "made the secret" in said.out
    assert said.err == ""
    manifest = read_manifest(Path("handouts"))
    assert manifest.points == 57
    assert [h.student.late for h in manifest.handouts.values()] == [0, 0, 0, 0, 0, 0.1]
    secret = tmp_path / "training-step.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(read_secret(secret)) == 32
    everything = b"".join(p.read_bytes() for p in Path("handouts").rglob("*") if p.is_file())
    assert read_secret(secret).hex().encode() not in everything
    with pytest.raises(InputError, match="not empty"):
        assign_command(options)
    with pytest.raises(InputError, match="not empty"):
        assign_command(Options(None, init=Path("course")))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("id = 'a b'", "id"),
        ("points = -1", "blanks.points"),
        ("decimals = 3", "blanks.decimals"),
        ("nodes = [2]", "network.nodes"),
        ("nodes = [2, 2, 1.5]", "network.nodes, number 3"),
        ("activations = ['logistic', 'softmax']", "training.loss"),
        ("activations = ['logistic']", "network.activations"),
        ("samples = 2", "training.update"),
        ("learning_rate = nan", "training.learning_rate"),
        ("samples = [{input = [1.0], target = [1.0]}]", "training.samples, number 1, input"),
        ("quantities = ['S_ERROR_X']", "blanks.quantities, number 1"),
        ("quantities = ['weights']", "blanks.quantities, number 1"),
        ("quantities = ['E', 'E']", "blanks.quantities, number 2"),
        ("conventions = ['swapped-weights']", "grading.conventions, number 1"),
        ("unknown = 1", "the assignment"),
        ("nodes = [2, 2", "not TOML"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line_with_its_key(tmp_path, change, place):
    text = text_of(blanks="points = 1", grading="ecf_penalty = 0")
    key = change.split(" = ")[0]
    table = next(
        (name for name, keys in {
            "network": ("nodes", "activations"), "training": ("samples", "learning_rate"),
            "blanks": ("points", "decimals", "quantities"), "grading": ("conventions",),
        }.items() if key in keys), "",
    )  # fmt: skip
    text = re.sub(rf"(?m)^{key} = .*\n", "", text)
    text = text.replace(f"[{table}]\n", f"[{table}]\n{change}\n") if table else f"{change}\n{text}"
    path = tmp_path / "a.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as refused:
        read_assignment(path)
    line = refused.value.line()
    assert "\n" not in line
    assert line.startswith(f"{path}: {place}")
    assert len(line) < 600


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(None), "ASSIGNMENT: is missing"),
        (Options(Path("a.toml")), "--roster: is missing"),
        (Options(Path("a.toml"), Path("r.csv")), "-o: is missing"),
        (Options(Path("a.toml"), Path("r.csv"), Path("o"), layout_for="x"), "--for: 'x'"),
        (Options(Path("a.toml"), Path("r.csv"), Path("o")), "a.toml: no such file"),
        (Options(Path("a.toml"), init=Path("d")), "--init: writes an example"),
    ],
)
def test_what_the_command_lacks_is_said_in_one_line(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        assign_command(options)
    assert refused.value.line().startswith(words)
    assert list(tmp_path.iterdir()) == []


def test_points_are_given_a_cell_or_together():
    rules = (
        "[[quantity]]\nname = 'new_weight_ItoH'\npoints_together = 3\n"
        "[[quantity]]\nname = 'error_signal'\ntakes = 'value'\n"
    )
    assignment = parse_assignment((text_of(blanks="points = 2") + rules).encode())
    blanks = {blank.quantity.defined_name: blank for blank in assignment.blanks}
    assert blanks["new_weight_ItoH"].points == 0.75
    assert blanks["S_ERROR_H"].takes == blanks["S_ERROR_O"].takes == "value"
    assert blanks["E"].points == 2


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
    case = drawn(assignment, Stream(b"x"))
    place = StepLayout(assignment.structure)
    data = handout_bytes(assignment, STUDENTS[0], "CG-AAAA-BBBB-CCCC-DDDD", case, place)
    assert "Eq. 1 " not in " ".join(parts_of(data).values())


# manifest and folder


def test_the_manifest_reads_back_as_it_was(handed_out):
    folder, done = handed_out
    data = (folder / "lecturer" / "manifest.json").read_bytes()
    assert read_manifest(folder) == done.manifest == parse_manifest(data)
    assert manifest_bytes(done.manifest) == data
    schema = json.loads((ROOT / "reference/schema/manifest.schema.json").read_text())
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to start

    Draft202012Validator(schema).validate(json.loads(data))
    assert SECRET.hex().encode() not in data


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("cells"),
        lambda d: d["cells"][0].update(formula="1"),
        lambda d: d["policy"].update(ecf_penalty=0.5),
        lambda d: d["handouts"][1].pop("weights"),
        lambda d: d["handouts"][1]["weights"][0].pop(),
        lambda d: d["handouts"][1]["student"].update(late="x"),
        lambda d: d["handouts"].append(d["handouts"][0]),
        lambda d: d.update(handouts=[]),
        lambda d: d.update(handouts=3),
    ],
)
def test_a_damaged_manifest_is_refused_in_one_line(handed_out, change):
    document = json.loads((handed_out[0] / "lecturer" / "manifest.json").read_bytes())
    change(document)
    with pytest.raises(InputError) as refused:
        parse_manifest(json.dumps(document).encode())
    assert "\n" not in refused.value.line()


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no assignment"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("place", ["assign.readme", "folder._plain_mode"])
def test_what_goes_wrong_leaves_nothing_behind(tmp_path, monkeypatch, place):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"cellgrad_coursework.setting.{place}", fail)
    with pytest.raises(InputError, match="No space left"):
        assign(assignment_of(), STUDENTS[:1], tmp_path / "out", worksheet=False)
    assert list(tmp_path.iterdir()) == []


def test_the_secret_never_lies_among_the_handouts(tmp_path):
    with pytest.raises(InputError, match="must not lie among the handouts"):
        assign(
            assignment_of(), STUDENTS[:1], tmp_path / "out", secret=tmp_path / "out" / "x.secret"
        )  # fmt: skip


def test_a_damaged_secret_is_no_reason_to_make_another(tmp_path):
    path = tmp_path / "ex-1.secret"
    path.write_text("00ff")
    with pytest.raises(InputError, match="holds no secret"):
        assign(assignment_of(), STUDENTS[:1], tmp_path / "out", worksheet=False)
    assert path.read_text() == "00ff"


# rosters

OWN = "id,name,email,section,late\ns1,Ada,a@x.org,A,\ns2,Björn,b@x.org,B,10%\n"
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Essay (12)\n"
    "    Points Possible,,,,,10\n"
    '"Lovelace, Ada",77,s1,ada,"A, morning",\n'
    '"Ny, Björn",78,s2,bjorn,B,\n'
    '"Student, Test",79,,x,B,\n'
)
MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade\n"
    "Participant 4711,Ada Lovelace,a@x.org,No submission,,100\n"
    "Participant 4712,Björn Ny,b@x.org,No submission,,100\n"
)
PEOPLE = "First name,Last name,ID number,Email address\nAda,Lovelace,s1,a@x.org\nBjörn,Ny,s2,b\n"


@pytest.mark.parametrize(
    ("text", "ids", "names"),
    [
        (OWN, ["s1", "s2"], ["Ada", "Björn"]),
        (CANVAS, ["s1", "s2"], ["Lovelace, Ada", "Ny, Björn"]),
        (CANVAS.replace("77,s1", "77,").replace(",ada,", ",ada@x,"), ["ada@x", "bjorn"], None),
        (MOODLE, ["4711", "4712"], ["Ada Lovelace", "Björn Ny"]),
        (MOODLE.replace("Identifier,Full name", "Identifiant,Nom complet"), ["4711", "4712"],
         ["Ada Lovelace", "Björn Ny"]),
        (PEOPLE, ["s1", "s2"], ["Ada Lovelace", "Björn Ny"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["plain", "bom", "semicolon", "tab", "utf16", "excel", "crlf"])
def test_rosters_of_every_dialect_are_read(tmp_path, text, ids, names, dialect):
    rows = list(csv.reader(io.StringIO(text)))
    buffer = io.StringIO(newline="")
    mark = {"semicolon": ";", "excel": ";", "tab": "\t"}.get(dialect, ",")
    csv.writer(buffer, delimiter=mark, lineterminator="\r\n").writerows(rows)
    written = buffer.getvalue() if dialect != "plain" else text
    data = {
        "bom": written.encode("utf-8-sig"),
        "utf16": written.encode("utf-16"),
        "excel": b"sep=;\r\n" + written.encode("cp1252"),
    }.get(dialect, written.encode())
    path = tmp_path / "roster.csv"
    path.write_bytes(data)
    students = read_roster(path)
    assert [student.id for student in students] == ids
    assert names is None or [student.name for student in students] == names
    assert dict(students[0].other).keys() == set(rows[0])


def test_a_roster_may_be_a_workbook_with_numbers_for_ids(tmp_path):
    book = openpyxl.Workbook()
    for row in (["ID", "Name", "Late"], [1001, "Ada", None], [1002, "Bo", 0.25]):
        book.active.append(row)
    book.save(tmp_path / "roster.xlsx")
    students = read_roster(tmp_path / "roster.xlsx")
    assert [(s.id, s.name, s.late) for s in students] == [("1001", "Ada", 0), ("1002", "Bo", 0.25)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,name\n", "names no students"),
        ("name,mail\nAda,x\n", "names no column id"),
        ("id,name\ns1,Ada\n,Bo\n", "line 3: the column 'id' is empty"),
        ("id,name\ns1,Ada\ns2,Bo\ns1,Cy\n", "line 4: the id 's1' stands twice, in line 2"),
        ("id\na/b\na:b\n", "files of the same name"),
        ("id\nSAM\nsam\n", "files of the same name"),
        ("id,late\ns1,yes\n", "no share of the grade"),
        ("id,late\ns1,140%\n", "no share of the grade"),
        ("id\n" + "9" * 101 + "\n", "an id of 101 characters"),
        ("id\na\x00b\n", "NUL"),
    ],
)
def test_a_roster_that_cannot_be_used_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "roster.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as refused:
        read_roster(path)
    assert words in refused.value.line()
    assert refused.value.line().startswith(str(path))


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=200))
def test_a_file_name_is_safe_whatever_the_id(student_id):
    name = safe_name(student_id)
    assert name
    assert len(name) <= 90
    assert not set(name) & set('/\\:*?"<>|\n\r\t\0 ')
    assert not name.startswith((".", "~", "-"))
    assert name.casefold() not in {"con", "nul", "aux", "prn", "com1"}


def test_hostile_names_stay_texts_and_ids_stay_in_the_folder(handed_out):
    folder, done = handed_out
    names = {handout.student.id: handout.file for handout in done.manifest.handouts.values()}
    assert names["../../etc/passwd"] == "etc-passwd.xlsx"
    assert {path.name for path in workbooks(folder)} == set(names.values())
    book = openpyxl.load_workbook(folder / "students" / "s1002.xlsx")
    cells = [c for name in book.sheetnames for row in book[name].iter_rows() for c in row]
    assert [c for c in cells if c.data_type == "f" and "HYPERLINK" in str(c.value)] == []
    assert any(str(c.value).startswith("=HYPERLINK") for c in cells)
    for row in key_of(folder, "s1002"):
        assert row["name"].startswith("'=")


def test_moodles_folders_are_named_as_it_reads_them(tmp_path):
    """Moodle splits at underscores: the second part must be the participant's number."""
    path = tmp_path / "grades.csv"
    path.write_text(MOODLE.replace("Björn Ny", "Bj/örn_Ny"), "utf-8")
    students = read_roster(path)
    names = moodle_names(students)
    for student, number in zip(students, ("4711", "4712"), strict=True):
        folder, _, file = names[student.id].partition("/")
        parts = folder.split("_", 4)
        assert parts[1:4] == [number, "assignsubmission", "file"]
        assert file == f"{student.id}.xlsx"
    path.write_text(PEOPLE, "utf-8")
    with pytest.raises(InputError, match="no number in a column Identifier"):
        moodle_names(read_roster(path))
    assert moodle_name("../x_y\n") == "x y"
    done_in = tmp_path / "out"
    path.write_text(MOODLE, "utf-8")
    assign(
        assignment_of(blanks="quantities = ['new_weights']"), read_roster(path), done_in,
        secret=kept_secret(tmp_path), layout_for="moodle", worksheet=False,
    )  # fmt: skip
    with zipfile.ZipFile(done_in / "moodle-handouts.zip") as packed:
        assert packed.namelist() == [
            "Ada Lovelace_4711_assignsubmission_file_/4711.xlsx",
            "Björn Ny_4712_assignsubmission_file_/4712.xlsx",
        ]
        first = packed.namelist()[0]
        assert packed.read(first) == (done_in / "students" / "4711.xlsx").read_bytes()


@pytest.mark.slow
def test_many_students_are_written_on_several_cores_as_on_one(tmp_path, monkeypatch):
    students = [Student(f"s{n}") for n in range(9)]
    secret = kept_secret(tmp_path)
    small = assignment_of(blanks="quantities = ['new_weights']")
    ticks = []
    assign(small, students, tmp_path / "a", secret=secret, worksheet=False,
           advance=lambda: ticks.append(1))  # fmt: skip
    monkeypatch.setattr("cellgrad_coursework.setting.assign.WORTH_SHARING", 1_000)
    assign(small, students, tmp_path / "b", secret=secret, worksheet=False)
    assert len(ticks) == 9
    for path in (tmp_path / "a").rglob("*"):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.is_dir() or path.read_bytes() == other.read_bytes()


def test_the_example_is_the_template(tmp_path):
    write_example(tmp_path / "x")
    assert (tmp_path / "x" / "roster.csv").read_bytes() == (EXAMPLE / "roster.csv").read_bytes()


# what a first-time lecturer may stumble over

EXAMPLE_TEXT = (EXAMPLE / "assignment.toml").read_text("utf-8")
TRAINING = 'loss = "half_squared_error"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("learning_rate = 0.4", "learning_rat = 0.4",
         "training: learning_rat is no key here; did you mean learning_rate? allowed: loss, "),
        ("learning_rate = 0.4", "learning_rate = 0,4",
         "0,4 has a decimal comma; write a decimal point: learning_rate = 0.4"),
        ("learning_rate = 0.4", 'learning_rate = "0,4"', "write a decimal point: learning_rate ="),
        ("learning_rate = 0.4", 'learning_rate = "0.4"', "leave the quotes out: learning_rate ="),
        ("learning_rate = 0.4", "", "training: says nothing of learning_rate; add learning_rate ="),
        ("learning_rate = 0.4", "learning_rate = 0", "0 is too small; give a number of more than "),
        ("biases = false", "learning_rate = 1", "it belongs below [training]"),
        ("biases = false", 'biases = "no"', "write true or false without quotes, such as biases"),
        ("one_file = false", "onefile = true", "did you mean one_file? allowed: schema, id"),
        ("[grading]", "[grading]\none_file = true", "write it at the top"),
        ('due = "Friday, 27 November, 18:00"', "due = 27", "write due in quotes, such as due ="),
        ('title = "One training step by hand"', "title = 2026-11-27",
         "the date or time 2026-11-27 is not a text; write title in quotes"),
        ("nodes = [3, 4, 1]", 'nodes = "3-4-1"', "write a list, such as nodes = [3, 4, 1]"),
        ('["logistic", "logistic"]', '["sigmoid", "logistic"]',
         ("network.activations, number 1: 'sigmoid' is not known; did you mean logistic? use one "
          "of logistic, tanh, relu, leaky_relu, identity, softmax, unit_step")),
        (TRAINING, 'loss = "mse"', "did you mean mean_squared_error? use one of half_sq"),
        (TRAINING, 'loss = "MSE"', "did you mean mean_squared_error?"),
        (TRAINING, 'loss = "cross-entropy"',
         "did you mean binary_cross_entropy or categorical_cross_entropy?"),
        (TRAINING, 'loss = "half_square_error"', "did you mean half_squared_error?"),
        ('"logistic"]', '"softmax"]',
         ('training.loss: half_squared_error does not go with softmax outputs; write loss = '
          '"categorical_cross_entropy"')),
        ('name = "S_ERROR_H"', 'name = "S_EROR_H"',
         ("[[quantity]] 2, name: 'S_EROR_H' is nothing that this step computes; did you mean "
          "S_ERROR_H?")),
        ('name = "S_ERROR_H"', 'name = "delta"', "did you mean error_signal?"),
        ("points_together = 6", "points_together = 6\npoints = 1", "[[quantity]] 3: says both"),
        ('name = "E"\ntakes', 'nam = "E"\ntakes', "[[quantity]] 1: nam is no key here"),
        ('[[quantity]]\nname = "E"', '[quantity]\nname = "E"', "write [[quantity]]"),
        ('quantities = "all"', 'quantities = "E"', 'write quantities = "all", or a list of names'),
        ("conventions = []", 'conventions = ["error-sign"]', "did you mean error-sign-convention?"),
        ("conventions = []", 'conventions = "error-sign-convention"', "write a list, such as"),
        ("samples = 1\n", "samples = 0\n", "0 is too small; give a number of at least 1"),
        ("samples = 1\n", "samples = [ { input = [1.0], targe = [2.0] } ]\n",
         "training.samples, number 1: targe is no key here; did you mean target?"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_assignment_is_said_in_plain_words(old, new, said):
    assert old in EXAMPLE_TEXT
    with pytest.raises(InputError) as refused:
        parse_assignment(EXAMPLE_TEXT.replace(old, new, 1).encode())
    line = refused.value.line()
    assert said in line
    assert "\n" not in line
    for jargon in ("is not of type", "Additional properties", "is a required property", "schema is",
                   "under any of the given", "is not one of", "does not match"):  # fmt: skip
        assert jargon not in line


def test_all_names_that_fit_are_listed_however_many():
    text = text_of(
        network="nodes = [2, 2, 2, 2, 1]\nactivations = ['tanh', 'tanh', 'tanh', 'tanh']",
        blanks="quantities = ['nothing']",
    )
    with pytest.raises(InputError) as refused:
        parse_assignment(text.encode())
    for quantity in computed(assignment_of(
        network="nodes = [2, 2, 2, 2, 1]\nactivations = ['tanh', 'tanh', 'tanh', 'tanh']",
    ).structure):  # fmt: skip
        assert f"{quantity.defined_name}," in f"{refused.value.remedy},".replace(";", ",")


def test_softmax_over_one_output_says_why_not():
    with pytest.raises(InputError, match="softmax over one output is always 1"):
        assignment_of(
            network="nodes = [2, 1]\nactivations = ['softmax']",
            training="loss = 'categorical_cross_entropy'\nlearning_rate = 0.4",
        )


@pytest.mark.parametrize(
    ("due", "shown"),
    [
        ("2026-11-27", "2026-11-27"),
        ("2026-11-27T18:00:00", "2026-11-27 18:00"),
        ("2026-11-27 18:00:00+01:00", "2026-11-27 18:00 UTC+01:00"),
        ("'Friday'", "Friday"),
    ],
)
def test_a_due_date_may_be_written_without_quotes(due, shown):
    assert parse_assignment(f"due = {due}\n{text_of()}".encode()).due == shown


def test_folders_are_made_where_they_are_missing(tmp_path):
    output = tmp_path / "a" / "b" / "out"
    done = assign(assignment_of(), STUDENTS[:1], output, worksheet=False)
    assert (output / "lecturer" / "manifest.json").is_file()
    assert done.secret == tmp_path / "a" / "b" / "ex-1.secret"


def test_folders_that_were_made_go_again_if_nothing_was_written(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cellgrad_coursework.setting.assign.readme", fail)
    with pytest.raises(InputError, match="No space left"):
        assign(assignment_of(), STUDENTS[:1], tmp_path / "a" / "b" / "out", worksheet=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_lost_secret_is_not_replaced_by_another(tmp_path):
    done = assign(assignment_of(), STUDENTS[:1], tmp_path / "first", worksheet=False)
    kept = done.secret.read_bytes()
    done.secret.unlink()
    with pytest.raises(InputError) as refused:
        assign(assignment_of(), STUDENTS[:2], tmp_path / "second", worksheet=False)
    line = refused.value.line()
    assert line.startswith(f"{done.secret}: is missing, and first was made with it")
    assert "put your copy of it back, or name it with --secret" in line
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    other = replace(assignment_of(), id="ex-2")
    assert assign(other, STUDENTS[:1], tmp_path / "third", worksheet=False).secret_is_new
    done.secret.write_bytes(kept)
    assert not assign(
        assignment_of(), STUDENTS[:1], tmp_path / "second", worksheet=False
    ).secret_is_new


def test_who_comes_late_changes_nobodys_file(tmp_path):
    secret = kept_secret(tmp_path)
    first = assign(
        assignment_of(), STUDENTS[:2], tmp_path / "a", secret=secret, worksheet=False
    )  # fmt: skip
    longer = [Student("a000", "Early in the alphabet"), *STUDENTS]
    second = assign(assignment_of(), longer, tmp_path / "b", secret=secret, worksheet=False)
    for path in workbooks(tmp_path / "a"):
        assert (tmp_path / "b" / "students" / path.name).read_bytes() == path.read_bytes()
    assert first.manifest.handouts.items() <= second.manifest.handouts.items()
    assert first.manifest.version == second.manifest.version
    assert len(workbooks(tmp_path / "b")) == 4


@pytest.mark.slow
def test_a_workbook_is_of_its_assignment_even_under_the_same_id(tmp_path):
    """What is asked counts; points and penalties may be put right after handing out."""
    secret = kept_secret(tmp_path)
    tokens = {}
    for name, parts in {
        "plain": {},
        "fewer": {"blanks": "quantities = ['E', 'new_weights']"},
        "typed": {"blanks": "takes = 'value'\ndecimals = 8"},
        "larger": {"network": "nodes = [2, 3, 1]\nactivations = ['logistic', 'logistic']"},
        "points": {"blanks": "points = 3", "grading": "ecf_penalty = 0.5"},
    }.items():
        done = assign(
            assignment_of(**parts), STUDENTS[:1], tmp_path / name, secret=secret, worksheet=False
        )  # fmt: skip
        (tokens[name],) = done.manifest.handouts
    assert len(set(tokens.values())) == 4
    assert tokens["plain"] == tokens["points"]


def test_the_readme_names_the_worksheet_only_if_there_is_one(tmp_path, monkeypatch):
    kept_secret(tmp_path)
    for made in (b"%PDF", "none: LibreOffice is not installed"):
        place = "cellgrad_coursework.setting.assign.worksheet_pdf"
        monkeypatch.setattr(place, lambda *_, m=made: m)
        folder = tmp_path / type(made).__name__
        assign(assignment_of(), STUDENTS[:1], folder, secret=tmp_path / "ex.secret")
        text = (folder / "README.txt").read_text("utf-8")
        assert ("worksheet.pdf" in text) is isinstance(made, bytes)
        assert "could be made" not in text


def test_the_worksheet_names_course_and_due_and_its_own_colours_alone():
    assignment = replace(read_assignment(EXAMPLE / "assignment.toml"), course="Nets & Co")
    place = StepLayout(assignment.structure)
    case = drawn(assignment, Stream(SECRET))
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
    assign(assignment, STUDENTS[:1], tmp_path / "o", secret=kept_secret(tmp_path), worksheet=False)
    book = openpyxl.load_workbook(workbooks(tmp_path / "o")[0])
    for sheet in (book["Guide"], book["Step"]):
        styles = [cell.style for row in sheet.iter_rows() for cell in row]
        legend = [style.removeprefix("legend ") for style in styles if style.startswith("legend ")]
        assert legend == ["given", "forward", "error", "gradient", "blank"]


@pytest.mark.slow
def test_points_together_are_said_as_they_were_given(tmp_path):
    rules = "[[quantity]]\nname = 'new_weight_ItoH'\npoints_together = 5\n"
    assignment = parse_assignment((text_of() + rules).encode())
    assign(assignment, STUDENTS[:1], tmp_path / "o", secret=kept_secret(tmp_path), worksheet=False)
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
    assign(assignment_of(), STUDENTS[:1], tmp_path / "o", secret=kept_secret(tmp_path),
           worksheet=False)  # fmt: skip
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


@pytest.mark.slow
def test_the_command_says_who_was_read_and_who_was_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(text_of(blanks="quantities = ['E']"), "utf-8")
    Path("canvas.csv").write_text(CANVAS, "utf-8")
    options = Options(Path("a.toml"), Path("canvas.csv"), Path("o"), worksheet=False)
    assert assign_command(options) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "read 2 students from canvas.csv",
        "  line 2 was left out: it says Points Possible",
        "  line 5 was left out: it is the test student",
        "wrote 2 workbooks to o: 1 cell to fill in, 1 point",
    ]
    Path("one.csv").write_text("id\ns1\n", "utf-8")
    options = Options(Path("a.toml"), Path("one.csv"), Path("p"), worksheet=False)
    assert assign_command(options) == 0
    assert capsys.readouterr().out.startswith("read 1 student from one.csv\nwrote 1 workbook to p")


def test_a_blank_id_in_a_moodle_list_is_said(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(PEOPLE.replace("Ny,s2", "Ny,"), "utf-8")
    roster = roster_of(path)
    assert [student.id for student in roster.students] == ["a@x.org", "b"]
    assert roster.notes == ["'ID number' is empty in line 3: 'Email address' is everybody's id"]
    path.write_text(PEOPLE, "utf-8")
    assert roster_of(path).notes == []
    path.write_text(PEOPLE.replace("Ny,s2", "Ny,").replace("Lovelace,s1", "Lovelace,"), "utf-8")
    assert roster_of(path).notes == []  # nobody has one: there is nothing to say


@pytest.mark.parametrize(
    ("word", "means"), [("yes", True), ("X", True), ("EX", True), ("", False), ("No", False)]
)
def test_excused_is_yes_or_no(tmp_path, word, means):
    path = tmp_path / "roster.csv"
    path.write_text(f"id,excused\ns1,{word}\n", "utf-8")
    (student,) = read_roster(path)
    assert excused(student) is means


@pytest.mark.parametrize("word", ["maybe", "sick", "ill until May", "2"])
def test_another_word_for_excused_is_refused(tmp_path, word):
    path = tmp_path / "roster.csv"
    path.write_text(f"id,excused\ns0,\ns1,{word}\n", "utf-8")
    with pytest.raises(InputError) as refused:
        read_roster(path)
    assert refused.value.line().startswith(f"{path}: line 3: excused: {word!r} is neither yes nor")


def test_ids_in_number_cells_keep_the_zeros_that_are_shown(tmp_path):
    book = openpyxl.Workbook()
    for row in (["ID", "Name"], [1001, "Ada"], [1002, "Bo"], ["007", "Cy"]):
        book.active.append(row)
    book.active["A2"].number_format = "0000000"
    book.save(tmp_path / "roster.xlsx")
    assert [s.id for s in read_roster(tmp_path / "roster.xlsx")] == ["0001001", "1002", "007"]


@pytest.mark.parametrize("number", [12.5, 1e15, 12345678901234567])
def test_ids_that_are_no_whole_numbers_of_few_digits_are_refused(tmp_path, number):
    book = openpyxl.Workbook()
    for row in (["ID", "Late"], [1001, 0.25], [number, None]):
        book.active.append(row)
    book.save(tmp_path / "roster.xlsx")
    with pytest.raises(InputError) as refused:
        read_roster(tmp_path / "roster.xlsx")
    assert "Sheet, row 3: the id" in refused.value.line()
    assert "format the column as text" in refused.value.line()
