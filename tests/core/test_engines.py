"""Every engine reads the same workbook as plain Python computes it, and cleans up after itself."""

from __future__ import annotations

import hashlib
import io
import math
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest
from openpyxl.styles import PatternFill

from cellgrad import engines
from cellgrad.engines.formualizer import _rectangles, store_values
from cellgrad.errors import EngineError, EngineMissingError, InputError
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.sheet import CellError
from cellgrad_office.libreoffice import _sockets

CALCULATING = [
    "formualizer",
    "ironcalc",
    pytest.param("libreoffice", marks=pytest.mark.libreoffice),
    pytest.param("gnumeric", marks=pytest.mark.gnumeric),
]
every_engine = pytest.mark.parametrize("name", [*CALCULATING, "saved"])
calculating_engine = pytest.mark.parametrize("name", CALCULATING)

# Dyadic, so that an engine of extended precision holds the same givens.
X = [0.5, -0.25, 0.71875]
W = [0.125, 1.5, -0.8125]
FORMULAS = {
    "B1": "A1*A4+A2*A5+A3*A6",
    "B2": "1/(1+EXP(-B1))",
    "B3": "B2*(1-B2)",
    "B4": "TANH(B1)",
    "B5": "LN(B2)",
    "B6": "1/3",
    "C1": "1/0",
    "C2": "NOSUCHFUNCTION(1)",
    "C3": '"a"+1',
    "C4": "C1+1",
    "D1": 'A7&" and more"',
    "D2": 'IF(E1="","blank","full")',
    "D3": 'IF(E2="","blank","full")',
    "D4": '""',
    "D5": "ROUND(B2,3)+0&D4",
    "F1": "A1>A2",
    "F2": "A1<A2",
    "G1": "Other!A1*2",
}


def write_workbook(path):
    """The workbook of these tests, its stored values computed by the default engine."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Step"
    for row, given in enumerate([*X, *W], 1):
        sheet.cell(row, 1, given)
    sheet["A7"] = "text <&> ünï"
    sheet["A8"] = True
    for address, formula in FORMULAS.items():
        sheet[address] = f"={formula}"
    sheet["E2"].fill = PatternFill("solid", fgColor="FFFF00")
    book.create_sheet("Other")["A1"] = 7
    buffer = io.BytesIO()
    book.save(buffer)
    path.write_bytes(store_values(buffer.getvalue()))
    return path


@pytest.fixture(scope="module")
def workbook(tmp_path_factory):
    return write_workbook(tmp_path_factory.mktemp("engines") / "step.xlsx")


def read(book, *addresses):
    """The values of single cells of the sheet Step."""
    blocks = book.read([Range.parse("Step", address) for address in addresses])
    return [block[0][0] for block in blocks]


def forge(path, replace):
    """Rewrite the XML of the first sheet."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    changed = replace(parts["xl/worksheets/sheet1.xml"].decode())
    parts["xl/worksheets/sheet1.xml"] = changed.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def expected(x, w):
    """What plain Python computes, from left to right."""
    total = x[0] * w[0] + x[1] * w[1] + x[2] * w[2]
    out = 1 / (1 + math.exp(-total))
    return [total, out, out * (1 - out), math.tanh(total), math.log(out)]


def agree(name, got, want):
    """Bit for bit; Gnumeric computes in extended precision, so within 2 ulp there."""
    if name == "gnumeric":
        return all(abs(a - b) <= 2 * math.ulp(b) for a, b in zip(got, want, strict=True))
    return got == want


# What every engine must read


@every_engine
@pytest.mark.slow
def test_numbers_are_the_doubles_that_python_computes(name, workbook, engine_or_skip):
    with engine_or_skip(name).open(workbook) as book:
        got = read(book, "B1", "B2", "B3", "B4", "B5")
        assert all(type(value) is float for value in got)
        assert agree(name, got, expected(X, W))
        assert read(book, "B6", "G1") == [1 / 3, 14.0]


@every_engine
def test_errors_are_told_from_texts(name, workbook, engine_or_skip):
    with engine_or_skip(name).open(workbook) as book:
        codes = ["#DIV/0!", "#NAME?", "#VALUE!", "#DIV/0!"]
        assert read(book, "C1", "C2", "C3", "C4") == [CellError(code) for code in codes]


