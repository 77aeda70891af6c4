"""Numbers of students: nobody else's, fit, and telling mistakes apart."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignments import (
    EXAMPLE,
    NETWORKS,
    SECRET,
    assignment_of,
    numbers_of,
    of_network,
)
from cellgrad.errors import InputError
from cellgrad_audit.bugs.catalogue import by_id, variants
from cellgrad_audit.bugs.program import Program
from cellgrad_coursework.secret import Stream
from cellgrad_coursework.setting.assignment import read_assignment
from cellgrad_coursework.setting.discriminate import Discrimination
from cellgrad_coursework.setting.givens import draw_case, why_unfit
from cellgrad_coursework.setting.numbers import OwnNumbers
from plain_submission import few_digits


def test_numbers_are_nobody_elses_and_need_the_secret():
    assignment = assignment_of()
    ours, theirs = OwnNumbers(assignment, SECRET), OwnNumbers(assignment, SECRET[::-1])
    cases = [ours.case(f"s{n}") for n in range(5)]
    assert len({tuple(numbers_of(case)) for case in cases}) == 5
    assert ours.case("s3") == cases[3]
    for n, case in enumerate(cases):
        other = theirs.case(f"s{n}")
        same = sum(a == b for a, b in zip(numbers_of(case), numbers_of(other), strict=True))
        assert same <= 4  # the learning rate, and chance
    renamed = OwnNumbers(replace(assignment, id="ex-2"), SECRET)
    assert renamed.case("s3") != replace(cases[3], id="ex-2")


def test_a_stream_is_fair():
    stream = Stream(b"key")
    counts = np.bincount([stream.below(7) for _ in range(7_000)], minlength=7)
    assert counts.min() > 880  # five standard deviations
    assert counts.max() < 1_120


drawn_for = given(
    network=st.sampled_from(NETWORKS),
    style=st.sampled_from(["decimal", "dyadic"]),
    student=st.text(min_size=1, max_size=8),
)


@settings(max_examples=4, deadline=None)
@drawn_for
@pytest.mark.slow
def test_drawn_numbers_are_fit_and_an_unchanged_weight_never_passes(network, style, student):
    check_drawn(network, style, student)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@drawn_for
def test_many_drawn_numbers_are_fit_and_an_unchanged_weight_never_passes(network, style, student):
    check_drawn(network, style, student)


def check_drawn(network, style, student):
    assignment = of_network(*network, style=style)
    case = OwnNumbers(assignment, SECRET).case(student)
    assert few_digits(case)
    assert not why_unfit(case)
    record = Program(case).run().steps[0]
    for k, old in enumerate(case.network.weights):
        new = record["new_weights", k]
        gap, largest = np.abs(new - np.array(old)), np.maximum(np.abs(new), np.abs(old))
        assert np.all(gap > 10 * (1e-12 + 1e-9 * largest))


def test_an_unchanged_weight_is_off_in_typed_decimals_too():
    assignment = assignment_of(
        training="loss = 'half_squared_error'\nlearning_rate = 2.3",
        blanks="quantities = ['new_weights']\ntakes = 'value'\ndecimals = 6",
    )
    numbers = OwnNumbers(assignment, SECRET)
    for n in range(6):
        case = numbers.case(f"s{n}")
        record = Program(case).run().steps[0]
        for k, old in enumerate(case.network.weights):
            gap = np.abs(record["new_weights", k] - np.array(old))
            assert np.all(gap > 10 * 0.5e-6)


@pytest.mark.slow
def test_no_mistake_that_shows_elsewhere_hides_in_a_students_numbers():
    """Judged again, in another way: what shows with any numbers must show with these."""
    assignment = read_assignment(EXAMPLE / "assignment.toml")
    numbers = OwnNumbers(assignment, SECRET)
    mine = [numbers.case(f"s{n}") for n in range(2)]
    others = [
        case for n in range(6) if not why_unfit(case := draw_case(assignment, Stream(bytes([n]))))
    ]  # fmt: skip
    compared = 0
    for variant in variants():
        if by_id()[variant.entry].kind != "mistake":
            continue
        with np.errstate(all="ignore"):
            shown = [gaps(variant.program, case) for case in others]
            if None in shown:
                continue
            for case in mine:
                for place, gap in gaps(variant.program, case).items():
                    if all(s[place][0] > 1e-6 * s[place][1] for s in shown):
                        compared += 1
                        half = 0.5e-6 if place[0] == ("error", None) else 0
                        assert gap[0] > 10 * max(half, 1e-12 + 1e-9 * gap[1]), (variant, place)
    assert compared > 1_000


def gaps(program, case):
    """Return, cell by cell, how far a program is from the right one, and the larger value."""
    right = Program(case, keep={1}).run().steps[0]
    try:
        wrong = program(case, keep={1}).run().steps[0]
    except IndexError:
        return None
    return {
        (key, index): (abs(value - (other := wrong[key][index])), max(abs(value), abs(other)))
        for key, values in right.items()
        if key in wrong and np.shape(wrong[key]) == np.shape(values)
        for index, value in np.ndenumerate(values)
    }


def with_numbers(case, weights=None, samples=None):
    network = case.network if weights is None else replace(case.network, weights=weights)
    return replace(case, network=network, samples=samples or case.samples)


def test_numbers_under_which_a_mistake_hides_are_rejected():
    assignment = assignment_of(network="nodes = [2, 2, 2]\nactivations = ['logistic', 'logistic']")
    judge = Discrimination(assignment)
    good = OwnNumbers(assignment, SECRET).case("s1")
    assert judge.unseen(good) is None
    ((a, b), (_, d)), outer = good.network.weights[0], good.network.weights[1]
    symmetric = (((a, b), (b, d)), outer)  # transposed, it is the same
    assert judge.unseen(with_numbers(good, symmetric)) is not None
    alike = (good.network.weights[0], ((outer[0][0],) * 2, outer[1]))
    assert judge.unseen(with_numbers(good, alike)) is not None
    sample = good.samples[0]
    for samples in (
        (replace(sample, input=(1.0, sample.input[1])),),  # a missing factor hides
        (replace(sample, input=(0.0, sample.input[1])),),  # its weights do not change
    ):
        assert judge.unseen(with_numbers(good, samples=samples)) is not None, samples
    zero = judge.unseen(with_numbers(good, samples=(replace(sample, input=(0.0, 0.37)),)))
    assert not zero.mistake
    assert "unchanged" in zero.words()


def test_a_mistake_too_small_for_the_decimals_asked_for_is_rejected():
    """The hidden gradients of this case are of the order of a thousandth."""
    typed = assignment_of(blanks="takes = 'value'\ndecimals = 4")
    finer = assignment_of(blanks="takes = 'value'\ndecimals = 12")
    coarse, fine = Discrimination(typed), Discrimination(finer)
    cases = [c for n in range(12) if not why_unfit(c := draw_case(typed, Stream(bytes([n]))))]
    assert all(coarse.unseen(case) is not None for case in cases)
    assert any(fine.unseen(case) is None for case in cases)


@pytest.mark.slow
def test_where_no_numbers_will_do_the_line_says_how_many_decimals_would():
    assignment = assignment_of(blanks="takes = 'value'\ndecimals = 4")
    with pytest.raises(InputError, match=r"ask for [5-9] decimals, or for formulas") as refused:
        OwnNumbers(assignment, SECRET).case("s1", attempts=20)
    assert refused.value.place == "blanks.decimals"
