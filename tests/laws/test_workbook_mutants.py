"""A formula that was changed is found, whatever the change and wherever the cell.

Every formula cell of several shipped workbooks is mutated with every operator of
``mutation``, each reference and each term in turn. To see the score:
``pytest -m slow -rP tests/laws/test_workbook_mutants.py``.
"""

from __future__ import annotations

import json
import random
import re

import openpyxl
import pytest

from cellgrad.described import describe
from cellgrad.engines.formualizer import store_values
from cellgrad.xlsx.addresses import a1, parse_a1
from cellgrad.xlsx.map_sheet import SHEET as MAP
from hostile import (
    ROOT,
    cellgrad,
    is_refusal,
    part_of_sheet,
    parts_of,
    where,
    with_cell,
    with_text,
    zipped,
)
from mutation import OPERATORS, Algebra, Bench, Mutant, mutants_of, parse, render

BY_HAND = ROOT / "spreadsheets" / "more" / "by-hand-logistic-2-2-1.xlsx"
DEFAULT = ROOT / "spreadsheets" / "training-step-3-4-1.xlsx"
TWO_RELU_LAYERS = ROOT / "spreadsheets" / "more" / "relu-2-3-3-2.xlsx"
BATCH = ROOT / "spreadsheets" / "more" / "xor-2-2-1.xlsx"
MUTATED = [BY_HAND, DEFAULT, TWO_RELU_LAYERS, BATCH]

SHEETS = ("Step", "Walkthrough", "Check")
EVERYWHERE = {
    "constant cell", "constant added", "own value", "sign flipped", "row shifted", "column shifted"
}  # fmt: skip
"""Operators that have something to change in every workbook, on every sheet."""


def names(paths):
    return [path.stem for path in paths]


@pytest.fixture(scope="module")
def bench():
    """Return a function that opens a workbook for mutation, once."""
    opened = {}

    def of(path):
        if path not in opened:
            opened[path] = Bench(path)
        return opened[path]

    return of


# every formula cell, every operator


def assert_all_found(bench, sheet):
    mutants = bench.mutants(sheet)
    score = bench.score(mutants)
    print(f"\n{sheet} of {score.table()}")  # noqa: T201 - the score is the point
    assert {mutant.place for mutant in mutants} == set(bench.places(sheet))
    assert {mutant.operator for mutant in mutants} >= EVERYWHERE
    assert score.survivors == []
    assert len(score.equivalent) < len(mutants) / 10


@pytest.mark.slow
@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize(
    "path",
    [
        *(pytest.param(path, id=path.stem) for path in (BY_HAND, DEFAULT)),
        *(
            pytest.param(path, id=path.stem, marks=pytest.mark.exhaustive)
            for path in (TWO_RELU_LAYERS, BATCH)
        ),
    ],
)
def test_every_mutant_of_every_formula_is_found(bench, path, sheet):
    assert_all_found(bench(path), sheet)


def test_every_operator_is_used_in_some_workbook(bench):
    used = {m.operator for path in (BY_HAND, TWO_RELU_LAYERS) for m in bench(path).mutants("Step")}
    used |= {m.operator for m in bench(BY_HAND).mutants("Check")}
    assert used == set(OPERATORS)


@pytest.mark.parametrize("path", MUTATED, ids=names(MUTATED))
def test_a_formula_written_again_from_its_tree_is_the_same_formula(bench, path):
    opened = bench(path)
    for sheet, cells in opened.book.sheets.items():
        for formula in set(cells.formulas.values()):
            tree = parse(formula, sheet)
            assert parse(render(tree, sheet), sheet) == tree


# which mutants are equivalent

FORMULAS = {
    # cell and its formula in the by-hand workbook: what is the same, what is not
    "I13": ("C11*(1-C11)", ["C11-C11*C11", "B17*(1-C11)"], ["C11*(1+C11)", "D11*(1-C11)"]),
    "C32": ("0.5*(C30*C30)", ["C30*C30/2", "I22*C30*0.5"], ["C30*C30", "C30*C31*0.5"]),
    "C22": ("1/(1+EXP(-C20))", ["1/(EXP(-C20)+1)"], ["1/(1+EXP(C20))", "1/(1+EXP(-C9))"]),
    "O17": ("C17-O2*I17", ["-(O2*I17)+C17", "C17-O2*I20*B17"], ["C17-I17", "C17-O2*I18"]),
    "B17": ("C11", ["1/(1+EXP(-C9))"], ["D11", "0.5", "C11+0.001", "C10"]),
}
"""The wrong ones have the right value with the file's own givens, or nearly so."""


