"""``cellgrad grade``: what it says, and where its results may go."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cellgrad.errors import InputError
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.results.summary import places_of, record_of
from cellgrad_coursework.running.command import grade_command
from cellgrad_coursework.running.store import check_results, claim_results
from cellgrad_coursework.setting.assign import write_example
from cellgrad_coursework.setting.assignment import read_assignment
from handed_in import AMARA, a_grade, contents, filled, filled_in, said_of


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
