"""Frameworks as targets: the natural models are right, a user's own are audited as they are.

Each library's convention is declared as the adapter says; without the declaration the same
numbers are none of the right program's, so the check is not blind to it.
"""

import sys
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from textwrap import dedent

import numpy as np
import pytest

from cellgrad.case.model import read_case
from cellgrad.errors import InputError
from cellgrad_audit import adapters
from cellgrad_audit.bugs import catalogue
from test_emitters import PROBES, needed, share

KINDS = ("torch", "jax", "keras", "sklearn")
SLOW = [pytest.mark.slow, pytest.mark.xdist_group("frameworks")]

BUILDERS = {
    "torch": """
        import torch
        from torch import nn

        ACTIVATION = {"logistic": nn.Sigmoid, "tanh": nn.Tanh, "identity": nn.Identity}

        def make(case, dtype=torch.float64):
            network, rule = case["network"], case["optimizer"]
            if not set(network["activations"]) <= set(ACTIVATION):
                return {"unsupported": "an activation"}
            layers = []
            for n, m, name in zip(network["nodes"], network["nodes"][1:], network["activations"]):
                biased = network["biases"] is not None
                layers += [nn.Linear(n, m, bias=biased, dtype=dtype), ACTIVATION[name]()]
            model, rate = nn.Sequential(*layers), case["learning_rate"]
            rate = rate[0] if isinstance(rate, list) else rate
            sgd = torch.optim.SGD(model.parameters(), lr=rate, momentum=rule["momentum"],
                                  weight_decay=rule["weight_decay"])
            return model, sgd

        def single(case):
            return make(case, torch.float32)

        def with_loss(case):
            made, scale = make(case), 1 / len(case["samples"])
            if case["loss"] != "half_squared_error" or case["update"] != "batch_mean":
                return {"unsupported": "half the squared error, means"}
            return made if isinstance(made, dict) else (
                *made, lambda y, t: scale * nn.functional.mse_loss(y, t, reduction="sum") / 2)

        def mistaken(case):
            made = make(case)
            return made if isinstance(made, dict) else (*made, nn.MSELoss())

        def fixed(case):
            model = nn.Sequential(nn.Linear(7, 2), nn.Sigmoid())
            return model, torch.optim.SGD(model.parameters(), lr=1.0)
    """,
    "jax": """
        import jax
        import jax.numpy as jnp

        ACTIVATION = {"logistic": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}

        def error_of(case, layers):
            def error(params, x, t):
                for (w, b), name in zip(layers(params), case["network"]["activations"]):
                    x = ACTIVATION[name](x @ w + (0 if b is None else b))
                return jnp.sum((x - t) ** 2) / 2 / (len(x) if case["update"] == "batch_mean" else 1)
            return error

        def known(case):
            return (set(case["network"]["activations"]) <= set(ACTIVATION)
                    and case["loss"] == "half_squared_error")

        def make(case, factor=1.0):
            if not known(case) or case["optimizer"]["momentum"]:
                return {"unsupported": "plain steps only"}
            error = error_of(case, lambda params: params)
            def step(params, x, t, rate):
                gradient = jax.grad(error)(params, x, t)
                return jax.tree.map(lambda w, g: w - factor * rate * g, params, gradient)
            return step

        def single(case):
            return make(case)

        def mistaken(case):
            return make(case, 0.5)

        def with_params(case):  # a tree of one's own, in double precision
            if not known(case) or case["optimizer"]["momentum"] or not case["network"]["biases"]:
                return {"unsupported": "plain steps with biases only"}
            nodes = case["network"]["nodes"]
            params = {f"layer{k}": {"bias": jnp.zeros(m), "kernel": jnp.zeros((n, m))}
                      for k, (n, m) in enumerate(zip(nodes, nodes[1:]))}
            error = error_of(case, lambda p: [(v["kernel"], v["bias"]) for v in p.values()])
            def step(params, x, t, rate):
                gradient = jax.grad(error)(params, x, t)
                return jax.tree.map(lambda w, g: w - rate * g, params, gradient)
            return params, step

        def with_state(case):
            if not known(case) or not case["network"]["biases"]:
                return {"unsupported": "biases only"}
            params, rule = [(jnp.array(w), jnp.array(b)) for w, b in zip(
                case["network"]["weights"], case["network"]["biases"])], case["optimizer"]
            error = error_of(case, lambda params: params)
            def step(params, speed, x, t, rate):
                gradient = jax.grad(error)(params, x, t)
                gradient = [(g + rule["weight_decay"] * w, gb)
                            for (g, gb), (w, _) in zip(gradient, params)]
                speed = jax.tree.map(lambda v, g: rule["momentum"] * v + g, speed, gradient)
                return jax.tree.map(lambda w, v: w - rate * v, params, speed), speed
            return params, jax.tree.map(jnp.zeros_like, params), step

        def fixed(case):
            return [(jnp.zeros((7, 2)), jnp.zeros(2))], lambda params, x, t, rate: params
    """,
    "keras": """
        import keras

        def make(case, factor=1.0):
            network, rule = case["network"], case["optimizer"]
            names = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "softmax": "softmax"}
            if case["loss"] != "categorical_cross_entropy" or case["update"] != "batch_mean":
                return {"unsupported": "categorical cross-entropy only"}
            model = keras.Sequential([
                keras.layers.Dense(n, names[name], kernel_regularizer=keras.regularizers.L2(
                    factor * rule["weight_decay"] / 2))
                for n, name in zip(network["nodes"][1:], network["activations"])])
            model.compile(optimizer=keras.optimizers.SGD(0.5, rule["momentum"]),
                          loss="categorical_crossentropy")
            return model

        def single(case):
            return make(case)

        def mistaken(case):
            return make(case, 2.0)

        def fixed(case):
            model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(2)])
            model.compile(optimizer="sgd", loss="mse")
            return model

        def raw(case):
            return keras.Sequential([keras.layers.Dense(3)])
    """,
    "sklearn": """
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        def make(case, nesterov=False):
            network, rule = case["network"], case["optimizer"]
            kinds = {"identity": MLPRegressor, "softmax": MLPClassifier}
            if network["activations"][-1] not in kinds:
                return {"unsupported": "identity and softmax only"}
            n, rate = len(case["samples"]), case["learning_rate"]
            return kinds[network["activations"][-1]](
                hidden_layer_sizes=network["nodes"][1:-1], solver="sgd",
                activation=network["activations"][0],
                alpha=rule["weight_decay"] * n, batch_size=n, momentum=rule["momentum"],
                nesterovs_momentum=nesterov, learning_rate_init=0.5)

        def mistaken(case):
            return make(case, nesterov=True)

        def fixed(case):
            made = make(case)
            return made if isinstance(made, dict) else made.set_params(hidden_layer_sizes=(7,))

        def bulk(case):
            return MLPRegressor(solver="lbfgs")
    """,
}


