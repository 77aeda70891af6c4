"""The workbook of an audit: it computes the implementation's numbers."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from dataclasses import replace

import pytest

from cellgrad import engines
from cellgrad.case.model import Sample
from cellgrad.xlsx.addresses import Range
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.report.workbook import audit_workbook_bytes
from made_audits import (
    ALLOWED,
    AUDITS,
    UPDATED,
    Made,
    audit_of,
    opened,
)

# workbook


@pytest.fixture(scope="module")
def books(audits):
    return Made(lambda name: audit_workbook_bytes(audits[name]))


@pytest.mark.parametrize("name", AUDITS)
@pytest.mark.slow
def test_a_workbook_holds_only_functions_that_every_program_has_and_no_error(name, books):
    used = Counter()
    with zipfile.ZipFile(io.BytesIO(books[name])) as archive:
        for part in archive.namelist():
            if not part.startswith("xl/worksheets/sheet"):
                continue
            text = archive.read(part).decode()
            assert 't="e"' not in text
            assert "<f/>" not in text
            for formula in re.findall(r"<f>(.*?)</f>", text):
                used.update(re.findall(r"([A-Z]+)\(", formula))
    assert set(used) <= ALLOWED
    assert used or name in ("no case could be run", "nothing asked")


def test_the_same_audit_gives_the_same_workbook(audits, books):
    assert audit_workbook_bytes(audits["a mistake"]) == books["a mistake"]


def test_the_sheet_reproduces_the_wrong_numbers(audits, books):
    book, audit = opened(books["a mistake"]), audits["a mistake"]
    assert book.sheetnames == ["Guide", "Audit", "Givens", "Right", "Mistaken"]
    sheet, cells = book["Audit"], audit.probes[0].cells
    right = Program(audit.probes[0].case).run()
    for row, cell in enumerate(cells, start=7):
        label, _, ours, theirs, gap, bound, mark = (sheet.cell(row, c).value for c in range(1, 8))
        assert label == cell.label
        assert ours == right.weights[cell.slot.layer][cell.index]  # stored by the engine
        assert theirs == cell.found
        assert gap == theirs - ours
        assert mark == ("✓" if abs(gap) <= bound else "✗")
        assert sheet.cell(row, 9).value == theirs  # the mistaken formula, to the last bit
        assert sheet.cell(row, 12).value == "✓"
    assert sheet["L4"].value == len(cells)
    assert sheet["G4"].value == sum(cell.agrees for cell in cells) < len(cells)


def framed_red(cell):
    side = cell.border.left
    return side is not None and side.style == "medium"


def test_red_frames_stand_where_the_mistake_is_made(books):
    sheet = opened(books["a mistake"], values=False)["Mistaken"]
    framed = [c for row in sheet.iter_rows() for c in row if framed_red(c)]
    nodes = 4
    assert len(framed) == 3 * nodes  # the error that flows back, in each of three updates
    assert all("Givens!" in c.value and "-" in c.value for c in framed)
    right = opened(books["a mistake"], values=False)["Right"]
    assert not any(framed_red(c) for row in right.iter_rows() for c in row)


def test_both_computations_follow_when_a_given_is_changed(books, audits, tmp_path):
    path = tmp_path / "audit.xlsx"
    path.write_bytes(books["a mistake"])
    case = audits["a mistake"].probes[0].case
    givens = opened(books["a mistake"])["Givens"]
    at = next(c for row in givens.iter_rows() for c in row if c.value == case.samples[0].input[0])
    inputs = (0.84375, *case.samples[0].input[1:])
    other = replace(case, samples=(Sample(inputs, case.samples[0].target), *case.samples[1:]))
    expected = {3: Program(other).run(), 9: UPDATED.program(other).run()}
    with engines.create("formualizer").open(path) as book:
        book.update([(Range("Givens", at.row, at.column, at.row, at.column), [[0.84375]])])
        for column, record in expected.items():
            (block,) = book.read([Range("Audit", 7, column, 10, column)])
            assert [row[0] for row in block] == record.weights[1].ravel().tolist()


def test_what_cannot_be_written_as_formulas_is_said_and_the_right_side_stays_live(books):
    book = opened(books["half precision, which no formula has"])
    assert book.sheetnames == ["Guide", "Audit", "Givens", "Right"]
    texts = [c.value for row in book["Guide"].iter_rows() for c in row if c.value]
    assert any("short binary format" in str(text) for text in texts)


def test_a_hostile_name_is_a_text_in_the_workbook():
    audit = audit_of(UPDATED, target="=1+1")
    book = opened(audit_workbook_bytes(audit), values=False)
    found = [
        c for sheet in book for row in sheet.iter_rows() for c in row if "=1+1" in str(c.value)
    ]
    assert found
    assert {c.data_type for c in found} == {"s"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ironcalc", "libreoffice", "gnumeric"])
def test_other_engines_reproduce_the_wrong_numbers(name, books, audits, tmp_path, engine_or_skip):
    path = tmp_path / "audit.xlsx"
    path.write_bytes(books["a mistake and a trace"])
    count = len(audits["a mistake and a trace"].probes[0].cells)
    with engine_or_skip(name).open(path) as book:
        (marks,) = book.read([Range("Audit", 7, 12, 6 + count, 12)])
        (total,) = book.read([Range("Audit", 4, 12, 4, 12)])
    assert {row[0] for row in marks} == {"✓"}
    assert total[0][0] == count
