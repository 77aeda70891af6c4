"""Submissions of a small course: files to grade, and how they are graded."""

from __future__ import annotations

import io
import zipfile
from contextlib import closing

import openpyxl

from cellgrad_coursework.identity import Names
from cellgrad_coursework.model import (
    OK,
    WRONG,
    CellVerdict,
    Grade,
)
from cellgrad_coursework.rehearsal.students import KINDS, Classroom
from cellgrad_coursework.running.judge import Codec, Judge, Limits
from cellgrad_coursework.running.runner import Settings, grade_all
from cellgrad_coursework.taking_in.intake import Intake

FAKE = "fake_grader:Grader"


QUICK = Limits(memory=256 << 20, cpu=1, seconds=3)


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


def packed(files):
    """Return a zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def a_grade(manifest, file="a.xlsx", student=None, **more):
    """Return a grade with a verdict on every cell."""
    verdicts = [
        CellVerdict(cell, WRONG if n % 3 else OK, 0.5, f"={n}", n / 3, float(n), bug="x" * (n % 2))
        for n, cell in enumerate(manifest.cells)
    ]
    return Grade(file, "00" * 32, student, "", verdicts, 1.0, 2.0, **more)


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


AMARA, BENEDIKT = "okaforamara_101", "lindqvistbenedikt_102"


def with_token(data, old, new):
    """Return a workbook with another token, or with none, in every place."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(buffer, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(old.encode(), new.encode()))
    return buffer.getvalue()


def as_zip(folder, files):
    """Write files into a zip: it holds names that no folder does."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "in.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return folder / "in.zip"


def work(course, manifest, kind, student):
    """Return the workbook of a simulated student."""
    room = Classroom(manifest, course)
    for one in room.students(len(KINDS) * len(manifest.handouts)):
        if one.kind == kind and one.handout.student.id == student:
            return one.workbook()
    raise AssertionError


IN_MOODLE = "{}_{}_assignsubmission_file_/{}"
