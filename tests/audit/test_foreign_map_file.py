"""The map of somebody else's workbook."""

from pathlib import Path

import pytest

from cellgrad.errors import InputError
from cellgrad_audit.foreign.map_file import read_map
from foreign_sheets import MATRIX_MAP, PLAIN_MAP, audit_workbook, matrix, plain

# maps

BAD = {
    "no TOML": ("[network\n", "not TOML"),
    "another format": (PLAIN_MAP.replace("map/1", "map/9"), "schema"),
    "an unknown key": (PLAIN_MAP.replace("error =", "eror ="), "eror"),
    "a range of another shape": (PLAIN_MAP.replace('"C4:D5"', '"C4:E5"'), "given.weights[0]"),
    "no address": (PLAIN_MAP.replace('"A4:A5"', '"here"'), "given.input"),
    "a sheet that is not there": (PLAIN_MAP.replace('"A4:A5"', '"Data!A4:A5"'), "no sheet"),
    "a cell with two meanings": (PLAIN_MAP.replace('"G9"]', '"G8"]'), "claimed by"),
    "a layer too few": (PLAIN_MAP.replace('["C8:D8", "G8"]', '["C8:D8"]'), "weight layers"),
    "new weights without a rate": (
        PLAIN_MAP.replace('learning_rate = "B1"\n', ""), "network.learning_rate"),
    "a pair that does not go together": (
        PLAIN_MAP.replace("half_squared_error", "categorical_cross_entropy"), "not permitted"),
    "an empty range": (PLAIN_MAP.replace('"N9"', '"P40"'), "it is empty"),
    "a text for a given": (PLAIN_MAP.replace('"A4:A5"', '"A3:A4"'), "Sheet!A3"),
    "a missing workbook": (PLAIN_MAP.replace("plain.xlsx", "other.xlsx"), "no such file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_map_that_cannot_be_used_is_refused_on_one_line(kind, tmp_path):
    text, words = BAD[kind]
    path = plain(tmp_path)
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        audit_workbook(path, count=0, proof=False)
    line = str(raised.value)
    assert words in line
    assert "\n" not in line
    assert ".toml" in line or ".xlsx" in line


def test_a_matrix_the_wrong_way_round_is_told_how_to_say_so(tmp_path):
    path = matrix(tmp_path)
    path.write_text(MATRIX_MAP.replace('{cells = "B7:C9", transposed = true}', '"B7:C9"'))
    with pytest.raises(InputError, match=r"given\.weights\[0\].*say transposed = true"):
        read_map(path)
    path.write_text(MATRIX_MAP.replace('{cells = "H7:I9", samples = "columns"}', '"H7:I9"'))
    with pytest.raises(InputError, match=r'pre_activation\[0\].*say samples = "columns"'):
        read_map(path)


def test_the_example_of_the_reference_fits_the_workbook_of_these_tests(tmp_path):
    path = plain(tmp_path)
    page = Path(__file__).parent.parent.parent / "reference" / "foreign-workbooks.md"
    mine = read_map(path)
    path.write_text(page.read_text("utf-8").split("```toml\n")[1].split("```")[0])
    theirs = read_map(path)
    assert theirs.structure == mine.structure
    for table, other in ((mine.given, theirs.given), (mine.computed, theirs.computed)):
        assert {k: dict(w.cells()) for k, w in other.items()} == {
            k: dict(w.cells()) for k, w in table.items()
        }