@every_engine
def test_texts_blanks_and_booleans(name, workbook, engine_or_skip):
    with engine_or_skip(name).open(workbook) as book:
        text = "text <&> ünï"
        assert read(book, "A7", "D1") == [text, text + " and more"]
        assert read(book, "D2", "D3") == ["blank", "blank"]
        assert read(book, "D4", "E1", "E2") == ["", None, None]
        assert read(book, "A8", "F1", "F2") == [True, True, False]


@every_engine
def test_a_rectangle_beyond_the_used_area_is_empty_there(name, workbook, engine_or_skip):
    with engine_or_skip(name).open(workbook) as book:
        corner, far = book.read([Range("Other", 1, 1, 3, 4), Range("Other", 900, 50, 901, 52)])
        assert corner == [[7.0, None, None, None], [None] * 4, [None] * 4]
        assert far == [[None] * 3] * 2


@every_engine
def test_an_unknown_sheet_is_one_line_that_names_the_known_ones(name, workbook, engine_or_skip):
    with engine_or_skip(name).open(workbook) as book:
        with pytest.raises(EngineError, match=r"step\.xlsx: .*'Stepp'; it has Step, Other$"):
            book.read([Range("Stepp", 1, 1, 1, 1)])
        assert read(book, "G1") == [14.0]


@every_engine
def test_the_file_stays_as_it_was(name, tmp_path, engine_or_skip):
    path = write_workbook(tmp_path / "step.xlsx")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with engine_or_skip(name).open(path) as book:
        book.read([Range("Step", 1, 1, 9, 9)])
        if name != "saved":
            book.update([(Range("Step", 1, 1, 1, 1), [[9.0]])])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["step.xlsx"]


@every_engine
@pytest.mark.parametrize("content", [b"", b"no workbook at all", b"PK\x05\x06" + bytes(18)])
def test_a_damaged_file_is_refused_in_one_line(name, content, tmp_path, engine_or_skip):
    path = tmp_path / "broken.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.xlsx") as caught:
        engine_or_skip(name).open(path)
    assert "\n" not in str(caught.value)


@every_engine
def test_a_missing_file_is_refused(name, tmp_path, engine_or_skip):
    with pytest.raises(InputError, match=r"nowhere\.xlsx"):
        engine_or_skip(name).open(tmp_path / "nowhere.xlsx")


@every_engine
def test_the_version_is_the_engines_own(name, engine_or_skip):
    version = engine_or_skip(name).version()
    assert version == "-" if name == "saved" else re.fullmatch(r"\d+\.\d+(\.\d+)*", version)


# Updates


@calculating_engine
def test_an_update_recalculates_and_a_reset_restores(name, workbook, engine_or_skip):
    w = [-1.75, 0.375, 2.5]
    weights = Range("Step", 4, 1, 6, 1)
    with engine_or_skip(name).open(workbook) as book:
        book.update([(weights, [[value] for value in w])])
        assert agree(name, read(book, "B1", "B2", "B3", "B4", "B5"), expected(X, w))
        book.update([(weights, [[value] for value in W])])
        assert agree(name, read(book, "B1", "B2", "B3", "B4", "B5"), expected(X, W))


@calculating_engine
def test_full_doubles_survive_an_update(name, workbook, engine_or_skip):
    values = [math.nextafter(0.1, 1), -1 / 3, 1.2345678901234567e-300]
    with engine_or_skip(name).open(workbook) as book:
        book.update([(Range("Step", 1, 1, 3, 1), [[value] for value in values])])
        assert read(book, "A1", "A2", "A3") == values


@calculating_engine
def test_a_cell_is_filled_and_truly_emptied_again(name, workbook, engine_or_skip):
    answers = Range("Step", 1, 5, 2, 5)
    with engine_or_skip(name).open(workbook) as book:
        book.update([(answers, [[0.0], ["=1+1"]])])
        assert read(book, "D2", "D3", "E1", "E2") == ["full", "full", 0.0, "=1+1"]
        book.update([(answers, [[None], [None]])])
        assert read(book, "D2", "D3", "E1", "E2") == ["blank", "blank", None, None]


@calculating_engine
def test_an_update_outside_the_used_area_and_over_a_formula(name, workbook, engine_or_skip):
    far, formula = Range("Step", 40, 30, 40, 30), Range("Step", 1, 3, 1, 3)
    with engine_or_skip(name).open(workbook) as book:
        book.update([(far, [["5"]]), (formula, [[4.0]])])
        assert read(book, "AD40", "C1", "C4") == ["5", 4.0, 5.0]
        book.update([(far, [[5.0]]), (Range("Step", 7, 1, 7, 1), [[4.0]])])
        assert read(book, "AD40", "A7") == [5.0, 4.0]


