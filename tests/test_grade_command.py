"""Taking in what was handed in, and grading it at scale: nobody's file costs anybody else."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad.errors import InputError
from cellgrad.xlsx.package import Package
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.commands.grade import grade_command
from cellgrad_coursework.commands.rehearse import rehearse_command
from cellgrad_coursework.grading.key import given_number
from cellgrad_coursework.identity import OTHER_ASSIGNMENT, Names, hint_of, natural, tokens_in
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.model import (
    EMBEDDED_CONSTANT,
    OK,
    WRONG,
    CellVerdict,
    Grade,
    Student,
)
from cellgrad_coursework.rehearsal.rehearse import rehearse
from cellgrad_coursework.rehearsal.students import KINDS, Classroom, addresses_in, written_otherwise
from cellgrad_coursework.results.record import places_of, record_of
from cellgrad_coursework.results.write import file_name
from cellgrad_coursework.roster import read_roster
from cellgrad_coursework.running import pool
from cellgrad_coursework.running.child import BROKE, TOO_LONG, TOO_MUCH
from cellgrad_coursework.running.judge import Codec, Judge, Limits, head_of
from cellgrad_coursework.running.results_folder import check_results, claim_results
from cellgrad_coursework.running.returned import Returned, ReturnNames
from cellgrad_coursework.running.runner import Settings, grade_all
from cellgrad_coursework.running.store import Store
from cellgrad_coursework.setting.assign import assign
from cellgrad_coursework.setting.assignment import read_assignment
from cellgrad_coursework.setting.folder import write_example
from cellgrad_coursework.taking_in.copying import Copying
from cellgrad_coursework.taking_in.intake import Intake
from hostile import ROOT, environment
from hostile_submissions import SHAPES

FAKE = "fake_grader:Grader"
QUICK = Limits(memory=256 << 20, cpu=1, seconds=3)
PATIENT = Limits(memory=256 << 20, cpu=1, seconds=600)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return the folder of an assignment for three students, with its manifest."""
    folder = tmp_path_factory.mktemp("course")
    write_example(folder / "course")
    students = read_roster(folder / "course" / "roster.csv")[:3]
    assign(
        read_assignment(folder / "course" / "assignment.toml"), students, folder / "handouts",
        worksheet=False,
    )  # fmt: skip
    return folder / "handouts"


@pytest.fixture(scope="module")
def manifest(course):
    return read_manifest(course)


@pytest.fixture(scope="module")
def handouts(course, manifest):
    """Return the bytes of each student's handout, by id."""
    room = Classroom(manifest, course)
    return {one.student.id: room.handed_out(one) for one in manifest.handouts.values()}


def variant(data, number):
    """Return a handout with a number on its scratch sheet: another file, the same work."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "xl/worksheets/sheet3.xml":
                row = f'<row r="9"><c r="A9"><v>{number}</v></c></row></sheetData>'
                part = part.replace(b"</sheetData>", row.encode())
            new.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED, 1)
    return buffer.getvalue()


def filled(folder, files):
    """Write files, by name, into a new folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def graded(manifest, submissions, output, students=(), **options):
    """Return the grades of a folder, by file."""
    with closing(Intake(submissions, leave_out=output)) as intake:
        grades = list(grade_all(manifest, intake, output, students, Settings(**options)))
    assert [grade.file for grade in grades] == sorted(grade.file for grade in grades)
    return {grade.file: grade for grade in grades}


def contents(folder):
    """Return everything that is written for people, by name; the store keeps its own order."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cellgrad" not in path.parts
    }


# names that platforms give


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Okafor Amara_1234567_assignsubmission_file_/step.xlsx",
         ("moodle", "Okafor Amara", "1234567", 0, False, "step.xlsx")),
        ("Okafor Amara_1234567_assignsubmission_file_step_2.xlsx",
         ("moodle", "Okafor Amara", "1234567", 0, False, "step_2.xlsx")),
        ("O'Rourke, Finn_9_assignsubmission_file/deep/er/a.xlsx",
         ("moodle", "O'Rourke, Finn", "9", 0, False, "a.xlsx")),
        ("okaforamara_4711_90210_step.xlsx",
         ("canvas", "okaforamara", "4711", 90210, False, "step.xlsx")),
        ("okaforamara_LATE_4711_90210_my_step-1.xlsx",
         ("canvas", "okaforamara", "4711", 90210, True, "my_step-1.xlsx")),
        ("s1001.xlsx", ("", "", "", 0, False, "s1001.xlsx")),
        ("group_a/s1001.xlsx", ("", "", "", 0, False, "s1001.xlsx")),
    ],
)  # fmt: skip
def test_the_names_of_moodle_and_canvas_are_read(name, expected):
    hint = hint_of(name)
    assert (hint.platform, hint.name, hint.user, hint.order, hint.late, hint.file) == expected


ROSTER = [
    Student("s1001", "Amara Okafor", other=(("Identifier", "Participant 77"),)),
    Student("s1002", "José García Márquez", other=(("ID", "4711"),)),
    Student("s1003", "Elif Yıldırım"),
    Student("s1004", "Sam Lee"),
    Student("s1005", "Lee Sam"),
]


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("s1001.xlsx", "s1001"),
        ("S1001 (2).xlsx", "s1001"),
        ("s1001_final.xlsx", "s1001"),
        ("section A/s1003/work.xlsx", "s1003"),
        ("Nobody Known_77_assignsubmission_file_/work.xlsx", "s1001"),
        ("Okafor Amara_1_assignsubmission_file_/work.xlsx", "s1001"),
        ("someoneelse_4711_2_work.xlsx", "s1002"),
        ("garciamarquezjose_1_2_work.xlsx", "s1002"),
        ("yıldırımelif_LATE_1_2_work.xlsx", "s1003"),
        ("homework of s1003 at last.xlsx", "s1003"),
        ("garciamarquezjose_1_2_s1001.xlsx", "s1002"),  # the student called it after another
        ("someoneelse_4711_2_s1001.xlsx", "s1002"),
        ("Amara Okafor_1_assignsubmission_file_/s1003.xlsx", "s1001"),
        ("Amara Okafor_1_assignsubmission_file_/s1003/work.xlsx", "s1001"),
        ("Amara Okafor_1_assignsubmission_file_s1003.xlsx", "s1001"),
        (
            "Amara Okafor_1_assignsubmission_file_/Elif Yıldırım_2_assignsubmission_file_/a.xlsx",
            "s1001",
        ),
        (
            "Amara Okafor_1_assignsubmission_file_/Elif Yıldırım_2_assignsubmission_file_a.xlsx",
            "s1001",
        ),
        ("stranger_1_2_s1003.xlsx", "s1003"),
        ("leesam_1_2_work.xlsx", None),  # two who may be meant are nobody
        ("s1001 and s1003.xlsx", None),
        ("s10011.xlsx", None),
        ("work.xlsx", None),
        ("", None),
    ],
)
def test_a_file_is_matched_by_its_name(name, student):
    assert (Names(ROSTER).claim(name).student or None) == student


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("s1001.xlsx", "=s1001"),
        ("homework of s1001.xlsx", "?s1001"),
        ("garciamarquezjose_1_2_s1001.xlsx", "=s1002"),
        ("stranger_4711_2_s1001.xlsx", "=s1002"),
        # nobody is known by this name: what the file is called is a guess
        ("stranger_1_2_s1001.xlsx", "?s1001"),
        ("stranger_1_2_work of s1001.xlsx", "?s1001"),
        ("A Stranger_1_assignsubmission_file_/s1001.xlsx", "?s1001"),
        ("A Stranger_1_assignsubmission_file_/s1001/work.xlsx", "?s1001"),
        ("stranger_1_2_work.xlsx", ""),
    ],
)
def test_what_a_student_named_is_at_most_a_guess_where_the_platform_is_known(name, word):
    assert str(Names(ROSTER).claim(name)) == word


def test_a_platforms_numbers_are_not_taken_for_ids():
    assert not Names([Student("4711", "Amara Okafor")]).claim("stranger_4711_2_work.xlsx").student


def test_numbers_in_names_are_ordered_as_numbers():
    names = ["step-10.xlsx", "step.xlsx", "step-2.xlsx"]
    assert sorted(names, key=natural) == ["step.xlsx", "step-2.xlsx", "step-10.xlsx"]


@given(st.text(max_size=40))
def test_no_name_is_a_reason_to_fail(name):
    hint_of(name)
    natural(name)
    Names(ROSTER).claim(name)


# folders and archives

LITTER = {
    ".DS_Store": b"", "a/.DS_Store": b"", "~$s1001.xlsx": b"", ".~lock.s1001.xlsx#": b"",
    "__MACOSX/._s1001.xlsx": b"", "Thumbs.db": b"", "desktop.ini": b"",
    "X Y_1_assignsubmission_onlinetext_/onlinetext.html": b"",
}  # fmt: skip
WORK = {"s1001.xlsx": b"x", "a/notes.txt": b"y", "a/essay.pdf": b"z", "old.XLS": b"o"}


def packed(files):
    """Return a zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_litter_is_ignored_and_other_types_are_rows(tmp_path, kind):
    place = tmp_path / "in"
    if kind == "folder":
        filled(place, {**LITTER, **WORK})
    else:
        place = tmp_path / "in.zip"
        place.write_bytes(packed({**LITTER, **WORK}))
    with closing(Intake(place)) as intake:
        assert [one.name for one in intake.submissions] == sorted(WORK)
        problems = {one.name: one.problem for one in intake.submissions}
        assert intake.read(intake.submissions[-1]) == b"x"
        with pytest.raises(InputError, match=r"a \.txt file"):
            intake.read(intake.submissions[1])
    assert problems["s1001.xlsx"] == ""
    assert ".pdf" in problems["a/essay.pdf"]


