"""``cellgrad train``: what it computes, says, saves and draws, and what it refuses.

Expected values come from a published run, from scalar loops written apart from the
package, and from counting by hand.
"""

from __future__ import annotations

import io
import json
import math
import os
import random
import re
import shutil
import sys

import jsonschema
import numpy as np
import pytest
from rich.cells import cell_len

import plain_step
from cellgrad.case.model import parse_case
from cellgrad_series.train.report import _shown_epochs
from cellgrad_series.train.run import Sums, sample_errors, train
from hostile import CASES, ROOT, SMALL_CASE, cellgrad, is_refusal

PUBLISHED = CASES / "training" / "brownlee-2-2-2-training.json"
TRACE = json.loads((ROOT / "reference" / "schema" / "trace.schema.json").read_text("utf-8"))


def one_object(text):
    assert text.startswith("{")
    assert text.endswith("}\n")
    return json.loads(text, parse_constant=pytest.fail)


def answer_of(command, *arguments, code=0):
    done = command("train", "--json", *arguments)
    assert (done.code, done.err) == (code, ""), done
    return one_object(done.out)


def case_document(**changes):
    """A 1-1 logistic network whose output is above 0.5 exactly where its input is above 0."""
    document = {
        "schema": "cellgrad-case/1", "id": "my-case", "title": "My case",
        "network": {"nodes": [1, 1], "activations": ["logistic"], "weights": [[[1.0]]],
                    "biases": None},
        "loss": "half_squared_error", "update": "online", "epochs": 1, "learning_rate": 0.0,
        "optimizer": {"name": "sgd", "momentum": 0.0, "weight_decay": 0.0},
        "samples": [{"input": [x], "target": [t]}
                    for x, t in ((-1, 0), (2, 1), (3, 0), (0, 1), (1, 1))],
        "source": {"title": "by hand"},
    }  # fmt: skip
    return document | changes


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a case into the test's folder and returns its name."""

    def write(**changes):
        (tmp_path / "case.json").write_text(json.dumps(case_document(**changes)), "utf-8")
        return "case.json"

    return write


# the numbers

PRINTED_ERRORS = [
    "6.350", "5.531", "5.221", "4.951", "4.519", "4.173", "3.835", "3.506", "3.192", "2.898",
    "2.626", "2.377", "2.153", "1.953", "1.774", "1.614", "1.472", "1.346", "1.233", "1.132",
]  # fmt: skip
PRINTED_WEIGHTS = [
    [[-1.4688375095432327, 0.37711098142462157], [1.850887325439514, -0.0625909894552989]],
    [[2.515394649397849, -2.5584149848484263], [-0.3391927502445985, 1.0036422106209202]],
]
PRINTED_BIASES = [
    [1.0858178629550297, 0.2765123702642716],
    [-0.9671565426390275, 0.42383086467582715],
]


def test_a_published_run_is_repeated_bit_for_bit(command):
    answer = answer_of(command, PUBLISHED)
    assert (answer["epochs"], answer["updates"]) == (20, 200)
    # the source sums FE² where E is ½ Σ FE²
    assert [f"{2 * error:.3f}" for error in answer["epoch_errors"]] == PRINTED_ERRORS
    assert answer["weights"] == PRINTED_WEIGHTS
    assert answer["biases"] == PRINTED_BIASES
    # the source's own predictions with such weights: every row of its ten is right
    assert answer["training"]["accuracy"] == {"right": 10, "of": 10}
    assert answer["training"]["confusion"] == [[5, 0], [0, 5]]
    assert answer["validation"] is None


def scalar_run(document, epochs):
    """Train with plain floats, from left to right; return weights, biases and the errors of E."""
    network = dict(document["network"])
    size = len(document["samples"]) if document["update"] != "online" else 1
    size = document.get("batch_size", size)
    samples = document["samples"]
    errors = []
    for _ in range(epochs):
        errors.append([])
        for start in range(0, len(samples), size):
            step = plain_step.step(
                {**document, "network": network, "samples": samples[start : start + size]}
            )
            errors[-1].append(step["error"])
            biases = step["new_biases"] if network.get("biases") is not None else None
            network = {**network, "weights": step["new_weights"], "biases": biases}
    return network["weights"], network["biases"], errors


