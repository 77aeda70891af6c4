"""Training kernels: the same bits from all but the vectorised one, which stays near."""

import dataclasses
import json
import math
import os
import random
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import plain_step
import plain_training
from cellgrad import shipped
from cellgrad.case.model import Sample, parse_case, read_case
from cellgrad.errors import CaseError, InputError, ShapeError
from cellgrad.mlp import training_step
from cellgrad_series.kernels import (
    KERNELS,
    Training,
    arrays,
    compiled_available,
    straight,
    worth_writing_out,
)
from cellgrad_series.kernels.arrays import Ordered
from cellgrad_series.kernels.plan import OPTIMIZERS, first_state, plan_of

HIDDEN = ("logistic", "tanh", "relu", "leaky_relu", "identity")
OUTPUTS = {
    "half_squared_error": HIDDEN,
    "squared_error": HIDDEN,
    "mean_squared_error": HIDDEN,
    "binary_cross_entropy": ("logistic",),
    "categorical_cross_entropy": ("softmax",),
    "perceptron": ("unit_step",),
}
QUICK = settings(max_examples=150, deadline=None, derandomize=True)
CASES = shipped.folder("reference") / "cases"


@pytest.fixture(scope="module")
def numba():
    """Skip where numba is missing, unless this machine is meant to have everything."""
    if compiled_available():
        return
    if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
        pytest.fail("numba is not installed")
    pytest.skip("numba is not installed: pip install 'cellgrad[fast]'")


# cases at random


class Draw:
    """Everything a case may hold, from a stream of random numbers."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def case(self, *, loss=None, optimizer=None, activation=None, update=None):
        """Return a case's document."""
        rng = self.rng
        loss = loss or rng.choice(tuple(OUTPUTS))
        hidden = 0 if loss == "perceptron" else rng.choice((0, 1, 1, 2, 3))
        nodes = [rng.randint(1, 4) for _ in range(hidden + 2)]
        names = [activation or rng.choice(HIDDEN) for _ in range(hidden)]
        last = activation if activation in OUTPUTS[loss] else rng.choice(OUTPUTS[loss])
        samples = [self.sample(loss, nodes) for _ in range(rng.randint(1, 6))]
        document = {
            "schema": "cellgrad-case/1",
            "id": "drawn",
            "title": "drawn at random",
            "network": {
                "nodes": nodes,
                "activations": [*names, last],
                "weights": [[self.numbers(m) for _ in range(n)] for n, m in pairwise(nodes)],
                "biases": rng.choice((None, [self.numbers(m) for m in nodes[1:]])),
            },
            "loss": loss,
            "update": update or rng.choice(("online", "batch_sum", "batch_mean")),
            "epochs": 3,
            "learning_rate": rng.choice((0.25, self.rate())),
            "optimizer": self.optimizer(optimizer or rng.choice(OPTIMIZERS)),
            "conventions": self.conventions(optimizer),
            "samples": samples,
            "source": {"title": "a test"},
        }
        if "leaky_relu" in document["network"]["activations"]:
            document["network"]["leaky_slope"] = rng.choice((0.01, 0.3, 0.0, -0.5))
        if document["update"] != "online" and rng.random() < 0.7:
            document["batch_size"] = rng.randint(1, len(samples) + 1)
        if rng.random() < 0.3:
            updates = parse_case(json.dumps(document).encode()).updates()
            document["learning_rate"] = [self.rate() for _ in range(updates)]
        return document

    def rate(self):
        return self.rng.uniform(-0.1, 0.3)

    def numbers(self, count):
        rng = self.rng
        return [
            rng.choice((0.0, -0.0, 1.0, -1.0)) if rng.random() < 0.15 else rng.uniform(-1, 1)
            for _ in range(count)
        ]

    def sample(self, loss, nodes):
        targets = self.numbers(nodes[-1])
        if loss == "perceptron":
            targets = [float(self.rng.random() < 0.5) for _ in targets]
        elif loss == "binary_cross_entropy":
            targets = [min(abs(t), 1.0) for t in targets]
        elif loss == "categorical_cross_entropy":
            targets = [0.0] * len(targets)
            targets[self.rng.randrange(len(targets))] = 1.0
        return {"input": self.numbers(nodes[0]), "target": targets}

    def optimizer(self, name):
        rng = self.rng
        decay = rng.choice((0.0, rng.uniform(0, 0.2)))
        if name == "adam":
            return {
                "name": "adam", "weight_decay": decay, "epsilon": rng.choice((1e-8, 0.1)),
                "beta1": rng.choice((0.9, 0.0, 0.5)), "beta2": rng.choice((0.999, 0.0, 0.7)),
            }  # fmt: skip
        momentum = 0.0 if name == "sgd" else rng.uniform(0.1, 0.95)
        return {"name": "sgd", "weight_decay": decay, "momentum": momentum}

    def conventions(self, optimizer):
        rng = self.rng
        return {
            "update_biases": rng.random() < 0.7,
            "error_sign": rng.choice(("output_minus_target", "target_minus_output")),
            "decay_biases": rng.random() < 0.4,
            "rate_in_velocity": optimizer == "rate_in_velocity" or rng.random() < 0.3,
        }