def test_a_name_that_leads_out_of_the_archive_stays_within_and_is_not_read(tmp_path):
    names = ["../evil.xlsx", "/etc/evil.xlsx", "a/../../evil2.xlsx", "C:/evil3.xlsx"]
    (tmp_path / "in.zip").write_bytes(packed(dict.fromkeys(names, b"x")))
    with closing(Intake(tmp_path / "in.zip")) as intake:
        assert len(intake.submissions) == 4
        for one in intake.submissions:
            assert "leads out" in one.problem
            assert ".." not in Path(one.name).parts
            assert not one.name.startswith("/")


def test_a_link_in_a_folder_is_not_followed(tmp_path):
    filled(tmp_path / "in", {"a.xlsx": b"x"})
    (tmp_path / "in" / "b.xlsx").symlink_to("/etc/passwd")
    with closing(Intake(tmp_path / "in")) as intake:
        assert [one.problem[:6] for one in intake.submissions] == ["", "a link"]


def test_the_output_within_the_submissions_is_none_of_them(tmp_path):
    filled(tmp_path, {"a.xlsx": b"x", "out/feedback/a.xlsx": b"y"})
    with closing(Intake(tmp_path, leave_out=tmp_path / "out")) as intake:
        assert [one.name for one in intake.submissions] == ["a.xlsx"]


@pytest.mark.parametrize(("name", "word"), [("none", "no such"), ("a.txt", "neither")])
def test_what_is_neither_a_folder_nor_a_zip_is_refused(tmp_path, name, word):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError, match=word):
        Intake(tmp_path / name)


def damaged(data):
    """Return a zip whose directory is cut off: as a download that was interrupted."""
    return data[: len(data) - 40]


NESTED = {
    "one.zip": packed({"a.xlsx": b"1", "b/c.xlsx": b"2", "notes.txt": b"", **LITTER}),
    "two.ZIP": packed({"in.zip": packed({"a.xlsx": b""}), "../evil.xlsx": b""}),
    "cut.zip": damaged(packed({"a.xlsx": b"x" * 90})),
    "empty.zip": packed({"__MACOSX/._a.xlsx": b""}),
    "book.zip": packed({"[Content_Types].xml": b"", "xl/workbook.xml": b""}),
    "d.rar": b"Rar!",
    "z.xlsx": b"3",
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_zip_among_the_files_is_read_one_level_deep(tmp_path, kind):
    place = tmp_path / "in.zip"
    if kind == "zip":
        place.write_bytes(packed(NESTED))
    else:
        place = filled(tmp_path / "in", NESTED)
    with closing(Intake(place)) as intake:
        found = {one.name: one for one in intake.submissions}
        assert list(found) == sorted(found)
        said = {name: one.problem for name, one in found.items() if one.problem}
        read = {name: intake.read(one) for name, one in found.items() if not one.problem}
        again = {name: intake.read(found[name]) for name in reversed(read)}
    assert read == again == {"one.zip/a.xlsx": b"1", "one.zip/b/c.xlsx": b"2", "z.xlsx": b"3"}
    assert said.pop("one.zip/notes.txt").startswith("a .txt file")
    assert said.pop("two.ZIP/evil.xlsx").startswith("its name leads out")
    assert said == {
        "two.ZIP/in.zip": "a zip within a zip; unpack it",
        "cut.zip": "a damaged zip; download it again",
        "empty.zip": "a zip with nothing in it",
        "book.zip": "a workbook that is called .zip; call it .xlsx",
        "d.rar": "a .rar archive; unpack it",
    }


def test_zips_within_a_zip_have_limits(tmp_path, monkeypatch):
    inner = packed({"a.xlsx": b"", "b.xlsx": b"", "c.xlsx": b""})
    (tmp_path / "in.zip").write_bytes(packed({f"{n}.zip": inner for n in range(3)}))
    size = len(inner)
    for name, limit, left in (("MAX_ZIP", size - 1, 0), ("MAX_ZIPS", 2 * size, 2),
                              ("MAX_ZIP", size, 3)):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(f"cellgrad_coursework.taking_in.intake.{name}", limit)
            with closing(Intake(tmp_path / "in.zip")) as intake:
                refused = [one for one in intake.submissions if "too large" in one.problem]
        assert len(refused) == 3 - left
    monkeypatch.setattr("cellgrad_coursework.taking_in.intake.MAX_FILES", 8)
    with pytest.raises(InputError, match="more than 8 files"):
        Intake(tmp_path / "in.zip")


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("download.zip/someoneelse_4711_2_work.xlsx", "s1002"),
        ("someoneelse_4711_2_work.zip/s1001.xlsx", "s1002"),
        ("someoneelse_4711_2_work.zip/stranger_1_3_s1001.xlsx", "s1002"),
        ("Amara Okafor_1_assignsubmission_file_/x.zip/X Y_2_assignsubmission_file_/z.xlsx",
         "s1001"),
        ("s1003.zip/work.xlsx", "s1003"),
    ],
)  # fmt: skip
def test_what_lies_in_a_zip_belongs_to_who_handed_it_in(name, student):
    assert str(Names(ROSTER).claim(name)) == f"={student}"


def test_a_damaged_zip_is_to_be_downloaded_again(tmp_path):
    (tmp_path / "in.zip").write_bytes(damaged(packed(WORK)))
    with pytest.raises(InputError, match=r"in\.zip: a damaged zip; download it again"):
        Intake(tmp_path / "in.zip")


def test_one_workbook_may_be_handed_over_alone(tmp_path, handouts):
    (tmp_path / "s1001.xlsx").write_bytes(handouts["s1001"])
    with closing(Intake(tmp_path / "s1001.xlsx")) as intake:
        (one,) = intake.submissions
        assert (one.name, intake.read(one)) == ("s1001.xlsx", handouts["s1001"])


# tokens


def test_a_handout_is_known_by_its_token(manifest, handouts):
    for student, data in handouts.items():
        (token,) = {token for _, token in tokens_in(Package(data, "x"))}
        assert manifest.handouts[token].student.id == student


# results on disk


