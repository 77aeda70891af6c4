"""Tables of answers, and folders of them."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases_asked import (
    QUICK,
    filled,
    is_one_line,
    probe,
    saved,
    small,
)
from cellgrad.errors import InputError
from cellgrad_audit import commands
from cellgrad_audit.answer import Slot
from cellgrad_audit.probes import probes
from cellgrad_audit.targets.folder import FolderTarget, read_table, template

# tables of answers


def comma(rows):
    return [(q, i, v.replace(".", ",")) for q, i, v in rows]


SAVED = {
    "as written": lambda rows: saved(rows).encode(),
    "Windows lines": lambda rows: saved(rows, end="\r\n").encode(),
    "a byte order mark": lambda rows: b"\xef\xbb\xbf" + saved(rows).encode(),
    "everything quoted": lambda rows: saved(rows, quoting=csv.QUOTE_ALL).encode(),
    "semicolons and decimal commas": lambda rows: saved(comma(rows), ";", "\r\n").encode(
        "utf-8-sig"
    ),
    "decimal commas, quoted": lambda rows: saved(comma(rows)).encode(),
    "tabs, UTF-16": lambda rows: saved(rows, "\t", "\r\n").encode("utf-16"),
    "empty rows": lambda rows: ("\n,,\n" + saved(rows).replace("\n", "\n,,,\n\n")).encode(),
    "empty columns": lambda rows: saved([(*row, "", "") for row in rows]).encode(),
    "a line that names the separator": lambda rows: ("sep=;\r\n" + saved(rows, ";")).encode(),
    "no heading": lambda rows: saved(rows[1:]).encode(),
    "the rows in another order": lambda rows: saved([rows[0], *rows[:0:-1]]).encode(),
    "blanks around": lambda rows: saved([[f" {cell} " for cell in row] for row in rows]).encode(),
    "under the blank rows": lambda rows: template(probe()) + saved(rows[1:]).encode(),
}


@pytest.mark.parametrize("spell", [float.hex, repr, "{:.9f}".format], ids=["hex", "repr", "fixed"])
@pytest.mark.parametrize("how", SAVED)
def test_a_table_is_read_however_it_was_saved(how, spell):
    answer = read_table(probe(), SAVED[how](filled(probe(), spell)))
    assert len(answer.numbers) == 4
    for k, layer in enumerate(probe().network.weights):
        assert np.array_equal(answer.numbers[Slot(0, "weights", k)].values, layer)
    for k, layer in enumerate(probe().network.biases):
        assert np.array_equal(answer.numbers[Slot(0, "biases", k)].values, layer)


@given(
    st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=6, max_size=6),
    st.sampled_from("gfe"),
    st.integers(1, 17),
)
@settings(QUICK, max_examples=80)
def test_a_table_printed_with_one_format_is_never_taken_for_finer_than_it_is(values, form, digits):
    # 6 numbers: the weights of a 2-2-1 network
    rows = filled(small())
    texts = [f"{value:.{digits}{form}}" for value in values]
    rows = [rows[0], *((q, i, text) for (q, i, _), text in zip(rows[1:], texts, strict=True))]
    answer = read_table(small(), saved(rows).encode())
    found = [
        x
        for _, x in sorted(
            answer.numbers.items(), key=lambda item: (item[0].name != "weights", item[0].layer)
        )
    ]
    read = np.concatenate([x.values.ravel() for x in found])
    half = np.concatenate([x.half_units.ravel() for x in found])
    gap = np.abs(read - np.array(values))
    assert np.all(gap <= half * (1 + 1e-9) + 2.0**-52 * np.abs(read))


def test_a_weight_that_was_never_updated_does_not_pass_for_a_rounded_one():
    rows = filled(small(), "{:.9g}".format)
    rows[1] = (*rows[1][:2], "0.437512586")
    rows[2] = (*rows[2][:2], "0.5")  # %.9g leaves its zeros out
    answer = read_table(small(), saved(rows).encode())
    assert answer.numbers[Slot(0, "weights", 0)].half_units[0, 1] < 1e-6


def blank(rows, *which):
    return [(*row[:2], "") if n in which else row for n, row in enumerate(rows)]


ROWS = filled(probe(), repr)
FILL = "; fill in every weight and bias, or none"
USE = "; use weights or biases; README.txt names the others"
COUNT = "; count from 0, as the header does"


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (blank(ROWS, 7, 9), f"line 8: weights [0][1][2] is missing{FILL}"),
        (ROWS[:-1], f"biases [1][2] is missing{FILL}"),
        ([*ROWS, ("loss", "", "1")], f"line 33: the case has no quantity 'loss'{USE}"),
        ([*ROWS, ("steps.4.error", "", "1")],
         f"line 33: the case has no quantity 'steps.4.error'{USE}"),
        ([*ROWS, ("weights", "[0][3][0]", "1")],
         f"line 33: weights has no index '[0][3][0]'{COUNT}"),
        ([*ROWS, ("weights", "[0][0]", "1")], f"line 33: weights has no index '[0][0]'{COUNT}"),
        ([*ROWS, ("weights", "[2][0][0]", "1")],
         f"line 33: weights has no index '[2][0][0]'{COUNT}"),
        ([*ROWS, ("weights", "", "1")], f"line 33: weights has no index ''{COUNT}"),
        ([*ROWS, ("weights", "0 2 1", "1")], "line 33: '021' is no index; write it as [0][2][1]"),
        ([*ROWS, ROWS[3]], "lines 4 and 33: weights [0][0][2] stands twice"),
        ([*ROWS[:4], (*ROWS[4][:2], "#DIV/0!"), *ROWS[5:]], "line 5: '#DIV/0!' is no number"),
        ([*ROWS[:4], (*ROWS[4][:2], "NaN"), *ROWS[5:]], "line 5: 'NaN' is no number"),
        ([*ROWS[:4], (*ROWS[4][:2], "1.234,5"), *ROWS[5:]], "line 5: '1.234,5' is no number"),
        ([*ROWS[:4], (*ROWS[4][:2], "0", "5"), *ROWS[5:]],
         "line 5: has more than three columns; write a decimal point, or put the value in quotes"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named_by_its_line(rows, line):
    with pytest.raises(InputError) as refused:
        read_table(probe(), saved(rows).encode())
    assert refused.value.line() == line


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"\xe9",
        b'"',
        b'quantity,index,value\n"a"b,c\n',
        b"a\0b,c,d",
        b"x" * 200_000,
    ],
)
def test_what_is_no_table_is_refused(data):
    with pytest.raises(InputError) as refused:
        read_table(probe(), data)
    assert refused.value.line().isprintable()


@pytest.mark.parametrize("data", [b"", b"\n\n", b"quantity,index,value\n", template(probe())])
def test_a_blank_table_is_not_filled_in(data):
    assert read_table(probe(), data).unsupported == "not filled in"


def test_a_table_may_say_what_was_computed_on_the_way():
    rows = [
        *filled(small()),
        ("steps.1.error_signal", "[0][1][0]", "0.5"),
        ("steps.2.error_signal", "[1][0]", "0.25"),  # the second update covers one sample
        ("steps.2.error", "", "0.125"),
        ("final.post_activation", "[1][2][0]", "1.5"),
        ("epoch_errors", "[1]", "2.5"),
    ]
    numbers = read_table(small(), saved(rows).encode()).numbers
    assert numbers[Slot(1, "error_signal", 0)].values[1, 0] == 0.5
    assert np.isnan(numbers[Slot(1, "error_signal", 0)].values).sum() == 3
    assert numbers[Slot(2, "error_signal", 1)].values[0, 0] == 0.25
    assert numbers[Slot(2, "error", None)].values == 0.125
    assert numbers[Slot(0, "post_activation", 1)].values[2, 0] == 1.5
    assert numbers[Slot(0, "epoch_errors", None)].values[1] == 2.5


# folders of them


@pytest.fixture
def handout(tmp_path, capsys):
    assert commands.probes.callback(tmp_path / "probes") == 0
    assert capsys.readouterr().out.startswith(f"wrote {len(probes())} probes to ")
    return tmp_path / "probes"


def test_a_folder_of_blank_tables_is_read_as_the_probes_not_filled_in(handout):
    target = FolderTarget(handout)
    assert target.cases() == list(probes())
    for case in target.cases():
        answer = target.answer(case)
        assert answer.unsupported == f"{case.id}.answers.csv is not filled in"
        assert not answer.failure


def test_a_filled_table_answers_and_the_others_do_not(handout):
    (handout / "probe-online.answers.csv").write_text(saved(filled(probe())))
    (handout / "probe-plain.answers.csv").write_text(saved(filled(probe("probe-plain"))[:-1]))
    target = FolderTarget(handout)
    answer = target.answer(probe())
    assert np.array_equal(answer.numbers[Slot(0, "weights", 1)].values, probe().network.weights[1])
    failure = target.answer(probe("probe-plain")).failure
    assert is_one_line(failure, probe("probe-plain"))
    assert f"{handout / 'probe-plain.answers.csv'}: weights [" in failure
    (handout / "probe-online.answers.csv").unlink()
    assert "no such file" in target.answer(probe()).failure
    assert "has no probe-online" in FolderTarget(handout).answer(probe()).unsupported


def test_answers_to_other_numbers_are_not_compared(handout):
    (handout / "probe-online.answers.csv").write_text(saved(filled(probe())))
    other = replace(probe(), samples=probe().samples[::-1])
    assert "answers another probe-online" in FolderTarget(handout).answer(other).failure


def test_a_folder_that_holds_no_tables_is_refused(tmp_path, handout):
    with pytest.raises(InputError, match=r"holds no NAME\.answers\.csv"):
        FolderTarget(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        FolderTarget(tmp_path / "none")
    (handout / "probe-online.json").write_text("{")
    with pytest.raises(InputError, match=r"probe-online\.json: line 1, column 2: not JSON"):
        FolderTarget(handout)
    (handout / "probe-online.json").unlink()
    with pytest.raises(InputError, match=r"probe-online\.json: no such file"):
        FolderTarget(handout)


@pytest.mark.slow
@pytest.mark.libreoffice
def test_a_table_goes_through_libreoffice_and_back(handout):
    office = shutil.which("soffice")
    if office is None:
        if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
            pytest.fail("LibreOffice is not installed")
        pytest.skip("LibreOffice is not installed")
    table = handout / "probe-online.answers.csv"
    table.write_text(saved(filled(probe(), repr)))
    profile = f"-env:UserInstallation=file://{handout / 'profile'}"
    for form, name in (("xlsx", table), ("csv", handout / "probe-online.answers.xlsx")):
        words = [office, profile, "--headless", "--convert-to", form, "--outdir", handout, name]
        subprocess.run(words, check=True, capture_output=True, timeout=120)
    answer = FolderTarget(handout).answer(probe())
    assert answer.failure == ""
    for k, layer in enumerate(probe().network.weights):
        numbers = answer.numbers[Slot(0, "weights", k)]
        assert np.all(np.abs(numbers.values - layer) <= numbers.half_units)
