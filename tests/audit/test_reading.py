"""Answers read from traces: numbers in their places, or one line that says why not."""

from __future__ import annotations

import copy
import json
import math
import sys
from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cases_asked import (
    QUICK,
    filled,
    is_one_line,
    probe,
    saved,
    small,
    trace,
    unmoved,
)
from cellgrad import shipped
from cellgrad.case.model import Conventions, Optimizer, Sample, case_document, parse_case, read_case
from cellgrad.errors import InputError
from cellgrad_audit import reading
from cellgrad_audit.answer import Slot, printed
from cellgrad_audit.hypothesis import right_numbers
from cellgrad_audit.probes import probes
from cellgrad_audit.reading import TraceFileTarget, answer_of_document, read_answer
from cellgrad_audit.targets.folder import read_table

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