def a_grade(manifest, file="a.xlsx", student=None, **more):
    """Return a grade with a verdict on every cell."""
    verdicts = [
        CellVerdict(cell, WRONG if n % 3 else OK, 0.5, f"={n}", n / 3, float(n), bug="x" * (n % 2))
        for n, cell in enumerate(manifest.cells)
    ]
    return Grade(file, "00" * 32, student, "", verdicts, 1.0, 2.0, **more)


def test_a_grade_survives_its_journey_to_the_disk(manifest):
    student = next(iter(manifest.handouts.values())).student
    codec = Codec(manifest)
    grade = a_grade(manifest, student=student, review=["é\t\n"], evidence={"typed": {"A1": 0.1}})
    data = codec.encode(grade)
    assert b"\n" not in data
    assert codec.decode(data) == grade
    assert head_of(data)["student"] == student.id


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_result_that_was_cut_off_is_dropped_and_the_others_stay(tmp_path, manifest, cut):
    with closing(Store(tmp_path, manifest)) as store:
        for key in "abc":
            store.add(key, b'{"n":1}\t' + key.encode(), feedback=False)
    data = store.path.read_bytes()
    store.path.write_bytes(data[:-cut])
    with closing(Store(tmp_path, manifest)) as store:
        assert list(store) == ["a", "b"]
        store.add("d", b"{}\td", feedback=True)
    with closing(Store(tmp_path, manifest)) as store:
        assert [store.read(key)[-1:] for key in store] == [b"a", b"b", b"d"]
        assert store.has("d", feedback=True)
        assert not store.has("a", feedback=True)


def test_a_result_with_another_byte_is_dropped(tmp_path, manifest):
    with closing(Store(tmp_path, manifest)) as store:
        store.add("a", b"{}\t1", feedback=False)
    store.path.write_bytes(store.path.read_bytes().replace(b"1\n", b"2\n"))
    with closing(Store(tmp_path, manifest)) as store:
        assert list(store) == []


def test_two_runs_cannot_write_to_one_place(tmp_path, manifest):
    with closing(Store(tmp_path, manifest)), pytest.raises(InputError, match="another run"):
        Store(tmp_path, manifest)


def test_other_numbers_or_another_policy_are_other_results(tmp_path, manifest):
    token, handout = next(iter(manifest.handouts.items()))
    other = replace(handout.case, learning_rate=handout.case.learning_rate * 2)
    changed = {**manifest.handouts, token: replace(handout, case=other)}
    paths = set()
    for one in (manifest, replace(manifest, handouts=changed), replace(manifest, version="x")):
        with closing(Store(tmp_path, one)) as store:
            paths.add(store.path)
    assert len(paths) == 3


# potential copying

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
        return copying.found()

    assert found(listed) == found(rng.sample(listed, len(listed)))


def test_what_two_students_share_is_shown_to_both_with_its_evidence(manifest):
    copying = Copying()
    strange = {f"Step!A{n}": f"R[{n}]C*7" for n in range(3)}
    copying.add("a.xlsx", "A", {"formulas": strange})
    copying.add("b.xlsx", "B", {"formulas": strange})
    copying.add("c.xlsx", "C", {"formulas": {"Step!A0": "R[0]C*7"}})
    found = copying.found()
    assert set(found) == {"a.xlsx", "b.xlsx"}
    assert found["a.xlsx"][0].startswith("shares 3 unusual wrong formulas with B: ")


STRANGE = {cell: f"RC[{n}]*7" for n, cell in enumerate(CELLS)}


def shared(formulas, students="AB", kinds=None):
    """Return what is found where students have these wrong formulas in common."""
    copying = Copying()
    for student in students:
        copying.add(student, student, {"formulas": formulas, "kinds": kinds or {}})
    return copying.found()


def test_what_many_students_write_is_no_evidence():
    assert set(shared(STRANGE, "ABC")) == set("ABC")
    assert shared(STRANGE, "ABCD") == {}


def test_a_students_own_files_do_not_accuse_each_other():
    copying = Copying()
    for file in ("1.xlsx", "2.xlsx"):
        copying.add(file, "A", {"formulas": STRANGE})
    assert copying.found() == {}


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


def filled_in(course, manifest, student, change=lambda cell, formula: formula, extra=None):
    """Return a student's handout with the right formulas, some of them changed."""
    room = Classroom(manifest, course)
    handout = next(one for one in manifest.handouts.values() if one.student.id == student)
    book = openpyxl.load_workbook(io.BytesIO(room.handed_out(handout)))
    for cell in manifest.cells:
        book[cell.sheet][cell.address].value = f"={change(cell, cell.formula)}"
    if extra:
        extra(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def said_of(manifest, data, name="work.xlsx"):
    """Return the grade of a file, as the process that grades gives it."""
    students = [one.student for one in manifest.handouts.values()]
    judged = Judge(manifest, feedback=False).judge(name, str(Names(students).claim(name)), data)
    return Codec(manifest).decode(judged.grade)


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


def test_a_reason_to_look_at_cells_is_one_line_with_the_cells(course, manifest):
    places = [cell.address for cell in manifest.cells]

    def change(cell, formula):
        return "RAND()" if cell.address in places[:20] else formula

    grade = said_of(manifest, filled_in(course, manifest, "s1001", change))
    (line,) = grade.review
    assert line.startswith("the function RAND may come out differently each time: C10, D10, ")
    assert "and 12 more" in line
    assert [place for place in places if place in line] == places[:8]
    few = said_of(manifest, filled_in(
        course, manifest, "s1001", lambda c, f: f"NONE{c.address}(1)" if c.address in places[:20]
        else f))  # fmt: skip
    assert len(few.review) == 9
    assert few.review[-1].startswith("12 more reasons: ")


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
        lines = copying.found().get("b.xlsx", [])
        assert [f"3 values of the key of {first.id}" in line for line in lines] == [True] * expected


# grading


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


@pytest.mark.slow
def test_endless_work_is_ended_by_the_time_that_it_takes_not_by_the_clock(
    tmp_path, manifest, handouts
):
    folder = filled(tmp_path / "in", {"s1001-endless.xlsx": handouts["s1001"]})
    grades = graded(
        manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE, limits=PATIENT
    )
    assert grades["s1001-endless.xlsx"].problem == TOO_LONG
    assert grades["s1001-endless.xlsx"].student.id == "s1001"


@pytest.mark.slow
def test_a_file_beyond_its_limits_costs_nobody_else_anything(tmp_path, manifest, handouts):
    files = {}
    for n in range(12):
        files[f"a{n}.xlsx"] = variant(handouts["s1001"], n)
    for n, name in enumerate(("endless", "asleep", "hoard", "crash")):
        files[f"a{n}-{name}.xlsx"] = variant(handouts["s1001"], 100 + n)
    grades = graded(
        manifest, filled(tmp_path / "in", files), tmp_path / "out", feedback=False, jobs=2,
        grader=FAKE, limits=QUICK,
    )  # fmt: skip
    problems = {name: grade.problem for name, grade in grades.items() if grade.problem}
    assert problems == {
        "a0-endless.xlsx": TOO_LONG,
        "a1-asleep.xlsx": TOO_LONG,
        "a2-hoard.xlsx": TOO_MUCH,
        "a3-crash.xlsx": BROKE,
    }


def test_the_last_readable_file_of_a_student_counts(tmp_path, manifest, handouts):
    data = handouts["s1001"]
    files = {
        "okaforamara_1_10_a.xlsx": variant(data, 1),
        "okaforamara_1_9_a.xlsx": variant(data, 2),
        "okaforamara_LATE_1_11_a.xlsx": b"damaged",
    }
    folder = filled(tmp_path / "in", files)
    grades = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE)
    superseded = {name: grade.superseded for name, grade in grades.items()}
    assert superseded == {
        "okaforamara_1_10_a.xlsx": "",
        "okaforamara_1_9_a.xlsx": "okaforamara_1_10_a.xlsx",
        "okaforamara_LATE_1_11_a.xlsx": "okaforamara_1_10_a.xlsx",
    }


