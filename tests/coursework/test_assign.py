"""Handing out: the command, the folder, the secret."""

import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from assignments import (
    CANVAS,
    EXAMPLE,
    MOODLE,
    PEOPLE,
    STUDENTS,
    assignment_of,
    hand_out,
    kept_secret,
    key_of,
    text_of,
    workbooks,
)
from cellgrad.errors import InputError
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.model import Student
from cellgrad_coursework.roster import read_roster
from cellgrad_coursework.secret import read_secret
from cellgrad_coursework.setting.assign import (
    assign,
    assign_command,
    moodle_name,
    moodle_names,
    write_example,
)
from cellgrad_coursework.setting.assignment import read_assignment

A, R, O = Path("a.toml"), Path("r.csv"), Path("o")


def test_the_same_secret_gives_the_same_bytes(handed_out, tmp_path):
    folder, _ = handed_out
    assignment = read_assignment(EXAMPLE / "assignment.toml")
    again = hand_out(tmp_path, assignment, STUDENTS)
    assert not again.secret_is_new
    inside = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert inside == sorted(
        p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file()
    )
    for name in inside:
        assert (folder / name).read_bytes() == (tmp_path / "out" / name).read_bytes() or (
            name.name == "README.txt"
        ), name


def test_a_rate_that_hides_mistakes_is_noted(tmp_path):
    done = hand_out(
        tmp_path,
        assignment_of(
            training="loss = 'half_squared_error'\nlearning_rate = 1",
            blanks="quantities = ['new_weights']",
        ),
        name="a",
    )
    assert len(done.notes) == 1
    assert done.notes[0].startswith("with learning_rate = 1 these mistakes leave no trace: ")


def test_the_example_works_as_it_is(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert assign_command(init=Path("course")) == 0
    line = capfd.readouterr().out.splitlines()[-1]
    assert line == (
        "now: cellgrad assign course/assignment.toml --roster course/roster.csv -o handouts"
    )
    options = {
        "assignment": Path("course/assignment.toml"), "roster": Path("course/roster.csv"),
        "output": Path("handouts"), "worksheet": False,
    }  # fmt: skip
    assert assign_command(**options) == 0
    said = capfd.readouterr()
    assert said.out.startswith("read 6 students from course/roster.csv\nwrote 6 workbooks to ")
    assert "to handouts: 59 cells to fill in, 57 points" in said.out
    assert "made the secret" in said.out
    assert said.err == ""
    manifest = read_manifest(Path("handouts"))
    assert manifest.points == 57
    assert [h.student.late for h in manifest.handouts.values()] == [0, 0, 0, 0, 0, 0.1]
    secret = tmp_path / "training-step.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(read_secret(secret)) == 32
    everything = b"".join(p.read_bytes() for p in Path("handouts").rglob("*") if p.is_file())
    assert read_secret(secret).hex().encode() not in everything
    with pytest.raises(InputError, match="not empty"):
        assign_command(**options)
    with pytest.raises(InputError, match="not empty"):
        assign_command(init=Path("course"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "ASSIGNMENT: is missing"),
        ({"assignment": A}, "--roster: is missing"),
        ({"assignment": A, "roster": R}, "-o: is missing"),
        ({"assignment": A, "roster": R, "output": O, "layout_for": "x"}, "--for: 'x'"),
        ({"assignment": A, "roster": R, "output": O}, "a.toml: no such file"),
        ({"assignment": A, "init": O}, "--init: writes an example"),
    ],
)
def test_what_the_command_lacks_is_said_in_one_line(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        assign_command(**options)
    assert refused.value.line().startswith(words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["assign.readme", "assign._plain_mode"])
def test_what_goes_wrong_leaves_nothing_behind(tmp_path, monkeypatch, place):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"cellgrad_coursework.setting.{place}", fail)
    with pytest.raises(InputError, match="No space left"):
        assign(assignment_of(), STUDENTS[:1], tmp_path / "out", worksheet=False)
    assert list(tmp_path.iterdir()) == []


def test_the_secret_never_lies_among_the_handouts(tmp_path):
    with pytest.raises(InputError, match="must not lie among the handouts"):
        assign(
            assignment_of(), STUDENTS[:1], tmp_path / "out", secret=tmp_path / "out" / "x.secret"
        )  # fmt: skip


