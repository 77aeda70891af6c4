"""Workbooks with a row an update, and what else a workbook of parts holds."""

import json
import random
import re
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import openpyxl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import plain_training
from cellgrad.build import build, read_source
from cellgrad.case.model import parse_case, read_case
from cellgrad.case.quantities import quantities
from cellgrad.described import describe
from cellgrad.engines.formualizer import FormualizerEngine
from cellgrad.errors import CaseError, WorkbookError
from cellgrad.mlp import training_run
from cellgrad.verify.many import Verifier, verify_workbooks
from cellgrad_series.parts.run import RunShape
from cellgrad_series.read_plan import read_plan
from drawn_cases import parsed, run_cases
from hostile import is_refusal

TOP = Path(__file__).parents[2]
BOOKS = sorted((TOP / "reference" / "books").glob("*.toml"))
SERIES = TOP / "spreadsheets" / "series"
CASES = TOP / "reference" / "cases"
RUNS = [
    (book.stem, part.name)
    for book in BOOKS
    for part in read_plan(book).parts
    if isinstance(part.shape, RunShape)
]


# random runs

# a workbook is built for every draw: to shrink one that fails would take minutes
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)


def verified(path, engine=None, **options):
    with np.errstate(all="ignore"):
        options = {"max_draws": 8, **options}
        return Verifier(describe(path), engine or FormualizerEngine(), **options).run()


def check_random_run(document, folder, engine=None):
    if parsed(document).updates() == 1:
        document["epochs"] = 2
        if isinstance(document["learning_rate"], list):
            document["learning_rate"] *= 2
    path = folder / "run.xlsx"
    try:
        build(parsed(document), path)
    except WorkbookError as error:  # it diverged: such a sheet is refused, and says why
        assert re.search("700|no number", str(error)), error  # noqa: PT017
        return
    report = verified(path, engine)
    assert report.agrees, report.mismatches[0].line()
    assert report.within_bound == 0


@settings(max_examples=12, deadline=None, phases=UNSHRUNK)
@given(document=run_cases())
@pytest.mark.slow
def test_any_run_agrees_to_the_last_bit(document, tmp_path_factory):
    check_random_run(document, tmp_path_factory.mktemp("run"))


@pytest.mark.slow
@settings(max_examples=300, deadline=None, phases=UNSHRUNK)
@given(document=run_cases())
def test_any_run_agrees_in_many_draws(document, tmp_path_factory):
    check_random_run(document, tmp_path_factory.mktemp("run"))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, phases=UNSHRUNK)
@given(document=run_cases())
def test_any_run_agrees_in_the_other_embedded_engine(document, tmp_path_factory, engine_or_skip):
    engine = engine_or_skip("ironcalc")
    check_random_run(document, tmp_path_factory.mktemp("run"), engine)


def test_a_run_of_one_update_with_memory_is_built_too(tmp_path):
    document = json.loads((CASES / "series-3-4-1.json").read_text("utf-8"))
    document["optimizer"] = {"name": "adam"}
    build(parse_case(json.dumps(document).encode()), tmp_path / "adam.xlsx")
    assert verified(tmp_path / "adam.xlsx").agrees


@settings(max_examples=40, deadline=None)
@given(document=run_cases(), evaluate=st.booleans())
def test_a_shape_reads_back_from_its_words(document, evaluate):
    shape = RunShape.of(parsed(document), evaluate=evaluate)
    assert RunShape.from_facts(shape.facts()) == shape


# the chain, by programs that share nothing


@cache
def saved(stem):
    described = describe(SERIES / f"{stem}.xlsx")
    return described, described.book


def last_row(stem, part):
    """Return the weights and biases that the file stores in the last row of a run."""
    described, book = saved(stem)
    found = {}
    for claim in described.claims:
        if claim.part == part and claim.quantity in ("new_weights", "new_biases"):
            cells = claim.cells
            values = book.sheets[cells.sheet].values
            row = [values[cells.bottom, c] for c in range(cells.left, cells.right + 1)]
            found[claim.quantity.removeprefix("new_"), claim.layer] = row
    return found


