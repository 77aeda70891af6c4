"""A course from beginning to end: thirty students, three applications' dialects, one gradebook.

The handouts are filled as a person or an application does it: formulas written into the
file with openpyxl, the same saved again by LibreOffice, and formulas wrapped as Google Sheets
exports what Excel does not know. Some students make mistakes, and everybody's grade is known
beforehand: it follows from which cells were spoilt, not from the program under test.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess

import openpyxl
import pytest

from hostile import cellgrad

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("course")]

NAMES = ["Ada", "Björn", "Chiara", "Dae-jung", "Elif", "Finn", "Grace", "Hiroshi", "Inés", "Jonas"]
STUDENTS = 30
WRONG = {  # student number: the cells spoilt, and how
    4: ("error_signal", "no-output-derivative"),
    11: ("backpropagated_error", "new weight"),
    23: ("new_weights", "no rate"),
}
BLANK = {7, 19, 29}
ABSENT = {15}


def cells_of(manifest):
    """Return what is asked for, as the lecturer's file has it."""
    return manifest["cells"]


def spoilt(cell, formula, how):
    """Return a mistaken formula for a cell."""
    if how == "no-output-derivative":  # FE, without fA′
        return formula.split("*")[0]
    return f"{formula}+0.25"


def wrapped(formula, value):
    """Return a formula as Google Sheets exports one that it keeps for itself."""
    inner = formula.replace('"', '""')
    return f'IFERROR(__xludf.DUMMYFUNCTION("{inner}"),{value})'


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Hand out the example assignment to thirty students."""
    folder = tmp_path_factory.mktemp("course")
    assert cellgrad(folder, "assign", "--init", "start").code == 0
    rows = [
        f"s{n:03},{NAMES[n % 10]} {'ABC'[n // 10]},{n:03}@example.edu,{'0.1' if n == 2 else ''}"
        for n in range(STUDENTS)
    ]
    (folder / "roster.csv").write_text("id,name,email,late\n" + "\n".join(rows) + "\n", "utf-8")
    done = cellgrad(
        folder, "assign", "start/assignment.toml", "--roster", "roster.csv",
        "-o", "handouts", "--no-worksheet", timeout=300,
    )  # fmt: skip
    assert done.code == 0, done.err
    return folder


def manifest_of(folder):
    return json.loads((folder / "handouts" / "lecturer" / "manifest.json").read_text("utf-8"))


def fill(folder, number, target, *, dialect):
    """Fill a student's handout; return the labels of the cells that were spoilt."""
    manifest, spoils = manifest_of(folder), []
    book = openpyxl.load_workbook(folder / "handouts" / "students" / f"s{number:03}.xlsx")
    for cell in cells_of(manifest):
        formula = cell["formula"]
        how = WRONG.get(number)
        first = not spoils
        if how and cell["quantity"] == how[0] and first:
            formula = spoilt(cell, formula, how[1])
            spoils.append(cell)
        if number in BLANK and cell["quantity"] == "new_weights":
            spoils.append(cell)
            continue
        if dialect == "google" and cell["quantity"] in ("post_activation", "weight_gradient"):
            formula = wrapped(formula, 0.5)
        book[cell["sheet"]][cell["address"]] = f"={formula}"
    book.save(target)
    return spoils


def expected_points(manifest, spoils):
    """Return what a student earns: everything but the spoilt cells themselves."""
    lost = {cell["address"] for cell in spoils}
    return sum(c["points"] for c in cells_of(manifest) if c["address"] not in lost)