@pytest.fixture(scope="module")
def algebra():
    return Algebra(describe(BY_HAND))


@pytest.mark.parametrize("cell", FORMULAS)
def test_equivalence_is_a_matter_of_algebra(algebra, cell):
    own, same, other = FORMULAS[cell]
    place = ("Step", *parse_a1(cell))
    assert algebra.formula(place).replace("$", "") == own
    for formula in (own, *same):
        assert algebra.equivalent(Mutant(place, "test", formula)), formula
    for formula in other:
        assert algebra.equivalent(Mutant(place, "test", formula)) is None, formula


def test_a_circle_a_constant_and_an_error_are_never_equivalent(algebra):
    place = ("Step", *parse_a1("C9"))
    own = algebra.formula(place)
    circle = Mutant(place, "test", f"{own}+0*I9")
    assert algebra.circular(circle)
    for mutant in (circle, Mutant(place, "test", None, 0.0), Mutant(place, "test", f"{own}+0*A1")):
        assert algebra.equivalent(mutant) is None


def test_the_side_of_a_kink_matters_only_where_the_branches_differ_there():
    algebra = Algebra(describe(ROOT / "spreadsheets" / "more" / "leaky-3-4-2.xlsx"))
    found = {}
    for (row, column), formula in algebra.book.sheets["Step"].formulas.items():
        if formula.startswith("IF(") and ">0" in formula:
            mutant = Mutant(("Step", row, column), "kink moved", formula.replace(">0", ">=0"))
            found.setdefault(formula.count(","), set()).add(algebra.equivalent(mutant) is not None)
            derivative = formula.split(",")[1] == "1"
            assert (algebra.equivalent(mutant) is None) == derivative
    assert found == {2: {True, False}}


# the short way through memory and the long way through files


def written(bench, mutant, path):
    """Write a mutant as a file of its own, without stored values."""
    book = openpyxl.load_workbook(bench.path)
    cell = book[mutant.place[0]].cell(*mutant.place[1:])
    cell.value = mutant.constant if mutant.formula is None else f"={mutant.formula}"
    book.save(path)


def assert_files_say_the_same(bench, mutants, folder):
    files = [folder / f"{n}.xlsx" for n in range(len(mutants))]
    for file, mutant in zip(files, mutants, strict=True):
        written(bench, mutant, file)
    answer = cellgrad(folder, "verify", "--json", *files, timeout=300)
    reports = json.loads(answer.out)["workbooks"]
    assert answer.code == (0 if all(report["agrees"] for report in reports) else 1)
    for report, mutant in zip(reports, mutants, strict=True):
        found = {(m["kind"], m["sheet"], m["cell"], m["draw"]) for m in report["mismatches"]}
        inside = bench.report([mutant]).mismatches
        assert found == {(m.kind, m.sheet, m.cell, m.draw) for m in inside}, mutant
        equivalent = bench.algebra.equivalent(mutant) is not None
        named = mutant.cell in {f"{sheet}!{cell}" for _, sheet, cell, _ in found}
        assert named or equivalent, mutant


def some_mutants(bench, count, sheet=None):
    straight = [m for m in bench.mutants(sheet) if not bench.algebra.circular(m)]
    return random.Random(f"mutants of {bench.path.stem}").sample(straight, count)


