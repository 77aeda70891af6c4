"""Simulated students are graded as they were meant to be."""

from __future__ import annotations

import random

import pytest

from cellgrad_coursework.rehearsal.rehearse import rehearse, rehearse_command
from cellgrad_coursework.rehearsal.students import KINDS, addresses_in, written_otherwise
from cellgrad_coursework.running.runner import Settings
from handed_in import FAKE


def test_references_and_rewritten_formulas():
    assert addresses_in("B6*$C$6+EXP(-D7)/LN(10)") == ["B6", "C6", "D7"]
    rng = random.Random(1)
    assert written_otherwise("A1*B1", rng) == "PRODUCT(B1,A1)"
    assert written_otherwise("A1*B1+A2*B2", rng).startswith("SUM(")


@pytest.mark.slow
def test_simulated_students_are_graded_as_intended(course, manifest):
    result = rehearse(manifest, course, len(KINDS), settings=Settings(feedback=False, jobs=1))
    assert result.surprises == []
    assert result.as_intended
    assert set(result.kinds) | set(result.left_out) == set(KINDS)
    assert result.left_out == ["accepted convention"]  # none is accepted
    assert sum(result.verdicts.values()) == len(KINDS) * len(manifest.cells)


@pytest.mark.slow
def test_a_grader_that_grades_otherwise_is_found_out(course, manifest):
    result = rehearse(manifest, course, 2, settings=Settings(feedback=False, jobs=1, grader=FAKE))
    assert not result.as_intended
    assert any("wrong instead of ok" in line for line in result.surprises)


@pytest.mark.slow
def test_a_rehearsal_prints_the_confusion_matrix(course, capsys):
    assert rehearse_command(course, 170) == 0
    out = capsys.readouterr().out
    assert "embedded" in out
    assert f"170 students, {170 * 59:,} cells: as intended" in out
