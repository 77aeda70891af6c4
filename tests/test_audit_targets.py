"""What runs or reads an implementation under audit: commands, functions, tables, trace files.

Whatever a target does, the answer is numbers in their places or one line that says why not,
and nothing of it is left behind.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cellgrad import shipped
from cellgrad.case.model import Conventions, Optimizer, Sample
from cellgrad.case.read import parse_case, read_case
from cellgrad.case.write import case_document
from cellgrad.errors import InputError
from cellgrad.mlp import training_run
from cellgrad.report.trace import trace_of_run
from cellgrad_audit import commands, reading
from cellgrad_audit.answer import Slot, printed
from cellgrad_audit.handout import c_header, files_of, write_folder
from cellgrad_audit.hypothesis import right_numbers
from cellgrad_audit.probes import probes
from cellgrad_audit.reading import TraceFileTarget, answer_of_document, read_answer
from cellgrad_audit.targets import process
from cellgrad_audit.targets.command import CommandTarget
from cellgrad_audit.targets.folder import FolderTarget, read_table, template
from cellgrad_audit.targets.function import FunctionTarget
from hostile_targets import ENDLESS, FAILURES, FINE, LEAVING, SECONDS, program

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
QUICK = settings(max_examples=60, deadline=None, derandomize=True)
ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(sys.platform == "win32", reason="process groups and signals of POSIX")


@cache
def probe(name="probe-online"):
    return next(case for case in probes() if case.id == name)


@cache
def small():
    """Return a case of three samples in batches of two: the last update covers one."""
    case = read_case(ROOT / "reference" / "cases" / "by-hand-relu-2-2-1.json")
    more = (*case.samples, Sample((0.5, -0.25), (0.75,)), Sample((-1.0, 0.375), (0.125,)))
    return replace(case, samples=more, update="batch_mean", batch_size=2, epochs=2)


@cache
def _trace_text(case):
    return json.dumps(trace_of_run(case, list(training_run(case))))


def trace(case):
    """Return the trace of the right program, fresh."""
    return json.loads(_trace_text(case))


def unmoved(case):
    """Return a well-formed answer: the weights as they were given."""
    network = case_document(case)["network"]
    return {
        "schema": "cellgrad-trace/1",
        "weights": network["weights"],
        "biases": network["biases"],
    }


def is_one_line(text, case):
    assert text.startswith(f"{case.id}: "), text
    assert text.isprintable(), text
    assert len(text) < 600
    assert "Traceback" not in text
    return True


NETWORK = b'{"network": {"weights": 0, "biases": 0}}'
"""As little as the programs' first lines need."""


def still_running(mark):
    """Return the processes whose arguments hold a mark, those that are dead already aside."""
    if not Path("/proc").is_dir():
        listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True)
        return [line for line in listed.stdout.decode().splitlines() if mark in line]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in words:
            found.append((folder.name, words))
    return found


def nothing_left(mark):
    """Tell whether everything with a mark is gone; the killed need a moment to go."""
    for _ in range(100):
        if not still_running(mark):
            return True
        time.sleep(0.01)
    return False


# the document that a target is given


def _sized(path):
    large = path.stat().st_size > 200_000
    return pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if large else [])


@pytest.mark.parametrize("path", [_sized(path) for path in shipped.cases()])
def test_a_case_written_out_is_read_back_as_it_was(path):
    case = read_case(path)
    assert parse_case(json.dumps(case_document(case)).encode()) == case


def test_whatever_a_case_declares_is_written_out():
    case = replace(
        small(),
        network=replace(small().network, activations=("leaky_relu", "identity"), leaky_slope=0.3),
        optimizer=Optimizer("adam", weight_decay=0.5, beta1=0.25, beta2=0.125, epsilon=1e-3),
        conventions=Conventions(False, "target_minus_output", True, True),
        learning_rate=(0.1, 0.2, 0.3, 0.4),
        validation=small().samples[:1],
    )
    document = case_document(case)
    assert parse_case(json.dumps(document).encode()) == case
    assert document["conventions"] == {
        "update_biases": False,
        "error_sign": "target_minus_output",
        "decay_biases": True,
        "rate_in_velocity": True,
    }
    assert case_document(probe()).get("conventions") is None


# reading a trace


@pytest.mark.parametrize("name", [case.id for case in probes()])
def test_the_trace_of_the_right_program_is_read_number_for_number(name):
    case = probe(name)
    answer = read_answer(case, json.dumps(trace(case)).encode(), whole=True)
    right = right_numbers(case, answer.numbers)
    assert set(answer.numbers) == set(right)
    for slot, values in right.items():
        assert np.array_equal(answer.numbers[slot].values, values), slot
        assert not answer.numbers[slot].half_units.any()
    steps = {slot.step for slot in answer.numbers}
    assert steps == set(range(case.updates() + 1))


@cache
def _schema():
    return Draft202012Validator(json.loads(shipped.schema("trace").read_text("utf-8")))


LAYERED = ("weights", "biases", "weight_gradient", "bias_gradient")


@st.composite
def written(draw, value):
    """Return nested lists with every number in one of its spellings, or null."""
    if isinstance(value, list):
        return [draw(written(entry)) for entry in value]
    if value is None:
        return None
    kind = draw(st.sampled_from(["number", "number", "hex", "digits", "exponent", "null"]))
    if kind == "null":
        return None
    if kind == "hex":
        return value.hex()
    if kind == "digits":
        return f"{value:.{draw(st.integers(0, 12))}f}"
    return f"{value:.{draw(st.integers(0, 16))}e}" if kind == "exponent" else value


