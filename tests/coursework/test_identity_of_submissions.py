"""Whose a submission is: by its name, its token, its numbers, and never by what students wish."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellgrad.xlsx.package import Package
from cellgrad_coursework.identity import OTHER_ASSIGNMENT, Names, hint_of, natural, tokens_in
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.model import (
    Student,
)
from cellgrad_coursework.roster import read_roster
from cellgrad_coursework.running.command import grade_command
from cellgrad_coursework.setting.assign import assign, write_example
from cellgrad_coursework.setting.assignment import read_assignment
from handed_in import (
    AMARA,
    BENEDIKT,
    FAKE,
    IN_MOODLE,
    contents,
    filled,
    filled_in,
    graded,
    said_of,
    variant,
    with_token,
)


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


def titled(data, title):
    """Return a workbook with words in the title among its properties."""
    return with_token(data, "<dc:title>", f"<dc:title>{title} ")


def test_a_token_where_no_handout_has_its_own_is_said_and_decides_nothing(manifest, handouts):
    tokens = {one.student.id: token for token, one in manifest.handouts.items()}
    own, other = tokens["s1001"], tokens["s1002"]
    both = said_of(manifest, titled(handouts["s1001"], other), "s1001.xlsx")
    assert (both.token, both.copying, "tokens_of" in both.evidence) == (own, [], False)
    assert both.review == [f"it holds the tokens of several handouts: {other}, {own}"]
    without = with_token(handouts["s1001"], own, "")
    alone = said_of(manifest, titled(without, other), "s1001.xlsx")
    assert (alone.student.id, alone.problem) == ("s1001", "")
    assert not {"tokens_of", "workbook_of"} & set(alone.evidence)
    assert alone.review == ["its token is another student's than its file name says"]
    changed = with_token(without, "<v>0.", "<v>7.")
    assert said_of(manifest, titled(changed, FOREIGN), "s1001.xlsx").problem == ""


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
