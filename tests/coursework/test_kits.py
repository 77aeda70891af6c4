"""Kits: what a platform runs, run as it runs it, and what it makes of the results."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import openpyxl
import pytest

from cellgrad.errors import InputError
from cellgrad_coursework.kits import (
    KINDS,
    MANIFEST,
    WHEEL,
    wheel_bytes,
    wheel_name,
    write_kit,
)
from cellgrad_coursework.kits.__main__ import main as kits_command
from cellgrad_coursework.kits.__main__ import run_git, run_platform
from cellgrad_coursework.manifest_file import manifest_bytes, version_of
from graded import ROOT, manifest
from importers import gradescope_accepts, prairielearn_accepts, records


@pytest.fixture(scope="module")
def kits(tmp_path_factory):
    """Return a folder with every kit, of the assignment that is made by hand."""
    m = manifest()
    case = next(iter(m.handouts.values())).case
    version = version_of(m, case)
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
    assert "cellgrad_coursework/results/templates/student.html.jinja" in names
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
    from cellgrad_coursework.setting.assign import (  # noqa: PLC0415
        ASSIGNMENT,
        ROSTER,
        assign,
        write_example,
    )
    from cellgrad_coursework.setting.assignment import read_assignment  # noqa: PLC0415

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
    assert run_platform("gradescope") == 0
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
    assert run_platform("prairielearn") == 0
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
    assert run_git([str(kits / "git" / "lecturer"), str(tmp_path / "repository")]) == 0
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
