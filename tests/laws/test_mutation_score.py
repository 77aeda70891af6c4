"""The mutation score, and whether its local verdicts are those of the whole commands.

The local verdict of a mutant is compared with what ``prove`` and ``verify`` say of a file in
which it really stands.
"""

from __future__ import annotations

import random
from functools import cache
from xml.sax.saxutils import escape

import pytest

from cellgrad.engines.formualizer import FormualizerEngine
from cellgrad.errors import WorkbookError
from cellgrad.verify.many import verify_workbook
from cellgrad.xlsx.addresses import Range, a1, parse_a1
from cellgrad_proof.proof.workbook import prove_workbook
from hostile import ROOT, parts_of, with_cell, zipped
from mutants.bench import CAUGHT, EQUAL, Bench
from mutants.changes import OPERATORS, OWN, changes
from mutation import references, render
from mutation_score import REPORT, as_json, markdown, shipped

BY_HAND = ROOT / "spreadsheets" / "more" / "by-hand-logistic-2-2-1.xlsx"
DEFAULT = ROOT / "spreadsheets" / "training-step-3-4-1.xlsx"
QUICK = [
    BY_HAND,
    ROOT / "spreadsheets" / "more" / "perceptron-3-1.xlsx",
    ROOT / "spreadsheets" / "series" / "09-delta-rule.xlsx",
]


@cache
def bench_of(path):
    return Bench(path)


def drawn(path, rng, count, verdict=None):
    """Return mutants at random: cell, operator, formula and local verdict of each."""
    bench, found = bench_of(path), []
    for _ in range(200 * count):
        cell = rng.choice(bench.cells)
        outcomes, choices = bench.outcomes(cell)
        outcome = rng.choice([*outcomes, bench.own_value(cell)])
        tree, said = bench.changed(cell, outcome.change, choices), outcome.verdict
        if bench.circular(cell.place, references(tree)):
            said = CAUGHT
        if verdict in (None, said):
            formula = render(tree, cell.place[0])
            found.append((cell.place, outcome.change.operator, formula, said))
        if len(found) == count:
            break
    return found


def written(path, place, formula, folder):
    """Write a copy of a workbook with another formula in one cell."""
    sheet, row, column = place
    inside = f"<f>{escape(formula)}</f>"
    target = folder / "mutant.xlsx"
    target.write_bytes(zipped(with_cell(parts_of(path), sheet, a1(row, column), inside)))
    return target


def proved(path, place):
    """Tell whether prove holds; if not, it must name the cell, or the circle that it is in."""
    report = prove_workbook(path)
    if report.holds:
        return True
    named = {(failure.sheet, failure.cell) for failure in report.failures}
    circle = any("circular" in failure.problem for failure in report.failures)
    assert circle or (place[0], a1(*place[1:])) in named, report.failures[:3]
    return False


def verified(path):
    """Tell whether verify finds nothing."""
    problem = ""
    try:
        return not verify_workbook(path, FormualizerEngine(), FormualizerEngine()).mismatches
    except WorkbookError as error:
        problem = str(error)
    assert "circular" in problem
    return False


def disagreements(path, mutants, folder, *, verify=False):
    found = []
    for place, operator, formula, said in mutants:
        file = written(path, place, formula, folder)
        whole = verified(file) if verify else proved(file, place)
        if whole != (said == EQUAL):
            found.append(f"{path.stem} {place[0]}!{a1(*place[1:])} {operator} ={formula}: {said}")
    return found


# the score itself


@pytest.mark.parametrize("path", QUICK, ids=lambda path: path.stem)
def test_every_mutant_of_a_small_workbook_is_caught_or_proved_equivalent(path):
    tally = bench_of(path).tally()
    assert tally.missed == []
    assert tally.cells > 0
    assert tally.total() == tally.total(CAUGHT) + tally.total(EQUAL)
    assert tally.total() > 10 * tally.cells


def test_every_operator_changes_something_somewhere():
    folder, found = ROOT / "spreadsheets", set()
    for name in ("more/leaky-3-4-2", "series/hidden-nodes", "series/01-perceptron"):
        bench = bench_of(folder / f"{name}.xlsx")
        for cell in bench.cells:
            tree, choices = bench.tree(cell.place), bench.choices(cell.place)
            found |= {change.operator for change in changes(tree, choices)}
    assert found | set(OPERATORS[-2:]) == set(OPERATORS)


@pytest.mark.slow
@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_mutant_of_every_workbook_is_caught_or_proved_equivalent(path):
    tally = Bench(path).tally()
    assert tally.missed == []
    assert tally.tested == 0
    text = REPORT.read_text(encoding="utf-8")
    numbers = (tally.cells, tally.total(), tally.total(CAUGHT), tally.total(EQUAL), 0)
    assert f"| {tally.workbook} | {' | '.join(f'{n:,}' for n in numbers)} |" in text