def test_a_workbook_under_another_students_name_is_potential_copying(tmp_path, manifest, handouts):
    folder = filled(
        tmp_path / "in", {"s1001.xlsx": handouts["s1001"], "s1002.xlsx": handouts["s1001"]}
    )
    grades = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE)
    assert grades["s1001.xlsx"].copying == []
    assert grades["s1001.xlsx"].student.id == "s1001"
    assert grades["s1001.xlsx"].superseded == ""
    assert grades["s1002.xlsx"].student.id == "s1002"
    assert grades["s1002.xlsx"].copying == ["the workbook is that of s1001: it has their token"]


AMARA, BENEDIKT = "okaforamara_101", "lindqvistbenedikt_102"
IN_MOODLE = "{}_{}_assignsubmission_file_/{}"


CALLED = [
    (f"{BENEDIKT}_5001_work.xlsx", f"{AMARA}_5002_s1002.xlsx"),
    (f"{BENEDIKT}_5001_work.xlsx", f"{AMARA}_5002_hw s1002 x.xlsx"),
    (f"{BENEDIKT}_5001_s1002.xlsx", f"{AMARA}_5002_s1002-1.xlsx"),
    (IN_MOODLE.format("Benedikt Lindqvist", 777, "my.xlsx"),
     IN_MOODLE.format("Amara Okafor", 776, "s1002.xlsx")),
    (IN_MOODLE.format("Benedikt Lindqvist", 777, "my.xlsx"),
     IN_MOODLE.format("Amara Okafor", 776, "s1002/work.xlsx")),
    (IN_MOODLE.format("Benedikt Lindqvist", 777, "my.xlsx"),
     IN_MOODLE.format("Amara Okafor", 776, IN_MOODLE.format("Benedikt Lindqvist", 777, "z.xlsx"))),
]  # fmt: skip
"""What Benedikt's file is called in the download, and what Amara's is."""


@pytest.mark.slow
@pytest.mark.parametrize(("benedikts", "amaras"), CALLED)
@pytest.mark.parametrize("kind", ["own", "damaged"])
def test_by_what_a_file_is_called_nobody_becomes_another(
    tmp_path, manifest, handouts, benedikts, amaras, kind
):
    data = handouts["s1001"] if kind == "own" else b"damaged"
    folder = filled(tmp_path / "in", {benedikts: handouts["s1002"], amaras: data})
    grades = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE)
    assert {name: grade.student.id for name, grade in grades.items()} == {
        benedikts: "s1002", amaras: "s1001",
    }  # fmt: skip
    assert not any(grade.superseded or grade.copying for grade in grades.values())


@pytest.mark.parametrize(("benedikts", "amaras"), CALLED)
def test_what_is_handed_in_under_anothers_id_is_ones_own(manifest, handouts, benedikts, amaras):
    for name, student in ((benedikts, "s1002"), (amaras, "s1001")):
        grade = said_of(manifest, handouts[student], name)
        assert (grade.student.id, "workbook_of" in grade.evidence) == (student, False)


def test_a_copied_workbook_never_takes_the_place_of_ones_own(tmp_path, manifest, handouts):
    files = {f"{AMARA}_1_a.xlsx": handouts["s1001"], f"{AMARA}_2_a.xlsx": handouts["s1002"]}
    folder = filled(tmp_path / "in", files)
    own, copied = graded(
        manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE
    ).values()
    assert (own.superseded, copied.superseded) == ("", own.file)
    assert copied.student.id == "s1001"
    assert copied.copying == ["the workbook is that of s1002: it has their token"]


@pytest.mark.slow
def test_a_workbook_in_a_strangers_hands_never_takes_the_place_of_the_students_own(
    tmp_path, manifest, handouts
):
    files = {f"{BENEDIKT}_1_a.xlsx": handouts["s1002"], "stranger_7_2_a.xlsx": handouts["s1002"]}
    folder = filled(tmp_path / "in", files)
    own, other = graded(
        manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE
    ).values()
    assert (own.student.id, other.student.id) == ("s1002", "s1002")
    assert (own.superseded, other.superseded) == ("", own.file)
    assert other.review == [
        "handed in by stranger (canvas 7), and other files of s1002 by somebody else"
    ]
    assert own.review == [
        "handed in by lindqvistbenedikt (canvas 102), and other files of s1002 by somebody else"
    ]


