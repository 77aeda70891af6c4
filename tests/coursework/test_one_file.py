"""One file for all: the id that a student types into it makes numbers of their own.

The arithmetic is held to spreadsheet engines, which know nothing of it: they calculate the
visible formulas of the very file that is handed out.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
import subprocess
from contextlib import closing
from dataclasses import replace

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignments import (
    EXAMPLE,
    NETWORKS,
    SECRET,
    hand_out,
    kept_secret,
    key_of,
    leaks,
    numbers_of,
    of_network,
    parts_of,
    planted,
    text_of,
)
from cellgrad.case.model import case_document, parse_case
from cellgrad.engines.formualizer import store_values
from cellgrad.errors import InputError
from cellgrad.workbook.formulas import StepLayout
from cellgrad.xlsx.addresses import Range, parse_a1
from cellgrad.xlsx.book import read_book
from cellgrad_coursework.derivation import (
    MODULUS,
    SIGNS,
    Constants,
    Rule,
    canonical,
    givens_of,
    hashed,
    numbers,
    start_of,
)
from cellgrad_coursework.grading.key import given_number
from cellgrad_coursework.identity import Claim, Names
from cellgrad_coursework.manifest_file import manifest_bytes, parse_manifest, read_manifest
from cellgrad_coursework.model import OK, OK_ECF, WRONG, Student
from cellgrad_coursework.rehearsal.rehearse import rehearse
from cellgrad_coursework.rehearsal.students import KINDS, Classroom
from cellgrad_coursework.running.command import grade_command
from cellgrad_coursework.running.judge import Codec, Grader, Judge
from cellgrad_coursework.running.runner import Settings, enrolled, grade_all
from cellgrad_coursework.setting.assign import assign, assign_command
from cellgrad_coursework.setting.assignment import parse_assignment, read_assignment
from cellgrad_coursework.setting.discriminate import Discrimination
from cellgrad_coursework.setting.givens import plan_of, why_unfit
from cellgrad_coursework.setting.handouts import one_file
from cellgrad_coursework.setting.numbers import MOST_STUDENTS, check_ids, shared_numbers
from cellgrad_coursework.taking_in.copying import Copying
from cellgrad_coursework.taking_in.intake import Intake
from cellgrad_office import libreoffice
from plain_submission import few_digits

STUDENTS = [
    Student("s1001", "Amara Okafor"),
    Student("0042", "Björn Ny"),
    Student("M-17_b/3", "Chiara"),
    Student("s1004", "Dae-jung"),
]
SMALL = {"blanks": "quantities = ['S_preA_H', 'S_postA_H', 'S_preA_O', 'S_postA_O', 'FE', 'E']"}
TYPED = "\n[[quantity]]\nname = 'E'\ntakes = 'value'\ndecimals = 6\n"


def one_file_of(text):
    return parse_assignment(text.replace("[network]", "one_file = true\n[network]", 1).encode())


@pytest.fixture(scope="module")
def assignment():
    return one_file_of(text_of(**SMALL) + TYPED)


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory, assignment):
    """Return the folder of a small assignment for four students."""
    folder = tmp_path_factory.mktemp("one file")
    hand_out(folder, assignment, STUDENTS)
    return folder / "out"


@pytest.fixture(scope="module")
def manifest(handed_out):
    return read_manifest(handed_out)


@pytest.fixture(scope="module")
def judge(manifest):
    return Judge(manifest, feedback=False)


def the_file(folder):
    (path,) = (folder / "students").iterdir()
    return path


def givens_at(derivation):
    """Return where the derived givens stand on the sheet of numbers."""
    return [Range.parse(*cell.replace("$", "").split("!")) for cell in derivation.givens]


def typed_at(derivation):
    return Range.parse(derivation.sheet, derivation.address)


# an id


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("s1001", "S1001"),
        (" S 1001\u00a0", "S1001"),
        ("0042", "42"),
        ("000", "0"),
        ("a-B_c.d@e+/", "A-B_C.D@E+/"),
    ],
)
def test_an_id_counts_without_blanks_capitals_and_leading_zeros(text, plain):
    assert canonical(text) == plain


@pytest.mark.parametrize(("text", "sign"), [("é1", "é"), ("straße", "ß"), ("a#1", "#"), ("ſ", "ſ")])
def test_a_sign_that_the_formulas_do_not_find_is_refused(text, sign):
    with pytest.raises(ValueError, match=re.escape(sign)):
        canonical(text)


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["s1", "S1"], "'s1' and 'S1' differ only in capitals"),
        (["42", "0042"], "'42' and '0042' differ only in capitals, blanks or leading zeros"),
        (["müller"], "'müller' holds 'ü'"),
        (["9" * 61], "more than 60 signs"),
        ([f"s{n}" for n in range(MOST_STUDENTS + 1)], "at most 2,000 students"),
    ],
)
def test_ids_that_one_file_cannot_tell_apart_are_refused_in_one_line(ids, words):
    with pytest.raises(InputError) as refused:
        check_ids([Student(one) for one in ids])
    assert words in refused.value.line()
    assert refused.value.file == "the roster"
    assert refused.value.remedy


def test_the_command_refuses_what_does_not_go_together(tmp_path):
    (tmp_path / "a.toml").write_text(
        text_of(**SMALL).replace("[network]", "one_file = true\n[network]", 1), "utf-8"
    )
    (tmp_path / "r.csv").write_text("Identifier,id\nParticipant 1,s1\nParticipant 2,é\n", "utf-8")
    options = {"roster": tmp_path / "r.csv", "output": tmp_path / "o", "worksheet": False}
    with pytest.raises(InputError, match=r"a\.toml: one_file: there is one file for all"):
        assign_command(tmp_path / "a.toml", layout_for="moodle", **options)
    with pytest.raises(InputError, match=r"r\.csv: the id 'é' holds 'é'"):
        assign_command(tmp_path / "a.toml", **options)
    assert not (tmp_path / "o").exists()
    assert not list(tmp_path.glob("*.secret"))


# the arithmetic


def test_the_modulus_gives_every_chain_a_long_way():
    """Every factor but 1 has an order of (p − 1) / 2 or more if that is a prime, and p is."""
    for number in (MODULUS, (MODULUS - 1) // 2):
        assert all(number % divisor for divisor in range(2, math.isqrt(number) + 1))
    assert MODULUS * 999_999 + MODULUS < 10**13


def test_a_number_is_worked_out_by_hand():
    constants = Constants(123_456, 654_321, 1_000_003, 16, (0, 0, 5))
    assert hashed(constants, "A1") == 10 * 123_456 + 1
    assert start_of(constants, 1_234_561) == 1_234_561  # bucket 1 of 3
    assert start_of(constants, 1_234_562) == 1_234_567  # bucket 2
    state = (1_234_561 * 654_321 + 1_000_003) % 9_999_047
    size = 11 + state % 88
    negative = (state // 1000) % 4 < 2
    (found,) = givens_of(constants, [Rule("signed", 11, 88, 100, 2)], "A1")
    assert found == (-size if negative else size) / 100


def test_a_sign_says_nothing_of_a_size():
    """As many are negative among the small ones as among the large: chi-squared of 2 × 8."""
    constants = Constants(735_421, 406_082, 4_240_340, 16, (0,))
    rules = [Rule("signed", 11, 88, 100, 2)] * 8_000
    counts = {}
    for number in numbers(constants, rules, 1):
        place = number < 0, (abs(number) - 11) // 11
        counts[place] = counts.get(place, 0) + 1
    assert len(counts) == 16
    assert sum((count - 500) ** 2 / 500 for count in counts.values()) < 37.7  # one in a thousand


@settings(max_examples=25, deadline=None)
@given(
    network=st.sampled_from(NETWORKS),
    style=st.sampled_from(["decimal", "dyadic"]),
    start=st.integers(0, MODULUS - 1),
)
def test_every_start_gives_numbers_inside_the_domain(network, style, start):
    plan = plan_for(network, style)
    case = plan.case(Constants(735_421, 406_082, 4_240_340, 16, (0,)), start)
    parse_case(json.dumps(case_document(case)).encode())  # targets of shares sum to 1, and so on
    assert few_digits(case)
    assert all(number for layer in case.network.weights for row in layer for number in row)


_plans = {}


def plan_for(network, style):
    if (network, style) not in _plans:
        _plans[network, style] = plan_of(of_network(*network, style=style))
    return _plans[network, style]


def test_many_outputs_have_one_target_of_1():
    plan = plan_for(
        ("[2, 7]", "['softmax']", "categorical_cross_entropy", 2, "batch_sum", ""), "dyadic"
    )
    seen = set()
    for start in range(200):
        case = plan.case(Constants(735_421, 406_082, 4_240_340, 16, (0,)), start)
        for sample in case.samples:
            assert sorted(sample.target) == [0.0] * 6 + [1.0]
            seen.add(sample.target)
    assert len(seen) == 7


# the formulas


class Typing:
    """A workbook in an engine, into which ids are typed."""

    def __init__(self, engine, path, manifest):
        self.manifest, self.derivation = manifest, manifest.one_file
        self._engine, self._path = engine, path

    def __enter__(self):
        self._open = self._engine.open(self._path).__enter__()
        return self

    def __exit__(self, *error):
        self._open.__exit__(*error)

    def type(self, text):
        self._open.update([(typed_at(self.derivation), [[text]])])

    def numbers(self):
        return [block[0][0] for block in self._open.read(givens_at(self.derivation))]

    def on_step(self):
        cells = [self.manifest.givens[n] for n in self.derivation.derived]
        areas = [Range.parse(cell.sheet, cell.address) for cell in cells]
        return [block[0][0] for block in self._open.read(areas)]

    def status(self):
        ((row,),) = self._open.read([Range.parse("Step", "A2")])
        return row[0]

    def right(self, text):
        return givens_of(self.derivation.constants, self.derivation.rules, canonical(text))


@pytest.fixture(scope="module")
def typing(engine_or_skip, handed_out, manifest):
    with Typing(engine_or_skip("formualizer"), the_file(handed_out), manifest) as open_book:
        yield open_book


@settings(max_examples=30, deadline=None)
@given(st.text(SIGNS + SIGNS.lower() + " ", min_size=1, max_size=16).filter(str.strip))
def test_the_formulas_of_the_file_give_the_numbers_of_the_arithmetic(typing, text):
    typing.type(text)
    assert typing.numbers() == typing.on_step() == typing.right(text)
    assert typing.status() == f"The numbers of {''.join(text.split())}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No numbers yet"),
        ("  ", "No numbers yet"),
        ("é1", "a sign that ids do not have"),
        ("9" * 17, "at most 16 signs"),
    ],
)
def test_without_an_id_there_are_no_numbers_and_the_sheet_says_why(typing, text, words):
    typing.type(text)
    assert set(typing.numbers()) == set(typing.on_step()) == {""}
    assert words in typing.status()


def test_an_id_typed_as_a_number_gives_the_same_numbers(typing):
    typing.type(42.0)
    as_number = typing.numbers()
    typing.type("0042")
    assert as_number == typing.numbers() == typing.right("0042")


IDS = ["s1001", "S1001", "0042", "0", "/", "zz+@._-/ZZ99aa0", "9" * 16]


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    [
        "ironcalc",
        pytest.param("libreoffice", marks=pytest.mark.libreoffice),
        pytest.param("gnumeric", marks=pytest.mark.gnumeric),
    ],
)
@pytest.mark.parametrize("style", ["decimal", "dyadic"])
def test_every_engine_gives_the_numbers_of_the_arithmetic(tmp_path, engine_or_skip, engine, style):
    """For shares that sum to 1, and for signed numbers."""
    engine = engine_or_skip(engine)
    assignment = replace(of_network(*NETWORKS[4], style=style), one_file=True)
    done = hand_out(tmp_path, assignment, STUDENTS, "o")
    with Typing(engine, the_file(tmp_path / "o"), done.manifest) as book:
        for text in IDS:
            book.type(text)
            assert book.numbers() == book.on_step() == book.right(text), text


@pytest.mark.slow
@pytest.mark.parametrize("style", ["decimal", "dyadic"])
@pytest.mark.parametrize(
    "network",
    [*NETWORKS, ("[2, 7]", "['softmax']", "categorical_cross_entropy", 2, "batch_sum", "")],
)
def test_every_rule_is_written_as_it_is_calculated(tmp_path, engine_or_skip, network, style):
    assignment = replace(of_network(*network, style=style), one_file=True)
    plan = plan_of(assignment)
    constants = Constants(735_421, 406_082, 4_240_340, 16, tuple(range(100)))
    made = one_file(assignment, plan, constants, StepLayout(assignment.structure))
    (tmp_path / "a.xlsx").write_bytes(made.data)
    with engine_or_skip("formualizer").open(tmp_path / "a.xlsx") as book:
        for text in IDS:
            book.update([(typed_at(made.derivation), [[text]])])
            found = [block[0][0] for block in book.read(givens_at(made.derivation))]
            assert found == givens_of(constants, plan.rules, canonical(text))


# what is handed out


def test_there_is_one_file_and_a_key_for_each_student(handed_out, manifest):
    assert the_file(handed_out).name == "ex-1.xlsx"
    keys = {path.name for path in (handed_out / "lecturer" / "keys").iterdir()}
    assert keys == {"s1001.xlsx", "0042.xlsx", "M-17_b-3.xlsx", "s1004.xlsx"}
    text = (handed_out / "README.txt").read_text("utf-8")
    assert "students type their id into it" in text
    assert "hand out no second file" in text
    for handout in manifest.handouts.values():
        assert handout.file == "ex-1.xlsx"
        assert len(key_of(handed_out, handout.student.id)) == len(manifest.cells)


def test_the_numbers_of_the_manifest_are_those_of_the_file(typing, manifest):
    for handout in manifest.handouts.values():
        typing.type(handout.student.id)
        derived = [manifest.givens[n] for n in manifest.one_file.derived]
        assert typing.on_step() == [given_number(handout.case, cell) for cell in derived]


def test_the_same_secret_and_roster_give_the_same_bytes(handed_out, tmp_path, assignment):
    secret = kept_secret(tmp_path)
    assign(assignment, STUDENTS, tmp_path / "out", secret=secret, worksheet=False)
    files = sorted(p.relative_to(handed_out) for p in handed_out.rglob("*") if p.is_file())
    assert len(files) == 8
    for name in files:
        again = (tmp_path / "out" / name).read_bytes()
        assert again == (handed_out / name).read_bytes() or name.name == "README.txt", name
    other = shared_numbers(assignment, SECRET[::-1], STUDENTS).constants
    mine = read_manifest(handed_out).one_file.constants
    assert other.id_multiplier != mine.id_multiplier
    assert (other.multiplier, other.increment) != (mine.multiplier, mine.increment)


def test_no_answer_and_no_id_stands_in_the_file(handed_out, manifest, tmp_path, assignment):
    """Searched as individual handouts are; the other file is made from another secret."""
    data = the_file(handed_out).read_bytes()
    found = shared_numbers(assignment, SECRET[::-1], STUDENTS)
    other = one_file(assignment, found.plan, found.constants, StepLayout(assignment.structure)).data
    assert other != data
    for handout in manifest.handouts.values():
        student_id = handout.student.id
        keys = read_book(handed_out / "lecturer" / "keys" / f"{student_id.replace('/', '-')}.xlsx")
        values = [keys.sheets["Step"].values[parse_a1(cell.address)] for cell in manifest.cells]
        formulas = [row["formula"] for row in key_of(handed_out, student_id)]
        assert leaks(data, other, values, formulas, ()) == []
    path = tmp_path / "a.xlsx"
    path.write_bytes(data)
    texts = {
        str(value) for sheet in read_book(path).sheets.values() for value in sheet.values.values()
    }
    for student in STUDENTS:
        assert not any(student.id.casefold() in text.casefold() for text in texts)
        assert not any(student.name in text for text in texts)


def test_a_roster_of_thirty_gets_numbers_of_their_own_that_tell_mistakes_apart():
    """Among the ids are some whose unshifted numbers would not do, or this would prove nothing."""
    network = "nodes = [2, 1]\nactivations = ['logistic']"
    assignment = one_file_of(text_of(network, numbers="style = 'dyadic'"))
    students = [Student(f"s{n:03}") for n in range(30)]
    found = shared_numbers(assignment, SECRET, students)
    judge = Discrimination(assignment)
    cases = [found.case(student.id) for student in students]
    assert not any(map(why_unfit, cases))
    assert not any(map(judge.unseen, cases))
    assert len({tuple(numbers_of(case)) for case in cases}) == 30
    assert len(found.constants.shifts) >= 64
    bare = replace(found, constants=replace(found.constants, shifts=(0,) * 100))
    before = [bare.case(student.id) for student in students]
    assert any(map(why_unfit, before))
    assert any(not why_unfit(case) and judge.unseen(case) for case in before)


def test_equal_numbers_are_nobodys_even_where_there_are_few():
    """One weight, the samples shared: 176 numbers for 40 students."""
    text = text_of(
        network="nodes = [1, 1]\nactivations = ['logistic']",
        training="loss = 'half_squared_error'\nlearning_rate = 0.4\n"
        "samples = [{input = [0.5], target = [0.8]}]",
    )
    students = [Student(str(n)) for n in range(40)]
    found = shared_numbers(one_file_of(text), SECRET, students)
    assert len({found.case(one.id).network.weights for one in students}) == 40


def test_where_no_numbers_will_do_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("cellgrad_coursework.setting.maker.shared_numbers", lambda *_: None)
    with pytest.raises(InputError, match="one_file: no numbers were found") as refused:
        assign(one_file_of(text_of()), STUDENTS[:1], tmp_path / "o", worksheet=False)
    assert "one_file = false" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_the_id_and_the_blanks_are_unlocked_and_nothing_else(handed_out, manifest):
    book = openpyxl.load_workbook(the_file(handed_out))
    assert book.sheetnames == ["Guide", "Step", "Numbers", "Scratch"]
    told = manifest.one_file
    wanted = {(told.sheet, told.address)} | {(cell.sheet, cell.address) for cell in manifest.cells}
    found = set()
    for name in ("Guide", "Step", "Numbers"):
        assert book[name].protection.sheet
        assert book[name].sheet_state == "visible"
        found |= {
            (name, cell.coordinate) for row in book[name].iter_rows() for cell in row
            if not cell.protection.locked
        }  # fmt: skip
    assert found == wanted
    assert set(manifest.box) == {"Guide", "Step", "Scratch", "Numbers"}
    assert manifest.box["Numbers"] >= (book["Numbers"].max_row, book["Numbers"].max_column)
    where = book[told.sheet][told.address]
    assert (where.value, where.number_format) == (None, "@")
    assert book.defined_names["cellgrad_student_id"].attr_text.replace("$", "") == (
        f"{told.sheet}!{told.address}"
    )


def test_errors_are_hidden_only_while_there_are_no_numbers(handed_out, manifest):
    """What is computed from the givens: a rule on every cell, that looks at a given too."""
    sheet = openpyxl.load_workbook(the_file(handed_out))["Step"]
    hidden = {}
    for area in sheet.conditional_formatting:
        for rule in area.rules:
            match = re.fullmatch(r'AND\((\$[A-Z]+\$\d+)="",ISERROR\([A-Z]+\d+\)\)', rule.formula[0])
            if match:
                colours = rule.dxf.font.color.rgb, rule.dxf.fill.bgColor.rgb
                assert colours[0] == colours[1]
                for cells in area.sqref.ranges:
                    for row, column in cells.cells:
                        hidden[row, column] = match[1].replace("$", "")
    computed = {parse_a1(cell.address) for cell in (*manifest.cells, *manifest.fixed)}
    assert set(hidden) == computed
    derived = {manifest.givens[n].address for n in manifest.one_file.derived}
    assert set(hidden.values()) <= derived


def test_the_manifest_reads_back_and_a_changed_one_is_refused(handed_out, manifest):
    data = (handed_out / "lecturer" / "manifest.json").read_bytes()
    assert manifest_bytes(manifest) == data
    assert parse_manifest(data) == manifest
    for change in (
        lambda told: told["constants"]["shifts"].__setitem__(3, 17),
        lambda told: told["constants"].update(rows=17),
        lambda told: told["cells"].pop(),
        lambda told: told["givens"].pop(),
        lambda told: told.update(derived=[999] * len(told["derived"])),
        lambda told: told.pop("anchor"),
        lambda told: told["rules"][0].update(base=0),
    ):
        document = json.loads(data)
        change(document["one_file"])
        with pytest.raises(InputError):
            parse_manifest(json.dumps(document).encode())


def test_an_individual_manifest_knows_nothing_of_it(manifest):
    individual = replace(manifest, one_file=None)
    assert b"one_file" not in manifest_bytes(individual)
    with pytest.raises(InputError, match="was changed"):  # its hash is that of the one file
        parse_manifest(manifest_bytes(individual))


# grading


def handed_in(folder, manifest, student_id=None, *, change=None, wrong=None, value_of=None):
    """Return the file as a student hands it in: every formula right.

    Args:
        folder: of the handouts.
        manifest: the assignment.
        student_id: what is typed; None for nothing.
        change: called with the workbook in the end.
        wrong: the quantity of a cell that gets 1 too much.
        value_of: whose right number is typed where one is asked for; by default the typed id's.
    """
    book = openpyxl.load_workbook(the_file(folder))
    told = manifest.one_file
    if student_id is not None:
        book[told.sheet][told.address].value = student_id
    whose = value_of or str(student_id)
    for cell in manifest.cells:
        more = "+1" if cell.quantity == wrong else ""
        content = f"={cell.formula}{more}"
        if cell.takes == "value":
            content = right_number(folder, whose, cell)
        book[cell.sheet][cell.address].value = content
    if change:
        change(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def right_number(folder, student_id, cell):
    """Return the number of the key table; 0 for a student who is not in it."""
    rows = [row for row in key_of(folder, student_id) if row["cell"] == f"Step!{cell.address}"]
    return float(rows[0]["value"]) if rows else 0.0


def graded(judge, manifest, data, name="work.xlsx"):
    """Return the grade of a file, as the process that grades gives it."""
    students = [one.student for one in manifest.handouts.values()]
    judged = judge.judge(name, str(Names(students).claim(name)), data)
    return Codec(manifest).decode(judged.grade)


def copied(grade):
    copying = Copying()
    copying.add(grade.file, grade.student.id, grade.evidence)
    return copying.lines_by_file().get(grade.file, [])


@pytest.mark.parametrize("typed", ["0042", "42", " 00 42 ", 42])
def test_a_submission_is_known_by_the_id_typed_in_it(handed_out, manifest, judge, typed):
    data = handed_in(handed_out, manifest, typed, value_of="0042")
    grade = graded(judge, manifest, data)
    assert grade.student.id == "0042"
    assert {verdict.verdict for verdict in grade.verdicts} == {OK}
    assert (grade.notes, grade.review, grade.copying, copied(grade)) == ([], [], [], [])


@pytest.mark.slow
def test_a_mistake_costs_its_cell_and_what_follows_is_right(handed_out, manifest, judge):
    data = handed_in(handed_out, manifest, "m-17_B/3", wrong="final_error", value_of="M-17_b/3")
    grade = graded(judge, manifest, data)
    assert grade.student.id == "M-17_b/3"
    said = {verdict.cell.quantity: verdict.verdict for verdict in grade.verdicts}
    assert said.pop("final_error") == WRONG
    assert set(said.values()) <= {OK, OK_ECF}
    assert grade.score == manifest.points - 1


def test_a_typed_value_is_that_of_the_typed_id(handed_out, manifest, judge):
    other = graded(judge, manifest, handed_in(handed_out, manifest, "s1001", value_of="s1004"))
    assert [v.cell.quantity for v in other.verdicts if v.verdict == WRONG] == ["error"]


def test_without_an_id_the_name_of_the_file_tells_and_a_note_says_so(handed_out, manifest, judge):
    data = handed_in(handed_out, manifest, value_of="s1004")
    grade = graded(judge, manifest, data, "s1004.xlsx")
    assert grade.student.id == "s1004"
    assert grade.score == manifest.points
    assert grade.notes == ["no student id is typed in it; it was matched by its name"]
    assert not grade.review
    lost = graded(judge, manifest, data)
    assert lost.student is None
    assert lost.problem == "it cannot be told whose it is: no student id is typed in it"


@pytest.mark.parametrize("typed", ["s1003", "é", 7.5])
def test_an_id_that_is_nobodys_is_said_in_a_note(handed_out, manifest, judge, typed):
    """The values that the file stores are those of the typed id: that is no forgery."""
    data = store_values(handed_in(handed_out, manifest, typed))
    grade = graded(judge, manifest, data, "s1004.xlsx")
    assert grade.student.id == "s1004"
    (note,) = grade.notes
    assert "is nobody's; it was matched by its name" in note
    assert str(typed) in note
    assert len(grade.review) == 1  # its typed value was worked out from other numbers
    assert copied(grade) == []


def test_an_id_that_is_calculated_is_no_id(handed_out, manifest, judge):
    data = handed_in(handed_out, manifest, '="s"&1001')
    grade = graded(judge, manifest, data, "s1004.xlsx")
    assert grade.student.id == "s1004"
    assert grade.notes[0].startswith("the cell for the student id holds a formula")
    assert graded(judge, manifest, data).student is None


def test_the_grader_alone_knows_whose_numbers_a_file_shows(handed_out, manifest):
    """Without a word on the file's name, as a program of one's own may call it."""
    grader = Grader(manifest)
    data = handed_in(handed_out, manifest, "s1001")
    assert grader.grade(data, "a.xlsx").student.id == "s1001"
    grade = grader.grade(data, "a.xlsx", Claim("s1004", certain=True))
    assert grade.student.id == "s1004"
    assert grade.evidence["workbook_of"] == "s1001"


def test_anothers_id_is_shown_as_potential_copying(handed_out, manifest, judge):
    data = handed_in(handed_out, manifest, "s1001")
    grade = graded(judge, manifest, data, "s1004.xlsx")
    assert grade.student.id == "s1004"
    assert copied(grade) == ["the workbook is that of s1001: it has their student id typed in it"]


def overwrite(sheet, address, content):
    def change(book):
        book[sheet][address].value = content

    return change


@pytest.mark.parametrize("what", ["number", "formula", "nothing", "a constant", "a step", "signs"])
def test_changed_givens_are_noticed_and_put_back(handed_out, manifest, judge, what):
    told = manifest.one_file
    given = manifest.givens[told.derived[-1]]
    content = dict(told.cells)
    constant = next(a for a, text in told.cells if text == str(told.constants.multiplier))
    formula = next(a for a, text in told.cells if text.startswith("=MID("))
    signs = next(a for a, text in told.cells if text.startswith("'"))
    sheet, address, new = {
        "number": (given.sheet, given.address, 1.0),
        "formula": (given.sheet, given.address, f"={told.givens[0]}"),
        "nothing": (given.sheet, given.address, None),
        "a constant": (told.numbers, constant, told.constants.multiplier + 1),
        "a step": (told.numbers, formula, content[formula].replace("MID", "LEFT")),
        "signs": (told.numbers, signs, content[signs][1:][::-1]),
    }[what]
    data = handed_in(handed_out, manifest, "s1001", change=overwrite(sheet, address, new))
    grade = graded(judge, manifest, data)
    (note,) = grade.notes
    shown = address if sheet == "Step" else f"Numbers!{address}"
    assert note == f"givens were changed in {shown}; graded with the handout's own"
    assert grade.score == manifest.points
    assert copied(grade) == grade.copying == []


def test_anothers_numbers_in_place_of_the_formulas_are_potential_copying(
    handed_out, manifest, judge
):
    other = next(one for one in manifest.handouts.values() if one.student.id == "s1004")

    def change(book):
        for n in manifest.one_file.derived:
            cell = manifest.givens[n]
            book[cell.sheet][cell.address].value = given_number(other.case, cell)

    data = handed_in(handed_out, manifest, "s1001", change=change)
    grade = graded(judge, manifest, data)
    assert grade.student.id == "s1001"
    assert grade.copying == ["the givens in the file are those of s1004"]
    unnamed = graded(judge, manifest, handed_in(handed_out, manifest, change=change))
    assert unnamed.student.id == "s1004"
    assert unnamed.notes[0] == "no student id is typed in it; it was known by its numbers"


def test_ones_own_numbers_in_place_of_the_formulas_are_no_offence(handed_out, manifest, judge):
    mine = next(one for one in manifest.handouts.values() if one.student.id == "s1001")

    def change(book):
        for n in manifest.one_file.derived:
            cell = manifest.givens[n]
            book[cell.sheet][cell.address].value = given_number(mine.case, cell)

    grade = graded(judge, manifest, handed_in(handed_out, manifest, "s1001", change=change))
    assert (grade.notes, grade.copying, grade.score) == ([], [], manifest.points)


def test_stored_values_of_givens_are_not_trusted(handed_out, manifest, judge):
    """Neither one beside an untouched formula nor the right one beside another formula."""
    data = handed_in(handed_out, manifest, "s1001")
    mine = next(one for one in manifest.handouts.values() if one.student.id == "s1001")
    given = manifest.givens[manifest.one_file.derived[0]]
    right, part = given_number(mine.case, given), "xl/worksheets/sheet2.xml"
    for formula, value, noticed in ((r"\2", 9.5, False), ("1+1", right, True)):
        pattern = rf'(<c r="{given.address}"[^>]*>)<f>(.*?)</f><v\s*/?>(</v>)?'
        inside = rf"\1<f>{formula}</f><v>{value!r}</v>"
        forged = planted(data, part, lambda text, p=pattern, i=inside: re.sub(p, i, text))
        assert f"<v>{value!r}</v>" in parts_of(forged)[part]
        grade = graded(judge, manifest, forged)
        assert [given.address in note for note in grade.notes] == [True] * noticed
        assert grade.score == manifest.points


def test_a_renamed_sheet_is_no_tampering(handed_out, manifest, judge):
    def change(book):
        for old, new in (("Guide", "Start"), ("Numbers", "My numbers")):
            book[old].title = new
            for name in book.sheetnames:
                for row in book[name].iter_rows():
                    for cell in row:
                        if isinstance(cell.value, str) and cell.value.startswith("="):
                            cell.value = cell.value.replace(f"{old}!", f"'{new}'!")
            for name, defined in book.defined_names.items():
                defined.attr_text = defined.attr_text.replace(f"{old}!", f"'{new}'!")
                assert name

    grade = graded(judge, manifest, handed_in(handed_out, manifest, "s1001", change=change))
    assert grade.student.id == "s1001"
    assert (grade.notes, grade.score) == ([], manifest.points)


def test_who_came_late_is_graded_by_the_same_constants(handed_out, manifest, typing):
    newcomer = Student("s2000", "Elif")
    newer = enrolled(manifest, [*STUDENTS, newcomer, Student("é"), Student("S1001 ")])
    added = [one for one in newer.handouts.values() if one.student not in STUDENTS]
    assert [one.student for one in added] == [newcomer]
    assert enrolled(manifest, STUDENTS) == manifest
    typing.type("s2000")
    derived = [manifest.givens[n] for n in manifest.one_file.derived]
    assert typing.on_step() == [given_number(added[0].case, cell) for cell in derived]
    grade = graded(
        Judge(newer, feedback=False), newer, handed_in(handed_out, manifest, "S2000")
    )  # fmt: skip
    assert grade.student.id == "s2000"
    assert [v.cell.quantity for v in grade.verdicts if v.verdict != OK] == ["error"]  # typed: 0
    assert grade.notes == [
        "came late to the course: whether these numbers tell every mistake apart was not looked at"
    ]


@pytest.mark.slow
def test_the_command_grades_a_newer_roster_and_writes_feedback(tmp_path, handed_out, manifest):
    (tmp_path / "in").mkdir()
    for student_id in ("s1001", "s2000"):
        data = handed_in(handed_out, manifest, student_id)
        (tmp_path / "in" / f"work of {student_id}.xlsx").write_bytes(data)
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name\ns1001,Amara\n0042,Björn\ns2000,Elif\n", "utf-8")
    grade_command(tmp_path / "in", handed_out, tmp_path / "out", roster=roster, jobs=1)
    text = (tmp_path / "out" / "gradebook.csv").read_text("utf-8-sig")
    rows = {row["student"]: row for row in csv.DictReader(io.StringIO(text))}
    assert float(rows["s1001"]["score"]) == manifest.points
    assert float(rows["s2000"]["score"]) == manifest.points - 1
    assert rows["0042"]["status"] == "missing"
    assert len(list((tmp_path / "out" / "feedback").glob("*.xlsx"))) == 2
    assert "came late" in (tmp_path / "out" / "review.csv").read_text("utf-8-sig")


@pytest.mark.slow
@pytest.mark.libreoffice
def test_a_file_saved_by_libreoffice_is_graded_as_it_is(tmp_path, handed_out, manifest, judge):
    """LibreOffice calculates the givens, and writes every formula in its own way."""
    if (missing := libreoffice.LibreOfficeEngine.missing()) is not None:
        pytest.skip(missing)
    (tmp_path / "in").mkdir()
    for student_id in ("s1001", "0042"):
        data = handed_in(handed_out, manifest, student_id)
        (tmp_path / "in" / f"{student_id}.xlsx").write_bytes(data)
    subprocess.run(
        [shutil.which("soffice"), f"-env:UserInstallation=file://{tmp_path}/profile", "--headless",
         "--convert-to", "xlsx", "--outdir", str(tmp_path / "out"),
         *map(str, sorted((tmp_path / "in").iterdir()))],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    for student_id in ("s1001", "0042"):
        path = tmp_path / "out" / f"{student_id}.xlsx"
        grade = graded(judge, manifest, path.read_bytes())
        assert grade.student.id == student_id
        assert (grade.notes, grade.review, grade.score) == ([], [], manifest.points)
        mine = next(one for one in manifest.handouts.values() if one.student.id == student_id)
        stored = read_book(path).sheets["Step"].values
        for n in manifest.one_file.derived:
            cell = manifest.givens[n]
            assert stored[parse_a1(cell.address)] == given_number(mine.case, cell)


def test_a_simulated_student_types_their_id_as_a_text(handed_out, manifest):
    told = manifest.one_file
    for student in Classroom(manifest, handed_out).students(4):
        cell = openpyxl.load_workbook(io.BytesIO(student.workbook()))[told.sheet][told.address]
        assert (cell.data_type, cell.value) == ("s", student.handout.student.id)


@pytest.mark.slow
def test_a_rehearsal_of_the_example_is_as_intended(tmp_path):
    assignment = replace(read_assignment(EXAMPLE / "assignment.toml"), one_file=True)
    students = [Student(f"s{n:04}", f"N{n}") for n in range(12)]
    done = hand_out(tmp_path, assignment, students, "o")
    result = rehearse(done.manifest, tmp_path / "o", 60, settings=Settings(feedback=False, jobs=1))
    assert result.surprises == []
    assert result.as_intended
    assert set(result.kinds) | set(result.left_out) == set(KINDS)
    assert result.left_out == ["accepted convention"]  # none is accepted


@pytest.mark.slow
def test_one_of_a_kind_is_graded_in_a_process_of_its_own(tmp_path, handed_out, manifest):
    """A kit's way: one folder, no roster."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "work.xlsx").write_bytes(handed_in(handed_out, manifest, "S1004",
                                                          value_of="s1004"))  # fmt: skip
    with closing(Intake(tmp_path / "in")) as intake:
        (grade,) = grade_all(manifest, intake, tmp_path / "out", (), Settings(jobs=1))
    assert (grade.student.id, grade.score) == ("s1004", manifest.points)
