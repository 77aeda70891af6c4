"""Rosters of every origin."""

import csv
import io

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignments import CANVAS, MOODLE, OWN, PEOPLE
from cellgrad.errors import InputError
from cellgrad_coursework.results.summary import is_excused
from cellgrad_coursework.roster import read_roster, roster_of, safe_name


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
    assert is_excused(student) is means


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