def part_of(stem, part):
    return read_plan(TOP / "reference" / "books" / f"{stem}.toml").part(part)


def start_of(stem, part):
    """Return the case of a run, with the weights that it really starts from."""
    plan = read_plan(TOP / "reference" / "books" / f"{stem}.toml")
    own = plan.part(part)
    return own.case, plan.part(own.start).case.network if own.start else own.case.network


@pytest.mark.parametrize(("stem", "part"), RUNS)
def test_the_last_row_of_every_run_is_where_plain_python_ends(stem, part):
    case, network = start_of(stem, part)
    document = {
        "network": {
            "nodes": list(network.nodes), "activations": list(network.activations),
            "weights": network.weights, "biases": network.biases,
            "leaky_slope": network.leaky_slope,
        },
        "loss": case.loss, "update": case.update, "epochs": case.epochs,
        "learning_rate": case.learning_rate if isinstance(case.learning_rate, float)
        else list(case.learning_rate),
        "optimizer": {name: getattr(case.optimizer, name) for name in case.optimizer.__slots__},
        "conventions": {n: getattr(case.conventions, n) for n in case.conventions.__slots__},
        "samples": [{"input": s.input, "target": s.target} for s in case.samples],
    }  # fmt: skip
    if case.batch_size:
        document["batch_size"] = case.batch_size
    _, *answer = plain_training.train(document, case.updates())
    for (name, layer), row in last_row(stem, part).items():
        expected = np.array(answer[("weights", "biases").index(name)][layer]).ravel()
        assert row == expected.tolist(), (name, layer)


def test_the_mlps_chain_is_the_one_of_plain_python():
    # one after another, while the verifier checks each row from its own start
    for name in ("series-13-validation", "series-07-single-layer", "series-optimisers"):
        case = read_case(CASES / f"{name}.json")
        for update in training_run(case):
            last = update
        _, weights, _ = plain_training.train(
            json.loads((CASES / f"{name}.json").read_text("utf-8")), case.updates()
        )
        for k, layer in enumerate(weights):
            assert last.step.new_weights[k].tolist() == [list(row) for row in layer]


# traces of runs


@pytest.mark.parametrize("name", ["series-13-validation", "series-03-two-inputs",
                                  "series-optimisers"])  # fmt: skip
def test_a_run_is_traced_update_by_update(name, command):
    schema = json.loads((TOP / "reference/schema/trace.schema.json").read_text("utf-8"))
    answer = command("trace", "--json", CASES / f"{name}.json")
    assert (answer.code, answer.err) == (0, "")
    trace = json.loads(answer.out)
    jsonschema.Draft202012Validator(schema).validate(trace)
    document = json.loads((CASES / f"{name}.json").read_text("utf-8"))
    case = parse_case(json.dumps(document).encode())
    errors, weights, biases = plain_training.train(document, case.updates())
    assert trace["weights"] == [[list(row) for row in layer] for layer in weights]
    assert trace["biases"] == (biases and [list(layer) for layer in biases])
    assert [step["error"] for step in trace["steps"]] == errors
    assert len(trace["epoch_errors"]) == case.epochs
    assert sum(trace["epoch_errors"]) == pytest.approx(sum(errors), rel=1e-12)


def test_one_update_of_a_run_is_written_out(command):
    case = CASES / "series-12-training-program.json"
    first, third = command("trace", case), command("trace", case, "--update", 3)
    assert "update 1 of 12" in first.out
    assert "update 3 of 12" in third.out
    assert first.out != third.out
    assert is_refusal(command("trace", case, "--update", 13), "--update", "12 updates")


@pytest.mark.slow
def test_a_step_in_which_biases_decay_agrees(tmp_path, command):
    document = json.loads((CASES / "weight-decay-2-3-2.json").read_text("utf-8"))
    document.pop("published", None)
    document["conventions"] = {"decay_biases": True}
    (tmp_path / "decay.json").write_text(json.dumps(document), "utf-8")
    assert command("build", "decay.json", "-o", "decay.xlsx").code == 0
    assert verified(tmp_path / "decay.xlsx").agrees
    answer = json.loads(command("trace", "--json", "decay.json").out)
    errors, weights, biases = plain_training.train(document, 1)
    assert (answer["weights"], answer["biases"]) == (
        [[list(row) for row in layer] for layer in weights], [list(layer) for layer in biases]
    )  # fmt: skip
    assert answer["steps"][0]["error"] == errors[0]