@pytest.mark.parametrize(
    "name",
    ["series-3-4-1", "xor-2-2-1", "batch-mean-2-3-2", "softmax-3-4-3", "bce-3-3-2", "leaky-3-4-2",
     "weight-decay-2-3-2", "perceptron-3-1", "deep-tanh-2-3-3-3-1"],
)  # fmt: skip
def test_weights_and_errors_are_those_of_a_scalar_loop(name, command):
    path = CASES / f"{name}.json"
    document = json.loads(path.read_text("utf-8"))
    weights, biases, errors = scalar_run(document, 7)
    answer = answer_of(command, path, "--epochs", 7, "--kernel", "plain")
    assert (answer["kernel"], answer["epochs"]) == ("plain", 7)
    assert answer["weights"] == weights
    assert answer["biases"] == biases
    assert answer["epoch_errors"] == [math.fsum(epoch) for epoch in errors]
    assert answer["epoch_means"] == [math.fsum(epoch) / len(epoch) for epoch in errors]
    # and the error with the final weights
    network = document["network"]
    losses = []
    for sample in document["samples"]:
        _, posts = plain_step.forward({"network": network}, weights, biases, sample["input"])
        losses.append(plain_step.loss(document, posts[-1], sample["target"]))
    assert answer["training"]["error"] == pytest.approx(sum(losses) / len(losses), rel=1e-14)


@pytest.mark.parametrize(
    "loss", ["half_squared_error", "squared_error", "mean_squared_error", "binary_cross_entropy",
             "categorical_cross_entropy", "perceptron"],
)  # fmt: skip
def test_the_error_of_a_sample_is_that_of_the_equations(loss):
    drawn = random.Random(3)
    outputs = [[drawn.uniform(0.05, 0.95) for _ in range(3)] for _ in range(20)]
    targets = [[drawn.uniform(0.05, 0.95) for _ in range(3)] for _ in range(20)]
    found = sample_errors(loss, np.array(outputs), np.array(targets))
    pairs = zip(outputs, targets, strict=True)
    assert found.tolist() == [plain_step.loss({"loss": loss}, y, t) for y, t in pairs]


def test_an_output_that_reached_its_target_exactly_has_no_error():
    y = np.array([[1.0, 0.0]])
    assert sample_errors("binary_cross_entropy", y, y).tolist() == [0.0]
    assert sample_errors("categorical_cross_entropy", y, y).tolist() == [0.0]
    assert sample_errors("categorical_cross_entropy", y, y[:, ::-1]).tolist() == [math.inf]


def test_the_final_error_of_a_trace_is_e_of_one_batch(tmp_path, command):
    # Eq. 16 and 19, worked out here
    for name in ("weight-decay-2-3-2", "batch-mean-2-3-2"):
        path = CASES / f"{name}.json"
        document = json.loads(path.read_text("utf-8"))
        answer_of(command, path, "--epochs", 3, "--save", "out.json")
        trace = json.loads((tmp_path / "out.json").read_text("utf-8"))
        network = {**document["network"], "weights": trace["weights"], "biases": trace["biases"]}
        step = plain_step.step({**document, "network": network})
        assert trace["final"]["error"] == pytest.approx(step["error"], rel=1e-14)


@pytest.mark.parametrize("length", [1, 3, 7, 20, 50])
def test_sums_do_not_depend_on_the_portions(length):
    drawn = random.Random(5)
    errors = np.array([drawn.uniform(0, 1) for _ in range(50)])
    expected = [math.fsum(errors[n : n + length].tolist()) for n in range(0, 50, length)]
    for portion in (1, 4, 50):
        sums = Sums(length)
        for start in range(0, 50, portion):
            sums.add(errors[start : start + portion])
        sums.finish()
        assert sums.sums == expected
        stretches = sums.stretches()
        assert stretches[0][0] == 1
        assert stretches[-1][1] == 50
        for first, last, mean in stretches:
            assert mean == pytest.approx(float(np.mean(errors[first - 1 : last])), rel=1e-14)