@pytest.mark.slow
def test_a_mutated_file_gets_the_same_answer(bench, tmp_path):
    opened = bench(BY_HAND)
    assert_files_say_the_same(opened, some_mutants(opened, 6), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", MUTATED, ids=names(MUTATED))
def test_many_mutated_files_get_the_same_answer(bench, path, tmp_path):
    opened = bench(path)
    assert_files_say_the_same(opened, some_mutants(opened, 15), tmp_path)


@pytest.mark.slow
def test_mutants_tried_together_get_the_answer_they_get_alone(bench):
    opened = bench(BATCH)
    mutants = some_mutants(opened, 25, "Step")
    together = opened.score(mutants)
    for mutant in mutants:
        alone = mutant.cell in opened.named([mutant], stop_at_first=True)
        assert alone == (mutant not in {*together.equivalent, *together.survivors}), mutant


@pytest.mark.slow
def test_a_mutated_file_that_runs_in_a_circle_is_refused_with_the_cell(bench, tmp_path):
    opened = bench(BY_HAND)
    circular = [m for m in opened.mutants("Step") if opened.algebra.circular(m)]
    for mutant in random.Random(3).sample(circular, 3):
        written(opened, mutant, tmp_path / "circle.xlsx")
        answer = cellgrad(tmp_path, "verify", "circle.xlsx")
        assert is_refusal(answer, "circle.xlsx", "a circular reference", mutant.cell)


# files that somebody changed, with stored values that fit


def recalculated(parts):
    """Return a workbook file in which the stored values belong to the formulas."""
    return store_values(zipped(parts))


def cell_named(name, parts):
    sheet, cell = where(name, parts)
    return sheet, cell, f"{sheet}!{cell}"


def formula_in(parts, sheet, cell):
    text = parts[part_of_sheet(parts, sheet)].decode()
    return re.search(rf'<c r="{cell}"[^>]*><f>(.*?)</f>', text)[1]


def stored_in(parts, sheet, cell):
    text = parts[part_of_sheet(parts, sheet)].decode()
    return re.search(rf'<c r="{cell}"[^>]*><f>[^<]*</f><v[^>]*>(.*?)</v>', text)[1]


def verified(command, folder, data):
    (folder / "changed.xlsx").write_bytes(data)
    return command("verify", "changed.xlsx")


def is_disagreement(answer, *words):
    assert answer.code == 1, answer
    assert answer.err == ""
    for word in words:
        assert str(word) in answer.out, answer.out
    return True


CHANGED_FORMULAS = {
    "sign-flipped": ("new_weight_HtoO", lambda f: f.replace("-", "+")),
    "reference-shifted": ("S_preA_H", lambda f: f.replace("B6", "B7")),
    "factor-dropped": ("S_ERROR_H", lambda f: f.split("*")[0]),
    "operator-swapped": ("gradient_HtoO", lambda f: f.replace("*", "/")),
    "new-weight-for-old": ("S_ERROR_x_weight_H", lambda f: re.sub(r"C(\d+)", r"O\1", f)),
    "right-by-coincidence": ("fA_deriv_H", lambda f: "0.5*0.5"),
    "division-by-zero": ("S_postA_O", lambda f: "1/0"),
}


@pytest.mark.parametrize("fault", CHANGED_FORMULAS)
@pytest.mark.slow
def test_a_changed_formula_is_named(command, tmp_path, fault):
    name, change = CHANGED_FORMULAS[fault]
    parts = parts_of(DEFAULT)
    sheet, cell, shown = cell_named(name, parts)
    own = formula_in(parts, sheet, cell)
    assert change(own) != own
    parts = with_cell(parts, sheet, cell, f"<f>{change(own)}</f>")
    assert is_disagreement(verified(command, tmp_path, recalculated(parts)), shown)


@pytest.mark.parametrize("as_formula", [True, False], ids=["as-formula", "as-constant"])
@pytest.mark.parametrize("name", ["S_preA_H", "gradient_ItoH", "E"])
def test_a_formula_replaced_by_its_own_value_is_named(command, tmp_path, name, as_formula):
    parts = parts_of(DEFAULT)
    sheet, cell, shown = cell_named(name, parts)
    value = stored_in(parts, sheet, cell)
    inside = f"<f>{value}</f><v>{value}</v>" if as_formula else f"<v>{value}</v>"
    parts = with_cell(parts, sheet, cell, inside)
    assert is_disagreement(verified(command, tmp_path, zipped(parts)), shown)


FORGED = {
    "number": ("Step", "S_postA_O", lambda v: repr(float(v) + 1e-9), ""),
    "last-digits": ("Step", "S_preA_O", lambda v: repr(float(v) * (1 + 1e-12)), ""),
    "text-for-number": ("Step", "E", lambda v: "0,5", 't="str"'),
    "error-for-number": ("Step", "E", lambda v: "#DIV/0!", 't="e"'),
    "text": ("Walkthrough", "E6", lambda v: re.sub(r"\d(?=\D*$)", "7", v) + "7", 't="str"'),
    "number-in-text": ("Walkthrough", "E6", lambda v: v.replace("0.", "0.9", 1), 't="str"'),
    "tick": ("Check", "H12", lambda v: "✗", 't="str"'),
    "tick-without-answer": ("Walkthrough", "H6", lambda v: "✓", 't="str"'),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_stored_value_is_named(command, tmp_path, kind):
    sheet, cell, change, attributes = FORGED[kind]
    parts = parts_of(DEFAULT)
    if sheet == "Step":
        sheet, cell = where(cell, parts)
    own, formula = stored_in(parts, sheet, cell), formula_in(parts, sheet, cell)
    forged = change(own)
    assert forged != own
    parts = with_cell(parts, sheet, cell, f"<f>{formula}</f><v>{forged}</v>", attributes)
    answer = verified(command, tmp_path, zipped(parts))
    assert is_disagreement(answer, f"{sheet}!{cell}", "stored", "recalculated")


def all_names(parts):
    return re.findall(r'<definedName name="(\w+)">', parts["xl/workbook.xml"].decode())


@pytest.mark.parametrize("name", [n for n in all_names(parts_of(BY_HAND)) if "Print" not in n])
@pytest.mark.parametrize("fault", ["moved", "deleted"])
def test_a_defined_name_that_was_moved_or_deleted_is_named(command, tmp_path, name, fault):
    parts = parts_of(BY_HAND)
    text = parts["xl/workbook.xml"].decode()
    whole, target = re.search(rf'<definedName name="{name}">(.*?)</definedName>', text).group(0, 1)
    last = int(re.search(r"\d+$", target)[0])
    new = "" if fault == "deleted" else whole.replace(f"${last}<", f"${last + 1}<")
    assert new != whole
    parts = with_text(parts, "xl/workbook.xml", whole, new)
    answer = verified(command, tmp_path, recalculated(parts))
    assert is_disagreement(answer, name, f"{where(name, parts_of(BY_HAND))[0]}!")


def map_rows(path):
    """Return the numbers of the rows of a Map that say something."""
    sheet = openpyxl.load_workbook(path)[MAP]
    return {
        row[0].row: [str(cell.value) for cell in row if cell.value is not None]
        for row in sheet.iter_rows()
        if sum(cell.value is not None for cell in row) > 1 and row[0].value != "kind"
    }


def without_map_row(parts, row):
    part = part_of_sheet(parts, MAP)
    text, count = re.subn(rf'<row r="{row}"[^>]*>.*?</row>', "", parts[part].decode())
    assert count == 1
    return {**parts, part: text.encode()}


@pytest.mark.slow
@pytest.mark.parametrize(("row", "words"), map_rows(BY_HAND).items())
def test_a_row_deleted_from_the_map_is_missed(command, tmp_path, row, words):
    answer = verified(command, tmp_path, zipped(without_map_row(parts_of(BY_HAND), row)))
    if len(words) == 2:  # a fact about the whole step
        assert is_disagreement(answer, f"the row '{words[0]}' is missing")
        return
    described = describe(BY_HAND)
    claim = next(claim for claim in described.claims if claim.row == row)
    assert is_disagreement(answer)
    first = a1(claim.cells.top, claim.cells.left)
    assert f"{claim.cells.sheet}!{first}" in answer.out or claim.label in answer.out


@pytest.mark.slow
@pytest.mark.parametrize("path", MUTATED[1:], ids=names(MUTATED[1:]))
def test_any_row_deleted_from_a_map_is_missed(path, tmp_path):
    rows = map_rows(path)
    for row in rows:
        (tmp_path / f"{row}.xlsx").write_bytes(zipped(without_map_row(parts_of(path), row)))
    files = [f"{row}.xlsx" for row in rows]
    answer = cellgrad(tmp_path, "verify", "--json", *files, timeout=300)
    agreeing = [w["path"] for w in json.loads(answer.out)["workbooks"] if w["agrees"]]
    assert agreeing == []


@pytest.mark.parametrize(
    ("sheet", "cell"),
    [("Step", "D9"), ("Step", "XFD1048576"), ("Guide", "H40"), ("Map", "L3"), ("Check", "A1")],
)
def test_an_extra_formula_anywhere_is_named(command, tmp_path, sheet, cell):
    book = openpyxl.load_workbook(BY_HAND)
    place = book[sheet][cell]
    if sheet == "Step" and cell == "D9":
        place = next(
            c for row in book[sheet].iter_rows() for c in row if c.value is None and c.row > 5
        )
    assert not str(place.value).startswith("=")
    place.value = "=1+1"
    book.save(tmp_path / "changed.xlsx")
    answer = command("verify", "changed.xlsx")
    assert is_disagreement(answer, f"{sheet}!{place.coordinate}", "does not claim")


def test_an_extra_formula_on_a_new_sheet_is_named(command, tmp_path):
    book = openpyxl.load_workbook(BY_HAND)
    book.create_sheet("Mine")["B2"] = "=Step!C9*2"
    book.save(tmp_path / "changed.xlsx")
    assert is_disagreement(command("verify", "changed.xlsx"), "Mine!B2", "does not claim")


# changes that are none


@pytest.mark.parametrize("path", MUTATED, ids=names(MUTATED))
def test_an_unchanged_copy_agrees(command, tmp_path, path):
    answer = verified(command, tmp_path, path.read_bytes())
    assert (answer.code, answer.err) == (0, "")
    assert "Every cell agrees" in answer.out
    assert "note" not in answer.out


def test_a_file_without_stored_values_agrees_with_a_note(command, tmp_path):
    openpyxl.load_workbook(DEFAULT).save(tmp_path / "changed.xlsx")
    answer = command("verify", "changed.xlsx")
    assert answer.code == 0
    assert "no values are stored" in answer.out


def with_another_weight(inside):
    parts = parts_of(DEFAULT)
    return with_cell(parts, *where("weight_ItoH", parts), inside)


def test_a_given_changed_by_hand_agrees_once_it_was_recalculated(command, tmp_path):
    parts = with_another_weight("<v>0.3125</v>")
    stale = verified(command, tmp_path, zipped(parts))
    assert is_disagreement(stale, cell_named("S_preA_H", parts)[2], "stored", "recalculated")
    assert verified(command, tmp_path, recalculated(parts)).code == 0


@pytest.mark.parametrize("formula", ["1/3", "-0.5", "SQRT(2)/2"])
def test_a_given_typed_as_a_fraction_agrees(command, tmp_path, formula):
    answer = verified(command, tmp_path, recalculated(with_another_weight(f"<f>{formula}</f>")))
    assert answer.code == 0, answer.out


@pytest.mark.parametrize("reads", ["input", "weight_HtoO"])
def test_a_given_that_reads_a_claimed_cell_is_named(command, tmp_path, reads):
    other = where(reads, parts_of(DEFAULT))[1]
    parts = with_another_weight(f"<f>0.25+0*{other}</f>")
    answer = verified(command, tmp_path, zipped(parts))
    assert is_disagreement(answer, cell_named("weight_ItoH", parts)[2], "reads a claimed cell")


def test_a_given_that_depends_on_itself_is_refused_as_a_circle(command, tmp_path):
    other = where("E", parts_of(DEFAULT))[1]
    parts = with_another_weight(f"<f>0.25+0*{other}</f>")
    answer = verified(command, tmp_path, zipped(parts))
    is_refusal(answer, "a circular reference", cell_named("weight_ItoH", parts)[2])


def test_mutants_of_one_cell_are_the_ones_a_person_would_think_of(bench):
    opened = bench(BY_HAND)
    place = ("Step", *parse_a1("O17"))
    found = mutants_of(place, "C17-$O$2*I17", 0.75, opened.book, opened.renewed)
    assert {(m.operator, m.formula) for m in found} == {
        ("constant cell", None),
        ("constant added", "C17-O2*I17+0.001"),
        ("own value", "0.75"),
        ("sign flipped", "C17+O2*I17"),
        ("sign flipped", "-(C17-O2*I17)"),
        ("part dropped", "C17"),
        ("part dropped", "-(O2*I17)"),
        ("part dropped", "C17-O2"),
        ("part dropped", "C17-I17"),
        ("operator swapped", "C17-O2/I17"),
        ("row shifted", "C18-O2*I17"),
        ("row shifted", "C16-O2*I17"),
        ("column shifted", "D17-O2*I17"),
        ("column shifted", "B17-O2*I17"),
        ("row shifted", "C17-O3*I17"),
        ("row shifted", "C17-O1*I17"),
        ("column shifted", "C17-P2*I17"),
        ("column shifted", "C17-N2*I17"),
        ("row shifted", "C17-O2*I18"),
        ("row shifted", "C17-O2*I16"),
        ("column shifted", "C17-O2*J17"),
        ("column shifted", "C17-O2*H17"),
        ("old and new exchanged", "O17-O2*I17"),
    }