def framework(kind):
    if find_spec(kind) is None:
        needed(f"{kind} is not installed")
    if kind == "torch":
        import_module("torch").set_num_threads(1)


@pytest.fixture
def natural():
    """Return a function that makes the adapter of a framework's natural model."""

    def make(kind, dtype="float64"):
        framework(kind)
        return type(adapters.create(f"{kind}:"))(dtype=dtype)

    return make


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a function that makes the adapter of one of the builders above."""

    def make(kind, function):
        framework(kind)
        name = f"models_for_{kind}"
        (tmp_path / f"{name}.py").write_text(dedent(BUILDERS[kind]), "utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return adapters.create(f"{kind}:{name}:{function}")

    return make


def declared(adapter, case):
    for convention in adapter.declared:
        case = catalogue.by_id()[convention].declare(case)
    return case


def judged(adapter, precision, cases=None):
    """Return the share of the bound that each case takes up; those not supported are left out."""
    found = {}
    for case in cases or [read_case(path) for path in PROBES]:
        asked = declared(adapter, case)
        answer = adapter.answer(asked)
        assert not answer.failure, answer.failure
        if not answer.unsupported:
            found[case.id] = share(answer, asked, precision)
    return found


def slow(values):
    return [pytest.param(*v, marks=SLOW) if isinstance(v, tuple) else pytest.param(v, marks=SLOW)
            for v in values]  # fmt: skip


@pytest.mark.parametrize("kind", slow(["torch", "jax", "keras"]))
def test_a_natural_model_is_right_on_every_probe(natural, kind):
    adapter = natural(kind)
    found = judged(adapter, adapter.dtype)  # Keras has doubles with TensorFlow only
    assert len(found) == len(PROBES)
    assert max(found.values()) <= 1, found


@pytest.mark.parametrize("kind", slow(["sklearn"]))
def test_scikit_learn_is_right_on_the_probes_that_it_has_a_loss_for(natural, kind):
    found = judged(natural(kind), "float64")
    cases = [read_case(path) for path in PROBES]
    for case in cases:
        outputs, hidden = case.network.activations[-1], set(case.network.activations[:-1])
        has = outputs in ("identity", "softmax") and len(hidden) == 1 and case.batch() > 1
        assert (case.id in found) == has, case.id
    assert len(found) >= 2
    assert max(found.values()) <= 1, found


@pytest.mark.parametrize("kind", slow(KINDS))
def test_a_natural_model_in_single_precision_keeps_the_bound_of_single_precision(natural, kind):
    adapter = natural(kind, "float32")
    found = judged(adapter, "float32")
    assert max(found.values()) <= 1, found
    assert max(judged(adapter, "float64").values()) > 1


@pytest.mark.parametrize("kind", slow(KINDS))
def test_a_last_batch_that_is_smaller_is_a_mean_of_its_own(natural, kind):
    adapter = natural(kind)
    cases = [read_case(path) for path in PROBES]
    ragged = [
        replace(case, batch_size=3, epochs=2, learning_rate=(0.125, 0.25, 0.0625, 0.375))
        for case in cases
        if case.update == "batch_mean" and len(case.samples) == 5 and case.optimizer.weight_decay
    ]
    found = judged(adapter, adapter.dtype, ragged)
    assert found
    assert max(found.values()) <= 1, found


@pytest.mark.parametrize("kind", slow(["torch", "keras", "sklearn"]))
def test_the_declared_convention_is_what_the_library_does(natural, kind):
    """Undeclared, some probe's numbers are not the right program's."""
    adapter, worst = natural(kind), 0.0
    assert adapter.declared
    for path in PROBES:
        case = read_case(path)
        if case.optimizer.momentum and case.optimizer.weight_decay:
            answer = adapter.answer(case)
            if not answer.unsupported:
                worst = max(worst, share(answer, case, adapter.dtype))
    assert worst > 100


@pytest.mark.parametrize("kind", slow(["torch"]))
def test_pytorchs_adam_is_the_definitions(natural, kind):
    case = read_case(PROBES[0])
    adam = replace(case, optimizer=replace(case.optimizer, name="adam", momentum=0.0))
    assert max(judged(natural(kind), "float64", [adam]).values()) <= 1


@pytest.mark.parametrize("kind", slow(KINDS))
def test_what_a_library_cannot_do_is_not_supported(natural, kind):
    adapter = natural(kind)
    case = read_case(PROBES[0])
    frozen = replace(case, conventions=replace(case.conventions, update_biases=False))
    assert adapter.answer(frozen).unsupported
    bare = replace(case, network=replace(case.network, biases=None))
    assert bool(adapter.answer(bare).unsupported) == (kind == "sklearn")


@pytest.mark.parametrize(
    ("kind", "function", "precision"),
    slow([
        ("torch", "make", "float64"), ("torch", "single", "float32"),
        ("torch", "with_loss", "float64"), ("jax", "single", "float32"),
        ("keras", "single", "float32"), ("sklearn", "make", "float64"),
    ]),
)  # fmt: skip
def test_a_users_right_model_is_right_in_its_own_precision(own, kind, function, precision):
    found = judged(own(kind, function), precision)
    assert found
    assert max(found.values()) <= 1, found


@pytest.mark.parametrize("function", slow(["make", "with_params", "with_state"]))
def test_a_users_jax_step_is_right_in_each_of_its_forms(own, function):
    adapter = own("jax", function)
    with import_module("jax").enable_x64(True):  # as a user's module sets it
        found = judged(adapter, "float64")
    assert len(found) >= 2
    assert max(found.values()) <= 1, found


@pytest.mark.parametrize("kind", slow(KINDS))
def test_a_users_mistake_is_seen(own, kind):
    assert max(judged(own(kind, "mistaken"), "float32").values()) > 100


@pytest.mark.parametrize("kind", slow(KINDS))
def test_a_model_of_other_shapes_is_named_with_the_remedy(own, kind):
    failed = [own(kind, "fixed").answer(read_case(path)).failure for path in PROBES]
    failed = [line for line in failed if line]
    assert failed
    for line in failed:
        assert "the case's weights are 3×" in line or "the case has no biases" in line
        assert 'case["network"]' in line
        assert "\n" not in line


@pytest.mark.parametrize(
    ("kind", "function", "told"),
    slow([
        ("torch", "nothing", "(module, optimizer)"), ("jax", "nothing", "(params, step)"),
        ("keras", "nothing", "return a keras.Model"), ("keras", "raw", "compile"),
        ("sklearn", "nothing", "MLPClassifier"), ("sklearn", "bulk", "sgd"),
    ]),
)  # fmt: skip
def test_what_cannot_be_trained_is_told_on_one_line(own, kind, function, told):
    adapter = own(kind, "make" if function == "nothing" else function)
    if function == "nothing":
        adapter.builder = lambda case: case["id"]
    answer = adapter.answer(read_case(PROBES[0]))
    assert told in answer.failure, answer.failure
    assert "\n" not in answer.failure


@pytest.mark.parametrize("kind", slow(["keras"]))
def test_keras_is_left_in_the_precision_that_it_had(natural, kind):
    adapter = natural(kind)
    before = adapter.library.config.floatx()
    adapter.dtype = "float16"
    adapter.answer(read_case(PROBES[0]))
    assert adapter.library.config.floatx() == before


@pytest.mark.parametrize("kind", slow(["jax"]))
def test_jax_is_left_in_the_precision_that_it_had(natural, kind):
    adapter = natural(kind)
    before = adapter.library.numpy.zeros(1).dtype
    adapter.answer(read_case(PROBES[0]))
    assert adapter.library.numpy.zeros(1).dtype == before == np.float32


@pytest.mark.parametrize("kind", slow(["sklearn"]))
def test_a_release_without_what_is_needed_is_named(natural, kind, monkeypatch):
    monkeypatch.setattr(
        "cellgrad_audit.adapters.scikit_learn._NEEDED", ("coefs_", "no_such_attribute")
    )
    failures = [natural(kind).answer(read_case(path)).failure for path in PROBES]
    assert any("keeps no no_such_attribute" in line for line in failures)


@pytest.mark.parametrize("kind", slow(KINDS))
def test_a_second_answer_is_the_first_again(natural, kind):
    adapter = natural(kind)
    for path in PROBES:
        case = read_case(path)
        if not case.optimizer.momentum:
            continue
        first, second = adapter.answer(case), adapter.answer(case)
        assert first.numbers.keys() == second.numbers.keys()
        for slot, numbers in first.numbers.items():
            np.testing.assert_array_equal(numbers.values, second.numbers[slot].values)


@pytest.mark.parametrize("text", ["module:function", "torch", "torchvision:a:b", "trace.json", ""])
def test_what_is_no_frameworks_is_left_to_others(text):
    assert adapters.create(text) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_framework_is_named_with_the_way_to_install_it(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(InputError, match="pip install") as told:
        adapters.create(f"{kind}:")
    assert f"{kind}:" in told.value.line()


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("module", "names no function"), (":function", "names no function"),
        ("a:b:c", "names no function"), ("no_such_module:make", "cannot be imported"),
        ("json:no_such_function", "no_such_function"), ("json:__name__", "holds no function"),
    ],
)  # fmt: skip
def test_a_function_that_is_not_there_is_named(rest, problem, monkeypatch):
    monkeypatch.setattr(adapters.Adapter, "imported", lambda self, module: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(InputError, match=problem):
        adapters.create(f"torch:{rest}")


def test_keras_is_given_a_backend_that_is_installed(monkeypatch, tmp_path):
    keras = import_module("cellgrad_audit.adapters.keras")
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    installed = {"torch", "jax"}
    monkeypatch.setattr(keras, "find_spec", lambda name: name in installed or None)
    keras.choose_backend()
    assert keras.os.environ["KERAS_BACKEND"] == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "")
    (tmp_path / "keras.json").write_text('{"backend": "jax"}', "utf-8")
    keras.choose_backend()
    assert not keras.os.environ["KERAS_BACKEND"]  # the user's own choice stands
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras.choose_backend()
    assert keras.os.environ["KERAS_BACKEND"] == "jax"