def test_a_run_does_not_depend_on_the_portions_of_its_updates(monkeypatch):
    case = parse_case(PUBLISHED.read_bytes())
    whole = train(case, "plain")
    monkeypatch.setattr("cellgrad_series.train.run._SHORT", -1.0)  # one update at a time
    slow = train(case, "plain")
    assert slow.epochs.sums == whole.epochs.sums
    assert [w.tolist() for w in slow.weights] == [w.tolist() for w in whole.weights]


# seeds


def drawn_weights(seed, *shapes):
    """The documented generator, written again."""
    generator = random.Random(seed)

    def number():
        return (int(generator.random() * 19999) - 9999) / 10000

    return [[[number() for _ in range(m)] for _ in range(n)] for n, m in shapes]


def test_the_same_seed_gives_the_same_answer_to_the_last_byte(command):
    first, again, other = (
        command("train", PUBLISHED, "--seed", seed, "--json") for seed in (7, 7, 8)
    )
    assert first.out == again.out != other.out
    assert one_object(first.out)["seed"] == 7


def test_a_seed_draws_the_documented_weights(command):
    answer = answer_of(command, SMALL_CASE, "--seed", 1, "--learning-rate", 0)
    # Python's generator with the seed 1 begins 0.13436424411240122, 0.8474337369372327
    # (the published run above starts from these very numbers)
    assert answer["weights"][0][0] == [-0.7312, 0.6948]
    assert answer["weights"] == drawn_weights(1, (2, 2), (2, 1))


def test_biases_are_drawn_after_the_weights(command):
    answer = answer_of(command, PUBLISHED, "--seed", 9, "--learning-rate", 0)
    *weights, first, second = drawn_weights(9, (2, 2), (2, 2), (1, 2), (1, 2))
    assert answer["weights"] == weights
    assert answer["biases"] == [first[0], second[0]]


def test_drawn_weights_stay_inside_the_interval():
    many = drawn_weights(0, (100, 100))[0]
    numbers = [w for row in many for w in row]
    assert -1 < min(numbers) < -0.99
    assert 0.99 < max(numbers) < 1
    case = parse_case(json.dumps(case_document()).encode())
    from cellgrad_series.train.run import change_case  # noqa: PLC0415 (the drawing itself)

    assert change_case(case, seed=3).network.weights[0][0][0] == drawn_weights(3, (1, 1))[0][0][0]


def test_without_a_seed_the_weights_of_the_case_are_used(command, written):
    answer = answer_of(command, written())
    assert (answer["weights"], answer["seed"]) == ([[[1.0]]], None)


# classes


def test_class_1_is_above_a_half_and_not_at_it(command, written):
    # by hand: −1 → 0 right; 2 → 1 right; 3 → 1 wrong; 0 → exactly ½, class 0, wrong; 1 → 1 right
    answer = answer_of(command, written())
    assert answer["training"]["accuracy"] == {"right": 3, "of": 5}
    assert answer["training"]["confusion"] == [[1, 1], [1, 2]]


def test_validation_samples_are_judged_apart(command, written):
    validation = [{"input": [x], "target": [t]} for x, t in ((5, 1), (6, 1), (-7, 1), (-8, 0))]
    case = written(validation=validation)
    answer = answer_of(command, case)
    assert answer["validation"]["accuracy"] == {"right": 3, "of": 4}
    assert answer["validation"]["confusion"] == [[1, 0], [1, 2]]
    assert answer["training"]["accuracy"] == {"right": 3, "of": 5}
    printed = command("train", case).out
    assert "Validation, with the final weights: 3 of 4 right (75 %)" in printed
    assert "Training, with the final weights: 3 of 5 right (60 %)" in printed
    assert printed.count("class 1: output above 0.5") == 2
    assert re.search(r"target 0\s+1\s+1\ntarget 1\s+1\s+2\n", printed)