@st.composite
def parts(draw, case):
    """Return some part of a right trace, spelled in some way."""
    whole = trace(case)
    document = {"schema": whole["schema"]}
    for key in draw(st.sets(st.sampled_from(["case", "weights", "biases", "epoch_errors"]))):
        document[key] = whole[key] if key == "case" else draw(written(whole[key]))
    numbers = draw(st.sets(st.integers(0, case.updates() - 1), max_size=2))
    steps = {}
    for n in sorted(numbers):
        names = draw(st.sets(st.sampled_from(sorted(whole["steps"][n])), min_size=1))
        steps[n] = {name: draw(written(whole["steps"][n][name])) for name in names}
    if numbers and sorted(numbers) == list(range(len(numbers))) and draw(st.booleans()):
        document["steps"] = list(steps.values())
    elif numbers:
        document["steps"] = {str(n + 1): step for n, step in steps.items()}
    if draw(st.booleans()):
        names = draw(st.sets(st.sampled_from(sorted(whole["final"])), min_size=1))
        document["final"] = {name: draw(written(whole["final"][name])) for name in names}
    return document


def leaves(value):
    if isinstance(value, list | dict):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from leaves(entry)
    else:
        yield value


def numbers_in(document):
    parts = [document.get(k) for k in ("weights", "biases", "steps", "final", "epoch_errors")]
    return [leaf for leaf in leaves(parts) if leaf is not None]


@given(parts(small()))
@settings(QUICK, max_examples=40)
def test_a_valid_part_of_a_trace_is_read_and_means_what_it_says(document):
    told = numbers_in(document)
    assume(told)
    assert _schema().is_valid(document)
    answer = read_answer(small(), json.dumps(document).encode(), whole=False)
    held = [x.values[~np.isnan(x.values)] for x in answer.numbers.values()]
    assert sum(map(len, held)) == len(told)
    right = right_numbers(small(), answer.numbers)
    for slot, numbers in answer.numbers.items():
        given_here = ~np.isnan(numbers.values)
        gap = np.abs(numbers.values - right[slot])[given_here]
        rounding = 2.0**-52 * np.abs(right[slot])
        allowed = (numbers.half_units + rounding * (numbers.half_units > 0))[given_here]
        assert np.all(gap <= allowed), slot


JUNK = [
    True, "x", "", {}, [], "0x", "1e", "nan", "1.5.2", "1_0", " 1", "0x1p", None, -1, 0, 2.5,
    {"error": 1}, ["a"], [[]], "٣", "1,5",
]  # fmt: skip


@st.composite
def damaged(draw):
    """Return a right trace with one thing wrong with it, as far as the schema goes or not."""
    document = trace(small())
    place, path = document, []
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        path.append(key)
        if (
            not isinstance(place[key], dict | list)
            or not place[key]
            or draw(st.integers(0, 2)) == 0
        ):
            break
        place = place[key]
    what = draw(st.sampled_from(["replace", "replace", "drop", "add", "wrap"]))
    if what == "replace":
        place[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))
    elif what == "drop":
        del place[key]
    elif what == "wrap":
        place[key] = [place[key]]
    elif isinstance(place, dict):
        added = draw(st.sampled_from(["loss", "unsupported", "0", "01", "1"]))
        place[added] = copy.deepcopy(draw(st.sampled_from(JUNK)))
    else:
        place.append(copy.deepcopy(draw(st.sampled_from(JUNK))))
    return document


@given(damaged())
@settings(QUICK, max_examples=35)
@pytest.mark.slow
def test_what_the_schema_refuses_the_reader_refuses(document):
    data = json.dumps(document).encode()
    refused = []
    for whole in (True, False):
        try:
            read_answer(small(), data, whole=whole)
        except InputError as error:
            refused.append(error.line().isprintable())
    if not _schema().is_valid(document):
        assert refused == [True, True]


def test_the_axis_of_samples_may_be_left_out_where_there_is_one_sample():
    case = probe()  # online: every update covers one
    document = trace(case)
    wrapped = copy.deepcopy(document)
    for step in wrapped["steps"]:
        for name in ("pre_activation", "post_activation", "error_signal", "activation_derivative"):
            step[name] = [[layer] for layer in step[name]]
        step["final_error"] = [step["final_error"]]
    assert wrapped != document
    a, b = (answer_of_document(case, d, whole=True).numbers for d in (document, wrapped))
    assert set(a) == set(b)
    for slot in a:
        assert np.array_equal(a[slot].values, b[slot].values)
        if slot.name == "error_signal":
            assert a[slot].values.shape == (1, case.network.nodes[slot.layer + 1])


def test_the_axis_of_samples_may_not_be_left_out_where_there_are_several():
    document = trace(small())
    document["final"]["post_activation"] = [
        layer[0] for layer in document["final"]["post_activation"]
    ]
    with pytest.raises(InputError, match=r"final.post_activation\[0\]: has shape \(2,\), expected"):
        answer_of_document(small(), document, whole=True)


SEE = "; see reference/schema/trace.schema.json"


