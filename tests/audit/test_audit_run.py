"""The audit's own judgement: what is right, what is named, what is left open.

Mistaken implementations written apart, one for each entry, are in test_confusion.py;
here answers are made from numbers that come from elsewhere: printed examples, mpmath, the
independent step of the tests, and the catalogue's programs only where the question is what
the audit does with them.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import plain_training
from cellgrad.case.model import parse_case, read_case
from cellgrad.errors import InputError
from cellgrad.mlp import training_run
from cellgrad_audit.answer import Answer, Numbers, Slot
from cellgrad_audit.bugs import pairs
from cellgrad_audit.bugs.catalogue import entries
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.probes import declare, features, probes, unfit
from cellgrad_audit.reading import TraceFileTarget
from cellgrad_audit.run import audit
from cellgrad_audit.targets import Target
from cellgrad_audit.targets.function import FunctionTarget
from hostile import ROOT, cellgrad
from made_audits import variant

PRINTED = ROOT / "reference" / "printed"
CASES = ROOT / "reference" / "cases"
SHORT = [c for c in map(read_case, sorted(CASES.glob("*.json"))) if c.updates() <= 60]


class Made(Target):
    """A target whose answers a function makes from cases."""

    def __init__(self, make, name="made"):
        self.make, self.name = make, name

    def answer(self, case):
        return self.make(case)


def final(case, weights, biases):
    numbers = {}
    for name, layers in (("weights", weights), ("biases", biases)):
        for k, layer in enumerate(layers or []):
            array = np.array(layer, dtype=np.float64)
            numbers[Slot(0, name, k)] = Numbers(array, np.zeros(array.shape))
    return Answer(case, numbers)


def of(program):
    def make(case):
        with np.errstate(all="ignore"):
            record = program(case, keep=False).run()
        return final(case, record.weights, record.biases)

    return Made(make)


def plain(document):
    """Answer a case with the independent program of the tests, bit by bit another route."""
    updates = parse_case(json.dumps(document).encode()).updates()
    _, weights, biases = plain_training.train(document, updates)
    return {"schema": "cellgrad-trace/1", "weights": weights, "biases": biases}


def first_ids(result):
    return [entry.id for entry in result.diagnoses[0].entries] if result.diagnoses else []


# the right program


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.id)
def test_the_program_with_seams_is_the_mlp_to_the_last_bit(case):
    updates = list(training_run(case))
    record = Program(case).run()
    for table, update in zip(record.steps, updates, strict=True):
        step = update.step
        assert float(table["error", None]) == step.error
        for k, gradient in enumerate(step.weight_gradient):
            assert np.array_equal(table["weight_gradient", k], gradient)
            assert np.array_equal(table["new_weights", k], step.new_weights[k])


def test_an_independent_right_program_is_right_and_nothing_is_left_out():
    result = audit(FunctionTarget(plain), probes())
    assert result.verdict == "bit_identical"
    assert result.code() == 0
    assert result.not_exercised == []
    assert result.diagnoses == []
    # what final weights cannot show: an error of the other sign, with the update that fits
    assert result.unseen == ["error-sign-convention"]


# printed answers


def printed(name, case):
    return audit(TraceFileTarget(PRINTED / f"{name}.trace.json"), [read_case(case)])


@pytest.mark.slow
def test_mazurs_printed_answers_are_explained_one_by_one():
    result = printed("mazur-2-2-2", PRINTED / "mazur-2-2-2-10001.json")
    assert result.verdict == "known_bug"
    told = {
        group.diagnosis.entries[0].id if group.diagnosis else group.right: sorted(
            (cell.slot.step, cell.slot.name) for cell in group.cells
        )
        for group in result.groups
    }
    assert told["updated-output-weights"] == [
        (2, "error"),
        (10001, "post_activation"),
        (10001, "post_activation"),
    ]
    assert told["step-count-off-by-one"] == [(10001, "error")]
    assert len(told[True]) == 14


def test_the_hand_tracing_workbooks_gradients_lack_one_derivative():
    result = printed("ai-by-hand-4-3-4-3", CASES / "ai-by-hand-4-3-4-3.json")
    assert result.verdict == "known_bug"
    assert first_ids(result) == ["no-hidden-derivative"]
    wrong = [cell for probed in result.probes for cell in probed.cells if not cell.agrees]
    assert len(wrong) == 14  # as reference/errata.md has it


def test_a_rounding_on_the_way_is_called_that():
    result = printed("han-kamber-3-2-1", CASES / "han-kamber-3-2-1.json")
    assert first_ids(result) == ["low-precision"]


def test_printed_digits_are_held_to_half_a_unit_of_the_last(tmp_path):
    case = CASES / "mazur-2-2-2.json"
    for text, verdict in (("0.298371109", "within_bound"), ("0.298371108", "unknown_difference")):
        path = tmp_path / "trace.json"
        document = {"schema": "cellgrad-trace/1", "steps": {"1": {"error": text}}}
        path.write_text(json.dumps(document))
        assert audit(TraceFileTarget(path), [read_case(case)]).verdict == verdict


# precision, tolerance, other formulas


def in_single(case):
    """Train in single precision: every number a float32, whatever it is made of."""
    from cellgrad.mlp.run import training_run as run  # noqa: PLC0415

    with np.errstate(all="ignore"):
        for update in run(case, np.float32):
            last = update
    return final(case, last.step.new_weights, last.step.biases_after)


def test_single_precision_is_recognised_and_held_to_its_own_bound():
    result = audit(Made(in_single), probes())
    assert (result.verdict, result.precision, result.code()) == ("within_bound", "float32", 0)


def test_a_mistake_in_single_precision_is_named_all_the_same():
    def make(case):
        answer = of(variant("updated-output-weights").program).answer(case)
        for slot, x in answer.numbers.items():
            answer.numbers[slot] = Numbers(x.values.astype(np.float32).astype(float), x.half_units)
        return answer

    result = audit(Made(make), probes())
    assert first_ids(result) == ["updated-output-weights"]
    assert result.precision == "float32"


@pytest.mark.parametrize("entry", ["logistic-through-tanh", "tanh-through-exp"])
def test_another_formula_for_the_same_function_is_no_mistake(entry):
    result = audit(of(variant(entry).program), probes())
    assert (result.verdict, result.code()) == ("alternative_formula", 0)
    assert first_ids(result) == [entry]


@pytest.mark.slow
def test_a_tolerance_is_the_users_word_and_stays_in_the_result():
    def coarse(case):
        answer = of(Program).answer(case)
        for slot, x in answer.numbers.items():
            answer.numbers[slot] = Numbers(np.round(x.values * 4096) / 4096, x.half_units)
        return answer

    assert audit(Made(coarse), probes()).code() == 1
    allowed = audit(Made(coarse), probes(), tolerance=2.0**-12)
    assert (allowed.verdict, allowed.code(), allowed.tolerance) == ("within_bound", 0, 2.0**-12)
    narrow = audit(Made(coarse), probes(), tolerance=2.0**-16)
    assert narrow.code() == 1


# conventions


@pytest.mark.parametrize(
    "entry",
    [e for e in entries() if e.kind == "convention" and e.id != "error-sign-convention"],
    ids=lambda entry: entry.id,
)
@pytest.mark.slow
def test_a_convention_counts_as_right_once_it_is_declared(entry):
    program = entry.variants[0].program
    undeclared = audit(of(program), probes())
    assert (undeclared.verdict, undeclared.code()) == ("convention", 1)
    assert first_ids(undeclared) == [entry.id]
    name = entry.id if entry.declare is None else f"{entry.id}/{entry.variants[0].name}"
    if entry.variants[0].name or entry.declare is None:
        declared = audit(of(program), probes(), declared=[name])
        assert declared.code() == 0, first_ids(declared)


def test_a_declared_convention_is_stated_in_the_case_that_is_asked():
    case, beyond = declare(probes()[0], ["bias-frozen", "weight-decay-on-biases"])
    assert case.conventions.update_biases is False
    assert case.conventions.decay_biases is True
    assert beyond == []
    seen = []

    def obedient(document):
        seen.append(document.get("conventions"))
        return plain(document)

    result = audit(FunctionTarget(obedient), probes()[:2], declared=["bias-frozen"])
    assert result.verdict == "bit_identical"
    assert all(stated == {"update_biases": False} for stated in seen)


def test_what_is_no_convention_cannot_be_declared():
    with pytest.raises(InputError, match="no convention"):
        audit(of(Program), probes(), declared=["updated-output-weights"])


# what was not exercised


def test_what_a_target_cannot_run_is_said_and_what_it_hides_too():
    def plain_only(case):
        if case.network.biases is not None or case.update != "online":
            return Answer(case, unsupported="no biases, no batches")
        return of(Program).answer(case)

    result = audit(Made(plain_only), probes())
    assert result.code() == 0
    assert {"biases", "momentum", "weight decay", "several outputs"} <= set(result.not_exercised)
    assert {"bias-frozen", "momentum-missing", "softmax-twice"} <= set(result.unseen)
    assert "updated-output-weights" not in result.unseen


def test_nothing_exercised_is_no_verdict():
    result = audit(Made(lambda case: Answer(case, unsupported="never")), probes())
    assert (result.verdict, result.code()) == ("inconclusive", 2)


def test_one_failure_makes_the_audit_incomplete_and_the_others_are_reported():
    def moody(case):
        if case.id == "probe-relu":
            return Answer(case, failure="probe-relu: killed by signal 11")
        return of(Program).answer(case)

    result = audit(Made(moody), probes())
    assert result.code() == 2
    assert [p.status for p in result.probes].count("agrees") == len(probes()) - 1


def test_the_probes_exercise_everything_that_they_are_listed_for():
    words = set().union(*(features(case) for case in probes()))
    assert {"biases", "no biases", "momentum", "weight decay", "online updates"} <= words
    assert {"softmax outputs", "identity outputs", "relu hidden nodes"} <= words


@pytest.mark.parametrize("case", probes(), ids=lambda case: case.id)
def test_no_probe_is_degenerate(case):
    if case.id != "probe-saturated":  # it is for other formulas, and says so
        assert unfit(case) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: replace(c, learning_rate=0.5), "learning rate"),
        (lambda c: replace(c, samples=c.samples[:2]), "two samples"),
        (
            lambda c: replace(
                c, samples=tuple(replace(s, input=(1.0,) * len(s.input)) for s in c.samples)
            ),
            "input of 1",
        ),
        (
            lambda c: replace(
                c, samples=tuple(replace(s, target=(1.0,) * len(s.target)) for s in c.samples)
            ),
            "target",
        ),
    ],
)
def test_degenerate_choices_are_refused(change, reason):
    case = next(c for c in probes() if c.id == "probe-plain")
    assert any(reason in line for line in unfit(change(case)))


# unknown


def test_a_mistake_outside_the_catalogue_is_unknown_and_its_pattern_is_described():
    class Tenth(Program):
        def averaged(self, gradient, parameter):
            right = super().averaged(gradient, parameter)
            return right * 1.0625 if parameter == ("weights", self.layers - 1) else right

    result = audit(of(Tenth), probes()[:2])
    assert (result.verdict, result.code()) == ("unknown_difference", 1)
    assert result.diagnoses == []
    assert result.first_divergence is not None


def test_a_trace_shows_where_an_unknown_mistake_begins():
    case = next(c for c in probes() if c.id == "probe-plain")
    _, weights, biases = plain_training.train(_document(case), case.updates())

    def traced(document):
        step = Program(parse_case(json.dumps(document).encode())).run().steps[0]
        signal = [(step["error_signal", k][0] * (1.25 if k == 0 else 1)).tolist() for k in (0, 1)]
        shown = {"post_activation": [step["post_activation", k][0].tolist() for k in (0, 1)]}
        return {
            "schema": "cellgrad-trace/1",
            "weights": (np.array(weights[0]) + 1e-3).tolist(),
            "biases": biases,
            "steps": [{**shown, "error_signal": signal}],
        } | {"weights": [(np.array(w) + 1e-3).tolist() for w in weights]}

    result = audit(FunctionTarget(traced), [case])
    assert result.verdict == "unknown_difference"
    assert result.first_divergence.slot == Slot(1, "error_signal", 0)


def _document(case):
    from cellgrad.case.model import case_document  # noqa: PLC0415

    return case_document(case)


# two at once


def test_two_mistakes_at_once_are_both_named():
    program = pairs.combined(variant("absolute-error", ""), variant("learning-rate-squared", ""))
    result = audit(of(program), probes())
    assert set(first_ids(result)) == {"absolute-error", "learning-rate-squared"}
    assert result.code() == 1


def test_the_index_of_pairs_belongs_to_this_catalogue_and_these_probes():
    index = pairs.shipped_index()
    assert index.probes == tuple(case.id for case in probes())
    random = np.random.default_rng(5)
    everything = pairs.paired()
    for row in random.choice(len(index.first), 12, replace=False):
        program = pairs.combined(everything[index.first[row]], everything[index.second[row]])
        for case, value in zip(probes(), index.values[row], strict=True):
            found = pairs.projected(program, case)
            with np.errstate(over="ignore"):
                assert np.isclose(np.float32(found), value, rtol=1e-5, equal_nan=True)


# the command


def test_the_command_names_a_mistake_and_exits_with_one(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from cellgrad_audit.bugs.catalogue import variants\n"
        "import json\n"
        "from cellgrad.case.model import parse_case\n"
        "PROGRAM = next(v.program for v in variants() if v.entry == 'no-hidden-derivative')\n"
        "def step(case):\n"
        "    record = PROGRAM(parse_case(json.dumps(case).encode()), keep=False).run()\n"
        "    return {'weights': record.weights, 'biases': record.biases}\n"
    )
    answer = cellgrad(tmp_path, "audit", "mine:step", "--json")
    assert answer.code == 1, answer.err
    found = json.loads(answer.out)
    assert found["verdict"] == "known_bug"
    assert found["diagnoses"][0]["bug"] == "no-hidden-derivative"
    assert {"not_exercised", "precision", "first_divergence"} <= set(found)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere.json"], "--case"),
        (["nothing"], "no such file"),
        (["no_such_module:step"], "no_such_module"),
        (["book.xlsx"], "locate"),
        (["--"], "no command"),
        ([], "one target"),
        (["a:b", "c:d"], "one target"),
    ],
)
def test_what_is_no_target_is_refused_on_one_line(words, says, command):
    answer = command("audit", *words)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert says in answer.err


def test_a_quantity_that_the_case_lacks_may_stand_as_nulls_beside_right_numbers():
    case = read_case(CASES / "softmax-3-4-3.json")
    right = of(Program).answer(case)
    right.numbers[Slot(1, "error_derivative", None)] = Numbers(
        np.full((1, 3), np.nan), np.zeros((1, 3))
    )
    result = audit(Made(lambda _: right), [case])
    assert (result.verdict, result.code()) == ("bit_identical", 0)