@calculating_engine
def test_values_that_do_not_fill_their_range_are_refused(name, workbook, engine_or_skip):
    with engine_or_skip(name).open(workbook) as book:
        with pytest.raises(EngineError, match="do not fill 2 × 1 cells"):
            book.update([(Range("Step", 1, 1, 2, 1), [[1.0]])])
        with pytest.raises(EngineError, match="no sheet 'Stepp'"):
            book.update([(Range("Stepp", 1, 1, 1, 1), [[1.0]])])


def test_saved_values_cannot_be_updated(workbook, engine_or_skip):
    with (
        engine_or_skip("saved").open(workbook) as book,
        pytest.raises(EngineError, match="cannot recalculate"),
    ):
        book.update([(Range("Step", 1, 1, 1, 1), [[1.0]])])


# Stored values


@every_engine
def test_forged_stored_values_are_believed_by_saved_alone(name, tmp_path, engine_or_skip):
    path = write_workbook(tmp_path / "forged.xlsx")
    forge(path, lambda xml: re.sub(r"(<f>1/3</f><v[^>]*>)[^<]*", r"\g<1>0.75", xml))
    with engine_or_skip(name).open(path) as book:
        assert read(book, "B6") == [0.75 if name == "saved" else 1 / 3]


def test_two_workbooks_are_open_at_once(workbook, engine_or_skip, tmp_path):
    other = write_workbook(tmp_path / "other.xlsx")
    engine = engine_or_skip("formualizer")
    with engine.open(workbook) as first, engine.open(other) as second:
        second.update([(Range("Other", 1, 1, 1, 1), [[10.0]])])
        assert (read(first, "G1"), read(second, "G1")) == ([14.0], [20.0])


def test_storing_values_changes_only_the_sheets_and_always_alike():
    book = openpyxl.Workbook()
    book.active["A1"] = "=1/3"
    book.active.print_title_rows = "1:2"
    buffer = io.BytesIO()
    book.save(buffer)
    once, again = store_values(buffer.getvalue()), store_values(buffer.getvalue())
    assert once == again == store_values(once)
    with zipfile.ZipFile(buffer) as before, zipfile.ZipFile(io.BytesIO(once)) as after:
        assert before.namelist() == after.namelist()
        changed = [name for name in before.namelist() if before.read(name) != after.read(name)]
        assert changed == ["xl/worksheets/sheet1.xml"]
        assert [entry.date_time for entry in before.infolist()] == [
            entry.date_time for entry in after.infolist()
        ]
    stored = openpyxl.load_workbook(io.BytesIO(once), data_only=True).active["A1"].value
    assert stored == 1 / 3


def test_storing_values_refuses_what_is_no_workbook():
    with pytest.raises(EngineError, match="formualizer could not store values"):
        store_values(b"no workbook")


def test_rectangles_hold_each_changed_cell_once_with_its_last_value():
    source = random.Random(7)
    for _ in range(200):
        changes, want = [], {}
        for _ in range(source.randint(1, 10)):
            top, left = source.randint(1, 6), source.randint(1, 6)
            height, width = source.randint(1, 3), source.randint(1, 3)
            rows = [[source.random() for _ in range(width)] for _ in range(height)]
            changes.append((Range("s", top, left, top + height - 1, left + width - 1), rows))
            want |= cells_of(changes[-1])
        joined = list(_rectangles(changes))
        got = {}
        for block in joined:
            assert not got.keys() & cells_of(block).keys()
            got |= cells_of(block)
        assert got == want


def cells_of(change):
    area, rows = change
    assert (area.height, area.width) == (len(rows), len(rows[0]))
    return {
        (area.top + i, area.left + j): value
        for i, row in enumerate(rows)
        for j, value in enumerate(row)
    }


def test_givens_written_cell_by_cell_become_one_rectangle():
    changes = [
        (Range("s", i, j, i, j), [[float(10 * i + j)]]) for i in range(2, 6) for j in range(3, 6)
    ]
    random.Random(3).shuffle(changes)
    [(area, rows)] = _rectangles(changes)
    assert area == Range("s", 2, 3, 5, 5)
    assert rows == [[float(10 * i + j) for j in range(3, 6)] for i in range(2, 6)]


