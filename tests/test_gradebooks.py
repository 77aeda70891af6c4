"""The files that an LMS imports, read by the rules of its own importer, written apart from ours."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import jsonschema
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad import shipped
from cellgrad.errors import InputError
from cellgrad_coursework.kits import git, gradescope, prairielearn
from cellgrad_coursework.kits.__main__ import main as kits_command
from cellgrad_coursework.kits.wheel import wheel_bytes, wheel_name
from cellgrad_coursework.kits.write import KINDS, MANIFEST, WHEEL, write_kit
from cellgrad_coursework.manifest_file import manifest_bytes, version_of
from cellgrad_coursework.model import OK, WRONG
from cellgrad_coursework.moodle_worksheet import moodle_number
from cellgrad_coursework.results.outputs import FORMATS, write_all
from cellgrad_coursework.results.outputs.canvas_points import canvas_points
from cellgrad_coursework.results.outputs.gradescope import gradescope_results
from cellgrad_coursework.results.outputs.moodle_feedback import write_feedback_zip
from cellgrad_coursework.results.outputs.prairielearn import MAX_BYTES, prairielearn_results
from cellgrad_coursework.results.outputs.text import csv_line
from cellgrad_coursework.roster import read_roster
from cellgrad_coursework.taking_in.matching import OTHER_ASSIGNMENT, ByName
from graded import (
    HOSTILE,
    ROOT,
    grade,
    manifest,
    mistaken,
    mixed,
    renamed,
    roster,
    unreadable,
)

STARTS = tuple("=+-@\t\r")


def course(students=None):
    """Return a roster and grades with everything in them that a course can bring."""
    students = roster(8) if students is None else students
    a = list(students)
    wrong = manifest().cells[-1].address
    grades = [
        grade(student=a[0], file="s000.xlsx"),
        mistaken(student=a[1], file="s001.xlsx"),  # late
        mixed(student=a[2], file="s002.xlsx"),
        grade({wrong: WRONG}, student=a[3], file="x_1003_assignsubmission_file_/s003.xlsx"),
        unreadable("s004.xlsx", a[4]),
        grade({wrong: WRONG}, student=a[5], file="s005.xlsx"),
        grade(student=a[5], file="s005-1.xlsx"),
        unreadable("nobody.xlsx"),
    ]
    grades[-3].superseded = "s005-1.xlsx"
    return students, grades  # s006, s007: nothing handed in


@pytest.fixture
def written(tmp_path):
    students, grades = course()
    write_all(tmp_path, manifest(), grades, students, FORMATS)
    return tmp_path


def table(path):
    """Read a CSV file into its header and its rows."""
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    assert len({len(row) for row in rows}) == 1
    return rows[0], rows[1:]


def records(path):
    header, rows = table(path)
    return [dict(zip(header, row, strict=True)) for row in rows]


# importers, written from the documented rules


class CanvasCourse:
    """A course into which a gradebook is imported, by the rules of Canvas's own importer."""

    def __init__(self, users, assignments):
        self.users, self.assignments = users, dict(assignments)
        self.grades, self.points, self.new = {}, {}, []

    def import_csv(self, data):  # noqa: C901 - its rules stand here one after another
        text = data.decode("utf-8")
        first = text.splitlines()[:3]
        counts = {
            sign: {len(next(csv.reader([line], delimiter=sign))) for line in first} for sign in ";,"
        }
        width = {sign: c.pop() if len(c) == 1 else 0 for sign, c in counts.items()}
        sign = ";" if width[";"] > width[","] else ","
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=sign))
        header = rows[0]
        assert len(header) > 3
        assert "Student" in header[0]
        assert "ID" in header[1]
        student_columns, sis_user, sis_login = 3, None, None
        if re.search(r"SIS\s+Login\s+ID", header[2]):
            sis_login, student_columns = 2, 4
        elif re.search(r"SIS\s+User\s+ID", header[2]) and re.search(r"SIS\s+Login\s+ID", header[3]):
            sis_user, sis_login, student_columns = 2, 3, 5
        assert "Section" in header[student_columns - 1]
        columns = {}
        for place, name in enumerate(header[student_columns:], student_columns):
            match = re.fullmatch(r"(.*)\s\((\d+)\)", name)
            known = int(match[2]) if match and int(match[2]) in self.assignments else None
            if known is None:
                known = next((i for i, t in self.assignments.items() if t == name), None)
            if known is None:
                known = -len(self.new) - 1
                self.new.append(name)
            columns[place] = known
        for row in rows[1:]:
            if "Points Possible" in row[0]:
                self.points = {columns[p]: float(row[p]) for p in columns}
                continue
            user = self._user(row, sis_user, sis_login)
            assert user is not None, row
            for place, assignment in columns.items():
                value = row[place].strip()
                if re.fullmatch(r"-?[0-9.,]+%?", value):  # a comma may stand for the point
                    *whole, last = re.split(r"[,.]", value)
                    value = f"{''.join(whole)}.{last}" if whole else last
                if value.upper() == "EX":
                    self.grades[user, assignment] = "EX"
                elif value not in ("", "-"):
                    self.grades[user, assignment] = float(value)

    def _user(self, row, sis_user, sis_login):
        if row[1]:
            leading = re.match(r"\d*", row[1])[0]
            if int(leading or 0) in self.users:
                return int(leading or 0)
        for column, key in ((sis_user, "sis"), (sis_login, "login")):
            if column is not None and row[column]:
                for number, user in self.users.items():
                    if user.get(key) == row[column]:
                        return number
        return next((n for n, user in self.users.items() if user["name"] == row[0]), None)


