"""The core with every other package deleted: steps are verified, books of several parts named."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TOP = Path(__file__).parents[2]
STEP = "training-step-3-4-1.xlsx"
SHIPPED = (STEP, "more/relu-2-3-3-2.xlsx", "series/11-architecture.xlsx", "series/07-xor.xlsx")


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """Return a function that runs the command where there is no package but the core."""
    folder = tmp_path_factory.mktemp("alone")
    junk = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TOP / "python_impl/cellgrad", folder / "python_impl/cellgrad", ignore=junk)
    shutil.copytree(TOP / "reference", folder / "reference")
    for name in SHIPPED:
        (folder / "spreadsheets" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / "spreadsheets" / name, folder / "spreadsheets" / name)
    libraries = Path(np.__file__).parents[1]  # without the links to an installed cellgrad

    def run(*words):
        path = os.pathsep.join((str(folder / "python_impl"), str(libraries)))
        return subprocess.run(
            [sys.executable, "-S", "-m", "cellgrad", *words],
            capture_output=True, cwd=folder, text=True, check=False,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "80"},
        )  # fmt: skip

    probe = subprocess.run(
        [sys.executable, "-S", "-c", "import cellgrad_series"],
        capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(libraries)},
    )  # fmt: skip
    if probe.returncode == 0:
        pytest.skip("the other packages lie among the libraries")
    return run


def test_steps_are_verified_and_the_rest_is_named(core):
    answer = core("verify", "--json")
    found = json.loads(answer.stdout)
    assert (answer.returncode, found["agrees"]) == (0, True)
    names = [Path(book["path"]).name for book in found["workbooks"]]
    assert names == [STEP, "relu-2-3-3-2.xlsx", "11-architecture.xlsx"]
    (left,) = found["not_verified"]
    assert Path(left["path"]).name == "07-xor.xlsx"
    assert "cellgrad_series" in left["reason"]
    shown = core("verify")
    assert shown.returncode == 0
    assert "Not verified: 07-xor.xlsx" in shown.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "spreadsheets/series/07-xor.xlsx"),
        ("build", "reference/books/07-xor.toml", "-o", "new.xlsx"),
        ("build", "reference/cases/series-12-training-program.json", "-o", "new.xlsx"),
    ],
)
def test_what_needs_another_package_says_so_in_one_line(core, words):
    answer = core(*words)
    assert (answer.returncode, answer.stdout) == (2, "")
    (line,) = answer.stderr.splitlines()
    assert words[1] in line
    assert "needs the package cellgrad_series, which is not installed" in line


def test_a_step_is_built_and_traced(core):
    built = core("build", "reference/cases/series-3-4-1.json", "-o", "new.xlsx")
    assert (built.returncode, built.stderr) == (0, "")
    assert core("verify", "new.xlsx").returncode == 0
    traced = core("trace", "reference/cases/series-3-4-1.json")
    assert (traced.returncode, traced.stderr) == (0, "")


def test_an_engine_of_another_package_says_so_in_one_line(core):
    answer = core("verify", STEP, "--engine", "libreoffice")
    assert (answer.returncode, answer.stdout) == (2, "")
    (line,) = answer.stderr.splitlines()
    assert "needs the package cellgrad_office, which is not installed" in line
    answer = core("verify", f"spreadsheets/{STEP}", "--engine", "all", "--json")
    engines = {book["engine"] for book in json.loads(answer.stdout)["workbooks"]}
    assert (answer.returncode, "saved" in engines, "gnumeric" in engines) == (0, True, False)
