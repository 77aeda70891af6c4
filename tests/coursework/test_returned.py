"""Feedback goes back under the names of the download; what was withdrawn goes away again."""

from __future__ import annotations

import errno
import os
import random
import unicodedata
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad.errors import InputError
from cellgrad_coursework.model import (
    Grade,
    Student,
)
from cellgrad_coursework.results.write import file_name
from cellgrad_coursework.running.command import grade_command
from cellgrad_coursework.running.returned import Returned, ReturnNames
from handed_in import AMARA, FAKE, IN_MOODLE, as_zip, contents, filled, graded, variant

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