seeds = st.integers(0, 2**32)


def drawn(seed, **fixed):
    """Return a case's document and the case."""
    document = Draw(seed).case(**fixed)
    return document, parse_case(json.dumps(document).encode())


def flat(training):
    """Return all weights and biases end to end."""
    return np.concatenate(
        [np.ravel(layer) for layer in (*training.weights, *(training.biases or ()))]
    )


def bits(numbers):
    """Return every bit, but of what is no number: that may have any payload."""
    return np.where(np.isnan(numbers), np.nan, numbers).tobytes()


def ways_to_run(case):
    """Yield every exact way to train that needs no compiler, by name, as (errors, parameters)."""
    total = case.updates()
    training = Training(case, "plain")
    yield "plain", training.run_updates(total), flat(training)
    plan = plan_of(case)
    state = first_state(case, plan)
    yield "by arrays", arrays.run(plan, state, total, Ordered()), state.parameters
    yield "written for numba", *interpreted_for_numba(case, total)


def interpreted_for_numba(case, total):
    """Run by the interpreter what numba would compile."""
    plan = plan_of(case)
    state, errors = first_state(case, plan), np.empty(total)
    names = {  # an overflow is an infinity in machine code
        "exp": lambda x: math.inf if x > 709.7 else math.exp(x),
        "log": lambda x: math.log(x) if x else -math.inf,
        "tanh": math.tanh,
        "sqrt": math.sqrt,
    }
    exec(straight.for_numba(plan), names)  # noqa: S102 - the package's own source
    rows = np.concatenate([plan.inputs, plan.targets], axis=1)
    rates, constants = plan.rates_of(0, total), np.array(straight.constants_of(plan))
    with np.errstate(all="ignore"):
        names["run"]("", state.numbers, rows, 0, plan.batch, rates, constants, errors)
    return errors, state.parameters


def assert_as_the_reference(document, case, errors, parameters, name):
    try:
        wanted_errors, weights, biases = plain_training.train(document, case.updates())
    except (ArithmeticError, ValueError):
        return  # it exploded: Python raises where the kernels have an infinity or no number
    wanted = np.concatenate([np.ravel(np.array(layer)) for layer in (*weights, *(biases or ()))])
    # numbers are compared: by FE = t − y a zero may have either sign
    np.testing.assert_array_equal(errors, wanted_errors, f"E, {name}")
    np.testing.assert_array_equal(parameters, wanted, f"parameters, {name}")


# the exact kernels


@QUICK
@given(seeds)
@pytest.mark.slow
def test_every_exact_kernel_has_the_bits_of_the_scalar_reference(seed):
    document, case = drawn(seed)
    found = set()
    for name, errors, parameters in ways_to_run(case):
        assert_as_the_reference(document, case, errors, parameters, name)
        found.add(bits(errors) + bits(parameters))
    assert len(found) == 1  # the signs of zeros too


@QUICK
@given(seeds)
@example(390)  # the sign of a zero shows where a batch's sum begins
@pytest.mark.slow
def test_the_compiled_loops_have_the_bits_of_the_plain_kernel(numba, seed):
    from cellgrad_series.kernels import loops  # noqa: PLC0415 - needs numba

    _, case = drawn(seed)
    plan = plan_of(case)
    state, reference = first_state(case, plan), Training(case, "plain")
    errors = loops.run(plan, state, plan.rates_of(0, case.updates()))
    assert bits(errors) == bits(reference.run_updates(case.updates()))
    assert bits(state.parameters) == bits(flat(reference))