# planted faults


def edited(source, target, sheet, change):
    """Copy a workbook with some formulas changed; formulas of other cells stay."""
    book = openpyxl.load_workbook(source)
    change(book[sheet])
    book.save(target)
    return target


def cell_of(described, part, quantity, index, layer=None):
    for claim in described.claims:
        if (claim.part, claim.quantity, claim.layer) != (part, quantity, layer):
            continue
        for r in range(claim.cells.height):
            for c in range(claim.cells.width):
                if claim.rule.index(r, c) == index:
                    return claim.cells.sheet, claim.cells.top + r, claim.cells.left + c
    raise AssertionError((part, quantity, index))


FAULTS = {
    # book, part, quantity, index, layer, how its formula is changed
    "a weight from two rows above": (
        "13-validation", "Epoch", "new_weights", (20, 1, 2), 0, ("row", 0, -1)),
    "an output weight already updated": (
        "13-validation", "Epoch", "backpropagated_error", (20, 0, 1), 0, ("row", 1, 1)),
    "a plus for a minus": (
        "13-validation", "Epoch", "new_weights", (49, 0, 0), 1, ("text", "-", "+")),
    "the neighbour's sample": (
        "13-validation", "Epoch", "input", (7, 0, 1), None, ("row", 0, 1)),
    "weights of the row before the last": (
        "13-validation", "After", "weights", (0, 0), 0, ("row", 0, -1)),
    "a class at the limit": (
        "13-validation", "After", "class", (3,), None, ("text", ">", "<")),
    "a confusion of the wrong class": (
        "13-validation", "After", "confusion", (0, 1), None, ("confusion",)),
    "an accuracy of other samples": (
        "13-validation", "After", "accuracy", (), None, ("text", "/40", "/41")),
    "momentum without what was before": (
        "optimisers", "Momentum", "velocity", (9, 0, 0), 0, ("last",)),
    "a second moment without the square": (
        "optimisers", "Adam", "second_moment", (3, 0, 0), 0, ("square",)),
    "epsilon inside the root": (
        "optimisers", "Adam", "new_weights", (3, 0, 0), 0, ("root",)),
    "a power of beta that stands still": (
        "optimisers", "Adam", "beta1_power", (4,), None, ("still",)),
    "a start of one's own": (
        "optimisers", "Adam", "start_weights", (0, 0), 0, ("value",)),
    "E of another update": (
        "optimisers", "Comparison", "error", (5, 1), None, ("row", 0, 1)),
    "the rule with a strict sign": (
        "14-data", "Training data", "post_activation", (2, 0), 0, ("text", ">=", ">")),
    "a rule of two inputs": (
        "14-data", "Training data", "pre_activation", (2, 0), 0, ("product",)),
    "a surface seen from the wrong side": (
        "local-minima", "Surface", "surface", (3, 5), None, ("row", 0, 1)),
    "a moved weight that is not moved": (
        "local-minima", "Surface", "swept", (40, 0), None, ("value",)),
    "a one-sided difference": (
        "08-logistic", None, "quotient", (4,), None, ("text", "(2*", "(1*")),
    "a mean of one less": (
        "hidden-nodes", "Accuracy", "mean", (2,), None, ("text", "/10", "/9")),
    "a spread around nothing": (
        "hidden-nodes", "Accuracy", "spread", (2,), None, ("text", "/9", "/10")),
    "a constant in place of a formula": (
        "07-xor", "Hidden layer", "error_signal", (60, 2, 1), 0, ("value",)),
    "the validation error of the row above": (
        "04-data-and-overtraining", "Training", "validation_pre_activation", (30, 4, 1), 0,
        ("row", 2, -1)),
    "a decision line through another point": (
        "01-perceptron", "Good line", "boundary_y", (1,), None, ("text", "=-(", "=(")),
}  # fmt: skip