def with_token(data, old, new):
    """Return a workbook with another token, or with none, in every place."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(buffer, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(old.encode(), new.encode()))
    return buffer.getvalue()


def test_with_anothers_token_nobody_takes_the_place_of_their_work(tmp_path, manifest, handouts):
    tokens = {one.student.id: token for token, one in manifest.handouts.items()}
    forged = with_token(handouts["s1001"], tokens["s1001"], tokens["s1002"])
    files = {
        "benedikt.xlsx": handouts["s1002"],
        "zz.xlsx": with_token(forged, "<v>0.", "<v>7."),
        "zzz.xlsx": forged,
    }
    folder = filled(tmp_path / "in", files)
    own, made_up, other = graded(
        manifest, folder, tmp_path / "out", feedback=False, jobs=1
    ).values()
    assert (own.superseded, made_up.superseded, other.superseded) == ("", own.file, own.file)
    assert own.copying == []
    doubt = "its numbers are not those of s1002; its name does not say who handed it in"
    assert (made_up.copying, made_up.review) == ([], [doubt])
    assert other.copying == [
        "the givens in the file are those of s1001",
        doubt,
    ]


@pytest.mark.slow
def test_one_changed_number_does_not_make_a_file_another_persons(tmp_path, course, manifest):
    given = manifest.givens[0]

    def change(book):
        book[given.sheet][given.address].value = 0.123

    files = {
        "a1.xlsx": filled_in(course, manifest, "s1001"),
        "a2.xlsx": filled_in(course, manifest, "s1001", extra=change),
    }
    folder = filled(tmp_path / "in", files)
    for number, name in enumerate(files):
        os.utime(folder / name, (number, number))
    first, last = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1).values()
    assert (first.superseded, last.superseded) == ("a2.xlsx", "")


def test_of_two_tokens_that_one_counts_whose_numbers_a_file_has(course, manifest):
    tokens = {one.student.id: token for token, one in manifest.handouts.items()}
    data = filled_in(
        course, manifest, "s1001", extra=lambda book: book.create_sheet(tokens["s1002"])
    )
    assert ("xl/workbook.xml", tokens["s1002"]) in tokens_in(Package(data, "x"))
    for name in ("hw.xlsx", f"{AMARA}_1_hw.xlsx"):
        grade = said_of(manifest, data, name)
        assert (grade.student.id, grade.token) == ("s1001", tokens["s1001"])
        assert grade.evidence["tokens_of"] == ["s1002"]
        assert grade.copying == []
    changed = said_of(manifest, with_token(data, "<v>0.", "<v>7."), f"{AMARA}_1_hw.xlsx")
    assert changed.token == tokens["s1001"]  # with nobody's numbers it is ones own
    assert "workbook_of" not in changed.evidence


FOREIGN = "CG-ABCD-EFGH-JKMN-PQRS"


@pytest.mark.parametrize("name", ["s1001.xlsx", "for s1001.xlsx", "hw.xlsx"])
def test_a_workbook_of_another_assignment_is_said_to_be_one(manifest, handouts, name):
    token = next(t for t, one in manifest.handouts.items() if one.student.id == "s1001")
    other = with_token(with_token(handouts["s1001"], token, FOREIGN), "<v>0.", "<v>7.")
    grade = said_of(manifest, other, name)
    assert (grade.problem, grade.verdicts, grade.score) == (OTHER_ASSIGNMENT, [], 0)
    assert (grade.student is None) == (name == "hw.xlsx")
    missing = said_of(manifest, with_token(other, FOREIGN, ""), name)
    assert missing.problem != OTHER_ASSIGNMENT  # as it is: graded, if the name tells whose it is
    assert bool(missing.verdicts) == (name != "hw.xlsx")


def test_a_workbook_with_these_numbers_is_of_this_assignment_whatever_its_token(manifest, handouts):
    token = next(t for t, one in manifest.handouts.items() if one.student.id == "s1001")
    other = with_token(handouts["s1001"], token, FOREIGN)
    for name in ("s1001.xlsx", "hw.xlsx"):
        grade = said_of(manifest, other, name)
        assert (grade.problem, grade.student.id) == ("", "s1001")
        assert grade.notes[0].startswith("its token is none of this assignment's, but its numbers")


@pytest.mark.slow
@pytest.mark.parametrize("others", [1, 2])
def test_the_wrong_assignment_is_named_on_the_terminal(
    tmp_path, course, manifest, handouts, capsys, others
):
    token = next(t for t, one in manifest.handouts.items() if one.student.id == "s1001")
    other = with_token(with_token(handouts["s1001"], token, FOREIGN), "<v>0.", "<v>7.")
    files = {f"{n}.xlsx": variant(other, n) for n in range(others)}
    folder = filled(tmp_path / "in", {**files, "s1002.xlsx": handouts["s1002"]})
    assert grade_command(folder, course, tmp_path / "out", jobs=1) == 0
    out = capsys.readouterr().out
    verb = "is" if others == 1 else "are"
    assert f"{others} of {others + 1} workbooks {verb} of another assignment" in out
    assert ("--assignment" in out) == (others > 1)
    assert "could not be read" not in out
    assert "feedback for the students" in out
    (folder / "s1002.xlsx").unlink()
    assert grade_command(folder, course, tmp_path / "none", jobs=1) == 0
    assert "feedback for" not in capsys.readouterr().out
    gradebook = (tmp_path / "out" / "gradebook.csv").read_text("utf-8-sig")
    assert gradebook.count(",other assignment,") == others
    assert sorted(contents(tmp_path / "out" / "feedback")) == ["s1002.html", "s1002.xlsx"]


@pytest.mark.slow
def test_one_file_for_all_needs_no_token_and_an_individual_workbook_is_none_of_it(
    tmp_path, handouts
):
    write_example(tmp_path / "c")
    assignment = replace(read_assignment(tmp_path / "c" / "assignment.toml"), one_file=True)
    students = read_roster(tmp_path / "c" / "roster.csv")[:3]
    assign(assignment, students, tmp_path / "handouts", worksheet=False)
    one_file = read_manifest(tmp_path / "handouts")
    (blank,) = (tmp_path / "handouts" / "students").iterdir()
    assert said_of(one_file, blank.read_bytes(), "s1001.xlsx").problem == ""
    assert said_of(one_file, handouts["s1001"], "s1001.xlsx").problem == OTHER_ASSIGNMENT


def test_numbers_tell_more_than_a_name_that_may_be_anybodys(manifest, handouts):
    tokens = {one.student.id: token for token, one in manifest.handouts.items()}
    data = with_token(handouts["s1001"], tokens["s1001"], "")
    assert said_of(manifest, data, "for s1002.xlsx").student.id == "s1001"
    assert said_of(manifest, data, "s1002.xlsx").student.id == "s1002"
    changed = with_token(data, "<v>0.", "<v>7.")
    assert said_of(manifest, changed, "for s1002.xlsx").student.id == "s1002"
    assert said_of(manifest, changed).student is None


def test_of_a_file_that_does_not_count_only_this_is_said(course, manifest):
    grade = a_grade(manifest, student=next(iter(manifest.handouts.values())).student)
    grade.review, grade.notes, grade.copying = ["a", "a", "b"], ["c"], ["d"]
    counting = record_of(grade, places_of(manifest))
    assert counting.reasons == [
        ("review", "a"), ("review", "b"), ("potential copying", "d"), ("note", "c"),
    ]  # fmt: skip
    other = record_of(replace(grade, superseded="z.xlsx", problem="broken"), places_of(manifest))
    other.counting = False
    unread = "this one could not be read: broken"
    assert other.reasons == [
        ("not counted", f"the student handed in z.xlsx, which counts; {unread}"),
        ("potential copying", "d"),
    ]


@pytest.mark.slow
def test_who_hands_in_many_files_floods_no_list(tmp_path, course, manifest, handouts, capsys):
    files = {
        f"{AMARA}_1_a.xlsx": filled_in(course, manifest, "s1001", lambda *_: "RAND()"),
        f"{AMARA}_2_a.xlsx": handouts["s1001"],
    }
    folder = filled(tmp_path / "in", files)
    grade_command(folder, course, tmp_path / "out", feedback=False, jobs=1)
    assert " a look" not in capsys.readouterr().out
    lines = (tmp_path / "out" / "review.csv").read_text("utf-8-sig").splitlines()[1:]
    assert [line.split(",")[2:4] for line in lines] == [[f"{AMARA}_1_a.xlsx", "not counted"]]
    (folder / f"{AMARA}_2_a.xlsx").unlink()
    grade_command(folder, course, tmp_path / "out", feedback=False, jobs=1)
    assert "1 needs a look" in capsys.readouterr().out
    lines = (tmp_path / "out" / "review.csv").read_text("utf-8-sig").splitlines()[1:]
    assert len(lines) == 1
    assert "and 51 more" in lines[0]


# the names of feedback

HARD = [
    "w/x.xlsx", "w/x.html/y.xlsx", "w/x.XLSX", "w/x.xlsx/y.xlsx", f"{'x' * 300}.xlsx",
    f"{'ü' * 200}.xlsx", f"{'x' * 250}.XLSX", f"{'y' * 300}/{'z' * 300}.xlsx", "a/../b.xlsx",
    "A.xlsx", "a.xlsx", "a.html.xlsx", "é.xlsx", "e\u0301.xlsx", f"{'d/' * 600}x.xlsx",
    "\udcff.xlsx", " .xlsx",
]  # fmt: skip


def check_names(names, returned):
    """Assert that what is written never meets, and that a disk takes it."""
    files = [returned.workbook(name) for name in names] + [returned.page(name) for name in names]
    folded = [unicodedata.normalize("NFC", file).casefold() for file in files]
    assert len(set(folded)) == 2 * len(names)
    folders = {str(parent) for file in folded for parent in PurePosixPath(file).parents}
    assert not folders & set(folded)
    for name, file in zip([*names, *names], files, strict=True):
        assert all(len(os.fsencode(part)) <= 255 for part in file.split("/"))
        assert len(os.fsencode(file)) <= 1_000
        ending = ".xlsx" if file == returned.workbook(name) else ".html"
        assert file.lower().endswith(ending)


def test_feedback_goes_back_under_the_names_of_the_download():
    names = [f"{AMARA}_1_s-1.xlsx", IN_MOODLE.format("José X", 7, "Ü (2).XLSX"), "a.html.xlsx"]
    returned = ReturnNames(names)
    assert [returned.workbook(name) for name in names] == names
    assert [returned.page(name) for name in names] == [
        f"{AMARA}_1_s-1.html", IN_MOODLE.format("José X", 7, "Ü (2).html"), "a.html.html",
    ]  # fmt: skip


def test_names_of_feedback_never_meet_and_are_the_same_in_every_run():
    returned = ReturnNames(HARD)
    check_names(HARD, returned)
    again = ReturnNames(random.Random(1).sample(HARD, len(HARD)))
    assert [again.page(name) for name in HARD] == [returned.page(name) for name in HARD]
    assert returned.workbook("A.xlsx") == "A.xlsx"  # one of two that meet keeps its name
    made_up = returned.workbook("a.xlsx")
    assert made_up != "a.xlsx"
    check_names([*HARD, made_up], ReturnNames([*HARD, made_up]))


def test_a_real_name_is_not_taken_away_by_one_that_is_made_up():
    two = ["A.XLSX", "A.xlsx"]
    real = ReturnNames(two).workbook("A.xlsx").lower()
    assert real not in two
    assert ReturnNames([*two, real]).workbook(real) == real
    check_names([*two, real], ReturnNames([*two, real]))


@given(
    st.lists(
        st.lists(st.sampled_from(["x", "X", "x.html", "x.xlsx", "ß", "ss", "é", "e\u0301",
                                  "ü" * 200]),
                 min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".xlsx"),
        max_size=8, unique=True,
    )
)  # fmt: skip
@settings(max_examples=30)
def test_no_names_of_feedback_ever_meet(names):
    check_names(names, ReturnNames(names))


@pytest.mark.parametrize("name", ["con.xlsx", "a:b.xlsx", "w /x.xlsx", "w./x.xlsx", "NUL/x.xlsx"])
def test_what_windows_refuses_is_not_written_there(name):
    assert ReturnNames([name], windows=False).workbook(name) == name
    written = ReturnNames([name], windows=True).workbook(name)
    assert written != name
    assert ReturnNames([written], windows=True).workbook(written) == written


def test_results_of_nobodys_files_have_names_of_their_own():
    long = "\U00020000" * 90  # of four bytes each
    files = ["X.xlsx", "x.xlsx", f"{long}.xlsx", f"{long}2.xlsx"]
    names = [file_name(Grade(file, "", None, "")) for file in files]
    assert len({name.casefold() for name in names}) == len(files)
    assert all(len(os.fsencode(f"{name}.json")) <= 255 for name in names)
    assert file_name(Grade("s1.xlsx", "", Student("s1"), "")) == "s1"


def as_zip(folder, files):
    """Write files into a zip: it holds names that no folder does."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "in.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return folder / "in.zip"


