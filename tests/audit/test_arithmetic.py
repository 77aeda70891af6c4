"""Error bounds that run along with a program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad_audit.bugs.arithmetic import RunningBounds, bounds_of, values_of
from cellgrad_audit.bugs.arithmetic import given as running
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.probes import probes

# error bounds that run along


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
)
def test_any_order_of_a_sum_of_products_stays_within_its_running_bound(numbers, random):
    from fractions import Fraction  # noqa: PLC0415

    pairs_of = list(zip(numbers, reversed(numbers), strict=True))
    terms = [running(a, "float32") * running(b, "float32") for a, b in pairs_of]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    exact = sum(Fraction(a) * Fraction(b) for a, b in pairs_of)
    random.shuffle(pairs_of)
    single = np.float32(0)
    for a, b in pairs_of:
        single = np.float32(single + np.float32(np.float32(a) * np.float32(b)))
    assert abs(Fraction(float(single)) - exact) <= Fraction(total.bound) * Fraction(
        11, 10
    ) + Fraction(1, 2**140)


def test_a_running_bound_knows_what_is_exact():
    three = running(3.0, "float64")
    assert (three * 0.5).bound == 0
    assert (three * three).bound == 9 * 2.0**-53
    assert (three + three).bound > 0
    assert running(0.1, "float32").bound == 0.1 * 2.0**-24
    assert running(0.5, "float32").bound == 0


@pytest.mark.parametrize("case", probes(), ids=lambda case: case.id)
def test_values_with_bounds_are_the_doubles(case):
    plainly, bounded = Program(case).run(), Program(case, RunningBounds()).run()
    for a, b in zip(plainly.weights, bounded.weights, strict=True):
        assert np.array_equal(a, values_of(b))
        assert np.all(bounds_of(b) < 1e-12)
