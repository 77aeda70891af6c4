"""Every shipped workbook in every engine, and how exactly they agree."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import plain_step
import regenerate
from cellgrad.build import build
from cellgrad.described import describe
from cellgrad.verify.verifier import Verifier
from drawn_cases import big_case

TOP = Path(__file__).parents[2]
WORKBOOKS = sorted((TOP / "spreadsheets").rglob("*.xlsx"))
ENGINES = [
    "formualizer",
    pytest.param("ironcalc", marks=pytest.mark.slow),
    pytest.param("libreoffice", marks=[pytest.mark.libreoffice, pytest.mark.slow]),
    pytest.param("gnumeric", marks=[pytest.mark.gnumeric, pytest.mark.slow]),
    pytest.param("saved", marks=pytest.mark.slow),
]
STEPS = [path for path in WORKBOOKS if path.parent.name != "series"]
BIT_BY_BIT = ("formualizer", "ironcalc", "libreoffice", "saved")


@pytest.mark.slow
@pytest.mark.xdist_group("every engine")
@pytest.mark.parametrize("name", ENGINES)
def test_every_shipped_workbook_agrees(name, engine_or_skip):
    engine_or_skip(name)
    reports = regenerate.reports(name)
    assert sorted(r.path for r in reports) == WORKBOOKS
    assert [r.path for r in reports if not r.agrees] == []
    assert all(r.draws >= 5 for r in reports)
    assert all(not r.worst or r.worst < 1 for r in reports)
    # nothing was left unseen: no branch untaken, no step cell zero throughout
    assert not [note for r in reports for note in r.notes if "were still zero" in note]
    inexact = [(r.path, place) for r in reports for place in r.inexact["step"]]
    if name in BIT_BY_BIT and name != "libreoffice":
        assert inexact == []
    if name == "libreoffice":
        # its SUM and SUMPRODUCT are compensated, and it sets differences near 0 to 0; no sum
        # of a single training step is long enough for the first
        assert not {path for path, _ in inexact} & set(STEPS)


@pytest.mark.slow
@pytest.mark.xdist_group("every engine")
@pytest.mark.parametrize("group", ["figures", "engines"])
def test_the_pages_say_what_the_engines_measured(group, engine_or_skip):
    for name in regenerate.ENGINES:
        engine_or_skip(name)
    assert regenerate.GROUPS[group](True) == 0


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.slow
def test_larger_networks_and_other_structures_agree(name, engine_or_skip, tmp_path):
    engine = engine_or_skip(name)
    redraw_engine = engine_or_skip("formualizer") if name == "saved" else engine
    for nodes, activation, samples in (
        ([18, 3, 17], "logistic", 1),
        ([5, 4, 3, 2], "leaky_relu", 3),
        ([3, 2], "tanh", 2),
    ):
        path = tmp_path / f"{'-'.join(map(str, nodes))}.xlsx"
        build(big_case(nodes, activation, samples), path)
        report = Verifier(describe(path), engine, redraw_engine=redraw_engine).run()
        assert report.agrees, report.mismatches[0].line()


@pytest.mark.slow
def test_the_readmes_counts_are_those_of_the_workbooks():
    text = (TOP / "README.md").read_text("utf-8")
    steps = sum(
        claim.cells.height * claim.cells.width
        for path in WORKBOOKS
        for claim in describe(path).claims
        if claim.kind == "step"
    )
    rows = re.findall(r"^\| (\w+) \| (\d+) \|.*\| ([\d,]+) of ([\d,]+) \|$", text, re.MULTILINE)
    assert {row[0] for row in rows} == set(BIT_BY_BIT)
    assert {int(row[1]) for row in rows} == {len(WORKBOOKS)}
    assert {row[3].replace(",", "") for row in rows} == {str(steps)}
    exact = {row[0]: int(row[2].replace(",", "")) for row in rows}
    assert {exact[name] for name in BIT_BY_BIT if name != "libreoffice"} == {steps}
    assert 0.99 * steps < exact["libreoffice"] <= steps


@pytest.mark.parametrize("path", STEPS, ids=lambda path: path.stem)
def test_the_saved_step_is_that_of_plain_python(path):
    described = describe(path)
    case = json.loads((TOP / "reference/cases" / f"{described.case}.json").read_text("utf-8"))
    expected = plain_step.step(case)
    compared = 0
    for claim in described.claims:
        if claim.kind != "step":
            continue
        other = expected[claim.quantity]
        values = np.array(other if claim.layer is None else other[claim.layer])
        saved = described.book.sheets[claim.cells.sheet].values
        for r in range(claim.cells.height):
            for c in range(claim.cells.width):
                cell = (claim.cells.top + r, claim.cells.left + c)
                assert saved[cell] == values[claim.rule.index(r, c)], (claim.label, cell)
                compared += 1
    assert compared == sum(
        c.cells.height * c.cells.width for c in described.claims if c.kind == "step"
    )
