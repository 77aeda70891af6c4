"""The emitters in reference/emitters are right: what an auditor copies gives no false alarm.

Judged by error bounds alone: the numbers of a right program lie within its own bound, in its
precision, plus that of the reference. The same check sees a mistake planted in a copy.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from cellgrad.case.model import case_document, read_case
from cellgrad_audit.answer import Slot
from cellgrad_audit.bugs.arithmetic import RunningBounds, bounds_of, values_of
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.hypothesis import right_numbers
from cellgrad_audit.reading import read_answer
from hostile import CASES, ROOT

EMITTERS = ROOT / "reference" / "emitters"
PROBES = sorted((ROOT / "reference" / "probes").glob("probe-*.json"))
COMPILERS = {
    "c": ("-O0",),
    "c with fused multiply-add": ("-O3", "-march=native", "-ffp-contract=fast"),
    "c in single precision": ("-O2", "-DREAL=float"),
    "c in single precision, fused": ("-O3", "-march=native", "-ffp-contract=fast", "-DREAL=float"),
}
FILES = {
    "plain": "emitter_plain.py",
    "trace": "emitter_trace.py",
    "numpy": "emitter_numpy.py",
    "pytorch": "emitter_pytorch.py",
    "pytorch in single precision": "emitter_pytorch.py",
    "jax": "emitter_jax.py",
    "node": "emitter.js",
    **dict.fromkeys(COMPILERS, "emitter.c"),
}
PACKAGES = {"numpy": "numpy", "pytorch": "torch", "jax": "jax"}
QUICK = ("plain", "node", "c")
PLANTED = {  # one line of each, and the mistake in its place
    "plain": ("factor * e * s for e, s", "factor * e for e, s"),
    "numpy": ("g / n + decay * p", "g / n - decay * p"),
    "pytorch": ("    optimizer.zero_grad()\n", ""),
    "jax": ("* v + g, speeds", "* v + 0.125 * g, speeds"),
    "node": ("momentum * v + g", "g"),
    "c": ("d[k - 1][i] = back * slope[k - 1][i]", "d[k - 1][i] = back"),
}


def needed(reason):
    """Skip a test for want of a language or a framework, or fail where all are required."""
    if os.environ.get("CELLGRAD_REQUIRE_FRAMEWORKS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@cache
def reference(case, precision):
    """Return the final parameters of the right program, and how far they may be missed."""

    def final(unit):
        record = Program(case, RunningBounds(unit), keep=False).run()
        return [*record.weights, *(record.biases or ())]

    exact = final("float64")
    own = exact if precision == "float64" else final(precision)
    allowed = [bounds_of(a) + bounds_of(b) for a, b in zip(own, exact, strict=True)]
    return [values_of(layer) for layer in exact], allowed


def share(answer, case, precision="float64"):
    """Return the largest gap of an answer's final parameters, in bounds."""
    values, allowed = reference(case, precision)
    layers = range(len(case.network.weights))
    names = ("weights", "biases") if case.network.biases is not None else ("weights",)
    found = [answer.numbers[Slot(0, name, k)].values for name in names for k in layers]
    worst = 0.0
    for mine, right, bound in zip(found, values, allowed, strict=True):
        gap = np.abs(mine - right)
        assert np.isfinite(gap).all()
        with np.errstate(divide="ignore", invalid="ignore"):
            worst = max(worst, float(np.where(gap == 0, 0.0, gap / bound).max()))
    return worst


@pytest.fixture(scope="session")
def emitter(tmp_path_factory):
    """Return a function that returns the command of an emitter, changed or as it is."""

    def command(kind, changed=None):
        source = EMITTERS / FILES[kind]
        if changed is not None:
            old, new = changed
            text = source.read_text("utf-8")
            assert text.count(old) == 1, f"{source.name} has no single {old!r}"
            folder = tmp_path_factory.mktemp("planted")
            shutil.copy(EMITTERS / "cellgrad.h", folder)
            source = folder / source.name
            source.write_text(text.replace(old, new), "utf-8")
        if kind == "node":
            return [shutil.which("node") or needed("node is not installed"), str(source)]
        if kind in COMPILERS:
            compiler = shutil.which("gcc") or needed("gcc is not installed")
            binary = tmp_path_factory.mktemp("compiled") / "emitter"
            flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", *COMPILERS[kind]]
            subprocess.run([compiler, *flags, source, "-lm", "-o", binary], check=True)
            return [str(binary)]
        package = PACKAGES.get(kind.partition(" ")[0])
        if package and find_spec(package) is None:
            needed(f"{package} is not installed")
        single = ["float32"] if "single" in kind else []
        return [sys.executable, str(source), *single]

    kept = cache(command)
    return lambda kind, changed=None: kept(kind, changed)