def put(path, value):
    def change(document):
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (put(("steps", 2, "weight_gradient", 0), [1.0] * 4),
         "steps[2].weight_gradient[0]: has shape (4,), expected (2, 2)"),
        (put(("steps", 0, "error"), [0.5]), "steps[0].error: has shape (1,), expected a number"),
        (put(("steps", 0, "penalty"), 0.5),
         "steps[0].penalty: the case has no penalty; leave it out, or give null"),
        (put(("steps",), {"5": {"error": 1}}),
         "steps: the key '5' is no update of the case; use 1 to 4"),
        (put(("steps",), {"9" * 20: {"error": 1}}),
         f"steps: the key '{'9' * 20}' is no update of the case; use 1 to 4"),
        (put(("steps",), None), "steps: is null, expected a list of objects"),
        (put(("final", "error"), {}), "final.error: is an object, expected a number"),
        (put(("final", "error"), "1e-99999999999999"),
         "final.error: '1e-99999999999999' has an exponent too large to be meant"),
        (put(("final", "error"), "1e309"), "final.error: '1e309' is beyond the range of a double"),
        (put(("final", "error"), "0x1p2000"),
         "final.error: '0x1p2000' is beyond the range of a double"),
        (put(("epoch_errors",), [1.0]), "epoch_errors: has 1 entries, expected 2"),
        (put(("weights", 1, 1), 0.5), "weights[1][1]: is a number, expected a list of 1"),
        (put(("x" * 500,), 0.5), f"the key '{'x' * 29} … {'x' * 29}' is not known{SEE}"),
        (put(("\x1b[2J",), 0.5), rf"the key '\x1b[2J' is not known{SEE}"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_place(change, line):
    document = trace(small())
    change(document)
    for read in (
        lambda: read_answer(small(), json.dumps(document).encode(), whole=True),
        lambda: answer_of_document(small(), document, whole=True),
    ):
        with pytest.raises(InputError) as refused:
            read()
        assert refused.value.line() == line


def test_a_file_may_hold_one_number_but_not_none():
    data = b'{"schema": "cellgrad-trace/1", "steps": {"4": {"error": "0.298"}}}'
    answer = read_answer(small(), data, whole=False)
    assert list(answer.numbers) == [Slot(4, "error", None)]
    number = answer.numbers[Slot(4, "error", None)]
    assert (float(number.values), float(number.half_units)) == (0.298, 0.0005)
    with pytest.raises(InputError, match="weights: is missing; answer every final weight"):
        read_answer(small(), data, whole=True)
    for empty in (b'{"schema": "cellgrad-trace/1", "case": "by-hand-relu-2-2-1"}',
                  b'{"schema": "cellgrad-trace/1", "weights": [[[null, null]]]}'):  # fmt: skip
        with pytest.raises(InputError, match=r"holds no number|expected a list of 2"):
            read_answer(small(), empty, whole=False)


def test_lists_that_a_json_reader_lets_pass_may_still_be_too_deep(monkeypatch):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    document = {"schema": "cellgrad-trace/1", "weights": [deep, deep]}
    monkeypatch.setattr(reading, "read_json", lambda data, constant: document)
    with pytest.raises(InputError, match="nested too deeply"):
        read_answer(small(), b"", whole=False)


def test_no_room_is_made_for_what_was_not_given():
    case = replace(small(), epochs=1_000_000_000)
    document = {"schema": "cellgrad-trace/1", "epoch_errors": [1.0]}
    with pytest.raises(InputError, match="epoch_errors: has 1 entries, expected 1000000000"):
        answer_of_document(case, document, whole=False)
    rows = [*filled(small()), ("epoch_errors", "[5]", "1")]
    with pytest.raises(InputError, match="the case has no quantity 'epoch_errors'"):
        read_table(case, saved(rows).encode())


def test_what_cannot_be_run_is_no_failure():
    answer = read_answer(small(), b'{"unsupported": "no\\nReLU \\u001b[1m here"}', whole=True)
    assert (answer.unsupported, answer.numbers) == (r"no ReLU \x1b[1m here", {})


@given(
    st.from_regex(
        r"[+-]?([0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})([eE][+-]?[0-9]{1,2})?", fullmatch=True
    )
)
@settings(QUICK, max_examples=80)
def test_a_decimal_stands_for_what_rounds_to_it(text):
    assume(text.isascii())
    exact = Decimal(text)
    number = printed(text)
    assert number.value == float(exact)
    half = Decimal(10) ** exact.as_tuple().exponent / 2
    assert math.isclose(number.half_unit, float(half), rel_tol=1e-12)
    assert number.digits == len(str(abs(int(exact.scaleb(-exact.as_tuple().exponent)))).lstrip("0"))


@pytest.mark.parametrize(
    ("text", "value", "half"),
    [
        ("1.5e-3", 0.0015, 5e-5), ("-.5", -0.5, 0.05), ("12", 12.0, 0.5), ("0.10", 0.1, 0.005),
        ("1.", 1.0, 0.5), ("2E2", 200.0, 50.0), ("-0.0", -0.0, 0.05), ("1e-400", 0.0, 5e-324),
        ("0x1.8p-1", 0.75, 0.0), ("-0X.8", -0.5, 0.0), ("0x1P+1", 2.0, 0.0), ("0x0p+0", 0.0, 0.0),
    ],
)  # fmt: skip
def test_a_number_that_was_written_as_text_is_as_fine_as_its_last_decimal(text, value, half):
    number = printed(text)
    assert (number.value, number.half_unit) == (value, half)
    assert math.copysign(1, number.value) == math.copysign(1, value)


@pytest.mark.parametrize("text", ["", "-", ".", "1e", "0x", "0xp1", "1 ", "1\n", "٣", "1_0", "inf"])
def test_a_text_that_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="is no number"):
        printed(text)


