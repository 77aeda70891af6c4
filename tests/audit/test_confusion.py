"""An implementation with each mistake of the catalogue, run as a process, is told that mistake.

The implementation (mistaken/) is written from the catalogue's words, in plain Python; it shares
no code with the audit. What it makes of the words is in mistaken/readings.py.
"""

from __future__ import annotations

import json
import sys

import pytest

import plain_training
from cellgrad_audit import hypothesis
from cellgrad_audit.bugs.catalogue import ALTERNATIVE, by_id, entries, variants
from confusion.matrix import Row, audited, entry_of, every_name, line, markdown, row_of, rows_of
from confusion.matrix import words_for as words
from confusion.page import PAGE
from hostile import ROOT, cellgrad
from mistaken.mistakes import MISTAKES, Wrong, names
from mistaken.outside import OUTSIDE
from mistaken.readings import FIRSTS, OPEN, TIES, UNSEEN, WITHOUT_STEPS
from mistaken.training import answered, asked

PROBES = [
    json.loads(path.read_text())
    for path in sorted((ROOT / "reference/probes").glob("probe-*.json"))
]
AFTER = {"new_weights": "weights", "new_biases": "biases"}


@pytest.fixture(scope="module", autouse=True)
def predictions():
    """Let what the catalogue predicts of the probes be worked out once, not for each audit."""
    in_catalogue = {variant.program for variant in variants()}
    predict, kept = hypothesis.predicted, {}

    def predicted(program, case, slots):
        key = (program, case.id, tuple(slots))
        if program not in in_catalogue:
            return predict(program, case, slots)
        if key not in kept:
            kept[key] = predict(program, case, slots)
        return dict(kept[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hypothesis, "predicted", predicted)
        yield


def numbers(value):
    """Return all numbers of a nested list."""
    if isinstance(value, list):
        return [x for part in value for x in numbers(part)]
    return [] if value is None else [value]


def finals(name):
    """Return the final parameters of every probe, with this mistake or these."""
    wrong = Wrong(name)
    told = [answered(probe, wrong) for probe in PROBES]
    return [numbers([answer["weights"], answer["biases"]]) for answer in told]


def same(a, b):
    """Whether two runs end in the same numbers, but for roundings."""
    return all(
        len(x) == len(y)
        and all(abs(v - w) <= 1e-11 * (1 + abs(w)) for v, w in zip(x, y, strict=True))
        for x, y in zip(a, b, strict=True)
    )


def judge(name, first, ties, verdict, code):
    """Assert that a mistake was told as it must be."""
    entry = entry_of(name)
    if entry in UNSEEN:
        assert (first, code) == ("", 0)
        return
    kind = by_id()[entry].kind
    assert code == (0 if kind == ALTERNATIVE else 1)
    assert (verdict == "alternative_formula") == (kind == ALTERNATIVE)
    if name in OPEN and not first:
        assert verdict == "unknown_difference"
        return
    allowed = {entry, TIES[entry][0]} if entry in TIES else {entry}
    assert first in allowed, f"{name} was called {first or 'nothing'} ({verdict})"
    assert first == entry or entry in ties


def test_the_program_makes_every_mistake_of_the_catalogue():
    assert list(MISTAKES) == [entry.id for entry in entries()]


def test_the_tables_of_readings_name_mistakes_of_the_program():
    known = {*every_name(), *MISTAKES}
    assert {*OPEN, *FIRSTS, *TIES, *UNSEEN, *WITHOUT_STEPS} <= known
    assert not {entry for entry in MISTAKES if all(name in OPEN for name in names(entry))}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe["id"])
def test_without_a_mistake_the_program_agrees_with_another_plain_one(probe):
    told = answered(probe, Wrong())
    _, weights, biases = plain_training.train(probe, asked(probe))
    assert same([numbers([told["weights"], told["biases"]])], [numbers([weights, biases])])


def test_the_program_refuses_a_name_that_it_does_not_know():
    for name in ("no-such-mistake", "output-weight-index/h + 7", "gradient-clipped/"):
        with pytest.raises(SystemExit, match="no such mistake"):
            Wrong([name])


def test_a_process_with_a_mistake_gets_exit_code_1_and_its_name(command):
    told = command("audit", "--json", "--", *words("updated-output-weights"))
    assert told.code == 1
    assert json.loads(told.out)["diagnoses"][0]["bug"] == "updated-output-weights"


@pytest.mark.slow
def test_a_trace_shows_where_a_mistake_begins():
    cell = audited("derivative-of-post-activation", "--trace").first_divergence
    assert (cell.slot.name, cell.slot.step) == ("activation_derivative", 1)


