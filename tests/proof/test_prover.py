"""What is proved, and what is refused, by name of the cell and with both sides."""

import os
import random
import re
import shutil
import subprocess
import time
from itertools import pairwise, product

import pytest
from changed_books import (
    BOOKS,
    BY_HAND,
    FIRST,
    LONG,
    SHIPPED,
    SPREADSHEETS,
    changed,
    formula_at,
    holds,
    name_of,
    named,
    opened,
    place_of,
    value_at,
    written,
)
from hypothesis import given, settings

from cellgrad.build import read_source
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.book import read_book
from cellgrad_proof.proof import derivatives, terms
from cellgrad_proof.proof.workbook import prove_book, prove_workbook
from drawn_cases import PERMITTED, as_case, big_case, cases, parsed, run_cases
from hostile import parts_of, with_formula, zipped
from mutation import Algebra, mutants_of

# every shipped workbook, by both grades


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=pytest.mark.slow if path.stat().st_size > LONG else ())
        for path in SHIPPED
    ],
    ids=lambda path: path.stem,
)
@pytest.mark.slow
def test_every_shipped_workbook_is_proved(path):
    report = prove_workbook(path)
    assert holds(report)
    assert report.identity_tested == 0
    assert report.error_bound == 0
    formulas = sum(len(sheet.formulas) for sheet in read_book(path).sheets.values())
    assert report.proved + report.not_covered == formulas  # no formula is passed over


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=() if path in (FIRST, BY_HAND) else pytest.mark.slow)
        for path in SHIPPED
    ],
    ids=lambda path: path.stem,
)
def test_the_identity_test_alone_agrees_about_every_shipped_workbook(path):
    report = prove_workbook(path, exact=False)
    assert holds(report)
    assert report.proved == 0
    assert report.identity_tested == prove_workbook(path).proved
    assert 0 < report.error_bound < 2.0**-100


def test_every_gradient_is_counted():
    assert prove_workbook(FIRST).gradients == 3 * 4 + 4 * 1
    report = prove_workbook(SPREADSHEETS / "series" / "12-training-program.xlsx")
    assert report.gradients == 12 * 16 + 16


@pytest.mark.slow
def test_a_small_and_a_larger_network_are_proved_in_time(tmp_path):
    larger = written(big_case([8, 16, 4]), tmp_path)
    for path, limit in ((FIRST, 1.0), (larger, 5.0)):
        start = time.process_time()
        assert holds(prove_workbook(path))
        assert time.process_time() - start < limit


def test_what_holds_only_for_some_targets_is_said():
    report = prove_workbook(SPREADSHEETS / "more" / "softmax-3-4-3.xlsx")
    assert any("Σ target = 1" in note for note in report.notes)
    for name in ("training-step-3-4-1", "more/bce-3-3-2"):
        assert not any("Σ" in note for note in prove_workbook(SPREADSHEETS / f"{name}.xlsx").notes)


def test_of_a_unit_step_it_is_said_that_nothing_is_differentiated():
    report = prove_workbook(SPREADSHEETS / "more" / "perceptron-3-1.xlsx")
    assert holds(report)
    assert any("nothing to differentiate" in note for note in report.notes)


# freshly built ones


@settings(max_examples=6, deadline=None)
@given(document=cases())
@pytest.mark.slow
def test_any_step_is_proved(document, tmp_path_factory):
    assert holds(prove_workbook(written(as_case(document), tmp_path_factory.mktemp("step"))))


@settings(max_examples=4, deadline=None)
@given(document=run_cases())
def test_any_run_is_proved(document, tmp_path_factory):
    assert holds(prove_workbook(written(parsed(document), tmp_path_factory.mktemp("run"))))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(document=cases())
def test_any_of_many_steps_is_proved_by_both_grades(document, tmp_path_factory):
    path = written(as_case(document), tmp_path_factory.mktemp("step"))
    assert holds(prove_workbook(path))
    assert holds(prove_workbook(path, exact=False))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(document=run_cases())