@pytest.mark.parametrize(
    ("rows", "columns"), [(2, 300), pytest.param(1_001, 100, marks=pytest.mark.slow)]
)
def test_values_are_stored_beyond_the_limits_of_the_engines_own_writer(rows, columns):
    # formualizer writes at most 256 columns and 100,000 formulas a sheet
    book = openpyxl.Workbook()
    sheet = book.active
    for row in range(1, rows + 1):
        sheet.append([f"={row}/{column}" for column in range(1, columns + 1)])
    sheet.cell(rows + 1, 1).value = '="a < b"&1'
    sheet.cell(rows + 1, 2).value = "=1/0"
    sheet.cell(rows + 1, 3).value = "=1>2"
    buffer = io.BytesIO()
    book.save(buffer)
    stored = store_values(buffer.getvalue())
    assert stored == store_values(buffer.getvalue())
    found = openpyxl.load_workbook(io.BytesIO(stored), data_only=True).active
    for row in (1, rows):
        values = [found.cell(row, column).value for column in range(1, columns + 1)]
        assert values == [row / column for column in range(1, columns + 1)]
    assert [found.cell(rows + 1, n).value for n in (1, 2, 3)] == ["a < b1", "#DIV/0!", False]


# The registry


def test_an_unknown_engine_is_refused_with_the_known_names():
    with pytest.raises(InputError, match="no engine 'excel'; choose from formualizer, ironcalc,"):
        engines.create("excel")


def test_the_default_engine_is_installed():
    assert engines.DEFAULT in engines.installed()
    assert "saved" in engines.installed()
    assert set(engines.installed()) <= set(engines.ENGINE_NAMES)


def test_a_missing_engine_says_what_to_install(monkeypatch):
    monkeypatch.setattr("cellgrad.engines.ironcalc.find_spec", lambda name: None)
    with pytest.raises(EngineMissingError, match=r"pip install 'cellgrad\[ironcalc\]'"):
        engines.create("ironcalc")
    monkeypatch.setattr("cellgrad_office.gnumeric.shutil.which", lambda name: None)
    with pytest.raises(EngineMissingError, match="apt-get install gnumeric"):
        engines.create("gnumeric")
    monkeypatch.setattr("cellgrad_office.libreoffice._soffice", lambda: None)
    with pytest.raises(EngineMissingError, match="apt-get install libreoffice-calc-nogui"):
        engines.create("libreoffice")
    assert engines.installed() == ["formualizer", "saved"]


def test_the_registry_loads_no_engine():
    program = (
        "import sys; from cellgrad import engines; "
        "print([m for m in sys.modules if 'formualizer' in m or 'ironcalc' in m or m == 'numpy'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env=child_env(), capture_output=True, check=True
    )
    assert found.stdout.strip() == b"[]", found.stderr


@pytest.mark.parametrize("text", ["soon", "-3", "nan", "inf"])
def test_a_useless_time_limit_is_refused(text, monkeypatch):
    monkeypatch.setenv("CELLGRAD_ENGINE_TIMEOUT", text)
    with pytest.raises(InputError, match="CELLGRAD_ENGINE_TIMEOUT"):
        engines.seconds_allowed(60)


def test_a_panic_of_an_engine_is_one_line():
    class Panic(BaseException):
        pass

    def panic():
        with engines.failures_of("rusty", "a.xlsx", "load"):
            raise Panic("index out of\nbounds")

    with pytest.raises(EngineError, match=r"^a\.xlsx: rusty could not load the workbook \(index"):
        panic()


# Applications that hang, crash, or outlive us


def child_env(**more):
    source = Path(engines.__file__).parents[2]
    return os.environ | {"PYTHONPATH": str(source)} | more