def test_the_page_shows_every_way_to_make_a_mistake():
    page = PAGE.read_text(encoding="utf-8")
    rows = rows_of(page)
    assert [row.name for row in rows] == every_name()
    assert page.startswith(markdown(rows))


@pytest.mark.slow
def test_every_way_to_make_a_mistake_makes_another_number():
    right = finals([])
    unseen = {name for name in every_name() if same(finals([name]), right)}
    alternatives = {n for n in every_name() if by_id()[entry_of(n)].kind == ALTERNATIVE}
    assert (
        unseen - alternatives == {n for n in every_name() if entry_of(n) in UNSEEN} - alternatives
    )


@pytest.fixture(scope="module")
def page():
    """Return the lines of the page."""
    return PAGE.read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("entry", MISTAKES)
def test_an_implementation_with_this_mistake_is_told_so(entry, page, tmp_path):
    name = names(entry)[0]
    run = cellgrad(tmp_path, "audit", "--json", "--", *words(name))
    told = json.loads(run.out)
    best = told["diagnoses"][0] if told["diagnoses"] else {"bug": "", "ties": []}
    judge(name, best["bug"], best["ties"], told["verdict"], run.code)
    assert line(Row(name, told["verdict"], best["bug"], tuple(best["ties"]))) in page


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("entry", [entry for entry in MISTAKES if len(names(entry)) > 1])
def test_every_other_way_to_make_this_mistake_is_told_as_the_page_has_it(entry, page):
    for name in names(entry)[1:]:
        row = row_of(name)
        code = 0 if row.verdict in ("bit_identical", "within_bound", "alternative_formula") else 1
        judge(name, row.first, row.ties, row.verdict, code)
        assert line(row) in page, f"{name}: run tools/confusion/page.py"


def traced():
    """Yield the ways whose traces are looked at: of roundings, not every number of digits."""
    for entry in MISTAKES:
        ways = names(entry)
        if entry == "low-precision":
            ways = [name for name in ways if name.endswith(("4 decimals", "bfloat16"))]
        yield ways[0]
        yield from (pytest.param(name, marks=pytest.mark.exhaustive) for name in ways[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(traced()))
def test_the_first_wrong_number_of_a_trace_is_where_this_mistake_begins(name):
    entry = entry_of(name)
    by_name = {variant.name: variant for variant in by_id()[entry].variants}
    variant = by_name.get(name.partition("/")[2])
    expected = by_id()[entry].first if variant is None else variant.first
    expected = FIRSTS.get(name, FIRSTS.get(entry, (expected, "")))[0]
    if entry in WITHOUT_STEPS:
        expected = "weights"
    result = audited(name, "--trace")
    if entry == "softmax-shifted":
        assert result.code() == 0
        return
    assert result.first_divergence.slot.name == AFTER.get(expected, expected), name
    named = {e.id for diagnosis in result.diagnoses[:1] for e in diagnosis.entries}
    allowed = {entry, TIES[entry][0]} if entry in TIES else {entry}
    assert named <= allowed, name
    assert named or name in OPEN, name


@pytest.mark.slow
def test_a_trace_shows_the_other_sign_of_the_error():
    result = audited("error-sign-convention", "--trace")
    assert (result.verdict, result.code()) == ("convention", 1)
    assert result.diagnoses[0].entries[0].id == "error-sign-convention"


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_mistake_outside_the_catalogue_is_called_unknown(name):
    for more in ((), ("--trace",)):
        result = audited(name, *more)
        assert (result.verdict, result.code()) == ("unknown_difference", 1)
        assert not result.diagnoses
        assert all(
            ", but not " in note
            for note in result.notes
            if any(f"{entry} explains" in note for entry in MISTAKES)
        )
    assert result.first_divergence.slot.name == OUTSIDE[name][1]


@pytest.mark.slow
def test_mistakes_outside_the_catalogue_are_none_of_its_own():
    known = [finals([name]) for name in every_name()]
    for name in OUTSIDE:
        outside = finals([name])
        assert not any(same(outside, other) for other in known), name


def test_the_program_needs_nothing_but_the_standard_library():
    allowed = {*sys.stdlib_module_names, "mistaken"}
    for path in (ROOT / "tests" / "independent" / "mistaken").glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        modules = [text.split()[1] for text in lines if text.startswith(("import ", "from "))]
        assert {module.partition(".")[0] for module in modules} <= allowed, path.name
