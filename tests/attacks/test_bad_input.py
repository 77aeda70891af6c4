"""What cannot be used is refused: exit code 2, one line that names the file, nothing written."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys

import openpyxl
import pytest

from hostile import (
    LOGISTIC,
    SMALL,
    SMALL_CASE,
    cellgrad,
    is_refusal,
    part_of_sheet,
    parts_of,
    where,
    with_formula,
    with_given,
    with_stored,
    with_text,
    without,
    zipped,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="limits and modes as POSIX has them")


def without_map(path):
    book = openpyxl.Workbook()
    book.active["A1"] = "=1+1"
    book.save(path)


UNUSABLE_FILES = {
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"no workbook at all\n" * 100),
    "no-workbook": lambda path: path.write_bytes(zipped({"hello.txt": b"hello"})),
    "without-map": without_map,
    "circular": lambda path: path.write_bytes(zipped(circular())),
}
"""Each of these is tried with the real command, in a process of its own."""


def circular():
    return with_formula(where("S_postA_O", parts_of())[1] + "*1", "S_preA_H")


@pytest.mark.parametrize("kind", UNUSABLE_FILES)
def test_a_file_that_is_no_usable_workbook_is_refused(kind, tmp_path):
    file = tmp_path / f"{kind}.xlsx"
    UNUSABLE_FILES[kind](file)
    assert is_refusal(cellgrad(tmp_path, "verify", file.name), file.name)


def test_the_refusal_says_what_is_wrong(tmp_path, command):
    wrong = {
        "missing": "no such file",
        "folder": "not a file",
        "text": "no zip archive",
        "no-workbook": "no workbook in it",
        "without-map": "no sheet 'Map'",
        "circular": "a circular reference: Step!",
    }
    for kind, words in wrong.items():
        file = tmp_path / f"{kind}.xlsx"
        UNUSABLE_FILES[kind](file)
        assert is_refusal(command("verify", file.name), file.name, words)


# givens and formulas of a workbook that is one


def inline(text):
    return f"<is><t>{text}</t></is>"


GIVENS = {
    "an error value": ("<v>#DIV/0!</v>", 't="e"', "#DIV/0!"),
    "a text": (inline("a lot"), 't="inlineStr"', "a lot"),
    "a number typed as a text": (inline("0.5"), 't="inlineStr"', "0.5"),
    "an empty text": (inline(""), 't="inlineStr"', "should be a number"),
    "nothing": ("", "", "empty"),
    "a truth value": ("<v>1</v>", 't="b"', "True"),
    "a formula that fails": ("<f>1/0</f>", "", "#DIV/0!"),
    "a formula that gives a text": ('<f>"a"&amp;"b"</f>', "", "ab"),
    "not a number": ("<v>NaN</v>", "", "NaN"),
    "infinity": ("<v>Infinity</v>", "", "Infinity"),
    "a number beyond a double": ("<v>1e999</v>", "", "1e999"),
    "a number of 100,000 digits": (f"<v>{'7' * 100_000}</v>", "", "7777"),
    "digits of another script": ("<v>١</v>", "", "no number"),
    "a number with underscores": ("<v>1_000</v>", "", "1_000"),
    "a number with blanks": ("<v> 1 </v>", "", "no number"),
    "a text that is not there": ("<v>99</v>", 't="s"', "text that is missing"),
}


@pytest.mark.parametrize("kind", GIVENS)
def test_a_given_that_is_no_number_is_refused_and_its_cell_named(kind, tmp_path, command):
    inside, attributes, word = GIVENS[kind]
    (tmp_path / "typed.xlsx").write_bytes(zipped(with_given(inside, attributes)))
    sheet, cell = where("weight_ItoH", parts_of())
    assert is_refusal(command("verify", "typed.xlsx"), "typed.xlsx", f"{sheet}!{cell}", word)


@pytest.mark.parametrize("name", ["input", "target", "learning_rate", "decimals", "epsilon"])
def test_no_given_may_be_empty(name, tmp_path, command):
    (tmp_path / "typed.xlsx").write_bytes(zipped(with_given("", name=name)))
    sheet, cell = where(name, parts_of())
    assert is_refusal(command("verify", "typed.xlsx"), "typed.xlsx", f"{sheet}!{cell}")


def test_a_given_typed_as_a_fraction_is_a_number_like_any_other(tmp_path, command):
    (tmp_path / "typed.xlsx").write_bytes(zipped(with_given("<f>1/1</f>")))
    assert command("verify", "typed.xlsx").code == 0


def test_a_wrong_given_is_refused_in_the_stored_values_too(tmp_path, command):
    (tmp_path / "typed.xlsx").write_bytes(zipped(with_given("<v>#N/A</v>", 't="e"')))
    assert is_refusal(command("verify", "--engine", "saved", "typed.xlsx"), "typed.xlsx", "#N/A")


def test_a_cell_that_refers_to_itself_is_a_circular_reference(tmp_path, command):
    cell = where("S_preA_H", parts_of())[1]
    (tmp_path / "self.xlsx").write_bytes(zipped(with_formula(f"{cell}+1", "S_preA_H")))
    assert is_refusal(command("verify", "self.xlsx"), "self.xlsx", "circular", cell)


def test_a_circle_through_two_sheets_is_named(tmp_path, command):
    parts = parts_of()
    check = part_of_sheet(parts, "Check")
    error = where("E", parts)[1]
    assert f"Step!{error}" in parts[check].decode() or f"Step!${error[0]}" in parts[check].decode()
    parts = with_formula("Check!B4*1", "E", parts)
    (tmp_path / "circle.xlsx").write_bytes(zipped(parts))
    assert is_refusal(command("verify", "circle.xlsx"), "circular", f"Step!{error}", "Check!B4")


EXTERNAL = {
    "a formula": lambda: with_formula("[1]Sheet1!A1", "S_preA_H"),
    "a formula with a file name": lambda: with_formula("'[other.xlsx]Sheet 1'!A1+1", "S_preA_H"),
    "a given": lambda: with_given("<f>[1]Sheet1!A1</f>"),
    "a part": lambda: parts_of() | {"xl/externalLinks/externalLink1.xml": b"<externalLink/>"},
    "a part in capitals": lambda: parts_of() | {"XL/ExternalLinks/e.xml": b"<externalLink/>"},
    "a defined name": lambda: with_text(
        parts_of(), "xl/workbook.xml", "<definedNames>",
        '<definedNames><definedName name="other">[1]Sheet1!$A$1</definedName>',
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", EXTERNAL)
def test_a_link_to_another_workbook_is_refused(kind, tmp_path, command):
    (tmp_path / "linked.xlsx").write_bytes(zipped(EXTERNAL[kind]()))
    assert is_refusal(command("verify", "linked.xlsx"), "linked.xlsx", "link", "another workbook")


def test_brackets_in_a_text_are_no_link(tmp_path, command):
    parts = with_given('<f>IF("[1]"="",2,1)</f>')
    (tmp_path / "bracket.xlsx").write_bytes(zipped(parts))
    assert command("verify", "bracket.xlsx").code == 0


@pytest.mark.parametrize("part", ["xl/vbaProject.bin", "xl/macrosheets/sheet1.xml"])
def test_macros_are_refused(part, tmp_path, command):
    (tmp_path / "macro.xlsx").write_bytes(zipped(parts_of() | {part: b"<macro/>"}))
    assert is_refusal(command("verify", "macro.xlsx"), "macro.xlsx", "macros")


MISSING_PARTS = ["workbook.xml.rels", "worksheets/sheet2.xml", "_rels/.rels", "styles.xml"]


@pytest.mark.parametrize("part", MISSING_PARTS)
def test_a_workbook_that_lacks_a_part_is_refused(part, tmp_path, command):
    (tmp_path / "lacking.xlsx").write_bytes(zipped(without(parts_of(), part)))
    assert is_refusal(command("verify", "lacking.xlsx"), "lacking.xlsx")


def test_a_workbook_without_an_index_of_texts_is_refused_where_a_cell_needs_one(tmp_path, command):
    rels = "xl/_rels/workbook.xml.rels"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    parts = with_text(
        parts_of(), rels, "</Relationships>",
        f'<Relationship Id="rId99" Type="{kind}" Target="sharedStrings.xml"/></Relationships>',
    )  # fmt: skip
    (tmp_path / "texts.xlsx").write_bytes(zipped(parts))
    assert is_refusal(command("verify", "texts.xlsx"), "texts.xlsx", "sharedStrings.xml is missing")


# the other side of the line: what a formula computed is a disagreement


def test_an_error_that_a_formula_computed_is_a_disagreement(tmp_path, command):
    stored = "<v>1</v>"
    (tmp_path / "broken.xlsx").write_bytes(zipped(with_formula("1/0", "E", stored=stored)))
    answer = command("verify", "broken.xlsx")
    assert answer.code == 1
    assert answer.err == ""
    sheet, cell = where("E", parts_of())
    assert f"{sheet}!{cell}" in answer.out
    assert "#DIV/0!" in answer.out


def test_weights_that_make_an_exponential_overflow_are_a_disagreement(tmp_path):
    parts = with_given("<v>-5000</v>", parts=parts_of(LOGISTIC))
    (tmp_path / "steep.xlsx").write_bytes(zipped(parts))
    answer = cellgrad(tmp_path, "verify", "steep.xlsx")
    assert (answer.code, answer.err) == (1, "")
    assert "#NUM!" in answer.out or "#DIV/0!" in answer.out
    assert where("S_postA_H", parts)[1] in answer.out


def test_weights_near_the_end_of_the_doubles_are_a_disagreement(tmp_path):
    (tmp_path / "large.xlsx").write_bytes(zipped(with_given("<v>1e300</v>")))
    answer = cellgrad(tmp_path, "verify", "large.xlsx")
    assert (answer.code, answer.err) == (1, "")


def test_a_forged_stored_value_is_a_disagreement(tmp_path, command):
    (tmp_path / "forged.xlsx").write_bytes(zipped(with_stored("123.5", "E")))
    answer = command("verify", "forged.xlsx")
    assert answer.code == 1
    assert "stored 123.5" in answer.out


def test_one_unusable_workbook_among_good_ones_is_refused_by_name(tmp_path):
    names = [f"good{n}.xlsx" for n in range(4)]
    for name in names:
        shutil.copy(SMALL, tmp_path / name)
    (tmp_path / "bad.xlsx").write_bytes(b"PK")
    answer = cellgrad(tmp_path, "verify", *names[:2], "bad.xlsx", *names[2:])
    assert is_refusal(answer, "bad.xlsx")


# hostile names


@posix
@pytest.mark.parametrize(
    "name", ["two\nlines.xlsx", "red\x1b[31m.xlsx", "bell\a.xlsx", "tab\t.xlsx", "-\u202e.xlsx"]
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_refusal_is_one_plain_line_whatever_the_file_is_called(name, exists, tmp_path, command):
    if exists:
        (tmp_path / name).write_bytes(b"no workbook")
    assert is_refusal(command("verify", "--", name))


@posix
def test_a_name_that_is_no_text_is_shown_all_the_same(tmp_path):
    name = os.fsdecode(b"caf\xe9.xlsx")
    assert is_refusal(cellgrad(tmp_path, "verify", name), "caf", "no such file")


def test_a_name_too_long_for_any_file_is_refused(tmp_path):
    answer = cellgrad(tmp_path, "verify", "x" * 300 + ".xlsx")
    assert is_refusal(answer, "xxx")


# where the output cannot go


@pytest.fixture
def case(tmp_path):
    shutil.copy(SMALL_CASE, tmp_path / "case.json")
    return "case.json"


OUTPUTS = {
    "a folder that is missing": "missing/out.xlsx",
    "a path below a file": "case.json/out.xlsx",
    "a folder": "folder.xlsx",
    "another kind of file": "out.json",
    "no ending": "out",
    "a name too long": "x" * 300 + ".xlsx",
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused(kind, tmp_path, case, command):
    (tmp_path / "folder.xlsx").mkdir()
    answer = command("build", case, "-o", OUTPUTS[kind])
    assert is_refusal(answer, OUTPUTS[kind][:20])


def test_the_real_command_refuses_an_output_below_a_file(tmp_path, case):
    assert is_refusal(cellgrad(tmp_path, "build", case, "-o", "case.json/o.xlsx"), "case.json/o")


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that takes no files")
def test_an_output_in_a_file_system_that_takes_none_is_refused(tmp_path, case, command):
    assert is_refusal(command("build", case, "-o", "/proc/out.xlsx"), "/proc/out.xlsx")


@posix
def test_an_output_that_is_a_circle_of_links_is_refused(tmp_path, case, command):
    (tmp_path / "a.xlsx").symlink_to("b.xlsx")
    (tmp_path / "b.xlsx").symlink_to("a.xlsx")
    answer = command("build", case, "-o", "a.xlsx")
    if answer.code:  # newer Pythons resolve such a circle to its own name
        assert is_refusal(answer, "a.xlsx")


def test_an_unusable_case_leaves_an_old_output_alone(tmp_path, command):
    (tmp_path / "bad.json").write_text("{", "utf-8")
    (tmp_path / "out.xlsx").write_bytes(b"old")
    assert is_refusal(command("build", "bad.json", "-o", "out.xlsx"), "bad.json")
    assert (tmp_path / "out.xlsx").read_bytes() == b"old"


@posix
@pytest.mark.parametrize("old", [b"old", None])
def test_a_full_disk_keeps_the_old_file_and_leaves_nothing_behind(old, tmp_path, case):
    resource = pytest.importorskip("resource")
    out = tmp_path / "out.xlsx"
    if old is not None:
        out.write_bytes(old)

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    answer = cellgrad(tmp_path, "build", case, "-o", "out.xlsx", preexec_fn=limited)
    assert is_refusal(answer, "out.xlsx", os.strerror(errno.EFBIG))
    assert (out.read_bytes() if out.exists() else None) == old


@posix
def test_a_disk_that_fills_up_while_the_file_is_written_keeps_the_old_one(tmp_path):
    resource = pytest.importorskip("resource")
    out = tmp_path / "out.xlsx"
    out.write_bytes(b"old" * 1000)

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    program = (
        "import pathlib, cellgrad.files as files, cellgrad.errors as errors\n"
        "try:\n    files.write_atomically(pathlib.Path('out.xlsx'), b'new' * 5000)\n"
        "except errors.InputError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True,
        preexec_fn=limited, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("out.xlsx: cannot be written (")
    assert out.read_bytes() == b"old" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["out.xlsx"]


@pytest.mark.parametrize("place", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_whatever_fails_while_writing_the_old_file_stays(
    place, tmp_path, case, command, monkeypatch
):
    out = tmp_path / "out.xlsx"
    out.write_bytes(b"old")

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(place, fail)
    answer = command("build", case, "-o", "out.xlsx")
    monkeypatch.undo()
    assert is_refusal(answer, "out.xlsx", "No space left on device")
    assert out.read_bytes() == b"old"


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_has_the_permissions_of_a_plain_write(mask, tmp_path, case):
    answer = cellgrad(
        tmp_path, "build", case, "-o", "out.xlsx", preexec_fn=lambda: os.umask(mask) and None
    )
    assert answer.code == 0
    assert stat.S_IMODE((tmp_path / "out.xlsx").stat().st_mode) == 0o666 & ~mask


@posix
def test_an_existing_file_keeps_its_permissions(tmp_path, case, command):
    out = tmp_path / "out.xlsx"
    out.write_bytes(b"old")
    out.chmod(0o604)
    answer = command("build", case, "-o", "out.xlsx")
    assert (answer.code, answer.new_files) == (0, set())
    assert stat.S_IMODE(out.stat().st_mode) == 0o604
    assert out.read_bytes()[:2] == b"PK"


@posix
def test_a_link_is_written_through(tmp_path, case, command):
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "target.xlsx", tmp_path / "link.xlsx"
    target.write_bytes(b"old")
    link.symlink_to("deep/target.xlsx")
    answer = command("build", case, "-o", "link.xlsx")
    assert (answer.code, answer.new_files) == (0, set())
    assert link.is_symlink()
    assert target.read_bytes()[:2] == b"PK"


def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path, case, command):
    name = "x" * 250 + ".xlsx"
    answer = command("build", case, "-o", name)
    assert (answer.code, answer.new_files) == (0, {name})


def test_a_workbook_of_very_small_numbers_can_be_read_again(tmp_path, command):
    text = SMALL_CASE.read_text("utf-8").replace('"input": [1.0, 2.0]', '"input": [1e-290, 2e-290]')
    assert "e-290" in text
    (tmp_path / "small.json").write_text(text, "utf-8")
    assert command("build", "small.json", "-o", "small.xlsx").code == 0
    cell = where("gradient_ItoH", parts_of(tmp_path / "small.xlsx"))
    assert cell[0] == "Step"
    assert command("verify", "--engine", "saved", "small.xlsx").err == ""


@pytest.mark.parametrize("text", ["1.000E+0", "+1", "10e-1", "1.", "1.00000000000000000000000"])
def test_a_given_may_be_written_as_any_plain_number(text, tmp_path, command):
    (tmp_path / "plain.xlsx").write_bytes(zipped(with_given(f"<v>{text}</v>")))
    assert command("verify", "plain.xlsx").code == 0