def test_a_large_trace_is_read_fast_enough_to_go_unnoticed():
    # counted, not timed: a check of each number by itself would call this for every one
    case = replace(
        small(),
        network=replace(
            small().network, nodes=(300, 300, 1), weights=(((0.5,) * 300,) * 300, ((0.5,),) * 300)
        ),
        samples=(Sample((0.0,) * 300, (0.0,)),),
    )
    document = unmoved(case)
    document["biases"] = None
    calls = 0

    def counting(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(counting)
    try:
        answer = answer_of_document(
            replace(case, network=replace(case.network, biases=None)), document, whole=True
        )
    finally:
        sys.setprofile(None)
    assert sum(x.values.size for x in answer.numbers.values()) == 90_300
    assert calls < 10_000


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
    monkeypatch.setattr(process, "GRACE", 0.1)
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
            return process.Finished(b"", b"", None, process.OVERTIME)
        return process.Finished(json.dumps(unmoved(fine)).encode(), b"", 0)

    asked = []
    monkeypatch.setattr(process, "run", run)
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
    finished = process.run(program(talks, beginning="import sys\n"), given_, 20.0)
    assert (finished.status, finished.limit) == (0, "")
    assert finished.output == b"y" * size + b"%d\n" % len(given_)
    finished = process.run(program("print('done')", beginning=""), given_, 20.0)
    assert (finished.status, finished.output) == (0, b"done\n")


def test_of_a_flood_on_standard_error_the_end_is_kept():
    body = "sys.stderr.write('z' * 1000000 + '\\nthe last words\\n\\n'); sys.exit(4)"
    failure = CommandTarget(program(body)).answer(probe()).failure
    assert failure == "probe-online: exit status 4; standard error: the last words"
    finished = process.run(program(body), NETWORK, 20.0)
    assert len(finished.errors) == process.KEPT_ERRORS


def test_a_flood_of_output_is_stopped_early():
    finished = process.run(program(FAILURES["too much"][0]), NETWORK, 20.0)
    assert finished.limit == process.TOO_MUCH_OUTPUT
    assert 0 < len(finished.output) - process.MOST_OUTPUT <= 1 << 16
    assert finished.status is None


def test_an_endless_standard_error_is_ended(monkeypatch):
    monkeypatch.setattr(process, "MOST_ERRORS", 1 << 20)
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


# functions


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module into the present folder and names its function."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    names = []

    def write(text, function="step"):
        name = f"audited_{uuid.uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        names.append(name)
        return f"{name}:{function}"

    yield write
    for name in names:
        sys.modules.pop(name, None)


ANSWER = """
def answer(case):
    network = case["network"]
    return {"weights": network["weights"], "biases": network["biases"]}
"""


def test_arrays_tuples_and_numpy_numbers_are_read(module):
    name = module("""
        import numpy as np
        def step(case):
            weights, biases = case["network"]["weights"], case["network"]["biases"]
            return {
                "schema": "cellgrad-trace/1",
                "weights": tuple(np.array(w, dtype=np.float32) for w in weights),
                "biases": (np.array(biases[0]), [np.float64(b) for b in biases[1]]),
                "steps": {1: {"error": np.float32(0.5)}, np.int64(2): {"error": np.array(2)}},
            }
    """)
    answer = FunctionTarget(name).answer(probe())
    assert answer.failure == ""
    assert answer.numbers[Slot(1, "error", None)].values == 0.5
    assert answer.numbers[Slot(2, "error", None)].values == 2
    for k, layer in enumerate(probe().network.biases):
        assert np.array_equal(answer.numbers[Slot(0, "biases", k)].values, layer)


def test_a_function_may_do_what_it_likes_with_its_case():
    def step(case):
        answer = {
            "weights": copy.deepcopy(case["network"]["weights"]),
            "biases": case["network"]["biases"],
        }
        case["network"]["weights"][0][0][0] = 99.0
        case.clear()
        return answer

    target = FunctionTarget(step)
    first, second = target.answer(probe()), target.answer(probe())
    assert first.failure == second.failure == ""
    assert np.array_equal(first.numbers[Slot(0, "weights", 0)].values, probe().network.weights[0])
    assert np.array_equal(second.numbers[Slot(0, "weights", 0)].values, probe().network.weights[0])


def raising(error):
    def step(case):
        raise error

    return step


class UnspeakableError(Exception):
    def __str__(self):
        raise ValueError


async def asynchronous(case):
    return unmoved(probe())


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (raising(ValueError("no\nluck\x07")), r"ValueError: no luck\x07 (test_audit_targets.py:"),
        (raising(SystemExit(3)), "SystemExit: 3 (test_audit_targets.py:"),
        (raising(GeneratorExit()), "GeneratorExit (test_audit_targets.py:"),
        (raising(UnspeakableError()), "UnspeakableError: without a message (test_audit_"),
        (raising(MemoryError("x" * 1000)), "MemoryError: xxx"),
        (lambda case: None, "the answer is null, not a trace"),
        (lambda case: [1], "the answer is a list, not a trace"),
        (lambda case: json.dumps(unmoved(probe())), "the answer is a text, not a trace"),
        (lambda case: (x for x in "abc"), "the answer is of type generator, not a trace"),
        (asynchronous, "the answer is of type coroutine, not a trace"),
        (lambda case: {"weights": {1, 2}}, "weights: is of type set, expected a list of 2"),
        (lambda case: {"weights": case["network"]["weights"]}, "biases: is missing"),
        (lambda case: unmoved(probe()) | {"steps": {(1, 2): {}}}, "the key '(1, 2)' is no update"),
        (lambda case: unmoved(probe()) | {7: 1}, "the key '7' is not known"),
        (lambda case: {"weights": np.full((2, 3, 4), np.nan)}, "weights[0][0][0]: answers NaN"),
        (lambda case: {"weights": np.zeros((2, 4, 3))},
         "weights[0]: has shape (4, 3), expected (3, 4)"),
        (lambda case: {"weights": [[[1j] * 4] * 3] * 2}, "weights[0][0][0]: of type complex is no"),
        (lambda case: {"weights": np.zeros((1, 3, 4))}, "weights: has 1 entries, expected a list"),
        (lambda case: input("now what? "), "EOFError"),
    ],
)  # fmt: skip
def test_a_function_that_answers_badly_fails_on_one_line(step, words):
    failure = FunctionTarget(step).answer(probe()).failure
    assert is_one_line(failure, probe())
    assert words in failure