def alive(needle):
    """The processes whose command line holds a text, except those that are already dead."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if needle in command and state not in "ZX":
                found.append(int(entry.name))
    return found


def nothing_left(folder, seconds=10.0):
    """Whether all processes that work in a folder, the folder and its sockets are gone."""
    deadline = time.monotonic() + seconds
    traces = [Path(folder), *_sockets(Path(folder))]
    while time.monotonic() < deadline:
        if not alive(str(folder)) and not any(trace.exists() for trace in traces):
            return True
        time.sleep(0.1)
    return False


on_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def soffice_bin(folder):
    [found] = [
        process
        for process in alive(str(folder))
        if "soffice.bin" in Path(f"/proc/{process}/cmdline").read_text(errors="replace")
    ]
    return found


@pytest.mark.slow
@on_proc
@pytest.mark.libreoffice
def test_closing_libreoffice_leaves_nothing(workbook, engine_or_skip):
    engine = engine_or_skip("libreoffice", fresh=True)
    folder = engine._office.folder
    engine.open(workbook)
    assert len(alive(str(folder))) >= 2
    assert sum(socket.exists() for socket in _sockets(folder)) == 2
    engine.close()
    assert nothing_left(folder, 0.5)


@pytest.mark.slow
@on_proc
@pytest.mark.libreoffice
def test_a_hung_libreoffice_is_ended_and_reported_within_the_limit(workbook, engine_or_skip):
    engine = engine_or_skip("libreoffice", request_seconds=2.0)
    folder = engine._office.folder
    book = engine.open(workbook)
    os.kill(soffice_bin(folder), signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"step\.xlsx: LibreOffice did not answer within 2 s"):
        book.read([Range("Step", 1, 1, 1, 1)])
    assert time.monotonic() - began < 8
    assert nothing_left(folder)
    with pytest.raises(EngineError, match="has been ended"):
        engine.open(workbook)


@pytest.mark.slow
@on_proc
@pytest.mark.libreoffice
def test_a_crashed_libreoffice_is_reported_at_once(workbook, engine_or_skip):
    engine = engine_or_skip("libreoffice", fresh=True)
    folder = engine._office.folder
    book = engine.open(workbook)
    os.kill(soffice_bin(folder), signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"step\.xlsx: LibreOffice is gone: "):
        book.read([Range("Step", 1, 1, 1, 1)])
    assert time.monotonic() - began < 10
    assert nothing_left(folder)


@pytest.mark.slow
@on_proc
@pytest.mark.libreoffice
def test_a_killed_bridge_is_reported_and_takes_libreoffice_along(workbook, engine_or_skip):
    engine = engine_or_skip("libreoffice", fresh=True)
    folder = engine._office.folder
    book = engine.open(workbook)
    engine._office._bridge.kill()
    with pytest.raises(EngineError, match="LibreOffice is gone: its bridge ended"):
        book.read([Range("Step", 1, 1, 1, 1)])
    assert nothing_left(folder)


@pytest.mark.slow
@on_proc
@pytest.mark.libreoffice
def test_a_libreoffice_that_never_starts_is_ended(tmp_path, engine_or_skip, monkeypatch):
    engine_or_skip("libreoffice")
    sleeper = tmp_path / "soffice"
    sleeper.write_text("#!/bin/sh\nsleep 987654 & sleep 987654\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr("cellgrad_office.libreoffice._soffice", lambda: str(sleeper))
    began = time.monotonic()
    with pytest.raises(EngineError, match="LibreOffice is gone: did not start in time"):
        engine_or_skip("libreoffice", start_seconds=1.0)
    assert time.monotonic() - began < 20
    assert not alive("987654")


@pytest.mark.slow
@on_proc
@pytest.mark.libreoffice
@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_libreoffice_does_not_outlive_us(blow, workbook, engine_or_skip):
    engine_or_skip("libreoffice")
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from cellgrad import engines
        engine = engines.create("libreoffice")
        book = engine.open(Path(sys.argv[1]))
        print(engine._office.folder, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(workbook)],
        env=child_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        folder = child.stdout.readline().strip()
        assert len(alive(folder)) >= 2
        child.send_signal(blow)
        child.wait(30)
    assert nothing_left(folder, 20)


@on_proc
@pytest.mark.gnumeric
@pytest.mark.slow
def test_a_hung_gnumeric_is_ended_and_reported(tmp_path, workbook, engine_or_skip, monkeypatch):
    engine_or_skip("gnumeric")
    sleeper = tmp_path / "ssconvert"
    sleeper.write_text("#!/bin/sh\nsleep 876543 & sleep 876543\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr("cellgrad_office.gnumeric.shutil.which", lambda name: str(sleeper))
    monkeypatch.setenv("CELLGRAD_ENGINE_TIMEOUT", "1")
    with (
        engines.create("gnumeric") as engine,
        pytest.raises(EngineError, match=r"step\.xlsx: Gnumeric took more than 1 s"),
    ):
        engine.open(workbook)
    assert not alive("876543")


@pytest.mark.gnumeric
def test_numbers_beyond_double_are_errors_in_gnumeric_too(tmp_path, engine_or_skip):
    path = tmp_path / "large.xlsx"
    book = openpyxl.Workbook()
    book.active["A1"] = "=EXP(710)"
    book.save(path)
    with engine_or_skip("gnumeric").open(path) as opened:
        assert opened.read([Range("Sheet", 1, 1, 1, 1)]) == [[[CellError("#NUM!")]]]
