"""Commands under audit: whatever they do, an answer or one line, and nothing is left behind."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from cases_asked import (
    NETWORK,
    is_one_line,
    nothing_left,
    posix,
    probe,
    still_running,
    unmoved,
)
from cellgrad.errors import InputError
from cellgrad_audit.answer import Slot
from cellgrad_audit.targets import command
from cellgrad_audit.targets.command import CommandTarget
from hostile_targets import ENDLESS, FAILURES, FINE, LEAVING, SECONDS, program

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


# commands


@pytest.mark.parametrize("what", FAILURES)
def test_a_program_that_answers_badly_fails_on_one_line(what):
    body, words = FAILURES[what]
    mark = uuid.uuid4().hex
    answer = CommandTarget(program(body, mark)).answer(probe())
    assert is_one_line(answer.failure, probe())
    assert words in answer.failure
    assert not answer.numbers
    assert nothing_left(mark)


@pytest.mark.parametrize("what", FINE)
def test_a_program_that_answers_in_its_own_way_is_read(what):
    answer = CommandTarget(program(FINE[what])).answer(probe())
    assert answer.failure == answer.unsupported == ""
    for k, layer in enumerate(probe().network.weights):
        assert np.array_equal(answer.numbers[Slot(0, "weights", k)].values, layer)
    assert answer.seconds > 0


@posix
@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.slow
def test_a_program_that_never_ends_is_ended(what, monkeypatch):
    body, answers = ENDLESS[what]
    mark = uuid.uuid4().hex
    monkeypatch.setattr(command, "GRACE", 0.1)
    seconds = 60.0 if answers else SECONDS  # whoever answered is not waited for
    answer = CommandTarget(program(body, mark), timeout=seconds).answer(probe())
    if answers:
        assert len(answer.numbers) == 4
    else:
        assert answer.failure == f"{probe().id}: no answer within {SECONDS:g} s"
    assert nothing_left(mark)


@posix
@pytest.mark.parametrize("what", LEAVING)
def test_what_a_program_leaves_running_is_ended_with_it(what):
    if "its own" in what and sys.platform != "linux":
        pytest.skip("what leaves its process group is found on Linux only")
    mark = uuid.uuid4().hex
    answer = CommandTarget(program(LEAVING[what], mark)).answer(probe())
    assert (answer.failure == "") == ("crash" not in what), answer.failure
    assert nothing_left(mark)


def test_a_program_that_fails_on_one_case_is_asked_the_others():
    body = "sys.exit('no biases here') if not network['biases'] else say(answer)"
    target = CommandTarget(program(body))
    plain = target.answer(probe("probe-plain"))
    assert plain.failure == "probe-plain: exit status 1; standard error: no biases here"
    assert target.answer(probe()).failure == ""


def test_a_program_that_hangs_twice_is_asked_no_more(monkeypatch):
    fine, bad = probe("probe-plain"), probe()

    def run(words, case, timeout):
        asked.append(words)
        if json.loads(case)["id"] == bad.id:
            return command.Finished(b"", b"", None, command.OVERTIME)
        return command.Finished(json.dumps(unmoved(fine)).encode(), b"", 0)

    asked = []
    monkeypatch.setattr(command, "run", run)
    target = CommandTarget([sys.executable], timeout=1.5)
    said = [target.answer(case).failure for case in (bad, fine, bad, bad, fine, bad)]
    late, never = "no answer within 1.5 s", "not run: no answer within 1.5 s, 2 times in a row"
    assert said[:4] == [f"{bad.id}: {late}", "", f"{bad.id}: {late}", f"{bad.id}: {late}"]
    assert said[4:] == [f"{fine.id}: {never}", f"{bad.id}: {never}"]
    assert len(asked) == 4


@posix
def test_neither_side_waits_for_the_other_when_both_have_much_to_say():
    given_ = b"x" * (1 << 20)
    size = 3 << 20
    talks = f"sys.stdout.write('y' * {size}); sys.stdout.flush(); print(len(sys.stdin.read()))"
    finished = command.run(program(talks, beginning="import sys\n"), given_, 20.0)
    assert (finished.status, finished.limit) == (0, "")
    assert finished.output == b"y" * size + b"%d\n" % len(given_)
    finished = command.run(program("print('done')", beginning=""), given_, 20.0)
    assert (finished.status, finished.output) == (0, b"done\n")


def test_of_a_flood_on_standard_error_the_end_is_kept():
    body = "sys.stderr.write('z' * 1000000 + '\\nthe last words\\n\\n'); sys.exit(4)"
    failure = CommandTarget(program(body)).answer(probe()).failure
    assert failure == "probe-online: exit status 4; standard error: the last words"
    finished = command.run(program(body), NETWORK, 20.0)
    assert len(finished.errors) == command.KEPT_ERRORS


def test_a_flood_of_output_is_stopped_early():
    finished = command.run(program(FAILURES["too much"][0]), NETWORK, 20.0)
    assert finished.limit == command.TOO_MUCH_OUTPUT
    assert 0 < len(finished.output) - command.MOST_OUTPUT <= 1 << 16
    assert finished.status is None


def test_an_endless_standard_error_is_ended(monkeypatch):
    monkeypatch.setattr(command, "MOST_ERRORS", 1 << 20)
    failure = (
        CommandTarget(program("while True: sys.stderr.write('z' * 1000)")).answer(probe()).failure
    )
    assert failure.startswith(
        "probe-online: more than 1 MiB of standard error; standard error: zzz"
    )
    assert is_one_line(failure, probe())


@posix
def test_a_program_is_ended_when_the_audit_is_interrupted():
    mark = uuid.uuid4().hex

    def interrupt():
        while not still_running(mark):
            time.sleep(0.01)
        time.sleep(0.1)
        signal.raise_signal(signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            CommandTarget(program("time.sleep(60)", mark)).answer(probe())
    finally:
        thread.join()
        signal.signal(signal.SIGALRM, before)
    assert nothing_left(mark)


def test_no_thread_and_no_file_stays_open():
    def held():
        handles = Path("/proc/self/fd")
        return threading.active_count(), len(list(handles.iterdir())) if handles.is_dir() else 0

    target = CommandTarget(program("say(answer)"))
    target.answer(probe())
    before = held()
    for _ in range(3):
        target.answer(probe())
    assert held() == before


def test_a_command_that_is_not_there_is_refused_before_anything_runs(tmp_path):
    plain = tmp_path / "notes.txt"
    plain.write_text("no program")
    for words in (["no-such-command-anywhere"], [str(plain)], [str(tmp_path)], [""]):
        with pytest.raises(InputError, match="command not found, or not executable"):
            CommandTarget(words)
    with pytest.raises(InputError, match="no command"):
        CommandTarget([])
    with pytest.raises(InputError, match="NUL"):
        CommandTarget([sys.executable, "a\0b"])
    with pytest.raises(InputError, match="positive"):
        CommandTarget([sys.executable], timeout=math.nan)


@posix
def test_a_file_that_the_system_cannot_run_fails_on_one_line(tmp_path):
    script = tmp_path / "script"
    script.write_text("say hello\n")
    script.chmod(0o755)
    failure = CommandTarget([str(script)]).answer(probe()).failure
    assert failure == "probe-online: cannot be run (Exec format error)"