def emitted(command, document):
    """Return what an emitter writes for a case's JSON."""
    run = subprocess.run(command, input=document, capture_output=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr.decode(errors="replace")
    return run.stdout


def answers(command, paths):
    """Yield each case with an emitter's answer; it runs them all."""
    for path in paths:
        case = read_case(path)
        answer = read_answer(case, emitted(command, path.read_bytes()), whole=True)
        assert not answer.unsupported, f"{path.stem}: {answer.unsupported}"
        yield case, answer


def kinds(names):
    """Return parameters, the slow ones marked."""
    return [
        pytest.param(
            name, marks=[] if name in QUICK else pytest.mark.slow, id=name.replace(" ", "-")
        )
        for name in names
    ]


@pytest.mark.parametrize("kind", kinds(FILES))
def test_an_emitter_is_right_on_every_probe(emitter, kind):
    precision = "float32" if "single" in kind else "float64"
    found = list(answers(emitter(kind), PROBES))
    assert len(found) >= 8
    assert max(share(answer, case, precision) for case, answer in found) <= 1
    if precision == "float32":  # else it is no single precision that was judged
        assert min(share(answer, case) for case, answer in found) > 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "numpy", "node", "c"])
def test_an_emitter_is_right_on_the_cases_that_it_can_run(emitter, kind):
    ran = []
    for path in sorted(CASES.glob("*.json")):
        case = read_case(path)
        if case.updates() > 5:
            continue  # bounds are carried over five updates at most
        answer = read_answer(case, emitted(emitter(kind), path.read_bytes()), whole=True)
        strange = "conventions" in json.loads(path.read_text("utf-8"))
        assert bool(answer.unsupported) == (strange or case.loss == "perceptron"), path.stem
        if not answer.unsupported:
            assert share(answer, case) <= 1, path.stem
            ran.append(path.stem)
    assert len(ran) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pytorch", "jax"])
def test_whole_numbers_in_a_case_are_numbers_too(emitter, kind):
    path = CASES / "series-3-4-1.json"
    assert isinstance(json.loads(path.read_text("utf-8"))["samples"][0]["target"][0], int)
    for case, answer in answers(emitter(kind), [path]):
        assert share(answer, case) <= 1


@pytest.mark.parametrize("kind", kinds(PLANTED))
def test_a_planted_mistake_is_seen(emitter, kind):
    found = answers(emitter(kind, PLANTED[kind]), PROBES)
    assert any(share(answer, case) > 1e6 for case, answer in found)


@pytest.mark.parametrize("kind", kinds([*PACKAGES, *QUICK, "trace"]))
def test_an_emitter_declines_what_it_does_not_know(emitter, kind):
    case = read_case(PROBES[0])
    strange = replace(case, conventions=replace(case.conventions, decay_biases=True))
    adam = replace(case, optimizer=replace(case.optimizer, name="adam", momentum=0.0))
    perceptron = read_case(CASES / "perceptron-3-1.json")
    for asked in (strange, adam, perceptron):
        answer = emitted(emitter(kind), json.dumps(case_document(asked)).encode())
        assert read_answer(asked, answer, whole=True).unsupported


@pytest.mark.parametrize("kind", QUICK)
def test_keys_in_another_order_are_the_same_case(emitter, kind):
    path = PROBES[-1]
    case, document = read_case(path), json.loads(path.read_text("utf-8"))

    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(part) for part in value] if isinstance(value, list) else value

    command = emitter(kind)
    again = emitted(command, json.dumps(turned(document)).encode())
    assert again == emitted(command, path.read_bytes())
    assert share(read_answer(case, again, whole=True), case) <= 1


@pytest.mark.slow
def test_the_long_emitter_gives_every_quantity_of_a_trace(emitter):
    schema = json.loads((ROOT / "reference/schema/trace.schema.json").read_text("utf-8"))
    given = set()
    for path in PROBES:
        case, text = read_case(path), emitted(emitter("trace"), path.read_bytes())
        given |= {name for step in json.loads(text)["steps"] for name in step}
        answer = read_answer(case, text, whole=True)
        right = right_numbers(case, answer.numbers)
        assert set(right) == set(answer.numbers)
        for slot, numbers in answer.numbers.items():
            known = ~np.isnan(numbers.values)  # null: not used in this layer
            np.testing.assert_allclose(
                numbers.values[known], right[slot][known], rtol=1e-12, atol=1e-14, err_msg=str(slot)
            )
    assert given == set(schema["$defs"]["step"]["properties"])


@pytest.mark.parametrize("path", sorted(EMITTERS.glob("emitter*")), ids=lambda path: path.name)
def test_an_emitter_is_short_and_known_here(path):
    assert path.name in FILES.values()
    if path.name != "emitter_trace.py":  # longer on purpose, as its README says
        assert len(path.read_text("utf-8").splitlines()) < 60