def canvas_users(students):
    return {900 + n: {"name": s.name, "login": s.id} for n, s in enumerate(students)}


def moodle_import(data, participants, maximum, modified=None):
    """Return the grades that Moodle's offline worksheet sets, by the rules of its importer."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8").lstrip("\ufeff"), newline="")))
    header = rows[0]
    place = {name: header.index(name) for name in ("Identifier", "Grade", "Last modified (grade)")}
    grades = {}
    for row in rows[1:]:
        number = row[place["Identifier"]][len("Participant ") :]
        if number not in participants:
            continue
        text = row[place["Grade"]].strip().replace(" ", "")
        if text == "":
            continue
        value = float(text)
        if not 0 <= value <= maximum:
            continue
        if (modified or {}).get(number) and not row[place["Last modified (grade)"]]:
            continue  # graded there since the worksheet was downloaded
        grades[number] = value
    return grades


def gradescope_accepts(document):
    """Check a results.json by the documented rules; return its score and its maximum."""
    known = {
        "score", "execution_time", "output", "output_format", "test_output_format",
        "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard",
    }  # fmt: skip
    visibilities = {"hidden", "after_due_date", "after_published", "visible"}
    formats = {"text", "html", "simple_format", "md", "ansi"}
    assert set(document) <= known
    assert isinstance(document["score"], (int, float))
    assert document["visibility"] in visibilities
    assert document["stdout_visibility"] in visibilities
    for name in ("output_format", "test_output_format", "test_name_format"):
        assert document[name] in formats
    for test in document["tests"]:
        assert set(test) <= {
            "score", "max_score", "status", "name", "name_format", "number", "output",
            "output_format", "tags", "visibility", "extra_data",
        }  # fmt: skip
        assert test["status"] in ("passed", "failed")
        assert test["visibility"] in visibilities
        assert isinstance(test["number"], str)
        assert all(isinstance(tag, str) for tag in test["tags"])
        assert isinstance(test["score"], (int, float))
    return document["score"], sum(test["max_score"] for test in document["tests"])


def prairielearn_accepts(document):
    """Check a results.json by the documented rules; return its score, None if not gradable."""
    assert len(json.dumps(document, ensure_ascii=False).encode()) <= 1_000_000
    if not document.get("gradable", True):
        errors = document["format_errors"]
        assert isinstance(errors, str) or all(isinstance(error, str) for error in errors)
        return None
    assert 0.0 <= document["score"] <= 1.0
    with_points = [("points" in t, "max_points" in t) for t in document["tests"]]
    assert set(with_points) <= {(True, True)}
    for test in document["tests"]:
        assert isinstance(test["name"], str)
        assert isinstance(test["message"], str)
        assert isinstance(test["description"], str)
    return document["score"]


# gradebooks


def test_canvas_imports_the_grades_by_the_login_that_the_roster_knows(written):
    students, _ = course()
    canvas = CanvasCourse(canvas_users(students), {77: "Another assignment"})
    canvas.import_csv((written / "canvas.csv").read_bytes())
    assert canvas.new == [manifest().title]
    found = {user: value for (user, _), value in canvas.grades.items()}
    points = manifest().points
    assert canvas.points == {-1: points}
    late = (points - 1) * 0.9
    assert found == {900: points, 901: pytest.approx(late), 902: pytest.approx(points - 5),
                     903: points - 1, 905: points}  # fmt: skip


def test_a_roster_exported_from_canvas_leads_to_its_own_assignment(tmp_path):
    students = [
        renamed(s, other=(("Student", f"Name {n}"), ("ID", str(40 + n)), ("SIS Login ID", "x"),
                          (f"{manifest().title} (4711)", ""), ("excused", "EX" if n == 2 else "")))
        for n, s in enumerate(roster(3))
    ]  # fmt: skip
    grades = [grade(student=s, file=f"{s.id}.xlsx") for s in students[:2]]
    write_all(tmp_path, manifest(), grades, students, ["canvas"])
    canvas = CanvasCourse({40 + n: {"name": ""} for n in range(3)}, {4711: "its name there"})
    canvas.import_csv((tmp_path / "canvas.csv").read_bytes())
    assert canvas.new == []
    points = manifest().points
    assert canvas.grades == {(40, 4711): points, (41, 4711): points * 0.9, (42, 4711): "EX"}


def test_an_id_of_ones_own_is_not_taken_for_one_of_canvas(tmp_path):
    students = [renamed(s, other=(("id", "41"), ("name", s.name))) for s in roster(1)]
    write_all(tmp_path, manifest(), [grade(student=students[0])], students, ["canvas"])
    assert records(tmp_path / "canvas.csv")[1]["ID"] == ""


def test_moodle_imports_the_grades_by_its_participants(written):
    participants = {str(1000 + n) for n in range(8)}
    found = moodle_import((written / "moodle.csv").read_bytes(), participants, manifest().points)
    points = manifest().points
    assert found == {"1000": points, "1001": pytest.approx((points - 1) * 0.9),
                     "1002": points - 5, "1003": points - 1, "1005": points}  # fmt: skip


def test_a_participant_is_known_from_a_downloaded_file_where_the_roster_knows_none(tmp_path):
    students = [renamed(s, other=()) for s in roster(2)]
    file = "Ada Lovelace_31415_assignsubmission_file_/s000.xlsx"
    remarks = write_all(
        tmp_path, manifest(), [grade(student=students[0], file=file)], students, ["moodle"]
    )
    found = moodle_import((tmp_path / "moodle.csv").read_bytes(), {"31415"}, manifest().points)
    assert found == {"31415": manifest().points}
    assert len(remarks) == 1
    assert "1 without an identifier" in remarks[0]


def test_a_course_that_knows_no_moodle_gets_no_worksheet_unless_it_asks(tmp_path):
    students = [renamed(s, other=()) for s in roster(2)]
    assert write_all(tmp_path, manifest(), [grade(student=students[0])], students) == []
    assert not (tmp_path / "moodle.csv").exists()
    remarks = write_all(tmp_path, manifest(), [], students, ["moodle"])
    assert "2 without an identifier" in remarks[0]


def test_moodle_gets_grades_on_its_own_scale(tmp_path):
    students = [renamed(s, other=(("Identifier", "Participant 5"), ("Maximum Grade", "100")))
                for s in roster(1)]  # fmt: skip
    half = {c.address: WRONG for c in manifest().cells[: len(manifest().cells) // 2]}
    one = grade(half, student=students[0])
    write_all(tmp_path, manifest(), [one], students, ["moodle"])
    found = moodle_import((tmp_path / "moodle.csv").read_bytes(), {"5"}, 100)
    assert found["5"] == pytest.approx(100 * one.score / one.of)


ENGLISH = (
    ("Identifier", "Participant {}"), ("Full name", "Ada"), ("Grade", ""), ("Maximum Grade", "50"),
    ("Grade can be changed", "Yes"), ("Last modified (submission)", "-"),
    ("Last modified (grade)", "-"), ("Feedback comments", ""),
)  # fmt: skip
GERMAN = (
    ("ID", "Teilnehmer/in{}"), ("Vollständiger Name", "Ada"), ("Status", "-"),
    ("Bewertung", "-"), ("Bestwertung", "20,00"), ("Bewertung kann geändert werden", "Ja"),
    ("Zuletzt geändert (Bewertung)", "-"), ("Feedback als Kommentar", "gut"),
)  # fmt: skip
SPANISH = (
    ("Identificador", "Participante {}"), ("Estado", "x"), ("Calificación", "3,5"),
    ("Calificación máxima", "10,00"), ("Última modificación (calificación)", "ayer"),
)  # fmt: skip
MADE_UP = (
    ("Numo", "Ano {}"), ("Poento", ""), ("Plejmulto", "5"), ("Ŝanĝita (alsendo)", "-"),
    ("Ŝanĝita (Poento)", "-"),
)  # fmt: skip


def worksheet(columns, number):
    """Return what a roster keeps of a row of a site's grading worksheet."""
    return tuple((name, value.format(number)) for name, value in columns)