def test_any_of_many_runs_is_proved_by_both_grades(document, tmp_path_factory):
    path = written(parsed(document), tmp_path_factory.mktemp("run"))
    assert holds(prove_workbook(path))
    assert holds(prove_workbook(path, exact=False))


def drawn_case(loss, output, depth, seed):
    """Return a case of some depth: a batch, biases, decay and conventions as the seed says."""
    rng = random.Random(f"{loss} {output} {depth} {seed}")
    hidden = ("logistic", "tanh", "relu", "leaky_relu", "identity")
    nodes = [rng.randint(1, 3) for _ in range(depth)] + [3 if output == "softmax" else 2]
    activations = [rng.choice(hidden) for _ in range(depth - 1)] + [output]
    number = lambda: rng.randint(-64, 64) / 64  # noqa: E731 - read once, below
    layers = list(pairwise(nodes))
    count = rng.randint(1, 3)
    softmax = [[1.0, 0.0, 0.0], [0.25, 0.25, 0.5]]
    return {
        "network": {
            "nodes": nodes,
            "activations": activations,
            "weights": [[[number() for _ in range(m)] for _ in range(n)] for n, m in layers],
            "biases": [[number() for _ in range(m)] for m in nodes[1:]] if seed % 2 else None,
            "leaky_slope": 0.125,
        },
        "loss": loss,
        "update": "online" if count == 1 else rng.choice(["batch_sum", "batch_mean"]),
        "learning_rate": 0.5,
        "samples": [
            {
                "input": [number() for _ in range(nodes[0])],
                "target": rng.choice(softmax) if output == "softmax" else [0.25, 0.75],
            }
            for _ in range(count)
        ],
        "optimizer": {"weight_decay": rng.choice([0.0, 0.125])},
        "conventions": {
            "error_sign": rng.choice(["output_minus_target", "target_minus_output"]),
            "update_biases": rng.random() < 0.7,
            "decay_biases": rng.random() < 0.5,
        },
    }


PAIRS = [
    pytest.param(
        *pair,
        depth,
        marks=() if depth == 2 and pair[1] in ("logistic", "softmax") else pytest.mark.slow,
    )
    for pair in PERMITTED
    for depth in (1, 2, 3, 4)
]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "output", "depth"), PAIRS)
def test_every_permitted_pair_is_proved_at_every_depth(loss, output, depth, tmp_path):
    for seed in (1, 2):
        path = written(as_case(drawn_case(loss, output, depth, seed)), tmp_path)
        report = prove_workbook(path)
        assert holds(report)
        assert report.identity_tested == 0


@pytest.mark.slow
@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.stem)
def test_every_book_as_it_is_written_now_is_proved(book, tmp_path):
    assert holds(prove_workbook(written(read_source(book), tmp_path)))


# what must be refused


def old_and_new_weights_exchanged(book):
    place = place_of(book, "backpropagated_error", (0, 1), 0)
    old = a1(*place_of(book, "weights", (1, 0), 1)[1:])
    new = a1(*place_of(book, "new_weights", (1, 0), 1)[1:])
    return place, formula_at(book, place).replace(old, new)


def derivative_of_the_post_activation(book):
    place = place_of(book, "activation_derivative", (0, 0), 0)
    s = a1(*place_of(book, "post_activation", (0, 0), 0)[1:])
    again = f"1/(1+EXP(-{s}))"
    return place, f"{again}*(1-{again})"


def own_value_as_a_formula(book):
    place = place_of(book, "weight_gradient", (0, 0), 0)
    return place, repr(value_at(book, place))


def own_value_as_a_number(book):
    place = place_of(book, "weight_gradient", (1, 0), 0)
    return place, value_at(book, place)


def half_missing(book):
    place = place_of(book, "error")
    formula = formula_at(book, place)
    assert formula.startswith("0.5*")
    return place, formula.removeprefix("0.5*")


def plus_for_minus(book):
    place = place_of(book, "new_weights", (0, 0), 0)
    return place, formula_at(book, place).replace("-", "+")


def right_only_at_these_values(book):
    place = place_of(book, "weight_gradient", (0, 0), 1)
    return (
        place,
        f"{formula_at(book, place)}+{a1(*place_of(book, 'pre_activation', (0, 0), 1)[1:])}",
    )


