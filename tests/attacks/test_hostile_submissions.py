"""Submissions made to do harm are refused at once, in little memory, with one clear line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

from cellgrad.errors import InputError
from cellgrad_coursework.taking_in.precheck import MAX_FORMULA_AREA, area_of, check, nesting_of
from hostile import ROOT, environment, parts_of, with_formula, with_given, with_text, zipped
from hostile_submissions import SHAPES, in_sheet, related

MEMORY = 256 << 20
SECONDS = 2

CHILD = textwrap.dedent("""
    import json, resource, signal, sys
    sys.path.insert(0, "tests")
    from hostile import parts_of
    from hostile_submissions import SHAPES
    from cellgrad_coursework.taking_in.precheck import check
    from cellgrad.errors import InputError
    parts, answers = parts_of(), {}
    for name in json.load(sys.stdin):
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        data = SHAPES[name][0](dict(parts))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            check(data, {})
            answers[name] = None
        except InputError as error:
            answers[name] = error.line()
        signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps(answers))
""")


def ran(names, code=CHILD, seconds=SECONDS):
    """Run a child within limits of memory and of a processor's time on some shapes."""
    pytest.importorskip("resource")
    return subprocess.run(
        [sys.executable, "-c", f"MEMORY, SECONDS = {MEMORY}, {seconds}\n{code}"],
        input=json.dumps(names), text=True, capture_output=True, check=False,
        env=environment(), timeout=300, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(list(SHAPES)[::5], id="a fifth"),
        pytest.param(list(SHAPES), id="all", marks=pytest.mark.slow),
    ],
)
def test_every_hostile_shape_is_refused_in_two_seconds_and_256_mebibytes(names):
    assert len(SHAPES) >= 100
    done = ran(names)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    answers = json.loads(done.stdout)
    assert list(answers) == names
    for name, line in answers.items():
        assert line is not None, f"{name} was accepted"
        for word in SHAPES[name][1]:
            assert word in line, (name, line)
        assert "\n" not in line
        assert line.isprintable(), name
        assert len(line) < 250, line


@pytest.mark.parametrize("hog", ["bytearray(MEMORY)", "list(iter(int, 1))", "sum(iter(int, 1))"])
@pytest.mark.slow
def test_the_limits_of_that_test_bite(hog):
    done = ran(["nothing"], CHILD.replace("check(data, {})", hog), seconds=0.2)
    assert done.returncode == -signal.SIGPROF or "MemoryError" in done.stderr


def test_the_parts_that_the_shapes_are_made_of_pass():
    assert check(zipped(parts_of()), {}).reasons == []


def test_a_file_is_named_in_its_refusal():
    with pytest.raises(InputError, match=r"^her\.xlsx: empty"):
        check(b"", {}, "her.xlsx")


@pytest.mark.parametrize("name", ["XFD1", "A4000"])
def test_a_cell_may_lie_outside_the_handout_but_not_far(name):
    column, row = name.rstrip("0123456789"), name.lstrip("ABCDFX")
    data = in_sheet(parts_of(), f'<row r="{row}"><c r="{column}{row}"/></row>'.encode())
    assert check(data, {"Map": (4000, 16_384)}).reasons == []
    with pytest.raises(InputError, match="far outside"):
        check(data, {"Map": (60, 40)})


def test_a_last_row_without_cells_is_what_libreoffice_writes():
    assert (
        check(in_sheet(parts_of(), b'<row r="1048576" ht="12.8"/>'), {"Map": (60, 40)}).reasons
        == []
    )


def test_a_formula_that_fetches_is_shown_to_a_person_but_graded():
    parts = with_formula('WEBSERVICE("https://example.org/"&A1)', "S_preA_H")
    reasons = check(zipped(parts), {}).reasons
    assert len(reasons) == 1
    assert "WEBSERVICE" in reasons[0]
    assert "Step!" in reasons[0]


def test_the_name_of_a_function_in_a_text_is_no_reason_to_look():
    assert check(zipped(with_formula('"WEBSERVICE(1)"', "S_preA_H")), {}).reasons == []


