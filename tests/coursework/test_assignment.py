"""Assignments as lecturers write them, and what is said of their slips."""

import re

import pytest

from assignments import (
    EXAMPLE,
    assignment_of,
    text_of,
)
from cellgrad.errors import InputError
from cellgrad_coursework.setting.assignment import (
    computed_quantities,
    parse_assignment,
    read_assignment,
)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("id = 'a b'", "id"),
        ("points = -1", "blanks.points"),
        ("decimals = 3", "blanks.decimals"),
        ("nodes = [2]", "network.nodes"),
        ("nodes = [2, 2, 1.5]", "network.nodes, number 3"),
        ("activations = ['logistic', 'softmax']", "training.loss"),
        ("activations = ['logistic']", "network.activations"),
        ("samples = 2", "training.update"),
        ("learning_rate = nan", "training.learning_rate"),
        ("samples = [{input = [1.0], target = [1.0]}]", "training.samples, number 1, input"),
        ("quantities = ['S_ERROR_X']", "blanks.quantities, number 1"),
        ("quantities = ['weights']", "blanks.quantities, number 1"),
        ("quantities = ['E', 'E']", "blanks.quantities, number 2"),
        ("conventions = ['swapped-weights']", "grading.conventions, number 1"),
        ("unknown = 1", "the assignment"),
        ("nodes = [2, 2", "not TOML"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line_with_its_key(tmp_path, change, place):
    text = text_of(blanks="points = 1", grading="ecf_penalty = 0")
    key = change.split(" = ")[0]
    table = next(
        (name for name, keys in {
            "network": ("nodes", "activations"), "training": ("samples", "learning_rate"),
            "blanks": ("points", "decimals", "quantities"), "grading": ("conventions",),
        }.items() if key in keys), "",
    )  # fmt: skip
    text = re.sub(rf"(?m)^{key} = .*\n", "", text)
    text = text.replace(f"[{table}]\n", f"[{table}]\n{change}\n") if table else f"{change}\n{text}"
    path = tmp_path / "a.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as refused:
        read_assignment(path)
    line = refused.value.line()
    assert "\n" not in line
    assert line.startswith(f"{path}: {place}")
    assert len(line) < 600


def test_points_are_given_a_cell_or_together():
    rules = (
        "[[quantity]]\nname = 'new_weight_ItoH'\npoints_together = 3\n"
        "[[quantity]]\nname = 'error_signal'\ntakes = 'value'\n"
    )
    assignment = parse_assignment((text_of(blanks="points = 2") + rules).encode())
    blanks = {blank.quantity.defined_name: blank for blank in assignment.blanks}
    assert blanks["new_weight_ItoH"].points == 0.75
    assert blanks["S_ERROR_H"].takes == blanks["S_ERROR_O"].takes == "value"
    assert blanks["E"].points == 2


EXAMPLE_TEXT = (EXAMPLE / "assignment.toml").read_text("utf-8")


TRAINING = 'loss = "half_squared_error"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("learning_rate = 0.4", "learning_rat = 0.4",
         "training: learning_rat is no key here; did you mean learning_rate? allowed: loss, "),
        ("learning_rate = 0.4", "learning_rate = 0,4",
         "0,4 has a decimal comma; write a decimal point: learning_rate = 0.4"),
        ("learning_rate = 0.4", 'learning_rate = "0,4"', "write a decimal point: learning_rate ="),
        ("learning_rate = 0.4", 'learning_rate = "0.4"', "leave the quotes out: learning_rate ="),
        ("learning_rate = 0.4", "", "training: says nothing of learning_rate; add learning_rate ="),
        ("learning_rate = 0.4", "learning_rate = 0", "0 is too small; give a number of more than "),
        ("biases = false", "learning_rate = 1", "it belongs below [training]"),
        ("biases = false", 'biases = "no"', "write true or false without quotes, such as biases"),
        ("one_file = false", "onefile = true", "did you mean one_file? allowed: schema, id"),
        ("[grading]", "[grading]\none_file = true", "write it at the top"),
        ('due = "Friday, 27 November, 18:00"', "due = 27", "write due in quotes, such as due ="),
        ('title = "One training step by hand"', "title = 2026-11-27",
         "the date or time 2026-11-27 is not a text; write title in quotes"),
        ("nodes = [3, 4, 1]", 'nodes = "3-4-1"', "write a list, such as nodes = [3, 4, 1]"),
        ('["logistic", "logistic"]', '["sigmoid", "logistic"]',
         ("network.activations, number 1: 'sigmoid' is not known; did you mean logistic? use one "
          "of logistic, tanh, relu, leaky_relu, identity, softmax, unit_step")),
        (TRAINING, 'loss = "mse"', "did you mean mean_squared_error? use one of half_sq"),
        (TRAINING, 'loss = "MSE"', "did you mean mean_squared_error?"),
        (TRAINING, 'loss = "cross-entropy"',
         "did you mean binary_cross_entropy or categorical_cross_entropy?"),
        (TRAINING, 'loss = "half_square_error"', "did you mean half_squared_error?"),
        ('"logistic"]', '"softmax"]',
         ('training.loss: half_squared_error does not go with softmax outputs; write loss = '
          '"categorical_cross_entropy"')),
        ('name = "S_ERROR_H"', 'name = "S_EROR_H"',
         ("[[quantity]] 2, name: 'S_EROR_H' is nothing that this step computes; did you mean "
          "S_ERROR_H?")),
        ('name = "S_ERROR_H"', 'name = "delta"', "did you mean error_signal?"),
        ("points_together = 6", "points_together = 6\npoints = 1", "[[quantity]] 3: says both"),
        ('name = "E"\ntakes', 'nam = "E"\ntakes', "[[quantity]] 1: nam is no key here"),
        ('[[quantity]]\nname = "E"', '[quantity]\nname = "E"', "write [[quantity]]"),
        ('quantities = "all"', 'quantities = "E"', 'write quantities = "all", or a list of names'),
        ("conventions = []", 'conventions = ["error-sign"]', "did you mean error-sign-convention?"),
        ("conventions = []", 'conventions = "error-sign-convention"', "write a list, such as"),
        ("samples = 1\n", "samples = 0\n", "0 is too small; give a number of at least 1"),
        ("samples = 1\n", "samples = [ { input = [1.0], targe = [2.0] } ]\n",
         "training.samples, number 1: targe is no key here; did you mean target?"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_assignment_is_said_in_plain_words(old, new, said):
    assert old in EXAMPLE_TEXT
    with pytest.raises(InputError) as refused:
        parse_assignment(EXAMPLE_TEXT.replace(old, new, 1).encode())
    line = refused.value.line()
    assert said in line
    assert "\n" not in line
    for jargon in ("is not of type", "Additional properties", "is a required property", "schema is",
                   "under any of the given", "is not one of", "does not match"):  # fmt: skip
        assert jargon not in line


def test_all_names_that_fit_are_listed_however_many():
    text = text_of(
        network="nodes = [2, 2, 2, 2, 1]\nactivations = ['tanh', 'tanh', 'tanh', 'tanh']",
        blanks="quantities = ['nothing']",
    )
    with pytest.raises(InputError) as refused:
        parse_assignment(text.encode())
    for quantity in computed_quantities(assignment_of(
        network="nodes = [2, 2, 2, 2, 1]\nactivations = ['tanh', 'tanh', 'tanh', 'tanh']",
    ).structure):  # fmt: skip
        assert f"{quantity.defined_name}," in f"{refused.value.remedy},".replace(";", ",")


def test_softmax_over_one_output_says_why_not():
    with pytest.raises(InputError, match="softmax over one output is always 1"):
        assignment_of(
            network="nodes = [2, 1]\nactivations = ['softmax']",
            training="loss = 'categorical_cross_entropy'\nlearning_rate = 0.4",
        )


@pytest.mark.parametrize(
    ("due", "shown"),
    [
        ("2026-11-27", "2026-11-27"),
        ("2026-11-27T18:00:00", "2026-11-27 18:00"),
        ("2026-11-27 18:00:00+01:00", "2026-11-27 18:00 UTC+01:00"),
        ("'Friday'", "Friday"),
    ],
)
def test_a_due_date_may_be_written_without_quotes(due, shown):
    assert parse_assignment(f"due = {due}\n{text_of()}".encode()).due == shown