def wrong_index_of_an_equal_value(book):
    """Both hidden nodes hold ½: the wrong one gives the same number."""
    place = place_of(book, "weight_gradient", (1, 0), 1)
    formula = formula_at(book, place)
    sheet, row, _ = place
    right, wrong = (f"B{row}", f"B{row - 1}")
    assert right in formula
    assert value_at(book, (sheet, row, 2)) == value_at(book, (sheet, row - 1, 2))
    return place, formula.replace(right, wrong)


def sign_of_the_exponent(book):
    place = place_of(book, "post_activation", (0, 0), 0)
    return place, formula_at(book, place).replace("-", "")


def a_term_dropped(book):
    place = place_of(book, "pre_activation", (0, 0), 0)
    return place, formula_at(book, place).partition("+")[0]


def a_pass_of_the_check(book):
    place = place_of(book, "pass_pre_activation", (3, 0, 0), 0)
    return place, f"{formula_at(book, place)}*1.5"


def the_quotient_of_the_check(book):
    place = place_of(book, "difference_quotient", (0,))
    return place, formula_at(book, place).replace("2*", "")


PLANTED = [
    old_and_new_weights_exchanged, derivative_of_the_post_activation, own_value_as_a_formula,
    own_value_as_a_number, half_missing, plus_for_minus, right_only_at_these_values,
    wrong_index_of_an_equal_value, sign_of_the_exponent, a_term_dropped, a_pass_of_the_check,
    the_quotient_of_the_check,
]  # fmt: skip


@pytest.mark.parametrize("exact", [True, False], ids=["proof", "identity"])
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_is_refuted_and_named(plant, exact):
    book = opened(BY_HAND)
    place, content = plant(book)
    assert content not in (formula_at(book, place), "")
    report = prove_book(changed(book, {place: content}), exact=exact)
    failure = next(f for f in report.failures if f"{f.sheet}!{f.cell}" == name_of(place))
    held = content if isinstance(content, str) else repr(content)
    assert failure.formula.removeprefix("=") == held
    assert failure.expected
    assert failure.expected != failure.formula
    # what follows from the cell is not blamed for it; where E itself is another function,
    # its derivative is another too
    assert len(report.failures) <= 3, report.failures


def test_both_sides_are_shown_in_the_words_of_the_sheet():
    book = opened(BY_HAND)
    place, content = old_and_new_weights_exchanged(book)
    (failure,) = prove_book(changed(book, {place: content})).failures
    assert failure.quantity == "Σ S_ERROR·weight[1,2]"
    assert failure.equation == "Eq. 11"
    assert failure.index == (0, 0, 1)
    assert failure.expected == "S_ERROR_O[1,1] * weight_HtoO[2,1]"
    assert "∂E/∂S_postA_H[1,2]" in failure.problem


def test_a_doubled_error_with_the_gradient_left_single_is_refuted(tmp_path):
    case = as_case(drawn_case("squared_error", "logistic", 2, 2))
    path = written(case, tmp_path)
    book = read_book(path)
    assert holds(prove_book(book))
    place = place_of(book, "error_derivative", (0, 0))
    formula = formula_at(book, place)
    assert formula.startswith("2*")
    assert named(prove_book(changed(book, {place: formula.removeprefix("2*")}))) == {name_of(place)}


def test_an_error_doubled_in_the_sheet_is_refuted_with_its_derivative():
    book = opened(BY_HAND)
    place = place_of(book, "error")
    report = prove_book(changed(book, {place: f"2*({formula_at(book, place)})"}))
    assert named(report) == {name_of(place), name_of(place_of(book, "error_derivative", (0, 0)))}