@pytest.mark.slow
def test_no_name_stops_the_others_and_feedback_is_found_again(tmp_path, manifest, handouts):
    # in a zip a name that differs by case only is refused already
    names = [name for name in HARD if name not in ("w/x.XLSX", "a.xlsx") and ".." not in name
             and name.isprintable() and len(name) < 999]  # fmt: skip
    files = {name: variant(handouts["s1001"], n) for n, name in enumerate(names)}
    place = as_zip(tmp_path / "in", {"s1002.xlsx": handouts["s1002"], **files})
    out = tmp_path / "out"
    grades = graded(manifest, place, out, jobs=1, grader=FAKE)
    assert not any(grade.problem or grade.review for grade in grades.values())
    returned = ReturnNames(grades)
    feedback = {str(p.relative_to(out / "feedback")) for p in (out / "feedback").rglob("*.*")
                if p.is_file()}  # fmt: skip
    assert feedback == {one for name in grades for one in (returned.workbook(name),
                                                           returned.page(name))}  # fmt: skip
    assert {"s1002.xlsx", "s1002.html"} <= feedback
    before = contents(out)
    # a grader that cannot be loaded is never asked
    assert graded(manifest, place, out, jobs=1, grader="none:None") == grades
    assert contents(out) == before


@pytest.mark.slow
def test_feedback_that_cannot_be_written_is_a_line_of_its_own_file(tmp_path, manifest, handouts):
    folder = filled(tmp_path / "in", {f"{name}.xlsx": data for name, data in handouts.items()})
    (tmp_path / "out" / "feedback" / "s1001.html").mkdir(parents=True)
    for _ in range(2):  # and again when the run is taken up
        grades = graded(manifest, folder, tmp_path / "out", jobs=1, grader=FAKE)
        assert [grade.review for grade in grades.values()] == [
            ["its feedback could not be written: Is a directory"], [], [],
        ]  # fmt: skip
    assert (tmp_path / "out" / "feedback" / "s1002.html").is_file()
    assert not list((tmp_path / "out").rglob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("why", ["full", "taken"])
def test_a_full_disk_ends_the_run_with_one_line(tmp_path, manifest, handouts, why, monkeypatch):
    folder = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]})
    if why == "taken":
        filled(tmp_path / "out", {"feedback": b"a file"})
    else:

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="cannot be written"):
        graded(manifest, folder, tmp_path / "out", jobs=1, grader=FAKE)


@pytest.mark.slow
def test_what_is_judged_once_is_not_judged_again(tmp_path, manifest, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]})
    first = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE)
    # a grader that cannot be loaded is never asked
    again = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader="none:None")
    assert first == again
    filled(folder, {"s1002.xlsx": handouts["s1002"]})
    with pytest.raises(Exception, match="could not be started"):
        graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader="none:None")


@pytest.mark.slow
def test_feedback_says_the_lateness_that_the_roster_says_now(tmp_path, manifest, handouts):
    folder = filled(
        tmp_path / "in",
        {"a/s1001.xlsx": handouts["s1001"], "b/s1001.xlsx": handouts["s1001"],
         "s1002.xlsx": handouts["s1002"]},
    )  # fmt: skip
    out, pages = tmp_path / "out", {}
    who = {one.student.id: one.student for one in manifest.handouts.values()}
    for late in (0.0, 0.25):
        students = (replace(who["s1001"], late=late), who["s1002"])
        grades = graded(manifest, folder, out, students, jobs=1, grader=FAKE)
        for name in ("a/s1001", "b/s1001"):
            score = f"{grades[f'{name}.xlsx'].score:.2f}".rstrip("0").rstrip(".")
            page = (out / "feedback" / f"{name}.html").read_text("utf-8")
            assert f"<b>{score}</b>" in page
            assert ("less 25 % (late)" in page) == bool(late)
            book = openpyxl.load_workbook(out / "feedback" / f"{name}.xlsx")
            assert book["Feedback"]["A3"].value == f"{score} of 57 points"
        pages[late] = contents(out)
        # a grader that cannot be loaded is never asked
        assert graded(manifest, folder, out, students, jobs=1, grader="none:None") == grades
        assert contents(out) == pages[late]
    changed = {name for name in pages[0.0] if pages[0.0][name] != pages[0.25][name]}
    assert changed == {f"feedback/{n}/s1001.{e}" for n in "ab" for e in ("xlsx", "html")}


@pytest.mark.slow
def test_feedback_of_what_was_withdrawn_is_removed_and_nothing_else(tmp_path, manifest, handouts):
    moodle = IN_MOODLE.format("Amara Okafor", 7, "work.xlsx")
    files = {moodle: handouts["s1001"], "s1002.xlsx": handouts["s1002"],
             "s1003.xlsx": handouts["s1003"]}  # fmt: skip
    folder, out = filled(tmp_path / "in", files), tmp_path / "out"
    graded(manifest, folder, out, jobs=1, grader=FAKE)
    with zipfile.ZipFile(out / "feedback.zip") as packed_up:
        assert packed_up.namelist() == [f"{moodle[:-5]}.html", moodle]
    (folder / moodle).write_bytes(handouts["s1002"])  # another's: a person looks at it first
    (grade, *_) = graded(manifest, folder, out, jobs=1, grader=FAKE).values()
    assert grade.evidence["workbook_of"] == "s1002"
    assert (out / "feedback" / moodle).is_file()
    assert not (out / "feedback.zip").exists()
    filled(out / "feedback", {"notes.txt": b"mine", "s1009.xlsx": b"mine too"})
    (folder / moodle).unlink()
    (folder / "s1003.xlsx").write_bytes(b"damaged")
    graded(manifest, folder, out, feedback=False, jobs=1, grader=FAKE)
    assert (out / "feedback" / moodle).is_file()  # no feedback was asked for
    graded(manifest, folder, out, jobs=1, grader=FAKE)
    assert sorted(contents(out / "feedback")) == [
        "notes.txt", "s1002.html", "s1002.xlsx", "s1009.xlsx",
    ]  # fmt: skip
    assert not (out / "feedback.zip").exists()
    assert not (out / "feedback" / PurePosixPath(moodle).parent).exists()