def test_the_written_table_misses_nothing_and_adds_up():
    text = REPORT.read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    names = {path.stem for path in shipped()}
    books = [[int(n.replace(",", "")) for n in line[1:]] for line in lines if line[0] in names]
    operators = [line for line in lines if line[0] in OPERATORS and len(line) == 6]
    sums = [sum(column) for column in zip(*books, strict=True)]
    assert len(books) == len(names)
    assert {line[0] for line in operators} == set(OPERATORS)
    assert f"**{sums[1]:,} mutants of {sums[0]:,} cells" in text
    for column in range(4):
        total = sum(int(line[2 + column].replace(",", "")) for line in operators)
        assert total == sums[1 + column]
    assert sums[4] == 0


def test_the_table_of_some_workbooks_can_be_written():
    tallies = [bench_of(path).tally() for path in QUICK[:2]]
    assert "## By operator" in markdown(tallies)
    assert len(as_json(tallies)["workbooks"]) == 2


# how references are changed


def test_a_reference_that_slips_stays_or_moves():
    """In row 3 of a column the formula reads beside itself and a fixed cell."""
    bench = bench_of(ROOT / "spreadsheets" / "series" / "09-delta-rule.xlsx")
    entry = next(c for c in bench.cells if _rows(bench, c) > 3)
    claim = bench.atlas.claims[bench.atlas.cells[entry.place].claim].cells
    place = claim.sheet, claim.top + 3, claim.left
    first = list(references(bench.tree((claim.sheet, claim.top + 2, claim.left))))
    own = list(references(bench.tree(place)))
    for before, area, others in zip(first, own, bench.choices(place), strict=True):
        step = area.top - before.top
        wanted = {0: area.top + 3, 1: area.top - 3}[step]
        assert others[0] == Range(area.sheet, wanted, area.left, wanted, area.left)


def _rows(bench, cell):
    return bench.atlas.claims[bench.atlas.cells[cell.place].claim].cells.height


@pytest.mark.parametrize(
    ("cell", "own", "circle"),
    [("C9", "C9+0*I9", True), ("C9", "0*C32", True), ("C11", "0*C9", False)],
)
def test_a_circle_is_seen(cell, own, circle):
    del own
    bench = bench_of(BY_HAND)
    place = ("Step", *parse_a1(cell))
    other = {"C9": "C32", "C11": "C9"}[cell]
    area = Range("Step", *parse_a1(other), *parse_a1(other))
    assert bench.circular(place, iter([area])) is circle


def test_prove_refuses_a_circle(tmp_path):
    bench = bench_of(BY_HAND)
    place = ("Step", *parse_a1("C9"))
    formula = f"{bench.atlas.formula(place)}+0*C32"
    report = prove_workbook(written(BY_HAND, place, formula, tmp_path))
    assert not report.holds
    assert "circular" in report.failures[0].problem


def test_a_number_in_place_of_a_formula_is_refused(tmp_path):
    place = ("Step", *parse_a1("C9"))
    bench = bench_of(BY_HAND)
    value = bench.book.sheets["Step"].values[place[1:]]
    parts = with_cell(parts_of(BY_HAND), "Step", "C9", f"<v>{value!r}</v>")
    (tmp_path / "number.xlsx").write_bytes(zipped(parts))
    assert not proved(tmp_path / "number.xlsx", place)


# local verdicts and whole files


@pytest.mark.parametrize("path", QUICK, ids=lambda path: path.stem)
@pytest.mark.slow
def test_prove_says_of_whole_files_what_was_said_locally(path, tmp_path):
    mutants = drawn(path, random.Random(path.stem), 6)
    assert disagreements(path, mutants, tmp_path) == []


@pytest.mark.slow
def test_prove_and_verify_pass_what_is_equivalent(tmp_path):
    mutants = drawn(DEFAULT, random.Random(4), 4, EQUAL)
    assert len(mutants) == 4
    assert disagreements(DEFAULT, mutants, tmp_path) == []
    assert disagreements(DEFAULT, mutants[:2], tmp_path, verify=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_prove_and_verify_say_of_many_files_what_was_said_locally(path, tmp_path):
    rng = random.Random(path.stem)
    mutants = drawn(path, rng, 6) + drawn(path, rng, 2, EQUAL)
    assert disagreements(path, mutants, tmp_path) == []
    same = [mutant for mutant in mutants if mutant[3] == EQUAL and mutant[1] != OWN]
    assert disagreements(path, same[-2:], tmp_path, verify=True) == []


@pytest.mark.slow
def test_verify_catches_nearly_all_that_prove_catches(tmp_path):
    """It compares values: any limit between 0 and 1 gives the same classes of 0 and 1."""
    found, count = [], 0
    for path in shipped():
        mutants = drawn(path, random.Random(f"{path.stem} verify"), 2, CAUGHT)
        count += len(mutants)
        found += disagreements(path, mutants, tmp_path, verify=True)
    assert len(found) <= count / 20, found
