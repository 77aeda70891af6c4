"""A grade in words."""

from __future__ import annotations

from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK_ECF,
    REVIEW,
    VERDICTS,
    WRONG,
)
from cellgrad_coursework.results.summary import COLOURS, MEANINGS, WORDS, summary
from graded import (
    grade,
    manifest,
    mistaken,
    unreadable,
)


def test_one_mistake_is_one_root_cause_with_its_consequences():
    told = summary(mistaken())
    assert told.sentence == "1 root cause, 24 consequences"
    assert [c.first.cell.address for c in told.causes] == ["I10"]
    assert len(told.causes[0].follows) == 24
    assert told.causes[0].lost == 1


def test_a_repeated_mistake_is_told_once_and_consequences_of_consequences_follow():
    a, b, c, d = (cell.address for cell in manifest().cells[:4])
    told = summary(
        grade({
            a: {"verdict": WRONG}, b: {"verdict": WRONG, "repeats": a, "points": 1.0},
            c: {"verdict": OK_ECF, "cause": b}, d: {"verdict": OK_ECF, "cause": c},
        })
    )  # fmt: skip
    assert told.sentence == "1 root cause, 2 consequences"
    cause = told.causes[0]
    assert [v.cell.address for v in cause.cells] == [a, b]
    assert [v.cell.address for v in cause.follows] == [c, d]
    assert cause.reach == "in 2 cells, charged once; 2 cells after it follow from it"


def test_one_mistake_throughout_a_quantity_is_told_once_and_in_another_again():
    bug = {"verdict": WRONG, "bug": "updated-output-weights"}
    told = summary(grade({"I10": dict(bug), "J10": dict(bug), "I12": dict(bug)}))
    assert [[v.cell.address for v in c.cells] for c in told.causes] == [["I12"], ["I10", "J10"]]
    assert told.causes[1].lost == 2
    assert "once" not in told.causes[1].reach


def test_what_follows_from_an_open_question_is_no_consequence_of_a_mistake():
    a, b, c, d = (cell.address for cell in manifest().cells[:4])
    told = summary(
        grade({
            a: REVIEW, b: {"verdict": OK_ECF, "cause": a}, c: {"verdict": WRONG},
            d: {"verdict": OK_ECF, "cause": c},
        })
    )  # fmt: skip
    assert told.sentence == "1 root cause, 1 consequence, 1 cell to be looked at"
    assert told.causes[0].reach == "1 cell after it follows from it"


def test_causes_in_a_circle_end():
    a, b = (cell.address for cell in manifest().cells[:2])
    told = summary(grade({a: {"verdict": OK_ECF, "cause": b}, b: {"verdict": OK_ECF, "cause": a}}))
    assert told.causes == []
    assert told.consequences == 2


def test_empty_cells_and_typed_numbers_are_told_together():
    cells = [cell.address for cell in manifest().cells]
    which = dict.fromkeys(cells[:5], BLANK) | dict.fromkeys(cells[5:8], HARDCODED)
    told = summary(grade(which | {cells[9]: EMBEDDED_CONSTANT}))
    assert told.sentence == "2 root causes, 5 empty cells"
    assert [len(c.cells) for c in told.causes] == [5, 3, 1]


def test_every_verdict_has_words_a_meaning_and_a_colour():
    assert set(WORDS) == set(MEANINGS) == set(COLOURS) == set(VERDICTS)
    assert summary(grade()).sentence == "Every cell is right"
    assert summary(unreadable()).sentence.startswith("The file could not be read: ")