def test_who_interrupts_a_function_interrupts_the_audit():
    with pytest.raises(KeyboardInterrupt):
        FunctionTarget(raising(KeyboardInterrupt())).answer(probe())


def test_a_list_that_holds_itself_is_refused():
    def step(case):
        weights = []
        weights.append(weights)
        return {"weights": weights}

    assert "nested too deeply" in FunctionTarget(step).answer(probe()).failure


def test_the_line_that_is_named_is_one_of_theirs(module):
    name = module("""
        import json
        def step(case):
            x = 1
            return json.loads("{")
    """)
    failure = FunctionTarget(name).answer(probe()).failure
    assert f"({name.split(':')[0]}.py:5)" in failure


def test_what_a_function_prints_does_not_reach_the_report(module, capfd):
    name = module("""
        import os, sys
        print("imported")
        def step(case):
            print("in Python")
            os.write(1, b"beneath it\\n")
            os.system("echo in a shell")
            return answer(case)
    """ + textwrap.indent(ANSWER, " " * 8))  # fmt: skip
    sys.stdout.write("before\n")
    target = FunctionTarget(name)
    assert target.answer(probe()).failure == ""
    sys.stdout.write("after\n")
    out, err = capfd.readouterr()
    assert out == "before\nafter\n"
    for words in ("imported", "in Python", "beneath it", "in a shell"):
        assert words in err


@posix
def test_a_function_that_hangs_is_interrupted_and_then_asked_no_more():
    calls = []

    def step(case):
        calls.append(case["id"])
        while True:
            with contextlib.suppress(Exception):  # it catches all that is meant to be caught
                time.sleep(0.01)

    before = signal.getsignal(signal.SIGALRM)
    target = FunctionTarget(step, timeout=0.1)
    said = [target.answer(probe()).failure for _ in range(3)]
    assert said == [
        "probe-online: no answer within 0.1 s",
        "probe-online: no answer within 0.1 s",
        "probe-online: not run: no answer within 0.1 s, 2 times in a row",
    ]
    assert len(calls) == 2
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@posix
def test_an_alarm_that_was_set_before_still_rings():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        FunctionTarget(lambda case: unmoved(case_of(case))).answer(probe())
        for _ in range(100):
            if rung:
                break
            time.sleep(0.01)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def case_of(document):
    return parse_case(json.dumps(document).encode())


def test_a_function_is_called_in_other_threads_too():
    said = []
    thread = threading.Thread(
        target=lambda: said.append(FunctionTarget(lambda case: unmoved(probe())).answer(probe()))
    )
    thread.start()
    thread.join()
    assert said[0].failure == ""


@pytest.mark.parametrize(
    ("text", "function", "words"),
    [
        ("x = 1", "step", "the module has no step"),
        ("step = 1", "step", "cannot be called"),
        ("def step(:", "step", "cannot be imported (SyntaxError"),
        ("import no_such_module_anywhere", "step", "cannot be imported (ModuleNotFoundError"),
        ("1 / 0", "step", "cannot be imported (ZeroDivisionError: division by zero (audited_"),
        ("import sys; sys.exit(2)", "step", "cannot be imported (SystemExit: 2"),
        ("class A:\n  b = 1", "A.c", "the module has no c"),
    ],
)
def test_what_is_no_function_is_refused_before_anything_runs(module, text, function, words):
    with pytest.raises(InputError) as refused:
        FunctionTarget(module(text, function))
    assert words in refused.value.line()
    assert refused.value.line().isprintable()


@pytest.mark.parametrize(
    "name", ["", ":", "a:", ":b", "a b:c", "a:b:c", "../a:b", "a:b()", "a..b:c"]
)
def test_what_is_no_name_of_a_function_is_refused(name):
    with pytest.raises(InputError, match="is not of the form module:function"):
        FunctionTarget(name)


def test_a_method_is_found_and_the_present_folder_comes_first(module):
    name = module(
        "class A:\n  @staticmethod\n  def step(case): return {'unsupported': 'not today'}", "A.step"
    )
    target = FunctionTarget(name)
    assert target.name == name
    assert target.answer(probe()).unsupported == "not today"


# tables of answers


