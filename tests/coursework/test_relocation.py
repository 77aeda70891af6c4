"""Rows and columns that a student inserts, renamed sheets, lost names: nothing changes hands."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad.xlsx.addresses import a1, parse_a1
from cellgrad_coursework.model import OK, OK_ECF, REVIEW, WRONG
from plain_submission import (
    REFERENCE,
    assignment,
    case_of,
    grader_of,
    package,
    right_cells,
    verdicts,
    workbook,
)

TOKEN = "CG-ABCD-EFGH-JKMN-PQRS"  # noqa: S105 - no secret
ABSOLUTE = re.compile(r"(\$?)([A-Z]{1,3})(\$?)([0-9]+)")


@pytest.fixture(scope="module", params=["series-3-4-1", "softmax-3-4-3"])
def manifest(request):
    return assignment(case_of(request.param))


def shifted(text, rows, columns):
    """Return a formula, or what a name refers to, after lines were inserted."""

    def moved(match):
        row, column = parse_a1(match[2] + match[4])
        letters = a1(1, columns(column)).rstrip("1")
        return f"{match[1]}{letters}{match[3]}{rows(row)}"

    return ABSOLUTE.sub(moved, text)


def inserted(manifest, lines, changes=None):
    """Return a workbook in which lines were inserted as a spreadsheet program does it.

    Args:
        manifest: the assignment.
        lines: for each, whether it is a row, and before which line it is inserted.
        changes: cells that differ from the right ones, in the handout's own addresses.
    """

    def along(is_row):
        before = sorted(line for row, line in lines if row is is_row)
        return lambda line: line + sum(line >= first for first in before)

    rows, columns = along(True), along(False)
    cells = {}
    for address, value in (right_cells(manifest) | (changes or {})).items():
        row, column = parse_a1(address)
        text = isinstance(value, str) and value.startswith("=")
        cells[a1(rows(row), columns(column))] = (
            REFERENCE.sub(lambda m: shifted(m[0], rows, columns), value) if text else value
        )
    names = {}
    for name, text in manifest.names.items():
        sheet, _, area = text.rpartition("!")
        names[name] = f"{sheet}!{shifted(area, rows, columns)}"
    return package({"Guide": {"A1": TOKEN}, "Step": cells}, names, {}, "Step")


lines = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(lines, st.data())
@pytest.mark.slow
def test_lines_inserted_anywhere_cost_nothing(manifest, lines, data):
    grader = grader_of(manifest)
    found = grader.grade(inserted(manifest, lines), "x")
    assert {v.verdict for v in found.verdicts} == {OK}
    assert not found.notes
    assert not found.review
    cell = data.draw(st.sampled_from(manifest.cells), "cell")
    found = grader.grade(inserted(manifest, lines, {cell.address: f"=2*({cell.formula})+1"}), "x")
    for said in found.verdicts:
        assert (said.verdict == WRONG) is (said.cell == cell)
        assert said.verdict in (OK, OK_ECF) or said.cell == cell


def test_a_line_that_was_written_on_is_known_by_the_blocks_beside_it(manifest):
    weights = next(g for g in manifest.givens if g.quantity == "weights" and g.index == (1, 0))
    row, _ = parse_a1(weights.address)
    columns = [
        parse_a1(cell.address)[1]
        for cell in (*manifest.givens, *manifest.cells)
        if parse_a1(cell.address)[0] == row
    ]
    plain = inserted(manifest, [(True, row)])
    one = _with(plain, {a1(row, columns[0]): 7.0})
    assert grader_of(manifest).grade(one, "x").score == manifest.points
    # where numbers stand in every block, nobody can tell which line is the new one
    every = _with(plain, {a1(row, column): 7.0 for column in sorted(set(columns))})
    found = grader_of(manifest).grade(every, "x")
    assert {v.verdict for v in found.verdicts} <= {OK, OK_ECF, REVIEW}
    assert found.review
    lost = [v for v in found.verdicts if "cannot be found" in v.message]
    assert lost
    assert sum("given numbers" in line for line in found.review) == 1
    assert not any("givens were changed" in note for note in found.notes)


def _with(data, cells):
    """Return a workbook with further cells on Step, in rows that are there."""
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            if name == "xl/worksheets/sheet2.xml":
                row = parse_a1(next(iter(cells)))[0]
                new_row = "".join(f'<c r="{a}"><v>{value}</v></c>' for a, value in cells.items())
                below = text.index(f'<row r="{row + 1}">')
                text = f'{text[:below]}<row r="{row}">{new_row}</row>{text[below:]}'
            new.writestr(name, text)
    return buffer.getvalue()


def test_a_sheet_as_numbers_exports_it_is_found_without_its_names(manifest):
    data = workbook(manifest, names=dict.fromkeys(manifest.names, "#REF!"), sheet="Step - Table 1")
    found = grader_of(manifest).grade(data, "x")
    assert found.score == manifest.points
    assert not found.review


def test_verdicts_stand_at_the_addresses_of_the_handout(manifest):
    said = verdicts(grader_of(manifest).grade(inserted(manifest, [(True, 5), (False, 2)]), "x"))
    assert set(said) == {cell.address for cell in manifest.cells}
