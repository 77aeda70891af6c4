"""Case files: what is no case is refused in one line, whatever else the file may hold."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellgrad.case.model import Case, parse_case
from cellgrad.case.quantities import ACTIVATIONS, LOSSES, OUTPUTS_OF, UPDATES, Structure
from cellgrad.errors import CaseError, InputError
from hostile import CASES, SMALL_CASE, cellgrad, is_refusal

DOCUMENT = json.loads(SMALL_CASE.read_text("utf-8"))
TEXT = json.dumps(DOCUMENT)
ALL_CASES = sorted(CASES.glob("*.json"))


def changed(**changes):
    """Return the small case with some values changed; ``a__b`` is the key b inside a."""
    document = copy.deepcopy(DOCUMENT)
    for path, value in changes.items():
        *inside, last = path.split("__")
        target = document
        for key in inside:
            target = target[key]
        target[last] = value
    return document


def dump(**changes):
    return json.dumps(changed(**changes)).encode()


def said(old, new):
    """Return the small case's text with a piece of it replaced; it must be there."""
    assert TEXT.count(old) >= 1, old
    return TEXT.replace(old, new, 1).encode()


def sample(inputs=(1.0, 2.0), target=(1,)):
    return {"input": list(inputs), "target": list(target)}


def bce(target):
    return dump(
        loss="binary_cross_entropy",
        network__activations=["relu", "logistic"],
        samples=[sample(target=[target])],
    )


def softmax(target, **more):
    return dump(
        loss="categorical_cross_entropy",
        network__nodes=[2, 2, 2],
        network__activations=["relu", "softmax"],
        network__weights=[[[1, 1], [1, 1]], [[1, 1], [1, 1]]],
        samples=[sample(target=target)],
        **more,
    )


W1, W2 = DOCUMENT["network"]["weights"]

