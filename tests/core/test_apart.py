"""An engine in a process of its own: the same answers, and nothing left when it fails."""

from __future__ import annotations

import faulthandler
import multiprocessing
import multiprocessing.process
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cellgrad.described import describe
from cellgrad.engines import Engine, OpenWorkbook, apart, as_values
from cellgrad.engines.apart import ApartEngine
from cellgrad.engines.formualizer import FormualizerEngine
from cellgrad.errors import EngineError, InputError
from cellgrad.verify import many
from cellgrad.xlsx.addresses import Range
from hostile import SMALL, is_refusal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")

CELL = Range("S", 1, 1, 1, 1)


def crash():
    faulthandler.disable()  # it would write a trace of its own
    os.abort()


def hang():
    time.sleep(3600)


def fail():
    raise EngineError("it was refused", file="made.xlsx", remedy="look again")


def stumble():
    raise ZeroDivisionError("in the middle\nof everything")


def leave():
    raise SystemExit(3)


class Made(Engine):
    """An engine that does what it is told to in one of its steps."""

    name = "made"

    def __init__(self, step="", does=None):
        self.step, self.does = step, does

    def at(self, step):
        if step == self.step:
            self.does()

    @classmethod
    def missing(cls):
        return None

    def version(self):
        return "7"

    def open(self, path):
        self.at("open")
        return MadeWorkbook(self)


class MadeWorkbook(OpenWorkbook):
    def __init__(self, engine):
        self.engine, self.held = engine, 1.5

    def read(self, ranges):
        self.engine.at("read")
        return [[[self.held]] for _ in ranges]

    def update(self, changes):
        self.engine.at("update")
        self.held = changes[0][1][0][0]


def use(engine, path):
    """Take every step that an engine can fail in."""
    with engine.open(path) as workbook:
        found = workbook.read([CELL])
        workbook.update([(CELL, [[2.5]])])
        return found + workbook.read([CELL])


@pytest.fixture(autouse=True)
def nothing_left():
    """No process stays behind, whatever a test does."""
    before = set(multiprocessing.process._children)
    yield
    assert set(multiprocessing.process._children) == before  # ended, and waited for


@pytest.mark.parametrize("name", ["formualizer", "ironcalc"])
def test_the_answers_are_those_of_the_engine_itself(name, engine_or_skip):
    engine = engine_or_skip(name)
    described = describe(SMALL)
    areas = [claim.cells for claim in described.claims]
    given = next(claim.cells for claim in described.claims if claim.kind == "given")
    changes = [(given, [[0.125 + n for n in range(given.width)] for _ in range(given.height)])]
    with ApartEngine(engine) as other, engine.open(SMALL) as here, other.open(SMALL) as there:
        assert (other.name, other.version()) == (engine.name, engine.version())
        assert other.arithmetic == engine.arithmetic
        before = here.read(areas)
        assert there.read(areas) == before
        here.update(changes)
        there.update(changes)
        after = here.read(areas)
        assert there.read(areas) == after != before
        for found, block in zip(there.read_values(areas), after, strict=True):
            wanted = as_values(block)
            assert (found.array is None) == (wanted.array is None)
            if wanted.array is not None:
                assert np.array_equal(found.array, wanted.array)


def test_what_is_begun_is_opened_and_what_is_not_opened_is_ended(tmp_path):
    with ApartEngine(Made()) as engine:
        engine.begin(tmp_path / "one.xlsx")
        engine.begin(tmp_path / "two.xlsx")
        assert len(multiprocessing.active_children()) == 2
        assert use(engine, tmp_path / "two.xlsx") == [[[1.5]], [[2.5]]]
        assert len(multiprocessing.active_children()) == 1
        assert use(engine, tmp_path / "three.xlsx") == [[[1.5]], [[2.5]]]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("step", ["open", "read", "update"])
@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize(
    ("does", "says"),
    [
        (crash, "made ended unexpectedly"),
        (hang, "made did not answer within 0.2 seconds"),
        (leave, "made ended unexpectedly"),
        (stumble, r"made could not \w+ the workbook \(in the middle of everything\)"),
        (fail, "it was refused"),
    ],
)
@pytest.mark.slow
def test_whatever_happens_to_the_engine_is_one_line(step, begun, does, says, tmp_path, capfd):
    path = tmp_path / "made.xlsx"
    with ApartEngine(Made(step, does), seconds=0.2) as engine:
        if begun:
            engine.begin(path)
        with pytest.raises(EngineError, match=says) as found:
            use(engine, path)
    line = found.value.line()
    assert "made.xlsx: " in line
    assert "; " in line
    assert "\n" not in line
    assert capfd.readouterr() == ("", "")