def test_a_damaged_secret_is_no_reason_to_make_another(tmp_path):
    path = tmp_path / "ex-1.secret"
    path.write_text("00ff")
    with pytest.raises(InputError, match="holds no secret"):
        assign(assignment_of(), STUDENTS[:1], tmp_path / "out", worksheet=False)
    assert path.read_text() == "00ff"


def test_hostile_names_stay_texts_and_ids_stay_in_the_folder(handed_out):
    folder, done = handed_out
    names = {handout.student.id: handout.file for handout in done.manifest.handouts.values()}
    assert names["../../etc/passwd"] == "etc-passwd.xlsx"
    assert {path.name for path in workbooks(folder)} == set(names.values())
    book = openpyxl.load_workbook(folder / "students" / "s1002.xlsx")
    cells = [c for name in book.sheetnames for row in book[name].iter_rows() for c in row]
    assert [c for c in cells if c.data_type == "f" and "HYPERLINK" in str(c.value)] == []
    assert any(str(c.value).startswith("=HYPERLINK") for c in cells)
    for row in key_of(folder, "s1002"):
        assert row["name"].startswith("'=")


def test_moodles_folders_are_named_as_it_reads_them(tmp_path):
    """Moodle splits at underscores: the second part must be the participant's number."""
    path = tmp_path / "grades.csv"
    path.write_text(MOODLE.replace("Björn Ny", "Bj/örn_Ny"), "utf-8")
    students = read_roster(path)
    names = moodle_names(students)
    for student, number in zip(students, ("4711", "4712"), strict=True):
        folder, _, file = names[student.id].partition("/")
        parts = folder.split("_", 4)
        assert parts[1:4] == [number, "assignsubmission", "file"]
        assert file == f"{student.id}.xlsx"
    path.write_text(PEOPLE, "utf-8")
    with pytest.raises(InputError, match="no number in a column Identifier"):
        moodle_names(read_roster(path))
    assert moodle_name("../x_y\n") == "x y"
    done_in = tmp_path / "out"
    path.write_text(MOODLE, "utf-8")
    assign(
        assignment_of(blanks="quantities = ['new_weights']"), read_roster(path), done_in,
        secret=kept_secret(tmp_path), layout_for="moodle", worksheet=False,
    )  # fmt: skip
    with zipfile.ZipFile(done_in / "moodle-handouts.zip") as packed:
        assert packed.namelist() == [
            "Ada Lovelace_4711_assignsubmission_file_/4711.xlsx",
            "Björn Ny_4712_assignsubmission_file_/4712.xlsx",
        ]
        first = packed.namelist()[0]
        assert packed.read(first) == (done_in / "students" / "4711.xlsx").read_bytes()


@pytest.mark.slow
def test_many_students_are_written_on_several_cores_as_on_one(tmp_path, monkeypatch):
    students = [Student(f"s{n}") for n in range(9)]
    secret = kept_secret(tmp_path)
    small = assignment_of(blanks="quantities = ['new_weights']")
    ticks = []
    assign(small, students, tmp_path / "a", secret=secret, worksheet=False,
           advance=lambda: ticks.append(1))  # fmt: skip
    monkeypatch.setattr("cellgrad_coursework.setting.maker.WORTH_SHARING", 1_000)
    assign(small, students, tmp_path / "b", secret=secret, worksheet=False)
    assert len(ticks) == 9
    for path in (tmp_path / "a").rglob("*"):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.is_dir() or path.read_bytes() == other.read_bytes()


def test_the_example_is_the_template(tmp_path):
    write_example(tmp_path / "x")
    assert (tmp_path / "x" / "roster.csv").read_bytes() == (EXAMPLE / "roster.csv").read_bytes()


def test_folders_are_made_where_they_are_missing(tmp_path):
    output = tmp_path / "a" / "b" / "out"
    done = assign(assignment_of(), STUDENTS[:1], output, worksheet=False)
    assert (output / "lecturer" / "manifest.json").is_file()
    assert done.secret == tmp_path / "a" / "b" / "ex-1.secret"