NO_JSON = {
    "an empty file": (b"", "not JSON"),
    "blanks": (b" \n ", "not JSON"),
    "half a document": (TEXT.encode()[: len(TEXT) // 2], "not JSON"),
    "a comment": (b"// a case\n" + TEXT.encode(), "line 1, column 1"),
    "a comma too many": (TEXT.encode()[:-1] + b",}", "not JSON"),
    "two documents": (TEXT.encode() * 2, "not JSON"),
    "Latin-1": (said('"title": "', '"title": "é').decode().encode("latin-1"), "UTF-8"),
    "UTF-16": (TEXT.encode("utf-16"), "UTF-8"),
    "bytes": (bytes(range(256)), "UTF-8"),
    "a workbook": (b"PK\3\4\0\0", "not JSON"),
    "NaN": (said('"learning_rate": 0.25', '"learning_rate": NaN'), "NaN"),
    "Infinity": (said('"learning_rate": 0.25', '"learning_rate": Infinity'), "Infinity"),
    "-Infinity": (said('"learning_rate": 0.25', '"learning_rate": -Infinity'), "-Infinity"),
    "1e999": (said('"learning_rate": 0.25', '"learning_rate": 1e999'), "learning_rate"),
    "a weight of 1e999": (said("[[1.0, 1.5]", "[[1e999, 1.5]"), "network.weights"),
    "an input of -1e999": (said('"input": [1.0', '"input": [-1e999'), "samples"),
    "400 digits": (said("0.25", "9" * 400), "range of a double"),
    "5,000 digits": (said("0.25", "9" * 5000), "thousands of digits"),
    "100,000 lists": (b"[" * 100_000, "nested too deeply"),
    "100,000 objects": (b'{"a":' * 100_000, "nested too deeply"),
    "900 lists": (b"[" * 900 + b"]" * 900, "must be object"),
    "a deep title": (said(f'"title": {json.dumps(DOCUMENT["title"])}',
                          f'"title": {"[" * 800}{"]" * 800}'), "title"),
    "null": (b"null", "the document"),
    "a list": (b"[]", "the document"),
    "a number": (b"3", "the document"),
    "a key twice": (said('"epochs": 1', '"epochs": 1, "epochs": 1'), "'epochs' stands twice"),
    "an inner key twice": (said('"biases": null', '"biases": null, "nodes": [2, 2, 1]'), "twice"),
    "a long key twice": (f'{{"{"k" * 9999}": 1, "{"k" * 9999}": 1}}'.encode(), "kkk"),
    "a key twice among many": (
        b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b',"k99999":2}', "k99999"),
}  # fmt: skip

NO_CASE = {
    "an unknown key": (dump(extra=1), "extra"),
    "an unknown key of the network": (dump(network__depth=3), "network"),
    "an unknown key of a sample": (dump(samples=[sample() | {"weight": 1}]), "samples[0]"),
    "an unknown key of the optimizer": (dump(optimizer__rate=3), "optimizer"),
    "an unknown key of the source": (dump(source__isbn="3"), "source"),
    "an unknown convention": (dump(conventions={"order": "new_first"}), "conventions"),
    "another format": (dump(schema="cellgrad-case/9"), "schema"),
    "a text for a number": (dump(learning_rate="0.25"), "learning_rate"),
    "a text for a weight": (
        dump(network__weights=[[["1", 1.5], W1[1]], W2]), "network.weights[0][0][0]"),
    "true for a number": (dump(learning_rate=True), "learning_rate"),
    "true for a weight": (
        dump(network__weights=[[[True, 1.5], W1[1]], W2]), "network.weights[0][0][0]"),
    "false for a number of nodes": (dump(network__nodes=[2, False, 1]), "network.nodes[1]"),
    "a number for a truth value": (dump(conventions={"update_biases": 0}), "conventions"),
    "null for a weight": (dump(network__weights=[[[None, 1.5], W1[1]], W2]), "weights"),
    "a ragged weight row": (
        dump(network__weights=[[W1[0], [0.5]], W2]), "network.weights[0][1]"),
    "a weight row too long": (
        dump(network__weights=[[W1[0], [1, 2, 3]], W2]), "network.weights[0][1]"),
    "a weight row too few": (dump(network__weights=[W1[:1], W2]), "network.weights[0]"),
    "a weight row too many": (dump(network__weights=[W1, [*W2, [1]]]), "network.weights[1]"),
    "a layer of weights too few": (dump(network__weights=[W1]), "network.weights"),
    "a layer of weights too many": (dump(network__weights=[W1, W2, W2]), "network.weights"),
    "biases of too few layers": (dump(network__biases=[[1, 2]]), "network.biases"),
    "biases of too many layers": (dump(network__biases=[[1, 2], [1], [1]]), "network.biases"),
    "too few biases": (dump(network__biases=[[1], [1]]), "network.biases"),
    "too many biases": (dump(network__biases=[[1, 2], [1, 2]]), "network.biases"),
    "too few activations": (dump(network__activations=["identity"]), "network.activations"),
    "too many activations": (
        dump(network__activations=["relu", "relu", "identity"]), "network.activations"),
    "an unknown activation": (dump(network__activations=["swish", "identity"]), "swish"),
    "an unknown loss": (dump(loss="hinge"), "loss"),
    "an unknown update": (dump(update="sometimes"), "update"),
    "an unknown optimizer": (dump(optimizer={"name": "lion"}), "optimizer"),
    "one layer": (dump(network__nodes=[2]), "network.nodes"),
    "no nodes": (dump(network__nodes=[2, 0, 1]), "network.nodes[1]"),
    "fewer nodes than none": (dump(network__nodes=[2, -2, 1]), "network.nodes[1]"),
    "half a node": (dump(network__nodes=[2, 2.5, 1]), "network.nodes[1]"),
    "more nodes than atoms": (dump(network__nodes=[2, 10**300, 1]), "network.nodes"),
    "too few inputs": (dump(samples=[sample([1.0])]), "samples[0].input"),
    "too many inputs": (dump(samples=[sample([1.0, 2.0, 3.0])]), "samples[0].input"),
    "too few targets": (dump(samples=[sample(target=[])]), "samples[0].target"),
    "too many targets": (dump(samples=[sample(target=[1, 0])]), "samples[0].target"),
    "a wrong sample among others": (
        dump(update="batch_sum", samples=[sample(), sample([1.0])]), "samples[1].input"),
    "a wrong sample to validate": (dump(validation=[sample([1.0])]), "validation[0].input"),
    "no samples": (dump(samples=[]), "samples"),
    "no epochs": (dump(epochs=0), "epochs"),
    "fewer epochs than none": (dump(epochs=-1), "epochs: must be at least 1, not -1"),
    "half an epoch": (dump(epochs=0.5), "epochs"),
    "more epochs than can be counted": (said('"epochs": 1', f'"epochs": {"9" * 4299}'), "epochs"),
    "an empty list of learning rates": (dump(learning_rate=[]), "learning_rate"),
    "two learning rates for one update": (dump(learning_rate=[1, 2]), "learning_rate"),
    "one learning rate for two updates": (dump(learning_rate=[1], epochs=2), "learning_rate"),
    "a batch size of an online update": (dump(batch_size=1), "the document"),
    "a batch of none": (dump(update="batch_sum", batch_size=0), "batch_size"),
    "a slope without a leaky layer": (dump(network__leaky_slope=0.1), "leaky_slope"),
    "softmax in a hidden layer": (
        dump(network__activations=["softmax", "identity"]), "network.activations"),
    "softmax in both layers": (
        softmax([0, 1]).replace(b'"relu", "softmax"', b'"softmax", "softmax"'),
        "network.activations"),
    "a step in a hidden layer": (
        dump(network__activations=["unit_step", "identity"]), "network.activations"),
    "a misspelt loss, on which the outputs depend": (
        softmax([0, 1]).replace(b"categorical_cross", b"categorical-cross"),
        "loss: must be one of"),
    "no loss, on which the outputs depend": (
        softmax([0, 1]).replace(b'"loss": "categorical_cross_entropy", ', b""),
        "the document: lacks 'loss'"),
    "two unknown keys": (dump(epoch=1, seed=2), "the document: must not hold 'epoch', 'seed'"),
    "shares that sum to 2": (softmax([1, 1]), "samples[0].target"),
    "shares that sum to less than 1": (softmax([0.25, 0.5]), "samples[0].target"),
    "a share below 0": (softmax([-0.5, 1.5]), "samples[0].target"),
    "a probability above 1": (bce(1.5), "samples[0].target"),
    "a probability below 0": (bce(-0.1), "samples[0].target"),
    "hidden nodes of a perceptron": (
        dump(loss="perceptron", network__activations=["relu", "unit_step"]), "network"),
    "a title of two lines": (dump(title="one\ntwo"), "title"),
    "a title that commands a terminal": (dump(title="red\x1b[31m"), "title"),
    "a title with a nought": (dump(title="a\0b"), "title"),
    "a title with half a character": (dump(title="\ud800"), "title"),
    "a note that no workbook can hold": (dump(source__note="a\ufffe"), "source.note"),
    "a name with a line end": (dump(id="abc\n"), "id"),
}  # fmt: skip

REFUSED = NO_JSON | NO_CASE


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_case_is_refused_and_the_place_named(kind, tmp_path, command):
    data, words = REFUSED[kind]
    (tmp_path / "bad.json").write_bytes(data)
    assert is_refusal(command("trace", "bad.json"), "bad.json", words)


@pytest.mark.parametrize("kind", ["NaN", "100,000 lists", "a ragged weight row", "Latin-1"])
@pytest.mark.slow
def test_the_real_command_refuses_to_build_it_and_writes_nothing(kind, tmp_path):
    data, words = REFUSED[kind]
    (tmp_path / "bad.json").write_bytes(data)
    answer = cellgrad(tmp_path, "build", "bad.json", "-o", "out.xlsx")
    assert is_refusal(answer, "bad.json", words)


@pytest.mark.parametrize("key", [*DOCUMENT, *(f"network__{key}" for key in DOCUMENT["network"])])
def test_every_key_of_the_format_is_needed_unless_the_schema_says_otherwise(key):
    document = copy.deepcopy(DOCUMENT)
    *inside, last = key.split("__")
    target = document[inside[0]] if inside else document
    del target[last]
    if key == "provenance":
        assert isinstance(parse_case(json.dumps(document).encode()), Case)
    else:
        with pytest.raises(InputError, match=last):
            parse_case(json.dumps(document).encode())


def test_a_missing_case_and_a_folder_are_refused(tmp_path, command):
    (tmp_path / "folder.json").mkdir()
    assert is_refusal(command("trace", "none.json"), "none.json", "no such file")
    assert is_refusal(command("build", "folder.json", "-o", "o.xlsx"), "folder.json", "not a file")


PERMITTED = {(loss, name) for loss, names in OUTPUTS_OF.items() for name in names}
EVERY = [(loss, name) for loss in LOSSES for name in ACTIVATIONS]


def pair(loss, activation):
    """Return a network without hidden layer, with this loss and these outputs."""
    return dump(
        loss=loss,
        network__nodes=[2, 1],
        network__activations=[activation],
        network__weights=[[[0.5], [0.25]]],
    )


@pytest.mark.parametrize(("loss", "activation"), [p for p in EVERY if p not in PERMITTED])
def test_a_pair_of_loss_and_activation_that_is_not_permitted_is_refused(
    loss, activation, tmp_path, command
):
    (tmp_path / "pair.json").write_bytes(pair(loss, activation))
    assert is_refusal(command("trace", "pair.json"), "pair.json", "network.activations")


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_permitted_activation_in_a_hidden_layer_does_not_make_a_pair(epochs):
    wrong = dump(
        loss="binary_cross_entropy", network__activations=["logistic", "relu"], epochs=epochs
    )
    with pytest.raises(CaseError, match="not permitted with 'relu' outputs"):
        parse_case(wrong)


@pytest.mark.parametrize(("loss", "activation"), [p for p in EVERY if p not in PERMITTED])
def test_no_structure_has_a_pair_that_is_not_permitted(loss, activation):
    with pytest.raises(CaseError, match="not permitted"):
        Structure((2, 1), (activation,), loss)


@pytest.mark.parametrize(("loss", "activation"), sorted(PERMITTED))
def test_a_pair_that_is_permitted_is_traced(loss, activation, tmp_path, command):
    (tmp_path / "pair.json").write_bytes(pair(loss, activation))
    answer = command("trace", "pair.json")
    assert (answer.code, answer.err) == (0, "")


def test_the_permitted_pairs_are_those_of_the_design():
    hidden = {"logistic", "tanh", "relu", "leaky_relu", "identity"}
    squared = {"half_squared_error", "squared_error", "mean_squared_error"}
    assert {(loss, name) for loss in squared for name in hidden} | {
        ("binary_cross_entropy", "logistic"),
        ("categorical_cross_entropy", "softmax"),
        ("perceptron", "unit_step"),
    } == PERMITTED


MORE_UPDATES = {
    "two epochs": {"epochs": 2},
    "two samples": {"samples": [sample(), sample()]},
    "two batches": {"samples": [sample()] * 3, "update": "batch_mean", "batch_size": 2},
}


@pytest.mark.parametrize("kind", MORE_UPDATES)
def test_a_case_of_more_than_one_update_is_built_with_a_row_an_update(kind, tmp_path, command):
    data = dump(**MORE_UPDATES[kind])
    assert parse_case(data).updates() == 2
    (tmp_path / "long.json").write_bytes(data)
    answer = command("build", "long.json", "-o", "long.xlsx")
    assert (answer.code, answer.err) == (0, "")
    assert command("verify", "long.xlsx").code == 0


MORE_THAN_A_STEP = {
    "momentum": {"optimizer__momentum": 0.5},
    "Adam": {"optimizer": {"name": "adam"}},
}


@pytest.mark.parametrize("kind", MORE_THAN_A_STEP)
def test_what_a_single_step_does_not_have_is_refused(kind, tmp_path, command):
    (tmp_path / "more.json").write_bytes(dump(**MORE_THAN_A_STEP[kind]))
    assert is_refusal(command("trace", "more.json"), "more.json", kind)


@pytest.mark.parametrize("flag", [[], ["--json"]])
@pytest.mark.parametrize("weight", [1e300, 1e154, 1.7e308])
def test_a_step_that_leaves_the_range_of_a_double_is_refused(weight, flag, tmp_path, command):
    (tmp_path / "large.json").write_bytes(dump(network__weights=[[[weight, 1.5], W1[1]], W2]))
    answer = command("trace", *flag, "large.json")
    assert is_refusal(answer, "large.json", "range of a double")


def test_a_pre_activation_near_the_overflow_of_the_exponential_is_refused(tmp_path, command):
    (tmp_path / "steep.json").write_bytes(dump(network__weights=[[[800, 1.5], W1[1]], W2]))
    answer = command("build", "steep.json", "-o", "steep.xlsx")
    assert is_refusal(answer, "steep.json", "700")


def test_a_byte_order_mark_is_accepted(tmp_path, command):
    (tmp_path / "plain.json").write_text(TEXT, "utf-8")
    (tmp_path / "marked.json").write_text(TEXT, "utf-8-sig")
    plain, marked = command("trace", "plain.json"), command("trace", "marked.json")
    assert (marked.code, marked.out) == (0, plain.out)


@pytest.mark.parametrize("path", ALL_CASES, ids=lambda path: path.stem)
def test_every_shipped_case_is_read(path):
    assert parse_case(path.read_bytes()).id == path.stem


def test_whole_numbers_may_be_written_with_a_point():
    case = parse_case(
        dump(epochs=1.0, network__nodes=[2.0, 2, 1], update="batch_sum", batch_size=1.0)
    )
    assert [type(n) for n in (case.epochs, case.batch_size, *case.network.nodes)] == [int] * 5


# at random

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.integers(-3, 3)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*ACTIVATIONS, *LOSSES, *UPDATES, "adam"])
    | st.sampled_from([[], {}, [[]], [1.0, 2.0], [[1.0]], "=1+1", "x" * 500, 1e300, -0.0, 5e-324]),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.text(max_size=6) | st.sampled_from(
    ["batch_size", "validation", "conventions", "leaky_slope", "momentum", "published", "$ref"]
)
SEVERAL = [json.loads(path.read_text("utf-8")) for path in ALL_CASES]