@pytest.mark.slow
def test_feedback_is_of_the_file_that_is_there_now(tmp_path, manifest, handouts):
    folder, out = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]}), tmp_path / "out"
    graded(manifest, folder, out, jobs=1, grader=FAKE)
    first = contents(out)
    for data, same in ((variant(handouts["s1001"], 1), False), (handouts["s1001"], True)):
        (folder / "s1001.xlsx").write_bytes(data)
        graded(manifest, folder, out, jobs=1, grader=FAKE)
        assert (contents(out) == first) == same


def test_the_list_of_feedback_survives_a_kill_and_leads_nowhere_else(tmp_path):
    feedback = tmp_path / "out" / "feedback"
    filled(feedback, {"a.xlsx": b"", "a.html": b"", "b.xlsx": b""})
    filled(tmp_path, {"precious.xlsx": b""})
    with closing(Returned(tmp_path / "out", feedback)) as listed:
        listed.note("a.xlsx", "a.html", "1")
        listed.note("../../precious.xlsx", "b.html", "1")
        listed.note("b.xlsx", "b.html", "")
    path = tmp_path / "out" / ".cellgrad" / "feedback.txt"
    path.write_bytes(path.read_bytes()[:-3])
    with closing(Returned(tmp_path / "out", feedback)) as listed:
        assert [listed.made(f"{name}.xlsx") for name in "ab"] == ["1", ""]
        listed.note("c.xlsx", "c.html", "2")
    with closing(Returned(tmp_path / "out", feedback)) as listed:
        assert [listed.made(f"{name}.xlsx") for name in "abc"] == ["1", "", "2"]
        listed.keep([])
    assert sorted(contents(feedback)) == ["b.xlsx"]  # of it the list did not know
    assert (tmp_path / "precious.xlsx").exists()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
@pytest.mark.slow
def test_any_executor_gives_the_same_grades(tmp_path, manifest, handouts, kind):
    files = {f"s1001-{n}.xlsx": variant(handouts["s1001"], n) for n in range(40)}
    folder = filled(tmp_path / "in", files)
    here = graded(manifest, folder, tmp_path / "here", feedback=False, jobs=2, grader=FAKE)
    with kind(2) as executor:
        there = graded(
            manifest, folder, tmp_path / "there", feedback=False, executor=executor, grader=FAKE
        )
    pool.forget()
    assert here == there
    assert len(here) == 40


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_gradebook(tmp_path, course, handouts):
    distributed = pytest.importorskip("distributed")
    same = variant(handouts["s1001"], 0)
    files = {f"s1001-{n}.xlsx": variant(handouts["s1001"], n) for n in range(30)}
    files |= {f"a{n}/s1002.xlsx": same for n in range(5)}  # alike, and each has its own row
    folder = filled(tmp_path / "in", files)
    grade_command(folder, course, tmp_path / "here", feedback=False)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        grade_command(
            folder, course, tmp_path / "there", scheduler=cluster.scheduler_address, feedback=False
        )
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, course, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]})
    with pytest.raises(InputError, match=r"--scheduler: (needs Dask|no scheduler)"):
        grade_command(folder, course, tmp_path / "out", scheduler="nonsense")


# the command


def test_the_command_grades_and_says_where_to_begin(tmp_path, course, handouts, capsys):
    files = {"s1001.xlsx": handouts["s1001"], "x.pdf": b"", "who.xlsx": b"not a workbook"}
    folder = filled(tmp_path / "in", files)
    assert grade_command(folder, course, tmp_path / "out", jobs=1) == 0
    out = capsys.readouterr().out
    assert "3 files, 1 graded, 3 students" in out
    assert "2 could not be read; review.csv says why:\n  who.xlsx\n  x.pdf\n" in out
    gradebook = (tmp_path / "out" / "gradebook.csv").read_text("utf-8-sig")
    for name in files:
        assert gradebook.count(f",{name},") == 1
    assert gradebook.count("missing") == 2
    feedback = contents(tmp_path / "out" / "feedback")
    assert sorted(feedback) == ["s1001.html", "s1001.xlsx"]


@pytest.mark.slow
def test_what_is_not_settled_is_said_and_one_is_not_several(tmp_path, course, manifest, capsys):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name\ns1001,Amara\n", "utf-8")
    first = manifest.cells[0]
    files = {
        "s1001.xlsx": filled_in(course, manifest, "s1002",
                                lambda c, f: "RAND()" if c is first else f),
    }  # fmt: skip
    folder = filled(tmp_path / "in", files)
    assert grade_command(folder, course, tmp_path / "out", formats=["canvas, tidy"],
                         roster=roster, jobs=1) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "1 file, 1 graded, 1 student\n" in out
    assert "1 grade is provisional: 1 point open until somebody has looked" in out
    assert "1 is another student's workbook: no grade of it in the files for an LMS" in out
    assert "1 needs a look" in out
    canvas = (tmp_path / "out" / "canvas.csv").read_text("utf-8").splitlines()
    assert canvas[2].endswith(",")
    assert not (tmp_path / "out" / "moodle.csv").exists()
    page = (tmp_path / "out" / "feedback" / "s1001.html").read_text("utf-8")
    assert "(1 point open)" in page


def test_an_unknown_format_leaves_nothing_behind(tmp_path, course, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]})
    with pytest.raises(InputError, match=r"--format: 'blackboard' is no format"):
        grade_command(folder, course, tmp_path / "out", formats=["canvas,blackboard"])
    assert not (tmp_path / "out").exists()


# where results may go


def test_results_go_where_nothing_is_or_where_an_earlier_run_was(tmp_path, manifest):
    (tmp_path / "in").mkdir()
    (tmp_path / "handouts").mkdir()
    words = (tmp_path / "in", tmp_path / "handouts", manifest)
    for name in ("new", "empty", "deep/er"):
        check_results(tmp_path / name, *words)
    assert not (tmp_path / "new").exists()
    filled(tmp_path / "littered", {".DS_Store": b""})
    check_results(tmp_path / "littered", *words)
    claim_results(tmp_path / "out", manifest)
    filled(tmp_path / "out", {"gradebook.csv": b"", "mine.txt": b""})
    check_results(tmp_path / "out", *words)
    # an assignment that was made again for more students, or of which fewer are left
    some = dict(list(manifest.handouts.items())[:1])
    check_results(tmp_path / "out", *words[:2], replace(manifest, version="x", handouts=some))
    # results of a version that kept no such file
    (tmp_path / "out" / ".cellgrad" / "assignment.json").unlink()
    filled(tmp_path / "out" / ".cellgrad", {"results-0.txt": b""})
    check_results(tmp_path / "out", *words)


def test_results_go_nowhere_else(tmp_path, manifest):
    filled(tmp_path / "box" / "in", {"a.xlsx": b""})
    filled(tmp_path / "box" / "handouts", {"lecturer/manifest.json": b"", "students/a.xlsx": b""})
    filled(tmp_path / "theirs", {"thesis.docx": b""})
    filled(tmp_path, {"file.txt": b"", "box/in.zip": b""})
    box = tmp_path / "box"
    (tmp_path / "link").symlink_to(box / "in")
    claim_results(tmp_path / "out", manifest)
    strangers = {"CG-XXXX": next(iter(manifest.handouts.values()))}
    handed_in, assignment = box / "in", box / "handouts"
    for output, submissions, folder, of, words in (
        (tmp_path / "theirs", handed_in, assignment, manifest, "no results of cellgrad grade"),
        (tmp_path / "file.txt", handed_in, assignment, manifest, "a file of this name"),
        (handed_in, handed_in, assignment, manifest, "lies within the submissions"),
        (handed_in / "out", handed_in, assignment, manifest, "lies within the submissions"),
        (tmp_path / "link" / "out", handed_in, assignment, manifest, "lies within the submissions"),
        (box, handed_in, assignment, manifest, "lies around the submissions"),
        (box, box / "in.zip", assignment, manifest, "lies around the submissions"),
        (assignment / "out", handed_in, assignment, manifest, "lies within the assignment"),
        (assignment / "out", handed_in, assignment / "lecturer", manifest,
         "lies within the assignment"),
        (tmp_path / "out", handed_in, assignment, replace(manifest, id="week-2"),
         "holds the results of another assignment"),
        (tmp_path / "out", handed_in, assignment, replace(manifest, handouts=strangers),
         "holds the results of another assignment"),
    ):  # fmt: skip
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(InputError, match=words) as refused:
            check_results(output, submissions, folder, of)
        assert str(output) in refused.value.line()
        assert "-o" in refused.value.line()
        assert sorted(tmp_path.rglob("*")) == before