def changed(formula, fault, value):
    """Return a formula with a mistake in it, or the value in its place."""
    kind, *how = fault
    if kind == "text":
        assert how[0] in formula, formula
        return formula.replace(*how, 1) if how[0] != ">" else re.sub(r">(?!=)", how[1], formula)
    if kind == "row":
        which, by = how
        found = list(re.finditer(r"(\$?[A-Z]{1,3}\$?)(\d+)", formula))[which]
        row = int(found[2]) + by
        return formula[: found.start()] + found[1] + str(row) + formula[found.end() :]
    if kind == "value":
        return value
    if kind == "last":
        return "=" + formula.split("+", 1)[1]
    if kind == "square":
        return formula.rsplit("*", 1)[0]
    if kind == "root":
        return re.sub(r"\(SQRT\((\w+)\)\+(\S+)\)$", r"SQRT(\1+\2)", formula)
    if kind == "still":
        return formula.split("*", 1)[0]
    if kind == "product":
        return formula.rsplit("+", 1)[0]
    if kind == "confusion":
        first, second = re.findall(r"[A-Z]+\d+:[A-Z]+\d+", formula)
        return f"=SUMPRODUCT({second},{first.replace(first, second)})"
    raise AssertionError(kind)


QUICK = {
    "a weight from two rows above",
    "an output weight already updated",
    "weights of the row before the last",
    "a confusion of the wrong class",
    "momentum without what was before",
    "epsilon inside the root",
    "a surface seen from the wrong side",
    "a mean of one less",
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in FAULTS]
)
@pytest.mark.slow
def test_a_planted_fault_is_named(name, tmp_path):
    stem, part, quantity, index, layer, fault = FAULTS[name]
    described, book = saved(stem)
    part = part or next(p for p, own in described.parts.items()
                        if (quantity, layer) in own.known)  # fmt: skip
    sheet, row, column = cell_of(described, part, quantity, index, layer)
    formula = "=" + book.sheets[sheet].formulas[row, column]
    value = book.sheets[sheet].values[row, column]
    wrong = changed(formula, fault, value)
    assert wrong != formula
    path = edited(
        SERIES / f"{stem}.xlsx", tmp_path / "wrong.xlsx", sheet,
        lambda cells: setattr(cells.cell(row, column), "value", wrong),
    )  # fmt: skip
    report = verified(path, stop_at_first=True)
    assert not report.agrees
    named = {(m.sheet, m.cell) for m in report.mismatches}
    place = openpyxl.utils.cell.get_column_letter(column) + str(row)
    assert (sheet, place) in named, report.mismatches[0].line()


def test_without_a_fault_a_copy_by_another_library_agrees(tmp_path):
    path = edited(SERIES / "13-validation.xlsx", tmp_path / "same.xlsx", "Epoch", lambda _: None)
    assert verified(path).agrees


def test_a_given_changed_in_the_file_is_taken_from_the_file(tmp_path):
    def change(sheet):
        sheet["G4"].value = None

    described, _ = saved("13-validation")
    sheet, row, column = cell_of(described, "Epoch", "start_weights", (1, 1), 0)
    path = edited(SERIES / "13-validation.xlsx", tmp_path / "other.xlsx", sheet,
                  lambda cells: setattr(cells.cell(row, column), "value", 0.123))  # fmt: skip
    report = verified(path)
    assert report.agrees, report.mismatches[0].line()


# every row is judged by where it starts


def test_only_the_wrong_row_of_a_run_is_blamed(tmp_path):
    described, book = saved("12-training-program")
    sheet, row, column = cell_of(described, "Program", "new_weights", (5, 2, 3), 0)
    formula = "=" + book.sheets[sheet].formulas[row, column]
    wrong = f"{formula}+0.001"
    path = edited(
        SERIES / "12-training-program.xlsx", tmp_path / "wrong.xlsx", sheet,
        lambda cells: setattr(cells.cell(row, column), "value", wrong),
    )  # fmt: skip
    report = verified(path)
    blamed = {m.cell for m in report.mismatches if m.kind != "stored"}
    assert blamed == {openpyxl.utils.cell.get_column_letter(column) + str(row)}


