"""The files that an LMS imports, read by the rules of its own importer, written apart from ours."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import zipfile

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad import shipped
from cellgrad.errors import InputError
from cellgrad_coursework.identity import OTHER_ASSIGNMENT, Names
from cellgrad_coursework.model import OK, WRONG
from cellgrad_coursework.results.autograders import (
    MAX_BYTES,
    gradescope_results,
    markdown,
    prairielearn_results,
)
from cellgrad_coursework.results.gradebooks import canvas_points, csv_line
from cellgrad_coursework.results.write import FORMATS, write_all, write_feedback_zip
from cellgrad_coursework.roster import moodle_number, read_roster
from graded import HOSTILE, grade, manifest, mistaken, mixed, renamed, roster, unreadable
from importers import (
    CanvasCourse,
    canvas_users,
    gradescope_accepts,
    localised_import,
    moodle_feedback,
    moodle_import,
    prairielearn_accepts,
    records,
    table,
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
    written = write_all(
        tmp_path, manifest(), [grade(student=students[0], file=file)], students, ["moodle"]
    )
    found = moodle_import((tmp_path / "moodle.csv").read_bytes(), {"31415"}, manifest().points)
    assert found == {"31415": manifest().points}
    assert len(written.remarks) == 1
    assert "1 without an identifier" in written.remarks[0]


def test_a_course_that_knows_no_moodle_gets_no_worksheet_unless_it_asks(tmp_path):
    students = [renamed(s, other=()) for s in roster(2)]
    written = write_all(tmp_path, manifest(), [grade(student=students[0])], students)
    assert written.remarks == []
    assert not (tmp_path / "moodle.csv").exists()
    written = write_all(tmp_path, manifest(), [], students, ["moodle"])
    assert "2 without an identifier" in written.remarks[0]


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
    claim = Names([ada, hans]).claim("Somebody_4711_assignsubmission_file_/x.xlsx")
    assert (claim.student, claim.certain) == (ada.id, True)


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
    written = write_all(
        tmp_path, manifest(), [one], students, ["canvas"], canvas_points=possible
    )  # fmt: skip
    assert written.remarks == ["canvas.csv: scaled from 59 points to the 10 that Canvas gives"]
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
    assert "<script>" not in markdown("<script>", one).replace("\\<", "")