def localised_import(data, heads, word, maximum):
    """Return the grades that a site in another language sets: it looks for its own words."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    identifier, mark, date = (rows[0].index(head) for head in heads)
    assert date > mark
    found = {}
    for row in rows[1:]:
        number = row[identifier][len(word) :]  # whatever stands there
        assert row[identifier] == f"{word}{number}"
        if row[mark]:
            assert 0 <= float(row[mark]) <= maximum
            found[number] = float(row[mark])
    return found


@pytest.mark.parametrize(
    ("columns", "heads", "word", "most"),
    [
        (ENGLISH, ("Identifier", "Grade", "Last modified (grade)"), "Participant ", 50),
        (GERMAN, ("ID", "Bewertung", "Zuletzt geändert (Bewertung)"), "Teilnehmer/in", 20),
        (SPANISH, ("Identificador", "Calificación", "Última modificación (calificación)"),
         "Participante ", 10),
        (MADE_UP, ("Numo", "Poento", "Ŝanĝita (Poento)"), "Ano ", 5),
    ],
)  # fmt: skip
def test_a_worksheet_in_another_language_goes_back_in_it(tmp_path, columns, heads, word, most):
    students = [renamed(s, other=worksheet(columns, 70 + n)) for n, s in enumerate(roster(3))]
    a = renamed(students[0], late=0.0)
    half = {c.address: WRONG for c in manifest().cells[: len(manifest().cells) // 2]}
    one = grade(half, student=a)
    write_all(tmp_path, manifest(), [one], students, ["moodle"])
    data = (tmp_path / "moodle.csv").read_bytes()
    assert localised_import(data, heads, word, most) == {
        "70": pytest.approx(most * one.score / one.of, abs=1e-6)
    }
    header, rows = table(tmp_path / "moodle.csv")
    given = [name for name, _ in columns if not name.startswith("Feedback")]
    assert header == given  # without their column, comments stay as they are
    kept = [place for place, name in enumerate(given) if name != heads[1]]
    for n, row in enumerate(rows):
        old = [value for _, value in worksheet(columns, 70 + n)]
        assert [row[p] for p in kept] == [old[p].removeprefix("-") for p in kept]


@pytest.mark.parametrize("without", [0, 3, 6])
def test_a_roster_that_may_be_no_worksheet_gives_an_english_one(tmp_path, without):
    columns = [pair for place, pair in enumerate(GERMAN) if place != without]
    students = [renamed(s, other=worksheet(columns, 5)) for s in roster(1)]
    file = "Ada_77_assignsubmission_file_/a.xlsx"
    write_all(tmp_path, manifest(), [grade(student=students[0], file=file)], students, ["moodle"])
    assert table(tmp_path / "moodle.csv")[0][0] == "Identifier"
    found = moodle_import((tmp_path / "moodle.csv").read_bytes(), {"77"}, manifest().points)
    assert found == {"77": manifest().points}


def test_a_participant_is_known_in_the_words_of_the_site():
    ada = renamed(roster(1)[0], other=worksheet(GERMAN, 4711))
    hans = renamed(roster(2)[1], other=(("ID", "s4712"), ("Bewertung", "")))  # one's own list
    assert (moodle_number(ada), moodle_number(hans)) == ("4711", "")
    found = ByName([ada, hans]).told("Somebody_4711_assignsubmission_file_/x.xlsx")
    assert found is ada


def canvas_export(path, possible, title=None):
    """Write what Canvas exports: the row of the points stands below the headings."""
    head = f"Student,ID,SIS Login ID,Section,Other (1),{title or manifest().title} (4711)"
    path.write_text(
        f"\ufeff{head}\n    Points Possible,,,,3,{possible}\nAda,40,s000,A,,\n", "utf-8"
    )
    return path


def test_canvas_gets_grades_on_its_own_scale(tmp_path):
    export = canvas_export(tmp_path / "roster.csv", "10.0")
    students = read_roster(export)
    possible = canvas_points(export, manifest())
    assert possible == 10
    half = {c.address: WRONG for c in manifest().cells[: len(manifest().cells) // 2]}
    one = grade(half, student=students[0])
    remarks = write_all(
        tmp_path, manifest(), [one], students, ["canvas"], canvas_points=possible
    )  # fmt: skip
    assert remarks == ["canvas.csv: scaled from 59 points to the 10 that Canvas gives"]
    canvas = CanvasCourse({40: {"name": "Ada"}}, {4711: "its name there"})
    canvas.import_csv((tmp_path / "canvas.csv").read_bytes())
    assert canvas.points == {4711: 10}
    assert canvas.grades == {(40, 4711): pytest.approx(10 * one.score / one.of, abs=1e-6)}


@pytest.mark.parametrize(
    ("possible", "title"), [("", None), ("(read only)", None), ("0", None), ("10", "Another")]
)
def test_an_export_that_does_not_say_the_points_changes_nothing(tmp_path, possible, title):
    export = canvas_export(tmp_path / "roster.csv", possible, title)
    assert canvas_points(export, manifest()) is None


def test_a_semicolon_and_a_decimal_comma_are_read_too(tmp_path):
    export = canvas_export(tmp_path / "roster.csv", "12.5")
    export.write_text(export.read_text("utf-8").replace(",", ";").replace("12.5", "12,5"), "utf-8")
    assert canvas_points(export, manifest()) == 12.5


def test_another_students_workbook_has_points_but_no_grade_in_an_lms(tmp_path):
    students = roster(2)
    one = grade(student=students[0], file="s000.xlsx")
    one.evidence["workbook_of"] = students[1].id
    one.copying = [f"the workbook is that of {students[1].id}: it has their token"]
    write_all(tmp_path, manifest(), [one, grade(student=students[1])], students)
    row = records(tmp_path / "gradebook.csv")[0]
    assert (row["points"], row["score"]) == ("59", "59")
    assert "no grade of it is in the files for an LMS" in row["look_at"]
    assert len(records(tmp_path / "review.csv")) == 1  # one fact
    canvas = {r["SIS Login ID"]: r[manifest().title] for r in records(tmp_path / "canvas.csv")[1:]}
    assert canvas == {"s000": "", "s001": "53.1"}
    marks = [row["Grade"] for row in records(tmp_path / "moodle.csv")]
    assert marks == ["", "53.1"]


def test_points_that_are_not_settled_have_a_column(written):
    rows = {row["file"]: row["open"] for row in records(written / "gradebook.csv")}
    assert rows["s002.xlsx"] == "1"
    assert rows["s000.xlsx"] == "0"
    assert rows["s004.xlsx"] == ""


def test_a_workbook_of_another_assignment_is_a_row_of_its_own_kind(tmp_path):
    students = roster(1)
    one = unreadable("s000.xlsx", students[0])
    one.problem = OTHER_ASSIGNMENT
    write_all(tmp_path, manifest(), [one], students, FORMATS)
    row = records(tmp_path / "gradebook.csv")[0]
    assert (row["status"], row["score"]) == ("other assignment", "")
    assert [r["kind"] for r in records(tmp_path / "review.csv")] == ["other assignment"]
    assert records(tmp_path / "canvas.csv")[1][manifest().title] == ""
    document = json.loads((tmp_path / "gradebook.json").read_text("utf-8"))
    jsonschema.validate(document, json.loads(shipped.schema("gradebook").read_text("utf-8")))
    assert "1 of another assignment" in (tmp_path / "class.html").read_text("utf-8")


def moodle_feedback(data, participants):
    """Return what Moodle's importer of feedback makes of a zip, by its rules."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for path in archive.namelist():
            parts = path.split("/")
            while parts:
                info = parts.pop(0).split("_", 4)
                if len(info) < 4 or not info[1].isdecimal() or info[1] not in participants:
                    continue
                if info[2:4] != ["assignsubmission", "file"]:
                    continue
                name = "/".join([*info[4:], *parts]).lstrip("/")
                found.setdefault(info[1], []).append((name, archive.read(path)))
                break
    return found