# what is known of perceptrons


def run_errors(stem, part):
    described, book = saved(stem)
    claim = next(c for c in described.claims if (c.part, c.quantity) == (part, "error"))
    cells = claim.cells
    values = book.sheets[cells.sheet].values
    return [values[row, cells.left] for row in range(cells.top, cells.bottom + 1)]


@pytest.mark.parametrize("part", ["Three inputs", "Two inputs"])
def test_a_perceptron_converges_where_the_data_are_separable(part):
    errors = run_errors("03-training-a-perceptron", part)
    each = part_of("03-training-a-perceptron", part).shape.per_epoch
    assert sum(errors[:each]) > 0
    assert errors[-each:] == [0.0] * each


def test_a_perceptron_never_settles_on_xor_and_goes_round():
    errors = run_errors("07-xor", "Single layer")
    epochs = [sum(errors[n : n + 4]) for n in range(0, len(errors), 4)]
    assert min(epochs) > 0  # no line separates XOR: in each epoch at least one is wrong
    described, book = saved("07-xor")
    states = []
    for n in range(3, len(errors), 4):  # the weights after each epoch
        row = [
            book.sheets[s].values[r, c]
            for name, index, layer in (
                ("new_weights", (n, 0, 0), 0), ("new_weights", (n, 1, 0), 0),
                ("new_biases", (n, 0), 0))
            for s, r, c in [cell_of(described, "Single layer", name, index, layer)]
        ]  # fmt: skip
        states.append(tuple(row))
    assert len(set(states)) < len(states)  # it comes back to where it was


def test_a_hidden_layer_learns_xor():
    errors = run_errors("07-xor", "Hidden layer")
    assert all(later < earlier for earlier, later in pairwise(errors))
    described, book = saved("07-xor")
    sheet, row, column = cell_of(described, "Hidden result", "right", ())
    assert book.sheets[sheet].values[row, column] == 4


def test_the_learning_rates_do_what_mathematics_says():
    # E along a direction of curvature s changes by (1 − LR·s)² an update; s is 10 and 2
    for part, rate in (("LR 0.01", 0.01), ("LR 0.15", 0.15), ("LR 0.195", 0.195),
                       ("LR 0.21", 0.21)):  # fmt: skip
        errors = run_errors("06-learning-rate", part)
        steep, flat = (1 - rate * 10) ** 2, (1 - rate * 2) ** 2
        a, b = np.linalg.solve([[1, 1], [steep, flat]], errors[:2])
        for n, error in enumerate(errors):
            assert error == pytest.approx(a * steep**n + b * flat**n, rel=1e-6, abs=1e-12)
    assert run_errors("06-learning-rate", "LR 0.21")[-1] > 51.75
    assert run_errors("06-learning-rate", "LR 0.01")[-1] > 0.5


def test_overtraining_is_seen():
    described, book = saved("04-data-and-overtraining")

    def column(quantity):
        claim = next(c for c in described.claims if (c.part, c.quantity) == ("Training", quantity))
        values = book.sheets[claim.cells.sheet].values
        rows = range(claim.cells.top, claim.cells.bottom + 1)
        return [values[row, claim.cells.left] for row in rows]

    training, validation = column("error"), column("validation_error")
    assert all(later < earlier for earlier, later in pairwise(training))
    best = validation.index(min(validation))
    assert 5 < best < 40
    assert validation[-1] > 2 * validation[best]


def test_two_starts_end_in_two_basins():
    ends = [run_errors("local-minima", part)[-1] for part in ("Deep start", "Shallow start")]
    assert ends[1] > ends[0] + 0.4
    for part in ("Deep start", "Shallow start"):  # neither moves any more
        errors = run_errors("local-minima", part)
        assert errors[-2] - errors[-1] < 1e-3


# books