def places(node, path=()):
    """Yield the path of every value inside a document."""
    inside = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in inside:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


@st.composite
def mutants(draw):
    document = copy.deepcopy(draw(st.sampled_from(SEVERAL)))
    document.pop("published", None)
    for _ in range(draw(st.integers(1, 4))):
        every = list(places(document))
        if not every:
            break
        *inside, last = draw(st.sampled_from(every))
        target = document
        for key in inside:
            target = target[key]
        how = draw(st.sampled_from(["delete", "replace", "insert", "repeat"]))
        if how == "delete":
            del target[last]
        elif how == "replace":
            target[last] = copy.deepcopy(draw(JUNK))
        elif isinstance(target, list):
            target.insert(last, copy.deepcopy(target[last] if how == "repeat" else draw(JUNK)))
        else:
            target[draw(KEYS)] = copy.deepcopy(draw(JUNK))
    return document


FUZZED = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@FUZZED
@given(document=mutants())
@pytest.mark.slow
def test_a_mutant_of_a_case_is_traced_or_refused(document, tmp_path, command):
    data = json.dumps(document).encode()
    case = None
    with contextlib.suppress(InputError):
        case = parse_case(data)
    assert case is None or isinstance(case, Case)
    (tmp_path / "mutant.json").write_bytes(data)
    answer = command("trace", "--json", "mutant.json")
    if answer.code:
        assert is_refusal(answer, "mutant.json")
    else:
        assert case is not None
        assert answer.err == ""
        assert json.loads(answer.out, parse_constant=pytest.fail)["schema"] == "cellgrad-trace/1"


@FUZZED
@given(
    data=st.binary(max_size=40)
    | st.text(alphabet='{}[]",:truefalsn0123456789eE+-. \\u').map(str.encode)
)
def test_any_bytes_are_refused(data):
    with pytest.raises(InputError):
        parse_case(data)


def test_the_cases_of_these_tests_are_in_order_unless_something_was_done_to_them(tmp_path, command):
    Path(tmp_path / "fine.json").write_bytes(dump())
    assert command("trace", "fine.json").code == 0
    assert isinstance(parse_case(softmax([0.25, 0.75])), Case)
    assert isinstance(parse_case(bce(0.5)), Case)