def filled(case, spell=float.hex):
    """Return the rows of a filled table: the weights as they were given."""
    rows = [("quantity", "index", "value")]
    for k, layer in enumerate(case.network.weights):
        for i, row in enumerate(layer):
            rows += [("weights", f"[{k}][{i}][{j}]", spell(w)) for j, w in enumerate(row)]
    for k, layer in enumerate(case.network.biases or ()):
        rows += [("biases", f"[{k}][{j}]", spell(b)) for j, b in enumerate(layer)]
    return rows


def saved(rows, separator=",", end="\n", **options):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end, **options).writerows(rows)
    return text.getvalue()


def comma(rows):
    return [(q, i, v.replace(".", ",")) for q, i, v in rows]


SAVED = {
    "as written": lambda rows: saved(rows).encode(),
    "Windows lines": lambda rows: saved(rows, end="\r\n").encode(),
    "a byte order mark": lambda rows: b"\xef\xbb\xbf" + saved(rows).encode(),
    "everything quoted": lambda rows: saved(rows, quoting=csv.QUOTE_ALL).encode(),
    "semicolons and decimal commas": lambda rows: saved(comma(rows), ";", "\r\n").encode(
        "utf-8-sig"
    ),
    "decimal commas, quoted": lambda rows: saved(comma(rows)).encode(),
    "tabs, UTF-16": lambda rows: saved(rows, "\t", "\r\n").encode("utf-16"),
    "empty rows": lambda rows: ("\n,,\n" + saved(rows).replace("\n", "\n,,,\n\n")).encode(),
    "empty columns": lambda rows: saved([(*row, "", "") for row in rows]).encode(),
    "a line that names the separator": lambda rows: ("sep=;\r\n" + saved(rows, ";")).encode(),
    "no heading": lambda rows: saved(rows[1:]).encode(),
    "the rows in another order": lambda rows: saved([rows[0], *rows[:0:-1]]).encode(),
    "blanks around": lambda rows: saved([[f" {cell} " for cell in row] for row in rows]).encode(),
    "under the blank rows": lambda rows: template(probe()) + saved(rows[1:]).encode(),
}


@pytest.mark.parametrize("spell", [float.hex, repr, "{:.9f}".format], ids=["hex", "repr", "fixed"])
@pytest.mark.parametrize("how", SAVED)
def test_a_table_is_read_however_it_was_saved(how, spell):
    answer = read_table(probe(), SAVED[how](filled(probe(), spell)))
    assert len(answer.numbers) == 4
    for k, layer in enumerate(probe().network.weights):
        assert np.array_equal(answer.numbers[Slot(0, "weights", k)].values, layer)
    for k, layer in enumerate(probe().network.biases):
        assert np.array_equal(answer.numbers[Slot(0, "biases", k)].values, layer)


@given(
    st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=6, max_size=6),
    st.sampled_from("gfe"),
    st.integers(1, 17),
)
@settings(QUICK, max_examples=80)
def test_a_table_printed_with_one_format_is_never_taken_for_finer_than_it_is(values, form, digits):
    # 6 numbers: the weights of a 2-2-1 network
    rows = filled(small())
    texts = [f"{value:.{digits}{form}}" for value in values]
    rows = [rows[0], *((q, i, text) for (q, i, _), text in zip(rows[1:], texts, strict=True))]
    answer = read_table(small(), saved(rows).encode())
    found = [
        x
        for _, x in sorted(
            answer.numbers.items(), key=lambda item: (item[0].name != "weights", item[0].layer)
        )
    ]
    read = np.concatenate([x.values.ravel() for x in found])
    half = np.concatenate([x.half_units.ravel() for x in found])
    gap = np.abs(read - np.array(values))
    assert np.all(gap <= half * (1 + 1e-9) + 2.0**-52 * np.abs(read))


def test_a_weight_that_was_never_updated_does_not_pass_for_a_rounded_one():
    rows = filled(small(), "{:.9g}".format)
    rows[1] = (*rows[1][:2], "0.437512586")
    rows[2] = (*rows[2][:2], "0.5")  # %.9g leaves its zeros out
    answer = read_table(small(), saved(rows).encode())
    assert answer.numbers[Slot(0, "weights", 0)].half_units[0, 1] < 1e-6


def blank(rows, *which):
    return [(*row[:2], "") if n in which else row for n, row in enumerate(rows)]


