"""Two mistakes at once are both named, wherever the numbers can tell.

Pairs are drawn at random and made by the plain program (mistaken/); which of them can be told from
everything else is judged by that program's numbers.
"""

from __future__ import annotations

import pytest

from confusion.matrix import audited
from confusion.page import PAGE
from confusion.pairs import COUNT, both, drawn, judged, outcome, section

LEAST = 0.95


def test_at_least_a_hundred_different_pairs_of_two_entries_are_drawn():
    pairs = drawn()
    assert len(set(pairs)) == COUNT >= 100
    assert all(one.partition("/")[0] != other.partition("/")[0] for one, other in pairs)


def test_two_mistakes_in_one_run_are_both_named():
    pair = ("no-input-factor", "bias-frozen")
    _, named, verdict = outcome(pair)
    assert verdict == "known_bug"
    assert both(pair, named[0])


@pytest.mark.slow
def test_two_mistakes_in_one_process_are_both_named():
    result = audited("chain-dropped & learning-rate-squared/biases only")
    assert (result.verdict, result.code()) == ("known_bug", 1)
    entries = {entry.id for entry in result.diagnoses[0].entries}
    assert entries == {"chain-dropped", "learning-rate-squared"}


@pytest.mark.slow
def test_both_mistakes_are_named_in_nearly_all_pairs_and_the_page_lists_the_others():
    found = judged(drawn())
    possible = [one for one in found if not one.same]
    missed = [(one.pair, one.named) for one in possible if not one.told]
    assert len(possible) >= 100
    assert len(missed) <= (1 - LEAST) * len(possible), missed
    # only a pair whose two mistakes undo each other may be called right
    right = ("bit_identical", "within_bound", "alternative_formula")
    assert [one for one in found if one.verdict in right and "without" not in one.same] == []
    assert PAGE.read_text(encoding="utf-8").endswith(section(found))