WRITTEN = [
    ("half_squared_error", "sgd", "logistic", "online"),
    ("squared_error", "momentum", "tanh", "batch_mean"),
    ("mean_squared_error", "rate_in_velocity", "leaky_relu", "batch_sum"),
    ("binary_cross_entropy", "adam", "relu", "online"),
    ("categorical_cross_entropy", "adam", "identity", "batch_mean"),
    ("perceptron", "sgd", None, "online"),
]


@pytest.mark.parametrize(("loss", "optimizer", "activation", "update"), WRITTEN)
def test_a_compiled_written_out_network_has_the_bits_of_the_reference(
    numba, loss, optimizer, activation, update
):
    document, case = drawn(7, loss=loss, optimizer=optimizer, activation=activation, update=update)
    training = Training(case, "compiled")
    errors = np.concatenate([training.run_epoch() for _ in range(case.epochs)])
    assert_as_the_reference(document, case, errors, flat(training), "compiled")


@settings(QUICK, max_examples=60)
@given(seeds)
@example(0)
def test_plain_gradient_descent_is_a_chain_of_training_steps(seed):
    _, case = drawn(seed, optimizer="sgd")
    network, decay = case.network, case.optimizer.weight_decay
    case = dataclasses.replace(
        case, conventions=dataclasses.replace(case.conventions, decay_biases=False)
    )
    plan, training = plan_of(case), Training(case, "plain")
    weights, biases = list(network.weights), network.biases
    for update, chosen in enumerate(plan.batches(0, case.updates())):
        rate = case.learning_rate
        step = training_step(
            weights,
            plan.inputs[chosen],
            plan.targets[chosen],
            activations=network.activations,
            biases=biases,
            loss=case.loss,
            learning_rate=rate[update] if isinstance(rate, tuple) else rate,
            update=case.update,
            leaky_slope=network.leaky_slope,
            weight_decay=decay,
            update_biases=case.conventions.update_biases,
            error_sign=case.conventions.error_sign,
        )
        assert training.run_updates(1).tolist() == [step.error]
        weights, biases = step.new_weights, step.new_biases or biases
        for ours, theirs in zip(training.weights, weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for ours, theirs in zip(training.biases or (), biases or (), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def wide_case(nodes, samples, **changes):
    """Return a case with a network too wide to be written out."""
    rng = np.random.default_rng(5)
    case = read_case(CASES / "softmax-3-4-3.json")
    targets = np.eye(nodes[-1])[rng.integers(0, nodes[-1], samples)]
    names = ("tanh",) * (len(nodes) - 2)
    weights = [rng.normal(0, n**-0.5, (n, m)) for n, m in pairwise(nodes)]
    network = dataclasses.replace(
        case.network,
        nodes=nodes,
        activations=(*names, "softmax"),
        weights=tuple(tuple(map(tuple, layer.tolist())) for layer in weights),
        biases=tuple((0.1,) * m for m in nodes[1:]),
    )
    inputs = rng.normal(size=(samples, nodes[0]))
    pairs = zip(inputs.tolist(), targets.tolist(), strict=True)
    return dataclasses.replace(
        case,
        network=network,
        samples=tuple(Sample(tuple(x), tuple(t)) for x, t in pairs),
        **changes,
    )


@pytest.mark.parametrize("update", ["online", "batch_mean"])
def test_wide_networks_have_the_same_bits_however_they_are_run(numba, update):
    size = None if update == "online" else 4
    case = wide_case((60, 90, 9), 10, update=update, batch_size=size, learning_rate=0.1)
    plan, compiled = plan_of(case), Training(case, "compiled")
    assert not worth_writing_out(plan)
    training = Training(case, "plain")
    assert training.run_epoch().tobytes() == compiled.run_epoch().tobytes()
    assert flat(training).tobytes() == flat(compiled).tobytes()


def test_the_compiled_exp_log_and_tanh_are_those_of_the_platform(numba):
    from cellgrad_series.kernels import loops  # noqa: PLC0415 - needs numba

    @loops.compiled
    def all_three(x, found):
        for i in range(len(x)):
            found[i, 0] = math.exp(x[i])
            found[i, 1] = math.log(abs(x[i]))
            found[i, 2] = math.tanh(x[i])

    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 3, 150_000), rng.uniform(-745, 709, 50_000)])
    found = np.empty((len(x), 3))
    all_three(x, found)
    wanted = [(math.exp(v), math.log(abs(v)), math.tanh(v)) for v in x.tolist()]
    assert found.tobytes() == np.array(wanted).tobytes()


