"""The audit for people at a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_audit.report.document import document
from cellgrad_audit.report.terminal import print_audit
from made_audits import (
    AUDITS,
    UPDATED,
)

# terminal


def shown(audit):
    console = Console(width=80, file=io.StringIO(), highlight=False, force_terminal=False)
    print_audit(audit, console)
    return console.file.getvalue()


def plain(text):
    return " ".join(text.split())


@pytest.mark.parametrize("name", AUDITS)
def test_the_terminal_shows_nothing_beyond_80_columns_and_no_control_character(name, audits):
    text = shown(audits[name])
    assert max(map(len, text.splitlines())) <= 80
    assert all(c == "\n" or c.isprintable() for c in text)


SENTENCES = {
    "right": "Right: every number is the reference's to the last bit.",
    "within bounds in single precision": (
        "Right: every number lies within the rounding bounds of single precision."
    ),
    "right within a tolerance": (
        "Within your tolerance of 0.001: every number that was compared lies so near"
    ),
    "a mistake": (
        "Wrong: the error flows back through weights that are already updated "
        "(updated-output-weights)."
    ),
    "two mistakes": (
        "Wrong, by two mistakes at once: the gradient of the hidden weights lacks the input "
        "(no-input-factor), and the learning rate is missing (learning-rate-missing)."
    ),
    "an alternative formula": "Right, by another formula for the same mathematics",
    "a convention": (
        "Right only by another convention, which was not declared: the biases are never "
        "updated (bias-frozen)."
    ),
    "nothing explains it": (
        "Wrong: no mistake of the catalogue, alone or with another, explains the numbers."
    ),
    "no case could be run": "Inconclusive: no case gave numbers to compare.",
    "nothing asked": "Inconclusive: no case was asked.",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_verdict_is_one_plain_sentence(name, audits):
    assert SENTENCES[name] in plain(shown(audits[name]))
    assert SENTENCES[name] in plain(document(audits[name])["summary"])


def test_within_a_tolerance_nothing_is_called_right(audits):
    assert "Right" not in shown(audits["right within a tolerance"])
    assert "Right" not in document(audits["right within a tolerance"])["summary"]


def test_the_terminal_tells_the_mistake_its_numbers_and_its_ties(audits):
    text = plain(shown(audits["a mistake with a tie"]))
    entry = by_id()[UPDATED.entry]
    for words in (entry.wrong, entry.right, entry.fix, "error-flipped and a + b", "a trace of FE"):
        assert plain(words) in text
    first = audits["a mistake with a tie"].first_divergence
    assert first.label in text
    assert f"{first.found:.17g}" in text
    assert f"{first.right:.17g}" in text


def test_printed_numbers_are_shown_by_what_they_follow_from(audits):
    text = plain(shown(audits["printed numbers"]))
    assert "1 number: right" in text
    assert "12 numbers: updated-output-weights" in text
    assert "1 number: not explained" in text


def test_a_case_that_failed_is_reported_with_its_reason(audits):
    text = plain(shown(audits["one case failed"]))
    assert "1 case failed" in text
    assert "probe-batch: no output" in text