def test_folders_that_were_made_go_again_if_nothing_was_written(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cellgrad_coursework.setting.assign.readme", fail)
    with pytest.raises(InputError, match="No space left"):
        assign(assignment_of(), STUDENTS[:1], tmp_path / "a" / "b" / "out", worksheet=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_lost_secret_is_not_replaced_by_another(tmp_path):
    done = assign(assignment_of(), STUDENTS[:1], tmp_path / "first", worksheet=False)
    kept = done.secret.read_bytes()
    done.secret.unlink()
    with pytest.raises(InputError) as refused:
        assign(assignment_of(), STUDENTS[:2], tmp_path / "second", worksheet=False)
    line = refused.value.line()
    assert line.startswith(f"{done.secret}: is missing, and first was made with it")
    assert "put your copy of it back, or name it with --secret" in line
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    other = replace(assignment_of(), id="ex-2")
    assert assign(other, STUDENTS[:1], tmp_path / "third", worksheet=False).secret_is_new
    done.secret.write_bytes(kept)
    assert not assign(
        assignment_of(), STUDENTS[:1], tmp_path / "second", worksheet=False
    ).secret_is_new


def test_who_comes_late_changes_nobodys_file(tmp_path):
    secret = kept_secret(tmp_path)
    first = assign(
        assignment_of(), STUDENTS[:2], tmp_path / "a", secret=secret, worksheet=False
    )  # fmt: skip
    longer = [Student("a000", "Early in the alphabet"), *STUDENTS]
    second = assign(assignment_of(), longer, tmp_path / "b", secret=secret, worksheet=False)
    for path in workbooks(tmp_path / "a"):
        assert (tmp_path / "b" / "students" / path.name).read_bytes() == path.read_bytes()
    assert first.manifest.handouts.items() <= second.manifest.handouts.items()
    assert first.manifest.version == second.manifest.version
    assert len(workbooks(tmp_path / "b")) == 4


@pytest.mark.slow
def test_a_workbook_is_of_its_assignment_even_under_the_same_id(tmp_path):
    """What is asked counts; points and penalties may be put right after handing out."""
    secret = kept_secret(tmp_path)
    tokens = {}
    for name, parts in {
        "plain": {},
        "fewer": {"blanks": "quantities = ['E', 'new_weights']"},
        "typed": {"blanks": "takes = 'value'\ndecimals = 8"},
        "larger": {"network": "nodes = [2, 3, 1]\nactivations = ['logistic', 'logistic']"},
        "points": {"blanks": "points = 3", "grading": "ecf_penalty = 0.5"},
    }.items():
        done = assign(
            assignment_of(**parts), STUDENTS[:1], tmp_path / name, secret=secret, worksheet=False
        )  # fmt: skip
        (tokens[name],) = done.manifest.handouts
    assert len(set(tokens.values())) == 4
    assert tokens["plain"] == tokens["points"]


def test_the_readme_names_the_worksheet_only_if_there_is_one(tmp_path, monkeypatch):
    kept_secret(tmp_path)
    for made in (b"%PDF", "none: LibreOffice is not installed"):
        place = "cellgrad_coursework.setting.maker.worksheet_pdf"
        monkeypatch.setattr(place, lambda *_, m=made: m)
        folder = tmp_path / type(made).__name__
        assign(assignment_of(), STUDENTS[:1], folder, secret=tmp_path / "ex.secret")
        text = (folder / "README.txt").read_text("utf-8")
        assert ("worksheet.pdf" in text) is isinstance(made, bytes)
        assert "could be made" not in text


@pytest.mark.slow
def test_the_command_says_who_was_read_and_who_was_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(text_of(blanks="quantities = ['E']"), "utf-8")
    Path("canvas.csv").write_text(CANVAS, "utf-8")
    options = {"roster": Path("canvas.csv"), "output": Path("o"), "worksheet": False}
    assert assign_command(Path("a.toml"), **options) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "read 2 students from canvas.csv",
        "  line 2 was left out: it says Points Possible",
        "  line 5 was left out: it is the test student",
        "wrote 2 workbooks to o: 1 cell to fill in, 1 point",
    ]
    Path("one.csv").write_text("id\ns1\n", "utf-8")
    options = {"roster": Path("one.csv"), "output": Path("p"), "worksheet": False}
    assert assign_command(Path("a.toml"), **options) == 0
    assert capsys.readouterr().out.startswith("read 1 student from one.csv\nwrote 1 workbook to p")