def test_moodle_takes_the_feedback_back_from_one_zip(tmp_path):
    files = {
        "Ada L_77_assignsubmission_file_/my step.xlsx": b"a",
        "Ada L_77_assignsubmission_file_/my step.html": b"b",
        "download.zip/Max_78_assignsubmission_file/s.xlsx": b"c",
        "Mary_79_assignsubmission_file_s.xlsx": b"d",
        "s001.xlsx": b"not from Moodle",
    }
    for name, data in files.items():
        path = tmp_path / "feedback" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    written = []
    for _ in range(2):
        assert write_feedback_zip(tmp_path, tmp_path / "feedback", files)
        written.append((tmp_path / "feedback.zip").read_bytes())
    assert written[0] == written[1]
    with zipfile.ZipFile(tmp_path / "feedback.zip") as archive:  # for older sites
        assert "Max_78_assignsubmission_file/s.xlsx" in archive.namelist()
    assert moodle_feedback(written[0], {"77", "78", "79"}) == {
        "77": [("my step.html", b"b"), ("my step.xlsx", b"a")],
        "78": [("s.xlsx", b"c")],
        "79": [("s.xlsx", b"d")],
    }
    assert not write_feedback_zip(tmp_path, tmp_path / "feedback", ["s001.xlsx"])
    assert [path.name for path in tmp_path.iterdir()] == ["feedback"]


