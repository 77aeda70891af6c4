"""Taking in what was handed in, and grading it at scale: nobody's file costs anybody else."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad.cli.grade import grade_command
from cellgrad.cli.rehearse import rehearse_command
from cellgrad.coursework import elsewhere
from cellgrad.coursework.assign import assign
from cellgrad.coursework.assignment import read_assignment
from cellgrad.coursework.child import Limits
from cellgrad.coursework.copying import Copying
from cellgrad.coursework.init import write_example
from cellgrad.coursework.intake import Intake, hint_of, natural
from cellgrad.coursework.judge import BROKE, TOO_LONG, TOO_MUCH
from cellgrad.coursework.manifest_file import read_manifest
from cellgrad.coursework.matching import ByName, tokens_of
from cellgrad.coursework.model import OK, WRONG, CellVerdict, Grade, Student
from cellgrad.coursework.rehearse import rehearse
from cellgrad.coursework.roster import read_roster
from cellgrad.coursework.runner import Settings, grade_all
from cellgrad.coursework.store import Codec, Store, head_of
from cellgrad.coursework.students import KINDS, Classroom, references, rewritten
from cellgrad.errors import InputError
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


def graded(manifest, submissions, output, **options):
    """Return the grades of a folder, by file."""
    with closing(Intake(submissions, leave_out=output)) as intake:
        grades = list(grade_all(manifest, intake, output, (), Settings(**options)))
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
        ("leesam_1_2_work.xlsx", None),  # two who may be meant are nobody
        ("s1001 and s1003.xlsx", None),
        ("s10011.xlsx", None),
        ("work.xlsx", None),
        ("", None),
    ],
)
def test_a_file_is_matched_by_its_name(name, student):
    found = ByName(ROSTER).find(name)
    assert (found.id if found else None) == student


def test_numbers_in_names_are_ordered_as_numbers():
    names = ["step-10.xlsx", "step.xlsx", "step-2.xlsx"]
    assert sorted(names, key=natural) == ["step.xlsx", "step-2.xlsx", "step-10.xlsx"]


@given(st.text(max_size=40))
def test_no_name_is_a_reason_to_fail(name):
    hint_of(name)
    natural(name)
    ByName(ROSTER).word(name)


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


def test_one_workbook_may_be_handed_over_alone(tmp_path, handouts):
    (tmp_path / "s1001.xlsx").write_bytes(handouts["s1001"])
    with closing(Intake(tmp_path / "s1001.xlsx")) as intake:
        (one,) = intake.submissions
        assert (one.name, intake.read(one)) == ("s1001.xlsx", handouts["s1001"])


# tokens


def test_a_handout_is_known_by_its_token(manifest, handouts):
    for student, data in handouts.items():
        (token,) = tokens_of(data, manifest.handouts)
        assert manifest.handouts[token].student.id == student
    assert tokens_of(handouts["s1001"], {}) == []


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


def test_what_many_students_write_is_no_evidence():
    copying = Copying()
    for student in "ABCD":
        copying.add(student, student, {"formulas": dict.fromkeys(CELLS, "R*2")})
    assert copying.found() == {}


def test_a_students_own_files_do_not_accuse_each_other():
    copying = Copying()
    for file in ("1.xlsx", "2.xlsx"):
        copying.add(file, "A", {"formulas": dict.fromkeys(CELLS, "R*2")})
    assert copying.found() == {}


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


def test_what_is_judged_once_is_not_judged_again(tmp_path, manifest, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]})
    first = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE)
    # a grader that cannot be loaded is never asked
    again = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader="none:None")
    assert first == again
    filled(folder, {"s1002.xlsx": handouts["s1002"]})
    with pytest.raises(Exception, match="could not be started"):
        graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader="none:None")


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
    elsewhere.forget()
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
    assert "2 could not be read" in out
    gradebook = (tmp_path / "out" / "gradebook.csv").read_text("utf-8-sig")
    for name in files:
        assert gradebook.count(f",{name},") == 1
    assert gradebook.count("missing") == 2
    feedback = contents(tmp_path / "out" / "feedback")
    assert sorted(feedback) == ["s1001.html", "s1001.xlsx"]


@pytest.mark.slow
def test_a_newer_roster_says_who_was_late(tmp_path, course, manifest, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": work(course, manifest, "right", "s1001")})
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


# simulated students


def work(course, manifest, kind, student):
    """Return the workbook of a simulated student."""
    room = Classroom(manifest, course)
    for one in room.students(len(KINDS) * len(manifest.handouts)):
        if one.kind == kind and one.handout.student.id == student:
            return one.data
    raise AssertionError


def test_references_and_rewritten_formulas():
    assert references("B6*$C$6+EXP(-D7)/LN(10)") == ["B6", "C6", "D7"]
    rng = random.Random(1)
    assert rewritten("A1*B1", rng) == "PRODUCT(B1,A1)"
    assert rewritten("A1*B1+A2*B2", rng).startswith("SUM(")


def test_simulated_students_are_graded_as_intended(course, manifest):
    result = rehearse(manifest, course, len(KINDS), settings=Settings(feedback=False, jobs=1))
    assert result.surprises == []
    assert result.as_intended
    assert set(result.kinds) == set(KINDS)
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
from cellgrad.cli.grade import grade_command
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