def test_after_a_failure_another_workbook_can_be_opened(tmp_path):
    made = Made("update", crash)
    with ApartEngine(made) as engine:
        with pytest.raises(EngineError):
            use(engine, tmp_path / "one.xlsx")
        made.step = ""
        assert use(engine, tmp_path / "one.xlsx") == [[[1.5]], [[2.5]]]


def test_a_process_that_is_gone_answers_every_question_with_an_error(tmp_path):
    with ApartEngine(Made()) as engine, engine.open(tmp_path / "one.xlsx") as workbook:
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        for _ in range(3):
            with pytest.raises(EngineError, match="ended unexpectedly"):
                workbook.read([CELL])


@pytest.mark.parametrize("step", ["open", "read"])
def test_an_interruption_leaves_nothing_behind(step, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with ApartEngine(Made(step, hang)) as engine:
            engine.begin(tmp_path / "another.xlsx")
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                use(engine, tmp_path / "one.xlsx")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_keyboard_interrupts_who_asks_and_not_who_answers(tmp_path):
    with ApartEngine(Made()) as engine, engine.open(tmp_path / "one.xlsx") as workbook:
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGINT)
        assert workbook.read([CELL]) == [[[1.5]]]


def test_when_who_asks_is_killed_the_process_ends_by_itself(tmp_path):
    script = (
        "import multiprocessing, os, signal, sys\n"
        "sys.path.append('..')\n"
        "from test_apart import ApartEngine, Made\n"
        "workbook = ApartEngine(Made()).open('one.xlsx')\n"
        "print(multiprocessing.active_children()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent,
        stdout=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    stat = Path("/proc") / done.stdout.decode().strip() / "stat"
    until = time.monotonic() + 10
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_time_limit_can_be_set_from_outside(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLGRAD_ENGINE_TIMEOUT", "0.1")
    with (
        ApartEngine(Made("open", hang)) as engine,
        pytest.raises(EngineError, match=r"within 0\.1 seconds; raise CELLGRAD_ENGINE_TIMEOUT"),
    ):
        engine.open(tmp_path / "one.xlsx")
    monkeypatch.setenv("CELLGRAD_ENGINE_TIMEOUT", "soon")
    with pytest.raises(InputError, match="'soon' is no time limit"):
        ApartEngine(Made())


# the command


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(many, "LARGE", 0)
    monkeypatch.setattr(apart, "possible", lambda: True)


def test_verify_says_the_same_of_large_workbooks(tmp_path, command, monkeypatch):
    shutil.copy(SMALL, tmp_path / "step.xlsx")
    here = command("verify", "step.xlsx", "--json")
    monkeypatch.setattr(many, "LARGE", 0)
    monkeypatch.setattr(apart, "possible", lambda: True)
    begun = []
    monkeypatch.setattr(
        ApartEngine, "begin", lambda *args, do=ApartEngine.begin: begun.append(do(*args))
    )
    assert command("verify", "step.xlsx", "--json") == here
    assert here.code == 0
    assert begun


@pytest.mark.parametrize("does", [crash, hang, stumble])
@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.slow
def test_verify_refuses_in_one_line_when_its_engine_fails(does, tmp_path, command, monkeypatch):
    monkeypatch.setenv("CELLGRAD_ENGINE_TIMEOUT", "1")
    monkeypatch.setattr(FormualizerEngine, "open", lambda *_: does())
    shutil.copy(SMALL, tmp_path / "step.xlsx")
    assert is_refusal(command("verify", "step.xlsx"), "step.xlsx: formualizer ", "; ")


@pytest.mark.usefixtures("everything_is_large")
def test_a_workbook_that_cannot_be_read_ends_what_was_begun(tmp_path, command, monkeypatch):
    monkeypatch.setattr(FormualizerEngine, "open", lambda *_: hang())
    monkeypatch.setattr(many, "describe", lambda path: (_ for _ in ()).throw(InputError("no Map")))
    shutil.copy(SMALL, tmp_path / "step.xlsx")
    assert is_refusal(command("verify", "step.xlsx"), "no Map")