@pytest.mark.libreoffice
def test_a_course_of_thirty_is_graded_as_its_mistakes_deserve(course, tmp_path):
    soffice = shutil.which("soffice")
    if soffice is None:
        import os  # noqa: PLC0415

        assert os.environ.get("CELLGRAD_REQUIRE_ENGINES") != "1", "LibreOffice is missing"
        pytest.skip("LibreOffice is not installed")
    taken, plain = tmp_path / "taken", tmp_path / "plain"
    taken.mkdir()
    plain.mkdir()
    manifest, points = manifest_of(course), {}
    for number in range(STUDENTS):
        if number in ABSENT:
            continue
        dialect = ("openpyxl", "libreoffice", "google")[number % 3]
        where = plain if dialect == "libreoffice" else taken
        target = where / f"s{number:03}.xlsx"
        points[number] = expected_points(manifest, fill(course, number, target, dialect=dialect))
    subprocess.run(
        [
            soffice, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless",
            "--convert-to", "xlsx", "--outdir", str(taken), *map(str, sorted(plain.iterdir())),
        ],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip

    done = cellgrad(
        tmp_path, "grade", "taken", "--assignment", course / "handouts", "-o", "graded", timeout=300
    )
    assert done.code == 0, done.err
    text = (tmp_path / "graded" / "gradebook.csv").read_text("utf-8-sig")
    rows = {row["student"]: row for row in csv.DictReader(io.StringIO(text))}
    assert len(rows) == STUDENTS
    for number in range(STUDENTS):
        row = rows[f"s{number:03}"]
        if number in ABSENT:
            assert row["status"] == "missing"
            continue
        late = 0.1 if number == 2 else 0
        assert float(row["score"]) == pytest.approx(points[number] * (1 - late)), row
    assert sum(float(r["percent"] or 0) == 100 for r in rows.values()) == STUDENTS - 8

    # Canvas: the points possible stand in row 2, and every student has a row of that name
    canvas = list(
        csv.reader(io.StringIO((tmp_path / "graded" / "canvas.csv").read_text("utf-8-sig")))
    )
    assert canvas[0][:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert "Points Possible" in canvas[1][0]
    assert len(canvas) == 2 + STUDENTS
    # feedback for everybody who handed in, under the names that were handed in
    feedback = {path.name for path in (tmp_path / "graded" / "feedback").glob("*.xlsx")}
    assert feedback == {path.name for path in taken.iterdir()}
    page = (tmp_path / "graded" / "feedback" / "s004.html").read_text("utf-8")
    assert "S_ERROR_O" in page


def test_a_mistake_costs_its_cell_and_a_blank_its_own(course, tmp_path):
    (tmp_path / "taken").mkdir()
    manifest = manifest_of(course)
    wanted = {}
    for number in (0, 4, 7):
        target = tmp_path / "taken" / f"s{number:03}.xlsx"
        wanted[f"s{number:03}"] = expected_points(
            manifest, fill(course, number, target, dialect="google")
        )
    done = cellgrad(
        tmp_path, "grade", "taken", "--assignment", course / "handouts",
        "-o", "graded", "--no-feedback", timeout=120,
    )  # fmt: skip
    assert done.code == 0, done.err
    text = (tmp_path / "graded" / "gradebook.csv").read_text("utf-8-sig")
    found = {r["student"]: r for r in csv.DictReader(io.StringIO(text)) if r["score"]}
    assert {name: float(row["score"]) for name, row in found.items()} == pytest.approx(wanted)
    assert wanted["s000"] == sum(cell["points"] for cell in cells_of(manifest))


def test_the_kits_come_with_the_handouts_and_an_unknown_one_writes_nothing(course, tmp_path):
    words = ("assign", course / "start/assignment.toml", "--roster", course / "start/roster.csv")
    refused = cellgrad(tmp_path, *words, "-o", "one", "--kit", "blackboard")
    assert refused.code == 2
    assert "gradescope" in refused.err
    assert not refused.new_files
    done = cellgrad(tmp_path, *words, "-o", "two", "--no-worksheet", "--kit", "gradescope")
    assert done.code == 0, done.err
    kit = tmp_path / "two" / "kits" / "gradescope"
    assert {"setup.sh", "run_autograder", "manifest.json"} <= {p.name for p in kit.iterdir()}