ROWS = {
    "new weight": ("12-training-program", "Program", "new_weights", (5, 2, 3), 0, "{}*1.5"),
    "gradient": ("13-validation", "Epoch", "weight_gradient", (7, 0, 0), 0, "-({})"),
    "sample": ("13-validation", "Epoch", "input", (7, 0, 0), None, "'Epoch data'!B5"),
    "velocity": ("optimisers", "Momentum", "velocity", (3, 0, 0), 0, "{}+{}"),
    "moment": ("optimisers", "Adam", "second_moment", (3, 0, 0), 0, "{}-1"),
    "corrected": ("optimisers", "Adam", "corrected_first_moment", (3, 0, 0), 0, "2*({})"),
    "start": ("optimisers", "Adam", "start_weights", (1, 0), 0, "1*SGD!B8"),
    "penalty": ("optimisers", "Decay", "penalty", (3,), None, "2*({})"),
    "sweep": ("05-training-theory", "Parabola", "weight_gradient", (3, 0, 0), 0, "{}*1"),
    "surface": ("local-minima", "Surface", "surface", (3, 3), None, "0+({})*2"),
    "class": ("13-validation", "After", "class", (3,), None, "1-({})"),
    "accuracy": ("13-validation", "After", "accuracy", (), None, "({})+0.1"),
    "linked weight": ("13-validation", "After", "weights", (1, 1), 0, "({})*-1"),
    "slope": ("08-logistic", "Logistic", "derivative", (3,), None, "({})*2"),
    "comparison": ("optimisers", "Comparison", "error", (3, 1), None, "2*({})"),
    "spread": ("hidden-nodes", "Accuracy", "spread", (3,), None, "2*({})"),
    "rule": ("14-data", "Training data", "correct", (3,), None, "1-({})"),
}


_SLOWER = {"start", "corrected", "penalty", "moment", "comparison", "surface"}


@pytest.mark.parametrize(
    "what",
    [pytest.param(name, marks=pytest.mark.slow if name in _SLOWER else ()) for name in ROWS],
)
@pytest.mark.slow
def test_a_mistake_in_one_row_is_named_and_no_other_row(what):
    stem, part, quantity, index, layer, template = ROWS[what]
    book = opened(SPREADSHEETS / "series" / f"{stem}.xlsx")
    place = place_of(book, quantity, index, layer, part)
    formula = formula_at(book, place)
    wrong = template.replace("{}", formula)
    report = prove_book(changed(book, {place: wrong}))
    if template == "{}*1":
        assert holds(report)  # another way to write the same
    else:
        followers = {"penalty": {"Decay!BD12", "Decay!BE12"}}  # derivatives of another P
        assert named(report) == {name_of(place)} | followers.get(what, set())


def test_a_row_that_starts_two_rows_above_is_refuted():
    book = opened(SPREADSHEETS / "series" / "12-training-program.xlsx")
    place = place_of(book, "pre_activation", (5, 0, 2), 0, "Program")
    row = place[1]
    wrong = re.sub(rf"(?<=[A-Z]){row - 1}\b", str(row - 2), formula_at(book, place))
    assert wrong != formula_at(book, place)
    assert name_of(place) in named(prove_book(changed(book, {place: wrong})))


def test_a_sweep_that_takes_the_value_of_another_row_is_refuted():
    book = opened(SPREADSHEETS / "series" / "05-training-theory.xlsx")
    place = place_of(book, "pre_activation", (3, 0, 0), 0, "Parabola")
    value = a1(*place_of(book, "axis", (3,), 0, "Parabola")[1:])
    other = a1(*place_of(book, "axis", (4,), 0, "Parabola")[1:])
    wrong = formula_at(book, place).replace(value, other)
    assert wrong != formula_at(book, place)
    assert name_of(place) in named(prove_book(changed(book, {place: wrong})))


def test_formulas_spelled_otherwise_are_proved():
    book = opened(BY_HAND)
    error = place_of(book, "error")
    fe = a1(*place_of(book, "final_error", (0, 0))[1:])
    slope = place_of(book, "activation_derivative", (0, 0), 0)
    z = a1(*place_of(book, "pre_activation", (0, 0), 0)[1:])
    changes = {
        error: f"{fe}^2/2",
        slope: f"EXP({z})/(1+EXP({z}))^2",
    }
    assert holds(prove_book(changed(book, changes)))