def test_gradescope_accepts_the_results_of_every_submission(written):
    _, grades = course()
    files = sorted((written / "gradescope").glob("*.json"))
    assert len(files) == len(grades)
    for file in files:
        document = json.loads(file.read_text("utf-8"))
        score, most = gradescope_accepts(document)
        assert most == manifest().points
        assert 0 <= score <= most


def test_prairielearn_accepts_the_results_of_every_submission(written):
    files = sorted((written / "prairielearn").glob("*.json"))
    found = [prairielearn_accepts(json.loads(file.read_text("utf-8"))) for file in files]
    assert len(found) == 8
    assert sum(score is None for score in found) == 2
    assert max(score for score in found if score is not None) == 1.0


@pytest.mark.slow
def test_results_of_many_cells_stay_below_a_megabyte():
    one = mixed()
    long = [v for v in one.verdicts for _ in range(60)]
    one.verdicts = [type(v)(v.cell, v.verdict, v.points, "=" + "A1+" * 2_000, message="x" * 5_000)
                    for v in long]  # fmt: skip
    one.of, one.score = 60 * one.of, 60 * one.score
    document = prairielearn_results(one)
    assert prairielearn_accepts(document) == pytest.approx(one.score / one.of)
    assert len(json.dumps(document)) < MAX_BYTES


def test_every_submission_and_every_student_has_a_row(written):
    rows = records(written / "gradebook.csv")
    assert [(r["student"], r["status"], r["counts"]) for r in rows] == [
        ("s000", "graded", "yes"), ("s001", "graded", "yes"), ("s002", "graded", "yes"),
        ("s003", "graded", "yes"), ("s004", "unreadable", "yes"), ("s005", "graded", "yes"),
        ("s005", "graded", "no"), ("s006", "missing", "yes"), ("s007", "missing", "yes"),
        ("", "unreadable", "yes"),
    ]  # fmt: skip
    assert rows[4]["score"] == rows[7]["score"] == ""
    late = rows[1]
    assert float(late["score"]) == pytest.approx(float(late["points"]) * (1 - float(late["late"])))
    assert (late["root_causes"], late["consequences"]) == ("1", "24")
    assert "already updated" in late["first_mistake"]
    assert "no zip archive" in rows[4]["look_at"]


def test_the_tidy_table_has_a_row_a_cell_and_agrees_with_the_json(written):
    document = json.loads((written / "gradebook.json").read_text("utf-8"))
    rows = records(written / "cells.csv")
    assert len(rows) == len(document["cells"]) == 6 * len(manifest().cells) + 4
    for row, cell in zip(rows, document["cells"], strict=True):
        for name, value in cell.items():
            told = "" if value is None else value
            if isinstance(told, (int, float)):
                assert float(row[name]) == told
            else:
                assert row[name].removeprefix("'") == re.sub(r"[\x00-\x08\x0b-\x1f]", "", told)
    sums = {}
    for row in rows:
        if row["verdict"]:
            key = (row["student"], row["file"])
            sums[key] = sums.get(key, 0) + float(row["points"])
    for row in records(written / "gradebook.csv"):
        if row["status"] == "graded":
            assert sums[row["student"], row["file"]] == pytest.approx(float(row["points"]))


def test_the_json_follows_its_schema(written):
    document = json.loads((written / "gradebook.json").read_text("utf-8"))
    schema = json.loads(shipped.schema("gradebook").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    document["cells"][0]["verdict"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_the_list_for_review_names_every_reason(written):
    rows = records(written / "review.csv")
    kinds = [(r["student"], r["file"], r["kind"]) for r in rows]
    assert kinds == [
        ("s002", "s002.xlsx", "review"), ("s002", "s002.xlsx", "potential copying"),
        ("s002", "s002.xlsx", "note"), ("s004", "s004.xlsx", "unreadable"),
        ("s005", "s005.xlsx", "not counted"), ("", "nobody.xlsx", "unreadable"),
    ]  # fmt: skip
    assert rows[-1]["reason"].endswith("; it could not be told whose this is")


def test_the_order_of_the_grades_changes_no_byte(tmp_path):
    students, _ = course()
    files = []
    for number in range(3):
        folder = tmp_path / str(number)
        _, grades = course()
        random.Random(number).shuffle(grades)
        write_all(folder, manifest(), grades, students, FORMATS)
        files.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*")})
    assert files[0] == files[1] == files[2]
    assert len(files[0]) == 7 + 2 * 8


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="blackboard"):
        write_all(tmp_path / "out", manifest(), [], [], ["blackboard"])
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "out").write_text("a file", "utf-8")
    with pytest.raises(InputError, match="out"):
        write_all(tmp_path / "out", manifest(), [], roster(1))