def test_the_command_asks_before_it_writes(tmp_path, course, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]})
    filled(tmp_path / "theirs", {"thesis.docx": b"mine"})
    with pytest.raises(InputError, match="theirs"):
        grade_command(folder, course, tmp_path / "theirs", jobs=1)
    assert contents(tmp_path / "theirs") == {"thesis.docx": b"mine"}
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="holds no submissions"):
        grade_command(tmp_path / "nothing", course, tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_newer_roster_says_who_was_late(tmp_path, course, manifest, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": filled_in(course, manifest, "s1001")})
    roster = tmp_path / "roster.csv"
    for late, score in (("0", 57.0), ("25%", 42.75)):
        roster.write_text(f"id,name,late\ns1001,Amara,{late}\n", "utf-8")
        grade_command(folder, course, tmp_path / "out", roster=roster, feedback=False, jobs=1)
        row = (tmp_path / "out" / "gradebook.csv").read_text("utf-8-sig").splitlines()[1]
        assert f",{score:g},57," in row


@pytest.mark.parametrize("what", ["submissions", "assignment"])
def test_a_missing_folder_is_named(tmp_path, course, what):
    places = {"submissions": (tmp_path / "none", course), "assignment": (course, tmp_path / "none")}
    with pytest.raises(InputError, match="none"):
        grade_command(*places[what], tmp_path / "out")


def test_an_empty_folder_is_refused(tmp_path, course):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="holds no submissions"):
        grade_command(tmp_path / "in", course, tmp_path / "out")


def test_the_ids_that_the_example_names_are_in_the_catalogue(tmp_path):
    write_example(tmp_path)
    path = tmp_path / "assignment.toml"
    text = path.read_text("utf-8")
    named = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text)) - {read_assignment(path).id}
    assert named
    assert named <= set(by_id())
    path.write_text(text.replace("conventions = []", f"conventions = {sorted(named)}"), "utf-8")
    assert read_assignment(path).policy.conventions == tuple(sorted(named))


# simulated students


def work(course, manifest, kind, student):
    """Return the workbook of a simulated student."""
    room = Classroom(manifest, course)
    for one in room.students(len(KINDS) * len(manifest.handouts)):
        if one.kind == kind and one.handout.student.id == student:
            return one.data
    raise AssertionError


def test_references_and_rewritten_formulas():
    assert addresses_in("B6*$C$6+EXP(-D7)/LN(10)") == ["B6", "C6", "D7"]
    rng = random.Random(1)
    assert written_otherwise("A1*B1", rng) == "PRODUCT(B1,A1)"
    assert written_otherwise("A1*B1+A2*B2", rng).startswith("SUM(")


@pytest.mark.slow
def test_simulated_students_are_graded_as_intended(course, manifest):
    result = rehearse(manifest, course, len(KINDS), settings=Settings(feedback=False, jobs=1))
    assert result.surprises == []
    assert result.as_intended
    assert set(result.kinds) | set(result.left_out) == set(KINDS)
    assert result.left_out == ["accepted convention"]  # none is accepted
    assert sum(result.verdicts.values()) == len(KINDS) * len(manifest.cells)


@pytest.mark.slow
def test_a_grader_that_grades_otherwise_is_found_out(course, manifest):
    result = rehearse(manifest, course, 2, settings=Settings(feedback=False, jobs=1, grader=FAKE))
    assert not result.as_intended
    assert any("wrong instead of ok" in line for line in result.surprises)


@pytest.mark.slow
def test_a_rehearsal_prints_the_confusion_matrix(course, capsys):
    assert rehearse_command(course, 170) == 0
    out = capsys.readouterr().out
    assert "embedded" in out
    assert f"170 students, {170 * 59:,} cells: as intended" in out


# at scale


@pytest.fixture(scope="module")
def thousand(tmp_path_factory, course, manifest):
    """Return a folder of 1,000 submissions, 60 of them made to do harm."""
    folder = tmp_path_factory.mktemp("thousand")
    room = Classroom(manifest, course)
    for student in room.students(940):
        filled(folder, {student.file: student.data})
    with zipfile.ZipFile(io.BytesIO(room.handed_out(next(iter(manifest.handouts.values()))))) as z:
        parts = {name: z.read(name) for name in z.namelist()}
    for name in list(SHAPES)[:: len(SHAPES) // 60][:60]:
        filled(folder, {f"hostile-{name}.xlsx": SHAPES[name][0](dict(parts))})
    return folder


@pytest.mark.slow
def test_sixty_hostile_files_among_a_thousand_cost_the_others_nothing(tmp_path, thousand, manifest):
    grades = graded(manifest, thousand, tmp_path / "out", feedback=False)
    assert len(grades) == 1000
    failed = {name for name, grade in grades.items() if grade.problem}
    assert failed == {name for name in grades if name.startswith("hostile-")}
    assert len(failed) == 60
    assert all(len(grade.verdicts) == 59 for name, grade in grades.items() if name not in failed)


RUN = """
import sys
from pathlib import Path
from cellgrad_coursework.commands.grade import grade_command
grade_command(*map(Path, sys.argv[1:4]), feedback=sys.argv[4] == "feedback", jobs=int(sys.argv[5]))
"""


def started(*arguments):
    """Start grading in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)], cwd=ROOT, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def finished(*arguments):
    process = started(*arguments)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_with_the_same_gradebook(tmp_path, thousand, course):
    began = time.monotonic()
    finished(thousand, course, tmp_path / "whole", "none", 2)
    seconds = time.monotonic() - began
    whole = contents(tmp_path / "whole")
    rng, halfway = random.Random(), 0
    for n in range(10):
        out = tmp_path / f"killed{n}"
        process = started(thousand, course, out, "none", 2)
        time.sleep(rng.uniform(0.05, 1.0) * seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        stores = list(out.glob(".cellgrad/*.txt"))
        done = stores[0].read_bytes().count(b"\n") if stores else 0
        halfway += 0 < done < 999
        finished(thousand, course, out, "none", 2)
        assert contents(out) == whole
        shutil.rmtree(out)
    assert halfway >= 3  # or the moments were not in the middle of anything


@pytest.mark.slow
def test_a_run_killed_with_feedback_loses_none(tmp_path, thousand, course):
    finished(thousand, course, tmp_path / "whole", "feedback", 2)
    whole = contents(tmp_path / "whole")
    assert sum(name.startswith("feedback/") for name in whole) == 2 * 940
    for seconds in (2.0, 4.0):
        process = started(thousand, course, tmp_path / "out", "feedback", 2)
        time.sleep(seconds)
        process.kill()
        process.communicate()
    finished(thousand, course, tmp_path / "out", "feedback", 1)
    assert contents(tmp_path / "out") == whole


@pytest.mark.slow
def test_neither_the_number_of_processes_nor_the_order_matters(tmp_path, thousand, course):
    finished(thousand, course, tmp_path / "one", "none", 1)
    # results that are there already, in another order, as another run left them
    finished(thousand, course, tmp_path / "three", "none", 3)
    (store,) = (tmp_path / "three").glob(".cellgrad/*.txt")
    lines = store.read_bytes().splitlines(keepends=True)
    random.Random(5).shuffle(lines)
    store.write_bytes(b"".join(lines[:500]))
    finished(thousand, course, tmp_path / "three", "none", 2)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