def test_a_gradient_written_out_as_the_article_does_is_proved():
    book = opened(BY_HAND)
    place = place_of(book, "weight_gradient", (0, 1), 0)
    parts = {
        "δ": place_of(book, "error_signal", (0, 0), 1),
        "w": place_of(book, "weights", (1, 0), 1),
        "s": place_of(book, "post_activation", (0, 1), 0),
        "x": place_of(book, "input", (0, 0)),
    }
    at = {name: a1(*cell[1:]) for name, cell in parts.items()}
    text = f"{at['δ']}*{at['w']}*{at['s']}*(1-{at['s']})*{at['x']}"
    assert holds(prove_book(changed(book, {place: text})))


RELU = SPREADSHEETS / "more" / "by-hand-relu-2-2-1.xlsx"


def test_at_the_kink_only_the_declared_derivative_passes():
    book = opened(RELU)
    place = place_of(book, "activation_derivative", (0, 0), 0)
    z, s = (
        a1(*place_of(book, name, (0, 0), 0)[1:]) for name in ("pre_activation", "post_activation")
    )
    assert holds(prove_book(changed(book, {place: f"IF({s}>0,1,0)"})))  # MAX(0,z)>0 where z>0
    for wrong in (f"IF({z}>=0,1,0)", f"IF({z}<0,1,0)", "1", f"IF({z}>1,1,0)"):
        assert named(prove_book(changed(book, {place: wrong}))) == {name_of(place)}


def test_a_relu_may_be_written_with_if_and_take_either_side_at_0():
    book = opened(RELU)
    place = place_of(book, "post_activation", (0, 0), 0)
    z = a1(*place_of(book, "pre_activation", (0, 0), 0)[1:])
    for right in (f"IF({z}>0,{z},0)", f"MAX({z},0)"):
        assert holds(prove_book(changed(book, {place: right})))
    # the same function, but its own derivative at 0 is another than the declared one
    other = prove_book(changed(book, {place: f"IF({z}>=0,{z},0)"}))
    assert name_of(place) not in named(other)


def test_a_helper_cell_of_a_persons_own_is_seen_through_but_named():
    book = opened(BY_HAND)
    place = place_of(book, "weight_gradient", (0, 0), 0)
    helper = (place[0], 90, 1)
    report = prove_book(changed(book, {place: "A90", helper: formula_at(book, place)}))
    assert named(report) == {name_of(helper)}
    assert report.failures[0].problem == "a formula that the Map does not claim"


def test_a_circular_reference_is_refused():
    book = opened(BY_HAND)
    z = place_of(book, "pre_activation", (0, 0), 0)
    s = place_of(book, "post_activation", (0, 0), 0)
    report = prove_book(changed(book, {z: a1(*s[1:])}))
    assert "a circular reference" in report.failures[0].problem
    assert not report.holds


def test_a_given_that_follows_from_another_cell_is_refused_and_a_third_is_none():
    book = opened(BY_HAND)
    weight, x = place_of(book, "weights", (0, 0), 0), place_of(book, "input", (0, 0))
    assert holds(prove_book(changed(book, {x: "1/3"})))
    report = prove_book(changed(book, {x: a1(*weight[1:])}))
    assert named(report) == {name_of(x)}


# mutants


def every_mutant(book, places):
    values = {place: value_at(book, place) for place in places}
    return [
        mutant
        for place in places
        for mutant in mutants_of(place, formula_at(book, place), values[place], book, {})
        if mutant.operator != "constant cell" or isinstance(mutant.constant, float)
    ]