@pytest.mark.slow
@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_every_chart_draws_cells_that_hold_numbers(path):
    book = openpyxl.load_workbook(SERIES / f"{path.stem}.xlsx", data_only=True)
    plan = read_plan(path)
    assert ("Charts" in book.sheetnames) == bool(plan.charts)
    if not plan.charts:
        return
    charts = book["Charts"]._charts
    assert len(charts) == len(plan.charts)
    for chart in charts:
        assert chart.series
        for series in chart.series:
            for source in (series.val, series.yVal, series.xVal, series.cat):
                if source is None or source.numRef is None:
                    continue
                sheet, _, area = source.numRef.f.rpartition("!")
                cells = book[sheet.strip("'").replace("''", "'")][area]
                values = [cell.value for row in cells for cell in row]
                assert all(isinstance(value, (int, float)) for value in values), source.numRef.f


def test_the_guide_says_whose_workbook_it_is():
    for path in BOOKS:
        plan = read_plan(path)
        book = openpyxl.load_workbook(SERIES / f"{path.stem}.xlsx", read_only=True)
        text = "\n".join(str(c) for row in book["Guide"].values for c in row if c)
        if plan.number:
            assert f"Our workbook for the topic of part {plan.number}" in text
        for part in plan.parts:
            assert part.name in text
    assert sorted(read_plan(p).number for p in BOOKS if read_plan(p).number) == [
        n for n in range(1, 15) if n != 10
    ]


GOOD = """
schema = "cellgrad-book/1"
id = "small"
title = "Small"
[[parts]]
name = "Epoch"
kind = "run"
case = "series-12-training-program"
"""

CHART = '[[charts]]\ntitle = "x"\nkind = "line"\n'

