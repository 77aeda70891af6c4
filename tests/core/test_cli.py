"""The command: what it prints, where, how wide, and with which exit code."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys

import click
import jsonschema
import pytest
from rich.cells import cell_len

from cellgrad import __version__
from cellgrad.case.model import read_case
from cellgrad.cli import main
from cellgrad.report.verification import print_reports
from cellgrad.verify.many import verify_workbooks
from hostile import (
    CASES,
    ROOT,
    SMALL,
    SMALL_CASE,
    cellgrad,
    environment,
    is_refusal,
    parts_of,
    where,
    with_formula,
    with_stored,
    zipped,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and files as POSIX has them")
ALL_CASES = sorted(path for path in CASES.glob("*.json") if read_case(path).updates() == 1)

WRONG = {
    "no command": ([], "Missing command"),
    "an unknown command": (["verfy"], "verfy"),
    "an unknown option": (["verify", "--fast"], "--fast"),
    "an option of another command": (["trace", "--engine", "saved", "case.json"], "--engine"),
    "an unknown engine": (["verify", "--engine", "abacus"], "abacus"),
    "an unknown engine after a good one": (
        ["verify", "--engine", "formualizer", "--engine", "abacus"], "abacus"),
    "an engine without a name": (["verify", "--engine"], "--engine"),
    "no case to trace": (["trace"], "CASE"),
    "no case to build": (["build", "-o", "out.xlsx"], "CASE"),
    "no output": (["build", "case.json"], "--output"),
    "two cases": (["trace", "case.json", "case.json"], "case.json"),
    "decimals that are no number": (["trace", "--decimals", "many", "case.json"], "many"),
    "too many decimals": (["trace", "--decimals", "18", "case.json"], "18"),
    "fewer decimals than none": (["trace", "--decimals", "-1", "case.json"], "-1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_command_line_is_refused_in_one_line(kind, tmp_path, command):
    shutil.copy(SMALL_CASE, tmp_path / "case.json")
    arguments, words = WRONG[kind]
    assert is_refusal(command(*arguments), words)


@pytest.mark.parametrize("kind", ["no command", "an unknown engine", "an unknown option"])
def test_the_real_command_refuses_a_wrong_command_line(kind, tmp_path):
    arguments, words = WRONG[kind]
    assert is_refusal(cellgrad(tmp_path, *arguments), words)


@pytest.mark.skipif(not hasattr(click.exceptions, "NoSuchCommand"), reason="an older click")
@pytest.mark.parametrize(("mistyped", "meant"), [("verfy", "verify"), ("gradde", "grade")])
def test_a_mistyped_command_is_answered_with_the_nearest(mistyped, meant, command):
    assert is_refusal(command(mistyped), repr(mistyped), repr(meant))


def test_an_unknown_engine_is_answered_with_the_known_ones(command):
    answer = command("verify", "--engine", "abacus")
    for name in ("formualizer", "ironcalc", "libreoffice", "gnumeric", "saved", "all"):
        assert name in answer.err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["verify", "-h"], ["build", "--help"], ["trace", "--help"]]
)
def test_help_is_no_error_and_fits_the_terminal(arguments, command):
    answer = command(*arguments)
    assert (answer.code, answer.err) == (0, "")
    assert "Usage:" in answer.out
    assert all(cell_len(line) <= 80 for line in answer.out.splitlines())


def test_the_version_is_the_packages(command):
    answer = command("--version")
    assert (answer.code, answer.out.split()[-1]) == (0, __version__)


# answers

AGREEING = SMALL
ANSWER = {"agrees", "workbooks"}
WORKBOOK = {
    "path", "case", "engine", "cells", "bit_identical", "within_bound", "kinds", "mismatches",
}  # fmt: skip
MISMATCH = {
    "kind", "sheet", "cell", "quantity", "index", "equation", "workbook", "python", "bound", "draw",
}  # fmt: skip


def one_object(text):
    """Return the one JSON object that a text is, strictly."""
    assert text.startswith("{")
    assert text.endswith("}\n")
    return json.loads(text, parse_constant=pytest.fail)


def check_answer(answer):
    assert answer.keys() >= ANSWER
    for workbook in answer["workbooks"]:
        assert workbook.keys() >= WORKBOOK
        assert list(workbook["kinds"]) == ["step", "check", "display"]
        assert sum(total for _, total in workbook["kinds"].values()) == workbook["cells"]
        agreeing = sum(good for good, _ in workbook["kinds"].values())
        assert workbook["bit_identical"] + workbook["within_bound"] == agreeing
        for mismatch in workbook["mismatches"]:
            assert mismatch.keys() >= MISMATCH
    assert answer["agrees"] == (not any(book["mismatches"] for book in answer["workbooks"]))


def test_verify_answers_in_json_that_a_workbook_agrees(tmp_path):
    shutil.copy(AGREEING, tmp_path / "good.xlsx")
    done = cellgrad(tmp_path, "verify", "--json", "good.xlsx")
    assert (done.code, done.err, done.new_files) == (0, "", set())
    answer = one_object(done.out)
    check_answer(answer)
    assert answer["agrees"] is True
    (book,) = answer["workbooks"]
    assert (book["path"], book["case"], book["engine"]) == ("good.xlsx", SMALL.stem, "formualizer")
    assert book["cells"] == book["bit_identical"] > 0


def test_verify_answers_in_json_that_a_workbook_disagrees(tmp_path):
    parts = parts_of()
    sheet, cell = where("weight_ItoH", parts)
    (tmp_path / "bad.xlsx").write_bytes(zipped(with_formula("2+0", "S_preA_H", stored="<v>2</v>")))
    done = cellgrad(tmp_path, "verify", "--json", "bad.xlsx")
    assert (done.code, done.err, done.new_files) == (1, "", set())
    answer = one_object(done.out)
    check_answer(answer)
    (book,) = answer["workbooks"]
    first = next(m for m in book["mismatches"] if m["kind"] == "step")
    sheet, cell = where("S_preA_H", parts)
    assert (first["sheet"], first["cell"], first["index"], first["equation"]) == (
        sheet, cell, [0, 0, 0], "Eq. 1",
    )  # fmt: skip
    assert first["draw"] > 0
    assert first["workbook"] != first["python"]


def test_errors_and_infinities_are_strict_json_too(tmp_path, command):
    (tmp_path / "bad.xlsx").write_bytes(zipped(with_formula("1/0", "E", stored="<v>1</v>")))
    done = command("verify", "--json", "bad.xlsx")
    assert done.code == 1
    check_answer(one_object(done.out))
    assert "#DIV/0!" in done.out


def test_several_engines_answer_once_each(tmp_path, command):
    shutil.copy(AGREEING, tmp_path / "good.xlsx")
    engines = ["--engine", "saved", "--engine", "formualizer", "--engine", "saved"]
    done = command("verify", "--json", *engines, "good.xlsx")
    assert done.code == 0
    answer = one_object(done.out)
    assert [book["engine"] for book in answer["workbooks"]] == ["saved", "formualizer"]


def test_one_disagreement_among_several_is_a_no(tmp_path):
    for n in range(4):
        shutil.copy(AGREEING, tmp_path / f"good{n}.xlsx")
    (tmp_path / "bad.xlsx").write_bytes(zipped(with_stored("123.5", "E")))
    done = cellgrad(tmp_path, "verify", "--json", *sorted(p.name for p in tmp_path.iterdir()))
    assert (done.code, done.err) == (1, "")
    answer = one_object(done.out)
    check_answer(answer)
    assert [book["path"] for book in answer["workbooks"] if book["mismatches"]] == ["bad.xlsx"]
    assert len(answer["workbooks"]) == 5


def test_a_refusal_prints_no_json(tmp_path, command):
    assert is_refusal(command("verify", "--json", "none.xlsx"), "none.xlsx")
    assert is_refusal(command("trace", "--json", "none.json"), "none.json")


@pytest.mark.parametrize("path", ALL_CASES, ids=lambda path: path.stem)
def test_every_trace_fits_its_schema(path, command):
    schema = json.loads((ROOT / "reference" / "schema" / "trace.schema.json").read_text("utf-8"))
    done = command("trace", "--json", path)
    assert (done.code, done.err) == (0, "")
    document = one_object(done.out)
    jsonschema.Draft202012Validator(schema).validate(document)
    case = read_case(path)
    assert len(document["steps"]) == 1
    assert document["weights"] == document["steps"][0]["weights"]
    assert [[len(row) for row in layer] for layer in document["weights"]] == [
        [len(row) for row in layer] for layer in case.network.weights
    ]


@pytest.mark.slow
def test_build_says_what_it_wrote_and_the_result_verifies(tmp_path):
    shutil.copy(SMALL_CASE, tmp_path / "case.json")
    done = cellgrad(tmp_path, "build", "case.json", "-o", "out.xlsx")
    assert (done.code, done.err, done.new_files) == (0, "", {"out.xlsx"})
    assert "out.xlsx" in done.out
    assert cellgrad(tmp_path, "verify", "out.xlsx").code == 0


# the width of the terminal


def too_wide(text, width=80):
    """Return the lines that are wider than the terminal, but for single words."""
    return [line for line in text.splitlines() if cell_len(line) > width and " " in line.strip()]


@pytest.fixture(scope="module")
def reports():
    widest = [
        "published/ai-by-hand-4-3-4-3",
        "more/deep-tanh-2-3-3-3-1",
        "more/series-3-4-1-dyadic",
    ]
    paths = [ROOT / "spreadsheets" / f"{name}.xlsx" for name in widest]
    return verify_workbooks(paths, ["formualizer"])


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_table_of_verify_fits_the_terminal(columns, reports, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    print_reports(reports, {})
    printed = capsys.readouterr().out
    for report in reports:
        assert report.path.stem in printed
    assert "Every cell agrees" in printed
    lines = [line for line in printed.splitlines() if not line.startswith("  note")]
    assert too_wide("\n".join(lines), columns) == []


@pytest.mark.parametrize("path", ALL_CASES, ids=lambda path: path.stem)
def test_every_case_is_traced(path, command):
    done = command("trace", path)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") > 20


@pytest.mark.slow
def test_every_trace_fits_the_terminal(command):
    wide = []
    for path in ALL_CASES:
        for decimals in (6, 17):
            wide += too_wide(command("trace", "--decimals", decimals, path).out)
    assert wide == []


def test_a_trace_holds_the_numbers_substituted(command):
    out = command("trace", SMALL_CASE).out
    assert "S_preA_H[1] = (1)(1) + (2)(0.5) = 2\n" in out


# pipes, files and encodings


@posix
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["verify", SMALL],
        ["trace", SMALL_CASE],
        ["trace", "--json", SMALL_CASE],
        ["build", SMALL_CASE, "-o", "out.xlsx"],
    ],
)
@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error_of_ours(arguments, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cellgrad", *map(str, arguments)], cwd=tmp_path,
            env=environment(), stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 1


@posix
def test_the_first_line_can_be_read_alone(tmp_path):
    script = '"$0" -m cellgrad trace "$1" | head -n 1'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, str(ALL_CASES[0])], cwd=tmp_path, env=environment(),
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")  # noqa: PTH110
@pytest.mark.parametrize("arguments", [["verify", SMALL], ["build", SMALL_CASE, "-o", "o.xlsx"]])
@pytest.mark.slow
def test_an_answer_that_finds_no_room_is_an_error_of_one_line(arguments, tmp_path):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "cellgrad", *map(str, arguments)], cwd=tmp_path,
            env=environment(), stdout=full, stderr=subprocess.PIPE, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(b"cellgrad: " + os.strerror(errno.ENOSPC).encode())
    assert done.stderr.count(b"\n") == 1


@posix
def test_without_a_standard_output_the_exit_code_still_answers(tmp_path):
    script = '"$0" -m cellgrad verify "$1" >&-'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, str(SMALL)], cwd=tmp_path, env=environment(),
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--json"], ["trace"]])
def test_a_terminal_of_few_characters_gets_an_answer(arguments, encoding, tmp_path):
    shutil.copy(SMALL, tmp_path / "good.xlsx")
    shutil.copy(SMALL_CASE, tmp_path / "case.json")
    file = "case.json" if "trace" in arguments else "good.xlsx"
    plain = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = cellgrad(tmp_path, *arguments, file, env=plain, encoding=encoding)
    assert (done.code, done.err) == (0, "")
    if "--json" in arguments:
        check_answer(one_object(done.out))


@posix
@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_a_file_whose_name_is_no_text_is_verified_or_refused(flag, tmp_path):
    name = os.fsdecode(b"caf\xe9.xlsx")
    shutil.copy(SMALL, tmp_path / name)
    done = cellgrad(tmp_path, "verify", *flag, name)
    assert (done.code, done.err) == (0, "") or is_refusal(done, "caf")


@posix
@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_a_workbook_whose_name_is_no_text_is_printed(flag, tmp_path):
    name = os.fsdecode(b"caf\xe9.xlsx")
    shutil.copy(SMALL, tmp_path / "good.xlsx")
    program = (
        "import pathlib, sys; from cellgrad.cli import main\n"
        "from cellgrad.verify import many\n"
        "verified = many.verify_workbooks\n"
        "def renamed(*_, **__):\n"
        "    reports = verified([pathlib.Path('good.xlsx')], ['formualizer'])\n"
        "    reports[0].path = pathlib.Path(sys.argv[-1])\n"
        "    reports[0].notes.append('a note')\n"
        "    return reports\n"
        "many.verify_workbooks = renamed\n"
        "main.run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "verify", *flag, name], cwd=tmp_path, env=environment(),
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    if flag:
        assert one_object(done.stdout.decode())["workbooks"][0]["path"] == name


def test_nothing_goes_to_standard_error_unless_it_is_a_terminal(tmp_path):
    for n in range(5):
        shutil.copy(SMALL, tmp_path / f"{n}.xlsx")
    done = cellgrad(tmp_path, "verify", *sorted(path.name for path in tmp_path.iterdir()))
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out


def test_progress_is_shown_on_a_terminal(monkeypatch, command):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert command("verify", SMALL, SMALL).code == 0
    assert "2/2" in terminal.getvalue()


def test_an_interruption_is_no_traceback(monkeypatch, command):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cellgrad.cli.trace.trace_command", interrupted)
    answer = command("trace", SMALL_CASE)
    assert (answer.code, answer.out, answer.err.strip()) == (130, "", "")


def test_a_lack_of_memory_is_one_line_that_names_the_file(monkeypatch, command):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr("cellgrad.verify.many.describe", exhausted)
    assert is_refusal(command("verify", SMALL), SMALL.name, "memory")
    monkeypatch.setattr("cellgrad.cli.trace.trace_command", exhausted)
    assert is_refusal(command("trace", SMALL_CASE), "memory")


# what is loaded


def child(program):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], capture_output=True, text=True,
        env=environment(), check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_the_package_itself_loads_next_to_nothing():
    done = child("import cellgrad")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "cellgrad" in loaded
    heavy = {"numpy", "openpyxl", "click", "rich", "fastjsonschema", "formualizer"}
    assert {name.partition(".")[0] for name in loaded} & heavy == set()


def test_the_mlp_needs_numpy_alone():
    program = (
        "import sys; before = set(sys.modules)\n"
        "import cellgrad.mlp\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = set(child(program).stdout.split())
    assert {"cellgrad", "numpy"} <= loaded
    strangers = {name for name in loaded - sys.stdlib_module_names if not name.startswith("_")}
    assert strangers == {"cellgrad", "numpy"}


def test_help_is_answered_without_loading_what_calculates():
    program = (
        "import sys; from cellgrad.cli import main\n"
        "print(*sorted(name for name in sys.modules if '.' not in name))"
    )
    loaded = set(child(program).stdout.split())
    assert "click" in loaded
    assert loaded & {"numpy", "openpyxl", "formualizer", "fastjsonschema", "rich"} == set()


def test_every_command_of_the_readme_exists():
    text = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"^\s*cellgrad ([a-z]+)", text, re.MULTILINE))
    assert named
    assert named <= set(main.main.list_commands(None))