# what a spreadsheet program would run


@pytest.mark.parametrize("start", STARTS)
def test_no_text_of_a_student_begins_a_formula_in_any_table(tmp_path, start):
    text = f"{start}HYPERLINK(1)"
    student = renamed(roster(1)[0], name=text, email=text, section=text)
    at = manifest().cells[0].address
    one = grade({at: {"verdict": WRONG, "formula": text, "message": text}},
                student=student, file=text)  # fmt: skip
    one.review, one.notes, one.copying = [text], [text], [text]
    write_all(tmp_path, manifest(), [one, unreadable(text)], [student], FORMATS)
    for path in tmp_path.glob("*.csv"):
        header, rows = table(path)
        for row in rows:
            for name, value in zip(header, row, strict=True):
                assert not value.startswith(STARTS) or _number(value), (path.name, name, value)
    assert f"'{start}"[:2] == records(tmp_path / "gradebook.csv")[0]["name"][:2]


def test_numbers_and_ids_that_a_program_matches_are_left_alone(tmp_path):
    student = renamed(roster(1)[0], id="-17", other=(("Identifier", "Participant 3"),))
    at = manifest().cells[0].address
    one = grade(student=student, file="-17.xlsx")
    one.verdicts[0] = type(one.verdicts[0])(manifest().cells[0], OK, 1.0, value=-0.25, right=-1e-7)
    write_all(tmp_path, manifest(), [one], [student], FORMATS)
    row = records(tmp_path / "cells.csv")[0]
    assert (row["cell"], row["value"], row["right"], row["student"]) == (
        at,
        "-0.25",
        "-1e-07",
        "-17",
    )
    canvas = records(tmp_path / "canvas.csv")[1]
    assert canvas["SIS User ID"] == canvas["SIS Login ID"] == "-17"
    assert records(tmp_path / "moodle.csv")[0]["Identifier"] == "Participant 3"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.text(), st.floats(), st.integers(), st.none()), min_size=1))
def test_a_line_of_a_table_reads_back_and_holds_no_formula(fields):
    read = list(csv.reader(io.StringIO(csv_line(fields), newline="")))
    assert len(read) == 1 or fields == [""]
    for field, text in zip(fields, read[0] if read else [""], strict=True):
        if isinstance(field, str):
            kept = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", field)
            assert text in (kept, f"'{kept}")
            assert not text.startswith(STARTS)
        elif field is None:
            assert text == ""
        elif field == field:  # noqa: PLR0124 - not a NaN
            assert type(field)(text) == field


def _number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_hostile_words_mean_nothing_to_a_platform():
    one = mixed(file=HOSTILE)
    text = json.dumps(gradescope_results(one))
    assert gradescope_results(one)["output_format"] == "text"
    assert "\\u001b" not in text
    assert "\\u001b" not in json.dumps(prairielearn_results(one))
    bad = unreadable(HOSTILE)
    bad.problem = HOSTILE
    assert "<" not in prairielearn_results(bad)["format_errors"][0]
    assert "<script>" not in git.markdown("<script>", one).replace("\\<", "")


# kits


@pytest.fixture(scope="module")
def kits(tmp_path_factory):
    """Return a folder with every kit, of the assignment that is made by hand."""
    m = manifest()
    case = next(iter(m.handouts.values())).case
    version = version_of(m.cells, m.givens, m.fixed, m.names, m.policy, case)
    folder = tmp_path_factory.mktemp("kits")
    (folder / "manifest.json").write_bytes(manifest_bytes(replace(m, version=version)))
    for kind in KINDS:
        write_kit(kind, folder, folder / kind)
    return folder


@pytest.mark.slow
def test_the_wheel_of_a_kit_is_a_wheel_of_what_is_running(tmp_path):
    data = wheel_bytes()
    assert data == wheel_bytes.__wrapped__()
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        names = set(wheel.namelist())
        about = next(n for n in names if n.endswith(".dist-info/METADATA"))
        assert "Requires-Dist: numpy" in wheel.read(about).decode()
        record = wheel.read(about.replace("METADATA", "RECORD")).decode().splitlines()
        assert {line.split(",")[0] for line in record} == names
    assert {"cellgrad_coursework/kits/__main__.py", "cellgrad/cli/main.py"} <= names
    assert "cellgrad/data/reference/schema/gradebook.schema.json" in names
    assert "cellgrad_coursework/results/feedback/templates/student.html.jinja" in names
    assert not any("__pycache__" in name for name in names)


def test_one_line_writes_a_kit(kits, tmp_path, capsys):
    words = ["write", "gradescope", str(kits / "git" / "lecturer"), str(tmp_path / "kit")]
    assert kits_command(words) == 0
    assert "README.md" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "kit").iterdir()} == {
        "README.md", "manifest.json", "run_autograder", "setup.sh", wheel_name(),
    }  # fmt: skip