def test_an_ordinary_hyperlink_is_fine():
    parts = parts_of()
    name = "xl/worksheets/_rels/sheet1.xml.rels"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink"
    link = f'<Relationship Id="rIdX" Type="{kind}" Target="https://a.b" TargetMode="External"/>'
    assert (
        check(
            zipped(with_text(parts, name, "</Relationships>", link + "</Relationships>")), {}
        ).reasons
        == []
    )


HARMLESS = {
    "names as LibreOffice writes them": lambda parts: with_text(
        parts, "xl/workbook.xml", "<definedName ", '<definedName function="false" vbProcedure="0" '
    ),
    "what Google Sheets keeps": lambda parts: related(
        {**parts, "xl/metadata": b"\x08\x01"}, "workbookmetadata", "metadata"
    ),
    "settings of a printer": lambda parts: {
        **parts, "xl/printerSettings/printerSettings1.bin": bytes(3000)
    },
    "a label of a company": lambda parts: {**parts, "docMetadata/LabelInfo.xml": b"<labelList/>"},
    "comments as Excel draws them": lambda parts: {
        **parts, "xl/drawings/vmlDrawing1.vml": b"<xml><br>not closed</xml>"
    },
    "a picture": lambda parts: {**parts, "xl/media/image1.png": b"\x89PNG" + bytes(3000)},
    "a picture of a telephone": lambda parts: {**parts, "xl/media/image1.heic": bytes(3000)},
    "a property of a program": lambda parts: {**parts, "xl/customProperty1.bin": bytes(300)},
    "what a program threw away": lambda parts: {**parts, "[trash]/0000.dat": bytes(300)},
    "a column of a table called 1": lambda parts: with_formula("SUM(Table1[1])*2", "S_preA_H"),
    "a column called No.": lambda parts: with_formula("Table1[No.]*Step!B6", "S_preA_H"),
    "a formula on several lines": lambda parts: with_formula(
        "B6*C6\n" + " " * 60 + "+B7*C7", "S_preA_H"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMLESS)
def test_what_spreadsheet_programs_leave_in_files_passes(what):
    assert check(zipped(HARMLESS[what](parts_of())), {}).reasons == []


@pytest.mark.libreoffice
@pytest.mark.slow
def test_workbooks_that_libreoffice_saved_pass(tmp_path):
    engine = libreoffice_or_skip()
    for path in sorted((ROOT / "spreadsheets" / "more").glob("*.xlsx"))[:4]:
        subprocess.run(
            [engine, "--headless", f"-env:UserInstallation=file://{tmp_path}/profile",
             "--convert-to", "xlsx", "--outdir", str(tmp_path), str(path)],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        assert check((tmp_path / path.name).read_bytes(), {}).reasons == []


def libreoffice_or_skip():
    """Return LibreOffice's command."""
    command = shutil.which("soffice") or shutil.which("libreoffice")
    if command is None:
        assert not os.environ.get("CELLGRAD_REQUIRE_ENGINES")
        pytest.skip("needs LibreOffice")
    return command


@pytest.mark.parametrize("number", ["1", "-0.5", "1E-300", "+.5", "0." + "0" * 320 + "1", "7."])
def test_numbers_as_programs_write_them_pass(number):
    assert check(zipped(with_given(f"<v>{number}</v>")), {}).reasons == []


@pytest.mark.parametrize("number", ["0x10", "1_000", "١", "inf", "1e400", "1,5", "--1"])
def test_what_is_no_number_is_refused(number):
    with pytest.raises(InputError, match="is no number"):
        check(zipped(with_given(f"<v>{number}</v>")), {})


@pytest.mark.parametrize(
    ("formula", "area"),
    [
        ("A1:B2", 4),
        ("SUM($a$1:$b$2)+C3", 4),
        ("B2:A1", 4),
        ("SUM(B:B)", 1_000),
        ("SUM(1:3)", 1_000),
        ("A1+B2", 0),
    ],
)
def test_the_area_of_a_formula(formula, area):
    assert area_of(formula) == area


@pytest.mark.parametrize("formula", ["SUM(A1:XFD1048576)", "SUM(A:XFD)", "SUM(1:1048576)"])
def test_absurd_areas_are_beyond_the_limit(formula):
    assert area_of(formula) > MAX_FORMULA_AREA


def test_nesting_counts_what_is_open():
    assert nesting_of("((1)+(2))") == 2
    assert nesting_of("1") == 0
    assert nesting_of("SUM({1,2},(3))") == 2