def three_outputs(rows):
    """The outputs are the input, 0.5 and minus the input; targets are one of three classes."""
    return {
        "network": {"nodes": [1, 3], "activations": ["identity"], "weights": [[[1.0, 0.0, -1.0]]],
                    "biases": [[0.0, 0.5, 0.0]]},
        "samples": [{"input": [x], "target": [float(n == t) for n in range(3)]} for x, t in rows],
    }  # fmt: skip


def test_the_largest_of_several_outputs_is_the_class_and_the_first_of_equals(command, written):
    # 2 → class 1; 0 → class 2; −2 → class 3; 0.5 → a tie of 1 and 2, so 1; −0.5 → 2 and 3, so 2
    rows = ((2, 0), (0, 1), (-2, 1), (0.5, 0), (-0.5, 2))
    answer = answer_of(command, written(**three_outputs(rows)))
    assert answer["training"]["confusion"] == [[2, 0, 0], [0, 1, 1], [0, 1, 0]]
    assert answer["training"]["accuracy"] == {"right": 3, "of": 5}


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": [{"input": [1], "target": [0.3]}, {"input": [2], "target": [1]}]},
        {"samples": [{"input": [1], "target": [-1]}, {"input": [2], "target": [1]}]},
        three_outputs([(1, 0)]) | {"samples": [{"input": [1], "target": [1, 1, 0]}]},
        three_outputs([(1, 0)]) | {"samples": [{"input": [1], "target": [0, 0, 0]}]},
    ],
    ids=["a share", "minus one", "two classes at once", "no class"],
)
def test_targets_that_are_no_classes_get_no_accuracy(changes, command, written):
    case = written(**changes)
    answer = answer_of(command, case)
    assert answer["training"]["accuracy"] is None
    assert answer["training"]["confusion"] is None
    assert answer["training"]["error"] >= 0
    printed = command("train", case).out
    assert "no accuracy: the targets are no classes" in printed
    assert "right" not in printed


def test_many_classes_are_summed_up(command, written):
    size = 12
    identity = [[float(i == j) for j in range(size)] for i in range(size)]
    pairs = [*((n, n) for n in range(size)), (3, 7), (3, 7), (4, 2)]
    samples = [{"input": identity[i], "target": identity[t]} for i, t in pairs]
    network = {"nodes": [size, size], "activations": ["identity"], "weights": [identity],
               "biases": None}  # fmt: skip
    printed = command("train", written(network=network, samples=samples)).out
    assert "12 of 15 right (80 %)" in printed
    assert "class: the largest output" in printed
    assert "target 8 taken for 4: 2 times\n  target 3 taken for 5: once\n" in printed


@pytest.mark.parametrize(
    ("right", "of", "text"),
    [(3, 3, "100 %"), (9999, 10000, ">99.9 %"), (1, 10000, "<0.1 %"), (0, 4, "0 %"),
     (1, 3, "33.3 %")],
)  # fmt: skip
def test_a_rounded_share_is_never_complete_nor_nothing(right, of, text):
    from cellgrad_series.train.report import accuracy_text  # noqa: PLC0415
    from cellgrad_series.train.run import Accuracy  # noqa: PLC0415

    assert f"({text})" in accuracy_text(Accuracy(right, of, []))


# what is printed