def test_an_unknown_kit_is_refused(tmp_path):
    with pytest.raises(InputError, match="blackboard"):
        write_kit("blackboard", tmp_path, tmp_path / "kit")
    assert list(tmp_path.iterdir()) == []


def _assigned(folder):
    """Write the example assignment; return its folder and its manifest."""
    from cellgrad_coursework.manifest_file import read_manifest  # noqa: PLC0415
    from cellgrad_coursework.roster import read_roster  # noqa: PLC0415
    from cellgrad_coursework.setting.assign import assign  # noqa: PLC0415 (slow to import)
    from cellgrad_coursework.setting.assignment import read_assignment  # noqa: PLC0415
    from cellgrad_coursework.setting.init import ASSIGNMENT, ROSTER, write_example  # noqa: PLC0415

    write_example(folder / "example")
    assign(
        read_assignment(folder / "example" / ASSIGNMENT),
        read_roster(folder / "example" / ROSTER)[:2],
        folder / "handouts",
        secret=folder / "secret",
        worksheet=False,
    )
    return folder / "handouts", read_manifest(folder / "handouts")


def _filled(folder, found, wrong=()):
    """Return a student's workbook, filled in with the right formulas but for some cells."""
    handout = next(iter(found.handouts.values()))
    book = openpyxl.load_workbook(folder / "students" / handout.file)
    for cell in found.cells:
        formula = f"={cell.formula}"
        book[cell.sheet][cell.address] = f"{formula}+1" if cell.address in wrong else formula
    buffer = io.BytesIO()
    book.save(buffer)
    return handout.student, buffer.getvalue()


@pytest.fixture(scope="module")
def assigned(tmp_path_factory):
    folder, found = _assigned(tmp_path_factory.mktemp("assigned"))
    written = tmp_path_factory.mktemp("kits")
    for kind in KINDS:
        write_kit(kind, folder, written / kind)
    return folder, found, written


def installed(kit, tmp_path, **environment):
    """Run setup.sh of the Gradescope kit as it is; return the environment in which it graded."""
    site = tmp_path / "site"
    env = os.environ | environment | {
        "CELLGRAD_PYTHON": sys.executable, "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1",
        "PIP_TARGET": str(site), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }  # fmt: skip
    subprocess.run(["bash", str(kit / "setup.sh")], env=env, check=True, capture_output=True,
                   timeout=120)  # fmt: skip
    return env | {"PYTHONPATH": str(site)}


@pytest.mark.slow
def test_the_gradescope_kit_works_when_zipped_as_it_is(assigned, tmp_path):
    folder, found, kits = assigned
    archive = shutil.make_archive(str(tmp_path / "autograder"), "zip", kits / "gradescope")
    with zipfile.ZipFile(archive) as inside:
        names = inside.namelist()
        modes = {i.filename: i.external_attr >> 16 for i in inside.infolist()}
    assert {"setup.sh", "run_autograder", "manifest.json", wheel_name()} <= set(names)
    assert modes["run_autograder"] & 0o111
    root = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (root / name).mkdir(parents=True)
    shutil.unpack_archive(archive, root / "source")
    env = installed(root / "source", tmp_path, CELLGRAD_AUTOGRADER=str(root))
    shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
    wrong = found.cells[-1]
    student, data = _filled(folder, found, {wrong.address})
    (root / "submission" / "my workbook.xlsx").write_bytes(data)
    (root / "submission_metadata.json").write_text(
        json.dumps({"id": 1, "users": [{"email": "someone@else.org", "id": 2, "name": "X"}]})
    )
    done = subprocess.run(["bash", str(root / "run_autograder")], env=env, cwd=root, check=True,
                          capture_output=True, timeout=120, text=True)  # fmt: skip
    document = json.loads((root / "results" / "results.json").read_text("utf-8"))
    score, most = gradescope_accepts(document)
    assert (score, most) == (found.points - wrong.points, found.points)
    failed = [test for test in document["tests"] if test["status"] == "failed"]
    assert [test["name"] for test in failed] == [f"{wrong.label} ({wrong.address})"]
    if student.email:
        assert "someone@else.org" in done.stdout
        assert "someone@else.org" not in document["output"]
    where = subprocess.run(
        [sys.executable, "-c", "import cellgrad; print(cellgrad.__file__)"],
        env=env, cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(tmp_path) in where.stdout  # the wheel that lies in the kit graded it


@pytest.mark.slow
@pytest.mark.parametrize("files", [{}, {"a.xlsx": b"no zip"}, {"a.txt": b"x"}])
def test_the_gradescope_kit_answers_for_every_submission(assigned, tmp_path, monkeypatch, files):
    _, found, kits = assigned
    shutil.copytree(kits / "gradescope", tmp_path / "source")
    (tmp_path / "submission").mkdir()
    for name, data in files.items():
        (tmp_path / "submission" / name).write_bytes(data)
    (tmp_path / "submission_metadata.json").write_text('{"users": [7, {"email": 3}, {}]}')
    monkeypatch.setenv("CELLGRAD_AUTOGRADER", str(tmp_path))
    assert gradescope.run() == 0
    document = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))
    assert gradescope_accepts(document) == (0.0, found.points)
    assert document["tests"][0]["output"]


