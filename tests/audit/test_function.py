"""Functions under audit: whatever they do, an answer or one line."""

from __future__ import annotations

import contextlib
import copy
import json
import signal
import sys
import textwrap
import threading
import time
import uuid

import numpy as np
import pytest

from cases_asked import (
    is_one_line,
    posix,
    probe,
    unmoved,
)
from cellgrad.case.model import parse_case
from cellgrad.errors import InputError
from cellgrad_audit.answer import Slot
from cellgrad_audit.targets.function import FunctionTarget

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


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
        (raising(ValueError("no\nluck\x07")), r"ValueError: no luck\x07 (test_function.py:"),
        (raising(SystemExit(3)), "SystemExit: 3 (test_function.py:"),
        (raising(GeneratorExit()), "GeneratorExit (test_function.py:"),
        (raising(UnspeakableError()), "UnspeakableError: without a message (test_function"),
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