BAD_BOOKS = {
    "no TOML": ("schema = ", "not TOML"),
    "an unknown key": (GOOD + 'colour = "red"\n', "parts[0]"),
    "a kind that is none": (GOOD.replace('"run"', '"walk"'), "parts[0]"),
    "a name that is taken": (GOOD + '[[parts]]\nname = "epoch"\nkind = "function"\nvalues = [1]\n',
                             "taken"),
    "a name of the workbook's own": (GOOD.replace('"Epoch"', '"Charts"'), "taken"),
    "a case that is missing": (GOOD.replace("series-12-training-program", "nowhere"), "nowhere"),
    "weights of a part that stands below": (
        GOOD.replace("[[parts]]", '[[parts]]\nname = "After"\nkind = "validation"\n'
                     'case = "series-13-validation"\nsamples = "validation"\nweights = "Epoch"\n'
                     "[[parts]]"), "no earlier run"),
    "rates that do not fit": (GOOD + "learning_rate = [1, 2]\n", "2 learning rates for 12 updates"),
    "samples that do not fit": (
        GOOD + '[[parts]]\nname = "Other"\nkind = "run"\ncase = "series-13-validation"\n'
        'data = "Epoch"\n', "12 samples"),
    "a chart of nothing": (
        GOOD + CHART + 'series = [{part = "Epoch", quantity = "x"}]\n',
        "has no 'x'"),
    "a chart of a part that is not there": (
        GOOD + CHART + 'series = [{part = "E", quantity = "error"}]\n',
        "no part 'E'"),
    "a sweep of a weight that is not there": (
        GOOD + '[[parts]]\nname = "S"\nkind = "sweep"\ncase = "series-05-parabola"\n'
        "sweep = [{weights = [0, 5, 0], values = [1]}]\n", "no parameter"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_BOOKS)
def test_a_book_that_cannot_be_used_is_refused_in_one_line(kind, tmp_path, command):
    text, word = BAD_BOOKS[kind]
    (tmp_path / "book.toml").write_text(text, "utf-8")
    answer = command("build", "book.toml", "-o", "book.xlsx")
    assert is_refusal(answer, word)


def test_a_good_book_is_built(tmp_path, command):
    (tmp_path / "book.toml").write_text(GOOD, "utf-8")
    assert command("build", "book.toml", "-o", "book.xlsx").code == 0
    assert command("verify", "book.xlsx").code == 0


# maps of parts that were tampered with


def with_map(source, target, change):
    book = openpyxl.load_workbook(source)
    change(book["Map"])
    book.save(target)


@pytest.mark.parametrize(
    ("fact", "value"),
    [("updates", "13"), ("data", "9"), ("nodes", "3-5-1"), ("optimizer", "adam"), ("kind", "walk"),
     ("momentum", "maybe"), ("samples", "2"), ("evaluated", "-1")],
)  # fmt: skip
@pytest.mark.slow
def test_a_description_that_does_not_fit_is_a_disagreement(fact, value, tmp_path, command):
    def change(sheet):
        row = next(r for r in range(1, 60) if sheet.cell(r, 1).value == fact)
        sheet.cell(row, 2).value = value

    with_map(SERIES / "12-training-program.xlsx", tmp_path / "odd.xlsx", change)
    answer = command("verify", "odd.xlsx")
    assert answer.code == 1
    assert "Traceback" not in answer.err


@pytest.mark.slow
def test_every_row_of_a_map_of_parts_is_needed(tmp_path):
    source = SERIES / "12-training-program.xlsx"
    rows = openpyxl.load_workbook(source)["Map"].max_row
    chosen = random.Random(3).sample(range(4, rows + 1), 12)
    for row in chosen:
        path = tmp_path / f"{row}.xlsx"
        book = openpyxl.load_workbook(source)
        sheet = book["Map"]
        first, second = (sheet.cell(row, column).value for column in (1, 2))
        heads = first in (None, "kind") and second in (None, "quantity")
        if heads or first == "case":
            continue
        for column in range(1, 10):
            sheet.cell(row, column).value = None
        book.save(path)
        assert not verify_workbooks([path], ["formualizer"])[0].agrees, row


# the 5,000 steps


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "steps.xlsx"
    build(read_source(CASES / "series-3-4-1-5000.json"), path)
    return path


@pytest.mark.slow
@pytest.mark.xdist_group("long")
@pytest.mark.parametrize("engine", ["formualizer", "ironcalc", "libreoffice"])
def test_5000_steps_agree_to_the_last_bit(long_run, engine, engine_or_skip):
    engine_or_skip(engine)
    with np.errstate(all="ignore"):
        report = Verifier(describe(long_run), engine_or_skip(engine), draws=1, max_draws=1).run()
    assert report.agrees, report.mismatches[0].line()
    epoch = [place for place in report.inexact["step"] if place[0] == "Epoch"]
    assert epoch == []


@pytest.mark.slow
@pytest.mark.xdist_group("long")
def test_5000_steps_end_where_plain_python_ends(long_run):
    document = json.loads((CASES / "series-3-4-1-5000.json").read_text("utf-8"))
    _, weights, _ = plain_training.train(document, 5000)
    described = describe(long_run)
    for layer in (0, 1):
        claim = next(c for c in described.claims if (c.quantity, c.layer) == ("new_weights", layer))
        values = described.book.sheets["Epoch"].values
        cells = claim.cells
        row = [values[cells.bottom, c] for c in range(cells.left, cells.right + 1)]
        assert row == np.array(weights[layer]).ravel().tolist()


@pytest.mark.slow
@pytest.mark.xdist_group("long")
@pytest.mark.libreoffice
def test_libreoffice_saves_the_5000_steps_again(long_run, tmp_path):
    import subprocess  # noqa: PLC0415 (for this test alone)

    if shutil.which("soffice") is None:
        pytest.skip("LibreOffice is not installed")
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    subprocess.run(
        ["soffice", profile, "--headless", "--convert-to", "ods", "--outdir", str(tmp_path),
         str(long_run)],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert (tmp_path / "steps.ods").stat().st_size > 1_000_000


def test_the_quantities_of_a_run_are_those_of_its_steps():
    case = read_case(CASES / "series-13-validation.json")
    shape = RunShape.of(case)
    of_step = {q.key for q in quantities(shape.step) if not q.given}
    assert of_step <= {q.key for q in shape.quantities()}


def test_adam_needs_a_gradient():
    document = json.loads((CASES / "series-07-single-layer.json").read_text("utf-8"))
    document["optimizer"] = {"name": "adam"}
    with pytest.raises(CaseError, match="no gradient"):
        RunShape.of(parse_case(json.dumps(document).encode()))