ROWS = filled(probe(), repr)
FILL = "; fill in every weight and bias, or none"
USE = "; use weights or biases; README.txt names the others"
COUNT = "; count from 0, as the header does"


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (blank(ROWS, 7, 9), f"line 8: weights [0][1][2] is missing{FILL}"),
        (ROWS[:-1], f"biases [1][2] is missing{FILL}"),
        ([*ROWS, ("loss", "", "1")], f"line 33: the case has no quantity 'loss'{USE}"),
        ([*ROWS, ("steps.4.error", "", "1")],
         f"line 33: the case has no quantity 'steps.4.error'{USE}"),
        ([*ROWS, ("weights", "[0][3][0]", "1")],
         f"line 33: weights has no index '[0][3][0]'{COUNT}"),
        ([*ROWS, ("weights", "[0][0]", "1")], f"line 33: weights has no index '[0][0]'{COUNT}"),
        ([*ROWS, ("weights", "[2][0][0]", "1")],
         f"line 33: weights has no index '[2][0][0]'{COUNT}"),
        ([*ROWS, ("weights", "", "1")], f"line 33: weights has no index ''{COUNT}"),
        ([*ROWS, ("weights", "0 2 1", "1")], "line 33: '021' is no index; write it as [0][2][1]"),
        ([*ROWS, ROWS[3]], "lines 4 and 33: weights [0][0][2] stands twice"),
        ([*ROWS[:4], (*ROWS[4][:2], "#DIV/0!"), *ROWS[5:]], "line 5: '#DIV/0!' is no number"),
        ([*ROWS[:4], (*ROWS[4][:2], "NaN"), *ROWS[5:]], "line 5: 'NaN' is no number"),
        ([*ROWS[:4], (*ROWS[4][:2], "1.234,5"), *ROWS[5:]], "line 5: '1.234,5' is no number"),
        ([*ROWS[:4], (*ROWS[4][:2], "0", "5"), *ROWS[5:]],
         "line 5: has more than three columns; write a decimal point, or put the value in quotes"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named_by_its_line(rows, line):
    with pytest.raises(InputError) as refused:
        read_table(probe(), saved(rows).encode())
    assert refused.value.line() == line


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"\xe9",
        b'"',
        b'quantity,index,value\n"a"b,c\n',
        b"a\0b,c,d",
        b"x" * 200_000,
    ],
)
def test_what_is_no_table_is_refused(data):
    with pytest.raises(InputError) as refused:
        read_table(probe(), data)
    assert refused.value.line().isprintable()


@pytest.mark.parametrize("data", [b"", b"\n\n", b"quantity,index,value\n", template(probe())])
def test_a_blank_table_is_not_filled_in(data):
    assert read_table(probe(), data).unsupported == "not filled in"


def test_a_table_may_say_what_was_computed_on_the_way():
    rows = [
        *filled(small()),
        ("steps.1.error_signal", "[0][1][0]", "0.5"),
        ("steps.2.error_signal", "[1][0]", "0.25"),  # the second update covers one sample
        ("steps.2.error", "", "0.125"),
        ("final.post_activation", "[1][2][0]", "1.5"),
        ("epoch_errors", "[1]", "2.5"),
    ]
    numbers = read_table(small(), saved(rows).encode()).numbers
    assert numbers[Slot(1, "error_signal", 0)].values[1, 0] == 0.5
    assert np.isnan(numbers[Slot(1, "error_signal", 0)].values).sum() == 3
    assert numbers[Slot(2, "error_signal", 1)].values[0, 0] == 0.25
    assert numbers[Slot(2, "error", None)].values == 0.125
    assert numbers[Slot(0, "post_activation", 1)].values[2, 0] == 1.5
    assert numbers[Slot(0, "epoch_errors", None)].values[1] == 2.5


# folders of them


@pytest.fixture
def handout(tmp_path, capsys):
    assert commands.probes.callback(tmp_path / "probes") == 0
    assert capsys.readouterr().out.startswith(f"wrote {len(probes())} probes to ")
    return tmp_path / "probes"


def test_a_folder_of_blank_tables_is_read_as_the_probes_not_filled_in(handout):
    target = FolderTarget(handout)
    assert target.cases() == list(probes())
    for case in target.cases():
        answer = target.answer(case)
        assert answer.unsupported == f"{case.id}.answers.csv is not filled in"
        assert not answer.failure


def test_a_filled_table_answers_and_the_others_do_not(handout):
    (handout / "probe-online.answers.csv").write_text(saved(filled(probe())))
    (handout / "probe-plain.answers.csv").write_text(saved(filled(probe("probe-plain"))[:-1]))
    target = FolderTarget(handout)
    answer = target.answer(probe())
    assert np.array_equal(answer.numbers[Slot(0, "weights", 1)].values, probe().network.weights[1])
    failure = target.answer(probe("probe-plain")).failure
    assert is_one_line(failure, probe("probe-plain"))
    assert f"{handout / 'probe-plain.answers.csv'}: weights [" in failure
    (handout / "probe-online.answers.csv").unlink()
    assert "no such file" in target.answer(probe()).failure
    assert "has no probe-online" in FolderTarget(handout).answer(probe()).unsupported


def test_answers_to_other_numbers_are_not_compared(handout):
    (handout / "probe-online.answers.csv").write_text(saved(filled(probe())))
    other = replace(probe(), samples=probe().samples[::-1])
    assert "answers another probe-online" in FolderTarget(handout).answer(other).failure