# where numbers leave their range


def overflowing(first, loss="half_squared_error", activation="logistic", second=1.0):
    case = read_case(CASES / "series-3-4-1.json")
    network = dataclasses.replace(
        case.network,
        nodes=(1, 2),
        activations=(activation,),
        weights=(((first, second),),),
        biases=None,
    )
    sample = Sample((1.0,), (1.0, 0.0))
    return dataclasses.replace(case, network=network, loss=loss, samples=(sample,) * 3)


@pytest.mark.parametrize(
    "case",
    [
        overflowing(-800.0),
        overflowing(-800.0, "binary_cross_entropy"),
        overflowing(-1.0, "binary_cross_entropy", second=40.0),
        overflowing(800.0, "categorical_cross_entropy", "softmax"),
        overflowing(-800.0, "categorical_cross_entropy", "softmax", second=-800.0),
        overflowing(1e308, "squared_error", "identity"),
    ],
    ids=["exp", "exp and log", "log", "softmax", "0/0", "product"],
)
def test_an_overflow_is_an_infinity_or_no_number_in_every_kernel(case):
    kernels = ["plain", "vectorised", *(["compiled"] if compiled_available() else [])]
    found = []
    for kernel in kernels:
        training = Training(case, kernel)
        found.append([*training.run_epoch(), *flat(training)])
    np.testing.assert_allclose(found[1:], found[:1] * (len(found) - 1), rtol=1e-14)
    if case.loss == "half_squared_error":
        assert found[0][0] == 0.5 * (1.0 + (1 / (1 + math.exp(-1.0))) ** 2)


# the vectorised kernel


def tolerance(case):
    """Return a bound on how far the vectorised kernel may be from an exact one, an update.

    Both compute each gradient by sums of at most n = samples + widest layer + 1 products
    on a path of as many layers, so they differ by at most about n · layers · 2⁻⁵³ of the
    sum of the terms' sizes. The cases here are tame (parameters, inputs and slopes up
    to about 2), and 64 times that covers the sizes; a wrong term would be far beyond.
    """
    n = len(case.samples) + max(case.network.nodes) + 1
    return 4 * n * len(case.network.activations) * 2.0**-53


@settings(QUICK, max_examples=100)
@given(seeds)
def test_one_vectorised_update_is_as_near_as_rounding_allows(seed):
    _, case = drawn(seed)
    one, other = Training(case, "vectorised"), Training(case, "plain")
    bound = tolerance(case)
    errors, wanted = one.run_updates(1), other.run_updates(1)
    if case.optimizer.name == "adam" and case.optimizer.epsilon < 1e-6:
        return  # the first update is the gradient's sign: a rounded zero has none
    np.testing.assert_allclose(errors, wanted, rtol=bound, atol=bound)
    scale = max(1.0, np.abs(flat(other)).max())
    np.testing.assert_allclose(flat(one), flat(other), rtol=0, atol=scale * bound)


def test_the_vectorised_kernel_stays_near_over_large_batches():
    case = wide_case((30, 40, 5), 300, update="batch_mean", batch_size=128, learning_rate=0.5)
    one, other = Training(case, "vectorised"), Training(case, "plain")
    np.testing.assert_allclose(one.run_epoch(), other.run_epoch(), rtol=1e-13)
    np.testing.assert_allclose(flat(one), flat(other), rtol=0, atol=1e-13)


# the interface