@pytest.mark.slow
@pytest.mark.parametrize("answers", ["files", "none", "damaged"])
def test_the_prairielearn_kit_grades_what_lies_in_grade(assigned, tmp_path, monkeypatch, answers):
    folder, found, kits = assigned
    question = kits / "prairielearn" / "question"
    shutil.copytree(question / "tests", tmp_path / "tests")
    for name in ("data", "student"):
        (tmp_path / name).mkdir()
    _, data = _filled(folder, found, {found.cells[0].address})
    contents = {"name": "workbook.xlsx", "contents": base64.b64encode(data).decode()}
    files = [contents] if answers == "files" else []
    if answers != "none":
        (tmp_path / "student" / "workbook.xlsx").write_bytes(data)
    text = json.dumps({"submitted_answers": {"_files": files}, "params": {}})
    (tmp_path / "data" / "data.json").write_text("{" if answers == "damaged" else text)
    monkeypatch.setenv("CELLGRAD_GRADE", str(tmp_path))
    assert prairielearn.run() == 0
    document = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))
    share = prairielearn_accepts(document)
    if answers == "none":
        assert share is None
        assert document["format_errors"] == ["no file was handed in"]
    else:
        assert share == pytest.approx(1 - found.cells[0].points / found.points)


def test_the_prairielearn_question_is_as_documented(kits):
    info = json.loads((kits / "prairielearn" / "question" / "info.json").read_text("utf-8"))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", info["uuid"])
    assert info["gradingMethod"] == "External"
    options = info["externalGradingOptions"]
    assert options["enabled"] is True
    assert options["enableNetworking"] is False
    assert 0 < options["timeout"] <= 600
    image = kits / "prairielearn" / "image"
    assert "COPY run.sh /cellgrad/run.sh" in (image / "Dockerfile").read_text("utf-8")
    assert options["entrypoint"] == "/cellgrad/run.sh"
    assert manifest().title in info["title"]


@pytest.mark.slow
def test_the_git_kit_writes_what_a_workflow_reads(assigned, tmp_path, monkeypatch, capsys):
    folder, found, kits = assigned
    wrong = found.cells[0]
    _, data = _filled(folder, found, {wrong.address})
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "workbook.xlsx").write_bytes(data)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "CELLGRAD_RESULTS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    assert git.run([str(kits / "git" / "lecturer"), str(tmp_path / "repository")]) == 0
    line = (tmp_path / "GITHUB_OUTPUT").read_text("utf-8")
    assert line.startswith("result=")
    document = json.loads(base64.b64decode(line.removeprefix("result=")))
    assert document == json.loads((tmp_path / "CELLGRAD_RESULTS").read_text("utf-8"))
    assert document["max_score"] == found.points
    assert sum(test["score"] for test in document["tests"]) == found.points - wrong.points
    assert [t["name"] for t in document["tests"] if t["status"] != "pass"] == [
        f"{wrong.label} ({wrong.address})"
    ]
    text = (tmp_path / "GITHUB_STEP_SUMMARY").read_text("utf-8")
    assert text == capsys.readouterr().out
    assert f"**{found.points - wrong.points:g} of {found.points:g} points**" in text


def test_no_right_formula_lies_in_what_students_get_of_the_git_kit(kits):
    files = [p for p in (kits / "git" / "student").rglob("*") if p.is_file()]
    assert [p.name for p in files] == ["grade.yml"]
    text = files[0].read_text("utf-8")
    assert ".github" in str(files[0])
    assert not any(cell.formula in text for cell in manifest().cells)
    assert "{{title}}" not in text
    assert wheel_name() in text


def test_every_file_of_every_kit_is_filled_in(kits):
    for kind in KINDS:
        files = {
            str(p.relative_to(kits / kind)): p for p in (kits / kind).rglob("*") if p.is_file()
        }
        assert MANIFEST[kind] in files
        assert f"{WHEEL[kind]}{wheel_name()}" in files
        assert "README.md" in files
        for name, path in files.items():
            if not name.endswith(".whl"):
                assert not re.search(r"\{\{\w+\}\}", path.read_text("utf-8")), name


@pytest.mark.slow
def test_a_kit_without_its_assignment_ends_with_one_line(tmp_path):
    env = os.environ | {
        "CELLGRAD_AUTOGRADER": str(tmp_path),
        "PYTHONPATH": str(ROOT / "python_impl"),
    }
    for arguments in (
        ["gradescope"],
        ["git", str(tmp_path)],
        ["blackboard"],
        [],
        ["write", "git", str(tmp_path), str(tmp_path / "kit")],
        ["write", "blackboard", str(tmp_path), str(tmp_path / "kit")],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "cellgrad_coursework.kits", *arguments],
            env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_lecturers_command_grades_a_folder_of_clones(assigned, tmp_path):
    folder, found, kits = assigned
    student, data = _filled(folder, found)
    (tmp_path / "clones" / f"step-{student.id}").mkdir(parents=True)
    (tmp_path / "clones" / f"step-{student.id}" / "workbook.xlsx").write_bytes(data)
    env = os.environ | {"CELLGRAD_PYTHON": sys.executable, "PYTHONPATH": str(ROOT / "python_impl")}
    command = ["bash", str(kits / "git" / "lecturer" / "grade-classroom.sh")]
    wrong = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    assert wrong.returncode == 2
    subprocess.run([*command, str(tmp_path / "clones"), str(tmp_path / "results")], env=env,
                   capture_output=True, timeout=120, check=True)  # fmt: skip
    row = records(tmp_path / "results" / "gradebook.csv")[0]
    assert (row["student"], float(row["score"])) == (student.id, found.points)