def test_a_folder_that_holds_no_tables_is_refused(tmp_path, handout):
    with pytest.raises(InputError, match=r"holds no NAME\.answers\.csv"):
        FolderTarget(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        FolderTarget(tmp_path / "none")
    (handout / "probe-online.json").write_text("{")
    with pytest.raises(InputError, match=r"probe-online\.json: line 1, column 2: not JSON"):
        FolderTarget(handout)
    (handout / "probe-online.json").unlink()
    with pytest.raises(InputError, match=r"probe-online\.json: no such file"):
        FolderTarget(handout)


def test_a_handout_never_touches_what_is_there(tmp_path):
    files = files_of(probes()[:1])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        with pytest.raises(InputError, match="choose another place"):
            write_folder(tmp_path / name, files)
    with pytest.raises(InputError, match="cannot be written"):
        write_folder(tmp_path / "no" / "such" / "folder", files)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "full", "mine.txt"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_handout_is_written_whole_or_not_at_all(tmp_path, exists, monkeypatch):
    place = tmp_path / "probes"
    if exists:
        place.mkdir()
        inode = place.stat().st_ino
    files = {**files_of(probes()[:1]), "no-such-folder/x": b"x"}
    with pytest.raises(InputError, match="cannot be written"):
        write_folder(place, files)
    if exists:
        rename, count = Path.rename, []

        def failing(self, target):
            count.append(target)
            if len(count) > 2:
                raise OSError(28, "No space left on device")
            return rename(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", failing)
            with pytest.raises(InputError, match="No space left"):
                write_folder(place, files_of(probes()[:1]))
    assert [p.name for p in tmp_path.rglob("*")] == (["probes"] if exists else [])
    write_folder(place, files_of(probes()[:1]))
    assert sorted(p.name for p in place.iterdir()) == sorted(files_of(probes()[:1]))
    if exists:
        assert place.stat().st_ino == inode  # somebody may be working in it


# C


@pytest.fixture(scope="session")
def compiler():
    found = shutil.which("gcc")
    if found is None:
        missing = "gcc is not installed"
        if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return [found, "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]


def _quick(case):
    marks = [] if case.id in ("probe-batch", "probe-softmax") else [pytest.mark.slow]
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", [_quick(case) for case in probes()])
def test_a_c_program_with_nothing_but_the_header_fills_in_the_table(case, handout, compiler):
    words = [*compiler, f'-DPROBE_HEADER="{case.id}.h"', f"-I{handout}", "-o", handout / "run"]
    subprocess.run([*words, ROOT / "tests" / "firmware.c", "-lm"], check=True)
    table = subprocess.run([handout / "run"], capture_output=True, check=True).stdout
    (handout / f"{case.id}.answers.csv").write_bytes(table)
    answer = FolderTarget(handout).answer(case)
    assert answer.failure == answer.unsupported == ""
    right = right_numbers(case, answer.numbers)
    for slot, values in right.items():
        assert np.allclose(answer.numbers[slot].values, values, rtol=0, atol=1e-14), slot
    last = answer.numbers[Slot(0, "weights", len(case.network.weights) - 1)].values
    assert not np.array_equal(last, case.network.weights[-1])  # something was learnt


def test_a_header_is_sound_whatever_the_case_is_called(tmp_path, compiler):
    case = replace(
        probe("probe-plain"),
        title='*/ #error "x" /* ??/ \\ é %s',
        network=replace(probe("probe-plain").network, activations=("leaky_relu", "logistic")),
        optimizer=Optimizer("adam"),
    )
    (tmp_path / "case.h").write_text(c_header(case))
    (tmp_path / "main.c").write_text(
        '#include "case.h"\n#if PROBE_LOSS != PROBE_HALF_SQUARED_ERROR\n#error "loss"\n#endif\n'
        "int main(void) { return probe_weights[0][0] == probe_weights_0[0][0] && "
        "PROBE_BETA1 == 0.9 && PROBE_LEAKY_SLOPE == 0.01 ? 0 : 1; }\n"
    )
    subprocess.run([*compiler, tmp_path / "main.c", "-o", tmp_path / "main"], check=True)
    subprocess.run([tmp_path / "main"], check=True)


@pytest.mark.slow
@pytest.mark.libreoffice
def test_a_table_goes_through_libreoffice_and_back(handout):
    office = shutil.which("soffice")
    if office is None:
        if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
            pytest.fail("LibreOffice is not installed")
        pytest.skip("LibreOffice is not installed")
    table = handout / "probe-online.answers.csv"
    table.write_text(saved(filled(probe(), repr)))
    profile = f"-env:UserInstallation=file://{handout / 'profile'}"
    for form, name in (("xlsx", table), ("csv", handout / "probe-online.answers.xlsx")):
        words = [office, profile, "--headless", "--convert-to", form, "--outdir", handout, name]
        subprocess.run(words, check=True, capture_output=True, timeout=120)
    answer = FolderTarget(handout).answer(probe())
    assert answer.failure == ""
    for k, layer in enumerate(probe().network.weights):
        numbers = answer.numbers[Slot(0, "weights", k)]
        assert np.all(np.abs(numbers.values - layer) <= numbers.half_units)


# trace files


def test_a_trace_file_answers_with_the_part_that_it_holds(tmp_path):
    path = tmp_path / "printed.json"
    path.write_text('{"schema": "cellgrad-trace/1", "steps": {"2": {"error": "0.25"}}}')
    target = TraceFileTarget(path)
    path.unlink()  # it is read once
    for case in (small(), probe()):
        assert target.answer(case).numbers[Slot(2, "error", None)].half_units == 0.005
    failure = target.answer(replace(small(), epochs=1, batch_size=3)).failure
    assert is_one_line(failure, small())
    assert f"{path}: steps: the key" in failure


def test_a_trace_file_of_another_case_fails(tmp_path):
    path = tmp_path / "printed.json"
    path.write_text(json.dumps(trace(small())))
    target = TraceFileTarget(path)
    assert target.answer(small()).failure == ""
    assert (
        f"{path}: case: is 'by-hand-relu-2-2-1', asked was probe-online"
        in target.answer(probe()).failure
    )


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff", b'{"a": 1, "a": 2}', b"[" * 100_000])
def test_a_file_that_is_no_trace_is_refused(tmp_path, data):
    path = tmp_path / "printed.json"
    path.write_bytes(data)
    with pytest.raises(InputError) as refused:
        TraceFileTarget(path)
    assert refused.value.line().startswith(f"{path}: ")