def test_a_few_epochs_stand_for_many_the_first_and_the_last_among_them():
    assert _shown_epochs(1) == [1]
    assert _shown_epochs(10) == list(range(1, 11))
    assert _shown_epochs(20) == [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    for epochs in range(1, 3000, 7):
        shown = _shown_epochs(epochs)
        assert (shown[0], shown[-1]) == (1, epochs)
        assert len(shown) <= 12


def test_the_errors_of_the_epochs_are_printed_as_means(command):
    printed = command("train", PUBLISHED).out
    # 6.350 / 2 / 10 and 1.132 / 2 / 10
    assert re.search(r"\n +1 +1–10 +0\.3175\d\d\n", printed)
    assert re.search(r"\n +20 +191–200 +0\.0566\d\d\n", printed)
    assert "mean over the updates of the epoch" in printed
    assert "No validation samples" in printed


def test_a_single_epoch_of_many_updates_is_printed_in_ten_stretches(command, written):
    samples = [{"input": [1], "target": [1]}] * 995
    printed = command("train", written(samples=samples)).out
    rows = re.findall(r"^ *([\d,]+)–([\d,]+) +[\d.]+$", printed, re.MULTILINE)
    assert rows[0] == ("1", "100")
    assert rows[-1] == ("901", "995")
    assert len(rows) == 10


@pytest.mark.parametrize("path", [PUBLISHED, *sorted(CASES.glob("*-*-*.json"))],
                         ids=lambda path: path.stem)  # fmt: skip
def test_every_case_is_trained_and_its_answer_fits_the_terminal(path, command):
    done = command("train", path, "--epochs", 3, "--learning-rate", 0.01, "--kernel", "plain")
    assert (done.code, done.err) == (0, "")
    assert all(cell_len(line) <= 80 for line in done.out.splitlines())
    assert "kernel plain" in done.out


def test_help_fits_the_terminal(command):
    done = command("train", "--help")
    assert (done.code, done.err) == (0, "")
    assert all(cell_len(line) <= 80 for line in done.out.splitlines())


def test_the_answer_of_the_real_command_is_one_object(tmp_path):
    done = cellgrad(tmp_path, "train", "--json", PUBLISHED, "--kernel", "plain")
    assert (done.code, done.err, done.new_files) == (0, "", set())
    assert one_object(done.out)["case"] == "brownlee-2-2-2-training"


def test_progress_is_shown_on_a_terminal_only(monkeypatch, command):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert command("train", PUBLISHED).err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert command("train", PUBLISHED).code == 0
    assert "200/200" in terminal.getvalue()
    assert "training" in terminal.getvalue()


def test_kernels_agree(command):
    plain = answer_of(command, PUBLISHED, "--kernel", "plain")
    fast = answer_of(command, PUBLISHED, "--kernel", "vectorised")
    assert (plain["kernel"], fast["kernel"]) == ("plain", "vectorised")
    assert np.allclose(plain["weights"], fast["weights"], rtol=1e-9)


# what is saved


@pytest.mark.parametrize("path", [PUBLISHED, CASES / "xor-2-2-1.json", CASES / "bce-3-3-2.json"],
                         ids=lambda path: path.stem)  # fmt: skip
def test_what_is_saved_is_a_trace_of_the_case(path, tmp_path, command):
    done = command("train", path, "--save", "out.json")
    assert (done.code, done.err, done.new_files) == (0, "", {"out.json"})
    assert "wrote out.json" in done.out
    trace = json.loads((tmp_path / "out.json").read_text("utf-8"), parse_constant=pytest.fail)
    jsonschema.Draft202012Validator(TRACE).validate(trace)
    assert trace["case"] == path.stem
    answer = answer_of(command, path)
    assert {key: trace[key] for key in ("weights", "biases", "epoch_errors")} == {
        key: answer[key] for key in ("weights", "biases", "epoch_errors")
    }


@pytest.mark.parametrize(
    "changes", [["--seed", 1], ["--epochs", 2], ["--learning-rate", 0.25]], ids=str
)
def test_a_changed_run_does_not_claim_to_answer_the_case(changes, tmp_path, command):
    assert command("train", PUBLISHED, *changes, "--save", "out.json").code == 0
    trace = json.loads((tmp_path / "out.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(TRACE).validate(trace)
    assert "case" not in trace


def test_saving_replaces_an_old_file(tmp_path, command):
    (tmp_path / "out.json").write_text("old", "utf-8")
    assert command("train", SMALL_CASE, "--save", "out.json").code == 0
    assert json.loads((tmp_path / "out.json").read_text("utf-8"))["schema"] == "cellgrad-trace/1"


# a run that diverges

DIVERGING = ["train", CASES / "leaky-3-4-2.json", "--epochs", 50, "--learning-rate", 1e9]


def test_a_run_that_diverges_is_a_plain_no(command):
    done = command(*DIVERGING, "--save", "out.json")
    assert (done.code, done.err, done.new_files) == (1, "", set())
    assert re.search(r"diverged: E .* at update \d+\.", done.out)
    assert "Nothing was saved" in done.out
    assert "nan" not in done.out


def test_a_run_that_diverges_is_strict_json_too(command):
    answer = one_object(command(*DIVERGING, "--json").out)
    document = json.loads((CASES / "leaky-3-4-2.json").read_text("utf-8")) | {"learning_rate": 1e9}
    _, _, errors = scalar_run(document, 4)
    assert answer["diverged"] == "E grew beyond 1e+300 at update 4"
    assert errors[2][0] < 1e300 < errors[3][0]
    assert answer["epoch_errors"] == [epoch[0] for epoch in errors[:3]]
    assert answer["weights"] is answer["biases"] is answer["training"] is None


def test_weights_that_leave_the_doubles_behind_a_tame_error_are_noticed(command, written):
    # a step of 1e308 twice: the logistic output hides an infinite weight
    case = written(
        learning_rate=1.7e308, samples=[{"input": [20], "target": [0]}], epochs=1,
        network={"nodes": [1, 1], "activations": ["relu"], "weights": [[[1.0]]], "biases": None},
    )  # fmt: skip
    answer = answer_of(command, case, code=1)
    assert answer["diverged"] == "a weight left the range of a double"
    assert answer["training"] is None


# pictures


@pytest.fixture(scope="session")
def _matplotlib():
    if os.environ.get("CELLGRAD_REQUIRE_ENGINES") != "1":  # a machine that is meant to have all
        pytest.importorskip("matplotlib")


def regression(outputs):
    """A plane of two inputs, or three inputs, with targets that are no classes."""
    inputs = 2 if outputs == 1 else 3
    return {
        "network": {"nodes": [inputs, outputs], "activations": ["identity"],
                    "weights": [[[0.1] * outputs] * inputs], "biases": None},
        "learning_rate": 0.01, "epochs": 5,
        "samples": [{"input": [x] * inputs, "target": [x / 3] * outputs} for x in (0.1, 1, 2)],
        "validation": [{"input": [x] * inputs, "target": [x / 3] * outputs} for x in (0.4, 3)],
    }  # fmt: skip


PICTURES = {
    "two inputs, two outputs": PUBLISHED,
    "two inputs, one output": CASES / "xor-2-2-1.json",
    "classes, one output": {},
    "classes, three outputs": three_outputs([(2, 0), (0, 1), (-2, 1)]),
    "a plane without classes": regression(1),
    "no classes, two outputs": regression(2),
    "a single sample": SMALL_CASE,
    "a title of dollars and no letters of the font": {"title": "$x^{ 日本 \\frac $"},
}


@pytest.mark.slow
@pytest.mark.usefixtures("_matplotlib")
@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_drawn_the_same_every_time(kind, tmp_path, command, written):
    case = PICTURES[kind]
    case = written(**case) if isinstance(case, dict) else case
    for name in ("one.png", "two.png"):
        done = command("train", case, "--epochs", 30, "--plot", name)
        assert (done.code, done.err, done.new_files) == (0, "", {name})
    one, two = ((tmp_path / name).read_bytes() for name in ("one.png", "two.png"))
    assert one.startswith(b"\x89PNG")
    assert one == two
    assert b"Software" not in one


@pytest.mark.slow
@pytest.mark.usefixtures("_matplotlib")
@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89")]
)
def test_other_formats_hold_no_date_either(ending, start, tmp_path, command):
    for name in ("one", "two"):
        assert command("train", PUBLISHED, "--plot", f"{name}.{ending}").code == 0
    one, two = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two"))
    assert one.startswith(start)
    assert one == two
    assert b"CreationDate" not in one
    assert b"<dc:date>" not in one


@pytest.mark.usefixtures("_matplotlib")
def test_the_decision_picture_shows_the_regions_of_the_trained_network():
    # drawn again without axes: red left of the line that the published weights make, blue right
    import matplotlib as mpl  # noqa: PLC0415

    from cellgrad_series.train.picture import picture  # noqa: PLC0415

    data = picture(train(parse_case(PUBLISHED.read_bytes()), "plain"), "png")
    with mpl.rc_context():
        from matplotlib.image import imread  # noqa: PLC0415

        pixels = imread(io.BytesIO(data))[:, :, :3]
    right_half = pixels[:, pixels.shape[1] * 6 // 10 :]
    height, width = right_half.shape[:2]
    red, blue = right_half[height // 5, width // 20], right_half[height * 3 // 4, width * 9 // 10]
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_without_matplotlib_a_picture_is_refused_before_training(monkeypatch, command):
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    answer = command("train", PUBLISHED, "--plot", "a.png", "--save", "a.json", "--kernel", "plain")
    assert is_refusal(answer, "matplotlib", "pip install 'cellgrad[plots]'")


# what is refused

REFUSED = {
    "nothing to train": ([], "CASE"),
    "a missing case": (["none.json"], "none.json"),
    "two cases": (["case.json", "case.json"], "case.json"),
    "no epochs": (["case.json", "--epochs", "0"], "--epochs"),
    "epochs beyond all measure": (["case.json", "--epochs", "1" + "0" * 12], "--epochs"),
    "half an epoch": (["case.json", "--epochs", "0.5"], "0.5"),
    "an infinite learning rate": (["case.json", "--learning-rate", "inf"], "--learning-rate"),
    "a rate that is no number": (["case.json", "--learning-rate", "nan"], "--learning-rate"),
    "a learning rate in words": (["case.json", "--learning-rate", "small"], "small"),
    "a negative seed": (["case.json", "--seed", "-1"], "--seed"),
    "a seed in words": (["case.json", "--seed", "today"], "today"),
    "an unknown kernel": (["case.json", "--kernel", "abacus"], "abacus"),
    "hidden nodes beside a case": (["case.json", "--hidden", "5"], "--hidden"),
    "hidden nodes beside a case and files": (
        ["case.json", "--hidden", "5", "--from-excel", "a.xlsx", "b.xlsx"], "beside a case"),
    "no hidden nodes": (["--hidden", "0"], "--hidden"),
    "columns without a file": (["case.json", "--inputs", "A,B"], "--inputs"),
    "an output without a file": (["case.json", "--output", "C"], "--output"),
    "a sheet without a file": (["case.json", "--training-sheet", "Data"], "--training-sheet"),
    "a second sheet and no file": (["case.json", "--validation-sheet", "D"], "--validation-sheet"),
    "one file only": (["case.json", "--from-excel", "a.xlsx"], "--from-excel"),
    "weights that are no JSON": (["case.json", "--save", "out.txt"], ".json"),
    "a picture of another kind": (["case.json", "--plot", "out.gif"], ".png"),
    "a folder that is not there": (["case.json", "--save", "no/out.json"], "its folder does not"),
    "a picture in a folder that is not there": (
        ["case.json", "--plot", "no/out.png"], "its folder does not"),
    "the case itself": (["case.json", "--save", "./case.json"], "overwrite"),
    "a folder": (["case.json", "--save", "folder.json"], "folder.json"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_line(kind, tmp_path, command):
    if "picture" in kind:
        pytest.importorskip("matplotlib")
    shutil.copy(SMALL_CASE, tmp_path / "case.json")
    (tmp_path / "folder.json").mkdir()
    arguments, words = REFUSED[kind]
    assert is_refusal(command("train", *arguments), words)
    assert (tmp_path / "case.json").read_bytes() == SMALL_CASE.read_bytes()


def test_the_real_command_refuses_in_one_line(tmp_path):
    assert is_refusal(cellgrad(tmp_path, "train"), "CASE", "--from-excel")


def test_a_list_of_rates_does_not_stretch(command, written):
    case = written(learning_rate=[0.5, 0.4, 0.3, 0.2, 0.1])
    assert command("train", case).code == 0
    assert is_refusal(command("train", case, "--epochs", 2), "case.json", "--learning-rate")
    assert command("train", case, "--epochs", 2, "--learning-rate", 0.1).code == 0


def test_a_broken_case_is_refused_by_name(tmp_path, command):
    (tmp_path / "case.json").write_text('{"schema": "cellgrad-case/1"}', "utf-8")
    assert is_refusal(command("train", "case.json", "--save", "out.json"), "case.json")