def check_mutants(path, sheets, step):
    """Every mutant is refuted by name of its cell, or the same function by other algebra."""
    from cellgrad.described import describe  # noqa: PLC0415 (for the other algebra)

    book, described = read_book(path), describe(path)
    algebra = Algebra(described)
    covered = {
        (claim.cells.sheet, claim.cells.top + r, claim.cells.left + c)
        for claim in described.claims
        if claim.kind in ("step", "check")
        for r, c in product(range(claim.cells.height), range(claim.cells.width))
    }
    places = [
        (sheet, *cell) for sheet in sheets for cell in book.sheets[sheet].formulas
        if (sheet, *cell) in covered
    ]  # fmt: skip
    survivors, refuted = [], 0
    for mutant in every_mutant(book, places)[::step]:
        content = mutant.constant if mutant.formula is None else mutant.formula
        report = prove_book(changed(book, {mutant.place: content}))
        if mutant.cell in named(report) or any("circular" in f.problem for f in report.failures):
            refuted += 1
            assert algebra.equivalent(mutant) is None, mutant
        else:
            survivors.append(mutant)
    assert refuted >= len(survivors)
    for mutant in survivors:
        assert algebra.equivalent(mutant) is not None, mutant
    return refuted, len(survivors)


@pytest.mark.slow
def test_mutants_of_the_step_are_refuted_or_equivalent():
    check_mutants(BY_HAND, ["Step"], step=16)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sheets", "step"),
    [
        ("by-hand-logistic-2-2-1", ["Step", "Check"], 1),
        ("by-hand-relu-2-2-1", ["Step", "Check"], 3),
        ("softmax-3-4-3", ["Step"], 20),
    ],
)
def test_many_mutants_are_refuted_or_equivalent(name, sheets, step):
    check_mutants(SPREADSHEETS / "more" / f"{name}.xlsx", sheets, step)


# copies that other programs saved


def resaved(path, program, folder):
    if shutil.which(program) is None:
        if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    target = folder / path.name
    if program == "soffice":
        profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
        command = [program, profile, "--headless", "--convert-to", "xlsx", "--outdir", folder, path]
    else:
        command = [program, path, target]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120)
    assert target.exists(), done.stderr
    return target


COPIED = ["training-step-3-4-1", "more/softmax-3-4-3", "more/leaky-3-4-2",
          "published/ng-2-2-4-decay", "series/13-validation", "series/optimisers",
          "series/local-minima", "series/02-weights-by-thought"]  # fmt: skip


@pytest.mark.libreoffice
@pytest.mark.parametrize(
    "name", [COPIED[0], *(pytest.param(name, marks=pytest.mark.slow) for name in COPIED[1:])]
)
@pytest.mark.slow
def test_a_copy_saved_by_libreoffice_is_proved(name, tmp_path):
    copy = resaved(SPREADSHEETS / f"{name}.xlsx", "soffice", tmp_path)
    assert holds(prove_workbook(copy))


@pytest.mark.gnumeric
@pytest.mark.parametrize(
    "name", [*COPIED[:2], *(pytest.param(name, marks=pytest.mark.slow) for name in COPIED[2:])]
)
def test_a_copy_saved_by_gnumeric_is_proved(name, tmp_path):
    copy = resaved(SPREADSHEETS / f"{name}.xlsx", "ssconvert", tmp_path)
    assert holds(prove_workbook(copy))


@pytest.mark.gnumeric
def test_a_mistake_in_a_copy_saved_by_gnumeric_is_named(tmp_path):
    path = tmp_path / "wrong.xlsx"
    path.write_bytes(zipped(with_formula("B6*1", "gradient_ItoH", parts_of(BY_HAND))))
    (tmp_path / "copy").mkdir()
    copy = resaved(path, "ssconvert", tmp_path / "copy")
    assert named(prove_workbook(copy)) == {
        name_of(place_of(read_book(BY_HAND), "weight_gradient", (0, 0), 0))
    }


# a prover that knows less proves less


def test_without_the_chain_rule_nothing_is_proved(monkeypatch):
    monkeypatch.setattr(derivatives, "_of_call", lambda *_: terms.ONE)
    assert not prove_workbook(BY_HAND).holds


def test_where_the_proof_does_not_reach_the_identity_test_decides(monkeypatch):
    monkeypatch.setattr("cellgrad_proof.proof.prover._LARGEST", 5)
    report = prove_workbook(FIRST)
    assert holds(report)
    assert report.identity_tested > 0
    assert report.proved > 0
    assert report.proved + report.identity_tested == 649
    assert 0 < report.error_bound < 2.0**-100
