"""What a workbook says of itself: parts, links, claims, and kinds that nobody knows."""

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cellgrad.described import (
    KINDS,
    ClaimedCells,
    Kind,
    Origin,
    Owners,
    describe,
    find_kind,
    missing_packages,
    read_part,
)
from cellgrad.errors import CaseError, WorkbookError
from cellgrad.shipped import PackageMissingError
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.book import read_book
from cellgrad.xlsx.map_sheet import Claim, IndexRule

SPREADSHEETS = Path(__file__).parents[2] / "spreadsheets"
STEP = SPREADSHEETS / "training-step-3-4-1.xlsx"
STEP_WORDS = {
    "nodes": "3-4-1", "activations": "logistic, logistic", "loss": "half_squared_error",
    "update": "online", "samples": "1", "biases": "no", "update_biases": "yes",
    "weight_decay": "no", "error_sign": "output_minus_target",
}  # fmt: skip


def test_a_single_step_is_one_part_without_a_name():
    described = describe(STEP)
    assert (described.single, list(described.parts), described.unusable) == (True, [""], None)
    assert described.parts[""].shape.step.nodes == (3, 4, 1)
    assert described.case == "series-3-4-1"
    assert described.parts[""].origins == {}


def test_every_claimed_cell_knows_its_claim():
    described = describe(STEP)
    for claim in described.claims:
        area = claim.cells
        for place in ((area.sheet, area.top, area.left), (area.sheet, area.bottom, area.right)):
            assert described.claim_of(place) is claim
    assert described.claim_of(("Step", 900, 900)) is None
    assert described.claim_of(("No such sheet", 1, 1)) is None


def test_links_are_resolved_once():
    parts = describe(SPREADSHEETS / "series" / "13-validation.xlsx").parts
    run, before, after = parts["Epoch"], parts["Before"], parts["After"]
    last = run.shape.updates - 1
    assert run.origins == {}
    assert before.origins["weights", 0] == Origin("Epoch", ("start_weights", 0))
    assert after.origins["weights", 0] == Origin("Epoch", ("new_weights", 0), last)
    assert after.origins["input", None] == Origin("Before", ("input", None))


def test_samples_that_others_hold_are_borrowed_or_copied():
    parts = describe(SPREADSHEETS / "series" / "06-learning-rate.xlsx").parts
    runs = [part for part in parts.values() if part.kind == "run"]
    first, other = runs[:2]
    assert not first.borrows(("sample_input", None))
    assert other.borrows(("sample_input", None))
    assert other.origins["sample_input", None].part == first.name
    assert other.origins["start_weights", 0] == Origin(first.name, ("start_weights", 0))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"kind": "no such kind"}, "is no kind of part"),
        ({}, "'kind' is missing"),
        ({"kind": "step", **STEP_WORDS, "nodes": "3-x-1"}, "whole number"),
        ({"kind": "step", **STEP_WORDS, "samples": "0"}, "one sample"),
    ],
)
def test_words_that_describe_nothing_are_refused(words, problem):
    with pytest.raises(CaseError, match=problem):
        read_part("A", words, {})


def test_a_giant_is_refused_before_its_numbers_are_listed():
    with pytest.raises(CaseError, match="larger than any sheet"):
        read_part("", {"kind": "step", **STEP_WORDS, "nodes": "3-999999999-1"}, {})


def test_a_kind_of_a_missing_package_names_the_package(monkeypatch):
    monkeypatch.setitem(KINDS, "step", Kind("cellgrad_nowhere.parts:Shape", "x:y"))
    with pytest.raises(PackageMissingError, match="needs the package cellgrad_nowhere"):
        read_part("A", {"kind": "step", **STEP_WORDS}, {})
    with pytest.raises(PackageMissingError, match=r"training-step-3-4-1\.xlsx"):
        describe(STEP)


def test_packages_of_others_are_looked_for_only_where_a_kind_is_unknown(monkeypatch):
    asked = []
    own = Kind("cellgrad.described:StepShape", "cellgrad.verify.program:StepProgram")

    def entry_points(**wanted):
        asked.append(wanted)
        return [SimpleNamespace(load=lambda: own)] if wanted["name"] == "attention" else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert find_kind("step") is KINDS["step"]
    assert asked == []
    assert read_part("A", {"kind": "attention", **STEP_WORDS}, {}).known
    assert asked == [{"group": "cellgrad.parts", "name": "attention"}]
    with pytest.raises(CaseError, match="no kind"):
        find_kind("another")


def test_nothing_is_missing_where_all_packages_are_here():
    assert missing_packages() == set()


def test_a_book_without_a_map_is_refused_in_the_name_of_who_asks():
    book = read_book(STEP)
    del book.sheets["Map"]
    with pytest.raises(WorkbookError, match="prove takes workbooks written by cellgrad build"):
        describe(book, "prove")


def claim(top, left, bottom, right, rule="r, c"):
    return Claim("step", "weights", 0, "w", Range("S", top, left, bottom, right), IndexRule(rule))


def test_of_two_claims_the_later_owns_a_cell_and_the_earlier_is_named():
    owner = Owners([claim(1, 1, 2, 2), claim(2, 2, 3, 3)])
    assert owner.twice == [(1, ("S", 2, 2), 0)]
    assert [owner.get(("S", row, row)) for row in (1, 2, 3, 4)] == [0, 1, 1, None]
    assert owner.own_any(Range("S", 3, 1, 3, 3))
    assert not owner.own_any(Range("S", 1, 3, 1, 3))


def test_cells_are_picked_and_gathered_by_the_index_rule():
    cells = ClaimedCells(claim(5, 2, 6, 4, "c, r"))
    values = np.arange(6.0).reshape(3, 2)
    shown = cells.pick(values)
    assert shown.tolist() == [[0, 2, 4], [1, 3, 5]]
    back = np.zeros((3, 2))
    cells.gather(back, shown)
    assert back.tolist() == values.tolist()
    with pytest.raises(IndexError):
        cells.pick(np.zeros((2, 2)))