@pytest.mark.parametrize("kernel", KERNELS)
def test_stopping_on_the_way_changes_nothing(kernel, request):
    if kernel == "compiled":
        request.getfixturevalue("numba")
    _, case = drawn(11, optimizer="adam", update="batch_mean")
    case = dataclasses.replace(case, samples=case.samples * 3, batch_size=2, learning_rate=0.1)
    whole, parts = Training(case, kernel), Training(case, kernel)
    errors = np.concatenate([whole.run_epoch(), whole.run_epoch()])
    assert len(errors) == whole.updates == 2 * -(-len(case.samples) // 2)
    steps = [1, 0, 2, len(errors) - 3]
    apart = np.concatenate([parts.run_updates(count) for count in steps])
    assert apart.tobytes() == errors.tobytes()
    assert flat(parts).tobytes() == flat(whole).tobytes()
    assert parts.updates == whole.updates


@settings(QUICK, max_examples=60)
@given(seeds)
def test_outputs_are_a_forward_pass_in_the_order_of_the_definition(seed):
    document, case = drawn(seed)
    network = document["network"]
    inputs = [sample["input"] for sample in document["samples"]]
    for kernel in ("plain", "vectorised"):
        found = Training(case, kernel).outputs(inputs)
        for x, row in zip(inputs, found.tolist(), strict=True):
            wanted = plain_step.forward(document, network["weights"], network["biases"], x)[1][-1]
            assert row == wanted


def test_weights_handed_out_are_copies():
    training = Training(read_case(CASES / "bce-3-3-2.json"), "plain")
    training.weights[0][:] = 0
    training.biases[0][:] = 0
    assert flat(training).all()
    assert [w.shape for w in training.weights] == [(3, 3), (3, 2)]
    assert [b.shape for b in training.biases] == [(3,), (2,)]
    assert Training(read_case(CASES / "series-3-4-1.json")).biases is None


def test_a_schedule_that_ends_is_an_error_and_changes_nothing():
    case = dataclasses.replace(
        read_case(CASES / "series-3-4-1.json"), learning_rate=(0.5, 0.25), epochs=2
    )
    training = Training(case, "plain")
    training.run_updates(1)
    before = flat(training).tobytes()
    with pytest.raises(CaseError, match="update 3 has no learning rate"):
        training.run_updates(2)
    assert flat(training).tobytes() == before
    assert training.updates == 1
    training.run_updates(1)


def test_kernels_and_inputs_that_do_not_exist_are_refused(monkeypatch):
    case = read_case(CASES / "series-3-4-1.json")
    with pytest.raises(CaseError, match="no kernel 'fast'"):
        Training(case, "fast")
    with pytest.raises(ShapeError, match="inputs have shape"):
        Training(case, "plain").outputs([[1.0, 2.0]])
    with pytest.raises(ValueError, match="-1"):
        Training(case, "plain").run_updates(-1)
    for name in [
        name for name in sys.modules if name.startswith("cellgrad_series.kernels.compiled")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)  # it cannot be imported
    assert not compiled_available()
    with pytest.raises(InputError, match=r"pip install 'cellgrad\[fast\]'"):
        Training(case, "compiled")
    monkeypatch.setattr("cellgrad_series.kernels.compiled_available", lambda: True)
    assert Training(dataclasses.replace(case, epochs=10**9)).kernel == "plain"


def test_auto_compiles_long_runs_and_gives_up_bits_for_large_batches_only(monkeypatch):
    case = read_case(CASES / "series-3-4-1.json")
    assert Training(case).kernel == "plain"  # over before numba would be imported
    assert Training(dataclasses.replace(case, epochs=10**9)).kernel == (
        "compiled" if compiled_available() else "plain"
    )
    large = wide_case((40, 40, 5), 100, update="batch_sum", batch_size=64)
    assert Training(large).kernel == "vectorised"
    assert Training(dataclasses.replace(large, batch_size=32)).kernel == "plain"
    assert Training(dataclasses.replace(large, update="online")).kernel == "plain"
    wide = wide_case((300, 400, 5), 4, update="batch_sum", batch_size=2)
    assert Training(wide).kernel == "plain"
    monkeypatch.setattr("cellgrad_series.kernels.find_spec", lambda _: None)
    assert not compiled_available()
    assert Training(dataclasses.replace(case, epochs=10**9)).kernel == "plain"


def test_the_source_that_is_run_holds_no_text_of_the_case():
    case = read_case(CASES / "series-3-4-1.json")
    hostile = dataclasses.replace(case, id="x';import os", title="import os")
    assert straight.interpreted(plan_of(hostile)) == straight.interpreted(plan_of(case))
